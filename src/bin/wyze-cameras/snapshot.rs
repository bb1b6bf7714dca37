//! `snapshot`: writes a camera's picture to a file, once or again and again.

use super::Failure;
use super::completion;
use super::output::print;
use super::player::{self, Player};
use super::plugins;
use super::values;
use clap::{Args, ValueHint};
use gst::glib;
use gst::prelude::*;
use gstwyze::account::Store;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long pictures come before one is taken: the first ones may have the size that an earlier viewer asked for.
const SETTLING: Duration = Duration::from_millis(500);
/// How long encoding a picture may take.
const ENCODING: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Write a camera's picture to a file.
///
/// With --every, this goes on until Ctrl-C. strftime's codes in the file's name are then the time of each picture, as in
/// %H-%M-%S.jpg; without them, the file is written anew each time. Whoever reads it sees the old picture or the new one.
#[derive(Args, Debug)]
pub struct SnapshotArguments {
    /// The camera's name, MAC or UID, or a wyze:// URL
    #[arg(add = completion::camera_names())]
    name: String,
    /// The file to write; its name ends in .jpg or .png
    #[arg(value_hint = ValueHint::FilePath)]
    file: String,
    /// Write a picture each time that this is over, as 10s
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    every: Option<Duration>,
    /// End after so many pictures
    #[arg(long, value_name = "N", requires = "every", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How many seconds to wait for the camera
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

pub fn snapshot(store: &Store, arguments: &SnapshotArguments) -> Result<(), Failure> {
    let media_type = media_type(&arguments.file)?;
    let (_, uri) = player::camera(store, &arguments.name)?;
    plugins::init()?;
    let patience = Duration::from_secs(arguments.timeout);
    let pictures = Pictures::start(&uri)?;
    let mut next = Instant::now();
    for number in 1.. {
        save(&pictures.newest(next + patience)?, media_type, &file_of(arguments)?)?;
        let Some(every) = arguments.every.filter(|_| arguments.count.is_none_or(|count| number < count)) else { break };
        next += every;
        pictures.player.wait(Some(next), || false)?;
    }
    Ok(())
}

/// A camera whose pictures are decoded.
struct Pictures {
    player: Player,
    sink: gst_app::AppSink,
    /// When the first picture came from the camera.
    first: Arc<OnceLock<Instant>>,
}

impl Pictures {
    fn start(uri: &str) -> Result<Self, Failure> {
        let player = Player::new();
        let (source, decoder) = (player::make("wyzesrc")?, player::make("decodebin")?);
        source.set_property("uri", uri);
        source.set_property("audio", false);
        let caps = gst::Caps::new_empty_simple("video/x-raw");
        let sink = gst_app::AppSink::builder().caps(&caps).sync(false).max_buffers(1).drop(true).build();
        player.pipeline.add_many([&source, &decoder, sink.upcast_ref()]).map_err(Failure::other)?;
        let (into, first) = (decoder.static_pad("sink"), Arc::new(OnceLock::new()));
        let came = first.clone();
        source.connect_pad_added(move |_, pad| {
            came.get_or_init(Instant::now);
            // What cannot be linked is the pipeline's error.
            let _ = into.as_ref().map(|into| pad.link(into));
        });
        let into = sink.static_pad("sink");
        decoder.connect_pad_added(move |_, pad| {
            let _ = into.as_ref().map(|into| pad.link(into));
        });
        player.play()?;
        Ok(Pictures { player, sink, first })
    }

    /// Returns the picture that has come last, once they have come for a while.
    fn newest(&self, deadline: Instant) -> Result<gst::Sample, Failure> {
        let mut newest = None;
        self.player.wait(Some(deadline), || {
            newest = self.sink.try_pull_sample(gst::ClockTime::ZERO).or(newest.take());
            newest.is_some() && self.first.get().is_some_and(|first| first.elapsed() >= SETTLING)
        })?;
        newest.ok_or_else(|| Failure::Other("the camera sent no picture".into()))
    }
}

/// Returns the media type that the file's name tells.
fn media_type(file: &str) -> Result<&'static str, Failure> {
    match Path::new(file).extension().and_then(|extension| extension.to_str()) {
        Some("jpg" | "jpeg" | "JPG" | "JPEG") => Ok("image/jpeg"),
        Some("png" | "PNG") => Ok("image/png"),
        _ => Err(Failure::Usage("the file's name has to end in .jpg or .png".into())),
    }
}

/// Returns the name of the file for a picture of now.
fn file_of(arguments: &SnapshotArguments) -> Result<PathBuf, Failure> {
    if arguments.every.is_none() {
        return Ok(arguments.file.clone().into());
    }
    let now = glib::DateTime::now_local().and_then(|now| now.format(&arguments.file));
    let name = now.map_err(|_| Failure::Usage("the file's name has codes that are none of strftime's".into()))?;
    Ok(name.as_str().into())
}

/// Writes a decoded picture to a file, and prints the file's name.
pub fn save(picture: &gst::Sample, media_type: &str, file: &Path) -> Result<(), Failure> {
    let format = gst::Caps::new_empty_simple(media_type);
    let encoded = gst_video::convert_sample(picture, &format, Some(ENCODING))
        .map_err(|e| Failure::Other(format!("the picture cannot be encoded ({e})")))?;
    write(file, &encoded).map_err(|e| Failure::Other(format!("{}: {e}", file.display())))?;
    print(file.display())
}

/// Replaces a file in one step.
fn write(file: &Path, picture: &gst::Sample) -> std::io::Result<()> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let bytes = picture.buffer().and_then(|buffer| buffer.map_readable().ok());
    let mut output = File::create(&part)?;
    output.write_all(bytes.as_deref().unwrap_or_default())?;
    output.sync_data()?;
    std::fs::rename(&part, file)
}
