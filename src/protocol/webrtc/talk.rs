//! Talk-back: sound to the camera's speaker, on the connection that shows its picture.

use super::media;
use super::peer::Peer;
use crate::protocol::talk::{TalkAudio, TalkEvent};
use crate::protocol::talk_queue::TalkQueue;
use crate::protocol::wire::codec::{AudioFlags, CodecId};
use std::time::{Duration, Instant};
use str0m::format::PayloadParams;
use str0m::media::MediaTime;

/// One talk.
pub struct Talk {
    coding: PayloadParams,
    /// When the talk began in RTP time, which goes on from talk to talk.
    start: Duration,
    queue: TalkQueue,
}

impl Talk {
    /// Begins a talk in the coding that the camera wants to hear; `None` where it wants none. `elapsed` is the time since
    /// the viewer began.
    pub fn new(peer: &mut Peer, elapsed: Duration, now: Instant) -> Option<Self> {
        let coding = peer.talk_coding()?;
        let mut queue = TalkQueue::default();
        queue.open(now);
        Some(Talk { coding, start: elapsed, queue })
    }

    pub fn push(&mut self, audio: TalkAudio, now: Instant) {
        self.queue.push(audio, now);
    }

    pub fn flush(&mut self) {
        self.queue.flush();
    }

    /// Ends the talk when all that waits has sounded, or now if `at_once`.
    pub fn stop(&mut self, at_once: bool) {
        self.queue.stop(at_once);
    }

    /// Sends the frame that is due. Returns false where none is. Frames in another coding are dropped. The peer is to be
    /// polled after each.
    pub fn send_due(&mut self, peer: &mut Peer, now: Instant) -> bool {
        let Some((before, audio)) = self.queue.pop_due(now) else { return false };
        let spec = self.coding.spec();
        let is_negotiated = media::codec(&spec).is_some_and(|(codec, _)| codec == audio.codec);
        let ticks = (self.start + before).as_micros() * u128::from(spec.clock_rate.get()) / 1_000_000;
        let length = audio.data.len();
        // RTP time has 32 bits, and str0m counts in 64.
        let time = MediaTime::new(ticks as u64, spec.clock_rate);
        if is_negotiated && length > 0 && peer.talk(self.coding, now, time, audio.data) {
            self.queue.count_sent(length);
        }
        true
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.queue.poll_timeout()
    }

    pub fn is_over(&self) -> bool {
        self.queue.is_drained()
    }

    pub fn take_report(&mut self) -> Option<TalkEvent> {
        self.queue.take_report()
    }

    /// Returns how many frames have been sent.
    pub fn sent(&self) -> u64 {
        self.queue.sent
    }
}

/// Returns the coding that the camera wants to hear; `None` where it does not listen.
pub fn format(peer: &mut Peer) -> Option<(CodecId, AudioFlags)> {
    media::codec(&peer.talk_coding()?.spec())
}
