//! How a codec of a camera becomes RTP: what is done to it once for all clients, and what packs it into packets.

use gst::prelude::*;
use std::sync::LazyLock;

/// Picture or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    Video,
    Audio,
}

impl Medium {
    /// Returns the medium of a pad of `wyzesrc`.
    pub fn of(pad: &gst::Pad) -> Self {
        if pad.name() == "video" { Medium::Video } else { Medium::Audio }
    }

    pub fn name(self) -> &'static str {
        match self {
            Medium::Video => "video",
            Medium::Audio => "audio",
        }
    }
}

/// What is done to one medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The elements between camera and clients, in the order of the stream. The first of each list that is installed
    /// is taken.
    pub stages: &'static [&'static [&'static str]],
    /// The element that makes RTP packets.
    pub payloader: &'static str,
}

/// How much MP3 a packet may have: more than the longest frame, as the payloader fails where a frame exceeds it.
const MP3_PACKET: gst::ClockTime = gst::ClockTime::from_mseconds(80);
const ENCODERS: &[&str] = &["fdkaacenc", "avenc_aac", "voaacenc"];

/// Whether one of the encoders of AAC is installed.
static HAS_AAC: LazyLock<bool> =
    LazyLock::new(|| ENCODERS.iter().any(|name| gst::ElementFactory::find(name).is_some()));

macro_rules! encoded {
    ($decoder:literal) => {
        match *HAS_AAC {
            true => Route {
                stages: &[&[$decoder], &["audioconvert"], &["audioresample"], ENCODERS, &["aacparse"]],
                payloader: "rtpmp4gpay",
            },
            false => Route {
                stages: &[&[$decoder], &["audioconvert"], &["audioresample"], &["opusenc"]],
                payloader: "rtpopuspay",
            },
        }
    };
}

/// Returns the route of a stream with these caps; `None` where there is none. What RTP has a payload for that players
/// know is passed on as it is; other sound becomes AAC, or Opus where nothing makes AAC.
pub fn route(caps: &gst::StructureRef) -> Option<Route> {
    let plain = |stages, payloader| Route { stages, payloader };
    let number = |field| caps.get::<i32>(field).unwrap_or_default();
    // The payloads of G.711 are defined for telephones only.
    let is_telephone = (number("rate"), number("channels")) == (8000, 1);
    Some(match caps.name().as_str() {
        "video/x-h264" => plain(&[], "rtph264pay"),
        "video/x-h265" => plain(&[], "rtph265pay"),
        "image/jpeg" => plain(&[&["jpegparse"]], "rtpjpegpay"),
        "video/mpeg" if number("mpegversion") == 4 => plain(&[&["mpeg4videoparse"]], "rtpmp4vpay"),
        "video/x-h263" => plain(&[&["capssetter"]], "rtph263ppay"),
        "audio/x-mulaw" if is_telephone => plain(&[], "rtppcmupay"),
        "audio/x-mulaw" => encoded!("mulawdec"),
        "audio/x-alaw" if is_telephone => plain(&[], "rtppcmapay"),
        "audio/x-alaw" => encoded!("alawdec"),
        "audio/x-raw" => plain(&[&["audioconvert"]], "rtpL16pay"),
        "audio/x-opus" => plain(&[], "rtpopuspay"),
        "audio/mpeg" if number("mpegversion") == 1 => plain(&[&["mpegaudioparse"]], "rtpmpapay"),
        "audio/mpeg" if caps.get::<&str>("stream-format") == Ok("loas") => encoded!("avdec_aac_latm"),
        "audio/mpeg" => plain(&[&["aacparse"]], "rtpmp4gpay"),
        "audio/x-speex" => encoded!("speexdec"),
        "audio/x-adpcm" if caps.get::<&str>("layout") == Ok("dvi") => encoded!("avdec_adpcm_ima_wav"),
        "audio/x-adpcm" => encoded!("avdec_g726"),
        _ => return None,
    })
}

/// What clients are told of a stream, and has to stay as it is for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    pub route: Route,
    /// Hz, of sound.
    rate: i32,
    /// Channels of sound.
    channels: i32,
}

impl Format {
    /// Returns the format of a stream that comes out of this route with these caps.
    pub fn new(route: Route, caps: &gst::CapsRef) -> Self {
        let caps = caps.structure(0).filter(|caps| caps.name().starts_with("audio/"));
        let number = |field| caps.and_then(|caps| caps.get::<i32>(field).ok()).unwrap_or_default();
        Format { route, rate: number("rate"), channels: number("channels") }
    }
}

/// More bytes than any second of a camera has. Where key frames are so far apart that more comes between them, clients
/// wait for the next one.
const KEPT_BYTES: usize = 8 << 20;

/// One medium as it comes from the camera, with what a new client needs of the past.
#[derive(Debug)]
pub struct Track {
    pub format: Format,
    pub caps: gst::Caps,
    /// The picture since the last key frame; of sound, the last piece.
    kept: Vec<gst::Sample>,
    bytes: usize,
    /// What came since the last key frame was too much to keep.
    is_cut: bool,
}

impl Track {
    pub fn new(format: Format, caps: gst::Caps) -> Self {
        Track { format, caps, kept: Vec::new(), bytes: 0, is_cut: false }
    }

    /// Keeps what came.
    pub fn keep(&mut self, medium: Medium, caps: &gst::CapsRef, is_key: bool, sample: gst::Sample) {
        if *self.caps != *caps {
            self.caps = caps.to_owned();
        }
        let length = sample.buffer().map_or(0, gst::BufferRef::size);
        if is_key || medium == Medium::Audio {
            self.kept.clear();
            (self.bytes, self.is_cut) = (0, false);
        }
        self.bytes += length;
        self.is_cut |= self.bytes > KEPT_BYTES;
        if self.is_cut {
            self.kept.truncate(1);
        } else {
            self.kept.push(sample);
        }
    }

    /// Returns what can be described: the key frame, or the last piece of sound, and what followed if that is needed.
    pub fn specimen(&self) -> &[gst::Sample] {
        let length = if self.format.route.holds_back() { self.kept.len() } else { self.kept.len().min(1) };
        &self.kept[..length]
    }

    /// Returns the picture since the last key frame, as far as it is kept.
    pub fn since_key_frame(&self) -> &[gst::Sample] {
        &self.kept
    }

    /// Whether all of the picture since the last key frame is kept.
    pub fn is_whole(&self) -> bool {
        !self.is_cut
    }

    /// Returns the codec and its size or rate, for people.
    pub fn describe(&self) -> String {
        let Some(caps) = self.caps.structure(0) else { return String::new() };
        let number = |field| caps.get::<i32>(field).unwrap_or_default();
        match caps.name().as_str() {
            name if name.starts_with("audio/") => format!("{name} {} Hz", number("rate")),
            name => format!("{name} {}x{}", number("width"), number("height")),
        }
    }
}

impl Route {
    /// Whether the payloader keeps a piece until the next one has come.
    pub fn holds_back(&self) -> bool {
        matches!(self.payloader, "rtpmp4vpay" | "rtpmpapay")
    }

    /// Makes the elements between camera and clients.
    pub fn make_stages(&self) -> Result<Vec<gst::Element>, String> {
        let stages: Vec<_> = self.stages.iter().map(|names| make_first(names)).collect::<Result<_, _>>()?;
        for setter in stages.iter().filter(|stage| self.payloader == "rtph263ppay" && stage.has_property("caps")) {
            // The payloader wants to know what a camera's H.263 is not: one of the later versions.
            setter.set_property_from_str("caps", "video/x-h263,h263version=h263");
        }
        Ok(stages)
    }

    /// Returns the caps that the last stage has to make, where it could make others.
    pub fn output(&self) -> Option<gst::Caps> {
        match self.payloader {
            "rtpmp4gpay" => Some(gst::Caps::builder("audio/mpeg").field("stream-format", "raw").build()),
            "rtpL16pay" => Some(gst::Caps::builder("audio/x-raw").field("format", "S16BE").build()),
            _ => None,
        }
    }

    /// Makes the element that makes RTP packets of a medium's number, as gst-rtsp-server looks for it.
    pub fn make_payloader(&self, number: u32) -> Result<gst::Element, String> {
        let payloader = make_first(&[self.payloader])?;
        payloader.set_property("name", format!("pay{number}"));
        match self.payloader {
            // The fixed numbers of G.711 are set already.
            "rtppcmupay" | "rtppcmapay" => {}
            _ => payloader.set_property("pt", 96 + number),
        }
        if payloader.has_property("aggregate-mode") {
            payloader.set_property_from_str("aggregate-mode", "zero-latency");
        }
        if self.payloader == "rtpmpapay" {
            // By itself it waits until a packet is full, which is half a second of some cameras.
            payloader.set_property("max-ptime", MP3_PACKET.nseconds() as i64);
        }
        Ok(payloader)
    }
}

/// Makes the first element of these that is installed.
fn make_first(names: &[&str]) -> Result<gst::Element, String> {
    let made = names.iter().find_map(|name| gst::ElementFactory::make(name).build().ok());
    let element = made.ok_or_else(|| format!("GStreamer's element {} is not installed", names.join(" or ")))?;
    if element.has_property("config-interval") {
        // Who joins later needs the parameter sets.
        element.set_property("config-interval", -1);
    }
    Ok(element)
}
