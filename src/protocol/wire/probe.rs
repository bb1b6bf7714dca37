//! Timing probes, by which a camera measures the way to the client and back, and their answers. The modules of offsets
//! below are their layouts; bytes that no offset names are zero.
//!
//! A probe comes as a packet of its own, or in the 8 bytes that the long header of a media packet has more.

use super::{WireError, check_len, media, put_u16, put_u32, u16_at, u32_at};

pub const PROBE: u16 = 0x080A;
pub const ANSWER: u16 = 0x000B;

/// The fields that both begin with.
mod header {
    /// u16.
    pub const MAGIC: usize = 0;
    /// u16: 0x000B, from newer cameras 0x000C. The answer repeats it.
    pub const VERSION: usize = 2;
    pub const LEN: usize = 8;
}

/// 8 bytes, at the same place in a media packet.
mod body {
    /// u16: the camera's own milliseconds.
    pub const CLOCK: usize = 0;
    /// u16: milliseconds.
    pub const ROUND_TRIP: usize = 2;
    /// u32.
    pub const FLAGS: usize = 4;
    pub const LEN: usize = 8;
}

/// 20 bytes.
mod answer {
    /// u16: 0x001F.
    pub const KIND: usize = 6;
    /// u16: the clock of the probe.
    pub const CLOCK: usize = 8;
    /// u16: how many packets came since the last answer.
    pub const RECEIVED: usize = 10;
    /// u16: the same.
    pub const RECEIVED_AGAIN: usize = 12;
    pub const LEN: usize = 20;
}

const KIND: u16 = 0x001F;

/// A camera's probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// The version in its packet, which the answer repeats.
    pub version: u16,
    /// The camera's own milliseconds, which the answer repeats.
    pub clock: u16,
    /// The milliseconds there and back that the camera last measured.
    pub round_trip: u16,
    /// Mostly 1; 0x30 in the first.
    pub flags: u32,
}

impl Probe {
    /// Returns the packet of its own, 16 bytes.
    pub fn emit(&self) -> [u8; header::LEN + body::LEN] {
        let mut b = [0; header::LEN + body::LEN];
        put_u16(&mut b, header::MAGIC, PROBE);
        put_u16(&mut b, header::VERSION, self.version);
        put_u16(&mut b, header::LEN + body::CLOCK, self.clock);
        put_u16(&mut b, header::LEN + body::ROUND_TRIP, self.round_trip);
        put_u32(&mut b, header::LEN + body::FLAGS, self.flags);
        b
    }

    /// Parses the packet that `b` begins with, and returns what follows it, too.
    pub fn parse_first(b: &[u8]) -> Result<(Self, &[u8]), WireError> {
        check_len("timing probe", b, header::LEN + body::LEN)?;
        if u16_at(b, header::MAGIC) != PROBE {
            return Err(WireError::Magic { what: "timing probe" });
        }
        Ok((Self::parse_body(b), &b[header::LEN + body::LEN..]))
    }

    /// Returns the probe in a media packet that has parsed, if there is one.
    pub fn in_media(b: &[u8]) -> Option<Self> {
        (b.len() >= header::LEN + body::LEN && media::has_long_header(b)).then(|| Self::parse_body(b))
    }

    fn parse_body(b: &[u8]) -> Self {
        Probe {
            version: u16_at(b, header::VERSION),
            clock: u16_at(b, header::LEN + body::CLOCK),
            round_trip: u16_at(b, header::LEN + body::ROUND_TRIP),
            flags: u32_at(b, header::LEN + body::FLAGS),
        }
    }
}

/// A client's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// The version of the probe.
    pub version: u16,
    /// The clock of the probe.
    pub clock: u16,
    /// How many packets came since the last answer.
    pub received: u16,
}

impl ProbeAnswer {
    /// Returns the packet, 20 bytes.
    pub fn emit(&self) -> [u8; answer::LEN] {
        let mut b = [0; answer::LEN];
        put_u16(&mut b, header::MAGIC, ANSWER);
        put_u16(&mut b, header::VERSION, self.version);
        put_u16(&mut b, answer::KIND, KIND);
        put_u16(&mut b, answer::CLOCK, self.clock);
        put_u16(&mut b, answer::RECEIVED, self.received);
        put_u16(&mut b, answer::RECEIVED_AGAIN, self.received);
        b
    }

    /// Parses what a client sends; the other side's view of [`ProbeAnswer::emit`].
    pub fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("timing answer", b, answer::LEN)?;
        if u16_at(b, header::MAGIC) != ANSWER {
            return Err(WireError::Magic { what: "timing answer" });
        }
        Ok(ProbeAnswer {
            version: u16_at(b, header::VERSION),
            clock: u16_at(b, answer::CLOCK),
            received: u16_at(b, answer::RECEIVED),
        })
    }
}
