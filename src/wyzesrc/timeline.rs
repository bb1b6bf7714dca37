//! Maps the camera's capture times to the pipeline's running time.
//!
//! A frame has three times here. Its *stamp* is what FRAMEINFO says: seconds and microseconds. Its *camera time* is the
//! stamp without jumps, on a line that both streams share, so that the distance between a sound and a picture stays
//! what the camera measured. Its *PTS* is camera time plus an offset. The offset follows the least `arrival - camera
//! time` of the last seconds, which is the shortest way through the network and so free of jitter. It moves slowly: two
//! clocks that drift apart, or a first key frame that took long, are made good without a step.
//!
//! Most cameras stamp with a clock that runs. On some firmware, the seconds are a constant marker and only the
//! microseconds move, wrapping at a million. On other firmware, the seconds tick at another moment than the
//! microseconds wrap, or stand still for a while. So the microseconds are always believed, and the seconds only if they
//! fit: the whole seconds between two frames are the number that agrees with their arrival.
//!
//! A clock that stands still altogether, or jumps, says nothing for a while. Then frames go on in the rhythm that they
//! had, and their arrival pulls it into place.

use crate::protocol::medium::Medium;
use crate::protocol::wire::frame_info::CLOCK_SET;
use std::time::Duration;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;

/// How much earlier than by the shortest way seen so far a frame may come. The rest of a second is how late it may
/// come.
const EARLY: i64 = 250 * MS;
/// How much faster than arrival camera time may go on from one frame to the next. If it is more, the clock has jumped.
const JUMP: i64 = 300 * MS;
/// How far camera time may be off arrival, either way, if the seconds have jumped. Only a good match shows that the
/// microseconds have not jumped as well.
const JUMP_WITH_SECONDS: i64 = 100 * MS;
/// The longest time between the stamps of two frames in a row that may be believed after a stall of the network.
const STALL_GAP: i64 = 5 * SECOND;
/// The longest stall of the network.
const STALL: i64 = 30 * SECOND;
/// How often the seconds have to tick in step with the microseconds before the clock counts as one that runs.
const TICKS_TO_TRUST: u8 = 2;

/// The offset follows the least one of the last `BUCKETS` times this long.
const BUCKET: i64 = 5 * SECOND;
const BUCKETS: usize = 4;
/// The time constant with which the offset closes in on its target, but never faster than one part in `SLEW_LIMIT`.
const SLEW_TIME: i64 = 5 * SECOND;
const SLEW_LIMIT: i64 = 50;
/// How far the PTS may get ahead of arrival, or behind the shortest way, if a clock runs faster or slower than the slew
/// can follow.
const LEAD: i64 = SECOND;

/// A single arrival counts one part in this many, in the mean transit and against the rhythm.
const SMOOTHING: i64 = 16;
/// The number of frames with the same stamp after which the clock counts as one that stood still.
const STANDING: u32 = 3;
/// How well a clock that stood still has to agree with the rhythm before it is believed again.
const RIGHT_AGAIN: i64 = 30 * MS;

/// The times of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// When to show the frame, in running time. Grows with every frame of a stream.
    pub pts: Duration,
    /// Unix time of capture; `None` unless the camera's clock was set and is seen to run.
    pub capture: Option<Duration>,
    /// The camera's clock jumped or was set just now, so that the PTS goes on by arrival time.
    pub discont: bool,
}

/// The newest frame of a stream whose stamp was used. `camera` and `arrival` are nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Last {
    seconds: u32,
    microseconds: u32,
    camera: i64,
    arrival: i64,
}

/// A point in camera time, and when its frame arrived.
#[derive(Clone, Copy, Debug)]
struct Point {
    camera: i64,
    arrival: i64,
}

/// The state of one stream.
#[derive(Debug, Default)]
struct Track {
    last: Option<Last>,
    /// The newest frame and the number of frames with its stamp, while the clock stands still.
    standing: Option<(Point, u32)>,
    /// Camera time from the last frame but one to the last.
    step: i64,
    /// The regular step, once two steps were alike.
    rhythm: Option<i64>,
    /// The mean of arrival minus camera time.
    transit: i64,
    /// Frames are missing before the next one.
    after_gap: bool,
    /// Frames were missing before the newest one.
    newest_after_gap: bool,
    /// The last PTS given.
    pts: Option<i64>,
}

impl Track {
    fn newest(&self) -> Option<Point> {
        let last = self.last.map(|last| Point { camera: last.camera, arrival: last.arrival });
        self.standing.map(|(point, _)| point).or(last)
    }

    /// Places a frame whose stamp is of no use: returns its camera time.
    fn by_rhythm(&self, arrival: i64) -> Option<i64> {
        let newest = self.newest()?;
        let Some(rhythm) = self.rhythm else { return Some(newest.camera + (arrival - newest.arrival).max(0)) };
        let expected = arrival - self.transit;
        let frames = if self.after_gap { ((expected - newest.camera + rhythm / 4) / rhythm).max(2) } else { 1 };
        // The first of the frames that stand still was stamped with the time at which the clock stopped.
        let missing = match self.standing {
            None if self.newest_after_gap => 2 * rhythm - self.step,
            None => rhythm - self.step,
            Some(_) => 0,
        };
        let camera = newest.camera + frames * rhythm + missing.clamp(0, 2 * rhythm);
        let error = expected - camera;
        if error.abs() > SECOND {
            return Some(expected.max(newest.camera));
        }
        if error < -rhythm / 2 {
            // Frames are late for many reasons, but never this early: the rhythm has counted one frame too many.
            return Some(expected.max(newest.camera));
        }
        Some(camera + (error / SMOOTHING).min(rhythm / 2))
    }

    /// Learns from a frame that the clock has placed.
    fn learn(&mut self, camera: i64, arrival: i64) {
        let transit = arrival - camera;
        let Some(own) = self.last.filter(|_| self.standing.is_none()) else {
            if self.last.is_none() {
                self.transit = transit;
            }
            return;
        };
        let step = camera - own.camera;
        let alike = |other: i64| (step - other).abs() < step / 8;
        self.rhythm = match self.rhythm {
            Some(rhythm) if alike(rhythm) => Some(rhythm + (step - rhythm) / SMOOTHING),
            _ if alike(self.step) => Some(step),
            known => known,
        };
        self.step = step;
        // A frame that stood in a queue for long says little about the mean.
        self.transit += (transit - self.transit).clamp(-JUMP_WITH_SECONDS, JUMP_WITH_SECONDS) / SMOOTHING;
    }
}

/// The time line that a camera's video and audio share. Inside, all times are nanoseconds.
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

    /// Forgets how camera time and running time relate, as after a pause. The next frame gets its arrival time; PTS
    /// still grow.
    pub fn reset(&mut self) {
        for track in &mut self.tracks {
            *track = Track { pts: track.pts, ..Track::default() };
        }
        self.offset = None;
        self.ticks = 0;
    }

    /// Notes that frames of `medium` are missing before the next one.
    pub fn lost(&mut self, medium: Medium) {
        self.tracks[medium as usize].after_gap = true;
    }

    /// Stamps the next frame of `medium`. FRAMEINFO says that it was captured at `seconds` and `microseconds`, which
    /// may be any values; `arrival` is the running time at which it was complete.
    pub fn stamp(&mut self, medium: Medium, seconds: u32, microseconds: u32, arrival: Duration) -> Stamp {
        let arrival_ns = i64::try_from(arrival.as_nanos()).unwrap_or(i64::MAX).min(i64::MAX / 4);
        let (pts, discont) = if seconds >= CLOCK_SET {
            self.place(medium, seconds, microseconds, arrival_ns)
        } else {
            let track = &mut self.tracks[medium as usize];
            let discont = track.last.is_some();
            *track = Track { pts: track.pts, ..Track::default() };
            (arrival_ns, discont)
        };

        let track = &mut self.tracks[medium as usize];
        track.newest_after_gap = std::mem::take(&mut track.after_gap);
        let pts = pts.max(track.pts.map_or(0, |pts| pts + 1));
        track.pts = Some(pts);

        let capture = (seconds >= CLOCK_SET && self.ticks >= TICKS_TO_TRUST)
            .then(|| Duration::from_secs(seconds.into()) + Duration::from_micros(microseconds.into()));
        Stamp { pts: Duration::from_nanos(pts.unsigned_abs()), capture, discont }
    }

    /// Returns the PTS of a frame whose clock was set, and whether it comes after a jump.
    fn place(&mut self, medium: Medium, seconds: u32, microseconds: u32, arrival: i64) -> (i64, bool) {
        let known = self.tracks.iter().any(|track| track.last.is_some());
        let mut new = Last { seconds, microseconds, camera: 0, arrival };
        let mut jumped = false;
        if let Some(camera) = self.stand_still(medium, &new) {
            new.camera = camera;
        } else {
            let camera = self.by_clock(medium, &new);
            jumped = camera.is_none() && (known || self.tracks[medium as usize].pts.is_some());
            new.camera = camera.or_else(|| self.by_arrival(medium, arrival)).unwrap_or(0);
            self.count_ticks(medium, &new, camera.is_none());
            let track = &mut self.tracks[medium as usize];
            track.learn(new.camera, arrival);
            (track.last, track.standing) = (Some(new), None);
        }

        let offset = match &mut self.offset {
            Some(offset) if known => {
                offset.add(new.camera, arrival);
                offset
            }
            offset => offset.insert(Offset::new(new.camera, arrival)),
        };
        (new.camera + offset.current, jumped)
    }

    /// Returns the camera time of `new` if its stamp is that of the frame before and it is not a whole number of
    /// seconds later.
    fn stand_still(&mut self, medium: Medium, new: &Last) -> Option<i64> {
        let track = &mut self.tracks[medium as usize];
        let own = track.last.filter(|own| (own.seconds, own.microseconds) == (new.seconds, new.microseconds))?;
        let least = self.offset.as_ref()?.least();
        let newest = track.newest().filter(|newest| new.arrival - least - newest.camera < SECOND - EARLY)?;
        let camera = track.by_rhythm(new.arrival).unwrap_or(own.camera).max(newest.camera);
        let frames = track.standing.map_or(0, |(_, frames)| frames).saturating_add(1);
        track.standing = Some((Point { camera, arrival: new.arrival }, frames));
        self.ticks = 0;
        Some(camera)
    }

    /// Returns the camera time of `new` by the camera's clock; `None` if that has jumped.
    fn by_clock(&self, medium: Medium, new: &Last) -> Option<i64> {
        let (track, other) = (&self.tracks[medium as usize], &self.tracks[1 - medium as usize]);
        // When the clock has jumped, the other stream may have seen it first, and this one follows that.
        let near = |camera: &i64| {
            track.newest().is_none_or(|newest| {
                *camera > newest.camera && (camera - newest.camera - (new.arrival - newest.arrival)).abs() < JUMP
            })
        };
        let by_other = || self.follow(other.last.filter(|_| other.standing.is_none()), new, true).filter(near);
        let Some((_, frames)) = track.standing else { return self.follow(track.last, new, false).or_else(by_other) };
        let most = if frames < STANDING { JUMP } else { RIGHT_AGAIN };
        let rhythm = track.by_rhythm(new.arrival)?;
        by_other().or_else(|| self.follow(track.last, new, false).filter(|camera| (camera - rhythm).abs() < most))
    }

    /// Returns the camera time of the first frame after a jump. The other stream follows it by the clock.
    fn by_arrival(&self, medium: Medium, arrival: i64) -> Option<i64> {
        let other = self.tracks[1 - medium as usize].newest();
        let by_other = || other.map(|other| other.camera + (arrival - other.arrival).max(0));
        self.tracks[medium as usize].by_rhythm(arrival).or_else(by_other)
    }

    fn count_ticks(&mut self, medium: Medium, new: &Last, jumped: bool) {
        let track = &self.tracks[medium as usize];
        let in_step = |own: &Last| track.standing.is_none() && new.camera - own.camera == difference(own, new);
        self.ticks = match &track.last {
            _ if jumped => 0,
            None => self.ticks,
            Some(own) if in_step(own) => self.ticks.saturating_add(u8::from(own.seconds != new.seconds)),
            Some(_) => 0,
        };
    }

    /// Returns the camera time of `new` as it follows from the frame `last`; `None` if the clock has jumped in between.
    /// It may lie before `last` only if that is of the `other` stream.
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
        if self.ticks >= TICKS_TO_TRUST && (1..STALL_GAP).contains(&said) && stalled < camera && late(stalled) < STALL {
            // A clock that runs says that the frame is old. So the network stood still, and not the camera.
            return Some(stalled);
        }

        let ahead = (camera - last.camera) - (new.arrival - last.arrival);
        let seconds_jumped = new.seconds != last.seconds && (said - (camera - last.camera)).abs() > SECOND;
        let jumped = ahead > JUMP && late(camera) < -EARLY / 2 || seconds_jumped && ahead.abs() > JUMP_WITH_SECONDS;
        (!jumped).then_some(camera)
    }
}

/// Returns the nanoseconds from one frame to the next by their stamps, which need not be true.
fn difference(from: &Last, to: &Last) -> i64 {
    let seconds = i64::from(to.seconds) - i64::from(from.seconds);
    let microseconds = i64::from(to.microseconds) - i64::from(from.microseconds);
    (seconds * 1_000_000 + microseconds) * 1_000
}

/// Running time minus camera time, in nanoseconds.
#[derive(Debug)]
struct Offset {
    /// The offset in use.
    current: i64,
    /// The arrival at which `current` was moved last.
    moved: i64,
    /// The least `arrival - camera` of each of the last buckets, newest first.
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
            // However long the silence was, only one bucket is dropped: what was learnt before is all there is.
            self.least.rotate_right(1);
            self.least[0] = i64::MAX;
            self.bucket_end = arrival + BUCKET;
        }
        self.least[0] = self.least[0].min(arrival - camera);

        let elapsed = (arrival - self.moved).clamp(0, SECOND);
        self.moved = self.moved.max(arrival);
        let least = self.least();
        let error = (least - self.current).clamp(-SECOND, SECOND);
        let limit = elapsed / SLEW_LIMIT;
        self.current += (error * elapsed / SLEW_TIME).clamp(-limit, limit);
        self.current = self.current.clamp(least - LEAD, arrival - camera + LEAD);
    }
}

#[cfg(test)]
mod tests;
