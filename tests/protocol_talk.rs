//! Talk by the sans-IO client to the simulated camera, in memory, in virtual time.

#[path = "support/world.rs"]
mod world;

use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, EndpointState, Role, Suite};
use gstwyze::protocol::talk::{Talk, TalkAudio, TalkError, TalkEvent};
use gstwyze::protocol::trace::{Direction, Trace, TraceSink};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::{Channel, login};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::{Cipher, encrypt_aead};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
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
                assert_eq!(world.talk_sent, 100 * FRAME);
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

#[test]
fn the_talker_knows_at_any_time_how_much_of_its_sound_waits() {
    let mut world = watching(camera_config(Envelope::Transcode), 8);
    open(&mut world);
    for number in 0..50 {
        world.client.send_talk(frame(number), world.now);
    }
    world.run_until(20 * FRAME, |_| false);
    let sent = world.talk_sent;
    assert!((20 * FRAME..=22 * FRAME).contains(&sent), "{sent:?}");
    world.client.flush_talk();
    world.run_until(FRAME, |_| false);
    assert_eq!(world.talk_sent, 50 * FRAME, "what is dropped does not wait either");
    for number in 50..650 {
        world.client.send_talk(frame(number), world.now);
    }
    world.run_until(FRAME, |_| false);
    assert!(world.talk_sent >= 150 * FRAME, "what is beyond ten seconds neither: {:?}", world.talk_sent);
}

/// The camera's end of the back channel, with the keys of its DTLS session: OpenSSL sends no alert on request.
struct KeyedCamera {
    endpoint: Endpoint,
    keys: Arc<KeyLog>,
    client_random: Vec<u8>,
    server_random: Vec<u8>,
}

#[derive(Default)]
struct KeyLog(Mutex<String>);

impl TraceSink for KeyLog {
    fn datagram(&self, _: Direction, _: SocketAddr, _: SocketAddr, _: &[u8]) {}
    fn refused(&self, _: SocketAddr) {}
    fn record(&self, _: Direction, _: Channel, _: &[u8]) {}
    fn key_log(&self, line: &str) {
        *self.0.lock().unwrap() = line.to_owned();
    }
}

impl KeyedCamera {
    /// Shakes hands with `talk`, and logs in if `logs_in`.
    fn connect(talk: &mut Talk, now: Instant, logs_in: bool) -> Self {
        let keys = Arc::new(KeyLog::default());
        let mut settings = EndpointSettings::new(Role::Client, world::credentials().psk());
        settings.suites = vec![Suite::EcdhePskChacha20Poly1305];
        settings.key_log = Some(Trace(keys.clone()));
        let endpoint = Endpoint::new(&settings).unwrap();
        let mut camera = KeyedCamera { endpoint, keys, client_random: Vec::new(), server_random: Vec::new() };
        while *camera.endpoint.state() == EndpointState::Handshaking {
            camera.carry(talk, now);
        }
        if logs_in {
            let request = login::Request { second: false, random: [1, 2, 3, 4], password: b"x", resend: false };
            camera.endpoint.send(&request.emit());
            assert_eq!(camera.carry(talk, now), [TalkEvent::Ready]);
        }
        camera
    }

    /// Carries what both sides have to send, and returns the talk's events.
    fn carry(&mut self, talk: &mut Talk, now: Instant) -> Vec<TalkEvent> {
        let mut events = Vec::new();
        while let Some(datagram) = self.endpoint.poll_transmit() {
            // The randoms of hellos stand behind the headers of record and message, and the version.
            if datagram[13] == 1 {
                self.client_random = datagram[27..59].to_vec();
            }
            events.extend(talk.handle_datagram(now, &datagram));
        }
        while let Some(datagram) = talk.poll_transmit() {
            if datagram[0] == 22 && datagram[13] == 2 {
                self.server_random = datagram[27..59].to_vec();
            }
            self.endpoint.handle_datagram(&datagram, |_| {});
        }
        events
    }

    /// Makes a fatal alert (RFC 5246, 7.2) in a record of ChaCha20-Poly1305 (RFC 7905).
    fn fatal_alert(&self) -> Vec<u8> {
        let line = self.keys.0.lock().unwrap().clone();
        let secret = line.split(' ').nth(2).unwrap();
        let secret: Vec<u8> =
            (0..secret.len()).step_by(2).map(|at| u8::from_str_radix(&secret[at..at + 2], 16).unwrap()).collect();
        let seed = [b"key expansion", &self.server_random[..], &self.client_random].concat();
        let key = PKey::hmac(&secret).unwrap();
        let hmac = |data: &[u8]| Signer::new(MessageDigest::sha256(), &key).unwrap().sign_oneshot_to_vec(data).unwrap();
        let (mut a, mut block) = (seed.clone(), Vec::new());
        while block.len() < 88 {
            a = hmac(&a);
            block.extend(hmac(&[&a[..], &seed].concat()));
        }
        // Epoch 1, and a number after those of the camera's own records.
        let number = [0, 1, 0, 0, 0, 0, 0, 9];
        let mut nonce = block[64..76].to_vec();
        nonce[4..].iter_mut().zip(number).for_each(|(byte, n)| *byte ^= n);
        let header = [&number[..], &[21, 0xFE, 0xFD, 0, 2]].concat();
        let (mut tag, internal_error) = ([0; 16], [2, 80]);
        let cipher = Cipher::chacha20_poly1305();
        let sealed = encrypt_aead(cipher, &block[..32], Some(&nonce), &header, &internal_error, &mut tag).unwrap();
        [&[21, 0xFE, 0xFD][..], &number, &[0, 18], &sealed, &tag].concat()
    }
}

/// An alert ends the talk as a goodbye does, before the login and after it. Nothing is sent any more.
#[test]
fn a_fatal_alert_ends_the_talk() {
    for logs_in in [false, true] {
        let now = Instant::now();
        let mut talk = Talk::new(world::credentials().psk(), None, now);
        let mut camera = KeyedCamera::connect(&mut talk, now, logs_in);
        if logs_in {
            talk.send(frame(1), now);
            assert_eq!(talk.handle_timeout(now), None);
            assert_eq!(talk.sent(), 1);
        }
        let alert = camera.fatal_alert();
        assert_eq!(talk.handle_datagram(now, &alert), Some(TalkEvent::Failed(TalkError::HungUp)), "{logs_in}");
        talk.send(frame(2), now);
        talk.handle_timeout(now + FRAME);
        assert_eq!(talk.sent(), u64::from(logs_in));
        camera.carry(&mut talk, now);
    }
}
