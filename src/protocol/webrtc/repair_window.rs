//! Packets of the picture that wait before str0m, until what was lost before them has come again.
//!
//! str0m knows the last 100 packets only: what is missing before these is neither asked for nor taken any more. A key
//! frame may have more packets than that, and all of them are there before the first lost one can be asked for. Nothing
//! here needs the packets' keys: their heads are in plain text.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How far behind a missing packet those are that need not wait.
const REACH: u16 = 90;
/// What is so far away belongs to a stream that counts anew.
const JUMP: u16 = 1000;
/// How many bytes wait at most, about: two seconds of 16 Mbit/s.
const MOST_HELD: usize = 4 << 20;

/// A packet's stream (SSRC), and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub stream: u32,
    pub sequence: u16,
}

/// A datagram that has waited.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub datagram: Vec<u8>,
    place: Place,
    until: Instant,
}

#[derive(Debug)]
pub struct RepairWindow {
    /// How long a packet waits at most; zero where nothing is sent again.
    wait: Duration,
    /// The newest packet that did not wait, or does not any more.
    newest: Option<Place>,
    /// What is missing before that, oldest first.
    missing: VecDeque<u16>,
    /// How many repairs have come on a stream of their own. Which packets these repair is encrypted.
    repairs: usize,
    held: VecDeque<Held>,
    held_bytes: usize,
}

impl RepairWindow {
    pub fn new(wait: Duration) -> Self {
        RepairWindow { wait, newest: None, missing: VecDeque::new(), repairs: 0, held: VecDeque::new(), held_bytes: 0 }
    }

    /// Has no packet wait, as none is sent again.
    pub fn disable(&mut self) {
        self.wait = Duration::ZERO;
    }

    /// Takes a packet of the picture. Returns whether it has to wait for its turn.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, place: Place, datagram: &[u8]) -> bool {
        let is_late = matches!(self.step(place), Step::Back);
        if self.wait.is_zero() || is_late || (self.held.is_empty() && self.is_in_reach(place)) {
            self.pass(place);
            return false;
        }
        if self.held_bytes >= MOST_HELD {
            self.forget();
        }
        self.held_bytes += datagram.len();
        self.held.push_back(Held { from, to, datagram: datagram.to_vec(), place, until: now + self.wait });
        true
    }

    /// Notes a packet of the stream for repairs (RTX).
    pub fn receive_repair(&mut self) {
        self.repairs += 1;
        self.settle();
    }

    /// The next packet that has waited long enough.
    pub fn poll(&mut self, now: Instant) -> Option<Held> {
        let held = self.held.front()?;
        if held.until > now && !self.is_in_reach(held.place) {
            return None;
        }
        let held = self.held.pop_front()?;
        self.held_bytes -= held.datagram.len();
        self.pass(held.place);
        Some(held)
    }

    /// When [`RepairWindow::poll`] has a packet at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.held.front().map(|held| held.until)
    }

    fn is_in_reach(&self, place: Place) -> bool {
        match self.step(place) {
            Step::Ahead(_) => self.missing.front().is_none_or(|oldest| place.sequence.wrapping_sub(*oldest) <= REACH),
            Step::Back | Step::Anew => true,
        }
    }

    fn step(&self, place: Place) -> Step {
        let Some(newest) = self.newest.filter(|newest| newest.stream == place.stream) else { return Step::Anew };
        match place.sequence.wrapping_sub(newest.sequence) {
            ahead @ 1..=JUMP => Step::Ahead(ahead),
            back if back.wrapping_neg() <= JUMP => Step::Back,
            _ => Step::Anew,
        }
    }

    /// Notes that str0m gets this packet.
    fn pass(&mut self, place: Place) {
        match self.step(place) {
            Step::Ahead(ahead) => {
                let lost = (1..ahead.min(REACH)).rev().map(|behind| place.sequence.wrapping_sub(behind));
                self.missing.extend(lost);
                self.newest = Some(place);
                while self.missing.front().is_some_and(|oldest| place.sequence.wrapping_sub(*oldest) > REACH) {
                    self.missing.pop_front();
                }
            }
            Step::Back => self.missing.retain(|missing| *missing != place.sequence),
            Step::Anew => {
                self.forget();
                self.newest = Some(place);
            }
        }
        self.settle();
    }

    /// As many repairs as packets are missing have repaired all of these, it is assumed.
    fn settle(&mut self) {
        if self.repairs >= self.missing.len() {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.missing.clear();
        self.repairs = 0;
    }
}

/// Where a packet is, seen from the newest one.
enum Step {
    Ahead(u16),
    Back,
    /// On another stream, or on one that counts anew.
    Anew,
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(200);
    const MS: Duration = Duration::from_millis(1);

    struct World {
        window: RepairWindow,
        now: Instant,
        /// The numbers that str0m has got.
        passed: Vec<u16>,
    }

    impl World {
        fn new() -> Self {
            World { window: RepairWindow::new(WAIT), now: Instant::now(), passed: Vec::new() }
        }

        fn receive_of(&mut self, stream: u32, sequence: u16) {
            let address = SocketAddr::from(([10, 0, 0, 1], 9));
            let place = Place { stream, sequence };
            let datagram = [&sequence.to_be_bytes()[..], &[0; 1998]].concat();
            if !self.window.receive(self.now, address, address, place, &datagram) {
                self.passed.push(sequence);
            }
            self.poll();
        }

        fn receive(&mut self, sequence: u16) {
            self.receive_of(1, sequence);
        }

        fn poll(&mut self) {
            while let Some(held) = self.window.poll(self.now) {
                self.passed.push(u16::from_be_bytes(*held.datagram.first_chunk().unwrap()));
            }
        }

        fn newest(&self) -> u16 {
            *self.passed.last().unwrap()
        }
    }

    #[test]
    fn what_is_far_behind_a_loss_waits_for_the_packet_itself() {
        let mut world = World::new();
        // Over the wrap of the numbers.
        (65_500..=u16::MAX).chain(0..=2).chain(4..300).for_each(|sequence| world.receive(sequence));
        assert_eq!(world.newest(), 3 + REACH);
        world.receive(3);
        assert_eq!(world.newest(), 299);
        let expected: Vec<u16> = (4..=3 + REACH).chain([3]).chain(4 + REACH..300).collect();
        assert_eq!(world.passed[world.passed.len() - expected.len()..], expected);
        assert_eq!(world.window.poll_timeout(), None);
    }

    #[test]
    fn as_many_repairs_as_losses_end_the_wait() {
        let mut world = World::new();
        (0..300).filter(|sequence| ![5, 8].contains(sequence)).for_each(|sequence| world.receive(sequence));
        assert_eq!(world.newest(), 5 + REACH);
        world.window.receive_repair();
        world.poll();
        assert_eq!(world.newest(), 5 + REACH);
        world.window.receive_repair();
        world.poll();
        assert_eq!(world.newest(), 299);
    }

    #[test]
    fn nothing_waits_longer_than_it_may() {
        let mut world = World::new();
        world.receive(0);
        for sequence in 2..400 {
            world.now += MS;
            world.receive(sequence);
        }
        // What came 200 ms ago has not waited longer than that, and what is far from the loss then need not wait.
        assert_eq!(world.newest(), 399);
        let mut world = World::new();
        (0..200).filter(|sequence| *sequence != 1).for_each(|sequence| world.receive(sequence));
        assert_eq!(world.window.poll_timeout(), Some(world.now + WAIT));
        world.now += WAIT - MS;
        world.poll();
        assert_eq!(world.newest(), 1 + REACH);
        world.now += MS;
        world.poll();
        assert_eq!(world.newest(), 199);
    }

    #[test]
    fn a_stream_that_begins_or_counts_anew_waits_for_nothing() {
        for (stream, sequence) in [(2, 7), (1, 20_000), (1, 50_000)] {
            let mut world = World::new();
            (0..80).filter(|sequence| *sequence != 1).for_each(|sequence| world.receive(sequence));
            world.receive_of(stream, sequence);
            assert_eq!(world.newest(), sequence);
            (1..200).for_each(|more| world.receive_of(stream, sequence + more));
            assert_eq!(world.newest(), sequence + 199);
        }
    }

    #[test]
    fn so_much_waits_and_no_more() {
        let mut world = World::new();
        (0..=u16::MAX).filter(|sequence| sequence % 100 != 1).for_each(|sequence| world.receive(sequence));
        assert!(world.window.held_bytes <= MOST_HELD && world.window.missing.len() <= usize::from(REACH));
        assert!(world.newest() > 60_000);
        let mut world = World::new();
        world.window.disable();
        (0..300).filter(|sequence| *sequence != 1).for_each(|sequence| world.receive(sequence));
        assert_eq!(world.newest(), 299);
    }
}
