//! A camera for days of virtual time: its clock drifts and jumps, its frame rate changes, and its network has jitter,
//! loss and stalls. Times are microseconds since the first frame, except where a field says otherwise.

#![allow(dead_code, reason = "each test binary uses its own part")]

use gstwyze::protocol::medium::Medium;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub const MS: i64 = 1_000;
pub const S: i64 = 1_000 * MS;
pub const HOUR: i64 = 3_600 * S;
pub const DAY: i64 = 24 * HOUR;

/// Time from one key frame to the next.
const GROUP: i64 = 2 * S;
const TRANSIT: i64 = 3 * MS;
const JITTER: i64 = 12 * MS;
/// How much longer a key frame travels than another frame.
const KEY_FRAME: i64 = 40 * MS;

#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// From now on the clock runs this many millionths faster than true time.
    Drift(i64),
    /// The clock jumps by this much, forward or (negative) back, as when a time server sets it.
    Set(i64),
    /// The clock stands still from now on (true), or goes on from where it stood (false).
    Stands(bool),
    /// The frame rate changes to so many frames a second.
    Rate(i64),
    /// The network holds everything back for this long, then delivers all of it.
    Stall(i64),
}

/// The form of the camera's capture times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Seconds count up, and microseconds are a fraction of the second.
    Whole,
    /// Seconds never change, and microseconds wrap at a million.
    Marker,
}

/// A frame as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    pub arrival: i64,
    /// True time of capture.
    pub captured: i64,
    pub is_video: bool,
    pub is_key: bool,
    /// The frame before it, of the same medium, got lost.
    pub after_gap: bool,
    /// Capture time by the camera's clock, in Unix time.
    pub seconds: u32,
    pub microseconds: u32,
}

impl Arrival {
    pub fn medium(&self) -> Medium {
        if self.is_video { Medium::Video } else { Medium::Audio }
    }
}

/// Frames in the order of their arrival.
#[derive(Debug)]
pub struct Days {
    form: Form,
    base: i64,
    /// How long one audio frame plays. It is stamped with the time of its first sample and sent after its last.
    pub sound: i64,
    /// Percentage of lost frames; key frames are never lost.
    pub loss: i64,
    changes: Vec<(i64, Change)>,
    length: i64,
    /// The true time up to which `clock` has been advanced, and the nanoseconds that the clock shows beyond `base`.
    now: i64,
    clock: i64,
    ppm: i64,
    stands: bool,
    period: i64,
    next_video: i64,
    next_audio: i64,
    next_key: i64,
    busy_until: i64,
    stalled_until: i64,
    /// Whether the last frame was lost: of audio, of video.
    after_gap: [bool; 2],
    in_flight: BinaryHeap<Reverse<Arrival>>,
    random: u64,
}

impl Days {
    /// The camera's clock shows `base`, in Unix seconds, at the first frame; the camera sends for `length`.
    pub fn new(form: Form, base: u32, length: i64, mut changes: Vec<(i64, Change)>) -> Self {
        changes.sort_by_key(|(at, _)| Reverse(*at));
        Days {
            form,
            base: base.into(),
            sound: 40 * MS,
            loss: 1,
            changes,
            length,
            now: 0,
            clock: 0,
            ppm: 0,
            stands: false,
            period: S / 20,
            next_video: 0,
            next_audio: 7 * MS,
            next_key: 0,
            busy_until: 0,
            stalled_until: 0,
            after_gap: [false; 2],
            in_flight: BinaryHeap::new(),
            random: 1,
        }
    }

    /// Returns a number from 0 up to, but not including, `below`.
    fn random(&mut self, below: i64) -> i64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as i64 % below
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Drift(ppm) => self.ppm = ppm,
            Change::Set(by) => self.clock += by * 1_000,
            Change::Stands(stands) => self.stands = stands,
            Change::Rate(fps) => self.period = S / fps,
            Change::Stall(length) => self.stalled_until = self.now + length,
        }
    }

    /// Advances the clock to the true time `to`, applying the changes that fall due before.
    fn advance(&mut self, to: i64) {
        while self.now < to {
            let next = self.changes.last().map_or(to, |(at, _)| *at).clamp(self.now, to);
            if !self.stands {
                let passed = next - self.now;
                self.clock += passed * 1_000 + passed * self.ppm / 1_000;
            }
            self.now = next;
            while let Some((_, change)) = self.changes.pop_if(|(at, _)| *at <= next) {
                self.apply(change);
            }
        }
    }

    fn capture(&mut self) {
        let is_video = self.next_video <= self.next_audio;
        let captured = self.next_video.min(self.next_audio);
        self.advance(captured);
        let is_key = is_video && captured >= self.next_key;
        match is_video {
            true => self.next_video += self.period,
            false => self.next_audio += self.sound,
        }
        if is_key {
            self.next_key += GROUP;
        }
        let sent = captured + if is_video { 0 } else { self.sound };
        let way = TRANSIT + self.random(JITTER) + if is_key { KEY_FRAME } else { 0 };
        // Every frame waits behind the key frame or the stall before it.
        let arrival = (sent + way).max(self.busy_until + 200).max(self.stalled_until);
        if is_key || arrival == self.stalled_until {
            self.busy_until = arrival;
        }
        // Key frames are not lost: the camera sends them again until they arrive.
        if self.random(100) < self.loss && !is_key {
            self.after_gap[usize::from(is_video)] = true;
            return;
        }
        let after_gap = std::mem::take(&mut self.after_gap[usize::from(is_video)]);
        let shown = self.base * 1_000_000 + self.clock / 1_000;
        let seconds = if self.form == Form::Marker { self.base } else { shown.div_euclid(1_000_000) };
        self.in_flight.push(Reverse(Arrival {
            arrival,
            captured,
            is_video,
            is_key,
            after_gap,
            // The field has 32 bits and wraps.
            seconds: seconds as u32,
            microseconds: shown.rem_euclid(1_000_000) as u32,
        }));
    }
}

impl Iterator for Days {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let captured = self.next_video.min(self.next_audio);
            let is_next = |Reverse(first): &Reverse<Arrival>| first.arrival <= captured;
            if captured >= self.length || self.in_flight.peek().is_some_and(is_next) {
                return self.in_flight.pop().map(|Reverse(first)| first);
            }
            self.capture();
        }
    }
}
