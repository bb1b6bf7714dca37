//! Frames made without an encoder: real parameter sets or headers followed by seeded random bytes, at exact times.
//!
//! Parsers accept them; decoders do not.

use crate::media_frame::MediaFrame;
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::media::MediaChannel;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

// From x264 (Baseline) and x265 (Main): 64x64 for the small ones, 128x96 for the others, all 20 frames/s.
const H264_SPS_SMALL: &[u8] =
    b"\x67\x42\xc0\x15\xda\x10\x9b\x01\x6a\x0c\x0c\x0d\x4a\x00\x00\x03\x00\x02\x00\x00\x03\x00\x51\x1e\x2c\x5d\x40";
const H264_SPS: &[u8] =
    b"\x67\x42\xc0\x15\xda\x08\x36\xc0\x5a\x83\x03\x03\x52\x80\x00\x00\x03\x00\x80\x00\x00\x14\x47\x8b\x17\x50";
const H264_PPS: &[u8] = b"\x68\xce\x3c\x80";
const H265_VPS: &[u8] =
    b"\x40\x01\x0c\x01\xff\xff\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x3f\xba\x02\x40";
const H265_SPS_SMALL: &[u8] = b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x3f\xa0\x20\x81\x05\x96\xe9\x29\x30\xbf\xfc\x00\x04\x00\x05\xa8\x30\x30\x30\x20\x00\x00\x03\x00\x20\x00\x00\x03\x02\x81";
const H265_SPS: &[u8] = b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x3f\xa0\x10\x20\x61\x65\xba\x4a\x4c\x2f\xff\x00\x01\x00\x01\x6a\x0c\x0c\x0c\x08\x00\x00\x03\x00\x08\x00\x00\x03\x00\xa0\x40";
const H265_PPS_SMALL: &[u8] = b"\x44\x01\xc0\x71\x81\x12";
const H265_PPS: &[u8] = b"\x44\x01\xc0\x71\x83\x12";
const START_CODE: &[u8] = &[0, 0, 0, 1];
const AAC_SAMPLES: u32 = 1024;

/// The settings of synthetic media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntheticConfig {
    /// H.264, H.265 or MJPEG; `None` for no video.
    pub video: Option<CodecId>,
    pub fps: u8,
    /// Frames from one key frame to the next.
    pub gop: u32,
    /// Bytes of a key frame.
    pub key_frame_len: usize,
    /// Bytes of any other video frame.
    pub frame_len: usize,
    /// FRAMEINFO's code for the resolution. With 1 (360p) the parameter sets say 64x64, with any other 128x96.
    pub frame_size: u8,
    /// µ-law, A-law, PCM, AAC (0x87 and 0x90, with ADTS headers), Opus, Speex, MP3 or G.726 (4 bits a sample); `None`
    /// for no audio.
    pub audio: Option<CodecId>,
    pub audio_rate: u32,
    /// Unix time of the first frame; those of later frames follow from the frame rate or the number of samples.
    pub start: Duration,
    pub seed: u64,
}

impl Default for SyntheticConfig {
    /// About 1 Mbit/s of H.264 at 20 frames/s, and µ-law.
    fn default() -> Self {
        SyntheticConfig {
            video: Some(CodecId::H264),
            fps: 20,
            gop: 40,
            key_frame_len: 40_000,
            frame_len: 5_000,
            frame_size: 0,
            audio: Some(CodecId::MULAW),
            audio_rate: 8000,
            start: Duration::from_secs(1_700_000_000),
            seed: 1,
        }
    }
}

/// An endless series of frames, video and audio in the order of their times.
#[derive(Debug)]
pub struct Synthetic {
    config: SyntheticConfig,
    rng: StdRng,
    video_frames: u32,
    audio_frames: u32,
    key_frame_wanted: bool,
}

impl Synthetic {
    pub fn new(config: SyntheticConfig) -> Self {
        let rng = StdRng::seed_from_u64(config.seed);
        Synthetic { config, rng, video_frames: 0, audio_frames: 0, key_frame_wanted: false }
    }

    /// The settings, to change for the frames from now on.
    pub fn config_mut(&mut self) -> &mut SyntheticConfig {
        &mut self.config
    }

    /// Makes the next video frame a key frame.
    pub fn want_key_frame(&mut self) {
        self.key_frame_wanted = true;
    }

    /// When the next frame is due, counted from the first one; `None` without media.
    pub fn next_due(&self) -> Option<Duration> {
        [self.video_due(), self.audio_due()].into_iter().flatten().min()
    }

    /// Makes the next frame; returns it and when it is due, counted from the first one.
    pub fn next_frame(&mut self) -> Option<(Duration, MediaFrame)> {
        let due = self.next_due()?;
        let frame = if self.video_due() == Some(due) { self.video_frame(due) } else { self.audio_frame(due) };
        Some((due, frame))
    }

    fn video_due(&self) -> Option<Duration> {
        let fps = u32::from(self.config.fps.max(1));
        self.config.video.map(|_| Duration::from_secs(1) * self.video_frames / fps)
    }

    fn audio_due(&self) -> Option<Duration> {
        let codec = self.config.audio?;
        let samples = u64::from(samples_per_frame(codec, self.config.audio_rate)) * u64::from(self.audio_frames);
        Some(Duration::from_nanos(samples * 1_000_000_000 / u64::from(self.config.audio_rate.max(1))))
    }

    fn video_frame(&mut self, due: Duration) -> MediaFrame {
        let codec = self.config.video.unwrap_or(CodecId::H264);
        let is_key = self.video_frames.is_multiple_of(self.config.gop.max(1))
            || codec == CodecId::MJPEG
            || std::mem::take(&mut self.key_frame_wanted);
        self.video_frames += 1;
        let (kind, len) = match is_key {
            true => (MediaChannel::KeyVideo, self.config.key_frame_len),
            false => (MediaChannel::Video, self.config.frame_len),
        };
        let (head, tail) = video_head_and_tail(codec, is_key, self.config.frame_size == 1);
        self.frame(due, kind, codec, u8::from(is_key), head, len, tail)
    }

    fn audio_frame(&mut self, due: Duration) -> MediaFrame {
        let codec = self.config.audio.unwrap_or(CodecId::MULAW);
        let rate = self.config.audio_rate;
        self.audio_frames += 1;
        let samples = samples_per_frame(codec, rate) as usize;
        let (head, len) = match codec {
            CodecId::PCM => (Vec::new(), samples * 2),
            CodecId::AAC_ADTS | CodecId::AAC_WYZE => (adts_header(rate, 200), 200),
            // Wideband SILK, 20 ms, mono, one frame.
            CodecId::OPUS => (vec![0x48], 80),
            // A narrowband frame in mode 5.
            CodecId::SPEEX => (vec![5 << 3], 38),
            CodecId::G726 => (Vec::new(), samples / 2),
            _ => (Vec::new(), samples),
        };
        let flags = AudioFlags::new(rate, false).map_or(0, |flags| flags.0);
        self.frame(due, MediaChannel::Audio, codec, flags, head, len, &[])
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one frame, from two callers")]
    fn frame(
        &mut self,
        due: Duration,
        kind: MediaChannel,
        codec: CodecId,
        flags: u8,
        mut data: Vec<u8>,
        len: usize,
        tail: &[u8],
    ) -> MediaFrame {
        let time = self.config.start + due;
        let head = data.len();
        data.resize(len.saturating_sub(tail.len()).max(head), 0);
        self.rng.fill(&mut data[head..]);
        // So that the random bytes contain no start code and no JPEG marker.
        data[head..].iter_mut().for_each(|byte| *byte = (*byte).clamp(1, 0xFE));
        data.extend(tail);
        MediaFrame {
            kind,
            codec,
            flags,
            fps: self.config.fps,
            frame_size: self.config.frame_size,
            seconds: time.as_secs() as u32,
            microseconds: time.subsec_micros(),
            data,
        }
    }
}

fn video_head_and_tail(codec: CodecId, is_key: bool, small: bool) -> (Vec<u8>, &'static [u8]) {
    let pick = |small_one: &'static [u8], other: &'static [u8]| if small { small_one } else { other };
    let units: &[&[u8]] = match (codec, is_key) {
        (CodecId::MJPEG, _) => return (vec![0xFF, 0xD8, 0xFF, 0xDA], &[0xFF, 0xD9]),
        (CodecId::H265, true) => {
            let (sps, pps) = (pick(H265_SPS_SMALL, H265_SPS), pick(H265_PPS_SMALL, H265_PPS));
            &[H265_VPS, sps, pps, b"\x28\x01\xac\x1a"]
        }
        (CodecId::H265, false) => &[b"\x02\x01\xd0\x09"],
        (_, true) => &[pick(H264_SPS_SMALL, H264_SPS), H264_PPS, b"\x65\x88\x84\x06"],
        (_, false) => &[b"\x41\x9a\x21\x08"],
    };
    (units.iter().flat_map(|unit| [START_CODE, unit].concat()).collect(), &[])
}

fn samples_per_frame(codec: CodecId, rate: u32) -> u32 {
    match codec {
        CodecId::AAC_ADTS | CodecId::AAC_WYZE => AAC_SAMPLES,
        CodecId::OPUS | CodecId::SPEEX => rate / 50,
        _ => rate / 25,
    }
}

/// Makes an ADTS header for AAC-LC, mono, without CRC; `len` is the frame's length including the header.
fn adts_header(rate: u32, len: usize) -> Vec<u8> {
    const RATES: [u32; 12] = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000];
    let index = RATES.iter().position(|&r| r == rate).unwrap_or(8) as u8;
    let len = len as u16;
    vec![0xFF, 0xF1, 0x40 | index << 2, 0x40 | (len >> 11) as u8, (len >> 3) as u8, (len << 5) as u8 | 0x1F, 0xFC]
}
