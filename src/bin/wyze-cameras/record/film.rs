//! One file: the pipeline that writes it, from frames to the disk.
//!
//! MP4 is written in fragments of half a second, so what is on the disk can be played at any moment. Nothing is held
//! back by the sink's buffer. The muxer could also make a plain MP4 of it at the end, but of a file that is cut off
//! before, GStreamer 1.22 then reads the first fragment only.

use super::container::Container;
use super::creation;
use super::item::Frame;
use super::report::Contents;
use gst::ClockTime;
use gst::prelude::*;
use gst_app::{AppSrc, AppStreamType};
use gstwyze::protocol::medium::Medium;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// In ms. Two of these are what a killed process loses at most.
const FRAGMENT: u32 = 500;
/// What the muxer asks for: more than any number of pictures takes in this time.
const CLUSTER: i64 = 500_000_000;
/// Bytes that wait for the disk; more means that it is too slow.
const MOST_WAITING: u64 = 64 << 20;
/// The least time between two pictures. Containers round to this or finer, and players refuse pictures of equal times.
const STEP: ClockTime = ClockTime::from_mseconds(1);
/// How long writing the rest may take.
const PATIENCE: ClockTime = ClockTime::from_seconds(60);

/// The beginning of a file.
pub struct Opening<'a> {
    pub camera: &'a str,
    pub picture: Option<&'a gst::Caps>,
    pub sound: Option<&'a gst::Caps>,
    /// The running time and the time of day at which it begins.
    pub origin: ClockTime,
    pub begin: SystemTime,
}

pub struct Film {
    path: PathBuf,
    /// Locked as long as the file is open.
    file: File,
    pipeline: gst::Pipeline,
    picture: Option<AppSrc>,
    sound: Option<AppSrc>,
    origin: ClockTime,
    /// When the last picture is shown.
    shown: Option<ClockTime>,
    contents: Contents,
    /// Whether the file is MP4, or QuickTime, which is the same for this.
    has_creation_time: bool,
    has_failed: bool,
}

impl Film {
    /// Begins to write to this new file.
    pub fn begin(opening: &Opening, container: &Container, path: PathBuf, file: File) -> Result<Self, String> {
        let pipeline = gst::Pipeline::new();
        let muxer = make(container.muxer)?;
        let has_creation_time = muxer.has_property("fragment-duration");
        if has_creation_time {
            muxer.set_property("fragment-duration", FRAGMENT);
        }
        if muxer.has_property("max-cluster-duration") {
            muxer.set_property("max-cluster-duration", CLUSTER);
        }
        tag(&muxer, opening);
        let sink = make("filesink")?;
        sink.set_property("location", &path);
        sink.set_property_from_str("buffer-mode", "unbuffered");
        sink.set_property("async", false);
        sink.set_property("sync", false);
        pipeline.add_many([&muxer, &sink]).map_err(|e| e.to_string())?;
        muxer.link(&sink).map_err(|e| e.to_string())?;
        let picture = match opening.picture {
            Some(caps) => Some(feed((&pipeline, &muxer), "video_%u", caps, container.parser, container.caps)?),
            None => None,
        };
        let sound = match opening.sound {
            Some(caps) => Some(feed((&pipeline, &muxer), "audio_%u", caps, sound_parser(caps), None)?),
            None => None,
        };
        pipeline.set_state(gst::State::Playing).map_err(|_| Self::reason(&pipeline))?;
        let contents = Contents { begin: Some(opening.begin), ..Contents::default() };
        Ok(Film {
            path,
            file,
            pipeline,
            picture,
            sound,
            origin: opening.origin,
            shown: None,
            contents,
            has_creation_time,
            has_failed: false,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn has(&self, medium: Medium) -> bool {
        self.source(medium).is_some()
    }

    /// Whether the file has a track for frames with these caps.
    pub fn takes(&self, frame: &Frame) -> bool {
        self.source(frame.medium).is_some_and(|source| source.caps().as_ref() == Some(&frame.caps))
    }

    /// Writes a frame, in its own time.
    pub fn push(&mut self, frame: &Frame) {
        let Some(mut at) = frame.at.checked_sub(self.origin) else { return };
        if frame.medium == Medium::Video {
            at = self.shown.map_or(at, |shown| at.max(shown + STEP));
            self.shown = Some(at);
        }
        let mut buffer = frame.buffer.clone();
        let data = buffer.make_mut();
        data.set_pts(at);
        // Cameras send pictures in the order in which they are shown.
        data.set_dts(at);
        let end = at + data.duration().unwrap_or_default();
        self.contents.duration = self.contents.duration.max(Duration::from_nanos(end.nseconds()));
        self.contents.bytes += data.size() as u64;
        match frame.medium {
            Medium::Video => self.contents.pictures += 1,
            Medium::Audio => self.contents.sounds += 1,
        }
        if let Some(source) = self.source(frame.medium) {
            // Why it fails is on the bus.
            let _ = source.push_buffer(buffer);
        }
    }

    /// Takes no more of this medium, so that the other need not wait for it.
    pub fn end(&self, medium: Medium) {
        if let Some(source) = self.source(medium) {
            let _ = source.end_of_stream();
        }
    }

    /// Whether the disk does not keep up.
    pub fn is_late(&self) -> bool {
        let waiting = [&self.picture, &self.sound].into_iter().flatten().map(AppSrc::current_level_bytes);
        waiting.sum::<u64>() > MOST_WAITING
    }

    /// Returns why it cannot be written any more, if so.
    pub fn error(&mut self) -> Option<String> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        self.has_failed = true;
        Some(text(&message))
    }

    /// Writes the rest and closes the file. Returns what it holds, and why the rest could not be written, if so.
    pub fn finish(self) -> (PathBuf, Contents, Option<String>) {
        self.end(Medium::Video);
        self.end(Medium::Audio);
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        // After an error, no end may come.
        let patience = if self.has_failed { ClockTime::SECOND } else { PATIENCE };
        let message = self.pipeline.bus().and_then(|bus| bus.timed_pop_filtered(patience, &ends));
        let mut error = match message {
            Some(message) if message.type_() == gst::MessageType::Error => Some(text(&message)),
            Some(_) => None,
            None => Some("the disk takes too long".into()),
        };
        // Going to NULL does not fail.
        let _ = self.pipeline.set_state(gst::State::Null);
        let is_dated = match self.contents.begin {
            Some(begin) if self.has_creation_time => creation::write(&self.file, begin),
            _ => Ok(()),
        };
        if let Err(failed) = is_dated.and_then(|()| self.file.sync_all()) {
            error.get_or_insert(failed.to_string());
        }
        let mut contents = self.contents;
        contents.bytes = self.file.metadata().map_or(contents.bytes, |data| data.len());
        (self.path, contents, error)
    }

    fn source(&self, medium: Medium) -> Option<&AppSrc> {
        match medium {
            Medium::Video => self.picture.as_ref(),
            Medium::Audio => self.sound.as_ref(),
        }
    }

    fn reason(pipeline: &gst::Pipeline) -> String {
        let message = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        let reason = message.map_or("the pipeline does not start".into(), |message| text(&message));
        let _ = pipeline.set_state(gst::State::Null);
        reason
    }
}

fn text(message: &gst::Message) -> String {
    match message.view() {
        gst::MessageView::Error(error) => match error.debug() {
            // That says it all.
            _ if error.error().matches(gst::ResourceError::NoSpaceLeft) => error.error().to_string(),
            Some(debug) => format!("{} ({debug})", error.error()),
            None => error.error().to_string(),
        },
        _ => String::new(),
    }
}

fn make(name: &str) -> Result<gst::Element, String> {
    gst::ElementFactory::make(name).build().map_err(|_| format!("GStreamer lacks the element {name}"))
}

/// Has the time of capture and the camera's name stand in the file.
fn tag(muxer: &gst::Element, opening: &Opening) {
    let seconds = opening.begin.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let Ok(begin) = gst::glib::DateTime::from_unix_utc(seconds as i64) else { return };
    if muxer.has_property("creation-time") {
        muxer.set_property("creation-time", &begin);
    }
    if let Some(setter) = muxer.dynamic_cast_ref::<gst::TagSetter>() {
        setter.add_tag::<gst::tags::DateTime>(&begin.into(), gst::TagMergeMode::Replace);
        setter.add_tag::<gst::tags::Title>(&opening.camera, gst::TagMergeMode::Replace);
    }
}

fn sound_parser(caps: &gst::Caps) -> Option<&'static str> {
    let structure = caps.structure(0)?;
    match structure.name().as_str() {
        "audio/mpeg" if structure.get::<i32>("mpegversion") == Ok(4) => Some("aacparse"),
        "audio/mpeg" => Some("mpegaudioparse"),
        "audio/x-opus" => Some("opusparse"),
        _ => None,
    }
}

/// Builds what leads frames with these caps to the muxer's pad for this medium.
fn feed(
    (pipeline, muxer): (&gst::Pipeline, &gst::Element),
    medium: &str,
    caps: &gst::Caps,
    parser: Option<&str>,
    parsed: Option<&str>,
) -> Result<AppSrc, String> {
    let source = AppSrc::builder().caps(caps).format(gst::Format::Time).stream_type(AppStreamType::Stream);
    let source = source.max_bytes(0).build();
    let mut chain = vec![source.clone().upcast::<gst::Element>()];
    if let Some(parser) = parser {
        let parser = make(parser)?;
        // A transport stream has no other place for parameter sets.
        if parsed.is_some_and(|caps| caps.contains("byte-stream")) {
            parser.set_property("config-interval", -1i32);
        }
        chain.push(parser);
    }
    if let Some(parsed) = parsed {
        let filter = make("capsfilter")?;
        filter.set_property_from_str("caps", parsed);
        chain.push(filter);
    }
    chain.push(make("queue")?);
    pipeline.add_many(&chain).map_err(|e| e.to_string())?;
    gst::Element::link_many(&chain).map_err(|e| e.to_string())?;
    // Before caps have come, the muxer's own choice of a pad may be wrong.
    let pad = [medium, "sink_%d"].iter().find_map(|name| muxer.request_pad_simple(name));
    let last = chain.last().and_then(|last| last.static_pad("src"));
    let (pad, last) = pad.zip(last).ok_or_else(|| format!("the files cannot hold {caps}"))?;
    last.link(&pad).map_err(|_| format!("the files cannot hold {caps}"))?;
    Ok(source)
}

#[cfg(test)]
pub mod tests {
    use super::super::container::Format;
    use super::*;
    use nix::sys::stat::Mode;
    use std::os::unix::fs::OpenOptionsExt;

    /// A JPEG picture of this length, 50 ms for each number after the first.
    pub fn picture(number: u64, length: usize) -> Frame {
        gst::init().unwrap();
        let caps = gst::Caps::builder("image/jpeg").field("width", 640).field("height", 360);
        let caps = caps.field("framerate", gst::Fraction::new(20, 1)).build();
        let buffer = gst::Buffer::from_mut_slice(vec![0; length]);
        Frame { medium: Medium::Video, buffer, caps, at: ClockTime::from_mseconds(50 * number) }
    }

    /// Begins a film in a pipe, and returns the side from which it is read.
    pub fn on_a_pipe(folder: &Path) -> (Film, File) {
        let path = folder.join("pipe");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        // Opened like this, neither side waits for the other, and this one never.
        let reader = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        let caps = picture(0, 1).caps;
        let opening = Opening {
            camera: "Garden",
            picture: Some(&caps),
            sound: None,
            origin: ClockTime::ZERO,
            begin: SystemTime::UNIX_EPOCH,
        };
        let container = Format::Mkv.container(Some(&caps)).unwrap();
        let file = reader.try_clone().unwrap();
        (Film::begin(&opening, &container, path, file).unwrap(), reader)
    }
}
