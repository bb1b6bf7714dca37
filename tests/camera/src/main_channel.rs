//! The camera's end of DTLS on the main channel, in the caller's time.
//!
//! OpenSSL's own handshake timer reads the real clock, so it is put out of reach here; a flight that gets no answer is
//! sent again as it was. A peer drops the records of it that it has already.

use gstwyze::protocol::credentials::Psk;
use gstwyze::protocol::dtls::{Endpoint, Failure, Role, Settings, State, Suite};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longer than any session takes to shake hands, and within OpenSSL's 32 bits of microseconds.
const NEVER: Duration = Duration::from_secs(4000);
const FIRST_RESEND: Duration = Duration::from_millis(300);
const MAX_RESEND: Duration = Duration::from_secs(2);
const RECORD_HEADER: usize = 13;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// What a datagram did to the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    None,
    /// A new handshake has begun: what was agreed before is void.
    Restarted,
    Established(Option<Suite>),
    /// The client said goodbye.
    Closed,
    Failed(Failure),
}

pub struct MainChannel {
    settings: Settings,
    endpoint: Option<Endpoint>,
    /// The ClientHello random that the endpoint was made for.
    client_random: [u8; 32],
    last_flight: Vec<Vec<u8>>,
    resend: Option<(Instant, Duration)>,
    to_send: VecDeque<Vec<u8>>,
}

impl MainChannel {
    pub fn new(psk: Psk, suites: Vec<Suite>, hello_verify: bool) -> Self {
        let settings = Settings { suites, first_resend: NEVER, ..Settings::new(Role::Server { hello_verify }, psk) };
        MainChannel {
            settings,
            endpoint: None,
            client_random: [0; 32],
            last_flight: Vec::new(),
            resend: None,
            to_send: VecDeque::new(),
        }
    }

    pub fn is_established(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| *endpoint.state() == State::Established)
    }

    /// Takes a datagram and hands out what it decrypts to.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8], received: impl FnMut(&[u8])) -> Change {
        let restarted = self.begin_on_new_hello(datagram);
        let Some(endpoint) = &mut self.endpoint else { return Change::None };
        let before = endpoint.state().clone();
        endpoint.handle_datagram(datagram, received);
        let after = endpoint.state().clone();
        let suite = endpoint.suite();
        let flight: Vec<_> = std::iter::from_fn(|| endpoint.poll_transmit()).collect();
        if !flight.is_empty() && before == State::Handshaking {
            self.to_send.extend(flight.iter().cloned());
            self.last_flight = flight;
            self.resend = (after == State::Handshaking).then(|| (now + FIRST_RESEND, FIRST_RESEND));
        } else if flight.is_empty() && before == State::Established && is_handshake(datagram) {
            // The client has not got our Finished.
            self.to_send.extend(self.last_flight.iter().cloned());
        } else {
            self.to_send.extend(flight);
        }
        match after {
            State::Established if before != after => Change::Established(suite),
            State::Closed if before != after => Change::Closed,
            State::Failed(failure) if before == State::Handshaking || before == State::Established => {
                self.resend = None;
                Change::Failed(failure)
            }
            _ if restarted => Change::Restarted,
            _ => Change::None,
        }
    }

    /// Encrypts one record; nothing where there is no session.
    pub fn send(&mut self, record: &[u8]) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.send(record);
            self.to_send.extend(std::iter::from_fn(|| endpoint.poll_transmit()));
        }
    }

    /// Says goodbye.
    pub fn close(&mut self) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.close();
            self.to_send.extend(std::iter::from_fn(|| endpoint.poll_transmit()));
        }
        self.resend = None;
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some((at, interval)) = self.resend
            && at <= now
        {
            self.to_send.extend(self.last_flight.iter().cloned());
            let interval = (interval * 2).min(MAX_RESEND);
            self.resend = Some((now + interval, interval));
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.resend.map(|(at, _)| at)
    }

    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.to_send.pop_front()
    }

    /// An endpoint serves one handshake, so a ClientHello that is not the present one's gets a new endpoint.
    /// True where it took the place of another.
    fn begin_on_new_hello(&mut self, datagram: &[u8]) -> bool {
        let Some(random) = client_hello_random(datagram) else { return false };
        let ended = self.endpoint.as_ref().is_none_or(|e| matches!(e.state(), State::Closed | State::Failed(_)));
        if random == self.client_random && !ended {
            return false;
        }
        let replaced = self.endpoint.is_some();
        // Settings that OpenSSL refuses leave the camera silent, as one with a broken configuration is.
        self.endpoint = Endpoint::new(&self.settings).ok();
        self.client_random = random;
        self.last_flight.clear();
        self.resend = None;
        replaced
    }
}

fn is_handshake(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(&(HANDSHAKE | CHANGE_CIPHER_SPEC)))
}

/// The random of an unencrypted ClientHello's first fragment.
fn client_hello_random(datagram: &[u8]) -> Option<[u8; 32]> {
    let is_epoch_0 = datagram.get(3..5)? == [0, 0];
    let message = datagram.get(RECORD_HEADER..)?;
    let is_first_fragment = message.get(6..9)? == [0, 0, 0];
    if datagram[0] != HANDSHAKE || !is_epoch_0 || message[0] != CLIENT_HELLO || !is_first_fragment {
        return None;
    }
    message.get(14..46)?.try_into().ok()
}
