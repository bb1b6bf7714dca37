//! Audio: FRAMEINFO gives codec, rate and channels, unless the bytes have a header, which knows better.

use super::adts::{AAC_RATES, AdtsHeader};
use super::{Verdict, speex};
use crate::protocol::wire::codec::{AudioFlags, CodecId};
use crate::protocol::wire::frame_info::FrameInfo;

/// The number of frames that settle what 8F stands for.
const LAW_FRAMES: u8 = 4;
/// As many bits a sample, or more, are A-law.
const ALAW_BITS: u64 = 6;

/// Follows a camera's audio.
#[derive(Debug, Default)]
pub struct AudioFormat {
    codec: Option<CodecId>,
    /// The last caps, and the flags that they come from.
    caps: Option<gst::Caps>,
    flags: Option<AudioFlags>,
    /// Frames of this codec have had ADTS headers, so that one without is broken.
    adts: bool,
    law: Law,
    refused: bool,
}

/// The codec behind the id 8F. The vendor's table says G.726, but cameras send A-law. A-law has a byte a sample, G.726
/// has 2 to 5 bits.
#[derive(Debug)]
enum Law {
    /// `bits` a sample are the most that any two frames spoke for; `None` before there were two with some time between.
    Unknown {
        frames: u8,
        last: Option<(u32, usize)>,
        bits: Option<u64>,
    },
    Alaw,
    G726 {
        bits: u32,
    },
}

impl Default for Law {
    fn default() -> Self {
        Law::Unknown { frames: 0, last: None, bits: None }
    }
}

impl AudioFormat {
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges the next frame; `data` may be anything. Puts a header in front if the caps ask for one that the frame
    /// lacks, and cuts off a sample that came only in part.
    pub fn inspect(&mut self, info: &FrameInfo, data: &mut Vec<u8>) -> Verdict {
        if self.codec != Some(info.codec) {
            *self = AudioFormat { codec: Some(info.codec), ..Self::default() };
        }
        if data.is_empty() {
            return Verdict::Skip;
        }
        // The caps of these codecs follow from the flags alone, and to build caps costs more than all else here.
        let says_all = matches!(info.codec, CodecId::MULAW | CodecId::ALAW | CodecId::OPUS);
        if says_all && self.flags == Some(info.audio_flags()) {
            return Verdict::Push { caps: None, sync: true };
        }
        let caps = match info.codec {
            CodecId::AAC_RAW | CodecId::AAC_ADTS | CodecId::AAC_LATM | CodecId::AAC_WYZE => self.aac(info, data),
            // The vendor's table says Speex, but the cameras that were seen to send this id send AAC.
            CodecId::SPEEX if self.adts || AdtsHeader::read(data).is_some() => self.aac(info, data),
            CodecId::SPEEX => match speex::frames(data) {
                Some(frames) => Some(speex_caps(info, frames)),
                None => return self.refuse(info.codec),
            },
            CodecId::G726 => match *self.law(info, data.len()) {
                Law::Alaw => Some(flagged("audio/x-alaw", info, 8_000)),
                // Decoders of G.726 know one channel only.
                Law::G726 { bits } if info.audio_flags().channels() == 1 => Some(g726(info, bits)),
                Law::G726 { .. } => return self.refuse(info.codec),
                Law::Unknown { .. } => None,
            },
            CodecId::ADPCM if is_ima_block(data, info.audio_flags().channels()) => {
                let caps = flagged("audio/x-adpcm", info, 8_000).field("layout", "dvi");
                Some(caps.field("block_align", data.len() as i32))
            }
            CodecId::MULAW => Some(flagged("audio/x-mulaw", info, 8_000)),
            CodecId::ALAW => Some(flagged("audio/x-alaw", info, 8_000)),
            CodecId::PCM => {
                let sample = 2 * info.audio_flags().channels() as usize;
                data.truncate(data.len() / sample * sample);
                let caps = flagged("audio/x-raw", info, 8_000).field("format", "S16LE").field("layout", "interleaved");
                (!data.is_empty()).then_some(caps)
            }
            CodecId::OPUS => Some(flagged("audio/x-opus", info, 16_000).field("channel-mapping-family", 0)),
            CodecId::MP3 => Some(mp3(info, data)),
            other => return self.refuse(other),
        };

        let Some(caps) = caps.map(|caps| caps.build()) else { return Verdict::Skip };
        self.flags = Some(info.audio_flags());
        let changed = self.caps.as_ref() != Some(&caps);
        if changed {
            self.caps = Some(caps.clone());
        }
        Verdict::Push { caps: changed.then_some(caps), sync: true }
    }

    fn refuse(&mut self, codec: CodecId) -> Verdict {
        if std::mem::replace(&mut self.refused, true) { Verdict::Skip } else { Verdict::Unsupported(codec) }
    }

    /// Tells the form of AAC by the bytes, and by the codec id only where they say nothing.
    fn aac(&mut self, info: &FrameInfo, data: &mut Vec<u8>) -> Option<Builder> {
        let caps = |format: &str, rate, channels| {
            let caps = rated("audio/mpeg", rate, channels).field("mpegversion", 4);
            caps.field("stream-format", format).field("framed", true)
        };
        let flags = info.audio_flags();
        let rate = flags.rate().unwrap_or(16_000);
        if let Some(header) = AdtsHeader::read(data) {
            self.adts = true;
            return Some(caps("adts", header.rate, header.channels.unwrap_or(flags.channels())));
        }
        if self.adts {
            return None;
        }
        if is_loas(data) {
            return Some(caps("loas", rate, flags.channels()));
        }
        if info.codec == CodecId::AAC_LATM {
            let length = u16::try_from(data.len()).ok().filter(|&length| length < 1 << 13)?;
            let [high, low] = (0xE000 | length).to_be_bytes();
            data.splice(0..0, [0x56, high, low]);
            return Some(caps("loas", rate, flags.channels()));
        }
        // AudioSpecificConfig: object type 2 (AAC-LC), rate index, channels, and three zero bits: 1024 samples, no
        // extension.
        let index = AAC_RATES.iter().position(|&r| r == rate)? as u16;
        let config = (2 << 11 | index << 7 | (flags.channels() as u16) << 3).to_be_bytes();
        Some(caps("raw", rate, flags.channels()).field("codec_data", gst::Buffer::from_slice(config)))
    }

    /// Settles what 8F stands for by the bytes that come in the time between two frames. If the stamps say nothing, it
    /// is A-law.
    fn law(&mut self, info: &FrameInfo, length: usize) -> &Law {
        if let Law::Unknown { frames, last, bits } = &mut self.law {
            let rate = info.audio_flags().rate().unwrap_or(8_000) * info.audio_flags().channels();
            if let Some((before, bytes)) = *last {
                let elapsed = (i64::from(info.microseconds) - i64::from(before)).rem_euclid(1_000_000) as u64;
                let samples = elapsed * u64::from(rate) / 1_000_000;
                // Twice the bits a sample, as stamps are not exact. Loss only makes them fewer.
                if let Some(halves) = (bytes as u64 * 16).checked_div(samples) {
                    let came = if halves >= 2 * ALAW_BITS { ALAW_BITS } else { halves.div_ceil(2).min(5) };
                    *bits = (*bits).max(Some(came));
                }
            }
            *last = Some((info.microseconds, length));
            *frames += 1;
            // One pair of frames with enough of them settles it.
            let settled = *bits == Some(ALAW_BITS) || *frames >= LAW_FRAMES;
            match bits.unwrap_or(ALAW_BITS) {
                ALAW_BITS if settled => self.law = Law::Alaw,
                bits if settled => self.law = Law::G726 { bits: bits.max(2) as u32 },
                _ => {}
            }
        }
        &self.law
    }
}

type Builder = gst::caps::Builder<gst::caps::NoFeature>;

fn rated(name: &str, rate: u32, channels: u32) -> Builder {
    gst::Caps::builder(name).field("rate", rate as i32).field("channels", channels as i32)
}

/// Begins caps with rate and channels from the flags. `usual` is the rate if they have none.
fn flagged(name: &str, info: &FrameInfo, usual: u32) -> Builder {
    let flags = info.audio_flags();
    rated(name, flags.rate().unwrap_or(usual), flags.channels())
}

/// Whether `data` begins with an AudioSyncStream header whose element fits into it.
fn is_loas(data: &[u8]) -> bool {
    let Some(&[sync, high, low]) = data.first_chunk() else { return false };
    let length = usize::from(high & 0x1F) << 8 | usize::from(low);
    sync == 0x56 && high & 0xE0 == 0xE0 && length > 0 && 3 + length <= data.len()
}

fn speex_caps(info: &FrameInfo, frames: u32) -> Builder {
    let flags = info.audio_flags();
    let rate = flags.rate().unwrap_or(8_000);
    let header = speex::stream_header(rate, flags.channels(), frames);
    rated("audio/x-speex", rate, flags.channels()).field("streamheader", gst::Array::new(header))
}

/// Makes caps of G.726 with this many bits a sample, which decoders take from the bit rate.
fn g726(info: &FrameInfo, bits: u32) -> Builder {
    let rate = info.audio_flags().rate().unwrap_or(8_000);
    rated("audio/x-adpcm", rate, 1).field("layout", "g726").field("bitrate", (rate * bits) as i32)
}

/// Whether `data` is a block of IMA ADPCM as in WAV files: for each channel a sample, an index and a zero, and then
/// words of each channel in turn.
fn is_ima_block(data: &[u8], channels: u32) -> bool {
    const HEADER: usize = 4;
    const MAX_INDEX: u8 = 88;
    let channels = channels as usize;
    let is_header = |header: &[u8]| header[2] <= MAX_INDEX && header[3] == 0;
    data.len() > HEADER * channels
        && data.len().is_multiple_of(HEADER * channels)
        && data.chunks(HEADER).take(channels).all(is_header)
}

/// Makes caps from the MPEG audio header, or from the flags if there is none.
fn mp3(info: &FrameInfo, data: &[u8]) -> Builder {
    let flags = info.audio_flags();
    let rate = flags.rate().unwrap_or(16_000);
    let version = match rate {
        32_000.. => 1,
        16_000.. => 2,
        _ => 3,
    };
    let (version, layer, rate, channels) = mpeg_header(data).unwrap_or((version, 3, rate, flags.channels()));
    rated("audio/mpeg", rate, channels).field("mpegversion", 1).field("mpegaudioversion", version).field("layer", layer)
}

/// Reads version (3 is MPEG 2.5), layer, rate and channels.
fn mpeg_header(data: &[u8]) -> Option<(i32, i32, u32, u32)> {
    let &[0xFF, second, third, fourth] = data.first_chunk()? else { return None };
    if second & 0xE0 != 0xE0 {
        return None;
    }
    let version = match second >> 3 & 3 {
        0 => 3,
        2 => 2,
        3 => 1,
        _ => return None,
    };
    let layer = match second >> 1 & 3 {
        0 => return None,
        n => 4 - i32::from(n),
    };
    let rate = [44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))? >> (version - 1);
    let channels = if fourth >> 6 == 3 { 1 } else { 2 };
    Some((version, layer, rate, channels))
}
