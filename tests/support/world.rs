//! A client and a simulated camera in memory, joined by a link with seeded faults, in virtual time.

#![allow(dead_code, reason = "each test binary uses its own part")]

use gstwyze::protocol::client::{CameraClock, CameraInfo, Client, Config, Event};
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::error::{Error, Stage};
use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::reassembly::Frame;
use gstwyze::protocol::talk::TalkEvent;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wyze_camera::{
    Camera, CameraConfig, CameraEvent, DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope, Link, LinkConfig, MediaFrame, Synthetic,
    SyntheticConfig,
};

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 40000);
pub const DISCOVERY: ([u8; 4], u16) = ([10, 0, 0, 2], 32761);
pub const EPHEMERAL: ([u8; 4], u16) = ([10, 0, 0, 2], 51234);
/// A datagram to this address reaches the camera's discovery port, and any other listener.
pub const BROADCAST: ([u8; 4], u16) = ([255, 255, 255, 255], 32761);

/// A datagram on its way to the camera.
#[derive(Clone)]
pub struct Up {
    to_discovery: bool,
    data: Vec<u8>,
}

impl AsMut<[u8]> for Up {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }
}

/// Another sender in the network. It is called with each datagram of the client and its destination, and returns
/// datagrams, each with its source address, that reach the client before the camera's answer does.
pub type Stranger = Box<dyn FnMut(SocketAddr, &[u8]) -> Vec<(SocketAddr, Vec<u8>)>>;

pub struct World {
    pub now: Instant,
    pub client: Client,
    pub camera: Camera,
    pub up: Link<Up>,
    pub down: Link<Vec<u8>>,
    /// Odds of losing a media datagram, on top of the link's own losses. Drawn here, not by the link, so that `hit`
    /// tells which frames lost one.
    pub media_loss: f64,
    pub rng: StdRng,
    /// The media that the camera sends, and the time of the first frame.
    pub source: Option<(Instant, Synthetic)>,
    pub sent: Vec<MediaFrame>,
    /// Indices in `sent` of the frames that lost a datagram to `media_loss`.
    pub hit: BTreeSet<usize>,
    pub received: Vec<Frame>,
    pub stages: Vec<Stage>,
    pub connected: Option<CameraInfo>,
    /// What was told of the camera's clock.
    pub clocks: Vec<CameraClock>,
    pub ended: Option<Error>,
    /// Those that say how a talk goes.
    pub talk_events: Vec<TalkEvent>,
    /// How long the sound lasts that was reported as sent.
    pub talk_sent: Duration,
    pub unanswered: Vec<u16>,
    /// K-commands that the camera refused, and its numbers.
    pub refused: Vec<(u16, u8)>,
    /// What callers' commands came to.
    pub replies: Vec<(u64, Option<Vec<u8>>)>,
    pub counts_by_head: bool,
    /// Whether the viewer can use the frames that come.
    pub usable: bool,
    pub silent: Vec<(Medium, bool)>,
    pub camera_events: Vec<CameraEvent>,
    pub stranger: Option<Stranger>,
    /// Datagrams that the client sent to other addresses than the camera's and the broadcast address.
    pub astray: Vec<(SocketAddr, Vec<u8>)>,
    /// The camera's datagrams that reached the client, if they are to be recorded.
    pub recording: Option<Vec<Vec<u8>>>,
}

pub fn credentials() -> Credentials {
    Credentials::new(DEMO_UID, DEMO_ENR, DEMO_MAC).unwrap()
}

pub fn client_config() -> Config {
    Config { targets: vec![SocketAddr::from(DISCOVERY)], connect_timeout: Duration::from_secs(10), ..Config::default() }
}

pub fn camera_config(envelope: Envelope) -> CameraConfig {
    CameraConfig { envelope, ..CameraConfig::new(credentials()) }
}

impl World {
    pub fn new(client: Config, camera: CameraConfig, seed: u64) -> Self {
        Self::with_keys(credentials(), client, camera, seed)
    }

    /// Makes a world whose client has these keys.
    pub fn with_keys(keys: Credentials, client: Config, camera: CameraConfig, seed: u64) -> Self {
        Self::make(Duration::from_secs(1_700_000_000), keys, client, camera, seed)
    }

    /// Makes a world whose wall clock says `unix_time`.
    pub fn at(unix_time: Duration, client: Config, camera: CameraConfig, seed: u64) -> Self {
        Self::make(unix_time, credentials(), client, camera, seed)
    }

    fn make(unix_time: Duration, keys: Credentials, client: Config, camera: CameraConfig, seed: u64) -> Self {
        let now = Instant::now();
        World {
            now,
            client: Client::new(keys, client, now, unix_time, [seed as u8; 32]),
            camera: Camera::new(camera, seed),
            up: Link::new(LinkConfig::default(), seed),
            down: Link::new(LinkConfig::default(), seed + 1),
            media_loss: 0.0,
            rng: StdRng::seed_from_u64(seed),
            source: None,
            sent: Vec::new(),
            hit: BTreeSet::new(),
            received: Vec::new(),
            stages: Vec::new(),
            connected: None,
            clocks: Vec::new(),
            ended: None,
            talk_events: Vec::new(),
            talk_sent: Duration::ZERO,
            unanswered: Vec::new(),
            refused: Vec::new(),
            replies: Vec::new(),
            counts_by_head: false,
            usable: true,
            silent: Vec::new(),
            camera_events: Vec::new(),
            stranger: None,
            astray: Vec::new(),
            recording: None,
        }
    }

    pub fn set_link(&mut self, config: LinkConfig) {
        self.up.set_config(config);
        self.down.set_config(config);
    }

    /// Carries datagrams and events until nothing more happens at the present time.
    pub fn exchange(&mut self) {
        loop {
            let mut moved = false;
            let mut forged = Vec::new();
            while let Some(transmit) = self.client.poll_transmit() {
                if let Some(stranger) = &mut self.stranger {
                    forged.extend(stranger(transmit.to, &transmit.data));
                }
                let is = |place: ([u8; 4], u16)| transmit.to == SocketAddr::from(place);
                let to_discovery = is(DISCOVERY) || is(BROADCAST);
                if to_discovery || is(EPHEMERAL) {
                    self.up.send(self.now, Up { to_discovery, data: transmit.data });
                } else {
                    self.astray.push((transmit.to, transmit.data));
                }
            }
            for (from, mut datagram) in forged {
                self.client.handle_datagram(self.now, from, &mut datagram);
                moved = true;
            }
            self.drain_camera(None);
            while let Some(mut up) = self.up.poll(self.now) {
                let from = SocketAddr::from(CLIENT);
                self.camera.handle_datagram(self.now, from, up.to_discovery, &mut up.data);
                moved = true;
            }
            while let Some(mut down) = self.down.poll(self.now) {
                if let Some(recording) = &mut self.recording {
                    recording.push(down.clone());
                }
                self.client.handle_datagram(self.now, SocketAddr::from(EPHEMERAL), &mut down);
                moved = true;
            }
            self.drain_events();
            if !moved {
                return;
            }
        }
    }

    pub fn drain_camera(&mut self, frame: Option<usize>) {
        while let Some(transmit) = self.camera.poll_transmit() {
            if let Some(frame) = frame
                && self.rng.random_bool(self.media_loss)
            {
                self.hit.insert(frame);
                continue;
            }
            self.down.send(self.now, transmit.data);
        }
        while let Some(event) = self.camera.poll_event() {
            self.camera_events.push(event);
        }
    }

    pub fn drain_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Stage(stage) => self.stages.push(stage),
                Event::Connected(info) => self.connected = Some(info),
                Event::Clock(clock) => self.clocks.push(clock),
                Event::Frame(frame) => {
                    self.client.judge(frame.medium, self.usable, self.now);
                    self.received.push(frame);
                }
                Event::Silent(medium, is_silent) => self.silent.push((medium, is_silent)),
                Event::Talk(TalkEvent::Sent(report)) => self.talk_sent += report.sound,
                Event::Talk(event) => self.talk_events.push(event),
                Event::Reply(caller, answer) => self.replies.push((caller, answer)),
                Event::CountsByHead => self.counts_by_head = true,
                Event::Unanswered(command) => self.unanswered.push(command),
                Event::Refused(command, number) => self.refused.push((command, number)),
                Event::Ended(error) => self.ended = Some(error),
            }
        }
    }

    pub fn next_event(&self) -> Option<Instant> {
        let due = self.source.as_ref().and_then(|(start, source)| Some(*start + source.next_due()?));
        let times = [
            self.client.poll_timeout(),
            self.camera.poll_timeout(),
            self.up.poll_timeout(),
            self.down.poll_timeout(),
            due,
        ];
        times.into_iter().flatten().min()
    }

    pub fn tick(&mut self) {
        while let Some((start, source)) = &mut self.source
            && source.next_due().is_some_and(|due| *start + due <= self.now)
        {
            let (_, frame) = source.next_frame().unwrap();
            self.camera.push_frame(self.now, &frame);
            self.sent.push(frame);
            self.drain_camera(Some(self.sent.len() - 1));
        }
        self.client.handle_timeout(self.now);
        self.camera.handle_timeout(self.now);
        self.exchange();
    }

    /// Advances virtual time until `done` returns true or the client ends, by `limit` at most.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&World) -> bool) {
        let end = self.now + limit;
        self.exchange();
        while !done(self) && self.ended.is_none() {
            let next = self.next_event().unwrap_or(end).max(self.now);
            if next >= end {
                self.now = end;
                return;
            }
            self.now = next;
            self.tick();
        }
    }

    pub fn connect(&mut self) {
        self.run_until(Duration::from_secs(10), |world| world.connected.is_some());
        assert_eq!(self.ended, None);
        assert!(self.connected.is_some(), "not connected: at {:?}", self.stages);
    }

    pub fn stream(&mut self, config: SyntheticConfig, time: Duration) {
        self.source = Some((self.now, Synthetic::new(config)));
        self.run_until(time, |_| false);
        self.source = None;
        // Datagrams in flight arrive, and the client gives up on lost ones.
        self.run_until(Duration::from_secs(1), |_| false);
    }

    /// Asserts that the client delivered every sent frame except those with an index in `hit`, in order and byte for
    /// byte.
    pub fn assert_received_all_but(&self, hit: &BTreeSet<usize>) {
        for medium in [Medium::Video, Medium::Audio] {
            let sent: Vec<_> = self
                .sent
                .iter()
                .enumerate()
                .filter(|(number, frame)| frame.is_audio() == (medium == Medium::Audio) && !hit.contains(number))
                .map(|(_, frame)| frame)
                .collect();
            let received: Vec<_> = self.received.iter().filter(|frame| frame.medium == medium).collect();
            assert_eq!(received.len(), sent.len(), "{medium:?} frames, stats {:?}", self.client.stats());
            for (received, sent) in received.iter().zip(sent) {
                assert!(received.data == sent.data, "{medium:?} frame {:?}", received.info);
                assert_eq!(received.info.codec, sent.codec);
                assert_eq!(
                    (received.info.seconds, received.info.microseconds, received.info.flags),
                    (sent.seconds, sent.microseconds, sent.flags)
                );
            }
        }
    }

    pub fn assert_no_deviation(&self) {
        let entries: Vec<_> = self.camera.log().entries().iter().map(ToString::to_string).collect();
        assert!(entries.is_empty(), "the camera logged: {entries:#?}");
        assert!(self.unanswered.is_empty(), "commands without an answer: {:?}", self.unanswered);
        assert!(self.refused.is_empty(), "refused commands: {:?}", self.refused);
    }
}

pub fn both_envelopes() -> [Envelope; 2] {
    [Envelope::Transcode, Envelope::Cc51]
}

/// Media whose frames take many packets each.
pub const FAT: SyntheticConfig = SyntheticConfig {
    video: Some(gstwyze::protocol::wire::codec::CodecId::H264),
    fps: 20,
    gop: 40,
    key_frame_len: 150_000,
    frame_len: 20_000,
    frame_size: 0,
    audio: Some(gstwyze::protocol::wire::codec::CodecId::MULAW),
    audio_rate: 8000,
    start: Duration::from_secs(1_700_000_000),
    seed: 1,
};
