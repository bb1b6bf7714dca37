//! The WebRTC peer: str0m, set up as a viewer of one camera, and kept from what it must not see.

use super::description;
use super::repair_window::{Held, Place, RepairWindow};
use crate::protocol::dtls::record::records;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::PayloadParams;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};

/// H.264 as every camera's description has it. What the stream really is, its own parameter sets say.
const CONSTRAINED_BASELINE_3_1: u32 = 0x42_e0_1f;
const H264: (u8, u8) = (125, 107);
/// The number by which a packet tells transport-wide feedback where it belongs.
const TRANSPORT_CC: u8 = 3;
/// How often a camera may begin a stream under a number that its answer did not tell.
const MAX_UNTOLD: usize = 8;
/// How many broken packets of media are passed over at once.
const MAX_BROKEN: usize = 64;
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// What a peer has to say.
pub enum Said {
    Transmit(Transmit),
    Event(Box<Event>),
    /// A packet of the camera's could not be read.
    Malformed,
    /// Nothing more before this time.
    Timeout(Instant),
    /// It is over: str0m says why.
    Broken(String),
}

/// What an answer has brought.
pub struct Answered {
    pub candidates: Vec<String>,
    pub resends: bool,
}

pub struct Peer {
    /// `None` once it has failed: str0m must not be touched then.
    rtc: Option<Rtc>,
    /// `None` once there is an answer.
    pending: Option<SdpPendingOffer>,
    /// str0m's own mids, in the order of the media.
    mids: Vec<String>,
    pub video: Mid,
    pub audio: Mid,
    /// How many streams were taken that the answer did not tell.
    untold: usize,
    broken: usize,
    /// Whether lost packets are asked for.
    resend: bool,
    window: RepairWindow,
    /// Payload types of the picture, and of its repairs.
    pictures: Vec<u8>,
    repairs: Vec<u8>,
}

impl Peer {
    /// Returns the peer and its offer in SDP.
    pub fn new(reorder_wait: Duration, resend_wait: Option<Duration>, now: Instant) -> (Self, String) {
        let mut extensions = ExtensionMap::empty();
        extensions.set(TRANSPORT_CC, Extension::TransportSequenceNumber);
        let mut config = Rtc::builder()
            .set_crypto_provider(Arc::new(str0m_openssl::default_provider()))
            .set_extension_map(extensions)
            .clear_codecs()
            .set_reordering_timeout_video(resend_wait.or(Some(reorder_wait)))
            .set_reordering_timeout_audio(Some(reorder_wait))
            .set_stats_interval(Some(STATS_INTERVAL));
        let codecs = config.codec_config();
        codecs.add_h264(H264.0.into(), Some(H264.1.into()), true, CONSTRAINED_BASELINE_3_1);
        codecs.enable_h265(true);
        codecs.enable_opus(true, false);
        codecs.enable_pcmu(true, false);
        codecs.enable_pcma(true, false);
        let mut rtc = config.build(now);

        let mut changes = rtc.sdp_api();
        let video = changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        // Whether anybody talks shows later. A sender that is silent costs nothing.
        let audio = changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = changes.apply().expect("media were added");
        let offer = offer.to_sdp_string();
        let mids = description::mids(&offer);
        let peer = Peer {
            rtc: Some(rtc),
            pending: Some(pending),
            mids,
            video,
            audio,
            untold: 0,
            broken: 0,
            resend: resend_wait.is_some(),
            window: RepairWindow::new(resend_wait.unwrap_or_default()),
            pictures: Vec::new(),
            repairs: Vec::new(),
        };
        (peer, description::numbered(&offer))
    }

    pub fn is_answered(&self) -> bool {
        self.pending.is_none()
    }

    /// Takes the camera's answer. An error says what is wrong with it.
    pub fn accept(&mut self, sdp: &str) -> Result<Answered, String> {
        let (Some(rtc), Some(pending)) = (&mut self.rtc, self.pending.take()) else {
            return Err("there is one already".into());
        };
        let answer = description::read_answer(sdp, &self.mids);
        if !description::is_unambiguous(&answer.sdp) {
            return Err("a payload type has two meanings".into());
        }
        let parsed = SdpAnswer::from_sdp_string(&answer.sdp).map_err(|_| "it is no SDP")?;
        let result = rtc.sdp_api().accept_answer(pending, parsed);
        if result.is_err() {
            self.rtc = None;
        }
        // The error may quote what the camera wrote, with passwords in it.
        result.map_err(|error| match error {
            RtcError::RemoteSdp(_) | RtcError::Sdp(_) => "its SDP does not match the offer".to_owned(),
            other => other.to_string(),
        })?;
        let codings = self.rtc.iter().flat_map(|rtc| rtc.codec_config().iter());
        for coding in codings.filter(|coding| coding.spec().codec.is_video()) {
            self.pictures.push(*coding.pt());
            self.repairs.extend(coding.resend().map(|number| *number));
        }
        let resends = answer.resends && self.resend;
        if !resends {
            self.window.disable();
        }
        self.ask_for_lost();
        Ok(Answered { candidates: answer.candidates, resends })
    }

    pub fn add_local(&mut self, candidate: Candidate) -> Option<String> {
        Some(self.rtc.as_mut()?.add_local_candidate(candidate)?.to_sdp_string())
    }

    pub fn add_remote(&mut self, candidate: Candidate) {
        if let Some(rtc) = &mut self.rtc {
            rtc.add_remote_candidate(candidate);
        }
    }

    /// Takes a datagram that came to our candidate `to`. Returns whether it was the camera's, as far as its address or
    /// its ICE name tell. [`Peer::poll`] is due after each.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, datagram: &[u8]) -> Received {
        if !is_dtls(datagram) {
            return self.receive_one(now, from, to, datagram);
        }
        // One record at a time: the backend keeps what it has not read, and does not bear much of it. There is no data
        // channel, so nothing of use is in application data.
        let mut received = Received::Foreign;
        for record in records(datagram).filter(|record| !record.is_application_data()) {
            received = self.receive_one(now, from, to, record.bytes);
            if received != Received::Taken {
                break;
            }
        }
        received
    }

    fn receive_one(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, datagram: &[u8]) -> Received {
        let Some(rtc) = &mut self.rtc else { return Received::Foreign };
        if begins_with_signature(datagram) {
            return Received::Foreign;
        }
        let Ok(contents) = datagram.try_into() else { return Received::Foreign };
        let input = Input::Receive(now, Receive { proto: Protocol::Udp, source: from, destination: to, contents });
        if !rtc.accepts(&input) {
            return Received::Foreign;
        }
        if is_rtp(datagram) {
            if self.has_to_wait(now, from, to, datagram) {
                return Received::Taken;
            }
            self.take_untold(datagram);
        }
        self.give(input)
    }

    /// Notes a packet of media. Returns whether it is held back, for [`Peer::receive_held`].
    fn has_to_wait(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, packet: &[u8]) -> bool {
        let Some((&[_, payload_type, a, b], &[c, d, e, f])) = packet.first_chunk().zip(packet[..12].last_chunk())
        else {
            return false;
        };
        let payload_type = payload_type & 0x7f;
        if self.repairs.contains(&payload_type) {
            self.window.receive_repair();
        }
        let place = Place { stream: u32::from_be_bytes([c, d, e, f]), sequence: u16::from_be_bytes([a, b]) };
        self.pictures.contains(&payload_type) && self.window.receive(now, from, to, place, packet)
    }

    /// Goes on with a packet that was held back. `None` where there is none whose turn it is. [`Peer::poll`] is due after
    /// each.
    pub fn receive_held(&mut self, now: Instant) -> Option<Received> {
        let Held { from, to, datagram, .. } = self.window.poll(now)?;
        self.take_untold(&datagram);
        let Ok(contents) = datagram.as_slice().try_into() else { return Some(Received::Foreign) };
        Some(self.give(Input::Receive(now, Receive { proto: Protocol::Udp, source: from, destination: to, contents })))
    }

    /// When [`Peer::receive_held`] is due.
    pub fn held_until(&self) -> Option<Instant> {
        self.window.poll_timeout()
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Received {
        self.give(Input::Timeout(now))
    }

    fn give(&mut self, input: Input<'_>) -> Received {
        let Some(rtc) = &mut self.rtc else { return Received::Foreign };
        match rtc.handle_input(input) {
            Ok(()) => Received::Taken,
            Err(error) => {
                self.rtc = None;
                Received::Broken(error.to_string())
            }
        }
    }

    /// What it has to say; to be asked until it names a time. `None` when it has failed.
    pub fn poll(&mut self) -> Option<Said> {
        let said = match self.rtc.as_mut()?.poll_output() {
            Ok(Output::Transmit(transmit)) => Said::Transmit(transmit),
            Ok(Output::Event(event)) => Said::Event(Box::new(event)),
            Ok(Output::Timeout(at)) => {
                self.broken = 0;
                Said::Timeout(at)
            }
            Err(RtcError::Packet(..)) if self.broken < MAX_BROKEN => {
                self.broken += 1;
                Said::Malformed
            }
            Err(error) => {
                self.rtc = None;
                Said::Broken(error.to_string())
            }
        };
        Some(said)
    }

    /// Says goodbye. What is left to transmit says so.
    pub fn close(&mut self) {
        if self.rtc.as_mut().is_some_and(|rtc| rtc.close().is_err()) {
            self.rtc = None;
        }
    }

    /// Asks for lost packets of the picture. str0m would not where the camera has no stream of its own for repairs
    /// (RTX); cameras send the packet itself again then.
    pub fn ask_for_lost(&mut self) {
        let video = self.video;
        let Some(rtc) = &mut self.rtc else { return };
        if let Some(stream) = rtc.direct_api().stream_rx_by_mid(video, None) {
            stream.suppress_nack(!self.resend);
        }
    }

    /// Asks for a key frame. Returns false where that is not possible yet, or not at all.
    pub fn ask_for_key_frame(&mut self) -> bool {
        let video = self.video;
        let Some(mut writer) = self.rtc.as_mut().and_then(|rtc| rtc.writer(video)) else { return false };
        [KeyframeRequestKind::Pli, KeyframeRequestKind::Fir]
            .into_iter()
            .any(|kind| writer.is_request_keyframe_possible(kind) && writer.request_keyframe(None, kind).is_ok())
    }

    /// Returns how the answer has us send and receive a medium.
    pub fn direction(&self, mid: Mid) -> Direction {
        let media = self.rtc.as_ref().and_then(|rtc| rtc.media(mid)).filter(|media| !media.disabled());
        media.map_or(Direction::Inactive, |media| media.direction())
    }

    /// Returns the coding that the camera wants to hear, the first where the answer leaves a choice.
    pub fn talk_coding(&mut self) -> Option<PayloadParams> {
        let audio = self.audio;
        if !self.direction(audio).is_sending() {
            return None;
        }
        let writer = self.rtc.as_mut()?.writer(audio)?;
        writer.payload_params().next().copied()
    }

    /// Sends a frame of sound. Returns whether it went out.
    pub fn talk(&mut self, coding: PayloadParams, now: Instant, time: MediaTime, sound: Vec<u8>) -> bool {
        let audio = self.audio;
        let writer = self.rtc.as_mut().and_then(|rtc| rtc.writer(audio));
        writer.is_some_and(|writer| writer.write(coding.pt(), now, time, sound).is_ok())
    }

    /// Takes a stream whose number (SSRC) the answer did not tell, by its payload type, where its medium has none yet.
    fn take_untold(&mut self, packet: &[u8]) {
        let Some(rtc) = self.rtc.as_mut().filter(|_| self.untold < MAX_UNTOLD) else { return };
        let Some((&[_, payload_type], &ssrc)) = packet.first_chunk().zip(packet[..12].last_chunk::<4>()) else {
            return;
        };
        let payload_type = (payload_type & 0x7f).into();
        let Some(coding) = rtc.codec_config().find(|coding| coding.pt() == payload_type) else { return };
        let mid = if coding.spec().codec.is_video() { self.video } else { self.audio };
        let mut streams = rtc.direct_api();
        if streams.stream_rx_by_mid(mid, None).is_none() {
            self.untold += 1;
            streams.expect_stream_rx(u32::from_be_bytes(ssrc).into(), None, mid, None);
        }
    }
}

/// What became of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// It is not the camera's.
    Foreign,
    Taken,
    /// It has ended the connection: str0m says why.
    Broken(String),
}

// RFC 7983 tells protocols apart by the first byte.

fn is_dtls(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (20..64).contains(first))
}

/// Whether a STUN message says nothing before its MESSAGE-INTEGRITY. str0m 0.24 does not survive one.
fn begins_with_signature(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|&first| first < 4) && datagram.get(20..22) == Some(&[0, 8])
}

fn is_rtp(datagram: &[u8]) -> bool {
    // RTCP has these packet types.
    datagram.len() >= 12 && (128..192).contains(&datagram[0]) && !(192..224).contains(&datagram[1])
}
