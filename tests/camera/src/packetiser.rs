//! Cuts frames into media packets for the main channel of one session.

use crate::camera_config::CameraConfig;
use crate::media_frame::MediaFrame;
use gstwyze::protocol::wire::frame_info::FrameInfo;
use gstwyze::protocol::wire::media::{FrameType, MediaPacket};
use rand::RngExt;
use rand::rngs::StdRng;

/// The counters of one session's media packets.
#[derive(Debug, Default)]
pub struct Packetiser {
    sequence: u16,
    frame_number: u32,
    video_frames: u32,
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
        let info = self.frame_info(frame, bitrate, viewers, config).emit();
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
            let packet = MediaPacket {
                channel: frame.kind,
                frame_type: frame_type(index, total, config.every_frame_type && rng.random()),
                sequence: self.sequence,
                total: total_field,
                index: index as u16,
                previous_frame,
                frame_number: self.frame_number,
                payload: if is_last { &last_payload } else { chunk },
            };
            self.sequence = self.sequence.wrapping_add(1);
            emit(&if config.wrapped { packet.emit_wrapped() } else { packet.emit() });
        }
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

/// Returns the type of a packet; `alternative` picks the rarer of the types that mean the same.
fn frame_type(index: usize, total: usize, alternative: bool) -> FrameType {
    match (index, alternative) {
        (0, false) if total == 1 => FrameType::SINGLE,
        (0, true) => FrameType::START_OR_SINGLE,
        (0, false) => FrameType::START,
        (i, false) if i + 1 == total => FrameType::END,
        (i, true) if i + 1 == total => FrameType::END_EXTENDED,
        (_, false) => FrameType::MIDDLE,
        (_, true) => FrameType::MIDDLE_ALT,
    }
}
