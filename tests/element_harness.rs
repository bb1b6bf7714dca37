//! One pad of `wyzesrc` in GStreamer's own test harness.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use std::sync::mpsc;
use support::*;

/// Puts the element into a harness and links its pad of this name. The clock is the system's, and the base time is
/// zero.
fn harness(camera: &TestCamera, pad: &'static str) -> gst_check::Harness {
    let src = gst::ElementFactory::make("wyzesrc").build().unwrap();
    aim(&src, camera);
    let (sender, added) = mpsc::channel();
    src.connect_pad_added(move |_, added| {
        if added.name() == pad {
            // Sending fails only after the test has ended.
            let _ = sender.send(added.clone());
        }
    });
    let mut harness = gst_check::Harness::with_element(&src, None, None);
    harness.use_systemclock();
    harness.play();
    harness.add_element_src_pad(&added.recv_timeout(PATIENCE).unwrap());
    harness
}

#[test]
fn a_harness_gets_key_frame_caps_and_growing_time_stamps() {
    for (pad, name) in [("video", "video/x-h264"), ("audio", "audio/x-mulaw")] {
        let camera = TestCamera::new(synthetic());
        let mut harness = harness(&camera, pad);
        let first = harness.pull().unwrap();
        assert!(!first.flags().contains(gst::BufferFlags::DELTA_UNIT), "{pad}");
        let caps = harness.sinkpad().unwrap().current_caps().unwrap();
        assert_eq!(caps.structure(0).unwrap().name(), name);
        let mut last = first.pts().unwrap();
        for _ in 0..20 {
            let pts = harness.pull().unwrap().pts().unwrap();
            assert!(pts > last, "{pad}");
            last = pts;
        }
        let clock = gst::SystemClock::obtain().time();
        // A frame that travelled faster than those before it has a PTS that is as much after its arrival.
        let ahead = last.saturating_sub(clock);
        assert!(ahead < gst::ClockTime::from_mseconds(50), "{pad}: {last} at {clock}");
        assert!(clock.saturating_sub(last) < gst::ClockTime::SECOND, "{pad}: {last} at {clock}");
    }
}

#[test]
fn a_harness_gets_stream_start_caps_and_segment_in_order() {
    let camera = TestCamera::new(synthetic());
    let mut harness = harness(&camera, "audio");
    let types: Vec<_> = (0..3).map(|_| harness.pull_event().unwrap().type_()).collect();
    assert_eq!(types, [gst::EventType::StreamStart, gst::EventType::Caps, gst::EventType::Segment]);
}

#[test]
fn a_harness_gets_the_default_latency() {
    let camera = TestCamera::new(synthetic());
    let mut harness = harness(&camera, "video");
    harness.pull().unwrap();
    assert_eq!(harness.query_latency(), Some(gst::ClockTime::from_mseconds(200)));
}
