//! A camera that speaks WebRTC, made of str0m as the other side, and a viewer of it, in memory and in virtual time.

#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "web_frames.rs"]
mod web_frames;

use base64::prelude::*;
use gstwyze::protocol::client::{CameraClock, CameraInfo, Event};
use gstwyze::protocol::error::{Error, Stage};
use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::reassembly::Frame;
use gstwyze::protocol::talk::TalkEvent;
use gstwyze::protocol::webrtc::{Viewer, ViewerConfig};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};
use str0m::change::SdpOffer;
use str0m::format::Codec;
use str0m::media::{Frequency, MediaTime, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RawPacket;
use str0m::rtp::rtcp::Rtcp;
use str0m::{Candidate, Input, Output, Rtc};
use wyze_camera::{Link, LinkConfig};

pub use web_frames::{picture, sound};

pub const VIEWER: ([u8; 4], u16) = ([10, 0, 0, 1], 40000);
pub const CAMERA: ([u8; 4], u16) = ([10, 0, 0, 2], 50000);
pub const SECOND: Duration = Duration::from_secs(1);
const PICTURE: Duration = Duration::from_millis(50);
const SOUND: Duration = Duration::from_millis(20);
/// Pictures from one key frame to the next, unless one is asked for.
const GOP: u32 = 60;

/// How a camera differs from a well-behaved one.
#[derive(Clone)]
pub struct WebCameraConfig {
    pub video: Codec,
    pub audio: Codec,
    /// Whether it has a stream of its own for repairs. Otherwise it sends the lost packet itself again.
    pub rtx: bool,
    /// Whether it sends anything again.
    pub repeats: bool,
    /// What it names its media, whatever was offered.
    pub mids: Option<[&'static str; 2]>,
    /// Whether it says that it receives the picture, too.
    pub sendrecv: bool,
    /// Whether it listens.
    pub hears: bool,
    /// Whether its candidates come before its answer.
    pub early: bool,
    /// Whether its answer tells its streams' numbers.
    pub tells_ssrc: bool,
    /// Whether it makes a key frame when it is asked.
    pub heeds_pli: bool,
    /// Whether it begins with a key frame.
    pub begins_with_key: bool,
}

impl Default for WebCameraConfig {
    fn default() -> Self {
        WebCameraConfig {
            video: Codec::H264,
            audio: Codec::Opus,
            rtx: true,
            repeats: true,
            mids: None,
            sendrecv: false,
            hears: true,
            early: false,
            tells_ssrc: true,
            heeds_pli: true,
            begins_with_key: true,
        }
    }
}

pub struct WebCamera {
    config: WebCameraConfig,
    rtc: Rtc,
    timeout: Option<Instant>,
    media: Option<[(Mid, Pt); 2]>,
    pub offer: Option<String>,
    pub texts: VecDeque<String>,
    pub transmits: VecDeque<Vec<u8>>,
    /// Packets sent, by the low 16 bits of their number, for a camera without a stream for repairs.
    sent: HashMap<u16, Vec<u8>>,
    video_ssrc: Option<u32>,
    /// The number of each stream's next packet, for a camera that repeats nothing.
    next: HashMap<u32, u16>,
    pub connected: bool,
    pub closed: bool,
    pub plis: u64,
    pub wants_key: bool,
    pub heard: Vec<Vec<u8>>,
}

pub fn message(kind: &str, payload: &str) -> String {
    json!({ "messageType": kind, "senderClientId": "", "messagePayload": BASE64_STANDARD.encode(payload) }).to_string()
}

/// The action and the payload of a text.
pub fn payload(text: &str) -> (String, Value) {
    let message: Value = serde_json::from_str(text).unwrap();
    let payload = BASE64_STANDARD.decode(message["messagePayload"].as_str().unwrap()).unwrap();
    (message["action"].as_str().unwrap_or_default().to_owned(), serde_json::from_slice(&payload).unwrap())
}

impl WebCamera {
    pub fn new(config: WebCameraConfig, now: Instant) -> Self {
        let mut builder = Rtc::builder()
            .set_crypto_provider(Arc::new(str0m_openssl::default_provider()))
            .clear_codecs()
            .enable_raw_packets(!config.rtx && config.repeats);
        let codecs = builder.codec_config();
        let rtx = config.rtx.then_some(97.into());
        match config.video {
            Codec::H265 => codecs.add_h265(96.into(), rtx, 1, 0, 180),
            _ => codecs.add_h264(96.into(), rtx, true, 0x42e01f),
        }
        match config.audio {
            Codec::PCMU => codecs.enable_pcmu(true, false),
            Codec::PCMA => codecs.enable_pcma(true, false),
            _ => codecs.enable_opus(true, false),
        }
        let mut rtc = builder.build(now);
        rtc.add_local_candidate(Candidate::host(CAMERA.into(), "udp").unwrap());
        let wants_key = config.begins_with_key;
        WebCamera {
            config,
            rtc,
            timeout: None,
            media: None,
            offer: None,
            texts: VecDeque::new(),
            transmits: VecDeque::new(),
            sent: HashMap::new(),
            video_ssrc: None,
            next: HashMap::new(),
            connected: false,
            closed: false,
            plis: 0,
            wants_key,
            heard: Vec::new(),
        }
    }

    pub fn handle_text(&mut self, text: &str) {
        let (action, payload) = payload(text);
        if action == "ICE_CANDIDATE" {
            self.rtc.add_remote_candidate(Candidate::from_sdp_string(payload["candidate"].as_str().unwrap()).unwrap());
            self.drain();
            return;
        }
        let offer = payload["sdp"].as_str().unwrap();
        self.offer = Some(offer.to_owned());
        let offer = if self.config.rtx { offer.to_owned() } else { without_rtx(offer) };
        let answer = self.rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(&offer).unwrap()).unwrap();
        let mut answer = answer.to_sdp_string();
        let candidate = answer.lines().find_map(|line| line.strip_prefix("a=candidate:")).unwrap().to_owned();
        let is_kept = |line: &&str| {
            let ssrc = line.starts_with("a=ssrc");
            !line.starts_with("a=candidate:") && (self.config.tells_ssrc || !ssrc)
        };
        answer = answer.lines().filter(is_kept).map(|line| format!("{line}\r\n")).collect();
        if self.config.sendrecv {
            answer = answer.replace("a=sendonly", "a=sendrecv");
        }
        if !self.config.hears {
            let (video, audio) = answer.split_once("m=audio").unwrap();
            answer = format!("{video}m=audio{}", audio.replace("a=sendrecv", "a=sendonly"));
        }
        if let Some([video, audio]) = self.config.mids {
            answer = answer.replace("BUNDLE 0 1", &format!("BUNDLE {video} {audio}"));
            answer = answer.replace("a=mid:0", &format!("a=mid:{video}")).replace("a=mid:1", &format!("a=mid:{audio}"));
        }
        let answer = message("SDP_ANSWER", &json!({ "type": "answer", "sdp": answer }).to_string());
        let line = json!({ "candidate": format!("candidate:{candidate}"), "sdpMid": "0", "sdpMLineIndex": 0 });
        let candidate = message("ICE_CANDIDATE", &line.to_string());
        let name = json!({ "candidate": "candidate:9 1 udp 1 2b8a1b9e-0000.local 4000 typ host", "sdpMid": "0" });
        let name = message("ICE_CANDIDATE", &name.to_string());
        self.texts.extend(if self.config.early { [candidate, name, answer] } else { [answer, name, candidate] });
        self.drain();
    }

    pub fn handle_datagram(&mut self, datagram: &[u8], now: Instant) {
        let Ok(contents) = datagram.try_into() else { return };
        let receive = Receive { proto: Protocol::Udp, source: VIEWER.into(), destination: CAMERA.into(), contents };
        self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
        self.drain();
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timeout.is_some_and(|at| at <= now) {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
            self.drain();
        }
    }

    pub fn send(&mut self, medium: Medium, data: Vec<u8>, time: Duration, now: Instant) {
        let Some(media) = self.media else { return };
        let (mid, pt) = media[medium as usize];
        let rate = match (medium, self.config.audio) {
            (Medium::Video, _) => Frequency::NINETY_KHZ,
            (Medium::Audio, Codec::Opus) => Frequency::FORTY_EIGHT_KHZ,
            _ => Frequency::EIGHT_KHZ,
        };
        let ticks = time.as_micros() * u128::from(rate.get()) / 1_000_000;
        // So that RTP time wraps soon.
        let time = MediaTime::new(u64::from(u32::MAX) - 5 * u64::from(rate.get()) + ticks as u64, rate);
        // Once it has closed, nothing goes out.
        if let Some(writer) = self.rtc.writer(mid) {
            writer.write(pt, now, time, data).unwrap();
            self.drain();
        }
    }

    pub fn close(&mut self, now: Instant) {
        self.rtc.close().unwrap();
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.timeout = Some(at);
                    return;
                }
                Output::Transmit(transmit) => self.transmit(transmit.contents.to_vec()),
                Output::Event(event) => self.handle_event(event),
            }
        }
    }

    fn transmit(&mut self, data: Vec<u8>) {
        if !self.config.rtx && is_media(&data) && self.video_ssrc == Some(ssrc(&data)) {
            self.sent.insert(u16::from_be_bytes([data[2], data[3]]), data.clone());
        }
        if !self.config.repeats && is_media(&data) {
            let number = u16::from_be_bytes([data[2], data[3]]);
            let next = self.next.insert(ssrc(&data), number.wrapping_add(1));
            if next.is_some_and(|next| next != number) {
                self.next.extend(next.map(|next| (ssrc(&data), next)));
                return;
            }
        }
        self.transmits.push_back(data);
    }

    fn handle_event(&mut self, event: str0m::Event) {
        use str0m::Event as E;
        match event {
            E::Connected => {
                self.connected = true;
                let mids = [Medium::Video, Medium::Audio].map(|medium| if medium == Medium::Video { "0" } else { "1" });
                self.media = Some(mids.map(|mid| {
                    let mid = Mid::from(mid);
                    let pt = self.rtc.writer(mid).unwrap().payload_params().next().unwrap().pt();
                    (mid, pt)
                }));
                let mut direct = self.rtc.direct_api();
                let stream = direct.stream_tx_by_mid("0".into(), None).unwrap();
                stream.set_rtx_cache(4000, Duration::from_secs(3), None);
                self.video_ssrc = Some(*stream.ssrc());
            }
            E::Closed => self.closed = true,
            E::KeyframeRequest(_) => {
                self.plis += 1;
                self.wants_key |= self.config.heeds_pli;
            }
            E::MediaData(data) => self.heard.push(data.data.to_vec()),
            E::RawPacket(packet) => {
                if let RawPacket::RtcpRx(Rtcp::Nack(nack)) = *packet {
                    for number in nack.reports.iter().flat_map(|entry| {
                        let bits = (0..16).filter(|bit| entry.blp >> bit & 1 == 1);
                        std::iter::once(entry.pid).chain(bits.map(|bit| entry.pid.wrapping_add(bit + 1)))
                    }) {
                        self.transmits.extend(self.sent.get(&number).cloned());
                    }
                }
            }
            _ => {}
        }
    }
}

/// An offer as a camera reads it that does not know of streams for repairs.
fn without_rtx(offer: &str) -> String {
    let number = |line: &str| Some(line.strip_prefix("a=rtpmap:")?.strip_suffix(" rtx/90000")?.to_owned());
    let numbers: Vec<_> = offer.lines().filter_map(number).collect();
    assert!(!numbers.is_empty());
    let line = |line: &str| match line.strip_prefix("m=") {
        Some(_) => {
            Some(line.split(' ').filter(|word| !numbers.iter().any(|n| n == word)).collect::<Vec<_>>().join(" "))
        }
        None if numbers.iter().any(|n| line.contains(&format!(":{n} "))) => None,
        None => Some(line.to_owned()),
    };
    offer.lines().filter_map(line).map(|line| line + "\r\n").collect()
}

pub fn is_media(datagram: &[u8]) -> bool {
    datagram.len() > 12 && (128..192).contains(&datagram[0]) && !(192..224).contains(&datagram[1])
}

fn ssrc(packet: &[u8]) -> u32 {
    u32::from_be_bytes(packet[8..12].try_into().unwrap())
}

/// One frame that the camera sent.
pub struct Sent {
    pub data: Vec<u8>,
    pub is_key: bool,
    pub at: Instant,
}

pub struct WebWorld {
    pub now: Instant,
    pub started: Instant,
    /// The wall clock at `started`: the real one, as str0m stamps its reports with that.
    pub unix_time: Duration,
    pub viewer: Viewer,
    pub camera: WebCamera,
    pub up: Link<Vec<u8>>,
    pub down: Link<Vec<u8>>,
    /// The size of a key frame.
    pub kilobytes: usize,
    /// Odds of losing a datagram of media.
    pub loss: f64,
    /// Datagrams that the camera sends and that get lost, in a row from now on.
    pub lose: u32,
    pub rng: StdRng,
    /// Whether signalling texts get through.
    pub signals: bool,
    /// Whether datagrams of the camera get through.
    pub is_there: bool,
    /// When the next picture and sound are due.
    pub next: [Option<Instant>; 2],
    numbers: [u32; 2],
    pub sent: [Vec<Sent>; 2],
    pub received: [Vec<Frame>; 2],
    /// Whether sent and received frames are kept, or only the newest of them.
    pub keeps: bool,
    pub stages: Vec<Stage>,
    pub connected: Option<CameraInfo>,
    pub clocks: Vec<CameraClock>,
    pub talk_events: Vec<TalkEvent>,
    pub talk_sent: Duration,
    pub silent: Vec<(Medium, bool)>,
    pub ended: Option<Error>,
    /// Datagrams of the viewer to others than the camera, or from an address that is not its own.
    pub astray: Vec<(SocketAddr, Vec<u8>)>,
    /// Texts of the viewer, while `signals` is off.
    pub texts: Vec<String>,
}

pub fn viewer_config() -> ViewerConfig {
    ViewerConfig { stall_timeout: Some(Duration::from_secs(5)), ..ViewerConfig::new("viewer-1".into()) }
}

/// A camera, and a viewer that has not connected yet.
pub fn world(camera: WebCameraConfig) -> WebWorld {
    WebWorld::new(viewer_config(), camera, 1)
}

/// A camera that has been streaming for a second.
pub fn streaming(camera: WebCameraConfig) -> WebWorld {
    let mut world = world(camera);
    world.connect();
    world.start_media();
    world.run(SECOND);
    world
}

impl WebWorld {
    pub fn new(config: ViewerConfig, camera: WebCameraConfig, seed: u64) -> Self {
        let now = Instant::now();
        let unix_time = UNIX_EPOCH.elapsed().unwrap();
        let latency = LinkConfig { latency: Duration::from_millis(5), ..LinkConfig::default() };
        WebWorld {
            now,
            started: now,
            unix_time,
            viewer: Viewer::new(config, &[VIEWER.into()], now, unix_time, [seed as u8; 32]),
            camera: WebCamera::new(camera, now),
            up: Link::new(latency, seed),
            down: Link::new(latency, seed + 1),
            kilobytes: 20,
            loss: 0.0,
            lose: 0,
            rng: StdRng::seed_from_u64(seed),
            signals: true,
            is_there: true,
            next: [None; 2],
            numbers: [0; 2],
            sent: [Vec::new(), Vec::new()],
            received: [Vec::new(), Vec::new()],
            keeps: true,
            stages: Vec::new(),
            connected: None,
            clocks: Vec::new(),
            talk_events: Vec::new(),
            talk_sent: Duration::ZERO,
            silent: Vec::new(),
            ended: None,
            astray: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// Carries texts and datagrams until nothing more happens at the present time.
    pub fn exchange(&mut self) {
        loop {
            let mut moved = false;
            while let Some(text) = self.viewer.poll_text() {
                moved = true;
                if self.signals { self.camera.handle_text(&text) } else { self.texts.push(text) }
            }
            while let Some(text) = self.camera.texts.pop_front() {
                moved = true;
                self.viewer.handle_text(self.now, &text);
            }
            while let Some(transmit) = self.viewer.poll_transmit() {
                match (transmit.from, transmit.to) == (VIEWER.into(), CAMERA.into()) {
                    true => self.up.send(self.now, transmit.data),
                    false => self.astray.push((transmit.to, transmit.data)),
                }
            }
            while let Some(data) = self.camera.transmits.pop_front() {
                let is_lost = is_media(&data) && (self.lose > 0 || self.rng.random_bool(self.loss));
                if is_lost {
                    self.lose = self.lose.saturating_sub(1);
                } else if self.is_there {
                    self.down.send(self.now, data);
                }
            }
            while let Some(data) = self.up.poll(self.now) {
                moved = true;
                if self.is_there {
                    self.camera.handle_datagram(&data, self.now);
                }
            }
            while let Some(mut data) = self.down.poll(self.now) {
                moved = true;
                self.viewer.handle_datagram(self.now, CAMERA.into(), VIEWER.into(), &mut data);
            }
            self.drain_events();
            if !moved {
                return;
            }
        }
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.viewer.poll_event() {
            assert_eq!(self.ended, None, "nothing comes after the end");
            match event {
                Event::Stage(stage) => self.stages.push(stage),
                Event::Connected(info) => self.connected = Some(info),
                Event::Clock(clock) => self.clocks.push(clock),
                Event::Frame(frame) => {
                    self.viewer.judge(frame.medium, true, self.now);
                    let received = &mut self.received[frame.medium as usize];
                    if !self.keeps {
                        received.clear();
                    }
                    received.push(frame);
                }
                Event::Silent(medium, is_silent) => self.silent.push((medium, is_silent)),
                Event::Talk(TalkEvent::Sent(report)) => self.talk_sent += report.sound,
                Event::Talk(event) => self.talk_events.push(event),
                Event::Ended(error) => self.ended = Some(error),
                other => panic!("{other:?}"),
            }
        }
    }

    fn next_event(&self) -> Option<Instant> {
        let times = [self.viewer.poll_timeout(), self.camera.timeout, self.up.poll_timeout(), self.down.poll_timeout()];
        times.into_iter().chain(self.next).flatten().min()
    }

    fn send_due(&mut self) {
        for medium in Medium::ALL {
            let index = medium as usize;
            while let Some(at) = self.next[index].filter(|at| *at <= self.now) {
                let number = self.numbers[index];
                self.numbers[index] += 1;
                let (step, is_key, data) = match medium {
                    Medium::Video => {
                        let is_key = std::mem::take(&mut self.camera.wants_key) || number % GOP == GOP - 1;
                        (PICTURE, is_key, picture(number, is_key, self.camera.config.video, self.kilobytes))
                    }
                    Medium::Audio => (SOUND, false, sound(number)),
                };
                self.next[index] = Some(at + step);
                self.camera.send(medium, data.clone(), at - self.started, self.now);
                let sent = &mut self.sent[index];
                if !self.keeps {
                    sent.clear();
                }
                sent.push(Sent { data, is_key, at });
            }
        }
    }

    pub fn tick(&mut self) {
        self.send_due();
        self.viewer.handle_timeout(self.now);
        self.camera.handle_timeout(self.now);
        self.exchange();
    }

    /// Advances virtual time until `done` returns true or the viewer ends, by `limit` at most.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&WebWorld) -> bool) {
        let end = self.now + limit;
        let had_ended = self.ended.is_some();
        self.exchange();
        while !done(self) && (had_ended || self.ended.is_none()) {
            let next = self.next_event().unwrap_or(end).max(self.now);
            if next >= end {
                self.now = end;
                return;
            }
            self.now = next;
            self.tick();
        }
    }

    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    pub fn connect(&mut self) {
        self.run_until(Duration::from_secs(10), |world| world.connected.is_some() && world.camera.connected);
        assert_eq!(self.ended, None);
        assert!(self.connected.is_some(), "not connected: at {:?}", self.stages);
    }

    /// Has the camera send picture and sound from now on.
    pub fn start_media(&mut self) {
        self.next = [Some(self.now); 2];
    }

    /// Has the camera send for this time, and waits for what is still on its way.
    pub fn stream(&mut self, time: Duration) {
        self.start_media();
        self.run(time);
        self.next = [None; 2];
        self.run(Duration::from_secs(1));
        assert_eq!(self.ended, None);
    }

    /// Asserts that what came is what was sent, byte for byte and in order, and that what is missing shows as a gap.
    /// Returns how many frames are missing.
    pub fn count_missing(&self, medium: Medium) -> usize {
        let mut sent = self.sent[medium as usize].iter();
        let mut all_missing = 0;
        for received in &self.received[medium as usize] {
            let missing = sent.position(|sent| sent.data == received.data).expect("it was sent");
            assert_eq!(received.after_gap, missing > 0, "{medium:?} {:?}", received.info);
            all_missing += missing;
        }
        all_missing + sent.len()
    }

    /// Asserts that what was sent came, all of it and byte for byte.
    pub fn assert_all_received(&self, medium: Medium) {
        let (sent, received) = (&self.sent[medium as usize], &self.received[medium as usize]);
        assert_eq!(received.len(), sent.len(), "{medium:?}: {:?}", self.viewer.stats());
        for (number, (sent, received)) in sent.iter().zip(received).enumerate() {
            assert!(received.data == sent.data, "{medium:?} {number}");
            assert_eq!(received.info.payload_size as usize, sent.data.len());
            if medium == Medium::Video {
                assert_eq!(received.info.is_key_frame(), sent.is_key, "{number}");
            }
        }
    }
}
