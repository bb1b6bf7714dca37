//! Sources and sinks of one process share one session with a camera, in whatever order they start and stop.

#[path = "support/element.rs"]
mod support;
#[path = "support/talk.rs"]
mod talk;

use gst::prelude::*;
use gstwyze::protocol::wire::codec::CodecId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};
use support::*;
use talk::*;
use wyze_camera::{CameraConfig, CameraEvent, ServerOptions, TalkEnd};

fn recorded() -> TestCamera {
    let options = ServerOptions { record_frames: true, ..ServerOptions::default() };
    let change = |config: &mut CameraConfig| config.talk_delay = Duration::from_millis(5);
    TestCamera::start(change, speaking(CodecId::MULAW, 8000), options, Tolerance::Nothing)
}

fn sessions(camera: &TestCamera) -> usize {
    camera.take_events().iter().filter(|event| matches!(event, CameraEvent::ClientConnected { .. })).count()
}

/// Returns the SHA-256 of each of a pad's buffers in `seen`.
fn hashes(seen: &[Seen], pad: &str) -> Vec<[u8; 32]> {
    seen.iter().filter_map(|seen| seen.buffer(pad)).map(|buffer| openssl::sha::sha256(&bytes(&buffer))).collect()
}

/// Whether `got` is a run of consecutive sent frames.
fn is_gapless(camera: &TestCamera, got: &[[u8; 32]]) -> bool {
    let sent: Vec<_> = camera.sent(true).iter().map(|frame| frame.sha256).collect();
    sent.windows(got.len()).any(|run| run == got)
}

#[test]
fn twenty_talks_share_the_session_of_a_viewer() {
    let camera = recorded();
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.buffer("video");
    let sound = mulaw(1600);
    for _ in 0..20 {
        let speaker = Speaker::new(&camera, MULAW_IN);
        speaker.push(sound.clone(), None);
        speaker.push_end();
        speaker.play_out();
        speaker.stop();
    }
    player.buffers("video", 1);
    player.stop();
    assert_eq!(sessions(&camera), 1);
    let talks = ended_talks(&camera);
    assert_eq!(talks.len(), 20);
    assert!(talks.iter().all(|talk| talk.audio == sound && talk.end == Some(TalkEnd::SwitchedOff)));
}

#[test]
fn no_video_frame_is_lost_while_talk_starts_and_stops() {
    let camera = recorded();
    let player = Player::new(&camera, Link::Both);
    player.play();
    let mut seen = vec![Seen::Buffer("video".into(), player.buffer("video"))];
    for round in 0..20 {
        let speaker = Speaker::new(&camera, TONE_LIVE);
        speaker.play();
        if round % 2 == 0 {
            speaker.await_state("talking");
        }
        std::thread::sleep(Duration::from_millis(10 * round));
        speaker.stop();
    }
    seen.extend(player.drain());
    let got = hashes(&seen, "video");
    assert!(got.len() > 30, "{}", got.len());
    assert!(is_gapless(&camera, &got), "a frame is missing");
    assert_eq!(player.stat("incomplete"), 0);
    assert_eq!(sessions(&camera), 1);
}

const TONE_LIVE: &str = "audiotestsrc is-live=true samplesperbuffer=441";

#[test]
fn two_viewers_each_get_every_frame() {
    let camera = recorded();
    let (first, second) = (Player::new(&camera, Link::Both), Player::new(&camera, Link::Both));
    first.play();
    let mut seen_first = vec![Seen::Buffer("video".into(), first.buffer("video"))];
    second.play();
    let mut seen_second = vec![Seen::Buffer("video".into(), second.buffer("video"))];
    std::thread::sleep(Duration::from_secs(2));
    seen_first.extend(first.drain());
    seen_second.extend(second.drain());
    for seen in [&seen_first, &seen_second] {
        let got = hashes(seen, "video");
        assert!(got.len() >= 35, "{}", got.len());
        assert!(is_gapless(&camera, &got));
    }
    first.stop();
    second.drain();
    second.buffers("video", 5);
    second.stop();
    assert_eq!(sessions(&camera), 1);
}

#[test]
fn other_credentials_are_refused_and_the_newest_resolution_wins() {
    let camera = recorded();
    let first = Player::new(&camera, Link::Both);
    first.play();
    first.buffer("video");
    for factory in ["wyzesrc", "wyzesink"] {
        let other = gst::ElementFactory::make(factory).build().unwrap();
        aim(&other, &camera);
        other.set_property("enr", "anotherKeyThanIt");
        let bus = gst::Bus::new();
        other.set_bus(Some(&bus));
        assert!(other.set_state(gst::State::Paused).is_err());
        let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
        let gst::MessageView::Error(error) = message.view() else { unreachable!() };
        assert!(error.error().matches(gst::ResourceError::Settings), "{}", error.error());
        other.set_state(gst::State::Null).unwrap();
    }
    camera.take_events();
    let second = Player::new(&camera, Link::Both);
    second.src.set_property_from_str("resolution", "360p");
    second.src.set_property_from_str("transport", "lan");
    second.play();
    second.until("a warning", |seen| seen.warning().filter(|text| text.contains("another transport")));
    second.until("a warning", |seen| seen.warning().filter(|text| text.contains("another picture")));
    camera.await_event(|event| match event {
        CameraEvent::VideoParameters { parameters, .. } => (parameters.frame_size == 1).then_some(()),
        _ => None,
    });
    // A sink asks for no resolution, so it warns of no conflict.
    let speaker = Speaker::new(&camera, TONE_LIVE);
    speaker.play();
    speaker.await_state("talking");
    assert!(speaker.bus.pop_filtered(&[gst::MessageType::Warning]).is_none());
}

/// Counts the process's threads that belong to sessions and pads.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("wyze") && name.trim() != "wyze-camera").count()
}

#[test]
fn two_hundred_random_starts_and_stops_leave_nothing_behind() {
    let change = |config: &mut CameraConfig| {
        config.talk_delay = Duration::from_millis(5);
        // A client that stops during the DTLS handshake cannot say goodbye, so the camera has to time it out.
        config.idle_timeout = Duration::from_millis(500);
        config.max_clients = 100;
    };
    let media = speaking(CodecId::MULAW, 8000);
    let camera = TestCamera::start(change, media, ServerOptions::default(), Tolerance::Behaviour);
    let players = [Player::new(&camera, Link::Both), Player::new(&camera, Link::Both)];
    let speaker = Speaker::new(&camera, TONE_LIVE);
    let pipelines = [&players[0].pipeline, &players[1].pipeline, &speaker.pipeline];
    let mut rng = StdRng::seed_from_u64(7);
    let mut running = [false; 3];
    for step in 0..200 {
        let which = rng.random_range(0..3);
        let target = if running[which] { gst::State::Null } else { gst::State::Playing };
        running[which] = !running[which];
        let start = Instant::now();
        pipelines[which].set_state(target).unwrap();
        assert!(start.elapsed() < Duration::from_secs(1), "step {step}: {target:?} took {:?}", start.elapsed());
        if !running[which] && which < 2 {
            players[which].remove_sinks();
            players[which].drain();
        }
        std::thread::sleep(Duration::from_millis(rng.random_range(0..80)));
    }
    // In the end a player and the speaker still work.
    for player in &players {
        player.stop();
        player.remove_sinks();
        player.drain();
    }
    players[0].play();
    players[0].buffer("video");
    speaker.play();
    speaker.await_state("talking");
    assert!(speaker.bus.pop_filtered(&[gst::MessageType::Error]).is_none());
    players[0].stop();
    speaker.stop();
    wait_until("the end of the threads", || threads() == 0);
    wait_until("the end of the sessions", || camera.stats().clients == 0);
}
