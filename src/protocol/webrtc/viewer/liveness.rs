//! When the camera's silence is too long.

use super::{STAGE_LIMIT, Viewer, ViewerTimer};
use crate::protocol::error::{Error, Stage};
use std::time::Instant;

impl Viewer {
    /// Tells the watch what is wanted from `now` on, and what has to come first.
    pub(super) fn want(&mut self, now: Instant) {
        self.watch.want(self.config.media, now);
        let is_awaited = self.watch.last_expected().is_some() && !self.has_come;
        if !is_awaited {
            self.first_picture = None;
        } else if self.first_picture.is_none() {
            // All of connecting has one limit, also this last part.
            let until_end = (self.started + self.config.connect_timeout).saturating_duration_since(now);
            let limit = if until_end.is_zero() { STAGE_LIMIT } else { STAGE_LIMIT.min(until_end) };
            self.first_picture = Some((now + limit, limit));
        }
        if self.config.media.video {
            // Also what was left out while nobody wanted it has to be made good by a key frame.
            self.key_frames.wait();
        } else {
            self.key_frames.stop_waiting();
        }
        self.ask_for_key_frame(now);
        self.watch_silence(now);
    }

    /// Sets the timer to when the camera's silence is too long.
    pub(super) fn watch_silence(&mut self, now: Instant) {
        if self.stage == Stage::Streaming && !self.ended {
            self.timers.set(ViewerTimer::Idle, self.silence_limit(now).0);
        }
    }

    pub(super) fn handle_silence(&mut self, now: Instant) {
        let (until, error) = self.silence_limit(now);
        if until > now {
            self.timers.set(ViewerTimer::Idle, until);
        } else {
            self.fail(error, now);
        }
    }

    /// When the camera's silence is too long, and the error that it is then.
    fn silence_limit(&self, now: Instant) -> (Instant, Error) {
        if let Some((at, limit)) = self.first_picture {
            return (at, Error::NoPicture(limit));
        }
        self.watch.silence_limit(self.last_received, self.config.stall_timeout, now)
    }
}
