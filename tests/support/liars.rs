//! Hosts that pose as the camera ("liars"), without sockets: what they hear of the client, and what they answer.

#![allow(dead_code, reason = "each test binary uses its own part")]

use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, Role};
use gstwyze::protocol::wire::cc51::{self, Signer};
use gstwyze::protocol::wire::{Channel, SessionId, iotc, transcode};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use wyze_camera::{DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope};

fn credentials() -> Credentials {
    Credentials::new(DEMO_UID, DEMO_ENR, DEMO_MAC).unwrap()
}

pub fn signer() -> Signer {
    Signer::new(&credentials().uid, &credentials().auth_key())
}

pub fn scramble(mut packet: Vec<u8>) -> Vec<u8> {
    transcode::encode(&mut packet).unwrap();
    packet
}

pub fn other_psk_settings(role: Role) -> EndpointSettings {
    EndpointSettings::new(role, Credentials::new(DEMO_UID, "anotherEnrOf16ch", DEMO_MAC).unwrap().psk())
}

/// Builds a DTLS record.
pub fn record(kind: u8, epoch: u8, sequence: u64, body: &[u8]) -> Vec<u8> {
    let number = sequence.to_be_bytes();
    let length = (body.len() as u16).to_be_bytes();
    [&[kind, 0xFE, 0xFD, 0, epoch][..], &number[2..], &length, body].concat()
}

pub fn alert(level: u8, alert: u8) -> Vec<u8> {
    record(21, 0, 5, &[level, alert])
}

pub fn carried(session_id: SessionId, payload: &[u8]) -> Vec<u8> {
    let data = iotc::Data { sequence: 0, channel: Channel::Main, session_id, payload };
    scramble(data.emit(iotc::DATA_FROM_CAMERA))
}

/// What a host that sees the client's packets learns from them: it can copy the ids.
#[derive(Default, Clone, Copy)]
pub struct Overheard {
    pub session_id: Option<SessionId>,
    pub cc51: Option<(u16, SessionId)>,
    pub newest: Option<Said>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Probe,
    SessionRequest,
    Dtls,
    Other,
}

impl Overheard {
    pub fn listen(&mut self, datagram: &[u8]) -> Said {
        let mut plain = datagram.to_vec();
        let said = if cc51::is_cc51(datagram) {
            match cc51::Packet::parse(datagram, &signer()).unwrap() {
                cc51::Packet::Discovery(discovery) if discovery.step == 0 => Said::Other,
                cc51::Packet::Discovery(discovery) => {
                    self.cc51 = Some((discovery.ticket, discovery.session_id));
                    Said::SessionRequest
                }
                cc51::Packet::Data(_) => Said::Dtls,
                _ => Said::Other,
            }
        } else {
            transcode::decode(&mut plain).unwrap();
            match iotc::Packet::parse(&plain).unwrap() {
                iotc::Packet::DiscoveryRequest(discovery) if discovery.stage == 1 => {
                    self.session_id = Some(discovery.session_id);
                    Said::Probe
                }
                iotc::Packet::SessionRequest(_) => Said::SessionRequest,
                iotc::Packet::Data { .. } => Said::Dtls,
                _ => Said::Other,
            }
        };
        self.newest = Some(said);
        said
    }

    /// Wraps a DTLS datagram as the camera would, once the ids are known.
    pub fn carry(&self, envelope: Envelope, payload: &[u8]) -> Option<Vec<u8>> {
        match envelope {
            Envelope::Transcode => Some(carried(self.session_id?, payload)),
            // Only the header is signed, so a host that has seen one packet can put any payload behind its header.
            Envelope::Cc51 => {
                let (ticket, session_id) = self.cc51?;
                Some(cc51::Data { channel: Channel::Main, ticket, session_id, payload }.emit(&signer()))
            }
        }
    }
}

pub fn discovery_answer(session_id: SessionId) -> Vec<u8> {
    let answer = iotc::Discovery { uid: credentials().uid, session_id, stage: 1, auth_key: None };
    scramble(answer.emit(iotc::DISCOVERY_RESPONSE))
}

pub fn session_answer(session_id: SessionId) -> Vec<u8> {
    let answer = iotc::Session { uid: credentials().uid, session_id, unix_time: 1 };
    scramble(answer.emit(iotc::SESSION_RESPONSE))
}

/// How far hosts that pose as the camera ("liars") go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Lie {
    /// They answer discovery.
    Discovery,
    /// They answer the session request too.
    Session,
    /// They answer the DTLS handshake too, with a wrong key.
    Handshake,
    /// They answer the DTLS handshake with an alert.
    Refusal,
}

/// Makes liars at these addresses, which answer each probe at once and go as far as `lie`.
pub fn crowd(addresses: Vec<SocketAddr>, lie: Lie) -> impl FnMut(SocketAddr, &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut overheard = Overheard::default();
    let mut endpoints: BTreeMap<SocketAddr, Endpoint> = BTreeMap::new();
    move |to, datagram| {
        let said = overheard.listen(datagram);
        let Some(session_id) = overheard.session_id else { return Vec::new() };
        let is_liar = addresses.contains(&to);
        match said {
            Said::Probe => addresses.iter().map(|&liar| (liar, discovery_answer(session_id))).collect(),
            Said::SessionRequest if is_liar && lie >= Lie::Session => vec![(to, session_answer(session_id))],
            Said::Dtls if is_liar && lie == Lie::Refusal => vec![(to, carried(session_id, &alert(2, 40)))],
            Said::Dtls if is_liar && lie == Lie::Handshake => {
                let settings = other_psk_settings(Role::Server { hello_verify: true });
                let endpoint = endpoints.entry(to).or_insert_with(|| Endpoint::new(&settings).unwrap());
                let mut plain = datagram.to_vec();
                transcode::decode(&mut plain).unwrap();
                endpoint.handle_datagram(&plain[28..], |_| {});
                std::iter::from_fn(|| endpoint.poll_transmit())
                    .map(|flight| (to, carried(session_id, &flight)))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}
