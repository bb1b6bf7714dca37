//! Targets `client` and `auth_result`: a client and a hostile camera, at every stage up to streaming.
//!
//! The simulated camera brings the client to the stage that the input asks for. From then on the input decides what
//! arrives: bytes of any kind, packets that are correctly signed or scrambled, AV packets in genuine DTLS records, and
//! the camera's own datagrams, some of them lost, late, twice or damaged. Time is virtual.

use super::input::Input;
use super::memory::peak_of;
use super::{credentials, signer};
use gstwyze::protocol::client::{Client, Config, Event, Resend};
use gstwyze::protocol::dtls::Suite;
use gstwyze::protocol::error::Stage;
use gstwyze::protocol::medium::MediaSet;
use gstwyze::protocol::model::VideoWish;
use gstwyze::protocol::talk::TalkAudio;
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::control::ControlFrame;
use gstwyze::protocol::wire::hl::{self, Message};
use gstwyze::protocol::wire::login;
use gstwyze::protocol::wire::media::{FrameType, MediaChannel, MediaPacket};
use gstwyze::protocol::wire::{Channel, SessionId, cc51, iotc, transcode};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wyze_camera::{Camera, CameraConfig, Envelope, MediaFrame, ResendSupport};

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 40000);
const DISCOVERY: ([u8; 4], u16) = ([10, 0, 0, 2], 32761);
const EPHEMERAL: ([u8; 4], u16) = ([10, 0, 0, 2], 51234);
const STRANGER: ([u8; 4], u16) = ([10, 0, 0, 66], 51234);
/// Bytes that reassembly, the client and the camera may hold; more is a leak.
const MEMORY: usize = 48 << 20;
const STAGES: [Stage; 7] =
    [Stage::Streaming, Stage::Discovery, Stage::Session, Stage::Dtls, Stage::Login, Stage::Auth, Stage::Streaming];
const COMMANDS: [u16; 10] = [
    hl::AUTH_CHALLENGE,
    hl::AUTH_RESULT,
    hl::MEDIA + 1,
    hl::RESOLUTION + 1,
    hl::RESOLUTION_DOORBELL + 1,
    hl::AUTH_REQUEST,
    hl::AUTH_ANSWER,
    hl::MEDIA,
    0,
    u16::MAX,
];
static ZEROS: [u8; 1 << 14] = [0; 1 << 14];

/// Target `client`: see the module's documentation.
pub fn client(bytes: &[u8]) {
    let peak = peak_of(|| {
        let mut input = Input::new(bytes);
        let mut world = World::new(&mut input);
        let stage = input.pick(&STAGES);
        world.connect(stage);
        let mut steps = 0;
        while !input.is_empty() && steps < 2000 {
            steps += 1;
            world.step(&mut input);
            world.check();
        }
        // Longer than any silence that the client tolerates.
        world.advance(Duration::from_secs(11));
        world.check();
    });
    assert!(peak < MEMORY + 64 * bytes.len(), "{peak} bytes for {}", bytes.len());
}

/// Target `auth_result`: the camera ends authentication with these bytes as its result.
pub fn auth_result(bytes: &[u8]) {
    let mut world = World::new(&mut Input::new(&[]));
    world.connect(Stage::Auth);
    world.from_camera.clear();
    let challenge = hl::Challenge { status: hl::ChallengeStatus::Enr, challenge: [7; 16] }.emit();
    world.push_command(&challenge);
    world.push_command(&Message { command: hl::AUTH_RESULT, payload: &bytes[..bytes.len().min(8000)] }.emit());
    assert!(world.ended || world.client.stage() == Stage::Streaming, "the client still waits for a result");
    world.check();
}

/// Client and camera, and the datagrams in flight between them.
struct World {
    now: Instant,
    client: Client,
    camera: Camera,
    from_camera: VecDeque<Vec<u8>>,
    /// The client's session id and ticket, learnt from its packets.
    session_id: SessionId,
    ticket: u16,
    envelope: Envelope,
    ended: bool,
    /// Datagrams handed to the client.
    datagrams: usize,
    /// Bytes of those datagrams.
    bytes: usize,
    timeouts: usize,
    /// Calls as the application makes them.
    calls: usize,
    virtual_time: Duration,
    /// Events that the client reported.
    events: usize,
    /// Datagrams that the client sent.
    transmits: usize,
    frames: usize,
    frame_bytes: usize,
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        let (now, flags) = (Instant::now(), input.byte());
        let envelope = if flags & 1 == 0 { Envelope::Transcode } else { Envelope::Cc51 };
        let mut config = CameraConfig { envelope, ..CameraConfig::new(credentials()) };
        config.hello_verify = flags & 2 != 0;
        config.wrapped = flags & 4 != 0;
        config.resend = ResendSupport::Granted;
        config.two_way_audio = flags & 8 == 0;
        config.stall_talk = flags & 16 != 0;
        if flags & 32 != 0 {
            config.suites = vec![Suite::PskAes128CbcSha256];
        }
        let client = Config {
            targets: vec![SocketAddr::from(DISCOVERY)],
            resend: if input.flag() { Resend::On } else { Resend::Off },
            media: MediaSet { video: flags & 64 == 0, audio: flags & 128 == 0 },
            connect_timeout: Duration::from_secs(10),
            ..Config::default()
        };
        World {
            now,
            client: Client::new(credentials(), client, now, Duration::from_secs(1_700_000_000), [7; 32]),
            camera: Camera::new(config, 7),
            from_camera: VecDeque::new(),
            session_id: SessionId([0; 8]),
            ticket: 0,
            envelope,
            ended: false,
            datagrams: 0,
            bytes: 0,
            timeouts: 0,
            calls: 1,
            virtual_time: Duration::ZERO,
            events: 0,
            transmits: 0,
            frames: 0,
            frame_bytes: 0,
        }
    }

    /// Carries datagrams between client and camera until the client is at `stage`.
    fn connect(&mut self, stage: Stage) {
        self.drain();
        for _ in 0..400 {
            if self.client.stage() as usize >= stage as usize || self.ended {
                return;
            }
            match self.from_camera.pop_front() {
                Some(datagram) => self.receive(EPHEMERAL, datagram),
                None => self.advance(Duration::from_millis(10)),
            }
        }
        panic!("the client is at {:?} and does not reach {stage:?}", self.client.stage());
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(18) {
            0 => {
                let from = input.pick(&[EPHEMERAL, DISCOVERY, STRANGER]);
                self.receive(from, input.text().to_vec());
            }
            1 => self.iotc(input),
            2 => self.cc51(input),
            3 | 4 => self.push(Channel::Main, input.text()),
            5 | 6 => self.media(input),
            7 | 8 => {
                let command = input.pick(&COMMANDS);
                let message = Message { command, payload: input.text() }.emit();
                self.push_command(&message);
            }
            9 => {
                let (echo, success, two_way_audio) = (input.array(), input.byte() != 0, input.flag());
                let response = login::Response { success, two_way_audio, ..login::Response::welcome(echo) };
                self.push(input.pick(&[Channel::Main, Channel::Back]), &response.emit());
            }
            10 => self.push(Channel::Back, input.text()),
            11 => self.deliver(input),
            12 | 13 => self.disturb(input),
            14 => self.advance(Duration::from_millis(input.byte().into())),
            15 => self.advance(Duration::from_millis(20 * u64::from(input.byte()))),
            16 => self.call(input),
            _ => self.push_frame(input),
        }
    }

    /// Delivers a packet of the Transcode envelope, correctly scrambled.
    fn iotc(&mut self, input: &mut Input<'_>) {
        let from = input.pick(&[EPHEMERAL, DISCOVERY, STRANGER]);
        let session_id = if input.flag() { SessionId(input.array()) } else { self.session_id };
        let channel = input.pick(&[Channel::Main, Channel::Back]);
        let discovery = iotc::Discovery { uid: credentials().uid, session_id, stage: input.below(4), auth_key: None };
        let mut packet = match input.below(5) {
            0 => discovery.emit(iotc::DISCOVERY_RESPONSE),
            1 => iotc::Session { uid: credentials().uid, session_id, unix_time: 1 }.emit(iotc::SESSION_RESPONSE),
            2 => iotc::emit_keepalive(iotc::KEEPALIVE_FROM_CAMERA, input.array()),
            _ => {
                let sequence = input.u16();
                iotc::Data { sequence, channel, session_id, payload: input.text() }.emit(iotc::DATA_FROM_CAMERA)
            }
        };
        transcode::encode(&mut packet).unwrap();
        self.receive(from, packet);
    }

    /// Delivers a packet of the CC51 envelope, correctly signed.
    fn cc51(&mut self, input: &mut Input<'_>) {
        let (from, signer) = (input.pick(&[EPHEMERAL, DISCOVERY, STRANGER]), signer());
        let session_id = if input.flag() { SessionId(input.array()) } else { self.session_id };
        let channel = input.pick(&[Channel::Main, Channel::Back]);
        let packet = match input.below(4) {
            0 => cc51::Discovery { from_camera: true, step: input.below(5).into(), ticket: input.u16(), session_id }
                .emit(&signer),
            1 => cc51::Keepalive { counter: input.u32(), session_id }.emit(&signer),
            _ => cc51::Data { channel, ticket: self.ticket, session_id, payload: input.text() }.emit(&signer),
        };
        self.receive(from, packet);
    }

    /// Delivers a media packet whose fields are consistent more often than not.
    fn media(&mut self, input: &mut Input<'_>) {
        let frame_number = if input.flag() { input.u32() } else { u32::from(input.byte()) };
        let total = input.pick(&[1, 2, 3, 4, 1000, u16::MAX]);
        let index = u16::from(input.byte()) % total;
        let size = if input.flag() { ZEROS.len() - 100 } else { usize::from(input.byte()) };
        let mut payload = ZEROS[..size].to_vec();
        let mut info = [0; 40];
        info[16..20].copy_from_slice(&(size as u32 * u32::from(total)).to_le_bytes());
        let channel = input.pick(&[MediaChannel::Audio, MediaChannel::KeyVideo, MediaChannel::Video]);
        let frame_type = FrameType(input.pick(&[0x00, 0x01, 0x04, 0x05, 0x08, 0x09, 0x0C, 0x0D]));
        let packet = MediaPacket {
            channel,
            frame_type,
            frame_info_len: if frame_type.has_frame_info(total, index) { info.len() } else { 0 },
            version: 0x000B,
            sequence: 0,
            counter: u16::from(input.byte()) << 8 | u16::from(input.byte()),
            is_resent: input.flag(),
            total,
            index,
            previous_frame: frame_number.wrapping_sub(1),
            frame_number,
            payload: &[],
        };
        payload.extend(&info[..packet.frame_info_len]);
        let packet = MediaPacket { payload: &payload, ..packet };
        let packet = if input.flag() { packet.emit_wrapped() } else { packet.emit() };
        self.push(Channel::Main, &packet);
    }

    fn push_frame(&mut self, input: &mut Input<'_>) {
        let kind = input.pick(&[MediaChannel::Audio, MediaChannel::KeyVideo, MediaChannel::Video]);
        let frame = MediaFrame {
            kind,
            codec: if kind == MediaChannel::Audio { CodecId::MULAW } else { CodecId::H264 },
            flags: 1,
            fps: 20,
            frame_size: 0,
            seconds: 1_700_000_000,
            microseconds: 0,
            data: ZEROS[..usize::from(input.u16()) % ZEROS.len()].to_vec(),
        };
        self.camera.push_frame(self.now, &frame);
        self.drain();
    }

    /// Makes one of the calls that an application may make.
    fn call(&mut self, input: &mut Input<'_>) {
        self.calls += 1;
        match input.below(7) {
            0 => self.client.set_media(MediaSet { video: input.flag(), audio: input.flag() }, self.now),
            1 => self.client.set_video_wish(VideoWish::default(), self.now),
            2 => self.client.start_talk(self.now),
            3 => self.client.stop_talk(input.flag(), self.now),
            4 => self.client.flush_talk(),
            5 if input.byte() == 0xC1 => {
                self.client.close();
                self.ended = true;
            }
            _ => {
                let audio = TalkAudio {
                    codec: CodecId::MULAW,
                    flags: AudioFlags(2),
                    data: ZEROS[..usize::from(input.byte())].to_vec(),
                    duration: Duration::from_millis(10 + u64::from(input.byte())),
                };
                self.client.send_talk(audio, self.now);
            }
        }
        self.drain();
    }

    /// Delivers some of the camera's datagrams in flight.
    fn deliver(&mut self, input: &mut Input<'_>) {
        for _ in 0..=input.below(64) {
            let Some(datagram) = self.from_camera.pop_front() else { return };
            self.receive(EPHEMERAL, datagram);
        }
    }

    /// Loses, reorders, repeats or damages a camera's datagram in flight.
    fn disturb(&mut self, input: &mut Input<'_>) {
        if self.from_camera.is_empty() {
            return;
        }
        let at = usize::from(input.byte()) % self.from_camera.len();
        match input.below(5) {
            4 => self.from_camera.clear(),
            0 => drop(self.from_camera.remove(at)),
            1 => {
                let overtaking = self.from_camera.remove(at).unwrap();
                self.from_camera.push_front(overtaking);
            }
            2 => self.receive(input.pick(&[EPHEMERAL, DISCOVERY, STRANGER]), self.from_camera[at].clone()),
            _ => {
                let mut damaged = self.from_camera[at].clone();
                let place = usize::from(input.u16()) % damaged.len();
                damaged[place] ^= 1 << input.below(8);
                if input.flag() {
                    damaged.truncate(place);
                }
                self.receive(EPHEMERAL, damaged);
            }
        }
    }

    /// Has the camera send an AV packet in a genuine DTLS record.
    fn push(&mut self, channel: Channel, packet: &[u8]) {
        if packet.is_empty() || packet.len() > ZEROS.len() {
            return;
        }
        self.camera.push_packet(channel, packet);
        self.drain();
    }

    fn push_command(&mut self, hl: &[u8]) {
        let frame = ControlFrame { send_counter: self.calls as u32, command_counter: 0, hl }.emit();
        self.push(Channel::Main, &frame);
        while let Some(datagram) = self.from_camera.pop_front() {
            self.receive(EPHEMERAL, datagram);
        }
    }

    fn receive(&mut self, from: ([u8; 4], u16), mut datagram: Vec<u8>) {
        self.datagrams += 1;
        self.bytes += datagram.len();
        self.client.handle_datagram(self.now, SocketAddr::from(from), &mut datagram);
        self.drain();
    }

    /// Advances virtual time by `time`, running the timeouts that fall due.
    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.virtual_time += time;
        loop {
            let due = [self.client.poll_timeout(), self.camera.poll_timeout()].into_iter().flatten().min();
            let Some(at) = due.filter(|&at| at <= end) else { break };
            self.now = self.now.max(at);
            self.client_timeouts();
            self.camera.handle_timeout(self.now);
            self.drain();
            assert!(self.camera.poll_timeout().is_none_or(|at| at > self.now), "the camera's timer is still due");
        }
        self.now = end;
        self.client_timeouts();
    }

    fn client_timeouts(&mut self) {
        for _ in 0..4 {
            if self.client.poll_timeout().is_none_or(|at| at > self.now) {
                return;
            }
            self.timeouts += 1;
            self.client.handle_timeout(self.now);
            self.drain();
        }
        let at = self.client.poll_timeout();
        assert!(
            at.is_none_or(|at| at > self.now),
            "the client's timer is still due at stage {:?}",
            self.client.stage()
        );
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.client.poll_transmit() {
            self.transmits += 1;
            self.learn(&transmit.data);
            let to_discovery = transmit.to == SocketAddr::from(DISCOVERY);
            if transmit.to != SocketAddr::from(STRANGER) {
                let mut data = transmit.data;
                self.camera.handle_datagram(self.now, SocketAddr::from(CLIENT), to_discovery, &mut data);
            }
        }
        while let Some(transmit) = self.camera.poll_transmit() {
            if self.from_camera.len() == 1000 {
                self.from_camera.pop_front();
            }
            self.from_camera.push_back(transmit.data);
        }
        while self.camera.poll_event().is_some() {}
        while let Some(event) = self.client.poll_event() {
            assert!(!self.ended, "after the end: {event:?}");
            self.events += 1;
            match event {
                Event::Frame(frame) => {
                    self.frames += 1;
                    self.frame_bytes += frame.data.len();
                }
                Event::Ended(error) => {
                    assert!(!error.to_string().is_empty());
                    self.ended = true;
                }
                _ => {}
            }
        }
    }

    /// Reads the session's id and ticket from a client's packet; forged packets need them.
    fn learn(&mut self, data: &[u8]) {
        if self.envelope == Envelope::Cc51 {
            if let Ok(cc51::Packet::Discovery(discovery)) = cc51::Packet::parse(data, &signer()) {
                (self.session_id, self.ticket) = (discovery.session_id, discovery.ticket);
            }
        } else if self.session_id == SessionId([0; 8]) {
            let mut plain = data.to_vec();
            if transcode::decode(&mut plain).is_ok()
                && let Ok(iotc::Packet::DiscoveryRequest(discovery)) = iotc::Packet::parse(&plain)
            {
                self.session_id = discovery.session_id;
            }
        }
    }

    /// Asserts that the client's output is bounded by its input.
    fn check(&self) {
        let came = self.datagrams + self.timeouts + self.calls;
        assert!(self.frames <= self.datagrams && self.frame_bytes <= self.bytes, "more media came out than went in");
        assert!(self.events <= 16 + 4 * came, "{} events for {came}", self.events);
        assert!(self.transmits <= 16 + 8 * came, "{} datagrams for {came}", self.transmits);
        let expected = 100 + 4 * (self.datagrams + self.calls) + self.virtual_time.as_millis() as usize / 4;
        assert!(self.timeouts <= expected, "{} timeouts in {:?}", self.timeouts, self.virtual_time);
        if self.ended {
            assert_eq!(self.client.poll_timeout(), None);
        }
    }
}

/// Returns inputs that deliver each packet to a client at the stage where it belongs.
pub fn seeds(media: &[Vec<u8>], control: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let step = |step: u8, data: &[u8]| [&[step][..], &(data.len() as u16).to_le_bytes(), data].concat();
    let whole = |flags: u8, stage: u8, steps: &[Vec<u8>]| [&[flags, stage][..], &steps.concat()].concat();
    let (deliver, wait) = (vec![11, 63], vec![15, 100]);
    let mut seeds = Vec::new();
    for flags in [0, 1, 2, 4, 32] {
        for stage in 0..STAGES.len() as u8 {
            // A lost and a reordered datagram, then frames, then talk.
            let mut steps = vec![deliver.clone(), wait.clone(), vec![12, 3, 0], vec![13, 1, 1], deliver.clone()];
            steps.extend([vec![17, 1, 0, 20], deliver.clone(), vec![16, 2]]);
            for _ in 0..4 {
                steps.extend([vec![14, 60], deliver.clone()]);
            }
            steps.extend([vec![16, 6, 80, 10], vec![16, 6, 80, 10], wait.clone(), vec![16, 3, 0], wait.clone()]);
            steps.extend([deliver.clone(), wait.clone()]);
            seeds.push(whole(flags, stage, &steps));
        }
    }
    for (i, packet) in media.iter().chain(control).enumerate() {
        let packet = step(3, packet);
        let stage = if i < media.len() { 0 } else { 4 + (i % 3) as u8 };
        seeds.push(whole(
            (i % 2) as u8,
            stage,
            &[packet.clone(), deliver.clone(), packet, deliver.clone(), wait.clone()],
        ));
    }
    // A complete frame waits behind one that lacks a packet and behind a record that is still awaited.
    let (growing, complete) = (vec![5, 0, 1, 1, 0, 0, 10, 1, 4, 0], vec![5, 0, 2, 0, 0, 0, 10, 2, 1, 0]);
    let (pause, lost) = (vec![14, 60], [step(3, b"?"), vec![12, 0, 0]].concat());
    let steps = [&deliver, &pause, &deliver, &growing, &deliver, &pause, &lost, &complete, &deliver, &wait, &wait];
    seeds.push(whole(0, 0, &steps.map(Vec::clone)));
    for (status, result) in [(3u8, &b"{\"connectionRes\":\"1\"}"[..]), (6, b"{}"), (5, b"")] {
        let challenge = [&[7u8, 0][..], &step(0, &[&[status][..], &[9; 16]].concat())[1..]].concat();
        let result = [&[7u8, 1][..], &step(0, result)[1..]].concat();
        // Clear the camera's own answer, which would come first.
        seeds.push(whole(0, 5, &[vec![12, 0, 4], challenge, result, wait.clone()]));
    }
    seeds
}
