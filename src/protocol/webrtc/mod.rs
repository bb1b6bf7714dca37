//! A viewer of one camera over WebRTC, without sockets, threads or a clock: datagrams, signalling texts and times in;
//! the same, events and the next time out.
//!
//! [`Viewer`] is the sibling of [`super::client::Client`]: it has the same contract, and tells the same
//! [`super::client::Event`]s with the same frames. Whoever drives it also carries its texts to the signalling server
//! and back, over the WebSocket whose address a [`Ticket`](super::ticket::Ticket) has.
//!
//! # From the offer to streaming
//!
//! 1. **Signalling** ([`signalling`]). The offer goes out at once, and our candidates behind it. The camera answers
//!    with a description and candidates of its own, in any order. What comes before the answer waits for it.
//! 2. **Path.** ICE tries each pair of candidates, and DTLS secures the one that works. A STUN server tells us the
//!    address that the internet sees ([`reflexive`]). Where nothing works for 3 s, a relay is asked ([`relay`]). From
//!    here on signalling is not needed.
//! 3. **Streaming.** Frames come as str0m puts them together. Lost packets are asked for again, and after a loss that
//!    remains a key frame is. Sender reports tell when a frame was captured ([`clock`]).
//!
//! Each stage has a limit, and all together have `connect_timeout`. There is no way back: what fails ends the viewer,
//! and another one, with another ticket, makes the next attempt.
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
mod relay;
mod repair_window;
pub mod signalling;
mod talk;
mod viewer;

pub use config::ViewerConfig;
pub use relay::{RelayServer, RelayTransport};
pub use viewer::{Viewer, ViewerTransmit};
