//! The session thread: moves datagrams between the socket and the client, and waits for whichever is due first.

use super::members::Members;
use super::{Action, Place, Requests, Shared, lock, targets};
use crate::protocol::client::{Client, Config, Event};
use crate::protocol::error::{Error, Stage};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use rand::RngExt;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A key frame of a 2K camera comes in one burst, and several cameras may share the machine.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The most that UDP carries.
const DATAGRAM: usize = 65536;
/// Datagrams read before timers get their turn again.
const BATCH: usize = 256;
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

pub struct Driver {
    shared: Arc<Shared>,
    poll: Poll,
    socket: UdpSocket,
    config: Config,
    members: Members,
    /// What members asked for and is not done yet.
    actions: VecDeque<Action>,
    events: Events,
    /// The last batch was full: there is more to read, and no new event will say so.
    unread: bool,
}

impl Driver {
    pub fn new(shared: Arc<Shared>, poll: Poll, socket: UdpSocket, config: Config) -> Self {
        Driver {
            shared,
            poll,
            socket,
            config,
            members: Members::default(),
            actions: VecDeque::new(),
            events: Events::with_capacity(2),
            unread: false,
        }
    }

    /// Runs until the session ends or is asked to stop.
    pub fn run(mut self, place: Place) {
        let error = self
            .try_run(place)
            .unwrap_or_else(|e| Some(Error::Broken { stage: Stage::Discovery, reason: e.to_string() }));
        // From here on nobody can join; those who have since the last look are told too.
        {
            let mut requests = lock(&self.shared.requests);
            requests.ended = true;
            self.actions.extend(requests.actions.drain(..));
        }
        while let Some(action) = self.actions.pop_front() {
            match action {
                Action::Join(id, wants, observer) => self.members.join(id, wants, observer),
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

    /// The error is what ended the session, if it was not asked to stop.
    fn try_run(&mut self, place: Place) -> io::Result<Option<Error>> {
        let deadline = Instant::now() + self.config.connect_timeout;
        targets::find(&place, &self.shared);
        let targets = loop {
            let requests = self.take_requests();
            if requests.stop {
                return Ok(None);
            }
            while let Some(action) = self.actions.pop_front() {
                self.act_early(action);
            }
            match requests.resolved {
                Some(Ok(targets)) => break targets,
                Some(Err(error)) => return Ok(Some(error)),
                None if Instant::now() >= deadline => {
                    let host = place.host.clone().unwrap_or_default();
                    return Ok(Some(Error::UnknownHost { host, reason: "no answer".into() }));
                }
                None => self.wait(Some(deadline))?,
            }
        };
        self.config.targets = targets;
        self.poll.registry().register(&mut self.socket, SOCKET, Interest::READABLE)?;
        self.drive()
    }

    /// What has been asked since the last look; actions go to those that are still to do.
    fn take_requests(&mut self) -> Requests {
        let mut requests = std::mem::take(&mut *lock(&self.shared.requests));
        self.actions.extend(requests.actions.drain(..));
        requests
    }

    fn drive(&mut self) -> io::Result<Option<Error>> {
        let unix_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut client = Client::new(self.config.clone(), Instant::now(), unix_time, rand::rng().random());
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
            Action::Join(id, wants, observer) => self.members.join(id, wants, observer),
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
    }

    fn act(&mut self, client: &mut Client, action: Action) {
        let now = Instant::now();
        match action {
            Action::Join(id, wants, observer) => self.members.join(id, wants, observer),
            Action::Leave(id, done) => {
                if self.members.leave(id) {
                    client.stop_talk(true, now);
                }
                // Its end is what the member waits for.
                drop(done);
            }
            Action::Want(id, wants) => self.members.want(id, wants),
            Action::VideoWish(wish) => client.set_video_wish(wish, now),
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
        client.set_media(wants.video, wants.audio, now);
    }

    /// Passes on what the client has to say; the error is its last word.
    fn pump(&mut self, client: &mut Client) -> Option<Error> {
        self.transmit(client);
        *lock(&self.shared.stats) = client.stats();
        while let Some(event) = client.poll_event() {
            match event {
                Event::Ended(error) => return Some(error),
                event => self.members.handle(event),
            }
        }
        None
    }

    fn transmit(&self, client: &mut Client) {
        while let Some(transmit) = client.poll_transmit() {
            // A network that is away for the moment is what re-sends are for.
            let _ = self.socket.send_to(&transmit.data, transmit.to);
        }
    }

    /// Reads what is queued, up to a batch.
    fn receive(&mut self, client: &mut Client, buffer: &mut [u8]) -> io::Result<()> {
        self.unread = true;
        for _ in 0..BATCH {
            match self.socket.recv_from(buffer) {
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
