//! A line on the terminal that says what is waited for, and for how long.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Where standard error is no terminal, it shows nothing.
pub struct Progress {
    is_terminal: bool,
    /// When the line was last shown; `None` where there is none.
    shown: Option<Instant>,
    since: Instant,
}

impl Progress {
    /// How often the line is shown anew, at most.
    pub const INTERVAL: Duration = Duration::from_millis(500);

    pub fn new() -> Self {
        Progress { is_terminal: io::stderr().is_terminal(), shown: None, since: Instant::now() }
    }

    /// Shows what is waited for since the last [`Progress::clear`]. May be called at any time.
    pub fn show(&mut self, what: &str) {
        let is_due = self.shown.unwrap_or(self.since).elapsed() >= Self::INTERVAL;
        if self.is_terminal && is_due {
            // Where this fails, there is nobody to see it.
            let _ = write!(io::stderr(), "\r\x1b[K  {what} … {} s", self.since.elapsed().as_secs());
            let _ = io::stderr().flush();
            self.shown = Some(Instant::now());
        }
    }

    /// Removes the line, before others are printed.
    pub fn clear(&mut self) {
        self.since = Instant::now();
        if self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
