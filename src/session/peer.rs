//! Which camera a session is with, and the ways to it.

use crate::protocol::credentials::{Credentials, Uid, public_id};
use crate::protocol::error::Error;
use crate::protocol::ticket::Ticket;
use std::fmt;
use std::sync::Arc;
#[cfg(feature = "webrtc")]
use std::time::Duration;

/// How long a session waits for a ticket.
#[cfg(feature = "webrtc")]
pub const TICKET_PATIENCE: Duration = Duration::from_secs(10);

/// Asks for a ticket, which is good for one connection. May block for as long as a request to the cloud may take.
pub type TicketSource = Arc<dyn Fn() -> Result<Ticket, Error> + Send + Sync>;

/// Which way is taken to a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// The local network; where the camera has no such way, or twice in a row does not answer there, WebRTC.
    #[default]
    Auto,
    Lan,
    WebRtc,
}

/// A camera.
#[derive(Clone)]
pub struct Peer {
    pub(super) id: PeerId,
    /// What it takes over the local network; `None` where that is no way to it.
    pub(super) credentials: Option<Credentials>,
    /// Gets the tickets for WebRTC; `None` where that is no way to it.
    pub(super) tickets: Option<TicketSource>,
    pub(super) transport: Transport,
}

impl Peer {
    /// A camera that has no UID, which its MAC tells apart. It needs tickets, or there is no way to it.
    pub fn by_mac(mac: &str) -> Self {
        let id = PeerId::Mac(mac.to_ascii_uppercase().into());
        Peer { id, credentials: None, tickets: None, transport: Transport::default() }
    }

    /// Adds WebRTC to the ways.
    pub fn with_tickets(self, tickets: TicketSource) -> Self {
        Peer { tickets: Some(tickets), ..self }
    }

    pub fn with_transport(self, transport: Transport) -> Self {
        Peer { transport, ..self }
    }

    /// Returns a text that is the same whenever it is this camera, and no secret.
    pub fn public_id(&self) -> String {
        match &self.id {
            PeerId::Uid(uid) => public_id(&String::from_utf8_lossy(uid.bytes())),
            PeerId::Mac(mac) => public_id(mac),
        }
    }

    /// Whether both are the same camera with the same keys.
    pub(super) fn is_same(&self, other: &Peer) -> bool {
        self.id == other.id && self.credentials == other.credentials
    }
}

impl From<Credentials> for Peer {
    fn from(credentials: Credentials) -> Self {
        Peer {
            id: PeerId::Uid(credentials.uid),
            credentials: Some(credentials),
            tickets: None,
            transport: Transport::default(),
        }
    }
}

/// What a camera is told apart by: there is at most one session for each.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum PeerId {
    Uid(Uid),
    Mac(Box<str>),
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerId(***)")
    }
}
