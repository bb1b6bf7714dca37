//! SIGINT and SIGTERM, for commands that end cleanly.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the command is to end.
pub static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Lets the signals ask the command to end, from now on, instead of killing it.
pub fn expect() {
    extern "C" fn end(_: libc::c_int) {
        IS_ENDING.store(true, Ordering::Relaxed);
    }
    let handler = end as extern "C" fn(libc::c_int);
    for signal in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: The handler only stores to an atomic.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

pub fn came() -> bool {
    IS_ENDING.load(Ordering::Relaxed)
}
