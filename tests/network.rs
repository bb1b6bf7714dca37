//! Camera and client on hosts of their own, with a real network between them.
//!
//! Each test prints "skipped" and ends if network namespaces cannot be created, which takes root.

#[path = "support/connection.rs"]
mod connection;
#[path = "support/network.rs"]
mod network;
#[path = "support/element.rs"]
mod support;

use connection::*;
use gst::prelude::*;
use network::*;
use std::net::SocketAddr;
use std::time::Duration;
use support::*;
use wyze_camera::{CameraConfig, DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope, LinkConfig, MediaSource, ServerOptions};

const PORT: u16 = 32761;
const CAMERA: &str = "10.77.0.1";
const CABLE_OUT: Duration = Duration::from_secs(10);

/// Makes the camera's host and the client's, in one network.
fn neighbours(switch: &Switch) -> (Host, Host) {
    let (there, here) = (Host::new(), Host::new());
    there.plug(switch, "eth0", "10.77.0.1/24");
    here.plug(switch, "eth0", "10.77.0.2/24");
    (there, here)
}

/// Starts a camera that listens on every address of its host, as a real one does.
fn camera_on(host: &Host, envelope: Envelope) -> TestCamera {
    camera_with(host, |config| config.envelope = envelope, synthetic(), ServerOptions::default())
}

fn camera_with(
    host: &Host,
    change: impl FnOnce(&mut CameraConfig) + Send,
    media: MediaSource,
    options: ServerOptions,
) -> TestCamera {
    let listen = SocketAddr::from(([0, 0, 0, 0], PORT));
    host.run(|| TestCamera::start_at(listen, change, media, options, Tolerance::Behaviour))
}

/// Makes a player for the camera at this address, or one that searches the network for it.
fn player_for(address: Option<&str>) -> Player {
    let player = Player::bare(Link::Both);
    for (name, value) in [("uid", DEMO_UID), ("enr", DEMO_ENR), ("mac", DEMO_MAC)] {
        player.src.set_property(name, value);
    }
    player.src.set_property("host", address);
    player
}

/// Makes a player that notices a loss soon and does not wait long for an absent camera.
fn quick_player_for(address: Option<&str>) -> Player {
    let player = player_for(address);
    player.src.set_property("stall-timeout", 1000u32);
    player.src.set_property("connect-timeout", 2000u32);
    player
}

/// Plays on this host until video and audio have come.
fn play_on(host: &Host, player: &Player) {
    let pipeline = &player.pipeline;
    host.run(|| pipeline.set_state(gst::State::Playing).unwrap());
    player.buffers("video", 10);
    player.buffers("audio", 5);
}

fn info(player: &Player, field: &str) -> String {
    player.src.property::<gst::Structure>("camera-info").get(field).unwrap()
}

/// Returns the address at which the camera was found.
fn address(player: &Player) -> String {
    info(player, "address").split(':').next().unwrap().to_owned()
}

/// Asserts that streaming goes on by itself after `event`, on the same pads and with growing time stamps. Returns the
/// largest gap between two time stamps.
fn assert_streams_on(player: &Player, event: impl FnOnce()) -> Duration {
    let pads = player.src.pads();
    assert_eq!(pads.len(), 2);
    let before = player.buffer("video");
    event();
    let after = until_again(player, 20).into_iter().filter(|(pad, _)| pad == "video").map(|(_, buffer)| buffer);
    let buffers: Vec<_> = std::iter::once(before).chain(after).collect();
    assert_eq!(player.src.pads(), pads);
    let gap = |pair: &[gst::Buffer]| pair[1].pts().unwrap().checked_sub(pair[0].pts().unwrap()).expect("PTS grow");
    buffers.windows(2).map(gap).max().unwrap().into()
}

/// Like [`assert_streams_on`], and asserts that this took a new connection.
fn assert_reconnects(player: &Player, event: impl FnOnce()) -> Duration {
    let reconnects = player.stat("reconnects");
    let gap = assert_streams_on(player, event);
    assert!(player.stat("reconnects") > reconnects);
    gap
}

#[test]
fn a_camera_is_found_by_broadcast() {
    for envelope in [Envelope::Transcode, Envelope::Cc51] {
        let Some(switch) = Switch::new() else { return };
        let (there, here) = neighbours(&switch);
        let camera = camera_on(&there, envelope);
        let player = player_for(None);
        play_on(&here, &player);
        assert_eq!(address(&player), CAMERA);
        let name = if envelope == Envelope::Cc51 { "cc51" } else { "transcode" };
        assert_eq!(info(&player, "envelope"), name);
        assert_eq!(camera.stats().clients, 1);
    }
}

#[test]
fn a_camera_is_found_in_the_network_of_another_interface() {
    let (Some(switch), Some(other)) = (Switch::new(), Switch::new()) else { return };
    let (there, here) = (Host::new(), Host::new());
    here.plug(&other, "eth0", "10.66.0.2/24");
    // The default route leads into the wrong network.
    here.ip("route add default via 10.66.0.1");
    here.plug(&switch, "eth1", "10.77.0.2/24");
    there.plug(&switch, "eth0", "10.77.0.1/24");
    let _camera = camera_on(&there, Envelope::Transcode);
    let player = player_for(None);
    play_on(&here, &player);
    assert_eq!(address(&player), CAMERA);
}

#[test]
fn an_interface_that_is_set_is_the_only_one_used() {
    let (Some(switch), Some(other)) = (Switch::new(), Switch::new()) else { return };
    let (here, hosts) = (Host::new(), [Host::new(), Host::new()]);
    // Both networks have the same addresses and the same camera, so that only the interface tells them apart.
    for (switch, host, interface) in [(&switch, &hosts[0], "eth0"), (&other, &hosts[1], "eth1")] {
        here.plug(switch, interface, "10.77.0.2/24");
        host.plug(switch, "eth0", "10.77.0.1/24");
    }
    let cameras = hosts.each_ref().map(|host| camera_on(host, Envelope::Transcode));
    for (interface, host, used) in
        [("eth0", None, 0), ("eth1", None, 1), ("eth0", Some(CAMERA), 0), ("eth1", Some(CAMERA), 1)]
    {
        let player = quick_player_for(host);
        player.src.set_property("interface", interface);
        play_on(&here, &player);
        assert_reconnects(&player, || cameras[used].reboot(Duration::from_millis(500)));
        assert_eq!(cameras[used].stats().streaming, 1);
        assert_eq!(cameras[1 - used].stats().clients, 0, "{interface} {host:?}");
        player.stop();
        wait_until("the goodbye", || cameras[used].stats().clients == 0);
    }
}

#[test]
fn a_camera_at_a_new_address_is_found_again() {
    for envelope in [Envelope::Transcode, Envelope::Cc51] {
        let Some(switch) = Switch::new() else { return };
        let (there, here) = neighbours(&switch);
        let camera = camera_on(&there, envelope);
        let player = quick_player_for(Some(CAMERA));
        play_on(&here, &player);
        assert_reconnects(&player, || {
            camera.reboot(Duration::from_secs(1));
            there.ip("address flush dev eth0");
            there.ip("address add 10.77.0.99/24 broadcast + dev eth0");
        });
        assert_eq!(address(&player), "10.77.0.99");
    }
}

/// Asserts that streaming goes on after the client was cut off, by `pull`, for [`CABLE_OUT`], with the element's
/// default timeouts.
fn assert_survives_cut(envelope: Envelope, pull: impl Fn(&Host, &Cable, bool)) {
    let Some(switch) = Switch::new() else { return };
    let (there, here) = (Host::new(), Host::new());
    there.plug(&switch, "eth0", "10.77.0.1/24");
    let cable = here.plug(&switch, "eth0", "10.77.0.2/24");
    let camera = camera_on(&there, envelope);
    let player = player_for(Some(CAMERA));
    play_on(&here, &player);
    let gap = assert_reconnects(&player, || {
        pull(&here, &cable, true);
        std::thread::sleep(CABLE_OUT);
        pull(&here, &cable, false);
    });
    assert!(gap > CABLE_OUT - Duration::from_secs(1), "a gap of {gap:?}");
    eprintln!("streaming {:?} after the link's return", gap.saturating_sub(CABLE_OUT));
    assert_eq!(camera.stats().streaming, 1);
}

#[test]
fn streaming_goes_on_after_a_cable_was_out_for_ten_seconds() {
    assert_survives_cut(Envelope::Transcode, |_, cable, is_out| cable.set_plugged(!is_out));
}

#[test]
fn streaming_goes_on_after_an_interface_was_down_for_ten_seconds() {
    assert_survives_cut(Envelope::Cc51, |host, _, is_down| {
        host.ip(if is_down { "link set eth0 down" } else { "link set eth0 up" });
    });
}

#[test]
fn streaming_goes_on_when_the_client_changes_its_interface() {
    // The long pause is noticed as a loss; after the short one the session goes on from the other address.
    let (long, short) = (Duration::from_secs(3), Duration::from_millis(300));
    for (envelope, pause) in [(Envelope::Transcode, long), (Envelope::Cc51, long), (Envelope::Transcode, short)] {
        let Some(switch) = Switch::new() else { return };
        let (there, here) = (Host::new(), Host::new());
        there.plug(&switch, "eth0", "10.77.0.1/24");
        here.plug(&switch, "wlan0", "10.77.0.2/24");
        let camera = camera_on(&there, envelope);
        let player = if pause == long { quick_player_for(None) } else { player_for(None) };
        play_on(&here, &player);
        assert_streams_on(&player, || {
            here.ip("link set wlan0 down");
            std::thread::sleep(pause);
            here.plug(&switch, "eth0", "10.77.0.3/24");
        });
        assert_eq!(address(&player), CAMERA);
        eprintln!("{envelope:?}, {pause:?}: {} reconnections", player.stat("reconnects"));
        assert_eq!(player.stat("reconnects") > 0, pause == long);
        wait_until("the old session's end", || camera.stats().clients == 1);
    }
}

/// Delay is 50 ms ± 20 ms each way, which also reorders. Loss is on the simulated camera's own link, which records the
/// frames it hit.
#[test]
fn loss_and_jitter_cost_only_the_frames_that_lost_a_packet() {
    for envelope in [Envelope::Transcode, Envelope::Cc51] {
        let Some(switch) = Switch::new() else { return };
        let (there, here) = neighbours(&switch);
        let netem = [&there, &here].map(|host| host.tc("qdisc add dev eth0 root netem delay 50ms 20ms limit 10000"));
        let link = match netem {
            [true, true] => LinkConfig { loss: 0.03, ..LinkConfig::default() },
            _ => {
                eprintln!("this kernel has no netem: the simulated camera's own link delays instead");
                let (least, spread) = (Duration::from_millis(30), Duration::from_millis(40));
                LinkConfig { loss: 0.03, latency: least, reorder: 1.0, reorder_delay: spread, ..LinkConfig::default() }
            }
        };
        let options =
            ServerOptions { seed: 5, outgoing: link, incoming: link, record_frames: true, ..ServerOptions::default() };
        let camera = camera_with(&there, |config| config.envelope = envelope, synthetic(), options);
        let player = player_for(Some(CAMERA));
        // The frames after a lost one count too.
        player.src.set_property_from_str("on-loss", "pass");
        play_on(&here, &player);
        player.drain();
        let mut seen: [Vec<gst::Buffer>; 2] = Default::default();
        player.until("200 video frames", |event| {
            for (of_pad, name) in seen.iter_mut().zip(["video", "audio"]) {
                of_pad.extend(event.buffer(name));
            }
            (seen[0].len() >= 200).then_some(())
        });
        player.stop();
        assert!(player.stat("reordered") > 0);
        assert_eq!(player.stat("reconnects"), 0);
        for (buffers, video) in seen.iter().zip([true, false]) {
            assert_only_losses_are_missing(buffers, &camera.sent(video));
        }
    }
}

/// Asserts that between the first and the last buffer exactly those frames are missing that lost a packet.
fn assert_only_losses_are_missing(buffers: &[gst::Buffer], sent: &[wyze_camera::SentFrame]) {
    let hashes: Vec<_> = buffers.iter().map(|buffer| openssl::sha::sha256(&bytes(buffer))).collect();
    let place =
        |sha256: &[u8; 32]| sent.iter().position(|frame| frame.sha256 == *sha256).expect("a frame that was sent");
    let sent = &sent[place(&hashes[0])..=place(&hashes[hashes.len() - 1])];
    let whole: Vec<_> = sent.iter().filter(|frame| frame.lost == 0).map(|frame| frame.sha256).collect();
    eprintln!("{} of {} frames lost a packet", sent.len() - whole.len(), sent.len());
    assert!(whole.len() < sent.len());
    assert!(hashes == whole, "{} buffers came, {} frames lost nothing", hashes.len(), whole.len());
}

#[test]
fn streaming_works_with_a_small_mtu() {
    for (envelope, payload) in [(Envelope::Transcode, 1024), (Envelope::Cc51, 1024), (Envelope::Transcode, 1200)] {
        let Some(switch) = Switch::new() else { return };
        let (there, here) = (Host::new(), Host::new());
        for (host, address) in [(&there, "10.77.0.1/24"), (&here, "10.77.0.2/24")] {
            host.plug(&switch, "eth0", address).set_mtu(1280);
            host.ip("link set eth0 mtu 1280");
        }
        let change = |config: &mut CameraConfig| (config.envelope, config.packet_payload) = (envelope, payload);
        let _camera = camera_with(&there, change, synthetic(), ServerOptions::default());
        let player = player_for(None);
        play_on(&here, &player);
        player.buffers("video", 40);
        assert_eq!((player.stat("lost"), player.stat("incomplete")), (0, 0), "{envelope:?} {payload}");
    }
}
