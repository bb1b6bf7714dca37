//! `wyze-cameras watch`, as a user runs it: by keys in a terminal, and by keys in a window of an X server.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/terminal.rs"]
mod terminal;
#[path = "support/user.rs"]
mod user;

use gstwyze::account::{Cameras, StoreError};
use gstwyze::protocol::credentials::Credentials;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use terminal::{echoes, terminal};
use user::User;
use wyze_camera::{
    CameraConfig, CameraEvent, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, LiveAudio, LiveMediaConfig, LiveVideo,
    MediaSource,
};

const MODEL: &str = "HL_PAN2";
const TURN: u16 = 11000;
const NIGHT_VISION: u16 = 10042;
const PATIENCE: Duration = Duration::from_secs(30);

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn camera(video: LiveVideo, listen: SocketAddr) -> CameraServer {
    let audio = LiveAudio::Mulaw;
    let media = LiveMediaConfig { video, audio, width: 320, height: 180, ..LiveMediaConfig::default() };
    let mut config = CameraConfig::new(Credentials::new(DEMO_UID, DEMO_ENR, DEMO_MAC).unwrap());
    config.model = MODEL.into();
    CameraServer::start(config, listen, MediaSource::Live(media)).unwrap()
}

/// A user, and a camera that pans.
struct Scene {
    user: User,
    camera: CameraServer,
    events: Vec<CameraEvent>,
}

impl Scene {
    fn new() -> Self {
        let camera = camera(LiveVideo::H264, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let user = User::new();
        user.add("Front Door", camera.addr().port());
        let pans = |cameras: &mut Cameras| {
            cameras.iter_mut().for_each(|camera| camera.model = MODEL.into());
            Ok::<_, StoreError>(())
        };
        user.store().update(pans).unwrap();
        Scene { user, camera, events: Vec::new() }
    }

    /// Starts the command. Its own time limit would take it out of the foreground of the terminal.
    fn watch(&self, arguments: &[&str]) -> Command {
        let limited = self.user.tool(&[]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_wyze-cameras"));
        command.env_clear();
        command.envs(limited.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(["watch", "Front Door", "--audio-source", "audiotestsrc is-live=true"]);
        command.args(["--audio-sink", "fakesink sync=true"]).args(arguments).current_dir(self.user.home.path());
        command
    }

    fn await_pictures(&self) {
        let enough = self.camera.stats().video_frames + 10;
        wait_until("pictures", || self.camera.stats().video_frames >= enough);
    }

    fn await_event(&mut self, what: &str, mut is_it: impl FnMut(&CameraEvent) -> bool) {
        wait_until(what, || {
            self.events.extend(self.camera.take_events());
            self.events.iter().any(&mut is_it)
        });
    }

    fn await_setting(&mut self, number: u16, bytes: &[u8]) {
        self.await_event("a setting", |event| {
            matches!(event, CameraEvent::Setting { command, payload, .. } if *command == number && payload == bytes)
        });
    }

    fn await_talk(&mut self, is_on: bool) {
        self.await_event("talk", |event| matches!(event, CameraEvent::Talk { on, .. } if *on == is_on));
    }

    fn pictures(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.user.home.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".jpg")).collect()
    }

    fn await_picture_file(&self) {
        wait_until("a picture's file", || !self.pictures().is_empty());
        let name = &self.pictures()[0];
        assert!(name.starts_with("Front Door 20"), "{name}");
        let bytes = std::fs::read(self.user.home.path().join(name)).unwrap();
        assert!(bytes.starts_with(&[0xff, 0xd8]) && bytes.len() > 1000, "{name} is no picture");
    }
}

/// A child that does not outlive its test.
struct Running(Child);

impl Running {
    fn end(mut self) -> Option<i32> {
        let mut code = None;
        wait_until("the end", || {
            code = self.0.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn keys_of_the_terminal_steer_the_camera() {
    let mut scene = Scene::new();
    let (program, mut keyboard) = terminal();
    let mut command = scene.watch(&["--video-sink", "fakesink sync=true"]);
    command.stdin(program.try_clone().unwrap()).stdout(program.try_clone().unwrap()).stderr(program);
    lead_terminal(&mut command);
    let running = Running(command.spawn().unwrap());
    drop(command);
    scene.await_pictures();
    wait_until("keys at once", || !echoes(&keyboard));
    let screen = read(keyboard.try_clone().unwrap());

    keyboard.write_all(b"\x1b[D").unwrap();
    scene.await_setting(TURN, &[0xf6, 0xff, 0, 0, 5]);
    keyboard.write_all(b"n").unwrap();
    scene.await_setting(NIGHT_VISION, &[1]);
    keyboard.write_all(b"s").unwrap();
    scene.await_picture_file();
    keyboard.write_all(b"t").unwrap();
    scene.await_talk(true);
    wait_until("sound", || scene.camera.talk_audio().len() > 2000);
    keyboard.write_all(b"t").unwrap();
    scene.await_talk(false);
    keyboard.write_all(b"q").unwrap();
    assert_eq!(running.end(), Some(0));
    assert!(echoes(&keyboard), "the terminal is as it was");
    drop(keyboard);
    let screen = screen.join().unwrap();
    for text in ["Keys: arrows turn", "night vision: on", "Front Door 20", "talking", "talk ended"] {
        assert!(screen.contains(text), "{text:?} is not in: {screen}");
    }
    assert_eq!(scene.camera.log().byte_entries().count(), 0, "{}", scene.camera.log());
}

#[test]
fn keys_of_the_window_steer_the_camera_and_closing_it_ends() {
    let mut scene = Scene::new();
    let screen = Display::start();
    let mut command = scene.watch(&["--video-sink", "ximagesink"]);
    command.env("DISPLAY", &screen.name).stdin(Stdio::null());
    let running = Running(command.spawn().unwrap());
    scene.await_pictures();
    screen.focus();
    screen.xdotool(&["key", "Left"]);
    scene.await_setting(TURN, &[0xf6, 0xff, 0, 0, 5]);
    screen.xdotool(&["key", "n"]);
    scene.await_setting(NIGHT_VISION, &[1]);
    screen.xdotool(&["key", "s"]);
    scene.await_picture_file();
    // While it is held down, the X server repeats it.
    screen.xdotool(&["keydown", "t"]);
    scene.await_talk(true);
    wait_until("sound", || scene.camera.talk_audio().len() > 8000);
    screen.xdotool(&["keyup", "t"]);
    scene.await_talk(false);
    let switched = scene.events.iter().filter(|event| matches!(event, CameraEvent::Talk { .. })).count();
    assert_eq!(switched, 2, "{:?}", scene.events);
    screen.xdotool(&["key", "q"]);
    assert_eq!(running.end(), Some(0));
}

#[test]
fn a_camera_that_restarts_is_told_of_and_the_picture_comes_back() {
    let scene = Scene::new();
    let mut command = scene.watch(&["--video-sink", "fakesink sync=true"]);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut told = BufReader::new(running.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    scene.await_pictures();
    scene.camera.reboot(Duration::from_millis(200));
    let lost = told.find(|line| line.starts_with("streaming: ")).unwrap();
    assert!(lost.contains("restarted"), "{lost}");
    scene.await_pictures();
    let id = running.0.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert_eq!(running.end(), Some(0));
}

#[test]
fn a_camera_that_comes_back_with_another_codec_is_shown() {
    let mut scene = Scene::new();
    let mut command = scene.watch(&["--video-sink", "fakesink sync=true"]);
    let mut running = Running(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    scene.await_pictures();
    let address = scene.camera.addr();
    let elsewhere = camera(LiveVideo::H265, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    std::mem::replace(&mut scene.camera, elsewhere).stop();
    scene.camera = camera(LiveVideo::H265, address);
    scene.await_pictures();
    let told = BufReader::new(running.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    told.take_while(|line| !line.contains("video/x-h265 instead of video/x-h264")).for_each(drop);
    scene.await_pictures();
    assert!(running.0.try_wait().unwrap().is_none(), "it goes on");
}

#[test]
fn what_is_wrong_is_told() {
    let scene = Scene::new();
    let watch = |arguments: &[&str]| scene.user.run(&[&["watch", "Front Door"], arguments].concat(), "");
    watch(&["--video-sink", "nosuchsink"]).fails(2, &["nosuchsink"]);
    // There is no X server to show it on.
    watch(&["--video-sink", "ximagesink", "--no-audio"]).fails(1, &["wyze-cameras: "]);
    scene.user.run(&["watch", "Attic"], "").fails(3, &["Attic"]);
}

/// Makes the command the foreground of the terminal that is its standard input.
fn lead_terminal(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let lead = || {
        // SAFETY: Both calls are allowed between fork and exec, and take plain numbers.
        match unsafe { libc::setsid() >= 0 && libc::ioctl(0, libc::TIOCSCTTY, 0) == 0 } {
            true => Ok(()),
            false => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: See above.
    unsafe { command.pre_exec(lead) };
}

/// Reads what a terminal shows, until the program is gone.
fn read(mut screen: File) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut shown = Vec::new();
        // It ends by an error, as nobody has the other side any more.
        let _ = screen.read_to_end(&mut shown);
        String::from_utf8_lossy(&shown).into_owned()
    })
}

/// An X server without a screen.
struct Display {
    name: String,
    server: Child,
    /// One display at a time: an Xvfb that ends removes the socket of one that has just taken its number.
    _alone: std::fs::File,
}

impl Display {
    fn start() -> Self {
        let alone = std::fs::File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/display.lock")).unwrap();
        alone.lock().unwrap();
        let mut command = Command::new("Xvfb");
        // It takes a free number and tells it.
        command.args(["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"]);
        let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the package xvfb");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Display { name: format!(":{}", number.trim()), server, _alone: alone }
    }

    fn xdotool(&self, arguments: &[&str]) -> String {
        let output = Command::new("xdotool").args(arguments).env("DISPLAY", &self.name).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Gives keys to the only window.
    fn focus(&self) {
        let mut window = String::new();
        wait_until("a window", || {
            window = self.xdotool(&["search", "--onlyvisible", "--name", "."]);
            !window.is_empty()
        });
        self.xdotool(&["windowfocus", "--sync", window.lines().next().unwrap()]);
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
