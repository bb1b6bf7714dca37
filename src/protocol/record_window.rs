//! Which DTLS records of the camera have arrived, which are still awaited, and which wait for those.
//!
//! A record's sequence number stands in its plain header and is believed once the record has authenticated. Two things
//! rest on it: frames are delivered in the order they were sent, after late records got their chance; and OpenSSL,
//! whose replay window is 64 records, is not given a record that would push an awaited one out of it.

use super::missing::Missing;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many records OpenSSL remembers behind the newest one.
const REPLAY_WINDOW: u64 = 63;
/// Waiting ends when more than this is held; a 2K key frame is some 150 records of 1.3 KB.
const MAX_HELD: usize = 512;
const MAX_HELD_BYTES: usize = 1 << 20;

/// Whether a record that authenticated came before or after its successors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    InOrder,
    /// A record with a higher number came first.
    Late,
}

/// A record that is kept back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Header and body.
    pub bytes: Vec<u8>,
    pub arrived: Instant,
}

/// The records of one DTLS session, by their sequence numbers in epoch 1.
#[derive(Debug, Default)]
pub struct RecordWindow {
    /// The number after the newest authenticated record; `None` before the first.
    next: Option<u64>,
    /// Awaited records, each with the time when it is given up.
    missing: BTreeMap<u64, Instant>,
    /// Records that wait until an awaited one has come or been given up. The key is the number and the order of
    /// arrival: they have not authenticated, so a forged record may bear a genuine one's number.
    held: BTreeMap<(u64, u64), Held>,
    held_bytes: usize,
    /// How many records have been held so far.
    holds: u64,
    /// How many records were given up and have not come since.
    pub lost: u64,
    newest_lost: Option<u64>,
}

impl RecordWindow {
    /// Whether this record has to be kept back for now, with [`RecordWindow::hold`].
    pub fn must_hold(&self, sequence: u64) -> bool {
        self.next.is_some_and(|next| sequence >= next)
            && self.oldest_missing().is_some_and(|missing| sequence > missing + REPLAY_WINDOW)
    }

    /// Keeps a record until [`RecordWindow::release`]. No camera sends so much within a wait that the limits are
    /// reached. So when they are, some of the records are forged; then nothing is awaited any longer, and the genuine
    /// ones go on.
    pub fn hold(&mut self, sequence: u64, record: &[u8], now: Instant) {
        if !self.is_full() {
            self.holds += 1;
            self.held_bytes += record.len();
            self.held.insert((sequence, self.holds), Held { bytes: record.to_vec(), arrived: now });
        }
        if self.is_full() {
            while let Some((number, _)) = self.missing.pop_first() {
                self.give_up(1, number);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.held.len() >= MAX_HELD || self.held_bytes >= MAX_HELD_BYTES
    }

    /// Takes out the next held record that may go now, with its number.
    pub fn release(&mut self) -> Option<(u64, Held)> {
        let (sequence, _) = *self.held.keys().next()?;
        if self.must_hold(sequence) {
            return None;
        }
        let (_, held) = self.held.pop_first()?;
        self.held_bytes -= held.bytes.len();
        Some((sequence, held))
    }

    /// Notes a record that authenticated. Earlier records that have not come are awaited for `wait`, as far back as
    /// OpenSSL would still take them. The wait begins when this record `arrived`, not when it was released, or waits
    /// would add up without end.
    pub fn authenticated(&mut self, sequence: u64, arrived: Instant, wait: Duration) -> Arrival {
        let Some(next) = self.next else {
            self.next = Some(sequence + 1);
            return Arrival::InOrder;
        };
        if sequence < next {
            if self.missing.remove(&sequence).is_none() {
                // It was given up, and has come after all.
                self.lost = self.lost.saturating_sub(1);
            }
            return Arrival::Late;
        }
        let oldest = sequence.saturating_sub(REPLAY_WINDOW);
        while let Some(missing) = self.missing.first_entry().filter(|missing| *missing.key() < oldest) {
            let number = missing.remove_entry().0;
            self.give_up(1, number);
        }
        let first = next.max(oldest);
        if first > next {
            self.give_up(first - next, first - 1);
        }
        self.missing.extend((first..sequence).map(|number| (number, arrived + wait)));
        self.next = Some(sequence + 1);
        Arrival::InOrder
    }

    /// Whether this record has been received, as far as is remembered. If it comes again, that is a copy.
    pub fn is_known(&self, sequence: u64) -> bool {
        self.held.range((sequence, 0)..=(sequence, u64::MAX)).next().is_some()
            || self.next.is_some_and(|next| sequence < next) && !self.missing.contains_key(&sequence)
    }

    pub fn missing(&self) -> Missing {
        Missing { oldest_awaited: self.oldest_missing(), newest_lost: self.newest_lost }
    }

    fn oldest_missing(&self) -> Option<u64> {
        self.missing.keys().next().copied()
    }

    /// Gives up the records that have been awaited long enough.
    pub fn expire(&mut self, now: Instant) {
        while let Some(missing) = self.missing.first_entry().filter(|missing| *missing.get() <= now) {
            let number = missing.remove_entry().0;
            self.give_up(1, number);
        }
    }

    /// Returns when [`RecordWindow::expire`] has something to do next: when the oldest awaited record is given up.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.missing.values().next().copied()
    }

    fn give_up(&mut self, count: u64, newest: u64) {
        self.lost += count;
        self.newest_lost = self.newest_lost.max(Some(newest));
    }
}

#[cfg(test)]
mod tests;
