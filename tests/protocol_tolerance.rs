//! What cameras do differently, alone and all together: the client takes all of it, picture and sound byte for byte.

#[path = "support/world.rs"]
mod world;

use gstwyze::protocol::client::Config;
use gstwyze::protocol::credentials::{Credentials, Mac};
use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::stats::Stats;
use gstwyze::protocol::talk::TalkEvent;
use gstwyze::protocol::wire::codec::CodecId;
use gstwyze::protocol::wire::control::{Ack, ControlFrame};
use gstwyze::protocol::wire::frame_info::FrameInfo;
use gstwyze::protocol::wire::hl::{ChallengeStatus, Message};
use gstwyze::protocol::wire::login::Capabilities;
use gstwyze::protocol::wire::media::{self, FrameType, MediaChannel, MediaPacket};
use gstwyze::protocol::wire::probe::{Probe, ProbeAnswer};
use gstwyze::protocol::wire::{Channel, iotc};
use std::net::SocketAddr;
use std::time::Duration;
use world::{EPHEMERAL, FAT, World, both_envelopes, camera_config, client_config};
use wyze_camera::{CameraConfig, CameraEvent, DEMO_MAC, DEMO_UID, Envelope, Synthetic, SyntheticConfig};

/// Streams from a camera that `change` has changed, on both envelopes. Asserts that every frame arrives whole and that
/// nothing is an error to either side, and gives the client's counters to `check`.
fn assert_streams(change: impl Fn(&mut CameraConfig), check: impl Fn(&Stats)) {
    for envelope in both_envelopes() {
        let mut camera = camera_config(envelope);
        change(&mut camera);
        let mut world = World::new(client_config(), camera, 5);
        world.connect();
        world.stream(FAT, Duration::from_secs(3));
        assert_eq!(world.ended, None);
        assert_all_arrived(&world);
        world.assert_no_deviation();
        let stats = world.client.stats();
        let errors = [stats.malformed, stats.duplicates, stats.lost, stats.incomplete.total(), stats.undecryptable];
        assert_eq!(errors, [0; 5], "{stats:?}");
        check(&stats);
    }
}

/// Asserts that every frame arrived with its own bytes. The times of FRAMEINFO may differ: not all its forms have them
/// whole.
fn assert_all_arrived(world: &World) {
    for medium in [Medium::Video, Medium::Audio] {
        let sent: Vec<_> = world.sent.iter().filter(|f| f.is_audio() == (medium == Medium::Audio)).collect();
        let received: Vec<_> = world.received.iter().filter(|frame| frame.medium == medium).collect();
        assert!(!sent.is_empty() && received.len() == sent.len(), "{medium:?}: {} of {}", received.len(), sent.len());
        for (received, sent) in received.iter().zip(sent) {
            assert!(received.data == sent.data, "{medium:?} frame {:?}", received.info);
            assert_eq!((received.info.codec, received.info.flags), (sent.codec, sent.flags));
            assert!(!received.after_gap, "{:?}", received.info);
        }
    }
}

#[test]
fn a_packet_may_have_any_third_byte_and_data_any_mode() {
    for marker in [0x12, 0x17, 0x19, 0x1C, 0x1D, 0xFF] {
        assert_streams(|camera| camera.marker = marker, |_| {});
    }
    for mode in [0x02, 0x0A, 0x0C, 0x01, 0xFF] {
        assert_streams(|camera| camera.data_mode = mode, |stats| assert_eq!(stats.foreign, 0, "mode {mode:02x}"));
    }
}

#[test]
fn frame_info_may_be_shorter_or_longer_and_leave_fields_out() {
    for frame_info_len in [16, 32, 40, 48] {
        for short_frame_info in [false, true] {
            let change = |camera: &mut CameraConfig| {
                camera.frame_info_len = frame_info_len;
                camera.short_frame_info = short_frame_info;
            };
            assert_streams(change, |stats| assert_eq!(stats.unknown, 0));
        }
    }
}

/// The length of FRAMEINFO is the index of the last packet, too, where a frame has one packet more.
#[test]
fn frames_of_any_number_of_packets_are_taken_with_any_frame_info() {
    for frame_info_len in [16, 32, 40, 48] {
        let mut world =
            World::new(client_config(), CameraConfig { frame_info_len, ..camera_config(Envelope::Transcode) }, 6);
        world.connect();
        for packets in [1, 2, 16, 17, 18, 32, 33, 34, 40, 41, 42, 48, 49, 50] {
            let frame_len = packets * 1024 - 7;
            let media = SyntheticConfig { key_frame_len: frame_len, frame_len, ..SyntheticConfig::default() };
            world.stream(media, Duration::from_millis(300));
        }
        assert_eq!(world.client.stats().malformed, 0);
        assert_all_arrived(&world);
    }
}

#[test]
fn the_frame_type_is_a_mask() {
    for wrapped in [false, true] {
        let change = |camera: &mut CameraConfig| (camera.every_frame_type, camera.wrapped) = (true, wrapped);
        assert_streams(change, |_| {});
    }
}

#[test]
fn newer_versions_of_the_media_layer_are_taken() {
    for wrapped in [false, true] {
        assert_streams(|camera| (camera.av_version, camera.wrapped) = (0x000C, wrapped), |_| {});
    }
}

#[test]
fn several_packets_in_one_record_are_all_read() {
    for (wrapped, chatter) in [(false, false), (true, false), (false, true)] {
        let change = |camera: &mut CameraConfig| {
            (camera.join_packets, camera.packet_payload) = (true, 300);
            (camera.wrapped, camera.chatter, camera.probes) = (wrapped, chatter, chatter);
        };
        assert_streams(change, |_| {});
    }
}

#[test]
fn what_follows_the_packets_of_a_record_is_counted_unless_it_is_padding() {
    let mut world = World::new(client_config(), camera_config(Envelope::Transcode), 7);
    world.connect();
    let ack = Ack { send_counter: 0, previous_highest: 0, highest: 0, counter: 1, milliseconds: 0 }.emit();
    let probe = Probe { version: 0x000B, clock: 7, round_trip: 0, flags: 1 }.emit();
    let mut listing = ack.to_vec();
    listing[14] = 3;
    listing.resize(28, 0xFF);
    for (record, malformed, probes) in [
        ([&ack[..], &probe].concat(), 0, 1),
        ([&listing[..], &probe, &ack, &probe].concat(), 0, 2),
        ([&probe[..], &[0; 9]].concat(), 0, 1),
        ([&probe[..], &[0xEE, 1, 2]].concat(), 1, 1),
        ([&probe[..], &[0x0A]].concat(), 1, 1),
        (probe[..15].to_vec(), 1, 0),
    ] {
        let before = world.client.stats();
        world.camera.push_packet(Channel::Main, &record);
        world.exchange();
        let stats = world.client.stats();
        let counted = (stats.malformed - before.malformed, stats.timing_probes - before.timing_probes);
        assert_eq!(counted, (malformed, probes), "{record:02x?}");
    }
}

#[test]
fn timing_probes_are_answered() {
    for (wrapped, every_frame_type) in [(false, false), (true, true)] {
        for envelope in both_envelopes() {
            let camera = CameraConfig { probes: true, wrapped, every_frame_type, ..camera_config(envelope) };
            let mut world = World::new(client_config(), camera, 8);
            world.connect();
            world.stream(FAT, Duration::from_secs(2));
            world.assert_no_deviation();
            let (frames, stats) = (world.sent.iter().filter(|frame| !frame.is_audio()).count(), world.client.stats());
            assert!(stats.timing_probes as usize > frames, "alone and in media: {stats:?}");
            assert_eq!((world.camera.unanswered_probes(), stats.malformed), (0, 0));
        }
    }
}

#[test]
fn packets_that_mean_nothing_are_counted_apart_and_messages_of_the_channel_acknowledged() {
    assert_streams(|camera| camera.chatter = true, |stats| assert!(stats.unknown > 50, "{stats:?}"));
}

#[test]
fn parity_packets_are_counted() {
    let change = |camera: &mut CameraConfig| (camera.wrapped, camera.parity_after) = (true, 20);
    assert_streams(change, |stats| assert!(stats.parity > 50, "{stats:?}"));
}

#[test]
fn wrapped_control_frames_are_read() {
    assert_streams(|camera| camera.wrapped_control = true, |_| {});
}

#[test]
fn a_camera_that_asks_for_more_of_the_enr_than_there_is_gets_the_known_padding() {
    for enr in ["roTRg3tiuL3TjXhm", "roTRg3tiuL3TjXhmA", "roTRg3tiuL3TjXhmAbCdEfGh0123456"] {
        let credentials = Credentials::new(DEMO_UID, enr, DEMO_MAC).unwrap();
        let keys = credentials.challenge_keys(ChallengeStatus::LongEnr).unwrap();
        let mut second = *b"FFFFFFFFFFFFFFFF";
        if enr.len() > 16 {
            second = [0; 16];
            second[..enr.len() - 16].copy_from_slice(&enr.as_bytes()[16..]);
        }
        assert_eq!(keys, [Some(*b"roTRg3tiuL3TjXhm"), Some(second)]);
        let camera = CameraConfig {
            challenge: ChallengeStatus::LongEnr,
            credentials: credentials.clone(),
            ..camera_config(Envelope::Cc51)
        };
        let mut world = World::with_keys(credentials, client_config(), camera, 9);
        world.connect();
        world.assert_no_deviation();
    }
}

/// Counts the times that the camera was asked for media by K10010, after its K10003.
fn requests(world: &World) -> Vec<(bool, bool)> {
    let streaming = world.camera_events.iter().filter_map(|event| match event {
        CameraEvent::Streaming { video, audio, .. } => Some((*video, *audio)),
        _ => None,
    });
    streaming.skip(1).collect()
}

#[test]
fn a_medium_that_does_not_come_is_asked_for_twice() {
    for envelope in both_envelopes() {
        let camera = CameraConfig { media_by_command: true, ..camera_config(envelope) };
        let mut world = World::new(client_config(), camera, 10);
        world.connect();
        world.source = Some((world.now, Synthetic::new(FAT)));
        world.run_until(Duration::from_millis(990), |_| false);
        assert_eq!((requests(&world), world.received.len()), (vec![], 0));
        world.run_until(Duration::from_secs(2), |_| false);
        assert_eq!(requests(&world), [(true, false), (true, true)]);
        assert!(world.received.iter().any(|frame| frame.medium == Medium::Audio));
        assert!(world.received.iter().any(|frame| frame.medium == Medium::Video));
        world.run_until(Duration::from_secs(10), |_| false);
        assert_eq!(requests(&world).len(), 2, "what has come is not asked for again");
        world.assert_no_deviation();
    }
    // A camera that sends nothing at all.
    let mut world = World::new(client_config(), camera_config(Envelope::Transcode), 10);
    world.connect();
    world.run_until(Duration::from_millis(3900), |_| false);
    assert_eq!(requests(&world).len(), 2);
    world.run_until(Duration::from_millis(200), |_| false);
    assert_eq!(requests(&world).len(), 4, "once more after 3 s");
    world.run_until(Duration::from_secs(5), |_| false);
    assert_eq!(requests(&world).len(), 4);
}

#[test]
fn what_the_camera_can_is_reported() {
    let capabilities = Capabilities(1 << 20 | 1 << 4 | 1 << 31 | 1 << 2);
    let camera = CameraConfig { capabilities, ..camera_config(Envelope::Cc51) };
    let mut world = World::new(client_config(), camera, 11);
    world.connect();
    let info = world.connected.clone().unwrap();
    assert_eq!((info.av_enabled, info.resend), (true, false));
    assert_eq!(info.capabilities.to_string(), "bit-2,multi-channel,chacha20-poly1305,bit-31");
    assert_eq!(Capabilities(0).to_string(), "");
}

#[test]
fn a_camera_may_log_in_on_the_back_channel_with_24_bytes() {
    for envelope in both_envelopes() {
        let camera = CameraConfig { short_talk_login: true, ..camera_config(envelope) };
        let mut world = World::new(client_config(), camera, 12);
        world.connect();
        world.client.start_talk(world.now);
        world.run_until(Duration::from_secs(2), |world| !world.talk_events.is_empty());
        assert_eq!(world.talk_events, [TalkEvent::Ready]);
        world.assert_no_deviation();
    }
}

#[test]
fn cc51_data_of_an_unknown_signature_are_taken_from_the_camera_only() {
    let camera = CameraConfig { unknown_data_signature: true, ..camera_config(Envelope::Cc51) };
    let mut world = World::new(client_config(), camera, 12);
    world.connect();
    world.stream(SyntheticConfig::default(), Duration::from_secs(2));
    assert_all_arrived(&world);
    let stats = world.client.stats();
    assert!(stats.bad_hmac > 50 && stats.foreign == 0, "{stats:?}");
    // The same packet from another address does not move the camera there.
    world.camera.push_packet(Channel::Main, &[9, 0, 0x0C, 0]);
    let mut packet = world.camera.poll_transmit().unwrap().data;
    let elsewhere = SocketAddr::from(([10, 0, 0, 99], 4000));
    world.client.handle_datagram(world.now, elsewhere, &mut packet.clone());
    world.client.handle_datagram(world.now, SocketAddr::from(EPHEMERAL), &mut packet);
    world.stream(SyntheticConfig::default(), Duration::from_secs(1));
    assert_all_arrived(&world);
    assert!(world.astray.is_empty());
}

#[test]
fn a_battery_model_is_woken() {
    for model in ["WVOD1", "HL_WCO2"] {
        let camera = CameraConfig { asleep: true, model: model.into(), ..camera_config(Envelope::Transcode) };
        let client = Config { model: Some(model.into()), ..client_config() };
        let mut world = World::new(client, camera, 14);
        world.connect();
        world.stream(SyntheticConfig::default(), Duration::from_secs(1));
        assert_all_arrived(&world);
        world.assert_no_deviation();
    }
    let message = gstwyze::protocol::wire::hl::wake_request(Mac::new(DEMO_MAC).unwrap().bytes());
    let payload = format!(r#"{{"cameraInfo":{{"mac":"{DEMO_MAC}","encFlag":0,"wakeupFlag":1}}}}"#);
    assert_eq!(Message::parse(&message), Ok(Message { command: 10000, payload: payload.as_bytes() }));
}

#[test]
fn all_variants_together_lose_nothing() {
    for envelope in both_envelopes() {
        let mut world = World::new(client_config(), camera_config(envelope).with_every_variant(), 13);
        world.connect();
        // Media that are asked for only now begin late.
        world.run_until(Duration::from_millis(1500), |_| false);
        world.stream(FAT, Duration::from_secs(10));
        assert_all_arrived(&world);
        world.client.start_talk(world.now);
        world.run_until(Duration::from_secs(2), |world| !world.talk_events.is_empty());
        assert_eq!(world.talk_events, [TalkEvent::Ready]);
        world.assert_no_deviation();
        let stats = world.client.stats();
        let errors = [stats.malformed, stats.duplicates, stats.lost, stats.incomplete.total(), stats.foreign];
        assert_eq!((errors, world.camera.unanswered_probes()), ([0; 5], 0), "{stats:?}");
        assert!(stats.unknown > 0 && stats.timing_probes > 0 && stats.parity > 0, "{stats:?}");
    }
}

// Parsers

#[test]
fn a_header_that_would_be_dear_to_descramble_is_refused() {
    let header = |marker, mode, command: u16| {
        let mut header = [0; 16];
        header[..4].copy_from_slice(&[4, 2, marker, mode]);
        header[8..10].copy_from_slice(&command.to_le_bytes());
        header
    };
    for marker in [0x12, 0x1A, 0xFF] {
        assert!(iotc::is_plausible(&header(marker, 0x0B, iotc::DATA_FROM_CAMERA), 65_000), "mostly plain");
        assert!(iotc::is_plausible(&header(marker, 0x0A, iotc::DATA_FROM_CAMERA), 1500));
        assert!(!iotc::is_plausible(&header(marker, 0x0A, iotc::DATA_FROM_CAMERA), 65_000));
        assert!(!iotc::is_plausible(&header(marker, 0x02, iotc::DISCOVERY_RESPONSE), 1500));
    }
    let mut other = header(0x1A, 0x0B, iotc::DATA_FROM_CAMERA);
    other[1] = 3;
    assert!(!iotc::is_plausible(&other, 100));
}

#[test]
fn a_timing_probe_is_answered_as_by_another_client() {
    let probe = b"\x0a\x08\x0b\0\x5b\0\0\0\x0b\x51\x59\0\x02\0\0\0";
    let (probe, rest) = Probe::parse_first(probe).unwrap();
    assert_eq!((probe, rest), (Probe { version: 0x000B, clock: 0x510B, round_trip: 0x59, flags: 2 }, &[][..]));
    // That client has 1 in the place of 0x1F, which is what cameras of this kind are sent.
    let answer = b"\x0b\0\x0b\0\0\0\x1f\0\x0b\x51\x03\0\x03\0\0\0\0\0\0\0";
    let parsed = ProbeAnswer { version: 0x000B, clock: 0x510B, received: 3 };
    assert_eq!((&parsed.emit(), ProbeAnswer::parse(answer)), (answer, Ok(parsed)));
}

#[test]
fn the_short_form_of_frame_info_has_milliseconds() {
    let mut short = vec![0; 16];
    (short[0], short[2]) = (0x89, 2);
    short[12..].copy_from_slice(&5_678u32.to_le_bytes());
    let info = FrameInfo::parse(&short).unwrap();
    assert_eq!((info.codec, info.flags, info.payload_size), (CodecId::MULAW, 2, 0));
    assert_eq!((info.seconds, info.microseconds), (5, 678_000));
    short.resize(32, 7);
    assert_eq!(FrameInfo::parse(&short).unwrap().seconds, 5_678, "the longer forms have seconds");
    assert_eq!(FrameInfo::parse(&short).unwrap().payload_size, 0x0707_0707);
}

#[test]
fn the_place_of_the_index_may_hold_the_length_of_frame_info() {
    // A packet of 3 bytes and FRAMEINFO whose codec is known, and whose MAC is ASCII.
    let parse = |frame_type: u8, total: u16, field: u16, info_len: usize| {
        let mut info = vec![b'A'; info_len];
        (info[0], info[1]) = (0x4E, 0);
        let payload = [&[1, 2, 3][..], &info].concat();
        let b = MediaPacket {
            channel: MediaChannel::Video,
            frame_type: FrameType(frame_type),
            sequence: 0,
            version: media::VERSION,
            counter: 0,
            is_resent: false,
            total,
            index: field,
            previous_frame: 0,
            frame_number: 1,
            frame_info_len: 0,
            payload: &payload,
        }
        .emit();
        match media::Packet::parse(&b) {
            Ok(media::Packet::Media(packet)) => Ok((packet.index, packet.frame_info_len)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    };
    for frame_type in [0x01, 0x05, 0x09, 0x0D] {
        for len in [0x10, 0x20, 0x28, 0x30] {
            assert_eq!(parse(frame_type, 1, len, len.into()), Ok((0, len.into())));
            assert_eq!(parse(frame_type, 5, len, len.into()), Ok((4, len.into())));
            // Length and index are the same number.
            assert_eq!(parse(frame_type, len + 1, len, len.into()), Ok((len, len.into())));
            assert_eq!(parse(frame_type, len + 1, len, 40), Ok((len, 40)), "it was the index");
        }
        assert_eq!(parse(frame_type, 1, 0, 40), Ok((0, 40)));
        assert_eq!(parse(frame_type, 5, 4, 40), Ok((4, 40)));
        assert_eq!(parse(frame_type, 5, 0, 40), Ok((0, 0)), "the first of several");
        assert!(parse(frame_type, 5, 9, 40).is_err());
        assert!(parse(frame_type, 5, 0x28, 16).is_err(), "shorter than it says");
    }
    for frame_type in [0x00, 0x04, 0x08, 0x0C] {
        assert_eq!(parse(frame_type, 41, 0x28, 40), Ok((0x28, 0)));
        assert_eq!(parse(frame_type, 41, 0x10, 40), Ok((0x10, 0)));
    }
}

#[test]
fn control_frames_end_where_their_length_says_or_their_message_does() {
    let hl = Message { command: 10011, payload: &[1, 2, 3] }.emit();
    let frame = ControlFrame { send_counter: 7, command_counter: 0, hl: &hl }.emit();
    let next = [0x09, 0, 1, 2];
    let split = |frame: &[u8]| {
        let b = [frame, &next].concat();
        let (frame, rest) = ControlFrame::split(&b);
        (frame.len(), rest.len())
    };
    assert_eq!(split(&frame), (frame.len(), next.len()));
    let mut untold = frame.clone();
    untold[24] = 0;
    assert_eq!(split(&untold), (frame.len() + next.len(), 0));
    untold[25] = 0xFF;
    assert_eq!(split(&untold), (frame.len() + next.len(), 0), "longer than the record");
    let mut other = vec![0xEE; 44];
    other[..2].copy_from_slice(&[0, 0x10]);
    other[24..26].copy_from_slice(&[8, 0]);
    assert_eq!(split(&other), (44, next.len()), "no message is in it");
}
