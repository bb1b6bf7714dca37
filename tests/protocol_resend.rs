//! Lost packets that the camera is asked for again: how it is asked at login, what comes of it on a bad network, and
//! where it refuses.

#[path = "support/world.rs"]
mod world;

use gstwyze::protocol::client::{Config, Resend};
use gstwyze::protocol::error::Error;
use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::resend_window::Resends;
use gstwyze::protocol::wire::login;
use std::time::Duration;
use world::{World, both_envelopes, camera_config, client_config};
use wyze_camera::{CameraConfig, Envelope, LinkConfig, ResendSupport, SyntheticConfig};

/// About 8 Mbit/s.
const FAST: SyntheticConfig = SyntheticConfig { key_frame_len: 150_000, frame_len: 48_000, ..world::FAT };

fn asking() -> Config {
    let wait = Duration::from_millis(500);
    Config { resend: Resend::On, resend_wait: wait, reorder_wait: wait / 2, ..client_config() }
}

fn lossy(loss: f64) -> LinkConfig {
    LinkConfig { loss, latency: Duration::from_millis(2), ..LinkConfig::default() }
}

/// Streams for `seconds` over links that lose this share of datagrams each way, and then over perfect ones.
fn stream_with_loss(client: Config, camera: CameraConfig, loss: f64, seconds: u64) -> World {
    let mut world = World::new(client, camera, 3);
    world.set_link(lossy(0.0));
    world.connect();
    world.set_link(lossy(loss));
    world.stream(FAST, Duration::from_secs(seconds));
    world.set_link(lossy(0.0));
    world.stream(SyntheticConfig { seed: 9, ..FAST }, Duration::from_secs(2));
    assert_eq!(world.ended, None);
    world
}

/// Returns how many of the frames that were sent arrived, and how many were sent.
fn delivered(world: &World) -> (usize, usize) {
    let sent: std::collections::HashSet<&[u8]> = world.sent.iter().map(|frame| &frame.data[..]).collect();
    assert!(world.received.iter().all(|frame| sent.contains(&frame.data[..])), "a frame is broken");
    (world.received.len(), world.sent.len())
}

fn assert_nothing_outstanding(world: &World) {
    let Resends { asked, filled, given_up } = world.client.stats().resends;
    assert!(asked > 0 && asked <= filled + given_up, "asked {asked}, filled {filled}, given up {given_up}");
    assert_eq!(world.camera.asked_for(), 0);
}

#[test]
fn with_one_percent_of_loss_every_frame_arrives() {
    for envelope in both_envelopes() {
        let world = stream_with_loss(asking(), camera_config(envelope).with_resends(), 0.01, 20);
        let (received, sent) = delivered(&world);
        assert_eq!(received, sent, "{:?}", world.client.stats());
        assert!(world.received.iter().all(|frame| !frame.after_gap));
        assert_eq!(world.client.stats().resends.given_up, 0);
        assert_nothing_outstanding(&world);
    }
}

#[test]
fn with_five_percent_of_loss_each_way_999_of_1000_frames_arrive() {
    let world = stream_with_loss(asking(), camera_config(Envelope::Cc51).with_resends(), 0.05, 60);
    let (received, sent) = delivered(&world);
    assert!(received * 1000 >= sent * 999, "{received} of {sent}, {:?}", world.client.stats());
    assert_nothing_outstanding(&world);
}

/// Of a picture of some 47 packets, each lost with 5 %, mostly one is.
#[test]
fn without_resends_hardly_a_picture_survives_such_loss() {
    let client = Config { resend: Resend::Off, ..asking() };
    let world = stream_with_loss(client, camera_config(Envelope::Cc51).with_resends(), 0.05, 10);
    let pictures = world.received.iter().filter(|frame| frame.medium == Medium::Video).count();
    // 200 of the 240 were sent over the bad link.
    assert!(pictures < 40 + 30, "{pictures} pictures");
    assert_eq!(world.client.stats().resends, Resends::default());
}

/// The counters of packets wrap soon after the start, and a lossless session is no exception to anything.
#[test]
fn a_session_without_loss_asks_for_nothing() {
    for envelope in both_envelopes() {
        for counts_by_head in [false, true] {
            let camera =
                CameraConfig { first_counter: 0xFF00, counts_by_head, ..camera_config(envelope).with_resends() };
            let mut world = World::new(asking(), camera, 4);
            world.connect();
            assert!(world.connected.as_ref().unwrap().resend);
            world.stream(FAST, Duration::from_secs(5));
            world.assert_received_all_but(&Default::default());
            assert_eq!(world.counts_by_head, counts_by_head);
            let stats = world.client.stats();
            assert_eq!([stats.malformed, stats.duplicates, stats.lost, stats.incomplete.total()], [0; 4], "{stats:?}");
            assert!(stats.parity > 100 && stats.timing_probes > 100, "{stats:?}");
            if !counts_by_head {
                assert_eq!(stats.resends, Resends::default());
                world.assert_no_deviation();
            }
        }
    }
}

#[test]
fn a_camera_that_counts_in_heads_is_asked_by_those() {
    let camera = CameraConfig { counts_by_head: true, ..camera_config(Envelope::Transcode).with_resends() };
    let mut world = World::new(asking(), camera, 5);
    world.connect();
    world.stream(FAST, Duration::from_secs(1));
    let before = world.client.stats();
    world.received.clear();
    world.sent.clear();
    world.set_link(lossy(0.01));
    world.stream(SyntheticConfig { seed: 9, ..FAST }, Duration::from_secs(10));
    assert_eq!(delivered(&world), (world.sent.len(), world.sent.len()));
    assert_eq!(world.client.stats().resends.given_up, before.resends.given_up);
}

#[test]
fn reordered_and_doubled_packets_are_no_loss() {
    let mut world = World::new(asking(), camera_config(Envelope::Transcode).with_resends(), 6);
    world.connect();
    world.set_link(LinkConfig {
        reorder: 0.05,
        reorder_delay: Duration::from_millis(10),
        duplicate: 0.05,
        ..LinkConfig::default()
    });
    world.stream(FAST, Duration::from_secs(5));
    world.assert_received_all_but(&Default::default());
    assert_eq!(world.client.stats().resends.given_up, 0);
}

/// What cannot be had within the latency is given up then, and what comes after it goes on.
#[test]
fn a_hole_is_given_up_when_the_latency_is_over() {
    let mut world = World::new(asking(), camera_config(Envelope::Transcode).with_resends(), 7);
    world.connect();
    world.set_link(lossy(0.0));
    world.stream(FAST, Duration::from_secs(1));
    world.up.set_config(lossy(1.0));
    world.down.set_config(lossy(0.05));
    world.stream(FAST, Duration::from_millis(300));
    let stats = world.client.stats();
    assert!(stats.resends.given_up > 0 && stats.resends.filled == 0, "{stats:?}");
    world.received.clear();
    world.sent.clear();
    world.set_link(lossy(0.0));
    world.stream(SyntheticConfig { seed: 9, ..FAST }, Duration::from_secs(1));
    assert_eq!(delivered(&world), (world.sent.len(), world.sent.len()), "{:?}", world.client.stats());
    assert_eq!(world.camera.asked_for(), 0);
}

#[test]
fn only_models_that_are_known_to_do_it_are_asked_unasked() {
    for (resend, model, expected) in [
        (Resend::Auto, "HL_BC", true),
        (Resend::Auto, "HL_CAM4", false),
        (Resend::On, "HL_CAM4", true),
        (Resend::Off, "HL_BC", false),
    ] {
        let client = Config { resend, model: Some(model.into()), ..client_config() };
        let mut world = World::new(client, camera_config(Envelope::Cc51).with_resends(), 8);
        world.connect();
        assert_eq!(world.connected.as_ref().unwrap().resend, expected, "{resend:?} {model}");
        world.assert_no_deviation();
    }
}

#[test]
fn a_camera_that_does_not_know_the_request_is_logged_in_to_without() {
    for (resend, limit) in [
        (ResendSupport::Refused, Duration::from_millis(100)),
        (ResendSupport::LoginRefused, Duration::from_millis(100)),
        (ResendSupport::NotAnswered, Duration::from_millis(2100)),
    ] {
        let mut world = World::new(asking(), CameraConfig { resend, ..camera_config(Envelope::Transcode) }, 9);
        let start = world.now;
        world.connect();
        assert!(world.now - start < limit, "{resend:?}: {:?}", world.now - start);
        assert!(!world.connected.as_ref().unwrap().resend);
        world.stream(FAST, Duration::from_secs(1));
        world.assert_received_all_but(&Default::default());
        world.assert_no_deviation();
    }
}

#[test]
fn a_refusal_of_both_logins_is_an_error() {
    let camera = CameraConfig { refuse_login: true, ..camera_config(Envelope::Transcode).with_resends() };
    let mut world = World::new(asking(), camera, 10);
    world.run_until(Duration::from_secs(5), |_| false);
    assert!(matches!(world.ended, Some(Error::LoginRefused(_))), "{:?}", world.ended);
}

/// The places of the login's fields, from resend.md, section 1.
#[test]
fn the_request_has_the_layout_of_the_reference() {
    for second in [false, true] {
        let b = login::Request { second, random: [1, 2, 3, 4], password: b"roTRg3tiuL3TjXhm", resend: true }.emit();
        assert_eq!(b.len(), if second { 572 } else { 570 });
        assert_eq!((&b[24..30], b[280], &b[281..298]), (&b"admin\0"[..], 0, &b"roTRg3tiuL3TjXhm\0"[..]));
        assert_eq!(b[538..546], [1, 0, 0, 0, 4, 0, 0, 0]);
        assert_eq!(b[546..562], [0xFB, 0x07, 0x1F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0]);
        assert_eq!(b[562..570], [0, 0, 0, 0, 1, 0, 0, 0]);
    }
}
