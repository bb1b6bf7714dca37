//! Compares the library with every entry of `tests/vectors/vectors.json`, byte for byte.

mod support;

use gstwyze::protocol::credentials::{AuthKey, Credentials, Uid};
use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::reassembly::{Frame, Insert, Reassembler};
use gstwyze::protocol::record_window::RecordWindow;
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::control::{Ack, ControlFrame};
use gstwyze::protocol::wire::hl::{self, Challenge, ChallengeStatus, MediaKind, Message, VideoParameters};
use gstwyze::protocol::wire::login::{Request, Response};
use gstwyze::protocol::wire::media::{self, MediaChannel, MediaPacket};
use gstwyze::protocol::wire::talk::TalkFrame;
use gstwyze::protocol::wire::{Channel, SessionId, cc51, iotc, transcode, xxtea};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use support::{bytes, text, vectors};

/// The payload of the data packets in section `client`.
const DTLS: &[u8] = b"\x16\xFE\xFD\0\0\0\0\0\0\0\0\0\x04\x01\x02\x03\x04";

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn array<const N: usize>(hex: &Value) -> [u8; N] {
    bytes(hex).try_into().expect("the array's length")
}

fn number(hex: &Value) -> u16 {
    u16::from_str_radix(text(hex).trim_start_matches("0x"), 16).unwrap()
}

/// The identity and session of section `client`.
struct Identity {
    credentials: Credentials,
    session_id: SessionId,
    login_random: [u8; 4],
    ticket: u16,
}

impl Identity {
    fn of(vectors: &Value) -> Self {
        let identity = &vectors["identity"];
        Identity {
            credentials: Credentials::new(text(&identity["uid"]), text(&identity["enr"]), text(&identity["mac"]))
                .unwrap(),
            session_id: SessionId(array(&identity["session_id"])),
            login_random: array(&identity["login_random"]),
            ticket: number(&identity["ticket"]),
        }
    }

    fn signer(&self) -> cc51::Signer {
        cc51::Signer::new(&self.credentials.uid, &self.credentials.auth_key())
    }
}

/// The entries of a section. A test takes each one and asserts that none is left, so that a new entry fails it until it
/// is tested too.
struct Entries<'a>(serde_json::Map<String, Value>, &'a str);

impl<'a> Entries<'a> {
    fn of(vectors: &Value, name: &'a str) -> Self {
        Entries(vectors[name].as_object().expect("an object").clone(), name)
    }

    fn take(&mut self, key: &str) -> Vec<u8> {
        bytes(&self.0.remove(key).unwrap_or_else(|| panic!("no {key} in {}", self.1)))
    }

    /// Takes a packet, and asserts that `emitted` equals it.
    fn check(&mut self, key: &str, emitted: impl AsRef<[u8]>) -> Vec<u8> {
        let golden = self.take(key);
        assert_eq!(emitted.as_ref(), golden, "{key}");
        golden
    }
}

#[test]
fn every_section_of_the_file_is_tested() {
    let vectors = vectors();
    let mut names: Vec<_> = vectors.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut tested = ["about", "identity", "authkey", "psk", "transcode", "xxtea_decrypt", "challenge"]
        .into_iter()
        .chain(["client", "hl", "media", "second_client"])
        .collect::<Vec<_>>();
    tested.sort_unstable();
    assert_eq!(names, tested);
}

#[test]
fn the_identity_gives_its_keys() {
    let vectors = vectors();
    let Identity { credentials, .. } = Identity::of(&vectors);
    assert_eq!(credentials.auth_key().bytes(), text(&vectors["identity"]["authkey"]).as_bytes());
    assert_eq!(credentials.psk().bytes()[..], bytes(&vectors["identity"]["psk"]));
}

#[test]
fn enr_and_mac_give_the_auth_key() {
    let vectors = vectors();
    for entry in list(&vectors["authkey"]) {
        let uid = text(&vectors["identity"]["uid"]);
        let credentials = Credentials::new(uid, text(&entry["enr"]), text(&entry["mac"])).unwrap();
        assert_eq!(credentials.auth_key().bytes(), text(&entry["authkey"]).as_bytes(), "{entry}");
    }
}

#[test]
fn a_psk_ends_at_its_first_zero_byte() {
    let vectors = vectors();
    let mut cut = 0;
    for entry in list(&vectors["psk"]) {
        let credentials =
            Credentials::new(text(&vectors["identity"]["uid"]), text(&entry["enr"]), "AABBCCDDEEFF").unwrap();
        let golden = bytes(&entry["psk"]);
        assert_eq!(credentials.psk().bytes()[..], golden, "{entry}");
        cut += usize::from(golden.contains(&0));
    }
    assert!(cut > 0, "one of the keys has a zero byte");
}

#[test]
fn transcode_encodes_and_decodes() {
    let vectors = vectors();
    let entries = list(&vectors["transcode"]);
    assert_eq!(entries.len(), 60);
    for entry in entries {
        let (plain, wire) = (bytes(&entry["plain"]), bytes(&entry["wire"]));
        let mut encoded = plain.clone();
        transcode::encode(&mut encoded).unwrap();
        assert_eq!(encoded, wire, "encoded {entry}");
        let mut decoded = wire;
        transcode::decode(&mut decoded).unwrap();
        assert_eq!(decoded, plain, "decoded {entry}");
    }
}

#[test]
fn xxtea_encrypts_and_decrypts() {
    let vectors = vectors();
    for entry in list(&vectors["xxtea_decrypt"]) {
        match bytes(&entry["plain"]).len() {
            16 => check_xxtea::<16>(entry),
            32 => check_xxtea::<32>(entry),
            other => panic!("{other} bytes"),
        }
    }
}

fn check_xxtea<const LEN: usize>(entry: &Value) {
    let (key, cipher, plain) = (array(&entry["key"]), array::<LEN>(&entry["cipher"]), array::<LEN>(&entry["plain"]));
    assert_eq!(xxtea::decrypt(cipher, key), plain, "{entry}");
    assert_eq!(xxtea::encrypt(plain, key), cipher, "{entry}");
}

#[test]
fn challenges_are_answered() {
    let vectors = vectors();
    for entry in list(&vectors["challenge"]) {
        let credentials =
            Credentials::new(text(&vectors["identity"]["uid"]), text(&entry["enr"]), "AABBCCDDEEFF").unwrap();
        let status = entry["status"].as_u64().unwrap() as u8;
        let challenge = Challenge { status: status.into(), challenge: array(&entry["challenge"]) };
        assert_eq!(credentials.answer(&challenge).unwrap()[..], bytes(&entry["answer"]), "{entry}");
        // Other statuses name no key.
        assert_eq!(credentials.answer(&Challenge { status: ChallengeStatus::Updating, ..challenge }), None);
    }
}

#[test]
fn client_packets_are_emitted_and_parsed() {
    let vectors = vectors();
    let identity = Identity::of(&vectors);
    let mut entries = Entries::of(&vectors, "client");
    transcode_envelope(&mut entries, &identity);
    cc51_envelope(&mut entries, &identity);
    login(&mut entries, &identity);
    acks_and_control_frames(&mut entries);
    talk_frames(&mut entries);
    assert!(text(&entries.0.remove("note").unwrap()).contains("before TransCode"));
    assert!(entries.0.is_empty(), "untested: {:?}", entries.0.keys());
}

fn transcode_envelope(entries: &mut Entries, identity: &Identity) {
    let (uid, session_id) = (identity.credentials.uid, identity.session_id);
    for (stage, key, auth_key) in
        [(1, "disco_stage1", Some(identity.credentials.auth_key())), (2, "disco_stage2", None::<AuthKey>)]
    {
        let discovery = iotc::Discovery { uid, session_id, stage, auth_key };
        let golden = entries.check(key, discovery.emit(iotc::DISCOVERY_REQUEST));
        assert_eq!(iotc::Packet::parse(&golden), Ok(iotc::Packet::DiscoveryRequest(discovery)));
    }

    // The note in the file gives the time.
    let session = iotc::Session { uid, session_id, unix_time: u32::from_le_bytes([0xB4, 0xF0, 0x02, 0x6B]) };
    let golden = entries.check("session", session.emit(iotc::SESSION_REQUEST));
    assert_eq!(iotc::Packet::parse(&golden), Ok(iotc::Packet::SessionRequest(session)));

    for (sequence, channel, key) in [(0, Channel::Main, "data_main0"), (1, Channel::Back, "data_back1")] {
        let data = iotc::Data { sequence, channel, session_id, payload: DTLS };
        let golden = entries.check(key, data.emit(iotc::DATA_FROM_CLIENT));
        assert_eq!(iotc::Packet::parse(&golden), Ok(iotc::Packet::Data { from_camera: false, data }));
    }

    let golden = entries.check("keepalive", iotc::emit_keepalive(iotc::KEEPALIVE_FROM_CLIENT, session_id.0));
    let keepalive = iotc::Packet::Keepalive { from_camera: false, payload: session_id.0 };
    assert_eq!(iotc::Packet::parse(&golden), Ok(keepalive));
}

fn cc51_envelope(entries: &mut Entries, identity: &Identity) {
    let (signer, session_id) = (identity.signer(), identity.session_id);
    let another = cc51::Signer::new(&identity.credentials.uid, &AuthKey::from_wire(*b"another."));
    let mut check = |key: &str, emitted: Vec<u8>, packet: cc51::Packet<'_>| {
        let golden = entries.check(key, emitted);
        assert_eq!(cc51::Packet::parse(&golden, &signer), Ok(packet), "{key}");
        assert!(cc51::Packet::parse(&golden, &another).is_err(), "{key} under another key");
    };
    for (step, ticket, key) in [(0, 0, "cc51_seq0"), (2, identity.ticket, "cc51_seq2")] {
        let discovery = cc51::Discovery { from_camera: false, step, ticket, session_id };
        check(key, discovery.emit(&signer), cc51::Packet::Discovery(discovery));
    }
    for (counter, key) in [(2, "cc51_keepalive1"), (4, "cc51_keepalive2")] {
        let keepalive = cc51::Keepalive { counter, session_id };
        check(key, keepalive.emit(&signer), cc51::Packet::Keepalive(keepalive));
    }
    for (channel, key) in [(Channel::Main, "cc51_data_main"), (Channel::Back, "cc51_data_back")] {
        let data = cc51::Data { channel, ticket: identity.ticket, session_id, payload: DTLS };
        check(key, data.emit(&signer), cc51::Packet::Data(data));
    }
}

fn login(entries: &mut Entries, identity: &Identity) {
    let password = identity.credentials.enr.bytes();
    for (second, key) in [(false, "login1"), (true, "login2")] {
        let request = Request { second, random: identity.login_random, password, resend: false };
        let golden = entries.check(key, request.emit());
        assert!(Request::parse(&golden) == Ok(request), "{key} parsed");
    }
    let response = Response::welcome([0x11, 0x22, 0x33, 0x44]);
    let golden = entries.check("login_response", response.emit());
    assert_eq!(Response::parse(&golden), Ok(response));
}

fn acks_and_control_frames(entries: &mut Entries) {
    let acks = [(0, 0xFFFF, 0xFFFF, "ack0"), (1, 0xFFFF, 7, "ack1_rx7"), (2, 7, 9, "ack2_rx9")];
    for (send_counter, previous_highest, highest, key) in acks {
        let counter = send_counter as u16 + 1;
        let ack = Ack { send_counter, previous_highest, highest, counter, milliseconds: 0x405C };
        let golden = entries.check(key, ack.emit());
        assert_eq!(Ack::parse(&golden), Ok(ack), "{key}");
    }
    let message = Message { command: hl::AUTH_REQUEST, payload: &[] };
    for (send_counter, command_counter, key) in [(3, 0, "ioctrl_a"), (4, 1, "ioctrl_b")] {
        let hl = message.emit();
        let frame = ControlFrame { send_counter, command_counter, hl: &hl };
        let golden = entries.check(key, frame.emit());
        assert_eq!(ControlFrame::parse(&golden), Ok(frame), "{key}");
        assert_eq!(Message::parse(ControlFrame::parse(&golden).unwrap().hl), Ok(message), "{key}");
    }
}

fn talk_frames(entries: &mut Entries) {
    let mulaw = (CodecId::MULAW, AudioFlags::new(8000, false).unwrap(), b"\x7F\x7E\x7D\x7C");
    let aac = (CodecId::AAC_WYZE, AudioFlags::new(16000, false).unwrap(), b"\xFF\xF1\x60\x40");
    for (key, number, microseconds, (codec, flags, audio)) in [
        ("audio_pcmu_1", 1, 0, mulaw),
        ("audio_pcmu_2", 2, 20_000, mulaw),
        ("audio_pcmu_3", 3, 40_000, mulaw),
        ("audio_aac_1", 1, 0, aac),
        ("audio_aac_2", 2, 64_000, aac),
    ] {
        let frame = TalkFrame { number, microseconds, codec, flags, audio };
        let golden = entries.check(key, frame.emit());
        assert_eq!(TalkFrame::parse(&golden), Ok(frame), "{key}");
    }
}

#[test]
fn hl_messages_are_emitted_and_parsed() {
    let vectors = vectors();
    let mut entries = Entries::of(&vectors, "hl");
    entries.check("k10000", hl::auth_request(&[CodecId::MULAW, CodecId::ALAW, CodecId::PCM]));
    entries.check("k10010_video_on", hl::media(MediaKind::Video, true));
    entries.check("k10010_talk_on", hl::media(MediaKind::ReturnAudio, true));
    entries.check("k10010_talk_off", hl::media(MediaKind::ReturnAudio, false));
    let mut check = |key: &str, parameters: VideoParameters, emitted: Vec<u8>| {
        let golden = entries.check(key, emitted);
        assert_eq!(VideoParameters::parse(&Message::parse(&golden).unwrap()), Some(parameters), "{key}");
    };
    let full_hd = VideoParameters { frame_size: 0, bitrate: 240, fps: 0 };
    let small = VideoParameters { frame_size: 1, bitrate: 60, fps: 0 };
    let two_k = VideoParameters { frame_size: 3, bitrate: 240, fps: 0 };
    check("k10056_1080p_best", full_hd, full_hd.emit());
    check("k10056_360p_sd", small, small.emit());
    check("k10056_2k_best", two_k, two_k.emit());
    check("k10052_1080p_best", full_hd, full_hd.emit_doorbell());
    assert!(entries.0.is_empty(), "untested: {:?}", entries.0.keys());
}

fn parse_media(packet: &[u8]) -> MediaPacket<'_> {
    match media::Packet::parse(packet) {
        Ok(media::Packet::Media(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

/// Gives media packets to a reassembler, and returns the frames with the channel on which they came.
fn reassemble(packets: &[Vec<u8>]) -> Vec<(MediaChannel, Frame)> {
    let (now, mut records) = (Instant::now(), RecordWindow::default());
    let mut reassembler = Reassembler::default();
    let mut frames = Vec::new();
    for (sequence, bytes) in (1..).zip(packets) {
        let packet = parse_media(bytes);
        records.authenticated(sequence, now, Duration::ZERO);
        assert_eq!(reassembler.insert(&packet, sequence, now), Insert::Taken);
        frames.extend(reassembler.poll(records.missing(), now, Duration::ZERO).map(|frame| (packet.channel, frame)));
    }
    assert_eq!(reassembler.incomplete.total(), 0);
    frames
}

#[test]
fn media_becomes_the_frames_that_were_sent() {
    let vectors = vectors();
    let names: Vec<_> = list(&vectors["media"]).iter().map(|entry| text(&entry["name"])).collect();
    assert_eq!(names, ["plain", "every_frame_type", "wrapped"]);
    for entry in list(&vectors["media"]) {
        let packets: Vec<_> = list(&entry["packets"]).iter().map(bytes).collect();
        let frames = reassemble(&packets);
        let golden = list(&entry["frames"]);
        assert_eq!(frames.len(), golden.len());
        for ((channel, frame), golden) in frames.iter().zip(golden) {
            let integer = |key: &str| golden[key].as_u64().unwrap();
            let info = &frame.info;
            assert_eq!(u64::from(channel.number()), integer("channel"), "{golden}");
            assert_eq!(frame.medium == Medium::Audio, integer("channel") == 3, "{golden}");
            assert_eq!(u64::from(info.frame_number), integer("frame_no"), "{golden}");
            assert_eq!(info.codec, CodecId(number(&golden["codec"])), "{golden}");
            assert_eq!(u64::from(info.flags), integer("flags"), "{golden}");
            assert_eq!(u64::from(info.microseconds), integer("microseconds"), "{golden}");
            assert_eq!(u64::from(info.seconds), integer("seconds"), "{golden}");
            assert_eq!(frame.data.len() as u64, integer("size"), "{golden}");
            assert_eq!(Sha256::digest(&frame.data)[..], bytes(&golden["sha256"]), "{golden}");
            assert!(!frame.after_gap, "{golden}");
        }
    }
}

#[test]
fn media_packets_are_emitted_as_they_came() {
    let vectors = vectors();
    for entry in list(&vectors["media"]) {
        let is_wrapped = text(&entry["name"]) == "wrapped";
        for golden in list(&entry["packets"]).iter().map(bytes) {
            let packet = parse_media(&golden);
            let emitted = if is_wrapped { packet.emit_wrapped() } else { packet.emit() };
            assert_eq!(parse_media(&emitted), packet);
            // Some bytes of the longer header and of the wrapper vary from camera to camera.
            if !is_wrapped && packet.frame_type.0 < 8 {
                assert_eq!(emitted, golden);
            } else {
                assert_eq!((emitted.len(), &emitted[..6]), (golden.len(), &golden[..6]));
            }
        }
    }
}

#[test]
fn an_answer_is_recognised_by_uid_or_session_id() {
    let vectors = vectors();
    let identity = Identity::of(&vectors);
    let stage1 = bytes(&vectors["client"]["disco_stage1"]);
    let body = &stage1[16..];
    let nobody = SessionId([9; 8]);
    assert!(iotc::names(body, &identity.credentials.uid, nobody));
    let stranger = Uid::new("HSBJYB5HSETGCDWD222A").unwrap();
    assert!(iotc::names(body, &stranger, identity.session_id));
    assert!(!iotc::names(body, &stranger, nobody));
}

/// The packets of another client, which streamed from three cameras of new firmware.
#[test]
fn a_second_client_sends_the_same_bytes() {
    let vectors = vectors();
    let mut second = vectors["second_client"].as_object().expect("an object").clone();
    let mut take = |key: &str| second.remove(key).unwrap_or_else(|| panic!("no {key}"));
    let (uid, mac) = (take("uid"), take("mac"));
    let with_enr = |enr: &str| Credentials::new(text(&uid), enr, text(&mac)).unwrap();
    let credentials = with_enr(text(&take("enr")));
    assert_eq!(credentials.auth_key().bytes(), text(&take("authkey")).as_bytes());
    assert_eq!(credentials.psk().bytes()[..], bytes(&take("psk")));
    let cut = take("psk_cut");
    assert_eq!(with_enr(text(&cut["enr"])).psk().bytes()[..], bytes(&cut["psk"]));

    let signer = cc51::Signer::new(&credentials.uid, &credentials.auth_key());
    let session_id = SessionId(array(&take("session_id")));
    let check = |golden: &[u8], emitted: Vec<u8>, packet: cc51::Packet<'_>| {
        assert_eq!(emitted, golden);
        assert_eq!(cc51::Packet::parse(golden, &signer), Ok(packet));
    };
    let discovery = cc51::Discovery { from_camera: false, step: 0, ticket: 0, session_id };
    let golden = bytes(&take("cc51_discovery_step0_ticket0"));
    check(&golden, discovery.emit(&signer), cc51::Packet::Discovery(discovery));
    let keepalive = cc51::Keepalive { counter: 42, session_id };
    let golden = bytes(&take("cc51_keepalive_counter42"));
    check(&golden, keepalive.emit(&signer), cc51::Packet::Keepalive(keepalive));
    let dtls = take("cc51_dtls");
    let payload = bytes(&dtls["payload"]);
    assert_eq!((dtls["channel"].as_u64(), text(&dtls["ticket"])), (Some(0), "05e0"));
    let data = cc51::Data { channel: Channel::Main, ticket: 0x05E0, session_id, payload: &payload };
    check(&bytes(&dtls["packet"]), data.emit(&signer), cc51::Packet::Data(data));

    for entry in list(&take("xxtea")) {
        assert_eq!(text(&entry["key"]), "0123456789abcdef (ASCII)");
        let key = *b"0123456789abcdef";
        match bytes(&entry["plain"]).len() {
            8 => assert_eq!(xxtea::decrypt::<8>(array(&entry["cipher"]), key), array(&entry["plain"])),
            _ => assert_eq!(xxtea::decrypt::<16>(array(&entry["cipher"]), key), array(&entry["plain"])),
        }
    }
    let golden = take("challenge");
    let credentials = with_enr(text(&golden["enr"]));
    for (status, key) in [(1, "status1"), (3, "status3"), (6, "status6")] {
        let challenge = Challenge { status: status.into(), challenge: array(&golden["challenge"]) };
        assert_eq!(credentials.answer(&challenge).unwrap()[..], bytes(&golden[key]), "{key}");
    }
    assert!(text(&take("about")).contains("second"));
    assert!(second.is_empty(), "untested: {:?}", second.keys());
}
