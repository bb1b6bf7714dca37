//! The header of a DTLS record (RFC 6347, section 4.1), read in one place. It is in plain text, so anybody can have
//! written it: whoever reads it decides what to believe. Integers are big-endian.

/// Content types.
pub const CHANGE_CIPHER_SPEC: u8 = 20;
pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const APPLICATION_DATA: u8 = 23;

/// Where the fields of the header begin.
mod offset {
    pub const CONTENT_TYPE: usize = 0;
    /// FE FD is DTLS 1.2, FE FF is 1.0, which a first hello may say.
    pub const VERSION: usize = 1;
    /// 0 in plain text, 1 under the keys of the first handshake.
    pub const EPOCH: usize = 3;
    pub const SEQUENCE: usize = 5;
    /// Bytes after the header.
    pub const LENGTH: usize = 11;
    pub const BODY: usize = 13;
}

/// One DTLS record with its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub content_type: u8,
    pub version: [u8; 2],
    pub epoch: u16,
    /// 48 bits, counted from 0 in each epoch.
    pub sequence: u64,
    /// Header and body.
    pub bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the first record of `datagram`, and returns it with what follows. `None` where header or body is cut off.
    pub fn split_first(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header: &[u8; offset::BODY] = datagram.first_chunk()?;
        let u16_at = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (bytes, rest) = datagram.split_at_checked(offset::BODY + usize::from(u16_at(offset::LENGTH)))?;
        let mut sequence = [0; 8];
        sequence[2..].copy_from_slice(&header[offset::SEQUENCE..offset::LENGTH]);
        let record = Record {
            content_type: header[offset::CONTENT_TYPE],
            version: [header[offset::VERSION], header[offset::VERSION + 1]],
            epoch: u16_at(offset::EPOCH),
            sequence: u64::from_be_bytes(sequence),
            bytes,
        };
        Some((record, rest))
    }

    /// The body without the header; encrypted where the epoch is not 0.
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[offset::BODY..]
    }

    pub fn is_application_data(&self) -> bool {
        self.content_type == APPLICATION_DATA
    }
}

/// Returns the records of a datagram, up to the first that is cut off.
pub fn records(mut datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (record, rest) = Record::split_first(datagram)?;
        datagram = rest;
        Some(record)
    })
}
