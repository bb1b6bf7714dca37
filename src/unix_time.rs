//! The wall clock.

use std::time::{Duration, SystemTime};

/// Returns the time since 1970; zero where the clock is before that.
pub fn unix_time() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}
