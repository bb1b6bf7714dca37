//! What a camera tells its owner of its clients.

use crate::talk::TalkEnd;
use gstwyze::protocol::dtls::Suite;
use gstwyze::protocol::wire::hl::VideoParameters;
use std::net::SocketAddr;

/// The number of a camera's session, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoneReason {
    /// The client closed DTLS.
    Goodbye,
    /// Nothing came from the client for the idle time.
    Idle,
    /// The client began another session from the same address.
    Replaced,
    Rebooted,
    Closed,
}

/// What clients did that the camera's owner may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraEvent {
    /// DTLS is established.
    ClientConnected {
        client: ClientId,
        address: SocketAddr,
        suite: Option<Suite>,
    },
    /// The client passed the challenge or switched media; `video` and `audio` are what it gets from now on.
    Streaming {
        client: ClientId,
        video: bool,
        audio: bool,
    },
    /// A client needs a key frame to go on.
    KeyFrameWanted {
        client: ClientId,
    },
    /// A client asks for another resolution, bit rate or frame rate.
    VideoParameters {
        client: ClientId,
        parameters: VideoParameters,
    },
    /// A client has set something else, or had the camera do something, which the camera did.
    Setting {
        client: ClientId,
        /// The number of the K-command.
        command: u16,
        payload: Vec<u8>,
    },
    /// A client switched talk on or off.
    Talk {
        client: ClientId,
        on: bool,
    },
    /// The back channel is open and logged in: the camera listens.
    TalkOpened {
        client: ClientId,
        suite: Option<Suite>,
    },
    /// The back channel was closed or given up.
    TalkEnded {
        client: ClientId,
        end: TalkEnd,
    },
    ClientGone {
        client: ClientId,
        reason: GoneReason,
    },
}
