//! The camera that is meant, elements, and a pipeline whose errors end the command.

use super::Failure;
use super::launch::ByName;
use gst::prelude::*;
use gstwyze::account::Store;
use gstwyze::identity::{self, Identity};
use std::time::{Duration, Instant};

/// How often a command that waits looks whether the pipeline has failed.
const TICK: Duration = Duration::from_millis(50);

/// Returns a name and the URI of the camera that a user means, by its name, MAC or UID in the store or by a wyze:// URL.
/// The URI of a camera of the store has no keys in it.
pub fn camera(store: &Store, name: &str) -> Result<(String, String), Failure> {
    if name.contains("://") {
        let mut given = Identity::default();
        identity::apply(name, &mut given, |_, _| Ok(true)).map_err(Failure::other)?;
        return Ok((given.camera.or(given.host).unwrap_or("camera".into()), name.to_owned()));
    }
    let cameras = store.cameras()?;
    let camera = cameras.find(name)?;
    Ok((camera.name.clone(), ByName::new(&cameras, camera).uri))
}

/// Makes an element, or says which one is missing.
pub fn make(element: &str) -> Result<gst::Element, Failure> {
    gst::ElementFactory::make(element).build().map_err(|_| {
        Failure::Other(format!("the GStreamer element {element} is missing: see tests/setup.sh for packages"))
    })
}

/// Makes an element, or several that are linked, from a description as in a launch line.
pub fn described(description: &str) -> Result<gst::Element, Failure> {
    let bin = gst::parse::bin_from_description(description, true);
    bin.map(Cast::upcast)
        .map_err(|e| Failure::Usage(format!("{description:?} is no GStreamer element: {}", e.message())))
}

/// Links the pads that an element adds later to another one. A pad that cannot be linked is the pipeline's error.
pub fn link_when_added(from: &gst::Element, to: &gst::Element) {
    let into = to.static_pad("sink");
    from.connect_pad_added(move |_, pad| {
        let _ = into.as_ref().map(|into| pad.link(into));
    });
}

/// Returns what an error message says.
pub fn failure(error: &gst::message::Error) -> Failure {
    Failure::other(error.error().message())
}

/// A pipeline that is stopped when it is dropped.
pub struct Player {
    pub pipeline: gst::Pipeline,
}

impl Player {
    pub fn new() -> Self {
        Player { pipeline: gst::Pipeline::new() }
    }

    /// Adds elements, and links those that are in a chain.
    pub fn add(&self, elements: &[gst::Element]) -> Result<(), Failure> {
        self.pipeline.add_many(elements).map_err(Failure::other)?;
        gst::Element::link_many(elements).map_err(Failure::other)
    }

    pub fn play(&self) -> Result<(), Failure> {
        match self.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(()),
            Err(e) => self.failure().map_or(Err(Failure::other(e)), Err),
        }
    }

    /// Returns the error that has ended the pipeline, if one has.
    pub fn failure(&self) -> Option<Failure> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(failure(error)),
            _ => None,
        }
    }

    /// Returns the pipeline's next message, if there is one.
    pub fn message(&self) -> Option<gst::Message> {
        let message = self.pipeline.bus()?.pop()?;
        if message.type_() == gst::MessageType::Latency {
            // A failure to share out the latency is told by those who fail.
            let _ = self.pipeline.recalculate_latency();
        }
        Some(message)
    }

    /// Waits until a time, or until `is_over`. Fails when the pipeline does.
    pub fn wait(&self, until: Option<Instant>, mut is_over: impl FnMut() -> bool) -> Result<(), Failure> {
        loop {
            if let Some(failure) = self.failure() {
                return Err(failure);
            }
            let left = until.map_or(TICK, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() || is_over() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // A failure to stop is ignored: nothing else depends on the pipeline.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
