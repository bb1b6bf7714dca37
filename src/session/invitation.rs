//! What a connection over WebRTC begins with: a ticket, and the addresses of the hosts that it names.

use super::peer::TicketSource;
use super::shared::Shared;
use super::websocket::Endpoint;
use crate::protocol::error::Error;
use crate::protocol::ticket::{IceServer, Ticket};
use crate::protocol::webrtc::{RelayServer, RelayTransport};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

/// How many STUN servers are asked for our address: one is enough, and the next is there if it is away.
const STUN_SERVERS: usize = 2;
// Ports of STUN and TURN, without TLS and with it, where a URL names none.
const PORT: u16 = 3478;
const TLS_PORT: u16 = 5349;

pub struct Invitation {
    pub ticket: Ticket,
    pub endpoint: Endpoint,
    /// Where the endpoint's name leads.
    pub signalling: SocketAddr,
    pub stun: Vec<SocketAddr>,
    pub relays: Vec<RelayServer>,
}

/// The cloud was asked for a ticket.
pub struct Asked {
    pub answer: Receiver<Result<Invitation, Error>>,
    pub until: Instant,
}

/// Fetches a ticket and resolves its names on a thread of its own, and wakes the session thread when that is done.
pub fn start_inviting(tickets: &TicketSource, shared: &Arc<Shared>) -> Receiver<Result<Invitation, Error>> {
    let (sender, answer) = mpsc::channel();
    let spawned = thread::Builder::new().name("wyze-ticket".into()).spawn({
        let (tickets, sender, shared) = (tickets.clone(), sender.clone(), Arc::downgrade(shared));
        move || {
            // Fails only when the session no longer waits.
            let _ = sender.send(tickets().and_then(invitation));
            if let Some(shared) = shared.upgrade() {
                shared.wake();
            }
        }
    });
    if let Err(e) = spawned {
        let _ = sender.send(Err(Error::TicketRefused { reason: e.to_string() }));
    }
    answer
}

fn invitation(ticket: Ticket) -> Result<Invitation, Error> {
    let refused = |reason: String| Error::SignallingRefused { reason };
    let endpoint = Endpoint::of(&ticket.url).map_err(|reason| refused(reason.into()))?;
    let signalling = resolve(&endpoint.host, endpoint.port)
        .ok_or_else(|| refused(format!("the name {} cannot be resolved", endpoint.host)))?;
    let stun = ticket.ice_servers.iter().filter_map(stun_server).take(STUN_SERVERS).collect();
    let relays = relays(&ticket.ice_servers);
    Ok(Invitation { endpoint, signalling, stun, relays, ticket })
}

/// Returns the address of a server `stun:HOST[:PORT]`; `None` for any other, and for one that cannot be resolved.
fn stun_server(server: &IceServer) -> Option<SocketAddr> {
    let (host, port) = host_and_port(server.url.strip_prefix("stun:")?, PORT)?;
    resolve(host, port)
}

/// Returns the first server of each transport.
fn relays(servers: &[IceServer]) -> Vec<RelayServer> {
    let of = |transport| servers.iter().find_map(|server| relay_server(server, transport));
    [RelayTransport::Udp, RelayTransport::Tcp, RelayTransport::Tls].into_iter().filter_map(of).collect()
}

/// Returns the server of `turn:HOST[:PORT][?transport=udp|tcp]`, or `turns:` with TCP; `None` where that is
/// not the `wanted` transport, and where the host cannot be resolved. `turns:` over UDP is DTLS, which nobody needs.
fn relay_server(server: &IceServer, wanted: RelayTransport) -> Option<RelayServer> {
    let (scheme, place) = server.url.split_once(':')?;
    let over = place.split_once("?transport=").map(|(_, over)| over);
    let (transport, default_port) = match (scheme, over) {
        ("turn", None | Some("udp")) => (RelayTransport::Udp, PORT),
        ("turn", Some("tcp")) => (RelayTransport::Tcp, PORT),
        ("turns", None | Some("tcp")) => (RelayTransport::Tls, TLS_PORT),
        _ => return None,
    };
    if transport != wanted {
        return None;
    }
    let (host, port) = host_and_port(place, default_port)?;
    let address = resolve(host, port)?;
    let IceServer { username, credential, .. } = server.clone();
    Some(RelayServer { transport, host: host.into(), address, username, credential })
}

/// Reads `HOST[:PORT][?…]`.
fn host_and_port(place: &str, default_port: u16) -> Option<(&str, u16)> {
    let place = place.split('?').next()?;
    match place.rsplit_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((place, default_port)),
    }
}

/// The session's socket is one of IPv4, and signalling may as well be.
fn resolve(host: &str, port: u16) -> Option<SocketAddr> {
    (host, port).to_socket_addrs().ok()?.find(SocketAddr::is_ipv4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> IceServer {
        IceServer { url: url.into(), username: "name".to_owned().into(), credential: "word".to_owned().into() }
    }

    #[test]
    fn a_relay_is_found_by_its_url_and_keeps_its_secrets() {
        let found = |url: &str| relays(&[server(url)]).first().map(|found| (found.transport, found.address.port()));
        assert_eq!(found("turn:127.0.0.1"), Some((RelayTransport::Udp, PORT)));
        assert_eq!(found("turn:127.0.0.1:443?transport=udp"), Some((RelayTransport::Udp, 443)));
        assert_eq!(found("turn:127.0.0.1:443?transport=tcp"), Some((RelayTransport::Tcp, 443)));
        assert_eq!(found("turns:127.0.0.1?transport=tcp"), Some((RelayTransport::Tls, TLS_PORT)));
        assert_eq!(found("turns:127.0.0.1:443"), Some((RelayTransport::Tls, 443)));
        for url in ["turns:127.0.0.1:443?transport=udp", "turn:127.0.0.1:x", "turn:", "stun:127.0.0.1", "127.0.0.1", ""]
        {
            assert_eq!(found(url), None, "{url}");
        }
        let shown = format!("{:?}", relays(&[server("turn:127.0.0.1")]));
        assert!(!shown.contains("name") && !shown.contains("word") && shown.contains("127.0.0.1"), "{shown}");
    }

    #[test]
    fn a_stun_server_is_found_by_its_url() {
        let found = |url: &str| stun_server(&server(url));
        let at = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(found("stun:127.0.0.1:443"), at(443));
        assert_eq!(found("stun:127.0.0.1"), at(PORT));
        assert_eq!(found("stun:127.0.0.1:5?transport=udp"), at(5));
        for url in ["turn:127.0.0.1:443", "stun:127.0.0.1:x", "stun:", "127.0.0.1", ""] {
            assert_eq!(found(url), None, "{url}");
        }
    }
}
