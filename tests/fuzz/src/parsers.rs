//! Targets for the parsers of each packet family: any bytes give an error or a value, and emitting a value gives bytes
//! that parse to the same value.

use super::input::Input;
use super::{credentials, signer};
use gstwyze::protocol::commands::device::{self, BatteryUse, Rtsp};
use gstwyze::protocol::commands::light_sound::Siren;
use gstwyze::protocol::commands::media::VideoAnswer;
use gstwyze::protocol::commands::motion::Detection;
use gstwyze::protocol::commands::pan_tilt::{self, Position, Waypoints};
use gstwyze::protocol::commands::settings::Parameters;
use gstwyze::protocol::commands::{picture, refusal};
use gstwyze::protocol::dtls::record::records;
use gstwyze::protocol::wire::control::{self, Ack, ControlFrame};
use gstwyze::protocol::wire::frame_info::FrameInfo;
use gstwyze::protocol::wire::hl::{Challenge, ChallengeAnswer, Message, VideoParameters};
use gstwyze::protocol::wire::login::{Request, Response};
use gstwyze::protocol::wire::media::{self, MediaPacket};
use gstwyze::protocol::wire::probe::{Probe, ProbeAnswer};
use gstwyze::protocol::wire::selective_ack::SelectiveAck;
use gstwyze::protocol::wire::talk::TalkFrame;
use gstwyze::protocol::wire::{Channel, SessionId, cc51, iotc, transcode};

/// Target `iotc`: packets of the Transcode envelope, with the input taken as scrambled and as plain bytes.
pub fn iotc(bytes: &[u8]) {
    let mut packet = bytes.to_vec();
    if transcode::decode(&mut packet).is_ok() {
        parse_iotc(&packet);
        transcode::encode(&mut packet).unwrap();
        assert_eq!(packet, bytes, "scrambled again");
    }
    parse_iotc(bytes);
}

fn parse_iotc(bytes: &[u8]) {
    let session_id = SessionId([1, 2, 3, 4, 5, 6, 7, 8]);
    iotc::discovery_answer(bytes);
    let Ok(packet) = iotc::Packet::parse(bytes) else { return };
    let emitted = match packet {
        iotc::Packet::DiscoveryRequest(discovery) => discovery.emit(iotc::DISCOVERY_REQUEST),
        iotc::Packet::Search { session_id } => iotc::emit_search(session_id),
        iotc::Packet::SessionRequest(session) => session.emit(iotc::SESSION_REQUEST),
        iotc::Packet::Data { from_camera: false, data } => data.emit(iotc::DATA_FROM_CLIENT),
        iotc::Packet::Data { from_camera: true, data } => data.emit(iotc::DATA_FROM_CAMERA),
        iotc::Packet::Keepalive { from_camera: true, payload } => {
            iotc::emit_keepalive(iotc::KEEPALIVE_FROM_CAMERA, payload)
        }
        iotc::Packet::DiscoveryResponse { body } | iotc::Packet::SessionResponse { body } => {
            iotc::names(body, &credentials().uid, session_id);
            return;
        }
        iotc::Packet::Keepalive { .. } | iotc::Packet::Unknown { .. } => return,
    };
    assert_eq!(iotc::Packet::parse(&emitted), Ok(packet));
}

/// Target `cc51`: packets of the CC51 envelope, from the bytes as they are, and signed ones with fields that the input
/// chooses.
pub fn cc51(bytes: &[u8]) {
    let signer = signer();
    cc51::discovery_version(bytes);
    let mut signed = bytes.to_vec();
    if cc51::sign_again(&mut signed, &signer, &signer) {
        assert_eq!(signed, bytes, "signed again with the same key");
    }
    if let Ok(packet) = cc51::Packet::parse(bytes, &signer) {
        sign_again(packet);
    }
    let mut input = Input::new(bytes);
    let session_id = SessionId(input.array());
    let packet = match input.below(3) {
        0 => cc51::Packet::Discovery(cc51::Discovery {
            from_camera: input.flag(),
            step: input.u16(),
            ticket: input.u16(),
            session_id,
        }),
        1 => cc51::Packet::Keepalive(cc51::Keepalive { counter: input.u32(), session_id }),
        _ => {
            let (channel, ticket) = (input.pick(&[Channel::Main, Channel::Back]), input.u16());
            let payload = input.take(usize::MAX);
            if payload.is_empty() {
                return;
            }
            cc51::Packet::Data(cc51::Data { channel, ticket, session_id, payload })
        }
    };
    sign_again(packet);
}

fn sign_again(packet: cc51::Packet<'_>) {
    let signer = signer();
    let emitted = match packet {
        cc51::Packet::Discovery(discovery) => discovery.emit(&signer),
        cc51::Packet::Keepalive(keepalive) => keepalive.emit(&signer),
        cc51::Packet::Data(data) => data.emit(&signer),
        cc51::Packet::Unknown { .. } => return,
    };
    assert_eq!(cc51::Packet::parse(&emitted, &signer), Ok(packet));
}

/// Target `control`: ACKs, logins, timing probes, control frames and the messages in them.
pub fn control(bytes: &[u8]) {
    if let Ok(ack) = Ack::parse(bytes) {
        assert_eq!(Ack::parse(&ack.emit()), Ok(ack));
    }
    if let Ok(request) = Request::parse(bytes) {
        assert!(Request::parse(&request.emit()) == Ok(request));
    }
    if let Ok(ack) = SelectiveAck::parse(bytes) {
        assert_eq!(SelectiveAck::parse(&ack.emit()), Ok(ack));
    }
    if let Ok((probe, _)) = Probe::parse_first(bytes) {
        assert_eq!(Probe::parse_first(&probe.emit()), Ok((probe, &[][..])));
    }
    if let Ok(answer) = ProbeAnswer::parse(bytes) {
        assert_eq!(ProbeAnswer::parse(&answer.emit()), Ok(answer));
    }
    assert!(Request::echo_of(bytes).is_none() || bytes.len() >= 24);
    assert!(Response::len(bytes) <= bytes.len() && control::after_ack(bytes).len() <= bytes.len());
    if !bytes.is_empty() {
        let (frame, rest) = ControlFrame::split(bytes);
        assert!(!frame.is_empty() && frame.len() + rest.len() == bytes.len());
    }
    if let Ok(message) = control::Message::parse(bytes) {
        assert_eq!(control::Message::parse(&message.emit()), Ok(message));
    }
    if let Ok(response) = Response::parse(bytes) {
        assert_eq!(Response::parse(&response.emit()), Ok(response));
    }
    if let Ok(frame) = ControlFrame::parse(bytes) {
        assert_eq!(ControlFrame::parse(&frame.emit()), Ok(frame));
        message(frame.hl);
    }
    message(bytes);
    answer(bytes);
    if let Ok(challenge) = Challenge::parse(bytes) {
        credentials().answer(&challenge);
    }
    if let Ok(answer) = ChallengeAnswer::parse(bytes) {
        let emitted = answer.emit();
        assert_eq!(ChallengeAnswer::parse(Message::parse(&emitted).unwrap().payload), Ok(answer));
    }
}

fn message(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    assert_eq!(Message::parse(&message.emit()), Ok(message));
    answer(message.payload);
    if let Some(parameters) = VideoParameters::parse(&message) {
        let parse = |emitted: &[u8]| VideoParameters::parse(&Message::parse(emitted).unwrap());
        assert_eq!(parse(&parameters.emit_doorbell()), Some(parameters));
        assert!(parse(&parameters.emit()).is_some());
    }
}

/// Takes a payload for the answer to each command.
fn answer(payload: &[u8]) {
    let _ = (VideoAnswer::parse(payload), Detection::parse(payload), BatteryUse::parse(payload));
    let _ = (device::parse_clock(payload), picture::NIGHT_VISION.parse(payload), refusal(payload));
    if let Ok(parameters) = Parameters::parse(payload) {
        parameters.pan_limits();
    }
    if let Ok(siren) = Siren::parse(payload) {
        siren.state();
    }
    if let Ok(rtsp) = Rtsp::parse(payload) {
        assert!(rtsp.url.is_none_or(|url| url.as_str().starts_with("rtsp://") && url.as_str().len() < payload.len()));
    }
    if let Ok(position) = Position::parse(payload)
        && let Ok(request) = pan_tilt::go_to(std::time::Duration::ZERO, position)
    {
        assert_eq!(Position::parse(Message::parse(&request.message).unwrap().payload), Ok(position));
    }
    if let Ok(points) = Waypoints::parse(payload)
        && let Ok(request) = points.write()
    {
        assert_eq!(Waypoints::parse(Message::parse(&request.message).unwrap().payload), Ok(points));
    }
}

/// Target `media`: media packets, the FRAMEINFO at a frame's end, and the DTLS records that carry them.
pub fn media(bytes: &[u8]) {
    assert!(records(bytes).map(|record| record.bytes.len()).sum::<usize>() <= bytes.len());
    if let Ok(info) = FrameInfo::parse(bytes) {
        assert_eq!(FrameInfo::parse(&info.emit()), Ok(info));
        assert!(!format!("{info:?} {:?}", info.audio_flags().rate()).is_empty());
    }
    let parsed = media::Packet::parse_first(bytes);
    assert!(parsed.is_err() || media::is_media(bytes) || bytes[0] & 1 == 0);
    let Ok((media::Packet::Media(mut packet), rest)) = parsed else { return };
    assert!(rest.len() < bytes.len());
    assert!(packet.index < packet.total && packet.payload.len() <= bytes.len());
    if packet.frame_info_len > 0 {
        assert!(FrameInfo::parse(&packet.payload[packet.payload.len() - packet.frame_info_len..]).is_ok());
        // In a packet that ends a frame a constant takes the index's place, so the index is read back as the last one.
        packet = MediaPacket { index: packet.total - 1, ..packet };
    }
    for emitted in [packet.emit(), packet.emit_wrapped()] {
        assert_eq!(media::Packet::parse(&emitted), Ok(media::Packet::Media(packet)));
    }
}

/// Target `talk`: frames to the camera's speaker.
pub fn talk(bytes: &[u8]) {
    if let Ok(frame) = TalkFrame::parse(bytes) {
        assert_eq!(TalkFrame::parse(&frame.emit()), Ok(frame));
    }
}
