//! For tests of the camera store: a process with a store of its own, and cameras to put there.

#![allow(dead_code, reason = "each test binary uses its own part")]

use gstwyze::account::{Camera, Cameras, Store, StoreError};
use std::env;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use wyze_camera::{CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID};

const ROLE: &str = "WYZE_TEST_ROLE";

/// Returns what [`again`] started this process for; `None` in the test itself.
pub fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Returns a command that runs this test once more, in a process that has a role; behind `wrapper` if there is one.
pub fn again(wrapper: &[&str], test: &str, role: &str) -> Command {
    let program = env::current_exe().unwrap();
    let line: Vec<_> = wrapper.iter().map(|word| (*word).into()).chain([program.into_os_string()]).collect();
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).args(["--exact", test, "--nocapture"]).env(ROLE, role).stdin(Stdio::null());
    command
}

/// Runs a test in a process of its own, whose user's store is an empty folder. Returns false in the process that only
/// waits for that one.
pub fn with_own_store(test: &str) -> bool {
    with_own_store_behind(&[], test)
}

/// As [`with_own_store`], with the process started by another program.
pub fn with_own_store_behind(wrapper: &[&str], test: &str) -> bool {
    if role().is_some() {
        return true;
    }
    let folder = TempDir::new().unwrap();
    let output = again(wrapper, test, "test").env("XDG_CONFIG_HOME", folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    println!("{text}");
    assert!(output.status.success(), "the test failed in its own process");
    assert!(text.contains("1 passed"), "there is no test named {test}");
    false
}

/// Adds a camera to the user's store.
pub fn keep(camera: Camera) {
    change(|cameras| cameras.push(camera));
}

/// Changes the cameras of the user's store.
pub fn change(change: impl FnOnce(&mut Cameras)) {
    Store::open_default()
        .update(|cameras| {
            change(cameras);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

/// Returns the store's entry of a simulated camera.
pub fn entry(name: &str, camera: &CameraServer) -> Camera {
    Camera { port: Some(camera.addr().port()), host: Some("127.0.0.1".into()), ..demo(name) }
}

/// Returns an entry with the simulated camera's keys, and without a place.
pub fn demo(name: &str) -> Camera {
    Camera {
        name: name.into(),
        uid: DEMO_UID.into(),
        enr: DEMO_ENR.into(),
        mac: DEMO_MAC.into(),
        model: "WYZE_CAKP2JFUS".into(),
        firmware: "4.36.13.0416".into(),
        updated: Camera::now(),
        ..Camera::default()
    }
}
