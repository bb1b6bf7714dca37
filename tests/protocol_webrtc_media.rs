//! Picture, sound and talk over WebRTC: losses, key frames and time, in memory and in virtual time.

#[path = "support/web_camera.rs"]
mod web_camera;

use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::talk::{TalkAudio, TalkError, TalkEvent};
use gstwyze::protocol::webrtc::ViewerConfig;
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use std::time::Duration;
use str0m::format::Codec;
use web_camera::{SECOND, WebCameraConfig, WebWorld, sound, streaming, viewer_config, world};

// Losses and key frames

#[test]
fn a_key_frame_is_asked_for_until_there_is_one_but_once_a_second() {
    let camera = WebCameraConfig { begins_with_key: false, heeds_pli: false, ..WebCameraConfig::default() };
    let mut world = world(camera);
    world.connect();
    world.start_media();
    // The picture of number 59 is the first key frame: 3 s.
    world.run(2950 * SECOND / 1000);
    assert!((3..=4).contains(&world.camera.plis), "{}", world.camera.plis);
    let asked = world.camera.plis;
    world.run(2 * SECOND);
    assert_eq!(world.camera.plis, asked, "there is one");
    assert_eq!(world.viewer.stats().key_frame_requests, asked);
    world.viewer.request_key_frame(world.now);
    world.viewer.request_key_frame(world.now);
    world.run(Duration::from_millis(500));
    assert_eq!(world.camera.plis, asked + 1);
}

#[test]
fn a_key_frame_is_asked_for_after_a_loss_that_remains() {
    for asks in [true, false] {
        let config = ViewerConfig { key_frame_requests: asks, ..viewer_config() };
        let camera = WebCameraConfig { rtx: false, repeats: false, ..WebCameraConfig::default() };
        let mut world = WebWorld::new(config, camera, 1);
        world.connect();
        world.start_media();
        world.run(SECOND);
        let plis = world.camera.plis;
        world.loss = 1.0;
        world.run(Duration::from_millis(400));
        world.loss = 0.0;
        world.run(Duration::from_millis(1500));
        let gaps = world.received[0].iter().filter(|frame| frame.after_gap).count();
        let stats = world.viewer.stats();
        assert!(gaps > 0 && stats.incomplete.lost > 0 && stats.lost > 0, "{stats:?}");
        assert_eq!(world.camera.plis > plis, asks);
    }
}

/// Loses packets of the picture for 15 s. Returns the world, and how many pictures are missing.
fn lose(camera: WebCameraConfig, kilobytes: usize, loss: f64) -> (WebWorld, usize) {
    let mut world = WebWorld::new(viewer_config(), camera, 7);
    world.kilobytes = kilobytes;
    world.connect();
    world.start_media();
    world.run(SECOND);
    world.loss = loss;
    world.run(15 * SECOND);
    // What was sent last shows its loss by what comes after.
    world.loss = 0.0;
    world.run(SECOND);
    world.next = [None; 2];
    world.run(SECOND);
    let missing = world.count_missing(Medium::Video);
    (world, missing)
}

#[test]
fn losses_are_made_good_with_and_without_a_stream_for_repairs() {
    for rtx in [true, false] {
        // str0m asks for a packet five times at most. At 20 %, one in 15,000 is lost all six times that it is sent.
        for (loss, most_missing) in [(0.05, 0), (0.2, 1)] {
            let (world, missing) = lose(WebCameraConfig { rtx, ..WebCameraConfig::default() }, 20, loss);
            assert!(missing <= most_missing, "{missing} at {loss}");
            let stats = world.viewer.stats();
            assert!(stats.resends.asked > 0, "{stats:?}");
            let gaps = world.received.iter().flatten().filter(|frame| frame.after_gap).count();
            assert_eq!(stats.incomplete.lost, gaps as u64);
            assert!(world.count_missing(Medium::Audio) >= gaps - missing);
        }
    }
}

#[test]
fn losses_of_key_frames_of_more_packets_than_str0m_remembers_are_made_good() {
    for rtx in [true, false] {
        for loss in [0.01, 0.05] {
            let (_, missing) = lose(WebCameraConfig { rtx, ..WebCameraConfig::default() }, 200, loss);
            assert_eq!(missing, 0, "at {loss}");
        }
    }
}

#[test]
fn nothing_is_asked_for_again_where_that_is_not_wanted() {
    let config = ViewerConfig { resend_wait: None, ..viewer_config() };
    let mut world = WebWorld::new(config, WebCameraConfig::default(), 7);
    world.connect();
    world.start_media();
    world.run(SECOND);
    world.loss = 0.05;
    world.run(5 * SECOND);
    let stats = world.viewer.stats();
    assert!(stats.resends.asked == 0 && stats.incomplete.lost > 0, "{stats:?}");
    assert!(!world.connected.unwrap().resend);
}

// Time

/// Seconds since 1970 of a frame, less when it was sent, in milliseconds.
fn error_ms(world: &WebWorld, medium: Medium, number: usize) -> f64 {
    let info = &world.received[medium as usize][number].info;
    let captured = Duration::new(info.seconds.into(), info.microseconds * 1000);
    let sent = world.unix_time + (world.sent[medium as usize][number].at - world.started);
    (captured.as_secs_f64() - sent.as_secs_f64()) * 1000.0
}

#[test]
fn picture_and_sound_are_on_one_clock_before_and_after_the_first_report_and_over_the_wrap() {
    let mut world = world(WebCameraConfig::default());
    world.connect();
    world.stream(20 * SECOND);
    for number in 0..world.received[0].len() {
        let (video, audio) = (error_ms(&world, Medium::Video, number), error_ms(&world, Medium::Audio, number * 5 / 2));
        assert!((video - audio).abs() < 20.0, "{number}: {video} {audio}");
    }
    let [clock] = world.clocks[..] else { panic!("{:?}", world.clocks) };
    // The network has added to it.
    assert!(clock.offset.unwrap().abs() < 20_000_000 && !clock.was_set, "{clock:?}");
}

#[test]
fn an_hour_is_shown_without_growth_and_with_picture_and_sound_together() {
    let mut world = world(WebCameraConfig::default());
    world.connect();
    world.keeps = false;
    world.start_media();
    for _ in 0..60 {
        world.run(60 * SECOND);
        assert_eq!(world.ended, None);
        let (video, audio) = (error_ms(&world, Medium::Video, 0), error_ms(&world, Medium::Audio, 0));
        assert!((video - audio).abs() < 20.0, "{video} {audio}");
    }
    let stats = world.viewer.stats();
    assert_eq!((stats.lost, stats.incomplete.total(), stats.malformed), (0, 0, 0));
    assert!((72_000 - stats.video_frames as i64).abs() < 5 && (180_000 - stats.audio_frames as i64).abs() < 5);
}

// Talk

const FRAME: Duration = Duration::from_millis(20);

fn talk_frame(number: u32, codec: CodecId) -> TalkAudio {
    let flags = AudioFlags::new(8000, false).unwrap();
    TalkAudio { codec, flags, data: sound(number), duration: FRAME }
}

#[test]
fn talk_is_heard_byte_for_byte_at_the_pace_of_its_sound() {
    for (audio, codec) in [(Codec::Opus, CodecId::OPUS), (Codec::PCMU, CodecId::MULAW), (Codec::PCMA, CodecId::ALAW)] {
        let mut world = streaming(WebCameraConfig { audio, ..WebCameraConfig::default() });
        for talk in 0..2 {
            world.talk_events.clear();
            world.camera.heard.clear();
            world.viewer.start_talk(world.now);
            world.exchange();
            assert_eq!(world.talk_events, [TalkEvent::Ready]);
            let begun = world.now;
            (0..100).for_each(|number| world.viewer.send_talk(talk_frame(number, codec), world.now));
            world.viewer.stop_talk(false, world.now);
            world.run_until(10 * SECOND, |world| world.talk_events.contains(&TalkEvent::Stopped));
            assert_eq!(world.talk_events, [TalkEvent::Ready, TalkEvent::Stopped]);
            let took = world.now - begun;
            assert!(took > 1900 * SECOND / 1000 && took < 2100 * SECOND / 1000, "{took:?}");
            world.run(SECOND);
            let said: Vec<_> = (0..100).map(sound).collect();
            assert!(world.camera.heard == said, "{talk}: {} heard", world.camera.heard.len());
            assert_eq!(world.viewer.stats().talk_frames, 100 * (talk + 1));
        }
        assert_eq!(world.talk_sent, 200 * FRAME);
    }
}

#[test]
fn a_camera_that_does_not_listen_is_not_talked_to_and_another_coding_is_dropped() {
    let mut world = streaming(WebCameraConfig { hears: false, ..WebCameraConfig::default() });
    assert_eq!(world.connected.as_ref().map(|info| (info.two_way_audio, info.talk_format)), Some((false, None)));
    world.viewer.start_talk(world.now);
    world.viewer.send_talk(talk_frame(1, CodecId::OPUS), world.now);
    world.run(SECOND);
    assert_eq!(world.talk_events, [TalkEvent::Failed(TalkError::NoTwoWayAudio)]);
    assert!(world.camera.heard.is_empty());

    let mut world = streaming(WebCameraConfig::default());
    world.viewer.start_talk(world.now);
    world.viewer.send_talk(talk_frame(1, CodecId::MULAW), world.now);
    world.run(SECOND);
    assert!(world.camera.heard.is_empty());
    assert_eq!(world.viewer.stats().talk_frames, 0);
}

#[test]
fn a_flushed_talk_goes_on_and_a_talk_can_end_at_once() {
    let mut world = streaming(WebCameraConfig::default());
    world.viewer.start_talk(world.now);
    (0..50).for_each(|number| world.viewer.send_talk(talk_frame(number, CodecId::OPUS), world.now));
    world.run(Duration::from_millis(100));
    world.viewer.flush_talk();
    world.exchange();
    assert_eq!(world.talk_sent, 50 * FRAME, "what was dropped waits no longer");
    world.viewer.send_talk(talk_frame(77, CodecId::OPUS), world.now);
    world.run(SECOND);
    assert!(world.camera.heard.len() < 10 && world.camera.heard.last() == Some(&sound(77)));
    (0..50).for_each(|number| world.viewer.send_talk(talk_frame(number, CodecId::OPUS), world.now));
    world.viewer.stop_talk(true, world.now);
    world.exchange();
    assert_eq!(world.talk_events.last(), Some(&TalkEvent::Stopped));
}
