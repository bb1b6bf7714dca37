//! Talk-back as the main channel sees it: the commands around a [`Talk`].

use super::Connection;
use crate::protocol::client::context::Context;
use crate::protocol::client::event::Event;
use crate::protocol::talk::{Talk, TalkAudio, TalkError, TalkEvent};
use crate::protocol::wire::{Channel, hl};
use std::time::Instant;

impl Connection {
    /// Asks the camera to listen, unless it does already.
    pub fn start_talk(&mut self, context: &mut Context, now: Instant) {
        if self.talk.is_some() {
            return;
        }
        if !self.login_response.two_way_audio {
            context.events.push_back(Event::Talk(TalkEvent::Failed(TalkError::NoTwoWayAudio)));
            return;
        }
        self.talk = Some(Talk::new(context.credentials.psk(), context.config.trace.clone(), now));
        self.control.queue(hl::media(hl::MediaKind::ReturnAudio, true));
        self.send_next_command(context, now);
    }

    pub fn send_talk(&mut self, audio: TalkAudio, context: &mut Context, now: Instant) {
        if let Some(talk) = &mut self.talk {
            talk.send(audio, now);
            self.handle_talk_timeout(context, now);
        }
    }

    pub fn flush_talk(&mut self, context: &mut Context) {
        if let Some(talk) = &mut self.talk {
            talk.flush();
        }
        self.report_talk(context);
    }

    pub fn stop_talk(&mut self, at_once: bool, context: &mut Context, now: Instant) {
        if let Some(event) = self.talk.as_mut().and_then(|talk| talk.stop(at_once)) {
            self.end_talk(event, context, now);
        }
    }

    pub fn handle_back_channel(&mut self, payload: &[u8], context: &mut Context, now: Instant) {
        let event = self.talk.as_mut().and_then(|talk| talk.handle_datagram(now, payload));
        self.after_talk_step(event, context, now);
    }

    pub(super) fn handle_talk_timeout(&mut self, context: &mut Context, now: Instant) {
        let event = self.talk.as_mut().and_then(|talk| talk.handle_timeout(now));
        self.after_talk_step(event, context, now);
    }

    fn after_talk_step(&mut self, event: Option<TalkEvent>, context: &mut Context, now: Instant) {
        self.flush_back_channel(context);
        self.report_talk(context);
        match event {
            Some(TalkEvent::Ready) => context.events.push_back(Event::Talk(TalkEvent::Ready)),
            Some(over) => self.end_talk(over, context, now),
            None => {}
        }
    }

    fn report_talk(&mut self, context: &mut Context) {
        let report = self.talk.as_mut().and_then(Talk::take_report);
        context.events.extend(report.map(Event::Talk));
    }

    /// Tells the camera, on the main channel, that the talk is over.
    pub(super) fn end_talk(&mut self, event: TalkEvent, context: &mut Context, now: Instant) {
        if self.talk.is_none() {
            return;
        }
        self.control.queue(hl::media(hl::MediaKind::ReturnAudio, false));
        self.send_next_command(context, now);
        self.close_back_channel(context);
        context.events.push_back(Event::Talk(event));
    }

    pub(super) fn close_back_channel(&mut self, context: &mut Context) {
        if let Some(talk) = &mut self.talk {
            talk.close();
        }
        self.flush_back_channel(context);
        if let Some(talk) = self.talk.take() {
            context.stats.talk_frames += talk.sent();
        }
    }

    fn flush_back_channel(&mut self, context: &mut Context) {
        while let Some(datagram) = self.talk.as_mut().and_then(Talk::poll_transmit) {
            context.transport.send_dtls(Channel::Back, &datagram);
        }
    }
}
