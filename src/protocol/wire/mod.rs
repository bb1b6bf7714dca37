//! Packet formats, one file a family: its layout as named offsets, which parsing and emitting share.
//!
//! Parsers borrow from their input, check every length before they read, keep unknown values and never panic; emitters
//! are their inverse. All integers are little-endian. A simulated camera uses the same code from the other side.

pub mod cc51;
pub mod codec;
pub mod control;
pub mod frame_info;
pub mod hl;
pub mod iotc;
pub mod login;
pub mod media;
pub mod probe;
pub mod selective_ack;
pub mod talk;
pub mod transcode;
pub mod xxtea;

/// Why bytes are not the packet they were taken for. It concerns one datagram, which is counted and dropped; it ends
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("{what}: {got} bytes, at least {need} needed")]
    TooShort { what: &'static str, need: usize, got: usize },
    #[error("{what}: bad magic")]
    Magic { what: &'static str },
    #[error("{what}: a field has an impossible value")]
    Value { what: &'static str },
    #[error("{what}: the HMAC does not verify")]
    Hmac { what: &'static str },
}

/// Refuses `bytes` that are shorter than `need`. Parsers call this before they read.
pub(super) fn check_len(what: &'static str, bytes: &[u8], need: usize) -> Result<(), WireError> {
    if bytes.len() < need { Err(WireError::TooShort { what, need, got: bytes.len() }) } else { Ok(()) }
}

/// Returns `N` bytes at `at`; the caller has checked the length.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    put(bytes, at, &value.to_le_bytes());
}

fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    put(bytes, at, &value.to_le_bytes());
}

/// The 8 bytes that name a session. The client chooses them, but in CC51 the camera does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 8]);

/// The IOTC channel that a DTLS record travels on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Login, control and media: the client is the DTLS client.
    Main,
    /// Talk-back: the camera is the DTLS client.
    Back,
}

impl Channel {
    /// Returns the number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Channel::Main => 0,
            Channel::Back => 1,
        }
    }

    /// Returns the channel with this number on the wire, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Channel::Main),
            1 => Some(Channel::Back),
            _ => None,
        }
    }
}
