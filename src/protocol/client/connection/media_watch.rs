//! When the camera last sent what it should be sending.

use crate::protocol::medium::{MediaSet, Medium};
use std::time::Instant;

/// Counts whole frames. The picture is what people look at: once there is one, sound alone does not make up for it.
#[derive(Debug, Default)]
pub struct MediaWatch {
    granted: MediaSet,
    /// The media that are to come.
    expected: MediaSet,
    last: Option<Instant>,
    last_video: Option<Instant>,
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
        self.last = Some(now);
        self.last_video = self.last_video.filter(|_| expected.video);
        self.expected = expected;
    }

    pub fn received(&mut self, medium: Medium, now: Instant) {
        self.last = Some(now);
        if medium == Medium::Video {
            self.last_video = Some(now);
        }
    }

    /// Since when there has been nothing of what is expected; `None` where nothing is.
    pub fn last_expected(&self) -> Option<Instant> {
        if self.expected.is_empty() {
            return None;
        }
        self.last_video.filter(|_| self.expected.video).or(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
