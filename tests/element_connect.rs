//! From the launch line to the first buffers: which pads appear, in which order, and which events and buffers they
//! have.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use gstwyze::protocol::dtls::Suite;
use std::sync::mpsc;
use support::*;
use wyze_camera::{CameraEvent, Envelope, LiveAudio, LiveVideo, MediaSource, Synthetic, SyntheticConfig};

#[test]
fn the_readmes_first_launch_line_decodes_video() {
    let camera = TestCamera::new(live(LiveVideo::H264, LiveAudio::Mulaw));
    let player =
        Player::launch(&format!("wyzesrc name=camera {} ! decodebin ! fakevideosink name=view", settings(&camera)));
    let (sender, pictures) = mpsc::channel();
    let view = player.pipeline.by_name("view").unwrap().static_pad("sink").unwrap();
    view.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
        let _ = sender.send(pad.current_caps().unwrap());
        gst::PadProbeReturn::Ok
    });
    player.play();
    for _ in 0..10 {
        let caps = pictures.recv_timeout(PATIENCE).expect("a picture");
        let picture = caps.structure(0).unwrap();
        assert_eq!(picture.name(), "video/x-raw");
        assert_eq!((picture.get("width"), picture.get("height")), (Ok(320), Ok(240)));
    }
    player.end();
}

#[test]
fn streaming_works_with_both_envelopes_and_both_suites() {
    for (envelope, suite) in [
        (Envelope::Transcode, Suite::EcdhePskChacha20Poly1305),
        (Envelope::Transcode, Suite::PskAes128CbcSha256),
        (Envelope::Cc51, Suite::EcdhePskChacha20Poly1305),
        (Envelope::Cc51, Suite::PskAes128CbcSha256),
    ] {
        let camera = TestCamera::with_config(
            |config| {
                config.envelope = envelope;
                config.suites = vec![suite];
                config.hello_verify = suite == Suite::PskAes128CbcSha256;
            },
            synthetic(),
        );
        let player = Player::new(&camera, Link::Both);
        player.play();
        player.buffers("video", 5);
        player.buffers("audio", 5);
        let info = player.src.property::<gst::Structure>("camera-info");
        assert_eq!(info.get::<String>("suite").unwrap(), suite.name());
        let name = info.get::<String>("envelope").unwrap().to_lowercase();
        assert_eq!(name.contains("cc51"), envelope == Envelope::Cc51, "{name}");
    }
}

#[test]
fn every_sort_of_challenge_is_answered() {
    for challenge in [1, 3, 6] {
        let enr = "roTRg3tiuL3TjXhmroTRg3tiuL3TjXh+";
        let camera = TestCamera::with_config(
            |config| {
                config.challenge = challenge;
                config.credentials =
                    gstwyze::protocol::credentials::Credentials::new("HSBJYB5HSETGCDWD111A", enr, "AABBCCDDEEFF")
                        .unwrap();
            },
            synthetic(),
        );
        let player = Player::new(&camera, Link::Both);
        player.src.set_property("enr", enr);
        player.play();
        player.buffer("video");
    }
}

/// Waits for no-more-pads; returns the pads with their sticky events, in the order of their signals.
fn signals(player: &Player) -> Vec<(gst::Pad, Vec<gst::Event>)> {
    signals_and_buffers(player).0
}

type PadsAndBuffers = (Vec<(gst::Pad, Vec<gst::Event>)>, Vec<(String, gst::Buffer)>);

fn signals_and_buffers(player: &Player) -> PadsAndBuffers {
    let (mut pads, mut buffers) = (Vec::new(), Vec::new());
    player.until("no-more-pads", |seen| {
        match seen {
            Seen::PadAdded { pad, sticky } => pads.push((pad.clone(), sticky.clone())),
            Seen::Buffer(pad, buffer) => buffers.push((pad.clone(), buffer.clone())),
            Seen::NoMorePads => return Some(()),
            _ => {}
        }
        None
    });
    (pads, buffers)
}

#[test]
fn the_video_pad_comes_before_audio_and_each_has_its_sticky_events() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    let (pads, early) = signals_and_buffers(&player);
    let names: Vec<_> = pads.iter().map(|(pad, _)| pad.name()).collect();
    assert_eq!(names, ["video", "audio"]);
    let mut groups = Vec::new();
    let mut ids = Vec::new();
    for (pad, sticky) in &pads {
        assert_eq!(pad.pad_template().unwrap().name_template(), pad.name());
        assert_eq!(pad.pad_template().unwrap().presence(), gst::PadPresence::Sometimes);
        let types: Vec<_> = sticky.iter().map(|event| event.type_()).collect();
        assert_eq!(types, [gst::EventType::StreamStart, gst::EventType::Caps, gst::EventType::Segment]);
        for event in sticky {
            match event.view() {
                gst::EventView::StreamStart(start) => {
                    groups.push(start.group_id().unwrap());
                    ids.push(start.stream_id().to_owned());
                }
                gst::EventView::Caps(caps) => {
                    assert!(caps.caps().is_fixed());
                    assert!(caps.caps().is_subset(pad.pad_template().unwrap().caps()), "{}", caps.caps());
                }
                gst::EventView::Segment(segment) => assert_eq!(segment.segment().format(), gst::Format::Time),
                _ => unreachable!(),
            }
        }
    }
    assert_eq!(groups[0], groups[1], "one group");
    assert_ne!(ids[0], ids[1]);
    let mut buffers = early;
    let of = |name: &str, all: &[(String, gst::Buffer)]| -> Vec<gst::Buffer> {
        all.iter().filter(|(pad, _)| pad == name).map(|(_, buffer)| buffer.clone()).collect()
    };
    player.until("two buffers of each pad", |seen| {
        if let Seen::Buffer(pad, buffer) = seen {
            buffers.push((pad.clone(), buffer.clone()));
        }
        ["video", "audio"].iter().all(|name| of(name, &buffers).len() >= 2).then_some(())
    });
    for name in ["video", "audio"] {
        let first_two = &of(name, &buffers)[..2];
        assert!(is_key(&first_two[0]) && is_discont(&first_two[0]), "{first_two:?}");
        // The second may be a key frame too, as the camera is asked for one when it starts.
        assert!(!is_discont(&first_two[1]), "{first_two:?}");
    }
}

#[test]
fn the_first_caps_have_size_rate_and_channels() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    let pads = signals(&player);
    let caps: Vec<_> = pads.iter().map(|(pad, _)| pad.current_caps().unwrap()).collect();
    let video = caps[0].structure(0).unwrap();
    assert_eq!(video.name(), "video/x-h264");
    assert_eq!(video.get::<&str>("stream-format"), Ok("byte-stream"));
    assert_eq!(video.get::<&str>("alignment"), Ok("au"));
    assert_eq!((video.get("width"), video.get("height")), (Ok(128), Ok(96)), "{video}");
    let audio = caps[1].structure(0).unwrap();
    assert_eq!(audio.name(), "audio/x-mulaw");
    assert_eq!((audio.get("rate"), audio.get("channels")), (Ok(8000), Ok(1)));
}

#[test]
fn a_camera_without_audio_does_not_delay_video() {
    let camera = TestCamera::new(MediaSource::Synthetic(SyntheticConfig { audio: None, ..small() }));
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.until("the video pad", |seen| {
        matches!(seen, Seen::PadAdded { pad, .. } if pad.name() == "video").then_some(())
    });
    let mut before = 0;
    player.until("no-more-pads", |seen| {
        before += usize::from(seen.buffer("video").is_some());
        matches!(seen, Seen::NoMorePads).then_some(())
    });
    // The element waits 2 s for audio: 40 frames, more on a slow machine.
    assert!((20..100).contains(&before), "{before} video buffers before no-more-pads");
    player.buffers("video", 5);
}

#[test]
fn a_camera_without_video_gives_audio_after_a_wait() {
    let camera = TestCamera::new(MediaSource::Synthetic(SyntheticConfig { video: None, ..small() }));
    let player = Player::new(&camera, Link::Both);
    player.play();
    let pads = signals(&player);
    assert_eq!(pads.iter().map(|(pad, _)| pad.name()).collect::<Vec<_>>(), ["audio"]);
    player.buffers("audio", 5);
}

#[test]
fn a_medium_that_is_off_is_switched_off_at_the_camera() {
    for (off, on) in [("video", "audio"), ("audio", "video")] {
        let camera = TestCamera::new(synthetic());
        let player = Player::new(&camera, Link::Both);
        player.src.set_property(off, false);
        player.play();
        let pads = signals(&player);
        assert_eq!(pads.iter().map(|(pad, _)| pad.name()).collect::<Vec<_>>(), [on]);
        player.buffers(on, 10);
        let events = camera.take_events();
        let streaming: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                CameraEvent::Streaming { video, audio, .. } => Some((*video, *audio)),
                _ => None,
            })
            .collect();
        assert_eq!(streaming, [(on == "video", on == "audio")]);
        let asked = events.iter().any(|event| matches!(event, CameraEvent::VideoParameters { .. }));
        assert_eq!(asked, on == "video", "a resolution is asked for only if video is wanted");
    }
}

#[test]
fn an_unlinked_pad_never_stops_the_other() {
    for linked in ["video", "audio"] {
        let camera = TestCamera::new(synthetic());
        let player = Player::new(&camera, Link::Only(linked));
        player.play();
        player.until("no-more-pads", |seen| matches!(seen, Seen::NoMorePads).then_some(()));
        player.buffers(linked, 30);
    }
}

#[test]
fn no_linked_pad_is_one_clear_error() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Neither);
    player.play();
    let (error, _) = player.error();
    assert!(error.matches(gst::StreamError::Failed), "{error}");
    assert!(error.message().contains("link"), "{error}");
    // Both pads' tasks run into the same error, which is posted once.
    player.until("the end of both pads", {
        let mut ended = Vec::new();
        move |seen| {
            assert!(seen.error().is_none(), "a second error");
            if let Seen::Event(pad, event) = seen
                && event.type_() == gst::EventType::Eos
            {
                ended.push(pad.clone());
            }
            (ended.len() == 2).then_some(())
        }
    });
    player.stop();
    assert!(player.drain().iter().all(|seen| seen.error().is_none()));
}

#[test]
fn a_pad_linked_late_starts_at_a_key_frame() {
    for (early, late) in [("video", "audio"), ("audio", "video")] {
        let camera = TestCamera::new(synthetic());
        let player = Player::new(&camera, Link::Only(early));
        player.play();
        player.buffers(early, 30);
        let pad = player.src.static_pad(late).unwrap();
        let sink = gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build();
        let sink = sink.unwrap();
        let (sender, got) = mpsc::channel();
        let sink_pad = sink.static_pad("sink").unwrap();
        sink_pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data {
                let _ = sender.send(buffer.clone());
            }
            gst::PadProbeReturn::Ok
        });
        player.pipeline.add(&sink).unwrap();
        sink.sync_state_with_parent().unwrap();
        pad.link(&sink_pad).unwrap();
        let first = got.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{late} after linking"));
        assert!(is_key(&first), "{late}");
        for _ in 0..10 {
            got.recv_timeout(PATIENCE).unwrap();
        }
    }
}

#[test]
fn video_starts_at_a_key_frame_with_parameter_sets() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Only("video"));
    player.connect();
    let mut media = Synthetic::new(SyntheticConfig { audio: None, gop: 6, ..small() });
    let mut frames: Vec<_> = (0..16).map(|_| media.next_frame().unwrap().1).collect();
    // Take the parameter sets from a key frame, leaving only the picture with its start code.
    let picture = frames[6].data.windows(5).position(|bytes| bytes == [0, 0, 0, 1, 0x65]).unwrap();
    frames[6].data.drain(..picture);
    for frame in &frames[1..] {
        camera.push_frame(frame);
    }
    for (buffer, frame) in player.buffers("video", 4).iter().zip(&frames[12..]) {
        assert_eq!(bytes(buffer), frame.data);
    }
}

#[test]
fn a_url_of_go2rtc_works_unchanged() {
    let enr = "ZQdg2W3LL9TZQL8+i1+N2f/V";
    let camera = TestCamera::with_config(
        |config| {
            config.credentials =
                gstwyze::protocol::credentials::Credentials::new("HSBJYB5HSETGCDWD111A", enr, "AABBCCDDEEFF").unwrap();
        },
        synthetic(),
    );
    let url = format!(
        "wyze://127.0.0.1:{}?uid=HSBJYB5HSETGCDWD111A&enr=ZQdg2W3LL9TZQL8%2Bi1%2BN2f%2FV&mac=AABBCCDDEEFF&model=WYZE_CAKP2JFUS&subtype=sd&dtls=true",
        camera.addr().port()
    );
    let player = Player::bare(Link::Both);
    player.src.set_property("uri", &url);
    player.play();
    player.buffers("video", 5);
    let parameters = camera.await_event(|event| match event {
        CameraEvent::VideoParameters { parameters, .. } => Some(*parameters),
        _ => None,
    });
    assert_eq!(parameters.frame_size, 1, "subtype sd is 360p");
    assert!(gst::Element::make_from_uri(gst::URIType::Src, &url, None).unwrap().is::<gstwyze::wyzesrc::WyzeSrc>());
}
