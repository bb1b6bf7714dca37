//! The scripts in `pipelines/` as a user runs them: simulated cameras in a store of their own, a display, and what a
//! player makes of what the scripts write.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::home::home;
use gst::prelude::*;
use gstwyze::account::{Camera, Cameras, Store, StoreError};
use gstwyze::protocol::credentials::Credentials;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wyze_camera::{
    CameraConfig, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, LiveAudio, LiveMediaConfig, LiveVideo, MediaSource,
};

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The cameras of a scene, in the order in which it is given their media.
pub const NAMES: [&str; 4] = ["Front Door", "Garden", "Garage", "Büro & Flur"];

/// Polls until `condition` holds; for conditions that no event announces.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A path from the repository's root.
pub fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A camera's media: a small picture, and a tone of 440 Hz where it has sound.
pub fn media(video: LiveVideo, audio: LiveAudio) -> MediaSource {
    MediaSource::Live(LiveMediaConfig { video, width: 320, height: 180, audio, ..LiveMediaConfig::default() })
}

/// Cameras, and a user who has them in the store.
pub struct Scene {
    pub cameras: Vec<CameraServer>,
    pub home: TempDir,
    folder: TempDir,
}

impl Scene {
    pub fn new(audio: LiveAudio) -> Self {
        Self::with([media(LiveVideo::H264, audio)])
    }

    pub fn with(media: impl IntoIterator<Item = MediaSource>) -> Self {
        let (mut cameras, mut stored) = (Vec::new(), Cameras::default());
        for (number, media) in media.into_iter().enumerate() {
            let uid = format!("{}{number}", &DEMO_UID[..19]);
            let mac = format!("{}{number}", &DEMO_MAC[..11]);
            let config = CameraConfig::new(Credentials::new(&uid, DEMO_ENR, &mac).unwrap());
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let camera = CameraServer::start(config, listen, media).unwrap();
            stored.push(Camera {
                name: NAMES[number].into(),
                uid: uid.into(),
                enr: DEMO_ENR.into(),
                mac: mac.into(),
                host: Some("127.0.0.1".into()),
                port: Some(camera.addr().port()),
                ..Camera::default()
            });
            cameras.push(camera);
        }
        let home = home();
        let change = |all: &mut Cameras| {
            all.extend(stored.drain(..));
            Ok::<_, StoreError>(())
        };
        Store::at(home.path().join("gst-plugin-wyze")).update(change).unwrap();
        let folder = tempfile::Builder::new().prefix("films of a day ").tempdir().unwrap();
        Scene { cameras, home, folder }
    }

    pub fn camera(&self) -> &CameraServer {
        &self.cameras[0]
    }

    /// Returns a path in a folder whose name has a space.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The user's command: without this machine's settings, and with sinks and sources of sound that every machine has.
    pub fn command(&self, program: impl Into<PathBuf>) -> Command {
        let mut command = Command::new(program.into());
        command.env_clear().env("PATH", std::env::var("PATH").unwrap());
        command.env("HOME", self.home.path()).env("XDG_CONFIG_HOME", self.home.path());
        command.env("GST_PLUGIN_PATH", self.home.path());
        // Looking at all plugins takes some seconds, and one look does for all tests.
        command.env("GST_REGISTRY", Path::new(env!("CARGO_TARGET_TMPDIR")).join("recipes-registry"));
        command.env("GST_PLUGIN_FEATURE_RANK", "fakeaudiosink:MAX,audiotestsrc:MAX");
        command.stdin(Stdio::null());
        command
    }

    pub fn recipe(&self, name: &str) -> Command {
        self.command(at_root("pipelines").join(name))
    }

    /// Returns a recipe with texts replaced that it has, as its comments tell the reader to do.
    pub fn changed(&self, name: &str, changes: &[(&str, &str)]) -> Command {
        let mut text = std::fs::read_to_string(at_root("pipelines").join(name)).unwrap();
        let begin = text.find("\nexec ").unwrap_or_else(|| panic!("{name} executes nothing"));
        for (old, new) in changes {
            assert!(text[begin..].contains(old), "{name} lacks {old}");
            text = text[..begin].to_owned() + &text[begin..].replace(old, new);
        }
        let file = self.home.path().join(name);
        std::fs::write(&file, text).unwrap();
        let mut command = self.command("sh");
        command.arg(file);
        command
    }

    /// Starts a command in a process group of its own.
    pub fn start(&self, mut command: Command) -> Running {
        let output = self.home.path().join("output");
        let file = File::create(&output).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        Running { child: command.spawn().unwrap(), output }
    }

    /// Runs a command to its end; returns its exit code and all that it printed.
    pub fn run(&self, command: Command) -> (Option<i32>, String) {
        let (status, text) = self.start(command).wait();
        (status.code(), text)
    }

    #[track_caller]
    pub fn run_well(&self, command: Command) -> String {
        let (code, text) = self.run(command);
        assert_eq!(code, Some(0), "{text}");
        text
    }

    /// Waits until each camera has a client and has sent it so many pictures.
    pub fn await_pictures(&self, count: u64) {
        for camera in &self.cameras {
            let enough = camera.stats().video_frames + count;
            wait_until("pictures", || camera.stats().clients > 0 && camera.stats().video_frames >= enough);
        }
    }

    /// Runs a command until the cameras have sent so many pictures, then presses Ctrl-C.
    pub fn run_for(&self, command: Command, pictures: u64) {
        let running = self.start(command);
        self.await_pictures(pictures);
        running.interrupt();
    }

    /// Stops the cameras and asserts that they found no fault with what their clients sent. When it came depends on how
    /// busy the machine is.
    pub fn assert_good_manners(self) {
        for camera in self.cameras {
            let log = camera.stop();
            assert_eq!(log.byte_entries().count(), 0, "{log}");
        }
    }
}

/// A command at work; dropping it kills all of its process group.
pub struct Running {
    child: Child,
    output: PathBuf,
}

impl Running {
    pub fn pid(&self) -> libc::pid_t {
        self.child.id() as libc::pid_t
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap()).into_owned()
    }

    /// Sends SIGINT to the process group, as a terminal does at Ctrl-C.
    pub fn press_ctrl_c(&self) {
        // SAFETY: the group is that of this process's child, which has not been waited for.
        assert_eq!(unsafe { libc::kill(-self.pid(), libc::SIGINT) }, 0);
    }

    /// Sends SIGTERM to the process alone, as a service manager may.
    pub fn terminate(&self) {
        // SAFETY: the process is this one's child, and has not been waited for.
        assert_eq!(unsafe { libc::kill(self.pid(), libc::SIGTERM) }, 0);
    }

    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut status = None;
        let deadline = Instant::now() + PATIENCE;
        while status.is_none() {
            assert!(Instant::now() < deadline, "it did not end: {}", self.text());
            std::thread::sleep(Duration::from_millis(10));
            status = self.child.try_wait().unwrap();
        }
        let text = self.text();
        for secret in [&DEMO_UID[..19], DEMO_ENR, &DEMO_MAC[..11]] {
            assert!(!text.contains(secret), "{text}");
        }
        (status.unwrap(), text)
    }

    /// Ends a pipeline as Ctrl-C does; no error may have come before.
    pub fn interrupt(self) {
        self.press_ctrl_c();
        let (status, text) = self.wait();
        assert!(status.success() && !text.contains("ERROR"), "{status}: {text}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: no other process group can have this number as long as the child has not been waited for, and later
        // there is none of it.
        unsafe { libc::kill(-self.pid(), libc::SIGKILL) };
        let _ = self.child.wait();
    }
}

/// An X server without a screen; dropping it ends it.
pub struct Display {
    server: Child,
    pub name: String,
    /// One display at a time: an Xvfb that ends removes the socket of one that has just taken its number.
    _alone: File,
}

impl Display {
    pub fn new() -> Self {
        let alone = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("display.lock")).unwrap();
        alone.lock().unwrap();
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", "1280x720x24", "-nolisten", "tcp"]);
        let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("Xvfb of tests/setup.sh");
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Display { server, name: format!(":{}", line.trim()), _alone: alone }
    }

    /// Returns what the display shows.
    pub fn picture(&self) -> Picture {
        play(&format!("ximagesrc display-name={} use-damage=false show-pointer=false num-buffers=1", self.name))
            .pictures
            .pop()
            .unwrap()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[derive(Clone)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// Red, green and blue of each pixel, line by line.
    rgb: Vec<u8>,
}

impl Picture {
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        self.rgb[at..at + 3].try_into().unwrap()
    }

    /// The largest difference of two colours of a pixel, within a part of the picture.
    pub fn saturation(&self, (x, y): (usize, usize), (width, height): (usize, usize)) -> u8 {
        let pixels = (y..y + height).flat_map(|y| (x..x + width).map(move |x| (x, y)));
        let spread = |[r, g, b]: [u8; 3]| r.max(g).max(b) - r.min(g).min(b);
        pixels.map(|(x, y)| spread(self.pixel(x, y))).max().unwrap()
    }
}

/// What came out of a file's decoders.
#[derive(Default)]
pub struct Played {
    /// The first and the last picture.
    pub pictures: Vec<Picture>,
    pub picture_count: usize,
    pub rate: i32,
    pub samples: Vec<i16>,
}

impl Played {
    /// The pitch of the sound in Hz, counted by how often it rises through zero in the middle half: encoders need a
    /// while to begin and to end.
    pub fn pitch(&self) -> f64 {
        let quarter = self.samples.len() / 4;
        let samples = &self.samples[quarter..3 * quarter];
        let rises = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        rises as f64 * f64::from(self.rate) / samples.len() as f64
    }

    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    fn add_picture(&mut self, sample: &gst::Sample) {
        let caps = sample.caps().unwrap().structure(0).unwrap();
        let side = |name| caps.get::<i32>(name).unwrap() as usize;
        let (width, height) = (side("width"), side("height"));
        let map = sample.buffer().unwrap().map_readable().unwrap();
        let stride = map.len() / height;
        let rgb = map.chunks(stride).flat_map(|line| &line[..3 * width]).copied().collect();
        self.pictures.truncate(1);
        self.pictures.push(Picture { width, height, rgb });
        self.picture_count += 1;
    }

    fn add_sound(&mut self, sample: &gst::Sample) {
        self.rate = sample.caps().unwrap().structure(0).unwrap().get("rate").unwrap();
        let map = sample.buffer().unwrap().map_readable().unwrap();
        self.samples.extend(map.chunks(2).map(|bytes| i16::from_le_bytes(bytes.try_into().unwrap())));
    }
}

pub fn play_file(file: &Path) -> Played {
    play(&format!("uridecodebin uri={}", gst::glib::filename_to_uri(file, None).unwrap()))
}

/// Plays all pads of the element that a line describes. Any error fails the test.
fn play(line: &str) -> Played {
    gst::init().unwrap();
    let pipeline = gst::Pipeline::new();
    let source = gst::parse::launch(line).unwrap();
    pipeline.add(&source).unwrap();
    let played = Arc::new(Mutex::new(Played::default()));
    let link = {
        let (pipeline, played) = (pipeline.downgrade(), played.clone());
        move |pad: &gst::Pad| {
            let is_video = pad.query_caps(None).structure(0).unwrap().name().starts_with("video/");
            let line = match is_video {
                true => "queue ! videoconvert ! video/x-raw,format=RGB ! appsink name=sink sync=false",
                false => "queue ! audioconvert ! audio/x-raw,format=S16LE,channels=1 ! appsink name=sink sync=false",
            };
            let branch = gst::parse::bin_from_description(line, true).unwrap();
            let sink = branch.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
            let played = played.clone();
            let take = move |sink: &gst_app::AppSink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let mut played = played.lock().unwrap();
                if is_video {
                    played.add_picture(&sample)
                } else {
                    played.add_sound(&sample)
                }
                Ok(gst::FlowSuccess::Ok)
            };
            sink.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(take).build());
            pipeline.upgrade().unwrap().add(&branch).unwrap();
            pad.link(&branch.static_pad("sink").unwrap()).unwrap();
            branch.sync_state_with_parent().unwrap();
        }
    };
    match source.static_pad("src") {
        Some(pad) => link(&pad),
        None => drop(source.connect_pad_added(move |_, pad| link(pad))),
    }
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    match end.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => std::mem::take(&mut *played.lock().unwrap()),
        other => panic!("{line}: {other:?}"),
    }
}

/// Runs gst-discoverer-1.0, which has to accept the file; returns what it says of it.
pub fn discover(file: &Path) -> String {
    let output = Command::new("timeout").args(["60", "gst-discoverer-1.0"]).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("Duration"), "{text}");
    text
}

/// The files of a folder, in the order of their names.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
