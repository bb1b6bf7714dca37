//! Live sessions: a thread for each camera, which owns the only socket, clock and wait.
//!
//! Elements become members of a camera's session by [`Membership::join`], which returns at once. There is one session for a camera
//! in a process: the first member starts its thread, the last one that leaves stops it. The thread finds where to look for
//! the camera ([`targets`]), drives a [`Client`](crate::protocol::client::Client) ([`driver`]) and tells every member what it
//! wants to know ([`members`]).
//!
//! The first connection has to succeed, as most often a wrong setting keeps it from that. From then on the thread makes a
//! connection that is lost anew by itself, for as long as members have attempts left ([`backoff`]), unless the error is one that
//! no further attempt can mend ([`Error::may_pass`]). Between attempts it goes on looking for a camera that was away.

mod backoff;
mod driver;
mod event;
mod members;
mod registry;
mod shared;
pub(crate) mod socket;
mod targets;

use crate::protocol::client::Config;
use mio::{Poll, Waker};
use shared::Shared;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

pub(crate) use crate::lock::lock;
pub use event::Event;
pub use members::Wants;
pub use registry::{Conflict, JoinError, Membership};
pub(crate) use targets::search_addresses;

/// Where to look for the camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// An IPv4 address or a name; `None` searches the network by broadcast.
    pub host: Option<String>,
    /// Where the camera was last, for the search.
    pub known: Option<Ipv4Addr>,
    pub port: u16,
    /// The name of the only network interface to use; `None` for any.
    pub interface: Option<String>,
}

/// A running session. Dropping it stops the thread and waits for it: some milliseconds, at any stage.
struct Session {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Session {
    /// Starts the thread. `config.targets` is filled from `place`.
    fn start(config: Config, place: Place) -> io::Result<Session> {
        let poll = Poll::new()?;
        let shared = Arc::new(Shared {
            waker: Waker::new(poll.registry(), driver::WAKER)?,
            requests: Mutex::default(),
            stats: Mutex::default(),
        });
        let socket = socket::open()?;
        let thread = thread::Builder::new().name("wyze-session".into()).spawn({
            let shared = shared.clone();
            move || driver::Driver::new(shared, poll, socket, config, place).run()
        })?;
        Ok(Session { shared, thread: Some(thread) })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.request(|requests| requests.stop = true);
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and the session is over either way.
            let _ = thread.join();
        }
    }
}
