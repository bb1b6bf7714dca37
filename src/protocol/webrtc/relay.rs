//! A way through a relay (TURN, RFC 8656), for when no other is found.
//!
//! Servers are tried one after the other: over UDP from the session's own socket, then over a stream, TCP or TLS, which
//! the caller opens.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use turn_client_proto::api::{Transmit, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::prelude::*;
use turn_client_proto::stun::Instant as TurnInstant;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::{TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;
use zeroize::Zeroizing;

/// How long other ways are looked for before a relay is asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a server may take before the next one is asked.
const SERVER_PATIENCE: Duration = Duration::from_millis(1500);
/// With how many hosts a relay may exchange datagrams.
const MAX_PEERS: usize = 32;
/// How many datagrams may wait for the stream to take them.
const MAX_UNSENT: usize = 256;

/// How a relay is reached, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RelayTransport {
    Udp,
    Tcp,
    Tls,
}

/// A TURN server that the ticket names.
#[derive(Clone)]
pub struct RelayServer {
    pub transport: RelayTransport,
    /// The name that its certificate has.
    pub host: String,
    pub address: SocketAddr,
    pub username: Zeroizing<String>,
    pub credential: Zeroizing<String>,
}

impl fmt::Debug for RelayServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayServer({:?}, {}, {})", self.transport, self.host, self.address)
    }
}

turn_client_proto::impl_client!(TurnClient, (Udp, TurnClientUdp), (Tcp, TurnClientTcp));

/// The relay that is asked or used.
struct Relay {
    client: TurnClient,
    /// Our address at the relay, once it has given us one.
    relayed: Option<SocketAddr>,
    wake_at: Option<Instant>,
}

/// What has come through the relay.
pub struct Relayed {
    pub from: SocketAddr,
    /// Our address at the relay.
    pub to: SocketAddr,
    pub data: Vec<u8>,
}

/// The relays of one viewer, of which one is used at most.
pub struct Relays {
    servers: VecDeque<RelayServer>,
    /// When the next server is asked.
    due: Option<Instant>,
    /// The stream that is to be opened, or is being opened.
    opening: Option<RelayServer>,
    wants_stream: bool,
    current: Option<Relay>,
    /// For the stream; datagrams are in `transmits`.
    bytes: VecDeque<Vec<u8>>,
    transmits: VecDeque<(SocketAddr, Vec<u8>)>,
    /// What times are counted from.
    start: Instant,
}

impl Relays {
    /// Of each transport, one server is tried.
    pub fn new(servers: &[RelayServer], start: Instant) -> Self {
        let mut servers = servers.to_vec();
        servers.sort_by_key(|server| server.transport);
        servers.dedup_by_key(|server| server.transport);
        Relays {
            servers: servers.into(),
            due: None,
            opening: None,
            wants_stream: false,
            current: None,
            bytes: VecDeque::new(),
            transmits: VecDeque::new(),
            start,
        }
    }

    /// Other ways are looked for from now on.
    pub fn start(&mut self, now: Instant) {
        self.due = Some(now + PATIENCE).filter(|_| !self.servers.is_empty());
    }

    /// A way was found: no more servers are asked. The one that is used stays.
    pub fn stop_asking(&mut self) {
        self.due = None;
        self.servers.clear();
        if self.current.as_ref().is_none_or(|relay| relay.relayed.is_none()) {
            self.current = None;
            (self.opening, self.wants_stream) = (None, false);
        }
    }

    /// Gives our address at the relay back.
    pub fn stop(&mut self, now: Instant) {
        self.stop_asking();
        if let Some(relay) = &mut self.current
            && relay.client.delete(now.to_turn(self.start)).is_ok()
        {
            self.pump(now);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let wake_at = self.current.as_ref().and_then(|relay| relay.wake_at);
        [self.due, wake_at].into_iter().flatten().min()
    }

    /// The next datagram to send, and where.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.transmits.pop_front()
    }

    /// The next bytes for the stream.
    pub fn poll_bytes(&mut self) -> Option<Vec<u8>> {
        self.bytes.pop_front()
    }

    /// The server to open a stream to, once for each.
    pub fn poll_stream(&mut self) -> Option<RelayServer> {
        std::mem::take(&mut self.wants_stream).then(|| self.opening.clone()).flatten()
    }

    /// Does what is due. Datagrams to a relay go out from `local`. Returns our new address at a relay.
    pub fn handle_timeout(&mut self, now: Instant, local: Option<SocketAddr>) -> Option<SocketAddr> {
        if self.due.is_some_and(|due| due <= now) {
            self.ask_next(now, local);
        }
        self.pump(now)
    }

    fn ask_next(&mut self, now: Instant, local: Option<SocketAddr>) {
        (self.current, self.opening, self.wants_stream) = (None, None, false);
        self.bytes.clear();
        let Some(server) = self.servers.pop_front() else {
            self.due = None;
            return;
        };
        self.due = Some(now + SERVER_PATIENCE);
        match (server.transport, local) {
            (RelayTransport::Udp, Some(local)) => {
                let client = TurnClientUdp::allocate(local, server.address, config(&server));
                self.current = Some(Relay { client: client.into(), relayed: None, wake_at: None });
            }
            (RelayTransport::Udp, None) => self.due = Some(now),
            (RelayTransport::Tcp | RelayTransport::Tls, _) => (self.opening, self.wants_stream) = (Some(server), true),
        }
    }

    /// The stream is there; `local` is our end of it.
    pub fn handle_opened(&mut self, now: Instant, local: SocketAddr) -> Option<SocketAddr> {
        let server = self.opening.take()?;
        let client = TurnClientTcp::allocate(local, server.address, config(&server));
        self.current = Some(Relay { client: client.into(), relayed: None, wake_at: None });
        self.pump(now)
    }

    /// The stream is over, or could not be opened.
    pub fn handle_closed(&mut self, now: Instant) {
        (self.current, self.opening) = (None, None);
        self.bytes.clear();
        if self.due.is_some() {
            self.due = Some(now);
        }
    }

    /// Takes bytes of the stream. Returns what came in them, and our address if it is new.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> (Vec<Relayed>, Option<SocketAddr>) {
        let Some(relay) = self.current.as_ref().filter(|relay| relay.is_stream()) else { return Default::default() };
        let server = relay.client.remote_addr();
        (self.receive(now, server, bytes), self.pump(now))
    }

    /// Takes a datagram if it comes from the relay. Returns what came in it, and our address if it is new.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Option<(Vec<Relayed>, Option<SocketAddr>)> {
        self.current.as_ref().filter(|relay| !relay.is_stream() && relay.client.remote_addr() == from)?;
        Some((self.receive(now, from, datagram), self.pump(now)))
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> Vec<Relayed> {
        let now = now.to_turn(self.start);
        let Some(Relay { client, relayed, .. }) = &mut self.current else { return Vec::new() };
        let transmit = Transmit::new(bytes, client.transport(), from, client.local_addr());
        let mut came = Vec::new();
        let mut take = |from, data: &[u8]| {
            came.extend(relayed.map(|to| Relayed { from, to, data: data.to_vec() }));
        };
        if let TurnRecvRet::PeerData(data) = client.recv(transmit, now) {
            take(data.peer, data.data());
        }
        while let Some(data) = client.poll_recv(now) {
            take(data.peer, data.data());
        }
        came
    }

    /// Sends a datagram if `from` is our address at the relay. Returns whether it is.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, data: &[u8]) -> bool {
        let Some(relay) = self.current.as_mut().filter(|relay| relay.relayed == Some(from)) else { return false };
        let at = now.to_turn(self.start);
        if relay.client.have_permission(TransportType::Udp, to.ip()) {
            let is_stream = relay.is_stream();
            if let Ok(Some(transmit)) = relay.client.send_to(TransportType::Udp, to, data, at) {
                let bytes = transmit.build().data;
                self.push(is_stream, bytes);
            }
        } else {
            // It is lost: ICE sends again, and nothing else goes out before that was answered.
            relay.permit(to.ip(), at);
        }
        self.pump(now);
        true
    }

    fn push(&mut self, is_stream: bool, bytes: Vec<u8>) {
        if !is_stream {
            let Some(relay) = &self.current else { return };
            self.transmits.push_back((relay.client.remote_addr(), bytes));
        } else if self.bytes.len() < MAX_UNSENT {
            self.bytes.push_back(bytes);
        }
    }

    /// Lets the client do what it has to. Returns our address if it is new.
    fn pump(&mut self, now: Instant) -> Option<SocketAddr> {
        let at = now.to_turn(self.start);
        let relay = self.current.as_mut()?;
        let is_stream = relay.is_stream();
        let polled = relay.client.poll(at);
        let (mut new, mut has_failed) = (None, matches!(polled, TurnPollRet::Closed));
        while let Some(event) = relay.client.poll_event() {
            match event {
                TurnEvent::AllocationCreated(TransportType::Udp, address) if relay.relayed.is_none() => {
                    (relay.relayed, new) = (Some(address), Some(address));
                }
                TurnEvent::AllocationCreateFailed(_) => has_failed = true,
                _ => {}
            }
        }
        let mut out = Vec::new();
        while let Some(transmit) = relay.client.poll_transmit(at) {
            out.push(transmit.data.as_ref().to_vec());
        }
        relay.wake_at = match polled {
            // Not at once again, whatever it says.
            TurnPollRet::WaitUntil(until) => Some(until.to_std(self.start).max(now + Duration::from_millis(1))),
            _ => None,
        };
        out.into_iter().for_each(|bytes| self.push(is_stream, bytes));
        if new.is_some() {
            self.due = None;
        } else if has_failed && self.due.is_some() {
            self.due = Some(now);
        }
        new
    }
}

impl Relay {
    fn is_stream(&self) -> bool {
        self.client.transport() == TransportType::Tcp
    }

    /// Has the relay take datagrams of this host.
    fn permit(&mut self, peer: IpAddr, at: TurnInstant) {
        let Some(relayed) = self.relayed else { return };
        if self.client.permissions(TransportType::Udp, relayed).count() < MAX_PEERS {
            // It may be asked for already.
            let _ = self.client.create_permission(TransportType::Udp, peer, at);
        }
    }
}

fn config(server: &RelayServer) -> TurnConfig {
    TurnConfig::new(TurnCredentials::new(&server.username, &server.credential))
}

/// The library has a clock of its own.
trait ToTurn {
    fn to_turn(self, start: Instant) -> TurnInstant;
}

impl ToTurn for Instant {
    fn to_turn(self, start: Instant) -> TurnInstant {
        let nanos = self.saturating_duration_since(start).as_nanos();
        TurnInstant::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}
