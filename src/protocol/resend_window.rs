//! Which media packets have come, which are asked for again, and which are given up, where the camera sends lost
//! packets again.
//!
//! Packets are known by a counter of 16 bits, which here counts on past its wraps, beginning above 0xFFFF. Audio and
//! video share it, so that it is the order of sending, too.

use super::missing::Missing;
use super::wire::selective_ack::MAX_MISSING;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The most packets that are asked for at once: a second of the fattest camera's.
const MAX_HOLES: u16 = 1024;
/// The choice of the counter is made within so many packets.
const CHOICE_WITHIN: u16 = 1000;
/// How many steps of one more than the inner counter the outer one has to have made to be chosen: two frames of the
/// other medium take that, where the inner one counts each medium.
const LEAD: u16 = 4;
/// The value of a counter's field before any packet.
const NONE_YET: u16 = 0xFFFF;

/// The counters of one packet.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// In the tail, which every known camera but one has.
    pub inner: u16,
    /// In the head, which one client is known to use.
    pub outer: u16,
    /// The place in its frame, from 0.
    pub index: u16,
    /// Whether the camera says that it sends the packet again.
    pub is_resent: bool,
}

/// What an ACK says of the media packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The packet up to which none was missing at the ACK before; FFFF before any.
    pub base: u16,
    /// The newest packet of which the ACK says something; FFFF before any.
    pub newest: u16,
    /// How far each missing packet lies after `base`.
    pub missing: Vec<u16>,
}

/// What has been asked for, and what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resends {
    /// Packets that were asked for, each once.
    pub asked: u64,
    /// Packets that came after they had been asked for.
    pub filled: u64,
    /// Packets that did not come in time.
    pub given_up: u64,
}

impl Resends {
    pub fn and(self, later: Resends) -> Resends {
        Resends {
            asked: self.asked + later.asked,
            filled: self.filled + later.filled,
            given_up: self.given_up + later.given_up,
        }
    }
}

#[derive(Debug)]
struct Hole {
    give_up_at: Instant,
    asked: bool,
}

/// The media packets of one session.
#[derive(Debug, Default)]
pub struct ResendWindow {
    /// The newest packet; `None` before the first.
    newest: Option<u64>,
    holes: BTreeMap<u64, Hole>,
    /// Up to where the last ACK said that none is missing.
    base_told: u64,
    newest_lost: Option<u64>,
    choice: CounterChoice,
    pub resends: Resends,
}

impl ResendWindow {
    /// Notes a packet that came. Packets before it that have not come are holes, which are given up after `patience`.
    /// Returns the packet's number in the order of sending, and whether it opens a hole.
    pub fn received(&mut self, counters: Counters, now: Instant, patience: Duration) -> (u64, bool) {
        if self.choice.observe(counters) {
            self.begin_anew(self.choice.counter(counters));
        }
        let counter = self.choice.counter(counters);
        let newest = *self.newest.get_or_insert_with(|| {
            // Earlier packets of its frame were sent, too.
            let earlier = counters.index.min(MAX_HOLES - 1);
            let before = u64::from(counter) + 0x1_0000 - u64::from(earlier) - 1;
            self.base_told = before;
            before
        });
        let step = counter.wrapping_sub(newest as u16) as i16;
        if step.unsigned_abs() > MAX_HOLES {
            // The camera counts anew, or so much is lost that it is too late for it.
            return (self.begin_anew(counter), false);
        }
        let number = newest.saturating_add_signed(step.into());
        if number <= newest {
            if self.holes.remove(&number).is_some_and(|hole| hole.asked) {
                self.resends.filled += 1;
            }
            return (number, false);
        }
        self.newest = Some(number);
        for missing in newest + 1..number {
            self.holes.insert(missing, Hole { give_up_at: now + patience, asked: false });
        }
        while self.holes.len() > usize::from(MAX_HOLES) {
            self.give_up_oldest();
        }
        (number, number > newest + 1)
    }

    /// Makes the next ACK's part about media.
    pub fn acknowledge(&mut self) -> Acknowledged {
        let Some(newest) = self.newest else {
            return Acknowledged { base: NONE_YET, newest: NONE_YET, missing: Vec::new() };
        };
        let base = self.base_told;
        let mut missing = Vec::with_capacity(self.holes.len().min(MAX_MISSING));
        for (&number, hole) in self.holes.iter_mut().take(MAX_MISSING) {
            self.resends.asked += u64::from(!std::mem::replace(&mut hole.asked, true));
            // Holes are at most 1024, and base is never far behind them.
            missing.push((number - base) as u16);
        }
        // The camera forgets what is before `newest` and not listed.
        let unlisted = self.holes.keys().nth(MAX_MISSING);
        let newest = unlisted.map_or(newest, |&unlisted| unlisted - 1);
        self.base_told = self.complete_up_to().unwrap_or_default();
        Acknowledged { base: base as u16, newest: newest as u16, missing }
    }

    /// Gives up the holes whose time is over.
    pub fn expire(&mut self, now: Instant) {
        while self.holes.first_key_value().is_some_and(|(_, hole)| hole.give_up_at <= now) {
            self.give_up_oldest();
        }
    }

    /// Returns when [`ResendWindow::expire`] has something to do next.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.holes.values().next().map(|hole| hole.give_up_at)
    }

    pub fn missing(&self) -> Missing {
        Missing { oldest_awaited: self.holes.keys().next().copied(), newest_lost: self.newest_lost }
    }

    /// Whether the packets' head has the counter that counts; otherwise the tail has.
    pub fn counts_by_head(&self) -> bool {
        self.choice.is_outer
    }

    /// Returns the number up to which each packet has come or been given up.
    fn complete_up_to(&self) -> Option<u64> {
        self.holes.keys().next().map(|oldest| oldest - 1).or(self.newest)
    }

    /// Begins to count at `counter`, with numbers above those before. Returns its number.
    fn begin_anew(&mut self, counter: u16) -> u64 {
        while !self.holes.is_empty() {
            self.give_up_oldest();
        }
        let number = self.newest.map_or(0, |newest| newest & !0xFFFF) + 0x1_0000 + u64::from(counter);
        self.newest_lost = Some(number - 1);
        (self.newest, self.base_told) = (Some(number), number);
        number
    }

    fn give_up_oldest(&mut self) {
        if let Some((number, _)) = self.holes.pop_first() {
            self.resends.given_up += 1;
            self.newest_lost = Some(number);
        }
    }
}

/// Finds out which of a packet's counters counts all media packets, and nothing else: the one that mostly rises by one.
#[derive(Debug, Default)]
struct CounterChoice {
    last: Option<(u16, u16)>,
    observed: u16,
    /// How often the inner counter rose by one.
    inner_steps: u16,
    /// How often the outer counter rose by one.
    outer_steps: u16,
    is_outer: bool,
}

impl CounterChoice {
    /// Looks at a packet. Returns whether the choice changes with it.
    fn observe(&mut self, counters: Counters) -> bool {
        if self.is_outer || self.observed == CHOICE_WITHIN || counters.is_resent {
            return false;
        }
        if let Some((inner, outer)) = self.last.replace((counters.inner, counters.outer)) {
            self.inner_steps += u16::from(counters.inner == inner.wrapping_add(1));
            self.outer_steps += u16::from(counters.outer == outer.wrapping_add(1));
        }
        self.observed += 1;
        self.is_outer = self.outer_steps >= self.inner_steps + LEAD;
        self.is_outer
    }

    fn counter(&self, counters: Counters) -> u16 {
        if self.is_outer { counters.outer } else { counters.inner }
    }
}

#[cfg(test)]
mod tests;
