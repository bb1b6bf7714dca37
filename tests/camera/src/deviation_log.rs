//! Where a client strays from the protocol, in words. Credentials never get in.

use std::fmt;
use std::time::{Duration, Instant};

/// Entries kept; further ones are only counted.
const KEPT: usize = 1000;

/// Whether a bad link can be the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviationKind {
    /// A packet wrong by itself, whatever became of those before it. (Corruption on the link shows as this too.)
    Byte,
    /// Order, counters or timing: loss, reordering and delay on the link look the same.
    Behaviour,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// Since the log's first use.
    pub at: Duration,
    pub kind: DeviationKind,
    pub text: String,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9.3} s {:?}: {}", self.at.as_secs_f64(), self.kind, self.text)
    }
}

/// All deviations of all clients, oldest first.
#[derive(Debug, Clone, Default)]
pub struct DeviationLog {
    started: Option<Instant>,
    entries: Vec<Deviation>,
    beyond: u64,
}

impl DeviationLog {
    pub fn entries(&self) -> &[Deviation] {
        &self.entries
    }

    /// The entries that no loss, reordering or delay explains.
    pub fn byte_entries(&self) -> impl Iterator<Item = &Deviation> {
        self.entries.iter().filter(|entry| entry.kind == DeviationKind::Byte)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries in all, those past the first 1000 included.
    pub fn count(&self) -> u64 {
        self.entries.len() as u64 + self.beyond
    }

    pub(crate) fn byte(&mut self, now: Instant, text: impl Into<String>) {
        self.add(now, DeviationKind::Byte, text.into());
    }

    pub(crate) fn behaviour(&mut self, now: Instant, text: impl Into<String>) {
        self.add(now, DeviationKind::Behaviour, text.into());
    }

    fn add(&mut self, now: Instant, kind: DeviationKind, text: String) {
        let started = *self.started.get_or_insert(now);
        if self.entries.len() < KEPT {
            self.entries.push(Deviation { at: now.saturating_duration_since(started), kind, text });
        } else {
            self.beyond += 1;
        }
    }
}

impl fmt::Display for DeviationLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            writeln!(f, "{entry}")?;
        }
        if self.beyond > 0 {
            writeln!(f, "... and {} more", self.beyond)?;
        }
        Ok(())
    }
}
