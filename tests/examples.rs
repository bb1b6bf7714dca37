//! Builds and runs the programs of `examples/` as a user does, with a simulated camera, and looks at what comes of
//! them. A critical message of GLib ends them.

#[path = "support/ffmpeg.rs"]
mod ffmpeg;
#[path = "support/home.rs"]
mod home;
#[path = "support/recipes.rs"]
mod recipes;

use recipes::*;
use std::io::Write;
use std::process::Command;
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
    for command in [frames, watch, motion] {
        let (code, text) = scene.run(command);
        assert!(code == Some(1) && text.contains("Attic") && !text.contains("Traceback"), "{code:?}: {text}");
    }
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
    command.env("GST_TRACERS", "leaks").env("GST_DEBUG", "GST_TRACER:7").env("GST_DEBUG_FILE", scene.path("log"));
    let running = scene.start(command);
    wait_until("the connection", || running.text().contains("camera: streaming"));
    scene.await_pictures(20);
    for round in 1..=2 {
        typist.write_all(b"t\n").unwrap();
        wait_until("talk", || running.text().matches("talk: said").count() == round);
        // 50 buffers of 1024 samples at 44100 Hz are 1.16 s, which are 9288 bytes of µ-law.
        let heard = scene.camera().take_talk_audio().len();
        assert!((9000..9600).contains(&heard), "{heard}");
    }
    running.interrupt();
    let log = std::fs::read_to_string(scene.path("log")).unwrap();
    let alive = log.lines().filter(|line| line.contains("object-alive, ") && line.contains("address=(gpointer)0x"));
    assert!(log.contains("object-alive.class") && alive.count() == 0, "{log}");
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
