//! The sans-IO viewer and a camera made of str0m, in memory, in virtual time.

#[path = "support/web_camera.rs"]
mod web_camera;

use gstwyze::protocol::client::{Event, TransportKind};
use gstwyze::protocol::error::{Error, Stage};
use gstwyze::protocol::medium::{MediaSet, Medium};
use gstwyze::protocol::webrtc::{Viewer, ViewerConfig};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};
use str0m::format::Codec;
use web_camera::{
    CAMERA, SECOND, VIEWER, WebCameraConfig, WebWorld, message, payload, streaming, viewer_config, world,
};

// Connecting

#[test]
fn the_way_to_the_first_picture_is_short_and_reports_the_camera() {
    let mut world = world(WebCameraConfig::default());
    world.start_media();
    world.run_until(SECOND, |world| !world.received[0].is_empty());
    assert!(world.now - world.started < Duration::from_millis(300), "{:?}", world.now - world.started);
    assert_eq!(world.stages, [Stage::Signalling, Stage::Path, Stage::Streaming]);
    let info = world.connected.clone().unwrap();
    assert_eq!((info.transport, info.envelope, info.suite), (TransportKind::WebRtc, None, None));
    assert_eq!(info.address, CAMERA.into());
    assert!(info.media == MediaSet::BOTH && info.two_way_audio && info.resend);
    assert_eq!(info.talk_format, Some((CodecId::OPUS, AudioFlags::new(48_000, true).unwrap())));
    let stats = world.viewer.stats();
    assert!(stats.stages[Stage::Signalling as usize] + stats.stages[Stage::Path as usize] > Duration::ZERO);
}

#[test]
fn the_offer_is_small_and_says_what_cameras_look_for() {
    let mut viewer = Viewer::new(viewer_config(), &[VIEWER.into()], Instant::now(), Duration::ZERO, [1; 32]);
    let text = viewer.poll_text().unwrap();
    assert!(text.len() < 6000, "{}", text.len());
    let (action, offer) = payload(&text);
    let sdp = offer["sdp"].as_str().unwrap();
    assert_eq!(action, "SDP_OFFER");
    for line in [
        "a=group:BUNDLE 0 1",
        "a=mid:0",
        "a=mid:1",
        "a=recvonly",
        "a=sendrecv",
        "a=setup:actpass",
        "a=ice-options:trickle",
        "a=rtcp-mux",
    ] {
        assert!(sdp.lines().any(|known| known == line), "{line} in {sdp}");
    }
    let codings: Vec<_> = sdp.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split(' ').nth(1)).collect();
    let expected = ["H264/90000", "rtx/90000", "H265/90000", "rtx/90000", "opus/48000/2", "PCMU/8000", "PCMA/8000"];
    assert_eq!(codings, expected);
    assert!(sdp.contains("packetization-mode=1") && sdp.contains("profile-level-id=42e01f"), "{sdp}");
    let (action, candidate) = payload(&viewer.poll_text().unwrap());
    assert_eq!(action, "ICE_CANDIDATE");
    assert!(candidate["candidate"].as_str().unwrap().contains("10.0.0.1 40000 typ host"), "{candidate}");
}

#[test]
fn every_kind_of_camera_is_shown_and_heard() {
    let base = WebCameraConfig::default;
    let cameras = [
        base(),
        WebCameraConfig { mids: Some(["0", "1"]), sendrecv: true, early: true, ..base() },
        WebCameraConfig { mids: Some(["video0", "audio0"]), audio: Codec::PCMU, ..base() },
        WebCameraConfig { audio: Codec::PCMA, rtx: false, ..base() },
        WebCameraConfig { video: Codec::H265, tells_ssrc: false, ..base() },
        WebCameraConfig { sendrecv: true, tells_ssrc: false, rtx: false, hears: false, ..base() },
    ];
    for camera in cameras {
        let (video, audio) = (camera.video, camera.audio);
        let mut world = world(camera);
        world.connect();
        world.stream(3 * SECOND);
        world.assert_all_received(Medium::Video);
        world.assert_all_received(Medium::Audio);
        let info = &world.received[0][0].info;
        assert_eq!(info.codec, if video == Codec::H265 { CodecId::H265 } else { CodecId::H264 });
        let info = &world.received[1][0].info;
        let (codec, rate, stereo) = match audio {
            Codec::PCMU => (CodecId::MULAW, 8000, false),
            Codec::PCMA => (CodecId::ALAW, 8000, false),
            _ => (CodecId::OPUS, 48_000, true),
        };
        assert_eq!((info.codec, info.audio_flags()), (codec, AudioFlags::new(rate, stereo).unwrap()));
        assert!(world.received.iter().flatten().all(|frame| !frame.after_gap));
        let stats = world.viewer.stats();
        assert_eq!((stats.video_frames, stats.audio_frames), (60, 150));
        assert_eq!((stats.lost, stats.incomplete.total(), stats.malformed, stats.foreign), (0, 0, 0, 0));
        let mut numbers: Vec<_> = world.received.iter().flatten().map(|frame| frame.info.frame_number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=210).collect::<Vec<_>>());
    }
}

#[test]
fn texts_that_mean_nothing_are_ignored() {
    let mut world = world(WebCameraConfig::default());
    let fat = "x".repeat(70_000);
    let garbage = [
        "",
        " ",
        "no JSON",
        "{}",
        &fat,
        &message("GO_AWAY", ""),
        &message("RECONNECT_ICE_SERVER", "{}"),
        &message("SDP_OFFER", "{}"),
        &message("SDP_ANSWER", ""),
        &message("ICE_CANDIDATE", "{\"candidate\":7}"),
        r#"{"messageType":"STATUS_RESPONSE","statusResponse":{"correlationId":"another's","statusCode":"400"}}"#,
    ];
    for text in garbage {
        world.viewer.handle_text(world.now, text);
    }
    assert_eq!(world.viewer.stats().malformed, 3);
    world.connect();
    // Once there is a path, signalling is no matter.
    world.viewer.handle_signalling_closed(world.now, "done");
    for text in garbage.into_iter().chain([&*message("SDP_ANSWER", "v=0")]) {
        world.viewer.handle_text(world.now, text);
    }
    world.stream(SECOND);
    world.assert_all_received(Medium::Video);
}

/// An answer in the manner of AWS's C SDK, with all that it writes, and without a stream for repairs.
fn kvs_answer(offer: &str) -> String {
    let h264 = offer.lines().find_map(|line| line.strip_prefix("a=fmtp:").filter(|line| line.contains("42e01f")));
    let h264 = h264.unwrap().split(' ').next().unwrap();
    let transport = "a=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:JmYm\r\na=ice-pwd:Tmy4p+TfJyNqT36L1abcdefghi\r\n\
                     a=ice-options:trickle\r\na=fingerprint:sha-256 C6:23:08:2B:9E:2D:34:E4:E3:5B:7B:91:49:41:2A:D2:\
                     2E:A8:B5:E0:19:89:1D:74:EF:BB:C1:E4:55:9F:2B:25\r\na=setup:active\r\n";
    let address = "2600:1010:101C:87C2:3509:A293:140D:15D4";
    format!(
        "v=0\r\no=- 310942175 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-options:trickle\r\n\
         a=msid-semantic: WMS myKvsVideoStream\r\nm=video 9 UDP/TLS/RTP/SAVPF {h264}\r\nc=IN IP4 127.0.0.1\r\n\
         a=candidate:2 1 udp 2130706431 192.168.1.20 35863 typ host raddr 0.0.0.0 rport 0 generation 0 network-cost 999\r\n\
         a=candidate:1 1 udp 2130706431 {address} 50839 typ host raddr ::/0 rport 0 generation 0 network-cost 999\r\n\
         a=msid:myKvsVideoStream myVideoTrack\r\na=ssrc:1170592819 cname:SvzlgVW7FSC3Qfij\r\n\
         a=ssrc:1170592819 msid:myKvsVideoStream myVideoTrack\r\na=ssrc:1170592819 mslabel:myKvsVideoStream\r\n\
         a=ssrc:1170592819 label:myVideoTrack\r\n{transport}a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=rtpmap:{h264} H264/90000\r\n\
         a=fmtp:{h264} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
         a=rtcp-fb:{h264} nack\r\na=rtcp-fb:{h264} goog-remb\r\na=rtcp-fb:{h264} transport-cc\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 127.0.0.1\r\na=msid:myKvsVideoStream myAudioTrack\r\n\
         a=ssrc:2170592819 cname:SvzlgVW7FSC3Qfij\r\n{transport}a=mid:1\r\na=sendrecv\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtcp-fb:111 nack\r\n"
    )
}

#[test]
fn an_answer_as_the_kvs_sdk_writes_it_is_taken_and_its_candidates_are_tried() {
    let now = Instant::now();
    let mut viewer = Viewer::new(viewer_config(), &[VIEWER.into()], now, Duration::ZERO, [1; 32]);
    let (_, offer) = payload(&viewer.poll_text().unwrap());
    let answer = json!({ "type": "answer", "sdp": kvs_answer(offer["sdp"].as_str().unwrap()) }).to_string();
    let line = "candidate:5 1 udp 1694498815 198.51.100.7 35863 typ srflx raddr 0.0.0.0 rport 0 generation 0";
    // One that comes before the answer is kept, and nobody is sent to without end.
    viewer.handle_text(now, &message("ICE_CANDIDATE", &json!({ "candidate": line, "sdpMid": "0" }).to_string()));
    viewer.handle_text(now, &message("SDP_ANSWER", &answer));
    for port in 1000..1100 {
        let line = format!("candidate:6 1 udp 1694498815 203.0.113.9 {port} typ relay raddr 0.0.0.0 rport 0");
        viewer.handle_text(now, &message("ICE_CANDIDATE", &json!({ "candidate": line }).to_string()));
    }
    assert_eq!(viewer.stage(), Stage::Path);
    let mut asked = BTreeSet::new();
    let mut error = None;
    while let Some(at) = viewer.poll_timeout() {
        viewer.handle_timeout(at);
        asked.extend(std::iter::from_fn(|| viewer.poll_transmit()).map(|transmit| transmit.to.to_string()));
        while let Some(event) = viewer.poll_event() {
            if let Event::Ended(end) = event {
                error = Some(end);
            }
        }
    }
    assert!(asked.contains("192.168.1.20:35863") && asked.contains("198.51.100.7:35863"), "{asked:?}");
    assert!(asked.len() <= 32, "{asked:?}");
    let Some(Error::IceFailed { theirs, .. }) = error else { panic!("{error:?}") };
    assert_eq!((theirs.host, theirs.reflexive, theirs.relayed), (2, 1, 29));
}

#[test]
fn an_answer_in_which_a_payload_type_has_two_meanings_is_refused() {
    for second in ["a=rtpmap:111 PCMU/8000\r\n", "a=rtpmap:97 rtx/48000\r\na=fmtp:97 apt=111;apt=112\r\n"] {
        let now = Instant::now();
        let mut viewer = Viewer::new(viewer_config(), &[VIEWER.into()], now, Duration::ZERO, [1; 32]);
        let (_, offer) = payload(&viewer.poll_text().unwrap());
        let answer = kvs_answer(offer["sdp"].as_str().unwrap());
        let opus = "a=rtpmap:111 opus/48000/2\r\n";
        let answer = answer.replace(opus, &format!("{opus}{second}"));
        viewer.handle_text(now, &message("SDP_ANSWER", &answer));
        let last = std::iter::from_fn(|| viewer.poll_event()).last();
        assert!(matches!(last, Some(Event::Ended(Error::AnswerMalformed { .. }))), "{second}: {last:?}");
    }
}

// STUN

#[test]
fn an_answer_of_ice_that_is_signed_before_it_says_anything_is_dropped() {
    let now = Instant::now();
    let mut viewer = Viewer::new(viewer_config(), &[VIEWER.into()], now, Duration::ZERO, [1; 32]);
    let (_, offer) = payload(&viewer.poll_text().unwrap());
    let answer = json!({ "type": "answer", "sdp": kvs_answer(offer["sdp"].as_str().unwrap()) }).to_string();
    viewer.handle_text(now, &message("SDP_ANSWER", &answer));
    let mut asked = None;
    while asked.is_none() {
        viewer.handle_timeout(viewer.poll_timeout().unwrap());
        asked = std::iter::from_fn(|| viewer.poll_transmit()).find(|transmit| transmit.to.is_ipv4());
    }
    let asked = asked.unwrap();
    // Failures and successes of a binding; MESSAGE-INTEGRITY is the first attribute, or the only one.
    for kind in [[1, 0x11], [1, 1]] {
        for rest in [vec![], [&[0x80, 0x28, 0, 4][..], &[0; 4]].concat()] {
            let length = 24 + rest.len() as u8;
            let head = [&kind[..], &[0, length], &asked.data[4..20]].concat();
            let mut answer = [head, vec![0, 8, 0, 20], vec![7; 20], rest].concat();
            viewer.handle_datagram(now, asked.to, VIEWER.into(), &mut answer);
        }
    }
    assert_eq!(viewer.stage(), Stage::Path);
    assert!(std::iter::from_fn(|| viewer.poll_event()).all(|event| !matches!(event, Event::Ended(_))));
}

/// What a STUN server answers to a request: a header, and the address, scrambled by the header's cookie.
fn stun_answer(request: &[u8], seen: SocketAddrV4) -> Vec<u8> {
    let cookie = &request[4..8];
    let scrambled = |bytes: &[u8]| bytes.iter().zip(cookie).map(|(byte, key)| byte ^ key).collect::<Vec<_>>();
    let address = [&[0, 1][..], &scrambled(&seen.port().to_be_bytes()), &scrambled(&seen.ip().octets())].concat();
    let attribute = [&[0, 0x20, 0, 8][..], &address].concat();
    [&[1, 1, 0, attribute.len() as u8][..], &request[4..20], &attribute].concat()
}

#[test]
fn the_address_that_the_internet_sees_is_asked_for_and_told_to_the_camera() {
    let server = SocketAddr::from(([192, 0, 2, 1], 3478));
    let seen = SocketAddrV4::new([203, 0, 113, 5].into(), 61_000);
    let config = ViewerConfig { stun: vec![server], ..viewer_config() };
    let mut world = WebWorld::new(config, WebCameraConfig::default(), 1);
    world.signals = false;
    world.exchange();
    let told = world.texts.len();
    let (to, request) = world.astray.pop().unwrap();
    assert_eq!(to, server);
    let mut answer = stun_answer(&request, seen);
    // Neither another host nor an answer to another question counts.
    world.viewer.handle_datagram(world.now, CAMERA.into(), VIEWER.into(), &mut answer);
    let mut other = answer.clone();
    other[10] ^= 1;
    world.viewer.handle_datagram(world.now, server, VIEWER.into(), &mut other);
    world.exchange();
    assert_eq!(world.texts.len(), told);
    world.viewer.handle_datagram(world.now, server, VIEWER.into(), &mut answer);
    world.viewer.handle_datagram(world.now, server, VIEWER.into(), &mut answer);
    world.exchange();
    assert_eq!(world.texts.len(), told + 1);
    let (_, candidate) = payload(world.texts.last().unwrap());
    let line = candidate["candidate"].as_str().unwrap();
    assert!(line.contains("203.0.113.5 61000 typ srflx") && !line.contains("10.0.0.1"), "{line}");
    world.run(9 * SECOND);
    assert!(world.astray.is_empty(), "it has been answered");
}

#[test]
fn a_stun_server_that_does_not_answer_is_asked_five_times() {
    let server = ([192, 0, 2, 1], 3478).into();
    let config = ViewerConfig { stun: vec![server, "[2001:db8::1]:3478".parse().unwrap()], ..viewer_config() };
    let mut world = WebWorld::new(config, WebCameraConfig::default(), 1);
    world.signals = false;
    world.run(60 * SECOND);
    assert_eq!(world.astray.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [server; 5]);
}

#[test]
fn a_camera_behind_the_same_router_needs_no_stun() {
    let config = ViewerConfig { stun: vec![([192, 0, 2, 1], 3478).into()], ..viewer_config() };
    let mut world = WebWorld::new(config, WebCameraConfig::default(), 1);
    world.connect();
    let asked = world.astray.len();
    world.stream(3 * SECOND);
    world.assert_all_received(Medium::Video);
    assert_eq!(world.astray.len(), asked, "nothing is asked any more");
}

// Not connecting

fn ended(world: &mut WebWorld) -> (Error, Duration) {
    world.run(60 * SECOND);
    assert_eq!(world.viewer.poll_timeout(), None);
    (world.ended.clone().expect("it ends"), world.now - world.started)
}

#[test]
fn a_camera_that_does_not_answer_is_told_after_ten_seconds_or_connect_timeout() {
    for (connect_timeout, limit) in [(15, 10), (4, 4)] {
        let config = ViewerConfig { connect_timeout: connect_timeout * SECOND, ..viewer_config() };
        let mut world = WebWorld::new(config, WebCameraConfig::default(), 1);
        world.signals = false;
        assert_eq!(ended(&mut world), (Error::OfferUnanswered(limit * SECOND), limit * SECOND));
    }
}

#[test]
fn a_server_that_refuses_the_offer_or_hangs_up_is_told_at_once() {
    let mut world = world(WebCameraConfig::default());
    world.signals = false;
    world.exchange();
    let offer: serde_json::Value = serde_json::from_str(&world.texts[0]).unwrap();
    let status = json!({ "correlationId": offer["correlationId"], "errorType": "ClientLimitExceededException",
        "statusCode": "400", "description": "none" });
    let text = json!({ "messageType": "STATUS_RESPONSE", "statusResponse": status }).to_string();
    world.viewer.handle_text(world.now, &text);
    let reason = "ClientLimitExceededException, 400".to_owned();
    assert_eq!(ended(&mut world), (Error::OfferRefused { reason }, Duration::ZERO));

    let mut world = self::world(WebCameraConfig::default());
    world.signals = false;
    world.viewer.handle_signalling_closed(world.now, "gone\n\u{202e}");
    assert_eq!(ended(&mut world), (Error::SignallingClosed { reason: "gone".into() }, Duration::ZERO));
}

#[test]
fn an_answer_that_cannot_be_read_is_told_without_what_it_says() {
    let broken = [
        "v=0\r\nsecret",
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=secret\r\n",
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:secret\r\na=ice-pwd:secretsecretsecretsecret\r\n\
         a=fingerprint:sha-256 00\r\nm=video 9 UDP/TLS/RTP/SAVPF 1\r\n",
    ];
    for sdp in broken {
        let mut world = world(WebCameraConfig::default());
        world.signals = false;
        world.viewer.handle_text(world.now, &message("SDP_ANSWER", sdp));
        let (error, after) = ended(&mut world);
        assert!(matches!(error, Error::AnswerMalformed { .. }) && after.is_zero(), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_camera_that_cannot_be_reached_is_told_with_the_candidates_of_both() {
    let mut world = world(WebCameraConfig::default());
    world.is_there = false;
    let (error, after) = ended(&mut world);
    let Error::IceFailed { theirs, ours, addresses } = &error else { panic!("{error}") };
    assert_eq!((theirs.host, theirs.total(), ours.host, ours.total()), (1, 1, 1, 1));
    assert_eq!(addresses, &[VIEWER.into()]);
    assert_eq!(after, 10 * SECOND);

    // One that names no address at all.
    let mut world = self::world(WebCameraConfig::default());
    world.is_there = false;
    let text = std::iter::from_fn(|| world.viewer.poll_text()).next().unwrap();
    world.camera.handle_text(&text);
    let answer = world.camera.texts.pop_front().unwrap();
    world.camera.texts.clear();
    world.viewer.handle_text(world.now, &answer);
    let (error, _) = ended(&mut world);
    assert!(matches!(&error, Error::NoCandidate { ours, .. } if ours.host == 1), "{error}");
}

#[test]
fn a_camera_that_sends_no_picture_is_told_within_connect_timeout() {
    for (connect_timeout, limit) in [(15, 10), (4, 4)] {
        let config = ViewerConfig { connect_timeout: connect_timeout * SECOND, ..viewer_config() };
        let mut world = WebWorld::new(config, WebCameraConfig::default(), 1);
        world.connect();
        let connected = world.now - world.started;
        // Sound does not make up for it.
        world.next[1] = Some(world.now);
        let (error, after) = ended(&mut world);
        let Error::NoPicture(time) = error else { panic!("{error}") };
        assert!(after <= limit * SECOND + connected && after >= limit * SECOND, "{after:?}");
        assert!(time <= limit * SECOND, "{time:?}");
        world.run(SECOND);
        assert!(world.camera.closed, "the camera is told that the viewer leaves");
    }
}

#[test]
fn a_camera_without_wanted_media_is_not_asked_for_a_picture() {
    let config = ViewerConfig { media: MediaSet::AUDIO, ..viewer_config() };
    let mut world = WebWorld::new(config, WebCameraConfig::default(), 1);
    world.connect();
    world.start_media();
    world.run(20 * SECOND);
    assert_eq!((world.ended.clone(), world.received[0].len(), world.camera.plis), (None, 0, 0));
    assert!(world.received[1].len() > 900);
}

// The end of a stream

#[test]
fn a_camera_that_hangs_up_vanishes_or_stalls_is_told_in_time() {
    let mut world = streaming(WebCameraConfig::default());
    world.camera.close(world.now);
    world.next = [None; 2];
    world.run(SECOND);
    assert_eq!(world.ended, Some(Error::Closed));

    let mut world = streaming(WebCameraConfig::default());
    world.is_there = false;
    let vanished = world.now;
    world.run(60 * SECOND);
    assert_eq!(world.ended, Some(Error::Silent(5 * SECOND)));
    assert!(world.now - vanished <= 5 * SECOND, "{:?}", world.now - vanished);

    let mut world = streaming(WebCameraConfig::default());
    // The picture is what people look at: sound alone does not make up for it.
    world.next[0] = None;
    let stalled = world.now;
    world.run(60 * SECOND);
    assert_eq!(world.ended, Some(Error::Stalled(5 * SECOND)));
    assert!(world.now - stalled <= 5 * SECOND, "{:?}", world.now - stalled);
    assert_eq!(world.silent, [(Medium::Video, true)]);

    // Without a stall timeout, the camera has only to be there.
    let mut world = streaming(WebCameraConfig::default());
    world.viewer.set_stall_timeout(None, world.now);
    world.next = [None; 2];
    world.run(60 * SECOND);
    assert_eq!(world.ended, None);
    world.is_there = false;
    world.run(60 * SECOND);
    assert_eq!(world.ended, Some(Error::Silent(10 * SECOND)));
}

#[test]
fn the_camera_is_told_that_the_viewer_leaves() {
    let mut world = streaming(WebCameraConfig::default());
    world.viewer.close(world.now);
    world.run(SECOND);
    assert!(world.camera.closed);
    assert_eq!((world.ended.clone(), world.viewer.poll_timeout()), (None, None));
}

#[test]
fn with_neither_medium_the_connection_stays_and_what_is_wanted_again_begins_with_a_key_frame() {
    let mut world = streaming(WebCameraConfig::default());
    world.viewer.set_media(MediaSet::NONE, world.now);
    let count = |world: &WebWorld| [world.received[0].len(), world.received[1].len()];
    let before = count(&world);
    world.run(60 * SECOND);
    assert_eq!((count(&world), world.ended.clone()), (before, None));
    let plis = world.camera.plis;
    world.viewer.set_media(MediaSet::BOTH, world.now);
    world.run(SECOND);
    let first = &world.received[0][before[0]];
    assert!(first.after_gap && world.received[1][before[1]].after_gap);
    assert_eq!(world.camera.plis, plis + 1);
    assert!(world.received[0][before[0]..].iter().take(3).any(|frame| frame.info.is_key_frame()));
}

// Other hosts

#[test]
fn other_hosts_cannot_speak_for_the_camera() {
    let mut world = streaming(WebCameraConfig::default());
    let stranger = ([10, 0, 0, 66], 9).into();
    for first in 0..=255u8 {
        let mut datagram = vec![first; 60];
        world.viewer.handle_datagram(world.now, stranger, VIEWER.into(), &mut datagram);
        world.viewer.handle_datagram(world.now, stranger, VIEWER.into(), &mut []);
    }
    world.run(SECOND);
    assert_eq!((world.ended.clone(), world.viewer.stats().foreign), (None, 512));
    // Garbage with the camera's own address is passed over, too.
    for first in 0..=255u8 {
        let mut datagram = vec![first; 60];
        world.viewer.handle_datagram(world.now, CAMERA.into(), VIEWER.into(), &mut datagram);
    }
    world.run(SECOND);
    assert_eq!(world.ended, None);
}
