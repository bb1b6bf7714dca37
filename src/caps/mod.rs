//! Names a camera's frames in GStreamer's terms, as caps.
//!
//! FRAMEINFO names the codec, but cameras are not always right about it, and it does not carry a picture's true size:
//! so the frame's own bytes are believed first, as far as they go. A camera has one [`VideoFormat`] and one
//! [`AudioFormat`], which see every frame in order and give a [`Verdict`] on each.

mod adts;
mod audio;
mod speex;
mod video;

use crate::protocol::wire::codec::CodecId;

pub use adts::AdtsHeader;
pub use audio::AudioFormat;
pub use video::VideoFormat;

/// The decision on one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Push it. `caps` are the first ones, or others than before, and go first. `sync` means that decoding can start
    /// here, as it always can for sound; without it, the buffer is a delta unit.
    Push { caps: Option<gst::Caps>, sync: bool },
    /// Drop it: it is broken, it comes before the first key frame, its codec is not known for sure yet, or it has only
    /// parameter sets, which the next picture gets.
    Skip,
    /// Drop it: no caps exist for this codec. Returned once, and again when the codec changes.
    Unsupported(CodecId),
}

/// Returns the caps of all that a `video` pad can carry.
pub fn video_template() -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    let caps_mut = caps.make_mut();
    for name in ["video/x-h264", "video/x-h265"] {
        let structure = gst::Structure::builder(name).field("stream-format", "byte-stream").field("alignment", "au");
        caps_mut.append_structure(structure.build());
    }
    caps_mut.append_structure(gst::Structure::new_empty("image/jpeg"));
    let mpeg4 = gst::Structure::builder("video/mpeg").field("mpegversion", 4).field("systemstream", false);
    caps_mut.append_structure(mpeg4.build());
    caps_mut.append_structure(gst::Structure::builder("video/x-h263").field("variant", "itu").build());
    caps
}

/// Returns the caps of all that an `audio` pad can carry.
pub fn audio_template() -> gst::Caps {
    let (rate, channels) = (gst::IntRange::new(7_350, 96_000), gst::IntRange::new(1, 8));
    let aac = gst::List::new(["adts", "raw", "loas"]);
    let structures = [
        gst::Structure::builder("audio/mpeg").field("mpegversion", 4).field("stream-format", aac).field("framed", true),
        gst::Structure::builder("audio/mpeg").field("mpegversion", 1).field("layer", gst::IntRange::new(1, 3)),
        gst::Structure::builder("audio/x-mulaw"),
        gst::Structure::builder("audio/x-alaw"),
        gst::Structure::builder("audio/x-speex"),
        gst::Structure::builder("audio/x-adpcm").field("layout", gst::List::new(["g726", "dvi"])),
    ];
    let mut caps: gst::Caps =
        structures.into_iter().map(|s| s.field("rate", rate).field("channels", channels).build()).collect();
    // This family of mappings has one or two channels.
    let opus = gst::Caps::builder("audio/x-opus").field("channel-mapping-family", 0).field("rate", rate);
    caps.merge(opus.field("channels", gst::IntRange::new(1, 2)).build());
    let raw = gst_audio::AudioCapsBuilder::new_interleaved().format(gst_audio::AudioFormat::S16le);
    caps.merge(raw.rate_range(7_350..=96_000).channels_range(1..=8).build());
    caps
}

#[cfg(test)]
mod tests;
