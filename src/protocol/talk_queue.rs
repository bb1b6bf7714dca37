//! The pace of talk-back: a frame is due when those before it have sounded.

use super::talk_event::{TalkAudio, TalkEvent, TalkReport};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How much sound may wait to be sent. Beyond that, the oldest is dropped.
const MAX_QUEUED: Duration = Duration::from_secs(10);
/// Frames go out this much faster than they sound, so that a source with a fast clock builds up no queue.
const PACE: f64 = 0.98;

/// Frames that wait for their time.
#[derive(Debug, Default)]
pub struct TalkQueue {
    /// The camera takes frames.
    open: bool,
    frames: VecDeque<TalkAudio>,
    /// How long the sound in `frames` lasts.
    queued: Duration,
    /// What has left `frames` and is not reported yet.
    unreported: TalkReport,
    /// How long the frames sent so far sound.
    sounded: Duration,
    /// When the next frame may go: when the last one has sounded. `None` if that is over and nothing waits.
    next_due: Option<Instant>,
    /// The talk ends when the queue is empty.
    draining: bool,
    /// Frames sent.
    pub sent: u64,
}

impl TalkQueue {
    /// Notes that the camera takes frames from `now` on.
    pub fn open(&mut self, now: Instant) {
        self.open = true;
        self.next_due = (!self.frames.is_empty()).then_some(now);
    }

    pub fn is_open(&self) -> bool {
        self.open
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_due
    }

    /// Queues a frame. It is due when those before it have sounded.
    pub fn push(&mut self, audio: TalkAudio, now: Instant) {
        self.queued += audio.duration;
        self.frames.push_back(audio);
        while self.queued > MAX_QUEUED {
            self.take_next();
        }
        if self.open {
            self.next_due = Some(self.next_due.unwrap_or(now));
        }
    }

    /// Takes out the frame that is due, with how long those before it sound. It is to be sent now.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Duration, TalkAudio)> {
        let due = self.next_due.filter(|due| *due <= now)?;
        let Some(audio) = self.take_next() else {
            // The last frame has sounded and nothing waits, so the next frame may go at once.
            self.next_due = None;
            return None;
        };
        let before = self.sounded;
        self.sounded += audio.duration;
        self.next_due = Some(due.max(now.checked_sub(audio.duration).unwrap_or(due)) + audio.duration.mul_f64(PACE));
        Some((before, audio))
    }

    /// Counts a frame of this many bytes as sent.
    pub fn count_sent(&mut self, bytes: usize) {
        self.sent += 1;
        self.unreported.frames += 1;
        self.unreported.bytes += bytes as u64;
    }

    /// Ends the talk when all that waits is sent and has sounded, or now if `at_once`.
    pub fn stop(&mut self, at_once: bool) {
        self.draining = true;
        if at_once || !self.open {
            self.flush();
            self.next_due = None;
        }
    }

    /// Drops what waits to be sent.
    pub fn flush(&mut self) {
        while self.take_next().is_some() {}
    }

    /// Whether the talk is to end, and all is sent and has sounded. A camera that is switched off earlier does not play
    /// the last frame to its end.
    pub fn is_drained(&self) -> bool {
        self.draining && self.frames.is_empty() && self.next_due.is_none()
    }

    /// Reports the sound that has left the queue since the last report; `None` if there is none.
    pub fn take_report(&mut self) -> Option<TalkEvent> {
        let report = std::mem::take(&mut self.unreported);
        (report != TalkReport::default()).then_some(TalkEvent::Sent(report))
    }

    fn take_next(&mut self) -> Option<TalkAudio> {
        let audio = self.frames.pop_front()?;
        self.queued -= audio.duration;
        self.unreported.sound += audio.duration;
        Some(audio)
    }
}
