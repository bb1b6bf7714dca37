//! When the camera last sent what it should be sending.

use crate::protocol::reassembly::Kind;
use std::time::Instant;

/// Counts whole frames. The picture is what people look at: once there is one, sound alone does not make up for it.
#[derive(Debug, Default)]
pub struct MediaWatch {
    granted: (bool, bool),
    /// Media, video of them, are to come.
    expected: (bool, bool),
    last: Option<Instant>,
    last_video: Option<Instant>,
}

impl MediaWatch {
    /// What the camera agreed to send.
    pub fn grant(&mut self, video: bool, audio: bool) {
        self.granted = (video, audio);
    }

    /// What the camera is told to send from `now` on.
    pub fn want(&mut self, video: bool, audio: bool, now: Instant) {
        let (video, audio) = (video && self.granted.0, audio && self.granted.1);
        let expected = (video || audio, video);
        if expected == self.expected {
            return;
        }
        self.last = Some(now);
        self.last_video = self.last_video.filter(|_| video);
        self.expected = expected;
    }

    pub fn received(&mut self, kind: Kind, now: Instant) {
        self.last = Some(now);
        if kind == Kind::Video {
            self.last_video = Some(now);
        }
    }

    /// Since when there has been nothing of what is expected; `None` where nothing is.
    pub fn last_expected(&self) -> Option<Instant> {
        if !self.expected.0 {
            return None;
        }
        self.last_video.filter(|_| self.expected.1).or(self.last)
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
        watch.grant(true, true);
        assert_eq!(watch.last_expected(), None);
        watch.want(true, true, at(0));
        assert_eq!(watch.last_expected(), Some(at(0)));
        watch.received(Kind::Audio, at(1));
        assert_eq!(watch.last_expected(), Some(at(1)), "no picture yet");
        watch.received(Kind::Video, at(2));
        watch.received(Kind::Audio, at(3));
        assert_eq!(watch.last_expected(), Some(at(2)));
        watch.want(false, true, at(4));
        assert_eq!(watch.last_expected(), Some(at(4)));
        watch.want(true, true, at(5));
        assert_eq!(watch.last_expected(), Some(at(5)), "it was switched off itself");
        watch.want(false, false, at(6));
        assert_eq!(watch.last_expected(), None);
    }

    #[test]
    fn what_the_camera_refused_is_not_awaited() {
        let mut watch = MediaWatch::default();
        watch.grant(false, true);
        watch.want(true, false, Instant::now());
        assert_eq!(watch.last_expected(), None);
    }
}
