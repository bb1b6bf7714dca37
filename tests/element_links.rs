//! `wyzesrc` over bad networks and in blocked pipelines.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use std::time::Duration;
use support::*;
use wyze_camera::{Envelope, LinkConfig, MediaSource, SentFrame, ServerOptions, SyntheticConfig};

fn recorded(link: LinkConfig, envelope: Envelope, tolerance: Tolerance) -> TestCamera {
    let media = MediaSource::Synthetic(SyntheticConfig { key_frame_len: 20_000, frame_len: 5_000, gop: 20, ..small() });
    let options =
        ServerOptions { seed: 7, outgoing: link, incoming: link, record_frames: true, ..ServerOptions::default() };
    TestCamera::start(|config| config.envelope = envelope, media, options, tolerance)
}

/// The buffers of a pad in `seen`.
fn buffers_of(seen: &[Seen], pad: &str) -> Vec<gst::Buffer> {
    seen.iter().filter_map(|seen| seen.buffer(pad)).collect()
}

/// Plays until `pictures` video buffers have come; returns all video buffers and all audio buffers.
fn play(player: &Player, pictures: usize) -> [Vec<gst::Buffer>; 2] {
    player.play();
    let mut buffers: [Vec<gst::Buffer>; 2] = Default::default();
    player.until("the pictures", |seen| {
        for (of_pad, name) in buffers.iter_mut().zip(["video", "audio"]) {
            of_pad.extend(seen.buffer(name));
        }
        (buffers[0].len() >= pictures).then_some(())
    });
    let last = player.end();
    for (of_pad, name) in buffers.iter_mut().zip(["video", "audio"]) {
        of_pad.extend(buffers_of(&last, name));
    }
    buffers
}

/// Returns each buffer's index among the sent frames; asserts that they were sent, in this order.
fn places(buffers: &[gst::Buffer], sent: &[SentFrame]) -> Vec<usize> {
    let mut next = 0;
    buffers
        .iter()
        .enumerate()
        .map(|(i, buffer)| {
            let sha256 = openssl::sha::sha256(&bytes(buffer));
            let found = sent[next..].iter().position(|frame| frame.sha256 == sha256);
            next += found.unwrap_or_else(|| panic!("buffer {i} was not sent, or not after the one before")) + 1;
            next - 1
        })
        .collect()
}

#[test]
fn reordering_and_duplication_lose_nothing() {
    for envelope in [Envelope::Transcode, Envelope::Cc51] {
        let link = LinkConfig { reorder: 0.1, duplicate: 0.05, ..LinkConfig::default() };
        let camera = recorded(link, envelope, Tolerance::Behaviour);
        let player = Player::new(&camera, Link::Both);
        let got = play(&player, 100);
        assert!(player.stat("duplicates") > 0 && player.stat("reordered") > 0);
        assert_eq!((player.stat("incomplete"), player.stat("lost")), (0, 0), "{envelope:?}");
        for (buffers, video) in got.iter().zip([true, false]) {
            let sent = camera.sent(video);
            let places = places(buffers, &sent);
            assert!(places[0] < 5, "the first buffer has index {}", places[0]);
            assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 1), "none is missing: {places:?}");
            assert_eq!(buffers.iter().filter(|buffer| is_discont(buffer)).count(), 1);
        }
    }
}

#[test]
fn loss_costs_only_the_frames_that_lost_a_packet() {
    let link = LinkConfig { loss: 0.02, ..LinkConfig::default() };
    let camera = recorded(link, Envelope::Transcode, Tolerance::Behaviour);
    let player = Player::new(&camera, Link::Both);
    player.src.set_property_from_str("on-loss", "pass");
    let got = play(&player, 120);
    let (lost, incomplete) = (player.stat("lost"), player.stat("incomplete"));
    assert!(lost > 0 && incomplete > 0, "{lost} packets, {incomplete} frames");
    let mut missing = 0;
    for (buffers, video) in got.iter().zip([true, false]) {
        let places = places(buffers, &camera.sent(video));
        for (pair, buffer) in places.windows(2).zip(&buffers[1..]) {
            let gap = pair[1] > pair[0] + 1;
            missing += pair[1] - pair[0] - 1;
            assert!(!gap || is_discont(buffer), "a gap without a discontinuity");
        }
    }
    assert!(missing > 0 && missing as u64 <= lost, "{missing} frames are missing, {lost} packets were lost");
}

/// `resend=on` fills every hole within `latency`, so that the buffers are in time, too.
#[test]
fn lost_packets_that_the_camera_sends_again_cost_nothing() {
    let media = MediaSource::Synthetic(SyntheticConfig { key_frame_len: 20_000, frame_len: 5_000, gop: 20, ..small() });
    let options = ServerOptions { seed: 7, record_frames: true, ..ServerOptions::default() };
    let camera =
        TestCamera::start(|config| *config = config.clone().with_resends(), media, options, Tolerance::Behaviour);
    let player = Player::new(&camera, Link::Both);
    player.src.set_property_from_str("resend", "on");
    player.src.set_property("latency", 500u32);
    player.play();
    let first = player.buffers("video", 5);
    let link = LinkConfig { loss: 0.03, ..LinkConfig::default() };
    camera.set_links(link, link);
    let lossy = player.buffers("video", 100);
    camera.set_links(LinkConfig::default(), LinkConfig::default());
    let got = [first, lossy].concat();
    let places = places(&got, &camera.sent(true));
    assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 1), "none is missing: {places:?}");
    assert_eq!(got.iter().filter(|buffer| is_discont(buffer)).count(), 1);
    assert!(player.stat("lost") > 0 && player.stat("resend-filled") > 0);
    assert_eq!((player.stat("incomplete"), player.stat("resend-given-up")), (0, 0));
    let info = player.src.property::<gst::Structure>("camera-info");
    assert_eq!(info.get("resend"), Ok(true));
    player.stop();
}

#[test]
fn corruption_costs_only_the_frames_it_hits() {
    let link = LinkConfig { corrupt: 0.02, ..LinkConfig::default() };
    let camera = recorded(link, Envelope::Cc51, Tolerance::Anything);
    let player = Player::new(&camera, Link::Both);
    player.src.set_property_from_str("on-loss", "pass");
    let got = play(&player, 120);
    let damaged = player.stat("undecryptable") + player.stat("bad-hmac") + player.stat("foreign");
    assert!(damaged > 0);
    for (buffers, video) in got.iter().zip([true, false]) {
        places(buffers, &camera.sent(video));
    }
}

#[test]
fn a_blocked_video_pad_stops_neither_audio_nor_session() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.until("no-more-pads", |seen| matches!(seen, Seen::NoMorePads).then_some(()));
    player.buffers("video", 5);
    let pad = player.src.static_pad("video").unwrap();
    let probe = pad.add_probe(gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER, |_, _| gst::PadProbeReturn::Ok);
    let probe = probe.unwrap();
    // 4 s are more than the queue holds.
    let (mut sounds, mut pictures) = (0, 0);
    player.until("4 s of audio", |seen| {
        sounds += usize::from(seen.buffer("audio").is_some());
        pictures += usize::from(seen.buffer("video").is_some());
        (sounds == 100).then_some(())
    });
    assert!(pictures <= 5, "{pictures} pictures came past the block");
    wait_until("dropping", || player.stat("video-queue-drops") > 0);
    assert_eq!(player.stat("audio-queue-drops"), 0);
    let newest = player.pipeline.current_running_time().unwrap();
    player.drain();
    pad.remove_probe(probe);
    // The buffer in the blocked pad comes first, then what the queue has kept: its newest two seconds.
    let buffers = player.buffers("video", 3);
    let at = buffers.iter().position(is_discont).expect("a discontinuity after the drop");
    assert!(is_key(&buffers[at]), "{buffers:?}");
    let kept = newest.saturating_sub(buffers[at].pts().unwrap());
    assert!(kept < gst::ClockTime::from_mseconds(2500), "{kept} was kept");
    player.buffers("video", 45);
    let drops = player.stat("video-queue-drops");
    player.buffers("video", 20);
    assert_eq!(player.stat("video-queue-drops"), drops, "no more once it flows");
}

#[test]
fn a_source_restarted_after_an_error_finds_the_camera_again() {
    let camera = TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Behaviour);
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("reconnect-attempts", 0);
    player.play();
    player.buffers("video", 5);
    camera.reboot(Duration::from_millis(500));
    let (error, _) = player.error();
    assert!(error.matches(gst::ResourceError::Read), "{error}");
    player.stop();
    player.remove_sinks();
    player.drain();
    player.play();
    player.buffers("video", 5);
}
