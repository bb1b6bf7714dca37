//! Tests of talk to the simulated camera with a hand-made client.

mod support;

use gstwyze::protocol::dtls::{Endpoint, EndpointState, Suite};
use gstwyze::protocol::wire::Channel;
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::hl::{self, MediaKind};
use gstwyze::protocol::wire::login;
use gstwyze::protocol::wire::talk::TalkFrame;
use std::net::SocketAddr;
use std::time::Duration;
use support::HandClient;
use wyze_camera::{
    CameraConfig, CameraEvent, CameraServer, Envelope, LinkConfig, MediaSource, ServerOptions, Synthetic,
    SyntheticConfig, Talk, TalkEnd,
};

const MS: Duration = Duration::from_millis(1);
const FRAME: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

fn config() -> CameraConfig {
    CameraConfig::demo().expect("the demonstration identity")
}

/// A streaming client of a camera that has sent µ-law, which is then also the codec of talk.
fn started(config: CameraConfig) -> HandClient {
    let mut client = HandClient::new(config);
    client.start();
    let video = SyntheticConfig { video: None, ..SyntheticConfig::default() };
    let (_, frame) = Synthetic::new(video).next_frame().expect("a frame");
    client.camera.push_frame(client.now, &frame);
    client.receive();
    client
}

fn talking(config: CameraConfig) -> HandClient {
    let mut client = started(config);
    client.ask_to_talk();
    client.run(100 * MS);
    assert_eq!(back_state(&client), Some(&EndpointState::Established));
    client
}

fn back_state(client: &HandClient) -> Option<&EndpointState> {
    client.back.endpoint.as_ref().map(Endpoint::state)
}

fn audio(number: u32) -> [u8; 160] {
    std::array::from_fn(|i| (number as usize * 7 + i) as u8)
}

fn frame(number: u32, audio: &[u8]) -> Vec<u8> {
    let flags = AudioFlags::new(8000, false).expect("a rate of the table");
    TalkFrame { number, microseconds: (number - 1) * 20_000, codec: CodecId::MULAW, flags, audio }.emit()
}

/// Sends the frames from `first` to `last`, spaced in the client's virtual time; returns their audio.
fn say(client: &mut HandClient, first: u32, last: u32) -> Vec<u8> {
    for number in first..=last {
        client.send_talk(&frame(number, &audio(number)));
        client.pass(FRAME);
        if number % 5 == 0 {
            client.ack();
        }
    }
    (first..=last).flat_map(audio).collect()
}

fn talks(client: &HandClient) -> Vec<&Talk> {
    client.camera.talks().collect()
}

fn assert_no_deviations(client: &HandClient) {
    assert!(client.camera.log().is_empty(), "{}", client.camera.log());
}

fn assert_logged(client: &HandClient, count: u64, text: &str) {
    let log = client.camera.log();
    assert!(log.count() == count && log.to_string().contains(text), "{count} with {text:?} expected:\n{log}");
}

#[test]
fn all_talk_arrives_with_every_suite_and_envelope() {
    let (chacha, aes) = (Suite::EcdhePskChacha20Poly1305, Suite::PskAes128CbcSha256);
    for envelope in [Envelope::Transcode, Envelope::Cc51] {
        for (talk_suites, expected) in [(vec![aes], aes), (vec![chacha], chacha), (vec![chacha, aes], chacha)] {
            let mut client = talking(CameraConfig { envelope, talk_suites, ..config() });
            let said = say(&mut client, 1, 100);
            client.stop_talking();
            assert_no_deviations(&client);
            assert_eq!(client.camera.talk_audio(), said);
            let talk = talks(&client)[0];
            assert_eq!((talk.suite, talk.frames, talk.bytes), (Some(expected), 100, 16_000));
            assert_eq!(
                (talk.codec, talk.end, talk.login_answers),
                (Some(CodecId::MULAW), Some(TalkEnd::SwitchedOff), 1)
            );
            assert_eq!(back_state(&client), Some(&EndpointState::Closed));
            let id = talk.client;
            let events: Vec<_> = std::iter::from_fn(|| client.camera.poll_event()).skip(2).collect();
            let expected = [
                CameraEvent::Talk { client: id, on: true },
                CameraEvent::TalkOpened { client: id, suite: Some(expected) },
                CameraEvent::Talk { client: id, on: false },
                CameraEvent::TalkEnded { client: id, end: TalkEnd::SwitchedOff },
            ];
            assert_eq!(events, expected);
        }
    }
}

#[test]
fn the_camera_logs_in_twice_if_configured() {
    let mut client = talking(CameraConfig { talk_login_twice: true, ..config() });
    say(&mut client, 1, 20);
    assert_no_deviations(&client);
    assert_eq!((client.back.logins, talks(&client)[0].login_answers), (2, 2));
}

#[test]
fn an_unanswered_login_is_repeated_and_finally_given_up() {
    for (silence, talk_login_twice, logins) in [(3 * SECOND, false, 4), (11 * SECOND, false, 10)] {
        let mut client = started(CameraConfig { talk_login_twice, ..config() });
        client.ask_to_talk();
        client.back.ignore_logins = true;
        client.run(silence);
        client.back.ignore_logins = false;
        client.run(2 * SECOND);
        assert!(client.back.logins.abs_diff(logins) <= 1, "{}", client.back.logins);
        if silence < 5 * SECOND {
            assert_no_deviations(&client);
            assert_eq!(talks(&client)[0].login_answers, 1);
        } else {
            assert_logged(&client, 1, "the login was not answered within 10 s");
            assert_eq!(talks(&client)[0].end, Some(TalkEnd::Failed));
            assert_eq!(back_state(&client), Some(&EndpointState::Closed));
        }
    }
}

#[test]
fn each_wrong_byte_of_a_frame_is_logged() {
    let right = frame(1, &audio(1));
    for at in (0..36).chain(right.len() - 16..right.len()) {
        let mut client = talking(config());
        let mut wrong = right.clone();
        wrong[at] ^= 0x40;
        client.send_talk(&wrong);
        assert!(client.camera.log().byte_entries().count() > 0, "{at}: {}", client.camera.log());
    }
    for (wrong, text) in [
        (&right[..52], "more than 52 needed"),
        (&right[..100], "instead of"),
        (&[0x77; 80], "starts with"),
        (&[3, 9], "more than 52 needed"),
        (&[7], "starts with"),
    ] {
        let mut client = talking(config());
        client.send_talk(wrong);
        let log = client.camera.log();
        assert!(log.byte_entries().count() > 0 && log.to_string().contains(text), "{text}: {log}");
    }
}

#[test]
fn each_wrong_byte_of_a_login_answer_is_logged() {
    let mut client = started(config());
    client.back.ignore_logins = true;
    client.ask_to_talk();
    client.run(100 * MS);
    let [first, rest @ ..] = client.back.echo;
    let answer = |first: u8| {
        let echo = [first, rest[0], rest[1], rest[2]];
        login::Response::welcome(echo).emit()
    };
    for at in 0..60 {
        let mut wrong = answer(first);
        wrong[at] ^= 0x40;
        let before = client.camera.log().count();
        client.send_talk(&wrong);
        assert!(client.camera.log().count() > before, "{at}: {}", client.camera.log());
    }
    let before = client.camera.log().count();
    // A right answer to either of the two requests is fine.
    client.send_talk(&answer(first.wrapping_sub(1)));
    client.send_talk(&answer(first));
    client.send_talk(&frame(1, &audio(1)));
    assert_eq!(client.camera.log().count(), before);
}

#[test]
fn wrong_order_codec_and_pace_are_logged() {
    let mut client = talking(config());
    say(&mut client, 1, 10);
    say(&mut client, 12, 15);
    assert_logged(&client, 1, "number is 12 instead of 11");
    assert_eq!(client.camera.log().byte_entries().count(), 0);

    let mut client = talking(config());
    let flags = AudioFlags::new(16000, false).expect("a rate of the table");
    for number in 1..4 {
        let (codec, microseconds) = (CodecId::ALAW, (number - 1) * 10_000);
        client.send_talk(&TalkFrame { number, microseconds, codec, flags, audio: &audio(1) }.emit());
    }
    assert_logged(&client, 1, "A-law (0x8A) with flags 0e; the camera speaks G.711 µ-law (0x89) with flags 02");

    let mut client = talking(config());
    for number in 1..=50 {
        client.send_talk(&frame(number, &audio(number)));
    }
    assert_logged(&client, 1, "160 ms before its time");
}

#[test]
fn a_second_talk_has_to_count_from_one() {
    let mut client = talking(config());
    let first = say(&mut client, 1, 30);
    client.stop_talking();
    client.run(200 * MS);
    client.ask_to_talk();
    client.run(100 * MS);
    let second = say(&mut client, 1, 20);
    client.stop_talking();
    assert_no_deviations(&client);
    assert_eq!(talks(&client).iter().map(|talk| &talk.audio).collect::<Vec<_>>(), [&first, &second]);
    assert_eq!(client.camera.take_talk_audio(), [first, second].concat());
    assert!(client.camera.talk_audio().is_empty());

    client.ask_to_talk();
    client.run(100 * MS);
    say(&mut client, 21, 22);
    assert_logged(&client, 1, "number is 21 instead of 1");
}

#[test]
fn a_repeated_k10010_changes_nothing() {
    let mut client = talking(config());
    say(&mut client, 1, 10);
    assert_eq!(client.command(&hl::media(MediaKind::ReturnAudio, true)), [1]);
    say(&mut client, 11, 20);
    client.stop_talking();
    client.stop_talking();
    assert_no_deviations(&client);
    assert_eq!((talks(&client).len(), talks(&client)[0].frames), (1, 20));
}

#[test]
fn audio_after_the_end_is_logged() {
    let late = [&[23, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 99, 0, 240][..], &[0; 240]].concat();
    let mut client = talking(config());
    say(&mut client, 1, 10);
    client.stop_talking();
    // A record this short may be the answer to a login that the camera sent before K10010 came.
    client.send_dtls(Channel::Back, &late[..13 + 112]);
    assert_no_deviations(&client);
    client.send_dtls(Channel::Back, &late);
    assert_logged(&client, 1, "audio after the end");
    assert_eq!(talks(&client)[0].frames, 10);

    // After the camera hangs up, audio is allowed for a second, until the client must know of it.
    let mut client = talking(CameraConfig { close_talk_after: Some(300 * MS), ..config() });
    say(&mut client, 1, 5);
    client.run(400 * MS);
    client.send_dtls(Channel::Back, &late);
    assert_no_deviations(&client);
    client.run(SECOND);
    client.send_dtls(Channel::Back, &late);
    assert_logged(&client, 1, "audio after the end");
}

#[test]
fn the_camera_hangs_up_and_takes_another_talk() {
    let mut client = talking(CameraConfig { close_talk_after: Some(300 * MS), ..config() });
    let said = say(&mut client, 1, 10);
    client.run(400 * MS);
    assert_eq!(back_state(&client), Some(&EndpointState::Closed));
    assert_eq!(talks(&client)[0].end, Some(TalkEnd::HungUp));
    client.stop_talking();
    client.camera.config_mut().close_talk_after = None;
    client.ask_to_talk();
    client.run(100 * MS);
    say(&mut client, 1, 20);
    assert_no_deviations(&client);
    assert!(client.camera.talk_audio().starts_with(&said) && talks(&client).len() == 2);
}

#[test]
fn a_client_has_to_switch_talk_off() {
    for (switch_off, log_len) in [(true, 0), (false, 1)] {
        let mut client = talking(config());
        say(&mut client, 1, 10);
        client.back.endpoint.as_mut().expect("the back channel").close();
        client.flush();
        assert_eq!(talks(&client)[0].end, Some(TalkEnd::ClientClosed));
        client.run(SECOND);
        if switch_off {
            client.stop_talking();
        }
        client.run(3 * SECOND);
        assert_eq!(client.camera.log().count(), log_len, "{}", client.camera.log());
    }
    let mut client = talking(config());
    say(&mut client, 1, 10);
    client.run(6 * SECOND);
    assert_logged(&client, 1, "nothing heard for 5 s");

    let mut client = talking(config());
    say(&mut client, 1, 10);
    client.say_goodbye();
    client.pass(20 * SECOND);
    assert_no_deviations(&client);
    assert_eq!(talks(&client)[0].end, Some(TalkEnd::SessionOver));
}

#[test]
fn a_camera_that_does_not_listen_opens_no_back_channel() {
    let stalled = CameraConfig { stall_talk: true, ..config() };
    let one_way = CameraConfig { two_way_audio: false, ..config() };
    for config in [stalled, one_way] {
        let mut client = started(config);
        client.ask_to_talk();
        client.run(5 * SECOND);
        client.stop_talking();
        assert_no_deviations(&client);
        assert_eq!((client.back.datagrams, talks(&client).len()), (0, 0));
    }
    let mut client = started(CameraConfig { refuse_talk: true, ..config() });
    client.take_media();
    for on in [true, true, false] {
        client.send_command(&hl::media(MediaKind::ReturnAudio, on));
        client.run(SECOND);
    }
    assert_no_deviations(&client);
    assert_eq!((client.back.datagrams, client.records.len()), (0, 0));
}

#[test]
fn an_unanswered_handshake_is_given_up() {
    let mut client = started(CameraConfig { talk_delay: 2 * SECOND, ..config() });
    client.ask_to_talk();
    client.back.endpoint = None;
    client.run(1900 * MS);
    assert_eq!(client.back.datagrams, 0);
    client.run(11 * SECOND);
    assert!((10..15).contains(&client.back.datagrams), "{}", client.back.datagrams);
    assert_logged(&client, 1, "the handshake was not answered within 10 s");
    assert_eq!(talks(&client)[0].end, Some(TalkEnd::Failed));
}

#[test]
fn talk_opens_whichever_single_datagram_is_lost() {
    for lost in 1..=10 {
        let mut client = started(config());
        client.back.lost = Some(lost);
        client.ask_to_talk();
        for _ in 0..20 {
            client.run(100 * MS);
            if client.back.datagrams > 0 {
                // OpenSSL's timer runs in real time.
                std::thread::sleep(15 * MS);
            }
        }
        assert_eq!(talks(&client)[0].login_answers, 1, "{lost}: {}", client.camera.log());
    }
}

#[test]
fn frames_of_talk_stay_intact_over_a_bad_link() {
    for seed in 1..=3 {
        let options = ServerOptions { seed, ..ServerOptions::default() };
        let media = MediaSource::Synthetic(SyntheticConfig { video: None, ..SyntheticConfig::default() });
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let camera = CameraServer::start_with(config(), listen, media, options).expect("two sockets");
        let mut client = HandClient::on_udp(config(), camera.addr());
        client.start();
        client.listen(50 * MS);
        let bad = LinkConfig { loss: 0.15, reorder: 0.1, duplicate: 0.1, ..LinkConfig::default() };
        camera.set_links(bad, bad);
        client.expect_talk();
        for _ in 0..40 {
            if camera.talks().is_empty() {
                client.send_command(&hl::media(MediaKind::ReturnAudio, true));
            }
            client.listen(100 * MS);
            if camera.talks().first().is_some_and(|talk| talk.login_answers > 0) {
                break;
            }
        }
        for number in 1..=30 {
            client.send_talk(&frame(number, &audio(number)));
        }
        client.listen(50 * MS);
        let talk = camera.talks().remove(0);
        assert!(talk.login_answers > 0 && (15..30).contains(&talk.frames), "{talk:?}\n{}", camera.log());
        for (number, frame) in talk.numbered_frames() {
            assert_eq!(frame, audio(number));
        }
        let log = camera.stop();
        assert_eq!(log.byte_entries().count(), 0, "{log}");
    }
}
