//! What goes wrong is told once on the bus, by the right code, with the stage and the remedy, and without a secret.

#[path = "support/element.rs"]
mod support;

use gst::glib;
use gst::prelude::*;
use gstwyze::protocol::credentials::Credentials;
use std::net::UdpSocket;
use std::sync::Arc;
use support::*;
use wyze_camera::{CameraConfig, DEMO_ENR, DEMO_MAC, DEMO_UID, LinkConfig, MediaSource, ServerOptions};

const OTHER_ENR: &str = "anotherKeyThanIt";

/// All that must not be seen of these credentials.
fn secrets(uid: &str, enr: &str, mac: &str) -> Vec<String> {
    let auth_key = Credentials::new(uid, enr, mac).unwrap().auth_key();
    [uid, enr, mac].into_iter().map(str::to_owned).chain([String::from_utf8_lossy(auth_key.bytes()).into()]).collect()
}

fn assert_no_secret(text: &str) {
    let all = secrets(DEMO_UID, DEMO_ENR, DEMO_MAC).into_iter().chain(secrets(DEMO_UID, OTHER_ENR, DEMO_MAC));
    for secret in all {
        assert!(!text.to_lowercase().contains(&secret.to_lowercase()), "{secret} is in: {text}");
    }
}

/// The one error that ends this attempt: its code, and all of `words` in its text.
fn expect<T: glib::error::ErrorDomain + std::fmt::Debug>(player: &Player, code: T, words: &[&str]) {
    let (error, debug) = player.error();
    assert!(error.matches(code), "{error} ({:?}) instead of {code:?}", error.domain());
    for word in words {
        assert!(error.message().contains(word), "{word:?} is missing in: {error}");
    }
    assert_no_secret(error.message());
    assert_no_secret(&debug);
    player.stop();
    let more: Vec<_> = player.drain().iter().filter_map(Seen::error).collect();
    assert!(more.is_empty(), "more than one error: {more:?}");
}

fn impatient(player: &Player) {
    player.src.set_property("connect-timeout", 1000u32);
}

#[test]
fn settings_that_are_missing_or_malformed_fail_at_once() {
    let good = [("uid", DEMO_UID), ("enr", DEMO_ENR), ("mac", DEMO_MAC)];
    for (name, value, words) in [
        ("uid", None, &["uid is not set", "README"][..]),
        ("enr", None, &["enr is not set", "README"]),
        ("mac", None, &["mac is not set", "README"]),
        ("uid", Some("TOOSHORT"), &["uid has 8 characters", "20"]),
        ("uid", Some("HSBJYB5HSETGCDWD111-"), &["uid", "letters and digits"]),
        ("enr", Some("short"), &["enr has 5 characters", "16"]),
        ("enr", Some("sixteen letters  "), &["enr", "printable"]),
        ("mac", Some("AABBCCDDEEF"), &["mac", "12 hexadecimal digits"]),
        ("mac", Some("AABBCCDDEEFG"), &["mac", "12 hexadecimal digits"]),
    ] {
        let player = Player::bare(Link::Both);
        for (property, good) in good {
            player.src.set_property(property, if property == name { value } else { Some(good) });
        }
        assert!(player.pipeline.set_state(gst::State::Playing).is_err(), "{name} {value:?}");
        let (error, debug) = player.error();
        assert!(error.matches(gst::ResourceError::Settings), "{error}");
        for word in words {
            assert!(error.message().contains(word), "{word:?} is missing in: {error}");
        }
        assert_no_secret(&format!("{error}{debug}"));
        assert!(value.is_none_or(|value| !error.message().contains(value)), "the value may be a secret: {error}");
    }
}

#[test]
fn with_both_media_off_there_is_nothing_to_start() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("video", false);
    player.src.set_property("audio", false);
    assert!(player.pipeline.set_state(gst::State::Playing).is_err());
    expect(&player, gst::ResourceError::Settings, &["video and audio are both off", "switch one on"]);
    player.src.set_property("audio", true);
    player.connect();
}

#[test]
fn where_no_camera_answers_the_error_says_what_was_probed() {
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    let player = Player::bare(Link::Both);
    impatient(&player);
    for (name, value) in [("uid", DEMO_UID), ("enr", DEMO_ENR), ("mac", DEMO_MAC), ("host", "127.0.0.1")] {
        player.src.set_property(name, value);
    }
    player.src.set_property("port", u32::from(address.port()));
    player.play();
    expect(&player, gst::ResourceError::NotFound, &["discovery", &address.to_string(), "check"]);
}

#[test]
fn a_camera_with_another_uid_does_not_answer() {
    let camera = TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Anything);
    let player = Player::new(&camera, Link::Both);
    impatient(&player);
    player.src.set_property("uid", "HSBJYB5HSETGCDWD111B");
    player.play();
    expect(&player, gst::ResourceError::NotFound, &["discovery", "UID", "check"]);
}

#[test]
fn a_name_that_nobody_knows_is_named() {
    let player = Player::bare(Link::Both);
    player.src.set_property("connect-timeout", 3000u32);
    for (name, value) in [("uid", DEMO_UID), ("enr", DEMO_ENR), ("mac", DEMO_MAC), ("host", "camera.invalid")] {
        player.src.set_property(name, value);
    }
    player.play();
    expect(&player, gst::ResourceError::NotFound, &["discovery", "camera.invalid", "host"]);
}

#[test]
fn a_wrong_enr_is_told_from_a_camera_that_is_away() {
    type Change = fn(&mut CameraConfig);
    let lenient: Change = |config| config.strict_auth_key = false;
    let alerting: Change = |config| {
        config.strict_auth_key = false;
        config.alert_wrong_key = true;
    };
    for change in [lenient, alerting] {
        let camera = TestCamera::start(change, synthetic(), ServerOptions::default(), Tolerance::Anything);
        let player = Player::new(&camera, Link::Both);
        player.src.set_property("connect-timeout", 4000u32);
        player.src.set_property("enr", OTHER_ENR);
        player.play();
        expect(&player, gst::ResourceError::NotAuthorized, &["enr", "check"]);
    }
}

#[test]
fn a_refusal_is_a_matter_of_rights() {
    let camera = TestCamera::with_config(|config| config.refuse_answer = true, synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    expect(&player, gst::ResourceError::NotAuthorized, &["auth", "connectionRes 2", "enr"]);
}

#[test]
fn a_camera_that_turns_viewers_away_says_why() {
    for (challenge, words) in
        [(2, ["updating", "wait"]), (4, ["checking", "try again"]), (5, ["switched off", "Wyze app"])]
    {
        let camera = TestCamera::with_config(|config| config.challenge = challenge, synthetic());
        let player = Player::new(&camera, Link::Both);
        player.play();
        expect(&player, gst::ResourceError::Read, &[&["auth"][..], &words].concat());
    }
}

#[test]
fn a_camera_that_says_goodbye_ends_the_stream_with_an_error() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("reconnect-attempts", 0);
    player.play();
    player.buffers("video", 5);
    drop(camera);
    expect(&player, gst::ResourceError::Read, &["streaming", "closed", "restarted"]);
}

#[test]
fn a_camera_that_falls_silent_is_given_up() {
    let camera = TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Behaviour);
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("reconnect-attempts", 0);
    player.play();
    player.buffers("video", 5);
    camera.set_links(LinkConfig { loss: 1.0, ..LinkConfig::default() }, LinkConfig::default());
    expect(&player, gst::ResourceError::Read, &["streaming", "nothing for 5 s", "check"]);
}

#[test]
fn a_stage_that_takes_too_long_names_itself() {
    let cut = LinkConfig { loss: 1.0, ..LinkConfig::default() };
    for (text, stage) in [("Securing the connection", "dtls:"), ("Logging in", "login:"), ("Authenticating", "auth:")] {
        let camera = Arc::new(TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Behaviour));
        let player = Player::new(&camera, Link::Both);
        impatient(&player);
        player.on_progress(text, {
            let camera = Arc::downgrade(&camera);
            move || camera.upgrade().iter().for_each(|camera| camera.set_links(cut, LinkConfig::default()))
        });
        player.play();
        expect(&player, gst::ResourceError::Read, &[stage, "in time", "restart it"]);
    }
}

#[test]
fn progress_tells_of_every_stage_and_of_failure() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    for text in [
        "Looking for the camera",
        "Opening a session",
        "Securing the connection",
        "Logging in",
        "Authenticating",
        "Connected",
    ] {
        player.progress(text);
    }
    // One session a camera: the next one would share this.
    drop(player);
    let refusing = TestCamera::with_config(|config| config.challenge = 5, MediaSource::None);
    let player = Player::new(&refusing, Link::Both);
    player.play();
    player.progress("Not connected");
}

#[test]
fn an_error_does_not_keep_the_element_from_another_try() {
    let camera = TestCamera::with_config(|config| config.challenge = 5, synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    expect(&player, gst::ResourceError::Read, &["switched off"]);
    camera.configure(|config| config.challenge = 3);
    wait_until("the end of the first session", || camera.stats().clients == 0);
    player.play();
    player.buffers("video", 3);
    player.stop();
}
