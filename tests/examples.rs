//! Builds and runs the programs of `examples/` as a user does, with a simulated camera, and looks at what comes of
//! them. A critical message of GLib ends them.

#[path = "support/browser.rs"]
mod browser;
#[path = "support/ffmpeg.rs"]
mod ffmpeg;
#[path = "support/home.rs"]
mod home;
#[path = "support/recipes.rs"]
mod recipes;

use browser::{Browser, Service};
use recipes::*;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use wyze_camera::{LiveAudio, LiveVideo};

/// A program of the examples, as this user runs it. The Python is the system's, which has the packages of
/// `tests/setup.sh`.
fn python(scene: &Scene, name: &str) -> Command {
    let mut command = scene.command("/usr/bin/python3");
    command.arg(at_root("examples/python").join(name)).env("G_DEBUG", "fatal_criticals");
    command
}

/// What a line has between two texts.
fn between<'a>(line: &'a str, before: &str, after: &str) -> &'a str {
    let text = line.split_once(before).unwrap_or_else(|| panic!("{line:?} lacks {before:?}")).1;
    text.split(after).next().unwrap()
}

/// The time that `date` reads, in seconds since 1970.
fn seconds(time: &str) -> f64 {
    let output = Command::new("date").args(["-d", time, "+%s.%N"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap_or_else(|_| panic!("{time:?} is no time"))
}

#[test]
fn python_gets_pictures_as_arrays_with_their_capture_times() {
    let scene = Scene::new(LiveAudio::None);
    let before = seconds("now");
    let mut command = python(&scene, "frames.py");
    command.args(["Front Door", "60"]);
    let text = scene.run_well(command);
    let after = seconds("now");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 60, "{text}");
    let mut last = before - 1.0;
    for (number, line) in lines.iter().enumerate() {
        assert!(line.starts_with(&format!("picture {}: 320x180, ", number + 1)), "{line}");
        // The test picture has colours, black and white.
        let brightness: f64 = between(line, "brightness ", ",").parse().unwrap();
        assert!((60.0..200.0).contains(&brightness), "{line}");
        // It takes the element a while to see that the camera's clock runs.
        if number < 45 && line.ends_with("taken at an unknown time") {
            continue;
        }
        let taken = seconds(between(line, "taken ", "\n"));
        assert!(taken > last && taken < after, "{line}");
        last = taken;
    }
    let mut command = python(&scene, "frames.py");
    command.arg("Front Door");
    let running = scene.start(command);
    wait_until("a picture", || running.text().contains("picture 1:"));
    running.interrupt();
    scene.assert_good_manners();
}

#[test]
fn an_error_ends_an_example_with_1() {
    let scene = Scene::new(LiveAudio::None);
    let mut motion = python(&scene, "motion.py");
    motion.arg("Attic").arg(scene.path("films"));
    let mut frames = python(&scene, "frames.py");
    frames.arg("Attic");
    let mut watch = watch(&scene);
    watch.arg("Attic");
    let mut recorder = recorder(&scene);
    recorder.arg("Attic").arg(scene.path("film.mkv"));
    let tracers = Tracers::all(&scene);
    for mut command in [frames, watch, motion, recorder] {
        let log = trace(&scene, &mut command, tracers.names);
        let (code, text) = scene.run(command);
        assert!(code == Some(1) && text.contains("Attic") && !text.contains("Traceback"), "{code:?}: {text}");
        assert_eq!(alive(&log), [""; 0]);
    }
}

/// Runs a command under tracers of GStreamer. Returns the file that they write to.
fn trace(scene: &Scene, command: &mut Command, tracers: &str) -> PathBuf {
    let log = scene.path("traces");
    // An earlier command's would be taken for this one's.
    let _ = std::fs::remove_file(&log);
    command.env("GST_TRACERS", tracers).env("GST_DEBUG", "GST_TRACER:7,GST_STATES:4").env("GST_DEBUG_NO_COLOR", "1");
    command.env("GST_DEBUG_FILE", &log);
    log
}

/// Waits until a player under tracers plays. One that is stopped before leaves pads of GStreamer's own behind, whatever
/// it was to play.
fn await_playing(log: &Path) {
    let plays = "<playbin3-0> completed state change to PLAYING";
    wait_until("a player that plays", || {
        std::fs::read(log).is_ok_and(|log| String::from_utf8_lossy(&log).contains(plays))
    });
}

/// Returns the types of all objects that were left when GStreamer was shut down.
fn alive(log: &Path) -> Vec<String> {
    let log = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    assert!(log.contains("object-alive.class"), "no leaks tracer was there: {log}");
    // The line that declares the record has a format in the place of the address.
    let told = log.lines().filter(|line| line.contains("object-alive, ") && line.contains("address=(gpointer)0x"));
    told.map(|line| between(line, "type-name=(string)", ",").to_owned()).collect()
}

/// Tracers of GStreamer, and what they do by themselves.
struct Tracers {
    names: &'static str,
    keep_pads: bool,
}

impl Tracers {
    const LEAKS: Tracers = Tracers { names: "leaks", keep_pads: false };

    /// Leaks, latency and stats, as far as this GStreamer can run a pipeline under them that has nothing of the plugin:
    /// the latency tracer of 1.26.2 holds up any. The stats tracer of 1.22 keeps pads within ghost pads alive, and all
    /// that these hold.
    fn all(scene: &Scene) -> Self {
        for names in ["leaks;latency;stats", "leaks;stats"] {
            let mut control = scene.command("timeout");
            control.args("20 gst-launch-1.0 -q videotestsrc num-buffers=5 ! decodebin ! fakesink".split(' '));
            let log = trace(scene, &mut control, names);
            match scene.run(control) {
                (Some(0), _) => {
                    return Tracers { names, keep_pads: alive(&log).iter().any(|name| name == "GstPad") };
                }
                (Some(124), _) => println!("GStreamer itself stands still under {names}"),
                other => panic!("{other:?}"),
            }
        }
        panic!("no tracers can be used");
    }

    /// Nothing is left, but for what the tracers keep.
    fn assert_clean(&self, log: &Path) {
        let mut left = alive(log);
        left.retain(|name| !(self.keep_pads && name.ends_with("Pad")));
        assert_eq!(left, [""; 0], "{}", self.names);
    }
}

#[test]
fn no_example_leaves_anything_alive() {
    let scene = Scene::new(LiveAudio::Mulaw);
    for tracers in [Tracers::LEAKS, Tracers::all(&scene)] {
        let mut frames = python(&scene, "frames.py");
        frames.args(["Front Door", "5"]);
        let log = trace(&scene, &mut frames, tracers.names);
        scene.run_well(frames);
        tracers.assert_clean(&log);

        let mut motion = python(&scene, "motion.py");
        motion.arg("Front Door").arg(scene.path("films")).args(["--threshold", "0.1"]);
        let mut record = recorder(&scene);
        record.arg("Front Door").arg(scene.path("film.mkv"));
        let mut watch = watch(&scene);
        watch.arg("Front Door");
        for (mut command, sign) in [(motion, "motion, "), (record, " pictures, "), (watch, "camera: streaming")] {
            let log = trace(&scene, &mut command, tracers.names);
            let running = scene.start(command);
            wait_until(sign, || running.text().contains(sign));
            if sign == "camera: streaming" {
                await_playing(&log);
            }
            scene.await_pictures(5);
            running.interrupt();
            tracers.assert_clean(&log);
        }
    }
    scene.assert_good_manners();
}

/// Builds the Rust program. Its own dependencies stay in the target folder, so this takes long once only.
fn recorder(scene: &Scene) -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(at_root("examples/rust/Cargo.toml"));
    assert!(cargo.arg("--target-dir").arg(target).status().unwrap().success());
    let mut command = scene.command(target.join("debug/recorder"));
    command.env("G_DEBUG", "fatal_criticals");
    command
}

#[test]
fn rust_records_and_sees_each_frame() {
    for (video, audio, name, codecs) in [
        (LiveVideo::H264, LiveAudio::Mulaw, "film.mkv", &["h264", "aac"][..]),
        (LiveVideo::H264, LiveAudio::Aac, "film.mp4", &["h264", "aac"]),
        (LiveVideo::H265, LiveAudio::None, "film.mp4", &["hevc"]),
    ] {
        let scene = Scene::with([media(video, audio)]);
        let file = scene.path(name);
        let mut command = recorder(&scene);
        command.arg("Front Door").arg(&file);
        let running = scene.start(command);
        wait_until("a time", || running.text().lines().filter(|line| line.contains("taken 20")).count() >= 2);
        let before = running.text();
        running.interrupt();
        // All pictures that the closure saw are in the file.
        let line = before.lines().last().unwrap();
        let told: usize = line.split(' ').next().unwrap().parse().unwrap();
        let now = seconds("now");
        let taken = seconds(between(line, "taken ", "\n"));
        assert!(told >= 30 && (now - 5.0..=now).contains(&taken), "{before}");
        ffmpeg::decode(&file);
        let found: BTreeSet<String> = ffmpeg::streams(&[], file.to_str().unwrap(), "codec_name").into_iter().collect();
        assert_eq!(found, codecs.iter().map(|codec| (*codec).to_owned()).collect());
        let played = play_file(&file);
        assert!((told..told + 60).contains(&played.picture_count), "{} {before}", played.picture_count);
        scene.assert_good_manners();
    }
}

#[test]
fn rust_takes_a_uri_and_ends_by_itself() {
    let scene = Scene::new(LiveAudio::Mulaw);
    let file = scene.path("film.mkv");
    let record = || {
        let mut command = recorder(&scene);
        command.arg("wyze:///Front%20Door").arg(&file).args(["--duration", "2"]);
        command
    };
    scene.run_well(record());
    ffmpeg::decode(&file);
    assert!((20..60).contains(&play_file(&file).picture_count));
    scene.camera().reboot(Duration::from_secs(60));
    let (code, text) = scene.run(record());
    assert!(code == Some(1) && text.contains("nothing yet"), "{code:?}: {text}");
}

/// Builds the C program with its Makefile, in the scene's folder.
fn watch(scene: &Scene) -> Command {
    for name in ["Makefile", "watch.c"] {
        std::fs::copy(at_root("examples/c").join(name), scene.home.path().join(name)).unwrap();
    }
    let mut make = Command::new("make");
    let output = make.arg("-C").arg(scene.home.path()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut command = scene.command(scene.home.path().join("watch"));
    command.env("G_DEBUG", "fatal_criticals");
    command.env("GST_PLUGIN_FEATURE_RANK", "fakeaudiosink:MAX,fakevideosink:MAX");
    command
}

#[test]
fn c_watches_talks_at_a_key_and_leaks_nothing() {
    let scene = Scene::new(LiveAudio::Mulaw);
    let mut command = watch(&scene);
    let (keys, mut typist) = std::io::pipe().unwrap();
    command.arg("Front Door").stdin(keys);
    let log = trace(&scene, &mut command, "leaks");
    let running = scene.start(command);
    wait_until("the connection", || running.text().contains("camera: streaming"));
    await_playing(&log);
    scene.await_pictures(20);
    for round in 1..=2 {
        typist.write_all(b"t\n").unwrap();
        wait_until("talk", || running.text().matches("talk: said").count() == round);
        // 50 buffers of 1024 samples at 44100 Hz are 1.16 s, which are 9288 bytes of µ-law.
        let heard = scene.camera().take_talk_audio().len();
        assert!((9000..9600).contains(&heard), "{heard}");
    }
    running.interrupt();
    assert_eq!(alive(&log), [""; 0]);
    scene.assert_good_manners();
}

#[test]
fn python_shows_edges_by_opencv() {
    let scene = Scene::new(LiveAudio::None);
    let display = Display::new();
    let mut command = python(&scene, "opencv.py");
    command.arg("Front Door").env("DISPLAY", &display.name);
    // OpenCV never shuts GStreamer down, so the leaks tracer has nothing to tell.
    trace(&scene, &mut command, Tracers::all(&scene).names);
    let running = scene.start(command);
    // Edges are white lines on black; the display is black without a window.
    wait_until("a picture of edges", || {
        let picture = display.picture();
        let pixels = (0..picture.height).flat_map(|y| (0..picture.width).map(move |x| (x, y)));
        pixels.filter(|&(x, y)| picture.pixel(x, y) == [255; 3]).count() > 1000
    });
    running.interrupt();
    scene.assert_good_manners();
}

#[test]
fn python_records_what_moves_and_what_was_before() {
    for video in [LiveVideo::H264, LiveVideo::H265] {
        let scene = Scene::with([media(video, LiveAudio::None)]);
        let folder = scene.path("films");
        let mut command = python(&scene, "motion.py");
        // The test picture moves by itself, but less than when the siren lights its border.
        command.arg("Front Door").arg(&folder).args(["--threshold", "15", "--before", "1", "--after", "1"]);
        let running = scene.start(command);
        scene.await_pictures(70);
        assert!(files(&folder).is_empty(), "{}", running.text());
        let siren = |state| {
            let mut control = scene.command(env!("CARGO_BIN_EXE_wyze-cameras"));
            control.args(["control", "Front Door", "siren", state]);
            assert!(control.status().unwrap().success());
        };
        siren("on");
        wait_until("a file", || running.text().contains("finished "));
        let text = running.text();
        siren("off");
        wait_until("another file", || running.text().matches("motion, ").count() == 2);
        // Ctrl-C finishes it.
        running.interrupt();
        let before: f64 = between(&text, "motion, and ", " s").parse().unwrap();
        // From a key frame on, of which there is one each two seconds.
        assert!((1.0..3.5).contains(&before), "{text}");
        let [file, other] = &files(&folder)[..] else { panic!("{text}") };
        for file in [file, other] {
            assert!(discover(file).contains("Matroska"));
            ffmpeg::decode(file);
        }
        let played = play_file(file);
        let least = (before + 1.0) * 20.0 - 5.0;
        assert!((least..least + 30.0).contains(&(played.picture_count as f64)), "{} {text}", played.picture_count);
        // No light at the beginning, light at the end.
        let is_lit = |picture: &Picture| (0..320).step_by(8).all(|x| picture.pixel(x, 2).iter().all(|c| *c > 200));
        assert_eq!([&played.pictures[0], &played.pictures[1]].map(is_lit), [false, true]);
        scene.assert_good_manners();
    }
}

/// Lays the web page into a folder of the scene, with what npm installs for it. That stays in the target folder.
fn web_page(scene: &Scene) -> PathBuf {
    let (source, installed) = (at_root("examples/web"), Path::new(env!("CARGO_TARGET_TMPDIR")).join("web"));
    let lock = |folder: &Path| std::fs::read(folder.join("package-lock.json")).ok();
    if lock(&source) != lock(&installed) || !installed.join("node_modules/hls.js/dist/hls.min.js").exists() {
        std::fs::create_dir_all(&installed).unwrap();
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(source.join(name), installed.join(name)).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&installed);
        assert!(npm.status().expect("npm of tests/setup.sh").success());
    }
    let page = scene.path("page");
    std::fs::create_dir(&page).unwrap();
    std::fs::copy(source.join("index.html"), page.join("index.html")).unwrap();
    std::os::unix::fs::symlink(installed.join("node_modules"), page.join("node_modules")).unwrap();
    page
}

/// Returns the largest difference of two colours of a pixel that the page's picture shows.
const SATURATION: &str = "
    const canvas = document.createElement('canvas'), draw = canvas.getContext('2d');
    draw.drawImage(document.querySelector('video'), 0, 0, canvas.width, canvas.height);
    const pixels = draw.getImageData(0, 0, canvas.width, canvas.height).data;
    let most = 0;
    for (let i = 0; i < pixels.length; i += 4) {
      const colours = pixels.slice(i, i + 3);
      most = Math.max(most, Math.max(...colours) - Math.min(...colours));
    }
    return most;";

#[test]
fn a_web_page_plays_in_a_browser_or_says_why_not() {
    for (video, parser) in [(LiveVideo::H264, "h264parse"), (LiveVideo::H265, "h265parse")] {
        let scene = Scene::with([media(video, LiveAudio::Mulaw)]);
        let page = web_page(&scene);
        let mut serve = scene.command("python3");
        serve.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(&page);
        let server = Service::start(serve, "(", ")");
        let browser = Browser::new(scene.home.path());
        // It waits for the camera.
        browser.open(&server.address);
        let mut hls = scene.changed("hls.sh", &[("h264parse", parser)]);
        hls.arg("Front Door").arg(page.join("live")).env("G_DEBUG", "fatal_criticals");
        let tracers = Tracers::all(&scene);
        let log = trace(&scene, &mut hls, tracers.names);
        let running = scene.start(hls);
        let status = || browser.run("return document.querySelector('[role=status]').textContent").to_string();
        if parser == "h264parse" {
            let time = || browser.run("return document.querySelector('video').currentTime").as_f64().unwrap();
            wait_until("a picture", || time() > 0.0);
            let begin = time();
            wait_until("two seconds more", || time() > begin + 2.0);
            let size = browser.run("const v = document.querySelector('video'); return [v.videoWidth, v.videoHeight]");
            assert_eq!((size, status().as_str()), (serde_json::json!([320, 180]), "\"\""));
            assert!(browser.run(SATURATION).as_u64().unwrap() > 200);
        } else {
            wait_until("the reason", || status().contains("H.265"));
        }
        running.interrupt();
        tracers.assert_clean(&log);
        scene.assert_good_manners();
    }
}
