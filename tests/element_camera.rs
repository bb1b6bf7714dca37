//! Elements that get their camera's identity from the store.

#[path = "support/element.rs"]
mod support;
#[path = "support/store.rs"]
mod with_store;

use gst::prelude::*;
use gstwyze::account::{Camera, Store};
use std::fs;
use std::process::Command;
use support::*;
use with_store::*;
use wyze_camera::{DEMO_ENR, DEMO_MAC, DEMO_UID, MediaSource};

fn set(player: &Player, properties: &[(&str, &str)]) {
    properties.iter().for_each(|(name, value)| player.src.set_property_from_str(name, value));
}

#[test]
fn a_name_mac_uid_or_uri_is_enough() {
    if !with_own_store("a_name_mac_uid_or_uri_is_enough") {
        return;
    }
    let camera = TestCamera::new(synthetic());
    keep(entry("Front Door", &camera));
    keep(Camera { name: "Garage".into(), uid: "GARAGE7890123456789A".into(), ..Camera::default() });
    for (property, value) in [
        ("camera", "front door"),
        ("camera", "aa:bb:cc:dd:ee:ff"),
        ("camera", DEMO_UID),
        ("uid", DEMO_UID),
        ("uri", "wyze:///Front%20Door?resolution=360p"),
    ] {
        let player = Player::bare(Link::Both);
        set(&player, &[(property, value)]);
        player.play();
        player.buffers("video", 2);
        // What came from the store does not show in the properties.
        assert_eq!(player.src.property::<Option<String>>("enr"), None, "{property}={value}");
        assert_eq!(player.src.property::<Option<String>>("host"), None, "{property}={value}");
        player.stop();
    }
}

#[test]
fn the_sink_finds_its_camera_too() {
    if !with_own_store("the_sink_finds_its_camera_too") {
        return;
    }
    let camera = TestCamera::new(synthetic());
    keep(entry("Front Door", &camera));
    let line = "audiotestsrc num-buffers=20 ! audioconvert ! wyzesink camera=\"Front Door\"";
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(PATIENCE.as_secs()),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(camera.talks().len(), 1);
}

#[test]
fn properties_win_over_the_store() {
    if !with_own_store("properties_win_over_the_store") {
        return;
    }
    let camera = TestCamera::with_config(|config| config.model = "WYZEDB3".into(), synthetic());
    let player = Player::bare(Link::Both);
    let port = camera.addr().port().to_string();
    set(
        &player,
        &[("camera", "Front Door"), ("enr", DEMO_ENR), ("host", "127.0.0.1"), ("port", &port), ("model", "WYZEDB3")],
    );
    // In this entry only UID and MAC are right.
    let wrong = Camera { enr: "anotherKeyThanIt".into(), model: "HL_CAM4".into(), ..demo("Front Door") };
    keep(Camera { host: Some("127.0.0.9".into()), port: Some(9), ..wrong });
    player.play();
    player.buffers("video", 2);
    player.stop();
    let kept = Store::open_default().cameras().unwrap();
    assert_eq!(kept[0].host.as_deref(), Some("127.0.0.9"), "a host from a property is not written to the store");
}

#[test]
fn a_camera_missing_in_the_store_is_an_error_with_a_remedy() {
    if !with_own_store("a_camera_missing_in_the_store_is_an_error_with_a_remedy") {
        return;
    }
    let fails = |properties: &[(&str, &str)], parts: &[&str]| {
        let player = Player::bare(Link::Both);
        set(&player, properties);
        assert!(player.pipeline.set_state(gst::State::Playing).is_err());
        let (error, debug) = player.error();
        let text = format!("{error} {debug}");
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        for secret in [DEMO_UID, DEMO_MAC, DEMO_ENR] {
            assert!(!text.contains(secret), "{text}");
        }
        error
    };
    fails(&[("camera", "Front Door")], &["no camera is stored", "wyze-cameras login"]);
    fails(&[("uid", DEMO_UID)], &["enr is not set", "wyze-cameras"]);
    keep(Camera { model: "GW_GC1".into(), ..demo("OG") });
    let e = fails(&[("camera", "Front Door")], &["\"Front Door\"", "\"OG\"", "wyze-cameras list"]);
    assert!(e.matches(gst::ResourceError::NotFound), "{e}");
    fails(&[("camera", "AABBCCDDEE00")], &["***"]);
    fails(&[("camera", "og")], &["\"OG\"", "WebRTC", "wyze-cameras login"]);
    keep(Camera { uid: "SECOND7890123456789A".into(), ..demo("og") });
    fails(&[("camera", "og")], &["several cameras", "GW_GC1"]);
    let file = Store::open_default().folder().join("cameras.json");
    fs::write(&file, "{").unwrap();
    for properties in [&[("camera", "og")], &[("uid", DEMO_UID)]] {
        fails(properties, &[file.to_str().unwrap(), "left as it is"]);
    }
    // With all properties set, the broken store is not needed.
    let camera = TestCamera::new(MediaSource::None);
    Player::new(&camera, Link::Both).connect();
}

/// The command that runs a program in a network with nothing but loopback.
const LOOPBACK: [&str; 5] = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""];
/// The same, with an interface besides that has an address and on which broadcasts come back.
const ONE_NETWORK: [&str; 5] = [
    "unshare",
    "--net",
    "sh",
    "-c",
    "ip link set lo up && ip link add wyze0 type bridge && ip addr add 10.7.0.1/24 brd + dev wyze0 && ip link set wyze0 up \
     && exec \"$0\" \"$@\"",
];

/// Whether this user may create such a network; prints the reason if not.
fn may_isolate(network: &[&str]) -> bool {
    let tried = || Command::new(network[0]).args(&network[1..]).arg("true").status();
    let may = role().is_some() || tried().is_ok_and(|status| status.success());
    if !may {
        println!("Skipped: making a network namespace takes root, util-linux and iproute2");
    }
    may
}

/// The stored address is one at which the camera no longer is, in a network that exists only in this namespace.
#[test]
fn a_camera_that_has_moved_is_found_and_its_new_address_stored() {
    if !may_isolate(&ONE_NETWORK)
        || !with_own_store_behind(&ONE_NETWORK, "a_camera_that_has_moved_is_found_and_its_new_address_stored")
    {
        return;
    }
    init();
    let config = wyze_camera::CameraConfig::demo().unwrap();
    let listen = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let camera = wyze_camera::CameraServer::start(config, listen, synthetic()).unwrap();
    let updated = Camera::now() - 1000;
    keep(Camera { host: Some("10.7.0.99".into()), updated, ..entry("Front Door", &camera) });
    let player = Player::bare(Link::Both);
    set(&player, &[("camera", "Front Door")]);
    player.play();
    player.buffers("video", 2);
    let kept = || Store::open_default().cameras().unwrap()[0].clone();
    wait_until("the new address", || kept().host.as_deref() == Some("10.7.0.1"));
    assert_eq!(kept().updated, updated, "the keys are as old as they were");
}

/// Lists the kinds of a process's network sockets, one entry per socket; Unix sockets do not count.
fn sockets(pid: u32) -> Vec<String> {
    let of_process: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let kinds = ["tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6", "packet"];
    let of_kind = |kind: &&str| {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{kind}")).unwrap_or_default();
        let inodes = table.split_whitespace().filter(|word| of_process.iter().any(|inode| inode == word));
        vec![(*kind).to_owned(); inodes.count()]
    };
    kinds.iter().flat_map(of_kind).collect()
}

/// A launch line that names its camera streams in a network with nothing but loopback, and has one UDP socket and no
/// other.
#[test]
fn while_streaming_no_other_network_is_used() {
    if !may_isolate(&LOOPBACK) || !with_own_store_behind(&LOOPBACK, "while_streaming_no_other_network_is_used") {
        return;
    }
    let camera = TestCamera::new(synthetic());
    keep(entry("Front Door", &camera));
    let line = ["wyzesrc", "camera=Front Door", "name=c", "c.video", "!", "fakesink", "c.audio", "!", "fakesink"];
    let mut launch = Launch::new(&line);
    let mut seen = Vec::new();
    wait_until("a hundred frames", || {
        seen.push(sockets(launch.child.id()));
        camera.stats().video_frames >= 100
    });
    assert!(launch.child.try_wait().unwrap().is_none(), "gst-launch-1.0 ended");
    // Leave out the times before it had opened any.
    seen.retain(|sockets| !sockets.is_empty());
    assert!(seen.len() > 10, "its sockets were listed only {} times", seen.len());
    assert!(seen.iter().all(|sockets| sockets == &["udp"]), "{seen:?}");
}
