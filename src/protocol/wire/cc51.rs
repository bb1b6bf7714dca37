//! CC51 packets: envelope B, of newer firmware. Nothing is scrambled; packets are signed with HMAC-SHA1 under UID ‖
//! AuthKey.
//!
//! The modules of offsets below are the layout: every packet has the [`header`]. Offsets count from the start of the
//! packet. Bytes that no offset names are zero.

use super::{Channel, SessionId, WireError, array, check_len, put, put_u16, put_u32, u16_at, u32_at};
use crate::protocol::credentials::{AuthKey, Uid};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The fields that every packet begins with.
mod header {
    /// 51 CC, then two zeros.
    pub const MAGIC: usize = 0;
    /// u16: which packet this is.
    pub const COMMAND: usize = 4;
    /// u16: how many bytes follow the first 12.
    pub const BODY_LEN: usize = 6;
    pub const LEN: usize = 12;
}

/// 52 bytes.
mod discovery {
    /// u16: 0 from the client, FFFF from the camera.
    pub const DIRECTION: usize = 8;
    /// u16, 0 to 3.
    pub const STEP: usize = 12;
    /// u16, which the camera chooses.
    pub const TICKET: usize = 14;
    pub const SESSION_ID: usize = 16;
    pub const VERSION: usize = 24;
    /// One byte, 1D.
    pub const MARK: usize = 28;
    /// 20 bytes, over all before them.
    pub const HMAC: usize = 32;
    pub const LEN: usize = 52;
}

/// 48 bytes.
mod keepalive {
    /// u32.
    pub const COUNTER: usize = 16;
    pub const SESSION_ID: usize = 20;
    /// 20 bytes, over all before them.
    pub const HMAC: usize = 28;
    pub const LEN: usize = 48;
}

/// 28 bytes, a DTLS datagram, and an HMAC of 20 bytes over the first 28 only.
mod data {
    /// One byte, 10.
    pub const MARK: usize = 12;
    /// One byte: 0 main, 1 back.
    pub const CHANNEL: usize = 13;
    /// u16: the ticket of discovery.
    pub const TICKET: usize = 14;
    pub const SESSION_ID: usize = 16;
    /// u32, 1.
    pub const ONE: usize = 24;
    pub const PAYLOAD: usize = 28;
}

const MAGIC: [u8; 2] = [0x51, 0xCC];
const DISCOVERY: u16 = 0x1002;
const KEEPALIVE: u16 = 0x1202;
const DATA: u16 = 0x1502;
const FROM_CAMERA: u16 = 0xFFFF;
const VERSION: [u8; 4] = [0x00, 0x08, 0x03, 0x04];
const DISCOVERY_MARK: u8 = 0x1D;
const DATA_MARK: u8 = 0x10;
const HMAC_LEN: usize = 20;

/// Whether a datagram claims to be of this envelope; to be asked before TransCode is undone.
pub fn is_cc51(datagram: &[u8]) -> bool {
    datagram.starts_with(&MAGIC)
}

/// Signs and verifies packets of one camera.
#[derive(Clone)]
pub struct Signer(Hmac<Sha1>);

impl Signer {
    pub fn new(uid: &Uid, auth_key: &AuthKey) -> Self {
        let key = [&uid.bytes()[..], &auth_key.bytes()[..]].concat();
        // HMAC takes keys of any length.
        Signer(Hmac::new_from_slice(&key).expect("HMAC key of 28 bytes"))
    }

    fn sign(&self, signed: &[u8]) -> [u8; HMAC_LEN] {
        let mut hmac = self.0.clone();
        hmac.update(signed);
        hmac.finalize().into_bytes().into()
    }

    fn verify(&self, what: &'static str, signed: &[u8], tag: &[u8]) -> Result<(), WireError> {
        let mut hmac = self.0.clone();
        hmac.update(signed);
        hmac.verify_slice(tag).map_err(|_| WireError::Hmac { what })
    }
}

/// Replaces the HMAC of any packet by that of another key, where `from` verifies it; one that does not verify becomes
/// zeros. Returns whether it verified.
pub fn sign_again(b: &mut [u8], from: &Signer, to: &Signer) -> bool {
    if b.len() < header::LEN + HMAC_LEN {
        return false;
    }
    let (signed, at) = match u16_at(b, header::COMMAND) {
        DISCOVERY if b.len() >= discovery::LEN => (discovery::HMAC, discovery::HMAC),
        KEEPALIVE if b.len() >= keepalive::LEN => (keepalive::HMAC, keepalive::HMAC),
        _ => (data::PAYLOAD.min(b.len() - HMAC_LEN), b.len() - HMAC_LEN),
    };
    let verifies = from.verify("CC51", &b[..signed], &b[at..at + HMAC_LEN]).is_ok();
    let tag = if verifies { to.sign(&b[..signed]) } else { [0; HMAC_LEN] };
    put(b, at, &tag);
    verifies
}

/// Returns the version bytes of a discovery packet, whoever signed it.
pub fn discovery_version(b: &[u8]) -> Option<[u8; 4]> {
    let is_discovery = is_cc51(b) && b.len() >= discovery::LEN && u16_at(b, header::COMMAND) == DISCOVERY;
    is_discovery.then(|| array(b, discovery::VERSION))
}

/// A discovery packet: steps 0 and 2 come from the client, 1 and 3 from the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    pub from_camera: bool,
    pub step: u16,
    /// 0 in step 0; the camera chooses it in step 1.
    pub ticket: u16,
    /// In step 0 the client's choice, from step 1 on the camera's.
    pub session_id: SessionId,
}

impl Discovery {
    /// Returns the packet, 52 bytes.
    pub fn emit(&self, signer: &Signer) -> Vec<u8> {
        let mut b = emit_header(DISCOVERY, discovery::LEN);
        put_u16(&mut b, discovery::DIRECTION, if self.from_camera { FROM_CAMERA } else { 0 });
        put_u16(&mut b, discovery::STEP, self.step);
        put_u16(&mut b, discovery::TICKET, self.ticket);
        put(&mut b, discovery::SESSION_ID, &self.session_id.0);
        put(&mut b, discovery::VERSION, &VERSION);
        b[discovery::MARK] = DISCOVERY_MARK;
        let tag = signer.sign(&b[..discovery::HMAC]);
        put(&mut b, discovery::HMAC, &tag);
        b
    }

    fn parse(b: &[u8], signer: &Signer) -> Result<Self, WireError> {
        check_len("CC51 discovery", b, discovery::LEN)?;
        signer.verify("CC51 discovery", &b[..discovery::HMAC], &b[discovery::HMAC..discovery::LEN])?;
        Ok(Discovery {
            from_camera: u16_at(b, discovery::DIRECTION) == FROM_CAMERA,
            step: u16_at(b, discovery::STEP),
            ticket: u16_at(b, discovery::TICKET),
            session_id: SessionId(array(b, discovery::SESSION_ID)),
        })
    }
}

/// A keepalive; the client's counter goes 2, 4, 6, ….
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    pub counter: u32,
    pub session_id: SessionId,
}

impl Keepalive {
    /// Returns the packet, 48 bytes.
    pub fn emit(&self, signer: &Signer) -> Vec<u8> {
        let mut b = emit_header(KEEPALIVE, keepalive::LEN);
        put_u32(&mut b, keepalive::COUNTER, self.counter);
        put(&mut b, keepalive::SESSION_ID, &self.session_id.0);
        let tag = signer.sign(&b[..keepalive::HMAC]);
        put(&mut b, keepalive::HMAC, &tag);
        b
    }

    fn parse(b: &[u8], signer: &Signer) -> Result<Self, WireError> {
        check_len("CC51 keepalive", b, keepalive::LEN)?;
        signer.verify("CC51 keepalive", &b[..keepalive::HMAC], &b[keepalive::HMAC..keepalive::LEN])?;
        Ok(Keepalive { counter: u32_at(b, keepalive::COUNTER), session_id: SessionId(array(b, keepalive::SESSION_ID)) })
    }
}

/// One DTLS datagram on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'a> {
    pub channel: Channel,
    pub ticket: u16,
    pub session_id: SessionId,
    pub payload: &'a [u8],
}

impl<'a> Data<'a> {
    /// Returns the packet, 48 bytes and the payload.
    pub fn emit(&self, signer: &Signer) -> Vec<u8> {
        let end = data::PAYLOAD + self.payload.len();
        let mut b = emit_header(DATA, end + HMAC_LEN);
        b[data::MARK] = DATA_MARK;
        b[data::CHANNEL] = self.channel.number();
        put_u16(&mut b, data::TICKET, self.ticket);
        put(&mut b, data::SESSION_ID, &self.session_id.0);
        put_u32(&mut b, data::ONE, 1);
        put(&mut b, data::PAYLOAD, self.payload);
        let tag = signer.sign(&b[..data::PAYLOAD]);
        put(&mut b, end, &tag);
        b
    }

    fn parse(b: &'a [u8], signer: &Signer) -> Result<Self, WireError> {
        check_len("CC51 data", b, data::PAYLOAD + 1 + HMAC_LEN)?;
        signer.verify("CC51 data", &b[..data::PAYLOAD], &b[b.len() - HMAC_LEN..])?;
        Self::parse_unverified(b)
    }

    /// Parses a data packet whatever its HMAC is: some firmware may sign other bytes of it, and DTLS proves the payload.
    pub fn parse_unverified(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("CC51 data", b, data::PAYLOAD + 1 + HMAC_LEN)?;
        if !is_cc51(b) || u16_at(b, header::COMMAND) != DATA {
            return Err(WireError::Magic { what: "CC51 data" });
        }
        let end = b.len() - HMAC_LEN;
        let channel = Channel::from_number(b[data::CHANNEL]);
        Ok(Data {
            channel: channel.ok_or(WireError::Value { what: "CC51 data channel" })?,
            ticket: u16_at(b, data::TICKET),
            session_id: SessionId(array(b, data::SESSION_ID)),
            payload: &b[data::PAYLOAD..end],
        })
    }
}

/// A packet, parsed. The HMAC of all but an unknown one has been verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    Discovery(Discovery),
    Keepalive(Keepalive),
    Data(Data<'a>),
    Unknown { command: u16 },
}

impl<'a> Packet<'a> {
    /// Parses and verifies a datagram; the error of one that another key signed is [`WireError::Hmac`].
    pub fn parse(b: &'a [u8], signer: &Signer) -> Result<Self, WireError> {
        check_len("CC51 header", b, header::LEN)?;
        if !is_cc51(b) {
            return Err(WireError::Magic { what: "CC51 header" });
        }
        Ok(match u16_at(b, header::COMMAND) {
            DISCOVERY => Packet::Discovery(Discovery::parse(b, signer)?),
            KEEPALIVE => Packet::Keepalive(Keepalive::parse(b, signer)?),
            DATA => Packet::Data(Data::parse(b, signer)?),
            command => Packet::Unknown { command },
        })
    }
}

/// Returns a packet of `len` bytes, of which the header is written.
fn emit_header(command: u16, len: usize) -> Vec<u8> {
    let mut b = vec![0; len];
    put(&mut b, header::MAGIC, &MAGIC);
    put_u16(&mut b, header::COMMAND, command);
    // A datagram is far below 64 KiB, so the length fits.
    put_u16(&mut b, header::BODY_LEN, (len - header::LEN) as u16);
    b
}
