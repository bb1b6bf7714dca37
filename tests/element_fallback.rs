//! A `wyzesrc` inside `fallbacksrc`, which shows a dummy picture while the camera is away.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use support::*;
use wyze_camera::{LiveAudio, LiveVideo, ServerOptions};

/// Width of the camera's picture.
const MAIN: i32 = 320;
/// Width of fallbacksrc's dummy picture.
const DUMMY: i32 = 64;

/// Longer than any test runs.
const NEVER: gst::ClockTime = gst::ClockTime::from_seconds(600);

/// A running `fallbacksrc`; the width of a picture tells whether it is the camera's or the dummy.
struct Fallback {
    pipeline: gst::Pipeline,
    src: gst::Element,
    /// The width of each picture that came.
    pictures: Receiver<i32>,
}

impl Fallback {
    /// `restart` is how long fallbacksrc waits before it restarts a source that has stopped.
    fn new(restart: gst::ClockTime, properties: &[(&str, &dyn ToValue)]) -> Self {
        init();
        gstfallbackswitch::plugin_register_static().unwrap();
        let src = gst::ElementFactory::make("fallbacksrc")
            .property("timeout", gst::ClockTime::from_mseconds(800))
            .property("restart-timeout", restart)
            .property("retry-timeout", NEVER)
            .property(
                "dummy-video-caps",
                gst::Caps::builder("video/x-raw").field("width", DUMMY).field("height", 64).build(),
            )
            .build()
            .unwrap();
        for (name, value) in properties {
            src.set_property_from_value(name, &value.to_value());
        }
        let pipeline = gst::Pipeline::new();
        pipeline.add(&src).unwrap();
        let (sender, pictures) = mpsc::channel();
        let weak = pipeline.downgrade();
        src.connect_pad_added(move |_, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            sink(&pipeline, pad);
            if pad.name().starts_with("video") {
                let sender = sender.clone();
                pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
                    let width = pad.current_caps().and_then(|caps| caps.structure(0)?.get("width").ok());
                    // Sending fails after the test has ended, which does no harm.
                    let _ = sender.send(width.unwrap_or(0));
                    gst::PadProbeReturn::Ok
                });
            }
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        Fallback { pipeline, src, pictures }
    }

    /// Waits for `count` consecutive pictures of this width.
    fn await_pictures(&self, width: i32, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut row = 0;
        while row < count {
            let left = deadline.saturating_duration_since(Instant::now());
            let seen = self.pictures.recv_timeout(left).unwrap_or_else(|_| {
                panic!(
                    "no {count} consecutive pictures of width {width}, {:?}",
                    self.src.property::<gst::Structure>("statistics")
                )
            });
            row = if seen == width { row + 1 } else { 0 };
        }
    }

    fn retries(&self) -> u64 {
        self.src.property::<gst::Structure>("statistics").get("num-retry").unwrap()
    }

    fn assert_no_error(&self) {
        let bus = self.pipeline.bus().unwrap();
        let error = bus.pop_filtered(&[gst::MessageType::Error]);
        assert!(error.is_none(), "{error:?}");
    }
}

impl Drop for Fallback {
    fn drop(&mut self) {
        // A failure to stop is ignored: other tests check stopping.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn camera() -> TestCamera {
    TestCamera::start(|_| {}, live(LiveVideo::H264, LiveAudio::Mulaw), ServerOptions::default(), Tolerance::Behaviour)
}

/// Asserts that the source recovers from three reboots by itself, without restarts by fallbacksrc.
fn assert_comes_back(fallback: &Fallback, camera: &TestCamera) {
    fallback.await_pictures(MAIN, 15);
    for _ in 0..3 {
        camera.reboot(Duration::from_secs(2));
        fallback.await_pictures(DUMMY, 15);
        fallback.await_pictures(MAIN, 15);
    }
    fallback.assert_no_error();
    assert_eq!(fallback.retries(), 0, "the source connects again by itself");
}

#[test]
fn the_dummy_replaces_a_lost_camera_until_it_returns() {
    let camera = camera();
    let uri = format!("{}&stall-timeout=500", uri(&camera));
    assert_comes_back(&Fallback::new(NEVER, &[("uri", &uri)]), &camera);
}

#[test]
fn the_source_survives_a_restart_by_fallbacksrc() {
    let camera = camera();
    let uri = format!("{}&stall-timeout=500", uri(&camera));
    let fallback = Fallback::new(gst::ClockTime::from_seconds(1), &[("uri", &uri)]);
    fallback.await_pictures(MAIN, 15);
    camera.reboot(Duration::from_secs(5));
    fallback.await_pictures(DUMMY, 15);
    fallback.await_pictures(MAIN, 15);
    fallback.assert_no_error();
    assert!(fallback.retries() > 0, "fallbacksrc did not restart the source");
}

#[test]
fn a_source_given_as_an_element_recovers_too() {
    let camera = camera();
    init();
    let source = gst::ElementFactory::make("wyzesrc").property("stall-timeout", 500u32).build().unwrap();
    aim(&source, &camera);
    assert_comes_back(&Fallback::new(NEVER, &[("source", &source)]), &camera);
}

#[test]
fn fallbacksrc_retries_until_the_camera_is_there() {
    let camera = camera();
    camera.reboot(Duration::from_secs(3));
    let uri = format!("{}&connect-timeout=1000&stall-timeout=500", uri(&camera));
    let fallback = Fallback::new(NEVER, &[("uri", &uri)]);
    fallback.await_pictures(DUMMY, 15);
    fallback.await_pictures(MAIN, 15);
    // The element does not retry its first connection; fallbacksrc does, after a second.
    let retries = fallback.retries();
    assert!((1..=3).contains(&retries), "{retries} retries in 3 s of absence");
    camera.reboot(Duration::from_secs(4));
    fallback.await_pictures(DUMMY, 15);
    fallback.await_pictures(MAIN, 15);
    assert_eq!(fallback.retries(), retries, "reconnecting by itself needs no retry");
    fallback.assert_no_error();
}
