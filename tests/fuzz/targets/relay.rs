#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wyze_fuzz::relay(bytes));
