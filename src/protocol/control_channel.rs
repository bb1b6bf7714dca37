//! Commands to the camera and their answers, and the ACKs that share their counters.
//!
//! One command is in flight at a time, sent again each second until its answer comes.

use super::wire::control::{Ack, ControlFrame};
use super::wire::hl;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a command waits for its answer before it goes out again.
pub const RESEND: Duration = Duration::from_secs(1);

/// The value of a counter's field before any frame.
const NONE_YET: u16 = 0xFFFF;
/// How many control frames may have come after one that is missing. Then it is no longer waited for.
const MAX_AHEAD: usize = 16;

/// The command counters of the camera's control frames that came.
#[derive(Debug, Default)]
struct CommandCounters {
    complete_up_to: Option<u16>,
    /// Those after a missing one.
    ahead: VecDeque<u16>,
}

impl CommandCounters {
    fn received(&mut self, counter: u16) {
        let last = *self.complete_up_to.get_or_insert(counter);
        let is_new = counter.wrapping_sub(last) as i16 > 0 && !self.ahead.contains(&counter);
        if !is_new {
            return;
        }
        self.ahead.push_back(counter);
        if self.ahead.len() > MAX_AHEAD {
            let oldest = self.ahead.iter().min_by_key(|&&ahead| ahead.wrapping_sub(last));
            self.complete_up_to = oldest.map(|oldest| oldest.wrapping_sub(1));
        }
        while let Some(next) = self.complete_up_to.map(|last| last.wrapping_add(1))
            && self.ahead.contains(&next)
        {
            self.ahead.retain(|&ahead| ahead != next);
            self.complete_up_to = Some(next);
        }
    }
}

#[derive(Debug)]
struct InFlight {
    message: Vec<u8>,
    frame: Vec<u8>,
    sent_first: Instant,
}

#[derive(Debug, Default)]
pub struct ControlChannel {
    send_counter: u32,
    command_counter: u16,
    ack_counter: u16,
    /// The highest control sequence that came from the camera.
    highest: Option<u16>,
    /// Which command counters came from the camera.
    commands: CommandCounters,
    /// The highest control sequence that the last ACK told.
    highest_told: Option<u16>,
    waiting: VecDeque<Vec<u8>>,
    in_flight: Option<InFlight>,
}

impl ControlChannel {
    /// Queues an HL message that expects an answer.
    pub fn queue(&mut self, message: Vec<u8>) {
        self.waiting.push_back(message);
    }

    /// Queues an HL message that expects an answer, unless the same one waits already.
    pub fn queue_once(&mut self, message: Vec<u8>) {
        if !self.waiting.contains(&message) {
            self.waiting.push_back(message);
        }
    }

    /// Returns the frame of the next command, unless one is in flight.
    pub fn next_frame(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.in_flight.is_some() {
            return None;
        }
        let message = self.waiting.pop_front()?;
        let frame = self.frame(&message);
        self.in_flight = Some(InFlight { message, frame: frame.clone(), sent_first: now });
        Some(frame)
    }

    /// Makes a frame of a message that expects no answer.
    pub fn frame(&mut self, message: &[u8]) -> Vec<u8> {
        let frame = ControlFrame { send_counter: self.next_send(), command_counter: self.command_counter, hl: message };
        self.command_counter = self.command_counter.wrapping_add(1);
        frame.emit()
    }

    /// Returns the frame of the command in flight once more, or once `limit` is over, gives the command up and returns
    /// its HL message as an error.
    pub fn resend(&mut self, now: Instant, limit: Duration) -> Option<Result<Vec<u8>, Vec<u8>>> {
        let in_flight = self.in_flight.as_ref()?;
        if now.duration_since(in_flight.sent_first) >= limit {
            return self.in_flight.take().map(|given_up| Err(given_up.message));
        }
        Some(Ok(in_flight.frame.clone()))
    }

    /// Notes an answer. Returns whether it is the one awaited, which a repeated one is not.
    pub fn answered(&mut self, command: u16) -> bool {
        self.in_flight.take_if(|in_flight| hl::command(&in_flight.message) + 1 == command).is_some()
    }

    /// Notes the send counter of a control frame of the camera, for the next ACK.
    pub fn received(&mut self, send_counter: u32) {
        // Sequences are the counter's low half.
        let sequence = send_counter as u16;
        if self.highest.is_none_or(|highest| (sequence.wrapping_sub(highest) as i16) > 0) {
            self.highest = Some(sequence);
        }
    }

    /// Notes the command counter of a control frame of the camera.
    pub fn received_command(&mut self, command_counter: u16) {
        self.commands.received(command_counter);
    }

    /// Returns the command counter up to which no control frame of the camera is missing; FFFF before any.
    pub fn complete_up_to(&self) -> u16 {
        self.commands.complete_up_to.unwrap_or(NONE_YET)
    }

    /// Returns the send counter of a selective ACK, and its own number, from 0.
    pub fn number_ack(&mut self) -> (u32, u16) {
        let number = self.ack_counter;
        self.ack_counter = self.ack_counter.wrapping_add(1);
        (self.next_send(), number)
    }

    /// Makes the next ACK. `milliseconds` is the low half of the time since the client began.
    pub fn ack(&mut self, milliseconds: u16) -> [u8; 24] {
        self.ack_counter = self.ack_counter.wrapping_add(1);
        let ack = Ack {
            send_counter: self.next_send(),
            previous_highest: self.highest_told.unwrap_or(NONE_YET),
            highest: self.highest.unwrap_or(NONE_YET),
            counter: self.ack_counter,
            milliseconds,
        };
        self.highest_told = self.highest;
        ack.emit()
    }

    fn next_send(&mut self) -> u32 {
        let counter = self.send_counter;
        self.send_counter = self.send_counter.wrapping_add(1);
        counter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/vectors/vectors.json")).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn acks_and_commands_share_counters_as_in_the_vectors() {
        let client = &vectors()["client"];
        let mut channel = ControlChannel::default();
        assert_eq!(hex(&channel.ack(0x405C)), client["ack0"]);
        for (sequence, name) in [(7, "ack1_rx7"), (9, "ack2_rx9")] {
            channel.received(sequence);
            assert_eq!(hex(&channel.ack(0x405C)), client[name]);
        }
        let request = hl::Message { command: hl::AUTH_REQUEST, payload: &[] }.emit();
        assert_eq!(hex(&channel.frame(&request)), client["ioctrl_a"]);
        assert_eq!(hex(&channel.frame(&request)), client["ioctrl_b"]);
    }

    #[test]
    fn one_command_is_in_flight_until_its_answer_or_its_limit() {
        let start = Instant::now();
        let limit = Duration::from_secs(5);
        let mut channel = ControlChannel::default();
        channel.queue(hl::media(hl::MediaKind::Audio, false));
        channel.queue(hl::media(hl::MediaKind::Video, false));
        let first = channel.next_frame(start).unwrap();
        assert_eq!(channel.next_frame(start), None);
        assert_eq!(channel.resend(start + RESEND, limit), Some(Ok(first)));
        assert!(!channel.answered(hl::MEDIA), "the request itself is no answer");
        assert!(channel.answered(hl::MEDIA + 1));
        assert!(!channel.answered(hl::MEDIA + 1), "a repeated answer");
        assert!(channel.next_frame(start + limit).is_some());
        assert_eq!(channel.resend(start + limit + limit, limit), Some(Err(hl::media(hl::MediaKind::Video, false))));
    }

    #[test]
    fn the_highest_sequence_survives_the_wrap_and_late_frames() {
        let mut channel = ControlChannel::default();
        for sequence in [0xFFFE, 1, 0xFFFF] {
            channel.received(sequence);
        }
        assert_eq!(Ack::parse(&channel.ack(0)).unwrap().highest, 1);
    }
}
