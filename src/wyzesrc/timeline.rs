//! From the camera's capture times to the pipeline's running time.
//!
//! Three times meet here. A frame's *stamp* is what FRAMEINFO says: seconds and microseconds. Its *camera time* is the
//! stamp unwrapped into one line without jumps, which both streams share, so that the distance between a sound and a
//! picture stays what the camera measured. Its *PTS* is camera time plus an offset. The offset follows the least
//! `arrival - camera time` of the last seconds, which is the shortest way through the network and so free of jitter, and
//! it moves slowly: two clocks that drift apart, or a first key frame that took long, are made good without a step.
//!
//! Stamps come in two forms. Most cameras have a clock that runs. On some firmware the seconds are a constant marker
//! and only the microseconds move, wrapping at a million; others let the seconds tick at another moment than the
//! microseconds wrap, or stand still for a while. So the microseconds are always believed, and the seconds only where
//! they fit: the whole seconds between two frames are the number that agrees with arrival.

use std::time::Duration;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;

/// Cameras whose clock was never set count from a date before this one (2 June 2020).
const CLOCK_SET: u32 = 1_591_069_888;

/// How much earlier than the shortest way seen so far a frame may come; whatever is left of a second is how late.
const EARLY: i64 = 250 * MS;
/// A frame's camera time may run ahead of its arrival by this much from one frame to the next; more is a clock that jumped.
const JUMP: i64 = 300 * MS;
/// The same either way where the seconds have jumped too, and only a good match shows that the microseconds have not.
const JUMP_WITH_SECONDS: i64 = 100 * MS;
/// Longest silence between two frames of one stream that a network stall explains, and longest stall.
const STALL_GAP: i64 = 5 * SECOND;
const STALL: i64 = 30 * SECOND;
/// Ticks of the seconds, in step with the microseconds, after which the clock counts as one that runs.
const TICKS_TO_TRUST: u8 = 2;

/// The least offset is sought over `BUCKETS` times this long.
const BUCKET: i64 = 5 * SECOND;
const BUCKETS: usize = 4;
/// The offset closes in on its target with this time constant, but never faster than one part in `SLEW_LIMIT`.
const SLEW_TIME: i64 = 5 * SECOND;
const SLEW_LIMIT: i64 = 50;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    Video,
    Audio,
}

/// When a frame is to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Running time; grows with every frame of a stream.
    pub pts: Duration,
    /// Unix time of capture; `None` unless the camera's clock was set and is seen to run.
    pub capture: Option<Duration>,
    /// The camera's clock jumped or was set just now, and the PTS goes on by arrival time.
    pub discont: bool,
}

/// The newest frame of a stream whose stamp was used.
#[derive(Clone, Copy, Debug)]
struct Last {
    seconds: u32,
    microseconds: u32,
    camera: i64,
    arrival: i64,
}

#[derive(Debug, Default)]
struct Track {
    last: Option<Last>,
    pts: Option<i64>,
}

/// The time line that a camera's video and audio share. All its times are nanoseconds.
#[derive(Debug, Default)]
pub struct Timeline {
    tracks: [Track; 2],
    offset: Option<Offset>,
    ticks: u8,
}

impl Timeline {
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets how camera and running time relate, as after a pause: the next frame gets its arrival time. PTS still grow.
    pub fn reset(&mut self) {
        for track in &mut self.tracks {
            track.last = None;
        }
        self.offset = None;
        self.ticks = 0;
    }

    /// Stamps the next frame of `stream`, which says it was captured at `seconds` and `microseconds`, and which was complete
    /// at the running time `arrival`. Any values will do.
    pub fn stamp(&mut self, stream: Stream, seconds: u32, microseconds: u32, arrival: Duration) -> Stamp {
        let arrival_ns = i64::try_from(arrival.as_nanos()).unwrap_or(i64::MAX).min(i64::MAX / 4);
        let (pts, discont) = if seconds < CLOCK_SET {
            let discont = self.tracks[stream as usize].last.take().is_some();
            (arrival_ns, discont)
        } else {
            self.place(stream, seconds, microseconds, arrival_ns)
        };

        let track = &mut self.tracks[stream as usize];
        let pts = pts.max(track.pts.map_or(0, |pts| pts + 1));
        track.pts = Some(pts);

        let capture = (seconds >= CLOCK_SET && self.ticks >= TICKS_TO_TRUST)
            .then(|| Duration::from_secs(seconds.into()) + Duration::from_micros(microseconds.into()));
        Stamp { pts: Duration::from_nanos(pts.unsigned_abs()), capture, discont }
    }

    /// PTS of a frame with a usable stamp, and whether it comes after a jump.
    fn place(&mut self, stream: Stream, seconds: u32, microseconds: u32, arrival: i64) -> (i64, bool) {
        let own = self.tracks[stream as usize].last;
        let other = self.tracks[1 - stream as usize].last;
        let mut new = Last { seconds, microseconds, camera: 0, arrival };

        // After a jump of one stream's clock the other may have jumped before it, and know the way.
        let near = |camera: &i64| {
            own.is_none_or(|own| *camera > own.camera && (camera - own.camera - (arrival - own.arrival)).abs() < JUMP)
        };
        let mut jumped = false;
        new.camera = match self.follow(own, &new, false).or_else(|| self.follow(other, &new, true).filter(near)) {
            Some(camera) => camera,
            None => {
                self.ticks = 0;
                // Whichever stream comes first after a jump goes on by arrival; the other one follows it above.
                jumped = own.or(other).is_some() || self.tracks[stream as usize].pts.is_some();
                own.or(other).map_or(0, |last| last.camera + (arrival - last.arrival).max(0))
            }
        };
        if let Some(own) = own {
            let in_step = new.camera - own.camera == difference(&own, &new);
            let ticks = self.ticks.saturating_add(u8::from(own.seconds != seconds));
            self.ticks = if in_step { ticks } else { 0 };
        }
        self.tracks[stream as usize].last = Some(new);

        let offset = match &mut self.offset {
            Some(offset) if own.or(other).is_some() => {
                offset.add(new.camera, arrival);
                offset
            }
            offset => offset.insert(Offset::new(new.camera, arrival)),
        };
        (new.camera + offset.current, jumped)
    }

    /// The camera time of `new` as it follows from an earlier frame's, `None` if the clock has jumped in between. Only
    /// against the `other` stream may it lie before that frame.
    fn follow(&self, last: Option<Last>, new: &Last, other: bool) -> Option<i64> {
        let last = last?;
        let expected = new.arrival - self.offset.as_ref()?.least();
        let late = |camera: i64| expected - camera;

        let part = (i64::from(new.microseconds) - i64::from(last.microseconds)).rem_euclid(1_000_000) * 1_000;
        let mut camera = last.camera + part;
        if late(camera) >= SECOND - EARLY {
            camera += (late(camera) + EARLY).div_euclid(SECOND) * SECOND;
        } else if other && late(camera) < -EARLY && part > SECOND / 2 {
            camera -= SECOND;
        }

        let said = difference(&last, new);
        let stalled = last.camera.saturating_add(said);
        if self.ticks >= TICKS_TO_TRUST && (0..STALL_GAP).contains(&said) && stalled < camera && late(stalled) < STALL {
            // A clock that runs says that the frame is old: the network stood still, not the camera.
            return Some(stalled);
        }

        let ahead = (camera - last.camera) - (new.arrival - last.arrival);
        let seconds_jumped = new.seconds != last.seconds && (said - (camera - last.camera)).abs() > SECOND;
        let jumped = ahead > JUMP && late(camera) < -EARLY / 2 || seconds_jumped && ahead.abs() > JUMP_WITH_SECONDS;
        (!jumped).then_some(camera)
    }
}

/// Nanoseconds from one frame to the next as their stamps have it, which need not be true.
fn difference(from: &Last, to: &Last) -> i64 {
    let micros = |l: &Last| i64::from(l.seconds) * 1_000_000 + i64::from(l.microseconds);
    (micros(to) - micros(from)).saturating_mul(1_000)
}

/// Running time minus camera time.
#[derive(Debug)]
struct Offset {
    /// What is added to camera time now.
    current: i64,
    moved: i64,
    /// The least `arrival - camera` of the last few spans of time, newest first.
    least: [i64; BUCKETS],
    bucket_end: i64,
}

impl Offset {
    fn new(camera: i64, arrival: i64) -> Self {
        let current = arrival - camera;
        let mut least = [i64::MAX; BUCKETS];
        least[0] = current;
        Offset { current, moved: arrival, least, bucket_end: arrival + BUCKET }
    }

    fn least(&self) -> i64 {
        self.least.into_iter().min().unwrap_or(self.current)
    }

    fn add(&mut self, camera: i64, arrival: i64) {
        if arrival >= self.bucket_end {
            // Only one step however long the silence was: what was learnt before it is all there is.
            self.least.rotate_right(1);
            self.least[0] = i64::MAX;
            self.bucket_end = arrival + BUCKET;
        }
        self.least[0] = self.least[0].min(arrival - camera);

        let elapsed = (arrival - self.moved).clamp(0, SECOND);
        self.moved = self.moved.max(arrival);
        let error = (self.least() - self.current).clamp(-SECOND, SECOND);
        let limit = elapsed / SLEW_LIMIT;
        self.current += (error * elapsed / SLEW_TIME).clamp(-limit, limit);
    }
}

#[cfg(test)]
mod tests;
