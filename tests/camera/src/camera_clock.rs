//! The camera's clock, which clients may set.

use crate::media_frame::MediaFrame;
use std::borrow::Cow;
use std::time::{Duration, Instant};

const SECOND: i64 = 1_000_000;

/// Stamps frames with a clock that is off the true time, which is that of the frames' source. Times are microseconds.
#[derive(Debug, Default)]
pub struct CameraClock {
    /// The time of the source's last frame, and when that came.
    last: Option<(i64, Instant)>,
    /// What the clock is off by since a client has set it.
    error: Option<i64>,
    settings: Vec<u32>,
}

impl CameraClock {
    /// Stamps a frame by this clock. Until it is set, it is `error` seconds off.
    pub fn stamp<'a>(&mut self, now: Instant, frame: &'a MediaFrame, error: i64) -> Cow<'a, MediaFrame> {
        let time = i64::from(frame.seconds) * SECOND + i64::from(frame.microseconds);
        self.last = Some((time, now));
        let error = self.error.unwrap_or(error * SECOND);
        if error == 0 {
            return Cow::Borrowed(frame);
        }
        let time = (time + error).max(0);
        let (seconds, microseconds) = ((time / SECOND) as u32, (time % SECOND) as u32);
        Cow::Owned(MediaFrame { seconds, microseconds, ..frame.clone() })
    }

    /// Sets the clock to `seconds` since 1970, and to the beginning of that second, as cameras do.
    pub fn set(&mut self, now: Instant, seconds: u32) {
        self.settings.push(seconds);
        if let Some((time, at)) = self.last {
            let elapsed: Duration = now.duration_since(at);
            self.error = Some(i64::from(seconds) * SECOND - time - elapsed.as_micros() as i64);
        }
    }

    /// Returns the clock's time in seconds since 1970; 0 before the first frame. Until it is set, it is `error` seconds
    /// off.
    pub fn seconds(&self, now: Instant, error: i64) -> u32 {
        let time = self.last.map_or(0, |(time, at)| {
            time + now.duration_since(at).as_micros() as i64 + self.error.unwrap_or(error * SECOND)
        });
        (time.max(0) / SECOND) as u32
    }

    /// What the clock was set to, time by time.
    pub fn settings(&self) -> &[u32] {
        &self.settings
    }
}
