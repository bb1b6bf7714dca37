//! When a frame was captured: RTP time and sender reports become Unix time, the same for both media.
//!
//! RTP time counts from a random number, at a rate of its own for each medium. A sender report says what it was at a
//! moment of the sender's clock. Before the first report, a stream's time begins at the arrival of its first frame and
//! goes on by RTP time. The first report of either stream moves both to the sender's clock by the same step, so that
//! sound and picture do not part. The report of the other stream then puts right what the network had added to that.

use crate::protocol::medium::Medium;
use std::time::Duration;

const SECOND: i128 = 1_000_000_000;
/// RTP time that is further off arrival than this begins anew: the sender has restarted its count.
const RESTART: i128 = 10 * SECOND;

/// A moment in RTP time, of which the low 32 bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpTime {
    pub ticks: u32,
    /// Ticks a second, 1 or more.
    pub rate: u32,
}

impl RtpTime {
    /// Nanoseconds from `earlier` to here, by the shorter way round. Of `earlier`, only the ticks count.
    fn since(self, earlier: u32) -> i128 {
        i128::from(self.ticks.wrapping_sub(earlier) as i32) * SECOND / i128::from(self.rate.max(1))
    }
}

/// What a sender report says: this RTP time was this time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub ticks: u32,
    pub unix_time: Duration,
}

/// The time of one stream before its first report.
#[derive(Debug, Clone, Copy)]
struct Count {
    /// The ticks of the newest frame.
    ticks: u32,
    /// Its time since 1970 in nanoseconds, if the first frame was captured when it came.
    time: i128,
    /// What the division of ticks has left over, in parts of a nanosecond that the rate names.
    rest: i128,
}

/// The clock of one connection.
#[derive(Debug, Default)]
pub struct Clock {
    counts: [Option<Count>; 2],
    /// How many nanoseconds the sender's clock is ahead of the counts, by the first report.
    ahead: Option<i128>,
}

impl Clock {
    /// Returns the time since 1970 at which a frame was captured. `arrival` is when it came, by our own clock, and
    /// `report` the newest one of its stream.
    pub fn capture(&mut self, medium: Medium, time: RtpTime, arrival: Duration, report: Option<Report>) -> Duration {
        let counted = self.count(medium, time, nanoseconds(arrival));
        let captured = match report {
            Some(report) => {
                let captured = nanoseconds(report.unix_time) + time.since(report.ticks);
                self.ahead.get_or_insert(captured - counted);
                captured
            }
            None => counted + self.ahead.unwrap_or(0),
        };
        let captured = u64::try_from(captured.max(0)).unwrap_or(u64::MAX);
        Duration::from_nanos(captured)
    }

    /// Returns how many nanoseconds the sender's clock is ahead of ours, as far as the network tells; `None` before the
    /// first report.
    pub fn ahead(&self) -> Option<i64> {
        self.ahead.map(|ahead| ahead.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    /// Counts on by RTP time from the arrival of the first frame.
    fn count(&mut self, medium: Medium, time: RtpTime, arrival: i128) -> i128 {
        let count = &mut self.counts[medium as usize];
        let rate = i128::from(time.rate.max(1));
        let next = count.map(|last| {
            let parts = i128::from(time.ticks.wrapping_sub(last.ticks) as i32) * SECOND + last.rest;
            Count { ticks: time.ticks, time: last.time + parts.div_euclid(rate), rest: parts.rem_euclid(rate) }
        });
        let next = next.filter(|next| (next.time - arrival).abs() < RESTART);
        count.insert(next.unwrap_or(Count { ticks: time.ticks, time: arrival, rest: 0 })).time
    }
}

fn nanoseconds(time: Duration) -> i128 {
    // A Duration has 94 bits of them.
    time.as_nanos() as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: Duration = Duration::from_secs(1_700_000_000);
    const VIDEO: u32 = 90_000;
    const AUDIO: u32 = 8_000;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// The frame that comes `at` this many milliseconds, whose ticks began at `first`.
    fn rtp(first: u32, rate: u32, at: u64) -> RtpTime {
        RtpTime { ticks: first.wrapping_add((at * u64::from(rate) / 1000) as u32), rate }
    }

    #[test]
    fn before_a_report_time_begins_at_arrival_and_goes_on_over_the_wrap() {
        let mut clock = Clock::default();
        let first = u32::MAX - 90_000;
        for at in (0..3_600_000).step_by(40) {
            // What comes late was captured in time all the same.
            let late = at / 40 % 7;
            let captured = clock.capture(Medium::Video, rtp(first, VIDEO, at), ARRIVAL + ms(at + late), None);
            assert_eq!(captured, ARRIVAL + ms(at), "{at}");
        }
        assert_eq!(clock.ahead(), None);
    }

    #[test]
    fn thirds_of_a_tick_do_not_add_up() {
        let mut clock = Clock::default();
        // A tick of 44.1 kHz is no whole number of nanoseconds.
        for frame in 0..1_000_000u32 {
            let time = RtpTime { ticks: frame.wrapping_mul(441), rate: 44_100 };
            let captured = clock.capture(Medium::Audio, time, ARRIVAL + ms(10 * u64::from(frame)), None);
            assert_eq!(captured, ARRIVAL + ms(10 * u64::from(frame)));
        }
    }

    #[test]
    fn a_report_moves_both_media_to_the_senders_clock_by_one_step() {
        let mut clock = Clock::default();
        let sender = Duration::from_secs(1_600_000_000);
        clock.capture(Medium::Audio, rtp(7, AUDIO, 0), ARRIVAL + ms(30), None);
        clock.capture(Medium::Video, rtp(9, VIDEO, 0), ARRIVAL + ms(50), None);
        // By the sender, the frame of 1000 ms was captured at `sender` + 1000 ms.
        let report = Report { ticks: rtp(9, VIDEO, 990).ticks, unix_time: sender + ms(990) };
        let video = clock.capture(Medium::Video, rtp(9, VIDEO, 1000), ARRIVAL + ms(1080), Some(report));
        assert_eq!(video, sender + ms(1000));
        let audio = clock.capture(Medium::Audio, rtp(7, AUDIO, 1000), ARRIVAL + ms(1040), None);
        assert_eq!(audio, sender + ms(980), "as far before the picture as it was");
        // Its own report puts the sound right.
        let report = Report { ticks: rtp(7, AUDIO, 2000).ticks, unix_time: sender + ms(2000) };
        let audio = clock.capture(Medium::Audio, rtp(7, AUDIO, 1020), ARRIVAL + ms(1060), Some(report));
        assert_eq!(audio, sender + ms(1020), "a report may be of a later time");
        assert_eq!(clock.ahead(), Some(-100_000_000 * 1_000_000_000 - 50_000_000));
    }

    #[test]
    fn a_report_from_before_the_wrap_counts_on_after_it() {
        let mut clock = Clock::default();
        let report = Report { ticks: u32::MAX - 44, unix_time: ARRIVAL };
        let time = RtpTime { ticks: 45, rate: VIDEO };
        assert_eq!(clock.capture(Medium::Video, time, ARRIVAL, Some(report)), ARRIVAL + ms(1));
    }

    #[test]
    fn a_sender_that_counts_anew_is_taken_by_its_arrival() {
        let mut clock = Clock::default();
        clock.capture(Medium::Video, rtp(0, VIDEO, 0), ARRIVAL, None);
        let captured = clock.capture(Medium::Video, rtp(1 << 30, VIDEO, 0), ARRIVAL + ms(40), None);
        assert_eq!(captured, ARRIVAL + ms(40));
    }

    #[test]
    fn impossible_reports_give_times_that_can_be_written() {
        let mut clock = Clock::default();
        let time = RtpTime { ticks: 0, rate: 0 };
        for unix_time in [Duration::ZERO, Duration::MAX] {
            clock.capture(Medium::Video, time, Duration::MAX, Some(Report { ticks: 1, unix_time }));
        }
    }
}
