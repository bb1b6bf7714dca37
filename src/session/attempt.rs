//! One attempt to reach the camera: a socket, the client that uses it, and what they have come to.

use super::batch::Batch;
use super::{icmp, socket};
use crate::protocol::client::{Client, Event};
use crate::protocol::error::Stage;
use crate::protocol::trace::{Direction, Trace};
use mio::net::UdpSocket;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How many datagrams are read before timers get their turn again.
const MANY: usize = 256;
/// A connection that lasted this long was a success, even if no frame came.
const LASTING: Duration = Duration::from_secs(5);

/// Lives until the connection fails, is lost or is closed; the next attempt has a socket and a client of its own.
pub struct Attempt {
    pub client: Client,
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
    pub fn new(client: Client, socket: UdpSocket, trace: Option<Trace>) -> io::Result<Self> {
        let trace = trace.and_then(|trace| Some((trace, socket.local_addr().ok()?)));
        let batch = Batch::new()?;
        Ok(Attempt { client, socket, batch, unread: false, icmp: false, connected_at: None, streamed: false, trace })
    }

    /// Whether nothing has answered discovery yet.
    pub fn is_searching(&self) -> bool {
        self.client.stage() == Stage::Discovery
    }

    /// Whether there was a connection that streamed or lasted: attempts after it count from the first again.
    pub fn has_succeeded(&self) -> bool {
        self.connected_at.is_some_and(|at| self.streamed || at.elapsed() >= LASTING)
    }

    /// When to go on at the latest, if no datagram comes before; `None` for no limit.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.unread { Some(Instant::now()) } else { self.client.poll_timeout() }
    }

    /// The client's next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.client.poll_event()?;
        match event {
            Event::Connected(_) => self.connected_at = Some(Instant::now()),
            Event::Frame(_) => self.streamed = true,
            _ => {}
        }
        Some(event)
    }

    /// Sends what the client has to send.
    pub fn transmit(&mut self) {
        while let Some(transmit) = self.client.poll_transmit() {
            trace(&self.trace, Direction::ToCamera, transmit.to, &transmit.data);
            let Err(e) = self.socket.send_to(&transmit.data, transmit.to) else { continue };
            if socket::is_of_network(&e) {
                // An earlier datagram may have caused the error, which kept this one from being sent: try once more. If
                // the network is away for the moment, the protocol sends again later.
                self.icmp = true;
                let _ = self.socket.send_to(&transmit.data, transmit.to);
            }
        }
    }

    /// Gives the client the datagrams and ICMP errors that have arrived, up to [`MANY`] of each, and does what is due.
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
                        self.client.handle_datagram(now, from, datagram);
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
                self.client.handle_unreachable(Instant::now(), refused);
            }
        }
        self.client.handle_timeout(Instant::now());
        Ok(())
    }

    /// Tells the camera that we go.
    pub fn close(&mut self) {
        self.client.close();
        self.transmit();
    }
}

/// Shows a datagram to whoever listens in.
fn trace(listener: &Option<(Trace, SocketAddr)>, direction: Direction, peer: SocketAddr, datagram: &[u8]) {
    if let Some((Trace(sink), local)) = listener {
        sink.datagram(direction, *local, peer, datagram);
    }
}
