//! The audio format that a camera sends, which is the one that its speaker takes.

use crate::protocol::wire::codec::{AudioFlags, CodecId};
use crate::protocol::wire::frame_info::FrameInfo;
use std::fmt;

/// The codings that the sink can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Mulaw,
    Alaw,
    /// Samples in S16LE, interleaved.
    Pcm,
    AacAdts,
    AacRaw,
    Opus,
    Speex,
    Mp3,
    G726 {
        /// Of one sample, 2 to 5.
        bits: u32,
    },
}

/// The camera's codec, under the camera's own name for it, with rate and channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraAudio {
    pub codec: CodecId,
    pub flags: AudioFlags,
    pub coding: Coding,
    pub rate: u32,
    pub channels: u32,
}

impl CameraAudio {
    /// Reads the format from a frame of the camera and the caps that were made of it. Returns `None` for one that
    /// cannot be encoded here.
    pub fn new(info: &FrameInfo, caps: &gst::CapsRef) -> Option<Self> {
        let structure = caps.structure(0)?;
        let number = |field| structure.get::<i32>(field).ok().and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0);
        let (rate, channels) = (number("rate")?, number("channels")?);
        let coding = match structure.name().as_str() {
            "audio/x-mulaw" => Coding::Mulaw,
            "audio/x-alaw" => Coding::Alaw,
            "audio/x-raw" => Coding::Pcm,
            "audio/x-opus" => Coding::Opus,
            "audio/x-speex" => Coding::Speex,
            "audio/x-adpcm" if structure.get("layout") == Ok("g726") => {
                Coding::G726 { bits: number("bitrate")? / rate }
            }
            "audio/mpeg" if structure.get("layer") == Ok(3) => Coding::Mp3,
            "audio/mpeg" if structure.get("mpegversion") == Ok(4) => match structure.get("stream-format") {
                Ok("adts") => Coding::AacAdts,
                Ok("raw") => Coding::AacRaw,
                _ => return None,
            },
            _ => return None,
        };
        Some(CameraAudio { codec: info.codec, flags: info.audio_flags(), coding, rate, channels })
    }

    /// Makes the format that was agreed upon over WebRTC; `None` for one that cannot be encoded here.
    pub fn agreed(codec: CodecId, flags: AudioFlags) -> Option<Self> {
        let coding = match codec {
            CodecId::MULAW => Coding::Mulaw,
            CodecId::ALAW => Coding::Alaw,
            CodecId::OPUS => Coding::Opus,
            _ => return None,
        };
        Some(CameraAudio { codec, flags, coding, rate: flags.rate()?, channels: flags.channels() })
    }

    /// Returns the caps of sound that the camera takes as it is, once AAC is cut into frames.
    pub fn caps(&self) -> gst::Caps {
        let aac = |format: &str| {
            gst::Caps::builder("audio/mpeg")
                .field("mpegversion", 4)
                .field("stream-format", format)
                .field("framed", true)
        };
        let builder = match self.coding {
            Coding::Mulaw => gst::Caps::builder("audio/x-mulaw"),
            Coding::Alaw => gst::Caps::builder("audio/x-alaw"),
            Coding::Pcm => {
                let raw = gst_audio::AudioCapsBuilder::new_interleaved().format(gst_audio::AudioFormat::S16le);
                return raw.rate(self.rate as i32).channels(self.channels as i32).build();
            }
            Coding::AacAdts => aac("adts"),
            Coding::AacRaw => aac("raw"),
            Coding::Speex => gst::Caps::builder("audio/x-speex"),
            Coding::Mp3 => gst::Caps::builder("audio/mpeg").field("mpegversion", 1).field("layer", 3),
            Coding::G726 { bits } => {
                gst::Caps::builder("audio/x-adpcm").field("layout", "g726").field("bitrate", (self.rate * bits) as i32)
            }
            // The rate and channels of Opus caps are only hints: each packet says what it has.
            Coding::Opus => return gst::Caps::builder("audio/x-opus").field("channel-mapping-family", 0).build(),
        };
        builder.field("rate", self.rate as i32).field("channels", self.channels as i32).build()
    }
}

impl fmt::Display for CameraAudio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.coding {
            Coding::Mulaw => "µ-law",
            Coding::Alaw => "A-law",
            Coding::Pcm => "S16LE",
            Coding::AacAdts => "AAC (ADTS)",
            Coding::AacRaw => "AAC (raw)",
            Coding::Opus => "Opus",
            Coding::Speex => "Speex",
            Coding::Mp3 => "MP3",
            Coding::G726 { .. } => "G.726",
        };
        let channels = if self.channels == 1 { "one channel" } else { "two channels" };
        write!(f, "{name}, {} Hz, {channels}", self.rate)
    }
}
