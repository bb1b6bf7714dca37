//! The session thread: moves datagrams between the socket and the client, and waits for whichever is due first.

use super::{Place, Shared, lock, targets};
use crate::protocol::client::{Client, Config, Event};
use crate::protocol::error::{Error, Stage};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use rand::RngExt;
use socket2::{Domain, Protocol, Socket, Type};
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

pub struct Driver<F> {
    shared: Arc<Shared>,
    poll: Poll,
    socket: UdpSocket,
    config: Config,
    observer: F,
    events: Events,
    /// The last batch was full: there is more to read, and no new event will say so.
    unread: bool,
}

/// Whether the thread goes on.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    Stop,
}

impl<F: FnMut(Event)> Driver<F> {
    pub fn new(shared: Arc<Shared>, poll: Poll, socket: UdpSocket, config: Config, observer: F) -> Self {
        Driver { shared, poll, socket, config, observer, events: Events::with_capacity(2), unread: false }
    }

    /// Runs until the session ends or is asked to stop.
    pub fn run(mut self, place: Place) {
        if let Err(e) = self.try_run(place) {
            (self.observer)(Event::Ended(Error::Broken { stage: Stage::Discovery, reason: e.to_string() }));
        }
    }

    fn try_run(&mut self, place: Place) -> io::Result<()> {
        let deadline = Instant::now() + self.config.connect_timeout;
        targets::find(&place, &self.shared);
        let targets = loop {
            let requests = std::mem::take(&mut *lock(&self.shared.requests));
            if requests.stop {
                return Ok(());
            }
            self.config.video_wish = requests.video_wish.unwrap_or(self.config.video_wish);
            match requests.resolved {
                Some(Ok(targets)) => break targets,
                Some(Err(error)) => {
                    (self.observer)(Event::Ended(error));
                    return Ok(());
                }
                None if Instant::now() >= deadline => {
                    let host = place.host.clone().unwrap_or_default();
                    (self.observer)(Event::Ended(Error::UnknownHost { host, reason: "no answer".into() }));
                    return Ok(());
                }
                None => self.wait(Some(deadline))?,
            }
        };
        self.config.targets = targets;
        self.poll.registry().register(&mut self.socket, SOCKET, Interest::READABLE)?;
        self.drive()
    }

    fn drive(&mut self) -> io::Result<()> {
        let unix_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut client = Client::new(self.config.clone(), Instant::now(), unix_time, rand::rng().random());
        let mut buffer = vec![0; DATAGRAM];
        loop {
            if self.obey(&mut client) == Then::Stop || self.pump(&mut client) == Then::Stop {
                return Ok(());
            }
            self.wait(client.poll_timeout())?;
            self.receive(&mut client, &mut buffer)?;
            client.handle_timeout(Instant::now());
        }
    }

    /// Does what the session's owner asked for.
    fn obey(&mut self, client: &mut Client) -> Then {
        let requests = std::mem::take(&mut *lock(&self.shared.requests));
        if let Some(wish) = requests.video_wish {
            client.set_video_wish(wish, Instant::now());
        }
        if !requests.stop {
            return Then::GoOn;
        }
        client.close();
        self.transmit(client);
        Then::Stop
    }

    /// Passes on what the client has to say.
    fn pump(&mut self, client: &mut Client) -> Then {
        self.transmit(client);
        *lock(&self.shared.stats) = client.stats();
        while let Some(event) = client.poll_event() {
            let ended = matches!(event, Event::Ended(_));
            (self.observer)(event);
            if ended {
                return Then::Stop;
            }
        }
        Then::GoOn
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
