//! Tests of the simulated camera's sessions with a hand-made client.

mod support;

use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::wire::frame_info::FrameInfo;
use gstwyze::protocol::wire::hl::{self, MediaKind, VideoParameters};
use gstwyze::protocol::wire::media::{MediaPacket, Packet};
use std::time::Duration;
use support::{HandClient, join};
use wyze_camera::{CameraConfig, CameraEvent, Envelope, GoneReason, Synthetic, SyntheticConfig};

fn config() -> CameraConfig {
    CameraConfig::demo().expect("the demonstration identity")
}

fn long_enr() -> CameraConfig {
    CameraConfig::new(
        Credentials::new("HSBJYB5HSETGCDWD111A", "ZQdg2W3LL9TZQL8+i1+N2f+VU0i3+XX0", "0410ead492d2")
            .expect("credentials"),
    )
}

fn assert_no_deviations(client: &HandClient) {
    assert!(client.camera.log().is_empty(), "{}", client.camera.log());
}

fn events(client: &mut HandClient) -> Vec<CameraEvent> {
    std::iter::from_fn(|| client.camera.poll_event()).collect()
}

#[test]
fn a_client_streams_with_every_envelope_and_challenge() {
    for envelope in [Envelope::Transcode, Envelope::Cc51] {
        for (challenge, hello_verify) in [(1, false), (3, true), (6, false)] {
            let mut client = HandClient::new(CameraConfig { envelope, challenge, hello_verify, ..long_enr() });
            client.start();
            client.run(Duration::from_secs(12));
            assert_no_deviations(&client);
            assert_eq!(client.camera.streaming_clients(), 1);
        }
    }
}

#[test]
fn frames_arrive_whole_in_every_format() {
    for (every_frame_type, wrapped) in [(false, false), (true, false), (true, true)] {
        let mut client = HandClient::new(CameraConfig { every_frame_type, wrapped, ..config() });
        client.start();
        let mut media = Synthetic::new(SyntheticConfig::default());
        let mut sequence = 0;
        for number in 1..60 {
            let (_, frame) = media.next_frame().expect("a frame");
            client.camera.push_frame(client.now, &frame);
            client.receive();
            let records = client.take_media();
            let packets: Vec<MediaPacket<'_>> = records.iter().map(|record| parse(record)).collect();
            for (index, packet) in packets.iter().enumerate() {
                assert_eq!((packet.sequence, usize::from(packet.index)), (sequence, index));
                assert_eq!((packet.frame_number, packet.previous_frame), (number, number - 1));
                assert_eq!((packet.channel, usize::from(packet.total)), (frame.kind, packets.len()));
                sequence += 1;
            }
            let (data, info) = join(&packets);
            assert_eq!(data, frame.data);
            let info = FrameInfo::parse(&info).expect("FRAMEINFO");
            assert_eq!((info.codec, info.flags, info.frame_number), (frame.codec, frame.flags, number));
            assert_eq!((info.seconds, info.microseconds), (frame.seconds, frame.microseconds));
            assert_eq!(info.payload_size as usize, frame.data.len());
        }
        assert_no_deviations(&client);
    }
}

fn parse(record: &[u8]) -> MediaPacket<'_> {
    match Packet::parse(record) {
        Ok(Packet::Media(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

#[test]
fn commands_change_media_and_resolution() {
    let mut client = HandClient::new(CameraConfig { stale_frames: 1, ..config() });
    client.start();
    let parameters = VideoParameters { frame_size: 0, bitrate: 240, fps: 0 };
    assert_eq!(client.command(&parameters.emit()), [1]);
    assert_eq!(client.command(&hl::media(MediaKind::Audio, false)), [1]);
    let events = events(&mut client);
    assert!(events.iter().any(|e| matches!(e, CameraEvent::VideoParameters { parameters: p, .. } if *p == parameters)));
    assert!(events.iter().any(|e| matches!(e, CameraEvent::Streaming { audio: false, video: true, .. })));
    let mut media = Synthetic::new(SyntheticConfig::default());
    let mut sizes = Vec::new();
    for _ in 0..5 {
        let (_, frame) = media.next_frame().expect("a frame");
        client.camera.push_frame(client.now, &frame);
        client.receive();
        let records = client.take_media();
        assert_eq!(records.is_empty(), frame.is_audio());
        if let Some(last) = records.last() {
            let payload = parse(last).payload;
            let info = FrameInfo::parse(&payload[payload.len() - 40..]).expect("FRAMEINFO");
            assert_eq!(info.bitrate, 240);
            sizes.push(info.frame_size);
        }
    }
    assert_eq!(sizes[..2], [1, 0]);
    assert_no_deviations(&client);
}

#[test]
fn the_wrong_resolution_command_is_logged() {
    let parameters = VideoParameters { frame_size: 0, bitrate: 240, fps: 0 };
    for (model, right, wrong) in [
        ("WYZEDB3", parameters.emit_doorbell(), parameters.emit()),
        ("HL_CAM4", parameters.emit(), parameters.emit_doorbell()),
    ] {
        let mut client = HandClient::new(CameraConfig { model: model.into(), ..config() });
        client.start();
        client.command(&right);
        assert_no_deviations(&client);
        client.send_command(&wrong);
        assert_eq!(client.camera.log().byte_entries().count(), 1);
    }
}

#[test]
fn a_goodbye_or_silence_ends_a_session() {
    for envelope in [Envelope::Transcode, Envelope::Cc51] {
        for (goodbye, expected) in [(true, GoneReason::Goodbye), (false, GoneReason::Idle)] {
            let mut client = HandClient::new(CameraConfig { envelope, ..config() });
            client.start();
            client.answer_keepalives = false;
            if goodbye {
                client.say_goodbye();
            } else {
                client.pass(Duration::from_secs(11));
            }
            let gone = events(&mut client).pop();
            assert!(matches!(gone, Some(CameraEvent::ClientGone { reason, .. }) if reason == expected), "{gone:?}");
            assert_eq!(client.camera.clients(), 0);
        }
    }
}

#[test]
fn a_client_can_connect_again_after_a_reboot() {
    let mut client = HandClient::new(config());
    client.start();
    client.camera.reboot(client.now, Duration::from_secs(1));
    client.pass(Duration::from_secs(2));
    let mut again = HandClient::new(config());
    again.camera = client.camera;
    again.now = client.now;
    again.start();
    assert_no_deviations(&again);
}

#[test]
fn clients_with_a_wrong_key_are_not_answered() {
    let strange = Credentials::new("HSBJYB5HSETGCDWD111A", "anotherkey_16cha", "AABBCCDDEEFF").expect("credentials");
    for (envelope, stage) in [(Envelope::Transcode, 1), (Envelope::Cc51, 0)] {
        let mut client = HandClient::new(CameraConfig { envelope, ..CameraConfig::new(strange.clone()) });
        client.camera = wyze_camera::Camera::new(CameraConfig { envelope, ..config() }, 1);
        if stage == 1 {
            client.discover_stage(1, true);
        } else {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.open()));
            assert!(outcome.is_err());
        }
        assert!(client.other.is_empty());
        assert_eq!(client.camera.log().byte_entries().count(), 1, "{}", client.camera.log());
    }
}

#[test]
fn deviations_are_logged() {
    let mut client = HandClient::new(config());
    client.start();
    client.run(Duration::from_secs(1));
    assert_no_deviations(&client);
    client.pass(Duration::from_millis(400));
    client.ack();
    assert!(client.camera.log().to_string().contains("400 ms after the one before"), "{}", client.camera.log());
    client.send_record(&[0x77; 30]);
    client.send_command(b"HL\x05\0\x99\x99\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(client.camera.log().byte_entries().count(), 2, "{}", client.camera.log());
    let address = client.address;
    for len in 0..100 {
        client.camera.handle_datagram(client.now, address, false, &mut vec![0x51; len]);
        client.camera.handle_datagram(client.now, address, true, &mut [&[0x51, 0xCC][..], &vec![2; len]].concat());
    }
    assert!(client.camera.log().count() > 100);
}
