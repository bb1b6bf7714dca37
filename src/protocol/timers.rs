//! Every timer of a session in one table, so that "when next" has one answer.

use std::time::Instant;

/// What is to be done when a time comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The connection attempt is given up.
    Connect,
    /// Probes, or the current step of discovery or session set-up, are sent again.
    Discovery,
    /// The second login request is sent.
    LoginSecond,
    /// Both login requests are sent again.
    Login,
    /// The command in flight is sent again, or given up.
    Command,
    /// The next ACK is due.
    Ack,
    /// A late packet is waited for no longer.
    Reorder,
    /// The camera has been silent for long.
    Idle,
}

impl Timer {
    pub const ALL: [Timer; 8] = [
        Timer::Connect,
        Timer::Discovery,
        Timer::LoginSecond,
        Timer::Login,
        Timer::Command,
        Timer::Ack,
        Timer::Reorder,
        Timer::Idle,
    ];
}

/// At most one time a timer.
#[derive(Debug, Default)]
pub struct TimerTable([Option<Instant>; Timer::ALL.len()]);

impl TimerTable {
    pub fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = Some(at);
    }

    pub fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub fn stop_all(&mut self) {
        *self = TimerTable::default();
    }

    /// The earliest time of all.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Stops and returns one timer whose time has come.
    pub fn expire(&mut self, now: Instant) -> Option<Timer> {
        let timer = Timer::ALL.into_iter().find(|&timer| self.0[timer as usize].is_some_and(|at| at <= now))?;
        self.stop(timer);
        Some(timer)
    }
}
