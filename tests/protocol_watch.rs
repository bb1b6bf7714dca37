//! What the client does about media that come and cannot be used, and about a medium that alone falls silent.

#[path = "support/world.rs"]
mod world;

use gstwyze::protocol::client::Config;
use gstwyze::protocol::error::Error;
use gstwyze::protocol::medium::{MediaSet, Medium};
use std::time::Duration;
use world::{FAT, World, camera_config, client_config};
use wyze_camera::{CameraEvent, Envelope, Synthetic, SyntheticConfig};

const STALL: Duration = Duration::from_secs(5);
const VIDEO_ONLY: SyntheticConfig = SyntheticConfig { audio: None, ..FAT };
const AUDIO_ONLY: SyntheticConfig = SyntheticConfig { video: None, ..FAT };

fn streaming(config: Config) -> World {
    let mut world = World::new(config, camera_config(Envelope::Transcode), 21);
    world.connect();
    world
}

fn send(world: &mut World, media: SyntheticConfig, seconds: u64) {
    world.source = Some((world.now, Synthetic::new(media)));
    world.run_until(Duration::from_secs(seconds), |_| false);
}

/// A key frame is asked for, and when none comes that can be decoded, the connection is given up.
#[test]
fn pictures_that_nobody_can_use_do_not_count_as_a_stream() {
    let media = MediaSet { video: true, audio: false };
    for (is_asked, expected) in [(true, 2), (false, 0)] {
        let config = Config { stall_timeout: Some(STALL), media, key_frame_requests: is_asked, ..client_config() };
        let mut world = streaming(config);
        world.usable = false;
        let start = world.now;
        send(&mut world, VIDEO_ONLY, 30);
        assert_eq!(world.ended, Some(Error::Unusable(2 * STALL)));
        assert!(world.now - start < 2 * STALL + Duration::from_secs(1), "{:?}", world.now - start);
        assert_eq!(world.client.stats().key_frame_requests, expected, "after 1 s and after 6 s");
    }
}

#[test]
fn pictures_that_can_be_used_again_are_a_stream_again() {
    let mut world = streaming(Config { stall_timeout: Some(STALL), ..client_config() });
    world.usable = false;
    send(&mut world, FAT, 4);
    world.usable = true;
    send(&mut world, SyntheticConfig { seed: 2, ..FAT }, 30);
    assert_eq!(world.ended, None);
    assert_eq!(world.client.stats().key_frame_requests, 1);
}

/// It is switched off and on again, after 3 s, 13 s, 33 s and so on, and the other medium goes on.
#[test]
fn a_medium_that_alone_falls_silent_is_asked_for_again() {
    for (media, silent, on) in
        [(VIDEO_ONLY, Medium::Audio, MediaSet::VIDEO), (AUDIO_ONLY, Medium::Video, MediaSet::AUDIO)]
    {
        let mut world = streaming(client_config());
        send(&mut world, FAT, 2);
        world.camera_events.clear();
        send(&mut world, media, 31);
        assert_eq!(world.ended, None);
        assert_eq!(world.silent, [(silent, true)], "told once");
        assert_eq!(world.client.stats().media_restarts, 2, "after 3 s and after 13 s");
        let switched: Vec<_> = world
            .camera_events
            .iter()
            .filter_map(|event| match event {
                CameraEvent::Streaming { video, audio, .. } => Some(MediaSet { video: *video, audio: *audio }),
                _ => None,
            })
            .collect();
        assert_eq!(switched, [on, MediaSet::BOTH, on, MediaSet::BOTH]);
        send(&mut world, SyntheticConfig { seed: 3, ..FAT }, 2);
        assert_eq!(world.silent, [(silent, true), (silent, false)]);
        world.assert_no_deviation();
    }
}

#[test]
fn a_medium_that_is_not_wanted_or_never_came_is_not_missed() {
    let mut world = streaming(client_config());
    send(&mut world, VIDEO_ONLY, 10);
    assert_eq!((world.silent.len(), world.client.stats().media_restarts), (0, 0));
    send(&mut world, FAT, 2);
    world.client.set_media(MediaSet::VIDEO, world.now);
    send(&mut world, VIDEO_ONLY, 10);
    assert_eq!((world.silent.len(), world.client.stats().media_restarts), (0, 0));
}
