//! The client's side of talk-back: the commands on the main channel around a [`Talk`].

use super::{Client, Event};
use crate::protocol::error::Stage;
use crate::protocol::talk::{Talk, TalkAudio, TalkError, TalkEvent};
use crate::protocol::wire::{Channel, hl};
use std::time::Instant;

impl Client {
    /// Asks the camera to listen. [`Event::Talk`] tells when it does, or that it will not.
    pub fn start_talk(&mut self, now: Instant) {
        if self.ended || self.stage != Stage::Streaming || self.talk.is_some() {
            return;
        }
        if !self.two_way_audio {
            self.events.push_back(Event::Talk(TalkEvent::Failed(TalkError::NoTwoWayAudio)));
            return;
        }
        self.talk = Some(Talk::new(self.config.credentials.psk(), now));
        self.control.queue(hl::media(hl::MediaKind::ReturnAudio, true));
        self.send_next_command(now);
    }

    /// Sends a frame of audio, after those before it have sounded. Dropped where there is no talk.
    pub fn send_talk(&mut self, audio: TalkAudio, now: Instant) {
        if let Some(talk) = &mut self.talk {
            talk.send(audio, now);
            self.handle_talk_timeout(now);
        }
    }

    /// Drops what waits to be sent; the talk goes on.
    pub fn flush_talk(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.flush();
        }
    }

    /// Ends the talk when all is sent and has sounded, or `at_once`. [`TalkEvent::Stopped`] tells when.
    pub fn stop_talk(&mut self, at_once: bool, now: Instant) {
        if let Some(event) = self.talk.as_mut().and_then(|talk| talk.stop(at_once)) {
            self.end_talk(now, event);
        }
    }

    pub(super) fn handle_back_channel(&mut self, now: Instant, payload: &[u8]) {
        let event = self.talk.as_mut().and_then(|talk| talk.handle_datagram(now, payload));
        self.after_talk_step(now, event);
    }

    pub(super) fn handle_talk_timeout(&mut self, now: Instant) {
        let event = self.talk.as_mut().and_then(|talk| talk.handle_timeout(now));
        self.after_talk_step(now, event);
    }

    fn after_talk_step(&mut self, now: Instant, event: Option<TalkEvent>) {
        self.flush_back_channel();
        match event {
            Some(TalkEvent::Ready) => self.events.push_back(Event::Talk(TalkEvent::Ready)),
            Some(over) => self.end_talk(now, over),
            None => {}
        }
    }

    /// Tells the camera, on the main channel, that the talk is over.
    pub(super) fn end_talk(&mut self, now: Instant, event: TalkEvent) {
        if self.talk.is_none() {
            return;
        }
        self.control.queue(hl::media(hl::MediaKind::ReturnAudio, false));
        self.send_next_command(now);
        self.close_back_channel();
        self.events.push_back(Event::Talk(event));
    }

    pub(super) fn close_back_channel(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.close();
        }
        self.flush_back_channel();
        if let Some(talk) = self.talk.take() {
            self.stats.talk_frames += talk.sent;
        }
    }

    fn flush_back_channel(&mut self) {
        while let Some(datagram) = self.talk.as_mut().and_then(Talk::poll_transmit) {
            self.transport.send_dtls(Channel::Back, &datagram);
        }
    }
}
