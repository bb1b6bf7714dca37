//! Media that the element can do little with: a codec that changes, pictures that cannot be shown, a silent medium.

#[path = "support/element.rs"]
mod support;

use gstwyze::protocol::wire::codec::CodecId;
use std::time::{Duration, Instant, SystemTime};
use support::*;
use wyze_camera::{MediaFrame, MediaSource, Synthetic, SyntheticConfig};

const PICTURES: SyntheticConfig =
    SyntheticConfig { audio: None, key_frame_len: 3000, frame_len: 1500, gop: 1, fps: 20, ..world_default() };

const fn world_default() -> SyntheticConfig {
    SyntheticConfig {
        video: Some(CodecId::H264),
        fps: 20,
        gop: 20,
        key_frame_len: 6000,
        frame_len: 1500,
        frame_size: 0,
        audio: Some(CodecId::MULAW),
        audio_rate: 8000,
        start: Duration::ZERO,
        seed: 1,
    }
}

/// Pushes frames of these media for some time, changed by `change`, each at its time.
fn feed(camera: &TestCamera, config: SyntheticConfig, time: Duration, mut change: impl FnMut(usize, &mut MediaFrame)) {
    let (start, begin) = (SystemTime::UNIX_EPOCH.elapsed().unwrap(), Instant::now());
    let mut media = Synthetic::new(SyntheticConfig { start, ..config });
    let mut number = 0;
    while let Some((due, mut frame)) = media.next_frame()
        && due < time
    {
        change(number, &mut frame);
        number += 1;
        std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
        camera.push_frame(&frame);
    }
}

/// Returns what a `wyze-connection` message tells of one medium.
fn medium_state(seen: &Seen) -> Option<String> {
    match seen {
        Seen::Message(message) => {
            let structure = message.structure().filter(|structure| structure.name() == "wyze-connection")?;
            structure.get("medium-state").ok()
        }
        _ => None,
    }
}

fn codec_bytes(codec: CodecId) -> Vec<u8> {
    let mut media = Synthetic::new(SyntheticConfig { video: Some(codec), ..PICTURES });
    media.next_frame().unwrap().1.data
}

/// Codecs that change with each picture cost a pad a second at most, and one message each.
#[test]
fn a_codec_that_changes_with_each_picture_is_followed_once_a_second() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let [h264, h265] = [CodecId::H264, CodecId::H265].map(codec_bytes);
    feed(&camera, PICTURES, Duration::from_secs(4), |number, frame| {
        let (codec, data) = if number % 2 == 0 { (CodecId::H264, &h264) } else { (CodecId::H265, &h265) };
        frame.codec = codec;
        frame.data.clone_from(data);
    });
    let seen = player.end();
    let changes = seen.iter().filter(|seen| medium_state(seen) == Some("changed".into())).count();
    assert!((2..=5).contains(&changes), "{changes} changes in 4 s");
    let caps = seen.iter().filter(|s| matches!(s, Seen::Event(_, e) if e.type_() == gst::EventType::Caps)).count();
    assert!((1..=5).contains(&caps), "{caps} caps in 4 s");
}

#[test]
fn a_codec_that_gstreamer_cannot_carry_is_told_of_once() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    feed(&camera, PICTURES, Duration::from_secs(4), |number, frame| frame.codec = CodecId(0x60 + number as u16 / 20));
    let warnings = player.drain().iter().filter_map(Seen::warning).count();
    assert_eq!(warnings, 1);
    player.stop();
}

/// Pictures without a key frame: one is asked for, and the application is told what comes.
#[test]
fn pictures_that_cannot_be_shown_are_told_of() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let delta = SyntheticConfig { gop: 10_000, ..PICTURES };
    feed(&camera, delta, Duration::from_millis(4500), |number, frame| {
        if number == 0 {
            frame.data = vec![0, 0, 0, 1, 0x41, 0x9A, 1, 2, 3];
            frame.flags = 0;
        }
    });
    let seen = player.drain();
    let warnings: Vec<_> = seen.iter().filter_map(Seen::warning).collect();
    assert!(matches!(&warnings[..], [one] if one.contains("H.264") && one.contains("no key frame")), "{warnings:?}");
    assert!(player.stat("key-frame-requests") > 0);
    player.stop();
}

/// What is linked by hand to H.264 does not take H.265, and the error says that.
#[test]
fn an_error_says_that_the_codec_has_changed() {
    let camera = TestCamera::new(MediaSource::None);
    let line = "wyzesrc name=camera camera.video ! video/x-h264 ! fakesink async=false";
    let player = Player::launch(line);
    aim(&player.src, &camera);
    player.connect();
    let h265 = codec_bytes(CodecId::H265);
    feed(&camera, PICTURES, Duration::from_secs(1), |_, _| {});
    feed(&camera, PICTURES, Duration::from_secs(1), |_, frame| {
        frame.codec = CodecId::H265;
        frame.data.clone_from(&h265);
    });
    let (error, _) = player.error();
    assert!(error.message().contains("video/x-h265 instead of video/x-h264"), "{error}");
    player.stop();
}

/// The pad whose medium is silent gets GAP events, and the medium is asked for again.
#[test]
fn a_silent_pad_gets_gaps() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    feed(&camera, world_default(), Duration::from_secs(1), |_, _| {});
    let both = player.drain();
    let last = both.iter().rev().find_map(|seen| seen.buffer("audio")).expect("sound").pts().unwrap();
    feed(&camera, SyntheticConfig { audio: None, ..world_default() }, Duration::from_secs(5), |_, _| {});
    let seen = player.drain();
    let gaps: Vec<_> = seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Event(pad, event) if pad == "audio" => match event.view() {
                gst::EventView::Gap(gap) => Some(gap.get()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert!((3..=6).contains(&gaps.len()), "{gaps:?}");
    assert!(gaps[0].0 >= last, "{gaps:?}");
    let mut reached = gaps[0].0;
    for (from, duration) in gaps {
        assert_eq!(from, reached, "without holes");
        reached = from + duration.unwrap();
    }
    assert!(reached - last > gst::ClockTime::from_seconds(3), "{reached}");
    assert!(seen.iter().any(|seen| medium_state(seen) == Some("silent".into())));
    assert_eq!(player.stat("media-restarts"), 1);
    player.stop();
}

/// A camera that sends SPS and PPS once, at its start, has a picture for those who come later, too.
#[test]
fn a_later_viewer_of_a_camera_that_sends_its_parameter_sets_once_gets_a_picture() {
    let camera = TestCamera::new(MediaSource::None);
    let first = Player::new(&camera, Link::Both);
    first.connect();
    let mut sets_sent = false;
    let mut bare = |_: usize, frame: &mut MediaFrame| {
        if frame.flags & 1 == 1 && std::mem::replace(&mut sets_sent, true) {
            frame.data = [&[0, 0, 0, 1, 0x65][..], &[0x88; 500]].concat();
        }
    };
    let media = SyntheticConfig { gop: 5, ..PICTURES };
    feed(&camera, media.clone(), Duration::from_secs(1), &mut bare);
    let later = Player::new(&camera, Link::Both);
    later.connect();
    feed(&camera, media, Duration::from_secs(1), &mut bare);
    let picture = later.buffer("video");
    assert!(is_key(&picture));
    let data = bytes(&picture);
    assert!(data.starts_with(&[0, 0, 0, 1, 0x67]) && data.ends_with(&[0x88; 500]), "{:02x?}", &data[..40]);
    assert_eq!(camera.stats().clients, 1);
}
