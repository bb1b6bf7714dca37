//! Time stamps, flags and latency: both pads follow the camera's clock on one timeline.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use gstwyze::protocol::wire::codec::CodecId;
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};
use support::*;
use wyze_camera::{LinkConfig, MediaFrame, MediaSource, Synthetic, SyntheticConfig};

const MS: u64 = 1_000_000;

fn time(frame: &MediaFrame) -> Duration {
    Duration::new(frame.seconds.into(), frame.microseconds * 1000)
}

fn pts(buffer: &gst::Buffer) -> u64 {
    buffer.pts().unwrap().nseconds()
}

/// Indexes frames by their bytes.
fn by_bytes(frames: &[MediaFrame]) -> HashMap<Vec<u8>, MediaFrame> {
    frames.iter().map(|frame| (frame.data.clone(), frame.clone())).collect()
}

/// Pushes synthetic frames in groups of four, each group when its last frame is due, so that they arrive unevenly.
fn push_unevenly(camera: &TestCamera, config: SyntheticConfig, duration: Duration) -> Vec<MediaFrame> {
    let (start, begin) = (SystemTime::UNIX_EPOCH.elapsed().unwrap(), Instant::now());
    let mut media = Synthetic::new(SyntheticConfig { start, ..config });
    let (mut frames, mut group) = (Vec::new(), Vec::new());
    while let Some((due, frame)) = media.next_frame()
        && due < duration
    {
        group.push(frame);
        if group.len() == 4 {
            std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
            for frame in group.drain(..) {
                camera.push_frame(&frame);
                frames.push(frame);
            }
        }
    }
    frames
}

#[test]
fn time_stamps_follow_the_camera_not_the_arrival() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let frames = push_unevenly(&camera, small(), Duration::from_secs(4));
    let sent = by_bytes(&frames);
    let mut buffers: [Vec<gst::Buffer>; 2] = Default::default();
    let mut left = frames.len();
    player.until("all frames", |seen| {
        for (of_pad, name) in buffers.iter_mut().zip(["video", "audio"]) {
            if let Some(buffer) = seen.buffer(name) {
                of_pad.push(buffer);
                left -= 1;
            }
        }
        (left == 0).then_some(())
    });
    // The difference between a PTS and the camera's time is constant, except for the slow correction of drift.
    let offset = |buffer: &gst::Buffer| pts(buffer) as i64 - time(&sent[&bytes(buffer)]).as_nanos() as i64;
    for buffers in &buffers {
        assert!(buffers.windows(2).all(|pair| pts(&pair[0]) < pts(&pair[1])), "stamps grow");
        for pair in buffers.windows(2) {
            let camera_step = time(&sent[&bytes(&pair[1])]) - time(&sent[&bytes(&pair[0])]);
            let step = pts(&pair[1]) - pts(&pair[0]);
            // The correction is 2 % at most.
            let error = step.abs_diff(camera_step.as_nanos() as u64);
            assert!(error <= camera_step.as_nanos() as u64 / 50 + MS, "{step} ns instead of {camera_step:?}");
        }
        assert_eq!(buffers.iter().filter(|buffer| is_discont(buffer)).count(), 1, "only the first");
        for buffer in buffers {
            let frame = &sent[&bytes(buffer)];
            assert_eq!(is_key(buffer), frame.is_audio() || frame.flags == 1);
            if let Some(meta) = buffer.meta::<gst::ReferenceTimestampMeta>() {
                assert_eq!(meta.reference(), gst::Caps::new_empty_simple("timestamp/x-unix").as_ref());
                assert_eq!(Duration::from(meta.timestamp()), time(frame), "the capture time");
            }
        }
        let with_capture = buffers.iter().filter(|b| b.meta::<gst::ReferenceTimestampMeta>().is_some()).count();
        assert!(with_capture * 4 > buffers.len(), "{with_capture} of {} have a capture time", buffers.len());
        assert!(
            buffers.last().unwrap().meta::<gst::ReferenceTimestampMeta>().is_some(),
            "a running clock gives capture times"
        );
    }
    // Video and audio of the same moment get the same correction.
    for picture in &buffers[0] {
        let near = buffers[1].iter().min_by_key(|sound| pts(sound).abs_diff(pts(picture))).unwrap();
        let shift = offset(picture) - offset(near);
        assert!(shift.unsigned_abs() < 3 * MS, "video and audio are {shift} ns apart");
    }
}

#[test]
fn a_camera_whose_clock_was_never_set_gives_no_capture_time() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Only("video"));
    player.src.set_property_from_str("set-clock", "off");
    player.connect();
    let mut media = Synthetic::new(SyntheticConfig { audio: None, start: Duration::from_secs(100), ..small() });
    let begin = Instant::now();
    while let Some((due, frame)) = media.next_frame()
        && due < Duration::from_secs(2)
    {
        std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
        camera.push_frame(&frame);
    }
    let buffers = player.buffers("video", 40);
    assert!(buffers.iter().all(|buffer| buffer.meta::<gst::ReferenceTimestampMeta>().is_none()));
    assert!(buffers.windows(2).all(|pair| pts(&pair[0]) < pts(&pair[1])));
    let span = pts(&buffers[39]) - pts(&buffers[0]);
    assert!(span > 1800 * MS && span < 2300 * MS, "39 frames of 50 ms take {span} ns");
}

#[test]
fn a_clock_that_jumps_does_not_disturb_the_time_stamps() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Only("video"));
    player.connect();
    let quiet = SyntheticConfig { audio: None, ..small() };
    let begin = Instant::now();
    let mut media = Synthetic::new(SyntheticConfig { start: SystemTime::UNIX_EPOCH.elapsed().unwrap(), ..quiet });
    while let Some((due, mut frame)) = media.next_frame()
        && due < Duration::from_secs(3)
    {
        std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
        if due >= Duration::from_millis(1500) {
            // The clock jumps by a day and 400 ms, as when a time server sets it.
            let moved = time(&frame) + Duration::from_millis(86_400_400);
            (frame.seconds, frame.microseconds) = (moved.as_secs() as u32, moved.subsec_micros());
        }
        camera.push_frame(&frame);
    }
    let buffers = player.buffers("video", 60);
    assert!(buffers.windows(2).all(|pair| pts(&pair[0]) < pts(&pair[1])));
    let span = pts(&buffers[59]) - pts(&buffers[0]);
    assert!(span > 2700 * MS && span < 3400 * MS, "59 frames of 50 ms take {span} ns");
}

/// The camera's clock jumps when it is set: by two minutes and a part of a second, or from the year in which it was
/// made.
#[test]
fn setting_the_clock_of_the_camera_leaves_no_gap_in_the_time_stamps() {
    let unix_time = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    for (error, offset) in [(-unix_time + 100, None), (-120, Some(-120)), (120, Some(120))] {
        let camera = TestCamera::with_config(|camera| camera.clock_error = error, synthetic());
        let player = Player::new(&camera, Link::Both);
        player.play();
        let mut buffers: [Vec<gst::Buffer>; 2] = Default::default();
        player.until("buffers", |seen| {
            for (of_pad, name) in buffers.iter_mut().zip(["video", "audio"]) {
                of_pad.extend(seen.buffer(name));
            }
            (buffers[0].len() >= 80 && buffers[1].len() >= 80).then_some(())
        });
        let [seconds] = camera.clock_settings()[..] else { panic!("{error}: {:?}", camera.clock_settings()) };
        assert!(i64::from(seconds) > unix_time && i64::from(seconds) < unix_time + 120, "{error}: {seconds}");
        let info = player.src.property::<gst::Structure>("camera-info");
        assert_eq!(info.get("clock-set"), Ok(true), "{error}");
        let told = info.get_optional::<i64>("clock-offset-ns").unwrap();
        assert_eq!(told.is_some(), offset.is_some(), "{error}: {told:?}");
        if let (Some(told), Some(offset)) = (told, offset) {
            assert!((told - offset * 1_000_000_000).unsigned_abs() < 2000 * MS, "{error}: {told} ns");
        }
        for (buffers, step) in buffers.iter().zip([50 * MS, 40 * MS]) {
            for (at, pair) in buffers.windows(2).enumerate() {
                let step_here = pts(&pair[1]) as i64 - pts(&pair[0]) as i64;
                assert!(
                    step_here > 0 && step_here < 2 * step as i64 + 50 * MS as i64,
                    "{error}: {step_here} ns at {at}"
                );
            }
            let span = pts(&buffers[79]) - pts(&buffers[0]);
            assert!(span.abs_diff(79 * step) < 250 * MS, "{error}: 79 frames of {step} ns take {span} ns");
        }
        let last = buffers[0].last().unwrap().meta::<gst::ReferenceTimestampMeta>().unwrap().timestamp().seconds();
        assert!(last.abs_diff(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()) < 10, "{error}: {last}");

        let later = Player::new(&camera, Link::Both);
        later.connect();
        let told = || later.src.property::<gst::Structure>("camera-info").get("clock-set");
        wait_until("what a later viewer is told", || told() == Ok(true));
        later.stop();
        player.end();
    }
}

#[test]
fn the_clock_of_the_camera_is_left_alone_where_that_is_wished() {
    let camera = TestCamera::with_config(|camera| camera.clock_error = -120, synthetic());
    let player = Player::new(&camera, Link::Both);
    player.src.set_property_from_str("set-clock", "off");
    player.play();
    player.buffers("video", 40);
    assert!(camera.clock_settings().is_empty());
    assert_eq!(player.src.property::<gst::Structure>("camera-info").get("clock-set"), Ok(false));
    player.end();
}

#[test]
fn a_lost_frame_marks_a_discontinuity() {
    let camera = TestCamera::start(|_| {}, MediaSource::None, Default::default(), Tolerance::Behaviour);
    let player = Player::new(&camera, Link::Only("video"));
    player.src.set_property_from_str("on-loss", "pass");
    player.connect();
    let start = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let frames: Vec<_> = {
        let mut media = Synthetic::new(SyntheticConfig { audio: None, start, ..small() });
        (0..10).map(|_| media.next_frame().unwrap().1).collect()
    };
    frames[..5].iter().for_each(|frame| camera.push_frame(frame));
    player.buffers("video", 5);
    let lost = camera.stats().outgoing.lost;
    camera.set_links(LinkConfig { loss: 1.0, ..LinkConfig::default() }, LinkConfig::default());
    camera.push_frame(&frames[5]);
    wait_until("the loss", || camera.stats().outgoing.lost >= lost + 2);
    camera.set_links(LinkConfig::default(), LinkConfig::default());
    frames[6..].iter().for_each(|frame| camera.push_frame(frame));
    let after = player.buffers("video", 4);
    for (buffer, frame) in after.iter().zip(&frames[6..]) {
        assert_eq!(bytes(buffer), frame.data);
    }
    assert_eq!(after.iter().map(is_discont).collect::<Vec<_>>(), [true, false, false, false]);
    assert!(after.iter().all(|buffer| !is_key(buffer)));
}

#[test]
fn the_latency_is_live_and_as_set() {
    for ms in [0u32, 200, 700] {
        let camera = TestCamera::new(synthetic());
        let player = Player::launch(&format!(
            "wyzesrc name=camera {} camera.video ! fakesink sync=true async=false \
             camera.audio ! fakesink sync=true async=false",
            settings(&camera)
        ));
        player.src.set_property("latency", ms);
        player.play();
        player.until("no-more-pads", |seen| matches!(seen, Seen::NoMorePads).then_some(()));
        let least = gst::ClockTime::from_mseconds(ms.into());
        for pad in player.src.pads() {
            let mut query = gst::query::Latency::new();
            assert!(pad.query(&mut query));
            let (live, min, max) = query.result();
            assert!(live);
            assert_eq!(min, least);
            assert!(max.is_some_and(|max| max > min), "{max:?}");
        }
        let mut query = gst::query::Latency::new();
        assert!(player.pipeline.query(&mut query));
        let (live, min, max) = query.result();
        assert!(live && min >= least && max.is_some_and(|max| max >= min), "{live} {min} {max:?}");
    }
}

#[test]
fn a_synchronising_sink_gets_its_buffers_in_time() {
    let camera = TestCamera::new(synthetic());
    let player = Player::launch(&format!(
        "wyzesrc name=camera {} camera.video ! fakesink name=video sync=true qos=true max-lateness=100000000 \
         camera.audio ! fakesink name=audio sync=true qos=true max-lateness=100000000",
        settings(&camera)
    ));
    player.play();
    player.buffers("video", 60);
    for name in ["video", "audio"] {
        let stats = player.pipeline.by_name(name).unwrap().property::<gst::Structure>("stats");
        let (rendered, dropped) = (stats.get::<u64>("rendered").unwrap(), stats.get::<u64>("dropped").unwrap());
        assert!(rendered > 30 && dropped * 20 < rendered, "{name}: {stats}");
    }
}

#[test]
fn a_change_within_the_stream_gives_new_caps() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let half = Duration::from_millis(500);
    let quiet = SyntheticConfig { audio: None, ..small() };
    camera.feed(small(), half, true);
    player.until("no-more-pads", |seen| matches!(seen, Seen::NoMorePads).then_some(()));
    let expect = |pad: &str, config: SyntheticConfig, caps: &str| {
        camera.feed(config, half, true);
        let expected: gst::Caps = caps.parse().unwrap();
        assert_eq!(player.new_caps(pad), expected);
        let first = player.buffer(pad);
        assert!(is_key(&first), "{caps}");
    };
    let h26x = |name: &str, size: &str| format!("video/x-{name},stream-format=byte-stream,alignment=au,{size}");
    expect("video", SyntheticConfig { frame_size: 1, ..quiet.clone() }, &h26x("h264", "width=64,height=64"));
    let h265 = SyntheticConfig { video: Some(CodecId::H265), ..quiet };
    expect("video", h265.clone(), &h26x("h265", "width=128,height=96"));
    expect("video", SyntheticConfig { frame_size: 1, ..h265 }, &h26x("h265", "width=64,height=64"));
    let silent = SyntheticConfig { video: None, ..small() };
    let rate = SyntheticConfig { audio_rate: 16000, ..silent.clone() };
    expect("audio", rate, "audio/x-mulaw,rate=16000,channels=1");
    let aac = SyntheticConfig { audio: Some(CodecId::AAC_WYZE), audio_rate: 16000, ..silent };
    expect("audio", aac, "audio/mpeg,mpegversion=4,stream-format=adts,framed=true,rate=16000,channels=1");
    player.end();
}
