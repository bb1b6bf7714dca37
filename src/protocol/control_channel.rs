//! Commands to the camera and their answers, and the ACKs that share their counters.
//!
//! One command is in flight at a time, and sent again each second until its answer comes, where doing it twice does no
//! harm. Commands of the client itself go out before those of callers.

use super::commands;
use super::wire::control::{self, Ack, io_type};
use super::wire::hl;
use std::collections::{BTreeSet, VecDeque};
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
    /// What the message is; [`io_type::HL`] for K-commands.
    pub io_type: u16,
    /// From "HL" on; only the payload of other IO types.
    pub message: Vec<u8>,
    /// The K-command of the answer, or its IO type; `None` where none comes.
    pub answer: Option<u16>,
    /// Whether it may be sent again.
    pub is_repeated: bool,
    /// Who asked for it; `None` for the client itself.
    pub caller: Option<u64>,
}

impl From<commands::Request> for Request {
    fn from(request: commands::Request) -> Self {
        Request {
            io_type: io_type::HL,
            message: request.message,
            answer: request.command.answer,
            is_repeated: request.command.is_idempotent,
            caller: None,
        }
    }
}

impl Request {
    fn own(message: Vec<u8>) -> Self {
        let answer = hl::command(&message).checked_add(1);
        Request { io_type: io_type::HL, message, answer, is_repeated: true, caller: None }
    }

    /// Makes a message of another IO type than [`io_type::HL`]. Those that are not known are taken to be answered.
    pub fn raw(io_type: u16, payload: &[u8]) -> Self {
        let answer = io_type::answer(io_type);
        Request { io_type, message: payload.to_vec(), answer, is_repeated: false, caller: None }
    }

    /// Returns the K-command; `None` for another IO type.
    pub fn command(&self) -> Option<u16> {
        (self.io_type == io_type::HL).then(|| hl::command(&self.message))
    }
}

/// What became of a caller's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    Waits,
    /// Too much waits already.
    Full,
    /// The camera did not answer such a command before.
    KnownSilent,
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
    /// The frame's send counter, low half.
    sequence: u16,
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
    /// The K-commands of callers that were sent again and again, and not answered.
    silent: BTreeSet<u16>,
}

impl ControlChannel {
    /// Queues an HL message that expects an answer.
    pub fn queue(&mut self, message: Vec<u8>) {
        let first_of_callers = self.waiting.iter().position(|waiting| waiting.caller.is_some());
        self.waiting.insert(first_of_callers.unwrap_or(self.waiting.len()), Request::own(message));
    }

    /// Queues an HL message that expects an answer, unless the same one waits already.
    pub fn queue_once(&mut self, message: Vec<u8>) {
        if !self.waiting.contains(&Request::own(message.clone())) {
            self.queue(message);
        }
    }

    /// Queues what a caller asks for.
    pub fn request(&mut self, request: Request) -> Queued {
        if request.command().is_some_and(|command| self.silent.contains(&command)) {
            return Queued::KnownSilent;
        }
        if self.waiting.iter().filter(|waiting| waiting.caller.is_some()).count() >= MAX_WAITING {
            return Queued::Full;
        }
        self.waiting.push_back(request);
        Queued::Waits
    }

    /// Forgets what this caller has asked for and is not in flight.
    pub fn forget(&mut self, caller: u64) {
        self.waiting.retain(|waiting| waiting.caller != Some(caller));
    }

    /// Returns the frame of the next command, unless one is in flight, and when to look at it again.
    pub fn next_frame(&mut self, now: Instant) -> Option<(Vec<u8>, Instant)> {
        if self.in_flight.is_some() {
            return None;
        }
        let request = self.waiting.pop_front()?;
        // Sequences are the counter's low half.
        let sequence = self.send_counter as u16;
        let frame = self.frame_of(request.io_type, &request.message);
        let look_again = now + if request.answer.is_some() { RESEND } else { NO_ANSWER };
        self.in_flight = Some(InFlight { request, frame: frame.clone(), sequence, sent_first: now });
        Some((frame, look_again))
    }

    /// Makes a frame of an HL message that expects no answer.
    pub fn frame(&mut self, message: &[u8]) -> Vec<u8> {
        self.frame_of(io_type::HL, message)
    }

    fn frame_of(&mut self, io_type: u16, body: &[u8]) -> Vec<u8> {
        let (send_counter, command_counter) = (self.next_send(), self.command_counter);
        self.command_counter = self.command_counter.wrapping_add(1);
        control::Message { send_counter, command_counter, io_type, body }.emit()
    }

    /// Returns what becomes of the command in flight, which is given up once `limit` is over.
    pub fn look(&mut self, now: Instant, limit: Duration) -> Option<Due> {
        let in_flight = self.in_flight.as_ref()?;
        if in_flight.request.answer.is_none() {
            return self.in_flight.take().map(|done| Due::Done(done.request));
        }
        if now.duration_since(in_flight.sent_first) >= limit {
            // What was sent once only may have been lost.
            let is_silent = in_flight.request.is_repeated && in_flight.request.caller.is_some();
            self.silent.extend(in_flight.request.command().filter(|_| is_silent));
            return self.in_flight.take().map(|given_up| Due::Unanswered(given_up.request));
        }
        Some(if in_flight.request.is_repeated { Due::Again(in_flight.frame.clone()) } else { Due::Waits })
    }

    /// Notes an answer: its IO type, and for K-commands its number. Returns the request that it answers; a repeated
    /// answer answers none.
    pub fn answered(&mut self, io_type: u16, command: u16) -> Option<Request> {
        if io_type == io_type::HL {
            // It comes late, but it comes.
            self.silent.retain(|silent| silent.checked_add(1) != Some(command));
        }
        let is_hl = io_type == io_type::HL;
        let code = if is_hl { command } else { io_type };
        let answers = |in_flight: &mut InFlight| {
            (in_flight.request.io_type == io_type::HL) == is_hl && in_flight.request.answer == Some(code)
        };
        self.in_flight.take_if(answers).map(|answered| answered.request)
    }

    /// Notes the highest sequence that the camera says it has. Returns the request that is done by that, as it gets no
    /// other answer.
    pub fn acknowledged(&mut self, highest: u16) -> Option<Request> {
        let is_done = |in_flight: &mut InFlight| {
            in_flight.request.answer.is_none() && highest.wrapping_sub(in_flight.sequence) as i16 >= 0
        };
        self.in_flight.take_if(is_done).map(|done| done.request)
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
        assert_eq!(channel.answered(io_type::HL, hl::MEDIA), None, "the request itself is no answer");
        assert!(channel.answered(io_type::HL, hl::MEDIA + 1).is_some());
        assert_eq!(channel.answered(io_type::HL, hl::MEDIA + 1), None, "a repeated answer");
        assert!(channel.next_frame(start + limit).is_some());
        let given_up = Request::own(hl::media(hl::MediaKind::Video, false));
        assert_eq!(channel.look(start + limit + limit, limit), Some(Due::Unanswered(given_up)));
    }

    #[test]
    fn what_must_not_be_done_twice_is_sent_once() {
        let (start, limit) = (Instant::now(), Duration::from_secs(5));
        let mut channel = ControlChannel::default();
        let request = |is_answered| Request {
            io_type: io_type::HL,
            message: hl::Message { command: 11002, payload: &[1, 0, 5] }.emit(),
            answer: Some(11003).filter(|_| is_answered),
            is_repeated: false,
            caller: Some(7),
        };
        assert_eq!([true, false].map(|is_answered| channel.request(request(is_answered))), [Queued::Waits; 2]);
        channel.next_frame(start).unwrap();
        assert_eq!(channel.look(start + RESEND, limit), Some(Due::Waits));
        assert_eq!(channel.look(start + limit, limit), Some(Due::Unanswered(request(true))));
        let (_, again) = channel.next_frame(start).unwrap();
        assert_eq!(again, start + NO_ANSWER);
        assert_eq!(channel.answered(io_type::HL, 11003), None, "none is awaited");
        assert_eq!(channel.look(again, limit), Some(Due::Done(request(false))));
    }

    #[test]
    fn callers_cannot_queue_without_end_and_can_be_forgotten() {
        let mut channel = ControlChannel::default();
        let request = |caller| Request { caller: Some(caller), ..Request::own(vec![0; 16]) };
        assert!((0..MAX_WAITING as u64).all(|caller| channel.request(request(caller)) == Queued::Waits));
        assert_eq!(channel.request(request(99)), Queued::Full);
        channel.forget(5);
        assert_eq!(channel.request(request(99)), Queued::Waits);
        channel.queue(hl::media(hl::MediaKind::Video, true));
    }

    /// A request of caller 7.
    fn called(command: u16, answer: Option<u16>) -> Request {
        let message = hl::Message { command, payload: &[] }.emit();
        Request { answer, caller: Some(7), ..Request::own(message) }
    }

    #[test]
    fn the_client_s_own_commands_go_before_those_of_callers() {
        let start = Instant::now();
        let mut channel = ControlChannel::default();
        channel.request(called(10020, Some(10021)));
        channel.request(called(10050, Some(10051)));
        channel.queue(hl::media(hl::MediaKind::Video, true));
        channel.queue(hl::media(hl::MediaKind::Audio, true));
        for command in [hl::MEDIA, hl::MEDIA, 10020, 10050] {
            channel.next_frame(start).unwrap();
            assert!(channel.answered(io_type::HL, command + 1).is_some(), "{command}");
        }
    }

    #[test]
    fn a_command_that_the_camera_does_not_know_is_asked_once() {
        let (start, limit) = (Instant::now(), Duration::from_secs(5));
        let mut channel = ControlChannel::default();
        let ask = |channel: &mut ControlChannel| channel.request(called(10632, Some(10633)));
        assert_eq!(ask(&mut channel), Queued::Waits);
        channel.next_frame(start).unwrap();
        assert!(matches!(channel.look(start + limit, limit), Some(Due::Unanswered(_))));
        assert_eq!(ask(&mut channel), Queued::KnownSilent);
        assert_eq!(channel.answered(io_type::HL, 10633), None, "late");
        assert_eq!(ask(&mut channel), Queued::Waits, "it does know it");
        // What is sent once may have been lost.
        channel.next_frame(start).unwrap();
        channel.answered(io_type::HL, 10633);
        for _ in 0..2 {
            let photo = Request { is_repeated: false, ..called(10058, Some(10059)) };
            assert_eq!(channel.request(photo), Queued::Waits);
            channel.next_frame(start).unwrap();
            assert!(matches!(channel.look(start + limit, limit), Some(Due::Unanswered(_))));
        }
    }

    #[test]
    fn what_gets_no_answer_is_done_when_the_camera_acknowledges_it() {
        let start = Instant::now();
        let mut channel = ControlChannel { send_counter: 0x1_FFFE, ..ControlChannel::default() };
        channel.request(called(11000, None));
        channel.next_frame(start).unwrap();
        assert_eq!(channel.acknowledged(0xFFFD), None, "that is the frame before");
        assert_eq!(channel.acknowledged(0xFFFE), Some(called(11000, None)));
        channel.request(called(10020, Some(10021)));
        channel.next_frame(start).unwrap();
        assert_eq!(channel.acknowledged(0xFFFF), None, "its answer is still to come");
    }

    #[test]
    fn messages_of_other_io_types_have_answers_of_their_own() {
        let start = Instant::now();
        let mut channel = ControlChannel::default();
        let ask = |io_type| Request { caller: Some(7), ..Request::raw(io_type, &[1]) };
        channel.request(ask(io_type::DEVICE_INFO));
        channel.request(ask(io_type::PTZ));
        channel.request(ask(0x0400));
        channel.next_frame(start).unwrap();
        assert_eq!(channel.answered(io_type::HL, io_type::DEVICE_INFO_ANSWER), None);
        assert!(channel.answered(io_type::DEVICE_INFO_ANSWER, 0).is_some());
        let (_, again) = channel.next_frame(start).unwrap();
        assert_eq!(channel.look(again, RESEND), Some(Due::Done(ask(io_type::PTZ))), "none is known");
        channel.next_frame(start).unwrap();
        assert!(channel.answered(0x0401, 0).is_some());
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
