//! CC51 packets: envelope B, of newer firmware. No scrambling; HMAC-SHA1 under UID ‖ AuthKey instead.
//!
//! | packet | bytes |
//! |---|---|
//! | discovery, 52 | 51 CC 00 00 · 0x1002 · 0x0028 · 8 direction (0 request, FFFF answer) · 12 step 0..3 · 14 ticket · 16..24 session id · 24..28 version · 28 1D · 32..52 HMAC over 0..32 |
//! | keepalive, 48 | 51 CC 00 00 · 0x1202 · 0x0024 · 16..20 counter · 20..28 session id · 28..48 HMAC over 0..28 |
//! | DTLS, 28+n+20 | 51 CC 00 00 · 0x1502 · 16+n+20 · 12 0x0010 or channel<<8 · 14 ticket · 16..24 session id · 24..28 1 · DTLS · HMAC over 0..28 only |

use super::{Channel, SessionId, WireError, array, check_len, put, put_u16, put_u32, u16_at, u32_at};
use crate::protocol::credentials::{AuthKey, Uid};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

const MAGIC: [u8; 2] = [0x51, 0xCC];
const VERSION: [u8; 4] = [0x00, 0x08, 0x03, 0x04];
const DISCOVERY: u16 = 0x1002;
const KEEPALIVE: u16 = 0x1202;
const DATA: u16 = 0x1502;
const HMAC: usize = 20;
const DATA_HEADER: usize = 28;

/// True where a datagram claims to be of this envelope; checked before TransCode is undone.
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

    fn sign(&self, signed: &[u8]) -> [u8; HMAC] {
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

/// A discovery packet: steps 0 and 2 come from the client, 1 and 3 from the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    pub from_camera: bool,
    pub step: u16,
    pub ticket: u16,
    pub session_id: SessionId,
}

impl Discovery {
    /// 52 bytes.
    pub fn emit(&self, signer: &Signer) -> Vec<u8> {
        let mut b = emit_header(DISCOVERY, 52);
        put_u16(&mut b, 6, 0x28);
        put_u16(&mut b, 8, if self.from_camera { 0xFFFF } else { 0 });
        put_u16(&mut b, 12, self.step);
        put_u16(&mut b, 14, self.ticket);
        put(&mut b, 16, &self.session_id.0);
        put(&mut b, 24, &VERSION);
        b[28] = 0x1D;
        let tag = signer.sign(&b[..32]);
        put(&mut b, 32, &tag);
        b
    }
}

/// A keepalive; the client's counter goes 2, 4, 6, ….
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    pub counter: u32,
    pub session_id: SessionId,
}

impl Keepalive {
    /// 48 bytes.
    pub fn emit(&self, signer: &Signer) -> Vec<u8> {
        let mut b = emit_header(KEEPALIVE, 48);
        put_u16(&mut b, 6, 0x24);
        put_u32(&mut b, 16, self.counter);
        put(&mut b, 20, &self.session_id.0);
        let tag = signer.sign(&b[..28]);
        put(&mut b, 28, &tag);
        b
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

impl Data<'_> {
    /// 48 bytes and the payload.
    pub fn emit(&self, signer: &Signer) -> Vec<u8> {
        let end = DATA_HEADER + self.payload.len();
        let mut b = emit_header(DATA, end + HMAC);
        // A datagram is far below 64 KiB, so the length fits.
        put_u16(&mut b, 6, (16 + self.payload.len() + HMAC) as u16);
        put_u16(&mut b, 12, 0x0010 | u16::from(self.channel.number()) << 8);
        put_u16(&mut b, 14, self.ticket);
        put(&mut b, 16, &self.session_id.0);
        put_u32(&mut b, 24, 1);
        put(&mut b, DATA_HEADER, self.payload);
        let tag = signer.sign(&b[..DATA_HEADER]);
        put(&mut b, end, &tag);
        b
    }
}

/// A packet whose HMAC verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    Discovery(Discovery),
    Keepalive(Keepalive),
    Data(Data<'a>),
    Unknown { command: u16 },
}

impl<'a> Packet<'a> {
    /// Parses and verifies; `Hmac` is the error of a packet that another key signed.
    pub fn parse(b: &'a [u8], signer: &Signer) -> Result<Self, WireError> {
        check_len("CC51 header", b, 12)?;
        if !is_cc51(b) {
            return Err(WireError::Magic { what: "CC51 header" });
        }
        match u16_at(b, 4) {
            DISCOVERY => {
                check_len("CC51 discovery", b, 52)?;
                signer.verify("CC51 discovery", &b[..32], &b[32..52])?;
                Ok(Packet::Discovery(Discovery {
                    from_camera: u16_at(b, 8) == 0xFFFF,
                    step: u16_at(b, 12),
                    ticket: u16_at(b, 14),
                    session_id: SessionId(array(b, 16)),
                }))
            }
            KEEPALIVE => {
                check_len("CC51 keepalive", b, 48)?;
                signer.verify("CC51 keepalive", &b[..28], &b[28..48])?;
                Ok(Packet::Keepalive(Keepalive { counter: u32_at(b, 16), session_id: SessionId(array(b, 20)) }))
            }
            DATA => {
                check_len("CC51 data", b, DATA_HEADER + 1 + HMAC)?;
                let end = b.len() - HMAC;
                signer.verify("CC51 data", &b[..DATA_HEADER], &b[end..])?;
                let channel = Channel::from_number(b[13]).ok_or(WireError::Value { what: "CC51 data channel" })?;
                Ok(Packet::Data(Data {
                    channel,
                    ticket: u16_at(b, 14),
                    session_id: SessionId(array(b, 16)),
                    payload: &b[DATA_HEADER..end],
                }))
            }
            command => Ok(Packet::Unknown { command }),
        }
    }
}

fn emit_header(command: u16, len: usize) -> Vec<u8> {
    let mut b = vec![0; len];
    put(&mut b, 0, &MAGIC);
    put_u16(&mut b, 4, command);
    b
}
