//! The pipeline that has a camera's `wyzesrc`, with a chain of elements for each medium that comes.

use super::track::{Format, Medium, Route, route};
use gst::glib;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Who takes what comes of a feed.
pub trait Audience: Send + Sync + 'static {
    /// The feed has a pad for this medium.
    fn medium_came(&self, medium: Medium);

    /// The feed waits for no other medium.
    fn all_media_came(&self);

    /// The camera has sent this.
    fn sample(&self, medium: Medium, format: Format, caps: &gst::CapsRef, sample: gst::Sample);

    /// A medium has a codec that cannot be served.
    fn cannot_serve(&self, medium: Medium, why: &str);

    /// The pipeline of the feed has posted this.
    fn message(&self, message: &gst::MessageRef);
}

/// A running pipeline; dropping it stops it.
#[derive(Debug)]
pub struct Feed {
    pipeline: gst::Pipeline,
    source: gst::Element,
}

/// The elements of one medium, from the camera's pad to the sink.
#[derive(Debug, Default)]
struct Chain {
    route: Option<Route>,
    elements: Vec<gst::Element>,
}

impl Feed {
    /// Connects to the camera that the store knows by `camera`. What comes of it goes to `audience`.
    pub fn start(camera: &str, audience: &Arc<impl Audience>) -> Result<Self, String> {
        let source = gst::ElementFactory::make("wyzesrc")
            .property("camera", camera)
            // A camera that is away is waited for as long as somebody asks for it.
            .property("connect-timeout", 0_u32)
            .build()
            .map_err(|e| e.to_string())?;
        let pipeline = gst::Pipeline::new();
        super::clock::set(&pipeline);
        pipeline.add(&source).map_err(|e| e.to_string())?;
        let (weak, place) = (Arc::downgrade(audience), pipeline.downgrade());
        source.connect_pad_added(move |_, pad| attach(pad, &place, &weak));
        let weak = Arc::downgrade(audience);
        source.connect_no_more_pads(move |_| {
            if let Some(audience) = weak.upgrade() {
                audience.all_media_came();
            }
        });
        let weak = Arc::downgrade(audience);
        let bus = pipeline.bus().ok_or("a pipeline has no bus")?;
        bus.set_sync_handler(move |_, message| {
            if let Some(audience) = weak.upgrade() {
                audience.message(message);
            }
            gst::BusSyncReply::Drop
        });
        let feed = Feed { pipeline, source };
        feed.pipeline.set_state(gst::State::Playing).map_err(|e| e.to_string())?;
        Ok(feed)
    }

    /// Asks the camera for a key frame, which `wyzesrc` does at most every 2 s.
    pub fn request_key_frame(&self) {
        let event = gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build();
        self.source.send_event(event);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // A pipeline that does not stop cannot be helped.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Follows a pad of `wyzesrc`: its codec is known, and may become another.
fn attach(pad: &gst::Pad, pipeline: &glib::WeakRef<gst::Pipeline>, audience: &Weak<impl Audience>) {
    let chain = Arc::new(Mutex::new(Chain::default()));
    if let Some(caps) = pad.current_caps() {
        relink(pad, &caps, &chain, pipeline, audience);
    }
    let (pipeline, audience) = (pipeline.clone(), audience.clone());
    // The probe runs in the thread that pushes, so that nothing is in the chain while it is exchanged.
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) {
            relink(pad, &caps.caps_owned(), &chain, &pipeline, &audience);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Makes the chain that these caps need, unless it is there.
fn relink(
    pad: &gst::Pad,
    caps: &gst::Caps,
    chain: &Mutex<Chain>,
    pipeline: &glib::WeakRef<gst::Pipeline>,
    audience: &Weak<impl Audience>,
) {
    let (Some(pipeline), Some(audience), Some(structure)) = (pipeline.upgrade(), audience.upgrade(), caps.structure(0))
    else {
        return;
    };
    let medium = Medium::of(pad);
    let mut chain = chain.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = route(structure);
    if wanted == chain.route && !chain.elements.is_empty() {
        return;
    }
    for element in std::mem::take(&mut chain.elements) {
        // It was added below, and what is removed can be stopped.
        let _ = pipeline.remove(&element);
        let _ = element.set_state(gst::State::Null);
    }
    chain.route = wanted;
    let made = match wanted {
        Some(route) => build(&pipeline, pad, medium, route, &audience),
        None => Err(format!("RTP has nothing for {}", structure.name())),
    };
    match made {
        Ok(elements) => chain.elements = elements,
        Err(why) => audience.cannot_serve(medium, &why),
    }
}

/// Adds a chain to the pipeline and links it.
fn build(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    medium: Medium,
    route: Route,
    audience: &Arc<impl Audience>,
) -> Result<Vec<gst::Element>, String> {
    let mut elements = route.make_stages()?;
    let sink = AppSink::builder().sync(false).async_(false).enable_last_sample(false);
    let sink = match route.output() {
        Some(caps) => sink.caps(&caps).build(),
        None => sink.build(),
    };
    let weak = Arc::downgrade(audience);
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if let (Some(audience), Some(caps)) = (weak.upgrade(), sample.caps()) {
            audience.sample(medium, Format::new(route, caps), caps, in_running_time(&sample));
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
    elements.push(sink.upcast());
    pipeline.add_many(&elements).map_err(|e| e.to_string())?;
    let linked = (|| {
        gst::Element::link_many(&elements).map_err(|e| e.to_string())?;
        for element in &elements {
            element.sync_state_with_parent().map_err(|e| e.to_string())?;
        }
        let first = elements.first().and_then(|element| element.static_pad("sink")).ok_or("an element has no sink")?;
        pad.link(&first).map_err(|e| e.to_string())
    })();
    if let Err(why) = linked {
        for element in &elements {
            let _ = element.set_state(gst::State::Null);
            let _ = pipeline.remove(element);
        }
        return Err(why);
    }
    audience.medium_came(medium);
    Ok(elements)
}

/// Returns a sample whose time stamps are running times, which count the same in all pipelines of the program.
fn in_running_time(sample: &gst::Sample) -> gst::Sample {
    let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
    let Some((buffer, segment)) = sample.buffer_owned().zip(segment) else { return sample.clone() };
    let mut buffer = buffer;
    let (pts, dts) = (segment.to_running_time(buffer.pts()), segment.to_running_time(buffer.dts()));
    let stamped = buffer.make_mut();
    stamped.set_pts(pts);
    stamped.set_dts(dts);
    gst::Sample::builder().buffer(&buffer).caps_if_some(sample.caps_owned().as_ref()).build()
}
