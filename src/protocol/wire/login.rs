//! AV login: two requests, one answer, each one DTLS record.
//!
//! Request (570 bytes, then 572): 0 magic 0x0000 then 0x2000 · 2 version 0x000C · 16 size-24 · 18 1 then 0 · 20..24 random,
//! byte 20 one higher in the second · 24..280 user · 280..536 password · 536 resend · 540 security mode · 552 capabilities.
//! Cameras accept this layout because DTLS has authenticated the client already. Another reading has fields of 257
//! bytes, and there the resend switch is byte 538; both are zero here.
//!
//! Answer (60 bytes): 0 0x2100 · 2 0x000C · 4 0x10 success · 16 0x24 · 20..24 echo · 29 enabled · 31 two-way audio · 36 4 ·
//! 40 capabilities · 54 3 · 56 2.

use super::{WireError, array, check_len, put, put_u16, put_u32, u16_at, u32_at};

pub const REQUEST_FIRST: u16 = 0x0000;
pub const REQUEST_SECOND: u16 = 0x2000;
pub const RESPONSE: u16 = 0x2100;
const VERSION: u16 = 0x000C;
const CAPABILITIES: u32 = 0x001F_07FB;
const SECURITY_MODE: u32 = 4;
const USER: &[u8] = b"admin";
const FIELD: usize = 256;
const SUCCESS: u8 = 0x10;

/// One of the two login requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    pub second: bool,
    /// Of the first request; the second sends it with its first byte one higher.
    pub random: [u8; 4],
    /// The ENR.
    pub password: &'a [u8],
}

impl<'a> Request<'a> {
    /// 570 bytes, or 572 for the second. A password past 256 bytes is cut.
    pub fn emit(&self) -> Vec<u8> {
        let size = if self.second { 572 } else { 570 };
        let mut b = vec![0; size];
        put_u16(&mut b, 0, if self.second { REQUEST_SECOND } else { REQUEST_FIRST });
        put_u16(&mut b, 2, VERSION);
        put_u16(&mut b, 16, size as u16 - 24);
        put_u16(&mut b, 18, u16::from(!self.second));
        put(&mut b, 20, &self.random);
        if self.second {
            b[20] = b[20].wrapping_add(1);
        }
        put(&mut b, 24, USER);
        put(&mut b, 280, &self.password[..self.password.len().min(FIELD)]);
        put_u32(&mut b, 540, SECURITY_MODE);
        put_u32(&mut b, 552, CAPABILITIES);
        b
    }

    /// Parses what a client sends; the other side's view of [`Request::emit`].
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("login", b, 570)?;
        let second = match u16_at(b, 0) {
            REQUEST_FIRST => false,
            REQUEST_SECOND => true,
            _ => return Err(WireError::Magic { what: "login" }),
        };
        if !b[24..].starts_with(USER) {
            return Err(WireError::Value { what: "login user" });
        }
        let mut random: [u8; 4] = array(b, 20);
        if second {
            random[0] = random[0].wrapping_sub(1);
        }
        let field = &b[280..280 + FIELD];
        let password = &field[..field.iter().position(|&c| c == 0).unwrap_or(FIELD)];
        Ok(Request { second, random, password })
    }
}

/// The answer to either request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// Bytes 20..24 of the request answered.
    pub echo: [u8; 4],
    pub success: bool,
    pub enabled: bool,
    pub two_way_audio: bool,
}

impl Response {
    /// 60 bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut b = vec![0; 60];
        put_u16(&mut b, 0, RESPONSE);
        put_u16(&mut b, 2, VERSION);
        b[4] = if self.success { SUCCESS } else { 0 };
        b[16] = 0x24;
        put(&mut b, 20, &self.echo);
        b[29] = u8::from(self.enabled);
        b[31] = u8::from(self.two_way_audio);
        put_u32(&mut b, 36, 4);
        put_u32(&mut b, 40, CAPABILITIES);
        b[54] = 3;
        b[56] = 2;
        b
    }

    /// Reads the answer; 32 bytes are enough, as cameras differ in its tail.
    pub fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("login answer", b, 32)?;
        if u16_at(b, 0) != RESPONSE {
            return Err(WireError::Magic { what: "login answer" });
        }
        Ok(Response {
            echo: u32_at(b, 20).to_le_bytes(),
            success: b[4] == SUCCESS,
            enabled: b[29] == 1,
            two_way_audio: b[31] == 1,
        })
    }
}
