//! Commands to the camera while it streams: the action signal `send-command` and what its promises are kept with.

#[path = "support/element.rs"]
mod support;

use gst::glib;
use gst::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use support::*;
use wyze_camera::{CameraConfig, LinkConfig, ServerOptions};

const K10050: u32 = 10050;
const UNKNOWN: u32 = 10998;
const ROTATE: u32 = 11000;
const TAKE_PHOTO: u16 = 10058;
const SET_CLOCK_LEAVES: Duration = Duration::from_secs(3);

/// What a promise was kept with: `None` is nothing, and a reply without payload an empty structure.
type Kept = Option<Option<Vec<u8>>>;

/// Sends a command, and returns where its answer comes.
fn send(src: &gst::Element, code: u32, payload: &[u8]) -> mpsc::Receiver<Kept> {
    let (sender, receiver) = mpsc::channel();
    let promise = gst::Promise::with_change_func(move |reply| {
        let kept = reply.ok().flatten().map(|structure| {
            assert_eq!(structure.name(), "application/x-wyze-reply");
            structure.get::<glib::Bytes>("payload").ok().map(|payload| payload.to_vec())
        });
        sender.send(kept).unwrap();
    });
    src.emit_by_name::<()>("send-command", &[&code, &glib::Bytes::from(payload), &promise]);
    receiver
}

fn kept(answer: &mpsc::Receiver<Kept>) -> Kept {
    answer.recv_timeout(PATIENCE).expect("the promise is kept")
}

#[test]
fn an_answer_keeps_the_promise() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.connect();
    // The camera was asked for its best picture: 240 KB/s, 1080p, and no rate.
    assert_eq!(kept(&send(&player.src, K10050, &[])), Some(Some(vec![240, 0, 1, 0, 1, 1])));
    player.stop();
}

#[test]
fn silence_is_an_empty_structure_and_ends_nothing() {
    let camera = TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Anything);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let start = Instant::now();
    let (unknown, known) = (send(&player.src, UNKNOWN, &[1]), send(&player.src, K10050, &[]));
    assert_eq!(kept(&unknown), Some(None));
    assert!(start.elapsed() >= Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(kept(&known).is_some_and(|payload| payload.is_some()), "the next command goes out then");
    player.buffers("video", 2);
    assert_eq!(player.stat("reconnects"), 0);
    player.stop();
}

/// Cameras do not answer some commands: these are done when they have gone out.
#[test]
fn a_command_that_cameras_do_not_answer_is_done_at_once() {
    let camera = TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Anything);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let start = Instant::now();
    assert_eq!(kept(&send(&player.src, ROTATE, &[90, 0, 0, 0, 5])), Some(Some(vec![])));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    player.stop();
}

#[test]
fn without_a_connection_the_promise_is_kept_with_nothing() {
    let camera = TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Anything);
    let player = Player::new(&camera, Link::Both);
    assert_eq!(kept(&send(&player.src, K10050, &[])), None, "not started");
    player.connect();
    assert_eq!(kept(&send(&player.src, 70_000, &[])), None, "no such code");
    let open = send(&player.src, UNKNOWN, &[]);
    let waiting = send(&player.src, K10050, &[]);
    player.stop();
    assert_eq!([kept(&open), kept(&waiting)], [None, None], "stopped before the answer");
}

/// A question and the answer that only it can have.
fn question(rng: &mut StdRng) -> (u32, Vec<u8>, Vec<u8>) {
    let by_id = [(1, "1"), (2, "3"), (8, "1"), (21, "2"), (27, "2"), (28, "2"), (40, "350"), (42, "180")];
    match rng.random_range(0..4) {
        // The camera sends the time back.
        0 => {
            let time = rng.random::<u32>().to_le_bytes();
            (11006, time.to_vec(), [&time[..], &[20, 175, 0]].concat())
        }
        1 => {
            let (id, value) = by_id[rng.random_range(0..by_id.len())];
            (10020, vec![1, id], format!("{{\"{id}\":{value}}}").into_bytes())
        }
        2 => (10040, vec![], vec![3]),
        _ => (10632, vec![], vec![2, 2]),
    }
}

/// 200 random commands from four threads over three elements of one session, on a link that loses packets: each gets its
/// own answer, and no picture is lost for it.
#[test]
fn many_callers_get_an_answer_each() {
    let pan = |config: &mut CameraConfig| config.model = "HL_PAN3".into();
    let camera = TestCamera::start(pan, synthetic(), ServerOptions::default(), Tolerance::Behaviour);
    let players = [(); 3].map(|()| Player::new(&camera, Link::Both));
    players.iter().for_each(Player::connect);
    // What the camera loses of its answers, it is asked for again; its pictures it does not send twice.
    camera.set_links(LinkConfig::default(), LinkConfig { loss: 0.05, ..LinkConfig::default() });
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let sources: Vec<_> = players.iter().map(|player| player.src.clone()).collect();
            scope.spawn(move || {
                let mut rng = StdRng::seed_from_u64(thread);
                for _ in 0..50 {
                    let (code, payload, answer) = question(&mut rng);
                    let got = kept(&send(&sources[rng.random_range(0..3)], code, &payload));
                    assert_eq!(got, Some(Some(answer)), "{code} {payload:?}");
                }
            });
        }
    });
    camera.set_links(LinkConfig::default(), LinkConfig::default());
    for player in &players {
        assert_eq!([player.stat("lost"), player.stat("incomplete"), player.stat("reconnects")], [0; 3]);
        player.drain();
        player.buffers("video", 2);
        player.stop();
    }
    assert_eq!(camera.stats().clients, 0);
}

/// A camera that loses answers is asked again.
#[test]
fn answers_that_are_lost_come_in_the_end() {
    let camera = TestCamera::start(
        |_| {},
        synthetic(),
        ServerOptions { seed: 1, ..ServerOptions::default() },
        Tolerance::Behaviour,
    );
    let player = Player::new(&camera, Link::Both);
    player.connect();
    camera.set_links(LinkConfig { loss: 0.2, ..LinkConfig::default() }, LinkConfig::default());
    for _ in 0..8 {
        assert_eq!(kept(&send(&player.src, 10040, &[])), Some(Some(vec![3])));
    }
    player.stop();
}

/// Sends a message of an IO type, and returns where its answer comes.
fn send_io(src: &gst::Element, io_type: u32, payload: &[u8]) -> Kept {
    let promise = gst::Promise::new();
    src.emit_by_name::<()>("send-io-type", &[&io_type, &glib::Bytes::from(payload), &promise]);
    assert_eq!(promise.wait(), gst::PromiseResult::Replied);
    let reply = promise.get_reply()?;
    Some(reply.get::<glib::Bytes>("payload").ok().map(|payload| payload.to_vec()))
}

#[test]
fn messages_of_other_io_types_are_sent_and_their_answers_told() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let information = send_io(&player.src, 0x0340, &[7; 4]).unwrap().unwrap();
    assert!(String::from_utf8_lossy(&information).contains("WYZE_CAKP2JFUS"), "{information:?}");
    assert_eq!(send_io(&player.src, 0x1002, &[]), Some(Some(vec![])), "no answer is known");
    assert_eq!(camera.io_types(), [(0x0340, vec![7; 4]), (0x1002, vec![])]);
    // K-commands have a door of their own, and a number of 17 bits none.
    assert_eq!([0x0100, 0x1_0000].map(|io_type| send_io(&player.src, io_type, &[])), [None, None]);
    assert_eq!(kept(&send(&player.src, 10040, &[])), Some(Some(vec![3])), "the queue goes on");
    player.stop();
}

/// Such a source is a member of the session like any other.
#[test]
fn a_source_without_video_and_audio_is_there_for_commands() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("video", false);
    player.src.set_property("audio", false);
    player.connect();
    player.until("no-more-pads", |seen| matches!(seen, Seen::NoMorePads).then_some(()));
    assert!(kept(&send(&player.src, K10050, &[])).flatten().is_some());
    let viewer = Player::new(&camera, Link::Both);
    viewer.play();
    viewer.buffers("video", 2);
    assert!(kept(&send(&player.src, K10050, &[])).flatten().is_some());
    viewer.stop();
    assert_eq!(camera.stats().clients, 1, "one session for both");
    assert!(player.drain().iter().all(|seen| seen.error().is_none() && !matches!(seen, Seen::PadAdded { .. })));
    player.stop();
    wait_until("the goodbye", || camera.stats().clients == 0);
}

/// A camera that pans.
fn panning() -> TestCamera {
    TestCamera::with_config(|config| config.model = "HL_PAN3".into(), synthetic())
}

/// Asks a question, and returns the structure that the promise is kept with.
fn ask(src: &gst::Element, signal: &str) -> Option<gst::Structure> {
    let promise = gst::Promise::new();
    src.emit_by_name::<()>(signal, &[&promise]);
    assert_eq!(promise.wait(), gst::PromiseResult::Replied);
    promise.get_reply().map(ToOwned::to_owned)
}

fn position(src: &gst::Element) -> (u32, u32) {
    let reply = ask(src, "position").unwrap();
    (reply.get("horizontal").unwrap(), reply.get("vertical").unwrap())
}

#[test]
fn a_camera_is_turned_and_tells_where_it_looks() {
    let camera = panning();
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let src = &player.src;
    assert_eq!(position(src), (175, 20));
    src.emit_by_name::<()>("rotate", &[&-30i32, &10i32, &9u32]);
    wait_until("the turn", || position(src) == (145, 30));
    src.emit_by_name::<()>("go-to", &[&120u32, &40u32]);
    wait_until("the way", || position(src) == (120, 40));
    src.emit_by_name::<()>("reset-position", &[]);
    wait_until("the reset", || position(src) == (175, 20));
    src.emit_by_name::<()>("move", &[&gstwyze::wyzesrc::MoveDirection::Left, &9u32]);
    wait_until("the end", || camera.looks_at().0 == 0);
    // What no camera does is not sent.
    src.emit_by_name::<()>("rotate", &[&1000i32, &0i32, &5u32]);
    src.emit_by_name::<()>("go-to", &[&1000u32, &0u32]);
    src.emit_by_name::<()>("rotate", &[&1i32, &0i32, &100_000u32]);
    assert_eq!(position(src), (0, 20));
    player.stop();
}

#[test]
fn waypoints_are_set_and_read_back() {
    let camera = panning();
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let point = |horizontal: u32, vertical: u32, seconds: u64| {
        let structure = gst::Structure::builder("waypoint").field("horizontal", horizontal);
        structure.field("vertical", vertical).field("wait-ns", seconds * 1_000_000_000).build().to_send_value()
    };
    let set = |points: Vec<glib::SendValue>| {
        let promise = gst::Promise::new();
        player.src.emit_by_name::<()>("set-waypoints", &[&gst::Array::from_values(points), &promise]);
        promise.wait();
        promise.get_reply().is_some_and(|reply| reply.get("agreed") == Ok(true))
    };
    assert!(set(vec![point(271, 91, 10), point(15, 75, 30)]));
    assert!(!set(vec![point(0, 0, 1)]), "a wait of 1 s is none");
    assert!(!set(vec![point(0, 0, 256)]), "a wait of 256 s does not fit");
    let reply = ask(&player.src, "waypoints").unwrap();
    let points: Vec<(u32, u32, u64)> = reply
        .get::<gst::Array>("waypoints")
        .unwrap()
        .iter()
        .map(|point| {
            let point = point.get::<gst::Structure>().unwrap();
            (point.get("horizontal").unwrap(), point.get("vertical").unwrap(), point.get("wait-ns").unwrap())
        })
        .collect();
    assert_eq!(points, [(271, 91, 10_000_000_000), (15, 75, 30_000_000_000)]);
    player.stop();
}

#[test]
fn photos_replies_and_the_clock() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let src = &player.src;
    src.emit_by_name::<()>("take-photo", &[]);
    src.emit_by_name::<()>("quick-reply", &[&2u32]);
    src.emit_by_name::<()>("quick-reply", &[&9u32]);
    src.emit_by_name::<()>("set-time", &[]);
    wait_until("the clock", || camera.clock_settings().len() == 1);
    assert_eq!(camera.acts(), [TAKE_PHOTO, 11635]);
    let off = Duration::from_secs(camera.clock_settings()[0].into())
        .abs_diff(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap());
    assert!(off < SET_CLOCK_LEAVES, "{off:?}");
    player.stop();
}

/// A model that does not pan keeps silent, and the stream goes on.
#[test]
fn a_camera_that_does_not_pan_is_silence() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let reply = ask(&player.src, "position").unwrap();
    assert_eq!(reply.n_fields(), 0);
    player.buffers("video", 2);
    player.stop();
}
