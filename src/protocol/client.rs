//! One connection to one camera, without sockets, threads or a clock: datagrams and times in; datagrams, events and the next time out.
//!
//! After each `handle_…` call, drain [`Client::poll_transmit`] and [`Client::poll_event`], then wait for a datagram or for
//! [`Client::poll_timeout`]. This file has the stages up to DTLS; `av` what is said inside it. Only the DTLS handshake's timer is OpenSSL's own and runs on the real clock.

mod av;
mod back_channel;
mod handshakes;
mod liveness;
mod media_watch;
mod search;

use super::control_channel::ControlChannel;
use super::credentials::Credentials;
use super::dtls::record::{Record, records};
use super::dtls::{self, Endpoint, Role, Suite};
use super::error::{Error, Stage};
use super::medium::MediaSet;
use super::model::{self, VideoWish};
use super::reassembly::{Frame, Reassembler};
use super::record_window::{Arrival, RecordWindow};
use super::stats::Stats;
use super::talk::{Talk, TalkEvent};
use super::timers::{Timer, TimerTable};
use super::transport::{Envelope, Incoming, Transmit, Transport};
use super::wire::{Channel, SessionId, hl};
use handshakes::Handshakes;
use media_watch::MediaWatch;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Between two requests for a key frame.
const KEY_FRAME_INTERVAL: Duration = Duration::from_secs(2);

/// What to connect to, and what for.
#[derive(Debug, Clone)]
pub struct Config {
    pub credentials: Credentials,
    /// Where to look for the camera: its address, or broadcast addresses.
    pub targets: Vec<SocketAddr>,
    /// The media that the camera is asked for.
    pub media: MediaSet,
    /// Overrides what the camera says it is.
    pub model: Option<String>,
    pub video_wish: VideoWish,
    /// From the first probe to the camera's consent.
    pub connect_timeout: Duration,
    /// Probes once in a while, for a camera that may be away for long.
    pub patient: bool,
    /// A camera that sends no media for this long, where some are wanted, is lost; `None` for no such limit.
    pub stall_timeout: Option<Duration>,
    /// How long late packets are waited for.
    pub reorder_wait: Duration,
    /// The handshake's first re-send.
    pub dtls_first_resend: Duration,
}

impl Config {
    /// What suits a camera on a local network: all media, in the best picture. Where to look for it is still to be filled in.
    pub fn new(credentials: Credentials) -> Self {
        Config {
            credentials,
            targets: Vec::new(),
            media: MediaSet::BOTH,
            model: None,
            video_wish: VideoWish::default(),
            connect_timeout: Duration::from_secs(15),
            patient: false,
            stall_timeout: None,
            reorder_wait: Duration::from_millis(100),
            dtls_first_resend: Duration::from_millis(300),
        }
    }
}

/// What became known of a camera while connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraInfo {
    pub envelope: Envelope,
    pub suite: Suite,
    pub address: SocketAddr,
    /// Empty where the camera did not say.
    pub model: String,
    pub firmware: String,
    /// The media that the camera did not refuse when it was asked for them.
    pub media: MediaSet,
    pub two_way_audio: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Stage(Stage),
    /// The camera streams from now on.
    Connected(CameraInfo),
    Frame(Frame),
    Talk(TalkEvent),
    /// A command that the camera did not answer in time; the session goes on.
    Unanswered(u16),
    /// The last event of a session that was not closed by [`Client::close`].
    Ended(Error),
}

pub struct Client {
    config: Config,
    stage: Stage,
    stage_since: Instant,
    started: Instant,
    ended: bool,
    rng: StdRng,
    transport: Transport,
    session_attempts: u32,
    handshakes: Handshakes,
    /// The camera's, once it has proven itself.
    dtls: Option<Endpoint>,
    suite: Option<Suite>,
    unsent: Vec<Vec<u8>>,
    records: RecordWindow,
    login_random: [u8; 4],
    two_way_audio: bool,
    control: ControlChannel,
    /// The media that the camera was last told to send.
    told: MediaSet,
    talk: Option<Talk>,
    reassembler: Reassembler,
    model: String,
    timers: TimerTable,
    last_received: Instant,
    media: MediaWatch,
    /// Which target answered "port unreachable", and when the camera's host last did.
    refused_by: Option<SocketAddr>,
    unreachable_at: Option<Instant>,
    /// What an earlier round of this attempt failed of.
    setback: Option<Error>,
    key_frame_asked: Option<Instant>,
    stats: Stats,
    events: VecDeque<Event>,
}

impl Client {
    /// Starts at once: probes are ready to transmit. `unix_time` is the wall clock's, `seed` the source of all randomness.
    pub fn new(config: Config, now: Instant, unix_time: Duration, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let session_id = SessionId(rng.random());
        // The field has 32 bits, and wraps in 2106.
        let unix_time = unix_time.as_secs() as u32;
        let transport = Transport::new(&config.credentials, config.targets.clone(), session_id, unix_time);
        let mut settings = dtls::Settings::new(Role::Client, config.credentials.psk());
        settings.first_resend = config.dtls_first_resend;
        let mut client = Client {
            model: config.model.clone().unwrap_or_default(),
            stage: Stage::Discovery,
            stage_since: now,
            started: now,
            ended: false,
            login_random: rng.random(),
            rng,
            transport,
            session_attempts: 0,
            handshakes: Handshakes::new(settings),
            dtls: None,
            suite: None,
            unsent: Vec::new(),
            records: RecordWindow::default(),
            two_way_audio: false,
            control: ControlChannel::default(),
            told: MediaSet::NONE,
            talk: None,
            reassembler: Reassembler::default(),
            timers: TimerTable::default(),
            last_received: now,
            media: MediaWatch::default(),
            refused_by: None,
            unreachable_at: None,
            setback: None,
            key_frame_asked: None,
            stats: Stats::default(),
            events: VecDeque::from([Event::Stage(Stage::Discovery)]),
            config,
        };
        client.timers.set(Timer::Connect, now + client.config.connect_timeout);
        client.probe(now);
        client
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.incomplete = self.reassembler.incomplete;
        stats.lost = self.records.lost;
        if let Some(talk) = &self.talk {
            stats.talk_frames += talk.sent;
        }
        stats
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transport.poll_transmit()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Client::handle_timeout`] is due, if no datagram comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.ended {
            return None;
        }
        let talk = self.talk.as_ref().and_then(Talk::poll_timeout);
        [self.timers.next(), self.handshakes.poll_timeout(), talk].into_iter().flatten().min()
    }

    /// Takes a received datagram; its bytes are unscrambled in place.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        if self.ended {
            return;
        }
        match self.transport.receive(now, from, datagram, &mut self.stats) {
            Incoming::Nothing => {}
            Incoming::Alive => self.last_received = now,
            Incoming::Found => self.handle_found(now),
            Incoming::Ready(candidate) => self.handle_ready(candidate, now),
            Incoming::Dtls { channel: Channel::Main, payload, .. } if self.dtls.is_some() => {
                self.handle_records(now, from, payload);
            }
            Incoming::Dtls { candidate, channel: Channel::Main, payload } => {
                self.handshakes.handle_datagram(candidate, payload, now);
                self.after_handshake_step(now);
            }
            Incoming::Dtls { channel: Channel::Back, payload, .. } => self.handle_back_channel(now, payload),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expire(now) {
            self.handle_timer(timer, now);
        }
        self.handle_handshake_timeout(now);
        self.handle_talk_timeout(now);
    }

    /// Asks for another picture from now on.
    pub fn set_video_wish(&mut self, wish: VideoWish, now: Instant) {
        self.config.video_wish = wish;
        if self.stage == Stage::Streaming && self.config.media.video {
            self.control.queue(model::video_command(&self.model, wish));
            self.send_next_command(now);
        }
    }

    /// Asks for a key frame soon: by asking for the picture once more, which is the one way that is known to do no harm. Not
    /// more often than a camera takes to send one.
    pub fn request_key_frame(&mut self, now: Instant) {
        let recently = self.key_frame_asked.is_some_and(|at| now.duration_since(at) < KEY_FRAME_INTERVAL);
        if self.stage != Stage::Streaming || !self.told.video || recently {
            return;
        }
        self.key_frame_asked = Some(now);
        self.stats.key_frame_requests += 1;
        self.control.queue_once(model::video_command(&self.model, self.config.video_wish));
        self.send_next_command(now);
    }

    /// Asks the camera for these media, and no others, from now on.
    pub fn set_media(&mut self, media: MediaSet, now: Instant) {
        self.config.media = media;
        if self.stage == Stage::Streaming {
            self.tell_media(now);
            self.send_next_command(now);
        }
    }

    /// Changes how long the camera may send no media, from now on.
    pub fn set_stall_timeout(&mut self, stall_timeout: Option<Duration>) {
        if self.config.stall_timeout == stall_timeout {
            return;
        }
        self.config.stall_timeout = stall_timeout;
        self.watch_silence();
    }

    /// Tells the camera which media are wanted that it thinks are not, and the other way round.
    fn tell_media(&mut self, now: Instant) {
        let wanted = self.config.media;
        if wanted.video != self.told.video {
            self.control.queue(hl::media(hl::MediaKind::Video, wanted.video));
            if wanted.video {
                self.control.queue(model::video_command(&self.model, self.config.video_wish));
            }
        }
        if wanted.audio != self.told.audio {
            self.control.queue(hl::media(hl::MediaKind::Audio, wanted.audio));
        }
        self.told = wanted;
        self.media.want(wanted, now);
        self.watch_silence();
    }

    /// Tells the camera that we go; what is left to transmit says so. No event follows.
    pub fn close(&mut self) {
        if self.ended {
            return;
        }
        if self.stage == Stage::Streaming {
            let talks = self.talk.is_some();
            let on = [
                (hl::MediaKind::Video, self.told.video),
                (hl::MediaKind::Audio, self.told.audio),
                (hl::MediaKind::ReturnAudio, talks),
            ];
            for (kind, _) in on.into_iter().filter(|&(_, on)| on) {
                let frame = self.control.frame(&hl::media(kind, false));
                self.send(&frame);
            }
        }
        self.end_dtls();
        self.ended = true;
    }

    fn handle_timer(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Connect => self.fail(self.connect_error()),
            Timer::Discovery if self.stage == Stage::Discovery => self.probe(now),
            Timer::Discovery => self.repeat_session_requests(now),
            Timer::LoginSecond => self.send_login(true),
            Timer::Login => self.send_logins(now),
            Timer::Command => self.repeat_command(now),
            Timer::Ack => self.send_timed_ack(now),
            Timer::Reorder => {
                self.records.expire(now);
                self.release_held(now);
                self.deliver(now);
            }
            Timer::Idle => self.handle_silence(now),
        }
    }

    fn enter(&mut self, stage: Stage, now: Instant) {
        self.stats.stages[self.stage as usize] += now.duration_since(self.stage_since);
        self.stage = stage;
        self.stage_since = now;
        self.events.push_back(Event::Stage(stage));
    }

    fn fail(&mut self, error: Error) {
        if self.ended {
            return;
        }
        self.end_dtls();
        self.ended = true;
        self.events.push_back(Event::Ended(error));
    }

    // DTLS

    fn handle_records(&mut self, now: Instant, from: SocketAddr, payload: &[u8]) {
        for record in records(payload) {
            self.handle_record(now, from, record);
            self.release_held(now);
        }
        self.deliver(now);
    }

    fn handle_record(&mut self, now: Instant, from: SocketAddr, record: Record<'_>) {
        if record.epoch != 1 {
            // A handshake message sent again.
            self.stats.undecryptable += u64::from(record.epoch > 1);
            return;
        }
        if record.is_application_data() && self.records.must_hold(record.sequence) {
            self.records.hold(record.sequence, record.bytes, now);
            return;
        }
        if self.open_record(now, now, record.sequence, record.bytes) == Some(Arrival::InOrder) {
            self.transport.authenticated(from);
        }
    }

    fn release_held(&mut self, now: Instant) {
        while let Some((sequence, held)) = self.records.release() {
            self.open_record(now, held.arrived, sequence, &held.bytes);
            // What it reveals as missing may have had its time already.
            self.records.expire(now);
        }
    }

    /// Decrypts a record and handles what is in it; `None` where it did not authenticate.
    fn open_record(&mut self, now: Instant, arrived: Instant, sequence: u64, bytes: &[u8]) -> Option<Arrival> {
        let mut dtls = self.dtls.take()?;
        let known = self.records.is_known(sequence);
        let mut taken = None;
        dtls.handle_datagram(bytes, |plain| {
            let arrival = self.records.authenticated(sequence, arrived, self.config.reorder_wait);
            taken = Some(arrival);
            self.last_received = now;
            self.stats.reordered += u64::from(arrival == Arrival::Late);
            self.handle_av(now, sequence, plain);
        });
        match dtls.state() {
            dtls::State::Closed if self.stage == Stage::Streaming => self.fail(Error::Closed),
            dtls::State::Closed => self.fail(Error::HungUp(self.stage)),
            dtls::State::Failed(failure) => self.fail(Error::Broken { stage: self.stage, reason: failure.to_string() }),
            _ if taken.is_some() => {}
            _ if known => self.stats.duplicates += 1,
            _ => self.stats.undecryptable += 1,
        }
        self.dtls = Some(dtls);
        if self.ended {
            self.end_dtls();
        }
        self.flush_dtls();
        taken
    }

    /// Sends AV data to the camera, as one record. While one is being read, it waits in `unsent`.
    fn send(&mut self, data: &[u8]) {
        match &mut self.dtls {
            Some(dtls) => {
                dtls.send(data);
                self.flush_dtls();
            }
            None => self.unsent.push(data.to_vec()),
        }
    }

    fn flush_dtls(&mut self) {
        let Some(dtls) = &mut self.dtls else { return };
        for data in self.unsent.drain(..) {
            dtls.send(&data);
        }
        while let Some(datagram) = dtls.poll_transmit() {
            self.transport.send_dtls(Channel::Main, &datagram);
        }
    }

    fn end_dtls(&mut self) {
        self.close_back_channel();
        if let Some(dtls) = &mut self.dtls {
            dtls.close();
        }
        self.flush_dtls();
        self.handshakes.retain(|_| false);
        self.timers.stop_all();
    }
}
