//! Runs the scripts in `pipelines/` as a user does, with the simulated camera.

#[path = "support/mp4.rs"]
mod mp4;

use gstwyze::account::{Camera, Cameras, Store, StoreError};
use gstwyze::protocol::credentials::Credentials;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wyze_camera::{
    CameraConfig, CameraEvent, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, LiveAudio, LiveMediaConfig, MediaSource,
};

const SCRIPTS: [&str; 6] = ["view.sh", "listen.sh", "record.sh", "snapshot.sh", "talk.sh", "intercom.sh"];
/// Seconds after which a script is killed; none takes nearly as long.
const DEADLINE: &str = "100";
const VARIABLES: [&str; 8] =
    ["WYZE_CAMERA", "WYZE_URI", "WYZE_UID", "WYZE_ENR", "WYZE_MAC", "WYZE_HOST", "WYZE_PORT", "WYZE_MODEL"];

/// Returns `target/debug` or `target/release`, whichever this test was built in.
fn build_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// Builds the command for a script with this build's plugin, without the user's own variables and without a display. It
/// ends at the deadline at the latest, with the script's own exit code.
fn script(name: &str) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--preserve-status", "--kill-after=20", DEADLINE])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(name));
    command.env("GST_PLUGIN_PATH", build_folder()).stdin(Stdio::null());
    for variable in VARIABLES.iter().chain(&["DISPLAY", "WAYLAND_DISPLAY", "WYZE_VIDEO_SINK", "WYZE_AUDIO_SINK"]) {
        command.env_remove(variable);
    }
    command
}

/// Runs a command; returns its exit code and all that it printed.
fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("coreutils' timeout");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn run_well(command: &mut Command) -> String {
    let (code, text) = run(command);
    assert_eq!(code, Some(0), "{command:?} printed:\n{text}");
    text
}

struct Scene {
    camera: CameraServer,
    folder: TempDir,
}

impl Scene {
    fn new(audio: LiveAudio) -> Self {
        Self::with(CameraConfig::demo().unwrap(), audio)
    }

    fn with(config: CameraConfig, audio: LiveAudio) -> Self {
        let media = LiveMediaConfig { width: 320, height: 180, audio, ..LiveMediaConfig::default() };
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let camera = CameraServer::start(config, listen, MediaSource::Live(media)).unwrap();
        // Characters that are special to shells, GStreamer's parser and splitmuxsink.
        let folder = tempfile::Builder::new().prefix("wyze %d \"a\\b' ").tempdir().unwrap();
        Scene { camera, folder }
    }

    /// Stops the camera and starts one of the same identity and address with another resolution.
    fn with_another_camera(self, (width, height): (u32, u32)) -> Self {
        let Scene { camera, folder } = self;
        let address = camera.addr();
        let log = camera.stop();
        assert_eq!(log.byte_entries().count(), 0, "{log}");
        let media = LiveMediaConfig { width, height, audio: LiveAudio::Mulaw, ..LiveMediaConfig::default() };
        let camera = CameraServer::start(CameraConfig::demo().unwrap(), address, MediaSource::Live(media)).unwrap();
        Scene { camera, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn script(&self, name: &str) -> Command {
        let mut command = script(name);
        let port = self.camera.addr().port();
        command.env("WYZE_URI", format!("wyze://127.0.0.1:{port}?uid={DEMO_UID}&enr={DEMO_ENR}&mac={DEMO_MAC}"));
        command
    }

    /// Waits until the camera has a client and has sent `count` more video frames.
    fn await_pictures(&self, count: u64) {
        let enough = self.camera.stats().video_frames + count;
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.camera.stats().clients == 0 || self.camera.stats().video_frames < enough {
            assert!(Instant::now() < deadline, "no client receives video");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the camera and asserts that it found no fault with the client.
    fn assert_good_manners(self) {
        let log = self.camera.stop();
        assert!(log.is_empty(), "{log}");
    }
}

/// Runs gst-discoverer-1.0, which has to accept the file; returns its output and the file's duration.
fn discover(file: &Path) -> (String, Duration) {
    let text = run_well(Command::new("timeout").arg(DEADLINE).arg("gst-discoverer-1.0").arg(file));
    let duration = text.lines().find_map(|line| line.trim().strip_prefix("Duration: ")).unwrap_or("0:0:0");
    let parts: Vec<f64> = duration.split(':').map(|part| part.parse().unwrap()).collect();
    let seconds = parts.iter().fold(0.0, |sum, part| sum * 60.0 + part);
    (text, Duration::from_secs_f64(seconds))
}

fn assert_between(duration: Duration, least: f64, most: f64) {
    assert!((least..=most).contains(&duration.as_secs_f64()), "{duration:?} is not between {least} and {most} s");
}

fn records_segments(audio: LiveAudio) {
    let scene = Scene::new(audio);
    let folder = scene.path("films");
    let text = run_well(scene.script("record.sh").args(["-s", "2", "-t", "7"]).arg(&folder));
    assert!(!text.contains(DEMO_ENR) && !text.contains(DEMO_UID) && !text.contains(DEMO_MAC), "{text}");

    let files = files(&folder);
    assert!(files.len() >= 3, "{files:?}");
    let mut whole = Duration::ZERO;
    for (i, file) in files.iter().enumerate() {
        let (text, duration) = discover(file);
        assert!(text.contains("Quicktime") && text.contains("H.264") && text.contains("MPEG-4 AAC"), "{text}");
        if i + 1 < files.len() {
            assert_between(duration, 1.5, 3.0);
        }
        whole += duration;
    }
    // The 7 s include the time to connect.
    assert_between(whole, 5.0, 8.0);
    scene.assert_good_manners();
}

#[test]
fn record_encodes_audio_that_mp4_cannot_hold() {
    records_segments(LiveAudio::Mulaw);
}

#[test]
fn record_keeps_aac() {
    records_segments(LiveAudio::Aac);
}

#[test]
fn record_works_without_audio() {
    let scene = Scene::new(LiveAudio::None);
    let folder = scene.path("films");
    run_well(scene.script("record.sh").args(["-t", "4", "--no-audio"]).arg(&folder));
    let film = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let (text, duration) = discover(&film);
    assert!(text.contains("H.264") && !text.contains("audio"), "{text}");
    assert_between(duration, 2.5, 4.5);
    scene.assert_good_manners();
}

#[test]
fn record_across_ten_reboots_leaves_only_playable_files() {
    let mut scene = Scene::new(LiveAudio::Mulaw);
    let folder = scene.path("films");
    let mut command = scene.script("record.sh");
    let uri = format!("wyze://{}?uid={DEMO_UID}&enr={DEMO_ENR}&mac={DEMO_MAC}&stall-timeout=700", scene.camera.addr());
    let mut recording = command.env("WYZE_URI", uri).args(["-s", "4"]).arg(&folder).spawn().unwrap();
    let mut sent = 0;
    for round in 0..10 {
        let pictures = 20 + round * 5;
        scene.await_pictures(pictures);
        sent += pictures as usize;
        match round % 3 {
            2 => scene = scene.with_another_camera(if round == 5 { (640, 360) } else { (320, 180) }),
            _ => scene.camera.reboot(Duration::from_millis(150 * round)),
        }
    }
    scene.await_pictures(30);
    // The recording is ended while the camera is away.
    scene.camera.reboot(Duration::from_secs(60));
    std::thread::sleep(Duration::from_secs(1));
    assert!(Command::new("kill").arg(recording.id().to_string()).status().unwrap().success());
    assert_eq!(recording.wait().unwrap().code(), Some(0));

    let (mut stored, mut outages) = (0, 0);
    for file in files(&folder) {
        let film = mp4::play(&file);
        for track in [&film.video, &film.audio] {
            assert!(!track.stored.is_empty(), "{file:?}");
            assert_eq!(track.stored.len(), track.decoded.len(), "{file:?}");
            assert!(track.stored.windows(2).all(|pair| pair[0] < pair[1]), "{file:?}: {track:?}");
        }
        stored += film.video.stored.len();
        let is_outage = |pair: &&[gst::ClockTime]| pair[1] - pair[0] > gst::ClockTime::from_mseconds(700);
        outages += film.video.stored.windows(2).filter(is_outage).count();
    }
    assert!(stored * 10 > sent * 9, "{stored} of {sent} frames");
    assert!(outages <= 10, "{outages} gaps");
    let sizes = ["Width: 320", "Width: 640"];
    let files = files(&folder);
    assert!(sizes.iter().all(|size| files.iter().any(|file| discover(file).0.contains(size))));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn record_reports_when_nothing_was_recorded() {
    let scene = Scene::new(LiveAudio::None);
    let (code, text) = run(scene.script("record.sh").args(["-t", "4"]).arg(scene.path("films")));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("nothing was recorded") && text.contains("--no-audio"), "{text}");
}

#[test]
fn record_finishes_its_file_when_terminated() {
    let scene = Scene::new(LiveAudio::Mulaw);
    let folder = scene.path("films");
    let started = Instant::now();
    let mut recording = scene.script("record.sh").arg(&folder).spawn().unwrap();
    scene.await_pictures(60);
    // SIGTERM, as from a service manager; then wait until it has ended.
    assert!(Command::new("kill").arg(recording.id().to_string()).status().unwrap().success());
    let most = started.elapsed().as_secs_f64();
    assert_eq!(recording.wait().unwrap().code(), Some(0));
    assert_between(discover(&files(&folder)[0]).1, 1.5, most);
    scene.assert_good_manners();
}

#[test]
fn snapshot_writes_a_picture_in_full_size() {
    let scene = Scene::new(LiveAudio::Mulaw);
    for (name, kind) in [("picture.jpg", "JPEG"), ("picture.png", "PNG")] {
        let file = scene.path(name);
        let text = run_well(scene.script("snapshot.sh").arg(&file));
        assert!(text.contains(name) && !text.contains(DEMO_ENR), "{text}");
        let (text, _) = discover(&file);
        assert!(text.contains(kind) && text.contains("Width: 320") && text.contains("Height: 180"), "{text}");
    }
    scene.assert_good_manners();
}

#[test]
fn listen_writes_the_audio() {
    let scene = Scene::new(LiveAudio::Alaw);
    let file = scene.path("sound.wav");
    run_well(scene.script("listen.sh").args(["-t", "3", "-o"]).arg(&file));
    let (text, duration) = discover(&file);
    assert!(text.contains("WAV") && text.contains("audio") && !text.contains("video"), "{text}");
    assert_between(duration, 2.0, 3.5);
    scene.assert_good_manners();
}

#[test]
fn view_shows_video_and_plays_audio() {
    let scene = Scene::new(LiveAudio::Pcm);
    let mut view = scene.script("view.sh");
    view.args(["-t", "2"]).env("WYZE_VIDEO_SINK", "fakesink").env("WYZE_AUDIO_SINK", "fakesink");
    run_well(&mut view);
    assert!(scene.camera.stats().video_frames > 10);
    scene.assert_good_manners();
}

/// Returns the pitch of µ-law at 8000 Hz, in Hz, counted by how often the signal rises through zero.
fn pitch(mulaw: &[u8]) -> f64 {
    // The highest bit is the sign; it is set in values above zero.
    let rises = mulaw.windows(2).filter(|pair| pair[0] & 0x80 == 0 && pair[1] & 0x80 != 0).count();
    rises as f64 * 8000.0 / mulaw.len() as f64
}

#[test]
fn talk_plays_a_file() {
    let scene = Scene::new(LiveAudio::Mulaw);
    let file = scene.path("tone.wav");
    let tone = ["audiotestsrc", "num-buffers=86", "freq=660", "!", "audio/x-raw,rate=44100,channels=2", "!", "wavenc"];
    let mut make = Command::new("gst-launch-1.0");
    make.arg("-q").args(tone).args(["!", "fdsink"]).stdout(std::fs::File::create(&file).unwrap());
    assert!(make.status().unwrap().success());
    run_well(scene.script("talk.sh").arg(&file));
    let heard = scene.camera.talk_audio();
    // The file holds 86 buffers of 1024 samples at 44100 Hz, about 2 s.
    let seconds = heard.len() as f64 / 8000.0;
    assert!((seconds - 2.0).abs() < 0.05, "{seconds} s");
    assert!((pitch(&heard) - 660.0).abs() < 10.0, "{} Hz", pitch(&heard));
    scene.assert_good_manners();
}

#[test]
fn the_intercom_plays_and_talks_on_one_session() {
    for echo in [&[][..], &["--no-echo-cancellation"]] {
        let scene = Scene::new(LiveAudio::Mulaw);
        let mut intercom = scene.script("intercom.sh");
        intercom.args(["-t", "4"]).args(echo);
        for (variable, element) in
            [("VIDEO_SINK", "fakesink"), ("AUDIO_SINK", "fakesink"), ("AUDIO_SOURCE", "audiotestsrc")]
        {
            intercom.env(format!("WYZE_{variable}"), element);
        }
        run_well(&mut intercom);
        let clients =
            scene.camera.take_events().into_iter().filter(|e| matches!(e, CameraEvent::ClientConnected { .. }));
        assert_eq!(clients.count(), 1);
        assert!(scene.camera.stats().video_frames > 10);
        assert!(scene.camera.talk_audio().len() > 8000, "{} bytes", scene.camera.talk_audio().len());
        scene.assert_good_manners();
    }
}

#[test]
fn single_variables_can_name_the_camera() {
    // Characters that an ENR may contain and that are special to a shell or to GStreamer's parser.
    let enr = r#"a"b\c!d'e;f=g+h/$i,j#k%l"#;
    let config = CameraConfig::new(Credentials::new(DEMO_UID, enr, DEMO_MAC).unwrap());
    let scene = Scene::with(config, LiveAudio::Mulaw);
    let file = scene.path("picture.jpg");
    let mut command = script("snapshot.sh");
    command.args(["-n", "1"]).arg(&file);
    command.env("WYZE_UID", DEMO_UID).env("WYZE_ENR", enr).env("WYZE_MAC", DEMO_MAC);
    command.env("WYZE_HOST", "127.0.0.1").env("WYZE_PORT", scene.camera.addr().port().to_string());
    let text = run_well(command.env("WYZE_MODEL", "WYZE_CAKP2JFUS"));
    assert!(!text.contains(enr), "{text}");
    assert!(discover(&file).0.contains("JPEG"));
    scene.assert_good_manners();
}

#[test]
fn a_name_from_the_store_can_name_the_camera() {
    let scene = Scene::new(LiveAudio::None);
    let (uid, enr, mac) = (DEMO_UID.into(), DEMO_ENR.into(), DEMO_MAC.into());
    let (host, port) = (Some("127.0.0.1".into()), Some(scene.camera.addr().port()));
    let camera = Camera { name: "Front \"Door\"".into(), uid, enr, mac, host, port, ..Camera::default() };
    let store = Store::at(scene.path("gst-plugin-wyze"));
    let add = |cameras: &mut Cameras| {
        cameras.push(camera);
        Ok::<_, StoreError>(())
    };
    store.update(add).unwrap();
    let file = scene.path("picture.png");
    let mut command = script("snapshot.sh");
    command.arg(&file).env("XDG_CONFIG_HOME", scene.folder.path()).env("WYZE_CAMERA", "front \"door\"");
    run_well(&mut command);
    assert!(discover(&file).0.contains("PNG"));
    scene.assert_good_manners();
}

#[test]
fn scripts_without_a_camera_say_what_to_set() {
    for name in SCRIPTS {
        let argument = match name {
            "record.sh" => Some("films"),
            "snapshot.sh" => Some("picture.jpg"),
            _ => None,
        };
        let (code, text) = run(script(name).args(argument));
        assert_eq!(code, Some(2), "{name}: {text}");
        assert!(
            ["WYZE_CAMERA", "WYZE_URI", "WYZE_UID", "WYZE_ENR", "WYZE_MAC"].iter().all(|v| text.contains(v)),
            "{name}: {text}"
        );

        let (code, text) = run(script(name).args(argument).env("WYZE_UID", DEMO_UID).env("WYZE_ENR", DEMO_ENR));
        assert_eq!(code, Some(2), "{name}: {text}");
        assert!(text.contains("missing: WYZE_MAC)") && !text.contains(DEMO_ENR), "{name}: {text}");
    }
}

#[test]
fn scripts_report_wrong_arguments_and_print_help() {
    for name in SCRIPTS.into_iter().chain(["demo.sh"]) {
        let text = run_well(script(name).arg("--help"));
        assert!(text.starts_with(&format!("Usage: {name}")), "{text}");
        let (code, text) = run(script(name).arg("--nonsense"));
        assert_eq!(code, Some(2), "{name}: {text}");
        assert!(text.contains("--nonsense") && text.contains("--help"), "{name}: {text}");
    }
    for (name, arguments) in [
        ("record.sh", &["-s", "soon", "films"][..]),
        ("record.sh", &["-t"]),
        ("record.sh", &[]),
        ("snapshot.sh", &["picture.gif"]),
        ("snapshot.sh", &["-n", "0", "picture.png"]),
        ("listen.sh", &["-o"]),
    ] {
        assert_eq!(run(script(name).args(arguments)).0, Some(2), "{name} {arguments:?}");
    }
}

#[test]
fn scripts_print_the_elements_error_without_secrets() {
    let scene = Scene::new(LiveAudio::None);
    let mut command = scene.script("snapshot.sh");
    command.env("WYZE_URI", "").env("WYZE_UID", "short").env("WYZE_ENR", DEMO_ENR).env("WYZE_MAC", DEMO_MAC);
    let (code, text) = run(command.arg(scene.path("picture.jpg")));
    assert!(code.is_some_and(|code| code != 0), "{code:?}: {text}");
    assert!(text.contains("uid has 5 characters") && !text.contains(DEMO_ENR), "{text}");
}

#[test]
fn demo_without_a_display_writes_a_picture_and_a_film() {
    let build = build_folder();
    let folder = tempfile::tempdir().unwrap();
    assert!(build.join("wyze-camera").exists(), "build it first: cargo build --workspace");
    let mut demo = script("demo.sh");
    demo.args(["--no-build", "-t", "4", "-o"]).arg(folder.path()).env("CARGO_TARGET_DIR", build.parent().unwrap());
    if build.ends_with("debug") {
        demo.arg("--debug");
    }
    let text = run_well(&mut demo);
    let (picture, film) = (folder.path().join("picture.png"), folder.path().join("film.mp4"));
    assert!([&picture, &film].iter().all(|file| text.contains(file.to_str().unwrap())), "{text}");
    assert!(discover(&picture).0.contains("Width: 1280"));
    let (text, duration) = discover(&film);
    assert!(text.contains("H.264") && text.contains("AAC"), "{text}");
    assert_between(duration, 2.5, 5.0);
}
