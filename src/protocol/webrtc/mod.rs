//! A viewer of one camera over WebRTC, without sockets, threads or a clock: datagrams, signalling texts and times in; the
//! same, events and the next time out.
//!
//! [`Viewer`] is the sibling of [`super::client::Client`]: it has the same contract, and tells the same
//! [`super::client::Event`]s with the same frames. Whoever drives it also carries its texts to the signalling server
//! and back, over the WebSocket whose address a [`Ticket`] has.
//!
//! # From the offer to streaming
//!
//! 1. **Signalling** ([`signalling`]). The offer goes out at once, and our candidates behind it. The camera answers
//!    with a description and candidates of its own, in any order. What comes before the answer waits for it.
//! 2. **Path.** ICE tries each pair of candidates, and DTLS secures the one that works. A STUN server tells us the address
//!    that the internet sees ([`reflexive`]). From here on signalling is not needed.
//! 3. **Streaming.** Frames come as str0m puts them together. Lost packets are asked for again, and after a loss that
//!    remains a key frame is. Sender reports tell when a frame was captured ([`clock`]).
//!
//! Each stage has a limit, and all together have `connect_timeout`. There is no way back: what fails ends the viewer, and
//! another one, with another ticket, makes the next attempt.
//!
//! There is no data channel. Cameras stream without one, and the messages that they take are not known.

mod candidates;
mod clock;
mod config;
mod description;
mod key_frames;
mod media;
mod peer;
mod reflexive;
pub mod signalling;
mod talk;
mod viewer;

pub use config::ViewerConfig;
pub use viewer::{Viewer, ViewerTransmit};

use std::fmt;
use zeroize::Zeroizing;

/// What the cloud hands out for one connection: where to signal, and which servers help ICE. Good for minutes, and for
/// one connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Of the WebSocket; whoever has it can signal.
    pub url: Zeroizing<String>,
    pub ice_servers: Vec<IceServer>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("url", &"***").field("ice_servers", &self.ice_servers).finish()
    }
}

/// A STUN or TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` with host and port.
    pub url: String,
    /// Empty for STUN.
    pub username: Zeroizing<String>,
    pub credential: Zeroizing<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("url", &self.url)
            .field("username", &"***")
            .field("credential", &"***")
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_shows_none_of_its_secrets() {
        let secret = || Zeroizing::new("secret".to_owned());
        let server = IceServer { url: "turn:host:3478".into(), username: secret(), credential: secret() };
        let text = format!("{:?}", Ticket { url: secret(), ice_servers: vec![server] });
        assert!(text.contains("turn:host:3478") && text.contains("***") && !text.contains("secret"), "{text}");
    }
}
