//! Commands to the camera with their answers, and ACKs.

use super::Connection;
use crate::protocol::client::context::Context;
use crate::protocol::client::event::Event;
use crate::protocol::control_channel;
use crate::protocol::error::{Error, Stage};
use crate::protocol::talk::{TalkError, TalkEvent};
use crate::protocol::timers::ConnectionTimer;
use crate::protocol::wire::control::ControlFrame;
use crate::protocol::wire::hl;
use std::time::{Duration, Instant};

const COMMAND_LIMIT: Duration = Duration::from_secs(5);
const ACK_INTERVAL: Duration = Duration::from_millis(100);

impl Connection {
    pub(super) fn send_timed_ack(&mut self, context: &mut Context, now: Instant) {
        self.send_ack(context, now);
        self.timers.set(ConnectionTimer::Ack, now + ACK_INTERVAL);
    }

    fn send_ack(&mut self, context: &mut Context, now: Instant) {
        // The field has the low 16 bits.
        let milliseconds = now.duration_since(context.started).as_millis() as u16;
        let ack = self.control.ack(milliseconds);
        self.send(&ack, context);
    }

    /// Sends the next command that waits, unless one is in flight.
    pub(super) fn send_next_command(&mut self, context: &mut Context, now: Instant) {
        if let Some(frame) = self.control.next_frame(now) {
            self.send(&frame, context);
            self.timers.set(ConnectionTimer::Command, now + control_channel::RESEND);
        }
    }

    pub(super) fn repeat_command(&mut self, context: &mut Context, now: Instant) {
        // While authenticating, the connection's own limit is the one that counts.
        let limit = if context.stage == Stage::Streaming { COMMAND_LIMIT } else { Duration::MAX };
        match self.control.resend(now, limit) {
            Some(Ok(frame)) => {
                self.send(&frame, context);
                self.timers.set(ConnectionTimer::Command, now + control_channel::RESEND);
            }
            Some(Err(message)) => {
                if message == hl::media(hl::MediaKind::ReturnAudio, true) {
                    self.end_talk(TalkEvent::Failed(TalkError::Refused), context, now);
                }
                context.events.push_back(Event::Unanswered(hl::command(&message)));
                self.send_next_command(context, now);
            }
            None => {}
        }
    }

    pub(super) fn handle_control(&mut self, b: &[u8], context: &mut Context, now: Instant) -> Result<(), Error> {
        let parsed = ControlFrame::parse(b).and_then(|frame| Ok((frame, hl::Message::parse(frame.hl)?)));
        let Ok((frame, message)) = parsed else {
            context.stats.malformed += 1;
            return Ok(());
        };
        self.control.received(&frame);
        self.send_ack(context, now);
        if !self.control.answered(message.command) {
            return Ok(());
        }
        self.timers.stop(ConnectionTimer::Command);
        match message.command {
            hl::AUTH_CHALLENGE => self.answer_challenge(message.payload, context)?,
            hl::AUTH_RESULT => self.handle_auth_result(message.payload, context, now)?,
            _ => {}
        }
        self.send_next_command(context, now);
        Ok(())
    }
}
