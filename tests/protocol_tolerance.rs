//! What cameras do differently, alone and all together: the client takes all of it, picture and sound byte for byte.

#[path = "support/world.rs"]
mod world;

use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::stats::Stats;
use std::time::Duration;
use world::{FAT, World, both_envelopes, camera_config, client_config};
use wyze_camera::CameraConfig;

/// Streams from a camera that `change` has changed, on both envelopes. Asserts that every frame arrives whole and that
/// nothing is an error to either side, and gives the client's counters to `check`.
fn assert_streams(change: impl Fn(&mut CameraConfig), check: impl Fn(&Stats)) {
    for envelope in both_envelopes() {
        let mut camera = camera_config(envelope);
        change(&mut camera);
        let mut world = World::new(client_config(), camera, 5);
        world.connect();
        world.stream(FAT, Duration::from_secs(3));
        assert_eq!(world.ended, None);
        assert_all_arrived(&world);
        world.assert_no_deviation();
        let stats = world.client.stats();
        let errors = [stats.malformed, stats.duplicates, stats.lost, stats.incomplete.total(), stats.undecryptable];
        assert_eq!(errors, [0; 5], "{stats:?}");
        check(&stats);
    }
}

/// Asserts that every frame arrived with its own bytes. The times of FRAMEINFO may differ: not all forms of it have them
/// whole.
fn assert_all_arrived(world: &World) {
    for medium in [Medium::Video, Medium::Audio] {
        let sent: Vec<_> = world.sent.iter().filter(|f| f.is_audio() == (medium == Medium::Audio)).collect();
        let received: Vec<_> = world.received.iter().filter(|frame| frame.medium == medium).collect();
        assert!(!sent.is_empty() && received.len() == sent.len(), "{medium:?}: {} of {}", received.len(), sent.len());
        for (received, sent) in received.iter().zip(sent) {
            assert!(received.data == sent.data, "{medium:?} frame {:?}", received.info);
            assert_eq!((received.info.codec, received.info.flags), (sent.codec, sent.flags));
            assert!(!received.after_gap, "{:?}", received.info);
        }
    }
}

#[test]
fn a_packet_may_have_any_third_byte_and_data_any_mode() {
    for marker in [0x12, 0x17, 0x19, 0x1C, 0x1D, 0xFF] {
        assert_streams(|camera| camera.marker = marker, |_| {});
    }
    for mode in [0x02, 0x0A, 0x0C, 0x01, 0xFF] {
        assert_streams(|camera| camera.data_mode = mode, |stats| assert_eq!(stats.foreign, 0, "mode {mode:02x}"));
    }
}
