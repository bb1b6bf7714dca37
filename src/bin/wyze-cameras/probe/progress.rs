//! A line on the terminal that says what is waited for, and for how long.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Where standard error is no terminal, it shows nothing.
pub struct Progress {
    is_terminal: bool,
    is_shown: bool,
    since: Instant,
}

impl Progress {
    /// How long to wait for an event before the line is shown anew.
    pub const INTERVAL: Duration = Duration::from_millis(500);

    pub fn new() -> Self {
        Progress { is_terminal: io::stderr().is_terminal(), is_shown: false, since: Instant::now() }
    }

    /// Shows what is waited for since the last [`Progress::clear`].
    pub fn show(&mut self, what: &str) {
        if self.is_terminal {
            // Where this fails, there is nobody to see it.
            let _ = write!(io::stderr(), "\r\x1b[K  {what} … {} s", self.since.elapsed().as_secs());
            let _ = io::stderr().flush();
            self.is_shown = true;
        }
    }

    /// Removes the line, before others are printed.
    pub fn clear(&mut self) {
        self.since = Instant::now();
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
