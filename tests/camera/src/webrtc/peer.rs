//! The camera's end of one viewer's WebRTC connection, without sockets, threads or a clock.

use super::answer;
use super::config::WebCameraConfig;
use super::sent_packets::SentPackets;
use crate::camera_event::{ClientId, GoneReason};
use crate::media_frame::MediaFrame;
use gstwyze::protocol::wire::codec::CodecId;
use gstwyze::protocol::wire::media::MediaChannel;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::change::SdpOffer;
use str0m::format::Codec;
use str0m::media::{Frequency, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RawPacket;
use str0m::rtp::rtcp::{Nack, Rtcp};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

/// Constrained baseline, which is what KVS cameras answer with.
const H264_PROFILE: u32 = 0x42e01f;
const H264_PAYLOAD: [u8; 2] = [96, 97];
const H265_PAYLOAD: [u8; 2] = [98, 99];
/// Main profile, main tier, level 6.
const H265_PROFILE: [u8; 3] = [1, 0, 180];
/// How many packets are kept to be sent again by RTX, and for how long.
const KEPT_PACKETS: usize = 2048;
const KEPT_FOR: Duration = Duration::from_secs(3);
/// How many candidates are kept that come before the offer is answered.
const EARLY_CANDIDATES: usize = 20;

/// What a viewer did.
#[derive(Debug)]
pub enum PeerEvent {
    Connected,
    KeyFrameWanted,
    /// How many messages asked for lost packets so far.
    Nacks(u64),
    Talk(CodecId, Arc<[u8]>),
    Gone(GoneReason),
}

pub struct Peer {
    pub id: ClientId,
    pub is_connected: bool,
    local: SocketAddr,
    /// None until there is an offer.
    rtc: Option<Rtc>,
    video: Option<Mid>,
    audio: Option<Mid>,
    /// A viewer can begin with a key frame only.
    awaits_key_frame: bool,
    early: Vec<Candidate>,
    /// Capture time of the first frame, and when it came.
    first: Option<(Duration, Instant)>,
    /// Where there is no RTX.
    sent: Option<SentPackets>,
    nacks: u64,
    timeout: Option<Instant>,
    transmits: VecDeque<(SocketAddr, Vec<u8>)>,
    events: VecDeque<PeerEvent>,
}

impl Peer {
    pub fn new(id: ClientId, local: SocketAddr) -> Self {
        Peer {
            id,
            is_connected: false,
            local,
            rtc: None,
            video: None,
            audio: None,
            awaits_key_frame: true,
            early: Vec::new(),
            first: None,
            sent: None,
            nacks: 0,
            timeout: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The camera's address as a candidate.
    pub fn candidate(&self) -> Option<Candidate> {
        Candidate::host(self.local, "udp").ok()
    }

    pub fn has_answered(&self) -> bool {
        self.rtc.is_some()
    }

    /// Takes an offer and returns the answer. The error tells what is wrong with the offer.
    pub fn accept(&mut self, now: Instant, sdp: &str, config: &WebCameraConfig) -> Result<String, String> {
        let sdp = if config.rtx { Cow::Borrowed(sdp) } else { answer::without_rtx(sdp).into() };
        let offer = SdpOffer::from_sdp_string(&sdp).map_err(|e| e.to_string())?;
        let mut rtc = build(now, config);
        rtc.add_local_candidate(self.candidate().ok_or("no address of its own")?);
        let answer = rtc.sdp_api().accept_offer(offer).map_err(|e| e.to_string())?;
        self.early.drain(..).for_each(|candidate| rtc.add_remote_candidate(candidate));
        self.sent = (!config.rtx).then(SentPackets::default);
        self.rtc = Some(rtc);
        self.step(Input::Timeout(now));
        Ok(answer::rewrite(&answer.to_sdp_string(), config))
    }

    pub fn add_candidate(&mut self, now: Instant, candidate: Candidate) {
        match &mut self.rtc {
            Some(rtc) => {
                rtc.add_remote_candidate(candidate);
                self.step(Input::Timeout(now));
            }
            None if self.early.len() < EARLY_CANDIDATES => self.early.push(candidate),
            None => {}
        }
    }

    /// Whether a datagram is this viewer's.
    pub fn accepts(&self, input: &Input) -> bool {
        self.rtc.as_ref().is_some_and(|rtc| rtc.accepts(input))
    }

    /// Makes an input of a datagram; `None` where it is nothing that WebRTC has.
    pub fn input<'a>(now: Instant, from: SocketAddr, to: SocketAddr, datagram: &'a [u8]) -> Option<Input<'a>> {
        let contents = datagram.try_into().ok()?;
        Some(Input::Receive(now, Receive { proto: Protocol::Udp, source: from, destination: to, contents }))
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.transmits.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    /// Sends a frame. Returns whether the viewer takes it: it has asked for the codec, and has had a key frame.
    pub fn push_frame(&mut self, now: Instant, frame: &MediaFrame) -> bool {
        let is_key = frame.kind == MediaChannel::KeyVideo;
        if !self.is_connected || !frame.is_audio() && self.awaits_key_frame && !is_key {
            return false;
        }
        let mid = if frame.is_audio() { self.audio } else { self.video };
        let (Some(mid), Some((codec, rate))) = (mid, codec_of(frame.codec)) else { return false };
        let (time, captured) = self.times(now, frame, rate);
        let Some(rtc) = &mut self.rtc else { return false };
        let Some(writer) = rtc.writer(mid) else { return false };
        let payload = writer.payload_params().find(|params| params.spec().codec == codec).map(|params| params.pt());
        let Some(payload) = payload else { return false };
        if writer.write(payload, captured, time, frame.data.as_slice()).is_err() {
            return false;
        }
        self.awaits_key_frame &= !is_key;
        self.step(Input::Timeout(now));
        true
    }

    /// Returns a frame's RTP time, and the time by this machine's clock at which it was captured.
    fn times(&mut self, now: Instant, frame: &MediaFrame, rate: Frequency) -> (MediaTime, Instant) {
        let captured = Duration::new(frame.seconds.into(), 0) + Duration::from_micros(frame.microseconds.into());
        let (first, came) = *self.first.get_or_insert((captured, now));
        let ticks = (captured.as_micros() * u128::from(rate.get()) + 500_000) / 1_000_000;
        let at = came + captured.saturating_sub(first);
        // The reports about a time to come would be void.
        (MediaTime::new(ticks as u64, rate), at.min(now))
    }

    /// Tells the viewer that the camera ends.
    pub fn close(&mut self) {
        let Some(rtc) = &mut self.rtc else { return };
        // It fails only where the connection has failed before.
        let _ = rtc.close();
        self.drain();
    }

    pub fn step(&mut self, input: Input) {
        let Some(rtc) = &mut self.rtc else { return };
        if rtc.handle_input(input).is_err() {
            self.events.push_back(PeerEvent::Gone(GoneReason::Closed));
            return;
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(rtc) = &mut self.rtc {
            match rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = Some(at);
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    let data = transmit.contents.to_vec();
                    if let Some(sent) = &mut self.sent {
                        sent.keep(transmit.destination, &data);
                    }
                    self.transmits.push_back((transmit.destination, data));
                }
                Ok(Output::Event(event)) => self.handle_event(event),
                Err(_) => {
                    self.events.push_back(PeerEvent::Gone(GoneReason::Closed));
                    return;
                }
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.is_connected = true;
                self.events.push_back(PeerEvent::Connected);
            }
            Event::MediaAdded(media) if media.kind == MediaKind::Video => self.add_video(media.mid),
            Event::MediaAdded(media) => self.audio = Some(media.mid),
            Event::KeyframeRequest(_) => self.events.push_back(PeerEvent::KeyFrameWanted),
            Event::MediaData(data) if Some(data.mid) == self.audio => {
                let codec = match data.params.spec().codec {
                    Codec::Opus => CodecId::OPUS,
                    Codec::PCMA => CodecId::ALAW,
                    _ => CodecId::MULAW,
                };
                self.events.push_back(PeerEvent::Talk(codec, data.data));
            }
            Event::MediaEgressStats(stats) if Some(stats.mid) == self.video && self.sent.is_none() => {
                self.nacks = stats.nacks;
                self.events.push_back(PeerEvent::Nacks(stats.nacks));
            }
            Event::RawPacket(packet) => {
                if let RawPacket::RtcpRx(Rtcp::Nack(nack)) = &*packet {
                    self.send_again(nack);
                }
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.events.push_back(PeerEvent::Gone(GoneReason::Idle));
            }
            Event::Closed => self.events.push_back(PeerEvent::Gone(GoneReason::Goodbye)),
            _ => {}
        }
    }

    fn add_video(&mut self, video: Mid) {
        self.video = Some(video);
        let Some(rtc) = &mut self.rtc else { return };
        if let Some(stream) = rtc.direct_api().stream_tx_by_mid(video, None) {
            // However much is lost, all of it is sent again.
            stream.set_rtx_cache(KEPT_PACKETS, KEPT_FOR, None);
        }
    }

    /// Sends the packets again that a viewer has asked for, as they were.
    fn send_again(&mut self, nack: &Nack) {
        self.nacks += 1;
        self.events.push_back(PeerEvent::Nacks(self.nacks));
        let Some(sent) = &self.sent else { return };
        for entry in nack.reports.iter() {
            // Each bit stands for one of the 16 packets that follow.
            let others = (0..16).filter(|bit| entry.blp >> bit & 1 == 1).map(|bit| entry.pid.wrapping_add(bit + 1));
            let lost = std::iter::once(entry.pid).chain(others);
            self.transmits.extend(lost.filter_map(|number| sent.find(*nack.ssrc, number)).cloned());
        }
    }
}

fn codec_of(codec: CodecId) -> Option<(Codec, Frequency)> {
    match codec {
        CodecId::H264 => Some((Codec::H264, Frequency::NINETY_KHZ)),
        CodecId::H265 => Some((Codec::H265, Frequency::NINETY_KHZ)),
        CodecId::OPUS => Some((Codec::Opus, Frequency::FORTY_EIGHT_KHZ)),
        CodecId::MULAW => Some((Codec::PCMU, Frequency::EIGHT_KHZ)),
        CodecId::ALAW => Some((Codec::PCMA, Frequency::EIGHT_KHZ)),
        _ => None,
    }
}

fn build(now: Instant, config: &WebCameraConfig) -> Rtc {
    let mut builder = Rtc::builder()
        .set_crypto_provider(Arc::new(str0m_openssl::default_provider()))
        .clear_codecs()
        // Cameras have no header extensions: what is whose is told by SSRC.
        .clear_extension_map()
        .set_stats_interval(config.rtx.then_some(Duration::from_secs(1)))
        .enable_raw_packets(!config.rtx);
    builder = match config.audio {
        CodecId::OPUS => builder.enable_opus(true, false),
        CodecId::ALAW => builder.enable_pcma(true, false),
        _ => builder.enable_pcmu(true, false),
    };
    let codecs = builder.codec_config();
    let payload = |[payload, resend]: [u8; 2]| (payload.into(), config.rtx.then(|| resend.into()));
    if config.video == CodecId::H265 {
        let ((payload, resend), [profile, tier, level]) = (payload(H265_PAYLOAD), H265_PROFILE);
        codecs.add_h265(payload, resend, profile, tier, level);
    } else {
        let (payload, resend) = payload(H264_PAYLOAD);
        codecs.add_h264(payload, resend, true, H264_PROFILE);
    }
    builder.build(now)
}
