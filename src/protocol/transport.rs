//! The envelope that DTLS travels in: finding the camera in either, then wrapping and unwrapping.
//!
//! Both are probed at once, TransCode's discovery and CC51's, and what the camera answers decides. The camera answers from
//! an ephemeral port, which everything goes to from then on.

use super::credentials::{AuthKey, Credentials, Uid};
use super::stats::Stats;
use super::wire::{Channel, SessionId, WireError, cc51, iotc, transcode};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    pub to: SocketAddr,
    pub data: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    TransCode,
    Cc51 { ticket: u16 },
}

impl Envelope {
    pub fn name(self) -> &'static str {
        match self {
            Envelope::TransCode => "transcode",
            Envelope::Cc51 { .. } => "cc51",
        }
    }
}

/// What a datagram brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    Nothing,
    /// A keepalive, answered.
    Alive,
    /// The camera answered discovery; the next step is on its way to it.
    Found,
    /// The camera takes DTLS now.
    Ready,
    Dtls {
        channel: Channel,
        payload: &'a [u8],
    },
}

/// One camera's address, session and envelope.
pub struct Transport {
    uid: Uid,
    auth_key: AuthKey,
    signer: cc51::Signer,
    targets: Vec<SocketAddr>,
    own_session_id: SessionId,
    session_id: SessionId,
    unix_time: u32,
    envelope: Option<Envelope>,
    peer: Option<SocketAddr>,
    /// Who answered discovery under another key.
    pub wrong_key_from: Option<SocketAddr>,
    sequence: u16,
    keepalives: u32,
    transmits: VecDeque<Transmit>,
}

impl Transport {
    pub fn new(credentials: &Credentials, targets: Vec<SocketAddr>, session_id: SessionId, unix_time: u32) -> Self {
        let auth_key = credentials.auth_key();
        Transport {
            uid: credentials.uid,
            auth_key,
            signer: cc51::Signer::new(&credentials.uid, &auth_key),
            targets,
            own_session_id: session_id,
            session_id,
            unix_time,
            envelope: None,
            peer: None,
            wrong_key_from: None,
            sequence: 0,
            keepalives: 0,
            transmits: VecDeque::new(),
        }
    }

    pub fn envelope(&self) -> Option<Envelope> {
        self.envelope
    }

    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    pub fn targets(&self) -> &[SocketAddr] {
        &self.targets
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Asks for the camera at every target, in both envelopes.
    pub fn probe(&mut self) {
        self.envelope = None;
        self.peer = None;
        self.session_id = self.own_session_id;
        let mut stage1 = self.discovery(1).emit(iotc::DISCOVERY_REQUEST);
        scramble(&mut stage1);
        let step0 = cc51::Discovery { from_camera: false, step: 0, ticket: 0, session_id: self.session_id };
        let step0 = step0.emit(&self.signer);
        for &to in &self.targets {
            self.transmits.push_back(Transmit { to, data: stage1.clone() });
            self.transmits.push_back(Transmit { to, data: step0.clone() });
        }
    }

    /// Sends the step after the camera's answer to discovery, at first and again.
    pub fn request_session(&mut self) {
        match self.envelope {
            Some(Envelope::TransCode) => {
                let stage2 = self.discovery(2).emit(iotc::DISCOVERY_REQUEST);
                self.send_transcoded(stage2);
                let session = iotc::Session { uid: self.uid, session_id: self.session_id, unix_time: self.unix_time };
                self.send_transcoded(session.emit(iotc::SESSION_REQUEST));
            }
            Some(Envelope::Cc51 { ticket }) => {
                let step2 = cc51::Discovery { from_camera: false, step: 2, ticket, session_id: self.session_id };
                self.send(step2.emit(&self.signer));
            }
            None => {}
        }
    }

    /// Wraps one DTLS datagram for the camera.
    pub fn send_dtls(&mut self, channel: Channel, payload: &[u8]) {
        let session_id = self.session_id;
        match self.envelope {
            Some(Envelope::TransCode) => {
                let data = iotc::Data { sequence: self.sequence, channel, session_id, payload };
                self.sequence = self.sequence.wrapping_add(1);
                self.send_transcoded(data.emit(iotc::DATA_FROM_CLIENT));
            }
            Some(Envelope::Cc51 { ticket }) => {
                let data = cc51::Data { channel, ticket, session_id, payload };
                self.send(data.emit(&self.signer));
            }
            None => {}
        }
    }

    /// A record from `from` has authenticated: the camera is there now.
    pub fn authenticated(&mut self, from: SocketAddr) {
        self.peer = Some(from);
    }

    /// Takes a received datagram, answers what the envelope itself has to answer.
    pub fn receive<'a>(&mut self, from: SocketAddr, datagram: &'a mut [u8], stats: &mut Stats) -> Incoming<'a> {
        stats.packets += 1;
        stats.bytes += datagram.len() as u64;
        let result = if cc51::is_cc51(datagram) && self.envelope != Some(Envelope::TransCode) {
            self.receive_cc51(from, datagram)
        } else if matches!(self.envelope, Some(Envelope::Cc51 { .. })) {
            Ok(None)
        } else {
            self.receive_transcoded(from, datagram)
        };
        match result {
            Ok(Some(incoming)) => incoming,
            Ok(None) => {
                stats.foreign += 1;
                Incoming::Nothing
            }
            Err(WireError::Hmac { .. }) => {
                stats.bad_hmac += 1;
                if self.envelope.is_none() {
                    self.wrong_key_from = Some(from);
                }
                Incoming::Nothing
            }
            Err(_) => {
                stats.foreign += 1;
                Incoming::Nothing
            }
        }
    }

    /// `None` is a packet that is not this camera's.
    fn receive_cc51<'a>(&mut self, from: SocketAddr, b: &'a [u8]) -> Result<Option<Incoming<'a>>, WireError> {
        Ok(match cc51::Packet::parse(b, &self.signer)? {
            cc51::Packet::Discovery(answer) if answer.from_camera => match (answer.step, self.envelope) {
                (1, None) => {
                    self.envelope = Some(Envelope::Cc51 { ticket: answer.ticket });
                    self.session_id = answer.session_id;
                    self.peer = Some(from);
                    self.request_session();
                    Some(Incoming::Found)
                }
                (3, Some(_)) if answer.session_id == self.session_id => {
                    self.peer = Some(from);
                    Some(Incoming::Ready)
                }
                // A repeated answer to a repeated probe.
                _ => Some(Incoming::Nothing),
            },
            cc51::Packet::Keepalive(keepalive) if keepalive.session_id == self.session_id => {
                self.keepalives = self.keepalives.wrapping_add(2);
                let answer = cc51::Keepalive { counter: self.keepalives, session_id: self.session_id };
                self.send(answer.emit(&self.signer));
                Some(Incoming::Alive)
            }
            cc51::Packet::Data(data) if data.session_id == self.session_id => {
                Some(Incoming::Dtls { channel: data.channel, payload: data.payload })
            }
            _ => None,
        })
    }

    fn receive_transcoded<'a>(&mut self, from: SocketAddr, b: &'a mut [u8]) -> Result<Option<Incoming<'a>>, WireError> {
        transcode::decode(b)?;
        Ok(match iotc::Packet::parse(b)? {
            iotc::Packet::DiscoveryResponse { body } => {
                // An answer that names neither us nor the camera is believed of a host that was asked by its address.
                if self.envelope.is_none() {
                    if !(iotc::names(body, &self.uid, self.session_id) || self.is_target(from.ip())) {
                        return Ok(None);
                    }
                    self.envelope = Some(Envelope::TransCode);
                    self.peer = Some(from);
                    self.request_session();
                    return Ok(Some(Incoming::Found));
                }
                Some(Incoming::Nothing)
            }
            iotc::Packet::SessionResponse { body } => {
                if !(iotc::names(body, &self.uid, self.session_id) || self.is_peer_host(from)) {
                    return Ok(None);
                }
                self.peer = Some(from);
                Some(Incoming::Ready)
            }
            iotc::Packet::Keepalive { from_camera: true, payload } if self.peer == Some(from) => {
                self.send_transcoded(iotc::emit_keepalive(iotc::KEEPALIVE_FROM_CLIENT, payload));
                Some(Incoming::Alive)
            }
            iotc::Packet::Data { from_camera: true, data }
                if self.envelope.is_some() && (self.peer == Some(from) || data.session_id == self.session_id) =>
            {
                Some(Incoming::Dtls { channel: data.channel, payload: data.payload })
            }
            _ => None,
        })
    }

    fn is_target(&self, ip: IpAddr) -> bool {
        self.targets.iter().any(|target| target.ip() == ip)
    }

    fn is_peer_host(&self, from: SocketAddr) -> bool {
        self.peer.is_some_and(|peer| peer.ip() == from.ip())
    }

    fn discovery(&self, stage: u8) -> iotc::Discovery {
        iotc::Discovery {
            uid: self.uid,
            session_id: self.session_id,
            stage,
            auth_key: (stage == 1).then_some(self.auth_key),
        }
    }

    fn send_transcoded(&mut self, mut packet: Vec<u8>) {
        scramble(&mut packet);
        self.send(packet);
    }

    fn send(&mut self, data: Vec<u8>) {
        if let Some(to) = self.peer {
            self.transmits.push_back(Transmit { to, data });
        }
    }
}

fn scramble(packet: &mut [u8]) {
    transcode::encode(packet).expect("an IOTC packet has a header");
}
