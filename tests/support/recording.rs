//! `wyze-cameras record` as a user runs it, with simulated cameras, and a reader of what it writes.

#![allow(dead_code, reason = "each test binary uses its own part")]

use gst::ClockTime;
use gst::prelude::*;
use gstwyze::protocol::credentials::Credentials;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;
use wyze_camera::{
    CameraConfig, CameraServer, DEMO_ENR, DEMO_MAC, LiveAudio, LiveMediaConfig, LiveVideo, MediaSource, ServerOptions,
    Synthetic, SyntheticConfig,
};

const PATIENCE: Duration = Duration::from_secs(20);

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A camera, and the URL by which it is recorded.
pub struct Scene {
    pub camera: CameraServer,
    uid: String,
}

impl Scene {
    pub fn new(media: MediaSource) -> Self {
        Self::with_uid("WYZERECORDERTEST111A", media)
    }

    pub fn with_uid(uid: &str, media: MediaSource) -> Self {
        let config = CameraConfig::new(Credentials::new(uid, DEMO_ENR, DEMO_MAC).unwrap());
        let options = ServerOptions { record_frames: true, ..ServerOptions::default() };
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let camera = CameraServer::start_with(config, listen, media, options).unwrap();
        Scene { camera, uid: uid.to_owned() }
    }

    pub fn url(&self) -> String {
        format!("wyze://{}?uid={}&enr={DEMO_ENR}&mac={DEMO_MAC}&stall-timeout=2000", self.camera.addr(), self.uid)
    }

    /// The number of pictures that went out so far.
    pub fn pictures(&self) -> u64 {
        self.camera.stats().video_frames
    }

    /// Waits until so many more pictures went out.
    pub fn await_pictures(&self, count: u64) {
        let enough = self.pictures() + count;
        wait_until("pictures", || self.pictures() >= enough);
    }
}

/// What a fed camera leaves out at the moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mute {
    pub video: bool,
    pub audio: bool,
}

/// Feeds a camera, in real time, for as long as it lives. What is left out does not come later.
pub struct Feeder {
    mute: Arc<Mutex<Option<Mute>>>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    pub fn start(scene: &Scene, config: SyntheticConfig, mute: Mute) -> Self {
        let sender = scene.camera.frame_sender();
        let mute = Arc::new(Mutex::new(Some(mute)));
        let state = mute.clone();
        let thread = std::thread::spawn(move || {
            let (start, begin) = (SystemTime::UNIX_EPOCH.elapsed().unwrap(), Instant::now());
            let mut media = Synthetic::new(SyntheticConfig { start, ..config });
            while let Some((due, frame)) = media.next_frame() {
                std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
                let Some(mute) = *state.lock().unwrap() else { return };
                if !if frame.is_audio() { mute.audio } else { mute.video } {
                    sender.push_frame(&frame);
                }
            }
        });
        Feeder { mute, thread: Some(thread) }
    }

    pub fn mute(&self, mute: Mute) {
        *self.mute.lock().unwrap() = Some(mute);
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        *self.mute.lock().unwrap() = None;
        let _ = self.thread.take().unwrap().join();
    }
}

/// Pictures and sound that no decoder takes; 20 pictures a second, a key frame each half second.
pub fn synthetic() -> SyntheticConfig {
    SyntheticConfig { gop: 10, key_frame_len: 4000, frame_len: 1000, ..SyntheticConfig::default() }
}

pub fn live(video: LiveVideo, audio: LiveAudio) -> MediaSource {
    MediaSource::Live(LiveMediaConfig { video, audio, width: 320, height: 180, ..LiveMediaConfig::default() })
}

/// A run of the program, and what it has told.
pub struct Recording {
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
    reader: Option<JoinHandle<()>>,
    pub folder: Arc<TempDir>,
}

/// How a run ended.
pub struct Ended {
    pub code: Option<i32>,
    pub events: Vec<Value>,
    pub folder: Arc<TempDir>,
}

/// A segment that ends far in the future, so that no test runs across its end.
pub const ONE_FILE: &str = "5200w";

impl Recording {
    pub fn start(cameras: &[String], options: &[&str]) -> Self {
        Self::start_in(Arc::new(TempDir::new().unwrap()), cameras, options)
    }

    pub fn start_in(folder: Arc<TempDir>, cameras: &[String], options: &[&str]) -> Self {
        let to = folder.path().to_owned();
        Self::spawn(None, folder, &to, cameras, options)
    }

    /// Records to `to`, with the user's configuration in `folder`. The program is started by the `wrapper`, if there
    /// is one.
    pub fn spawn(
        wrapper: Option<Command>,
        folder: Arc<TempDir>,
        to: &Path,
        cameras: &[String],
        options: &[&str],
    ) -> Self {
        let program = env!("CARGO_BIN_EXE_wyze-cameras");
        let mut command = match wrapper {
            Some(mut wrapper) => {
                wrapper.arg(program);
                wrapper
            }
            None => Command::new(program),
        };
        command.arg("record").args(cameras).arg("--to").arg(to).args(options);
        if !options.contains(&"--segment") {
            command.args(["--segment", ONE_FILE]);
        }
        command.env("XDG_CONFIG_HOME", folder.path().join("config")).env("TZ", "UTC");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let (stdout, sink) = (BufReader::new(child.stdout.take().unwrap()), events.clone());
        let reader = std::thread::spawn(move || {
            for line in stdout.lines() {
                let line = line.unwrap();
                println!("{line}");
                sink.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Recording { child, events, reader: Some(reader), folder }
    }

    /// The events of this name so far.
    pub fn events(&self, name: &str) -> Vec<Value> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event["event"] == name).cloned().collect()
    }

    pub fn await_events(&self, name: &str, count: usize) -> Vec<Value> {
        wait_until(&format!("{count} events {name}"), || self.events(name).len() >= count);
        self.events(name)
    }

    pub fn await_state(&self, of: &str, state: &str) {
        wait_until(&format!("{of} {state}"), || self.events(of).iter().any(|event| event["state"] == state));
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("it does not end");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        self.reader.take().unwrap().join().unwrap();
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        Ended { code, events, folder: self.folder.clone() }
    }

    /// Ends it as a service manager does.
    pub fn terminate(self) -> Ended {
        self.signal("TERM");
        let ended = self.end();
        assert_eq!(ended.code, Some(0));
        ended
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It has ended, unless the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub fn events(&self, name: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == name).collect()
    }

    /// The files that were announced, in order of their begin.
    pub fn finished(&self) -> Vec<PathBuf> {
        let mut files: Vec<(String, PathBuf)> = self
            .events("finished")
            .iter()
            .map(|event| (event["begin"].to_string(), event["file"].as_str().unwrap().into()))
            .collect();
        files.sort_by(|(begin, _), (other, _)| begin.cmp(other));
        files.into_iter().map(|(_, file)| file).collect()
    }
}

/// All files in a folder but hidden ones, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with('.') {
            continue;
        }
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

/// A track of a file: what it is, and when its pieces are presented.
#[derive(Debug)]
pub struct Track {
    pub caps: gst::Caps,
    pub times: Vec<ClockTime>,
}

impl Track {
    pub fn number(&self, field: &str) -> i32 {
        self.caps.structure(0).unwrap().get(field).unwrap()
    }

    pub fn first(&self) -> ClockTime {
        self.times[0]
    }

    pub fn last(&self) -> ClockTime {
        *self.times.last().unwrap()
    }

    /// The longest time between two pieces.
    pub fn longest_gap(&self) -> ClockTime {
        let gaps = self.times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        gaps.max().unwrap_or_default()
    }
}

#[derive(Debug)]
pub struct Film {
    pub video: Option<Track>,
    pub audio: Option<Track>,
    pub begin: Option<String>,
}

impl Film {
    /// Reads the tracks as they are in the file. Any error fails the test.
    pub fn read(file: &Path) -> Self {
        Self::run(file, "parsebin").unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// As [`Film::read`], where the file may be no film.
    pub fn try_read(file: &Path) -> Option<Self> {
        Self::run(file, "parsebin").ok()
    }

    /// Decodes the whole file. Any error fails the test.
    pub fn play(file: &Path) -> Self {
        Self::run(file, "decodebin").unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    fn run(file: &Path, reader: &str) -> Result<Self, String> {
        gst::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let source = gst::ElementFactory::make("filesrc").property("location", file).build().unwrap();
        let reader = gst::ElementFactory::make(reader).build().unwrap();
        pipeline.add_many([&source, &reader]).unwrap();
        source.link(&reader).unwrap();
        let tracks = Arc::<Mutex<Vec<Track>>>::default();
        let (weak, sink) = (pipeline.downgrade(), tracks.clone());
        reader.connect_pad_added(move |_, pad| {
            let pipeline = weak.upgrade().unwrap();
            let fake =
                gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build().unwrap();
            pipeline.add(&fake).unwrap();
            fake.sync_state_with_parent().unwrap();
            pad.link(&fake.static_pad("sink").unwrap()).unwrap();
            let (name, sink) = (pad.name(), sink.clone());
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            sink.lock().unwrap().push(Track { caps, times: Vec::new() });
            let at = sink.lock().unwrap().len() - 1;
            assert!(!name.is_empty());
            pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                let track = &mut sink.lock().unwrap()[at];
                track.caps = pad.current_caps().unwrap();
                track.times.extend(info.buffer().and_then(|buffer| buffer.pts()));
                gst::PadProbeReturn::Ok
            });
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        let (mut begin, mut is_over) = (None, false);
        for message in pipeline.bus().unwrap().iter_timed(ClockTime::from_seconds(10)) {
            match message.view() {
                gst::MessageView::Eos(_) => {
                    is_over = true;
                    break;
                }
                gst::MessageView::Error(error) => {
                    pipeline.set_state(gst::State::Null).unwrap();
                    return Err(format!("{error:?}"));
                }
                gst::MessageView::Tag(tags) => {
                    let time = tags.tags().get::<gst::tags::DateTime>().map(|time| time.get());
                    begin = time.and_then(|time| time.to_iso8601_string().ok()).map(|time| time.to_string()).or(begin);
                }
                _ => {}
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
        if !is_over {
            return Err(format!("it does not end: {:?}", tracks.lock().unwrap()));
        }
        let mut film = Film { video: None, audio: None, begin };
        for track in std::mem::take(&mut *tracks.lock().unwrap()) {
            let is_audio = track.caps.structure(0).unwrap().name().starts_with("audio/");
            *(if is_audio { &mut film.audio } else { &mut film.video }) = Some(track);
        }
        Ok(film)
    }
}
