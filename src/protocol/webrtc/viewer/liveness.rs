//! When the camera's silence is too long.

use super::{STAGE_LIMIT, Viewer, ViewerTimer};
use crate::protocol::error::{Error, Stage};
use std::time::{Duration, Instant};

/// A camera that sends nothing at all, not even ICE's checks, is lost after this time, or after the stall timeout if that
/// is longer.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

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
        let stall_timeout = self.config.stall_timeout;
        let silence = stall_timeout.unwrap_or_default().max(SILENCE_LIMIT);
        let silent = (self.last_received + silence, Error::Silent(silence));
        let Some((last, limit)) = self.watch.last_expected().zip(stall_timeout) else { return silent };
        if self.watch.is_unusable(now) {
            // The camera has twice the time, as a key frame may be some way off.
            return (last + 2 * limit, Error::Unusable(2 * limit));
        }
        let stalled = last + limit;
        if stalled >= silent.0 {
            return silent;
        }
        // ICE's checks may have come for a moment longer than media.
        let is_there = self.last_received > last + limit / 2;
        (stalled, if is_there { Error::Stalled(limit) } else { Error::Silent(limit) })
    }
}
