//! What a client tells.

use crate::protocol::dtls::Suite;
use crate::protocol::error::{Error, Stage};
use crate::protocol::medium::{MediaSet, Medium};
use crate::protocol::reassembly::Frame;
use crate::protocol::talk::TalkEvent;
use crate::protocol::transport::Envelope;
use crate::protocol::wire::codec::{AudioFlags, CodecId};
use crate::protocol::wire::login::Capabilities;
use std::net::SocketAddr;

/// How a camera is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// By TUTK's protocol, in the local network.
    Lan,
    /// By WebRTC, with the cloud as signalling.
    WebRtc,
}

impl TransportKind {
    /// Returns the word for programs.
    pub fn name(self) -> &'static str {
        match self {
            TransportKind::Lan => "lan",
            TransportKind::WebRtc => "webrtc",
        }
    }
}

/// What connecting has made known of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraInfo {
    pub transport: TransportKind,
    /// `None` over WebRTC.
    pub envelope: Option<Envelope>,
    /// `None` over WebRTC.
    pub suite: Option<Suite>,
    pub address: SocketAddr,
    /// Empty where the camera did not say.
    pub model: String,
    pub firmware: String,
    /// The protocol number of the camera's HL messages, by which it is known which commands its model has; 0 over
    /// WebRTC.
    pub protocol: u16,
    /// The media that the camera did not refuse when it was asked for them.
    pub media: MediaSet,
    pub two_way_audio: bool,
    /// Over WebRTC: the format that talk has to have. `None` where it is that of the camera's own sound, which its
    /// frames tell.
    pub talk_format: Option<(CodecId, AudioFlags)>,
    /// Whether the camera says that its AV layer is enabled.
    pub av_enabled: bool,
    /// Whether the camera sends lost packets again.
    pub resend: bool,
    /// What the camera says that it can.
    pub capabilities: Capabilities,
    /// `None` before the first frame.
    pub clock: Option<CameraClock>,
}

/// What is known of a camera's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraClock {
    /// How many nanoseconds the stamp of the connection's first frame was ahead of the wall clock at its arrival;
    /// `None` where the camera's clock had never been set.
    pub offset: Option<i64>,
    /// Whether the camera has answered that its clock is set now.
    pub was_set: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Stage(Stage),
    /// The camera streams from now on.
    Connected(CameraInfo),
    /// The first frame has shown the camera's clock, or the clock was set.
    Clock(CameraClock),
    Frame(Frame),
    Talk(TalkEvent),
    /// The camera did not answer this K-command in time; the session goes on.
    Unanswered(u16),
    /// The camera answered this K-command of the client itself by a number that does not mean that it agrees.
    Refused(u16, u8),
    /// What a caller's command came to: the answer's payload, empty where the camera gives no answer; `None` where the
    /// camera kept silent, as one does that does not know the command.
    Reply(u64, Option<Vec<u8>>),
    /// A medium is silent while the other one comes, and has been asked for again; or with false, it is back.
    Silent(Medium, bool),
    /// In a session with resends, it is the packets' heads that count them, as with few cameras.
    CountsByHead,
    /// The last event of a session that was not closed by [`Client::close`](super::Client::close).
    Ended(Error),
}
