//! HL messages ("K-commands"), which control frames carry: a header of 16 bytes and a payload. An even command is a
//! request, the odd one after it its answer. Each payload's layout stands with its type.

use super::codec::CodecId;
use super::{WireError, array, check_len, put, put_u16, u16_at};

pub const AUTH_REQUEST: u16 = 10000;
pub const AUTH_CHALLENGE: u16 = 10001;
pub const AUTH_ANSWER: u16 = 10002;
pub const AUTH_RESULT: u16 = 10003;
pub const MEDIA: u16 = 10010;
pub const RESOLUTION_DOORBELL: u16 = 10052;
pub const RESOLUTION: u16 = 10056;
pub const SET_CLOCK: u16 = 10092;

/// Where the fields of a message begin. Bytes that no offset names are zero.
mod offset {
    /// "HL".
    pub const MAGIC: usize = 0;
    /// u16; a client's is 5.
    pub const PROTOCOL: usize = 2;
    /// u16.
    pub const COMMAND: usize = 4;
    /// u16.
    pub const PAYLOAD_LEN: usize = 6;
    pub const PAYLOAD: usize = 16;
}

pub(super) const MAGIC: &[u8] = b"HL";
const PROTOCOL: u16 = 5;

/// A command and its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    pub command: u16,
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Returns the message, 16 bytes and the payload.
    pub fn emit(&self) -> Vec<u8> {
        let mut b = vec![0; offset::PAYLOAD + self.payload.len()];
        put(&mut b, offset::MAGIC, MAGIC);
        put_u16(&mut b, offset::PROTOCOL, PROTOCOL);
        put_u16(&mut b, offset::COMMAND, self.command);
        // Payloads are JSON of a few KiB at most.
        put_u16(&mut b, offset::PAYLOAD_LEN, self.payload.len() as u16);
        put(&mut b, offset::PAYLOAD, self.payload);
        b
    }

    /// Parses a message that starts with "HL"; bytes after its payload are ignored, as frames may be padded.
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("HL header", b, offset::PAYLOAD)?;
        if !b.starts_with(MAGIC) {
            return Err(WireError::Magic { what: "HL header" });
        }
        let end = offset::PAYLOAD + usize::from(u16_at(b, offset::PAYLOAD_LEN));
        check_len("HL payload", b, end)?;
        Ok(Message { command: command(b), payload: &b[offset::PAYLOAD..end] })
    }
}

/// Returns the protocol number of a message that [`Message::parse`] takes. A camera's tells which commands it has.
pub fn protocol(message: &[u8]) -> u16 {
    u16_at(message, offset::PROTOCOL)
}

/// Returns the command of a message that [`Message::emit`] made.
pub fn command(message: &[u8]) -> u16 {
    u16_at(message, offset::COMMAND)
}

/// K10000: tells which audio codecs the client takes, as JSON.
pub fn auth_request(codecs: &[CodecId]) -> Vec<u8> {
    let list: Vec<String> = codecs.iter().map(|codec| codec.0.to_string()).collect();
    let payload = format!(r#"{{"cameraInfo":{{"audioEncoderList":[{}]}}}}"#, list.join(","));
    Message { command: AUTH_REQUEST, payload: payload.as_bytes() }.emit()
}

/// K10000 for a model that sleeps: asks the one with this MAC, in 12 hexadecimal digits, to wake up, as JSON.
pub fn wake_request(mac: &[u8; 12]) -> Vec<u8> {
    let mac = String::from_utf8_lossy(mac);
    let payload = format!(r#"{{"cameraInfo":{{"mac":"{mac}","encFlag":0,"wakeupFlag":1}}}}"#);
    Message { command: AUTH_REQUEST, payload: payload.as_bytes() }.emit()
}

/// How a camera's challenge is to be answered, or why the camera takes no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeStatus {
    /// 1: with the key that all cameras share.
    SharedKey,
    /// 2: not at all, the camera is updating its firmware.
    Updating,
    /// 3: with the first 16 characters of the ENR.
    Enr,
    /// 4: not at all, the camera is still checking its ENR.
    Checking,
    /// 5: not at all, the camera is switched off in the Wyze app.
    Off,
    /// 6: with the first 16 characters of the ENR, then with the 16 after them, or what stands for them.
    LongEnr,
    /// A number with no known meaning.
    Unknown(u8),
}

impl From<u8> for ChallengeStatus {
    fn from(number: u8) -> Self {
        match number {
            1 => ChallengeStatus::SharedKey,
            2 => ChallengeStatus::Updating,
            3 => ChallengeStatus::Enr,
            4 => ChallengeStatus::Checking,
            5 => ChallengeStatus::Off,
            6 => ChallengeStatus::LongEnr,
            number => ChallengeStatus::Unknown(number),
        }
    }
}

impl ChallengeStatus {
    /// Returns the number on the wire.
    pub fn number(self) -> u8 {
        match self {
            ChallengeStatus::SharedKey => 1,
            ChallengeStatus::Updating => 2,
            ChallengeStatus::Enr => 3,
            ChallengeStatus::Checking => 4,
            ChallengeStatus::Off => 5,
            ChallengeStatus::LongEnr => 6,
            ChallengeStatus::Unknown(number) => number,
        }
    }

    /// Whether the camera waits for an answer.
    fn wants_answer(self) -> bool {
        matches!(self, ChallengeStatus::SharedKey | ChallengeStatus::Enr | ChallengeStatus::LongEnr)
    }
}

/// K10001: what the client has to answer, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    pub status: ChallengeStatus,
    /// Zeros where the camera left it out.
    pub challenge: [u8; 16],
}

/// The payload of K10001.
mod challenge {
    /// One byte.
    pub const STATUS: usize = 0;
    pub const CHALLENGE: usize = 1;
    pub const LEN: usize = 17;
}

impl Challenge {
    /// Returns the whole message.
    pub fn emit(&self) -> Vec<u8> {
        let mut payload = [0; challenge::LEN];
        payload[challenge::STATUS] = self.status.number();
        put(&mut payload, challenge::CHALLENGE, &self.challenge);
        Message { command: AUTH_CHALLENGE, payload: &payload }.emit()
    }

    /// Parses the payload. A camera that wants no answer may leave the challenge out.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        check_len("challenge", payload, challenge::STATUS + 1)?;
        let status = ChallengeStatus::from(payload[challenge::STATUS]);
        if !status.wants_answer() && payload.len() < challenge::LEN {
            return Ok(Challenge { status, challenge: [0; 16] });
        }
        check_len("challenge", payload, challenge::LEN)?;
        Ok(Challenge { status, challenge: array(payload, challenge::CHALLENGE) })
    }
}

/// K10002: the answer to the challenge, and what to stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChallengeAnswer {
    pub answer: [u8; 16],
    /// Four bytes that no camera checks.
    pub random: [u8; 4],
    pub video: bool,
    pub audio: bool,
}

/// The payload of K10002.
mod answer {
    pub const ANSWER: usize = 0;
    pub const RANDOM: usize = 16;
    /// One byte, 1 on.
    pub const VIDEO: usize = 20;
    /// One byte, 1 on.
    pub const AUDIO: usize = 21;
    pub const LEN: usize = 22;
}

impl ChallengeAnswer {
    /// Returns the whole message.
    pub fn emit(&self) -> Vec<u8> {
        Message { command: AUTH_ANSWER, payload: &self.payload() }.emit()
    }

    pub fn payload(&self) -> [u8; answer::LEN] {
        let mut payload = [0; answer::LEN];
        put(&mut payload, answer::ANSWER, &self.answer);
        put(&mut payload, answer::RANDOM, &self.random);
        payload[answer::VIDEO] = u8::from(self.video);
        payload[answer::AUDIO] = u8::from(self.audio);
        payload
    }

    /// Parses the payload.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        check_len("answer", payload, answer::LEN)?;
        Ok(ChallengeAnswer {
            answer: array(payload, answer::ANSWER),
            random: array(payload, answer::RANDOM),
            video: payload[answer::VIDEO] == 1,
            audio: payload[answer::AUDIO] == 1,
        })
    }
}

/// A medium that K10010 switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    Video,
    Audio,
    /// Audio from the client to the camera.
    ReturnAudio,
    /// Files from the SD card, by TUTK's RDT, which this library does not speak.
    Files,
}

impl MediaKind {
    fn number(self) -> u8 {
        match self {
            MediaKind::Video => 1,
            MediaKind::Audio => 2,
            MediaKind::ReturnAudio => 3,
            MediaKind::Files => 4,
        }
    }
}

/// K10010: switches a medium on (1) or off (2). The payload is the medium's number and the switch, a byte each.
pub fn media(kind: MediaKind, on: bool) -> Vec<u8> {
    Message { command: MEDIA, payload: &[kind.number(), if on { 1 } else { 2 }] }.emit()
}

/// K10092: sets the camera's clock. The payload is a u32, the seconds since 1970.
pub fn set_clock(unix_seconds: u32) -> Vec<u8> {
    Message { command: SET_CLOCK, payload: &unix_seconds.to_le_bytes() }.emit()
}

/// The picture that a camera is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoParameters {
    /// 0 1080p, 1 360p, 2 720p, 3 2K, 4 the floodlight's best. The number on the wire is one more.
    pub frame_size: u8,
    /// KB/s.
    pub bitrate: u16,
    /// Frames a second; 0 lets the camera choose.
    pub fps: u8,
}

/// The payload of K10056.
mod resolution {
    /// One byte: the number of the size, and one.
    pub const FRAME_SIZE: usize = 0;
    /// u16.
    pub const BITRATE: usize = 1;
    /// u16, which may be left out.
    pub const FPS: usize = 3;
    pub const LEN: usize = 5;
}

/// The payload of K10052.
mod resolution_doorbell {
    /// u16.
    pub const BITRATE: usize = 0;
    /// One byte: the number of the size, and one.
    pub const FRAME_SIZE: usize = 2;
    /// One byte.
    pub const FPS: usize = 3;
    /// Two zeros follow, which nobody reads.
    pub const MIN_LEN: usize = 4;
    pub const LEN: usize = 6;
}

impl VideoParameters {
    /// Returns the message K10056, which most models take.
    pub fn emit(&self) -> Vec<u8> {
        let mut payload = [0; resolution::LEN];
        payload[resolution::FRAME_SIZE] = self.frame_size.wrapping_add(1);
        put_u16(&mut payload, resolution::BITRATE, self.bitrate);
        put_u16(&mut payload, resolution::FPS, self.fps.into());
        Message { command: RESOLUTION, payload: &payload }.emit()
    }

    /// Returns the message K10052, which doorbells and first-generation models take.
    pub fn emit_doorbell(&self) -> Vec<u8> {
        let mut payload = [0; resolution_doorbell::LEN];
        put_u16(&mut payload, resolution_doorbell::BITRATE, self.bitrate);
        payload[resolution_doorbell::FRAME_SIZE] = self.frame_size.wrapping_add(1);
        payload[resolution_doorbell::FPS] = self.fps;
        Message { command: RESOLUTION_DOORBELL, payload: &payload }.emit()
    }

    /// Parses either message; `None` where it is neither, or too short.
    pub fn parse(message: &Message<'_>) -> Option<Self> {
        let p = message.payload;
        match message.command {
            RESOLUTION if p.len() >= resolution::FPS => Some(VideoParameters {
                frame_size: p[resolution::FRAME_SIZE].wrapping_sub(1),
                bitrate: u16_at(p, resolution::BITRATE),
                fps: p.get(resolution::FPS).copied().unwrap_or(0),
            }),
            RESOLUTION_DOORBELL if p.len() >= resolution_doorbell::MIN_LEN => Some(VideoParameters {
                frame_size: p[resolution_doorbell::FRAME_SIZE].wrapping_sub(1),
                bitrate: u16_at(p, resolution_doorbell::BITRATE),
                fps: p[resolution_doorbell::FPS],
            }),
            _ => None,
        }
    }
}
