//! Runs the timeline for days of virtual time with camera clocks that drift, jump, stand still and wrap, and checks
//! that video and audio keep their time and stay together.

#[path = "support/days.rs"]
mod days;

use days::{Arrival, Change, DAY, Days, Form, HOUR, MS, S};
use gstwyze::wyzesrc::timeline::Timeline;
use std::collections::VecDeque;
use std::time::Duration;

const NOON: u32 = 1_700_000_000;
/// The pipeline's running time at the first frame.
const START: i64 = 3 * S;
const MINUTE: i64 = 60 * S;

/// The worst errors seen, in microseconds, each with the time at which it was seen.
#[derive(Debug, Default)]
struct Worst {
    /// How far apart the PTS of video and audio of the same time were.
    apart: (i64, i64),
    /// How far a PTS was after the arrival; a sink's queue has to hold frames for so long.
    ahead: (i64, i64),
    /// How far a PTS was before the time of capture.
    early: (i64, i64),
    /// How far a PTS was after the time of capture.
    late: (i64, i64),
    /// How much the length of a minute by the PTS was wrong.
    minute: (i64, i64),
    disconts: u32,
}

fn note(worst: &mut (i64, i64), value: i64, at: i64) {
    if value > worst.0 {
        *worst = (value, at);
    }
}

/// Compares the time stamps that the timeline gives with the true times.
#[derive(Default)]
struct Judge {
    worst: Worst,
    last: [Option<Duration>; 2],
    /// Capture time and error of the PTS of recent frames: of audio, of video.
    recent: [VecDeque<(i64, i64)>; 2],
    /// The number of pairs of video and audio that are 20 ms or more apart, and of all pairs.
    strayed: (u32, u32),
    minute: Option<(i64, i64)>,
    first: Option<(i64, i64)>,
    end: (i64, i64),
}

impl Judge {
    fn see(&mut self, frame: &Arrival, pts: Duration) {
        let at = usize::from(frame.is_video);
        assert!(self.last[at].is_none_or(|last| pts > last), "{frame:?} at {pts:?} after {:?}", self.last[at]);
        self.last[at] = Some(pts);
        let pts = pts.as_micros() as i64 - START;
        let lag = pts - frame.captured;
        let now = frame.captured;
        note(&mut self.worst.ahead, pts - frame.arrival, now);
        note(&mut self.worst.early, -lag, now);
        note(&mut self.worst.late, lag, now);

        // Find the nearest frame of the other medium; frames come almost in the order of their capture.
        let nearby = self.recent[1 - at].iter().rev().take_while(|(captured, _)| now - captured < 21 * MS);
        if let Some((distance, other)) = nearby.map(|&(captured, lag)| ((captured - now).abs(), lag)).min()
            && distance < 21 * MS
        {
            let apart = (lag - other).abs();
            note(&mut self.worst.apart, apart, now);
            self.strayed.0 += u32::from(apart >= 20 * MS);
            self.strayed.1 += 1;
        }
        self.recent[at].push_back((now, lag));
        while self.recent[at].front().is_some_and(|(captured, _)| now - captured > S) {
            self.recent[at].pop_front();
        }

        if frame.is_video {
            self.first.get_or_insert((now, pts));
            self.end = (now, pts);
            let (from, pts_then) = *self.minute.get_or_insert((now, pts));
            if now - from >= MINUTE {
                note(&mut self.worst.minute, ((pts - pts_then) - (now - from)).abs(), now);
                self.minute = Some((now, pts));
            }
        }
    }
}

fn run(form: Form, base: u32, length: i64, changes: Vec<(i64, Change)>) -> Judge {
    follow(Days::new(form, base, length, changes))
}

fn follow(days: Days) -> Judge {
    let (mut timeline, mut judge) = (Timeline::new(), Judge::default());
    for frame in days {
        let arrival = Duration::from_micros((START + frame.arrival) as u64);
        if frame.after_gap {
            timeline.lost(frame.medium());
        }
        let stamp = timeline.stamp(frame.medium(), frame.seconds, frame.microseconds, arrival);
        judge.worst.disconts += u32::from(stamp.discont);
        judge.see(&frame, stamp.pts);
    }
    judge
}

/// Four jumps of the clock by about an hour, forward and back, with and without a fraction of a second.
fn jumps(at: i64) -> Vec<(i64, Change)> {
    let by = [HOUR, -HOUR, HOUR + 640 * MS, -HOUR - 350 * MS];
    by.into_iter().zip(1..).map(|(by, n)| (at + n * 20 * MINUTE + n * 123_457, Change::Set(by))).collect()
}

/// The clock stands still for `length`, and goes on from there.
fn stand(at: i64, length: i64) -> [(i64, Change); 2] {
    [(at, Change::Stands(true)), (at + length, Change::Stands(false))]
}

/// The frame rate changes from 20 frames a second to 15 and back, again and again.
fn rates(from: i64, every: i64, length: i64) -> Vec<(i64, Change)> {
    let times = (from..length).step_by(every as usize);
    times.zip([15, 20].into_iter().cycle()).map(|(at, fps)| (at, Change::Rate(fps))).collect()
}

const FORMS: [Form; 2] = [Form::Whole, Form::Marker];
const LENGTH: i64 = 2 * HOUR;

/// The longest that a frame travels: 40 ms more for a key frame, 12 ms of jitter, rounded up.
const TRANSIT: i64 = 60 * MS;
/// The largest allowed error of a frame after a lost one, while the clock stands still.
const STRAY: i64 = 120 * MS;

/// Asserts what always holds: no PTS is wrong by `most` or more, and minutes and the whole run have their true length.
fn assert_good(name: &str, judge: &Judge, most: i64) {
    let worst = &judge.worst;
    let known = format!("{name}: {worst:?}");
    eprintln!("{known}, {:?} strayed", judge.strayed);
    assert!(worst.ahead.0 < TRANSIT, "{known}");
    assert!(worst.late.0 < most && worst.early.0 < most, "{known}");
    assert!(worst.minute.0 <= MINUTE / 1_000, "{known}");
    let ((begin, first), (end, last)) = (judge.first.unwrap(), judge.end);
    let error = (last - first) - (end - begin);
    assert!(error.abs() < TRANSIT, "{name}: {error} us too long");
}

fn assert_together(name: &str, judge: &Judge) {
    assert!(judge.worst.apart.0 < 20 * MS, "{name}: {:?}", judge.worst);
}

#[test]
fn a_drifting_clock_is_followed() {
    for form in FORMS {
        for ppm in [200, -200] {
            let judge = run(form, NOON, LENGTH, vec![(0, Change::Drift(ppm))]);
            assert_good("drift", &judge, TRANSIT);
            assert_together("drift", &judge);
            assert_eq!(judge.worst.disconts, 0);
        }
    }
}

#[test]
fn a_clock_that_jumps_by_an_hour_moves_no_frame() {
    for form in FORMS {
        let judge = run(form, NOON, LENGTH, jumps(0));
        assert_good("jumps", &judge, TRANSIT);
        assert_together("jumps", &judge);
        assert!(judge.worst.disconts <= 4, "{:?}", judge.worst);
    }
}

#[test]
fn the_frame_rate_replaces_a_clock_that_stands_still() {
    let lengths = [(0, 500 * MS), (1, 3 * S), (2, 40 * S), (3, 1200 * S)];
    for form in FORMS {
        for right_again in [false, true] {
            let stands = lengths.into_iter().flat_map(|(n, length)| {
                let at = n * 25 * MINUTE + 213_579 * MS;
                let set = (at + length, Change::Set(if right_again { length } else { 0 }));
                stand(at, length).into_iter().chain([set])
            });
            let judge = run(form, NOON, LENGTH, stands.collect());
            assert_good("stands", &judge, STRAY);
            // If a frame is lost as the clock stops, or a key frame follows, the right time cannot be known at once.
            assert!(judge.strayed.0 * 20_000 < judge.strayed.1, "{:?}, {:?}", judge.strayed, judge.worst);
            assert!(judge.worst.disconts <= 8, "{:?}", judge.worst);
        }
    }
}

#[test]
fn without_loss_a_clock_that_stands_still_keeps_media_together() {
    for form in FORMS {
        for length in [500 * MS, 3 * S, 40 * S, 1200 * S] {
            let mut days = Days::new(form, NOON, LENGTH, stand(20 * MINUTE + 213_579 * MS, length).into());
            days.loss = 0;
            let judge = follow(days);
            assert_good("stands", &judge, STRAY);
            assert_together("stands", &judge);
        }
    }
}

#[test]
fn a_clock_that_wraps_goes_on() {
    // 32 bits of seconds end after an hour; the microseconds wrap each second.
    let judge = run(Form::Whole, u32::MAX - 3_600, LENGTH, Vec::new());
    assert_good("wrap", &judge, TRANSIT);
    assert_together("wrap", &judge);
    assert_eq!(judge.worst.disconts, 0);
}

#[test]
fn a_changing_frame_rate_moves_no_frame() {
    for form in FORMS {
        let judge = run(form, NOON, LENGTH, rates(15 * MINUTE, 20 * MINUTE, LENGTH));
        assert_good("rates", &judge, TRANSIT);
        assert_together("rates", &judge);
        assert_eq!(judge.worst.disconts, 0);
    }
}

#[test]
fn a_stalling_network_moves_no_frame() {
    for (form, lengths) in
        [(Form::Whole, &[300 * MS, S, 3 * S, 4_500 * MS, 10 * S][..]), (Form::Marker, &[300 * MS, 600 * MS])]
    {
        let stalls = lengths.iter().zip(1..).map(|(length, n)| (n * 20 * MINUTE, Change::Stall(*length)));
        let judge = run(form, NOON, LENGTH, stalls.collect());
        assert_good("stalls", &judge, TRANSIT);
        assert_together("stalls", &judge);
        assert_eq!(judge.worst.disconts, 0);
    }
}

#[test]
fn no_clock_makes_a_queue_wait_longer_than_a_second() {
    let long_stalls =
        [3 * S, 10 * S, 25 * S].into_iter().zip(1..).map(|(length, n)| (n * 20 * MINUTE, Change::Stall(length)));
    let small_steps =
        [200, -200, 90, -90, 290].into_iter().zip(1..).map(|(ms, n)| (n * 20 * MINUTE, Change::Set(ms * MS)));
    for (name, changes) in [
        ("5 % fast", vec![(0, Change::Drift(50_000))]),
        ("twice as fast", vec![(0, Change::Drift(1_000_000))]),
        ("5 % slow", vec![(0, Change::Drift(-50_000))]),
        ("stalls", long_stalls.collect()),
        ("small steps", small_steps.collect()),
    ] {
        for form in FORMS {
            let judge = run(form, NOON, LENGTH, changes.clone());
            eprintln!("{name}, {form:?}: {:?}", judge.worst);
            assert!(judge.worst.ahead.0 <= S, "{name}, {form:?}: {:?}", judge.worst);
            let ((begin, first), (end, last)) = (judge.first.unwrap(), judge.end);
            assert!(((last - first) - (end - begin)).abs() < 3 * S, "{name}, {form:?}");
        }
    }
}

#[test]
fn a_stream_keeps_time_through_two_days_of_clock_faults() {
    let length = 2 * DAY;
    let mut changes = rates(6 * HOUR, 12 * HOUR, length);
    for (day, ppm) in [(0, 200), (1, -200)] {
        let midnight = day * DAY;
        changes.push((midnight, Change::Drift(ppm)));
        changes.extend(stand(midnight + 11 * HOUR + 13_579, 40 * S));
        changes.extend(stand(midnight + 12 * HOUR + 24_680, 600 * S));
        changes.push((midnight + 12 * HOUR + 600 * S + 24_680, Change::Set(600 * S)));
        changes.push((midnight + 13 * HOUR, Change::Stall(300 * MS)));
        changes.push((midnight + 14 * HOUR, Change::Stall(3 * S)));
        changes.extend(jumps(midnight + 15 * HOUR));
    }
    // The seconds wrap in the second night, after 45 hours.
    let judge = run(Form::Whole, u32::MAX - 45 * 3_600, length, changes);
    assert_good("two days", &judge, STRAY);
    assert!(judge.strayed.0 * 100_000 < judge.strayed.1, "{:?}, {:?}", judge.strayed, judge.worst);
}
