//! Keeps track of the cameras: which are in the store, and which are online.

use super::CAT;
use super::hosts::Hosts;
use super::search::CameraSearch;
use super::store_watch::StoreWatch;
use crate::account::{Camera, Cameras, Paths, Store};
use crate::protocol::credentials::public_id;
use crate::protocol::wire::SessionId;
use crate::session::{Place, search_addresses, socket};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};
use rand::RngExt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long to wait for answers after each round of probes.
const PATIENCE: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(500), Duration::from_millis(700)];
/// How long to wait for the addresses of hosts that are names.
const RESOLVING: Duration = Duration::from_millis(300);
/// The time from one look to the next.
const INTERVAL: Duration = Duration::from_secs(30);
/// The time to the next look where a camera that is online did not answer.
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// A camera that does not answer so many looks is offline. A single look may fall into a bad moment of the Wi-Fi.
const MISSES: u32 = 2;
/// Size of the receive buffer. Discovery answers are shorter, and longer datagrams are cut off.
const DATAGRAM: usize = 2048;
const SOCKET: Token = Token(0);
const STORE: Token = Token(1);
const WAKER: Token = Token(2);

/// A camera as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// Names the camera on any machine, and is no secret.
    pub id: String,
    /// Names the camera in the store: see [`Cameras::selector`].
    pub selector: String,
    pub model: String,
    pub firmware: String,
    pub address: Option<String>,
    pub paths: Paths,
    pub online: bool,
}

/// Whether and where a camera answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Presence {
    address: Option<IpAddr>,
    /// How many looks it has not answered since it last did.
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
    /// The selector of each camera, in the same order.
    selectors: Vec<String>,
    poll: Poll,
    events: Events,
    store_watch: StoreWatch,
    hosts: Hosts,
    store_changed: bool,
    stop: Arc<AtomicBool>,
}

impl Watch {
    pub fn new(store: Store) -> io::Result<Self> {
        let poll = Poll::new()?;
        let store_watch = StoreWatch::new(poll.registry(), STORE)?;
        Ok(Watch {
            store,
            cameras: Vec::new(),
            selectors: Vec::new(),
            poll,
            events: Events::with_capacity(3),
            store_watch,
            hosts: Hosts::default(),
            store_changed: false,
            stop: Arc::default(),
        })
    }

    /// Reads the store and asks for its cameras. Takes the times of [`PATIENCE`], or less where all have answered.
    pub fn look(&mut self) -> Vec<Listed> {
        self.read_store();
        if let Err(e) = self.search() {
            gst::warning!(CAT, "Cameras cannot be looked for: {e}");
        }
        self.list()
    }

    /// Goes on looking in a thread, which calls `tell` with all cameras after each look.
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
                // Other files of the store's folder do not matter.
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

    /// Reads the store, and returns whether its cameras have changed. A store that cannot be read counts as empty.
    fn read_store(&mut self) -> bool {
        // This comes before reading, so that no change is missed.
        self.watch_folder();
        let cameras = self.store.cameras().unwrap_or_else(|e| {
            gst::warning!(CAT, "No cameras are listed: {e}");
            Cameras::default()
        });
        let changed = !cameras.iter().eq(self.cameras.iter().map(|(camera, _)| camera));
        if changed {
            self.selectors = cameras.iter().map(|camera| cameras.selector(camera).to_owned()).collect();
            let before = std::mem::take(&mut self.cameras);
            let presence = |camera: &Camera| {
                let same = before.iter().find(|(other, _)| other.uid == camera.uid && other.mac == camera.mac);
                same.map(|(_, presence)| *presence).unwrap_or_default()
            };
            self.cameras = cameras.iter().map(|camera| (camera.clone(), presence(camera))).collect();
        }
        changed
    }

    /// Watches the store's folder, or its parent as long as there is none.
    fn watch_folder(&mut self) {
        let folder = self.store.folder();
        let mut watched = [Some(folder), folder.parent()].into_iter().flatten();
        // Where neither exists, the next look tries again.
        watched.any(|folder| self.store_watch.add(folder));
    }

    /// Asks for all cameras, and notes which of them answer.
    fn search(&mut self) -> io::Result<()> {
        let cameras: Vec<Camera> = self.cameras.iter().map(|(camera, _)| camera.clone()).collect();
        self.hosts.resolve(&cameras, Instant::now() + RESOLVING);
        let targets = |place: &Place| search_addresses(&self.hosts.find(place));
        let mut search = CameraSearch::new(&cameras, targets, || SessionId(rand::rng().random()));
        if !search.is_done() {
            let mut socket = socket::open()?;
            self.poll.registry().register(&mut socket, SOCKET, Interest::READABLE)?;
            for patience in PATIENCE {
                for transmit in search.probe() {
                    // Without a network no camera answers. But an error may belong to an earlier datagram and have kept
                    // this one from being sent, so it is sent once more.
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

    /// Takes answers until a time, or until all cameras have answered.
    fn listen(&mut self, socket: &UdpSocket, search: &mut CameraSearch, until: Instant) -> io::Result<()> {
        let mut buffer = [0; DATAGRAM];
        while !search.is_done() && !self.stopped() && Instant::now() < until {
            match socket.recv_from(&mut buffer) {
                Ok((n, from)) => search.receive(Instant::now(), from, &buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.wait(until)?,
                // There is no camera at an address that was asked.
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
                id: id(camera),
                selector: selector.clone(),
                model: camera.model.clone(),
                firmware: camera.firmware.clone(),
                address: presence.address.map(|ip| ip.to_string()).or_else(|| camera.host.clone()),
                paths: camera.paths(),
                online: presence.is_online(),
            })
            .collect()
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps until there is an event, or until a time.
    fn wait(&mut self, until: Instant) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(until.saturating_duration_since(Instant::now()))) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
            _ => {}
        }
        if self.events.iter().any(|event| event.token() == STORE) {
            self.store_changed = true;
            // Reading the store shows what has changed.
            self.store_watch.clear();
        }
        Ok(())
    }
}

/// Returns what names a camera on any machine: see [`Listed::id`].
fn id(camera: &Camera) -> String {
    let names = [camera.uid.expose(), camera.mac.expose(), &camera.name];
    public_id(names.into_iter().find(|name| !name.is_empty()).unwrap_or_default())
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
        // That thread may be the provider's last owner, and cannot wait for itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            // A panic of that thread has been printed.
            let _ = thread.join();
        }
    }
}
