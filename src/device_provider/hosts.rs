//! The addresses of cameras whose hosts are names. To resolve one may take as long as the system likes, so threads do
//! that; an answer that comes late serves the next look.

use crate::account::Camera;
use crate::session::Place;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

type Answer = (String, Option<Ipv4Addr>);

/// Resolves the hosts of cameras.
pub struct Hosts {
    /// The last answer for each name; `None` while there was none.
    known: BTreeMap<String, Option<Ipv4Addr>>,
    /// How many threads are at work.
    working: usize,
    answers: (Sender<Answer>, Receiver<Answer>),
}

impl Default for Hosts {
    fn default() -> Self {
        Hosts { known: BTreeMap::new(), working: 0, answers: mpsc::channel() }
    }
}

impl Hosts {
    /// Resolves the hosts of cameras, and waits until all answers are there, or until a time.
    pub fn resolve(&mut self, cameras: &[Camera], until: Instant) {
        // Names that an earlier look still waits for are not asked for again.
        self.take(Instant::now());
        if self.working > 0 {
            return;
        }
        for camera in cameras.iter().filter(|camera| camera.known_address().is_none()) {
            let Some(name) = camera.host.clone() else { continue };
            let answers = self.answers.0.clone();
            let look = move || {
                let addresses = (name.as_str(), 0).to_socket_addrs().ok();
                let ipv4 = addresses.into_iter().flatten().find_map(|address| match address.ip() {
                    IpAddr::V4(ip) => Some(ip),
                    IpAddr::V6(_) => None,
                });
                // Fails only where nobody looks any more.
                let _ = answers.send((name, ipv4));
            };
            self.working += usize::from(thread::Builder::new().name("wyze-resolve".into()).spawn(look).is_ok());
        }
        self.take(until);
    }

    fn take(&mut self, until: Instant) {
        while self.working > 0
            && let Ok((name, ip)) = self.answers.1.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.working -= 1;
            self.known.insert(name, ip);
        }
    }

    /// Returns a place with the address of its host, as far as that is known.
    pub fn find(&self, place: &Place) -> Place {
        let resolved = place.host.as_ref().and_then(|host| self.known.get(host).copied().flatten());
        Place { known: place.known.or(resolved), ..place.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn names_are_resolved_and_those_that_are_none_cost_nothing() {
        let cameras = ["localhost", "no such host", "10.1.2.3"]
            .map(|host| Camera { host: Some(host.into()), ..Camera::default() });
        let mut hosts = Hosts::default();
        hosts.resolve(&cameras, Instant::now() + Duration::from_secs(20));
        let known = |host: &str| {
            let host = Some(host.to_owned());
            hosts.find(&Place { host, port: 1, known: None, interface: None }).known
        };
        assert_eq!(known("localhost"), Some(Ipv4Addr::LOCALHOST));
        assert_eq!((known("no such host"), known("never asked")), (None, None));
        assert_eq!(hosts.working, 0);
    }
}
