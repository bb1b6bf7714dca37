//! A small WebRTC viewer made of str0m, and a world in virtual time where it meets a camera.
#![allow(dead_code, reason = "each test binary uses its part")]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, Frequency, KeyframeRequestKind, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use wyze_camera::webrtc::{SignallingOutput, WebCamera, WebCameraConfig, WebTransmit};
use wyze_camera::{CameraEvent, ClientId, Link, LinkConfig, MediaFrame, Synthetic, SyntheticConfig};

/// A frame as it arrived.
pub struct Got {
    pub is_video: bool,
    pub is_key: bool,
    pub codec: Codec,
    /// By the sender's reports.
    pub captured: Option<SystemTime>,
    pub data: Arc<[u8]>,
}

pub struct Viewer {
    rtc: Rtc,
    pub local: SocketAddr,
    pending: Option<SdpPendingOffer>,
    offered_mids: Vec<String>,
    early: Vec<Candidate>,
    pub video: Mid,
    pub audio: Mid,
    pub timeout: Option<Instant>,
    pub is_connected: bool,
    pub is_closed: bool,
    pub frames: Vec<Got>,
    /// Kinds of the messages that came, in their order; empty ones are empty.
    pub heard: Vec<String>,
    pub answer: Option<String>,
    pub status: Option<Value>,
    pub texts: VecDeque<String>,
    pub transmits: VecDeque<WebTransmit>,
    talked: u64,
}

fn message(action: &str, payload: &Value, correlation: bool) -> String {
    let mut message = json!({ "action": action, "recipientClientId": "viewer" });
    message["messagePayload"] = BASE64_STANDARD.encode(payload.to_string()).into();
    if correlation {
        message["correlationId"] = "1".into();
    }
    message.to_string()
}

/// Replaces each mid by another text.
fn renamed(sdp: &str, other: impl Fn(&str) -> String) -> String {
    let line = |line: &str| {
        if let Some(mid) = line.strip_prefix("a=mid:") {
            return format!("a=mid:{}\r\n", other(mid));
        }
        match line.strip_prefix("a=group:BUNDLE ") {
            Some(group) => {
                format!("a=group:BUNDLE {}\r\n", group.split(' ').map(&other).collect::<Vec<_>>().join(" "))
            }
            None => format!("{line}\r\n"),
        }
    };
    sdp.lines().map(line).collect()
}

impl Viewer {
    pub fn new(now: Instant, local: SocketAddr, talks: bool) -> Self {
        let mut rtc = Rtc::builder()
            .set_crypto_provider(Arc::new(str0m_openssl::default_provider()))
            .clear_codecs()
            .enable_h264(true)
            .enable_h265(true)
            .enable_opus(true, false)
            .enable_pcmu(true, false)
            .enable_pcma(true, false)
            .set_reordering_timeout_video(Some(Duration::from_millis(300)))
            .build(now);
        let candidate = Candidate::host(local, "udp").unwrap();
        let line = candidate.to_sdp_string();
        rtc.add_local_candidate(candidate);
        let mut changes = rtc.sdp_api();
        let video = changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let direction = if talks { Direction::SendRecv } else { Direction::RecvOnly };
        let audio = changes.add_media(MediaKind::Audio, direction, None, None, None);
        let (offer, pending) = changes.apply().unwrap();
        let sdp = offer.to_sdp_string();
        let offered_mids = sdp.lines().filter_map(|line| line.strip_prefix("a=mid:")).map(str::to_owned).collect();
        let mut viewer = Viewer {
            rtc,
            local,
            pending: Some(pending),
            offered_mids,
            early: Vec::new(),
            video,
            audio,
            timeout: None,
            is_connected: false,
            is_closed: false,
            frames: Vec::new(),
            heard: Vec::new(),
            answer: None,
            status: None,
            texts: VecDeque::new(),
            transmits: VecDeque::new(),
            talked: 0,
        };
        viewer.texts.push_back(message("SDP_OFFER", &json!({ "type": "offer", "sdp": sdp }), true));
        viewer.texts.push_back(message("ICE_CANDIDATE", &json!({ "candidate": line, "sdpMid": "0" }), false));
        viewer.drain();
        viewer
    }

    pub fn handle_text(&mut self, now: Instant, text: &str) {
        let incoming: Value = serde_json::from_str(text).unwrap_or_default();
        let kind = incoming["messageType"].as_str().unwrap_or_default();
        self.heard.push(kind.to_owned());
        let payload = BASE64_STANDARD.decode(incoming["messagePayload"].as_str().unwrap_or_default()).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap_or_default();
        match kind {
            "SDP_ANSWER" => {
                let sdp = payload["sdp"].as_str().unwrap().to_owned();
                let offered = |mid: &str| {
                    let at = mid.parse().ok().and_then(|at: usize| self.offered_mids.get(at));
                    at.cloned().unwrap_or(mid.to_owned())
                };
                let answer = SdpAnswer::from_sdp_string(&renamed(&sdp, offered)).unwrap();
                self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
                self.early.drain(..).for_each(|candidate| self.rtc.add_remote_candidate(candidate));
                if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(self.video, None) {
                    // Asks for lost packets though there is no RTX.
                    stream.suppress_nack(false);
                }
                self.answer = Some(sdp);
            }
            "ICE_CANDIDATE" => {
                let candidate = Candidate::from_sdp_string(payload["candidate"].as_str().unwrap()).unwrap();
                match self.pending {
                    Some(_) => self.early.push(candidate),
                    None => self.rtc.add_remote_candidate(candidate),
                }
            }
            "STATUS_RESPONSE" => self.status = Some(incoming["statusResponse"].clone()),
            _ => {}
        }
        self.step(Input::Timeout(now));
    }

    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Ok(contents) = datagram.try_into() else { return };
        let receive = Receive { proto: Protocol::Udp, source: from, destination: self.local, contents };
        let input = Input::Receive(now, receive);
        if self.rtc.accepts(&input) {
            self.step(input);
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timeout.is_some_and(|due| due <= now) {
            self.step(Input::Timeout(now));
        }
    }

    pub fn ask_for_key_frame(&mut self, now: Instant) {
        self.rtc.writer(self.video).unwrap().request_keyframe(None, KeyframeRequestKind::Pli).unwrap();
        self.step(Input::Timeout(now));
    }

    /// Says 20 ms of µ-law. Returns whether there is a way to say it.
    pub fn talk(&mut self, now: Instant, sound: &[u8; 160]) -> bool {
        let Some(writer) = self.rtc.writer(self.audio) else { return false };
        let Some(payload) = writer.payload_params().find(|p| p.spec().codec == Codec::PCMU).map(|p| p.pt()) else {
            return false;
        };
        let time = MediaTime::new(self.talked * 160, Frequency::EIGHT_KHZ);
        self.talked += 1;
        let is_taken = writer.write(payload, now, time, sound.as_slice()).is_ok();
        self.step(Input::Timeout(now));
        is_taken
    }

    pub fn close(&mut self) {
        let _ = self.rtc.close();
        self.drain();
    }

    fn step(&mut self, input: Input) {
        self.rtc.handle_input(input).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.timeout = Some(at);
                    return;
                }
                Output::Transmit(transmit) => {
                    let (to, data) = (transmit.destination, transmit.contents.to_vec());
                    self.transmits.push_back(WebTransmit { to, data });
                }
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(Event::Closed) => self.is_closed = true,
                Output::Event(Event::MediaData(data)) => {
                    let captured = data.last_sender_info.map(|info| {
                        let rate = f64::from(data.time.frequency().get());
                        let since = (data.time.numer() as u32).wrapping_sub(info.rtp_time.numer() as u32) as i32;
                        let since = f64::from(since) / rate;
                        let by = Duration::from_secs_f64(since.abs());
                        if since < 0.0 { info.ntp_time - by } else { info.ntp_time + by }
                    });
                    self.frames.push(Got {
                        is_video: data.mid == self.video,
                        is_key: data.is_keyframe(),
                        codec: data.params.spec().codec,
                        captured,
                        data: data.data,
                    });
                }
                Output::Event(_) => {}
            }
        }
    }
}

/// A camera with synthetic media, a viewer and the links between them, in virtual time.
pub struct World {
    pub now: Instant,
    pub camera: WebCamera,
    pub viewer: Viewer,
    pub id: ClientId,
    pub address: SocketAddr,
    pub to_viewer: Link<WebTransmit>,
    pub to_camera: Link<WebTransmit>,
    pub media: Synthetic,
    media_start: Instant,
    /// Frames that the viewer was sent.
    pub sent: Vec<MediaFrame>,
    pub events: Vec<CameraEvent>,
    pub signalling_closed: bool,
}

impl World {
    pub fn new(config: WebCameraConfig, talks: bool) -> Self {
        let media = SyntheticConfig {
            video: Some(config.video),
            audio: Some(config.audio),
            key_frame_len: 8_000,
            frame_len: 2_000,
            ..SyntheticConfig::default()
        };
        Self::with_media(config, talks, media)
    }

    pub fn with_media(config: WebCameraConfig, talks: bool, media: SyntheticConfig) -> Self {
        let now = Instant::now();
        let address = SocketAddr::from(([127, 0, 0, 1], 50000));
        let mut camera = WebCamera::new(config, address);
        let id = camera.open_signalling();
        World {
            now,
            camera,
            viewer: Viewer::new(now, SocketAddr::from(([127, 0, 0, 1], 40000)), talks),
            id,
            address,
            to_viewer: Link::new(LinkConfig::default(), 1),
            to_camera: Link::new(LinkConfig::default(), 2),
            media: Synthetic::new(media),
            media_start: now,
            sent: Vec::new(),
            events: Vec::new(),
            signalling_closed: false,
        }
    }

    /// Runs for this long.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let media = self.media.next_due().map(|due| self.media_start + due);
            let timeouts = [
                media,
                self.viewer.timeout,
                self.camera.poll_timeout(),
                self.to_viewer.poll_timeout(),
                self.to_camera.poll_timeout(),
            ];
            let next = timeouts.into_iter().flatten().min().unwrap_or(end);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            while self.media.next_due().is_some_and(|due| self.media_start + due <= self.now) {
                let (_, frame) = self.media.next_frame().unwrap();
                if self.camera.push_frame(self.now, &frame) > 0 {
                    self.sent.push(frame);
                }
            }
            self.viewer.handle_timeout(self.now);
            if self.camera.poll_timeout().is_some_and(|due| due <= self.now) {
                self.camera.handle_timeout(self.now);
            }
        }
    }

    /// Carries texts and datagrams that are on their way now.
    fn settle(&mut self) {
        let now = self.now;
        loop {
            let mut idle = true;
            while let Some(text) = self.viewer.texts.pop_front().filter(|_| !self.signalling_closed) {
                self.camera.handle_text(now, self.id, &text);
            }
            while let Some((_, output)) = self.camera.poll_signalling() {
                match output {
                    SignallingOutput::Text(text) => self.viewer.handle_text(now, &text),
                    SignallingOutput::Close => {
                        self.signalling_closed = true;
                        self.camera.signalling_closed(self.id);
                    }
                }
            }
            while let Some(transmit) = self.camera.poll_transmit() {
                self.to_viewer.send(now, transmit);
            }
            while let Some(transmit) = self.viewer.transmits.pop_front() {
                self.to_camera.send(now, transmit);
            }
            while let Some(arrived) = self.to_viewer.poll(now) {
                self.viewer.handle_datagram(now, self.address, &arrived.data);
                idle = false;
            }
            while let Some(arrived) = self.to_camera.poll(now) {
                self.camera.handle_datagram(now, self.viewer.local, &arrived.data);
                idle = false;
            }
            while let Some(event) = self.camera.poll_event() {
                if matches!(event, CameraEvent::Streaming { .. } | CameraEvent::KeyFrameWanted { .. }) {
                    self.media.want_key_frame();
                }
                self.events.push(event);
            }
            if idle && self.viewer.transmits.is_empty() {
                return;
            }
        }
    }

    /// Asserts that all frames arrived, byte for byte, but for the last ones that are still on their way.
    pub fn assert_all_arrived(&self) {
        for is_audio in [false, true] {
            let sent: Vec<_> = self.sent.iter().filter(|frame| frame.is_audio() == is_audio).collect();
            let got: Vec<_> = self.viewer.frames.iter().filter(|frame| frame.is_video != is_audio).collect();
            let missing = sent.len() - got.len();
            assert!(got.len() > 20 && missing <= 12, "{} of {} frames", got.len(), sent.len());
            for (at, (sent, got)) in sent.iter().zip(&got).enumerate() {
                assert!(sent.data[..] == got.data[..], "frame {at} differs, audio: {is_audio}");
            }
        }
    }
}
