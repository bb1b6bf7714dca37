//! What goes through a relay: see [`Relays`](super::super::relay::Relays).

use super::{Viewer, ViewerTransmit};
use crate::protocol::webrtc::relay::{RelayServer, Relayed};
use std::net::SocketAddr;
use std::time::Instant;
use str0m::Candidate;

/// Streams to relays (TCP, TLS) are the caller's.
impl Viewer {
    /// The server to open a stream to now, instead of any that was opened before.
    pub fn poll_relay_stream(&mut self) -> Option<RelayServer> {
        self.relays.poll_stream()
    }

    /// The next bytes for the stream.
    pub fn poll_relay_bytes(&mut self) -> Option<Vec<u8>> {
        self.relays.poll_bytes()
    }

    /// The stream is open; `local` is our end of it.
    pub fn handle_relay_opened(&mut self, now: Instant, local: SocketAddr) {
        if !self.ended {
            let relayed = self.relays.handle_opened(now, local);
            self.add_relayed(relayed);
            self.drain(now);
        }
    }

    /// Takes bytes of the stream.
    pub fn handle_relay_bytes(&mut self, now: Instant, bytes: &[u8]) {
        if !self.ended {
            let (came, relayed) = self.relays.handle_bytes(now, bytes);
            self.handle_relayed(now, came, relayed);
            self.drain(now);
        }
    }

    /// The stream is over, or could not be opened.
    pub fn handle_relay_closed(&mut self, now: Instant) {
        if !self.ended {
            self.relays.handle_closed(now);
        }
    }

    /// Takes what came through the relay, and our address there if it is new.
    pub(super) fn handle_relayed(&mut self, now: Instant, came: Vec<Relayed>, relayed: Option<SocketAddr>) {
        for Relayed { from, to, mut data } in came {
            self.handle_of_camera(now, from, to, &mut data);
        }
        self.add_relayed(relayed);
    }

    /// Tells the camera of our address at a relay.
    pub(super) fn add_relayed(&mut self, relayed: Option<SocketAddr>) {
        let Some(relayed) = relayed else { return };
        let local = self.addresses.first().copied().unwrap_or(relayed);
        if let Ok(candidate) = Candidate::relayed(relayed, local, "udp") {
            self.add_candidate(candidate);
        }
    }

    /// Hands out what is for relays over UDP.
    pub(super) fn send_to_relay(&mut self) {
        while let Some((to, data)) = self.relays.poll_transmit() {
            let from = self.addresses.first().copied().unwrap_or(to);
            self.transmits.push_back(ViewerTransmit { from, to, data });
        }
    }
}
