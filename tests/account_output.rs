//! What `wyze-cameras` prints, and how it ends where nobody takes that.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/user.rs"]
mod user;

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use user::{ACCOUNT, User};
use wyze_camera::{DEMO_ENR, DEMO_MAC, DEMO_UID};

/// Every command that prints, in an order in which each succeeds: with one camera, Front Door, at the beginning.
const COMMANDS: [&[&str]; 16] = [
    &["--help"],
    &["--version"],
    &["help", "probe"],
    &["login", "--help"],
    &["completions", "bash"],
    &["list"],
    &["list", "--json"],
    &["show", "Front Door"],
    &["show", "Front Door", "--secrets"],
    &["probe", "Front Door"],
    &["remove", "Front Door"],
    &["add", "Attic", "--host", "127.0.0.1"],
    &["import", "wyze://10.0.0.7?uid=HSBJYB5HSETGCDWD222B&enr=roTRg3tiuL3TjXhm&mac=AABBCCDDEEFF"],
    &["login"],
    &["refresh"],
    &["logout", "--cameras"],
];

fn user() -> User {
    let user = User::new();
    user.add("Front Door", 1);
    user
}

/// The command with all that it could ask for in the environment.
fn tool(user: &User, arguments: &[&str]) -> Command {
    let mut command = user.tool(arguments);
    command.envs(ACCOUNT).envs([("WYZE_UID", DEMO_UID), ("WYZE_ENR", DEMO_ENR), ("WYZE_MAC", DEMO_MAC)]);
    command.stdin(Stdio::null());
    command
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

fn errors(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let user = user();
    for arguments in COMMANDS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = tool(&user, arguments).stdout(writer).output().unwrap();
        assert_eq!(output.status.signal(), Some(libc::SIGPIPE), "{arguments:?}: {output:?}");
        assert!(!errors(&output).contains("standard output"), "{arguments:?}: {output:?}");
    }
    let program = env!("CARGO_BIN_EXE_wyze-cameras");
    let mut command = user.command("sh");
    let output = command.args(["-c", &format!("'{program}' completions zsh | head -1")]).output().unwrap();
    assert_eq!((output.stdout.as_slice(), errors(&output).as_str()), (&b"#compdef wyze-cameras\n"[..], ""));
}

#[test]
fn a_disk_that_is_full_is_an_error_and_no_panic() {
    let user = user();
    for arguments in COMMANDS {
        let output = tool(&user, arguments).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        let told = "wyze-cameras: standard output cannot be written (No space left on device";
        assert!(errors(&output).contains(told), "{arguments:?}: {output:?}");
    }
}

#[test]
fn errors_that_cannot_be_told_keep_their_exit_code() {
    let user = User::new();
    for (arguments, code) in [
        (&["list"][..], 0),
        (&["show", "Nowhere"], 3),
        (&["fly"], 2),
        (&["import", "/no/such/file"], 1),
        (&["remove"], 2),
        (&["login"], 0),
    ] {
        let output = tool(&user, arguments).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
    let output = user.tool(&["add", "Attic"]).stdin(Stdio::null()).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "a question that cannot be asked: {output:?}");
}

#[test]
fn names_from_the_cloud_cannot_steer_the_terminal() {
    let user = User::new();
    user.cloud.state().devices[0]["nickname"] = "a\u{1b}[2Jb\nc".into();
    let listed = user.run_with_account(&["login"]).ok();
    assert!(listed.contains("a[2Jbc") && !listed.contains('\u{1b}'), "{listed:?}");
    let shown = user.run(&["show", DEMO_MAC], "").ok();
    assert!(!shown.contains('\u{1b}') && shown.contains("wyzesrc uri=wyze:///a%5B2Jbc !"), "{shown}");
}
