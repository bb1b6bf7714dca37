//! Talk by the sans-IO client to the simulated camera, in memory, in virtual time.

#[path = "support/world.rs"]
mod world;

use gstwyze::protocol::dtls::Suite;
use gstwyze::protocol::talk::{TalkAudio, TalkError, TalkEvent};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use std::collections::BTreeSet;
use std::time::Duration;
use world::{FAT, World, both_envelopes, camera_config, client_config};
use wyze_camera::{CameraConfig, Envelope, LinkConfig, Synthetic};

const FRAME: Duration = Duration::from_millis(20);

/// Makes 20 ms of µ-law, the format of the simulated camera's own audio; frames with different numbers differ.
fn frame(number: u32) -> TalkAudio {
    let data = (0..160u32).map(|i| (number.wrapping_mul(31) + i) as u8).collect();
    TalkAudio { codec: CodecId::MULAW, flags: AudioFlags::new(8000, false).unwrap(), data, duration: FRAME }
}

/// Makes a connected world in which media flow, so that the client knows the camera's audio format.
fn watching(camera: CameraConfig, seed: u64) -> World {
    let mut world = World::new(client_config(), camera, seed);
    world.connect();
    world.source = Some((world.now, Synthetic::new(FAT)));
    world.run_until(Duration::from_millis(500), |_| false);
    world
}

fn open(world: &mut World) {
    world.client.start_talk(world.now);
    world.run_until(Duration::from_secs(15), |world| !world.talk_events.is_empty());
    assert_eq!(world.talk_events, [TalkEvent::Ready]);
}

/// Sends the frames with these numbers, paced in virtual time, and ends the talk. Returns their audio.
fn say(world: &mut World, numbers: std::ops::Range<u32>) -> Vec<u8> {
    let mut said = Vec::new();
    for number in numbers {
        let audio = frame(number);
        said.extend(&audio.data);
        world.client.send_talk(audio, world.now);
        world.run_until(FRAME, |_| false);
    }
    world.client.stop_talk(false, world.now);
    world.run_until(Duration::from_secs(5), |world| world.talk_events.contains(&TalkEvent::Stopped));
    assert_eq!(world.talk_events.last(), Some(&TalkEvent::Stopped));
    said
}

#[test]
fn talk_arrives_and_no_frame_is_lost_meanwhile() {
    for envelope in both_envelopes() {
        for suite in [Suite::PskAes128CbcSha256, Suite::EcdhePskChacha20Poly1305] {
            for talk_login_twice in [false, true] {
                let camera = CameraConfig { talk_suites: vec![suite], talk_login_twice, ..camera_config(envelope) };
                let mut world = watching(camera, 1);
                open(&mut world);
                let said = say(&mut world, 0..100);
                world.run_until(Duration::from_secs(1), |_| false);
                assert_eq!(world.camera.talk_audio(), said);
                assert_eq!(world.client.stats().talk_frames, 100);
                world.source = None;
                world.run_until(Duration::from_secs(1), |_| false);
                world.assert_received_all_but(&BTreeSet::new());
                world.assert_no_deviation();
            }
        }
    }
}

#[test]
fn every_talk_counts_from_one() {
    let mut world = watching(camera_config(Envelope::Transcode), 2);
    let mut said = Vec::new();
    for talk in 0..20 {
        open(&mut world);
        said.extend(say(&mut world, talk * 5..talk * 5 + 5));
        world.talk_events.clear();
        world.run_until(Duration::from_millis(300), |_| false);
    }
    assert_eq!(world.camera.talk_audio(), said);
    assert_eq!(world.camera.clients(), 1, "talk uses the session that streams");
    world.assert_no_deviation();
}

#[test]
fn audio_given_all_at_once_is_sent_in_real_time() {
    let mut world = watching(camera_config(Envelope::Cc51), 3);
    open(&mut world);
    let start = world.now;
    let mut said = Vec::new();
    for number in 0..50 {
        said.extend(frame(number).data);
        world.client.send_talk(frame(number), world.now);
    }
    world.client.stop_talk(false, world.now);
    world.run_until(Duration::from_secs(5), |world| world.talk_events.contains(&TalkEvent::Stopped));
    let took = world.now - start;
    assert!(took > Duration::from_millis(900) && took < Duration::from_millis(1100), "{took:?}");
    world.run_until(Duration::from_secs(1), |_| false);
    assert_eq!(world.camera.talk_audio(), said);
    world.assert_no_deviation();
}

#[test]
fn the_back_channel_opens_over_a_bad_link() {
    for seed in 0..5 {
        let mut world = watching(camera_config(Envelope::Transcode), seed);
        world.set_link(LinkConfig { reorder: 0.1, duplicate: 0.05, ..LinkConfig::default() });
        open(&mut world);
        let said = say(&mut world, 0..50);
        world.run_until(Duration::from_secs(2), |_| false);
        assert_eq!(world.camera.talk_audio(), said);
    }
}

#[test]
fn a_talk_that_cannot_open_reports_why_and_video_goes_on() {
    let camera = || camera_config(Envelope::Transcode);
    let cases = [
        (CameraConfig { two_way_audio: false, ..camera() }, TalkError::NoTwoWayAudio),
        (CameraConfig { refuse_talk: true, ..camera() }, TalkError::Refused),
        (CameraConfig { stall_talk: true, ..camera() }, TalkError::NotOpened),
    ];
    for (config, error) in cases {
        let mut world = watching(config, 4);
        world.client.start_talk(world.now);
        world.run_until(Duration::from_secs(15), |world| !world.talk_events.is_empty());
        assert_eq!(world.talk_events, [TalkEvent::Failed(error)]);
        let before = world.received.len();
        world.run_until(Duration::from_secs(3), |_| false);
        assert!(world.received.len() > before + 50, "{error:?}");
    }
}

#[test]
fn either_side_may_leave_in_the_middle_of_a_talk() {
    let hangs_up = CameraConfig { close_talk_after: Some(Duration::from_millis(300)), ..camera_config(Envelope::Cc51) };
    let mut world = watching(hangs_up, 5);
    open(&mut world);
    for number in 0..50 {
        world.client.send_talk(frame(number), world.now);
        world.run_until(FRAME, |_| false);
    }
    assert_eq!(world.talk_events, [TalkEvent::Ready, TalkEvent::Failed(TalkError::HungUp)]);
    assert_eq!(world.ended, None);

    let mut world = watching(camera_config(Envelope::Transcode), 6);
    open(&mut world);
    world.client.send_talk(frame(0), world.now);
    world.client.close();
    world.exchange();
    assert_eq!(world.camera.clients(), 0);
    world.assert_no_deviation();
}

#[test]
fn a_talk_ended_at_once_drops_queued_frames() {
    let mut world = watching(camera_config(Envelope::Transcode), 7);
    open(&mut world);
    for number in 0..50 {
        world.client.send_talk(frame(number), world.now);
    }
    world.client.stop_talk(true, world.now);
    world.run_until(Duration::from_secs(1), |_| false);
    assert_eq!(world.talk_events, [TalkEvent::Ready, TalkEvent::Stopped]);
    assert!(world.camera.talk_audio().len() <= 160);
    world.assert_no_deviation();
}
