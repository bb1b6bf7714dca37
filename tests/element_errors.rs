//! Each failure posts one error on the bus, with the right code, the stage and the remedy in its text, and no secret.

#[path = "support/element.rs"]
mod support;

use gst::glib;
use gst::prelude::*;
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::dtls::Suite;
use gstwyze::protocol::wire::hl::ChallengeStatus;
use gstwyze::protocol::wire::{SessionId, cc51};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use support::*;
use wyze_camera::{CameraConfig, DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope, LinkConfig, MediaSource, ServerOptions};

const OTHER_ENR: &str = "anotherKeyThanIt";

/// The parts of these credentials, and the key derived from them, that no text may contain.
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

/// Waits for the error; asserts its code, that its text contains all of `words`, the reason that the last message and
/// the stats give to programs, and that there is no second error.
fn expect<T: glib::error::ErrorDomain + std::fmt::Debug>(player: &Player, code: T, reason: &str, words: &[&str]) {
    let mut failed = None;
    let (error, debug) = player.until("an error", |seen| {
        if let Seen::Message(message) = seen
            && let Some(structure) = message.structure().filter(|structure| structure.name() == "wyze-connection")
            && structure.get::<&str>("state") == Ok("failed")
        {
            failed = Some(structure.to_owned());
        }
        seen.error()
    });
    let failed = failed.expect("the connection's last message comes before the error");
    assert_eq!(failed.get::<&str>("reason").unwrap(), reason, "{failed}");
    assert_eq!(failed.get::<&str>("text").unwrap(), error.message());
    let stats = player.src.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<&str>("last-error").unwrap(), reason);
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

/// Makes a player that looks for the demonstration camera at this address, where it is not.
fn misled(address: SocketAddr) -> Player {
    let player = Player::bare(Link::Both);
    impatient(&player);
    aim_at(&player.src, address);
    player.play();
    player
}

#[test]
fn missing_or_malformed_settings_fail_at_once() {
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
fn without_an_answer_the_error_names_the_probed_address() {
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    let words = ["discovery", &address.to_string(), "check"];
    expect(&misled(address), gst::ResourceError::NotFound, "no-answer", &words);
}

#[test]
fn a_camera_with_another_uid_does_not_answer() {
    let camera = TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Anything);
    let player = Player::new(&camera, Link::Both);
    impatient(&player);
    player.src.set_property("uid", "HSBJYB5HSETGCDWD111B");
    player.play();
    expect(&player, gst::ResourceError::NotFound, "no-answer", &["discovery", "UID", "check"]);
}

#[test]
fn a_host_name_that_does_not_resolve_is_named() {
    let player = Player::bare(Link::Both);
    player.src.set_property("connect-timeout", 3000u32);
    for (name, value) in [("uid", DEMO_UID), ("enr", DEMO_ENR), ("mac", DEMO_MAC), ("host", "camera.invalid")] {
        player.src.set_property(name, value);
    }
    player.play();
    expect(&player, gst::ResourceError::NotFound, "unknown-host", &["discovery", "camera.invalid", "host"]);
}

#[test]
fn a_closed_port_has_an_error_of_its_own() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let words = ["discovery", &closed.to_string(), "port unreachable", "check host and port"];
    expect(&misled(closed), gst::ResourceError::NotFound, "port-unreachable", &words);
}

#[test]
fn an_answer_under_another_key_has_an_error_of_its_own() {
    let camera = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = camera.local_addr().unwrap();
    let other = Credentials::new(DEMO_UID, OTHER_ENR, DEMO_MAC).unwrap();
    let answering = std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        let (_, client) = camera.recv_from(&mut buffer).unwrap();
        let signer = cc51::Signer::new(&other.uid, &other.auth_key());
        let answer = cc51::Discovery { from_camera: true, step: 1, ticket: 7, session_id: SessionId([1; 8]) };
        camera.send_to(&answer.emit(&signer), client).unwrap();
        camera
    });
    let player = misled(address);
    let words = ["discovery", &address.to_string(), "another key", "enr", "mac"];
    expect(&player, gst::ResourceError::NotAuthorized, "wrong-auth-key", &words);
    answering.join().unwrap();
}

#[test]
fn a_missing_interface_is_named() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("interface", "wyze-none");
    player.play();
    expect(&player, gst::ResourceError::NotFound, "no-interface", &["discovery", "wyze-none", "check interface"]);
    player.src.set_property("interface", "lo");
    player.play();
    player.buffers("video", 3);
}

#[test]
fn a_camera_with_other_suites_gives_an_error_that_names_the_offered_ones() {
    let suites = |config: &mut CameraConfig| config.suites = vec![Suite::PskAes128GcmSha256];
    let camera = TestCamera::start(suites, synthetic(), ServerOptions::default(), Tolerance::Anything);
    let player = Player::new(&camera, Link::Both);
    player.play();
    let words = ["dtls", "alert", "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "TLS_PSK_WITH_AES_128_CBC_SHA256"];
    expect(&player, gst::ResourceError::Read, "handshake-refused", &words);
}

#[test]
fn a_refused_login_gives_not_authorized() {
    let camera = TestCamera::with_config(|config| config.refuse_login = true, synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    expect(&player, gst::ResourceError::NotAuthorized, "login-refused", &["login", "enr", "viewers"]);
}

#[test]
fn a_camera_with_too_many_viewers_has_an_error_of_its_own() {
    for envelope in [Envelope::Transcode, Envelope::Cc51] {
        let full = |config: &mut CameraConfig| (config.envelope, config.max_clients) = (envelope, 0);
        let camera = TestCamera::with_config(full, synthetic());
        let player = Player::new(&camera, Link::Both);
        impatient(&player);
        player.play();
        expect(&player, gst::ResourceError::Read, "camera-full", &["session", "too many viewers", "close other"]);
    }
}

#[test]
fn a_wrong_enr_gives_not_authorized() {
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
        expect(&player, gst::ResourceError::NotAuthorized, "wrong-key", &["enr", "check"]);
    }
}

#[test]
fn a_refused_challenge_answer_gives_not_authorized() {
    let camera = TestCamera::with_config(|config| config.refuse_answer = true, synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    expect(&player, gst::ResourceError::NotAuthorized, "stale-enr", &["auth", "connectionRes 2", "enr", "anew"]);
}

#[test]
fn a_camera_that_turns_viewers_away_gives_its_reason() {
    for (challenge, reason, words) in [
        (ChallengeStatus::Updating, "updating", ["updating", "wait"]),
        (ChallengeStatus::Checking, "checking", ["checking", "try again"]),
        (ChallengeStatus::Off, "switched-off", ["switched off", "Wyze app"]),
    ] {
        let camera = TestCamera::with_config(|config| config.challenge = challenge, synthetic());
        let player = Player::new(&camera, Link::Both);
        player.play();
        expect(&player, gst::ResourceError::Read, reason, &[&["auth"][..], &words].concat());
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
    expect(&player, gst::ResourceError::Read, "closed", &["streaming", "closed", "restarted"]);
}

#[test]
fn a_camera_that_falls_silent_ends_the_stream_with_an_error() {
    let camera = TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Behaviour);
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("reconnect-attempts", 0);
    player.play();
    player.buffers("video", 5);
    camera.set_links(LinkConfig { loss: 1.0, ..LinkConfig::default() }, LinkConfig::default());
    expect(&player, gst::ResourceError::Read, "silent", &["streaming", "nothing for 5 s", "check"]);
}

#[test]
fn a_stage_that_takes_too_long_is_named() {
    let cut = LinkConfig { loss: 1.0, ..LinkConfig::default() };
    for (text, stage, reason) in [
        ("Securing the connection", "dtls:", "handshake-timeout"),
        ("Logging in", "login:", "login-timeout"),
        ("Authenticating", "auth:", "auth-timeout"),
    ] {
        // The message comes by a thread of its own: what the client sends in this stage has to take longer than that.
        let incoming = LinkConfig { latency: Duration::from_millis(150), ..LinkConfig::default() };
        let options = ServerOptions { incoming, ..ServerOptions::default() };
        let camera = Arc::new(TestCamera::start(|_| {}, synthetic(), options, Tolerance::Behaviour));
        let player = Player::new(&camera, Link::Both);
        player.src.set_property("connect-timeout", 2000u32);
        player.on_progress(text, {
            let camera = Arc::downgrade(&camera);
            move || camera.upgrade().iter().for_each(|camera| camera.set_links(cut, incoming))
        });
        player.play();
        let offered = if reason == "handshake-timeout" { "CHACHA20" } else { stage };
        expect(&player, gst::ResourceError::Read, reason, &[stage, "in time", "restart it", offered]);
    }
}

#[test]
fn progress_messages_report_every_stage_and_failure() {
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
    // Stop this player: the next one must not share its session.
    drop(player);
    let refusing = TestCamera::with_config(|config| config.challenge = ChallengeStatus::Off, MediaSource::None);
    let player = Player::new(&refusing, Link::Both);
    player.play();
    player.progress("Not connected");
}

#[test]
fn an_element_can_start_again_after_an_error() {
    let camera = TestCamera::with_config(|config| config.challenge = ChallengeStatus::Off, synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    expect(&player, gst::ResourceError::Read, "switched-off", &["switched off"]);
    camera.configure(|config| config.challenge = ChallengeStatus::Enr);
    wait_until("the end of the first session", || camera.stats().clients == 0);
    player.play();
    player.buffers("video", 3);
    player.stop();
}
