//! When the camera last sent what it should be sending, and what of it could be used.

use crate::protocol::error::Error;
use crate::protocol::medium::{MediaSet, Medium};
use std::time::{Duration, Instant};

/// How long one medium may be silent while the other comes.
const ONE_SILENT_AFTER: Duration = Duration::from_secs(3);
/// How recently the other medium has to have come.
const OTHER_COMES: Duration = Duration::from_secs(1);
/// After how long a medium that stays silent is asked for a second time. Each further time it takes twice as long, as
/// what is silent may be meant to be.
const ASK_AGAIN: Duration = Duration::from_secs(10);
const ASK_AT_LEAST_EACH: Duration = Duration::from_secs(600);
/// A camera that sends nothing at all, not even keepalives, is lost after this time, or after the stall timeout if that
/// is longer.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Counts whole frames that a member could use. The picture is what people look at: once there is one, sound alone does
/// not make up for it.
#[derive(Debug, Default)]
pub struct MediaWatch {
    granted: MediaSet,
    /// The media that are to come.
    expected: MediaSet,
    last: Option<Instant>,
    last_of: [Option<Instant>; 2],
    /// Since when pictures come that nobody can use; `None` while there are others, or none.
    unusable_since: Option<Instant>,
    last_unusable: Option<Instant>,
    /// When a medium is next asked for because it alone is silent, and the time after that; `None` while it is not.
    silent: [Option<(Instant, Duration)>; 2],
}

/// What has become of a medium while the other one came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// It has been silent for too long: it is to be asked for.
    Silent { is_first: bool },
    /// It was silent, and is back.
    Back,
}

impl MediaWatch {
    /// What the camera agreed to send.
    pub fn grant(&mut self, media: MediaSet) {
        self.granted = media;
    }

    /// What the camera is told to send from `now` on.
    pub fn want(&mut self, media: MediaSet, now: Instant) {
        let expected = media.intersection(self.granted);
        if expected == self.expected {
            return;
        }
        *self = MediaWatch {
            granted: self.granted,
            expected,
            last: Some(now),
            last_of: [self.last_of[0].filter(|_| expected.video), None],
            ..MediaWatch::default()
        };
    }

    /// Notes a frame that a member could use.
    pub fn received(&mut self, medium: Medium, now: Instant) {
        self.last = Some(now);
        self.last_of[medium as usize] = Some(now);
        if medium == Medium::Video {
            self.unusable_since = None;
        }
    }

    /// Notes a picture that nobody could use. Returns for how long that has been so.
    pub fn received_unusable(&mut self, now: Instant) -> Duration {
        self.last_unusable = Some(now);
        now.duration_since(*self.unusable_since.get_or_insert(now))
    }

    /// Returns what a frame of one medium shows of the other one. A medium that never came is another matter.
    pub fn look_at_other(&mut self, came: Medium, now: Instant) -> Option<(Medium, Alone)> {
        if self.silent[came as usize].take().is_some() {
            return Some((came, Alone::Back));
        }
        let other = if came == Medium::Video { Medium::Audio } else { Medium::Video };
        let last = self.last_of[other as usize].filter(|_| self.expected.contains(other))?;
        let silent = &mut self.silent[other as usize];
        let is_due = match silent {
            Some((next, _)) => now >= *next,
            None => now.duration_since(last) >= ONE_SILENT_AFTER,
        };
        is_due.then(|| {
            let wait = silent.map_or(ASK_AGAIN, |(_, wait)| wait);
            let is_first = silent.replace((now + wait, (wait * 2).min(ASK_AT_LEAST_EACH))).is_none();
            (other, Alone::Silent { is_first })
        })
    }

    /// Since when there has been nothing of what is expected; `None` where nothing is.
    pub fn last_expected(&self) -> Option<Instant> {
        if self.expected.is_empty() {
            return None;
        }
        self.last_of[Medium::Video as usize].filter(|_| self.expected.video).or(self.last)
    }

    /// Whether pictures come that nobody can use.
    fn is_unusable(&self, now: Instant) -> bool {
        self.unusable_since.is_some() && self.last_unusable.is_some_and(|at| now.duration_since(at) < OTHER_COMES)
    }

    /// When the silence of a camera that streams is too long, and the error that it is then. `last_received` is when it
    /// last sent anything.
    pub fn silence_limit(
        &self,
        last_received: Instant,
        stall_timeout: Option<Duration>,
        now: Instant,
    ) -> (Instant, Error) {
        let silence = stall_timeout.unwrap_or_default().max(SILENCE_LIMIT);
        let silent = (last_received + silence, Error::Silent(silence));
        let Some((last, limit)) = self.last_expected().zip(stall_timeout) else { return silent };
        if self.is_unusable(now) {
            // The camera has twice the time, as a key frame may be some way off.
            return (last + 2 * limit, Error::Unusable(2 * limit));
        }
        let stalled = last + limit;
        if stalled >= silent.0 {
            return silent;
        }
        // Keepalives may have come for a moment longer than media.
        let is_there = last_received > last + limit / 2;
        (stalled, if is_there { Error::Stalled(limit) } else { Error::Silent(limit) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_picture_counts_though_sound_goes_on_and_sound_alone_does_where_there_is_no_picture() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watch = MediaWatch::default();
        watch.grant(MediaSet::BOTH);
        assert_eq!(watch.last_expected(), None);
        watch.want(MediaSet::BOTH, at(0));
        assert_eq!(watch.last_expected(), Some(at(0)));
        watch.received(Medium::Audio, at(1));
        assert_eq!(watch.last_expected(), Some(at(1)), "no picture yet");
        watch.received(Medium::Video, at(2));
        watch.received(Medium::Audio, at(3));
        assert_eq!(watch.last_expected(), Some(at(2)));
        watch.want(MediaSet::AUDIO, at(4));
        assert_eq!(watch.last_expected(), Some(at(4)));
        watch.want(MediaSet::BOTH, at(5));
        assert_eq!(watch.last_expected(), Some(at(5)), "it was switched off itself");
        watch.want(MediaSet::NONE, at(6));
        assert_eq!(watch.last_expected(), None);
    }

    #[test]
    fn what_the_camera_refused_is_not_awaited() {
        let mut watch = MediaWatch::default();
        watch.grant(MediaSet::AUDIO);
        watch.want(MediaSet::VIDEO, Instant::now());
        assert_eq!(watch.last_expected(), None);
    }
}
