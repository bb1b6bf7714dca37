//! An audio frame to the camera's speaker, one DTLS record on the back channel.
//!
//! 0 03 · 1 09 · 2 0x000C · 4..8 counter from 1 · 8..12 time in µs · 12..16 0x00000001 on the first, 0x00100001 after · 16 03 · 17
//! 01 · 18 previous frame u16 · 20 1 · 22 0x0010 · 24..28 n+16 · 28..32 previous frame · 32..36 frame from 1 · n bytes of audio ·
//! 16 bytes: codec u16, flags, 0, 1, 0, six zeros, time in ms u32.

use super::codec::{AudioFlags, CodecId};
use super::{WireError, check_len, put, put_u16, put_u32, u16_at, u32_at};

const HEADER: usize = 36;
const TRAILER: usize = 16;

/// One frame of audio and where it stands in the talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TalkFrame<'a> {
    /// From 1 on each talk; numbers the packet and the frame.
    pub number: u32,
    /// Since the talk began; wraps after 71 minutes.
    pub microseconds: u32,
    pub codec: CodecId,
    pub flags: AudioFlags,
    pub audio: &'a [u8],
}

impl<'a> TalkFrame<'a> {
    /// 52 bytes and the audio.
    pub fn emit(&self) -> Vec<u8> {
        let previous = self.number.wrapping_sub(1);
        let mut b = vec![0; HEADER + self.audio.len() + TRAILER];
        put(&mut b, 0, &[0x03, 0x09]);
        put_u16(&mut b, 2, 0x000C);
        put_u32(&mut b, 4, self.number);
        put_u32(&mut b, 8, self.microseconds);
        put_u32(&mut b, 12, if self.number == 1 { 0x0000_0001 } else { 0x0010_0001 });
        put(&mut b, 16, &[0x03, 0x01]);
        // The low half of the counter that stands whole at 28.
        put_u16(&mut b, 18, previous as u16);
        put_u16(&mut b, 20, 1);
        put_u16(&mut b, 22, 0x0010);
        // A frame is a few hundred bytes.
        put_u32(&mut b, 24, (self.audio.len() + TRAILER) as u32);
        put_u32(&mut b, 28, previous);
        put_u32(&mut b, 32, self.number);
        put(&mut b, HEADER, self.audio);
        let at = HEADER + self.audio.len();
        put_u16(&mut b, at, self.codec.0);
        b[at + 2] = self.flags.0;
        b[at + 4] = 1;
        put_u32(&mut b, at + 12, self.microseconds / 1000);
        b
    }

    /// What the camera reads; the other side's view of [`TalkFrame::emit`].
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("talk frame", b, HEADER + TRAILER)?;
        if b[..2] != [0x03, 0x09] || u16_at(b, 2) != 0x000C {
            return Err(WireError::Magic { what: "talk frame" });
        }
        let at = b.len() - TRAILER;
        let number = u32_at(b, 4);
        if u32_at(b, 24) as usize != b.len() - HEADER || u32_at(b, 32) != number {
            return Err(WireError::Value { what: "talk frame" });
        }
        Ok(TalkFrame {
            number,
            microseconds: u32_at(b, 8),
            codec: CodecId(u16_at(b, at)),
            flags: AudioFlags(b[at + 2]),
            audio: &b[HEADER..at],
        })
    }
}
