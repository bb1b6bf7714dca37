//! Parsers return an error or a value, and never panic, for packets that are cut or mangled and for random bytes. What
//! a packet emits parses to the same packet.

mod support;

use gstwyze::protocol::credentials::{AuthKey, Credentials, Enr, Mac, Psk, Uid};
use gstwyze::protocol::dtls::record::records;
use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, EndpointState, Role};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::control::{self, Ack, ControlFrame};
use gstwyze::protocol::wire::frame_info::{self, FrameInfo};
use gstwyze::protocol::wire::hl::{self, Challenge, ChallengeAnswer, ChallengeStatus, Message, VideoParameters};
use gstwyze::protocol::wire::login::{Capabilities, Request, Response};
use gstwyze::protocol::wire::media::{self, FrameType, MediaChannel, MediaPacket};
use gstwyze::protocol::wire::probe::{Probe, ProbeAnswer};
use gstwyze::protocol::wire::talk::TalkFrame;
use gstwyze::protocol::wire::{Channel, SessionId, WireError, cc51, iotc, transcode};
use proptest::prelude::*;
use std::sync::LazyLock;
use support::{bytes, vectors};

const UID: &str = "HSBJYB5HSETGCDWD111A";

fn credentials() -> Credentials {
    Credentials::new(UID, "roTRg3tiuL3TjXhm", "AABBCCDDEEFF").unwrap()
}

fn signer() -> cc51::Signer {
    cc51::Signer::new(&credentials().uid, &credentials().auth_key())
}

/// Packets of every family: all golden ones, and some that only cameras send.
static VALID_PACKETS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(valid_packets);

fn valid_packets() -> Vec<Vec<u8>> {
    let vectors = vectors();
    let golden = ["client", "hl"].into_iter().flat_map(|section| vectors[section].as_object().unwrap().clone());
    let mut packets: Vec<_> = golden.filter(|(key, _)| key != "note").map(|(_, hex)| bytes(&hex)).collect();
    for stream in vectors["media"].as_array().unwrap() {
        // Take one packet of each channel and frame type.
        let mut media: Vec<_> = stream["packets"].as_array().unwrap().iter().map(bytes).collect();
        media.sort_by_key(|packet| [packet[0], packet[1]]);
        media.dedup_by_key(|packet| [packet[0], packet[1]]);
        packets.extend(media);
    }
    let challenge = Challenge { status: ChallengeStatus::Enr, challenge: [7; 16] }.emit();
    packets.push(ControlFrame { send_counter: 1, command_counter: 1, hl: &challenge }.emit());
    packets.push(challenge);
    packets.push(ChallengeAnswer { answer: [5; 16], random: [6; 4], video: true, audio: true }.emit());
    packets.push(parity_packet());
    packets
}

/// A parity packet of a camera in resend mode: its last 1044 bytes are made of those of 20 other packets.
fn parity_packet() -> Vec<u8> {
    let mut b = vec![0x5A; 1080];
    b[..16].copy_from_slice(&[0x0C, 0, 0x0B, 0, 9, 0, 0, 0, 1, 0, 20, 20, 1, 0, 0, 0]);
    b[16..26].copy_from_slice(&[0x0C, 0, 0, 0, 0, 0, 0, 0, 0x14, 0x04]);
    b
}

/// Runs every parser; none may panic.
fn parse_as_everything(b: &[u8], signer: &cc51::Signer) {
    let mut scrambled = b.to_vec();
    let _ = transcode::decode(&mut scrambled);
    let _ = iotc::Packet::parse(&scrambled);
    let mut scrambled = b.to_vec();
    let _ = transcode::encode(&mut scrambled);
    let _ = iotc::Packet::parse(b);
    let _ = iotc::names(b, &credentials().uid, SessionId([1, 2, 3, 4, 5, 6, 7, 8]));
    let _ = cc51::Packet::parse(b, signer);
    let _ = Ack::parse(b);
    let _ = (control::after_ack(b), control::channel_message_counter(b), Request::echo_of(b), Response::len(b));
    let _ = (Probe::parse_first(b), Probe::in_media(b), ProbeAnswer::parse(b), media::is_media(b));
    assert!(b.is_empty() || !ControlFrame::split(b).0.is_empty());
    let _ = Request::parse(b).map(|request| request.emit());
    let _ = Response::parse(b);
    let _ = FrameInfo::parse(b).map(|info| format!("{info:?} {:?}", info.audio_flags().rate()));
    let _ = TalkFrame::parse(b).map(|frame| frame.emit());
    let _ = Challenge::parse(b).map(|challenge| credentials().answer(&challenge));
    let _ = ChallengeAnswer::parse(b);
    let _ = ControlFrame::parse(b).and_then(|frame| Message::parse(frame.hl).map(|message| message.emit()));
    if let Ok(message) = Message::parse(b) {
        let _ = VideoParameters::parse(&message).map(|parameters| (parameters.emit(), parameters.emit_doorbell()));
    }
    if let Ok(media::Packet::Media(packet)) = media::Packet::parse(b) {
        assert!(packet.index < packet.total && packet.payload.len() <= b.len());
        let _ = (packet.emit(), packet.emit_wrapped());
    }
    assert!(records(b).map(|record| record.bytes.len()).sum::<usize>() <= b.len());
}

// Truncation

/// Asserts that `whole` parses and that it does not when cut at any length.
fn assert_needs_every_byte<T>(what: &str, whole: &[u8], parse: impl Fn(&[u8]) -> Result<T, WireError>) {
    assert!(parse(whole).is_ok(), "{what}");
    for len in 0..whole.len() {
        assert!(parse(&whole[..len]).is_err(), "{what} cut to {len} of {} bytes", whole.len());
    }
}

#[test]
fn no_parser_panics_on_a_packet_cut_at_any_length() {
    let signer = signer();
    for packet in VALID_PACKETS.iter() {
        for len in 0..=packet.len() {
            parse_as_everything(&packet[..len], &signer);
        }
    }
}

#[test]
fn packets_of_fixed_length_are_errors_when_cut() {
    let vectors = vectors();
    let client = |key: &str| bytes(&vectors["client"][key]);
    for key in ["disco_stage1", "disco_stage2", "session"] {
        assert_needs_every_byte(key, &client(key), |b| iotc::Packet::parse(b).map(drop));
    }
    let signer = signer();
    for key in ["cc51_seq0", "cc51_seq2", "cc51_keepalive1", "cc51_data_main", "cc51_data_back"] {
        assert_needs_every_byte(key, &client(key), |b| cc51::Packet::parse(b, &signer).map(drop));
    }
    for key in ["ack0", "ack1_rx7"] {
        assert_needs_every_byte(key, &client(key), Ack::parse);
    }
    assert_needs_every_byte("login1", &client("login1"), |b| Request::parse(b).map(drop));
    assert_needs_every_byte("FRAMEINFO", &[1; frame_info::SHORT_LEN], FrameInfo::parse);
    assert_needs_every_byte("transcode", &[1; 16], |b| transcode::decode(&mut b.to_vec()));
    assert_needs_every_byte("challenge", &[3; 17], Challenge::parse);
    assert_needs_every_byte("answer", &[3; 22], ChallengeAnswer::parse);
}

#[test]
fn packets_with_a_length_field_are_errors_when_cut() {
    let vectors = vectors();
    for (key, hex) in vectors["client"].as_object().unwrap() {
        if key.starts_with("audio_") {
            assert_needs_every_byte(key, &bytes(hex), |b| TalkFrame::parse(b).map(drop));
        } else if key.starts_with("ioctrl_") {
            let parse = |b: &[u8]| ControlFrame::parse(b).and_then(|frame| Message::parse(frame.hl).map(drop));
            assert_needs_every_byte(key, &bytes(hex), parse);
        }
    }
    for (key, hex) in vectors["hl"].as_object().unwrap() {
        assert_needs_every_byte(key, &bytes(hex), |b| Message::parse(b).map(drop));
    }
    for stream in vectors["media"].as_array().unwrap() {
        for (i, hex) in stream["packets"].as_array().unwrap().iter().enumerate() {
            let what = format!("{} packet {i}", stream["name"]);
            assert_needs_every_byte(&what, &bytes(hex), |b| media::Packet::parse(b).map(drop));
        }
    }
}

#[test]
fn packets_of_open_length_have_a_minimum_length() {
    let vectors = vectors();
    // Cameras differ in the tail of their login answer.
    let response = bytes(&vectors["client"]["login_response"]);
    assert_needs_every_byte("login_response", &response[..32], Response::parse);
    assert_needs_every_byte("parity", &parity_packet(), |b| media::Packet::parse(b).map(drop));
    assert_eq!(media::Packet::parse(&parity_packet()), Ok(media::Packet::Parity));
    // The payload, DTLS, has its own length; here one byte of it is enough.
    let data = bytes(&vectors["client"]["data_main0"]);
    assert_needs_every_byte("data_main0", &data[..29], |b| iotc::Packet::parse(b).map(drop));
    let payload = bytes(&vectors["hl"]["k10056_1080p_best"]);
    for (len, expected) in [(2, None), (3, Some(240))] {
        let message = Message { command: hl::RESOLUTION, payload: &payload[16..16 + len] };
        assert_eq!(VideoParameters::parse(&message).map(|parameters| parameters.bitrate), expected);
    }
}

#[test]
fn a_status_that_expects_no_answer_may_come_without_a_challenge() {
    for status in [2, 4, 5] {
        assert_eq!(Challenge::parse(&[status]), Ok(Challenge { status: status.into(), challenge: [0; 16] }));
    }
    for status in [1, 3, 6] {
        assert!(Challenge::parse(&[status]).is_err());
    }
}

#[test]
fn records_of_a_datagram_end_before_one_that_is_cut() {
    let record = |sequence: u8, body: &[u8]| {
        [&[23, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, sequence, 0, body.len() as u8], body].concat()
    };
    let datagram = [record(1, b"first"), record(2, b""), record(3, b"third")].concat();
    let sequences = |b: &[u8]| records(b).map(|record| record.sequence).collect::<Vec<_>>();
    for len in 0..=datagram.len() {
        let whole = [18, 31, 49].iter().filter(|&&end| end <= len).count();
        assert_eq!(sequences(&datagram[..len]), [1, 2, 3][..whole], "cut to {len}");
    }
    let first = records(&datagram).next().unwrap();
    assert!(first.is_application_data() && first.epoch == 1 && first.bytes == &datagram[..18]);
}

// Noise

/// Returns an endpoint with a session, a client that waits for the answer to its hello, and a server that waits for
/// one.
fn endpoints() -> [Endpoint; 3] {
    let endpoint = |role| Endpoint::new(&EndpointSettings::new(role, credentials().psk())).unwrap();
    let (mut client, mut server) = (endpoint(Role::Client), endpoint(Role::Server { hello_verify: false }));
    while *client.state() != EndpointState::Established {
        while let Some(datagram) = client.poll_transmit() {
            server.handle_datagram(&datagram, |_| {});
        }
        while let Some(datagram) = server.poll_transmit() {
            client.handle_datagram(&datagram, |_| {});
        }
    }
    [client, endpoint(Role::Client), endpoint(Role::Server { hello_verify: true })]
}

#[derive(Debug, Clone)]
enum Mutation {
    Set { at: usize, to: u8 },
    Flip { at: usize, bit: u8 },
    Insert { at: usize, bytes: Vec<u8> },
    Remove { at: usize, len: usize },
    Repeat { at: usize, len: usize },
}

impl Mutation {
    fn apply(&self, b: &mut Vec<u8>) {
        let place = |at: usize| if b.is_empty() { 0 } else { at % b.len() };
        match self {
            Mutation::Set { at, to } if !b.is_empty() => {
                let at = place(*at);
                b[at] = *to;
            }
            Mutation::Flip { at, bit } if !b.is_empty() => {
                let at = place(*at);
                b[at] ^= 1 << bit;
            }
            Mutation::Insert { at, bytes } => {
                let at = place(*at);
                b.splice(at..at, bytes.iter().copied());
            }
            Mutation::Remove { at, len } => {
                let at = place(*at);
                b.drain(at..(at + len).min(b.len()));
            }
            Mutation::Repeat { at, len } => {
                let at = place(*at);
                let copy = b[at..(at + len).min(b.len())].to_vec();
                b.splice(at..at, copy);
            }
            _ => {}
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // Half of them in the header, which is most of what is parsed.
    let at = prop_oneof![0..64usize, any::<usize>()].boxed();
    let edge = prop_oneof![any::<u8>(), Just(0), Just(0xFF), Just(0x28), Just(0x7F), Just(0x80)];
    prop_oneof![
        (at.clone(), edge).prop_map(|(at, to)| Mutation::Set { at, to }),
        (at.clone(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        (at.clone(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Mutation::Insert { at, bytes }),
        (at.clone(), 1..600usize).prop_map(|(at, len)| Mutation::Remove { at, len }),
        (at, 1..600usize).prop_map(|(at, len)| Mutation::Repeat { at, len }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_parser_panics_on_random_bytes(b in prop::collection::vec(any::<u8>(), 0..700)) {
        parse_as_everything(&b, &signer());
    }

    #[test]
    fn no_parser_panics_on_a_mangled_packet(
        which in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let mut b = VALID_PACKETS[which.index(VALID_PACKETS.len())].clone();
        for mutation in &mutations {
            mutation.apply(&mut b);
        }
        parse_as_everything(&b, &signer());
    }

    #[test]
    fn a_cc51_packet_with_a_flipped_bit_does_not_verify(at in 0..52usize, bit in 0..8u8) {
        let signer = signer();
        let discovery = cc51::Discovery { from_camera: true, step: 1, ticket: 7, session_id: SessionId([3; 8]) };
        let mut b = discovery.emit(&signer);
        b[at] ^= 1 << bit;
        prop_assert_ne!(cc51::Packet::parse(&b, &signer), Ok(cc51::Packet::Discovery(discovery)));
    }

    #[test]
    fn credentials_reject_invalid_characters(uid in ".{0,30}", enr in ".{0,300}", mac in ".{0,20}") {
        let (uid, enr, mac) = (Uid::new(&uid), Enr::new(&enr), Mac::new(&mac));
        if let Ok(uid) = uid {
            prop_assert!(uid.bytes().iter().all(u8::is_ascii_alphanumeric));
        }
        if let Ok(enr) = enr {
            prop_assert!(enr.bytes().iter().all(u8::is_ascii_graphic) && enr.bytes().len() >= 16);
        }
        if let Ok(mac) = mac {
            prop_assert!(mac.bytes().iter().all(u8::is_ascii_hexdigit));
        }
    }
}

proptest! {
    /// An endpoint may give up a handshake because of a message that could be genuine, but it neither panics nor loses
    /// an established session.
    #[test]
    fn random_records_neither_panic_an_endpoint_nor_end_a_session(
        kind in 19..26u8,
        epoch in 0..3u8,
        body in prop::collection::vec(any::<u8>(), 0..300),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        length_off_by in prop_oneof![4 => Just(0i16), 1 => -20..20i16],
    ) {
        let length = (body.len() as i16 + length_off_by).to_be_bytes();
        let header = [kind, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 9, length[0], length[1]];
        let datagram = [&header[..], &body, &tail].concat();
        let [mut established, mut client, mut server] = endpoints();
        for endpoint in [&mut established, &mut client, &mut server] {
            for len in [0, 1, 12, 13, datagram.len() / 2, datagram.len()] {
                let mut received = 0;
                endpoint.handle_datagram(&datagram[..len.min(datagram.len())], |_| received += 1);
                prop_assert_eq!(received, 0);
            }
        }
        prop_assert_eq!(established.state(), &EndpointState::Established);
    }
}

// Round trips

fn session_id() -> impl Strategy<Value = SessionId> {
    any::<[u8; 8]>().prop_map(SessionId)
}

fn uid() -> impl Strategy<Value = Uid> {
    "[0-9A-Za-z]{20}".prop_map(|text| Uid::new(&text).unwrap())
}

fn channel() -> impl Strategy<Value = Channel> {
    prop_oneof![Just(Channel::Main), Just(Channel::Back)]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..1300)
}

fn frame_info() -> impl Strategy<Value = FrameInfo> {
    (any::<(u16, u8, u8, u8, u8, u8, u8)>(), any::<(u32, u32, u32, u32)>(), any::<[u8; 16]>()).prop_map(
        |((codec, flags, camera, viewers, fps, frame_size, bitrate), (microseconds, seconds, size, number), mac)| {
            FrameInfo {
                codec: CodecId(codec),
                flags,
                camera,
                viewers,
                fps,
                frame_size,
                bitrate,
                microseconds,
                seconds,
                payload_size: size,
                frame_number: number,
                mac,
            }
        },
    )
}

/// A media packet with consistent fields, and its payload, which the packet is to borrow.
fn media_packet() -> impl Strategy<Value = (MediaPacket<'static>, Vec<u8>)> {
    let channel = prop::sample::select(vec![MediaChannel::Audio, MediaChannel::KeyVideo, MediaChannel::Video]);
    let frame_type =
        prop::sample::select(vec![0x00, 0x01, 0x04, 0x05, 0x08, 0x09, 0x0C, 0x0D, 0xF1]).prop_map(FrameType);
    let total = prop_oneof![1..200u16, 1..=u16::MAX];
    let rest = (any::<u16>(), any::<prop::sample::Index>(), any::<u32>(), any::<u32>());
    (channel, frame_type, total, rest, payload()).prop_map(|(channel, frame_type, total, rest, mut payload)| {
        let (sequence, index, previous_frame, frame_number) = rest;
        let index = index.index(usize::from(total)) as u16;
        let mut packet = MediaPacket {
            channel,
            frame_type,
            sequence,
            version: media::VERSION,
            counter: sequence,
            is_resent: false,
            total,
            index,
            previous_frame,
            frame_number,
            frame_info_len: 0,
            payload: &[],
        };
        if frame_type.has_frame_info(total, index) {
            packet.index = total - 1;
            packet.frame_info_len = frame_info::LENGTHS[usize::from(index % 4)];
            payload.extend(CodecId::H264.0.to_le_bytes());
            payload.extend(&[0; 48][2..packet.frame_info_len]);
        }
        (packet, payload)
    })
}

proptest! {
    #[test]
    fn transcode_decoding_reverses_encoding(mut b in prop::collection::vec(any::<u8>(), 16..700)) {
        let plain = b.clone();
        transcode::encode(&mut b).unwrap();
        transcode::decode(&mut b).unwrap();
        prop_assert_eq!(b, plain);
    }

    #[test]
    fn iotc_packets_round_trip(
        uid in uid(),
        session_id in session_id(),
        stage in any::<u8>(),
        key in prop::option::of("[0-9A-Za-z]{8}"),
        unix_time in any::<u32>(),
        (sequence, channel, payload) in (any::<u16>(), channel(), payload()),
        (alive, from_camera) in (any::<[u8; 8]>(), any::<bool>()),
    ) {
        let auth_key = key.map(|key| AuthKey::from_wire(key.as_bytes().try_into().unwrap()));
        let discovery = iotc::Discovery { uid, session_id, stage, auth_key };
        let b = discovery.emit(iotc::DISCOVERY_REQUEST);
        prop_assert_eq!(iotc::Packet::parse(&b), Ok(iotc::Packet::DiscoveryRequest(discovery)));
        let b = discovery.emit(iotc::DISCOVERY_RESPONSE);
        prop_assert_eq!(iotc::Packet::parse(&b), Ok(iotc::Packet::DiscoveryResponse { body: &b[16..] }));

        let session = iotc::Session { uid, session_id, unix_time };
        let b = session.emit(iotc::SESSION_REQUEST);
        prop_assert_eq!(iotc::Packet::parse(&b), Ok(iotc::Packet::SessionRequest(session)));
        let b = session.emit(iotc::SESSION_RESPONSE);
        prop_assert_eq!(iotc::Packet::parse(&b), Ok(iotc::Packet::SessionResponse { body: &b[16..] }));

        let data = iotc::Data { sequence, channel, session_id, payload: &payload };
        let command = if from_camera { iotc::DATA_FROM_CAMERA } else { iotc::DATA_FROM_CLIENT };
        let b = data.emit(command);
        prop_assert_eq!(iotc::Packet::parse(&b), Ok(iotc::Packet::Data { from_camera, data }));

        let command = if from_camera { iotc::KEEPALIVE_FROM_CAMERA } else { iotc::KEEPALIVE_FROM_CLIENT };
        let b = iotc::emit_keepalive(command, alive);
        prop_assert_eq!(iotc::Packet::parse(&b), Ok(iotc::Packet::Keepalive { from_camera, payload: alive }));
    }

    #[test]
    fn cc51_packets_round_trip(
        session_id in session_id(),
        (from_camera, step, ticket, counter) in any::<(bool, u16, u16, u32)>(),
        (channel, payload) in (channel(), payload()),
    ) {
        let signer = signer();
        let discovery = cc51::Discovery { from_camera, step, ticket, session_id };
        let b = discovery.emit(&signer);
        prop_assert_eq!(cc51::Packet::parse(&b, &signer), Ok(cc51::Packet::Discovery(discovery)));
        let keepalive = cc51::Keepalive { counter, session_id };
        let b = keepalive.emit(&signer);
        prop_assert_eq!(cc51::Packet::parse(&b, &signer), Ok(cc51::Packet::Keepalive(keepalive)));
        let data = cc51::Data { channel, ticket, session_id, payload: &payload };
        let b = data.emit(&signer);
        prop_assert_eq!(cc51::Packet::parse(&b, &signer), Ok(cc51::Packet::Data(data)));
    }

    #[test]
    fn acks_and_control_frames_round_trip(
        (send_counter, previous_highest, highest, counter, milliseconds) in any::<(u32, u16, u16, u16, u16)>(),
        (command, payload) in (any::<u16>(), prop::collection::vec(any::<u8>(), 0..600)),
    ) {
        let ack = Ack { send_counter, previous_highest, highest, counter, milliseconds };
        prop_assert_eq!(Ack::parse(&ack.emit()), Ok(ack));
        let message = Message { command, payload: &payload };
        let hl = message.emit();
        prop_assert_eq!(Message::parse(&hl), Ok(message));
        let frame = ControlFrame { send_counter, command_counter: counter, hl: &hl };
        let b = frame.emit();
        prop_assert_eq!(ControlFrame::parse(&b), Ok(frame));
    }

    #[test]
    fn hl_payloads_round_trip(
        (status, challenge) in any::<(u8, [u8; 16])>(),
        (answer, random, video, audio) in any::<([u8; 16], [u8; 4], bool, bool)>(),
        // 255 becomes 0 on the wire, which is valid input for the camera's parser.
        frame_size in prop_oneof![any::<u8>(), Just(255)],
        (bitrate, fps) in any::<(u16, u8)>(),
    ) {
        let challenge = Challenge { status: status.into(), challenge };
        prop_assert_eq!(challenge.status.number(), status);
        prop_assert_eq!(Challenge::parse(Message::parse(&challenge.emit()).unwrap().payload), Ok(challenge));
        let answer = ChallengeAnswer { answer, random, video, audio };
        prop_assert_eq!(ChallengeAnswer::parse(Message::parse(&answer.emit()).unwrap().payload), Ok(answer));
        let parameters = VideoParameters { frame_size, bitrate, fps };
        for b in [parameters.emit(), parameters.emit_doorbell()] {
            prop_assert_eq!(VideoParameters::parse(&Message::parse(&b).unwrap()), Some(parameters));
        }
    }

    #[test]
    fn logins_round_trip(
        (second, random, success, enabled, two_way_audio, resend) in any::<(bool, [u8; 4], bool, bool, bool, bool)>(),
        password in "[!-~]{1,256}",
    ) {
        let request = Request { second, random, password: password.as_bytes(), resend };
        prop_assert!(Request::parse(&request.emit()) == Ok(request));
        let capabilities = Capabilities(u32::from_be_bytes(random));
        let response = Response { echo: random, success, enabled, two_way_audio, resend, capabilities };
        prop_assert_eq!(Response::parse(&response.emit()), Ok(response));
    }

    #[test]
    fn media_packets_round_trip((packet, payload) in media_packet()) {
        let packet = MediaPacket { payload: &payload, ..packet };
        for b in [packet.emit(), packet.emit_wrapped()] {
            prop_assert_eq!(media::Packet::parse(&b), Ok(media::Packet::Media(packet)));
        }
    }

    #[test]
    fn frame_info_round_trips(info in frame_info()) {
        prop_assert_eq!(FrameInfo::parse(&info.emit()), Ok(info));
    }

    #[test]
    fn talk_frames_round_trip(
        (number, microseconds, codec, flags) in any::<(u32, u32, u16, u8)>(),
        audio in prop::collection::vec(any::<u8>(), 0..1100),
    ) {
        let frame =
            TalkFrame { number, microseconds, codec: CodecId(codec), flags: AudioFlags(flags), audio: &audio };
        let b = frame.emit();
        prop_assert_eq!(TalkFrame::parse(&b), Ok(frame));
    }
}

#[test]
fn secrets_print_as_stars() {
    let credentials = credentials();
    let psk: Psk = credentials.psk();
    assert_eq!(format!("{:?} {psk:?}", credentials.auth_key()), "*** ***");
    assert_eq!(format!("{credentials:?}"), "Credentials { uid: ***, enr: ***, mac: *** }");
}
