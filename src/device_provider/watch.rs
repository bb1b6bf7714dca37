//! Keeps looking which cameras there are: in the store, and on the network.

use super::imp::CAT;
use super::search::Search;
use crate::account::{Camera, Cameras, Store};
use crate::protocol::wire::SessionId;
use crate::session::{search_addresses, socket};
use inotify::{Inotify, WatchMask};
use mio::net::UdpSocket;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use rand::RngExt;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long answers are waited for after each time of asking.
const PATIENCE: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(500), Duration::from_millis(700)];
const INTERVAL: Duration = Duration::from_secs(30);
/// The next look when a camera was missed that had been there.
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// A camera is gone when it did not answer for so many looks: one may fall into a bad moment of the Wi-Fi.
const MISSES: u32 = 2;
/// Discovery answers are shorter; of a longer datagram the rest is cut off.
const DATAGRAM: usize = 2048;
const SOCKET: Token = Token(0);
const STORE: Token = Token(1);
const WAKER: Token = Token(2);

/// A camera as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// What names it in the store: its name, or its UID where others have the same.
    pub selector: String,
    pub model: String,
    pub firmware: String,
    pub address: Option<String>,
    pub obstacle: Option<&'static str>,
    pub online: bool,
}

/// What looking for a camera has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Presence {
    address: Option<IpAddr>,
    /// Since it last answered.
    misses: u32,
}

impl Presence {
    fn looked(&mut self, found: Option<IpAddr>) {
        match found {
            Some(_) => *self = Presence { address: found, misses: 0 },
            None => self.misses = self.misses.saturating_add(1),
        }
    }

    fn is_online(&self) -> bool {
        self.address.is_some() && self.misses < MISSES
    }

    fn is_in_doubt(&self) -> bool {
        self.is_online() && self.misses > 0
    }
}

pub struct Watch {
    store: Store,
    cameras: Vec<(Camera, Presence)>,
    /// What names each of them.
    selectors: Vec<String>,
    poll: Poll,
    events: Events,
    inotify: Inotify,
    store_changed: bool,
    stop: Arc<AtomicBool>,
}

impl Watch {
    pub fn new(store: Store) -> io::Result<Self> {
        let (poll, inotify) = (Poll::new()?, Inotify::init()?);
        poll.registry().register(&mut SourceFd(&inotify.as_raw_fd()), STORE, Interest::READABLE)?;
        Ok(Watch {
            store,
            cameras: Vec::new(),
            selectors: Vec::new(),
            poll,
            events: Events::with_capacity(3),
            inotify,
            store_changed: false,
            stop: Arc::default(),
        })
    }

    /// Reads the store and looks who is there. Takes as long as [`PATIENCE`], or less where all have answered.
    pub fn look(&mut self) -> Vec<Listed> {
        self.read_store();
        if let Err(e) = self.search() {
            gst::warning!(CAT, "Cameras cannot be looked for: {e}");
        }
        self.list()
    }

    /// Goes on looking in a thread of its own, which tells of what there is after each look.
    pub fn spawn(mut self, mut tell: impl FnMut(Vec<Listed>) + Send + 'static) -> io::Result<Watching> {
        let waker = Waker::new(self.poll.registry(), WAKER)?;
        let stop = self.stop.clone();
        let thread = thread::Builder::new().name("wyze-devices".into()).spawn(move || {
            if let Err(e) = self.run(&mut tell) {
                gst::error!(CAT, "Cameras are not looked for any more: {e}");
            }
        })?;
        Ok(Watching { stop, waker, thread: Some(thread) })
    }

    fn run(&mut self, tell: &mut impl FnMut(Vec<Listed>)) -> io::Result<()> {
        loop {
            let in_doubt = self.cameras.iter().any(|(_, presence)| presence.is_in_doubt());
            let next = Instant::now() + if in_doubt { SECOND_LOOK } else { INTERVAL };
            loop {
                if self.stopped() {
                    return Ok(());
                }
                // What else is in its folder is of no interest.
                if Instant::now() >= next || (std::mem::take(&mut self.store_changed) && self.read_store()) {
                    break;
                }
                self.wait(next)?;
            }
            let listed = self.look();
            if !self.stopped() {
                tell(listed);
            }
        }
    }

    /// True where the store has other cameras than before. One that cannot be read has none.
    fn read_store(&mut self) -> bool {
        // First, so that no change falls between.
        self.watch_folder();
        let cameras = self.store.cameras().unwrap_or_else(|e| {
            gst::warning!(CAT, "No cameras are listed: {e}");
            Cameras::default()
        });
        let changed = !cameras.iter().eq(self.cameras.iter().map(|(camera, _)| camera));
        if changed {
            self.selectors = cameras.iter().map(|camera| selector(&cameras, camera)).collect();
            let before = std::mem::take(&mut self.cameras);
            let presence = |camera: &Camera| {
                let same = before.iter().find(|(other, _)| other.uid == camera.uid && other.mac == camera.mac);
                same.map(|(_, presence)| *presence).unwrap_or_default()
            };
            self.cameras = cameras.iter().map(|camera| (camera.clone(), presence(camera))).collect();
        }
        changed
    }

    /// Watches the store's folder, or the one above as long as there is none. Doing so again changes nothing.
    fn watch_folder(&mut self) {
        let mask = WatchMask::CREATE | WatchMask::MOVE | WatchMask::DELETE | WatchMask::CLOSE_WRITE;
        let folder = self.store.folder();
        let mut watched = [Some(folder), folder.parent()].into_iter().flatten();
        // Where neither is there, the next look sees.
        watched.any(|folder| self.inotify.watches().add(folder, mask).is_ok());
    }

    fn search(&mut self) -> io::Result<()> {
        let cameras: Vec<Camera> = self.cameras.iter().map(|(camera, _)| camera.clone()).collect();
        let mut search = Search::new(&cameras, search_addresses, || SessionId(rand::rng().random()));
        if !search.is_done() {
            let mut socket = socket::open()?;
            self.poll.registry().register(&mut socket, SOCKET, Interest::READABLE)?;
            for patience in PATIENCE {
                for transmit in search.probe() {
                    // A network that is away has no cameras. But an error may be of an earlier datagram, and have kept this one
                    // from being sent.
                    let _ = socket
                        .send_to(&transmit.data, transmit.to)
                        .or_else(|_| socket.send_to(&transmit.data, transmit.to));
                }
                self.listen(&socket, &mut search, Instant::now() + patience)?;
            }
            self.poll.registry().deregister(&mut socket)?;
        }
        for ((_, presence), found) in self.cameras.iter_mut().zip(search.found()) {
            presence.looked(found);
        }
        Ok(())
    }

    /// Takes answers until then, or until all are there.
    fn listen(&mut self, socket: &UdpSocket, search: &mut Search, until: Instant) -> io::Result<()> {
        let mut buffer = [0; DATAGRAM];
        while !search.is_done() && !self.stopped() && Instant::now() < until {
            match socket.recv_from(&mut buffer) {
                Ok((n, from)) => search.receive(Instant::now(), from, &buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.wait(until)?,
                // A host that was asked has no camera.
                Err(e) if socket::is_of_network(&e) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn list(&self) -> Vec<Listed> {
        let cameras = self.cameras.iter().zip(&self.selectors);
        cameras
            .map(|((camera, presence), selector)| Listed {
                name: camera.name.clone(),
                selector: selector.clone(),
                model: camera.model.clone(),
                firmware: camera.firmware.clone(),
                address: presence.address.map(|ip| ip.to_string()).or_else(|| camera.host.clone()),
                obstacle: camera.obstacle(),
                online: presence.is_online(),
            })
            .collect()
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps until something comes, or the time does.
    fn wait(&mut self, until: Instant) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(until.saturating_duration_since(Instant::now()))) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
            _ => {}
        }
        if self.events.iter().any(|event| event.token() == STORE) {
            self.store_changed = true;
            let mut buffer = [0; 4096];
            // What happened is seen by looking; all has to be read, or nothing new is told.
            while self.inotify.read_events(&mut buffer).is_ok() {}
        }
        Ok(())
    }
}

fn selector(cameras: &Cameras, camera: &Camera) -> String {
    let is_unique = cameras.find(&camera.name).is_ok_and(|found| std::ptr::eq(found, camera));
    if is_unique { camera.name.clone() } else { camera.uid.expose().to_owned() }
}

/// The running thread. Dropping it stops the thread and waits for it: some milliseconds.
pub struct Watching {
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Fails only where the thread is gone.
        let _ = self.waker.wake();
        // The last owner of the provider may be that thread.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            // A panic there has been printed.
            let _ = thread.join();
        }
    }
}
