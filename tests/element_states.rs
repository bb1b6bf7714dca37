//! Starting, pausing, flushing, ending and stopping the source at any moment.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use support::*;
use wyze_camera::{LinkConfig, MediaSource, ServerOptions, SyntheticConfig};

/// How long stopping may take: 200 ms, and more on a busy machine.
const PROMPTLY: Duration = Duration::from_secs(1);
const STAGES: [&str; 6] = [
    "Looking for the camera",
    "Opening a session",
    "Securing the connection",
    "Logging in",
    "Authenticating",
    "Connected",
];
const CUT: LinkConfig = LinkConfig {
    loss: 1.0,
    reorder: 0.0,
    reorder_delay: Duration::ZERO,
    duplicate: 0.0,
    corrupt: 0.0,
    latency: Duration::ZERO,
};

fn await_sent(camera: &TestCamera, frames: u64) {
    let until = camera.stats().video_frames + frames;
    wait_until("the camera's frames", || camera.stats().video_frames >= until);
}

fn buffers_in(seen: &[Seen], pad: &str) -> Vec<gst::Buffer> {
    seen.iter().filter_map(|seen| seen.buffer(pad)).collect()
}

#[test]
fn eos_comes_at_once_and_after_all_buffers() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.buffers("video", 5);
    player.buffers("audio", 5);
    player.drain();
    let asked = Instant::now();
    let seen = player.end();
    assert!(asked.elapsed() < PROMPTLY, "{:?}", asked.elapsed());
    for name in ["video", "audio"] {
        let last = seen.iter().rev().find_map(|seen| match seen {
            Seen::Buffer(pad, _) if pad == name => Some("a buffer"),
            Seen::Event(pad, event) if pad == name => {
                Some(if event.type_() == gst::EventType::Eos { "EOS" } else { "an event" })
            }
            _ => None,
        });
        assert_eq!(last, Some("EOS"), "on {name}");
    }
    let frames = player.stat("video-frames");
    assert!(frames >= 5, "statistics outlive the stream");
    wait_until("the camera's goodbye", || camera.stats().clients == 0);
}

#[test]
fn eos_before_any_pad_is_an_error() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    assert!(player.pipeline.send_event(gst::event::Eos::new()));
    let (error, _) = player.error();
    assert!(error.matches(gst::ResourceError::Read), "{error}");
}

#[test]
fn a_source_that_does_not_run_refuses_eos() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    assert!(!player.src.send_event(gst::event::Eos::new()));
}

#[test]
fn a_flush_starts_over_at_a_key_frame() {
    let camera = TestCamera::new(MediaSource::Synthetic(SyntheticConfig { fps: 60, gop: 15, ..small() }));
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.buffers("video", 5);
    player.buffers("audio", 2);
    for round in 0..10 {
        assert!(player.src.send_event(gst::event::FlushStart::new()));
        let stopped = player.drain();
        let starts = |seen: &[Seen]| {
            seen.iter().filter(|s| matches!(s, Seen::Event(_, e) if e.type_() == gst::EventType::FlushStart)).count()
        };
        assert_eq!(starts(&stopped), 2, "round {round}");
        await_sent(&camera, 3);
        let between = player.drain();
        assert!(buffers_in(&between, "video").is_empty() && buffers_in(&between, "audio").is_empty());
        assert!(player.src.send_event(gst::event::FlushStop::new(true)));
        for name in ["video", "audio"] {
            // What comes on the other pad meanwhile is skipped; later buffers follow.
            let mut segment = false;
            let first = player.until("a buffer after the flush", |seen| {
                if let Seen::Event(pad, event) = seen
                    && pad == name
                {
                    segment |= event.type_() == gst::EventType::Segment;
                }
                seen.buffer(name)
            });
            if name == "video" {
                assert!(segment, "a segment came first");
                assert!(is_key(&first) && is_discont(&first), "{first:?}");
            }
        }
        player.buffers("video", 3);
        player.buffers("audio", 2);
    }
}

#[test]
fn a_pad_goes_on_while_the_other_is_still_flushing() {
    let camera = TestCamera::new(MediaSource::Synthetic(SyntheticConfig { gop: 5, ..small() }));
    // The audio sink holds a buffer so long that it still has it when the flush comes.
    let player = Player::launch(&format!(
        "wyzesrc name=camera {} camera.video ! fakesink sync=false async=false \
         camera.audio ! fakesink sync=true async=false ts-offset=30000000000",
        settings(&camera)
    ));
    player.play();
    player.buffer("audio");
    player.buffers("video", 5);
    let (go_on, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    player.src.static_pad("audio").unwrap().add_probe(gst::PadProbeType::EVENT_FLUSH, move |_, info| {
        if matches!(&info.data, Some(gst::PadProbeData::Event(e)) if e.type_() == gst::EventType::FlushStop) {
            held.lock().unwrap().recv_timeout(PATIENCE).expect("video did not go on");
        }
        gst::PadProbeReturn::Ok
    });
    assert!(player.src.send_event(gst::event::FlushStart::new()));
    player.drain();
    let src = player.src.clone();
    let flush = std::thread::spawn(move || src.send_event(gst::event::FlushStop::new(true)));
    player.buffers("video", 20);
    go_on.send(()).unwrap();
    assert!(flush.join().unwrap());
    player.buffer("audio");
    player.buffers("video", 5);
}

#[test]
fn nothing_is_pushed_in_paused_and_playing_resumes_at_a_key_frame() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    assert_eq!(player.pipeline.set_state(gst::State::Paused), Ok(gst::StateChangeSuccess::NoPreroll));
    player.progress("Connected");
    await_sent(&camera, 10);
    assert!(!player.drain().iter().any(|seen| matches!(seen, Seen::PadAdded { .. } | Seen::Buffer(..))));
    player.play();
    player.buffers("video", 5);
    for _ in 0..2 {
        assert_eq!(player.pipeline.set_state(gst::State::Paused), Ok(gst::StateChangeSuccess::NoPreroll));
        await_sent(&camera, 10);
        player.drain();
        await_sent(&camera, 10);
        let seen = player.drain();
        for name in ["video", "audio"] {
            assert_eq!(buffers_in(&seen, name).len(), 0, "{name} in PAUSED");
        }
        player.play();
        let mut firsts: [Option<gst::Buffer>; 2] = [None, None];
        player.until("both pads again", |seen| {
            for (first, name) in firsts.iter_mut().zip(["video", "audio"]) {
                *first = first.take().or_else(|| seen.buffer(name));
            }
            firsts.iter().all(Option::is_some).then_some(())
        });
        for first in firsts.into_iter().flatten() {
            assert!(is_key(&first) && is_discont(&first), "{first:?}");
        }
        player.buffers("video", 5);
    }
}

#[test]
fn a_search_without_an_answer_stops_promptly() {
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = u32::from(deaf.local_addr().unwrap().port());
    for host in ["127.0.0.1", "camera.invalid"] {
        let player = Player::bare(Link::Both);
        for (name, value) in
            [("uid", wyze_camera::DEMO_UID), ("enr", wyze_camera::DEMO_ENR), ("mac", wyze_camera::DEMO_MAC)]
        {
            player.src.set_property(name, value);
        }
        player.src.set_property("host", host);
        player.src.set_property("port", port);
        player.play();
        if host != "camera.invalid" {
            player.progress("Looking for the camera");
        }
        let asked = Instant::now();
        player.stop();
        assert!(asked.elapsed() < PROMPTLY, "{host}: {:?}", asked.elapsed());
    }
}

#[test]
fn a_source_stops_promptly_at_every_stage() {
    for stage in STAGES {
        let camera = Arc::new(TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Behaviour));
        let player = Player::new(&camera, Link::Both);
        let reached = Arc::new(Mutex::new(false));
        player.on_progress(stage, {
            let (camera, reached) = (Arc::downgrade(&camera), reached.clone());
            move || {
                camera.upgrade().iter().for_each(|camera| camera.set_links(CUT, CUT));
                *reached.lock().unwrap() = true;
            }
        });
        player.play();
        wait_until(stage, || *reached.lock().unwrap());
        let asked = Instant::now();
        player.stop();
        assert!(asked.elapsed() < PROMPTLY, "{stage}: {:?}", asked.elapsed());
    }
}

#[test]
fn a_source_stops_promptly_while_a_sink_holds_a_buffer() {
    let camera = TestCamera::new(synthetic());
    let player = Player::launch(&format!(
        "wyzesrc name=camera {} camera.video ! queue max-size-buffers=1 ! fakesink sync=true ts-offset=3000000000 \
         camera.audio ! fakesink sync=true ts-offset=3000000000",
        settings(&camera)
    ));
    player.play();
    player.buffers("video", 2);
    let asked = Instant::now();
    player.stop();
    assert!(asked.elapsed() < PROMPTLY, "{:?}", asked.elapsed());
}

#[test]
fn a_stopped_source_plays_again_with_another_camera() {
    let first = TestCamera::new(synthetic());
    let second = TestCamera::new(synthetic());
    let player = Player::new(&first, Link::Both);
    for camera in [&first, &second, &first] {
        aim(&player.src, camera);
        player.play();
        player.buffers("video", 3);
        assert_eq!(player.src.pads().len(), 2);
        player.pipeline.set_state(gst::State::Ready).unwrap();
        assert!(player.src.pads().is_empty());
        player.remove_sinks();
        player.drain();
    }
}

/// A live stream has one time only. Seeks are refused as udpsrc does.
#[test]
fn seeks_are_refused() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.buffers("video", 2);
    let seek = || {
        let start = gst::ClockTime::ZERO;
        gst::event::Seek::new(1.0, gst::SeekFlags::FLUSH, gst::SeekType::Set, start, gst::SeekType::None, start)
    };
    let pad = player.src.static_pad("video").unwrap();
    assert!(!player.src.send_event(seek()));
    assert!(!pad.send_event(seek()));
    assert!(!player.pipeline.send_event(seek()));
    let mut query = gst::query::Seeking::new(gst::Format::Time);
    assert!(pad.query(&mut query));
    assert!(!query.result().0);
    player.buffers("video", 2);
}
