//! What client and camera say inside DTLS: login, commands, authentication, media.

use super::{CameraInfo, Client, Event};
use crate::protocol::auth_result::AuthResult;
use crate::protocol::control_channel;
use crate::protocol::error::{Error, Stage};
use crate::protocol::medium::{MediaSet, Medium};
use crate::protocol::model;
use crate::protocol::reassembly::Insert;
use crate::protocol::talk::{TalkError, TalkEvent};
use crate::protocol::timers::Timer;
use crate::protocol::wire::codec::CodecId;
use crate::protocol::wire::control::{self, ControlFrame};
use crate::protocol::wire::{hl, login, media};
use rand::RngExt;
use std::time::{Duration, Instant};

const LOGIN_SECOND_AFTER: Duration = Duration::from_millis(10);
const LOGIN_RESEND: Duration = Duration::from_secs(1);
const COMMAND_LIMIT: Duration = Duration::from_secs(5);
const ACK_INTERVAL: Duration = Duration::from_millis(100);

/// Codecs that the camera is asked to speak: what every GStreamer plays, µ-law, A-law and PCM.
const AUDIO_CODECS: [CodecId; 3] = [CodecId::MULAW, CodecId::ALAW, CodecId::PCM];

impl Client {
    pub(super) fn handle_av(&mut self, now: Instant, sequence: u64, b: &[u8]) {
        let Some(&[low, high]) = b.first_chunk::<2>() else {
            self.stats.malformed += 1;
            return;
        };
        // A wrapped middle packet and a control frame share their first two bytes and differ in the version after.
        let is_wrapped_media = b.get(2) == Some(&0x0B);
        match u16::from_le_bytes([low, high]) {
            login::RESPONSE => self.handle_login_response(now, b),
            control::CONTROL if is_wrapped_media => self.handle_media(now, sequence, b),
            control::CONTROL | control::CONTROL_ALT | control::CHANNEL_MESSAGE => self.handle_control(now, b),
            control::ACK => {}
            _ if media::is_media(low) => self.handle_media(now, sequence, b),
            _ => self.stats.malformed += 1,
        }
    }

    pub(super) fn send_logins(&mut self, now: Instant) {
        self.send_login(false);
        self.timers.set(Timer::LoginSecond, now + LOGIN_SECOND_AFTER);
        self.timers.set(Timer::Login, now + LOGIN_RESEND);
    }

    pub(super) fn send_login(&mut self, second: bool) {
        let enr = self.config.credentials.enr.clone();
        self.send(&login::Request { second, random: self.login_random, password: enr.bytes() }.emit());
    }

    fn handle_login_response(&mut self, now: Instant, b: &[u8]) {
        let Ok(response) = login::Response::parse(b) else {
            self.stats.malformed += 1;
            return;
        };
        if self.stage != Stage::Login {
            return;
        }
        if !response.success {
            self.fail(Error::LoginRefused(b[4]));
            return;
        }
        self.two_way_audio = response.two_way_audio;
        self.timers.stop(Timer::Login);
        self.timers.stop(Timer::LoginSecond);
        self.enter(Stage::Auth, now);
        self.send_timed_ack(now);
        self.control.queue(hl::auth_request(&AUDIO_CODECS));
        self.send_next_command(now);
    }

    pub(super) fn send_timed_ack(&mut self, now: Instant) {
        self.send_ack(now);
        self.timers.set(Timer::Ack, now + ACK_INTERVAL);
    }

    fn send_ack(&mut self, now: Instant) {
        // The field has 16 bits.
        let milliseconds = now.duration_since(self.started).as_millis() as u16;
        let ack = self.control.ack(milliseconds);
        self.send(&ack);
    }

    pub(super) fn send_next_command(&mut self, now: Instant) {
        if let Some(frame) = self.control.next_frame(now) {
            self.send(&frame);
            self.timers.set(Timer::Command, now + control_channel::RESEND);
        }
    }

    pub(super) fn repeat_command(&mut self, now: Instant) {
        // While authenticating, the connection's own limit is the one that counts.
        let limit = if self.stage == Stage::Streaming { COMMAND_LIMIT } else { Duration::MAX };
        match self.control.resend(now, limit) {
            Some(Ok(frame)) => {
                self.send(&frame);
                self.timers.set(Timer::Command, now + control_channel::RESEND);
            }
            Some(Err(message)) => {
                if message == hl::media(hl::MediaKind::ReturnAudio, true) {
                    self.end_talk(now, TalkEvent::Failed(TalkError::Refused));
                }
                self.events.push_back(Event::Unanswered(hl::command(&message)));
                self.send_next_command(now);
            }
            None => {}
        }
    }

    fn handle_control(&mut self, now: Instant, b: &[u8]) {
        let parsed = ControlFrame::parse(b).and_then(|frame| Ok((frame, hl::Message::parse(frame.hl)?)));
        let Ok((frame, message)) = parsed else {
            self.stats.malformed += 1;
            return;
        };
        self.control.received(&frame);
        self.send_ack(now);
        if !self.control.answered(message.command) {
            return;
        }
        self.timers.stop(Timer::Command);
        match message.command {
            hl::AUTH_CHALLENGE => self.answer_challenge(message.payload),
            hl::AUTH_RESULT => self.handle_auth_result(now, message.payload),
            _ => {}
        }
        self.send_next_command(now);
    }

    fn answer_challenge(&mut self, payload: &[u8]) {
        let Ok(challenge) = hl::Challenge::parse(payload) else {
            self.fail(Error::AuthMalformed("challenge"));
            return;
        };
        let Some(answer) = self.config.credentials.answer(&challenge) else {
            self.fail(Error::Challenge(challenge.status));
            return;
        };
        let random = self.rng.random();
        let media = self.config.media;
        self.told = media;
        self.control.queue(hl::Answer { answer, random, video: media.video, audio: media.audio }.emit());
    }

    fn handle_auth_result(&mut self, now: Instant, payload: &[u8]) {
        let Some(result) = AuthResult::parse(payload) else {
            self.fail(Error::AuthMalformed("result"));
            return;
        };
        if !result.is_accepted() {
            self.fail(match result.connection_res.as_str() {
                "2" => Error::StaleEnr,
                _ => Error::Refused(result.connection_res),
            });
            return;
        }
        let (Some(envelope), Some(suite), Some(address)) =
            (self.transport.envelope(), self.suite, self.transport.peer())
        else {
            return;
        };
        if self.config.model.is_none() {
            self.model = result.model;
        }
        self.timers.stop(Timer::Connect);
        self.enter(Stage::Streaming, now);
        let asked = self.told;
        if asked.video {
            self.control.queue(model::video_command(&self.model, self.config.video_wish));
        }
        // What was not asked for is not refused.
        let granted = MediaSet { video: result.media.video || !asked.video, audio: result.media.audio || !asked.audio };
        self.media.grant(granted);
        // Wishes may have changed while connecting.
        self.tell_media(now);
        self.events.push_back(Event::Connected(CameraInfo {
            envelope,
            suite,
            address,
            model: self.model.clone(),
            firmware: result.firmware,
            media: granted,
            two_way_audio: self.two_way_audio,
        }));
    }

    fn handle_media(&mut self, now: Instant, sequence: u64, b: &[u8]) {
        let insert = match media::Packet::parse(b) {
            Ok(media::Packet::Media(packet)) => self.reassembler.insert(&packet, sequence, now),
            // Which frames a camera could send again; nothing is asked for again.
            Ok(media::Packet::FrameIndex { .. }) => return,
            Err(_) => Insert::Malformed,
        };
        match insert {
            Insert::Taken => {}
            Insert::Duplicate => self.stats.duplicates += 1,
            Insert::Malformed => self.stats.malformed += 1,
        }
    }

    pub(super) fn deliver(&mut self, now: Instant) {
        let wait = self.config.reorder_wait;
        while let Some(frame) = self.reassembler.poll(&self.records, now, wait) {
            self.media.received(frame.medium, now);
            match frame.medium {
                Medium::Video => self.stats.video_frames += 1,
                Medium::Audio => self.stats.audio_frames += 1,
            }
            if frame.medium == Medium::Video && frame.after_gap && !frame.info.is_key_frame() {
                self.request_key_frame(now);
            }
            self.events.push_back(Event::Frame(frame));
        }
        // A frame that has waited its time may still be behind an awaited record.
        let growing = self.reassembler.next_expiry(wait).filter(|at| *at > now);
        match self.records.next_expiry().into_iter().chain(growing).min() {
            Some(at) if !self.ended => self.timers.set(Timer::Reorder, at),
            _ => self.timers.stop(Timer::Reorder),
        }
    }
}
