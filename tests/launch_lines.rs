//! What is printed for pasting, and what the recipes hand to gst-launch-1.0, names the camera and does nothing else,
//! whatever the camera is called.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/user.rs"]
mod user;

use gst::prelude::*;
use gstwyze::account::{Camera, Cameras, StoreError};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Once;
use user::{User, finish};
use wyze_camera::{DEMO_ENR, DEMO_MAC, DEMO_UID};

/// Nicknames that shells, GStreamer's parser or its values could take apart.
const NAMES: [&str; 39] = [
    "Garden",
    "Front Door",
    "Büro 1",
    "客厅",
    "it's",
    "5$ a&b",
    "Ben's \"room\"",
    "x\" ! filesink location=\"/tmp/broken-out",
    "x ! filesink location=/tmp/broken-out",
    "x' ! fakesrc ! filesink location='/tmp/broken-out",
    "x\\\" ! filesink location=/tmp/broken-out \\\"",
    "a\\",
    "a b\\",
    "\\",
    "\\\\",
    "\"",
    "'",
    "\"quoted\"",
    "'quoted'",
    "\\\"",
    "a\\ b",
    "a  b",
    "NULL",
    "$HOME",
    "${HOME}",
    "`id`",
    "$(id)",
    "wow!!",
    "a;b|c>d<e",
    "-x",
    "--help",
    "a=b",
    "x name=y",
    "~",
    "#1",
    "*?[a-z]",
    "{a,b}(c)",
    "100%",
    "a%20b",
];

/// Registers the plugin of this build, once.
fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstwyze::plugin_register_static().unwrap();
    });
}

/// Writes a gst-launch-1.0 that writes down its arguments, into a folder for PATH. Returns where they go.
fn fake_launcher(folder: &Path) -> std::path::PathBuf {
    let (program, arguments) = (folder.join("gst-launch-1.0"), folder.join("arguments"));
    let script = format!("#!/bin/sh\nprintf '%s\\0' \"$@\" >'{}'\n", arguments.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    arguments
}

/// Parses arguments as gst-launch-1.0 does; returns the pipeline's only wyzesrc, beside as many other elements.
fn source(arguments: &str, others: usize) -> gst::Element {
    let arguments: Vec<&str> = arguments.split_terminator('\0').collect();
    let parsed = gst::parse::launchv(&arguments).unwrap_or_else(|e| panic!("{arguments:?}: {e}"));
    let elements = match parsed.downcast::<gst::Bin>() {
        Ok(bin) => bin.children(),
        Err(element) => vec![element],
    };
    assert_eq!(elements.len(), 1 + others, "{arguments:?}: {elements:?}");
    let is_source = |element: &&gst::Element| element.factory().unwrap().name() == "wyzesrc";
    elements.iter().find(is_source).unwrap_or_else(|| panic!("{arguments:?}: {elements:?}")).clone()
}

fn stored(name: &str, number: usize) -> Camera {
    Camera {
        name: name.into(),
        uid: format!("{}{number:03}", &DEMO_UID[..17]).into(),
        enr: DEMO_ENR.into(),
        mac: format!("{}{number:03}", &DEMO_MAC[..9]).into(),
        host: Some("10.0.0.1".into()),
        ..Camera::default()
    }
}

#[test]
fn the_line_that_show_prints_names_the_camera_for_every_shell_and_parser() {
    init();
    let user = User::new();
    let cameras: Vec<_> = NAMES.iter().enumerate().map(|(number, name)| stored(name, number)).collect();
    let change = |all: &mut Cameras| {
        all.extend(cameras.clone());
        Ok::<_, StoreError>(())
    };
    user.store().update(change).unwrap();
    let arguments = fake_launcher(user.home.path());
    let path = format!("{}:{}", user.home.path().display(), std::env::var("PATH").unwrap());
    for camera in &cameras {
        let shown = user.run(&["show", camera.mac.expose()], "").ok();
        let line = shown.lines().find(|line| line.starts_with("gst-launch-1.0 ")).unwrap();
        assert!(!line.contains(camera.mac.expose()), "{line}");
        let secrets = finish(user.tool(&["show", camera.mac.expose(), "--secrets"]), "", true).ok();
        let with_keys = secrets.lines().find(|line| line.starts_with("gst-launch-1.0 ")).unwrap();
        // A shell that people type to expands ! as well.
        for (shell, options) in [("sh", "-c"), ("bash", "-ic"), ("bash", "-c")] {
            for (line, has_keys) in [(line, false), (with_keys, true)] {
                let mut command = Command::new(shell);
                command.args([options, line]).env("PATH", &path).env("HOME", user.home.path());
                let output = command.output().unwrap();
                assert!(output.status.success(), "{line}: {output:?}");
                let source = source(&std::fs::read_to_string(&arguments).unwrap(), 2);
                if has_keys {
                    assert_eq!(source.property::<String>("uid"), camera.uid.expose());
                    assert_eq!(source.property::<String>("host"), "10.0.0.1");
                } else {
                    assert_eq!(source.property::<String>("camera"), camera.name, "{line}");
                }
                std::fs::remove_file(&arguments).unwrap();
            }
        }
    }
    assert!(!Path::new("/tmp/broken-out").exists());
}

#[test]
fn a_camera_whose_name_another_has_too_is_shown_by_its_mac() {
    let user = User::new();
    let cameras = [stored("Door", 1), stored("door ", 2), stored("", 3)];
    let change = |all: &mut Cameras| {
        all.extend(cameras.clone());
        Ok::<_, StoreError>(())
    };
    user.store().update(change).unwrap();
    for camera in &cameras {
        let mac = camera.mac.expose();
        let shown = user.run(&["show", mac], "").ok();
        assert!(
            shown.contains(&format!("wyzesrc camera={mac} ! ")) && shown.contains(&format!("wyze:///{mac}\n")),
            "{shown}"
        );
    }
}

#[test]
fn the_recipes_hand_on_every_name_but_those_that_gst_launch_reads_for_itself() {
    init();
    let home = tempfile::tempdir().unwrap();
    let arguments = fake_launcher(home.path());
    let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap());
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/snapshot.sh");
    let is_taken_apart = |name: &&str| name.contains(['"', '\'', '\\']) || *name == "NULL";
    for name in NAMES.iter().filter(|name| !is_taken_apart(name)) {
        let output = Command::new(&snapshot).args([name, *name]).env("PATH", &path).output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        let source = source(&std::fs::read_to_string(&arguments).unwrap(), 4);
        assert_eq!(source.property::<String>("camera"), *name);
    }
    assert!(!Path::new("/tmp/broken-out").exists());
}
