//! No log at any level contains a secret. This is the only test in its file because it sets the log levels of its whole
//! process.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use gstwyze::protocol::credentials::Credentials;
use std::sync::{Arc, Mutex};
use support::*;
use wyze_camera::{DEMO_ENR, DEMO_MAC, DEMO_UID, ServerOptions};

const OTHER_ENR: &str = "anotherKeyThanIt";
const MAC_WITH_COLONS: &str = "AA:BB:CC:DD:EE:FF";

#[test]
fn no_log_message_or_structure_contains_a_secret() {
    init();
    let lines = Arc::new(Mutex::new((0usize, Vec::<String>::new())));
    let auth_key = |enr| {
        let credentials = Credentials::new(DEMO_UID, enr, DEMO_MAC).unwrap();
        String::from_utf8_lossy(credentials.auth_key().bytes()).into_owned()
    };
    let secrets = [DEMO_UID, DEMO_ENR, DEMO_MAC, MAC_WITH_COLONS, OTHER_ENR].map(str::to_owned).to_vec();
    let secrets = [secrets, vec![auth_key(DEMO_ENR), auth_key(OTHER_ENR)]].concat();
    let scan = {
        let secrets = secrets.clone();
        move |text: &str| secrets.iter().any(|secret| text.to_lowercase().contains(&secret.to_lowercase()))
    };
    gst::log::remove_default_log_function();
    gst::log::add_log_function({
        let (lines, scan) = (lines.clone(), scan.clone());
        move |category, _, _, _, _, _, message| {
            let text = message.get().map(|text| text.to_string()).unwrap_or_default();
            let mut lines = lines.lock().unwrap();
            lines.0 += usize::from(category.name() == "wyzesrc");
            if scan(&text) {
                lines.1.push(format!("{}: {text}", category.name()));
            }
        }
    });
    gst::log::set_default_threshold(gst::DebugLevel::Trace);
    gst::log::set_threshold_for_name("wyzesrc", gst::DebugLevel::Trace);

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
    let e = player
        .src
        .dynamic_cast_ref::<gst::URIHandler>()
        .unwrap()
        .set_uri(&format!("wyze://{DEMO_ENR}@127.0.0.1?uid={DEMO_UID}"))
        .unwrap_err();
    texts.push(e.to_string());

    for camera in [
        TestCamera::start(|c| c.strict_auth_key = false, synthetic(), ServerOptions::default(), Tolerance::Anything),
        TestCamera::start(|c| c.refuse_answer = true, synthetic(), ServerOptions::default(), Tolerance::Anything),
    ] {
        let player = Player::new(&camera, Link::Both);
        player.src.set_property("connect-timeout", 2000u32);
        let lenient = texts.len() == 4;
        if lenient {
            player.src.set_property("enr", OTHER_ENR);
        }
        player.play();
        let (error, debug) = player.error();
        texts.push(format!("{error} {debug}"));
    }
    gst::log::set_default_threshold(gst::DebugLevel::None);

    for text in &texts {
        assert!(!scan(text), "{text}");
    }
    assert_eq!(texts.len(), 6);
    let lines = lines.lock().unwrap();
    assert!(lines.0 > 50, "only {} lines of wyzesrc were seen", lines.0);
    assert!(lines.1.is_empty(), "{:#?}", lines.1);
}
