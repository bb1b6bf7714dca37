//! What each container can hold, and which of GStreamer's elements make it.

use clap::ValueEnum;

/// The format of the files.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// MP4; Motion JPEG, which GStreamer's MP4 lacks, goes to QuickTime (.mov)
    #[default]
    Mp4,
    /// Matroska
    Mkv,
    /// MPEG transport stream
    Ts,
}

/// A muxer that takes a picture's codec, and how the picture gets there.
#[derive(Debug, PartialEq, Eq)]
pub struct Container {
    pub muxer: &'static str,
    pub ending: &'static str,
    /// The parser in front of the muxer.
    pub parser: Option<&'static str>,
    /// The caps behind the parser.
    pub caps: Option<&'static str>,
}

impl Format {
    /// Returns what holds this picture, or sound alone where there is none.
    pub fn container(self, picture: Option<&gst::CapsRef>) -> Result<Container, String> {
        let name = picture.and_then(|caps| caps.structure(0)).map(|structure| structure.name().as_str());
        let (muxer, ending) = match (self, name) {
            (Format::Mp4, Some("image/jpeg" | "video/x-h263")) => ("qtmux", "mov"),
            (Format::Mp4, _) => ("mp4mux", "mp4"),
            (Format::Mkv, _) => ("matroskamux", "mkv"),
            (Format::Ts, _) => ("mpegtsmux", "ts"),
        };
        let (parser, caps) = match (self, name) {
            (Format::Ts, Some("video/x-h264")) => (Some("h264parse"), Some("video/x-h264,stream-format=byte-stream")),
            (Format::Ts, Some("video/x-h265")) => (Some("h265parse"), Some("video/x-h265,stream-format=byte-stream")),
            (_, Some("video/x-h264")) => (Some("h264parse"), Some("video/x-h264,stream-format=avc,alignment=au")),
            (_, Some("video/x-h265")) => (Some("h265parse"), Some("video/x-h265,stream-format=hvc1,alignment=au")),
            (_, Some("video/mpeg")) => (Some("mpeg4videoparse"), None),
            (Format::Ts, Some(other)) => return Err(format!("MPEG-TS cannot hold {other}: use --format mkv")),
            (_, Some("video/x-h263")) => (Some("h263parse"), None),
            _ => (None, None),
        };
        Ok(Container { muxer, ending, parser, caps })
    }

    /// Whether this sound can go into the files as the camera sends it.
    pub fn can_copy(self, sound: &gst::CapsRef) -> bool {
        let Some(structure) = sound.structure(0) else { return false };
        match structure.name().as_str() {
            "audio/mpeg" => !is_loas(sound),
            "audio/x-opus" => true,
            "audio/x-mulaw" | "audio/x-alaw" | "audio/x-raw" => self == Format::Mkv,
            _ => false,
        }
    }
}

/// Whether this is AAC that only needs another header to go into a file.
pub fn is_aac(sound: &gst::CapsRef) -> bool {
    let structure = sound.structure(0);
    structure.is_some_and(|s| s.name() == "audio/mpeg" && s.get::<i32>("mpegversion") == Ok(4)) && !is_loas(sound)
}

fn is_loas(sound: &gst::CapsRef) -> bool {
    sound.structure(0).is_some_and(|s| s.get::<&str>("stream-format") == Ok("loas"))
}
