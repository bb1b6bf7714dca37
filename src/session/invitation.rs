//! What a connection over WebRTC begins with: a ticket, and the addresses of the hosts that it names.

use super::peer::TicketSource;
use super::shared::Shared;
use super::websocket::Endpoint;
use crate::protocol::error::Error;
use crate::protocol::ticket::{IceServer, Ticket};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// How many STUN servers are asked for our address: one is enough, and the next is there if it is away.
const STUN_SERVERS: usize = 2;
const STUN_PORT: u16 = 3478;

pub struct Invitation {
    pub ticket: Ticket,
    pub endpoint: Endpoint,
    /// Where the endpoint's name leads.
    pub signalling: SocketAddr,
    pub stun: Vec<SocketAddr>,
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
    Ok(Invitation { endpoint, signalling, stun, ticket })
}

/// Returns the address of a server `stun:HOST[:PORT]`; `None` for any other, and for one that cannot be resolved.
fn stun_server(server: &IceServer) -> Option<SocketAddr> {
    let place = server.url.strip_prefix("stun:")?.split('?').next()?;
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (place, STUN_PORT),
    };
    resolve(host, port)
}

/// The session's socket is one of IPv4, and signalling may as well be.
fn resolve(host: &str, port: u16) -> Option<SocketAddr> {
    (host, port).to_socket_addrs().ok()?.find(SocketAddr::is_ipv4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stun_server_is_found_by_its_url() {
        let found = |url: &str| {
            stun_server(&IceServer {
                url: url.into(),
                username: String::new().into(),
                credential: String::new().into(),
            })
        };
        let at = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(found("stun:127.0.0.1:443"), at(443));
        assert_eq!(found("stun:127.0.0.1"), at(STUN_PORT));
        assert_eq!(found("stun:127.0.0.1:5?transport=udp"), at(5));
        for url in ["turn:127.0.0.1:443", "stun:127.0.0.1:x", "stun:", "127.0.0.1", ""] {
            assert_eq!(found(url), None, "{url}");
        }
    }
}
