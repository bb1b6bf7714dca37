//! The media packets that a camera keeps until the client has acknowledged them, and sends again where it asks.

use crate::deviation_log::DeviationLog;
use gstwyze::protocol::wire::selective_ack::{MAX_MISSING, SelectiveAck};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How many packets are kept, acknowledged or not.
const KEPT: usize = 4096;
/// How long after an ACK that lists it a packet is sent again, in milliseconds.
const RESEND_AFTER: Range<u64> = 50..100;
/// The longest time between two ACKs. They are due every 100 ms; the rest allows for one that is late.
const MAX_INTERVAL: Duration = Duration::from_millis(250);
const NONE_YET: u16 = 0xFFFF;

#[derive(Debug)]
struct Sent {
    counter: u16,
    packet: Vec<u8>,
    /// When it is sent again; `None` where the client has not asked.
    again_at: Option<Instant>,
}

/// The packets of one session that it may have to send again.
#[derive(Debug, Default)]
pub struct SendBuffer {
    sent: VecDeque<Sent>,
    newest: Option<u16>,
    last_ack: Option<(Instant, SelectiveAck)>,
}

/// How far `a` lies after `b`, by counters that wrap.
fn distance(a: u16, b: u16) -> i16 {
    a.wrapping_sub(b) as i16
}

impl SendBuffer {
    pub fn keep(&mut self, counter: u16, packet: Vec<u8>) {
        if self.sent.len() == KEPT {
            self.sent.pop_front();
        }
        self.newest = Some(counter);
        self.sent.push_back(Sent { counter, packet, again_at: None });
    }

    /// How many packets the client has asked for that it has not acknowledged.
    pub fn asked_for(&self) -> usize {
        self.last_ack.as_ref().map_or(0, |(_, ack)| ack.missing.len())
    }

    /// Forgets what the ACK says has come, and plans to send again what it lists.
    pub fn handle_ack(
        &mut self,
        now: Instant,
        ack: SelectiveAck,
        streaming: bool,
        rng: &mut StdRng,
        log: &mut DeviationLog,
    ) {
        self.check(now, &ack, streaming, log);
        if ack.base != NONE_YET || ack.newest != NONE_YET {
            let listed = |counter: u16| ack.missing.contains(&counter.wrapping_sub(ack.base));
            self.sent.retain(|sent| distance(sent.counter, ack.newest) > 0 || listed(sent.counter));
            for sent in &mut self.sent {
                if distance(sent.counter, ack.newest) <= 0 && sent.again_at.is_none() {
                    sent.again_at = Some(now + Duration::from_millis(rng.random_range(RESEND_AFTER)));
                }
            }
        }
        self.last_ack = Some((now, ack));
    }

    /// Returns the packets that are to be sent again now.
    pub fn take_due(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let due = self.sent.iter_mut().filter(|sent| sent.again_at.is_some_and(|at| at <= now));
        due.map(|sent| {
            sent.again_at = None;
            sent.packet.clone()
        })
        .collect()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sent.iter().filter_map(|sent| sent.again_at).min()
    }

    fn check(&self, now: Instant, ack: &SelectiveAck, streaming: bool, log: &mut DeviationLog) {
        let mut wrong = |what: &str| log.byte(now, format!("selective ACK: {what}: {ack:?}"));
        if ack.missing.len() > MAX_MISSING || ack.missing.contains(&0) || !ack.missing.is_sorted() {
            wrong("the list has too many offsets, a zero, or is not in order");
        }
        if ack.missing.iter().any(|&offset| distance(ack.base.wrapping_add(offset), ack.newest) > 0) {
            wrong("a missing packet is newer than the newest");
        }
        match self.newest {
            None if (ack.base, ack.newest) != (NONE_YET, NONE_YET) => wrong("no packet was sent"),
            Some(newest) if ack.newest != NONE_YET && distance(ack.newest, newest) > 0 => {
                wrong("the newest packet was not sent");
            }
            _ => {}
        }
        let Some((at, last)) = &self.last_ack else { return };
        if ack.counter != last.counter.wrapping_add(1) {
            log.behaviour(now, format!("selective ACK: counter {} follows {}", ack.counter, last.counter));
        }
        let has_media = last.base != NONE_YET || last.newest != NONE_YET;
        if has_media && (distance(ack.base, last.base) < 0 || distance(ack.newest, last.newest) < 0) {
            log.behaviour(now, format!("selective ACK: base or newest go back: {ack:?} follows {last:?}"));
        }
        let gap = now.saturating_duration_since(*at);
        if streaming && gap > MAX_INTERVAL {
            log.behaviour(now, format!("selective ACK: {} ms after the one before", gap.as_millis()));
        }
    }
}
