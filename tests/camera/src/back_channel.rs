//! The camera's end of DTLS on the back channel, where the camera is the DTLS client, by the caller's clock.
//!
//! A flight that gets no answer is sent again by the caller's clock, in one of two forms. If OpenSSL's own timer, which
//! runs in real time, has expired too, OpenSSL makes a fresh flight, which also makes a server repeat its lost last
//! flight. If the caller's clock runs faster than real time, the old flight is sent again byte for byte, which serves
//! in all other cases.

use crate::camera_config::CameraConfig;
use crate::main_channel::Change;
use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, EndpointState, Role};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// OpenSSL's own interval. It is shorter than those below, so that in real time OpenSSL's timer has always expired when
/// they have.
const OPENSSL_RESEND: Duration = Duration::from_millis(50);
const FIRST_RESEND: Duration = Duration::from_millis(300);
const MAX_RESEND: Duration = Duration::from_secs(1);

pub struct BackChannel {
    endpoint: Endpoint,
    last_flight: Vec<Vec<u8>>,
    resend: Option<(Instant, Duration)>,
    to_send: VecDeque<Vec<u8>>,
}

impl BackChannel {
    /// Begins the handshake; returns `None` if OpenSSL refuses the suites.
    pub fn new(now: Instant, config: &CameraConfig) -> Option<Self> {
        let settings = EndpointSettings {
            suites: config.talk_suites.clone(),
            first_resend: OPENSSL_RESEND,
            ..EndpointSettings::new(Role::Client, config.credentials.psk())
        };
        let endpoint = Endpoint::new(&settings).ok()?;
        let mut channel = BackChannel { endpoint, last_flight: Vec::new(), resend: None, to_send: VecDeque::new() };
        channel.send_flight(now);
        Some(channel)
    }

    pub fn is_established(&self) -> bool {
        *self.endpoint.state() == EndpointState::Established
    }

    /// Takes a datagram and calls `received` with each record that it decrypts to.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8], received: impl FnMut(&[u8])) -> Change {
        let before = self.endpoint.state().clone();
        self.endpoint.handle_datagram(datagram, received);
        let after = self.endpoint.state().clone();
        if after == EndpointState::Handshaking {
            self.send_flight(now);
            return Change::None;
        }
        self.resend = None;
        self.flush();
        match after {
            EndpointState::Established if before != after => Change::Established(self.endpoint.suite()),
            EndpointState::Closed if before != after => Change::Closed,
            EndpointState::Failed(failure)
                if before == EndpointState::Handshaking || before == EndpointState::Established =>
            {
                Change::Failed(failure)
            }
            _ => Change::None,
        }
    }

    /// Encrypts and sends one record, if the session is established.
    pub fn send(&mut self, record: &[u8]) {
        self.endpoint.send(record);
        self.flush();
    }

    /// Closes the session with an alert.
    pub fn close(&mut self) {
        self.endpoint.close();
        self.resend = None;
        self.flush();
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        let Some((_, interval)) = self.resend.take_if(|(at, _)| *at <= now) else { return };
        self.endpoint.handle_timeout();
        let fresh: Vec<_> = std::iter::from_fn(|| self.endpoint.poll_transmit()).collect();
        if !fresh.is_empty() {
            self.last_flight = fresh;
        }
        self.to_send.extend(self.last_flight.iter().cloned());
        let interval = (interval * 2).min(MAX_RESEND);
        self.resend = Some((now + interval, interval));
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.resend.map(|(at, _)| at)
    }

    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.to_send.pop_front()
    }

    /// Sends the handshake's next flight, if there is one, and schedules its resend.
    fn send_flight(&mut self, now: Instant) {
        let flight: Vec<_> = std::iter::from_fn(|| self.endpoint.poll_transmit()).collect();
        if !flight.is_empty() {
            self.to_send.extend(flight.iter().cloned());
            self.last_flight = flight;
            self.resend = Some((now + FIRST_RESEND, FIRST_RESEND));
        }
    }

    fn flush(&mut self) {
        self.to_send.extend(std::iter::from_fn(|| self.endpoint.poll_transmit()));
    }
}
