//! Commands to the camera and their answers, and the ACKs that share their counters.
//!
//! One command is in flight at a time, and sent again each second until its answer comes, where doing it twice does no
//! harm.

use super::commands;
use super::wire::control::{Ack, ControlFrame};
use super::wire::hl;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a command waits for its answer before it goes out again.
pub const RESEND: Duration = Duration::from_secs(1);
/// How long a command that gets no answer takes: cameras do one thing at a time.
const NO_ANSWER: Duration = Duration::from_millis(200);
/// How many commands of callers may wait.
const MAX_WAITING: usize = 64;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// From "HL" on.
    pub message: Vec<u8>,
    /// Whether the camera answers it, by the number after the command's.
    pub is_answered: bool,
    /// Whether it may be sent again.
    pub is_repeated: bool,
    /// Who asked for it; `None` for the client itself.
    pub caller: Option<u64>,
}

impl From<commands::Request> for Request {
    fn from(request: commands::Request) -> Self {
        Request {
            message: request.message,
            is_answered: request.command.answer.is_some(),
            is_repeated: request.command.is_idempotent,
            caller: None,
        }
    }
}

impl Request {
    fn own(message: Vec<u8>) -> Self {
        Request { message, is_answered: true, is_repeated: true, caller: None }
    }
}

/// What becomes of the command in flight.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// Send this frame again.
    Again(Vec<u8>),
    /// It goes on waiting for its answer.
    Waits,
    /// It has gone out, and no answer was to come.
    Done(Request),
    /// No answer has come in time.
    Unanswered(Request),
}

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
    request: Request,
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
    waiting: VecDeque<Request>,
    in_flight: Option<InFlight>,
}

impl ControlChannel {
    /// Queues an HL message that expects an answer.
    pub fn queue(&mut self, message: Vec<u8>) {
        self.waiting.push_back(Request::own(message));
    }

    /// Queues what a caller asks for; false where too much waits.
    pub fn request(&mut self, request: Request) -> bool {
        let has_room = self.waiting.iter().filter(|waiting| waiting.caller.is_some()).count() < MAX_WAITING;
        if has_room {
            self.waiting.push_back(request);
        }
        has_room
    }

    /// Forgets what this caller has asked for and is not in flight.
    pub fn forget(&mut self, caller: u64) {
        self.waiting.retain(|waiting| waiting.caller != Some(caller));
    }

    /// Queues an HL message that expects an answer, unless the same one waits already.
    pub fn queue_once(&mut self, message: Vec<u8>) {
        let request = Request::own(message);
        if !self.waiting.contains(&request) {
            self.waiting.push_back(request);
        }
    }

    /// Returns the frame of the next command, unless one is in flight, and when to look at it again.
    pub fn next_frame(&mut self, now: Instant) -> Option<(Vec<u8>, Instant)> {
        if self.in_flight.is_some() {
            return None;
        }
        let request = self.waiting.pop_front()?;
        let frame = self.frame(&request.message);
        let look_again = now + if request.is_answered { RESEND } else { NO_ANSWER };
        self.in_flight = Some(InFlight { request, frame: frame.clone(), sent_first: now });
        Some((frame, look_again))
    }

    /// Makes a frame of a message that expects no answer.
    pub fn frame(&mut self, message: &[u8]) -> Vec<u8> {
        let frame = ControlFrame { send_counter: self.next_send(), command_counter: self.command_counter, hl: message };
        self.command_counter = self.command_counter.wrapping_add(1);
        frame.emit()
    }

    /// Returns what becomes of the command in flight, which is given up once `limit` is over.
    pub fn look(&mut self, now: Instant, limit: Duration) -> Option<Due> {
        let in_flight = self.in_flight.as_ref()?;
        if !in_flight.request.is_answered {
            return self.in_flight.take().map(|done| Due::Done(done.request));
        }
        if now.duration_since(in_flight.sent_first) >= limit {
            return self.in_flight.take().map(|given_up| Due::Unanswered(given_up.request));
        }
        Some(if in_flight.request.is_repeated { Due::Again(in_flight.frame.clone()) } else { Due::Waits })
    }

    /// Notes an answer. Returns the request that it answers; a repeated answer answers none.
    pub fn answered(&mut self, command: u16) -> Option<Request> {
        let answers = |in_flight: &mut InFlight| {
            in_flight.request.is_answered && hl::command(&in_flight.request.message).wrapping_add(1) == command
        };
        self.in_flight.take_if(answers).map(|answered| answered.request)
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
        let (first, again) = channel.next_frame(start).unwrap();
        assert_eq!(again, start + RESEND);
        assert_eq!(channel.next_frame(start), None);
        assert_eq!(channel.look(start + RESEND, limit), Some(Due::Again(first)));
        assert_eq!(channel.answered(hl::MEDIA), None, "the request itself is no answer");
        assert!(channel.answered(hl::MEDIA + 1).is_some());
        assert_eq!(channel.answered(hl::MEDIA + 1), None, "a repeated answer");
        assert!(channel.next_frame(start + limit).is_some());
        let given_up = Request::own(hl::media(hl::MediaKind::Video, false));
        assert_eq!(channel.look(start + limit + limit, limit), Some(Due::Unanswered(given_up)));
    }

    #[test]
    fn what_must_not_be_done_twice_is_sent_once() {
        let (start, limit) = (Instant::now(), Duration::from_secs(5));
        let mut channel = ControlChannel::default();
        let request = |is_answered| Request {
            message: hl::Message { command: 11002, payload: &[1, 0, 5] }.emit(),
            is_answered,
            is_repeated: false,
            caller: Some(7),
        };
        assert!(channel.request(request(true)) && channel.request(request(false)));
        channel.next_frame(start).unwrap();
        assert_eq!(channel.look(start + RESEND, limit), Some(Due::Waits));
        assert_eq!(channel.look(start + limit, limit), Some(Due::Unanswered(request(true))));
        let (_, again) = channel.next_frame(start).unwrap();
        assert_eq!(again, start + NO_ANSWER);
        assert_eq!(channel.answered(11003), None, "none is awaited");
        assert_eq!(channel.look(again, limit), Some(Due::Done(request(false))));
    }

    #[test]
    fn callers_cannot_queue_without_end_and_can_be_forgotten() {
        let mut channel = ControlChannel::default();
        let request = |caller| Request { caller: Some(caller), ..Request::own(vec![0; 16]) };
        assert!((0..MAX_WAITING as u64).all(|caller| channel.request(request(caller))));
        assert!(!channel.request(request(99)));
        channel.forget(5);
        assert!(channel.request(request(99)));
        channel.queue(hl::media(hl::MediaKind::Video, true));
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
