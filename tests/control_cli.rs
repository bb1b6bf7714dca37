//! `wyze-cameras control`, as a user runs it, against the simulated camera.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/user.rs"]
mod user;

use cloud::Answer;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use user::User;
use wyze_camera::{CameraConfig, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, MediaSource};

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
    assert!(list.contains("night-vision        auto     (on, off, auto)\n"), "{list}");
    assert!(list.contains("cruise              off      (on, off)\n"), "{list}");
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
    // The camera counts 120 KB/s.
    assert_eq!((&json["bitrate"], &json["framerate"]), (&960.into(), &20.into()));
    assert_eq!(json["position"], json!({ "horizontal": 175, "vertical": 20 }));
    assert!(list.contains("bitrate             960      kbit/s\n"), "{list}");
    assert!(list.contains("framerate           20       frames a second\n"), "{list}");
    assert!(list.ends_with("position            175 20"), "{list}");
}

#[test]
fn a_camera_that_does_not_pan_has_no_position() {
    let (user, camera) = with_camera("WYZE_CAKP2JFUS");
    let json: serde_json::Value = serde_json::from_str(&says(&user, &["--json"])).unwrap();
    assert_eq!((&json["position"], &json["bitrate"]), (&serde_json::Value::Null, &960.into()));
    assert!(json.get("battery").is_none(), "{json}");
    assert_eq!(camera.log().byte_entries().count(), 0, "{}", camera.log());
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
    assert_eq!(says(&user, &["send", "10020", "050102030405", "--hex"]), hex(r#"{"1":1,"2":3,"3":120,"4":1,"5":20}"#));
    assert_eq!(says(&user, &["send", "10042", "01", "--hex"]), "01");
    assert_eq!(says(&user, &["send", "10040"]), "01", "no text");
    assert_eq!(says(&user, &["take-photo"]), "");
    assert_eq!(camera.acts(), [10058]);
}

const RUN_ACTION: &str = "/app/v2/auto/run_action";

/// The body's fields and the pair of constants are those that other clients send.
#[test]
fn power_goes_through_the_cloud_with_the_login_that_is_kept() {
    let user = User::new();
    user.run_with_account(&["login"]).ok();
    for (word, key) in [("on", "power_on"), ("off", "power_off"), ("restart", "restart")] {
        // No camera listens: none is connected to.
        let said = user.run(&["control", "front door", "power", word], "").ok();
        assert!(said.contains("Wyze's cloud"), "{said}");
        let body = user.cloud.asked(RUN_ACTION).pop().unwrap().body;
        for (field, value) in [
            ("provider_key", json!("WYZE_CAKP2JFUS")),
            ("instance_id", json!(DEMO_MAC)),
            ("action_key", json!(key)),
            ("action_params", json!({})),
            ("custom_string", json!("")),
            ("access_token", json!("access-token-1")),
            ("sc", json!("01dd431d098546f9baf5233724fa2ee2")),
            ("sv", json!("2c0edc06d4c5465b8c55af207144f0d9")),
        ] {
            assert_eq!(body[field], value, "{field}");
        }
    }
    // A model of another protocol has another kind of MAC.
    user.run(&["control", "porch", "power", "on"], "").ok();
    assert_eq!(user.cloud.asked(RUN_ACTION).pop().unwrap().body["instance_id"], "GW_GC1_7C78B2");
    assert_eq!((user.cloud.asked(RUN_ACTION).len(), user.cloud.logins()), (4, 1));
}

#[test]
fn power_works_for_a_camera_that_was_added_by_hand() {
    let user = User::new();
    user.run_with_account(&["login"]).ok();
    let mac: String = DEMO_MAC
        .to_lowercase()
        .chars()
        .collect::<Vec<_>>()
        .chunks(2)
        .map(String::from_iter)
        .collect::<Vec<_>>()
        .join(":");
    let url = format!("wyze://127.0.0.1?uid={DEMO_UID}&enr={DEMO_ENR}&mac={mac}");
    user.run(&["control", &format!("{url}&model=WYZE_CAKP2JFUS"), "power", "off"], "").ok();
    assert_eq!(user.cloud.asked(RUN_ACTION)[0].body["instance_id"], DEMO_MAC, "as the account writes it");
    user.run(&["control", &url, "power", "off"], "").fails(1, &["Wyze's cloud", "model"]);
    user.run(&["remove", "Front Door"], "").ok();
    user.add("Front Door", 1);
    user.run(&["control", "Front Door", "power", "off"], "").fails(1, &["Wyze's cloud", "model"]);
    assert_eq!(user.cloud.asked(RUN_ACTION).len(), 1);
}

#[test]
fn power_that_the_cloud_does_not_switch_is_told_of() {
    let user = User::new();
    user.run_with_account(&["login"]).ok();
    let power = |words: &[&str]| user.run(&[&["control", "Front Door", "power"], words].concat(), "");
    // A token that has expired is renewed, and the new one is kept.
    user.cloud.state().access = Some("another".into());
    power(&["off"]).ok();
    power(&["on"]).ok();
    let tokens: Vec<_> =
        user.cloud.asked(RUN_ACTION).into_iter().map(|request| request.body["access_token"].clone()).collect();
    assert_eq!(tokens, ["access-token-1", "access-token-2", "access-token-2"]);
    user.cloud.next(RUN_ACTION, Answer::json(200, json!({ "code": "3019", "msg": "no right to it" })));
    power(&["off"]).fails(1, &["Wyze's cloud", "refused (3019: no right to it)"]);
    user.cloud.next(RUN_ACTION, Answer::json(500, json!({})));
    power(&["off"]).fails(1, &["Wyze's cloud", "HTTP 500"]);
    // Neither token is valid any more.
    user.cloud.state().access = Some("another".into());
    user.cloud.state().refresh = Some("another".into());
    power(&["off"]).fails(1, &["Wyze's cloud", "expired: run wyze-cameras login"]);
    user.run(&["logout"], "").ok();
    power(&["off"]).fails(1, &["Wyze's cloud", "nobody is logged in: run wyze-cameras login"]);
    let asked = user.cloud.state().requests.len();
    for words in [&[][..], &["up"], &["on", "off"]] {
        power(words).fails(2, &["on, off, restart"]);
    }
    user.run(&["control", "Nowhere", "power", "on"], "").fails(3, &["no camera named"]);
    assert_eq!(user.cloud.state().requests.len(), asked);
    assert_eq!(user.cloud.logins(), 1, "it never logs in by itself");
    assert!(user.run(&["control", "--help"], "").ok().contains("by Wyze's cloud"));
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
