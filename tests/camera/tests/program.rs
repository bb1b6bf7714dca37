//! What the program prints, and how it ends where nobody takes that.

use signal_hook::consts::SIGPIPE;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// Far beyond what the program takes here, in seconds.
const DEADLINE: &str = "60";

/// The program, with a camera that costs nothing.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", DEADLINE, env!("CARGO_BIN_EXE_wyze-camera")]);
    command.args(["--listen", "127.0.0.1:0", "--video", "synthetic", "--audio", "none"]).args(arguments);
    command
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let mut child = program(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("coreutils' timeout");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("camera 1 on 127.0.0.1:"), "{line}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(SIGPIPE), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = program(&["--help"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.signal(), output.stderr.as_slice()), (Some(SIGPIPE), &b""[..]));
}

#[test]
fn cameras_that_speak_webrtc_come_with_a_cloud() {
    let output = program(&["--webrtc", "--cameras", "2", "--duration", "0"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    for part in ["camera 2 signals at ws://127.0.0.1:", "WYZE_APP_URL=http://127.0.0.1:", "camera=\"camera 2\""] {
        assert!(told.contains(part), "{told}");
    }
    for (arguments, why) in [(["--video", "mjpeg"], "--video mjpeg"), (["--audio", "aac"], "--audio")] {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", DEADLINE, env!("CARGO_BIN_EXE_wyze-camera"), "--webrtc"]).args(arguments);
        let output = command.args(["--listen", "127.0.0.1:0"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(why), "{told}");
    }
}

#[test]
fn a_disk_that_is_full_is_an_error_and_no_panic() {
    for argument in ["--help", "--version", "--every-frame-type"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = program(&[argument]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{argument}: {output:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.starts_with("wyze-camera: standard output cannot be written (No space left"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn errors_that_cannot_be_told_keep_their_exit_code() {
    for (argument, code) in [("--loss=200", 1), ("--fly", 2)] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(program(&[argument]).stderr(full).output().unwrap().status.code(), Some(code), "{argument}");
    }
}
