//! The session thread: moves datagrams between the socket and the client, and waits for whichever is due first.

use super::backoff::Backoff;
use super::members::Members;
use super::{Action, Place, Requests, Shared, lock, targets};
use crate::protocol::client::{Client, Config, Event};
use crate::protocol::error::{Error, Stage};
use crate::protocol::stats::Stats;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A key frame of a 2K camera comes in one burst, and several cameras may share the machine.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The most that UDP carries.
const DATAGRAM: usize = 65536;
/// Datagrams read before timers get their turn again.
const BATCH: usize = 256;
/// A connection that lasted this long, or streamed, was one: the next attempts start from the first again.
const LASTING: Duration = Duration::from_secs(5);
/// The attempt to reconnect from which on the camera is also looked for where it was not before.
const SEARCH_FROM: u32 = 2;
/// How long a name service is waited for when there are known addresses to try.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(2);
const SOCKET: Token = Token(0);
pub const WAKER: Token = Token(1);

pub fn open_socket() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    // The kernel grants what its limit allows.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

fn broken(stage: Stage, error: &io::Error) -> Error {
    Error::Broken { stage, reason: error.to_string() }
}

pub struct Driver {
    shared: Arc<Shared>,
    poll: Poll,
    /// Each connection has its own.
    socket: Option<UdpSocket>,
    config: Config,
    place: Place,
    members: Members,
    /// What members asked for and is not done yet.
    actions: VecDeque<Action>,
    events: Events,
    /// The last batch was full: there is more to read, and no new event will say so.
    unread: bool,
    rng: StdRng,
    backoff: Backoff,
    /// Of the connections before this one.
    stats: Stats,
    /// Where the host was found last, and the camera.
    known: Vec<SocketAddr>,
    camera: Option<IpAddr>,
    /// This connection's success.
    connected_at: Option<Instant>,
    streamed: bool,
}

impl Driver {
    pub fn new(shared: Arc<Shared>, poll: Poll, socket: UdpSocket, config: Config, place: Place) -> Self {
        Driver {
            shared,
            poll,
            socket: Some(socket),
            config,
            place,
            members: Members::default(),
            actions: VecDeque::new(),
            events: Events::with_capacity(2),
            unread: false,
            rng: StdRng::from_seed(rand::rng().random()),
            backoff: Backoff::default(),
            stats: Stats::default(),
            known: Vec::new(),
            camera: None,
            connected_at: None,
            streamed: false,
        }
    }

    /// Runs until the session ends or is asked to stop.
    pub fn run(mut self) {
        let error = self.try_run().unwrap_or_else(|e| Some(broken(Stage::Discovery, &e)));
        // From here on nobody can join; those who have since the last look are told too.
        {
            let mut requests = lock(&self.shared.requests);
            requests.ended = true;
            self.actions.extend(requests.actions.drain(..));
        }
        while let Some(action) = self.actions.pop_front() {
            match action {
                Action::Join(id, wants, attempts, observer) => self.members.join(id, wants, attempts, observer),
                Action::Leave(id, done) => {
                    self.members.leave(id);
                    drop(done);
                }
                _ => {}
            }
        }
        if let Some(error) = error {
            self.members.handle(Event::Ended(error));
        }
    }

    /// Connects, and again whenever the connection is lost. The error is what ended the session, if it was not asked to stop.
    fn try_run(&mut self) -> io::Result<Option<Error>> {
        loop {
            let result = self.connection();
            self.socket = None;
            self.unread = false;
            self.stats = lock(&self.shared.stats).clone();
            let error = match result {
                Ok(None) => return Ok(None),
                Ok(Some(error)) => error,
                Err(e) => broken(self.members.stage().unwrap_or(Stage::Discovery), &e),
            };
            let was_there = self.connected_at.take().is_some_and(|at| self.streamed || at.elapsed() >= LASTING);
            if was_there {
                self.backoff.reset();
            }
            if self.camera.is_none() || !error.may_pass() {
                return Ok(Some(error));
            }
            let (attempt, delay) = self.backoff.next(&mut self.rng);
            if !self.members.reconnect(error.clone(), attempt, delay) {
                return Ok(Some(error));
            }
            if self.pause(Instant::now() + delay)? {
                return Ok(None);
            }
        }
    }

    /// Waits, and does what members ask. True where the session is to stop.
    fn pause(&mut self, until: Instant) -> io::Result<bool> {
        loop {
            if self.take_requests_early().stop {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            self.wait(Some(until))?;
        }
    }

    /// One connection from the search for the camera on. The error is what ended it, if it was not asked to stop.
    fn connection(&mut self) -> io::Result<Option<Error>> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => open_socket()?,
        };
        match self.find_targets()? {
            None => return Ok(None),
            Some(Err(error)) => return Ok(Some(error)),
            Some(Ok(targets)) => self.config.targets = targets,
        }
        self.poll.registry().register(&mut socket, SOCKET, Interest::READABLE)?;
        self.socket = Some(socket);
        self.drive()
    }

    /// Where to look for the camera; `None` where the session is to stop.
    fn find_targets(&mut self) -> io::Result<Option<Result<Vec<SocketAddr>, Error>>> {
        let attempt = self.backoff.attempts();
        let patience = if attempt == 0 { self.config.connect_timeout } else { RESOLVER_PATIENCE };
        let deadline = Instant::now() + patience;
        targets::find(&self.place, &self.shared);
        let found = loop {
            let requests = self.take_requests_early();
            if requests.stop {
                return Ok(None);
            }
            match requests.resolved {
                Some(found) => break found,
                None if Instant::now() >= deadline => {
                    let host = self.place.host.clone().unwrap_or_default();
                    break Err(Error::UnknownHost { host, reason: "no answer".into() });
                }
                None => self.wait(Some(deadline))?,
            }
        };
        match found {
            Ok(addresses) => self.known = addresses,
            Err(error) if attempt == 0 => return Ok(Some(Err(error))),
            // A name service that is away with the rest of the network: what it said before will do.
            Err(_) => {}
        }
        let mut addresses = self.known.clone();
        if attempt >= 1 {
            addresses.extend(self.camera.map(|ip| SocketAddr::new(ip, self.place.port)));
        }
        // A camera on this machine does not move into the network.
        if attempt >= SEARCH_FROM && !addresses.iter().any(|address| address.ip().is_loopback()) {
            addresses.extend(targets::broadcast_addresses(self.place.port));
        }
        addresses.sort_unstable();
        addresses.dedup();
        Ok(Some(Ok(addresses)))
    }

    /// What has been asked while there is no client; actions are done at once.
    fn take_requests_early(&mut self) -> Requests {
        let requests = self.take_requests();
        while let Some(action) = self.actions.pop_front() {
            self.act_early(action);
        }
        requests
    }

    /// What has been asked since the last look; actions go to those that are still to do.
    fn take_requests(&mut self) -> Requests {
        let mut shared = lock(&self.shared.requests);
        let mut requests = std::mem::take(&mut *shared);
        // Stays asked for: whoever looks now may have something else to see to first.
        shared.stop = requests.stop;
        drop(shared);
        self.actions.extend(requests.actions.drain(..));
        requests
    }

    fn drive(&mut self) -> io::Result<Option<Error>> {
        let unix_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut client = Client::new(self.config.clone(), Instant::now(), unix_time, self.rng.random());
        self.streamed = false;
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let requests = self.take_requests();
            while let Some(action) = self.actions.pop_front() {
                self.act(&mut client, action);
                // Told before the next action: the end of one talk is not for whoever starts another.
                if let Some(error) = self.pump(&mut client) {
                    return Ok(Some(error));
                }
            }
            if requests.stop {
                client.close();
                self.transmit(&mut client);
                return Ok(None);
            }
            if let Some(error) = self.pump(&mut client) {
                return Ok(Some(error));
            }
            self.wait(client.poll_timeout())?;
            self.receive(&mut client, &mut buffer)?;
            client.handle_timeout(Instant::now());
        }
    }

    /// Does what a member asks before there is a client.
    fn act_early(&mut self, action: Action) {
        match action {
            Action::Join(id, wants, attempts, observer) => self.members.join(id, wants, attempts, observer),
            Action::Leave(id, done) => {
                self.members.leave(id);
                drop(done);
            }
            Action::Want(id, wants) => self.members.want(id, wants),
            Action::VideoWish(wish) => self.config.video_wish = wish,
            // Members talk once they are told that the camera is connected.
            Action::StartTalk(_) | Action::Talk(..) | Action::FlushTalk(_) | Action::StopTalk { .. } => {}
        }
        let wants = self.members.wants();
        (self.config.video, self.config.audio) = (wants.video, wants.audio);
        self.config.stall_timeout = wants.stall_timeout;
    }

    fn act(&mut self, client: &mut Client, action: Action) {
        let now = Instant::now();
        match action {
            Action::Join(id, wants, attempts, observer) => self.members.join(id, wants, attempts, observer),
            Action::Leave(id, done) => {
                if self.members.leave(id) {
                    client.stop_talk(true, now);
                }
                // Its end is what the member waits for.
                drop(done);
            }
            Action::Want(id, wants) => self.members.want(id, wants),
            Action::VideoWish(wish) => {
                self.config.video_wish = wish;
                client.set_video_wish(wish, now);
            }
            Action::StartTalk(id) => {
                if self.members.take_floor(id) {
                    client.start_talk(now);
                }
            }
            Action::Talk(id, audio) => {
                if self.members.is_talker(id) {
                    client.send_talk(audio, now);
                }
            }
            Action::FlushTalk(id) => {
                if self.members.is_talker(id) {
                    client.flush_talk();
                }
            }
            Action::StopTalk { member, at_once } => {
                if self.members.is_talker(member) {
                    client.stop_talk(at_once, now);
                }
            }
        }
        let wants = self.members.wants();
        // Kept for the next connection too.
        (self.config.video, self.config.audio) = (wants.video, wants.audio);
        self.config.stall_timeout = wants.stall_timeout;
        client.set_media(wants.video, wants.audio, now);
        client.set_stall_timeout(wants.stall_timeout);
    }

    /// Passes on what the client has to say; the error is its last word.
    fn pump(&mut self, client: &mut Client) -> Option<Error> {
        self.transmit(client);
        *lock(&self.shared.stats) = self.stats.and(&client.stats());
        while let Some(event) = client.poll_event() {
            match &event {
                Event::Ended(error) => return Some(error.clone()),
                Event::Connected(camera) => self.connected(camera.address.ip()),
                Event::Frame(_) => self.streamed = true,
                _ => {}
            }
            self.members.handle(event);
        }
        None
    }

    fn connected(&mut self, camera: IpAddr) {
        self.connected_at = Some(Instant::now());
        if self.camera.replace(camera).is_some() {
            self.stats.reconnects += 1;
            lock(&self.shared.stats).reconnects += 1;
        }
    }

    fn transmit(&self, client: &mut Client) {
        let Some(socket) = &self.socket else { return };
        while let Some(transmit) = client.poll_transmit() {
            // A network that is away for the moment is what re-sends are for.
            let _ = socket.send_to(&transmit.data, transmit.to);
        }
    }

    /// Reads what is queued, up to a batch.
    fn receive(&mut self, client: &mut Client, buffer: &mut [u8]) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        self.unread = true;
        for _ in 0..BATCH {
            match socket.recv_from(buffer) {
                Ok((n, from)) => client.handle_datagram(Instant::now(), from, &mut buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.unread = false;
                    return Ok(());
                }
                // An ICMP answer to something sent, or a signal; the client's timers judge the silence.
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
                    ) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Sleeps until a datagram comes, the owner asks for something, or the time comes.
    fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        let timeout = match until {
            _ if self.unread => Some(Duration::ZERO),
            Some(at) => Some(at.saturating_duration_since(Instant::now())),
            None => None,
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => Err(e),
            _ => Ok(()),
        }
    }
}
