//! The members of a session, without elements: their talk, and a panic among them.

#[path = "support/element.rs"]
mod support;
#[path = "support/talk.rs"]
mod talk;

use gstwyze::protocol::client::Config;
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::error::Error;
use gstwyze::protocol::talk::{TalkAudio, TalkError, TalkEvent};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::session::{Event, Membership, Place, Use, Wants};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use support::*;
use talk::*;
use wyze_camera::{CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, TalkEnd};

fn join_with(camera: &CameraServer, mut observe: impl FnMut(Event) + Send + 'static) -> Membership {
    let observer = move |event| {
        observe(event);
        Use::Used
    };
    let credentials = Credentials::new(DEMO_UID, DEMO_ENR, DEMO_MAC).unwrap();
    let config = Config { connect_timeout: PATIENCE, ..Config::default() };
    let host = Some("127.0.0.1".into());
    let place = Place { host, port: camera.addr().port(), known: None, interface: None };
    let (membership, conflicts) =
        Membership::join(credentials.into(), config, place, Wants::default(), Some(0), None, observer).unwrap();
    assert!(conflicts.is_empty());
    membership
}

fn join(camera: &CameraServer) -> (Membership, Receiver<TalkEvent>) {
    let (connected, when_connected) = mpsc::channel();
    let (sender, events) = mpsc::channel();
    // Sending fails after the test has ended, which does no harm.
    let membership = join_with(camera, move |event| match event {
        Event::Connected(_) => drop(connected.send(())),
        Event::Talk(TalkEvent::Sent(_)) => {}
        Event::Talk(event) => drop(sender.send(event)),
        _ => {}
    });
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

/// Joins a session, as a member that records all events, or panics at one of them. The receiver is disconnected once
/// the observer is dropped.
fn join_recording(camera: &CameraServer, panics_at: fn(&Event) -> bool) -> (Membership, Receiver<Event>) {
    let (sender, events) = mpsc::channel();
    let membership = join_with(camera, move |event| {
        assert!(!panics_at(&event), "meant to happen: a member's observer panics");
        // Sending fails after the test has ended, which does no harm.
        drop(sender.send(event));
    });
    (membership, events)
}

/// The last event that the observer saw before it was dropped.
fn last(events: &Receiver<Event>) -> Option<Event> {
    let mut last = None;
    loop {
        match events.recv_timeout(PATIENCE) {
            Ok(event) => last = Some(event),
            Err(RecvTimeoutError::Disconnected) => return last,
            Err(RecvTimeoutError::Timeout) => panic!("the observer was not dropped"),
        }
    }
}

fn is_panic(event: Option<Event>) -> bool {
    matches!(event, Some(Event::Ended(Error::Broken { reason, .. })) if reason.contains("panicked"))
}

#[test]
fn a_panic_on_the_session_thread_ends_the_session_and_leaves_nobody_waiting() {
    let camera = eager();
    let (bystander, seen) = join_recording(&camera, |_| false);
    wait_until("the connection", || seen.try_iter().any(|event| matches!(event, Event::Connected(_))));
    let (culprit, culprit_seen) = join_recording(&camera, |event| matches!(event, Event::Talk(_)));
    culprit.start_talk();
    assert!(is_panic(last(&seen)));
    // The one that panicked may be told, too.
    assert!(is_panic(last(&culprit_seen)));
    // Leaving a session that has ended does not wait for it.
    drop(bystander);
    let (member, events) = join(&camera);
    member.start_talk();
    assert_eq!(next(&events), TalkEvent::Ready);
    drop(culprit);
    // The old session's last member has gone, and the new one goes on.
    member.stop_talk(true);
    assert_eq!(next(&events), TalkEvent::Stopped);
}

#[test]
fn those_who_join_or_leave_while_the_session_thread_panics_do_not_wait_for_ever() {
    let camera = eager();
    let (first, first_seen) = join_recording(&camera, |_| false);
    wait_until("the connection", || first_seen.try_iter().any(|event| matches!(event, Event::Connected(_))));
    // The thread is held in an observer until the requests of the others wait for it.
    let (release, held) = mpsc::channel::<()>();
    let (entered, is_held) = mpsc::channel();
    let culprit = join_with(&camera, move |_| {
        entered.send(()).unwrap();
        let _ = held.recv();
        panic!("meant to happen: a member's observer panics while others join and leave");
    });
    is_held.recv_timeout(PATIENCE).unwrap();
    let (late, late_seen) = join_recording(&camera, |_| false);
    let (also_late, also_late_seen) = join_recording(&camera, |event| matches!(event, Event::Stage(_)));
    let leaving = std::thread::spawn(move || drop(first));
    drop(release);
    leaving.join().unwrap();
    assert!(is_panic(last(&late_seen)));
    assert!(is_panic(last(&also_late_seen)));
    drop((late, also_late, culprit));
    drop(join(&camera));
}
