//! The timing probes that a camera sends, and whether the client answers them.

use crate::deviation_log::DeviationLog;
use gstwyze::protocol::wire::probe::{Probe, ProbeAnswer};
use std::collections::VecDeque;
use std::time::Instant;

/// How many unanswered probes are remembered.
const KEPT: usize = 1024;

/// The probes of one session. Each has a clock of its own, so that its answer is told from others.
#[derive(Debug, Default)]
pub struct ProbeBook {
    clock: u16,
    unanswered: VecDeque<u16>,
}

impl ProbeBook {
    pub fn next_probe(&mut self, version: u16) -> Probe {
        self.clock = self.clock.wrapping_add(50);
        if self.unanswered.len() == KEPT {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(self.clock);
        Probe { version, clock: self.clock, round_trip: 50, flags: 1 }
    }

    pub fn handle_answer(&mut self, now: Instant, answer: &ProbeAnswer, log: &mut DeviationLog) {
        match self.unanswered.iter().position(|&clock| clock == answer.clock) {
            Some(at) => drop(self.unanswered.remove(at)),
            None => log.behaviour(now, "timing answer: its clock is that of no unanswered probe"),
        }
        if answer.received == 0 {
            log.byte(now, "timing answer: no packet received, not even the probe");
        }
    }

    pub fn unanswered(&self) -> usize {
        self.unanswered.len()
    }
}
