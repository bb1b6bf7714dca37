//! Cuts encoded sound into the frames that cameras take.

use super::camera_audio::{CameraAudio, Coding};
use crate::caps::AdtsHeader;
use std::time::Duration;

/// The samples in a frame of G.711, G.726 or PCM.
const SAMPLES: usize = 160;
/// The samples in a frame of AAC-LC.
const AAC_SAMPLES: u32 = 1024;
/// The samples in a frame of MP3 at rates from 32 kHz on; below, a frame has half of them.
const MP3_SAMPLES: u32 = 1152;
/// How long a frame of Speex sounds.
const SPEEX_TIME: Duration = Duration::from_millis(20);
/// The longest sound of one packet (RFC 6716).
const OPUS_LIMIT: Duration = Duration::from_millis(120);

/// One encoded frame and how long it sounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutFrame {
    pub data: Vec<u8>,
    pub duration: Duration,
}

#[derive(Debug)]
pub struct FrameCutter {
    audio: CameraAudio,
    /// Samples at the end that do not fill a frame yet.
    rest: Vec<u8>,
}

impl FrameCutter {
    pub fn new(audio: CameraAudio) -> Self {
        FrameCutter { audio, rest: Vec::new() }
    }

    /// Takes encoded sound, and returns the frames that are whole with it. AAC, Opus, Speex and MP3 come in whole
    /// frames; anything else in them is left out.
    pub fn cut(&mut self, data: &[u8]) -> Vec<CutFrame> {
        match self.audio.coding {
            Coding::Mulaw | Coding::Alaw | Coding::Pcm | Coding::G726 { .. } => {
                self.rest.extend_from_slice(data);
                let frame = self.len_of(SAMPLES);
                let whole = self.rest.len() / frame * frame;
                let frames = self.rest[..whole].chunks(frame).map(|data| self.sampled(data)).collect();
                self.rest.drain(..whole);
                frames
            }
            Coding::Speex => vec![CutFrame { data: data.to_vec(), duration: SPEEX_TIME }],
            Coding::Mp3 => {
                let samples = if self.audio.rate < 32_000 { MP3_SAMPLES / 2 } else { MP3_SAMPLES };
                vec![CutFrame { data: data.to_vec(), duration: self.time_of(samples) }]
            }
            Coding::AacRaw => vec![CutFrame { data: data.to_vec(), duration: self.time_of(AAC_SAMPLES) }],
            Coding::AacAdts => {
                adts_frames(data).map(|f| CutFrame { data: f.to_vec(), duration: self.time_of(AAC_SAMPLES) }).collect()
            }
            Coding::Opus => {
                opus_duration(data).map(|duration| CutFrame { data: data.to_vec(), duration }).into_iter().collect()
            }
        }
    }

    /// Returns the short frame at the end, if there is one.
    pub fn finish(&mut self) -> Option<CutFrame> {
        let rest = std::mem::take(&mut self.rest);
        let whole = self.len_of(self.samples_in(&rest));
        (whole > 0).then(|| self.sampled(&rest[..whole]))
    }

    fn sampled(&self, data: &[u8]) -> CutFrame {
        // A frame has some hundred bytes.
        CutFrame { data: data.to_vec(), duration: self.time_of(self.samples_in(data) as u32) }
    }

    /// Returns the bits of one sample of all channels.
    fn sample_bits(&self) -> usize {
        let bits = match self.audio.coding {
            Coding::Pcm => 16,
            Coding::G726 { bits } => bits,
            _ => 8,
        };
        (self.audio.channels * bits) as usize
    }

    fn samples_in(&self, data: &[u8]) -> usize {
        data.len() * 8 / self.sample_bits()
    }

    /// Returns the bytes of so many samples.
    fn len_of(&self, samples: usize) -> usize {
        (samples * self.sample_bits()).div_ceil(8)
    }

    fn time_of(&self, samples: u32) -> Duration {
        Duration::from_secs(1) * samples / self.audio.rate
    }
}

/// Cuts a row of ADTS frames at their headers. Ends where no whole frame follows.
fn adts_frames(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (frame, rest) = data.split_at(AdtsHeader::read(data)?.length);
        data = rest;
        Some(frame)
    })
}

/// Returns how long a packet sounds, by the configuration and the number of frames in its first bytes (RFC 6716,
/// section 3.1).
fn opus_duration(packet: &[u8]) -> Option<Duration> {
    let toc = *packet.first()?;
    let microseconds = match toc >> 3 {
        silk @ 0..12 => [10_000, 20_000, 40_000, 60_000][usize::from(silk & 3)],
        hybrid @ 12..16 => [10_000, 20_000][usize::from(hybrid & 1)],
        celt => [2_500, 5_000, 10_000, 20_000][usize::from(celt & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3F),
    };
    let duration = Duration::from_micros(microseconds) * frames;
    (frames > 0 && duration <= OPUS_LIMIT).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wire::codec::{AudioFlags, CodecId};

    fn cutter(coding: Coding, rate: u32, channels: u32) -> FrameCutter {
        let flags = AudioFlags::new(rate, channels == 2).unwrap();
        FrameCutter::new(CameraAudio { codec: CodecId::MULAW, flags, coding, rate, channels })
    }

    fn milliseconds(frames: &[CutFrame]) -> Vec<u128> {
        frames.iter().map(|frame| frame.duration.as_millis()).collect()
    }

    #[test]
    fn samples_are_cut_by_160_and_none_is_lost() {
        let mut mulaw = cutter(Coding::Mulaw, 8000, 1);
        let data: Vec<u8> = (0..=255).cycle().take(500).collect();
        let mut frames = mulaw.cut(&data[..100]);
        assert!(frames.is_empty());
        frames.extend(mulaw.cut(&data[100..]));
        assert_eq!(milliseconds(&frames), [20, 20, 20]);
        frames.extend(mulaw.finish());
        assert_eq!(milliseconds(&frames[3..]), [2]);
        assert_eq!(frames.concat_data(), data);
        assert_eq!(mulaw.finish(), None);

        let mut pcm = cutter(Coding::Pcm, 16_000, 2);
        assert_eq!(milliseconds(&pcm.cut(&[0; 1290])), [10, 10]);
        assert_eq!(pcm.finish().map(|frame| frame.data.len()), Some(8), "half a sample is none");
    }

    #[test]
    fn g726_is_cut_by_160_samples_of_some_bits() {
        for bits in 2..=5 {
            let mut g726 = cutter(Coding::G726 { bits }, 8000, 1);
            let frames = g726.cut(&[7; 130]);
            assert_eq!(frames.len(), 130 / (20 * bits as usize));
            assert!(frames.iter().all(|frame| frame.duration.as_millis() == 20), "{frames:?}");
            let rest = g726.finish().map_or(0, |frame| frame.data.len());
            assert_eq!(frames.concat_data().len() + rest, 130, "{bits} bits");
        }
    }

    #[test]
    fn aac_is_cut_at_its_headers() {
        let frame = |len: u8| {
            [&[0xFF, 0xF1, 0x60, 0x40, len >> 3, len << 5 | 0x1F, 0xFC][..], &vec![7; len as usize - 7]].concat()
        };
        let mut aac = cutter(Coding::AacAdts, 16_000, 1);
        let frames = aac.cut(&[frame(20), frame(9), vec![1, 2, 3]].concat());
        assert_eq!(milliseconds(&frames), [64, 64]);
        assert_eq!(frames[1].data, frame(9));
        assert!(aac.cut(&frame(200)[..199]).is_empty());
        assert_eq!(aac.finish(), None);
    }

    #[test]
    fn opus_packets_know_their_time() {
        let mut opus = cutter(Coding::Opus, 48_000, 1);
        for (packet, expected) in [(&[0x48, 0][..], Some(20)), (&[0xFB, 3], Some(60)), (&[0x1B, 3], None), (&[], None)]
        {
            assert_eq!(milliseconds(&opus.cut(packet)).first().copied(), expected, "{packet:?}");
        }
    }

    trait Concat {
        fn concat_data(&self) -> Vec<u8>;
    }

    impl Concat for Vec<CutFrame> {
        fn concat_data(&self) -> Vec<u8> {
            self.iter().flat_map(|frame| frame.data.clone()).collect()
        }
    }
}
