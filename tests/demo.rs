//! `pipelines/demo.sh`, with a display and without one.

#[path = "support/home.rs"]
mod home;
#[path = "support/recipes.rs"]
mod recipes;

use recipes::*;
use std::path::PathBuf;
use std::process::Command;
use wyze_camera::DEMO_ENR;

/// Returns `target/debug` or `target/release`, whichever this test was built in.
fn build_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// Returns the command of a demo that builds nothing.
fn demo(scene: &Scene) -> Command {
    let build = build_folder();
    assert!(build.join("wyze-camera").exists(), "build it first: cargo build --workspace");
    let mut demo = scene.recipe("demo.sh");
    demo.arg("--no-build").env("CARGO_TARGET_DIR", build.parent().unwrap());
    if build.ends_with("debug") {
        demo.arg("--debug");
    }
    demo
}

/// Returns the command lines of all processes that were started with the scene's home.
fn processes(scene: &Scene) -> Vec<String> {
    let home = format!("HOME={}", scene.home.path().display());
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let of_scene = |path: &PathBuf| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == home.as_bytes())
    };
    let line = |path: PathBuf| std::fs::read(path.join("cmdline")).unwrap_or_default();
    entries.filter(of_scene).map(|path| String::from_utf8_lossy(&line(path)).replace('\0', " ")).collect()
}

#[test]
fn wrong_arguments_are_reported_and_help_is_printed() {
    let scene = Scene::with([]);
    let run = |arguments: &[&str]| {
        let mut demo = scene.recipe("demo.sh");
        demo.args(arguments);
        scene.run(demo)
    };
    let (code, text) = run(&["--help"]);
    assert!(code == Some(0) && text.starts_with("Usage: demo.sh"), "{text}");
    for arguments in [&["--nonsense"][..], &["-t"], &["-t", "soon"], &["-t", "0"], &["-o"]] {
        let (code, text) = run(arguments);
        assert!(code == Some(2) && text.contains("--help") && text.contains(arguments[0]), "{arguments:?}: {text}");
    }
}

#[test]
fn without_a_display_it_writes_pictures_a_film_and_what_the_camera_heard() {
    let scene = Scene::with([]);
    let folder = scene.path("a demo");
    let mut demo = demo(&scene);
    demo.args(["-t", "4", "-o"]).arg(&folder);
    let text = scene.run_well(demo);
    let names = ["picture.png", "turned.png", "mosaic.png", "film.mp4", "heard.wav"];
    let [picture, turned, mosaic, film, heard] = names.map(|name| folder.join(name));
    for file in [&picture, &turned, &mosaic, &film, &heard] {
        assert!(text.contains(file.to_str().unwrap()), "{text}");
    }
    assert!(text.contains("\n265 20\n") && text.contains("talk on"), "{text}");
    assert!(!text.contains(DEMO_ENR));

    for file in [&picture, &turned] {
        let picture = play_file(file).pictures.pop().unwrap();
        assert_eq!((picture.width, picture.height), (640, 360));
    }
    let mosaic = play_file(&mosaic).pictures.pop().unwrap();
    assert_eq!((mosaic.width, mosaic.height), (1280, 720));
    for corner in [(0, 0), (640, 0), (0, 360), (640, 360)] {
        assert!(mosaic.saturation(corner, (640, 360)) > 200, "{corner:?}");
    }
    let kinds = discover(&film);
    assert!(kinds.contains("H.264") && kinds.contains("AAC"), "{kinds}");
    let film = play_file(&film);
    assert!((40..=90).contains(&film.picture_count) && film.seconds() > 2.0, "{} pictures", film.picture_count);
    // 86 buffers of 1024 samples at 44100 Hz.
    let seconds = play_file(&heard).seconds();
    assert!((1.9..2.1).contains(&seconds), "{seconds} s");
    assert_eq!(processes(&scene), [""; 0]);
}

#[test]
fn with_a_display_it_shows_four_cameras_turns_one_and_talks() {
    let (scene, display) = (Scene::with([]), Display::new());
    let mut demo = demo(&scene);
    demo.env("DISPLAY", &display.name);
    let running = scene.start(demo);
    let is_shown = || {
        let picture = display.picture();
        [(0, 0), (640, 0), (0, 360), (640, 360)].iter().all(|corner| picture.saturation(*corner, (640, 360)) > 200)
    };
    wait_until("all four pictures", is_shown);
    wait_until("the turn", || running.text().contains("\n265 20\n"));
    wait_until("the talk", || running.text().contains("back channel closed"));
    wait_until("its last words", || running.text().contains("Ctrl-C to end"));
    assert!(is_shown(), "the window is still there");
    running.press_ctrl_c();
    let (status, text) = running.wait();
    assert_eq!(status.code(), Some(130), "{text}");
    assert_eq!(processes(&scene), [""; 0]);
}

#[test]
fn it_ends_at_its_time_and_at_sigterm_and_leaves_no_process() {
    let (scene, display) = (Scene::with([]), Display::new());
    let mut timed = demo(&scene);
    timed.args(["-t", "1"]).env("DISPLAY", &display.name);
    let text = scene.run_well(timed);
    assert!(text.contains("back channel closed"), "{text}");
    assert_eq!(processes(&scene), [""; 0]);

    let running = scene.start(demo(&scene));
    wait_until("a turn", || running.text().contains("rotate"));
    running.terminate();
    let (status, text) = running.wait();
    assert_eq!(status.code(), Some(143), "{text}");
    assert_eq!(processes(&scene), [""; 0]);
}
