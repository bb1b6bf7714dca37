//! When the camera is asked for a key frame.

use std::time::{Duration, Instant};

/// The least time between two requests.
pub const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct KeyFrames {
    awaited: bool,
    /// When it was last asked for.
    asked: Option<Instant>,
}

impl KeyFrames {
    /// Notes that the picture needs a key frame.
    pub fn wait(&mut self) {
        self.awaited = true;
    }

    /// Notes that one has come, or that nobody needs one.
    pub fn stop_waiting(&mut self) {
        self.awaited = false;
    }

    /// When to ask next; `None` while none is awaited.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        self.awaited.then(|| self.asked.map_or(now, |at| at + INTERVAL))
    }

    /// How long ago one was asked for.
    pub fn since_asked(&self, now: Instant) -> Option<Duration> {
        self.asked.map(|at| now.duration_since(at))
    }

    pub fn asked(&mut self, now: Instant) {
        self.asked = Some(now);
    }
}
