//! The client's way to the camera: discovery, sessions with all who answer, and the handshake that proves one of them.

use super::Client;
use crate::protocol::error::{Error, Stage};
use crate::protocol::timers::Timer;
use crate::protocol::transport::CandidateId;
use std::time::{Duration, Instant};

const PROBE_INTERVAL: Duration = Duration::from_millis(100);
/// After this long, probes go out less often: whoever waits for a camera to boot should not flood the network.
const PROBE_EAGERLY: Duration = Duration::from_secs(5);
const PROBE_INTERVAL_LATER: Duration = Duration::from_millis(500);
const PROBE_INTERVAL_PATIENT: Duration = Duration::from_secs(1);
/// Cameras are usually given this pause before the session request; those that need it get the request again after it.
const SESSION_FIRST_RESEND: Duration = Duration::from_millis(100);
const SESSION_RESEND: Duration = Duration::from_secs(1);
/// Without a session by then, and again without a handshake that succeeded, discovery starts again: what answered may have
/// been somebody else, or have moved, and a handshake that somebody else spoke into cannot succeed any more.
const SESSION_ATTEMPTS: u32 = 4;

impl Client {
    pub(super) fn probe(&mut self, now: Instant) {
        self.transport.probe();
        let interval = match now.duration_since(self.started) {
            _ if self.config.patient => PROBE_INTERVAL_PATIENT,
            since if since < PROBE_EAGERLY => PROBE_INTERVAL,
            _ => PROBE_INTERVAL_LATER,
        };
        self.timers.set(Timer::Discovery, now + interval);
    }

    pub(super) fn handle_found(&mut self, now: Instant) {
        if self.stage == Stage::Discovery {
            self.enter(Stage::Session, now);
            self.session_attempts = 1;
            self.timers.set(Timer::Discovery, now + SESSION_FIRST_RESEND);
        }
    }

    pub(super) fn repeat_session_requests(&mut self, now: Instant) {
        if self.session_attempts >= SESSION_ATTEMPTS {
            self.search_again(now);
            return;
        }
        self.transport.repeat_session_requests(self.session_attempts == 1);
        self.session_attempts += 1;
        self.timers.set(Timer::Discovery, now + SESSION_RESEND);
    }

    pub(super) fn handle_ready(&mut self, candidate: CandidateId, now: Instant) {
        self.handle_found(now);
        if self.stage == Stage::Session {
            self.enter(Stage::Dtls, now);
            self.session_attempts = 1;
            self.timers.set(Timer::Discovery, now + SESSION_RESEND);
        }
        if let Err(e) = self.handshakes.begin(candidate, now) {
            self.fail(Error::Broken { stage: Stage::Dtls, reason: e.to_string() });
        }
        self.after_handshake_step(now);
    }

    pub(super) fn handle_handshake_timeout(&mut self, now: Instant) {
        if self.handshakes.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        match self.handshakes.handle_timeout(now) {
            Ok(Some(refusing)) => {
                self.transport.refuse(refusing);
                self.handshakes.retain(|candidate| self.transport.has(candidate));
                if self.handshakes.is_empty() {
                    self.fail(self.handshakes.error().unwrap_or(Error::HandshakeTimeout));
                    return;
                }
            }
            Ok(None) => {}
            Err(e) => self.fail(Error::Broken { stage: Stage::Dtls, reason: e.to_string() }),
        }
        self.after_handshake_step(now);
    }

    pub(super) fn after_handshake_step(&mut self, now: Instant) {
        while let Some((candidate, datagram)) = self.handshakes.poll_transmit() {
            self.transport.send_handshake(candidate, &datagram);
        }
        let Some((candidate, dtls)) = self.handshakes.take_established() else { return };
        self.transport.choose(candidate);
        self.timers.stop(Timer::Discovery);
        self.suite = dtls.suite();
        self.dtls = Some(dtls);
        self.last_received = now;
        self.enter(Stage::Login, now);
        self.watch_silence();
        self.send_logins(now);
    }
}
