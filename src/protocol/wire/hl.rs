//! HL messages ("K-commands"), which control frames carry.
//!
//! 0..2 "HL" · 2 protocol number (client: 5) · 4..6 command · 6..8 payload length n · 16..16+n payload. An even command is a
//! request, the odd one after it its answer.

use super::codec::CodecId;
use super::{WireError, array, check_len, put, put_u16, u16_at};

pub const AUTH_REQUEST: u16 = 10000;
pub const AUTH_CHALLENGE: u16 = 10001;
pub const AUTH_ANSWER: u16 = 10002;
pub const AUTH_RESULT: u16 = 10003;
pub const MEDIA: u16 = 10010;
pub const RESOLUTION_DOORBELL: u16 = 10052;
pub const RESOLUTION: u16 = 10056;

pub(super) const MAGIC: &[u8] = b"HL";
const PROTOCOL: u8 = 5;
const HEADER: usize = 16;

/// A command and its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    pub command: u16,
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// 16 bytes and the payload.
    pub fn emit(&self) -> Vec<u8> {
        let mut b = vec![0; HEADER + self.payload.len()];
        put(&mut b, 0, MAGIC);
        b[2] = PROTOCOL;
        put_u16(&mut b, 4, self.command);
        // Payloads are JSON of a few KiB at most.
        put_u16(&mut b, 6, self.payload.len() as u16);
        put(&mut b, HEADER, self.payload);
        b
    }

    /// Parses a message that starts with "HL"; bytes after its payload are ignored, as frames may be padded.
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("HL header", b, HEADER)?;
        if !b.starts_with(MAGIC) {
            return Err(WireError::Magic { what: "HL header" });
        }
        let len = usize::from(u16_at(b, 6));
        check_len("HL payload", b, HEADER + len)?;
        Ok(Message { command: u16_at(b, 4), payload: &b[HEADER..HEADER + len] })
    }
}

/// K10000: which audio codecs the client takes, as JSON.
pub fn auth_request(codecs: &[CodecId]) -> Vec<u8> {
    let list: Vec<String> = codecs.iter().map(|codec| codec.0.to_string()).collect();
    let payload = format!(r#"{{"cameraInfo":{{"audioEncoderList":[{}]}}}}"#, list.join(","));
    Message { command: AUTH_REQUEST, payload: payload.as_bytes() }.emit()
}

/// K10001: how the camera wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// 1, 3 and 6 name a key; 2 updating, 4 checking ENR, 5 camera off.
    pub status: u8,
    pub challenge: [u8; 16],
}

impl Challenge {
    pub fn emit(&self) -> Vec<u8> {
        let mut payload = vec![self.status];
        payload.extend(self.challenge);
        Message { command: AUTH_CHALLENGE, payload: &payload }.emit()
    }

    /// Parses the payload. A camera that will not be answered may leave the challenge out.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        check_len("challenge", payload, 1)?;
        let status = payload[0];
        if !matches!(status, 1 | 3 | 6) && payload.len() < 17 {
            return Ok(Challenge { status, challenge: [0; 16] });
        }
        check_len("challenge", payload, 17)?;
        Ok(Challenge { status, challenge: array(payload, 1) })
    }
}

/// K10002: the answer to the challenge, and what to stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub answer: [u8; 16],
    pub random: [u8; 4],
    pub video: bool,
    pub audio: bool,
}

impl Answer {
    pub fn emit(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(22);
        payload.extend(self.answer);
        payload.extend(self.random);
        payload.extend([u8::from(self.video), u8::from(self.audio)]);
        Message { command: AUTH_ANSWER, payload: &payload }.emit()
    }

    /// Parses the payload.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        check_len("answer", payload, 22)?;
        Ok(Answer {
            answer: array(payload, 0),
            random: array(payload, 16),
            video: payload[20] == 1,
            audio: payload[21] == 1,
        })
    }
}

/// What K10010 switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    Video,
    Audio,
    /// Audio from the client to the camera.
    ReturnAudio,
}

impl MediaKind {
    fn number(self) -> u8 {
        match self {
            MediaKind::Video => 1,
            MediaKind::Audio => 2,
            MediaKind::ReturnAudio => 3,
        }
    }
}

/// K10010: switches a medium on or off.
pub fn media(kind: MediaKind, on: bool) -> Vec<u8> {
    Message { command: MEDIA, payload: &[kind.number(), if on { 1 } else { 2 }] }.emit()
}

/// The picture that a camera is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoParameters {
    /// 0 1080p, 1 360p, 2 720p, 3 2K, 4 the floodlight's best.
    pub frame_size: u8,
    /// KB/s.
    pub bitrate: u16,
    /// 0 lets the camera choose.
    pub fps: u8,
}

impl VideoParameters {
    /// K10056, what most models take.
    pub fn emit(&self) -> Vec<u8> {
        let mut payload = vec![self.frame_size.wrapping_add(1)];
        payload.extend(self.bitrate.to_le_bytes());
        payload.extend(u16::from(self.fps).to_le_bytes());
        Message { command: RESOLUTION, payload: &payload }.emit()
    }

    /// K10052, what doorbells and first-generation models take.
    pub fn emit_doorbell(&self) -> Vec<u8> {
        let mut payload = self.bitrate.to_le_bytes().to_vec();
        payload.extend([self.frame_size.wrapping_add(1), self.fps, 0, 0]);
        Message { command: RESOLUTION_DOORBELL, payload: &payload }.emit()
    }

    /// Parses the payload of either command; `None` where it is neither, or too short.
    pub fn parse(message: &Message<'_>) -> Option<Self> {
        let p = message.payload;
        match message.command {
            RESOLUTION if p.len() >= 3 => Some(VideoParameters {
                frame_size: p[0].wrapping_sub(1),
                bitrate: u16_at(p, 1),
                fps: p.get(3).copied().unwrap_or(0),
            }),
            RESOLUTION_DOORBELL if p.len() >= 4 => {
                Some(VideoParameters { frame_size: p[2].wrapping_sub(1), bitrate: u16_at(p, 0), fps: p[3] })
            }
            _ => None,
        }
    }
}
