//! A camera's pipeline: `wyzesrc`, and a sink for each of its pads that hands over the frames as they are.

use super::item::{Frame, Item};
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};
use gst_video::UpstreamForceKeyUnitEvent;
use gstwyze::protocol::medium::Medium;
use std::sync::mpsc::Sender;

pub struct Capture {
    pipeline: gst::Pipeline,
    source: gst::Element,
}

impl Capture {
    /// Starts to wait for the camera that the URI names. All that comes goes to `items`.
    pub fn start(uri: &str, items: &Sender<Item>) -> Result<Self, String> {
        // It waits for a camera that is away, however long that is.
        let source = gst::ElementFactory::make("wyzesrc")
            .property("uri", uri)
            .property("connect-timeout", 0u32)
            .build()
            .map_err(|e| e.to_string())?;
        let pipeline = gst::Pipeline::new();
        pipeline.add(&source).map_err(|e| e.to_string())?;
        let (weak, sender) = (pipeline.downgrade(), items.clone());
        source.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = weak.upgrade()
                && let Err(error) = take(&pipeline, pad, &sender)
            {
                gst::element_error!(pipeline, gst::CoreError::Failed, ("{error}"));
            }
        });
        let sender = items.clone();
        source.connect_no_more_pads(move |_| {
            // The recorder is gone only after the pipeline.
            let _ = sender.send(Item::NoMorePads);
        });
        if let Some(bus) = pipeline.bus() {
            let sender = items.clone();
            bus.set_sync_handler(move |_, message| {
                let _ = sender.send(Item::Message(message.clone()));
                gst::BusSyncReply::Drop
            });
        }
        pipeline.set_state(gst::State::Playing).map_err(|e| e.to_string())?;
        Ok(Capture { pipeline, source })
    }

    /// Returns the running time of a frame that would be captured now.
    pub fn now(&self) -> Option<gst::ClockTime> {
        self.pipeline.current_running_time()
    }

    /// Asks the camera for a key frame, within the limits of `wyzesrc`.
    pub fn ask_for_key_frame(&self) {
        let event = UpstreamForceKeyUnitEvent::builder().all_headers(true).build();
        self.source.send_event(event);
    }

    /// Returns a counter of `wyzesrc`.
    pub fn count(&self, field: &str) -> u64 {
        self.source.property::<gst::Structure>("stats").get(field).unwrap_or_default()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Going to NULL does not fail.
        let _ = self.pipeline.set_state(gst::State::Null);
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
    }
}

fn take(pipeline: &gst::Pipeline, pad: &gst::Pad, items: &Sender<Item>) -> Result<(), String> {
    let medium = if pad.name() == "video" { Medium::Video } else { Medium::Audio };
    let sink = AppSink::builder().sync(false).async_(false).build();
    let sender = items.clone();
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if let Some(frame) = Frame::of(medium, &sample) {
            let _ = sender.send(Item::Captured(frame));
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
    pipeline.add(&sink).map_err(|e| e.to_string())?;
    sink.sync_state_with_parent().map_err(|e| e.to_string())?;
    let target = sink.static_pad("sink").ok_or("appsink has no pad")?;
    pad.link(&target).map_err(|e| e.to_string())?;
    let _ = items.send(Item::Pad(medium));
    Ok(())
}
