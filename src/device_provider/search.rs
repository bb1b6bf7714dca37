//! Finds out which cameras answer discovery. Has no socket and no clock.
//!
//! All answers are believed here: whether one is the camera's own shows when an element connects.

use crate::account::Camera;
use crate::identity::DEFAULT_PORT;
use crate::protocol::stats::Stats;
use crate::protocol::transport::{Envelope, Incoming, Transmit, Transport};
use crate::protocol::wire::{SessionId, cc51};
use crate::session::Place;
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// How a camera answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub address: SocketAddr,
    /// The word for its packet format, as [`Envelope::name`] has it.
    pub envelope: &'static str,
}

/// A camera that is asked for.
struct Sought {
    transport: Transport,
    found: Option<Answer>,
}

pub struct CameraSearch {
    /// One entry for each camera; `None` where it cannot be asked.
    sought: Vec<Option<Sought>>,
}

impl CameraSearch {
    /// Makes a search for these cameras. `targets` returns the addresses to ask for a place.
    pub fn new(
        cameras: &[Camera],
        targets: impl Fn(&Place) -> Vec<SocketAddr>,
        mut session_id: impl FnMut() -> SessionId,
    ) -> Self {
        let seek = |camera: &Camera| {
            let credentials = camera.credentials().ok().filter(|_| camera.paths().lan.is_ok())?;
            let port = camera.port.unwrap_or(DEFAULT_PORT);
            let known = camera.known_address();
            let host = camera.host.clone().filter(|_| known.is_none());
            let targets = targets(&Place { host, port, known, interface: None });
            // Only the session request has the time in it, and it is never sent.
            Some(Sought { transport: Transport::new(&credentials, targets, session_id(), 0), found: None })
        };
        CameraSearch { sought: cameras.iter().map(seek).collect() }
    }

    /// Returns datagrams that ask for the cameras that have not answered.
    pub fn probe(&mut self) -> Vec<Transmit> {
        let silent = self.sought.iter_mut().flatten().filter(|sought| sought.found.is_none());
        silent
            .flat_map(|sought| {
                sought.transport.probe();
                iter::from_fn(|| sought.transport.poll_transmit())
            })
            .collect()
    }

    /// Takes a datagram from any sender.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        for sought in self.sought.iter_mut().flatten().filter(|sought| sought.found.is_none()) {
            // Each camera's transport decodes it in place.
            let mut copy = datagram.to_vec();
            if sought.transport.receive(now, from, &mut copy, &mut Stats::default()) == Incoming::Found {
                sought.found = Some(Answer { address: from, envelope: envelope_of(datagram) });
                // The next datagrams would open a session.
                while sought.transport.poll_transmit().is_some() {}
                return;
            }
        }
    }

    /// Whether all cameras have answered that can be asked.
    pub fn is_done(&self) -> bool {
        self.sought.iter().flatten().all(|sought| sought.found.is_some())
    }

    /// Returns where each camera answered, in the order of the cameras.
    pub fn found(&self) -> impl Iterator<Item = Option<IpAddr>> {
        self.answers().map(|answer| answer.map(|answer| answer.address.ip()))
    }

    /// Returns how each camera answered, in the order of the cameras.
    pub fn answers(&self) -> impl Iterator<Item = Option<Answer>> {
        self.sought.iter().map(|sought| sought.as_ref().and_then(|sought| sought.found))
    }
}

fn envelope_of(datagram: &[u8]) -> &'static str {
    // The name does not depend on the ticket.
    let envelope = if cc51::is_cc51(datagram) { Envelope::Cc51 { ticket: 0 } } else { Envelope::TransCode };
    envelope.name()
}
