//! Which camera a session is with, and the ways to it.

use crate::protocol::credentials::{Credentials, Uid};

/// A camera.
#[derive(Clone)]
pub struct Peer {
    /// What it takes over the local network.
    pub credentials: Credentials,
}

impl Peer {
    /// What it is told apart by: there is at most one session for each camera.
    pub(super) fn id(&self) -> PeerId {
        PeerId(self.credentials.uid)
    }
}

impl From<Credentials> for Peer {
    fn from(credentials: Credentials) -> Self {
        Peer { credentials }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PeerId(Uid);
