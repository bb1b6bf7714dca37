//! Live sessions: a thread for each camera, which owns the only socket, clock and wait.
//!
//! [`Session::start`] returns at once; the thread finds the camera's address ([`targets`]), drives a
//! [`Client`](crate::protocol::client::Client) ([`driver`]) and hands its events to an observer.

mod driver;
mod targets;

use crate::protocol::client::{Config, Event};
use crate::protocol::error::Error;
use crate::protocol::model::VideoWish;
use crate::protocol::stats::Stats;
use mio::{Poll, Waker};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Where to look for the camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// An IPv4 address or a name; `None` searches the network by broadcast.
    pub host: Option<String>,
    pub port: u16,
}

/// What the owner of a session asks its thread.
#[derive(Default)]
struct Requests {
    stop: bool,
    video_wish: Option<VideoWish>,
    /// The answer of the name service.
    resolved: Option<Result<Vec<std::net::SocketAddr>, Error>>,
}

struct Shared {
    waker: Waker,
    requests: Mutex<Requests>,
    stats: Mutex<Stats>,
}

impl Shared {
    fn request(&self, change: impl FnOnce(&mut Requests)) {
        change(&mut lock(&self.requests));
        // Fails only where the thread is gone, and then there is nobody to wake.
        let _ = self.waker.wake();
    }
}

/// A running session. Dropping it stops the thread and waits for it: some milliseconds, at any stage.
pub struct Session {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Session {
    /// Starts the thread. `config.targets` is filled from `place`; `observer` runs on the thread and must not block.
    pub fn start(config: Config, place: Place, observer: impl FnMut(Event) + Send + 'static) -> io::Result<Session> {
        let poll = Poll::new()?;
        let shared = Arc::new(Shared {
            waker: Waker::new(poll.registry(), driver::WAKER)?,
            requests: Mutex::default(),
            stats: Mutex::default(),
        });
        let socket = driver::open_socket()?;
        let thread = thread::Builder::new().name("wyze-session".into()).spawn({
            let shared = shared.clone();
            move || driver::Driver::new(shared, poll, socket, config, observer).run(place)
        })?;
        Ok(Session { shared, thread: Some(thread) })
    }

    /// Counters as of the last datagrams.
    pub fn stats(&self) -> Stats {
        lock(&self.shared.stats).clone()
    }

    /// Asks the camera for another picture.
    pub fn set_video_wish(&self, wish: VideoWish) {
        self.shared.request(|requests| requests.video_wish = Some(wish));
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

/// The data behind these locks stays sound when a holder panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
