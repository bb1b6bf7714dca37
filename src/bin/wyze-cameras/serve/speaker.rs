//! The way back: what a client says goes to the camera, by a pipeline of its own, so that a camera that cannot be talked
//! to costs no client its picture.

use gst::prelude::*;
use gst_app::{AppLeakyType, AppSink, AppSinkCallbacks, AppSrc};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so long without sound, the camera is told that nobody talks any more.
const SILENCE: Duration = Duration::from_secs(2);

/// Where clients talk.
pub trait Floor: Send + Sync + 'static {
    /// A client of this outlet says something. Who talks first has the floor until there is a pause.
    fn client_says(self: &Arc<Self>, outlet: u64, sound: gst::Buffer);

    /// The speaker's pipeline has failed.
    fn cannot_talk(self: &Arc<Self>, why: &str);
}

/// Somebody who talks; dropping it ends that. It waits for threads, so do so without locks.
#[derive(Debug)]
pub struct Speaker {
    /// The number of the outlet whose client talks.
    pub outlet: u64,
    pipeline: gst::Pipeline,
    source: AppSrc,
    heard_at: Instant,
}

impl Speaker {
    /// Opens the way to the camera that the store knows by `camera`. A failure is told to `floor`.
    pub fn start(camera: &str, outlet: u64, floor: &Arc<impl Floor>) -> Result<Self, String> {
        let caps = gst::Caps::builder("audio/x-mulaw").field("rate", 8000).field("channels", 1).build();
        let source = AppSrc::builder()
            .caps(&caps)
            .format(gst::Format::Time)
            .is_live(true)
            .do_timestamp(true)
            .max_time(gst::ClockTime::from_seconds(1))
            .leaky_type(AppLeakyType::Downstream)
            .build();
        let make = |name| gst::ElementFactory::make(name).build().map_err(|e| e.to_string());
        let (decoder, sink) = (make("mulawdec")?, make("wyzesink")?);
        sink.set_property("camera", camera);
        let pipeline = gst::Pipeline::new();
        let elements = [source.upcast_ref(), &decoder, &sink];
        pipeline.add_many(elements).map_err(|e| e.to_string())?;
        gst::Element::link_many(elements).map_err(|e| e.to_string())?;
        let (weak, bus) = (Arc::downgrade(floor), pipeline.bus().ok_or("a pipeline has no bus")?);
        bus.set_sync_handler(move |_, message| {
            if let (Some(floor), gst::MessageView::Error(error)) = (weak.upgrade(), message.view()) {
                floor.cannot_talk(&error.error().to_string());
            }
            gst::BusSyncReply::Drop
        });
        let speaker = Speaker { outlet, pipeline, source, heard_at: Instant::now() };
        speaker.pipeline.set_state(gst::State::Playing).map_err(|e| e.to_string())?;
        Ok(speaker)
    }

    pub fn say(&mut self, mut sound: gst::Buffer) {
        let stamped = sound.make_mut();
        // It is played as it comes.
        stamped.set_pts(gst::ClockTime::NONE);
        stamped.set_dts(gst::ClockTime::NONE);
        self.heard_at = Instant::now();
        // It refuses only while it ends.
        let _ = self.source.push_buffer(sound);
    }

    pub fn is_silent(&self) -> bool {
        self.heard_at.elapsed() >= SILENCE
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // A pipeline that does not stop cannot be helped.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Makes the bin that gst-rtsp-server looks for as a client's way back, by the names of bin, element and pad.
pub fn back_channel(floor: &Arc<impl Floor>, outlet: u64) -> Result<gst::Bin, String> {
    let caps = gst::Caps::builder("application/x-rtp").field("media", "audio").field("payload", 0);
    let caps = caps.field("clock-rate", 8000).field("encoding-name", "PCMU").build();
    let filter = gst::ElementFactory::make("capsfilter").name("depay_backchannel").property("caps", caps);
    let filter = filter.build().map_err(|e| e.to_string())?;
    let depayloader = gst::ElementFactory::make("rtppcmudepay").build().map_err(|e| e.to_string())?;
    let sink = AppSink::builder().sync(false).async_(false).enable_last_sample(false).build();
    let weak = Arc::downgrade(floor);
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if let Some((floor, sound)) = weak.upgrade().zip(sample.buffer_owned()) {
            floor.client_says(outlet, sound);
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
    let bin = gst::Bin::with_name("onvif-backchannel");
    let elements = [&filter, &depayloader, sink.upcast_ref()];
    bin.add_many(elements).map_err(|e| e.to_string())?;
    gst::Element::link_many(elements).map_err(|e| e.to_string())?;
    let inner = filter.static_pad("sink").ok_or("a capsfilter has no sink")?;
    let pad = gst::GhostPad::builder_with_target(&inner).map_err(|e| e.to_string())?.name("sink").build();
    bin.add_pad(&pad).map_err(|e| e.to_string())?;
    Ok(bin)
}
