//! The ACK of a session in which the camera sends lost packets again: it lists what is missing. The module of offsets
//! below is its layout; bytes that no offset names are zero.

use super::control::ACK;
use super::{WireError, check_len, put_u16, u16_at};

/// 22 bytes and the list, and never less than 24.
mod layout {
    /// u16: 0x0009.
    pub const MAGIC: usize = 0;
    /// u16: the version of the last media packet.
    pub const VERSION: usize = 2;
    /// u16: counts ACKs and control frames together.
    pub const SEND_COUNTER: usize = 4;
    /// u16: the packet up to which none is missing, as of the ACK before; FFFF before any.
    pub const BASE: usize = 8;
    /// u16: the newest packet; FFFF before any.
    pub const NEWEST: usize = 10;
    /// u16: the control frame up to which none is missing; FFFF before any.
    pub const CONTROL: usize = 12;
    /// u16: the length of the list.
    pub const MISSING_LEN: usize = 14;
    /// u16: its meaning is not known; clients send 0, or 1.
    pub const STATE: usize = 16;
    /// u16: counts ACKs, from 0.
    pub const COUNTER: usize = 18;
    /// u16: a clock's milliseconds, the low 16 bits.
    pub const MILLISECONDS: usize = 20;
    /// Of each missing packet a u16: how far it lies after `BASE`, 1 or more.
    pub const MISSING: usize = 22;
    pub const MIN_LEN: usize = 24;
}

/// The most packets that one ACK lists.
pub const MAX_MISSING: usize = 256;

/// Tells the camera which media packets it may forget, and which it is to send again: of those up to `newest` it keeps
/// only the missing ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectiveAck {
    /// The version of the last media packet.
    pub version: u16,
    /// Counts ACKs and control frames together.
    pub send_counter: u16,
    /// The packet up to which none was missing at the ACK before; FFFF before any.
    pub base: u16,
    /// The newest packet; FFFF before any.
    pub newest: u16,
    /// The control frame up to which none is missing; FFFF before any.
    pub control: u16,
    /// Its meaning is not known; clients send 0, or 1.
    pub state: u16,
    /// From 0.
    pub counter: u16,
    /// A clock's milliseconds, the low 16 bits.
    pub milliseconds: u16,
    /// How far each missing packet lies after `base`, 1 or more; at most [`MAX_MISSING`].
    pub missing: Vec<u16>,
}

impl SelectiveAck {
    /// Returns the packet, 24 bytes or more.
    pub fn emit(&self) -> Vec<u8> {
        let mut b = vec![0; (layout::MISSING + 2 * self.missing.len()).max(layout::MIN_LEN)];
        put_u16(&mut b, layout::MAGIC, ACK);
        put_u16(&mut b, layout::VERSION, self.version);
        put_u16(&mut b, layout::SEND_COUNTER, self.send_counter);
        put_u16(&mut b, layout::BASE, self.base);
        put_u16(&mut b, layout::NEWEST, self.newest);
        put_u16(&mut b, layout::CONTROL, self.control);
        put_u16(&mut b, layout::MISSING_LEN, self.missing.len() as u16);
        put_u16(&mut b, layout::STATE, self.state);
        put_u16(&mut b, layout::COUNTER, self.counter);
        put_u16(&mut b, layout::MILLISECONDS, self.milliseconds);
        for (place, &offset) in self.missing.iter().enumerate() {
            put_u16(&mut b, layout::MISSING + 2 * place, offset);
        }
        b
    }

    /// Parses what a client sends; the other side's view of [`SelectiveAck::emit`].
    pub fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("selective ACK", b, layout::MIN_LEN)?;
        if u16_at(b, layout::MAGIC) != ACK {
            return Err(WireError::Magic { what: "selective ACK" });
        }
        let len = usize::from(u16_at(b, layout::MISSING_LEN));
        check_len("selective ACK's list", b, layout::MISSING + 2 * len)?;
        Ok(SelectiveAck {
            version: u16_at(b, layout::VERSION),
            send_counter: u16_at(b, layout::SEND_COUNTER),
            base: u16_at(b, layout::BASE),
            newest: u16_at(b, layout::NEWEST),
            control: u16_at(b, layout::CONTROL),
            state: u16_at(b, layout::STATE),
            counter: u16_at(b, layout::COUNTER),
            milliseconds: u16_at(b, layout::MILLISECONDS),
            missing: (0..len).map(|place| u16_at(b, layout::MISSING + 2 * place)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of another client's tests, from resend.md.
    #[test]
    fn the_bytes_are_those_of_the_reference() {
        let bytes: [u8; 26] = [
            0x09, 0x00, 0x0c, 0x00, 0x34, 0x12, 0x00, 0x00, 0xfe, 0xff, 0x02, 0x00, 0x67, 0x45, 0x02, 0x00, 0x01, 0x00,
            0xab, 0x89, 0xef, 0xcd, 0x01, 0x00, 0x03, 0x00,
        ];
        let ack = SelectiveAck {
            version: 0x000C,
            send_counter: 0x1234,
            base: 0xFFFE,
            newest: 0x0002,
            control: 0x4567,
            state: 1,
            counter: 0x89AB,
            milliseconds: 0xCDEF,
            missing: vec![1, 3],
        };
        assert_eq!(ack.emit(), bytes);
        assert_eq!(SelectiveAck::parse(&bytes), Ok(ack.clone()));
        assert!(SelectiveAck::parse(&bytes[..25]).is_err());
        assert_eq!(SelectiveAck { missing: vec![], ..ack }.emit().len(), 24);
    }
}
