//! Who of the cameras answers discovery. Has no socket and no clock.
//!
//! An answer is believed here: whether it is the camera's own shows when an element connects.

use crate::account::Camera;
use crate::identity::DEFAULT_PORT;
use crate::protocol::stats::Stats;
use crate::protocol::transport::{Incoming, Transmit, Transport};
use crate::protocol::wire::SessionId;
use crate::session::Place;
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

struct Sought {
    transport: Transport,
    found: Option<IpAddr>,
}

pub struct Search {
    /// One for each camera, `None` for one that cannot be asked.
    sought: Vec<Option<Sought>>,
}

impl Search {
    /// A search for these cameras, each at what `targets` gives for its place.
    pub fn new(
        cameras: &[Camera],
        targets: impl Fn(&Place) -> Vec<SocketAddr>,
        mut session_id: impl FnMut() -> SessionId,
    ) -> Self {
        let seek = |camera: &Camera| {
            let credentials = camera.credentials().ok().filter(|_| camera.obstacle().is_none())?;
            let port = camera.port.unwrap_or(DEFAULT_PORT);
            // A host that is a name is not resolved: that may take long, and the search may well do without.
            let targets = targets(&Place { host: None, port, known: camera.known_address(), interface: None });
            // The time goes into the session request only, which is never sent.
            Some(Sought { transport: Transport::new(&credentials, targets, session_id(), 0), found: None })
        };
        Search { sought: cameras.iter().map(seek).collect() }
    }

    /// What asks for those that have not answered.
    pub fn probe(&mut self) -> Vec<Transmit> {
        let silent = self.sought.iter_mut().flatten().filter(|sought| sought.found.is_none());
        silent
            .flat_map(|sought| {
                sought.transport.probe();
                iter::from_fn(|| sought.transport.poll_transmit())
            })
            .collect()
    }

    /// Takes a datagram, whoever it is from.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        for sought in self.sought.iter_mut().flatten().filter(|sought| sought.found.is_none()) {
            // Each decodes it in place.
            let mut datagram = datagram.to_vec();
            if sought.transport.receive(now, from, &mut datagram, &mut Stats::default()) == Incoming::Found {
                sought.found = Some(from.ip());
                // The step that follows would open a session.
                while sought.transport.poll_transmit().is_some() {}
                return;
            }
        }
    }

    /// True where nobody is left to wait for.
    pub fn is_done(&self) -> bool {
        self.sought.iter().flatten().all(|sought| sought.found.is_some())
    }

    /// Where each camera answered, in the order in which they were given.
    pub fn found(&self) -> impl Iterator<Item = Option<IpAddr>> {
        self.sought.iter().map(|sought| sought.as_ref().and_then(|sought| sought.found))
    }
}
