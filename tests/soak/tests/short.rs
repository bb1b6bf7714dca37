//! Runs the soak for some seconds, and checks that it finds faults made on purpose.

use std::process::Command;

/// Runs the program; returns whether it passed, and all that it printed.
fn soak(arguments: &str) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_wyze-soak")).args(arguments.split_whitespace()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}");
    (output.status.success(), said)
}

#[test]
fn a_short_soak_passes() {
    let (passed, said) = soak("-n 2 -t 0.005 --seed 4");
    assert!(passed && said.contains("PTS violations 0, stalls 0, errors 0"));
}

#[test]
fn a_leak_is_found() {
    for (fault, found) in
        [("memory", "resident memory grew"), ("thread", "left behind at rest"), ("descriptor", "left behind at rest")]
    {
        let (passed, said) = soak(&format!("-n 1 -t 0.0015 --rest 1 --plant {fault}"));
        assert!(!passed && said.contains(&format!("FAILED: {found}")), "{fault}");
    }
}

#[test]
fn a_stall_or_a_pts_that_does_not_grow_is_found() {
    for (fault, found) in [("stall", "for 3s"), ("pts", "PTS")] {
        let (passed, said) = soak(&format!("-n 1 -t 0.002 --rest 1 --stall-limit 3 --plant {fault}"));
        assert!(!passed && said.contains("FAILED: ") && said.contains(found), "{fault}");
    }
}
