//! Commands to the camera while it streams: the action signal `send-command` and what its promises are kept with.

#[path = "support/element.rs"]
mod support;

use gst::glib;
use gst::prelude::*;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use support::*;
use wyze_camera::{LinkConfig, MediaSource, ServerOptions};

const K10050: u32 = 10050;
const UNKNOWN: u32 = 10998;
const ROTATE: u32 = 11000;

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

/// 200 commands from four threads over three elements of one session, on a link that loses packets: each gets an
/// answer, and the picture goes on.
#[test]
fn many_callers_get_an_answer_each() {
    let camera = TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Behaviour);
    let players = [(); 3].map(|()| Player::new(&camera, Link::Both));
    players.iter().for_each(Player::connect);
    camera.set_links(LinkConfig { loss: 0.02, ..LinkConfig::default() }, LinkConfig::default());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let sources: Vec<_> = players.iter().map(|player| player.src.clone()).collect();
            scope.spawn(move || {
                for n in 0..50 {
                    let answer = kept(&send(&sources[(thread + n) % 3], K10050, &[]));
                    assert_eq!(answer.flatten().map(|payload| payload.len()), Some(6));
                }
            });
        }
    });
    camera.set_links(LinkConfig::default(), LinkConfig::default());
    for player in &players {
        player.drain();
        player.buffers("video", 2);
        player.stop();
    }
    assert_eq!(camera.stats().clients, 0);
}

#[test]
fn a_source_without_media_is_no_place_for_commands_only_where_it_has_no_session() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Neither);
    player.connect();
    assert!(kept(&send(&player.src, K10050, &[])).flatten().is_some());
    player.stop();
}
