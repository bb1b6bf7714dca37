//! What goes into a talk, and what it tells, whichever way it takes to the camera.

use super::wire::codec::{AudioFlags, CodecId};
use std::time::Duration;

/// Why there is no talk. The viewing session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TalkError {
    #[error("talk: this camera has no two-way audio")]
    NoTwoWayAudio,
    #[error("talk: somebody else talks on this session already; end that first")]
    Busy,
    #[error("talk: the camera did not answer the request; another app may be talking, try again later")]
    Refused,
    #[error("talk: the camera did not open the back channel in time; restart it, or try again")]
    NotOpened,
    #[error("talk: the back channel failed; check enr, or try again")]
    Handshake,
    #[error("talk: the camera hung up")]
    HungUp,
}

impl TalkError {
    /// Returns the word that stands for it in messages.
    pub fn reason(self) -> &'static str {
        match self {
            TalkError::NoTwoWayAudio => "no-two-way-audio",
            TalkError::Busy => "busy",
            TalkError::Refused => "talk-refused",
            TalkError::NotOpened => "talk-timeout",
            TalkError::Handshake => "talk-handshake",
            TalkError::HungUp => "talk-hung-up",
        }
    }
}

/// What has become of sound since the last report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TalkReport {
    /// How long the sound lasts that waits no longer: it has been sent, or dropped. Whoever talks knows by it how much
    /// is ahead.
    pub sound: Duration,
    /// Frames sent.
    pub frames: u64,
    /// Bytes of sound in these frames.
    pub bytes: u64,
}

/// How a talk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TalkEvent {
    /// Audio is taken from now on.
    Ready,
    Sent(TalkReport),
    /// The talk is over, as was asked for: all is sent and has sounded, and the camera has been told.
    Stopped,
    Failed(TalkError),
}

/// One encoded audio frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkAudio {
    pub codec: CodecId,
    pub flags: AudioFlags,
    pub data: Vec<u8>,
    /// How long the frame sounds.
    pub duration: Duration,
}
