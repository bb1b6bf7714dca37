//! The envelope that DTLS travels in: finding the camera in either, then wrapping and unwrapping.
//!
//! Probes go out in both at once, TransCode and CC51, and the camera's answer decides. The camera answers from an
//! ephemeral port, and everything goes to that port from then on.
//!
//! A host that answers is not yet the camera: anybody can answer a TransCode probe, and a CC51 answer may be a
//! recording. So each such host is a candidate, and the client talks to all of them until a DTLS handshake proves one
//! ([`Transport::choose`]). From then on only the camera's newest DTLS record can move it to another address
//! ([`Transport::authenticated`]).

use super::credentials::{AuthKey, Credentials, Uid};
use super::stats::Stats;
use super::wire::{Channel, SessionId, WireError, cc51, iotc, transcode};
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// The most candidates at a time, besides those at an address that was asked by itself.
const MAX_CANDIDATES: usize = 8;
/// How many candidates of one host keep their place when there is no room. A camera may offer a session in each envelope.
const MAX_PER_HOST: usize = 2;
/// The most candidates that led nowhere before: a liar that is quicker than the camera is so again.
const MAX_TRIED_AGAIN: usize = 4;
/// The most addresses remembered as having led nowhere.
const MAX_TRIED: usize = 64;
/// How long a candidate may take to answer its session request before it makes room for another.
const ANSWER_TIME: Duration = Duration::from_millis(100);
/// How long a candidate with a session may take to shake hands before it makes room for another. On a slow link the camera
/// may need longer, and gets its place back when the others have had theirs.
const HANDSHAKE_TIME: Duration = Duration::from_millis(800);
/// The most keepalives answered in a second; a camera sends one. Answering a flood would pass it on to the camera.
const MAX_KEEPALIVES: u32 = 20;

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

/// A host that answered discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandidateId(u32);

/// What a datagram brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    Nothing,
    /// A keepalive.
    Alive,
    /// A host answered discovery; the next step is on its way to it.
    Found,
    /// This candidate takes DTLS now.
    Ready(CandidateId),
    Dtls {
        candidate: CandidateId,
        channel: Channel,
        payload: &'a [u8],
        /// Whether the packet carries the session id. CC51 packets always do.
        names_session: bool,
    },
}

struct Candidate {
    id: CandidateId,
    address: SocketAddr,
    envelope: Envelope,
    session_id: SessionId,
    /// When it answered discovery, or once it is ready, when it opened its session.
    since: Instant,
    /// Whether it has opened a session.
    ready: bool,
    /// Whether it led nowhere before.
    tried_before: bool,
    /// Whether its data packets have carried the session id. Until then, those without one are taken too.
    names_session: bool,
    sequence: u16,
    keepalives: u32,
}

impl Candidate {
    fn is_cc51(&self) -> bool {
        matches!(self.envelope, Envelope::Cc51 { .. })
    }

    /// Whether it has had the time that the camera needs for its next step.
    fn has_had_its_time(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= if self.ready { HANDSHAKE_TIME } else { ANSWER_TIME }
    }
}

/// The camera's address, session and envelope, and before it has proven itself, those of all candidates.
pub struct Transport {
    uid: Uid,
    auth_key: AuthKey,
    signer: cc51::Signer,
    targets: Vec<SocketAddr>,
    session_id: SessionId,
    unix_time: u32,
    /// Only the camera, once it is chosen.
    candidates: Vec<Candidate>,
    chosen: bool,
    next_id: u32,
    /// Addresses of earlier candidates, and whether their data packets carried the session id.
    tried: VecDeque<(SocketAddr, bool)>,
    /// The host that answered discovery under another key.
    pub wrong_key_from: Option<SocketAddr>,
    /// How many keepalives were answered in the second that began then.
    answered: (u32, Option<Instant>),
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
            session_id,
            unix_time,
            candidates: Vec::new(),
            chosen: false,
            next_id: 0,
            tried: VecDeque::new(),
            wrong_key_from: None,
            answered: (0, None),
            transmits: VecDeque::new(),
        }
    }

    /// The camera's envelope, once it is chosen.
    pub fn envelope(&self) -> Option<Envelope> {
        self.camera().map(|camera| camera.envelope)
    }

    /// The camera's address, once it is chosen.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.camera().map(|camera| camera.address)
    }

    pub fn targets(&self) -> &[SocketAddr] {
        &self.targets
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Asks for the camera at every target, in both envelopes.
    pub fn probe(&mut self) {
        let mut stage1 = self.discovery(1).emit(iotc::DISCOVERY_REQUEST);
        scramble(&mut stage1);
        let step0 = cc51::Discovery { from_camera: false, step: 0, ticket: 0, session_id: self.session_id };
        let step0 = step0.emit(&self.signer);
        for &to in &self.targets {
            self.transmits.push_back(Transmit { to, data: stage1.clone() });
            self.transmits.push_back(Transmit { to, data: step0.clone() });
        }
    }

    /// Drops all candidates, and remembers that they were tried.
    pub fn start_again(&mut self) {
        self.chosen = false;
        for candidate in self.candidates.drain(..) {
            remember(&mut self.tried, (candidate.address, candidate.names_session));
        }
    }

    /// Sends the session request again to candidates that have not answered it. At the `first` time, a candidate waits
    /// whose address has opened another session: a camera may offer several, and opening one may close the other.
    pub fn repeat_session_requests(&mut self, first: bool) {
        for at in 0..self.candidates.len() {
            let candidate = &self.candidates[at];
            let has_other = || self.candidates.iter().any(|other| other.ready && other.address == candidate.address);
            if !(candidate.ready || first && has_other()) {
                self.request_session(at);
            }
        }
    }

    /// Makes the candidate the camera, and drops all others.
    pub fn choose(&mut self, id: CandidateId) {
        self.candidates.retain(|candidate| candidate.id == id);
        self.chosen = !self.candidates.is_empty();
        // Anybody may have sent what came before, so only records that authenticate count from here on.
        self.candidates.iter_mut().for_each(|camera| camera.names_session = false);
    }

    /// Drops a candidate that refuses DTLS, with all others at its address. It is asked again when the others have had
    /// their turn: anybody can refuse in the camera's name.
    pub fn refuse(&mut self, id: CandidateId) {
        if let Some(at) = self.position(id) {
            let Candidate { address, names_session, .. } = self.candidates[at];
            remember(&mut self.tried, (address, names_session));
            self.candidates.retain(|candidate| candidate.address != address);
        }
    }

    /// The address of a candidate; `None` where it is gone.
    pub fn address(&self, id: CandidateId) -> Option<SocketAddr> {
        self.position(id).map(|at| self.candidates[at].address)
    }

    /// How many hosts have answered discovery and are remembered.
    pub fn hosts(&self) -> usize {
        let candidates = self.candidates.iter().map(|candidate| candidate.address);
        let tried = self.tried.iter().map(|&(address, _)| address);
        candidates.chain(tried).map(|address| address.ip()).collect::<BTreeSet<_>>().len()
    }

    pub fn has(&self, id: CandidateId) -> bool {
        self.position(id).is_some()
    }

    /// Wraps one DTLS datagram for the camera.
    pub fn send_dtls(&mut self, channel: Channel, payload: &[u8]) {
        if self.chosen {
            self.wrap(0, channel, payload);
        }
    }

    /// Wraps one DTLS datagram of a handshake.
    pub fn send_handshake(&mut self, to: CandidateId, payload: &[u8]) {
        if let Some(at) = self.position(to) {
            self.wrap(at, Channel::Main, payload);
        }
    }

    /// Moves the camera to `from`, where its newest record so far came from. (An older record may be a recording that
    /// somebody held back.) `names_session` is what [`Incoming::Dtls`] said of its packet.
    pub fn authenticated(&mut self, from: SocketAddr, names_session: bool) {
        if let Some(camera) = self.candidates.first_mut().filter(|_| self.chosen) {
            camera.address = from;
            camera.names_session |= names_session;
        }
    }

    /// Takes a received datagram, and answers keepalives and steps of discovery.
    pub fn receive<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &'a mut [u8],
        stats: &mut Stats,
    ) -> Incoming<'a> {
        stats.packets += 1;
        stats.bytes += datagram.len() as u64;
        let envelope = self.envelope();
        let result = if cc51::is_cc51(datagram) && envelope != Some(Envelope::TransCode) {
            self.receive_cc51(now, from, datagram, stats)
        } else if matches!(envelope, Some(Envelope::Cc51 { .. })) {
            Ok(None)
        } else {
            self.receive_transcoded(now, from, datagram)
        };
        match result {
            Ok(Some(incoming)) => incoming,
            Ok(None) => {
                stats.foreign += 1;
                Incoming::Nothing
            }
            Err(WireError::Hmac { .. }) => {
                stats.bad_hmac += 1;
                if !self.chosen && self.may_answer(from.ip()) {
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

    /// Returns `None` for a packet that is not this camera's.
    fn receive_cc51<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        b: &'a [u8],
        stats: &mut Stats,
    ) -> Result<Option<Incoming<'a>>, WireError> {
        let packet = match cc51::Packet::parse(b, &self.signer) {
            Err(error @ WireError::Hmac { .. }) => {
                // Its discovery was signed, so it knows the key; who it is, DTLS decides.
                let is_candidates = |data: &cc51::Data<'_>| {
                    self.candidates.iter().any(|c| c.ready && c.address == from && c.session_id == data.session_id)
                };
                let data = cc51::Data::parse_unverified(b).ok().filter(is_candidates).ok_or(error)?;
                stats.bad_hmac += 1;
                cc51::Packet::Data(data)
            }
            parsed => parsed?,
        };
        Ok(match packet {
            cc51::Packet::Discovery(answer) if answer.from_camera && !self.chosen => {
                let envelope = Envelope::Cc51 { ticket: answer.ticket };
                match answer.step {
                    1 => Some(self.found(now, from, envelope, answer.session_id)),
                    3 => {
                        // A session that no candidate has offered comes from a recording.
                        let offered = |c: &Candidate| c.envelope == envelope && c.session_id == answer.session_id;
                        if !self.candidates.iter().any(offered) {
                            return Ok(None);
                        }
                        Some(self.ready(now, from, envelope, answer.session_id))
                    }
                    _ => None,
                }
            }
            cc51::Packet::Discovery(answer) if answer.from_camera => Some(Incoming::Nothing),
            cc51::Packet::Keepalive(keepalive) => match self.find(from, true, keepalive.session_id) {
                Some(at) => {
                    if self.may_answer_keepalive(now) {
                        let candidate = &mut self.candidates[at];
                        candidate.keepalives = candidate.keepalives.wrapping_add(2);
                        let answer =
                            cc51::Keepalive { counter: candidate.keepalives, session_id: candidate.session_id };
                        self.send(at, answer.emit(&self.signer));
                    }
                    Some(Incoming::Alive)
                }
                None => None,
            },
            cc51::Packet::Data(data) => self.find(from, true, data.session_id).map(|at| {
                let candidate = self.candidates[at].id;
                Incoming::Dtls { candidate, channel: data.channel, payload: data.payload, names_session: true }
            }),
            _ => None,
        })
    }

    fn receive_transcoded<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        b: &'a mut [u8],
    ) -> Result<Option<Incoming<'a>>, WireError> {
        let len = b.len();
        if !transcode::decode_where(b, |header| iotc::is_plausible(header, len))? {
            return Ok(None);
        }
        Ok(match iotc::Packet::parse(b)? {
            iotc::Packet::DiscoveryResponse { .. } | iotc::Packet::SessionResponse { .. } if self.chosen => {
                Some(Incoming::Nothing)
            }
            iotc::Packet::DiscoveryResponse { body } => {
                // An answer that names neither session nor camera is believed only where the host was asked by its
                // address.
                if !(iotc::names(body, &self.uid, self.session_id) || self.is_target(from.ip())) {
                    return Ok(None);
                }
                Some(self.found(now, from, Envelope::TransCode, self.session_id))
            }
            iotc::Packet::SessionResponse { body } => {
                let is_candidate = self.candidates.iter().any(|c| !c.is_cc51() && c.address.ip() == from.ip());
                if !(is_candidate || iotc::names(body, &self.uid, self.session_id)) {
                    return Ok(None);
                }
                Some(self.ready(now, from, Envelope::TransCode, self.session_id))
            }
            iotc::Packet::Keepalive { from_camera: true, payload } => {
                let at = self.candidates.iter().position(|c| c.ready && !c.is_cc51() && c.address == from);
                let Some(at) = at else { return Ok(None) };
                if self.may_answer_keepalive(now) {
                    self.send_transcoded(at, iotc::emit_keepalive(iotc::KEEPALIVE_FROM_CLIENT, payload));
                }
                Some(Incoming::Alive)
            }
            iotc::Packet::Data { from_camera: true, data } => {
                let names_session = data.session_id == self.session_id;
                self.find(from, false, data.session_id).map(|at| {
                    let candidate = &mut self.candidates[at];
                    candidate.names_session |= names_session && !self.chosen;
                    Incoming::Dtls {
                        candidate: candidate.id,
                        channel: data.channel,
                        payload: data.payload,
                        names_session,
                    }
                })
            }
            _ => None,
        })
    }

    /// Finds the candidate that sent this packet.
    fn find(&self, from: SocketAddr, cc51: bool, session_id: SessionId) -> Option<usize> {
        self.candidates.iter().position(|candidate| {
            let (named, at_home) = (candidate.session_id == session_id, candidate.address == from);
            let may_be_nameless = !cc51 && at_home && !candidate.names_session;
            // The camera may have moved. Only the camera itself may: other candidates stay at their address.
            candidate.ready && candidate.is_cc51() == cc51 && (named && (at_home || self.chosen) || may_be_nameless)
        })
    }

    /// Notes an answer to discovery.
    fn found(&mut self, now: Instant, from: SocketAddr, envelope: Envelope, id: SessionId) -> Incoming<'static> {
        if self.candidate_at(from, envelope, id).is_some() {
            // The probe was repeated, and so is its answer.
            return Incoming::Nothing;
        }
        let known = self.candidates.iter().any(|candidate| candidate.address == from);
        let Some(at) = self.admit(now, from, envelope, id) else { return Incoming::Nothing };
        if !known {
            self.request_session(at);
        }
        Incoming::Found
    }

    /// Notes that a host opened a session.
    fn ready(&mut self, now: Instant, from: SocketAddr, envelope: Envelope, id: SessionId) -> Incoming<'static> {
        let at = self.candidate_at(from, envelope, id).or_else(|| self.admit(now, from, envelope, id));
        match at.map(|at| &mut self.candidates[at]) {
            Some(candidate) if !candidate.ready => {
                (candidate.ready, candidate.since) = (true, now);
                Incoming::Ready(candidate.id)
            }
            _ => Incoming::Nothing,
        }
    }

    /// Makes the sender a candidate, if there is room or another candidate has had its time.
    fn admit(&mut self, now: Instant, from: SocketAddr, envelope: Envelope, id: SessionId) -> Option<usize> {
        let named_session = self.tried.contains(&(from, true));
        let tried_before = self.tried.iter().any(|(tried, _)| tried.ip() == from.ip());
        let at = self.replaceable(now, from.ip(), tried_before)?;
        if let Some(at) = at {
            let candidate = self.candidates.remove(at);
            remember(&mut self.tried, (candidate.address, candidate.names_session));
        }
        self.candidates.push(Candidate {
            id: CandidateId(self.next_id),
            address: from,
            envelope,
            session_id: id,
            since: now,
            ready: false,
            tried_before,
            names_session: named_session,
            sequence: 0,
            keepalives: 0,
        });
        self.next_id = self.next_id.wrapping_add(1);
        Some(self.candidates.len() - 1)
    }

    /// The candidate that a new one of this host replaces: `Some(None)` where there is room without, `None` where the
    /// new one has to come again.
    fn replaceable(&self, now: Instant, ip: IpAddr, tried_before: bool) -> Option<Option<usize>> {
        let find = |is: &dyn Fn(&Candidate) -> bool| self.candidates.iter().position(is);
        let count = |is: &dyn Fn(&Candidate) -> bool| self.candidates.iter().filter(|c| is(c)).count();
        let of_host = |c: &Candidate| c.address.ip() == ip;
        let has_had_its_time = |c: &Candidate| c.has_had_its_time(now);
        let is_full = if self.is_target(ip) { count(&of_host) >= MAX_CANDIDATES } else { self.is_crowded() };
        if tried_before && count(&|c| c.tried_before) >= MAX_TRIED_AGAIN {
            return find(&|c| c.tried_before && has_had_its_time(c)).map(Some);
        }
        if !is_full {
            return Some(None);
        }
        if count(&of_host) >= MAX_PER_HOST {
            return find(&|c| of_host(c) && has_had_its_time(c)).map(Some);
        }
        let elsewhere = |c: &Candidate| !self.is_target(c.address.ip());
        let over_share = |c: &Candidate| {
            elsewhere(c) && !c.ready && count(&|other| other.address.ip() == c.address.ip()) > MAX_PER_HOST
        };
        find(&over_share).or_else(|| find(&|c| elsewhere(c) && has_had_its_time(c))).map(Some)
    }

    /// Whether so many hosts have answered that the camera may not have found room among them.
    pub fn is_crowded(&self) -> bool {
        self.candidates.iter().filter(|c| !self.is_target(c.address.ip())).count() >= MAX_CANDIDATES
    }

    fn request_session(&mut self, at: usize) {
        match self.candidates[at].envelope {
            Envelope::TransCode => {
                self.send_transcoded(at, self.discovery(2).emit(iotc::DISCOVERY_REQUEST));
                let session = iotc::Session { uid: self.uid, session_id: self.session_id, unix_time: self.unix_time };
                self.send_transcoded(at, session.emit(iotc::SESSION_REQUEST));
            }
            Envelope::Cc51 { ticket } => {
                let session_id = self.candidates[at].session_id;
                let step2 = cc51::Discovery { from_camera: false, step: 2, ticket, session_id };
                self.send(at, step2.emit(&self.signer));
            }
        }
    }

    fn wrap(&mut self, at: usize, channel: Channel, payload: &[u8]) {
        let candidate = &mut self.candidates[at];
        let session_id = candidate.session_id;
        match candidate.envelope {
            Envelope::TransCode => {
                let data = iotc::Data { sequence: candidate.sequence, channel, session_id, payload };
                candidate.sequence = candidate.sequence.wrapping_add(1);
                self.send_transcoded(at, data.emit(iotc::DATA_FROM_CLIENT));
            }
            Envelope::Cc51 { ticket } => {
                let data = cc51::Data { channel, ticket, session_id, payload };
                self.send(at, data.emit(&self.signer));
            }
        }
    }

    fn camera(&self) -> Option<&Candidate> {
        self.candidates.first().filter(|_| self.chosen)
    }

    fn position(&self, id: CandidateId) -> Option<usize> {
        self.candidates.iter().position(|candidate| candidate.id == id)
    }

    fn candidate_at(&self, address: SocketAddr, envelope: Envelope, id: SessionId) -> Option<usize> {
        let is_it = |c: &Candidate| c.address == address && c.envelope == envelope && c.session_id == id;
        self.candidates.iter().position(is_it)
    }

    fn may_answer_keepalive(&mut self, now: Instant) -> bool {
        let (count, since) = &mut self.answered;
        if since.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1)) {
            (*count, *since) = (0, Some(now));
        }
        *count += 1;
        *count <= MAX_KEEPALIVES
    }

    /// Whether a probe went to this address.
    fn may_answer(&self, ip: IpAddr) -> bool {
        self.is_target(ip) || self.is_target(Ipv4Addr::BROADCAST.into())
    }

    fn is_target(&self, ip: IpAddr) -> bool {
        self.targets.iter().any(|target| target.ip() == ip)
    }

    fn discovery(&self, stage: u8) -> iotc::Discovery {
        iotc::Discovery {
            uid: self.uid,
            session_id: self.session_id,
            stage,
            auth_key: (stage == 1).then_some(self.auth_key),
        }
    }

    fn send_transcoded(&mut self, at: usize, mut packet: Vec<u8>) {
        scramble(&mut packet);
        self.send(at, packet);
    }

    fn send(&mut self, at: usize, data: Vec<u8>) {
        self.transmits.push_back(Transmit { to: self.candidates[at].address, data });
    }
}

fn remember<T: PartialEq>(list: &mut VecDeque<T>, item: T) {
    list.retain(|other| *other != item);
    if list.len() == MAX_TRIED {
        list.pop_front();
    }
    list.push_back(item);
}

fn scramble(packet: &mut [u8]) {
    transcode::encode(packet).expect("an IOTC packet has a header");
}
