//! Cuts frames into media packets for the main channel of one session.

use crate::camera_config::CameraConfig;
use crate::media_frame::MediaFrame;
use crate::probe_book::ProbeBook;
use crate::send_buffer::SendBuffer;
use gstwyze::protocol::wire::frame_info::FrameInfo;
use gstwyze::protocol::wire::media::{FrameType, MediaPacket};
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Instant;

/// The most bytes of packets that are joined.
const MAX_JOINED: usize = 1200;
/// The version whose packets have 0x507E at 6.
const PLAIN_VERSION: u16 = 0x000B;
/// How many frame types mean the same.
const TYPES: usize = 4;
/// The bit of a frame type whose header has 8 bytes more.
const LONG_HEADER: u8 = 0x08;

/// The counters of one session's media packets.
#[derive(Debug, Default)]
pub struct Packetiser {
    /// Counts all packets, or the media packets only where the camera counts by head.
    sequence: u16,
    /// How many media packets were made.
    packets: u16,
    /// How many of them were video, and audio.
    own_packets: [u16; 2],
    /// Set where lost packets are sent again.
    pub(crate) resends: Option<SendBuffer>,
    frame_number: u32,
    video_frames: u32,
    /// In the wrapped format: the number of the group, and how many of its packets are sent.
    group: (u16, u8),
    /// Packets that wait for others to go with them.
    record: Vec<u8>,
    pub(crate) probes: ProbeBook,
}

impl Packetiser {
    /// Calls `emit` with each packet of `frame`; each is to be one DTLS record. `bitrate` is what the client asked for,
    /// in KB/s.
    pub fn packets(
        &mut self,
        frame: &MediaFrame,
        bitrate: u16,
        viewers: u8,
        config: &CameraConfig,
        rng: &mut StdRng,
        mut emit: impl FnMut(&[u8]),
    ) {
        let previous_frame = self.frame_number;
        self.frame_number = self.frame_number.wrapping_add(1);
        let info = emit_frame_info(&self.frame_info(frame, bitrate, viewers, config), config);
        let payload_size = config.packet_payload.clamp(1, 1200);
        let total = frame.data.len().div_ceil(payload_size).max(1);
        let Ok(total_field) = u16::try_from(total) else { return };
        let mut last_payload = Vec::with_capacity(payload_size + info.len());
        for index in 0..total {
            let chunk = &frame.data[index * payload_size..frame.data.len().min((index + 1) * payload_size)];
            let is_last = index + 1 == total;
            if is_last {
                last_payload.extend_from_slice(chunk);
                last_payload.extend_from_slice(&info);
            }
            let (sequence, counter) = self.number(frame.is_audio(), config);
            let alternative = if config.every_frame_type { rng.random_range(0..TYPES) } else { 0 };
            let packet = MediaPacket {
                channel: frame.kind,
                frame_type: frame_type(index, total, alternative),
                version: config.av_version,
                sequence,
                counter,
                is_resent: false,
                total: total_field,
                index: index as u16,
                previous_frame,
                frame_number: self.frame_number,
                frame_info_len: if is_last { info.len() } else { 0 },
                payload: if is_last { &last_payload } else { chunk },
            };
            let packet = self.emit(&packet, config);
            if let Some(resends) = &mut self.resends {
                resends.keep(if config.counts_by_head { sequence } else { counter }, packet.clone());
            }
            self.send(&packet, config, &mut emit);
            if let Some(parity) = self.parity(payload_size, config, rng) {
                self.send(&parity, config, &mut emit);
            }
        }
        if !self.record.is_empty() {
            emit(&std::mem::take(&mut self.record));
        }
    }

    fn is_wrapped(&self, config: &CameraConfig) -> bool {
        config.wrapped || self.resends.is_some()
    }

    /// Returns head's and tail's counters of the next media packet.
    fn number(&mut self, is_audio: bool, config: &CameraConfig) -> (u16, u16) {
        let packets = config.first_counter.wrapping_add(self.packets);
        self.packets = self.packets.wrapping_add(1);
        let own = &mut self.own_packets[usize::from(is_audio)];
        *own = own.wrapping_add(1);
        if config.counts_by_head { (packets, *own) } else { (self.next_sequence(config), packets) }
    }

    /// Returns the head's counter of the next packet, of any kind.
    fn next_sequence(&mut self, config: &CameraConfig) -> u16 {
        if !config.counts_by_head {
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.sequence.wrapping_sub(1)
    }

    /// Returns the packets that the client has asked for, and that are to go out again now.
    pub(crate) fn packets_again(&mut self, now: Instant, config: &CameraConfig) -> Vec<Vec<u8>> {
        let mut due = self.resends.as_mut().map(|resends| resends.take_due(now)).unwrap_or_default();
        for packet in &mut due {
            if !config.counts_by_head {
                packet[4..6].copy_from_slice(&self.next_sequence(config).to_le_bytes());
            }
            let is_long = packet[1] & LONG_HEADER != 0;
            if is_long {
                packet[8..16].copy_from_slice(&self.probes.next_probe(config.av_version).emit()[8..]);
            }
            // The number after that of the medium is the medium, sent again.
            packet[if is_long { 24 } else { 16 }] += 1;
        }
        due
    }

    fn emit(&mut self, packet: &MediaPacket<'_>, config: &CameraConfig) -> Vec<u8> {
        let mut bytes = if self.is_wrapped(config) { packet.emit_wrapped() } else { packet.emit() };
        if config.av_version != PLAIN_VERSION {
            bytes[6..8].fill(0);
        }
        let is_long = packet.frame_type.0 & LONG_HEADER != 0;
        if is_long {
            bytes[8..16].copy_from_slice(&self.probes.next_probe(config.av_version).emit()[8..]);
        }
        if self.is_wrapped(config) && config.parity_after > 0 {
            let (group, index) = self.group;
            let header = fec_header(group, index, config);
            bytes[if is_long { 16 } else { 8 }..][..header.len()].copy_from_slice(&header);
            self.group.1 += 1;
        }
        bytes
    }

    /// Returns the parity packet of a group that is full. It has the right header, and noise for a body.
    fn parity(&mut self, payload_size: usize, config: &CameraConfig, rng: &mut StdRng) -> Option<Vec<u8>> {
        if !self.is_wrapped(config) || config.parity_after == 0 || self.group.1 < config.parity_after {
            return None;
        }
        let coded = 20 + payload_size;
        let mut bytes = vec![0; 36 + coded];
        rng.fill(&mut bytes[36..]);
        bytes[0] = 0x0C;
        bytes[2..4].copy_from_slice(&config.av_version.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.next_sequence(config).to_le_bytes());
        bytes[8..16].copy_from_slice(&fec_header(self.group.0, self.group.1, config));
        bytes[16] = 0x0C;
        bytes[24..26].copy_from_slice(&(coded as u16).to_le_bytes());
        self.group = (self.group.0.wrapping_add(1), 0);
        Some(bytes)
    }

    /// Emits a packet as a record, or keeps it until others fill the record.
    fn send(&mut self, packet: &[u8], config: &CameraConfig, mut emit: impl FnMut(&[u8])) {
        if !config.join_packets {
            emit(packet);
            return;
        }
        if !self.record.is_empty() && self.record.len() + packet.len() > MAX_JOINED {
            emit(&std::mem::take(&mut self.record));
        }
        self.record.extend_from_slice(packet);
    }

    fn frame_info(&mut self, frame: &MediaFrame, bitrate: u16, viewers: u8, config: &CameraConfig) -> FrameInfo {
        let mut frame_size = frame.frame_size;
        if !frame.is_audio() {
            // At first a camera reports the resolution of the session before.
            if self.video_frames < config.stale_frames {
                frame_size = config.stale_frame_size;
            }
            self.video_frames = self.video_frames.saturating_add(1);
        }
        let mut mac = [0; 16];
        mac[..12].copy_from_slice(config.credentials.mac.bytes());
        FrameInfo {
            codec: frame.codec,
            flags: frame.flags,
            camera: 0,
            viewers,
            fps: frame.fps,
            frame_size,
            // The field has only the low 8 bits.
            bitrate: bitrate as u8,
            microseconds: frame.microseconds,
            seconds: frame.seconds,
            payload_size: frame.data.len() as u32,
            frame_number: self.frame_number,
            mac,
        }
    }
}

/// Returns the FEC header: group, index in it, data packets and parity packets of a group.
fn fec_header(group: u16, index: u8, config: &CameraConfig) -> [u8; 8] {
    let [low, high] = group.to_le_bytes();
    [low, high, index, config.parity_after, 1, 0, 0, 0]
}

/// Returns the bytes of FRAMEINFO in the form that this camera uses.
fn emit_frame_info(info: &FrameInfo, config: &CameraConfig) -> Vec<u8> {
    let mut bytes = info.emit().to_vec();
    if config.short_frame_info {
        bytes[16..].fill(0);
    }
    bytes.resize(config.frame_info_len, 0);
    if config.frame_info_len == 16 {
        let milliseconds = info.seconds.wrapping_mul(1000).wrapping_add(info.microseconds / 1000);
        bytes[8..12].fill(0);
        bytes[12..].copy_from_slice(&milliseconds.to_le_bytes());
    }
    bytes
}

/// Returns the type of a packet; `alternative` picks one of the types that mean the same, of which the first is the
/// usual one.
fn frame_type(index: usize, total: usize, alternative: usize) -> FrameType {
    let types: [FrameType; TYPES] = match index {
        0 if total == 1 => [FrameType::SINGLE, FrameType::START_OR_SINGLE, FrameType::END, FrameType::END_EXTENDED],
        0 => [FrameType::START, FrameType::START_OR_SINGLE, FrameType::MIDDLE_EXTENDED, FrameType::MIDDLE],
        i if i + 1 == total => [FrameType::END, FrameType::START_OR_SINGLE, FrameType::END_EXTENDED, FrameType::SINGLE],
        _ => [FrameType::MIDDLE, FrameType::MIDDLE_ALT, FrameType::MIDDLE_EXTENDED, FrameType::START],
    };
    types[alternative]
}
