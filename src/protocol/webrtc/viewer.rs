//! One viewer of one camera: see [the module above](super).
//!
//! After each `handle_…` call and each wish, drain [`Viewer::poll_transmit`], [`Viewer::poll_text`] and
//! [`Viewer::poll_event`], then wait for a datagram, for a text or for [`Viewer::poll_timeout`].

mod liveness;
mod relaying;
mod streaming;
mod wishes;

use super::candidates;
use super::config::ViewerConfig;
use super::key_frames::KeyFrames;
use super::media::Media;
use super::peer::{Peer, Received, Said};
use super::reflexive::Reflexive;
use super::relay::Relays;
use super::signalling::{self, Message};
use super::talk::Talk;
use crate::printable::is_printable;
use crate::protocol::client::Event;
use crate::protocol::error::{Candidates, Error, Stage};
use crate::protocol::media_watch::MediaWatch;
use crate::protocol::stats::Stats;
use crate::protocol::timers::TimerTable;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::Candidate;

/// How long the camera may take to answer the offer, and how long ICE and DTLS may take.
const STAGE_LIMIT: Duration = Duration::from_secs(10);
/// How often the offer is made until the camera answers: signalling keeps nothing for a camera that is away. One that
/// is there passes over an offer that it has (known from Amazon's sample of a camera, not from Wyze's).
const OFFER_INTERVAL: Duration = Duration::from_millis(1500);
/// How many candidates of ours are told: the servers take no more in a second.
const MAX_LOCAL: usize = 16;
/// How much of a reason from outside is shown.
const MAX_REASON: usize = 160;

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerTransmit {
    /// The candidate of ours that it goes out from.
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub data: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ViewerTimer {
    /// Give up the attempt to connect.
    Connect,
    /// Give up the stage.
    Stage,
    /// Make the offer again.
    Offer,
    /// See whether the camera has been silent for too long.
    Idle,
    /// Ask for a key frame.
    KeyFrame,
}

/// Sans-IO viewer of one camera over WebRTC; see the [module](super).
pub struct Viewer {
    config: ViewerConfig,
    /// By which the server names our offer.
    correlation_id: String,
    stage: Stage,
    stage_since: Instant,
    started: Instant,
    /// When the attempt to connect is given up.
    connect_by: Instant,
    /// The wall clock at `started`, since 1970.
    unix_start: Duration,
    timers: TimerTable<ViewerTimer>,
    stats: Stats,
    events: VecDeque<Event>,
    transmits: VecDeque<ViewerTransmit>,
    texts: VecDeque<String>,
    /// The offer and our candidates, as they were told.
    told: Vec<String>,
    peer: Peer,
    /// When str0m has something to do.
    peer_due: Option<Instant>,
    reflexive: Reflexive,
    relays: Relays,
    /// Our own addresses, for the error that ICE may end with.
    addresses: Vec<SocketAddr>,
    ours: Candidates,
    theirs: Candidates,
    /// Candidates of the camera that came before its answer.
    early: Vec<Candidate>,
    /// ICE has found a way.
    has_path: bool,
    /// Whether the camera sends lost packets again.
    resends: bool,
    /// Where the camera's last datagram came from.
    camera: Option<SocketAddr>,
    last_received: Instant,
    media: Media,
    watch: MediaWatch,
    key_frames: KeyFrames,
    /// When the first picture has to be there, and how long that is; `None` once it is, or if nobody waits for it.
    first_picture: Option<(Instant, Duration)>,
    /// A frame of what is wanted has come.
    has_come: bool,
    talk: Option<Talk>,
    /// What ends it, found while str0m was asked.
    failure: Option<Error>,
    ended: bool,
}

impl Viewer {
    /// Starts at once: the offer is ready to be sent, and then `local`, the addresses of the sockets. `unix_time` is
    /// the wall clock's.
    pub fn new(config: ViewerConfig, local: &[SocketAddr], now: Instant, unix_time: Duration, seed: [u8; 32]) -> Self {
        let (peer, offer) = Peer::new(config.reorder_wait, config.resend_wait, now);
        let mut rng = StdRng::from_seed(seed);
        let correlation_id = format!("{:016x}", rng.random::<u64>());
        let offer = signalling::offer(&offer, &config.client_id, &correlation_id);
        let mut timers = TimerTable::default();
        let connect_by = now + config.connect_timeout.max(config.patience);
        timers.set(ViewerTimer::Connect, connect_by);
        timers.set(ViewerTimer::Stage, now + STAGE_LIMIT.max(config.patience));
        timers.set(ViewerTimer::Offer, now + OFFER_INTERVAL);
        let mut viewer = Viewer {
            correlation_id,
            stage: Stage::Signalling,
            stage_since: now,
            started: now,
            connect_by,
            unix_start: unix_time,
            timers,
            stats: Stats::default(),
            events: VecDeque::from([Event::Stage(Stage::Signalling)]),
            transmits: VecDeque::new(),
            texts: VecDeque::from([offer.clone()]),
            told: vec![offer],
            peer,
            peer_due: None,
            reflexive: Reflexive::new(&config.stun, rng),
            relays: Relays::new(&config.relays, now),
            addresses: Vec::new(),
            ours: Candidates::default(),
            theirs: Candidates::default(),
            early: Vec::new(),
            has_path: false,
            resends: false,
            camera: None,
            last_received: now,
            media: Media::default(),
            watch: MediaWatch::default(),
            key_frames: KeyFrames::default(),
            first_picture: None,
            has_come: false,
            talk: None,
            failure: None,
            ended: false,
            config,
        };
        local.iter().for_each(|&address| viewer.add_local(now, address));
        viewer.drain(now);
        viewer
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.talk_frames += self.talk.as_ref().map_or(0, Talk::sent);
        stats
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<ViewerTransmit> {
        self.transmits.pop_front()
    }

    /// The next text for the signalling server.
    pub fn poll_text(&mut self) -> Option<String> {
        self.texts.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Viewer::handle_timeout`] is due, if nothing comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.ended {
            return None;
        }
        let talk = self.talk.as_ref().and_then(Talk::poll_timeout);
        let ways = [self.reflexive.poll_timeout(), self.relays.poll_timeout()];
        [self.timers.next(), self.peer_due, self.peer.held_until(), talk].into_iter().chain(ways).flatten().min()
    }

    /// Takes a datagram that `from` has sent to `to`, a candidate of ours. Its bytes may be changed.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, datagram: &mut [u8]) {
        if self.ended {
            return;
        }
        self.stats.packets += 1;
        self.stats.bytes += datagram.len() as u64;
        if let Some(seen) = self.reflexive.handle_datagram(from, to, datagram) {
            if seen.mapped != seen.local
                && let Ok(candidate) = Candidate::server_reflexive(seen.mapped, seen.local, "udp")
            {
                self.add_candidate(candidate);
            }
            self.drain(now);
        } else if let Some((came, relayed)) = self.relays.handle_datagram(now, from, datagram) {
            self.handle_relayed(now, came, relayed);
            self.drain(now);
        } else {
            self.handle_of_camera(now, from, to, datagram);
        }
    }

    /// What this asks for goes out before the next datagram comes in.
    fn handle_of_camera(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, datagram: &mut [u8]) {
        match self.peer.receive(now, from, to, datagram) {
            Received::Foreign => self.stats.foreign += 1,
            Received::Taken => (self.last_received, self.camera) = (now, Some(from)),
            Received::Broken(reason) => self.failure = Some(self.broken(reason)),
        }
        self.drain(now);
        self.go_on_with_held(now);
    }

    /// Takes the packets whose turn it is now.
    fn go_on_with_held(&mut self, now: Instant) {
        while !self.ended
            && let Some(received) = self.peer.receive_held(now)
        {
            if let Received::Broken(reason) = received {
                self.failure = Some(self.broken(reason));
            }
            self.drain(now);
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.ended {
            return;
        }
        if self.peer_due.is_some_and(|at| at <= now)
            && let Received::Broken(reason) = self.peer.handle_timeout(now)
        {
            self.failure = Some(self.broken(reason));
        }
        self.drain(now);
        self.go_on_with_held(now);
        self.reflexive.handle_timeout(now);
        let relayed = self.relays.handle_timeout(now, self.addresses.first().copied());
        self.add_relayed(relayed);
        self.drain(now);
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                ViewerTimer::Connect | ViewerTimer::Stage => self.fail(self.connect_error(now), now),
                ViewerTimer::Offer => {
                    self.texts.extend(self.told.iter().cloned());
                    self.timers.set(ViewerTimer::Offer, now + OFFER_INTERVAL);
                }
                ViewerTimer::Idle => self.handle_silence(now),
                ViewerTimer::KeyFrame => self.ask_for_key_frame(now),
            }
        }
        self.pump_talk(now);
        if !self.ended {
            self.drain(now);
        }
    }

    // Signalling

    /// Takes a text of the signalling server.
    pub fn handle_text(&mut self, now: Instant, text: &str) {
        if self.ended {
            return;
        }
        match signalling::parse(text) {
            Ok(Message::Answer(sdp)) => self.handle_answer(&sdp, now),
            Ok(Message::Candidate(line)) => self.add_remote(&line),
            Ok(Message::Status { correlation_id, reason }) => {
                // Only the offer has a name, so what has none may be about it, too.
                let is_ours = correlation_id.is_empty() || correlation_id == self.correlation_id;
                if is_ours && !self.peer.is_answered() {
                    self.failure = Some(Error::OfferRefused { reason });
                }
            }
            Ok(Message::GoAway | Message::Nothing) => {}
            Err(_) => self.stats.malformed += 1,
        }
        self.drain(now);
    }

    /// Notes that the signalling server is there: only now can the camera answer.
    pub fn handle_signalling_opened(&mut self, now: Instant) {
        if !self.ended && self.stage == Stage::Signalling {
            self.stats.stages[self.stage as usize] += now.duration_since(self.stage_since);
            self.stage_since = now;
            self.timers.set(ViewerTimer::Stage, now + STAGE_LIMIT.max(self.config.patience));
            self.timers.set(ViewerTimer::Offer, now + OFFER_INTERVAL);
        }
    }

    /// Notes that the signalling server has closed the connection. After the answer that is no matter.
    pub fn handle_signalling_closed(&mut self, now: Instant, reason: &str) {
        if !self.peer.is_answered() {
            let reason = reason.chars().filter(|&c| is_printable(c)).take(MAX_REASON).collect();
            self.fail(Error::SignallingClosed { reason }, now);
        }
    }

    fn handle_answer(&mut self, sdp: &str, now: Instant) {
        if self.peer.is_answered() {
            return;
        }
        match self.peer.accept(sdp) {
            Ok(answered) => {
                self.resends = answered.resends;
                self.enter(Stage::Path, now);
                self.timers.set(ViewerTimer::Stage, now + STAGE_LIMIT);
                self.timers.set(ViewerTimer::Connect, self.connect_by.min(now + self.config.connect_timeout));
                self.timers.stop(ViewerTimer::Offer);
                self.relays.start(now);
                std::mem::take(&mut self.early).into_iter().for_each(|candidate| self.peer.add_remote(candidate));
                answered.candidates.iter().for_each(|line| self.add_remote(line));
            }
            Err(reason) => self.failure = Some(Error::AnswerMalformed { reason }),
        }
    }

    /// Adds a candidate of the camera, or keeps it until the answer is there. One that is of no use is passed over.
    fn add_remote(&mut self, line: &str) {
        let has_room = (self.theirs.total() as usize) < candidates::MAX_CANDIDATES;
        let Some(candidate) = candidates::parse(line).filter(|_| has_room) else { return };
        candidates::count(&mut self.theirs, &candidate);
        if self.peer.is_answered() {
            self.peer.add_remote(candidate);
        } else {
            self.early.push(candidate);
        }
    }

    /// Adds the address of a socket, also later.
    pub fn add_local(&mut self, now: Instant, address: SocketAddr) {
        if let Ok(candidate) = Candidate::host(address, "udp")
            && self.add_candidate(candidate)
        {
            self.addresses.push(address);
            self.reflexive.ask(address, now);
        }
        self.drain(now);
    }

    /// Adds a candidate of ours and tells the camera. Returns whether it is one that was not known.
    fn add_candidate(&mut self, candidate: Candidate) -> bool {
        if self.ended || self.ours.total() as usize >= MAX_LOCAL {
            return false;
        }
        let mut ours = self.ours;
        candidates::count(&mut ours, &candidate);
        let Some(line) = self.peer.add_local(candidate) else { return false };
        self.ours = ours;
        let text = signalling::candidate(&line, &self.config.client_id);
        self.told.push(text.clone());
        self.texts.push_back(text);
        true
    }

    // From stage to stage, and to the end

    /// Takes what str0m has to say, until it names a time.
    fn drain(&mut self, now: Instant) {
        self.peer_due = None;
        while self.failure.is_none() {
            match self.peer.poll() {
                Some(Said::Transmit(transmit)) => self.push(transmit, now),
                Some(Said::Event(event)) => self.handle_event(*event, now),
                Some(Said::Malformed) => self.stats.malformed += 1,
                Some(Said::Timeout(at)) => {
                    self.peer_due = Some(at);
                    break;
                }
                Some(Said::Broken(reason)) => self.failure = Some(self.broken(reason)),
                None => break,
            }
        }
        while let Some(transmit) = self.reflexive.poll_transmit() {
            let (from, to, data) = (transmit.from, transmit.to, transmit.data);
            self.transmits.push_back(ViewerTransmit { from, to, data });
        }
        self.send_to_relay();
        if let Some(error) = self.failure.take() {
            self.fail(error, now);
        }
    }

    fn push(&mut self, transmit: str0m::net::Transmit, now: Instant) {
        let (from, to) = (transmit.source, transmit.destination);
        if self.relays.send(now, from, to, &transmit.contents) {
            return;
        }
        self.transmits.push_back(ViewerTransmit { from, to, data: transmit.contents.to_vec() });
    }

    /// Goes on to `stage` and tells so.
    fn enter(&mut self, stage: Stage, now: Instant) {
        self.stats.stages[self.stage as usize] += now.duration_since(self.stage_since);
        self.stage = stage;
        self.stage_since = now;
        self.events.push_back(Event::Stage(stage));
    }

    /// The error of an attempt that takes too long, by how far it has come.
    fn connect_error(&self, now: Instant) -> Error {
        let time = now.duration_since(self.stage_since);
        match self.stage {
            Stage::Signalling => Error::OfferUnanswered(time),
            Stage::Path if !self.has_path => {
                let (theirs, ours, addresses) = (self.theirs, self.ours, self.addresses.clone());
                match theirs.total() {
                    0 => Error::NoCandidate { ours, addresses },
                    _ => Error::IceFailed { theirs, ours, addresses },
                }
            }
            Stage::Path => self.broken("DTLS did not end in time".into()),
            _ => Error::NoPicture(time),
        }
    }

    /// str0m's word for what has failed.
    fn broken(&self, reason: String) -> Error {
        let reason = reason.chars().filter(|&c| is_printable(c)).take(MAX_REASON).collect();
        Error::Broken { stage: self.stage, reason }
    }

    fn fail(&mut self, error: Error, now: Instant) {
        if !self.ended {
            self.end(now);
            self.events.push_back(Event::Ended(error));
        }
    }

    /// Says goodbye (DTLS close_notify), and stops.
    fn end(&mut self, now: Instant) {
        self.ended = true;
        self.timers.stop_all();
        self.reflexive.stop();
        if let Some(talk) = self.talk.take() {
            self.stats.talk_frames += talk.sent();
        }
        self.peer.close();
        // str0m sends nothing before it is told the time.
        self.peer.handle_timeout(now);
        while let Some(said) = self.peer.poll() {
            match said {
                Said::Transmit(transmit) => self.push(transmit, now),
                Said::Timeout(_) | Said::Broken(_) => break,
                Said::Event(_) | Said::Malformed => {}
            }
        }
        self.relays.stop(now);
        self.send_to_relay();
    }
}
