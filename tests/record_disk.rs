//! `wyze-cameras record` on a disk that fills, and where it is run: a store's cameras, a terminal.

#[path = "support/encoded.rs"]
mod encoded;
#[path = "support/ffmpeg.rs"]
mod ffmpeg;
#[path = "support/recording.rs"]
mod recording;
#[path = "support/store.rs"]
mod store;
#[path = "support/terminal.rs"]
mod terminal;

use gstwyze::account::{Store, StoreError};
use gstwyze::protocol::wire::codec::CodecId;
use recording::*;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wyze_camera::{CameraConfig, CameraServer, MediaSource, SyntheticConfig};

/// Runs a command with a disk of 3 MB at the place of its first argument.
const SMALL_DISK: &str = "mount -t tmpfs -o size=3M tmpfs \"$0\" && exec \"$@\"";

fn on_a_small_disk(folder: &TempDir, cameras: &[String], options: &[&str]) -> Recording {
    let mut command = Command::new("unshare");
    // Others than root need a namespace of users, which there is none of in a chroot.
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    command.args([if is_root { "-m" } else { "-rm" }, "sh", "-c", SMALL_DISK]).arg(folder.path());
    Recording::spawn(Some(command), Arc::new(TempDir::new().unwrap()), folder.path(), cameras, options)
}

/// 3 Mbit/s, with a key frame each half second.
fn large() -> MediaSource {
    MediaSource::Synthetic(SyntheticConfig { key_frame_len: 60_000, frame_len: 15_000, audio: None, ..synthetic() })
}

#[test]
fn a_full_disk_is_told_and_recording_goes_on_when_there_is_room() {
    let (scene, disk) = (Scene::new(large()), TempDir::new().unwrap());
    let recording = on_a_small_disk(&disk, &[scene.url()], &["--segment", "2s", "--name", "%s", "--min-free", "0"]);
    let error = &recording.await_events("error", 1)[0];
    assert!(error["text"].as_str().unwrap().ends_with(": No space left on the resource."), "{error}");
    let finished = recording.await_events("finished", 1);
    let before = recording.events("started").len();
    // Somebody makes room. The disk is seen only by the process that has it.
    let file = finished[0]["file"].as_str().unwrap();
    std::fs::remove_file(format!("/proc/{}/root{file}", recording.id())).unwrap();
    recording.await_events("started", before + 1);
    scene.await_pictures(5);
    let ended = recording.terminate();
    assert_eq!(ended.events.last().unwrap()["event"], "ended");
}

#[test]
fn the_oldest_recordings_make_room_where_they_may_be_deleted() {
    let (scene, disk) = (Scene::new(large()), TempDir::new().unwrap());
    let options = ["--segment", "1s", "--name", "%s", "--min-free", "1M", "--keep", "1d"];
    let recording = on_a_small_disk(&disk, &[scene.url()], &options);
    recording.await_events("deleted", 3);
    let ended = recording.terminate();
    assert_eq!(ended.events("error").len(), 0, "{:?}", ended.events("error"));
}

#[test]
fn each_size_has_a_file_that_ffmpeg_decodes_without_an_error() {
    let scene = Scene::new(MediaSource::None);
    let films = [(640, 360), (1280, 720), (640, 360)].map(|(width, height)| encoded::h264(width, height, 12));
    let recording = Recording::start(&[scene.url()], &[]);
    wait_until("a viewer", || scene.camera.stats().streaming > 0);
    for film in &films {
        for (number, picture) in film.iter().enumerate() {
            let due = Instant::now() + Duration::from_millis(100);
            scene.camera.push_frame(&encoded::frame(CodecId::H264, false, number == 0, picture));
            wait_until("the next picture", || Instant::now() >= due);
        }
    }
    let ended = recording.terminate();
    let files = ended.finished();
    assert_eq!(files.len(), 3, "{:?}", ended.events);
    for (file, (film, width)) in files.iter().zip(films.iter().zip(["640", "1280", "640"])) {
        ffmpeg::decode(file);
        let file = file.to_str().unwrap();
        assert_eq!(
            ffmpeg::streams(&["-count_packets"], file, "width,nb_read_packets"),
            [format!("{width},{}", film.len())]
        );
    }
}

#[test]
fn pictures_of_one_time_stay_apart() {
    let scene = Scene::new(MediaSource::None);
    let recording = Recording::start(&[scene.url()], &[]);
    wait_until("a viewer", || scene.camera.stats().streaming > 0);
    for (number, picture) in encoded::h264(320, 180, 20).iter().enumerate() {
        // They are captured within less time than a file can tell apart.
        scene.camera.push_frame(&encoded::frame(CodecId::H264, false, number == 0, picture));
    }
    recording.await_events("started", 1);
    let ended = recording.terminate();
    let [file] = &ended.finished()[..] else { panic!("{:?}", ended.events) };
    let video = Film::read(file).video.unwrap();
    assert_eq!(video.times.len(), 20);
    assert!(video.times.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", video.times);
    ffmpeg::decode(file);
}

#[test]
fn all_cameras_of_the_store_are_recorded_that_can_be() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let media = MediaSource::Synthetic(synthetic());
    let camera = CameraServer::start(CameraConfig::demo().unwrap(), listen, media).unwrap();
    let folder = Arc::new(TempDir::new().unwrap());
    Store::at(folder.path().join("config/gst-plugin-wyze"))
        .update(|cameras| {
            cameras.push(store::entry("Front Door", &camera));
            let other = gstwyze::account::Camera { model: "GW_GC1".into(), uid: "".into(), ..store::demo("Porch") };
            cameras.push(other);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let to = folder.path().join("films");
    let recording = Recording::spawn(None, folder.clone(), &to, &["--all".into()], &[]);
    recording.await_events("started", 1);
    let sent = camera.stats().video_frames;
    wait_until("pictures", || camera.stats().video_frames > sent + 10);
    let ended = recording.terminate();
    let [file] = &ended.finished()[..] else { panic!("{:?}", ended.events) };
    assert!(file.starts_with(to.join("Front Door")), "{}", file.display());
    let end = ended.events("ended")[0];
    assert!(end["received"].as_u64() > Some(0) && end["received"] == end["pictures"], "{end}");
}

#[test]
fn a_terminal_shows_how_it_goes() {
    let scene = Scene::new(MediaSource::Synthetic(synthetic()));
    let (program, mut user) = terminal::terminal();
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wyze-cameras"));
    command.args(["record", &scene.url(), "--duration", "3s", "--to"]).arg(folder.path());
    let mut child = command.stdin(Stdio::null()).stdout(program).spawn().unwrap();
    // This process has the terminal's other side only.
    drop(command);
    let (mut shown, mut buffer) = (Vec::new(), [0; 1000]);
    while let Ok(length @ 1..) = user.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..length]);
    }
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8(shown).unwrap();
    assert!(
        shown.contains(": records to ") && shown.contains("0:00:02  ") && shown.contains(" fps, 0 lost"),
        "{shown}"
    );
    assert!(shown.ends_with("recorded files: 1\r\n") && !shown.contains('{'), "{shown}");
}
