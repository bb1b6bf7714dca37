//! AV login: two requests, one answer, each one DTLS record. The modules of offsets below are their layouts; bytes that
//! no offset names are zero.
//!
//! The short layout of requests is the one that cameras of all models are known to take, because DTLS has authenticated
//! the client already. The long one, whose fields for user and password are a byte longer, is the one that cameras read
//! themselves: a request that asks for resends has it.

use super::{WireError, array, check_len, put, put_u16, put_u32, u16_at, u32_at};
use std::fmt;

pub const REQUEST_FIRST: u16 = 0x0000;
pub const REQUEST_SECOND: u16 = 0x2000;
pub const RESPONSE: u16 = 0x2100;
const VERSION: u16 = 0x000C;
const SECURITY_MODE: u32 = 4;
/// The last of the capabilities in the long layout. What they mean is not known.
const LAST_CAPABILITIES: u32 = 0x0003_0000;
const USER: &[u8] = b"admin";
const SUCCESS: u8 = 0x10;

/// The fields that requests and answers begin with.
mod header {
    /// u16.
    pub const MAGIC: usize = 0;
    /// u16: 0x000C.
    pub const VERSION: usize = 2;
    /// The length of what belongs to both.
    pub const LEN: usize = 24;
}

/// 570 bytes, in the second request 572.
mod request {
    /// u16: how many bytes follow the first 24.
    pub const BODY_LEN: usize = 16;
    /// u16: 1 in the first request, 0 in the second.
    pub const IS_FIRST: usize = 18;
    /// 4 bytes; in the second request the first of them is one higher.
    pub const RANDOM: usize = 20;
    pub const USER: usize = 24;
    /// ASCII, padded with zeros.
    pub const PASSWORD: usize = 280;
    /// Where the password's field ends.
    pub const PASSWORD_END: usize = 536;
    /// u32.
    pub const SECURITY_MODE: usize = 540;
    /// u32.
    pub const CAPABILITIES: usize = 552;
    pub const LEN: usize = 570;
    pub const LEN_SECOND: usize = 572;

    /// The fields that lie elsewhere in the long layout, and those that only it has.
    pub mod long {
        /// ASCII, padded with zeros.
        pub const PASSWORD: usize = 281;
        /// Where a zero ends the password's field.
        pub const PASSWORD_END: usize = 537;
        /// u32: 1 asks for resends.
        pub const RESEND: usize = 538;
        /// u32.
        pub const SECURITY_MODE: usize = 542;
        /// Four u32.
        pub const CAPABILITIES: usize = 546;
        /// u32: 1 for video from the start. K10002 says what is to come.
        pub const VIDEO: usize = 566;
    }
}

/// 60 bytes. Cameras differ in the tail.
mod response {
    /// One byte: 0x10 is success.
    pub const STATUS: usize = 4;
    /// u16: how many bytes follow the first 24.
    pub const BODY_LEN: usize = 16;
    /// 4 bytes: the random ones of the request.
    pub const ECHO: usize = 20;
    /// One byte, 1 yes.
    pub const ENABLED: usize = 29;
    /// One byte, 1 yes.
    pub const TWO_WAY_AUDIO: usize = 31;
    /// The least that a client needs.
    pub const MIN_LEN: usize = 32;
    /// One byte, 1 yes.
    pub const RESEND: usize = 32;
    /// u32: 4, as in a request.
    pub const SECURITY_MODE: usize = 36;
    /// u32.
    pub const CAPABILITIES: usize = 40;
    /// One byte, 3.
    pub const THREE: usize = 54;
    /// One byte, 2.
    pub const TWO: usize = 56;
    pub const LEN: usize = 60;
}

/// One of the two login requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    pub second: bool,
    /// The four random bytes of the first request; [`Request::echo`] has those of this one.
    pub random: [u8; 4],
    /// The ENR.
    pub password: &'a [u8],
    /// Asks the camera to send lost packets again, in the long layout.
    pub resend: bool,
}

impl<'a> Request<'a> {
    /// Returns the request, 570 bytes, or 572 for the second. A password past 256 bytes is cut.
    pub fn emit(&self) -> Vec<u8> {
        let len = if self.second { request::LEN_SECOND } else { request::LEN };
        let mut b = vec![0; len];
        put_u16(&mut b, header::MAGIC, if self.second { REQUEST_SECOND } else { REQUEST_FIRST });
        put_u16(&mut b, header::VERSION, VERSION);
        put_u16(&mut b, request::BODY_LEN, (len - header::LEN) as u16);
        put_u16(&mut b, request::IS_FIRST, u16::from(!self.second));
        put(&mut b, request::RANDOM, &self.echo());
        put(&mut b, request::USER, USER);
        let password = &self.password[..self.password.len().min(request::PASSWORD_END - request::PASSWORD)];
        if self.resend {
            put(&mut b, request::long::PASSWORD, password);
            put_u32(&mut b, request::long::RESEND, 1);
            put_u32(&mut b, request::long::SECURITY_MODE, SECURITY_MODE);
            put_u32(&mut b, request::long::CAPABILITIES, Capabilities::CLIENT.0);
            put_u32(&mut b, request::long::CAPABILITIES + 12, LAST_CAPABILITIES);
            put_u32(&mut b, request::long::VIDEO, 1);
        } else {
            put(&mut b, request::PASSWORD, password);
            put_u32(&mut b, request::SECURITY_MODE, SECURITY_MODE);
            put_u32(&mut b, request::CAPABILITIES, Capabilities::CLIENT.0);
        }
        b
    }

    /// Returns the random bytes as they stand in this request, which its answer repeats.
    pub fn echo(&self) -> [u8; 4] {
        let mut echo = self.random;
        echo[0] = echo[0].wrapping_add(u8::from(self.second));
        echo
    }

    /// Returns the random bytes of any request, as its answer repeats them, also of one that ends after them; `None`
    /// for another packet. DTLS has authenticated the sender already.
    pub fn echo_of(b: &[u8]) -> Option<[u8; 4]> {
        let is_request = b.len() >= header::LEN && matches!(u16_at(b, header::MAGIC), REQUEST_FIRST | REQUEST_SECOND);
        is_request.then(|| array(b, request::RANDOM))
    }

    /// Parses what a client sends; the other side's view of [`Request::emit`].
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("login", b, request::LEN)?;
        let second = match u16_at(b, header::MAGIC) {
            REQUEST_FIRST => false,
            REQUEST_SECOND => true,
            _ => return Err(WireError::Magic { what: "login" }),
        };
        if !b[request::USER..].starts_with(USER) {
            return Err(WireError::Value { what: "login user" });
        }
        let mut random: [u8; 4] = array(b, request::RANDOM);
        random[0] = random[0].wrapping_sub(u8::from(second));
        let is_long = b[request::PASSWORD] == 0 && b[request::long::PASSWORD] != 0;
        let field = match is_long {
            true => &b[request::long::PASSWORD..request::long::PASSWORD_END],
            false => &b[request::PASSWORD..request::PASSWORD_END],
        };
        let password = &field[..field.iter().position(|&c| c == 0).unwrap_or(field.len())];
        Ok(Request { second, random, password, resend: is_long && u32_at(b, request::long::RESEND) == 1 })
    }
}

/// A bit mask by which client and camera say at login what they can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// What a client says.
    pub const CLIENT: Capabilities = Capabilities(0x001F_07FB);

    /// The vendor's names of the bits.
    const NAMES: [(u32, &str); 15] = [
        (0, "cyclic-frame-numbering"),
        (1, "clean-buf-on-reset"),
        (3, "timestamp-in-frameinfo"),
        (4, "multi-channel"),
        (5, "extended-frameinfo"),
        (6, "resend-timeout"),
        (7, "dtls-support"),
        (8, "speaker-channel"),
        (9, "ptz-channel"),
        (10, "playback-channel"),
        (16, "av-security-enabled"),
        (17, "resend-enabled"),
        (18, "dtls-psk"),
        (19, "dtls-ecdhe"),
        (20, "chacha20-poly1305"),
    ];
}

/// The names of the bits that are set, separated by commas, such as `multi-channel,bit-11`.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, bit) in (0..u32::BITS).filter(|bit| self.0 >> bit & 1 == 1).enumerate() {
            f.write_str(if count == 0 { "" } else { "," })?;
            match Self::NAMES.iter().find(|(named, _)| *named == bit) {
                Some((_, name)) => f.write_str(name)?,
                None => write!(f, "bit-{bit}")?,
            }
        }
        Ok(())
    }
}

/// The answer to either request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Response {
    /// The random bytes of the request answered, as [`Request::echo`] has them.
    pub echo: [u8; 4],
    pub success: bool,
    pub enabled: bool,
    /// Whether the camera has a speaker that clients can talk through.
    pub two_way_audio: bool,
    /// Whether the camera sends lost packets again, in the wrapped format.
    pub resend: bool,
    /// What the camera can; nothing where its answer is too short.
    pub capabilities: Capabilities,
}

impl Response {
    /// Makes the answer to a camera's login on the back channel, which has these random bytes.
    pub fn welcome(echo: [u8; 4]) -> Self {
        let capabilities = Capabilities::CLIENT;
        Response { echo, success: true, enabled: true, two_way_audio: true, resend: false, capabilities }
    }

    /// Returns the answer, 60 bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut b = vec![0; response::LEN];
        put_u16(&mut b, header::MAGIC, RESPONSE);
        put_u16(&mut b, header::VERSION, VERSION);
        b[response::STATUS] = if self.success { SUCCESS } else { 0 };
        put_u16(&mut b, response::BODY_LEN, (response::LEN - header::LEN) as u16);
        put(&mut b, response::ECHO, &self.echo);
        b[response::ENABLED] = u8::from(self.enabled);
        b[response::TWO_WAY_AUDIO] = u8::from(self.two_way_audio);
        put_u32(&mut b, response::SECURITY_MODE, SECURITY_MODE);
        b[response::RESEND] = u8::from(self.resend);
        put_u32(&mut b, response::CAPABILITIES, self.capabilities.0);
        b[response::THREE] = 3;
        b[response::TWO] = 2;
        b
    }

    /// Returns the length of the answer that `b` begins with: as it says itself, and all of `b` where that cannot be.
    pub fn len(b: &[u8]) -> usize {
        let told =
            b.get(response::BODY_LEN..response::BODY_LEN + 2).map(|len| header::LEN + usize::from(u16_at(len, 0)));
        told.filter(|told| (response::MIN_LEN..=b.len()).contains(told)).unwrap_or(b.len())
    }

    /// Parses the answer; 32 bytes are enough, as cameras differ in its tail.
    pub fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("login answer", b, response::MIN_LEN)?;
        if u16_at(b, header::MAGIC) != RESPONSE {
            return Err(WireError::Magic { what: "login answer" });
        }
        Ok(Response {
            echo: array(b, response::ECHO),
            success: b[response::STATUS] == SUCCESS,
            enabled: b[response::ENABLED] == 1,
            two_way_audio: b[response::TWO_WAY_AUDIO] == 1,
            resend: b.get(response::RESEND) == Some(&1),
            capabilities: Capabilities(
                b.get(response::CAPABILITIES..response::CAPABILITIES + 4).map_or(0, |field| u32_at(field, 0)),
            ),
        })
    }
}
