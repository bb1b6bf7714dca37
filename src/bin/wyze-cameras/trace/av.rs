//! AV packets as a trace keeps them: without secrets, and media cut to their headers.

use super::redactor::Redactor;
use gstwyze::protocol::trace::Direction;
use gstwyze::protocol::wire::control::{self, ControlFrame};
use gstwyze::protocol::wire::media::{self, Packet};
use gstwyze::protocol::wire::probe::{self, Probe, ProbeAnswer};
use gstwyze::protocol::wire::{frame_info, hl, login};
use std::ops::Range;

/// The most bytes that are kept of a packet whose kind is not known.
const UNKNOWN: usize = 256;
/// The longest header of a media packet.
const MEDIA_HEADER: usize = 44;
/// Where a login's fields for user and password begin, and where what follows them does.
const PASSWORD: Range<usize> = 280..538;
/// Where the payload of an HL message begins.
const HL_PAYLOAD: usize = 16;
/// Where FRAMEINFO has the MAC, and the number behind it whose meaning is not known.
const FRAME_INFO_MAC: Range<usize> = 24..36;

/// One AV packet.
pub struct AvPacket {
    /// What is kept of it.
    pub bytes: Vec<u8>,
    /// The bytes of the packet that are left out.
    pub omitted: Range<usize>,
}

impl AvPacket {
    fn whole(bytes: &[u8]) -> Self {
        AvPacket { bytes: bytes.to_vec(), omitted: 0..0 }
    }

    fn without(bytes: &[u8], omitted: Range<usize>) -> Self {
        AvPacket { bytes: [&bytes[..omitted.start], &bytes[omitted.end..]].concat(), omitted }
    }
}

/// Takes a record apart and replaces its secrets. Unless `full` is set, picture and sound are left out.
pub fn redact(record: &[u8], direction: Direction, full: bool, redactor: &mut Redactor) -> Vec<AvPacket> {
    let mut record = record.to_vec();
    redactor.replace(&mut record);
    let mut rest = &mut record[..];
    let mut packets = Vec::new();
    while rest.iter().any(|&byte| byte != 0) {
        let len = first_len(rest).clamp(1, rest.len());
        let (packet, others) = rest.split_at_mut(len);
        packets.push(redact_packet(packet, direction, full, redactor));
        rest = others;
    }
    packets
}

/// Returns the length of the packet that `b` begins with; all of it where that cannot be known.
fn first_len(b: &[u8]) -> usize {
    let Some(&[low, high]) = b.first_chunk::<2>() else { return b.len() };
    let rest = match u16::from_le_bytes([low, high]) {
        _ if media::is_media(b) => Packet::parse_first(b).map_or(0, |(_, rest)| rest.len()),
        login::RESPONSE => b.len() - login::Response::len(b),
        control::ACK => control::after_ack(b).len(),
        probe::PROBE => Probe::parse_first(b).map_or(0, |(_, rest)| rest.len()),
        magic if control::is_control(magic) => ControlFrame::split(b).1.len(),
        _ => 0,
    };
    b.len() - rest
}

fn redact_packet(b: &mut [u8], direction: Direction, full: bool, redactor: &mut Redactor) -> AvPacket {
    let magic = b.first_chunk::<2>().map_or(0, |bytes| u16::from_le_bytes(*bytes));
    match magic {
        _ if media::is_media(b) => redact_media(b, full, redactor),
        login::RESPONSE | control::ACK | probe::PROBE => AvPacket::whole(b),
        _ if ProbeAnswer::parse(b).is_ok() => AvPacket::whole(b),
        _ if login::Request::echo_of(b).is_some() => {
            let end = PASSWORD.end.min(b.len());
            if let Some(field) = b.get_mut(PASSWORD.start..end) {
                redactor.replace_password(field);
            }
            AvPacket::whole(b)
        }
        _ if control::is_control(magic) => {
            redact_control(b, direction, redactor);
            AvPacket::whole(b)
        }
        _ if full || b.len() <= UNKNOWN => AvPacket::whole(b),
        _ => AvPacket::without(b, UNKNOWN..b.len()),
    }
}

fn redact_media(b: &mut [u8], full: bool, redactor: &mut Redactor) -> AvPacket {
    let len = b.len();
    let (payload_len, frame_info_len) = match Packet::parse(b) {
        Ok(Packet::Media(packet)) => (packet.payload.len(), packet.frame_info_len),
        // A parity packet is made of pictures.
        _ => (len.saturating_sub(MEDIA_HEADER), 0),
    };
    let frame_info = len - frame_info_len;
    if frame_info_len >= frame_info::LEN {
        let (mac, unknown) = b[frame_info..][FRAME_INFO_MAC.start..frame_info::LEN].split_at_mut(FRAME_INFO_MAC.len());
        redactor.replace_other_mac(mac);
        unknown.fill(0);
    }
    if full { AvPacket::whole(b) } else { AvPacket::without(b, len - payload_len..frame_info) }
}

fn redact_control(b: &mut [u8], direction: Direction, redactor: &mut Redactor) {
    let Ok(frame) = ControlFrame::parse(b) else { return };
    let Ok(message) = hl::Message::parse(frame.hl) else { return };
    let (command, len) = (message.command, message.payload.len());
    if command == hl::AUTH_CHALLENGE && direction == Direction::FromCamera {
        redactor.challenge = hl::Challenge::parse(message.payload).ok();
    }
    let start = b.len() - frame.hl.len() + HL_PAYLOAD;
    let payload = &mut b[start..start + len];
    if command == hl::AUTH_ANSWER && direction == Direction::ToCamera {
        redactor.replace_answer(&mut payload[..len.min(16)]);
    }
    if payload.first() == Some(&b'{') {
        redactor.replace_in_json(payload);
    }
}
