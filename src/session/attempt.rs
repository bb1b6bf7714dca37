//! One attempt to reach the camera: a socket, the connection that uses it, and what they have come to.

use super::batch::Batch;
#[cfg(feature = "webrtc")]
use super::call::Call;
use super::connection::Connection;
use super::{icmp, socket};
use crate::protocol::client::Event;
use crate::protocol::error::{Error, Stage};
use crate::protocol::trace::{Direction, Trace};
use mio::net::UdpSocket;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How many datagrams are read before timers get their turn again.
const MANY: usize = 256;
/// A connection that lasted this long was a success, even if no frame came.
const LASTING: Duration = Duration::from_secs(5);

/// Lives until the connection fails, is lost or is closed; the next attempt has a socket and a connection of its own.
pub struct Attempt {
    pub connection: Connection,
    /// The signalling of a connection over WebRTC.
    #[cfg(feature = "webrtc")]
    call: Option<Call>,
    /// What has failed beside the connection.
    failure: Option<Error>,
    socket: UdpSocket,
    batch: Batch,
    /// Whether as many datagrams were read as may be at a time. Then there may be more, and no new poll event says so.
    unread: bool,
    /// Whether the network has answered with an ICMP error that is still to be read.
    icmp: bool,
    connected_at: Option<Instant>,
    streamed: bool,
    /// Who listens in, and the socket's own address.
    trace: Option<(Trace, SocketAddr)>,
}

impl Attempt {
    /// `socket` is registered with the poll that the caller waits on.
    pub fn new(connection: Connection, socket: UdpSocket, trace: Option<Trace>) -> io::Result<Self> {
        let trace = trace.and_then(|trace| Some((trace, socket.local_addr().ok()?)));
        Ok(Attempt {
            connection,
            #[cfg(feature = "webrtc")]
            call: None,
            failure: None,
            socket,
            batch: Batch::new()?,
            unread: false,
            icmp: false,
            connected_at: None,
            streamed: false,
            trace,
        })
    }

    /// Has the connection's texts carried to and from a signalling server.
    #[cfg(feature = "webrtc")]
    pub fn with_call(self, call: Call) -> Self {
        Attempt { call: Some(call), ..self }
    }

    /// Whether nothing has answered discovery yet.
    pub fn is_searching(&self) -> bool {
        self.connection.stage() == Stage::Discovery
    }

    /// Whether there was a connection that streamed or lasted: attempts after it count from the first again.
    pub fn has_succeeded(&self) -> bool {
        self.connected_at.is_some_and(|at| self.streamed || at.elapsed() >= LASTING)
    }

    /// Whether any frame came.
    pub fn has_streamed(&self) -> bool {
        self.streamed
    }

    /// When to go on at the latest, if no datagram comes before; `None` for no limit.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.unread || self.failure.is_some() {
            return Some(Instant::now());
        }
        #[cfg(feature = "webrtc")]
        if let Some(until) = self.call.as_ref().and_then(Call::poll_timeout) {
            return Some(self.connection.poll_timeout().map_or(until, |at| at.min(until)));
        }
        self.connection.poll_timeout()
    }

    /// The connection's next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(error) = self.failure.take() {
            return Some(Event::Ended(error));
        }
        let event = self.connection.poll_event()?;
        match event {
            Event::Connected(_) => self.connected_at = Some(Instant::now()),
            Event::Frame(_) => self.streamed = true,
            _ => {}
        }
        Some(event)
    }

    /// Sends what the connection has to send.
    pub fn transmit(&mut self) {
        #[cfg(feature = "webrtc")]
        self.carry();
        while let Some((to, datagram)) = self.connection.poll_transmit() {
            trace(&self.trace, Direction::ToCamera, to, &datagram);
            let Err(e) = self.socket.send_to(&datagram, to) else { continue };
            if socket::is_of_network(&e) {
                // An earlier datagram may have caused the error, which kept this one from being sent: try once more. If
                // the network is away for the moment, the protocol sends again later.
                self.icmp = true;
                let _ = self.socket.send_to(&datagram, to);
            }
        }
    }

    /// Carries texts of signalling both ways, for as long as they are needed, and bytes of a relay.
    #[cfg(feature = "webrtc")]
    fn carry(&mut self) {
        let (Connection::WebRtc(viewer), Some(call)) = (&mut self.connection, &mut self.call) else { return };
        if self.connected_at.is_some() {
            call.hang_up();
        } else {
            match call.carry(viewer, Instant::now()) {
                Ok(has_more) => self.unread |= has_more,
                Err(error) => self.failure = Some(error),
            }
        }
        self.unread |= call.relay(viewer, Instant::now());
    }

    /// Gives the connection the datagrams and ICMP errors that have arrived, up to [`MANY`] of each, and does what is due.
    /// Fails only when the socket is of no more use.
    pub fn receive(&mut self) -> io::Result<()> {
        self.unread = true;
        for _ in 0..MANY / Batch::LEN {
            match self.batch.receive(&self.socket) {
                Ok(datagrams) => {
                    let now = Instant::now();
                    let mut count = 0;
                    for (from, datagram) in datagrams {
                        trace(&self.trace, Direction::FromCamera, from, datagram);
                        match &mut self.connection {
                            Connection::Lan(client) => client.handle_datagram(now, from, datagram),
                            #[cfg(feature = "webrtc")]
                            Connection::WebRtc(viewer) => {
                                if let Some(call) = &mut self.call {
                                    viewer.handle_datagram(now, from, call.local(from.ip()), datagram);
                                }
                            }
                        }
                        count += 1;
                    }
                    // Fewer than there is room for were all. With room for one, only an error tells.
                    if count < Batch::LEN {
                        self.unread = false;
                        break;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.unread = false;
                    break;
                }
                Err(e) if socket::is_of_network(&e) => self.icmp = true,
                Err(e) => return Err(e),
            }
        }
        if std::mem::take(&mut self.icmp) {
            for refused in std::iter::from_fn(|| icmp::next(&self.socket)).take(MANY).flatten() {
                if let Some((Trace(sink), _)) = &self.trace {
                    sink.refused(refused);
                }
                self.connection.handle_unreachable(Instant::now(), refused);
            }
        }
        self.connection.handle_timeout(Instant::now());
        Ok(())
    }

    /// Tells the camera that we go.
    pub fn close(&mut self) {
        self.connection.close();
        self.transmit();
    }
}

/// Shows a datagram to whoever listens in.
fn trace(listener: &Option<(Trace, SocketAddr)>, direction: Direction, peer: SocketAddr, datagram: &[u8]) {
    if let Some((Trace(sink), local)) = listener {
        sink.datagram(direction, *local, peer, datagram);
    }
}
