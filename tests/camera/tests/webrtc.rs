//! The WebRTC camera against a viewer made of str0m, in virtual time.

mod viewer;

use gstwyze::protocol::wire::codec::CodecId;
use std::time::{Duration, SystemTime};
use str0m::format::Codec;
use viewer::World;
use wyze_camera::webrtc::{CandidateOrder, WebCameraConfig};
use wyze_camera::{CameraEvent, GoneReason, LinkConfig, SyntheticConfig};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a world whose camera has these settings for some seconds; the viewer has to be connected then.
fn connected(talks: bool, seconds: u32, change: impl FnOnce(&mut WebCameraConfig)) -> World {
    let mut world = with(talks, change);
    world.run(SECOND * seconds);
    assert!(world.viewer.is_connected, "{:?}", world.camera.stats());
    world
}

fn with(talks: bool, change: impl FnOnce(&mut WebCameraConfig)) -> World {
    let mut config = WebCameraConfig::default();
    change(&mut config);
    World::new(config, talks)
}

/// Returns the lines of the answer's section for a medium.
fn section(world: &World, medium: &str) -> String {
    let answer = world.viewer.answer.as_ref().expect("an answer");
    let section = answer.split("\r\nm=").find(|section| section.starts_with(medium)).expect("a section");
    format!("{section}\r\n")
}

#[test]
fn each_codec_arrives_byte_for_byte() {
    for (video, audio, codecs) in [
        (CodecId::H264, CodecId::MULAW, [Codec::H264, Codec::PCMU]),
        (CodecId::H264, CodecId::ALAW, [Codec::H264, Codec::PCMA]),
        (CodecId::H265, CodecId::OPUS, [Codec::H265, Codec::Opus]),
    ] {
        let world = connected(false, 5, |config| (config.video, config.audio) = (video, audio));
        world.assert_all_arrived();
        let is_its = |is_video: bool, codec| {
            let mut frames = world.viewer.frames.iter().filter(|frame| frame.is_video == is_video);
            frames.all(|frame| frame.codec == codec)
        };
        assert!(is_its(true, codecs[0]) && is_its(false, codecs[1]), "{codecs:?}");
        let first = world.viewer.frames.iter().find(|frame| frame.is_video).unwrap();
        assert!(first.is_key);
        let stats = world.camera.stats();
        assert_eq!((stats.viewers, stats.connections, stats.offers, stats.candidates), (1, 1, 1, 1));
        assert_eq!(stats.video_frames + stats.audio_frames, world.sent.len() as u64);
        assert_eq!(stats.problems, [""; 0]);
    }
}

#[test]
fn what_is_lost_is_sent_again_with_rtx_and_without() {
    for (rtx, loss) in [(true, 0.05), (true, 0.2), (false, 0.05)] {
        let mut world = with(false, |config| config.rtx = rtx);
        let latency = Duration::from_millis(5);
        world.run(SECOND);
        world.to_viewer.set_config(LinkConfig { loss, latency, ..LinkConfig::default() });
        world.run(SECOND * 10);
        world.to_viewer.set_config(LinkConfig { latency, ..LinkConfig::default() });
        world.run(SECOND * 2);
        assert_eq!(section(&world, "video").contains("rtx/90000"), rtx);
        let sent: Vec<_> = world.sent.iter().filter(|frame| !frame.is_audio()).collect();
        let got: Vec<_> = world.viewer.frames.iter().filter(|frame| frame.is_video).collect();
        assert!(got.len() + 12 >= sent.len() && got.len() > 200, "{} of {}, rtx: {rtx}", got.len(), sent.len());
        assert!(sent.iter().zip(&got).all(|(sent, got)| sent.data[..] == got.data[..]), "rtx: {rtx}, loss: {loss}");
        let stats = world.camera.stats();
        assert!(stats.nacks > 5, "{stats:?}");
    }
}

#[test]
fn picture_and_sound_have_one_clock() {
    let media = SyntheticConfig { key_frame_len: 1000, frame_len: 200, ..SyntheticConfig::default() };
    let mut world = World::with_media(WebCameraConfig::default(), false, media);
    world.run(SECOND * 300);
    world.assert_all_arrived();
    let video: Vec<_> = world.viewer.frames.iter().filter(|frame| frame.is_video).collect();
    let audio: Vec<_> = world.viewer.frames.iter().filter(|frame| !frame.is_video).collect();
    // The first pictures and sounds were captured at different times, which the sent frames tell.
    let time = |is_audio: bool, at: usize| {
        let frame = world.sent.iter().filter(|frame| frame.is_audio() == is_audio).nth(at).unwrap();
        f64::from(frame.seconds) + f64::from(frame.microseconds) / 1e6
    };
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    for at in [500, 2000, video.len() - 1] {
        let sound = at * 5 / 4;
        let sound = sound.min(audio.len() - 1);
        let [picture_at, sound_at] = [video[at].captured, audio[sound].captured].map(|time| seconds(time.unwrap()));
        let off = (picture_at - time(false, at)) - (sound_at - time(true, sound));
        assert!(off.abs() < 0.02, "picture {at} and sound {sound} are {off} s apart");
    }
}

#[test]
fn a_recvonly_offer_is_answered_by_sendrecv_where_the_camera_does_so() {
    let world = connected(false, 3, |_| {});
    assert!(section(&world, "video").contains("a=sendonly\r\n") && section(&world, "audio").contains("a=sendonly\r\n"));
    let world = connected(false, 3, |config| config.answers_sendrecv = true);
    assert!(section(&world, "video").contains("a=sendrecv\r\n") && section(&world, "audio").contains("a=sendrecv\r\n"));
    world.assert_all_arrived();
}

#[test]
fn mids_are_the_viewer_s_or_numbers() {
    let world = connected(false, 3, |_| {});
    let mid = world.viewer.video.to_string();
    assert!(section(&world, "video").contains(&format!("a=mid:{mid}\r\n")));
    let world = connected(false, 3, |config| config.own_mids = true);
    assert!(section(&world, "video").contains("a=mid:0\r\n") && section(&world, "audio").contains("a=mid:1\r\n"));
    assert!(world.viewer.answer.as_ref().unwrap().contains("a=group:BUNDLE 0 1\r\n"));
    world.assert_all_arrived();
}

#[test]
fn candidates_come_before_the_answer_after_it_or_in_it() {
    for (candidates, heard) in [
        (CandidateOrder::AfterAnswer, vec!["SDP_ANSWER", "ICE_CANDIDATE"]),
        (CandidateOrder::BeforeAnswer, vec!["ICE_CANDIDATE", "SDP_ANSWER"]),
        (CandidateOrder::InAnswer, vec!["SDP_ANSWER"]),
    ] {
        let world = connected(false, 2, |config| config.candidates = candidates);
        assert_eq!(world.viewer.heard, heard);
        let is_inside = world.viewer.answer.as_ref().unwrap().contains("a=candidate:");
        assert_eq!(is_inside, candidates == CandidateOrder::InAnswer);
    }
    let world = connected(false, 2, |config| config.empty_messages = true);
    assert_eq!(world.viewer.heard, ["", "SDP_ANSWER", "", "", "ICE_CANDIDATE", ""]);
}

#[test]
fn an_answer_may_be_late_or_missing() {
    let mut world = with(false, |config| config.answer_delay = SECOND * 3);
    world.run(SECOND * 29 / 10);
    assert_eq!(world.viewer.heard, [""; 0]);
    world.run(SECOND * 2);
    assert!(world.viewer.is_connected);
    let mut world = with(false, |config| config.no_answer = true);
    world.run(SECOND * 60);
    assert_eq!((world.viewer.heard.len(), world.camera.stats().offers), (0, 1));
    let mut world = with(false, |config| config.hangs_up = true);
    world.run(SECOND);
    assert!(world.signalling_closed && world.viewer.heard.is_empty());
}

#[test]
fn an_offer_may_be_refused() {
    let mut world = with(false, |config| config.refuses = Some("InvalidArgumentException".into()));
    world.run(SECOND);
    let status = world.viewer.status.as_ref().expect("a status");
    assert_eq!((&status["errorType"], &status["correlationId"]), (&"InvalidArgumentException".into(), &"1".into()));
    let mut world = with(false, |config| config.max_viewers = 0);
    world.run(SECOND);
    assert_eq!(world.viewer.status.as_ref().expect("a status")["errorType"], "ClientLimitExceededException");
}

#[test]
fn media_go_on_when_signalling_goes_away() {
    let world = connected(false, 10, |config| config.goes_away = true);
    assert_eq!(world.viewer.heard.last().unwrap(), "GO_AWAY");
    assert!(world.signalling_closed);
    world.assert_all_arrived();
    assert!(world.sent.len() > 300, "{}", world.sent.len());
}

#[test]
fn a_camera_that_stops_says_so_or_does_not() {
    for says_goodbye in [true, false] {
        let mut world = connected(false, 2, |config| config.says_goodbye = says_goodbye);
        world.camera.close();
        world.run(SECOND);
        assert_eq!(world.viewer.is_closed, says_goodbye);
    }
}

#[test]
fn a_viewer_who_leaves_is_seen_to_leave() {
    let mut world = connected(false, 2, |_| {});
    world.viewer.close();
    world.run(SECOND);
    let gone = CameraEvent::ClientGone { client: world.id, reason: GoneReason::Goodbye };
    assert!(world.events.contains(&gone), "{:?}", world.events);
    assert_eq!(world.camera.stats().viewers, 0);
}

#[test]
fn a_camera_that_is_gone_is_silent_and_goes_on_when_it_is_back() {
    let mut world = connected(false, 2, |_| {});
    world.camera.config_mut().is_gone = true;
    world.run(SECOND);
    let (sent, got) = (world.to_viewer.stats().sent, world.viewer.frames.len());
    world.run(SECOND * 3);
    assert_eq!((world.to_viewer.stats().sent, world.viewer.frames.len()), (sent, got));
    world.camera.config_mut().is_gone = false;
    world.run(SECOND * 3);
    assert!(world.viewer.frames.len() > got + 20, "{} and {got}", world.viewer.frames.len());
    world.camera.reboot();
    world.run(SECOND);
    let sent = world.to_viewer.stats().sent;
    world.run(SECOND);
    assert_eq!((world.to_viewer.stats().sent, world.camera.stats().viewers), (sent, 0));
}

#[test]
fn talk_is_recorded_where_the_answer_takes_it() {
    let mut world = connected(true, 2, |_| {});
    assert!(section(&world, "audio").contains("a=sendrecv\r\n"));
    let mut said = Vec::new();
    for at in 0..50 {
        let sound = [at + 1; 160];
        assert!(world.viewer.talk(world.now, &sound));
        said.extend(sound);
        world.run(Duration::from_millis(20));
    }
    world.run(SECOND);
    let stats = world.camera.stats();
    assert_eq!((stats.talk_frames, stats.talk_bytes, stats.talk_codec), (50, 8000, Some(CodecId::MULAW)));
    assert!(world.camera.take_talk_audio() == said && world.camera.talk_audio().is_empty());
}

#[test]
fn a_camera_without_microphone_or_speaker_says_so() {
    let world = connected(true, 2, |config| config.takes_talk = false);
    assert!(section(&world, "audio").contains("a=sendonly\r\n"));
    let world = connected(true, 2, |config| config.sends_audio = false);
    assert!(section(&world, "audio").contains("a=recvonly\r\n"));
    assert!(world.viewer.frames.iter().all(|frame| frame.is_video));
    let mut world = connected(true, 2, |_| {});
    world.camera.config_mut().takes_talk = false;
    assert!(world.viewer.talk(world.now, &[7; 160]));
    world.run(SECOND);
    let stats = world.camera.stats();
    assert_eq!((stats.talk_frames, stats.unwanted_talk), (0, 1));
}

#[test]
fn a_key_frame_comes_when_it_is_asked_for() {
    let media = SyntheticConfig { gop: 100_000, ..SyntheticConfig::default() };
    let mut world = World::with_media(WebCameraConfig::default(), false, media);
    world.run(SECOND * 3);
    let keys = |world: &World| world.viewer.frames.iter().filter(|frame| frame.is_key).count();
    let before = keys(&world);
    world.run(SECOND);
    assert_eq!((keys(&world), world.camera.stats().key_frame_requests), (before, 0));
    world.viewer.ask_for_key_frame(world.now);
    world.run(SECOND);
    assert_eq!((keys(&world), world.camera.stats().key_frame_requests), (before + 1, 1));
}

#[test]
fn everything_odd_at_once_still_streams() {
    let mut config = WebCameraConfig::default().with_every_quirk();
    config.video = CodecId::H265;
    let mut world = World::new(config, true);
    world.run(SECOND);
    world.to_viewer.set_config(LinkConfig { loss: 0.02, ..LinkConfig::default() });
    world.run(SECOND * 5);
    let got = world.viewer.frames.iter().filter(|frame| frame.is_video).count();
    assert!(got > 90, "{got}");
}

#[test]
fn what_signalling_does_not_have_is_noted() {
    let mut world = with(false, |_| {});
    let id = world.id;
    for text in ["", "{}", "[1", r#"{"action":"SDP_OFFER","messagePayload":"e30="}"#] {
        world.camera.handle_text(world.now, id, text);
    }
    let offer = r#"{"action":"SDP_OFFER","messagePayload":"eyJ0eXBlIjoib2ZmZXIiLCJzZHAiOiJ4In0="}"#;
    world.camera.handle_text(world.now, id, offer);
    let problems = world.camera.stats().problems;
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert!(problems[4].contains("an offer that cannot be taken"), "{problems:?}");
    world.camera.handle_datagram(world.now, world.viewer.local, &[0; 3]);
    world.run(SECOND);
    assert!(world.viewer.is_connected, "it still takes a good offer");
}
