//! Cameras whose sound stops, or that have none: all of the picture has to be in the files.

use crate::film_check;
use crate::program::Program;
use crate::{Error, TICK};
use gstwyze::protocol::wire::codec::CodecId;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wyze_camera::{CameraConfig, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, MediaSource, SyntheticConfig};

const LENGTH: f64 = 40.0;
/// Connecting, the first key frame, and the end.
const TOLERANCE: f64 = 2.0;
const FPS: f64 = 20.0;

/// Records cameras whose sound stops at 9 s, and that have none. Returns whether all of it is there.
pub fn run() -> Result<bool, Error> {
    Ok(record(Some(CodecId::AAC_WYZE))? & record(Some(CodecId::MULAW))? & record(None)?)
}

fn record(audio: Option<CodecId>) -> Result<bool, Error> {
    let folder = tempfile::tempdir()?;
    let rate = if audio == Some(CodecId::MULAW) { 8000 } else { 16_000 };
    let media = SyntheticConfig { audio, audio_rate: rate, ..SyntheticConfig::default() };
    let camera = CameraServer::start(CameraConfig::demo()?, "127.0.0.1:0".parse()?, MediaSource::Synthetic(media))?;
    let url = format!("wyze://{}?uid={DEMO_UID}&enr={DEMO_ENR}&mac={DEMO_MAC}", camera.addr());
    let to = folder.path().to_str().ok_or("the temporary folder has no UTF-8 name")?;
    let mut recorder =
        Program::start("record", &[&url, "--to", to, "--segment", "5200w", "--duration", "40s"], folder.path())?;
    let stop = Instant::now() + Duration::from_secs(9);
    while Instant::now() < stop {
        std::thread::sleep(TICK);
    }
    camera.change_synthetic(|media| media.audio = None);
    while !recorder.has_ended() {
        std::thread::sleep(TICK);
    }
    let events =
        std::iter::from_fn(|| recorder.line().ok()).filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let files: Vec<PathBuf> = events
        .filter(|event| event["event"] == "finished")
        .filter_map(|event| event["file"].as_str().map(PathBuf::from))
        .collect();
    let (mut picture, mut sound) = (0.0, 0.0);
    for file in &files {
        picture += film_check::pictures(file)? as f64 / FPS;
        sound += film_check::length_of_sound(file)?;
    }
    println!("{audio:?}: {} files with {picture:.1} s of picture and {sound:.1} s of sound", files.len());
    let is_whole = |length: f64| (length - LENGTH).abs() < TOLERANCE;
    Ok(is_whole(picture) && if audio.is_some() { is_whole(sound) } else { sound == 0.0 })
}
