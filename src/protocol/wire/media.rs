//! Media packets. A packet is [`head`], in the long form 8 bytes more, and [`tail`]; the payload follows. The second
//! byte is a bit mask ([`FrameType`]), of which these combinations are usual:
//!
//! | type | header | meaning | FRAMEINFO |
//! |---|---|---|---|
//! | 00, 04 | 28 bytes | a middle packet of a frame | no |
//! | 01 | 28 bytes | the only packet | yes |
//! | 05 | 28 bytes | the last packet | yes |
//! | 08, 0C | 36 bytes | the first packet, or a middle one | no |
//! | 09 | 36 bytes | the last packet or the only one, or the first of several: index 0 | unless a first |
//! | 0D | 36 bytes | the last packet | yes |
//!
//! Where FRAMEINFO ends the payload, it is the last packet of the frame, and most cameras write the length of FRAMEINFO
//! (mostly 0x0028) in the place of its index. In any other packet 0x0028 is index 40.
//!
//! The 8 bytes of the long form are a timing probe ([`super::probe`]).
//!
//! The wrapped format, which a login that asks for resends gets, has a wrapper of 8 bytes before the tail: headers are
//! 36 or 44 bytes. There a tail's channel 04, 06 or 08 is a packet of 03, 05 or 07 sent again, and 0C is a parity
//! packet, from which lost ones could be computed.

use super::codec::CodecId;
use super::{WireError, check_len, frame_info, put, put_u16, put_u32, u16_at, u32_at};

/// The fields that every packet begins with.
mod head {
    /// One byte: 03 audio, 05 video of a key frame, 07 other video, 0C in the wrapped format.
    pub const CHANNEL: usize = 0;
    /// One byte, see the table above.
    pub const FRAME_TYPE: usize = 1;
    /// u16: 0x000B, from newer cameras 0x000C.
    pub const VERSION: usize = 2;
    /// u16: counts all media packets of the session, and wraps.
    pub const SEQUENCE: usize = 4;
    /// u16: 0x507E, in the plain format.
    pub const MAGIC: usize = 6;
    pub const LEN: usize = 8;
    /// The bytes that the long form of a header has between head and tail.
    pub const EXTENSION_LEN: usize = 8;
    /// The bytes that the wrapped format has before the tail.
    pub const WRAPPER_LEN: usize = 8;
}

/// The fields right before the payload. Offsets count from the first of them.
mod tail {
    /// One byte, as in the head; in the wrapped format the only place that says which medium it is.
    pub const CHANNEL: usize = 0;
    /// One byte: 1 on the last packet of a frame, and on audio.
    pub const IS_LAST: usize = 1;
    /// u16: counts the packets of both media, or each medium's.
    pub const COUNTER: usize = 2;
    /// u16: how many packets the frame has.
    pub const TOTAL: usize = 4;
    /// u16: this packet's place among them, from 0.
    pub const INDEX: usize = 6;
    /// u16: how many bytes follow, FRAMEINFO included.
    pub const PAYLOAD_SIZE: usize = 8;
    /// u32.
    pub const PREVIOUS_FRAME: usize = 12;
    /// u32.
    pub const FRAME_NUMBER: usize = 16;
    pub const LEN: usize = 20;
}

pub const VERSION: u16 = 0x000B;
const MAGIC: u16 = 0x507E;
const AUDIO: u8 = 0x03;
const KEY_VIDEO: u8 = 0x05;
const VIDEO: u8 = 0x07;
/// The number above that of a channel is the same channel, sent again.
const AUDIO_RESENT: u8 = 0x04;
const KEY_VIDEO_RESENT: u8 = 0x06;
const VIDEO_RESENT: u8 = 0x08;
const WRAPPER: u8 = 0x0C;

/// The kind of frame that a media packet is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaChannel {
    Audio,
    KeyVideo,
    Video,
}

impl MediaChannel {
    fn from_number(number: u8) -> Option<Self> {
        match number {
            AUDIO | AUDIO_RESENT => Some(MediaChannel::Audio),
            KEY_VIDEO | KEY_VIDEO_RESENT => Some(MediaChannel::KeyVideo),
            VIDEO | VIDEO_RESENT => Some(MediaChannel::Video),
            _ => None,
        }
    }

    pub fn number(self) -> u8 {
        match self {
            MediaChannel::Audio => AUDIO,
            MediaChannel::KeyVideo => KEY_VIDEO,
            MediaChannel::Video => VIDEO,
        }
    }
}

/// Where a packet stands in its frame, and which header it has: a bit mask. The names are those of its usual values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameType(pub u8);

impl FrameType {
    pub const MIDDLE: FrameType = FrameType(0x00);
    pub const SINGLE: FrameType = FrameType(0x01);
    pub const MIDDLE_ALT: FrameType = FrameType(0x04);
    pub const END: FrameType = FrameType(0x05);
    pub const START: FrameType = FrameType(0x08);
    pub const START_OR_SINGLE: FrameType = FrameType(0x09);
    pub const MIDDLE_EXTENDED: FrameType = FrameType(0x0C);
    pub const END_EXTENDED: FrameType = FrameType(0x0D);
    /// The bit of a frame's last packet, which FRAMEINFO ends.
    const IS_LAST: u8 = 1 << 0;
    /// The bit of the long header.
    const IS_LONG: u8 = 1 << 3;

    fn has_long_header(self) -> bool {
        self.0 & Self::IS_LONG != 0
    }

    /// Returns where the tail begins.
    fn tail_at(self, wrapped: bool) -> usize {
        head::LEN
            + if self.has_long_header() { head::EXTENSION_LEN } else { 0 }
            + if wrapped { head::WRAPPER_LEN } else { 0 }
    }

    /// Whether FRAMEINFO ends a packet whose frame has `total` packets. `index` is its place, or what stands for it.
    /// Older cameras set the bit of the last packet in the first one of several, too.
    pub fn has_frame_info(self, total: u16, index: u16) -> bool {
        self.0 & Self::IS_LAST != 0 && !(total > 1 && index == 0)
    }
}

/// One packet of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaPacket<'a> {
    pub channel: MediaChannel,
    pub frame_type: FrameType,
    /// The version in the head, 0x000B or 0x000C.
    pub version: u16,
    /// Counts all media packets of the session, and wraps.
    pub sequence: u16,
    /// Counts media packets, too; a packet that is sent again has the same one.
    pub counter: u16,
    /// Whether the camera sends this packet again.
    pub is_resent: bool,
    /// How many packets this frame has, 1 or more.
    pub total: u16,
    /// This packet's place among them, from 0.
    pub index: u16,
    pub previous_frame: u32,
    /// The same in all packets of a frame.
    pub frame_number: u32,
    /// How many bytes of FRAMEINFO end the payload; 0 where none does.
    pub frame_info_len: usize,
    /// About 1 KiB, with FRAMEINFO at its end where this is the last packet of its frame.
    pub payload: &'a [u8],
}

impl MediaPacket<'_> {
    /// Returns the packet in plain format.
    pub fn emit(&self) -> Vec<u8> {
        let mut b = self.emit_from(self.channel.number(), false);
        put_u16(&mut b, head::MAGIC, MAGIC);
        b
    }

    /// Returns the packet in wrapped format.
    pub fn emit_wrapped(&self) -> Vec<u8> {
        self.emit_from(WRAPPER, true)
    }

    fn emit_from(&self, first: u8, wrapped: bool) -> Vec<u8> {
        let at = self.frame_type.tail_at(wrapped);
        let mut b = vec![0; at + tail::LEN + self.payload.len()];
        b[head::CHANNEL] = first;
        b[head::FRAME_TYPE] = self.frame_type.0;
        put_u16(&mut b, head::VERSION, self.version);
        put_u16(&mut b, head::SEQUENCE, self.sequence);
        self.emit_tail(&mut b[at..]);
        b
    }

    fn emit_tail(&self, b: &mut [u8]) {
        let last = self.frame_info_len > 0;
        b[tail::CHANNEL] = self.channel.number() + u8::from(self.is_resent);
        b[tail::IS_LAST] = u8::from(last || self.channel == MediaChannel::Audio);
        put_u16(b, tail::COUNTER, self.counter);
        put_u16(b, tail::TOTAL, self.total);
        put_u16(b, tail::INDEX, if last { self.frame_info_len as u16 } else { self.index });
        // Payloads are about 1 KiB, and a DTLS record holds 16.
        put_u16(b, tail::PAYLOAD_SIZE, self.payload.len() as u16);
        put_u32(b, tail::PREVIOUS_FRAME, self.previous_frame);
        put_u32(b, tail::FRAME_NUMBER, self.frame_number);
        put(b, tail::LEN, self.payload);
    }
}

/// A packet on a media channel, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    Media(MediaPacket<'a>),
    /// Lets a client compute lost packets of its group; not used.
    Parity,
}

/// Whether an AV packet that begins like this is media, plain or wrapped. In the wrapped format control frames have the
/// same first byte: there the tail tells.
pub fn is_media(b: &[u8]) -> bool {
    match b {
        [AUDIO | KEY_VIDEO | VIDEO, ..] => true,
        [WRAPPER, frame_type, ..] => {
            let at = FrameType(*frame_type).tail_at(true);
            b.get(at + tail::CHANNEL).is_some_and(|&c| c == WRAPPER || MediaChannel::from_number(c).is_some())
        }
        _ => false,
    }
}

/// Whether a media packet has the 8 bytes more in which a timing probe comes.
pub(super) fn has_long_header(b: &[u8]) -> bool {
    b.get(head::FRAME_TYPE).is_some_and(|&frame_type| FrameType(frame_type).has_long_header())
}

impl<'a> Packet<'a> {
    /// Parses a packet that is all of `b`, or is followed by others.
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        Self::parse_first(b).map(|(packet, _)| packet)
    }

    /// Parses the packet that `b` begins with, and returns what follows it, too.
    pub fn parse_first(b: &'a [u8]) -> Result<(Self, &'a [u8]), WireError> {
        check_len("media header", b, head::LEN)?;
        let frame_type = FrameType(b[head::FRAME_TYPE]);
        let wrapped = b[head::CHANNEL] == WRAPPER;
        let at = frame_type.tail_at(wrapped);
        check_len("media header", b, at + tail::LEN)?;
        let (fields, payload) = b[at..].split_at(tail::LEN);
        let size = usize::from(u16_at(fields, tail::PAYLOAD_SIZE));
        check_len("media payload", payload, size)?;
        let (payload, rest) = payload.split_at(size);
        if wrapped && fields[tail::CHANNEL] == WRAPPER {
            return Ok((Packet::Parity, rest));
        }
        let number = if wrapped { fields[tail::CHANNEL] } else { b[head::CHANNEL] };
        let channel = MediaChannel::from_number(number).ok_or(WireError::Magic { what: "media channel" })?;
        let total = u16_at(fields, tail::TOTAL);
        let field = u16_at(fields, tail::INDEX);
        let frame_info_len =
            if frame_type.has_frame_info(total, field) { frame_info_len(field, total, payload) } else { 0 };
        let is_len = frame_info_len > 0 && usize::from(field) == frame_info_len;
        let index = if is_len { total.wrapping_sub(1) } else { field };
        if index >= total {
            return Err(WireError::Value { what: "media packet index" });
        }
        check_len("media FRAMEINFO", payload, frame_info_len)?;
        let packet = MediaPacket {
            channel,
            frame_type,
            version: u16_at(b, head::VERSION),
            sequence: u16_at(b, head::SEQUENCE),
            counter: u16_at(fields, tail::COUNTER),
            is_resent: fields[tail::CHANNEL] == channel.number() + 1,
            total,
            index,
            previous_frame: u32_at(fields, tail::PREVIOUS_FRAME),
            frame_number: u32_at(fields, tail::FRAME_NUMBER),
            frame_info_len,
            payload,
        };
        Ok((Packet::Media(packet), rest))
    }
}

/// Returns the length of the FRAMEINFO that ends `payload`. `field` stands in the place of the index: it is either the
/// length, or the index of the last of `total` packets.
fn frame_info_len(field: u16, total: u16, payload: &[u8]) -> usize {
    let len = usize::from(field);
    if !frame_info::LENGTHS.contains(&len) {
        return frame_info::LEN;
    }
    // A length may happen to be the index as well. Then FRAMEINFO begins where a codec stands.
    let is_index = u32::from(field) + 1 == u32::from(total);
    let has_codec =
        |len: usize| payload.len().checked_sub(len).is_some_and(|at| CodecId(u16_at(payload, at)).name().is_some());
    if is_index && !has_codec(len) && has_codec(frame_info::LEN) { frame_info::LEN } else { len }
}
