//! ACKs, and the control frames that carry HL messages.
//!
//! ACK (24 bytes): 0 0x0009 · 2 0x000C · 4..8 send counter, shared with control frames · 8 previous highest received (FFFF at
//! first) · 10 highest received sequence of control frames (FFFF before any) · 12 ACK counter from 1 · 16..20 ACK counter << 16 ·
//! 20 milliseconds, low 16 bits.
//!
//! Control frame (40 + n bytes): 0 0x000C · 2 0x000C · 4..8 send counter · 16 0x7000 · 18 command counter · 20..24 1 · 24..28
//! n+4 · 28..32 command counter · 36 IO type 0x0100 · 40.. HL message. From a camera the message stands at 32 or later.

use super::{WireError, check_len, hl, put, put_u16, put_u32, u16_at};

pub const ACK: u16 = 0x0009;
pub const CONTROL: u16 = 0x000C;
pub const CONTROL_ALT: u16 = 0x7000;
pub const CHANNEL_MESSAGE: u16 = 0x1000;
const VERSION: u16 = 0x000C;
const IO_TYPE_HL: u16 = 0x0100;
const HEADER: usize = 40;

/// Tells the camera that the client lives, and how far it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    pub send_counter: u32,
    pub previous_highest: u16,
    pub highest: u16,
    pub counter: u16,
    pub milliseconds: u16,
}

impl Ack {
    pub fn emit(&self) -> [u8; 24] {
        let mut b = [0; 24];
        put_u16(&mut b, 0, ACK);
        put_u16(&mut b, 2, VERSION);
        put_u32(&mut b, 4, self.send_counter);
        put_u16(&mut b, 8, self.previous_highest);
        put_u16(&mut b, 10, self.highest);
        put_u16(&mut b, 12, self.counter);
        put_u32(&mut b, 16, u32::from(self.counter) << 16);
        put_u16(&mut b, 20, self.milliseconds);
        b
    }

    pub fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("ACK", b, 24)?;
        if u16_at(b, 0) != ACK {
            return Err(WireError::Magic { what: "ACK" });
        }
        Ok(Ack {
            send_counter: super::u32_at(b, 4),
            previous_highest: u16_at(b, 8),
            highest: u16_at(b, 10),
            counter: u16_at(b, 12),
            milliseconds: u16_at(b, 20),
        })
    }
}

/// A frame with one HL message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlFrame<'a> {
    pub send_counter: u32,
    pub command_counter: u16,
    /// From "HL" on.
    pub hl: &'a [u8],
}

impl<'a> ControlFrame<'a> {
    pub fn emit(&self) -> Vec<u8> {
        let mut b = vec![0; HEADER + self.hl.len()];
        put_u16(&mut b, 0, CONTROL);
        put_u16(&mut b, 2, VERSION);
        put_u32(&mut b, 4, self.send_counter);
        put_u16(&mut b, 16, CONTROL_ALT);
        put_u16(&mut b, 18, self.command_counter);
        put_u32(&mut b, 20, 1);
        // HL messages are below 64 KiB.
        put_u32(&mut b, 24, self.hl.len() as u32 + 4);
        put_u32(&mut b, 28, u32::from(self.command_counter));
        put_u16(&mut b, 36, IO_TYPE_HL);
        put(&mut b, HEADER, self.hl);
        b
    }

    /// Parses a frame of either side; an error where no HL message is in it.
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("control frame", b, 36)?;
        let magic = u16_at(b, 0);
        let from = match magic {
            CHANNEL_MESSAGE if b[16] == 0 => 36,
            CONTROL | CONTROL_ALT | CHANNEL_MESSAGE => 32,
            _ => return Err(WireError::Magic { what: "control frame" }),
        };
        let at = b[from..]
            .windows(hl::MAGIC.len())
            .position(|w| w == hl::MAGIC)
            .ok_or(WireError::Magic { what: "control frame's HL message" })?;
        Ok(ControlFrame { send_counter: super::u32_at(b, 4), command_counter: u16_at(b, 18), hl: &b[from + at..] })
    }
}
