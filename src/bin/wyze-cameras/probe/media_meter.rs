//! What a probe learns of the media that a camera sends.

use gst::glib;
use gstwyze::caps::{AudioFormat, Verdict, VideoFormat};
use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::reassembly::Frame;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A camera whose clock says less, in seconds of Unix time, was never set.
const CLOCK_SET: u32 = 1_591_069_888;
/// How many frames of a medium are kept to find its format: a key frame has to be among those of video.
const SAMPLES: usize = 40;
/// Seconds that stand still for longer than this are no clock.
const STANDS_STILL: Duration = Duration::from_millis(1500);

/// The frames of one medium.
#[derive(Default)]
struct Meter {
    frames: u64,
    bytes: u64,
    first: Option<SystemTime>,
    last: Option<SystemTime>,
    samples: Vec<Frame>,
}

/// How the camera's clock stands to this machine's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clock {
    /// The camera is this many seconds ahead; a negative number is behind.
    Ahead(f64),
    NeverSet,
    /// Its seconds stand still, as some firmware has it.
    Still,
}

#[derive(Default)]
pub struct MediaMeter {
    video: Meter,
    audio: Meter,
    /// For each frame, how far the camera's clock is ahead, in seconds.
    offsets: Vec<f64>,
    /// The camera's seconds in the first and the last frame.
    seconds: Option<(u32, u32)>,
}

impl MediaMeter {
    /// Takes a frame that has come at this time.
    pub fn frame(&mut self, frame: Frame, at: SystemTime) {
        let here = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let camera = f64::from(frame.info.seconds) + f64::from(frame.info.microseconds) / 1e6;
        self.offsets.push(camera - here);
        let first = self.seconds.map_or(frame.info.seconds, |(first, _)| first);
        self.seconds = Some((first, frame.info.seconds));
        let meter = match frame.medium {
            Medium::Video => &mut self.video,
            Medium::Audio => &mut self.audio,
        };
        meter.frames += 1;
        meter.bytes += frame.data.len() as u64;
        meter.first.get_or_insert(at);
        meter.last = Some(at);
        if meter.samples.len() < SAMPLES {
            meter.samples.push(frame);
        }
    }

    pub fn clock(&self) -> Option<Clock> {
        let (first, last) = self.seconds?;
        let watched = self.video.time().max(self.audio.time());
        let mut offsets = self.offsets.clone();
        offsets.sort_by(f64::total_cmp);
        Some(match offsets.get(offsets.len() / 2) {
            _ if last < CLOCK_SET => Clock::NeverSet,
            _ if first == last && watched > STANDS_STILL => Clock::Still,
            median => Clock::Ahead(*median?),
        })
    }

    /// Describes both media in a line for each; `None` for a medium of which nothing came.
    pub fn lines(&self) -> [(&'static str, Option<String>); 2] {
        [("video", self.video.line(video_format)), ("audio", self.audio.line(audio_format))]
    }

    pub fn json(&self) -> Value {
        json!({"video": self.video.json(video_format), "audio": self.audio.json(audio_format)})
    }
}

impl Meter {
    fn time(&self) -> Duration {
        self.first.zip(self.last).and_then(|(first, last)| last.duration_since(first).ok()).unwrap_or_default()
    }

    /// Returns frames a second and kbit/s; the first frame began before it was counted.
    fn rates(&self) -> (f64, f64) {
        let seconds = self.time().as_secs_f64();
        if seconds <= 0.0 {
            return (0.0, 0.0);
        }
        ((self.frames - 1) as f64 / seconds, self.bytes as f64 * 8.0 / 1000.0 / seconds)
    }

    fn line(&self, format: fn(&[Frame]) -> Option<gst::Caps>) -> Option<String> {
        let frame = self.samples.first()?;
        let (fps, rate) = self.rates();
        let mut line = frame.info.codec.to_string();
        match format(&self.samples) {
            Some(caps) => {
                let _ = write!(line, ", {}", short(&caps));
            }
            None => line += ", its bytes are not understood",
        }
        let _ = write!(line, ", {fps:.1} frames/s, {rate:.0} kbit/s");
        if frame.medium == Medium::Video {
            let _ = write!(line, "; it says {} frames/s and size {}", frame.info.fps, frame.info.frame_size);
        }
        Some(line)
    }

    fn json(&self, format: fn(&[Frame]) -> Option<gst::Caps>) -> Value {
        let Some(frame) = self.samples.first() else { return Value::Null };
        let (fps, rate) = self.rates();
        json!({
            "codec_id": frame.info.codec.0,
            "codec": frame.info.codec.name(),
            "caps": format(&self.samples).map(|caps| caps.to_string()),
            "frames": self.frames,
            "frames_per_second": (fps * 10.0).round() / 10.0,
            "kbit_per_second": rate.round(),
            "told_fps": frame.info.fps,
            "told_frame_size": frame.info.frame_size,
        })
    }
}

fn video_format(samples: &[Frame]) -> Option<gst::Caps> {
    let mut format = VideoFormat::new();
    samples.iter().filter_map(|frame| caps(format.inspect(&frame.info, &mut frame.data.clone()))).last()
}

fn audio_format(samples: &[Frame]) -> Option<gst::Caps> {
    let mut format = AudioFormat::new();
    samples.iter().filter_map(|frame| caps(format.inspect(&frame.info, &mut frame.data.clone()))).last()
}

fn caps(verdict: Verdict) -> Option<gst::Caps> {
    match verdict {
        Verdict::Push { caps, .. } => caps,
        _ => None,
    }
}

/// Returns what people ask for first: the type, and sizes or rates.
fn short(caps: &gst::Caps) -> String {
    let Some(structure) = caps.structure(0) else { return String::new() };
    let number = |name: &str| structure.get::<i32>(name).ok();
    let mut text = structure.name().to_string();
    if let (Some(width), Some(height)) = (number("width"), number("height")) {
        let _ = write!(text, " {width}x{height}");
    }
    if let (Some(rate), Some(channels)) = (number("rate"), number("channels")) {
        let _ = write!(text, " {rate} Hz, {channels} channel{}", if channels == 1 { "" } else { "s" });
    }
    text
}

/// Makes ready what names formats.
pub fn init() -> Result<(), glib::Error> {
    gst::init()
}
