//! The session thread: moves datagrams between the socket and the client, and waits for whichever is due first.

use super::backoff::Backoff;
use super::members::Members;
use super::shared::{Action, Requests, Shared};
use super::{Event, Place, lock, socket, targets};
use crate::protocol::client::{self, Client, Config};
use crate::protocol::error::{Error, Stage};
use crate::protocol::stats::Stats;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The most that UDP carries.
const DATAGRAM: usize = 65536;
/// Datagrams read before timers get their turn again.
const BATCH: usize = 256;
/// A connection that lasted this long, or streamed, was one: the next attempts start from the first again.
const LASTING: Duration = Duration::from_secs(5);
/// The attempt to reconnect from which on the camera is also looked for where it was not before.
const SEARCH_FROM: u32 = 2;
/// How soon a lookout that has no network is tried again.
const NO_NETWORK_PAUSE: Duration = Duration::from_secs(1);
/// How long a name service is waited for when there are known addresses to try.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(2);
const SOCKET: Token = Token(0);
pub const WAKER: Token = Token(1);

fn broken(stage: Stage, error: &io::Error) -> Error {
    Error::Broken { stage, reason: error.to_string() }
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
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
    /// Nothing answered discovery when the last attempt ended.
    away: bool,
    /// The network has answered something with an error, which is still to be read.
    icmp: bool,
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
            away: false,
            icmp: false,
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
            self.away = true;
            let result = self.connection();
            self.close_socket();
            let error = match result {
                Ok(None) => return Ok(None),
                Ok(Some(error)) => error,
                Err(e) => broken(self.members.stage().unwrap_or(Stage::Discovery), &e),
            };
            self.stats = {
                let mut stats = lock(&self.shared.stats);
                stats.last_error = Some(error.reason());
                stats.clone()
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

    /// Waits for the next attempt's time, or for a camera that was away to be back. True where the session is to stop.
    fn pause(&mut self, until: Instant) -> io::Result<bool> {
        while self.away {
            let looked = self.look_out(until);
            self.close_socket();
            match looked {
                Ok(stop) => return Ok(stop),
                // The network is away too.
                Err(_) if self.rest(until.min(Instant::now() + NO_NETWORK_PAUSE))? => return Ok(true),
                Err(_) if Instant::now() >= until => return Ok(false),
                Err(_) => {}
            }
        }
        self.rest(until)
    }

    /// Waits, and does what members ask. True where the session is to stop.
    fn rest(&mut self, until: Instant) -> io::Result<bool> {
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

    /// Probes for the camera now and then, until it answers or the time is over. True where the session is to stop.
    fn look_out(&mut self, until: Instant) -> io::Result<bool> {
        self.use_socket()?;
        let now = Instant::now();
        let targets = self.targets();
        // Ours is the time that counts.
        let connect_timeout = until.saturating_duration_since(now) * 2;
        let config = Config { targets, patient: true, connect_timeout, ..self.config.clone() };
        let mut client = Client::new(config, now, unix_time(), self.rng.random());
        let mut buffer = vec![0; DATAGRAM];
        while client.stage() == Stage::Discovery && Instant::now() < until {
            self.transmit(&mut client);
            if self.take_requests_early().stop {
                return Ok(true);
            }
            self.wait(client.poll_timeout().into_iter().chain([until]).min())?;
            self.receive(&mut client, &mut buffer)?;
            client.handle_timeout(Instant::now());
        }
        Ok(false)
    }

    /// One connection from the search for the camera on. The error is what ended it, if it was not asked to stop.
    fn connection(&mut self) -> io::Result<Option<Error>> {
        match self.find_targets()? {
            None => return Ok(None),
            Some(Err(error)) => return Ok(Some(error)),
            Some(Ok(targets)) => self.config.targets = targets,
        }
        if let Err(e) = self.use_socket() {
            return Ok(Some(match &self.place.interface {
                Some(name) => Error::NoInterface { name: name.clone(), reason: e.to_string() },
                None => broken(Stage::Discovery, &e),
            }));
        }
        self.drive()
    }

    /// Has the poll look at a socket, a new one where there is none.
    fn use_socket(&mut self) -> io::Result<()> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => socket::open()?,
        };
        if let Some(interface) = &self.place.interface {
            socket::bind_interface(&socket, interface)?;
        }
        self.poll.registry().register(&mut socket, SOCKET, Interest::READABLE)?;
        self.socket = Some(socket);
        Ok(())
    }

    fn close_socket(&mut self) {
        self.socket = None;
        (self.unread, self.icmp) = (false, false);
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
        Ok(Some(Ok(self.targets())))
    }

    /// Where to look for the camera, by what is known.
    fn targets(&self) -> Vec<SocketAddr> {
        let attempt = self.backoff.attempts();
        let mut addresses = self.known.clone();
        if attempt >= 1 {
            addresses.extend(self.camera.map(|ip| SocketAddr::new(ip, self.place.port)));
        }
        // A camera on this machine does not move into the network.
        if attempt >= SEARCH_FROM && !addresses.iter().any(|address| address.ip().is_loopback()) {
            addresses.extend(targets::broadcast_addresses(&self.place));
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses
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
        let mut client = Client::new(self.config.clone(), Instant::now(), unix_time(), self.rng.random());
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
            // Every connection begins with one.
            Action::KeyFrame => {}
            // Members talk once they are told that the camera is connected.
            Action::StartTalk(_) | Action::Talk(..) | Action::FlushTalk(_) | Action::StopTalk { .. } => {}
        }
        let wants = self.members.wants();
        self.config.media = wants.media;
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
            Action::KeyFrame => client.request_key_frame(now),
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
        self.config.media = wants.media;
        self.config.stall_timeout = wants.stall_timeout;
        client.set_media(wants.media, now);
        client.set_stall_timeout(wants.stall_timeout);
    }

    /// Passes on what the client has to say; the error is its last word.
    fn pump(&mut self, client: &mut Client) -> Option<Error> {
        self.transmit(client);
        self.away = client.stage() == Stage::Discovery;
        *lock(&self.shared.stats) = self.stats.and(&client.stats());
        while let Some(event) = client.poll_event() {
            match &event {
                client::Event::Ended(error) => return Some(error.clone()),
                client::Event::Connected(camera) => self.connected(camera.address.ip()),
                client::Event::Frame(_) => self.streamed = true,
                _ => {}
            }
            self.members.handle(event.into());
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

    fn transmit(&mut self, client: &mut Client) {
        let Some(socket) = &self.socket else { return };
        while let Some(transmit) = client.poll_transmit() {
            let Err(e) = socket.send_to(&transmit.data, transmit.to) else { continue };
            if socket::is_of_network(&e) {
                // It may be of an earlier datagram, and have kept this one from being sent. A network that is away for the moment
                // is what re-sends are for.
                self.icmp = true;
                let _ = socket.send_to(&transmit.data, transmit.to);
            }
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
                    break;
                }
                Err(e) if socket::is_of_network(&e) => self.icmp = true,
                Err(e) => return Err(e),
            }
        }
        if std::mem::take(&mut self.icmp) {
            for refused in std::iter::from_fn(|| socket::next_icmp_error(socket)).take(BATCH).flatten() {
                client.handle_unreachable(Instant::now(), refused);
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
