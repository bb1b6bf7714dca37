//! Runs `wyze-outages` for a few short outages: once where its checks hold, and once where a return is too slow.

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
    // The client notices only after 5 s that the camera is gone, so the return takes longer than the limit.
    let (success, said) = outages(&["--count", "2", "--seconds", "0.1", "--limit", "1"]);
    assert!(!success && said.contains("a return took longer than 1 s"), "{said}");
}
