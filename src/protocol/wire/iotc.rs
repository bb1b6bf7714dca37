//! IOTC packets: envelope A, in plain bytes (TransCode comes after emitting and before parsing).
//!
//! | bytes | header of every packet |
//! |---|---|
//! | 0..3 | 04 02 1A |
//! | 3 | Mode: 02 discovery and session, 0A keepalive, 0B data |
//! | 4..6 | bytes after the header |
//! | 6..8 | sequence |
//! | 8..10 | command |
//! | 10..12 | flags |
//! | 12..16 | zero; in data the session id's first two bytes, channel, 01 |
//!
//! Bodies, offsets from 16: discovery (72 bytes) UID 0..20, SDK version 36..40, session id 40..48, stage 48, AuthKey
//! 58..66; session (36 bytes) UID 0..20, session id 20..28, Unix time 32..36; data 0C 00 00 00, session id 4..12, one
//! DTLS datagram from 12; keepalive an opaque payload that the answer carries the first 8 bytes of.
//!
//! How a camera fills the body of its discovery and session answers is not specified, so those parse to their bytes,
//! and [`names`] looks for the UID or session id wherever it stands.

use super::{Channel, SessionId, WireError, array, check_len, put, put_u16, put_u32, u16_at, u32_at};
use crate::protocol::credentials::{AuthKey, Uid};

const MARKER: [u8; 3] = [0x04, 0x02, 0x1A];
const HEADER: usize = 16;
const DATA_HEADER: usize = 28;
/// More than ten times what any packet without DTLS has been seen to have.
const MAX_OTHER: usize = 1024;
const SDK_VERSION: [u8; 4] = [0x01, 0x01, 0x02, 0x04];

pub const DISCOVERY_REQUEST: u16 = 0x0601;
pub const DISCOVERY_RESPONSE: u16 = 0x0602;
pub const SESSION_REQUEST: u16 = 0x0402;
pub const SESSION_RESPONSE: u16 = 0x0404;
pub const DATA_FROM_CLIENT: u16 = 0x0407;
pub const DATA_FROM_CAMERA: u16 = 0x0408;
pub const KEEPALIVE_FROM_CLIENT: u16 = 0x0427;
pub const KEEPALIVE_FROM_CAMERA: u16 = 0x0428;

/// A discovery packet: the client's request, and as the simulated camera mirrors it, the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    pub uid: Uid,
    pub session_id: SessionId,
    /// 1 asks who has this UID, 2 tells the camera found that it was chosen.
    pub stage: u8,
    /// In stage 1 only.
    pub auth_key: Option<AuthKey>,
}

impl Discovery {
    /// 88 bytes.
    pub fn emit(&self, command: u16) -> Vec<u8> {
        let mut b = emit_header(0x02, 72, 0, command, 0x0021);
        put(&mut b, 16, self.uid.bytes());
        put(&mut b, 52, &SDK_VERSION);
        put(&mut b, 56, &self.session_id.0);
        b[64] = self.stage;
        if let Some(key) = &self.auth_key {
            put(&mut b, 74, key.bytes());
        }
        b
    }

    fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("discovery", b, 88)?;
        let auth_key: [u8; 8] = array(b, 74);
        Ok(Discovery {
            uid: Uid::from_wire(array(b, 16)).ok_or(WireError::Value { what: "discovery UID" })?,
            session_id: SessionId(array(b, 56)),
            stage: b[64],
            auth_key: (auth_key != [0; 8]).then(|| AuthKey::from_wire(auth_key)),
        })
    }
}

/// A session packet: the client's request, and as the simulated camera mirrors it, the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub uid: Uid,
    pub session_id: SessionId,
    /// Seconds since 1970.
    pub unix_time: u32,
}

impl Session {
    /// 52 bytes.
    pub fn emit(&self, command: u16) -> Vec<u8> {
        let mut b = emit_header(0x02, 36, 0, command, 0x0033);
        put(&mut b, 16, self.uid.bytes());
        put(&mut b, 36, &self.session_id.0);
        put_u32(&mut b, 48, self.unix_time);
        b
    }

    fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("session request", b, 52)?;
        Ok(Session {
            uid: Uid::from_wire(array(b, 16)).ok_or(WireError::Value { what: "session UID" })?,
            session_id: SessionId(array(b, 36)),
            unix_time: u32_at(b, 48),
        })
    }
}

/// One DTLS datagram on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'a> {
    pub sequence: u16,
    pub channel: Channel,
    pub session_id: SessionId,
    pub payload: &'a [u8],
}

impl Data<'_> {
    /// 28 bytes and the payload.
    pub fn emit(&self, command: u16) -> Vec<u8> {
        let body = DATA_HEADER - HEADER + self.payload.len();
        let mut b = emit_header(0x0B, body, self.sequence, command, 0x0021);
        put(&mut b, 12, &self.session_id.0[..2]);
        b[14] = self.channel.number();
        b[15] = 1;
        put_u32(&mut b, 16, 0x0C);
        put(&mut b, 20, &self.session_id.0);
        put(&mut b, DATA_HEADER, self.payload);
        b
    }
}

/// A keepalive with `payload` of at most 8 bytes, padded to 8: 24 bytes.
pub fn emit_keepalive(command: u16, payload: [u8; 8]) -> Vec<u8> {
    let mut b = emit_header(0x0A, 8, 0, command, 0x0021);
    put(&mut b, 16, &payload);
    b
}

/// A packet, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    DiscoveryRequest(Discovery),
    DiscoveryResponse { body: &'a [u8] },
    SessionRequest(Session),
    SessionResponse { body: &'a [u8] },
    Data { from_camera: bool, data: Data<'a> },
    Keepalive { from_camera: bool, payload: [u8; 8] },
    Unknown { command: u16 },
}

impl<'a> Packet<'a> {
    /// Parses a plain datagram. The header's length field is not held against it: the datagram's own length counts.
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("IOTC header", b, HEADER)?;
        if b[..3] != MARKER {
            return Err(WireError::Magic { what: "IOTC header" });
        }
        let body = &b[HEADER..];
        Ok(match u16_at(b, 8) {
            DISCOVERY_REQUEST => Packet::DiscoveryRequest(Discovery::parse(b)?),
            DISCOVERY_RESPONSE => Packet::DiscoveryResponse { body },
            SESSION_REQUEST => Packet::SessionRequest(Session::parse(b)?),
            SESSION_RESPONSE => Packet::SessionResponse { body },
            command @ (DATA_FROM_CLIENT | DATA_FROM_CAMERA) => {
                check_len("IOTC data", b, DATA_HEADER + 1)?;
                let channel = Channel::from_number(b[14]).ok_or(WireError::Value { what: "IOTC data channel" })?;
                Packet::Data {
                    from_camera: command == DATA_FROM_CAMERA,
                    data: Data {
                        sequence: u16_at(b, 6),
                        channel,
                        session_id: SessionId(array(b, 20)),
                        payload: &b[DATA_HEADER..],
                    },
                }
            }
            command @ (KEEPALIVE_FROM_CLIENT | KEEPALIVE_FROM_CAMERA) => {
                let mut payload = [0; 8];
                let n = body.len().min(8);
                payload[..n].copy_from_slice(&body[..n]);
                Packet::Keepalive { from_camera: command == KEEPALIVE_FROM_CAMERA, payload }
            }
            command => Packet::Unknown { command },
        })
    }
}

/// True where this plain header can be one of a datagram of `len` bytes: only data are long.
pub fn is_plausible(header: &[u8; HEADER], len: usize) -> bool {
    let is_data = matches!(u16_at(header, 8), DATA_FROM_CLIENT | DATA_FROM_CAMERA);
    header[..3] == MARKER && (if is_data { header[3] & 1 == 1 } else { len <= MAX_OTHER })
}

/// True where an answer's body carries this UID or session id.
pub fn names(body: &[u8], uid: &Uid, session_id: SessionId) -> bool {
    body.windows(20).any(|w| w == uid.bytes()) || body.windows(8).any(|w| w == session_id.0)
}

fn emit_header(mode: u8, body: usize, sequence: u16, command: u16, flags: u16) -> Vec<u8> {
    let mut b = vec![0; HEADER + body];
    put(&mut b, 0, &MARKER);
    b[3] = mode;
    // A datagram is far below 64 KiB, so the length fits.
    put_u16(&mut b, 4, body as u16);
    put_u16(&mut b, 6, sequence);
    put_u16(&mut b, 8, command);
    put_u16(&mut b, 10, flags);
    b
}
