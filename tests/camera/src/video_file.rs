//! Plays an H.264 or H.265 file in a loop, in real time.

use crate::camera_event::CameraEvent;
use crate::live_media::{self, LiveMediaConfig, LiveMediaError};
use crate::media_frame::MediaFrame;
use crate::server::FrameSender;
use gst::prelude::*;
use gstwyze::protocol::wire::codec::CodecId;
use gstwyze::protocol::wire::media::MediaChannel;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// One access unit.
struct Picture {
    is_key: bool,
    data: Vec<u8>,
}

/// A thread that pushes the file's pictures; dropping it ends it.
pub struct VideoFile {
    /// Dropping it ends the thread.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl VideoFile {
    pub fn start(path: &Path, config: &LiveMediaConfig, frames: FrameSender) -> Result<Self, LiveMediaError> {
        let pictures = split(path)?;
        let (alive, ended) = mpsc::channel::<()>();
        let (codec, fps, frame_size) = (codec(path), config.fps.max(1), live_media::frame_size(config.height));
        let play = move || {
            let interval = Duration::from_secs(1) / u32::from(fps);
            let mut due = Instant::now();
            let mut next = 0;
            loop {
                let wants_key = frames.take_media_events().iter().any(|event| {
                    matches!(event, CameraEvent::Streaming { video: true, .. } | CameraEvent::KeyFrameWanted { .. })
                });
                if wants_key {
                    // The file's key frames are where they are: go on at the next one.
                    next = (next..pictures.len()).find(|&at| pictures[at].is_key).unwrap_or(0);
                }
                let picture = &pictures[next];
                let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
                frames.push_frame(&MediaFrame {
                    kind: if picture.is_key { MediaChannel::KeyVideo } else { MediaChannel::Video },
                    codec,
                    flags: u8::from(picture.is_key),
                    fps,
                    frame_size,
                    seconds: time.as_secs() as u32,
                    microseconds: time.subsec_micros(),
                    data: picture.data.clone(),
                });
                next = (next + 1) % pictures.len();
                due += interval;
                let wait = due.saturating_duration_since(Instant::now());
                if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("video-file".into())
            .spawn(play)
            .map_err(|error| LiveMediaError::GStreamer(error.to_string()))?;
        Ok(VideoFile { alive: Some(alive), thread: Some(thread) })
    }
}

impl Drop for VideoFile {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, its message has been printed.
            let _ = thread.join();
        }
    }
}

/// Tells the codec from the file's name.
fn codec(path: &Path) -> CodecId {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("h265" | "265" | "hevc") => CodecId::H265,
        _ => CodecId::H264,
    }
}

/// Splits the file into access units, each key frame with its parameter sets; an error if there are none.
fn split(path: &Path) -> Result<Vec<Picture>, LiveMediaError> {
    let is_readable = std::fs::File::open(path);
    is_readable.map_err(|error| LiveMediaError::GStreamer(format!("{}: {error}", path.display())))?;
    let name = if codec(path) == CodecId::H265 { "h265" } else { "h264" };
    let (pipeline, sink) = live_media::build(&format!(
        "filesrc name=file ! {name}parse config-interval=-1 ! video/x-{name},stream-format=byte-stream,alignment=au ! \
         appsink name=sink sync=false"
    ))?;
    if let Some(file) = pipeline.by_name("file") {
        file.set_property("location", path);
    }
    let mut pictures = Vec::new();
    if pipeline.set_state(gst::State::Playing).is_ok() {
        while let Ok(sample) = sink.pull_sample() {
            if let Some(buffer) = sample.buffer()
                && let Ok(bytes) = buffer.map_readable()
            {
                let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
                pictures.push(Picture { is_key, data: bytes.to_vec() });
            }
        }
    }
    // The pipeline has done its work, so a failure to stop does no harm.
    let _ = pipeline.set_state(gst::State::Null);
    if pictures.is_empty() {
        return Err(LiveMediaError::GStreamer(format!("{}: no {name} pictures in it", path.display())));
    }
    Ok(pictures)
}
