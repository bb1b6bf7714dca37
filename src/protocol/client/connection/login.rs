//! Login, and the authentication by K-commands that follows it: from the first login request to the camera's consent.

use super::Connection;
use super::resend::Resending;
use crate::protocol::auth_result::AuthResult;
use crate::protocol::client::context::Context;
use crate::protocol::client::event::{CameraInfo, Event, TransportKind};
use crate::protocol::error::{Error, Stage};
use crate::protocol::medium::MediaSet;
use crate::protocol::model;
use crate::protocol::timers::{ConnectionTimer, SearchTimer};
use crate::protocol::wire::codec::CodecId;
use crate::protocol::wire::{hl, login};
use rand::RngExt;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

const LOGIN_SECOND_AFTER: Duration = Duration::from_millis(10);
const LOGIN_RESEND: Duration = Duration::from_secs(1);
/// How often a login asks for resends before it does without.
const LONG_LOGINS: u32 = 2;
/// How long a camera may take to begin with the media that K10002 switches on.
const ASK_FOR_MEDIA_AFTER: Duration = Duration::from_secs(1);

/// The codecs that the camera is asked to speak are those that every GStreamer plays: µ-law, A-law and PCM.
const AUDIO_CODECS: [CodecId; 3] = [CodecId::MULAW, CodecId::ALAW, CodecId::PCM];

impl Connection {
    pub(super) fn send_logins(&mut self, context: &mut Context, now: Instant) {
        self.login_tries = self.login_tries.saturating_add(1);
        self.send_login(false, context);
        self.timers.set(ConnectionTimer::LoginSecond, now + LOGIN_SECOND_AFTER);
        self.timers.set(ConnectionTimer::Login, now + LOGIN_RESEND);
    }

    pub(super) fn send_login(&mut self, second: bool, context: &mut Context) {
        let request = self.login_request(second, context);
        let (asks_resends, request) = (request.resend, Zeroizing::new(request.emit()));
        self.asked_resends |= asks_resends;
        self.send(&request, context);
    }

    fn login_request<'a>(&self, second: bool, context: &'a Context) -> login::Request<'a> {
        // A camera that does not answer this layout is tried with the one that all are known to take.
        let resend = self.login_tries <= LONG_LOGINS && self.wants_resends(&context.config);
        login::Request { second, random: self.login_random, password: context.credentials.enr.bytes(), resend }
    }

    pub(super) fn handle_login_response(&mut self, b: &[u8], context: &mut Context, now: Instant) -> Result<(), Error> {
        let Ok(response) = login::Response::parse(b) else {
            context.stats.malformed += 1;
            return Ok(());
        };
        if context.stage != Stage::Login {
            return Ok(());
        }
        if !response.success && self.asked_resends {
            return self.handle_refused_resends(&response, b[4], context, now);
        }
        if !response.success {
            return Err(Error::LoginRefused(b[4]));
        }
        if response.resend && self.asked_resends {
            self.resending = Some(Resending::default());
        }
        self.login_response = response;
        self.timers.stop(ConnectionTimer::Login);
        self.timers.stop(ConnectionTimer::LoginSecond);
        context.enter(Stage::Auth, now);
        self.send_timed_ack(context, now);
        self.control.queue(match model::sleeps(&self.model) {
            true => hl::wake_request(context.credentials.mac.bytes()),
            false => hl::auth_request(&AUDIO_CODECS),
        });
        self.send_next_command(context, now);
        Ok(())
    }

    /// Logs in without asking for resends. An answer to an earlier request is not one to this login, which has random
    /// bytes of its own.
    fn handle_refused_resends(
        &mut self,
        response: &login::Response,
        status: u8,
        context: &mut Context,
        now: Instant,
    ) -> Result<(), Error> {
        if self.login_tries <= LONG_LOGINS {
            self.login_tries = LONG_LOGINS;
            self.login_random = context.rng.random();
            self.send_logins(context, now);
            return Ok(());
        }
        let echoes = [false, true].map(|second| self.login_request(second, context).echo());
        if echoes.contains(&response.echo) { Err(Error::LoginRefused(status)) } else { Ok(()) }
    }

    pub(super) fn answer_challenge(&mut self, payload: &[u8], context: &mut Context) -> Result<(), Error> {
        let Ok(challenge) = hl::Challenge::parse(payload) else {
            return Err(Error::AuthMalformed("challenge"));
        };
        let Some(answer) = context.credentials.answer(&challenge) else {
            return Err(Error::Challenge(challenge.status));
        };
        let media = context.config.media;
        let answer =
            hl::ChallengeAnswer { answer, random: context.rng.random(), video: media.video, audio: media.audio };
        self.told = media;
        self.control.queue(answer.emit());
        Ok(())
    }

    pub(super) fn handle_auth_result(
        &mut self,
        payload: &[u8],
        context: &mut Context,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(result) = AuthResult::parse(payload) else {
            return Err(Error::AuthMalformed("result"));
        };
        if !result.is_accepted() {
            return Err(match result.connection_res.as_str() {
                "2" => Error::StaleEnr,
                _ => Error::Refused(result.connection_res),
            });
        }
        let (Some(envelope), Some(suite), Some(address)) =
            (context.transport.envelope(), self.endpoint.suite(), context.transport.peer())
        else {
            return Ok(());
        };
        if context.config.model.is_none() {
            self.model = result.model;
        }
        context.timers.stop(SearchTimer::Connect);
        context.enter(Stage::Streaming, now);
        let asked = self.told;
        if asked.video {
            self.control.queue(model::video_command(&self.model, context.config.video_wish));
        }
        // A medium that was not asked for is not refused.
        let granted = MediaSet { video: result.media.video || !asked.video, audio: result.media.audio || !asked.audio };
        self.watch.grant(granted);
        self.timers.set(ConnectionTimer::AskForMedia, now + ASK_FOR_MEDIA_AFTER);
        // The user may have changed what is wanted while connecting.
        self.tell_media(context, now);
        context.events.push_back(Event::Connected(CameraInfo {
            transport: TransportKind::Lan,
            envelope: Some(envelope),
            suite: Some(suite),
            address,
            model: self.model.clone(),
            firmware: result.firmware,
            protocol: self.protocol,
            media: granted,
            two_way_audio: self.login_response.two_way_audio,
            talk_format: None,
            av_enabled: self.login_response.enabled,
            resend: self.login_response.resend,
            capabilities: self.login_response.capabilities,
            clock: None,
        }));
        Ok(())
    }
}
