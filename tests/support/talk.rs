//! Shared by the talk tests: a pipeline with a `wyzesink` named `talk`, its messages and its stats.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::support::*;
use gst::glib;
use gst::prelude::*;
use gstwyze::protocol::wire::codec::CodecId;
use std::time::{Duration, Instant};
use wyze_camera::{CameraServer, MediaSource, SyntheticConfig, Talk};

/// Synthetic media with audio in this codec and rate (Hz); the codec of the camera's audio is also that of talk.
pub fn speaking(codec: CodecId, rate: u32) -> MediaSource {
    MediaSource::Synthetic(SyntheticConfig { audio: Some(codec), audio_rate: rate, ..small() })
}

/// A µ-law camera that opens the back channel 5 ms after the request to talk.
pub fn eager() -> TestCamera {
    TestCamera::with_config(|config| config.talk_delay = Duration::from_millis(5), speaking(CodecId::MULAW, 8000))
}

/// Returns all talks once they have ended. The camera has been told of that by EOS, but its thread may not have had its
/// turn.
#[track_caller]
pub fn ended_talks(camera: &CameraServer) -> Vec<Talk> {
    let mut talks = Vec::new();
    wait_until("the end of the talks", || {
        talks = camera.talks();
        talks.iter().all(|talk| talk.end.is_some())
    });
    talks
}

/// A pipeline with a `wyzesink`; dropping it stops it.
pub struct Speaker {
    pub pipeline: gst::Pipeline,
    pub sink: gst::Element,
    pub bus: gst::Bus,
}

impl Speaker {
    /// Builds `line ! wyzesink`, aimed at this camera.
    pub fn new(camera: &CameraServer, line: &str) -> Self {
        Self::launch(&format!("{line} ! wyzesink name=talk {}", settings(camera)))
    }

    pub fn launch(line: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
        let (sink, bus) = (pipeline.by_name("talk").unwrap(), pipeline.bus().unwrap());
        Speaker { pipeline, sink, bus }
    }

    pub fn set(&self, state: gst::State) {
        self.pipeline.set_state(state).unwrap();
    }

    pub fn play(&self) {
        self.set(gst::State::Playing);
    }

    /// Plays until EOS; an error fails the test.
    pub fn play_out(&self) {
        self.play();
        self.end();
    }

    pub fn end(&self) {
        let (error, _) = self.outcome();
        assert!(error.is_none(), "{error:?}");
    }

    /// Waits for EOS or the sink's error, and returns that error and all messages so far. Errors of other elements are
    /// passed over: they follow from the sink's.
    pub fn outcome(&self) -> (Option<glib::Error>, Vec<gst::Message>) {
        let deadline = Instant::now() + PATIENCE;
        let mut messages = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message =
                self.bus.timed_pop(gst::ClockTime::try_from(left).unwrap()).expect("neither EOS nor an error");
            messages.push(message.clone());
            match message.view() {
                gst::MessageView::Eos(_) => return (None, messages),
                gst::MessageView::Error(e) if e.src() == Some(self.sink.upcast_ref()) => {
                    return (Some(e.error()), messages);
                }
                _ => {}
            }
        }
    }

    pub fn error(&self) -> glib::Error {
        self.outcome().0.expect("an error")
    }

    pub fn state(&self) -> String {
        self.stats().get("state").unwrap()
    }

    pub fn await_state(&self, state: &str) {
        wait_until(state, || self.state() == state);
    }

    pub fn stat(&self, field: &str) -> u64 {
        self.stats().get(field).unwrap()
    }

    pub fn stats(&self) -> gst::Structure {
        self.sink.property("stats")
    }

    pub fn app_src(&self) -> gst::Element {
        self.pipeline.by_name("in").unwrap()
    }

    /// Hands a buffer to the `appsrc` named `in`.
    pub fn push(&self, data: Vec<u8>, at: Option<Duration>) {
        let mut buffer = gst::Buffer::from_mut_slice(data);
        buffer.get_mut().unwrap().set_pts(at.map(|at| gst::ClockTime::try_from(at).unwrap()));
        self.app_src().emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]).into_result().unwrap();
    }

    pub fn push_end(&self) {
        self.app_src().emit_by_name::<gst::FlowReturn>("end-of-stream", &[]).into_result().unwrap();
    }

    pub fn stop(&self) {
        let start = Instant::now();
        self.set(gst::State::Null);
        assert!(start.elapsed() < Duration::from_secs(1), "stopping took {:?}", start.elapsed());
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // A failure to stop is ignored: other tests check stopping.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

pub const MULAW_IN: &str = "appsrc name=in format=time caps=audio/x-mulaw,rate=8000,channels=1";

/// As many bytes of µ-law noise, the same ones every time, in which no stretch repeats.
pub fn mulaw(bytes: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..bytes).map(next).collect()
}

/// Returns the share of the samples' power that lies at `frequency` (Hz), from 0 to 1, by Goertzel's algorithm.
pub fn share_of(frequency: f64, rate: u32, samples: &[i16]) -> f64 {
    let coefficient = 2.0 * (std::f64::consts::TAU * frequency / f64::from(rate)).cos();
    let (mut s1, mut s2, mut total) = (0.0, 0.0, 0.0);
    for &sample in samples {
        let sample = f64::from(sample);
        (s1, s2) = (sample + coefficient * s1 - s2, s1);
        total += sample * sample;
    }
    let power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
    2.0 * power / (total * samples.len() as f64).max(1.0)
}
