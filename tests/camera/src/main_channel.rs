//! The camera's end of DTLS on the main channel, by the caller's clock.
//!
//! OpenSSL's own handshake timer reads the real clock, so it is set to never expire, and this module resends a flight
//! that gets no answer, byte for byte. The peer drops those of its records that it already has.

use crate::camera_config::CameraConfig;
use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, EndpointState, Failure, Role, Suite};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longer than any handshake takes, and within OpenSSL's 32 bits of microseconds.
const NEVER: Duration = Duration::from_secs(4000);
const FIRST_RESEND: Duration = Duration::from_millis(300);
const MAX_RESEND: Duration = Duration::from_secs(2);
const RECORD_HEADER: usize = 13;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// An unencrypted fatal alert, with a sequence number past those of the handshake.
const BAD_RECORD_MAC: [u8; 15] = [21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 2, 20];

/// What a datagram changed in the channel's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    None,
    /// A new handshake has begun, which ends the session before.
    Restarted,
    Established(Option<Suite>),
    /// The client closed the session.
    Closed,
    Failed(Failure),
}

pub struct MainChannel {
    settings: EndpointSettings,
    alert_wrong_key: bool,
    endpoint: Option<Endpoint>,
    /// The ClientHello random that the endpoint was made for.
    client_random: [u8; 32],
    last_flight: Vec<Vec<u8>>,
    resend: Option<(Instant, Duration)>,
    to_send: VecDeque<Vec<u8>>,
}

impl MainChannel {
    pub fn new(config: &CameraConfig) -> Self {
        let role = Role::Server { hello_verify: config.hello_verify };
        let settings = EndpointSettings {
            suites: config.suites.clone(),
            first_resend: NEVER,
            ..EndpointSettings::new(role, config.credentials.psk())
        };
        MainChannel {
            settings,
            alert_wrong_key: config.alert_wrong_key,
            endpoint: None,
            client_random: [0; 32],
            last_flight: Vec::new(),
            resend: None,
            to_send: VecDeque::new(),
        }
    }

    pub fn is_established(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| *endpoint.state() == EndpointState::Established)
    }

    /// Takes a datagram and calls `received` with each record that it decrypts to.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8], received: impl FnMut(&[u8])) -> Change {
        let restarted = self.begin_on_new_hello(datagram);
        let Some(endpoint) = &mut self.endpoint else { return Change::None };
        let before = endpoint.state().clone();
        endpoint.handle_datagram(datagram, received);
        let after = endpoint.state().clone();
        let suite = endpoint.suite();
        let flight: Vec<_> = std::iter::from_fn(|| endpoint.poll_transmit()).collect();
        if !flight.is_empty() && before == EndpointState::Handshaking {
            self.to_send.extend(flight.iter().cloned());
            self.last_flight = flight;
            self.resend = (after == EndpointState::Handshaking).then(|| (now + FIRST_RESEND, FIRST_RESEND));
        } else if flight.is_empty() && before == EndpointState::Established && is_handshake(datagram) {
            // The client repeats its last flight because our Finished did not arrive.
            self.to_send.extend(self.last_flight.iter().cloned());
        } else {
            self.to_send.extend(flight);
        }
        if self.alert_wrong_key && after == EndpointState::Handshaking && has_encrypted_record(datagram) {
            self.to_send.push_back(BAD_RECORD_MAC.to_vec());
        }
        match after {
            EndpointState::Established if before != after => Change::Established(suite),
            EndpointState::Closed if before != after => Change::Closed,
            EndpointState::Failed(failure)
                if before == EndpointState::Handshaking || before == EndpointState::Established =>
            {
                self.resend = None;
                Change::Failed(failure)
            }
            _ if restarted => Change::Restarted,
            _ => Change::None,
        }
    }

    /// Encrypts and sends one record, if there is a session.
    pub fn send(&mut self, record: &[u8]) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.send(record);
            self.to_send.extend(std::iter::from_fn(|| endpoint.poll_transmit()));
        }
    }

    /// Closes the session with an alert.
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

    /// Makes a new endpoint if the datagram is the ClientHello of another handshake: an endpoint serves only one.
    /// Returns whether the new endpoint replaced another.
    fn begin_on_new_hello(&mut self, datagram: &[u8]) -> bool {
        let Some(random) = client_hello_random(datagram) else { return false };
        let ended = self
            .endpoint
            .as_ref()
            .is_none_or(|e| matches!(e.state(), EndpointState::Closed | EndpointState::Failed(_)));
        if random == self.client_random && !ended {
            return false;
        }
        let replaced = self.endpoint.is_some();
        // If OpenSSL refuses the settings, the camera stays silent, as one with a broken configuration does.
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

/// Returns the random of an unencrypted ClientHello, from its first fragment.
fn client_hello_random(datagram: &[u8]) -> Option<[u8; 32]> {
    let is_epoch_0 = datagram.get(3..5)? == [0, 0];
    let message = datagram.get(RECORD_HEADER..)?;
    let is_first_fragment = message.get(6..9)? == [0, 0, 0];
    if datagram[0] != HANDSHAKE || !is_epoch_0 || message[0] != CLIENT_HELLO || !is_first_fragment {
        return None;
    }
    message.get(14..46)?.try_into().ok()
}

/// Whether any record of the datagram is of epoch 1.
fn has_encrypted_record(mut datagram: &[u8]) -> bool {
    while let Some(header) = datagram.first_chunk::<RECORD_HEADER>() {
        if header[3..5] == [0, 1] {
            return true;
        }
        let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
        datagram = datagram.get(RECORD_HEADER + len..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use gstwyze::protocol::credentials::Credentials;

    fn pair(config: &CameraConfig, enr: &str) -> (MainChannel, Endpoint) {
        let credentials = Credentials::new("HSBJYB5HSETGCDWD111A", enr, "AABBCCDDEEFF").expect("credentials");
        let client = Endpoint::new(&EndpointSettings::new(Role::Client, credentials.psk())).expect("an endpoint");
        (MainChannel::new(config), client)
    }

    /// Carries datagrams until both sides are silent; `lost` is asked whether to lose each of the camera's.
    fn carry(now: Instant, camera: &mut MainChannel, client: &mut Endpoint, mut lost: impl FnMut() -> bool) {
        loop {
            let sent: Vec<_> = std::iter::from_fn(|| client.poll_transmit()).collect();
            for datagram in &sent {
                camera.handle_datagram(now, datagram, |_| {});
            }
            let answers: Vec<_> = std::iter::from_fn(|| camera.poll_transmit()).collect();
            if sent.is_empty() && answers.is_empty() {
                return;
            }
            for datagram in answers {
                if !lost() {
                    client.handle_datagram(&datagram, |_| {});
                }
            }
        }
    }

    #[test]
    fn a_lost_flight_is_sent_again_in_the_callers_time() {
        for hello_verify in [false, true] {
            let config = CameraConfig { hello_verify, ..CameraConfig::demo().expect("the identity") };
            let (mut camera, mut client) = pair(&config, crate::DEMO_ENR);
            let now = Instant::now();
            carry(now, &mut camera, &mut client, || true);
            assert_eq!(camera.poll_timeout(), Some(now + FIRST_RESEND));
            camera.handle_timeout(now + FIRST_RESEND);
            carry(now, &mut camera, &mut client, || false);
            assert_eq!((client.state(), camera.is_established()), (&EndpointState::Established, true));
            assert_eq!(camera.poll_timeout(), None);
        }
    }

    #[test]
    fn a_lost_finished_is_sent_again_when_the_client_asks() {
        let (mut camera, mut client) = pair(&CameraConfig::demo().expect("the identity"), crate::DEMO_ENR);
        let (now, mut number) = (Instant::now(), 0);
        // The camera's first datagram is the ServerHello's flight, the second its last flight.
        let mut last_flight_lost = || {
            number += 1;
            number > 1
        };
        carry(now, &mut camera, &mut client, &mut last_flight_lost);
        assert_eq!((client.state(), camera.is_established()), (&EndpointState::Handshaking, true));
        std::thread::sleep(Duration::from_millis(310));
        client.handle_timeout();
        carry(now, &mut camera, &mut client, || false);
        assert_eq!(client.state(), &EndpointState::Established);
    }

    #[test]
    fn a_wrong_key_gets_an_alert_if_configured() {
        for (alert_wrong_key, expected) in [(true, Some(Failure::WrongKey)), (false, None)] {
            let config = CameraConfig { alert_wrong_key, ..CameraConfig::demo().expect("the identity") };
            let (mut camera, mut client) = pair(&config, "another_key_of16");
            carry(Instant::now(), &mut camera, &mut client, || false);
            assert_eq!((client.state(), client.alert()), (&EndpointState::Handshaking, expected));
        }
    }
}
