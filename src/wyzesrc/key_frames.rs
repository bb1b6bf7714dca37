//! Which force-key-unit events are passed on to the camera. Asking it for a key frame may restart its encoder, so that is
//! left out where a key frame has come by itself or is wanted later only.

use gst_video::UpstreamForceKeyUnitEvent;

/// The key frames that came, and those that were asked for.
#[derive(Debug, Default)]
pub struct KeyFrames {
    /// The running time of the last key frame.
    last: Option<gst::ClockTime>,
    /// The running time for which an event last wanted one.
    wanted: Option<gst::ClockTime>,
}

impl KeyFrames {
    /// Notes a key frame with this time stamp.
    pub fn came(&mut self, at: Option<gst::ClockTime>) {
        self.last = at.or(self.last);
    }

    /// Starts over where running time does.
    pub fn reset(&mut self) {
        *self = KeyFrames::default();
    }

    /// Whether the camera is to be asked because of this event. `now` is the running time.
    ///
    /// Events without a running time want a key frame at once. Elements that cut a stream into pieces, such as
    /// `hlssink2`, send one with a running time for each piece: long before, or each time they have waited for one. The
    /// camera's own key frames will do for these, as long as one came since the piece before was due.
    pub fn is_to_be_asked(&mut self, event: &UpstreamForceKeyUnitEvent, now: Option<gst::ClockTime>) -> bool {
        let Some(at) = event.running_time else { return true };
        let before = self.wanted.replace(at).map_or(at, |before| before.min(at));
        let is_due = now.is_some_and(|now| at <= now);
        is_due && self.last.is_none_or(|last| last < before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(keys: &mut KeyFrames, at: Option<u64>, now: u64) -> bool {
        let event = UpstreamForceKeyUnitEvent {
            running_time: at.map(gst::ClockTime::from_seconds),
            all_headers: true,
            count: 0,
        };
        keys.is_to_be_asked(&event, Some(gst::ClockTime::from_seconds(now)))
    }

    #[test]
    fn an_event_without_a_time_always_asks() {
        let mut keys = KeyFrames::default();
        assert!(asked(&mut keys, None, 0));
        keys.came(Some(gst::ClockTime::from_seconds(1)));
        assert!(asked(&mut keys, None, 1));
    }

    #[test]
    fn a_time_that_lies_ahead_never_asks() {
        let mut keys = KeyFrames::default();
        for now in 0..10 {
            assert!(!asked(&mut keys, Some(now + 1), now));
        }
    }

    #[test]
    fn periodic_events_ask_only_if_no_key_frame_came_since_the_last_was_due() {
        let mut keys = KeyFrames::default();
        assert!(asked(&mut keys, Some(4), 5), "there was none at all");
        keys.came(Some(gst::ClockTime::from_seconds(6)));
        assert!(!asked(&mut keys, Some(10), 10), "the last one was answered");
        assert!(asked(&mut keys, Some(15), 15), "none since 10");
        keys.came(Some(gst::ClockTime::from_seconds(16)));
        assert!(!asked(&mut keys, Some(16), 17), "this one is answered already");
        keys.reset();
        assert!(asked(&mut keys, Some(1), 1));
    }
}
