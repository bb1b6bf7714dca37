//! Which thread pushes: the pad's own task at first, the session's where the pipeline is quick; and what becomes of the
//! session where the pipeline holds that up.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use gstwyze::protocol::client::Config;
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::medium::MediaSet;
use gstwyze::session::{Deliver, Event, Membership, Place, Use, Wants};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::*;
use wyze_camera::{CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID};

/// Whether the session's thread pushed a pad's last buffer.
fn watch_thread(pad: &gst::Pad) -> Arc<AtomicBool> {
    let is_direct = Arc::new(AtomicBool::new(false));
    let told = is_direct.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        told.store(std::thread::current().name() == Some("wyze-session"), Ordering::Release);
        gst::PadProbeReturn::Ok
    });
    is_direct
}

/// A player whose pads both are direct, and what tells so.
fn direct(camera: &CameraServer) -> (Player, [Arc<AtomicBool>; 2]) {
    let player = Player::new(camera, Link::Both);
    player.play();
    player.until("no-more-pads", |seen| matches!(seen, Seen::NoMorePads).then_some(()));
    player.buffers("video", 5);
    let are_direct = ["video", "audio"].map(|name| watch_thread(&player.src.static_pad(name).unwrap()));
    wait_until("the session's thread pushes", || are_direct.iter().all(|is_direct| is_direct.load(Ordering::Acquire)));
    (player, are_direct)
}

/// Blocks the video pad, and waits until a buffer is held up.
fn block(player: &Player) -> (gst::Pad, gst::PadProbeId) {
    let pad = player.src.static_pad("video").unwrap();
    let (sender, held_up) = mpsc::channel();
    let probe = pad.add_probe(gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER, move |_, _| {
        let _ = sender.send(());
        gst::PadProbeReturn::Ok
    });
    held_up.recv_timeout(PATIENCE).unwrap();
    (pad, probe.unwrap())
}

#[test]
fn a_quick_pipeline_is_fed_by_the_session_until_it_holds_it_up_and_nothing_is_lost() {
    let camera = TestCamera::new(synthetic());
    let (player, [video, _]) = direct(&camera);
    player.drain();
    let (pad, probe) = block(&player);
    let mut pictures = Vec::new();
    let mut sounds = 0;
    player.until("a second of audio", |seen| {
        pictures.extend(seen.buffer("video"));
        sounds += usize::from(seen.buffer("audio").is_some());
        (sounds == 25).then_some(())
    });
    pad.remove_probe(probe);
    pictures.extend(player.buffers("video", 40));
    assert!(!video.load(Ordering::Acquire), "its task pushes again");
    let times: Vec<_> = pictures.iter().map(|buffer| buffer.pts().unwrap()).collect();
    for pair in times.windows(2) {
        let step = pair[1].checked_sub(pair[0]).expect("times go up");
        assert!(step < gst::ClockTime::from_mseconds(90), "20 pictures a second, none lost: {times:?}");
    }
    assert_eq!((player.stat("video-queue-drops"), player.stat("reconnects")), (0, 0));
    // Quick for twice as long as before, it is trusted again.
    wait_until("the session's thread pushes again", || video.load(Ordering::Acquire));
}

#[test]
fn a_pipeline_that_holds_the_session_up_stops_at_once() {
    let camera = TestCamera::new(synthetic());
    let (player, _) = direct(&camera);
    let _blocked = block(&player);
    let start = Instant::now();
    player.stop();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    wait_until("the end of the session", || camera.stats().clients == 0);
}

#[test]
fn a_flush_and_the_end_of_the_stream_find_the_thread_that_pushes() {
    let camera = TestCamera::new(synthetic());
    let (player, are_direct) = direct(&camera);
    for _ in 0..20 {
        assert!(player.src.send_event(gst::event::FlushStart::new()));
        assert!(player.src.send_event(gst::event::FlushStop::new(true)));
        player.drain();
        let first = player.buffer("video");
        assert!(is_key(&first) && is_discont(&first), "{first:?}");
        player.buffers("audio", 2);
    }
    wait_until("the session's thread pushes", || are_direct.iter().all(|is_direct| is_direct.load(Ordering::Acquire)));
    let all = player.end();
    let ends = |pad: &str| {
        all.iter()
            .any(|seen| matches!(seen, Seen::Event(on, event) if on == pad && event.type_() == gst::EventType::Eos))
    };
    assert!(ends("video") && ends("audio"), "{all:?}");
}

type Shared = Arc<Mutex<Option<Membership>>>;

/// Holds its session up once, until the sender is dropped. Then it leaves, and tells on which thread.
struct HeldUp {
    hold: Mutex<Option<(Receiver<()>, Shared)>>,
    left: Sender<Option<String>>,
}

impl Deliver for HeldUp {
    fn is_due(&self) -> bool {
        self.hold.lock().unwrap().is_some()
    }

    fn deliver(&self) {
        let Some((released, member)) = self.hold.lock().unwrap().take() else { return };
        let _ = released.recv();
        // The other thread, which goes on, lets it leave.
        drop(member.lock().unwrap().take());
        self.left.send(std::thread::current().name().map(str::to_owned)).unwrap();
    }
}

#[test]
fn a_member_that_holds_its_session_up_does_not_stop_others_and_may_leave_meanwhile() {
    let camera = TestCamera::new(synthetic());
    let join = |frames: Arc<AtomicUsize>| {
        let credentials = Credentials::new(DEMO_UID, DEMO_ENR, DEMO_MAC).unwrap();
        let config = Config { connect_timeout: PATIENCE, ..Config::default() };
        let host = Some("127.0.0.1".into());
        let place = Place { host, port: camera.addr().port(), known: None, interface: None };
        let wants = Wants { media: MediaSet::BOTH, ..Wants::default() };
        let observer = move |event| {
            frames.fetch_add(usize::from(matches!(event, Event::Frame(_))), Ordering::AcqRel);
            Use::Used
        };
        Membership::join(credentials.into(), config, place, wants, Some(0), None, observer).unwrap().0
    };
    let (of_first, of_second) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let first = Arc::new(Mutex::new(Some(join(of_first.clone()))));
    let second = join(of_second.clone());
    let (release, released) = mpsc::channel();
    let (sender, left) = mpsc::channel();
    let held_up = HeldUp { hold: Mutex::new(Some((released, first.clone()))), left: sender };
    first.lock().unwrap().as_ref().unwrap().deliver_by(Arc::new(held_up));
    wait_until("a first frame", || of_first.load(Ordering::Acquire) > 0);
    let before = of_second.load(Ordering::Acquire);
    wait_until("a second of frames", || of_second.load(Ordering::Acquire) > before + 45);
    assert!(left.try_recv().is_err(), "it is held up still");
    drop(release);
    assert_eq!(left.recv_timeout(PATIENCE).unwrap().as_deref(), Some("wyze-session"));
    let after = of_first.load(Ordering::Acquire);
    let before = of_second.load(Ordering::Acquire);
    wait_until("more frames", || of_second.load(Ordering::Acquire) > before + 10);
    assert_eq!(of_first.load(Ordering::Acquire), after);
    drop(second);
    wait_until("the end of the session", || camera.stats().clients == 0);
}
