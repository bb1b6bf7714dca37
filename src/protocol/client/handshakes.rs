//! DTLS handshakes with all candidates that opened a session, until one of them proves to be the camera.
//!
//! Until then nothing that arrives is certain: hellos and alerts come in plain text, and anybody can have sent them. So
//! a failed handshake is begun anew, and an alert is believed only the second time, and only where nothing of a
//! handshake follows it.

use crate::protocol::dtls::{self, Endpoint, EndpointSettings, Failure, Role};
use crate::protocol::error::{Error, RefusedBy, Stage};
use crate::protocol::transport::CandidateId;
use openssl::error::ErrorStack;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an alert waits to be believed. A camera whose handshake goes on sends more of it by then.
const ALERT_PATIENCE: Duration = Duration::from_secs(1);
/// How many alerts of a candidate are believed to be a refusal; a single one may answer a damaged record.
const ALERTS_BELIEVED: u32 = 2;

pub struct Handshakes {
    settings: EndpointSettings,
    running: Vec<Handshake>,
    /// Why handshakes that are over failed.
    failure: Option<Error>,
}

struct Handshake {
    candidate: CandidateId,
    address: SocketAddr,
    endpoint: Endpoint,
    /// When OpenSSL's timer is due, on the caller's clock.
    resend_at: Option<Instant>,
    /// When a failed handshake is begun anew.
    retry_at: Option<Instant>,
    /// When the alert that was received last is believed.
    believe_at: Option<Instant>,
    /// How many alerts were believed.
    alerts: u32,
}

impl Handshakes {
    pub fn new(settings: EndpointSettings) -> Self {
        debug_assert_eq!(settings.role, Role::Client);
        Handshakes { settings, running: Vec::new(), failure: None }
    }

    /// Begins a handshake with this candidate at `address`. The error is OpenSSL's own refusal.
    pub fn begin(&mut self, candidate: CandidateId, address: SocketAddr, now: Instant) -> Result<(), ErrorStack> {
        let endpoint = Endpoint::new(&self.settings)?;
        let mut handshake =
            Handshake { candidate, address, endpoint, resend_at: None, retry_at: None, believe_at: None, alerts: 0 };
        handshake.look(now, self.settings.first_resend);
        self.running.push(handshake);
        Ok(())
    }

    pub fn handle_datagram(&mut self, candidate: CandidateId, payload: &[u8], now: Instant) {
        if let Some(handshake) = self.running.iter_mut().find(|handshake| handshake.candidate == candidate) {
            // Until the handshake is over, nothing is decrypted; early data is sent again by the camera.
            handshake.endpoint.handle_datagram(payload, |_| {});
            handshake.look(now, self.settings.first_resend);
        }
    }

    /// Does what is due. Returns a candidate that refuses to shake hands.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<Option<CandidateId>, ErrorStack> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let mut refusing = None;
        for handshake in &mut self.running {
            if is_due(handshake.resend_at) {
                handshake.endpoint.handle_timeout();
            }
            let alert = handshake.endpoint.alert().filter(|_| is_due(handshake.believe_at));
            let begin_anew = alert.is_some() || is_due(handshake.retry_at);
            if let Some(alert) = alert {
                handshake.alerts += 1;
                note(&mut self.failure, handshake.refusal(alert));
                if handshake.alerts >= ALERTS_BELIEVED {
                    refusing = Some(handshake.candidate);
                }
            }
            if begin_anew {
                note(&mut self.failure, handshake.failure());
                handshake.endpoint = Endpoint::new(&self.settings)?;
                (handshake.retry_at, handshake.believe_at) = (None, None);
            }
            handshake.look(now, self.settings.first_resend);
        }
        Ok(refusing)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let times = |handshake: &Handshake| [handshake.resend_at, handshake.retry_at, handshake.believe_at];
        self.running.iter().flat_map(times).flatten().min()
    }

    pub fn poll_transmit(&mut self) -> Option<(CandidateId, Vec<u8>)> {
        self.running.iter_mut().find_map(|handshake| Some((handshake.candidate, handshake.endpoint.poll_transmit()?)))
    }

    /// Takes out the endpoint that has succeeded, and drops the other handshakes.
    pub fn take_established(&mut self) -> Option<(CandidateId, Endpoint)> {
        let established = |handshake: &Handshake| *handshake.endpoint.state() == dtls::EndpointState::Established;
        let at = self.running.iter().position(established)?;
        let handshake = self.running.swap_remove(at);
        self.running.clear();
        Some((handshake.candidate, handshake.endpoint))
    }

    /// Drops handshakes whose candidate is gone.
    pub fn retain(&mut self, has: impl Fn(CandidateId) -> bool) {
        let (stay, go): (Vec<_>, Vec<_>) = self.running.drain(..).partition(|handshake| has(handshake.candidate));
        self.running = stay;
        for handshake in go {
            note(&mut self.failure, handshake.failure());
        }
    }

    /// Drops all handshakes.
    pub fn clear(&mut self) {
        self.retain(|_| false);
    }

    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Why no handshake succeeds, as far as can be told; `None` where there was none.
    pub fn error(&self) -> Option<Error> {
        let mut error = self.failure.clone();
        self.running.iter().for_each(|handshake| note(&mut error, handshake.failure()));
        error
    }
}

impl Handshake {
    /// Sets the times by the endpoint's state.
    fn look(&mut self, now: Instant, pause: Duration) {
        self.resend_at = self.endpoint.next_timeout().map(|left| now + left);
        let is_over = matches!(self.endpoint.state(), dtls::EndpointState::Closed | dtls::EndpointState::Failed(_));
        self.retry_at = is_over.then(|| self.retry_at.unwrap_or(now + pause));
        self.believe_at = self.endpoint.alert().map(|_| self.believe_at.unwrap_or(now + ALERT_PATIENCE));
    }

    /// The error that it is, where it does not succeed.
    fn failure(&self) -> Error {
        let wrong_key = self.endpoint.suspects_wrong_key()
            || *self.endpoint.state() == dtls::EndpointState::Failed(Failure::WrongKey);
        if wrong_key { self.refusal(Failure::WrongKey) } else { Error::HandshakeTimeout }
    }

    fn refusal(&self, failure: Failure) -> Error {
        // How many hosts have answered is known to the search.
        let refused_by = RefusedBy { address: self.address, hosts: 1 };
        match failure {
            Failure::WrongKey => Error::WrongKey { refused_by },
            Failure::Alert(dtls::CLOSE_NOTIFY) => Error::HungUp(Stage::Dtls),
            failure => Error::Handshake { failure, refused_by },
        }
    }
}

/// Keeps the failure that says more.
fn note(failure: &mut Option<Error>, newer: Error) {
    if newer != Error::HandshakeTimeout || failure.is_none() {
        *failure = Some(newer);
    }
}
