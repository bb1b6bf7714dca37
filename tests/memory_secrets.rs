//! The camera's key is in memory once or twice while it is needed, and not at all afterwards. This is the only test in
//! its file, because it searches the memory of its whole process.

#[path = "support/element.rs"]
mod element;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/store.rs"]
mod store;

use element::{Link, PATIENCE, Player, init, synthetic};
use gst::prelude::*;
use gstwyze::account::{Camera, Cameras, Store, StoreError};
use gstwyze::protocol::credentials::Credentials;
use memory::{copies, masked, unhex};
use rand::RngExt;
use std::process::Command;
use store::{again, entry, role};
use tempfile::TempDir;
use wyze_camera::{CameraConfig, CameraServer, DEMO_MAC, DEMO_UID};

const TEST: &str = "the_camera_s_key_is_wiped_when_it_is_done_with";
/// Streams from the stored camera, and counts copies of the keys meanwhile and afterwards.
fn view(keys: &str) {
    let keys: Vec<Vec<u8>> = keys.split(' ').map(unhex).collect();
    init();
    let player = Player::bare(Link::Both);
    player.src.set_property("camera", "Front Door");
    player.play();
    player.buffers("video", 30);
    let running: Vec<_> = keys.iter().map(|key| copies(key)).collect();
    let src = player.src.downgrade();
    player.stop();
    drop(player);
    element::wait_until("the end of the element", || src.upgrade().is_none());
    let after: Vec<_> = keys.iter().map(|key| copies(key)).collect();
    println!("ENR and PSK: {running:?} copies while it streams, {after:?} afterwards");
    assert!(running.iter().all(|&count| count <= 2), "{running:?}");
    assert!(running[0] > 0, "the search finds what is there");
    assert_eq!(after, [0, 0]);
}

#[test]
fn the_camera_s_key_is_wiped_when_it_is_done_with() {
    if let Some(keys) = role() {
        return view(&keys);
    }
    let mut rng = rand::rng();
    // A key with zeros at its end could be found in any empty memory.
    let (enr, credentials) = loop {
        let enr: String = (0..16).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect();
        let credentials = Credentials::new(DEMO_UID, &enr, DEMO_MAC).unwrap();
        if !credentials.psk().bytes().contains(&0) {
            break (enr, credentials);
        }
    };
    let keys = format!("{} {}", masked(enr.as_bytes()), masked(credentials.psk().bytes()));
    let camera = CameraServer::start(CameraConfig::new(credentials), ([127, 0, 0, 1], 0).into(), synthetic()).unwrap();
    let folder = TempDir::new().unwrap();
    let stored = Camera { enr: enr.into(), ..entry("Front Door", &camera) };
    let store = Store::at(folder.path().join("gst-plugin-wyze"));
    let change = |cameras: &mut Cameras| {
        cameras.push(stored);
        Ok::<_, StoreError>(())
    };
    store.update(change).unwrap();
    let mut viewer: Command = again(&[], TEST, &keys);
    let output = viewer.env("XDG_CONFIG_HOME", folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "after {PATIENCE:?} at most: {text}");
    println!("{text}");
}
