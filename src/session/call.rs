//! What one attempt has beside its socket: carries texts between the viewer and the signalling server, and bytes between
//! it and a relay, and knows our own addresses.

use super::invitation::Invitation;
use super::relay::RelayStream;
use super::tokens::{RELAY, SIGNALLING};
use super::websocket::WebSocket;
use crate::protocol::error::Error;
use crate::protocol::webrtc::Viewer;
use mio::{Interest, Registry};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How long connecting to the server may take.
const OPENING: Duration = Duration::from_secs(5);
/// For so many hosts it is kept which of our addresses leads to them. Any host can send.
const MOST_ROUTES: usize = 64;
const BOTH_WAYS: Interest = Interest::READABLE.add(Interest::WRITABLE);

pub struct Call {
    /// `None` once it is closed, or not needed any more.
    websocket: Option<WebSocket>,
    /// When the server has to be connected.
    opens_until: Option<Instant>,
    relay: Option<RelayStream>,
    registry: Registry,
    interface: Option<String>,
    /// The port of the session's socket.
    port: u16,
    /// Our address towards a host.
    routes: HashMap<IpAddr, IpAddr>,
}

impl Call {
    /// Begins to connect to the server. Sockets are polled by `registry`, `port` is that of the session's own, and media
    /// go over `interface` only, if there is one.
    pub fn new(
        invitation: &Invitation,
        port: u16,
        registry: Registry,
        interface: Option<String>,
        now: Instant,
    ) -> Result<Self, Error> {
        let Invitation { ticket, endpoint, signalling, .. } = invitation;
        let register = |tcp: &mut _| registry.register(tcp, SIGNALLING, BOTH_WAYS);
        let websocket = WebSocket::connect(&ticket.url, endpoint, *signalling, register)
            .map_err(|reason| Error::SignallingRefused { reason })?;
        Ok(Call {
            websocket: Some(websocket),
            opens_until: Some(now + OPENING),
            relay: None,
            registry,
            interface,
            port,
            routes: HashMap::new(),
        })
    }

    /// When the server has to be connected at the latest; `None` once it is.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.opens_until
    }

    /// Carries texts both ways. Returns whether there may be more to read. Fails when the server cannot be connected to.
    pub fn carry(&mut self, viewer: &mut Viewer, now: Instant) -> Result<bool, Error> {
        let Some(websocket) = &mut self.websocket else { return Ok(false) };
        while let Some(text) = viewer.poll_text() {
            websocket.send(text);
        }
        let result = websocket.go_on();
        if websocket.is_open() && self.opens_until.take().is_some() {
            viewer.handle_signalling_opened(now);
        }
        let reason = match result {
            Ok((texts, has_more)) => {
                for text in texts {
                    viewer.handle_text(now, &text);
                }
                match self.opens_until {
                    Some(until) if now >= until => format!("it did not answer for {} s", OPENING.as_secs()),
                    _ => return Ok(has_more),
                }
            }
            Err(reason) => reason,
        };
        self.websocket = None;
        if self.opens_until.take().is_some() {
            return Err(Error::SignallingRefused { reason });
        }
        viewer.handle_signalling_closed(now, &reason);
        Ok(false)
    }

    /// Carries bytes to and from a relay, if the viewer wants one. Returns whether there may be more to read.
    pub fn relay(&mut self, viewer: &mut Viewer, now: Instant) -> bool {
        if let Some(server) = viewer.poll_relay_stream() {
            let register = |tcp: &mut _| self.registry.register(tcp, RELAY, BOTH_WAYS);
            self.relay = RelayStream::connect(&server, self.interface.as_deref(), register).ok();
            if self.relay.is_none() {
                viewer.handle_relay_closed(now);
            }
        }
        let Some(relay) = &mut self.relay else { return false };
        let carried = relay.carry(viewer, now);
        if carried.is_err() {
            self.relay = None;
            viewer.handle_relay_closed(now);
        }
        carried.unwrap_or(false)
    }

    /// Media do not need the server.
    pub fn hang_up(&mut self) {
        if let Some(mut websocket) = self.websocket.take() {
            websocket.close();
        }
        self.opens_until = None;
    }

    /// Returns the address of ours that a host's datagrams come to.
    pub fn local(&mut self, host: IpAddr) -> SocketAddr {
        if self.routes.len() >= MOST_ROUTES {
            self.routes.clear();
        }
        let local = *self.routes.entry(host).or_insert_with(|| route(host).unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
        SocketAddr::new(local, self.port)
    }
}

/// Asks the system from which address it would send to a host. Nothing is sent.
fn route(host: IpAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((host, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// Returns our own addresses for a socket of this port: those of the interface that is asked for, or of all. This machine
/// itself counts only where the server is on it, too, as then the camera is a simulated one.
pub fn local_addresses(port: u16, interface: Option<&str>, server: IpAddr) -> Vec<SocketAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let is_wanted = |found: &if_addrs::Interface| {
        found.is_loopback() == server.is_loopback() && interface.is_none_or(|name| *name == found.name)
    };
    let addresses = interfaces.iter().filter(|found| is_wanted(found)).map(if_addrs::Interface::ip);
    addresses.filter(IpAddr::is_ipv4).map(|ip| SocketAddr::new(ip, port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_named_to_a_server_on_it_only() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(local_addresses(7, None, here), [SocketAddr::new(here, 7)]);
        let away = local_addresses(7, None, Ipv4Addr::new(192, 0, 2, 1).into());
        assert!(away.iter().all(|address| !address.ip().is_loopback()), "{away:?}");
        assert_eq!(local_addresses(7, Some("no-such-thing"), here), []);
        assert_eq!(route(here).unwrap(), here);
    }
}
