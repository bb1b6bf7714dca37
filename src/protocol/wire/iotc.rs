//! IOTC packets: envelope A, in plain bytes (TransCode comes after emitting and before parsing).
//!
//! The modules of offsets below are the layout: every packet has the [`header`], which its body follows. Offsets count
//! from the start of the packet. Bytes that no offset names are zero.
//!
//! How a camera fills the body of its discovery and session answers is not specified, so those parse to their bytes,
//! and [`names`] looks for the UID or session id wherever it stands.

use super::{Channel, SessionId, WireError, array, check_len, put, put_u16, put_u32, u16_at, u32_at};
use crate::protocol::credentials::{AuthKey, Uid};

/// The fields that every packet begins with.
pub(super) mod header {
    /// 04 02, and a third byte that differs by device: 1A here, others send 12, 17, 19, 1C or 1D.
    pub const MARKER: usize = 0;
    /// One byte: 02 discovery and session, 0A keepalive, 0B data. TransCode scrambles less of packets with an odd one;
    /// a camera's data may have an even one.
    pub const MODE: usize = 3;
    /// u16: how many bytes follow the header.
    pub const BODY_LEN: usize = 4;
    /// u16: counts up by one a packet of data, otherwise 0.
    pub const SEQUENCE: usize = 6;
    /// u16: which packet this is.
    pub const COMMAND: usize = 8;
    /// u16: 0x0021, in session packets 0x0033.
    pub const FLAGS: usize = 10;
    pub const LEN: usize = 16;
}

/// 88 bytes.
mod discovery {
    /// 20 characters of ASCII.
    pub const UID: usize = 16;
    pub const SDK_VERSION: usize = 52;
    /// 8 bytes of the client's choice.
    pub const SESSION_ID: usize = 56;
    /// One byte, 1 or 2.
    pub const STAGE: usize = 64;
    /// 8 characters of ASCII in stage 1, zeros in stage 2.
    pub const AUTH_KEY: usize = 74;
    /// 8 bytes, only in a search for any camera.
    pub const SEARCH_MARK: usize = 80;
    pub const LEN: usize = 88;
}

/// 52 bytes.
mod session {
    /// 20 characters of ASCII.
    pub const UID: usize = 16;
    pub const SESSION_ID: usize = 36;
    /// u32: seconds since 1970.
    pub const UNIX_TIME: usize = 48;
    pub const LEN: usize = 52;
}

/// 28 bytes, which begin within the header, and a DTLS datagram.
mod data {
    /// The session id's first two bytes.
    pub const SESSION_ID_START: usize = 12;
    /// One byte: 0 main, 1 back.
    pub const CHANNEL: usize = 14;
    /// One byte, 01.
    pub const MARK: usize = 15;
    /// u32: how many bytes stand between the header and the DTLS datagram.
    pub const SUB_HEADER_LEN: usize = 16;
    pub const SESSION_ID: usize = 20;
    pub const PAYLOAD: usize = 28;
}

/// 24 bytes from the client.
mod keepalive {
    /// Any bytes from the camera; the client answers with the first 8.
    pub const PAYLOAD: usize = 16;
    pub const LEN: usize = 24;
}

const MARKER: [u8; 3] = [0x04, 0x02, 0x1A];
/// How much of the marker is the same in packets of all devices.
const MARKER_START: usize = 2;
const MODE_REQUEST: u8 = 0x02;
const MODE_KEEPALIVE: u8 = 0x0A;
const MODE_DATA: u8 = 0x0B;
const FLAGS: u16 = 0x0021;
const FLAGS_SESSION: u16 = 0x0033;
/// What a search for any camera has where an AuthKey would end.
const SEARCH_MARK: [u8; 8] = [0x63, 0x04, 0x13, 0x13, 0x04, 0x0C, 0x0C, 0x63];
const SDK_VERSION: [u8; 4] = [0x01, 0x01, 0x02, 0x04];
/// The bytes that a packet without DTLS has at most: more than ten times what any has been seen to have.
const MAX_OTHER: usize = 1024;
/// The bytes that a data packet has at most if all of it is scrambled, which is dear to undo: more than an Ethernet
/// packet carries.
const MAX_SCRAMBLED_DATA: usize = 2048;

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
    /// Returns the packet, 88 bytes.
    pub fn emit(&self, command: u16) -> Vec<u8> {
        let mut b = emit_header(MODE_REQUEST, discovery::LEN, 0, command, FLAGS);
        put(&mut b, discovery::UID, self.uid.bytes());
        put(&mut b, discovery::SDK_VERSION, &SDK_VERSION);
        put(&mut b, discovery::SESSION_ID, &self.session_id.0);
        b[discovery::STAGE] = self.stage;
        if let Some(key) = &self.auth_key {
            put(&mut b, discovery::AUTH_KEY, key.bytes());
        }
        b
    }

    fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("discovery", b, discovery::LEN)?;
        let auth_key: [u8; 8] = array(b, discovery::AUTH_KEY);
        Ok(Discovery {
            uid: Uid::from_wire(array(b, discovery::UID)).ok_or(WireError::Value { what: "discovery UID" })?,
            session_id: SessionId(array(b, discovery::SESSION_ID)),
            stage: b[discovery::STAGE],
            auth_key: (auth_key != [0; 8]).then(|| AuthKey::from_wire(auth_key)),
        })
    }
}

/// Returns the discovery request with an empty UID, 88 bytes, which asks every device of the family. No Wyze camera is
/// known to answer it.
pub fn emit_search(session_id: SessionId) -> Vec<u8> {
    let mut b = emit_header(MODE_REQUEST, discovery::LEN, 0, DISCOVERY_REQUEST, FLAGS);
    put(&mut b, discovery::SDK_VERSION, &SDK_VERSION);
    put(&mut b, discovery::SESSION_ID, &session_id.0);
    b[discovery::STAGE] = 1;
    put(&mut b, discovery::SEARCH_MARK, &SEARCH_MARK);
    b
}

/// Returns the UID and the SDK version in the answer to a discovery request, from its first byte on, where the camera
/// mirrors the request's layout.
pub fn discovery_answer(b: &[u8]) -> Option<(Uid, [u8; 4])> {
    let is_whole = b.len() >= discovery::SESSION_ID && u16_at(b, header::COMMAND) == DISCOVERY_RESPONSE;
    is_whole.then(|| Some((Uid::from_wire(array(b, discovery::UID))?, array(b, discovery::SDK_VERSION)))).flatten()
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
    /// Returns the packet, 52 bytes.
    pub fn emit(&self, command: u16) -> Vec<u8> {
        let mut b = emit_header(MODE_REQUEST, session::LEN, 0, command, FLAGS_SESSION);
        put(&mut b, session::UID, self.uid.bytes());
        put(&mut b, session::SESSION_ID, &self.session_id.0);
        put_u32(&mut b, session::UNIX_TIME, self.unix_time);
        b
    }

    fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("session request", b, session::LEN)?;
        Ok(Session {
            uid: Uid::from_wire(array(b, session::UID)).ok_or(WireError::Value { what: "session UID" })?,
            session_id: SessionId(array(b, session::SESSION_ID)),
            unix_time: u32_at(b, session::UNIX_TIME),
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

impl<'a> Data<'a> {
    /// Returns the packet, 28 bytes and the payload.
    pub fn emit(&self, command: u16) -> Vec<u8> {
        let len = data::PAYLOAD + self.payload.len();
        let mut b = emit_header(MODE_DATA, len, self.sequence, command, FLAGS);
        put(&mut b, data::SESSION_ID_START, &self.session_id.0[..2]);
        b[data::CHANNEL] = self.channel.number();
        b[data::MARK] = 1;
        put_u32(&mut b, data::SUB_HEADER_LEN, (data::PAYLOAD - header::LEN) as u32);
        put(&mut b, data::SESSION_ID, &self.session_id.0);
        put(&mut b, data::PAYLOAD, self.payload);
        b
    }

    fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("IOTC data", b, data::PAYLOAD + 1)?;
        let channel = Channel::from_number(b[data::CHANNEL]);
        Ok(Data {
            sequence: u16_at(b, header::SEQUENCE),
            channel: channel.ok_or(WireError::Value { what: "IOTC data channel" })?,
            session_id: SessionId(array(b, data::SESSION_ID)),
            payload: &b[data::PAYLOAD..],
        })
    }
}

/// Returns a keepalive, 24 bytes; a shorter payload is padded with zeros.
pub fn emit_keepalive(command: u16, payload: [u8; 8]) -> Vec<u8> {
    let mut b = emit_header(MODE_KEEPALIVE, keepalive::LEN, 0, command, FLAGS);
    put(&mut b, keepalive::PAYLOAD, &payload);
    b
}

/// A packet, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    DiscoveryRequest(Discovery),
    /// A discovery request with an empty UID.
    Search {
        session_id: SessionId,
    },
    DiscoveryResponse {
        body: &'a [u8],
    },
    SessionRequest(Session),
    SessionResponse {
        body: &'a [u8],
    },
    Data {
        from_camera: bool,
        data: Data<'a>,
    },
    Keepalive {
        from_camera: bool,
        payload: [u8; 8],
    },
    Unknown {
        command: u16,
    },
}

impl<'a> Packet<'a> {
    /// Parses a plain datagram. The header's length field is not held against it: the datagram's own length counts.
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("IOTC header", b, header::LEN)?;
        if !has_marker(b) {
            return Err(WireError::Magic { what: "IOTC header" });
        }
        let body = &b[header::LEN..];
        Ok(match u16_at(b, header::COMMAND) {
            DISCOVERY_REQUEST if is_search(b) => {
                Packet::Search { session_id: SessionId(array(b, discovery::SESSION_ID)) }
            }
            DISCOVERY_REQUEST => Packet::DiscoveryRequest(Discovery::parse(b)?),
            DISCOVERY_RESPONSE => Packet::DiscoveryResponse { body },
            SESSION_REQUEST => Packet::SessionRequest(Session::parse(b)?),
            SESSION_RESPONSE => Packet::SessionResponse { body },
            command @ (DATA_FROM_CLIENT | DATA_FROM_CAMERA) => {
                Packet::Data { from_camera: command == DATA_FROM_CAMERA, data: Data::parse(b)? }
            }
            command @ (KEEPALIVE_FROM_CLIENT | KEEPALIVE_FROM_CAMERA) => {
                let mut payload = [0; 8];
                let n = body.len().min(payload.len());
                payload[..n].copy_from_slice(&body[..n]);
                Packet::Keepalive { from_camera: command == KEEPALIVE_FROM_CAMERA, payload }
            }
            command => Packet::Unknown { command },
        })
    }
}

/// Whether this plain header can belong to a datagram of `len` bytes: only data are long.
pub fn is_plausible(plain: &[u8; header::LEN], len: usize) -> bool {
    let is_data = matches!(u16_at(plain, header::COMMAND), DATA_FROM_CLIENT | DATA_FROM_CAMERA);
    let most = match (is_data, plain[header::MODE] & 1 == 1) {
        (true, true) => usize::MAX,
        (true, false) => MAX_SCRAMBLED_DATA,
        (false, _) => MAX_OTHER,
    };
    has_marker(plain) && len <= most
}

/// Whether an answer's body carries this UID or session id.
pub fn names(body: &[u8], uid: &Uid, session_id: SessionId) -> bool {
    body.windows(20).any(|w| w == uid.bytes()) || body.windows(8).any(|w| w == session_id.0)
}

fn is_search(b: &[u8]) -> bool {
    b.len() >= discovery::LEN && b[discovery::UID..discovery::UID + 20].iter().all(|&c| c == 0)
}

fn has_marker(b: &[u8]) -> bool {
    b[header::MARKER..].starts_with(&MARKER[..MARKER_START])
}

/// Returns a packet of `len` bytes, of which the header is written.
fn emit_header(mode: u8, len: usize, sequence: u16, command: u16, flags: u16) -> Vec<u8> {
    let mut b = vec![0; len];
    put(&mut b, header::MARKER, &MARKER);
    b[header::MODE] = mode;
    // A datagram is far below 64 KiB, so the length fits.
    put_u16(&mut b, header::BODY_LEN, (len - header::LEN) as u16);
    put_u16(&mut b, header::SEQUENCE, sequence);
    put_u16(&mut b, header::COMMAND, command);
    put_u16(&mut b, header::FLAGS, flags);
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_asks_with_an_empty_uid_and_its_mark() {
        let mut golden = [0; 88];
        golden[..16].copy_from_slice(&[4, 2, 0x1A, 2, 72, 0, 0, 0, 0x01, 0x06, 0x21, 0, 0, 0, 0, 0]);
        golden[52..56].copy_from_slice(&[1, 1, 2, 4]);
        golden[56..64].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        golden[64] = 1;
        golden[80..].copy_from_slice(&[0x63, 0x04, 0x13, 0x13, 0x04, 0x0C, 0x0C, 0x63]);
        let session_id = SessionId([1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(emit_search(session_id), golden);
        assert_eq!(Packet::parse(&golden), Ok(Packet::Search { session_id }));
    }

    #[test]
    fn an_answer_that_mirrors_the_request_tells_uid_and_version() {
        let uid = Uid::from_wire(*b"ABCDEFGHJK1234567890").unwrap();
        let answer =
            Discovery { uid, session_id: SessionId([9; 8]), stage: 1, auth_key: None }.emit(DISCOVERY_RESPONSE);
        assert_eq!(discovery_answer(&answer), Some((uid, [1, 1, 2, 4])));
        assert_eq!(discovery_answer(&answer[..40]), None);
        assert_eq!(discovery_answer(&emit_search(SessionId([9; 8]))), None);
    }
}
