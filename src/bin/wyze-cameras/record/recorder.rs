//! The recorder of one camera: takes what its pipelines hand over, and starts them anew where they fail.

use super::capture::Capture;
use super::item::{Frame, Item};
use super::reel::{PICTURE_LASTS, Reel};
use super::sound::{LONGEST_GAP, Sound};
use super::{Options, Tools};
use gst::ClockTime;
use gstwyze::protocol::medium::Medium;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

/// How often it looks after files and counters when nothing comes.
const TICK: Duration = Duration::from_millis(200);
/// How long it waits at the start for the other medium.
const BOTH_COME: Duration = Duration::from_secs(3);
const SHORTEST_RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// How long sound that cannot be encoded is left out before that is tried again.
const UNUSABLE_LASTS: Duration = Duration::from_secs(60);
/// How often a file without sound may have the camera asked for a key frame, so that one with sound can begin.
const KEY_FRAMES: Duration = Duration::from_secs(10);

pub struct Recorder {
    camera: String,
    uri: String,
    options: Arc<Options>,
    tools: Tools,
    sender: Sender<Item>,
    items: Receiver<Item>,
    capture: Option<Capture>,
    retry_at: Instant,
    retry_delay: Duration,
    has_video: bool,
    has_audio: bool,
    no_more_pads: bool,
    /// What came before it was known which media there are; `None` once it is.
    waiting: Option<Vec<Frame>>,
    since: Option<Instant>,
    sound: Option<Sound>,
    /// How much silence has been told of.
    filled: ClockTime,
    reel: Reel,
    /// How much sound has come since the last picture, and when the last piece came.
    alone: ClockTime,
    last_sound: Option<ClockTime>,
    came: Instant,
    key_frame_asked: Option<Instant>,
    drops: u64,
    ticked: Instant,
    /// The moment at which the pipeline was stopped, as long as what it had is on its way.
    stopped: Option<Clock>,
    /// Sound that cannot be recorded, and since when.
    unusable: Option<(gst::Caps, Instant)>,
}

impl Recorder {
    pub fn new(camera: String, uri: String, options: Arc<Options>, tools: Tools) -> Self {
        let (sender, items) = mpsc::channel();
        let now = Instant::now();
        Recorder {
            reel: Reel::new(&camera, options.clone(), tools.clone()),
            camera,
            uri,
            options,
            tools,
            sender,
            items,
            capture: None,
            retry_at: now,
            retry_delay: SHORTEST_RETRY,
            has_video: false,
            has_audio: false,
            no_more_pads: false,
            waiting: Some(Vec::new()),
            since: None,
            sound: None,
            filled: ClockTime::ZERO,
            alone: ClockTime::ZERO,
            last_sound: None,
            came: now,
            key_frame_asked: None,
            drops: 0,
            ticked: now,
            stopped: None,
            unusable: None,
        }
    }

    /// Records until it is told to end.
    pub fn run(mut self, is_ending: &AtomicBool) {
        while !is_ending.load(Ordering::Relaxed) {
            if self.capture.is_none() && Instant::now() >= self.retry_at {
                self.start();
            }
            match self.items.recv_timeout(TICK) {
                Ok(item) => self.take(item),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if self.ticked.elapsed() >= TICK {
                self.ticked = Instant::now();
                self.tick();
            }
        }
        self.drain();
        self.reel.close();
    }

    fn start(&mut self) {
        match Capture::start(&self.uri, &self.sender) {
            Ok(capture) => self.capture = Some(capture),
            Err(error) => self.fail(&error),
        }
    }

    /// Ends the pipelines, and puts what they still had into the files.
    fn drain(&mut self) {
        // The pipeline's clock goes with the pipeline.
        self.stopped = Some(self.clock());
        self.capture = None;
        self.take_rest();
        if self.waiting.is_some() {
            self.decide();
        }
        self.drain_sound();
        self.stopped = None;
    }

    fn take_rest(&mut self) {
        while let Ok(item) = self.items.try_recv() {
            if !matches!(item, Item::Message(_)) {
                self.take(item);
            }
        }
    }

    /// Ends the files where the stream's time does not go on.
    fn restart_files(&mut self) {
        self.drain_sound();
        self.reel.end();
        (self.waiting, self.since) = (Some(Vec::new()), None);
        (self.alone, self.last_sound) = (ClockTime::ZERO, None);
    }

    /// Has the rest of the sound encoded, and puts it into the files. What else has come stays in its order.
    fn drain_sound(&mut self) {
        let Some(sound) = self.sound.take() else { return };
        sound.finish();
        let (encoded, others): (Vec<_>, Vec<_>) =
            self.items.try_iter().partition(|item| matches!(item, Item::Encoded(_)));
        for item in encoded {
            self.take(item);
        }
        for item in others {
            // This recorder receives it.
            let _ = self.sender.send(item);
        }
    }

    fn fail(&mut self, error: &str) {
        self.tools.report.error(Some(&self.camera), error);
        self.drain();
        self.restart_files();
        (self.has_video, self.has_audio, self.no_more_pads, self.drops) = (false, false, false, 0);
        self.retry_at = Instant::now() + self.retry_delay;
        self.retry_delay = (self.retry_delay * 2).min(LONGEST_RETRY);
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Pad(Medium::Video) => self.has_video = true,
            Item::Pad(Medium::Audio) => self.has_audio = true,
            Item::NoMorePads => self.no_more_pads = true,
            Item::Captured(frame) => self.captured(frame),
            Item::Encoded(frame) => self.ready(frame),
            Item::Message(message) => self.message(&message),
        }
    }

    fn captured(&mut self, frame: Frame) {
        self.came = Instant::now();
        self.retry_delay = SHORTEST_RETRY;
        let ready = match frame.medium {
            Medium::Video => {
                self.tools.gauge.received.fetch_add(1, Ordering::Relaxed);
                (self.alone, self.last_sound) = (ClockTime::ZERO, None);
                let sound = self.sound.as_mut().map(|sound| sound.follow(frame.at)).unwrap_or_default();
                [sound, vec![frame]].concat()
            }
            Medium::Audio => {
                let step = self.last_sound.replace(frame.at).and_then(|last| frame.at.checked_sub(last));
                // An outage is no sound that has come.
                self.alone += step.filter(|step| *step < ClockTime::SECOND).unwrap_or_default();
                self.captured_sound(frame)
            }
        };
        for frame in ready {
            self.ready(frame);
        }
    }

    fn captured_sound(&mut self, frame: Frame) -> Vec<Frame> {
        let is_unusable =
            |(caps, since): &(gst::Caps, Instant)| *caps == frame.caps && since.elapsed() < UNUSABLE_LASTS;
        if self.unusable.as_ref().is_some_and(is_unusable) {
            return Vec::new();
        }
        if self.sound.as_ref().is_none_or(|sound| *sound.caps() != frame.caps) {
            if self.sound.is_some() {
                self.drain_sound();
            }
            match Sound::new(&frame.caps, self.options.format, self.options.copy_audio, &self.sender) {
                Ok(sound) => (self.sound, self.filled) = (Some(sound), ClockTime::ZERO),
                Err(error) => {
                    self.tools.report.error(Some(&self.camera), format_args!("records no sound: {error}"));
                    self.unusable = Some((frame.caps, Instant::now()));
                    return Vec::new();
                }
            }
        }
        let Some(sound) = &mut self.sound else { return Vec::new() };
        let ready = sound.take(frame);
        let filled = sound.filled().saturating_sub(self.filled);
        if filled > ClockTime::SECOND {
            let text = format!("{} s without sound are silent in the file", filled.seconds());
            self.tools.report.state(&self.camera, "sound", "filled", &text);
        }
        self.filled = sound.filled();
        ready
    }

    /// Takes what can go into a file as it is.
    fn ready(&mut self, frame: Frame) {
        match &mut self.waiting {
            Some(waiting) => {
                self.since.get_or_insert_with(Instant::now);
                waiting.push(frame);
                if self.is_decided() {
                    self.decide();
                }
            }
            None => self.write(&frame),
        }
    }

    /// Whether it is known which media the first file has.
    fn is_decided(&self) -> bool {
        let has = |medium| {
            let frames = self.waiting.iter().flatten();
            frames
                .into_iter()
                .any(|frame: &Frame| frame.medium == medium && (medium == Medium::Audio || frame.is_key()))
        };
        let video = has(Medium::Video) || self.no_more_pads && !self.has_video;
        let audio = has(Medium::Audio) || self.no_more_pads && !self.has_audio;
        video && audio || self.since.is_some_and(|since| since.elapsed() > BOTH_COME)
    }

    fn decide(&mut self) {
        let mut waiting = self.waiting.take().unwrap_or_default();
        waiting.sort_by_key(|frame| frame.at);
        let sound = waiting.iter().find(|frame| frame.medium == Medium::Audio);
        if let Some((sound, newest)) = sound.zip(waiting.last()) {
            // Sound may have been there for seconds before the picture, and the encoder may still be busy with it.
            self.reel.expect_sound(&sound.caps, newest.at);
        }
        if !waiting.iter().any(|frame| frame.medium == Medium::Video) {
            self.alone = PICTURE_LASTS;
        }
        for frame in waiting {
            self.write(&frame);
        }
    }

    fn write(&mut self, frame: &Frame) {
        let time = self.clock().time(frame.at);
        if frame.medium == Medium::Video {
            return self.reel.picture(frame, time);
        }
        let wants_key_frame = self.reel.sound(frame, self.alone >= PICTURE_LASTS, time);
        let is_due = self.key_frame_asked.is_none_or(|asked| asked.elapsed() > KEY_FRAMES);
        if wants_key_frame
            && is_due
            && let Some(capture) = &self.capture
        {
            self.key_frame_asked = Some(Instant::now());
            capture.ask_for_key_frame();
        }
    }

    fn message(&mut self, message: &gst::Message) {
        match message.view() {
            gst::MessageView::Error(error) => self.fail(&error.error().to_string()),
            gst::MessageView::Warning(warning) => {
                self.tools.report.state(&self.camera, "warning", "warning", warning.error().message());
            }
            gst::MessageView::Element(element) => {
                let Some(structure) = element.structure().filter(|structure| structure.name() == "wyze-connection")
                else {
                    return;
                };
                let of = |field| structure.get::<&str>(field).unwrap_or_default();
                let (what, state) = match of("medium") {
                    "video" => ("picture", of("medium-state")),
                    "audio" => ("sound", of("medium-state")),
                    _ => ("connection", of("state")),
                };
                self.tools.report.state(&self.camera, what, state, of("text"));
            }
            _ => {}
        }
    }

    fn tick(&mut self) {
        if self.waiting.is_some() && self.is_decided() {
            self.decide();
        }
        self.reel.tend();
        if let Some(error) = self.sound.as_ref().and_then(Sound::error) {
            self.tools.report.error(Some(&self.camera), format_args!("the sound cannot be encoded: {error}"));
            self.unusable = self.sound.take().map(|sound| (sound.caps().clone(), Instant::now()));
        }
        // Beyond this, sound is not filled.
        if self.waiting.is_none() && self.came.elapsed() > Duration::from(LONGEST_GAP) {
            self.restart_files();
        }
        if let Some(capture) = &self.capture {
            let drops = capture.count("video-queue-drops") + capture.count("audio-queue-drops");
            if drops > self.drops {
                let new = drops - self.drops;
                self.tools
                    .report
                    .error(Some(&self.camera), format_args!("this machine is too slow: {new} frames lost"));
            }
            self.drops = drops;
            self.tools.gauge.lost.store(capture.count("incomplete"), Ordering::Relaxed);
        }
    }

    fn clock(&self) -> Clock {
        self.stopped.unwrap_or_else(|| Clock {
            running: self.capture.as_ref().and_then(Capture::now).unwrap_or_default(),
            time: SystemTime::now(),
        })
    }
}

/// A moment in the pipeline's time and in that of the day.
#[derive(Clone, Copy)]
struct Clock {
    running: ClockTime,
    time: SystemTime,
}

impl Clock {
    fn time(&self, at: ClockTime) -> SystemTime {
        match self.running.checked_sub(at) {
            Some(ago) => self.time - Duration::from(ago),
            None => self.time + Duration::from(at - self.running),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::container::Format;
    use super::super::film::tests::picture;
    use super::super::shelf::{Limits, Shelf};
    use super::super::{Gauge, Report};
    use super::*;

    fn recorder(folder: &tempfile::TempDir) -> Recorder {
        let limits = Limits { age: None, size: None, min_free: 0 };
        let shelf = Shelf::new(folder.path().to_owned(), "%s".parse().unwrap(), limits).unwrap();
        let tools = Tools { shelf: Arc::new(shelf), report: Arc::new(Report::new()), gauge: Arc::<Gauge>::default() };
        let options = Options { segment: Duration::from_secs(u32::MAX.into()), format: Format::Mkv, copy_audio: false };
        let mut recorder = Recorder::new("Garden".into(), String::new(), Arc::new(options), tools);
        recorder.take(Item::Pad(Medium::Video));
        recorder.take(Item::NoMorePads);
        recorder
    }

    /// Runs as if nothing had come for so long, and then four pictures. Returns the number of files.
    fn files_after_an_outage(outage: Duration) -> u64 {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = recorder(&folder);
        (0..4).for_each(|number| recorder.take(Item::Captured(picture(number, 1000))));
        recorder.came = Instant::now().checked_sub(outage).unwrap();
        recorder.tick();
        let later = outage.as_millis() as u64 / 50;
        (later..later + 4).for_each(|number| recorder.take(Item::Captured(picture(number, 1000))));
        let gauge = recorder.tools.gauge.clone();
        recorder.drain();
        recorder.reel.close();
        assert_eq!(gauge.received.load(Ordering::Relaxed), 8);
        assert_eq!(gauge.pictures.load(Ordering::Relaxed), 8);
        gauge.files.load(Ordering::Relaxed)
    }

    #[test]
    fn an_outage_of_more_than_a_minute_begins_a_new_file() {
        assert_eq!(files_after_an_outage(Duration::from_secs(59)), 1);
        assert_eq!(files_after_an_outage(Duration::from_secs(61)), 2);
    }
}
