//! No log at any level contains a secret. This is the only test in its file because it sets the log levels of its whole
//! process.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use gstwyze::protocol::credentials::Credentials;
use std::sync::{Arc, Mutex};
use support::*;
use wyze_camera::{CameraConfig, DEMO_ENR, DEMO_MAC, DEMO_UID, ServerOptions};

const OTHER_ENR: &str = "anotherKeyThanIt";
const MAC_WITH_COLONS: &str = "AA:BB:CC:DD:EE:FF";

/// Which texts contain a secret: the camera's, those set by hand, and the keys that are made of them, in either case.
fn scanner() -> impl Fn(&str) -> bool + Clone + Send + Sync + 'static {
    let auth_key = |enr| {
        let credentials = Credentials::new(DEMO_UID, enr, DEMO_MAC).unwrap();
        String::from_utf8_lossy(credentials.auth_key().bytes()).into_owned()
    };
    let secrets = [DEMO_UID, DEMO_ENR, DEMO_MAC, MAC_WITH_COLONS, OTHER_ENR].map(str::to_owned).to_vec();
    let secrets = [secrets, vec![auth_key(DEMO_ENR), auth_key(OTHER_ENR)]].concat();
    move |text: &str| secrets.iter().any(|secret| text.to_lowercase().contains(&secret.to_lowercase()))
}

/// The number of log lines of `wyzesrc`, and all lines that contain a secret.
type Log = Arc<Mutex<(usize, Vec<String>)>>;

/// Logs everything, but only into what is returned.
fn log_all(has_secret: impl Fn(&str) -> bool + Send + Sync + 'static) -> Log {
    let log = Log::default();
    gst::log::remove_default_log_function();
    gst::log::add_log_function({
        let log = log.clone();
        move |category, _, _, _, _, _, message| {
            let text = message.get().map(|text| text.to_string()).unwrap_or_default();
            let mut log = log.lock().unwrap();
            log.0 += usize::from(category.name() == "wyzesrc");
            if has_secret(&text) {
                log.1.push(format!("{}: {text}", category.name()));
            }
        }
    });
    gst::log::set_default_threshold(gst::DebugLevel::Trace);
    gst::log::set_threshold_for_name("wyzesrc", gst::DebugLevel::Trace);
    log
}

/// Streams, stops, and sets properties that are taken, refused or too late. Returns the texts that an application sees.
fn stream_and_set_properties() -> Vec<String> {
    let mut texts = Vec::new();
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.buffers("video", 30);
    for name in ["stats", "camera-info"] {
        texts.push(player.src.property::<gst::Structure>(name).to_string());
    }
    player.src.set_property("uid", DEMO_UID);
    player.end();
    player.stop();
    for key in [DEMO_UID, DEMO_MAC, MAC_WITH_COLONS] {
        player.src.set_property("camera", key);
    }
    texts.push(player.src.property::<gst::Structure>("camera-info").to_string());
    player.src.set_property("uri", format!("{}&unknown=1", uri(&camera)));
    // These URIs are refused, and what is refused contains a secret.
    player.src.set_property("uri", format!("wyze://127.0.0.1?uid={DEMO_UID}&enr={DEMO_ENR}&mac=x{DEMO_MAC}"));
    let handler = player.src.dynamic_cast_ref::<gst::URIHandler>().unwrap();
    let error = handler.set_uri(&format!("wyze://{DEMO_ENR}@127.0.0.1?uid={DEMO_UID}")).unwrap_err();
    texts.push(error.to_string());
    texts
}

/// Fails to connect with this ENR, and returns the error's texts.
fn fail(camera: &TestCamera, enr: &str) -> String {
    let player = Player::new(camera, Link::Both);
    player.src.set_property("connect-timeout", 2000u32);
    player.src.set_property("enr", enr);
    player.play();
    let (error, debug) = player.error();
    format!("{error} {debug}")
}

#[test]
fn no_log_message_or_structure_contains_a_secret() {
    init();
    let has_secret = scanner();
    let log = log_all(has_secret.clone());
    let mut texts = stream_and_set_properties();
    let camera = |change: fn(&mut CameraConfig)| {
        TestCamera::start(change, synthetic(), ServerOptions::default(), Tolerance::Anything)
    };
    texts.push(fail(&camera(|config| config.strict_auth_key = false), OTHER_ENR));
    texts.push(fail(&camera(|config| config.refuse_answer = true), DEMO_ENR));
    gst::log::set_default_threshold(gst::DebugLevel::None);

    for text in &texts {
        assert!(!has_secret(text), "{text}");
    }
    assert_eq!(texts.len(), 6);
    let log = log.lock().unwrap();
    assert!(log.0 > 50, "only {} lines of wyzesrc were seen", log.0);
    assert!(log.1.is_empty(), "{:#?}", log.1);
}
