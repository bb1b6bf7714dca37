//! The record that all viewers and cameras of a soak keep of events and failures.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many failures are printed with their text.
const KEPT: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// The camera is off for a while, and comes back on another port without its sessions.
    Reboot,
    /// Nothing gets through for a while.
    Silence,
}

#[derive(Debug, Default)]
pub struct Entries {
    pub video_frames: u64,
    pub audio_frames: u64,
    /// Frames dropped because they were not complete.
    pub incomplete: u64,
    pub packets_lost: u64,
    pub reconnects: u64,
    pub reboots: u64,
    pub silences: u64,
    pub clock_jumps: u64,
    pub restarts: u64,
    pub talks: u64,
    pub talks_given_up: u64,
    pub pts_violations: u64,
    pub stalls: u64,
    pub errors: u64,
    /// The longest time by which a frame's PTS was behind the running time.
    pub most_late: Duration,
    /// Times from the end of each outage to the first video frame.
    pub after_reboot: Vec<Duration>,
    pub after_silence: Vec<Duration>,
    failures: Vec<String>,
    failure_count: u64,
}

impl Entries {
    pub fn fail(&mut self, failure: String) {
        self.failure_count += 1;
        if self.failures.len() < KEPT {
            eprintln!("FAILED: {failure}");
            self.failures.push(failure);
        }
    }

    pub fn failures(&self) -> u64 {
        self.failure_count
    }

    /// One line: how long it takes until the picture is back after a reboot.
    pub fn reboots_told(&self) -> String {
        format!("from a camera's return after a reboot to the first video frame: {}\n", spread(&self.after_reboot))
    }

    /// A line for each failure.
    pub fn failures_told(&self) -> String {
        let mut told: String = self.failures.iter().map(|failure| format!("FAILED: {failure}\n")).collect();
        let left = self.failure_count - self.failures.len() as u64;
        if left > 0 {
            told += &format!("FAILED: {left} more failures\n");
        }
        told
    }

    pub fn recovered(&mut self, outage: Outage, after: Duration) {
        match outage {
            Outage::Reboot => self.after_reboot.push(after),
            Outage::Silence => self.after_silence.push(after),
        }
    }
}

impl fmt::Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "cameras: {} reboots, {} silences, {} clock jumps; elements: {} restarts, {} reconnections, {} talks ({} given up over \
             a bad network)",
            self.reboots,
            self.silences,
            self.clock_jumps,
            self.restarts,
            self.reconnects,
            self.talks,
            self.talks_given_up
        )?;
        write!(f, "{}", self.reboots_told())?;
        writeln!(f, "from the end of a silence to the first video frame: {}", spread(&self.after_silence))?;
        writeln!(
            f,
            "frames received: {} video, {} audio; lost in the network: {} packets, and with them {} frames",
            self.video_frames, self.audio_frames, self.packets_lost, self.incomplete
        )?;
        writeln!(
            f,
            "PTS violations {}, stalls {}, errors {}; the latest frame was {:.2} s late",
            self.pts_violations,
            self.stalls,
            self.errors,
            self.most_late.as_secs_f64()
        )?;
        f.write_str(&self.failures_told())
    }
}

fn spread(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort();
    let [.., last] = times[..] else { return "none".into() };
    let part = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)].as_secs_f64();
    format!(
        "median {:.2} s, 99 % {:.2} s, max {:.2} s ({} times)",
        part(0.5),
        part(0.99),
        last.as_secs_f64(),
        times.len()
    )
}

/// Shared by the main loop and the streaming threads.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Entries>);

impl Ledger {
    pub fn open(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
