//! An audio frame to the camera's speaker, one DTLS record on the back channel: 36 bytes, the audio, and 16 bytes. The
//! modules of offsets below are the layout; bytes that no offset names are zero.

use super::codec::{AudioFlags, CodecId};
use super::{WireError, check_len, put, put_u16, put_u32, u16_at, u32_at};

/// The fields before the audio.
mod header {
    /// 03 09.
    pub const MAGIC: usize = 0;
    /// u16: 0x000C.
    pub const VERSION: usize = 2;
    /// u32: counts the frames of a talk, from 1.
    pub const COUNTER: usize = 4;
    /// u32: the time since the talk began.
    pub const MICROSECONDS: usize = 8;
    /// u32: 0x00000001 in the first frame, 0x00100001 after.
    pub const POSITION: usize = 12;
    /// 03 01.
    pub const INNER_MAGIC: usize = 16;
    /// u16: the lower half of the previous frame's number.
    pub const PREVIOUS_LOW: usize = 18;
    /// u16: 1.
    pub const ONE: usize = 20;
    /// u16: the length of the trailer.
    pub const TRAILER_LEN: usize = 22;
    /// u32: the length of audio and trailer.
    pub const BODY_LEN: usize = 24;
    /// u32: the previous frame's number.
    pub const PREVIOUS: usize = 28;
    /// u32: the frame's number, from 1.
    pub const NUMBER: usize = 32;
    pub const LEN: usize = 36;
}

/// The fields behind the audio. Offsets count from the first of them.
mod trailer {
    /// u16.
    pub const CODEC: usize = 0;
    /// One byte.
    pub const FLAGS: usize = 2;
    /// One byte: 1.
    pub const ONE: usize = 4;
    /// u32: the time since the talk began.
    pub const MILLISECONDS: usize = 12;
    pub const LEN: usize = 16;
}

const MAGIC: [u8; 2] = [0x03, 0x09];
const INNER_MAGIC: [u8; 2] = [0x03, 0x01];
const VERSION: u16 = 0x000C;
const POSITION_FIRST: u32 = 0x0000_0001;
const POSITION_LATER: u32 = 0x0010_0001;

/// One frame of audio and where it stands in the talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TalkFrame<'a> {
    /// From 1 on each talk; numbers the packet and the frame.
    pub number: u32,
    /// Since the talk began; wraps after 71 minutes.
    pub microseconds: u32,
    pub codec: CodecId,
    pub flags: AudioFlags,
    /// One encoded frame.
    pub audio: &'a [u8],
}

impl<'a> TalkFrame<'a> {
    /// Returns the packet, 52 bytes and the audio.
    pub fn emit(&self) -> Vec<u8> {
        let previous = self.number.wrapping_sub(1);
        let end = header::LEN + self.audio.len();
        let mut b = vec![0; end + trailer::LEN];
        put(&mut b, header::MAGIC, &MAGIC);
        put_u16(&mut b, header::VERSION, VERSION);
        put_u32(&mut b, header::COUNTER, self.number);
        put_u32(&mut b, header::MICROSECONDS, self.microseconds);
        put_u32(&mut b, header::POSITION, if self.number == 1 { POSITION_FIRST } else { POSITION_LATER });
        put(&mut b, header::INNER_MAGIC, &INNER_MAGIC);
        put_u16(&mut b, header::PREVIOUS_LOW, previous as u16);
        put_u16(&mut b, header::ONE, 1);
        put_u16(&mut b, header::TRAILER_LEN, trailer::LEN as u16);
        // A frame is a few hundred bytes.
        put_u32(&mut b, header::BODY_LEN, (self.audio.len() + trailer::LEN) as u32);
        put_u32(&mut b, header::PREVIOUS, previous);
        put_u32(&mut b, header::NUMBER, self.number);
        put(&mut b, header::LEN, self.audio);
        let tail = &mut b[end..];
        put_u16(tail, trailer::CODEC, self.codec.0);
        tail[trailer::FLAGS] = self.flags.0;
        tail[trailer::ONE] = 1;
        put_u32(tail, trailer::MILLISECONDS, self.microseconds / 1000);
        b
    }

    /// Parses what a client sends; the other side's view of [`TalkFrame::emit`].
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("talk frame", b, header::LEN + trailer::LEN)?;
        if !b.starts_with(&MAGIC) || u16_at(b, header::VERSION) != VERSION {
            return Err(WireError::Magic { what: "talk frame" });
        }
        let number = u32_at(b, header::COUNTER);
        let body = &b[header::LEN..];
        if u32_at(b, header::BODY_LEN) as usize != body.len() || u32_at(b, header::NUMBER) != number {
            return Err(WireError::Value { what: "talk frame" });
        }
        let (audio, tail) = body.split_at(body.len() - trailer::LEN);
        Ok(TalkFrame {
            number,
            microseconds: u32_at(b, header::MICROSECONDS),
            codec: CodecId(u16_at(tail, trailer::CODEC)),
            flags: AudioFlags(tail[trailer::FLAGS]),
            audio,
        })
    }
}
