//! `record`: writes cameras' pictures and sound to files, one after the other, for as long as it runs.
//!
//! Each camera has a thread ([`recorder`]) and a pipeline that captures ([`capture`]), and each file a pipeline that
//! writes ([`film`]). Frames go from one to the other in the thread, which decides where a file ends ([`reel`]) and
//! fills the sound ([`sound`]), so no muxer ever waits for what does not come.

mod capture;
mod container;
mod creation;
mod encoder;
mod film;
mod item;
mod recorder;
mod reel;
mod report;
mod shelf;
mod silence;
mod sound;
pub mod template;

use super::Failure;
use super::completion;
use super::interrupt::{self, IS_ENDING};
use super::launch::ByName;
use super::output::tell;
use super::player;
use super::plugins;
use super::values;
use clap::{Args, ValueHint};
use container::Format;
use gstwyze::account::Store;
use gstwyze::protocol::medium::Medium;
use item::Frame;
use recorder::Recorder;
use report::Report;
use shelf::{Limits, Shelf};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use template::Template;

/// How often it looks whether it is to end.
const TICK: Duration = Duration::from_millis(100);
const TIDY_EVERY: Duration = Duration::from_secs(10);
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// Record cameras to files, until Ctrl-C.
///
/// The picture is stored as the camera sends it, and so is AAC; other sound is encoded as AAC. Files begin with a key
/// frame, follow each other without a gap, and can be played at any moment, also after the power failed. A camera that
/// is away is waited for.
#[derive(Args, Debug)]
pub struct RecordArguments {
    /// The cameras' names, MACs or UIDs, or wyze:// URLs
    #[arg(value_name = "NAME", required_unless_present = "all", add = completion::camera_names())]
    cameras: Vec<String>,
    /// Record all cameras of the store
    #[arg(long, conflicts_with = "cameras")]
    all: bool,
    /// The folder for the files
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    to: PathBuf,
    /// How long a file is. Files begin at full multiples of it, by the clock on the wall
    #[arg(long, value_name = "DURATION", default_value = "10min", value_parser = values::duration)]
    segment: Duration,
    /// The files' names inside the folder: strftime's codes for the file's begin, and {camera}
    #[arg(long, value_name = "TEMPLATE", default_value = template::DEFAULT)]
    name: Template,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Keep sound as it is where the format can hold it, instead of AAC
    #[arg(long)]
    copy_audio: bool,
    /// Delete recordings that are older, as 7d
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    keep: Option<Duration>,
    /// Delete the oldest recordings where all together are larger, as 200G
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    keep_size: Option<u64>,
    /// Leave so much room on the disk: by deleting the oldest recordings if some are to be deleted at all, else by
    /// recording nothing
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = values::size)]
    min_free: u64,
    /// End after this time
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    duration: Option<Duration>,
}

/// How files are made.
struct Options {
    segment: Duration,
    format: Format,
    copy_audio: bool,
}

/// What all of a camera's parts use.
#[derive(Clone)]
struct Tools {
    shelf: Arc<Shelf>,
    report: Arc<Report>,
    gauge: Arc<Gauge>,
}

/// How a camera's recording goes.
#[derive(Default)]
struct Gauge {
    /// Pictures that came from the camera.
    received: AtomicU64,
    /// Pictures that went into files.
    pictures: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    files: AtomicU64,
}

impl Gauge {
    fn count(&self, frame: &Frame) {
        self.bytes.fetch_add(frame.buffer.size() as u64, Ordering::Relaxed);
        if frame.medium == Medium::Video {
            self.pictures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What all cameras' recordings came to.
#[derive(Default)]
struct Total {
    files: u64,
    /// Pictures that came from the cameras, and those that went into files.
    received: u64,
    pictures: u64,
}

impl Total {
    fn add(&mut self, gauge: &Gauge) {
        self.files += gauge.files.load(Ordering::Relaxed);
        self.received += gauge.received.load(Ordering::Relaxed);
        self.pictures += gauge.pictures.load(Ordering::Relaxed);
    }
}

/// A camera and its recorder.
struct Running {
    camera: String,
    gauge: Arc<Gauge>,
    thread: JoinHandle<()>,
    /// The number of pictures when it was last looked at.
    pictures: u64,
}

pub fn record(store: &Store, arguments: RecordArguments) -> Result<(), Failure> {
    let cameras = chosen(store, &arguments)?;
    interrupt::expect();
    // A recording goes on where nobody reads any more what it tells.
    // SAFETY: The signal is known, and to ignore it takes no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    plugins::init()?;
    let limits = Limits { age: arguments.keep, size: arguments.keep_size, min_free: arguments.min_free };
    let folder = arguments.to.clone();
    let cannot = |e| Failure::Other(format!("{} cannot be used: {e}", folder.display()));
    let shelf = Arc::new(Shelf::new(arguments.to, arguments.name, limits).map_err(cannot)?);
    let report = Arc::new(Report::new());
    shelf.tidy(&report).map_err(cannot)?;
    let options =
        Arc::new(Options { segment: arguments.segment, format: arguments.format, copy_audio: arguments.copy_audio });
    let mut running = Vec::new();
    for (camera, uri) in cameras {
        let tools = Tools { shelf: shelf.clone(), report: report.clone(), gauge: Arc::default() };
        let gauge = tools.gauge.clone();
        let recorder = Recorder::new(camera.clone(), uri, options.clone(), tools);
        let thread = std::thread::Builder::new().name("record".into()).spawn(move || recorder.run(&IS_ENDING));
        let thread = thread.map_err(Failure::other)?;
        running.push(Running { camera, gauge, thread, pictures: 0 });
    }
    wait(arguments.duration, &shelf, &report, &mut running);
    let mut total = Total::default();
    for recorder in running {
        // If it panicked, its message has been printed.
        let _ = recorder.thread.join();
        total.add(&recorder.gauge);
    }
    report.clear();
    report.ended(&total);
    match total.files {
        0 => Err(Failure::Other("nothing was recorded".into())),
        _ => Ok(()),
    }
}

/// Returns names and URIs of the cameras that are meant.
fn chosen(store: &Store, arguments: &RecordArguments) -> Result<Vec<(String, String)>, Failure> {
    let mut chosen: Vec<(String, String)> = Vec::new();
    if arguments.all {
        let cameras = store.cameras()?;
        if cameras.is_empty() {
            cameras.find("")?;
        }
        for camera in cameras.iter() {
            match camera.paths().obstacle() {
                Some(why) => tell(format_args!("wyze-cameras: {} is left out: {why}", camera.name)),
                None => chosen.push((camera.name.clone(), ByName::new(&cameras, camera).uri)),
            }
        }
    }
    for name in &arguments.cameras {
        let (name, uri) = player::camera(store, name)?;
        if chosen.iter().all(|(_, other)| *other != uri) {
            chosen.push((name, uri));
        }
    }
    match chosen.is_empty() {
        true => Err(Failure::Other("no camera of the store can be recorded".into())),
        false => Ok(chosen),
    }
}

/// Waits until it is to end.
fn wait(duration: Option<Duration>, shelf: &Shelf, report: &Report, running: &mut [Running]) {
    let start = Instant::now();
    let (mut tidied, mut shown) = (start, start);
    while !IS_ENDING.load(Ordering::Relaxed) {
        std::thread::sleep(TICK);
        if duration.is_some_and(|duration| start.elapsed() >= duration) {
            IS_ENDING.store(true, Ordering::Relaxed);
        }
        if tidied.elapsed() >= TIDY_EVERY {
            tidied = Instant::now();
            if let Err(error) = shelf.tidy(report) {
                report.error(None, error);
            }
        }
        if shown.elapsed() >= SHOW_EVERY {
            report.show(line(start.elapsed(), shown.elapsed(), running));
            shown = Instant::now();
        }
    }
}

/// Writes how it goes: time, then size, frames a second and losses of each camera.
fn line(time: Duration, since: Duration, running: &mut [Running]) -> String {
    let seconds = time.as_secs();
    let mut line = format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    for recorder in running {
        let gauge = &recorder.gauge;
        let pictures = gauge.pictures.load(Ordering::Relaxed);
        let fps = (pictures - recorder.pictures) as f64 / since.as_secs_f64();
        recorder.pictures = pictures;
        let (size, lost) = (values::readable(gauge.bytes.load(Ordering::Relaxed)), gauge.lost.load(Ordering::Relaxed));
        line += &format!("  {}: {size}, {fps:.0} fps, {lost} lost", recorder.camera);
    }
    line
}
