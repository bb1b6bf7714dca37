//! What a camera's frames are, as GStreamer caps.
//!
//! FRAMEINFO names the codec, but cameras are not always right about it, and it does not carry a picture's true size:
//! so whatever the frame's own bytes can tell is taken from them. One [`VideoFormat`] and one [`AudioFormat`] a camera see
//! every frame in order and give a [`Verdict`] on each.

mod adts;
mod audio;
mod video;

use crate::protocol::wire::codec::CodecId;

pub use adts::AdtsHeader;
pub use audio::AudioFormat;
pub use video::VideoFormat;

/// What to do with a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Push it, after these caps if there are any: the first ones, or others than before. `sync` means that decoding can
    /// start here (always so for sound); without it the buffer is a delta unit.
    Push { caps: Option<gst::Caps>, sync: bool },
    /// Drop it: no key frame yet, not clear yet what it is, or broken.
    Skip,
    /// Drop it: the camera sends a codec that no caps exist for. Said once until the codec changes.
    Unsupported(CodecId),
}

/// All that a `video` pad can carry.
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

/// All that an `audio` pad can carry.
pub fn audio_template() -> gst::Caps {
    let rate = gst::IntRange::new(7_350, 96_000);
    let channels = gst::IntRange::new(1, 8);
    let structures = [
        gst::Structure::builder("audio/mpeg")
            .field("mpegversion", 4)
            .field("stream-format", gst::List::new(["adts", "raw", "loas"])),
        gst::Structure::builder("audio/mpeg").field("mpegversion", 1).field("layer", gst::IntRange::new(1, 3)),
        gst::Structure::builder("audio/x-mulaw"),
        gst::Structure::builder("audio/x-alaw"),
        gst::Structure::builder("audio/x-raw").field("format", "S16LE").field("layout", "interleaved"),
        gst::Structure::builder("audio/x-opus").field("channel-mapping-family", 0),
    ];
    structures.into_iter().map(|s| s.field("rate", rate).field("channels", channels).build()).collect()
}

#[cfg(test)]
mod tests;
