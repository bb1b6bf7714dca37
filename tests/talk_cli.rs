//! `wyze-cameras talk`, as a user runs it, against the simulated camera.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/user.rs"]
mod user;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use user::{Outcome, User, finish};
use wyze_camera::{CameraConfig, CameraServer, LiveAudio, LiveMediaConfig, LiveVideo, MediaSource};

/// Bytes that the camera's speaker takes in a second.
const RATE: usize = 8000;

fn with_camera() -> (User, CameraServer) {
    let (audio, video) = (LiveAudio::Mulaw, LiveVideo::H264);
    let media = LiveMediaConfig { video, audio, width: 320, height: 180, ..LiveMediaConfig::default() };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let camera = CameraServer::start(CameraConfig::demo().unwrap(), listen, MediaSource::Live(media)).unwrap();
    let user = User::new();
    user.add("Front Door", camera.addr().port());
    (user, camera)
}

fn talk(user: &User, arguments: &[&str], input: &str) -> Outcome {
    user.run(&[&["talk", "Front Door"], arguments].concat(), input)
}

/// Asserts that the camera has played about this much sound, which is no silence, and had nothing to complain of.
fn assert_heard(camera: &CameraServer, seconds: std::ops::Range<f64>) {
    let sound = camera.take_talk_audio();
    let long = sound.len() as f64 / RATE as f64;
    assert!(seconds.contains(&long), "{long} s");
    // Silence in µ-law is 0xFF and 0x7F; quiet noise is near it.
    let loud = sound.iter().filter(|sample| **sample & 0x7f < 0x60).count();
    assert!(loud > sound.len() / 10, "{loud} loud samples of {}", sound.len());
    assert_eq!(camera.log().byte_entries().count(), 0, "{}", camera.log());
}

/// Writes a second of a tone, as WAV or as the sound of a film.
fn make(file: &Path, line: &str) {
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(line.split_whitespace()).arg(format!("location={}", file.display()));
    assert!(command.status().unwrap().success());
}

#[test]
fn a_file_is_played_and_so_is_standard_input_and_the_sound_of_a_film() {
    let (user, camera) = with_camera();
    let (tone, film) = (user.home.path().join("a tone.wav"), user.home.path().join("film.mkv"));
    make(&tone, "audiotestsrc num-buffers=43 ! wavenc ! filesink");
    assert_eq!(talk(&user, &[tone.to_str().unwrap()], "").ok(), "");
    assert_heard(&camera, 0.9..1.2);

    let sounds = "audiotestsrc num-buffers=43 ! queue ! matroskamux name=mux";
    make(&film, &format!("{sounds} videotestsrc num-buffers=25 ! jpegenc ! mux. mux. ! filesink"));
    talk(&user, &[film.to_str().unwrap()], "").ok();
    assert_heard(&camera, 0.9..1.2);

    let mut command = user.tool(&["talk", "Front Door", "-"]);
    command.stdin(std::fs::File::open(&tone).unwrap());
    assert!(command.status().unwrap().success());
    assert_heard(&camera, 0.9..1.2);
}

#[test]
fn text_is_spoken() {
    let (user, camera) = with_camera();
    talk(&user, &["--text"], "Dinner is ready.\n").ok();
    assert_heard(&camera, 0.7..2.5);
    talk(&user, &["--text", "--voice", "de"], "Das Essen ist fertig.\n").ok();
    assert_heard(&camera, 0.7..3.0);
    talk(&user, &["--text", "--voice", "nobody"], "x").fails(1, &["voice"]);
    talk(&user, &["--text"], "").fails(1, &["no sound can be had"]);
    let mut without = user.tool(&["talk", "Front Door", "--text"]);
    without.env("PATH", "/nowhere");
    // The program itself is found by its whole path.
    let program = std::mem::replace(&mut without, Command::new(env!("CARGO_BIN_EXE_wyze-cameras")));
    for (name, value) in program.get_envs() {
        without.env(name, value.unwrap_or_default());
    }
    without.args(["talk", "Front Door", "--text"]);
    finish(without, "x", false).fails(1, &["espeak-ng is missing", "install"]);
}

#[test]
fn a_microphone_is_heard_until_it_is_to_end() {
    let (user, camera) = with_camera();
    let source = ["--audio-source", "audiotestsrc is-live=true ! audioconvert"];
    talk(&user, &[&source[..], &["--duration", "1s"]].concat(), "").ok();
    assert_heard(&camera, 0.5..1.3);

    let mut command = user.tool(&["talk", "Front Door"]);
    // As the first argument, so that the signal reaches the program and not the one that ends it at last.
    command.args(source).stdin(Stdio::null());
    let mut talking = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while camera.talk_audio().len() < RATE / 2 {
        assert!(Instant::now() < deadline, "nothing is heard");
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = talking.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
    assert_eq!(talking.wait().unwrap().code(), Some(0));
    assert_heard(&camera, 0.5..10.0);
}

#[test]
fn what_is_wrong_is_told() {
    let (user, camera) = with_camera();
    talk(&user, &["no-such-file.wav"], "").fails(1, &["no-such-file.wav"]);
    let text = user.file("letter.txt", "This is no sound.");
    talk(&user, &[&text], "").fails(1, &["no sound can be had"]);
    talk(&user, &["--audio-source", "nothing ! of ! the ! kind"], "").fails(2, &["nothing", "element"]);
    talk(&user, &["a.wav", "--text"], "").fails(2, &["--text"]);
    talk(&user, &["--voice", "de"], "").fails(2, &["--text"]);
    user.run(&["talk", "Attic"], "").fails(3, &["Attic"]);
    assert!(camera.talk_audio().is_empty());
}
