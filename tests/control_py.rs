//! `pipelines/control.py`, as a user runs it in a terminal, with the simulated camera.

#[path = "support/home.rs"]
mod home;
#[path = "support/terminal.rs"]
mod terminal;

use gstwyze::account::{Camera, Cameras, Store, StoreError};
use home::home;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use terminal::{echoes, terminal};
use wyze_camera::{CameraConfig, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, LiveAudio, LiveMediaConfig, MediaSource};

/// Seconds after which the program is killed; it takes far less.
const DEADLINE: &str = "60";
const VARIABLES: [&str; 9] = [
    "WYZE_CAMERA",
    "WYZE_URI",
    "WYZE_UID",
    "WYZE_ENR",
    "WYZE_MAC",
    "WYZE_HOST",
    "WYZE_PORT",
    "WYZE_MODEL",
    "WYZE_VIDEO_SINK",
];

fn camera(model: &str) -> CameraServer {
    let config = CameraConfig { model: model.into(), ..CameraConfig::demo().unwrap() };
    let media = LiveMediaConfig { width: 320, height: 180, audio: LiveAudio::None, ..LiveMediaConfig::default() };
    CameraServer::start(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), MediaSource::Live(media)).unwrap()
}

/// The program as this user runs it, who has set nothing. The Python is the system's, which has the packages of
/// `tests/setup.sh`.
fn command(home: &TempDir, arguments: &[&str]) -> Command {
    let home = home.path();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/control.py");
    let mut command = Command::new("timeout");
    command.args(["--preserve-status", "--kill-after=5", DEADLINE, "/usr/bin/python3"]).arg(script).args(arguments);
    command.env("GST_PLUGIN_PATH", home).env("GST_REGISTRY", home.join("registry")).env("XDG_CONFIG_HOME", home);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

fn uri(camera: &CameraServer) -> String {
    let port = camera.addr().port();
    format!("wyze://127.0.0.1:{port}?uid={DEMO_UID}&enr={DEMO_ENR}&mac={DEMO_MAC}")
}

/// The program at work.
struct Running {
    child: Child,
    keys: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("coreutils' timeout");
        let keys = child.stdin.take().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, keys, said }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until the program says a line that begins so, and returns that line.
    fn wait_for(&mut self, line: &str) -> String {
        let mut said = Vec::new();
        for next in self.said.by_ref().map_while(Result::ok) {
            if next.starts_with(line) {
                return next;
            }
            said.push(next);
        }
        panic!("{line:?} is not in {said:#?}");
    }

    /// Waits until the program ends; returns its exit code, and what else it said.
    fn end(self) -> (Option<i32>, String) {
        let Running { child, keys, said } = self;
        let lines: Vec<String> = said.map_while(Result::ok).collect();
        let output = child.wait_with_output().unwrap();
        drop(keys);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!errors.contains("Traceback") && !errors.contains("CRITICAL"), "{errors}");
        (output.status.code(), lines.join("\n") + &errors)
    }
}

fn run(command: Command) -> (Option<i32>, String) {
    Running::start(command).end()
}

/// Waits until the camera looks there.
fn wait_until_it_looks_at(camera: &CameraServer, position: (u16, u8)) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while camera.looks_at() != position {
        assert!(Instant::now() < deadline, "{:?}", camera.looks_at());
        std::thread::yield_now();
    }
}

#[test]
fn arrow_keys_turn_the_camera_and_its_position_is_shown() {
    let home = home();
    let camera = camera("HL_PAN3");
    let mut command = command(&home, &["--headless"]);
    command.env("WYZE_URI", uri(&camera));
    let mut program = Running::start(command);
    program.wait_for("camera: streaming");
    program.wait_for("position: 175 / 20");
    // As terminals send them: right and up, the second in the other form, and in two pieces.
    program.press("\x1b[C\x1bO");
    program.wait_for("turn right by 10 degrees");
    program.press("A");
    program.wait_for("turn up by 10 degrees");
    wait_until_it_looks_at(&camera, (185, 30));
    program.wait_for("position: 185 / 30");
    program.press("\x1b[D");
    program.wait_for("turn left by 10 degrees");
    wait_until_it_looks_at(&camera, (175, 30));
    program.press("x\x1b[B");
    program.wait_for("turn down by 10 degrees");
    wait_until_it_looks_at(&camera, (175, 20));
    assert!(camera.stats().video_frames > 0);
    program.press("q");
    assert_eq!(program.end(), (Some(0), "stopped".into()));
    let log = camera.stop();
    assert_eq!(log.byte_entries().count(), 0, "{log}");
}

#[test]
fn n_switches_night_vision() {
    let home = home();
    let camera = camera("WYZE_CAKP2JFUS");
    let mut program = Running::start(command(&home, &["--headless", &uri(&camera)]));
    program.wait_for("camera: streaming");
    for choice in ["on", "off", "auto", "on"] {
        program.press("n");
        assert_eq!(program.wait_for("night vision: "), format!("night vision: {choice}"));
    }
    // What the camera says itself. The command may still be under way.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut asked = Command::new(env!("CARGO_BIN_EXE_wyze-cameras"));
        let answer = asked.args(["control", &uri(&camera), "night-vision"]).output().unwrap();
        if answer.stdout == b"on\n" {
            break;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
    }
    program.wait_for("position: this camera does not tell it");
    program.press("q");
    assert_eq!(program.end(), (Some(0), "stopped".into()));
    let log = camera.stop();
    assert_eq!(log.byte_entries().count(), 0, "{log}");
}

/// A store in this folder, with this camera as `Front Door`.
fn store(folder: &Path, camera: &CameraServer) {
    let (uid, enr, mac) = (DEMO_UID.into(), DEMO_ENR.into(), DEMO_MAC.into());
    let (host, port) = (Some("127.0.0.1".into()), Some(camera.addr().port()));
    let camera = Camera { name: "Front Door".into(), uid, enr, mac, host, port, ..Camera::default() };
    let add = |cameras: &mut Cameras| {
        cameras.push(camera);
        Ok::<_, StoreError>(())
    };
    Store::at(folder.join("gst-plugin-wyze")).update(add).unwrap();
}

#[test]
fn sigterm_stops_the_pipeline_and_the_camera_is_left() {
    let home = home();
    let camera = camera("HL_PAN3");
    store(home.path(), &camera);
    let mut command = command(&home, &["front door"]);
    command.env("WYZE_VIDEO_SINK", "fakesink");
    // With nothing to type, it plays on.
    command.stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line == "position: 175 / 20"));
    // timeout passes it on.
    kill(child.id(), libc::SIGTERM);
    assert_eq!(said.last().as_deref(), Some("stopped"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let deadline = Instant::now() + Duration::from_secs(10);
    while camera.stats().clients > 0 {
        assert!(Instant::now() < deadline, "the session goes on");
        std::thread::yield_now();
    }
}

fn kill(process: u32, signal: i32) {
    // SAFETY: The call has no preconditions.
    assert_eq!(unsafe { libc::kill(process.try_into().unwrap(), signal) }, 0);
}

#[test]
fn a_terminal_gives_keys_as_they_are_pressed_and_ctrl_c_ends_it() {
    let home = home();
    let camera = camera("HL_PAN3");
    let (program, mut typist) = terminal();
    let mut command = Command::new("setsid");
    let own = self::command(&home, &["--headless"]);
    command.args(["--ctty", "--wait", "timeout", "--foreground"]).args(own.get_args());
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("WYZE_URI", uri(&camera)).stdin(program.try_clone().unwrap());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("util-linux' setsid");
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line == "position: 175 / 20"));
    assert!(!echoes(&typist));
    // No new line follows.
    typist.write_all(b"\x1b[C").unwrap();
    assert!(said.any(|line| line == "turn right by 10 degrees"));
    typist.write_all(b"\x03").unwrap();
    assert_eq!(said.last().as_deref(), Some("stopped"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(echoes(&typist), "the terminal is as it was");
}

#[test]
fn what_is_wrong_is_told_without_secrets() {
    let home = home();
    let (code, text) = run(command(&home, &["--headless"]));
    assert_eq!(code, Some(2), "{text}");
    let names = ["WYZE_CAMERA", "WYZE_URI", "WYZE_UID", "WYZE_ENR", "WYZE_MAC"];
    assert!(names.iter().all(|name| text.contains(name)), "{text}");
    let mut lacking = command(&home, &[]);
    lacking.env("WYZE_UID", DEMO_UID).env("WYZE_ENR", DEMO_ENR);
    let (code, text) = run(lacking);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("missing: WYZE_MAC)") && !text.contains(DEMO_ENR), "{text}");
    let mut malformed = command(&home, &["--headless"]);
    malformed.env("WYZE_UID", "short").env("WYZE_ENR", DEMO_ENR).env("WYZE_MAC", DEMO_MAC).env("WYZE_PORT", "1");
    let (code, text) = run(malformed);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("uid has 5 characters") && !text.contains(DEMO_ENR), "{text}");
    let (code, text) = run(command(&home, &["--headless", "http://127.0.0.1"]));
    assert!(code == Some(1) && text.contains("wyze://"), "{code:?}: {text}");
    assert_eq!(run(command(&home, &["--nonsense"])).0, Some(2));
    let (code, text) = run(command(&home, &["--help"]));
    assert!(code == Some(0) && text.starts_with("usage: control.py") && text.contains("arrows"), "{text}");
}

#[test]
fn a_plugin_that_was_built_and_not_installed_is_found() {
    let home = home();
    let test = std::env::current_exe().unwrap();
    let mut command = command(&home, &["--headless", "nowhere"]);
    command.env_remove("GST_PLUGIN_PATH").env("CARGO_TARGET_DIR", test.ancestors().nth(3).unwrap());
    let (code, text) = run(command);
    assert!(code == Some(1) && text.contains("no camera is stored"), "{code:?}: {text}");
}
