//! The long measurement in small: what it checks holds, and it says so when it does not.

use std::process::Command;

fn outages(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_wyze-outages")).args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_camera_that_was_away_streams_again_and_leaves_nothing_behind() {
    let (success, said) = outages(&["--count", "4", "--seconds", "6"]);
    assert!(success && said.contains("4 outages of 6s"), "{said}");
}

#[test]
fn a_return_that_takes_too_long_is_a_failure() {
    // The loss is noticed after 5 s only, so much later than such a short outage.
    let (success, said) = outages(&["--count", "2", "--seconds", "0.1", "--limit", "1"]);
    assert!(!success && said.contains("a return took longer than 1 s"), "{said}");
}
