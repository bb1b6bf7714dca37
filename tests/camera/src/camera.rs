//! A Wyze camera without sockets, threads or a clock.
//!
//! The caller hands in datagrams and the time. After each call it drains [`Camera::poll_transmit`] and
//! [`Camera::poll_event`], then waits for a datagram or until [`Camera::poll_timeout`].
//!
//! A camera has two ports. Discovery packets come to one; all of the camera's datagrams leave from the other, and
//! clients have to continue there.

use crate::camera_clock::CameraClock;
use crate::camera_config::{CameraConfig, Envelope};
use crate::camera_event::{CameraEvent, ClientId, GoneReason};
use crate::client_session::ClientSession;
use crate::controls::Controls;
use crate::deviation_log::DeviationLog;
use crate::envelope_state::{EnvelopeState, scramble};
use crate::media_frame::MediaFrame;
use crate::packet_checks;
use crate::picture::Picture;
use crate::talk::{Talk, TalkBook};
use gstwyze::protocol::credentials::AuthKey;
use gstwyze::protocol::wire::cc51::{self, Signer};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::hl::VideoParameters;
use gstwyze::protocol::wire::{Channel, SessionId, WireError, iotc, transcode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How many sessions are kept; beyond, the oldest that has not gone past discovery is dropped.
const MAX_SESSIONS: usize = 64;

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    pub to: SocketAddr,
    pub data: Vec<u8>,
    /// Whether it leaves from the discovery port. False for all that a camera sends so far: it answers from its
    /// ephemeral port.
    pub from_discovery_port: bool,
}

impl AsMut<[u8]> for Transmit {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }
}

/// The state that all sessions of a camera share.
pub(crate) struct Shared {
    pub config: CameraConfig,
    pub rng: StdRng,
    pub log: DeviationLog,
    pub events: VecDeque<CameraEvent>,
    pub talks: TalkBook,
    /// Codec and flags of the audio that the camera itself sends, once it has any.
    pub spoken: Option<(CodecId, AudioFlags)>,
    pub clock: CameraClock,
    pub controls: Controls,
    /// The control frames that had no HL message, each with its IO type and payload.
    pub io_types: Vec<(u16, Vec<u8>)>,
    transmits: VecDeque<Transmit>,
}

impl Shared {
    pub fn transmit(&mut self, to: SocketAddr, data: Vec<u8>) {
        self.transmits.push_back(Transmit { to, data, from_discovery_port: false });
    }

    /// Reports the end of a session, if it was open: one that did not go past discovery was never reported as a client.
    fn client_gone(&mut self, session: &mut ClientSession, reason: GoneReason) {
        if session.envelope.is_open() {
            session.end_talk(self);
            self.events.push_back(CameraEvent::ClientGone { client: session.id, reason });
        }
    }
}

pub struct Camera {
    shared: Shared,
    auth_key: AuthKey,
    signer: Signer,
    sessions: Vec<ClientSession>,
    next_id: u32,
    /// End of a reboot, until which the camera neither hears nor sends anything.
    booting_until: Option<Instant>,
}

impl Camera {
    /// `seed` determines challenges, tickets and session ids.
    pub fn new(config: CameraConfig, seed: u64) -> Self {
        let auth_key = config.credentials.auth_key();
        let controls = Controls::new(&config);
        Camera {
            signer: Signer::new(&config.credentials.uid, &auth_key),
            auth_key,
            shared: Shared {
                config,
                rng: StdRng::seed_from_u64(seed),
                log: DeviationLog::default(),
                events: VecDeque::new(),
                talks: TalkBook::default(),
                spoken: None,
                clock: CameraClock::default(),
                controls,
                io_types: Vec::new(),
                transmits: VecDeque::new(),
            },
            sessions: Vec::new(),
            next_id: 1,
            booting_until: None,
        }
    }

    pub fn config(&self) -> &CameraConfig {
        &self.shared.config
    }

    /// The settings, to change for what comes from now on. Open sessions keep the identity and suites that they began
    /// with.
    pub fn config_mut(&mut self) -> &mut CameraConfig {
        &mut self.shared.config
    }

    /// What clients did against the protocol.
    pub fn log(&self) -> &DeviationLog {
        &self.shared.log
    }

    /// The number of clients with an open session.
    pub fn clients(&self) -> usize {
        self.sessions.iter().filter(|session| session.envelope.is_open()).count()
    }

    /// The number of clients that get media.
    pub fn streaming_clients(&self) -> usize {
        self.sessions.iter().filter(|session| session.is_streaming()).count()
    }

    /// How many timing probes were sent to clients and not answered.
    pub fn unanswered_probes(&self) -> usize {
        self.sessions.iter().map(ClientSession::unanswered_probes).sum()
    }

    /// How many packets clients have asked for and not acknowledged.
    pub fn asked_for(&self) -> usize {
        self.sessions.iter().map(ClientSession::asked_for).sum()
    }

    /// Where the camera looks, in whole degrees: horizontal and vertical. Zeros on a model that does not pan.
    pub fn looks_at(&self, now: Instant) -> (u16, u8) {
        self.shared.controls.position(now).unwrap_or_default()
    }

    /// What the camera's picture shows of its settings.
    pub fn picture(&self, now: Instant) -> Picture {
        self.shared.controls.picture(now)
    }

    /// Sets what clients read of the picture before one of them changes it.
    pub fn set_video_parameters(&mut self, parameters: VideoParameters) {
        self.shared.controls.picture.parameters = parameters;
    }

    /// The control frames of clients that had no HL message but one of TUTK's own, each with its IO type and payload.
    pub fn io_types(&self) -> &[(u16, Vec<u8>)] {
        &self.shared.io_types
    }

    /// The codes of photos and other acts that clients have asked for.
    pub fn acts(&self) -> &[u16] {
        &self.shared.controls.acts
    }

    /// The times, since 1970, to which clients have set the camera's clock.
    pub fn clock_settings(&self) -> &[u32] {
        self.shared.clock.settings()
    }

    /// What clients have said through the camera's speaker, talk by talk, oldest first.
    pub fn talks(&self) -> impl Iterator<Item = &Talk> {
        self.shared.talks.talks()
    }

    /// The audio of all talks, concatenated, up to 16 MiB.
    pub fn talk_audio(&self) -> Vec<u8> {
        self.shared.talks.audio()
    }

    /// Like [`Camera::talk_audio`], and forgets the audio to make room for more. The talks' counts stay.
    pub fn take_talk_audio(&mut self) -> Vec<u8> {
        self.shared.talks.take_audio()
    }

    /// Takes one datagram as received, that is scrambled; `data` is overwritten.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, to_discovery_port: bool, data: &mut [u8]) {
        if self.is_booting(now) {
            return;
        }
        if cc51::is_cc51(data) {
            self.handle_cc51(now, from, to_discovery_port, data);
        } else if transcode::decode(data).is_err() {
            self.shared.log.byte(now, format!("datagram of {} bytes: too short for a header", data.len()));
        } else {
            self.handle_iotc(now, from, to_discovery_port, data);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let shared = &mut self.shared;
        self.sessions.retain_mut(|session| match session.handle_timeout(now, shared) {
            Some(reason) => {
                shared.client_gone(session, reason);
                false
            }
            None => true,
        });
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.shared.transmits.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sessions.iter().filter_map(|session| session.poll_timeout(&self.shared)).min()
    }

    pub fn poll_event(&mut self) -> Option<CameraEvent> {
        self.shared.events.pop_front()
    }

    /// Sends a frame to each client that takes its medium. Talk has to have the format of the last audio frame.
    pub fn push_frame(&mut self, now: Instant, frame: &MediaFrame) {
        if frame.is_audio() {
            self.shared.spoken = Some((frame.codec, AudioFlags(frame.flags)));
        }
        if self.is_booting(now) {
            return;
        }
        let frame = self.shared.clock.stamp(now, frame, self.shared.config.clock_error);
        let viewers = u8::try_from(self.streaming_clients()).unwrap_or(u8::MAX);
        for session in &mut self.sessions {
            session.push_frame(now, &frame, viewers, &mut self.shared);
        }
    }

    /// Sends an AV packet of any bytes to each client with a DTLS session, as a camera with broken or hostile firmware
    /// may.
    pub fn push_packet(&mut self, channel: Channel, packet: &[u8]) {
        for session in &mut self.sessions {
            session.push_packet(channel, packet, &mut self.shared);
        }
    }

    /// Forgets all clients without telling them, and hears nothing for `downtime`. A real camera comes back on another
    /// ephemeral port; the owner of the sockets has to change it.
    pub fn reboot(&mut self, now: Instant, downtime: Duration) {
        self.shared.transmits.clear();
        self.end_sessions(GoneReason::Rebooted);
        self.booting_until = Some(now + downtime);
    }

    /// Closes all sessions, with a DTLS alert to each client.
    pub fn close(&mut self) {
        for session in &mut self.sessions {
            session.close(&mut self.shared);
        }
        self.end_sessions(GoneReason::Closed);
    }

    fn end_sessions(&mut self, reason: GoneReason) {
        for mut session in self.sessions.drain(..) {
            self.shared.client_gone(&mut session, reason);
        }
    }

    fn is_booting(&mut self, now: Instant) -> bool {
        self.booting_until.take_if(|until| *until <= now);
        self.booting_until.is_some()
    }

    fn handle_iotc(&mut self, now: Instant, from: SocketAddr, to_discovery_port: bool, plain: &[u8]) {
        let packet = match iotc::Packet::parse(plain) {
            Ok(packet) => packet,
            Err(error) => {
                self.shared.log.byte(now, format!("datagram of {} bytes: {error}", plain.len()));
                return;
            }
        };
        if self.shared.config.envelope != Envelope::Transcode {
            // Clients that look for both envelopes send this one too.
            return;
        }
        if let iotc::Packet::Search { session_id } = packet {
            self.answer_search(from, session_id);
            return;
        }
        packet_checks::iotc(now, plain, &mut self.shared.log);
        if let iotc::Packet::DiscoveryRequest(discovery) = packet
            && discovery.stage == 1
        {
            self.discover(now, from, &discovery);
            return;
        }
        if to_discovery_port {
            self.shared.log.byte(now, "a packet past discovery stage 1 came to the discovery port");
            return;
        }
        match packet {
            iotc::Packet::DiscoveryRequest(discovery) => self.choose(now, from, &discovery),
            iotc::Packet::SessionRequest(request) => self.open_transcode_session(now, from, &request),
            iotc::Packet::Data { from_camera: false, data } => {
                if let Some(at) = self.position(data.session_id) {
                    self.sessions[at].envelope.check_sequence(now, data.sequence, &mut self.shared.log);
                    self.handle_dtls(now, from, at, data.channel, data.payload);
                }
            }
            iotc::Packet::Keepalive { from_camera: false, payload } => {
                if let Some(session) = self.sessions.iter_mut().find(|session| session.address == from) {
                    session.heard(now, from);
                    session.envelope.check_echo(now, payload, &mut self.shared.log);
                }
            }
            // The packet checks have logged it.
            _ => {}
        }
    }

    fn discover(&mut self, now: Instant, from: SocketAddr, discovery: &iotc::Discovery) {
        if discovery.uid != self.shared.config.credentials.uid {
            // A broadcast that looks for another camera.
            return;
        }
        if discovery.auth_key != Some(self.auth_key) {
            self.shared.log.byte(now, "discovery: the AuthKey is wrong");
            if self.shared.config.strict_auth_key {
                return;
            }
        }
        if self.position(discovery.session_id).is_none() {
            self.add_session(now, from, discovery.session_id, EnvelopeState::transcode());
        }
        let answer = iotc::Discovery { auth_key: None, ..*discovery };
        let packet = scramble(answer.emit(iotc::DISCOVERY_RESPONSE), &self.shared.config);
        self.shared.transmit(from, packet);
    }

    /// Tells a search for any camera who is here. No session follows from it.
    fn answer_search(&mut self, from: SocketAddr, session_id: SessionId) {
        if self.shared.config.answers_search {
            let uid = self.shared.config.credentials.uid;
            let answer = iotc::Discovery { uid, session_id, stage: 1, auth_key: None };
            let packet = scramble(answer.emit(iotc::DISCOVERY_RESPONSE), &self.shared.config);
            self.shared.transmit(from, packet);
        }
    }

    fn choose(&mut self, now: Instant, from: SocketAddr, discovery: &iotc::Discovery) {
        if discovery.stage != 2 {
            self.shared.log.byte(now, format!("discovery: stage {} is neither 1 nor 2", discovery.stage));
        }
        if discovery.auth_key.is_some() {
            self.shared.log.byte(now, "discovery: stage 2 carries the AuthKey");
        }
        let Some(at) = self.position(discovery.session_id) else { return };
        let session = &mut self.sessions[at];
        session.heard(now, from);
        if let EnvelopeState::Transcode { chosen, .. } = &mut session.envelope {
            *chosen = true;
        }
    }

    fn open_transcode_session(&mut self, now: Instant, from: SocketAddr, request: &iotc::Session) {
        let Some(at) = self.position(request.session_id) else {
            self.shared.log.behaviour(now, "session request without discovery");
            return;
        };
        if self.is_full(from) {
            return;
        }
        let session = &mut self.sessions[at];
        session.heard(now, from);
        if let EnvelopeState::Transcode { chosen, open, .. } = &mut session.envelope {
            if !*chosen && !*open {
                self.shared.log.behaviour(now, "session request without discovery stage 2");
            }
            *open = true;
        }
        session.open(now, &self.shared);
        let packet = scramble(request.emit(iotc::SESSION_RESPONSE), &self.shared.config);
        self.shared.transmit(from, packet);
        self.drop_others_at(from, request.session_id);
    }

    fn handle_cc51(&mut self, now: Instant, from: SocketAddr, to_discovery_port: bool, bytes: &[u8]) {
        if self.shared.config.envelope != Envelope::Cc51 {
            return;
        }
        let packet = match cc51::Packet::parse(bytes, &self.signer) {
            Ok(packet) => packet,
            Err(error) => {
                let of_other = matches!(error, WireError::Hmac { .. });
                let hint = if of_other { " (wrong UID or AuthKey, or damaged)" } else { "" };
                self.shared.log.byte(now, format!("datagram of {} bytes: {error}{hint}", bytes.len()));
                return;
            }
        };
        packet_checks::cc51(now, bytes, &mut self.shared.log);
        if let cc51::Packet::Discovery(discovery) = packet {
            self.handle_cc51_discovery(now, from, to_discovery_port, &discovery);
            return;
        }
        if to_discovery_port {
            self.shared.log.byte(now, "a packet past discovery came to the discovery port");
            return;
        }
        match packet {
            cc51::Packet::Keepalive(keepalive) => {
                if let Some(at) = self.position(keepalive.session_id) {
                    self.sessions[at].heard(now, from);
                    self.sessions[at].envelope.check_counter(now, keepalive.counter, &mut self.shared.log);
                }
            }
            cc51::Packet::Data(data) => {
                if let Some(at) = self.position(data.session_id) {
                    if !self.has_ticket(at, data.ticket) {
                        self.shared.log.byte(now, "CC51 data: the ticket is not the session's");
                    }
                    self.handle_dtls(now, from, at, data.channel, data.payload);
                }
            }
            cc51::Packet::Discovery(_) | cc51::Packet::Unknown { .. } => {}
        }
    }

    fn handle_cc51_discovery(&mut self, now: Instant, from: SocketAddr, to_old_port: bool, asked: &cc51::Discovery) {
        match asked.step {
            0 => {
                if asked.ticket != 0 {
                    self.shared.log.byte(now, "CC51 discovery: step 0 has a ticket");
                }
                self.offer_ticket(now, from);
            }
            2 => {
                if to_old_port {
                    self.shared.log.byte(now, "CC51 discovery: step 2 came to the discovery port");
                }
                let Some(at) = self.position(asked.session_id) else {
                    self.shared.log.behaviour(now, "CC51 discovery: step 2 with an unknown session id");
                    return;
                };
                if !self.has_ticket(at, asked.ticket) {
                    self.shared.log.byte(now, "CC51 discovery: step 2 does not have the ticket of step 1");
                    return;
                }
                if self.is_full(from) {
                    return;
                }
                let session = &mut self.sessions[at];
                session.heard(now, from);
                session.open(now, &self.shared);
                if let EnvelopeState::Cc51 { open, .. } = &mut session.envelope {
                    *open = true;
                }
                let answer = cc51::Discovery { from_camera: true, step: 3, ..*asked };
                self.shared.transmit(from, answer.emit(&self.signer));
                self.drop_others_at(from, asked.session_id);
            }
            step => self.shared.log.byte(now, format!("CC51 discovery: step {step} is not a client's")),
        }
    }

    /// Answers step 0: with a new ticket, or with the one that this client was offered already.
    fn offer_ticket(&mut self, now: Instant, from: SocketAddr) {
        let offered = self.sessions.iter().find_map(|session| match &session.envelope {
            EnvelopeState::Cc51 { ticket, open: false, .. } if session.address == from => {
                Some((*ticket, session.session_id))
            }
            _ => None,
        });
        let (ticket, session_id) = match offered {
            Some(offered) => offered,
            None => {
                let ticket = self.shared.rng.random_range(1..=u16::MAX);
                let session_id = SessionId(self.shared.rng.random());
                let envelope = EnvelopeState::cc51(ticket, self.signer.clone());
                self.add_session(now, from, session_id, envelope);
                (ticket, session_id)
            }
        };
        let answer = cc51::Discovery { from_camera: true, step: 1, ticket, session_id };
        self.shared.transmit(from, answer.emit(&self.signer));
    }

    fn handle_dtls(&mut self, now: Instant, from: SocketAddr, at: usize, channel: Channel, datagram: &[u8]) {
        let session = &mut self.sessions[at];
        session.heard(now, from);
        if !session.envelope.is_open() {
            self.shared.log.behaviour(now, "DTLS before the session is open");
        }
        if channel == Channel::Back {
            session.handle_back_channel(now, datagram, &mut self.shared);
        } else if let Some(reason) = session.handle_dtls(now, datagram, &mut self.shared) {
            let mut session = self.sessions.remove(at);
            self.shared.client_gone(&mut session, reason);
        }
    }

    /// Whether clients at other addresses than `from` have all the sessions there are. Discovery is answered all the
    /// same, but no session is opened.
    fn is_full(&self, from: SocketAddr) -> bool {
        let others = self.sessions.iter().filter(|s| s.envelope.is_open() && s.address != from).count();
        others >= self.shared.config.max_clients
    }

    fn add_session(&mut self, now: Instant, from: SocketAddr, id: SessionId, envelope: EnvelopeState) {
        if self.sessions.len() >= MAX_SESSIONS
            && let Some(at) = self.sessions.iter().position(|session| !session.envelope.is_open())
        {
            self.sessions.remove(at);
        }
        let client = ClientId(self.next_id);
        self.next_id += 1;
        self.sessions.push(ClientSession::new(now, client, from, id, envelope, &self.shared));
    }

    /// Ends the other sessions of a client that began a new one from the same address.
    fn drop_others_at(&mut self, address: SocketAddr, keep: SessionId) {
        let shared = &mut self.shared;
        self.sessions.retain_mut(|session| {
            let stays = session.address != address || session.session_id == keep;
            if !stays {
                shared.client_gone(session, GoneReason::Replaced);
            }
            stays
        });
    }

    fn position(&self, session_id: SessionId) -> Option<usize> {
        self.sessions.iter().position(|session| session.session_id == session_id)
    }

    fn has_ticket(&self, at: usize, wanted: u16) -> bool {
        matches!(self.sessions[at].envelope, EnvelopeState::Cc51 { ticket, .. } if ticket == wanted)
    }
}
