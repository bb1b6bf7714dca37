//! Tests of commands that steer the camera, from a hand-made client: who gets what answer.

mod support;

use gstwyze::protocol::wire::hl::Message;
use std::time::Duration;
use support::HandClient;
use wyze_camera::{CameraConfig, CameraEvent};

const ROTATE: u16 = 11000;
const NIGHT_VISION: u16 = 10040;
const SET_NIGHT_VISION: u16 = 10042;

fn config() -> CameraConfig {
    CameraConfig::demo().expect("the demonstration identity")
}

fn client(config: CameraConfig) -> HandClient {
    let mut client = HandClient::new(config);
    client.start();
    client
}

fn message(command: u16, payload: &[u8]) -> Vec<u8> {
    Message { command, payload }.emit()
}

fn assert_no_deviations(client: &HandClient) {
    assert!(client.camera.log().is_empty(), "{}", client.camera.log());
}

/// Sends a command and returns how many control frames come back.
fn answers(client: &mut HandClient, command: u16, payload: &[u8]) -> usize {
    client.records.clear();
    client.send_command(&message(command, payload));
    client.records.iter().filter(|record| record[0] == 0x0C).count()
}

#[test]
fn what_one_client_sets_another_reads() {
    let mut first = client(config());
    assert_eq!(first.command(&message(10050, &[])), [120, 0, 1, 20, 1, 1]);
    let mut second = HandClient::new(config());
    second.address.set_port(first.address.port() + 1);
    second.session_id.0.reverse();
    std::mem::swap(&mut first.camera, &mut second.camera);
    second.start();
    assert_eq!(second.command(&message(10056, &[2, 60, 0, 15, 0])), [1]);
    assert_eq!(second.command(&message(10052, &[0, 0, 0, 0, 0, 2])), [1]);
    std::mem::swap(&mut first.camera, &mut second.camera);
    assert_eq!(first.camera.streaming_clients(), 2);
    assert_eq!(first.command(&message(10050, &[])), [60, 0, 2, 15, 1, 2]);
    let read = first.command(&message(10020, &[5, 3, 4, 5, 6, 7]));
    assert_eq!(String::from_utf8_lossy(&read), r#"{"3":60,"4":2,"5":15,"6":1,"7":2}"#);
    assert_no_deviations(&first);
}

#[test]
fn settings_are_events_and_questions_are_not() {
    let mut client = client(CameraConfig { model: "HL_PAN3".into(), ..config() });
    while client.camera.poll_event().is_some() {}
    client.command(&message(NIGHT_VISION, &[]));
    client.command(&message(SET_NIGHT_VISION, &[1]));
    client.send_command(&message(ROTATE, &[10, 0, 0, 0, 5]));
    let told: Vec<_> = std::iter::from_fn(|| client.camera.poll_event())
        .map(|event| match event {
            CameraEvent::Setting { command, payload, .. } => (command, payload),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [(SET_NIGHT_VISION, vec![1]), (ROTATE, vec![10, 0, 0, 0, 5])]);
    assert_no_deviations(&client);
}

#[test]
fn commands_are_met_with_silence_agreement_or_refusal_as_configured() {
    let codes = [SET_NIGHT_VISION, 10010, 10056, 10052, 10092];
    let payloads: [&[u8]; 5] = [&[1], &[1, 2], &[2, 60, 0], &[0, 0, 0, 9, 0, 0], &[1, 0, 0, 0]];
    for answer in [None, Some(1), Some(2)] {
        let mut config = config();
        match answer {
            None => config.silent = codes.to_vec(),
            Some(1) => config.ignores = codes.to_vec(),
            _ => config.refuses = codes.to_vec(),
        }
        let mut client = client(config);
        let before = client.camera.picture(client.now);
        while client.camera.poll_event().is_some() {}
        for (code, payload) in codes.into_iter().zip(payloads) {
            match answer {
                None => assert_eq!(answers(&mut client, code, payload), 0, "K{code}"),
                Some(answer) => assert_eq!(client.command(&message(code, payload)), [answer], "K{code}"),
            }
        }
        assert_eq!(client.camera.picture(client.now), before, "nothing is done");
        assert_eq!((client.camera.poll_event(), client.camera.clock_settings()), (None, &[][..]));
        assert_eq!(client.command(&message(NIGHT_VISION, &[])), [3], "others are answered");
        assert_no_deviations(&client);
    }
}

#[test]
fn a_battery_camera_tells_its_level() {
    let mut client = client(CameraConfig { battery: Some(7), ..config() });
    assert_eq!(client.command(&message(10050, &[])), br#"{"camerainfo":{"powerlevel":7}}"#);
}

#[test]
fn commands_without_an_answer_are_acked() {
    for acks_commands in [true, false] {
        let mut client = client(CameraConfig { model: "HL_PAN3".into(), acks_commands, ..config() });
        client.command(&message(NIGHT_VISION, &[]));
        assert_eq!(client.take_acks(), [], "its answer says that it came");
        for payload in [[10, 0, 0, 0, 5], [20, 0, 0, 0, 5]] {
            assert_eq!(answers(&mut client, ROTATE, &payload), 0);
            client.ack();
        }
        let acks = client.take_acks();
        // Before them, the client has sent an ACK after the login, three commands with an ACK after each, a command,
        // and an ACK.
        let told: Vec<_> = acks.iter().map(|ack| (ack.previous_highest, ack.highest, ack.counter)).collect();
        let expected = if acks_commands { &[(7, 9, 2)][..] } else { &[] };
        assert_eq!(told, expected);
        assert_no_deviations(&client);
    }
}

#[test]
fn io_types_are_taken_and_told() {
    let mut client = client(config());
    client.send_io_type(0x0340, &[0; 4]);
    let at = client.records.iter().position(|record| record[0] == 0x0C).expect("an answer");
    let answer = client.records.remove(at);
    assert_eq!((&answer[16..18], &answer[36..38]), (&[0, 0x70][..], &[0x41, 0x03][..]));
    assert_eq!(&answer[24..26], &(answer.len() as u16 - 36).to_le_bytes());
    assert_eq!(String::from_utf8_lossy(&answer[40..]), "WYZE_CAKP2JFUS 4.36.13.0416");
    while client.camera.poll_event().is_some() {}
    for (io_type, video, audio) in
        [(0x02FF, false, true), (0x0301, false, false), (0x01FF, true, false), (0x0300, true, true)]
    {
        client.send_io_type(io_type, &[0; 8]);
        let event = client.camera.poll_event();
        let Some(CameraEvent::Streaming { video: v, audio: a, .. }) = event else {
            panic!("{io_type:#06x}: {event:?}")
        };
        assert_eq!((v, a), (video, audio), "{io_type:#06x}");
    }
    client.send_io_type(0x1001, &[1, 5, 0, 0, 0, 0, 0, 0]);
    client.send_io_type(0x1002, &[]);
    assert_eq!(client.take_acks().len(), 6, "all but the one with an answer");
    let types: Vec<u16> = client.camera.io_types().iter().map(|(io_type, _)| *io_type).collect();
    assert_eq!(types, [0x0340, 0x02FF, 0x0301, 0x01FF, 0x0300, 0x1001, 0x1002]);
    assert_eq!(client.camera.io_types()[5].1, [1, 5, 0, 0, 0, 0, 0, 0]);
    client.command(&message(NIGHT_VISION, &[]));
    client.pass(Duration::from_millis(100));
    assert_no_deviations(&client);
}

#[test]
fn io_types_that_the_camera_lacks_are_deviations() {
    for (io_types, io_type) in [(true, 0x0400), (false, 0x0340)] {
        let mut client = client(CameraConfig { io_types, ..config() });
        client.send_io_type(io_type, &[1, 2, 3]);
        assert_eq!(client.camera.log().byte_entries().count(), 1, "{}", client.camera.log());
        assert!(client.camera.io_types().is_empty() && client.take_acks().is_empty());
    }
    // The checks of other control frames hold for these.
    let mut client = client(config());
    client.send_io_type(0x0350, &[0; 8]);
    client.send_record(&{
        let mut frame = vec![0; 48];
        frame[..4].copy_from_slice(&[0x0C, 0, 0x0C, 0]);
        frame[36..38].copy_from_slice(&[0x51, 0x03]);
        frame
    });
    let log = client.camera.log();
    assert!(log.byte_entries().any(|entry| entry.text.contains("IO type: kind")), "{log}");
    assert!(log.to_string().contains("send counter is 0"), "{log}");
}
