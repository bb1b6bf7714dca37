//! A WebRTC camera in memory: signalling of its viewers, and a connection with each.

use super::config::{CandidateOrder, WebCameraConfig};
use super::peer::{Peer, PeerEvent};
use super::signalling::{self, FromViewer};
use crate::camera_event::{CameraEvent, ClientId, GoneReason};
use crate::media_frame::MediaFrame;
use gstwyze::protocol::wire::codec::CodecId;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;
use str0m::{Candidate, Input};

/// How many bytes of talk are kept; further ones are only counted.
const KEPT_TALK: usize = 16 << 20;
/// How many texts about viewers' mistakes, and how many events are kept.
const KEPT: usize = 1000;

/// A datagram to a viewer.
#[derive(Debug, Clone)]
pub struct WebTransmit {
    pub to: SocketAddr,
    pub data: Vec<u8>,
}

impl AsMut<[u8]> for WebTransmit {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }
}

/// What the camera does on a viewer's signalling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignallingOutput {
    Text(String),
    Close,
}

/// What the camera has seen of its viewers, and sent to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebStats {
    /// Viewers who are connected.
    pub viewers: usize,
    /// Viewers who have ever been connected.
    pub connections: u64,
    pub offers: u64,
    /// Texts that came while the camera was gone.
    pub unheard: u64,
    pub candidates: u64,
    /// Requests for key frames: PLI or FIR.
    pub key_frame_requests: u64,
    /// Messages of those viewers who are connected that ask for lost packets.
    pub nacks: u64,
    /// Frames that at least one viewer was sent.
    pub video_frames: u64,
    pub audio_frames: u64,
    pub talk_frames: u64,
    pub talk_bytes: u64,
    /// Frames of talk that came though the answer refuses talk.
    pub unwanted_talk: u64,
    pub talk_codec: Option<CodecId>,
    /// What viewers sent that signalling does not have.
    pub problems: Vec<String>,
}

/// An offer that is to be answered.
struct Waiting {
    viewer: ClientId,
    due: Instant,
    sdp: String,
}

pub struct WebCamera {
    config: WebCameraConfig,
    local: SocketAddr,
    peers: Vec<Peer>,
    /// What is still to be sent to viewers who are gone.
    farewells: VecDeque<(SocketAddr, Vec<u8>)>,
    waiting: Vec<Waiting>,
    outputs: VecDeque<(ClientId, SignallingOutput)>,
    events: VecDeque<CameraEvent>,
    stats: WebStats,
    talk: Vec<u8>,
    last_id: u32,
}

impl WebCamera {
    /// Makes a camera that receives datagrams at the address `local`.
    pub fn new(config: WebCameraConfig, local: SocketAddr) -> Self {
        WebCamera {
            config,
            local,
            peers: Vec::new(),
            farewells: VecDeque::new(),
            waiting: Vec::new(),
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            stats: WebStats::default(),
            talk: Vec::new(),
            last_id: 0,
        }
    }

    /// The settings. Changes count for offers from now on, except for `is_gone`, `takes_talk` and `sends_audio`, which
    /// count at once.
    pub fn config_mut(&mut self) -> &mut WebCameraConfig {
        &mut self.config
    }

    pub fn stats(&self) -> WebStats {
        let viewers = self.peers.iter().filter(|peer| peer.is_connected).count();
        WebStats { viewers, ..self.stats.clone() }
    }

    /// The talk of all viewers, encoded as it came, up to 16 MiB.
    pub fn talk_audio(&self) -> &[u8] {
        &self.talk
    }

    /// Like [`WebCamera::talk_audio`], and forgets it to make room for more.
    pub fn take_talk_audio(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.talk)
    }

    /// A viewer has opened signalling.
    pub fn open_signalling(&mut self) -> ClientId {
        self.last_id += 1;
        let id = ClientId(self.last_id);
        self.peers.push(Peer::new(id, self.local));
        id
    }

    /// A viewer's signalling is closed. That ends no connection.
    pub fn signalling_closed(&mut self, viewer: ClientId) {
        self.waiting.retain(|waiting| waiting.viewer != viewer);
        self.peers.retain(|peer| peer.id != viewer || peer.has_answered());
        self.outputs.retain(|(id, _)| *id != viewer);
    }

    /// Takes a text that came by signalling.
    pub fn handle_text(&mut self, now: Instant, viewer: ClientId, text: &str) {
        if self.config.is_gone {
            self.stats.unheard += 1;
            return;
        }
        match signalling::parse(text) {
            Ok(FromViewer::Offer { sdp, correlation }) => self.handle_offer(now, viewer, sdp, correlation),
            Ok(FromViewer::Candidate(line)) => {
                self.stats.candidates += 1;
                // One with a name for an address is of no use here.
                if let (Ok(candidate), Some(peer)) = (Candidate::from_sdp_string(&line), self.peer(viewer)) {
                    peer.add_candidate(now, candidate);
                }
            }
            Err(problem) => self.note(problem),
        }
        self.settle();
    }

    fn handle_offer(&mut self, now: Instant, viewer: ClientId, sdp: String, correlation: Option<String>) {
        self.stats.offers += 1;
        // Amazon's sample of a camera passes over an offer of somebody whom it has one of.
        let is_answered = self.peer(viewer).map(|peer| peer.has_answered());
        if is_answered.is_none() {
            // Signalling goes on when the camera restarts.
            self.peers.push(Peer::new(viewer, self.local));
        }
        if is_answered == Some(true) || self.waiting.iter().any(|waiting| waiting.viewer == viewer) {
            return;
        }
        let is_full = self.peers.iter().filter(|peer| peer.is_connected).count() >= self.config.max_viewers;
        let full = is_full.then(|| "ClientLimitExceededException".to_owned());
        if self.config.hangs_up {
            self.outputs.push_back((viewer, SignallingOutput::Close));
        } else if let Some(error) = self.config.refuses.clone().or(full) {
            if let Some(correlation) = correlation {
                self.say(viewer, signalling::refusal(&correlation, &error));
            }
        } else if !self.config.no_answer {
            self.waiting.push(Waiting { viewer, due: now + self.config.answer_delay, sdp });
            self.answer(now);
        }
    }

    /// Answers the offers that are due.
    fn answer(&mut self, now: Instant) {
        while let Some(at) = self.waiting.iter().position(|waiting| waiting.due <= now) {
            let Waiting { viewer, sdp, .. } = self.waiting.swap_remove(at);
            let config = self.config.clone();
            let Some(peer) = self.peer(viewer) else { continue };
            let candidate = peer.candidate().map(|candidate| signalling::candidate(&candidate.to_sdp_string()));
            let answer = match peer.accept(now, &sdp, &config) {
                Ok(answer) => signalling::answer(&answer),
                Err(problem) => {
                    self.note(format!("an offer that cannot be taken: {problem}"));
                    continue;
                }
            };
            let messages = match config.candidates {
                CandidateOrder::BeforeAnswer => [candidate, Some(answer)],
                CandidateOrder::AfterAnswer => [Some(answer), candidate],
                CandidateOrder::InAnswer => [Some(answer), None],
            };
            messages.into_iter().flatten().for_each(|message| self.say(viewer, message));
        }
    }

    fn say(&mut self, viewer: ClientId, message: String) {
        let empty = self.config.empty_messages.then(String::new);
        let texts = [empty.clone(), Some(message), empty].into_iter().flatten();
        self.outputs.extend(texts.map(|text| (viewer, SignallingOutput::Text(text))));
    }

    fn note(&mut self, problem: String) {
        self.stats.problems.push(problem);
        self.stats.problems.truncate(KEPT);
    }

    fn peer(&mut self, viewer: ClientId) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.id == viewer)
    }

    /// Returns what the camera does on signalling, and on whose.
    pub fn poll_signalling(&mut self) -> Option<(ClientId, SignallingOutput)> {
        self.outputs.pop_front()
    }

    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if self.config.is_gone || self.config.hears_only.is_some_and(|host| host != from.ip()) {
            return;
        }
        let Some(input) = Peer::input(now, from, self.local, datagram) else { return };
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.accepts(&input)) {
            peer.step(input);
        }
        self.settle();
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.answer(now);
        for peer in self.peers.iter_mut().filter(|peer| peer.poll_timeout().is_some_and(|due| due <= now)) {
            peer.step(Input::Timeout(now));
        }
        self.settle();
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let peers = self.peers.iter().filter_map(Peer::poll_timeout);
        peers.chain(self.waiting.iter().map(|waiting| waiting.due)).min()
    }

    /// Returns the next datagram. What a camera that is gone would have sent is lost.
    pub fn poll_transmit(&mut self) -> Option<WebTransmit> {
        let mut next = || self.farewells.pop_front().or_else(|| self.peers.iter_mut().find_map(Peer::poll_transmit));
        if self.config.is_gone {
            while next().is_some() {}
        }
        next().map(|(to, data)| WebTransmit { to, data })
    }

    /// Sends a frame to all viewers who are connected. Returns how many take it.
    pub fn push_frame(&mut self, now: Instant, frame: &MediaFrame) -> usize {
        if frame.is_audio() && !self.config.sends_audio {
            return 0;
        }
        let takers = self.peers.iter_mut().map(|peer| peer.push_frame(now, frame)).filter(|taken| *taken).count();
        if takers > 0 {
            let count = if frame.is_audio() { &mut self.stats.audio_frames } else { &mut self.stats.video_frames };
            *count += 1;
        }
        self.settle();
        takers
    }

    pub fn poll_event(&mut self) -> Option<CameraEvent> {
        self.events.pop_front()
    }

    /// Ends all connections: with DTLS's close_notify if the camera says goodbye, else without a word.
    pub fn close(&mut self) {
        if self.config.says_goodbye {
            self.peers.iter_mut().for_each(Peer::close);
        } else {
            self.peers.clear();
        }
    }

    /// Forgets all viewers and offers without telling anybody, as a camera does that loses power.
    pub fn reboot(&mut self) {
        for peer in std::mem::take(&mut self.peers).iter().filter(|peer| peer.is_connected) {
            self.tell(CameraEvent::ClientGone { client: peer.id, reason: GoneReason::Rebooted });
        }
        self.waiting.clear();
        self.outputs.clear();
    }

    fn tell(&mut self, event: CameraEvent) {
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Looks at what the viewers did.
    fn settle(&mut self) {
        let mut gone = Vec::new();
        let mut happened = Vec::new();
        for peer in &mut self.peers {
            let id = peer.id;
            happened.extend(std::iter::from_fn(|| peer.poll_event()).map(|event| (id, event)));
        }
        for (client, event) in happened {
            match event {
                PeerEvent::Connected => self.connected(client),
                PeerEvent::KeyFrameWanted => {
                    self.stats.key_frame_requests += 1;
                    self.tell(CameraEvent::KeyFrameWanted { client });
                }
                PeerEvent::Nacks(count) => self.stats.nacks = count,
                PeerEvent::Talk(codec, frame) => self.hear(codec, &frame),
                PeerEvent::Gone(reason) => {
                    gone.push(client);
                    self.tell(CameraEvent::ClientGone { client, reason });
                }
            }
        }
        for mut peer in self.peers.extract_if(.., |peer| gone.contains(&peer.id)) {
            self.farewells.extend(std::iter::from_fn(|| peer.poll_transmit()));
        }
    }

    fn connected(&mut self, client: ClientId) {
        self.stats.connections += 1;
        self.tell(CameraEvent::Streaming { client, video: true, audio: self.config.sends_audio });
        if self.config.goes_away {
            self.say(client, signalling::go_away());
            self.outputs.push_back((client, SignallingOutput::Close));
        }
    }

    fn hear(&mut self, codec: CodecId, frame: &[u8]) {
        if !self.config.takes_talk {
            self.stats.unwanted_talk += 1;
            return;
        }
        self.stats.talk_frames += 1;
        self.stats.talk_bytes += frame.len() as u64;
        self.stats.talk_codec = Some(codec);
        if self.talk.len() + frame.len() <= KEPT_TALK {
            self.talk.extend(frame);
        }
    }
}
