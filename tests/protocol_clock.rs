//! The camera's clock: what is told of it, and when it is set.

#[path = "support/world.rs"]
mod world;

use gstwyze::protocol::client::Config;
use gstwyze::protocol::wire::hl;
use std::time::Duration;
use world::{World, camera_config, client_config};
use wyze_camera::{CameraConfig, Envelope, SyntheticConfig};

/// The wall clock at a world's start, and the time of its media's first frame.
const WALL: i64 = 1_700_000_000;
/// The first second that counts as a clock that was set.
const CLOCK_SET: i64 = 1_591_069_888;
const SECOND: i64 = 1_000_000_000;

/// Streams for three seconds from a camera whose clock is so many seconds off.
fn stream(clock_error: i64, config: Config) -> World {
    let camera = CameraConfig { clock_error, ..camera_config(Envelope::Transcode) };
    let mut world = World::new(config, camera, 8);
    world.connect();
    world.stream(SyntheticConfig::default(), Duration::from_secs(3));
    assert_eq!(world.ended, None);
    world.assert_no_deviation();
    world
}

#[test]
fn a_right_clock_is_told_of_and_left_alone() {
    for error in [0, 5, -58, 59] {
        let world = stream(error, client_config());
        assert!(world.camera.clock_settings().is_empty(), "{error} s off");
        let [clock] = world.clocks[..] else { panic!("{error} s off: {:?}", world.clocks) };
        // The media's first frame has the time of the world's start, and connecting took a moment.
        let offset = clock.offset.unwrap();
        assert!(offset <= error * SECOND && offset > error * SECOND - SECOND, "{error} s off: {offset} ns");
        assert!(!clock.was_set);
    }
}

#[test]
fn a_clock_that_was_never_set_or_is_more_than_a_minute_off_is_set_once() {
    for error in [-120, 120, 62, -61, CLOCK_SET - WALL, CLOCK_SET - 1 - WALL, -WALL] {
        let world = stream(error, client_config());
        let [seconds] = world.camera.clock_settings() else { panic!("{error} s off: set {:?}", world.clocks) };
        assert_eq!(i64::from(*seconds), WALL + 1, "{error} s off");
        let [first, second] = world.clocks[..] else { panic!("{error} s off: {:?}", world.clocks) };
        assert_eq!((first.was_set, second.was_set), (false, true));
        assert_eq!(first.offset.is_some(), WALL + error >= CLOCK_SET, "{error} s off: {first:?}");
        assert_eq!(first.offset, second.offset);
        let last = world.received.last().unwrap().info.seconds;
        assert!((WALL + 2..WALL + 6).contains(&i64::from(last)), "{error} s off: the last frame is of {last}");
    }
}

#[test]
fn a_clock_is_left_alone_where_that_is_wished_or_the_host_has_no_time_either() {
    let world = stream(-WALL, Config { set_clock: false, ..client_config() });
    assert!(world.camera.clock_settings().is_empty());
    let [clock] = world.clocks[..] else { panic!("{:?}", world.clocks) };
    assert_eq!((clock.offset, clock.was_set), (None, false));

    let mut world = World::at(Duration::from_secs(86_400), client_config(), camera_config(Envelope::Cc51), 8);
    world.connect();
    world.stream(SyntheticConfig::default(), Duration::from_secs(3));
    assert!(world.camera.clock_settings().is_empty());
    assert_eq!(world.clocks.len(), 1);
}

#[test]
fn a_camera_that_does_not_answer_is_not_asked_again() {
    let camera = CameraConfig { clock_error: -WALL, ignore_clock: true, ..camera_config(Envelope::Transcode) };
    let mut world = World::new(client_config(), camera, 8);
    world.connect();
    world.stream(SyntheticConfig::default(), Duration::from_secs(20));
    assert_eq!(world.ended, None);
    assert_eq!(world.unanswered, [hl::SET_CLOCK]);
    let [clock] = world.clocks[..] else { panic!("{:?}", world.clocks) };
    assert!(!clock.was_set);
}

/// The layout is that of the reference on K-commands: "HL", protocol 5, command 10092, length 4, eight zeros, and the
/// seconds.
#[test]
fn the_command_has_the_bytes_of_the_reference() {
    let golden = *b"\x48\x4c\x05\x00\x6c\x27\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xf1\x53\x65";
    assert_eq!(hl::set_clock(0x6553_F101), golden);
}
