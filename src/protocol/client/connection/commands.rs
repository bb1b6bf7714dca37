//! Commands to the camera with their answers, and ACKs.

use super::Connection;
use crate::protocol::client::context::Context;
use crate::protocol::client::event::Event;
use crate::protocol::commands;
use crate::protocol::control_channel::{self, Due, Queued, Request};
use crate::protocol::error::{Error, Stage};
use crate::protocol::talk::{TalkError, TalkEvent};
use crate::protocol::timers::ConnectionTimer;
use crate::protocol::wire::control::{self, Ack, ControlFrame, io_type};
use crate::protocol::wire::hl;
use std::time::{Duration, Instant};

const COMMAND_LIMIT: Duration = Duration::from_secs(5);
const ACK_INTERVAL: Duration = Duration::from_millis(100);
/// How much sooner an ACK goes with a frame that came, which spares waking up for it.
const ACK_AHEAD: Duration = Duration::from_millis(20);

impl Connection {
    pub(super) fn send_timed_ack(&mut self, context: &mut Context, now: Instant) {
        self.send_ack(context, now);
        self.timers.set(ConnectionTimer::Ack, now + ACK_INTERVAL);
    }

    /// Sends the next ACK now if it is due soon.
    pub(super) fn send_ack_ahead(&mut self, context: &mut Context, now: Instant) {
        if context.stage == Stage::Streaming && now.duration_since(self.last_ack) + ACK_AHEAD >= ACK_INTERVAL {
            self.send_timed_ack(context, now);
        }
    }

    fn send_ack(&mut self, context: &mut Context, now: Instant) {
        // The field has the low 16 bits.
        let milliseconds = now.duration_since(context.started).as_millis() as u16;
        let ack = self.selective_ack(milliseconds).unwrap_or_else(|| self.control.ack(milliseconds).to_vec());
        self.last_ack = now;
        self.send(&ack, context);
    }

    /// Sends the next command that waits, unless one is in flight.
    pub(super) fn send_next_command(&mut self, context: &mut Context, now: Instant) {
        if let Some((frame, look_again)) = self.control.next_frame(now) {
            self.send(&frame, context);
            self.timers.set(ConnectionTimer::Command, look_again);
        }
    }

    /// Asks the camera for what a caller wants. [`Event::Reply`] tells what came of it.
    pub fn request(&mut self, request: Request, context: &mut Context, now: Instant) {
        let caller = request.caller;
        match self.control.request(request) {
            Queued::Waits => self.send_next_command(context, now),
            Queued::Full | Queued::KnownSilent => {
                context.events.extend(caller.map(|caller| Event::Reply(caller, None)));
            }
        }
    }

    pub fn forget(&mut self, caller: u64) {
        self.control.forget(caller);
    }

    /// Sends the command in flight again, or gives it up.
    pub(super) fn look_at_command(&mut self, context: &mut Context, now: Instant) {
        // While authenticating, the connection's own limit is the one that counts.
        let limit = if context.stage == Stage::Streaming { COMMAND_LIMIT } else { Duration::MAX };
        match self.control.look(now, limit) {
            Some(Due::Again(frame)) => {
                self.send(&frame, context);
                self.timers.set(ConnectionTimer::Command, now + control_channel::RESEND);
            }
            Some(Due::Waits) => self.timers.set(ConnectionTimer::Command, now + control_channel::RESEND),
            Some(Due::Done(request)) => self.done(&request, &[], context, now),
            Some(Due::Unanswered(request)) => {
                self.give_up(&request, context, now);
                self.send_next_command(context, now);
            }
            None => {}
        }
    }

    /// Tells the caller of a command's answer, and sends the next one.
    fn done(&mut self, request: &Request, answer: &[u8], context: &mut Context, now: Instant) {
        context.events.extend(request.caller.map(|caller| Event::Reply(caller, Some(answer.to_vec()))));
        self.send_next_command(context, now);
    }

    /// Handles the ACK that `b` begins with, and returns what follows it.
    pub(super) fn handle_ack<'a>(&mut self, b: &'a [u8], context: &mut Context, now: Instant) -> &'a [u8] {
        let done = Ack::parse(b).ok().and_then(|ack| self.control.acknowledged(ack.highest));
        if let Some(request) = done {
            self.timers.stop(ConnectionTimer::Command);
            self.done(&request, &[], context, now);
        }
        control::after_ack(b)
    }

    fn give_up(&mut self, request: &Request, context: &mut Context, now: Instant) {
        if let Some(caller) = request.caller {
            context.events.push_back(Event::Reply(caller, None));
            return;
        }
        if request.message == hl::media(hl::MediaKind::ReturnAudio, true) {
            self.end_talk(TalkEvent::Failed(TalkError::Refused), context, now);
        }
        context.events.push_back(Event::Unanswered(hl::command(&request.message)));
    }

    /// Handles the control frame that `b` begins with, and returns what follows it.
    pub(super) fn handle_control<'a>(
        &mut self,
        b: &'a [u8],
        context: &mut Context,
        now: Instant,
    ) -> Result<&'a [u8], Error> {
        let (frame, mut rest) = ControlFrame::split(b);
        let Ok(frame) = ControlFrame::parse(frame) else {
            return Ok(self.handle_other_control(b, rest, context, now));
        };
        let message = hl::Message::parse(frame.hl).or_else(|_| {
            // The length field of the message counts for more than that of the frame.
            rest = &[];
            hl::Message::parse(ControlFrame::parse(b)?.hl)
        });
        let Ok(message) = message else { return Ok(self.handle_malformed(context)) };
        if message.command == hl::AUTH_CHALLENGE {
            self.protocol = hl::protocol(frame.hl);
        }
        self.control.received(frame.send_counter);
        self.control.received_command(frame.command_counter);
        self.send_ack(context, now);
        self.handle_message(&message, context, now)?;
        Ok(rest)
    }

    /// Handles a frame without an HL message, which begins `b`. Messages of the channel itself are no error, and the
    /// camera sends them again until they are acknowledged.
    fn handle_other_control<'a>(&mut self, b: &[u8], rest: &'a [u8], context: &mut Context, now: Instant) -> &'a [u8] {
        if let Ok(message) = control::Message::parse(b) {
            self.control.received(message.send_counter);
            self.control.received_command(message.command_counter);
            self.send_ack(context, now);
            match self.control.answered(message.io_type, 0) {
                Some(request) => {
                    self.timers.stop(ConnectionTimer::Command);
                    self.done(&request, message.body, context, now);
                }
                None => context.stats.unknown += 1,
            }
            return rest;
        }
        match control::channel_message_counter(b) {
            Some(counter) => {
                context.stats.unknown += 1;
                self.control.received(counter);
                self.send_ack(context, now);
            }
            None => context.stats.malformed += 1,
        }
        rest
    }

    fn handle_message(&mut self, message: &hl::Message<'_>, context: &mut Context, now: Instant) -> Result<(), Error> {
        let Some(request) = self.control.answered(io_type::HL, message.command) else { return Ok(()) };
        self.timers.stop(ConnectionTimer::Command);
        match message.command {
            _ if request.caller.is_some() => self.done(&request, message.payload, context, now),
            hl::AUTH_CHALLENGE => self.answer_challenge(message.payload, context)?,
            hl::AUTH_RESULT => self.handle_auth_result(message.payload, context, now)?,
            answer if answer == hl::SET_CLOCK + 1 => self.clock_was_set(context),
            // To K10010, K10052 or K10056.
            _ => {
                let refused = commands::refusal(message.payload).zip(request.command());
                context.events.extend(refused.map(|(number, command)| Event::Refused(command, number)));
            }
        }
        self.send_next_command(context, now);
        Ok(())
    }
}
