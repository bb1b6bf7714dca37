//! Live sessions: a thread for each camera, which owns the only socket, clock and wait.
//!
//! Elements become members of a camera's session by [`Membership::join`], which returns at once. There is one session
//! for a camera in a process: the first member starts its thread, the last one that leaves stops it. The thread finds
//! where to look for the camera (`targets`), opens a socket and drives a [`Client`](crate::protocol::client::Client)
//! over it (`attempt`, `driver`), or over WebRTC a viewer (`way`, `web`, `call`), and tells every member what it wants to know (`members`). Members may hold it up
//! while it delivers frames: then another thread goes on (`standby`).
//!
//! The first connection has to succeed, as most often a wrong setting keeps it from that. From then on, the thread
//! makes a lost connection anew by itself, for as long as members have attempts left (`backoff`), unless no further
//! attempt can mend the error ([`Error::may_pass`](crate::protocol::error::Error::may_pass)). Between attempts it goes
//! on looking for a camera that was away.
//!
//! # The seam to the protocol
//!
//! A session knows how a connection is used, not how it works. It makes a client from a [`Config`], moves datagrams,
//! asks for things by the client's methods (media, picture, key frame, talk), counts its
//! [`Stats`](crate::protocol::stats::Stats), and passes on its
//! [`Event`](crate::protocol::client::Event)s with the [`CameraInfo`](crate::protocol::client::CameraInfo),
//! [`Frame`](crate::protocol::reassembly::Frame)s, [`TalkEvent`](crate::protocol::talk::TalkEvent)s and
//! [`Error`](crate::protocol::error::Error)s in them. Envelopes, DTLS, commands and packets are the protocol's own.
//! The viewer of cameras over WebRTC stands beside `Client` and uses the same types (`connection`). Its tickets come by a
//! function that is handed in: a session knows no cloud.

mod attempt;
mod backoff;
mod batch;
#[cfg(feature = "webrtc")]
mod call;
mod calls;
mod connection;
mod driver;
mod event;
mod icmp;
#[cfg(feature = "webrtc")]
mod invitation;
mod members;
mod peer;
mod registry;
#[cfg(feature = "webrtc")]
mod relay;
mod shared;
pub(crate) mod socket;
mod standby;
#[cfg(feature = "webrtc")]
mod stream;
mod targets;
mod tokens;
mod way;
#[cfg(feature = "webrtc")]
mod web;
#[cfg(feature = "webrtc")]
mod websocket;

use crate::protocol::client::Config;
use driver::Driver;
use members::Member;
use mio::{Poll, Waker};
use shared::{Action, Shared};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use way::Way;

pub(crate) use crate::lock::lock;
pub use calls::Reply;
pub use event::Event;
pub use members::{Deliver, Use, Wants};
#[cfg(feature = "webrtc")]
pub use peer::TICKET_PATIENCE;
pub use peer::{Peer, TicketSource, Transport};
pub use registry::{Caller, Conflict, JoinError, Membership};
pub use socket::bind_interface;
pub use targets::search_addresses;

/// Where to look for a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// An IPv4 address or a name; `None` searches the network by broadcast.
    pub host: Option<String>,
    /// The camera's last address, which a search asks too.
    pub known: Option<Ipv4Addr>,
    /// The UDP port of discovery.
    pub port: u16,
    /// The name of the only network interface to use; `None` for any.
    pub interface: Option<String>,
}

const THREAD: &str = "wyze-session";

/// A running session. Dropping it stops its thread and waits for the end: some milliseconds, at any stage.
struct Session {
    shared: Arc<Shared>,
}

impl Session {
    /// Starts the thread with its first member, which is so told of everything from the beginning. `config.targets` is
    /// filled from `place`. Fails without a socket, a poll or a thread to be had.
    fn start(peer: Peer, way: Way, config: Config, place: Place, first: Member) -> io::Result<Session> {
        let poll = Poll::new()?;
        let shared = Arc::new(Shared::new(Waker::new(poll.registry(), tokens::WAKER)?, Action::Join(first)));
        let socket = socket::open()?;
        let watched = standby::watch()?;
        thread::Builder::new().name(THREAD.into()).spawn({
            let shared = shared.clone();
            move || driver::run(Box::new(Driver::new(shared, watched, poll, socket, (peer, way), config, place)))
        })?;
        Ok(Session { shared })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.stop();
        // An observer that owns the last membership is dropped by the driver itself, which cannot wait for itself.
        if !self.shared.is_driven_here() {
            self.shared.wait_for_end();
        }
    }
}
