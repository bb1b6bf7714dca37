//! The times at which something is due, in one table for each lifetime, so that "when next" has one answer.

use std::time::Instant;

/// What a client has to do while it looks for the camera, whatever connection that leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchTimer {
    /// Give up the attempt to connect.
    Connect,
    /// Send the probes again.
    Probe,
    /// Send the session requests again.
    Session,
}

/// What a connection has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionTimer {
    /// Send the second login request.
    LoginSecond,
    /// Send both login requests again.
    Login,
    /// Send the command in flight again, or give it up.
    Command,
    /// Send the next ACK.
    Ack,
    /// Ask for the media that have not come.
    AskForMedia,
    /// Stop waiting for a late packet.
    Reorder,
    /// See whether the camera has been silent for too long.
    Idle,
}

/// At most one time for each timer.
#[derive(Debug)]
pub struct TimerTable<T>(Vec<(T, Instant)>);

impl<T> Default for TimerTable<T> {
    fn default() -> Self {
        TimerTable(Vec::new())
    }
}

impl<T: Copy + PartialEq> TimerTable<T> {
    /// Sets the timer to `at`, whether or not it is running.
    pub fn set(&mut self, timer: T, at: Instant) {
        match self.0.iter_mut().find(|(other, _)| *other == timer) {
            Some((_, time)) => *time = at,
            None => self.0.push((timer, at)),
        }
    }

    /// Sets the timer to `at`, unless it is due before.
    pub fn set_no_later(&mut self, timer: T, at: Instant) {
        let is_due_before = self.0.iter().any(|(other, time)| *other == timer && *time <= at);
        if !is_due_before {
            self.set(timer, at);
        }
    }

    pub fn stop(&mut self, timer: T) {
        self.0.retain(|(other, _)| *other != timer);
    }

    pub fn stop_all(&mut self) {
        self.0.clear();
    }

    /// The earliest time of all.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().map(|&(_, at)| at).min()
    }

    /// Stops and returns the timer that has been due for longest.
    pub fn expire(&mut self, now: Instant) -> Option<T> {
        let due = self.0.iter().filter(|(_, at)| *at <= now).min_by_key(|(_, at)| *at)?.0;
        self.stop(due);
        Some(due)
    }
}
