//! A talk that fails posts one error, which names the remedy, and other elements' streams go on.

#[path = "support/element.rs"]
mod support;
#[path = "support/talk.rs"]
mod talk;

use gst::glib;
use gst::prelude::*;
use gstwyze::protocol::wire::codec::CodecId;
use std::time::{Duration, Instant};
use support::*;
use talk::*;
use wyze_camera::{CameraConfig, MediaSource, ServerOptions, SyntheticConfig};

const TONE: &str = "audiotestsrc samplesperbuffer=441";

fn camera(change: impl FnOnce(&mut CameraConfig)) -> TestCamera {
    let change = |config: &mut CameraConfig| {
        config.talk_delay = Duration::from_millis(5);
        change(config);
    };
    TestCamera::with_config(change, speaking(CodecId::MULAW, 8000))
}

fn expect<T: glib::error::ErrorDomain + std::fmt::Debug>(speaker: &Speaker, code: T, words: &[&str]) {
    let (error, messages) = speaker.outcome();
    let error = error.expect("an error");
    assert!(error.matches(code), "{error} ({:?}) instead of {code:?}", error.domain());
    for word in words {
        assert!(error.message().contains(word), "{word:?} is missing in: {error}");
    }
    assert_eq!(speaker.state(), "failed");
    speaker.stop();
    let sink = speaker.sink.upcast_ref::<gst::Object>();
    let errors = messages.iter().filter(|m| m.type_() == gst::MessageType::Error && m.src() == Some(sink)).count();
    let later = speaker.bus.iter().filter(|m| m.type_() == gst::MessageType::Error && m.src() == Some(sink)).count();
    assert_eq!(errors + later, 1, "{messages:?}");
}

#[test]
fn a_camera_that_cannot_listen_is_reported_and_the_viewer_goes_on() {
    type Change = fn(&mut CameraConfig);
    let cases: [(Change, gst::ResourceError, &[&str]); 4] = [
        (|c| c.two_way_audio = false, gst::ResourceError::OpenWrite, &["talk:", "no two-way audio"]),
        (|c| c.refuse_talk = true, gst::ResourceError::Busy, &["talk:", "did not answer", "try again"]),
        (|c| c.stall_talk = true, gst::ResourceError::OpenWrite, &["talk:", "did not open", "restart"]),
        (|c| c.close_talk_after = Some(Duration::from_millis(300)), gst::ResourceError::Write, &["talk:", "hung up"]),
    ];
    for (change, code, words) in cases {
        let camera = camera(change);
        let player = Player::new(&camera, Link::Both);
        player.play();
        player.buffer("video");
        let speaker = Speaker::new(&camera, TONE);
        speaker.play();
        expect(&speaker, code, words);
        player.drain();
        player.buffers("video", 5);
        player.buffers("audio", 5);
        assert_eq!(camera.stats().clients, 1);
    }
}

#[test]
fn a_camera_that_sends_no_audio_is_reported() {
    let media = MediaSource::Synthetic(SyntheticConfig { audio: None, ..small() });
    let camera = TestCamera::with_config(|_| {}, media);
    for line in [TONE, "audiotestsrc is-live=true"] {
        let speaker = Speaker::new(&camera, line);
        speaker.play();
        expect(&speaker, gst::ResourceError::OpenWrite, &["no sound", "switch sound on"]);
    }
}

#[test]
fn a_talk_that_opens_too_slowly_fails_after_connect_timeout() {
    // Everything works, but slowly.
    let camera = camera(|config| config.talk_delay = Duration::from_secs(5));
    let speaker = Speaker::new(&camera, TONE);
    speaker.sink.set_property("connect-timeout", 700u32);
    let start = Instant::now();
    speaker.play();
    expect(&speaker, gst::ResourceError::OpenWrite, &["700 ms", "connect-timeout"]);
    assert!((700..1500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

#[test]
fn an_absent_camera_is_reported_with_the_sessions_error() {
    init();
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (uid, enr, mac) = (wyze_camera::DEMO_UID, wyze_camera::DEMO_ENR, wyze_camera::DEMO_MAC);
    let port = deaf.local_addr().unwrap().port();
    let line = format!(
        "{TONE} ! wyzesink name=talk uid={uid} enr={enr} mac={mac} host=127.0.0.1 port={port} connect-timeout=500"
    );
    let speaker = Speaker::launch(&line);
    speaker.play();
    expect(&speaker, gst::ResourceError::NotFound, &["discovery:"]);
}

#[test]
fn missing_settings_fail_at_once() {
    init();
    let sink = gst::ElementFactory::make("wyzesink").build().unwrap();
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    sink.set_property("uid", wyze_camera::DEMO_UID);
    assert!(sink.set_state(gst::State::Paused).is_err());
    let error = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
    let gst::MessageView::Error(error) = error.view() else { unreachable!() };
    assert!(error.error().matches(gst::ResourceError::Settings));
    assert!(error.error().message().contains("enr is not set"), "{}", error.error());
    sink.set_state(gst::State::Null).unwrap();
}

#[test]
fn only_one_talks_at_a_time() {
    let camera = camera(|_| {});
    let first = Speaker::new(&camera, TONE);
    first.play();
    first.await_state("talking");
    let second = Speaker::new(&camera, TONE);
    second.play();
    expect(&second, gst::ResourceError::Busy, &["somebody else talks"]);
    let before = first.stat("frames");
    wait_until("more frames of the first talk", || first.stat("frames") > before + 10);
    first.stop();
    let third = Speaker::new(&camera, TONE);
    third.play();
    third.await_state("talking");
}

#[test]
fn audio_in_another_codec_is_refused_with_the_cameras_format() {
    let camera = camera(|_| {});
    for (line, word) in [
        ("audiotestsrc ! audio/x-raw,rate=8000,channels=1 ! alawenc", "audio/x-alaw"),
        ("audiotestsrc ! audio/x-raw,rate=16000,channels=1 ! mulawenc", "(int)16000"),
        ("audiotestsrc ! opusenc", "audio/x-opus"),
    ] {
        let speaker = Speaker::new(&camera, line);
        speaker.play();
        expect(&speaker, gst::StreamError::WrongType, &["µ-law, 8000 Hz, one channel", "decodebin ! wyzesink", word]);
    }
    ended_talks(&camera);
}

#[test]
fn a_codec_without_an_encoder_is_reported() {
    let camera = TestCamera::with_config(|_| {}, speaking(CodecId::AAC_LATM, 16_000));
    let speaker = Speaker::new(&camera, TONE);
    speaker.play();
    expect(&speaker, gst::StreamError::CodecNotFound, &["AAC LATM"]);
}

#[test]
fn a_missing_encoder_is_reported_with_its_package() {
    init();
    let registry = gst::Registry::get();
    let good = "gstreamer1.0-plugins-good";
    for (codec, encoders, package, caps) in [
        (CodecId::AAC_WYZE, &["fdkaacenc", "avenc_aac", "voaacenc", "faac"][..], "gstreamer1.0-libav", "audio/mpeg"),
        (CodecId::SPEEX, &["speexenc"], good, "audio/x-speex"),
        (CodecId::MP3, &["lamemp3enc"], good, "audio/mpeg"),
        (CodecId::G726, &["avenc_g726"], "gstreamer1.0-libav", "audio/x-adpcm"),
    ] {
        for feature in encoders.iter().filter_map(|encoder| registry.lookup_feature(encoder)) {
            registry.remove_feature(&feature);
        }
        let camera = TestCamera::with_config(|_| {}, speaking(codec, 16_000));
        let speaker = Speaker::new(&camera, TONE);
        speaker.play();
        let (error, messages) = speaker.outcome();
        let error = error.unwrap();
        assert!(error.matches(gst::CoreError::MissingPlugin), "{codec}: {error}");
        assert!(error.message().contains(&format!("install {package}")), "{codec}: {error}");
        let missing = messages.iter().find(|message| message.has_name("missing-plugin")).expect("the standard message");
        let structure = missing.structure().unwrap();
        assert_eq!(structure.get::<&str>("type"), Ok("encoder"));
        assert_eq!(structure.get::<gst::Caps>("detail").unwrap().structure(0).unwrap().name(), caps);
    }
}

#[test]
fn a_camera_that_goes_away_ends_the_talk() {
    let media = speaking(CodecId::MULAW, 8000);
    let camera = TestCamera::start(|_| {}, media, ServerOptions::default(), Tolerance::Behaviour);
    let speaker = Speaker::new(&camera, TONE);
    speaker.sink.set_property("reconnect-attempts", 0);
    speaker.play();
    speaker.await_state("talking");
    drop(camera);
    expect(&speaker, gst::ResourceError::Read, &["streaming:", "closed the connection"]);
}
