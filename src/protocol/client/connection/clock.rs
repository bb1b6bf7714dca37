//! The camera's clock: how far it is off, and the command that sets one that is far off.

use super::Connection;
use crate::protocol::client::context::Context;
use crate::protocol::client::event::{CameraClock, Event};
use crate::protocol::error::Stage;
use crate::protocol::wire::frame_info::{CLOCK_SET, FrameInfo};
use crate::protocol::wire::hl;
use std::time::{Duration, Instant};

/// How far a clock may be off, either way, before it is set.
const TOLERANCE: Duration = Duration::from_secs(60);
/// What is added to the time that is sent, for its way to the camera: whole seconds are all that the command carries.
const WAY: Duration = Duration::from_secs(1);

impl Connection {
    /// Reads the camera's clock off the first frame of the stream, and sets it where it is far off.
    pub(super) fn check_clock(&mut self, info: &FrameInfo, context: &mut Context, now: Instant) {
        if self.clock.is_some() || context.stage != Stage::Streaming {
            return;
        }
        let wall = context.unix_time(now);
        let clock = CameraClock { offset: offset(info, wall), was_set: false };
        self.clock = Some(clock);
        context.events.push_back(Event::Clock(clock));
        // A host without the time cannot tell it.
        let is_known = wall >= Duration::from_secs(CLOCK_SET.into());
        let is_right = clock.offset.is_some_and(|offset| Duration::from_nanos(offset.unsigned_abs()) <= TOLERANCE);
        if context.config.set_clock && is_known && !is_right {
            // The field has 32 bits, and wraps in 2106.
            self.control.queue(hl::set_clock((wall + WAY).as_secs() as u32));
            self.send_next_command(context, now);
        }
    }

    /// Notes that the camera has set its clock.
    pub(super) fn clock_was_set(&mut self, context: &mut Context) {
        if let Some(clock) = &mut self.clock {
            clock.was_set = true;
            context.events.push_back(Event::Clock(*clock));
        }
    }
}

/// Returns how many nanoseconds a frame's stamp is ahead of `wall`; `None` where the camera's clock was never set.
fn offset(info: &FrameInfo, wall: Duration) -> Option<i64> {
    let stamp = Duration::from_secs(info.seconds.into()) + Duration::from_micros(info.microseconds.into());
    // 32 bits of seconds are as nanoseconds within 63 bits, and so is any wall clock up to the year 2262.
    (info.seconds >= CLOCK_SET).then(|| stamp.as_nanos() as i64 - wall.as_nanos() as i64)
}
