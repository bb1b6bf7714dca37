//! Video after a lost frame: the property `on-loss`, and requests for key frames.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use support::*;
use wyze_camera::{CameraEvent, LinkConfig, MediaSource, SentFrame, ServerOptions, SyntheticConfig};

/// A camera on whose link packets can be lost later. Its own key frames are 3 s apart.
fn lossy() -> TestCamera {
    let options = ServerOptions { record_frames: true, seed: 5, ..ServerOptions::default() };
    let media = SyntheticConfig { gop: 60, ..small() };
    TestCamera::start(|_| {}, MediaSource::Synthetic(media), options, Tolerance::Behaviour)
}

/// A video buffer: its index among the frames that the camera sent, and its flags.
struct Shown {
    number: usize,
    is_key: bool,
    is_discont: bool,
    is_corrupted: bool,
}

/// Plays over a lossy link until some video frames were lost; returns the buffers and how many whole frames were
/// skipped.
fn shown(on_loss: &str) -> (Vec<Shown>, u64) {
    let camera = lossy();
    let player = Player::new(&camera, Link::Both);
    player.src.set_property_from_str("on-loss", on_loss);
    player.play();
    let mut buffers = player.buffers("video", 5);
    let lossy = LinkConfig { loss: 0.03, ..LinkConfig::default() };
    camera.set_links(lossy, LinkConfig::default());
    while player.stat("incomplete-lost") < 8 {
        buffers.extend(player.buffers("video", 10));
    }
    camera.set_links(LinkConfig::default(), LinkConfig::default());
    player.stop();
    let sent: Vec<SentFrame> = camera.sent(true);
    let numbers: HashMap<_, _> = sent.iter().enumerate().map(|(number, frame)| (frame.sha256, number)).collect();
    let shown = buffers.iter().map(|buffer| Shown {
        number: numbers[&<[u8; 32]>::from(Sha256::digest(buffer.map_readable().unwrap()))],
        is_key: is_key(buffer),
        is_discont: is_discont(buffer),
        is_corrupted: buffer.flags().contains(gst::BufferFlags::CORRUPTED),
    });
    (shown.collect(), player.stat("skipped-frames"))
}

#[test]
fn no_frame_is_pushed_that_depends_on_a_lost_one() {
    let (shown, skipped) = shown("until-key-frame");
    assert!(shown[0].is_key && shown[0].is_discont);
    let mut gaps = 0;
    for pair in shown.windows(2) {
        let follows = pair[1].number == pair[0].number + 1;
        assert!(follows || pair[1].is_key && pair[1].is_discont, "{} after {}", pair[1].number, pair[0].number);
        assert!(!pair[1].is_corrupted);
        gaps += usize::from(!follows);
    }
    assert!(gaps > 0 && skipped > 0, "{gaps} gaps, {skipped} skipped");
}

#[test]
fn with_pass_every_whole_frame_is_pushed_and_damaged_ones_are_flagged() {
    let (shown, skipped) = shown("pass");
    assert_eq!(skipped, 0);
    let (mut broken, mut flagged, mut wrongly) = (false, 0, 0);
    for pair in shown.windows(2) {
        let follows = pair[1].number == pair[0].number + 1;
        broken = (broken || !follows) && !pair[1].is_key;
        assert!(pair[1].is_corrupted || !broken, "{}", pair[1].number);
        assert!(pair[1].is_discont || follows, "{}", pair[1].number);
        flagged += usize::from(broken);
        wrongly += usize::from(pair[1].is_corrupted && !broken);
    }
    // Several audio frames lost in a row may be taken for video frames.
    assert!(flagged > 0 && wrongly <= flagged, "{flagged} flagged, {wrongly} wrongly");
}

fn asked_for_a_picture(event: &CameraEvent) -> Option<()> {
    matches!(event, CameraEvent::VideoParameters { .. }).then_some(())
}

#[test]
fn a_force_key_unit_event_brings_a_key_frame() {
    // The camera's own key frames are a minute apart.
    let media = SyntheticConfig { gop: 1200, ..small() };
    let camera = TestCamera::new(MediaSource::Synthetic(media));
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.buffers("video", 10);
    camera.await_event(asked_for_a_picture);
    let force = || gst::event::CustomUpstream::new(gst::Structure::new_empty("GstForceKeyUnit"));
    let key_frame = |player: &Player| player.until("a key frame", |seen| seen.buffer("video").filter(is_key));
    player.drain();
    let pad = player.src.static_pad("video").unwrap();
    assert!(pad.peer().unwrap().push_event(force()), "from downstream");
    camera.await_event(asked_for_a_picture);
    key_frame(&player);
    assert_eq!(player.stat("key-frame-requests"), 1);

    player.drain();
    wait_until("the next request, which comes no sooner than 2 s after the last", || {
        assert!(player.src.send_event(force()), "from the application");
        player.stat("key-frame-requests") == 2
    });
    key_frame(&player);
    player.stop();
    assert!(!player.src.send_event(force()), "a stopped source has no camera to ask");
}

fn force_at(running_time: Option<gst::ClockTime>) -> gst::Event {
    gst_video::UpstreamForceKeyUnitEvent::builder().running_time(running_time).all_headers(true).build()
}

#[test]
fn events_for_the_pieces_of_a_stream_leave_the_camera_alone_while_its_own_key_frames_will_do() {
    // The camera's own key frames are a second apart.
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.buffers("video", 5);
    let peer = player.src.static_pad("video").unwrap().peer().unwrap();
    let now = || player.src.current_running_time().unwrap();
    for _ in 0..3 {
        assert!(peer.push_event(force_at(Some(now() + gst::ClockTime::SECOND))), "taken, and served by itself");
        let last = player.until("a key frame", |seen| seen.buffer("video").filter(is_key));
        assert!(peer.push_event(force_at(last.pts())));
    }
    assert_eq!(player.stat("key-frame-requests"), 0);
    assert!(peer.push_event(force_at(None)), "at once");
    wait_until("a request", || player.stat("key-frame-requests") == 1);
}

#[test]
fn with_requests_off_the_camera_is_never_asked() {
    let camera = lossy();
    let player = Player::new(&camera, Link::Both);
    player.src.set_property_from_str("key-frame-requests", "off");
    player.play();
    player.buffers("video", 5);
    camera.set_links(LinkConfig { loss: 0.03, ..LinkConfig::default() }, LinkConfig::default());
    while player.stat("incomplete-lost") < 8 {
        player.buffers("video", 5);
    }
    assert!(!player.src.send_event(force_at(None)), "not taken");
    assert_eq!(player.stat("key-frame-requests"), 0);

    // It can be switched on again while the stream runs.
    player.src.set_property_from_str("key-frame-requests", "auto");
    wait_until("a request", || {
        player.buffers("video", 1);
        player.stat("key-frame-requests") > 0
    });
}
