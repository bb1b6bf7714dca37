//! The log of what clients do against the protocol, as text. It never contains credentials.

use std::fmt;
use std::time::{Duration, Instant};

/// How many entries are kept; further ones are only counted.
const KEPT: usize = 1000;

/// Whether a bad link can be the cause of a deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviationKind {
    /// The packet is wrong by itself, whatever happened to others. (A link that corrupts packets causes this too.)
    Byte,
    /// Order, counters or timing are wrong, which loss, reordering and delay on the link can cause too.
    Behaviour,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// Time since the first deviation.
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

    /// The number of all deviations, including those past the first 1000, which have no entry.
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
