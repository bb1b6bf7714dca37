//! A client of the RTSP server: GStreamer's `rtspsrc`, whose packets are counted.

use crate::Error;
use gst::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What has come of the picture, and what went wrong.
#[derive(Debug, Default, Clone)]
pub struct Received {
    pub packets: u64,
    pub last_at: Option<Instant>,
    pub trouble: Option<String>,
}

/// A playing client; dropping it stops it.
pub struct RtspClient {
    pipeline: gst::Pipeline,
    received: Arc<Mutex<Received>>,
    pub started: Instant,
}

impl RtspClient {
    /// Plays an address over `tcp` or `udp`.
    pub fn play(url: &str, transport: &str) -> Result<Self, Error> {
        let source = gst::ElementFactory::make("rtspsrc").property("location", url);
        // By itself it would leave UDP for TCP when a camera is away for 5 s.
        let source = source.property("timeout", 0_u64).property_from_str("protocols", transport).build()?;
        let pipeline = gst::Pipeline::new();
        pipeline.add(&source)?;
        let received = Arc::<Mutex<Received>>::default();
        let (weak, counted) = (pipeline.downgrade(), received.clone());
        source.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = weak.upgrade() {
                receive(&pipeline, pad, &counted);
            }
        });
        let told = received.clone();
        pipeline.bus().ok_or("a pipeline has no bus")?.set_sync_handler(move |_, message| {
            let trouble = match message.view() {
                gst::MessageView::Error(error) => Some(error.error().to_string()),
                gst::MessageView::Eos(_) => Some("the stream ended".to_owned()),
                _ => None,
            };
            if let Some(trouble) = trouble {
                told.lock().unwrap_or_else(PoisonError::into_inner).trouble.get_or_insert(trouble);
            }
            gst::BusSyncReply::Drop
        });
        // Why it fails is on the bus.
        let _ = pipeline.set_state(gst::State::Playing);
        Ok(RtspClient { pipeline, received, started: Instant::now() })
    }

    pub fn received(&self) -> Received {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for RtspClient {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn receive(pipeline: &gst::Pipeline, pad: &gst::Pad, received: &Arc<Mutex<Received>>) {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let is_picture = caps.structure(0).is_some_and(|caps| caps.get::<&str>("media") == Ok("video"));
    let sink = gst::ElementFactory::make("fakesink").property("sync", false).property("async", false);
    let sink = sink.build().expect("GStreamer has fakesink");
    let target = sink.static_pad("sink").expect("fakesink has a pad");
    if is_picture {
        let received = received.clone();
        let packets = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        target.add_probe(packets, move |_, info| {
            let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
            received.packets += info.buffer_list().map_or(1, |list| list.len() as u64);
            received.last_at = Some(Instant::now());
            gst::PadProbeReturn::Ok
        });
    }
    pipeline.add(&sink).expect("a new element");
    sink.sync_state_with_parent().expect("fakesink starts");
    pad.link(&target).expect("fakesink takes anything");
}
