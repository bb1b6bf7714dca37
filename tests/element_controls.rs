//! What a camera is set to, as properties of `wyzesrc`: set at each connection and in PLAYING, read back, and told.

#[path = "support/element.rs"]
mod support;

use gst::glib;
use gst::prelude::*;
use std::sync::mpsc;
use std::time::Duration;
use support::*;
use wyze_camera::{CameraConfig, CameraEvent, MediaSource};

/// A camera that pans.
fn panning(media: MediaSource) -> TestCamera {
    TestCamera::with_config(|config| config.model = "HL_PAN3".into(), media)
}

/// Sends a K-command, and returns the payload of its answer.
fn ask(src: &gst::Element, code: u32, payload: &[u8]) -> Vec<u8> {
    let promise = gst::Promise::new();
    src.emit_by_name::<()>("send-command", &[&code, &glib::Bytes::from(payload), &promise]);
    assert_eq!(promise.wait(), gst::PromiseResult::Replied);
    promise.get_reply().unwrap().get::<glib::Bytes>("payload").unwrap().to_vec()
}

fn nick(src: &gst::Element, property: &str) -> String {
    let value = src.property_value(property);
    glib::EnumValue::from_value(&value).unwrap().1.nick().to_owned()
}

fn settings_of(src: &gst::Element) -> gst::Structure {
    src.property("camera-settings")
}

/// Waits for the first answers of the camera to a source that has just connected.
fn wait_for_settings(src: &gst::Element) {
    let complete = |settings: gst::Structure| settings.has_field("night-vision") && settings.has_field("bitrate");
    wait_until("the camera's settings", || {
        src.property::<Option<gst::Structure>>("camera-settings").is_some_and(complete)
    });
}

/// Returns where the nicks go that a property is notified of.
fn notified(src: &gst::Element, property: &'static str) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    src.connect_notify(Some(property), move |src, _| sender.send(nick(src, property)).unwrap());
    receiver
}

#[test]
fn what_is_set_before_the_start_is_set_on_connect_and_the_rest_is_left_alone() {
    let camera = panning(synthetic());
    let player = Player::new(&camera, Link::Both);
    let src = &player.src;
    for (property, value) in
        [("night-vision", "off"), ("flip", "180"), ("siren", "on"), ("motion-detection", "off"), ("cruise", "on")]
    {
        src.set_property_from_str(property, value);
        assert_eq!(nick(src, property), value, "known before the camera tells");
    }
    player.connect();
    wait_for_settings(src);
    wait_until("the siren", || ask(src, 10632, &[]) == [1, 1]);
    assert_eq!(ask(src, 10020, &[6, 1, 2, 6, 7, 13, 28]), br#"{"1":1,"2":2,"6":2,"7":2,"13":2,"28":1}"#);
    // What the user left alone is what the camera has.
    assert_eq!([nick(src, "status-light"), nick(src, "motion-tagging")], ["on", "off"]);
    assert_eq!(nick(src, "floodlight"), "unchanged", "nobody knows how to ask for it");
    player.stop();
}

#[test]
fn a_change_in_playing_reaches_the_camera_and_is_read_back() {
    let camera = panning(synthetic());
    let player = Player::new(&camera, Link::Both);
    let src = &player.src;
    player.connect();
    wait_for_settings(src);
    for (property, value, code, answer) in [
        ("night-vision", "on", 10040, &[1][..]),
        ("night-vision-light", "far", 10044, &[1]),
        ("status-light", "off", 10030, &[2]),
        ("overlay-time", "off", 10070, &[2]),
        ("overlay-logo", "off", 10074, &[2]),
        ("motion-tagging", "on", 10290, &[1]),
        ("motion-tracking", "on", 11020, &[1]),
        ("cruise", "on", 11014, &[1]),
        ("spotlight", "on", 10640, &[1]),
        ("siren", "on", 10632, &[1, 1]),
    ] {
        src.set_property_from_str(property, value);
        assert_eq!(ask(src, code, &[]), answer, "{property}");
        assert_eq!(nick(src, property), value);
    }
    src.set_property_from_str("flip", "vert");
    src.set_property_from_str("floodlight", "on");
    assert_eq!(ask(src, 10050, &[])[4..], [1, 2]);
    // By `unchanged`, the camera keeps what it has, and the property tells it.
    src.set_property_from_str("night-vision", "unchanged");
    wait_until("the camera's value", || nick(src, "night-vision") == "on");
    assert_eq!(ask(src, 10040, &[]), [1]);
    player.stop();
}

#[test]
fn an_answer_from_before_a_change_does_not_undo_it() {
    let camera = panning(synthetic());
    let player = Player::new(&camera, Link::Both);
    let src = &player.src;
    player.connect();
    wait_for_settings(src);
    for choice in ["on", "off", "auto", "on"] {
        // The camera answers in order, so it still tells the value before.
        src.emit_by_name::<()>("refresh-settings", &[]);
        src.set_property_from_str("night-vision", choice);
        ask(src, 10040, &[]);
        assert_eq!(nick(src, "night-vision"), choice);
    }
    let mut pictures = 0;
    player.until("some pictures", |seen| {
        assert_eq!(seen.warning(), None, "nothing was ignored");
        pictures += u32::from(seen.buffer("video").is_some());
        (pictures == 10).then_some(())
    });
}

#[test]
fn the_camera_s_settings_are_a_structure() {
    let camera = panning(synthetic());
    let player = Player::new(&camera, Link::Both);
    assert!(player.src.property::<Option<gst::Structure>>("camera-settings").is_none());
    player.connect();
    wait_for_settings(&player.src);
    let settings = settings_of(&player.src);
    assert_eq!(settings.name(), "application/x-wyze-camera-settings");
    let text = |field| settings.get::<String>(field).unwrap();
    assert_eq!([text("night-vision"), text("flip"), text("cruise")], ["auto", "identity", "off"]);
    assert_eq!([text("resolution")], ["1080p"]);
    let number = |field| settings.get::<i32>(field).unwrap();
    assert_eq!(number("bitrate"), 1920, "kbit/s");
    assert_eq!(["horizontal-min", "horizontal-max", "vertical-min", "vertical-max"].map(number), [0, 350, 0, 180]);
    assert_eq!(number("time-zone"), 0);
    player.stop();
    assert_eq!(settings_of(&player.src), settings, "after the run too");
    player.src.set_property("uri", format!("{}&night-vision=off", uri(&camera)));
    assert_eq!([nick(&player.src, "night-vision"), nick(&player.src, "cruise")], ["off", "off"], "the next run's");
}

/// Another viewer is another app: cameras do not tell of its changes by themselves.
#[test]
fn what_another_viewer_changes_is_told_after_refresh_settings() {
    let camera = panning(synthetic());
    let player = Player::new(&camera, Link::Both);
    let src = &player.src;
    player.connect();
    wait_for_settings(src);
    let (night_vision, siren) = (notified(src, "night-vision"), notified(src, "siren"));
    let (sender, settings) = mpsc::channel();
    src.connect_notify(Some("camera-settings"), move |src, _| sender.send(settings_of(src)).unwrap());
    assert_eq!(ask(src, 10042, &[2]), [1]);
    assert_eq!(ask(src, 10630, &[1, 1]), [1]);
    assert_eq!(nick(src, "night-vision"), "auto", "not asked yet");
    src.emit_by_name::<()>("refresh-settings", &[]);
    assert_eq!(night_vision.recv_timeout(PATIENCE), Ok("off".into()));
    assert_eq!(siren.recv_timeout(PATIENCE), Ok("on".into()));
    assert_eq!(settings.recv_timeout(PATIENCE).unwrap().get::<String>("night-vision").unwrap(), "off");
    player.stop();
}

#[test]
fn each_connection_is_set_anew() {
    let camera = panning(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.src.set_property_from_str("night-vision", "off");
    player.connect();
    wait_until("the first time", || ask(&player.src, 10040, &[]) == [2]);
    ask(&player.src, 10042, &[1]);
    camera.reboot(Duration::ZERO);
    player.until("streaming again", |seen| match seen {
        Seen::Buffer(_, buffer) => buffer.flags().contains(gst::BufferFlags::RESYNC).then_some(()),
        _ => None,
    });
    wait_until("the second time", || ask(&player.src, 10040, &[]) == [2]);
    player.stop();
}

/// The camera of the example does not pan, and keeps silent.
#[test]
fn a_control_that_the_camera_does_not_have_is_one_warning() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.src.set_property_from_str("cruise", "on");
    player.connect();
    let warning = player.until("a warning", Seen::warning);
    assert!(warning.contains("cruise=on") && warning.contains("does not know it"), "{warning}");
    // Its silence is remembered: the second time takes no 5 s, and does not keep the next command waiting.
    player.src.set_property_from_str("cruise", "off");
    let again = player.until("another warning", Seen::warning);
    assert!(again.contains("cruise=off"), "{again}");
    player.buffers("video", 2);
    assert_eq!(player.stat("reconnects"), 0);
    player.stop();
}

#[test]
fn what_the_camera_refuses_or_ignores_is_one_warning_each() {
    let answers = |config: &mut CameraConfig| {
        (config.refuses, config.ignores) = (vec![10032], vec![10042]);
    };
    let camera = TestCamera::with_config(answers, synthetic());
    let player = Player::new(&camera, Link::Both);
    let src = &player.src;
    for (property, value) in [("status-light", "off"), ("night-vision", "on")] {
        src.set_property_from_str(property, value);
    }
    player.connect();
    let mut warnings = [(); 2].map(|()| player.until("a warning", Seen::warning));
    warnings.sort();
    assert!(warnings[0].contains("refused status-light=off (it said 2)"), "{warnings:?}");
    assert!(warnings[1].contains("set to night-vision=on, and still has auto"), "{warnings:?}");
    assert_eq!(nick(src, "night-vision"), "auto", "the camera's own value");
    src.emit_by_name::<()>("refresh-settings", &[]);
    assert_eq!(ask(src, 10040, &[]), [3]);
    assert!(player.drain().iter().all(|seen| seen.warning().is_none()), "once is enough");
    player.stop();
}

#[test]
fn rates_that_the_camera_ignores_are_one_warning() {
    let camera = TestCamera::with_config(|config| config.ignores = vec![10056], synthetic());
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("bitrate", 800u32);
    player.src.set_property("framerate", 12u32);
    player.connect();
    let warning = player.until("a warning", Seen::warning);
    assert!(warning.contains("a bit rate of 960 kbit/s, it tells 20 pictures a second"), "{warning}");
    player.stop();
}

/// A refusal of media is told, and what else comes of it is up to the stall watch.
#[test]
fn a_refusal_of_the_session_s_own_commands_is_told() {
    let camera = TestCamera::with_config(|config| config.refuses = vec![10056], synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    let warning = player.until("a warning", Seen::warning);
    assert!(warning.contains("set-resolution (K10056) by 2"), "{warning}");
    player.buffers("video", 2);
    player.stop();
}

#[test]
fn a_battery_s_level_is_among_the_settings() {
    let camera = TestCamera::with_config(|config| config.battery = Some(83), synthetic());
    let player = Player::new(&camera, Link::Both);
    player.connect();
    wait_until("the battery", || {
        let settings = player.src.property::<Option<gst::Structure>>("camera-settings");
        settings.is_some_and(|settings| settings.get("battery") == Ok(83))
    });
    player.stop();
}

#[test]
fn a_picture_that_the_camera_does_not_give_is_one_warning() {
    // The best picture of these media has 128x96, the others 64x64.
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.src.set_property_from_str("resolution", "1080p");
    player.connect();
    let warning = player.until("a warning", Seen::warning);
    assert!(warning.contains("the picture has 128x96"), "{warning}");
    player.src.set_property_from_str("resolution", "360p");
    let sizes = |event: &CameraEvent| match event {
        CameraEvent::VideoParameters { parameters, .. } => Some(parameters.frame_size),
        _ => None,
    };
    wait_until("the change", || camera.take_events().iter().any(|event| sizes(event) == Some(1)));
    // Long enough for the camera to be asked once more.
    player.buffers("video", 150);
    assert!(player.drain().iter().all(|seen| seen.warning().is_none()), "64x64 is small enough");
    player.stop();
}

#[test]
fn keys_and_mouse_on_the_sink_turn_a_camera_that_pans() {
    let camera = panning(live(wyze_camera::LiveVideo::H264, wyze_camera::LiveAudio::None));
    let line =
        format!("wyzesrc name=camera audio=false {} ! decodebin ! fakesink name=sink sync=false", settings(&camera));
    let player = Player::launch(&line);
    player.play();
    player.buffers("video", 3);
    let sink = player.pipeline.by_name("sink").unwrap();
    let press = |key: &str| sink.send_event(gst_video::NavigationEvent::new_key_press(key).build());
    let looks = || camera.looks_at();
    assert!(press("Right"));
    wait_until("to the right", || looks() == (185, 20));
    assert!(press("Up"));
    wait_until("up", || looks() == (185, 30));
    sink.send_event(gst_video::NavigationEvent::new_mouse_scroll(0.0, 0.0, 0.0, -1.0).build());
    wait_until("down", || looks() == (185, 20));
    for _ in 0..2 {
        sink.send_event(gst_video::NavigationEvent::new_mouse_button_press(1, 0.0, 120.0).build());
    }
    wait_until("the left edge comes into the middle", || looks() == (135, 20));
    player.src.set_property_from_str("navigation", "off");
    assert!(!press("Right"));
    assert_eq!(looks(), (135, 20));
    player.stop();
}

#[test]
fn a_camera_that_does_not_pan_leaves_keys_to_others() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.connect();
    player.buffers("video", 1);
    let pad = player.src.static_pad("video").unwrap();
    let press = || pad.send_event(gst_video::NavigationEvent::new_key_press("Left").build());
    assert!(!press());
    player.src.set_property_from_str("navigation", "on");
    assert!(press());
    player.stop();
}

#[test]
fn a_camera_goes_to_its_waypoints() {
    let camera = panning(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.connect();
    assert_eq!(ask(&player.src, 11012, &[2, 91, 0x0F, 0x01, 10, 75, 15, 0, 30]), [1]);
    player.src.emit_by_name::<()>("go-to-waypoint", &[&2u32]);
    wait_until("the second waypoint", || camera.looks_at() == (15, 75));
    player.src.emit_by_name::<()>("go-to-waypoint", &[&3u32]);
    player.src.emit_by_name::<()>("go-to-waypoint", &[&0u32]);
    player.src.emit_by_name::<()>("go-to-waypoint", &[&1u32]);
    wait_until("the first waypoint", || camera.looks_at() == (271, 91));
    player.stop();
}
