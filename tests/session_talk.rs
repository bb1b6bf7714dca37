//! Talk by members of a shared session, without elements.

#[path = "support/element.rs"]
mod support;
#[path = "support/talk.rs"]
mod talk;

use gstwyze::protocol::client::Config;
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::talk::{TalkAudio, TalkError, TalkEvent};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::session::{Event, Membership, Place, Wants};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use support::*;
use talk::*;
use wyze_camera::{CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, TalkEnd};

fn join(camera: &CameraServer) -> (Membership, Receiver<TalkEvent>) {
    let credentials = Credentials::new(DEMO_UID, DEMO_ENR, DEMO_MAC).unwrap();
    let config = Config { connect_timeout: PATIENCE, ..Config::new(credentials) };
    let host = Some("127.0.0.1".into());
    let place = Place { host, port: camera.addr().port(), known: None, interface: None };
    let (connected, when_connected) = mpsc::channel();
    let (sender, events) = mpsc::channel();
    // Sending fails after the test has ended, which does no harm.
    let observer = move |event| match event {
        Event::Connected(_) => drop(connected.send(())),
        Event::Talk(event) => drop(sender.send(event)),
        _ => {}
    };
    let (membership, conflicts) = Membership::join(config, place, Wants::default(), Some(0), None, observer).unwrap();
    assert!(conflicts.is_empty());
    when_connected.recv_timeout(PATIENCE).unwrap();
    (membership, events)
}

fn frame() -> TalkAudio {
    let flags = AudioFlags::new(8000, false).unwrap();
    TalkAudio { codec: CodecId::MULAW, flags, data: vec![1; 160], duration: Duration::from_millis(20) }
}

fn next(events: &Receiver<TalkEvent>) -> TalkEvent {
    events.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn a_talk_that_follows_at_once_is_a_new_talk() {
    let camera = eager();
    let (member, events) = join(&camera);
    member.start_talk();
    assert_eq!(next(&events), TalkEvent::Ready);
    for _ in 0..20 {
        member.stop_talk(true);
        member.start_talk();
        member.send_talk(frame());
        assert_eq!((next(&events), next(&events)), (TalkEvent::Stopped, TalkEvent::Ready));
    }
    member.stop_talk(false);
    assert_eq!(next(&events), TalkEvent::Stopped);
    wait_until("the last end", || camera.talks().iter().all(|talk| talk.end == Some(TalkEnd::SwitchedOff)));
    assert_eq!(camera.talks().len(), 21);
}

#[test]
fn another_member_can_talk_when_the_talker_leaves() {
    let camera = eager();
    let (first, first_events) = join(&camera);
    let (second, second_events) = join(&camera);
    first.start_talk();
    assert_eq!(next(&first_events), TalkEvent::Ready);
    second.start_talk();
    assert_eq!(next(&second_events), TalkEvent::Failed(TalkError::Busy));
    drop(first);
    second.start_talk();
    assert_eq!(next(&second_events), TalkEvent::Ready);
}

#[test]
fn a_flush_drops_queued_frames_and_a_stop_waits_for_the_last_frame() {
    let camera = eager();
    let (member, events) = join(&camera);
    member.start_talk();
    assert_eq!(next(&events), TalkEvent::Ready);
    for _ in 0..100 {
        member.send_talk(frame());
    }
    member.flush_talk();
    let start = std::time::Instant::now();
    member.send_talk(TalkAudio { duration: Duration::from_millis(300), ..frame() });
    member.stop_talk(false);
    assert_eq!(next(&events), TalkEvent::Stopped);
    assert!((250..1000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert!(camera.talks()[0].frames < 20, "{}", camera.talks()[0].frames);
}
