//! Decides how soon the next login may be tried. Wyze locks accounts after a few failed ones.

use super::CloudError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long to wait after one failed login. Each further one doubles the time.
const FIRST: Duration = Duration::from_secs(15);
/// No doubling makes the time longer.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// A longer wait comes from a clock that was wrong, and does not count.
const BELIEVED: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of failed logins, kept on disk for all processes. [`LoginWindow::open`] is called before a login,
/// [`LoginWindow::succeeded`] or [`LoginWindow::failed`] after it. Times are in seconds of Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginWindow {
    /// Failed logins since the last one that succeeded.
    failures: u32,
    /// When the next login may be tried.
    next: u64,
}

impl LoginWindow {
    /// Begins a login, or fails where it is too soon. The login counts as failed until one of the others is called, as
    /// the process may be killed.
    pub fn open(&mut self, now: u64) -> Result<(), CloudError> {
        if now < self.next {
            let wait = Duration::from_secs(self.next - now);
            if wait <= BELIEVED {
                return Err(CloudError::TooSoon { wait });
            }
        }
        let wait = (FIRST * 2u32.saturating_pow(self.failures.min(16))).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.next = now.saturating_add(wait.as_secs());
        Ok(())
    }

    /// Notes that the login succeeded.
    pub fn succeeded(&mut self) {
        *self = LoginWindow { failures: 0, next: self.next };
    }

    /// Notes that the login failed. The error may say how long to wait.
    pub fn failed(&mut self, error: &CloudError, now: u64) {
        if matches!(error, CloudError::Host { .. } | CloudError::Network { .. } | CloudError::Tls { .. }) {
            // The cloud has not seen this login.
            *self = LoginWindow { failures: self.failures.saturating_sub(1), next: now };
        }
        if let Some(wait) = error.wait() {
            self.next = self.next.max(now.saturating_add(wait.as_secs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(window: &mut LoginWindow, now: u64) -> Option<u64> {
        window.open(now).err().map(|e| e.wait().unwrap().as_secs())
    }

    #[test]
    fn each_failure_doubles_the_time_to_the_next_login_up_to_a_limit() {
        let mut window = LoginWindow::default();
        let mut now = 1_000_000;
        for expected in [15, 30, 60, 120, 240, 480, 900, 900, 900] {
            assert_eq!(wait(&mut window, now), None);
            assert_eq!(wait(&mut window, now), Some(expected), "also when nobody said how the login ended");
            assert_eq!(wait(&mut window, now + expected - 1), Some(1));
            now += expected;
        }
    }

    #[test]
    fn a_success_ends_the_doubling_but_not_the_window() {
        let mut window = LoginWindow::default();
        for now in [1000, 2000, 3000] {
            assert_eq!(wait(&mut window, now), None);
        }
        window.succeeded();
        assert_eq!(wait(&mut window, 3001), Some(59));
        assert_eq!(wait(&mut window, 4000), None);
        assert_eq!(wait(&mut window, 4000), Some(15));
    }

    #[test]
    fn what_the_cloud_asks_for_counts_where_it_is_longer() {
        let mut window = LoginWindow::default();
        window.open(1000).unwrap();
        window.failed(&CloudError::LockedOut { wait: Duration::from_secs(900) }, 1000);
        assert_eq!(wait(&mut window, 1100), Some(800));
        window.failed(&CloudError::RateLimited { host: String::new(), wait: Duration::from_secs(3) }, 1100);
        window.failed(&CloudError::WrongCode, 1100);
        assert_eq!(wait(&mut window, 1100), Some(800));
    }

    #[test]
    fn what_never_reached_the_cloud_does_not_count() {
        let mut window = LoginWindow::default();
        for now in 0..20 {
            window.open(now).unwrap();
            window.failed(&CloudError::Network { host: String::new(), reason: String::new() }, now);
        }
        assert_eq!(wait(&mut window, 20), None);
        assert_eq!(wait(&mut window, 20), Some(15));
    }

    #[test]
    fn a_clock_that_was_wrong_locks_nobody_out() {
        let mut window = LoginWindow { failures: 1, next: 4_000_000_000 };
        assert_eq!(wait(&mut window, 1_700_000_000), None);
    }
}
