//! One time for all pipelines of the program: clock and base time are the same, so that a time stamp of a camera's
//! pipeline is valid in those of its clients.

use gst::prelude::*;
use std::sync::LazyLock;

static CLOCK: LazyLock<(gst::Clock, gst::ClockTime)> = LazyLock::new(|| {
    let clock = gst::SystemClock::obtain();
    let now = clock.time();
    (clock, now)
});

/// Gives a pipeline the program's time.
pub fn set(pipeline: &gst::Pipeline) {
    let (clock, base) = &*CLOCK;
    pipeline.use_clock(Some(clock));
    // Without a start time, the pipeline keeps the base time that it is given.
    pipeline.set_start_time(gst::ClockTime::NONE);
    pipeline.set_base_time(*base);
}
