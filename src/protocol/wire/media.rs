//! Media packets, each one DTLS record.
//!
//! Byte 0 is the channel, byte 1 the frame type, which fixes the header:
//!
//! | type | header | meaning | FRAMEINFO |
//! |---|---|---|---|
//! | 00, 04 | 28 | middle | no |
//! | 01 | 28 | only packet of a frame | yes |
//! | 05 | 28 | last | yes |
//! | 08 | 36 | first | no |
//! | 09 | 36 | first, or only packet when total = 1 | only if total = 1 |
//! | 0D | 36 | last | yes |
//!
//! Both headers: 2 0x000B · 4 packet sequence u16 · 6 0x507E. Then from 8 (28-byte header) or 16 (36-byte header):
//! +0 channel · +1 1 on the last packet · +2 counter · +4 total · +6 index, or 0x0028 · +8 payload size · +12 previous frame
//! number · +16 frame number. In a packet with FRAMEINFO, 0x0028 says "index = total - 1"; in any other it is index 40.
//!
//! Wrapped format (login asked for resends): 0 0C · 1 frame type · 4 packet sequence; the fields from "+0" on start at 16
//! (type < 08) or 24, so headers are 36 or 44 bytes. There, channel 04, 06 and 08 are re-sent 03, 05 and 07, and 0C is a
//! frame index packet: 36 channel · 37 type · 48..52 oldest · 52..56 newest frame number.

use super::{WireError, check_len, put, put_u16, put_u32, u16_at, u32_at};

const VERSION: u16 = 0x000B;
const MAGIC: u16 = 0x507E;
const FRAME_INFO_FOLLOWS: u16 = 0x0028;
const WRAPPER: u8 = 0x0C;
/// Fields from the second channel byte to the frame number.
const TAIL: usize = 20;

/// What a media packet is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaChannel {
    Audio,
    KeyVideo,
    Video,
}

impl MediaChannel {
    fn from_number(number: u8) -> Option<Self> {
        match number {
            0x03 | 0x04 => Some(MediaChannel::Audio),
            0x05 | 0x06 => Some(MediaChannel::KeyVideo),
            0x07 | 0x08 => Some(MediaChannel::Video),
            _ => None,
        }
    }

    pub fn number(self) -> u8 {
        match self {
            MediaChannel::Audio => 0x03,
            MediaChannel::KeyVideo => 0x05,
            MediaChannel::Video => 0x07,
        }
    }
}

/// Where a packet stands in its frame, and with which of the headers. The names are the wire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameType(pub u8);

impl FrameType {
    pub const MIDDLE: FrameType = FrameType(0x00);
    pub const SINGLE: FrameType = FrameType(0x01);
    pub const MIDDLE_ALT: FrameType = FrameType(0x04);
    pub const END: FrameType = FrameType(0x05);
    pub const START: FrameType = FrameType(0x08);
    pub const START_OR_SINGLE: FrameType = FrameType(0x09);
    pub const END_EXTENDED: FrameType = FrameType(0x0D);

    fn is_known(self) -> bool {
        matches!(self.0, 0x00 | 0x01 | 0x04 | 0x05 | 0x08 | 0x09 | 0x0D)
    }

    /// Offset of the fields that both headers share.
    fn tail_at(self, wrapped: bool) -> usize {
        let plain = if self.0 >= 0x08 { 16 } else { 8 };
        if wrapped { plain + 8 } else { plain }
    }

    fn has_frame_info(self, total: u16) -> bool {
        matches!(self.0, 0x01 | 0x05 | 0x0D) || self.0 == 0x09 && total == 1
    }
}

/// One packet of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaPacket<'a> {
    pub channel: MediaChannel,
    pub frame_type: FrameType,
    /// Counts all media packets of the session, wraps.
    pub sequence: u16,
    /// Packets of this frame, 1 or more.
    pub total: u16,
    /// 0..total.
    pub index: u16,
    pub previous_frame: u32,
    pub frame_number: u32,
    /// With FRAMEINFO at its end where [`MediaPacket::has_frame_info`].
    pub payload: &'a [u8],
}

impl MediaPacket<'_> {
    pub fn has_frame_info(&self) -> bool {
        self.frame_type.has_frame_info(self.total)
    }

    /// The packet in plain format.
    pub fn emit(&self) -> Vec<u8> {
        let tail = self.frame_type.tail_at(false);
        let mut b = vec![0; tail + TAIL + self.payload.len()];
        b[0] = self.channel.number();
        b[1] = self.frame_type.0;
        put_u16(&mut b, 2, VERSION);
        put_u16(&mut b, 4, self.sequence);
        put_u16(&mut b, 6, MAGIC);
        self.emit_tail(&mut b, tail);
        b
    }

    /// The packet in wrapped format.
    pub fn emit_wrapped(&self) -> Vec<u8> {
        let tail = self.frame_type.tail_at(true);
        let mut b = vec![0; tail + TAIL + self.payload.len()];
        b[0] = WRAPPER;
        b[1] = self.frame_type.0;
        put_u16(&mut b, 2, VERSION);
        put_u16(&mut b, 4, self.sequence);
        self.emit_tail(&mut b, tail);
        b
    }

    fn emit_tail(&self, b: &mut [u8], at: usize) {
        let last = self.has_frame_info();
        b[at] = self.channel.number();
        b[at + 1] = u8::from(last || self.channel == MediaChannel::Audio);
        put_u16(b, at + 2, self.sequence);
        put_u16(b, at + 4, self.total);
        put_u16(b, at + 6, if last { FRAME_INFO_FOLLOWS } else { self.index });
        // Payloads are about 1 KiB, and a DTLS record holds 16.
        put_u16(b, at + 8, self.payload.len() as u16);
        put_u32(b, at + 12, self.previous_frame);
        put_u32(b, at + 16, self.frame_number);
        put(b, at + TAIL, self.payload);
    }
}

/// What stands on a media channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    Media(MediaPacket<'a>),
    /// Which frames a camera in resend mode still holds.
    FrameIndex {
        oldest: u32,
        newest: u32,
    },
}

/// True where an AV packet's first byte says media, plain or wrapped.
pub fn is_media(first: u8) -> bool {
    matches!(first, 0x03 | 0x05 | 0x07 | WRAPPER)
}

impl<'a> Packet<'a> {
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("media header", b, 8)?;
        let frame_type = FrameType(b[1]);
        if !frame_type.is_known() {
            return Err(WireError::Value { what: "media frame type" });
        }
        let wrapped = b[0] == WRAPPER;
        let at = frame_type.tail_at(wrapped);
        check_len("media header", b, at + TAIL)?;
        if wrapped && b[at] == WRAPPER {
            check_len("frame index", b, 56)?;
            return Ok(Packet::FrameIndex { oldest: u32_at(b, 48), newest: u32_at(b, 52) });
        }
        let number = if wrapped { b[at] } else { b[0] };
        let channel = MediaChannel::from_number(number).ok_or(WireError::Magic { what: "media channel" })?;
        let total = u16_at(b, at + 4);
        let field = u16_at(b, at + 6);
        let has_frame_info = frame_type.has_frame_info(total);
        let index = if has_frame_info && field == FRAME_INFO_FOLLOWS { total.wrapping_sub(1) } else { field };
        if index >= total {
            return Err(WireError::Value { what: "media packet index" });
        }
        let payload = &b[at + TAIL..];
        let size = usize::from(u16_at(b, at + 8));
        check_len("media payload", payload, size)?;
        let payload = &payload[..size];
        if has_frame_info {
            check_len("media FRAMEINFO", payload, super::frame_info::LEN)?;
        }
        Ok(Packet::Media(MediaPacket {
            channel,
            frame_type,
            sequence: u16_at(b, 4),
            total,
            index,
            previous_frame: u32_at(b, at + 12),
            frame_number: u32_at(b, at + 16),
            payload,
        }))
    }
}
