//! `wyze-cameras control`, as a user runs it, against the simulated camera.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/user.rs"]
mod user;

use std::net::{Ipv4Addr, SocketAddr};
use user::User;
use wyze_camera::{CameraConfig, CameraServer, MediaSource};

fn camera(model: &str) -> CameraServer {
    let config = CameraConfig { model: model.into(), ..CameraConfig::demo().unwrap() };
    CameraServer::start(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), MediaSource::None).unwrap()
}

fn with_camera(model: &str) -> (User, CameraServer) {
    let (user, camera) = (User::new(), camera(model));
    user.add("Pan", camera.addr().port());
    (user, camera)
}

/// Runs `control Pan` with these words, and returns what it prints.
fn says(user: &User, words: &[&str]) -> String {
    user.run(&[&["control", "Pan"], words].concat(), "").ok().trim_end().to_owned()
}

fn fails_with(user: &User, words: &[&str], code: i32) -> String {
    let outcome = user.run(&[&["control", "Pan"], words].concat(), "");
    assert_eq!(outcome.code, code, "{words:?}: {outcome:?}");
    outcome.stderr
}

#[test]
fn controls_are_listed_set_and_read() {
    let (user, _camera) = with_camera("HL_PAN3");
    let list = says(&user, &[]);
    assert!(list.contains("night-vision        auto  (on, off, auto)\n"), "{list}");
    assert!(list.contains("cruise              off   (on, off)\n"), "{list}");
    assert!(!list.contains("floodlight"), "no command is known that reads it: {list}");
    assert_eq!(says(&user, &["night-vision", "off"]), "");
    assert_eq!(says(&user, &["night-vision"]), "off");
    assert_eq!(says(&user, &["siren", "on"]), "");
    assert_eq!(says(&user, &["motion-detection", "off"]), "");
    let json: serde_json::Value = serde_json::from_str(&says(&user, &["--json"])).unwrap();
    assert_eq!(
        (&json["night-vision"], &json["siren"], &json["motion-detection"]),
        (&"off".into(), &"on".into(), &"off".into())
    );
}

#[test]
fn a_camera_is_turned() {
    let (user, camera) = with_camera("HL_PAN3");
    assert_eq!(says(&user, &["position"]), "175 20");
    says(&user, &["rotate", "left", "30"]);
    says(&user, &["go-to", "120", "40"]);
    while camera.looks_at() != (120, 40) {
        std::thread::yield_now();
    }
    assert_eq!(says(&user, &["position"]), "120 40");
    assert_eq!(says(&user, &["waypoints"]), "");
    assert!(fails_with(&user, &["go-to-waypoint", "1"], 2).contains("0 waypoints"));
}

#[test]
fn any_command_can_be_sent_as_text_or_bytes() {
    let (user, camera) = with_camera("HL_PAN3");
    assert_eq!(says(&user, &["send", "10020", "050102030405", "--hex"]), hex(r#"{"1":1,"2":3}"#));
    assert_eq!(says(&user, &["send", "10042", "01", "--hex"]), "01");
    assert_eq!(says(&user, &["send", "10040"]), "01", "no text");
    assert_eq!(says(&user, &["take-photo"]), "");
    assert_eq!(camera.acts(), [10058]);
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_is_wrong_is_told_by_text_and_code() {
    let (user, camera) = with_camera("WYZE_CAKP2JFUS");
    assert!(fails_with(&user, &["coffee"], 2).contains("no control"));
    assert!(fails_with(&user, &["night-vision", "dusk"], 2).contains("on, off, auto"));
    assert!(fails_with(&user, &["rotate", "left", "far"], 2).contains("far"));
    assert!(fails_with(&user, &["rotate", "left", "1000"], 2).contains("350"));
    assert!(fails_with(&user, &["send", "1", "xyz", "--hex"], 2).contains("hexadecimal"));
    assert!(fails_with(&user, &["floodlight"], 2).contains("give it a value"));
    assert!(fails_with(&user, &["position"], 4).contains("did not answer"), "it does not pan");
    assert_eq!(camera.log().byte_entries().count(), 0, "{}", camera.log());
}
