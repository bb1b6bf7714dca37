//! A camera's URI, and a pipeline whose errors end the command.

use super::Failure;
use super::launch::ByName;
use gst::prelude::*;
use gstwyze::account::Store;
use std::time::{Duration, Instant};

/// How often a command that waits looks whether the pipeline has failed.
const TICK: Duration = Duration::from_millis(50);

/// Returns the URI of a camera of the store, which has no keys in it. A wyze:// URL stays what it is.
pub fn uri(store: &Store, name: &str) -> Result<String, Failure> {
    if name.contains("://") {
        return Ok(name.to_owned());
    }
    let cameras = store.cameras()?;
    Ok(ByName::new(&cameras, cameras.find(name)?).uri)
}

/// Makes an element, or says which one is missing.
pub fn make(element: &str) -> Result<gst::Element, Failure> {
    gst::ElementFactory::make(element).build().map_err(|_| {
        Failure::Other(format!("the GStreamer element {element} is missing: see tests/setup.sh for packages"))
    })
}

/// A pipeline that is stopped when it is dropped.
pub struct Player {
    pub pipeline: gst::Pipeline,
}

impl Player {
    pub fn new() -> Self {
        Player { pipeline: gst::Pipeline::new() }
    }

    pub fn play(&self) -> Result<(), Failure> {
        match self.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(()),
            Err(e) => self.failure().map_or(Err(Failure::Other(e.to_string())), Err),
        }
    }

    /// Returns the error that has ended the pipeline, if one has.
    pub fn failure(&self) -> Option<Failure> {
        let bus = self.pipeline.bus()?;
        let message = bus.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(Failure::Other(error.error().message().to_owned())),
            _ => None,
        }
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
