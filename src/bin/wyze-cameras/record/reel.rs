//! A camera's files, one after the other: when a new one begins, and which frame goes to which.
//!
//! A file begins with a key frame. The one before stays open for the sound that belongs to it and is still on its way.

use super::film::{Film, Opening};
use super::item::Frame;
use super::report::Contents;
use super::template;
use super::{Options, Tools};
use gst::ClockTime;
use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::parameter_sets::ParameterSets;
use gstwyze::protocol::wire::codec::CodecId;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// Sound that has not come for so long is none.
const SOUND_LASTS: ClockTime = ClockTime::from_seconds(3);
/// How long a file without a picture to come waits for its last sound.
const SOUND_COMES: ClockTime = ClockTime::from_seconds(2);
/// After how long without a picture sound gets a file of its own.
pub const PICTURE_LASTS: ClockTime = ClockTime::from_seconds(3);
/// After how long a file is tried again where one failed.
const RETRY: Duration = Duration::from_secs(5);

/// What has to be the same for all pictures of a file.
#[derive(Clone, PartialEq)]
struct Picture {
    caps: gst::Caps,
    sets: Option<Vec<u8>>,
}

struct Open {
    film: Film,
    picture: Option<Picture>,
    segment: i64,
}

/// A file that takes only the rest of its sound.
struct Closing {
    film: Film,
    until: ClockTime,
}

struct Finishing {
    thread: JoinHandle<()>,
    /// The disk was too slow for it.
    was_late: bool,
}

pub struct Reel {
    camera: String,
    options: Arc<Options>,
    tools: Tools,
    open: Option<Open>,
    closing: Vec<Closing>,
    finishing: Vec<Finishing>,
    sets: ParameterSets,
    sound: Option<gst::Caps>,
    sound_at: ClockTime,
    picture_at: ClockTime,
    retry_at: Instant,
    was_full: bool,
}

impl Reel {
    pub fn new(camera: &str, options: Arc<Options>, tools: Tools) -> Self {
        Reel {
            camera: camera.to_owned(),
            options,
            tools,
            open: None,
            closing: Vec::new(),
            finishing: Vec::new(),
            sets: ParameterSets::default(),
            sound: None,
            sound_at: ClockTime::ZERO,
            picture_at: ClockTime::ZERO,
            retry_at: Instant::now(),
            was_full: false,
        }
    }

    /// Says that sound like this has come, or is on its way, for this time.
    pub fn expect_sound(&mut self, caps: &gst::Caps, at: ClockTime) {
        self.sound = Some(caps.clone());
        self.sound_at = self.sound_at.max(at);
    }

    /// Writes a picture that was captured at this time of day.
    pub fn picture(&mut self, frame: &Frame, time: SystemTime) {
        self.picture_at = frame.at;
        let mut first = None;
        if frame.is_key() {
            let is_complete = self.learn(frame);
            let picture =
                Picture { caps: frame.caps.clone(), sets: codec(frame).and_then(|codec| self.sets.of(codec)) };
            if self.ends_with(&picture, frame.at, time) {
                first = picture.sets.clone().filter(|_| !is_complete).and_then(|sets| with_sets(frame, sets));
                self.cut(frame.at);
                self.begin(Some(picture), frame.at, time);
            }
        }
        if let Some(open) = &mut self.open
            && open.film.takes(frame)
        {
            self.tools.gauge.count(frame);
            open.film.push(first.as_ref().unwrap_or(frame));
        }
        self.closing_without_sound();
    }

    /// Writes sound. Where `is_alone`, there is no picture, and files without one are begun for it. Returns whether
    /// only a new key frame is missing so that it can be recorded.
    pub fn sound(&mut self, frame: &Frame, is_alone: bool, time: SystemTime) -> bool {
        self.expect_sound(&frame.caps, frame.at);
        let of_before = self.closing.iter_mut().find(|closing| frame.at < closing.until && closing.film.takes(frame));
        if let Some(closing) = of_before {
            closing.film.push(frame);
            return false;
        }
        for closing in std::mem::take(&mut self.closing) {
            self.finish(closing.film, false);
        }
        let has_picture = self.open.as_ref().is_some_and(|open| open.picture.is_some());
        let segment = self.segment(time);
        let is_over = self.open.as_ref().is_none_or(|open| open.segment != segment || !open.film.takes(frame));
        if is_alone && (has_picture || is_over) {
            self.cut(frame.at);
            self.begin(None, frame.at, time);
        }
        let Some(open) = &mut self.open else { return false };
        if !open.film.takes(frame) {
            return has_picture;
        }
        self.tools.gauge.count(frame);
        open.film.push(frame);
        false
    }

    /// Ends all files, as after an outage.
    pub fn end(&mut self) {
        if let Some(open) = self.open.take() {
            self.finish(open.film, false);
        }
        for closing in std::mem::take(&mut self.closing) {
            self.finish(closing.film, false);
        }
        self.sound = None;
        (self.picture_at, self.sound_at) = Default::default();
    }

    /// Ends all files, and waits until they are written.
    pub fn close(mut self) {
        self.end();
        for finishing in self.finishing {
            // If it panicked, its message has been printed.
            let _ = finishing.thread.join();
        }
    }

    /// Looks after the open file: whether it can be written, fast enough, and whether there is room.
    pub fn tend(&mut self) {
        self.finishing.retain(|finishing| !finishing.thread.is_finished());
        let is_full = self.tools.shelf.is_full();
        if is_full && !self.was_full {
            self.error("the disk is too full (--min-free); nothing is recorded until there is room");
            self.end_open(false);
        } else if !is_full && self.was_full {
            self.tools.report.state(&self.camera, "disk", "has-room", "");
        }
        self.was_full = is_full;
        let Some(open) = &mut self.open else { return };
        if let Some(error) = open.film.error() {
            let path = open.film.path().display().to_string();
            self.error(&format!("{path} cannot be written: {error}"));
            self.retry_at = Instant::now() + RETRY;
            self.end_open(false);
        } else if open.film.is_late() {
            self.error("the disk is too slow; what comes until it has caught up is lost");
            self.end_open(true);
        }
    }

    fn end_open(&mut self, is_late: bool) {
        if let Some(open) = self.open.take() {
            self.finish(open.film, is_late);
        }
    }

    /// Whether the open file ends before this key frame.
    fn ends_with(&self, picture: &Picture, at: ClockTime, time: SystemTime) -> bool {
        let Some(open) = &self.open else { return true };
        open.picture.as_ref() != Some(picture)
            || open.segment != self.segment(time)
            || open.film.has(Medium::Audio) != self.has_sound(at)
    }

    fn has_sound(&self, at: ClockTime) -> bool {
        self.sound.is_some() && self.sound_at + SOUND_LASTS > at
    }

    fn segment(&self, time: SystemTime) -> i64 {
        template::segment(time, self.options.segment.as_secs())
    }

    /// Remembers the parameter sets of a key frame: some cameras send them only once. Returns whether it has all.
    fn learn(&mut self, frame: &Frame) -> bool {
        let Some(codec) = codec(frame) else { return true };
        frame.buffer.map_readable().is_ok_and(|data| self.sets.follow(codec, &data).complete)
    }

    /// Ends the open file before this time.
    fn cut(&mut self, at: ClockTime) {
        let Some(open) = self.open.take() else { return };
        if open.film.has(Medium::Audio) {
            open.film.end(Medium::Video);
            self.closing.push(Closing { film: open.film, until: at });
        } else {
            self.finish(open.film, false);
        }
    }

    fn begin(&mut self, picture: Option<Picture>, at: ClockTime, time: SystemTime) {
        let is_blocked = self.tools.shelf.is_full() || self.finishing.iter().any(|finishing| finishing.was_late);
        if is_blocked || Instant::now() < self.retry_at {
            return;
        }
        match self.try_begin(picture.as_ref(), at, time) {
            Ok(film) => {
                self.tools.report.started(&self.camera, film.path());
                self.open = Some(Open { film, picture, segment: self.segment(time) });
            }
            Err(error) => {
                self.error(&error);
                self.retry_at = Instant::now() + RETRY;
            }
        }
    }

    fn try_begin(&self, picture: Option<&Picture>, at: ClockTime, time: SystemTime) -> Result<Film, String> {
        let opening = Opening {
            camera: &self.camera,
            picture: picture.map(|picture| &picture.caps),
            sound: self.sound.as_ref().filter(|_| self.has_sound(at)),
            origin: at,
            begin: time,
        };
        let container = self.options.format.container(opening.picture.map(|caps| &**caps))?;
        let (path, file) = self.tools.shelf.create(&self.camera, time, container.ending)?;
        Film::begin(&opening, &container, path.clone(), file).inspect_err(|_| self.tools.shelf.discard(&path))
    }

    /// Finishes files whose last sound does not come.
    fn closing_without_sound(&mut self) {
        let is_over = |closing: &Closing| self.picture_at > closing.until + SOUND_COMES;
        let (over, closing): (Vec<_>, Vec<_>) = std::mem::take(&mut self.closing).into_iter().partition(is_over);
        self.closing = closing;
        for closing in over {
            self.finish(closing.film, false);
        }
    }

    /// Has a file finished in the background: the disk may take a while.
    fn finish(&mut self, film: Film, was_late: bool) {
        let (camera, tools) = (self.camera.clone(), self.tools.clone());
        let thread = std::thread::spawn(move || {
            let (path, contents, error) = film.finish();
            if let Some(error) = error {
                tools.report.error(Some(&camera), format_args!("{} is not complete: {error}", path.display()));
            }
            announce(&tools, &camera, &path, &contents);
        });
        self.finishing.push(Finishing { thread, was_late });
    }

    fn error(&self, text: &str) {
        self.tools.report.error(Some(&self.camera), text);
    }
}

fn announce(tools: &Tools, camera: &str, path: &Path, contents: &Contents) {
    if contents.pictures + contents.sounds == 0 || contents.bytes == 0 {
        tools.shelf.discard(path);
        return;
    }
    tools.gauge.files.fetch_add(1, Ordering::Relaxed);
    tools.report.finished(camera, path, contents);
    if let Err(error) = tools.shelf.tidy(&tools.report) {
        tools.report.error(None, error);
    }
}

/// Returns the codec of a picture that has parameter sets.
fn codec(frame: &Frame) -> Option<CodecId> {
    match frame.caps.structure(0)?.name().as_str() {
        "video/x-h264" => Some(CodecId::H264),
        "video/x-h265" => Some(CodecId::H265),
        _ => None,
    }
}

/// Puts parameter sets in front of a picture.
fn with_sets(frame: &Frame, mut data: Vec<u8>) -> Option<Frame> {
    data.extend_from_slice(&frame.buffer.map_readable().ok()?);
    let mut buffer = gst::Buffer::from_mut_slice(data);
    buffer.make_mut().set_flags(frame.buffer.flags());
    Some(Frame { buffer, ..frame.clone() })
}

#[cfg(test)]
mod tests {
    use super::super::container::Format;
    use super::super::film::tests::{on_a_pipe, picture};
    use super::super::shelf::{Limits, Shelf};
    use super::super::{Gauge, Report};
    use super::*;
    use std::io::Read;

    /// A disk that takes nothing is a pipe that nobody reads.
    #[test]
    fn a_disk_that_is_too_slow_ends_the_file_and_the_next_begins_when_it_has_caught_up() {
        let folder = tempfile::tempdir().unwrap();
        let (film, mut pipe) = on_a_pipe(folder.path());
        let limits = Limits { age: None, size: None, min_free: 0 };
        let shelf = Shelf::new(folder.path().to_owned(), "%s".parse().unwrap(), limits).unwrap();
        let tools = Tools { shelf: Arc::new(shelf), report: Arc::new(Report::new()), gauge: Arc::<Gauge>::default() };
        let options = Options { segment: Duration::from_secs(600), format: Format::Mkv, copy_audio: false };
        let mut reel = Reel::new("Garden", Arc::new(options), tools);
        let frame = picture(0, 1 << 20);
        let now = SystemTime::now();
        let kind = Picture { caps: frame.caps.clone(), sets: None };
        reel.open = Some(Open { film, picture: Some(kind), segment: reel.segment(now) });
        let mut at = 0;
        while reel.open.is_some() {
            reel.picture(&picture(at, 1 << 20), now);
            reel.tend();
            at += 1;
            assert!(at < 200, "the disk is never too slow");
        }
        // What comes now is lost.
        reel.picture(&picture(at, 1 << 20), now);
        assert!(reel.open.is_none());
        let (mut written, mut buffer) = (0, vec![0; 1 << 16]);
        while !reel.finishing.is_empty() {
            // Nothing may be there at the moment.
            written += pipe.read(&mut buffer).unwrap_or_default() as u64;
            reel.tend();
        }
        assert!(written > (at - 1) << 20, "{written} of {at} MiB");
        reel.picture(&picture(at + 1, 1 << 20), now);
        assert!(reel.open.is_some());
        reel.close();
    }
}
