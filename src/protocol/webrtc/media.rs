//! What str0m puts together becomes a frame as the cameras of the local network send it.

use super::clock::{Clock, Report, RtpTime};
use crate::protocol::medium::Medium;
use crate::protocol::reassembly::Frame;
use crate::protocol::stats::Stats;
use crate::protocol::wire::codec::{AudioFlags, CodecId};
use crate::protocol::wire::frame_info::FrameInfo;
use std::time::{Duration, UNIX_EPOCH};
use str0m::format::{Codec, CodecSpec};
use str0m::media::MediaData;
use str0m::rtp::rtcp::SenderInfo;

/// The media of one connection.
#[derive(Debug, Default)]
pub struct Media {
    pub clock: Clock,
    /// The number of the newest frame, of either medium.
    number: u32,
    /// The last packet of each medium's newest frame.
    last_packet: [Option<u64>; 2],
    /// Frames of the medium were left out, as nobody wanted them.
    skipped: [bool; 2],
}

impl Media {
    /// Makes a frame, and counts it. `arrival` is when its first packet came, since 1970. `None` for a coding that was
    /// not offered.
    pub fn frame(&mut self, medium: Medium, data: &MediaData, arrival: Duration, stats: &mut Stats) -> Option<Frame> {
        let (codec, audio_flags) = codec(&data.params.spec())?;
        let ticks = data.time.numer() as u32;
        let time = RtpTime { ticks, rate: data.time.frequency().get() };
        let captured = self.clock.capture(medium, time, arrival, data.last_sender_info.as_ref().and_then(report));
        let is_key = medium == Medium::Video && data.is_keyframe();
        self.count(medium, data, stats);
        self.number = self.number.wrapping_add(1);
        let info = FrameInfo {
            codec,
            flags: if medium == Medium::Video { u8::from(is_key) } else { audio_flags.0 },
            camera: 0,
            viewers: 0,
            fps: 0,
            frame_size: 0,
            bitrate: 0,
            microseconds: captured.subsec_micros(),
            // The field has 32 bits, and wraps in 2106.
            seconds: captured.as_secs() as u32,
            // str0m's frames are shorter than 4 GB.
            payload_size: data.data.len() as u32,
            frame_number: self.number,
            mac: [0; 16],
        };
        let after_gap = std::mem::take(&mut self.skipped[medium as usize]) || !data.contiguous;
        Some(Frame { medium, info, data: data.data.to_vec(), after_gap })
    }

    /// Notes a frame that nobody wants: the next one that somebody does comes after a gap.
    pub fn skip(&mut self, medium: Medium) {
        self.skipped[medium as usize] = true;
    }

    fn count(&mut self, medium: Medium, data: &MediaData, stats: &mut Stats) {
        match medium {
            Medium::Video => stats.video_frames += 1,
            Medium::Audio => stats.audio_frames += 1,
        }
        let last = self.last_packet[medium as usize].replace(**data.seq_range.end());
        if !data.contiguous {
            stats.incomplete.lost += 1;
            // A camera that counts anew has lost nothing.
            let missing = last.map_or(0, |last| data.seq_range.start().saturating_sub(last + 1));
            stats.lost += missing.min(u64::from(u16::MAX));
        }
    }
}

/// Returns the cameras' own name for a coding, and for sound its format.
pub fn codec(spec: &CodecSpec) -> Option<(CodecId, AudioFlags)> {
    let (codec, rate, stereo) = match spec.codec {
        Codec::H264 => return Some((CodecId::H264, AudioFlags(0))),
        Codec::H265 => return Some((CodecId::H265, AudioFlags(0))),
        // Opus always says two channels in SDP, and each packet what it really has.
        Codec::Opus => (CodecId::OPUS, 48_000, true),
        Codec::PCMU => (CodecId::MULAW, 8000, false),
        Codec::PCMA => (CodecId::ALAW, 8000, false),
        _ => return None,
    };
    Some((codec, AudioFlags::new(rate, stereo)?))
}

/// Reads a sender report. `None` for one from before 1970, as a sender without a clock writes it.
fn report(info: &SenderInfo) -> Option<Report> {
    let unix_time = info.ntp_time.duration_since(UNIX_EPOCH).ok()?;
    Some(Report { ticks: info.rtp_time.numer() as u32, unix_time })
}
