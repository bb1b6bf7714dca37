//! Checks the counters of a client's ACKs and control frames, and makes the camera's ACKs.

use crate::deviation_log::DeviationLog;
use gstwyze::protocol::wire::control::Ack;
use gstwyze::protocol::wire::selective_ack::SelectiveAck;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The longest time between two ACKs. They are due every 100 ms; the rest allows for one that is late.
const MAX_INTERVAL: Duration = Duration::from_millis(250);
/// How long the ACK of a control frame may take; it is due at once.
const MAX_CONTROL_ACK: Duration = Duration::from_secs(1);
const NONE_YET: u16 = 0xFFFF;

/// The expected counters of one AV session.
#[derive(Debug)]
pub struct AckBook {
    /// Send counter of the next ACK or control frame; both share it.
    next_send_counter: u32,
    next_ack_counter: u16,
    highest: u16,
    next_command_counter: u16,
    /// The highest send counter of a control frame that came.
    highest_command: Option<u32>,
    /// The camera's ACK before.
    told: Option<Ack>,
    last_command: Vec<u8>,
    last_ack: Option<Instant>,
    next_sequence: u16,
    /// Sequences of control frames that were sent and not ACKed, with the time by which they have to be.
    unacked: VecDeque<(u16, Instant)>,
}

impl Default for AckBook {
    fn default() -> Self {
        AckBook {
            next_send_counter: 0,
            next_ack_counter: 1,
            highest: NONE_YET,
            next_command_counter: 0,
            highest_command: None,
            told: None,
            last_command: Vec::new(),
            last_ack: None,
            next_sequence: 0,
            unacked: VecDeque::new(),
        }
    }
}

impl AckBook {
    /// Returns the sequence for a control frame that the camera sends now, and expects its ACK.
    pub fn number_control_frame(&mut self, now: Instant) -> u16 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        self.unacked.push_back((sequence, now + MAX_CONTROL_ACK));
        sequence
    }

    /// Checks an ACK. While `streaming`, the time since the last ACK is checked too.
    pub fn handle_ack(&mut self, now: Instant, ack: &Ack, streaming: bool, log: &mut DeviationLog) {
        self.count_sent("ACK", now, ack.send_counter, log);
        if ack.counter != self.next_ack_counter {
            log.behaviour(now, format!("ACK: counter is {} instead of {}", ack.counter, self.next_ack_counter));
        }
        self.next_ack_counter = ack.counter.wrapping_add(1);
        if ack.previous_highest != self.highest {
            log.behaviour(
                now,
                format!("ACK: previous highest is {} instead of {}", ack.previous_highest, self.highest),
            );
        }
        if ack.highest != NONE_YET && ack.highest >= self.next_sequence {
            log.byte(now, format!("ACK: highest is {}, only {} frames were sent", ack.highest, self.next_sequence));
        }
        if ack.highest != self.highest && self.highest != NONE_YET && ack.highest < self.highest {
            log.behaviour(now, format!("ACK: highest falls from {} to {}", self.highest, ack.highest));
        }
        self.highest = ack.highest;
        if ack.highest != NONE_YET {
            self.unacked.retain(|&(sequence, _)| sequence > ack.highest);
        }
        if let Some(last) = self.last_ack
            && streaming
            && now.saturating_duration_since(last) > MAX_INTERVAL
        {
            let gap = now.saturating_duration_since(last).as_millis();
            log.behaviour(now, format!("ACK: {gap} ms after the one before, while streaming"));
        }
        self.last_ack = Some(now);
    }

    /// Checks what a selective ACK says of control frames.
    pub fn handle_selective_ack(&mut self, now: Instant, ack: &SelectiveAck, log: &mut DeviationLog) {
        self.count_sent("selective ACK", now, ack.send_counter.into(), log);
        self.next_send_counter &= 0xFFFF;
        if ack.control != NONE_YET && ack.control >= self.next_sequence {
            log.byte(
                now,
                format!("selective ACK: {} control frames, only {} were sent", ack.control, self.next_sequence),
            );
        }
        if ack.control != NONE_YET {
            self.unacked.retain(|&(sequence, _)| sequence > ack.control);
        }
        self.last_ack = Some(now);
    }

    /// Makes the camera's next ACK, of the control frames that came. They have a count of their own, so that
    /// the numbers of control frames, by which the client ACKs these, have no gaps.
    pub fn ack(&mut self) -> Ack {
        let before = self.told;
        let ack = Ack {
            send_counter: before.map_or(0, |ack| ack.send_counter + 1),
            previous_highest: before.map_or(NONE_YET, |ack| ack.highest),
            highest: self.highest_command.map_or(NONE_YET, |counter| counter as u16),
            counter: before.map_or(1, |ack| ack.counter.wrapping_add(1)),
            milliseconds: 0,
        };
        self.told = Some(ack);
        ack
    }

    /// Checks a control frame of at least 40 bytes. A resend may be the same frame or a new one with the same command.
    pub fn handle_control(&mut self, now: Instant, bytes: &[u8], log: &mut DeviationLog) {
        let Some(head) = bytes.first_chunk::<20>() else { return };
        let send_counter = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        self.highest_command = self.highest_command.max(Some(send_counter));
        if self.last_command == bytes {
            return;
        }
        let is_resend = self.last_command.get(40..) == bytes.get(40..);
        self.last_command = bytes.to_vec();
        self.count_sent("control frame", now, send_counter, log);
        let (got, next) = (u16::from_le_bytes([head[18], head[19]]), self.next_command_counter);
        if got != next && !(is_resend && got.wrapping_add(1) == next) {
            log.behaviour(now, format!("control frame: command counter is {got} instead of {next}"));
        }
        self.next_command_counter = got.wrapping_add(1);
    }

    pub fn handle_timeout(&mut self, now: Instant, log: &mut DeviationLog) {
        while let Some(&(sequence, by)) = self.unacked.front()
            && by <= now
        {
            log.behaviour(now, format!("control frame {sequence} was not ACKed within a second"));
            self.unacked.pop_front();
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.unacked.front().map(|&(_, by)| by)
    }

    fn count_sent(&mut self, what: &str, now: Instant, counter: u32, log: &mut DeviationLog) {
        if counter != self.next_send_counter {
            log.behaviour(now, format!("{what}: send counter is {counter} instead of {}", self.next_send_counter));
        }
        self.next_send_counter = counter.wrapping_add(1);
    }
}
