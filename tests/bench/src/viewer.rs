//! Pipelines that watch a camera.

use crate::Error;
use gst::prelude::*;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A pipeline that takes a camera's picture and sound and does nothing with them; dropping it ends it.
pub struct Viewer {
    pub pipeline: gst::Pipeline,
    pub source: gst::Element,
    /// The time from PLAYING to the first picture.
    pub first_buffer: Duration,
}

impl Viewer {
    /// Starts a pipeline and waits for its first video buffer.
    pub fn start(uri: &str) -> Result<Self, Error> {
        let description = "wyzesrc name=source source.video ! fakesink name=video sync=false \
                           source.audio ! fakesink sync=false";
        let pipeline = gst::parse::launch(description)?.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline")?;
        let source = pipeline.by_name("source").ok_or("no source")?;
        source.set_property("uri", uri);
        let first_buffer = first_buffer(&pipeline, "video")?;
        Ok(Viewer { pipeline, source, first_buffer })
    }

    /// How many datagrams have come.
    pub fn packets(&self) -> u64 {
        self.counter("packets")
    }

    /// A counter of the element's `stats`.
    pub fn counter(&self, name: &str) -> u64 {
        self.source.property::<gst::Structure>("stats").get(name).unwrap_or(0)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Starts a pipeline, and returns how long it took until the first buffer came to the element of this name.
pub fn first_buffer(pipeline: &gst::Pipeline, sink: &str) -> Result<Duration, Error> {
    let pad = pipeline.by_name(sink).and_then(|sink| sink.static_pad("sink")).ok_or("no sink pad")?;
    let (sender, receiver) = mpsc::channel();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        // Sending fails only if the buffer came too late and nobody waits for it any more.
        let _ = sender.send(Instant::now());
        gst::PadProbeReturn::Remove
    });
    let start = Instant::now();
    pipeline.set_state(gst::State::Playing)?;
    Ok(receiver.recv_timeout(Duration::from_secs(20))? - start)
}
