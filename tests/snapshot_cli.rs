//! `wyze-cameras snapshot`, as a user runs it, against the simulated camera.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/user.rs"]
mod user;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use user::{Outcome, User};
use wyze_camera::{CameraConfig, CameraServer, LiveAudio, LiveMediaConfig, LiveVideo, MediaSource};

fn camera(video: LiveVideo) -> CameraServer {
    let media =
        LiveMediaConfig { video, audio: LiveAudio::None, width: 320, height: 180, ..LiveMediaConfig::default() };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    CameraServer::start(CameraConfig::demo().unwrap(), listen, MediaSource::Live(media)).unwrap()
}

fn with_camera() -> (User, CameraServer) {
    let (user, camera) = (User::new(), camera(LiveVideo::H264));
    user.add("Front Door", camera.addr().port());
    (user, camera)
}

fn snapshot(user: &User, arguments: &[&str]) -> Outcome {
    user.run(&[&["snapshot", "Front Door"], arguments].concat(), "")
}

/// Returns width and height of a picture, as GStreamer decodes it.
fn size(file: &Path) -> (i32, i32) {
    gst::init().unwrap();
    use gst::prelude::*;
    let line = "filesrc name=file ! decodebin ! videoconvert ! fakesink name=sink";
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", file.to_str().unwrap());
    pipeline.set_state(gst::State::Paused).unwrap();
    let (result, ..) = pipeline.state(gst::ClockTime::from_seconds(20));
    result.unwrap();
    let caps = pipeline.by_name("sink").unwrap().static_pad("sink").unwrap().current_caps().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    let side = |name| caps.structure(0).unwrap().get::<i32>(name).unwrap();
    (side("width"), side("height"))
}

#[test]
fn a_picture_is_written_as_the_file_s_name_says() {
    let (user, camera) = with_camera();
    for (name, head) in [("a picture.jpg", &[0xFF, 0xD8][..]), ("b.png", b"\x89PNG")] {
        let file = user.home.path().join(name);
        let path = file.to_str().unwrap();
        assert_eq!(snapshot(&user, &[path]).ok(), format!("{path}\n"));
        assert!(std::fs::read(&file).unwrap().starts_with(head), "{name}");
        assert_eq!(size(&file), (320, 180));
    }
    assert_eq!(camera.log().byte_entries().count(), 0, "{}", camera.log());
    assert_eq!(camera.stats().clients, 0);
}

#[test]
fn a_time_lapse_has_a_file_for_each_picture_or_one_that_is_the_newest() {
    let (user, _camera) = with_camera();
    let folder = user.home.path().to_str().unwrap();
    let all = snapshot(&user, &[&format!("{folder}/%H-%M-%S.jpg"), "--every", "1s", "--count", "3"]).ok();
    let files: std::collections::BTreeSet<&str> = all.lines().collect();
    assert!(files.len() >= 2 && all.lines().count() == 3, "{all}");
    assert!(files.iter().all(|file| Path::new(file).is_file() && !file.contains('%')), "{all}");
    let newest = format!("{folder}/newest.jpg");
    assert_eq!(snapshot(&user, &[&newest, "--every", "1s", "--count", "2"]).ok(), format!("{newest}\n").repeat(2));
    assert!(!Path::new(&format!("{newest}.part")).exists());
}

#[test]
fn what_is_wrong_is_told() {
    let (user, camera) = with_camera();
    snapshot(&user, &["picture.gif"]).fails(2, &[".jpg or .png"]);
    snapshot(&user, &["picture.jpg", "--count", "2"]).fails(2, &["--every"]);
    snapshot(&user, &["/no/such/folder/picture.jpg"]).fails(1, &["/no/such/folder/picture.jpg"]);
    user.run(&["snapshot", "Attic", "picture.jpg"], "").fails(3, &["Attic"]);
    drop(camera);
    snapshot(&user, &["picture.jpg", "--timeout", "1"]).fails(1, &["no picture"]);
}
