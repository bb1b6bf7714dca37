//! The way to the camera: discovery, sessions with every host that answers, and the handshake that proves one of them.

use super::context::Context;
use super::handshakes::Handshakes;
use crate::protocol::dtls::{Endpoint, EndpointSettings};
use crate::protocol::error::{Error, Stage};
use crate::protocol::timers::SearchTimer;
use crate::protocol::transport::CandidateId;
use openssl::error::ErrorStack;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const PROBE_INTERVAL: Duration = Duration::from_millis(100);
/// After this long, probes go out less often: a client that waits for a camera to boot should not flood the network.
const PROBE_EAGERLY: Duration = Duration::from_secs(5);
const PROBE_INTERVAL_LATER: Duration = Duration::from_millis(500);
const PROBE_INTERVAL_PATIENT: Duration = Duration::from_secs(1);
/// Cameras are usually given this pause before the session request; those that need it get the request again after it.
const SESSION_FIRST_RESEND: Duration = Duration::from_millis(100);
const SESSION_RESEND: Duration = Duration::from_secs(1);
/// After this many requests without a session, and again without a handshake that succeeded, discovery starts again:
/// the answer may have come from another host, or the camera may have moved, and a handshake into which another host
/// spoke cannot succeed any more.
const SESSION_ATTEMPTS: u32 = 4;

pub struct Search {
    handshakes: Handshakes,
    /// Session requests sent in this stage.
    session_attempts: u32,
    /// The target that answered "port unreachable".
    refused_by: Option<SocketAddr>,
    /// Why an earlier round of this search, or the connection it led to, failed.
    setback: Option<Error>,
}

impl Search {
    pub fn new(dtls: EndpointSettings) -> Self {
        Search { handshakes: Handshakes::new(dtls), session_attempts: 0, refused_by: None, setback: None }
    }

    // Discovery

    /// Sends the probes. Once a host has answered, that is done only where the camera may not have found room among many:
    /// a camera that is probed while it opens a session may begin anew.
    pub fn probe(&mut self, context: &mut Context, now: Instant) {
        if context.stage == Stage::Discovery || context.transport.is_crowded() {
            context.transport.probe();
        }
        let interval = match now.duration_since(context.started) {
            _ if context.config.patient => PROBE_INTERVAL_PATIENT,
            since if since < PROBE_EAGERLY || context.transport.is_crowded() => PROBE_INTERVAL,
            _ => PROBE_INTERVAL_LATER,
        };
        context.timers.set(SearchTimer::Probe, now + interval);
    }

    /// Notes that a host answered "port unreachable".
    pub fn refused_by(&mut self, host: SocketAddr, context: &Context) {
        if context.transport.targets().contains(&host) {
            self.refused_by = Some(host);
        }
    }

    /// Notes that a host answered discovery. The transport has asked it for a session already.
    pub fn found(&mut self, context: &mut Context, now: Instant) {
        if context.stage == Stage::Discovery {
            context.enter(Stage::Session, now);
            self.session_attempts = 1;
            context.timers.set(SearchTimer::Session, now + SESSION_FIRST_RESEND);
        }
    }

    // Session

    /// Sends session requests again that were not answered. After enough of them the search starts anew, unless it is so
    /// crowded that candidates give way to others anyway.
    pub fn repeat_session_requests(&mut self, context: &mut Context, now: Instant) {
        if self.session_attempts >= SESSION_ATTEMPTS && !context.transport.is_crowded() {
            self.start_again(self.error(context), context, now);
        } else {
            context.transport.repeat_session_requests(self.session_attempts == 1);
            self.session_attempts += 1;
            context.timers.set(SearchTimer::Session, now + SESSION_RESEND);
        }
    }

    /// Begins the handshake with a candidate that has opened a session.
    pub fn ready(
        &mut self,
        candidate: CandidateId,
        context: &mut Context,
        now: Instant,
    ) -> Result<Option<Endpoint>, Error> {
        self.found(context, now);
        // It may have taken the place of another.
        self.handshakes.retain(|candidate| context.transport.has(candidate));
        let Some(address) = context.transport.address(candidate) else { return Ok(None) };
        if context.stage == Stage::Session {
            context.enter(Stage::Dtls, now);
            self.session_attempts = 1;
            context.timers.set(SearchTimer::Session, now + SESSION_RESEND);
        }
        self.handshakes.begin(candidate, address, now).map_err(broken)?;
        Ok(self.step(context))
    }

    // DTLS

    /// Returns the camera's end of the handshake where this datagram completes it.
    pub fn handle_datagram(
        &mut self,
        candidate: CandidateId,
        payload: &[u8],
        context: &mut Context,
        now: Instant,
    ) -> Option<Endpoint> {
        self.handshakes.handle_datagram(candidate, payload, now);
        self.step(context)
    }

    /// Does what the handshakes have due. The error is OpenSSL's own refusal.
    pub fn handle_timeout(&mut self, context: &mut Context, now: Instant) -> Result<Option<Endpoint>, Error> {
        if self.handshakes.poll_timeout().is_none_or(|at| at > now) {
            return Ok(None);
        }
        if let Some(refusing) = self.handshakes.handle_timeout(now).map_err(broken)? {
            context.transport.refuse(refusing);
            self.handshakes.retain(|candidate| context.transport.has(candidate));
            if self.handshakes.is_empty() {
                // Anybody can refuse in the camera's name, and a camera that boots may refuse for a while.
                self.start_again(self.error(context), context, now);
            }
        }
        Ok(self.step(context))
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.handshakes.poll_timeout()
    }

    /// Sends what the handshakes have to send. Where one has succeeded, its candidate is the camera.
    fn step(&mut self, context: &mut Context) -> Option<Endpoint> {
        while let Some((candidate, datagram)) = self.handshakes.poll_transmit() {
            context.transport.send_handshake(candidate, &datagram);
        }
        let (candidate, endpoint) = self.handshakes.take_established()?;
        context.transport.choose(candidate);
        context.timers.stop(SearchTimer::Probe);
        context.timers.stop(SearchTimer::Session);
        Some(endpoint)
    }

    // Going back

    /// Goes back to discovery within the same attempt, and remembers how far this round came.
    pub fn start_again(&mut self, setback: Error, context: &mut Context, now: Instant) {
        self.setback = Some(setback);
        context.timers.stop(SearchTimer::Session);
        context.transport.start_again();
        self.handshakes.clear();
        context.enter(Stage::Discovery, now);
        self.probe(context, now);
    }

    /// Drops all handshakes.
    pub fn stop(&mut self) {
        self.handshakes.clear();
    }

    /// What keeps the search from finding the camera, as far as it has come.
    pub fn error(&self, context: &Context) -> Error {
        match context.stage {
            Stage::Discovery => self.not_found(context),
            Stage::Session => self.handshake_error(context).unwrap_or(Error::Full),
            _ => self.handshake_error(context).unwrap_or(Error::HandshakeTimeout),
        }
    }

    fn handshake_error(&self, context: &Context) -> Option<Error> {
        let mut error = self.handshakes.error()?;
        if let Error::WrongKey { refused_by } | Error::Handshake { refused_by, .. } = &mut error {
            refused_by.hosts = context.transport.hosts();
        }
        Some(error)
    }

    /// An earlier round that came further says most, then a host with another key, then one that refused, then silence.
    fn not_found(&self, context: &Context) -> Error {
        let transport = &context.transport;
        let wrong_key = || transport.wrong_key_from.map(|from| Error::WrongAuthKey { from });
        // In a search everywhere, one host that has no camera says little.
        let refused = || {
            let from = self.refused_by.filter(|_| transport.targets().len() == 1)?;
            Some(Error::PortUnreachable { from })
        };
        let nobody = || Error::NoAnswer { probed: transport.targets().to_vec() };
        self.setback.clone().or_else(wrong_key).or_else(refused).unwrap_or_else(nobody)
    }
}

fn broken(error: ErrorStack) -> Error {
    Error::Broken { stage: Stage::Dtls, reason: error.to_string() }
}
