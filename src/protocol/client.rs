//! A client of one camera, without sockets, threads or a clock: datagrams and times in; datagrams, events and the next
//! time out.
//!
//! After each `handle_…` call, drain [`Client::poll_transmit`] and [`Client::poll_event`], then wait for a datagram or
//! for [`Client::poll_timeout`]. Only the DTLS handshake's timer is OpenSSL's own and runs on the real clock.
//!
//! # From discovery to streaming
//!
//! 1. **Discovery** ([`search`]). Probes go to every target, in both envelopes, each 100 ms at first. Each host that
//!    answers becomes a candidate, as anybody can answer.
//! 2. **Session.** Each candidate is asked to open a session, and asked again after 100 ms and then each second.
//! 3. **DTLS** ([`handshakes`]). Candidates that opened a session shake hands side by side. The first handshake that
//!    succeeds proves its candidate to be the camera: the others are dropped, and a [`Connection`] begins.
//! 4. **Login.** Two login requests go out, each second, until the camera answers.
//! 5. **Authentication.** K10000 asks for the challenge of K10001, K10002 answers it, and K10003 tells what the camera
//!    agrees to send.
//! 6. **Streaming** ([`connection`]). Frames, answers and talk come out as events; ACKs go out each 100 ms.
//!
//! Until it streams, a client can be taken back to discovery: by four session requests without a session or a handshake
//! that succeeds, and by a camera that falls silent for 5 s while it logs in. The connection is dropped then, and the
//! client remembers how far it came, for the error that it may end with. From streaming there is no way back: a
//! goodbye, a broken DTLS session or silence ends the client, as does `connect_timeout` before. Another client makes
//! the next attempt.

mod config;
mod connection;
mod context;
mod event;
mod handshakes;
mod search;

use super::credentials::Credentials;
use super::dtls::{Endpoint, EndpointSettings, Role};
use super::error::{Error, Stage};
use super::medium::{MediaSet, Medium};
use super::model::VideoWish;
use super::stats::Stats;
use super::talk::TalkAudio;
use super::timers::SearchTimer;
use super::transport::{Incoming, Transmit, Transport};
use super::wire::{Channel, SessionId};
use connection::{Connection, End};
use context::Context;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use search::Search;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use super::control_channel::Request;
pub use config::{Config, Resend};
pub use event::{CameraClock, CameraInfo, Event, TransportKind};

/// Sans-IO client of one camera; see the [module](self).
pub struct Client {
    context: Context,
    search: Search,
    /// From the DTLS handshake that proved the camera on.
    connection: Option<Connection>,
    ended: bool,
}

impl Client {
    /// Starts at once: probes are ready to transmit. `unix_time` is the wall clock's, `seed` the source of all
    /// randomness.
    pub fn new(credentials: Credentials, config: Config, now: Instant, unix_time: Duration, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let session_id = SessionId(rng.random());
        // The field has 32 bits, and wraps in 2106.
        let unix_seconds = unix_time.as_secs() as u32;
        let transport = Transport::new(&credentials, config.targets.clone(), session_id, unix_seconds);
        let mut dtls = EndpointSettings::new(Role::Client, credentials.psk());
        dtls.first_resend = config.dtls_first_resend;
        dtls.key_log = config.trace.clone();
        let mut context = Context::new(credentials, config, transport, rng, now, unix_time);
        let mut search = Search::new(dtls);
        search.probe(&mut context, now);
        Client { context, search, connection: None, ended: false }
    }

    pub fn stage(&self) -> Stage {
        self.context.stage
    }

    pub fn stats(&self) -> Stats {
        let mut stats = self.context.stats.clone();
        if let Some(connection) = &self.connection {
            connection.add_to(&mut stats);
        }
        stats
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.context.transport.poll_transmit()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.context.events.pop_front()
    }

    /// When [`Client::handle_timeout`] is due, if no datagram comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.ended {
            return None;
        }
        let connection = self.connection.as_ref().and_then(Connection::poll_timeout);
        [self.context.timers.next(), self.search.poll_timeout(), connection].into_iter().flatten().min()
    }

    /// Takes a received datagram; its bytes are unscrambled in place.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        if self.ended {
            return;
        }
        let Client { context, search, connection, .. } = self;
        let Context { transport, stats, .. } = context;
        match (transport.receive(now, from, datagram, stats), connection) {
            (Incoming::Nothing, _) => {}
            (Incoming::Alive, connection) => connection.iter_mut().for_each(|connection| connection.alive(now)),
            (Incoming::Found, _) => search.found(context, now),
            (Incoming::Ready(candidate), _) => {
                let result = search.ready(candidate, context, now);
                self.after_handshake_step(result, now);
            }
            (Incoming::Dtls { channel: Channel::Main, payload, names_session, .. }, Some(connection)) => {
                let result = connection.handle_records(payload, from, names_session, context, now);
                self.after_connection_step(result.map_err(End::Over), now);
            }
            (Incoming::Dtls { channel: Channel::Main, candidate, payload, .. }, None) => {
                let established = search.handle_datagram(candidate, payload, context, now);
                self.after_handshake_step(Ok(established), now);
            }
            (Incoming::Dtls { channel: Channel::Back, payload, .. }, connection) => {
                connection.iter_mut().for_each(|connection| connection.handle_back_channel(payload, context, now));
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.context.timers.expire(now) {
            match timer {
                SearchTimer::Connect => self.fail(self.connect_error()),
                SearchTimer::Probe => self.search.probe(&mut self.context, now),
                SearchTimer::Session => self.search.repeat_session_requests(&mut self.context, now),
            }
        }
        let result = self.search.handle_timeout(&mut self.context, now);
        self.after_handshake_step(result, now);
        if let Some(connection) = &mut self.connection {
            let result = connection.handle_timeout(&mut self.context, now);
            self.after_connection_step(result, now);
        }
    }

    /// Notes that `to`, where a datagram went, answered "port unreachable".
    pub fn handle_unreachable(&mut self, now: Instant, to: SocketAddr) {
        match &mut self.connection {
            Some(connection) => connection.handle_unreachable(to, &self.context, now),
            None if self.context.stage == Stage::Discovery && !self.ended => self.search.refused_by(to, &self.context),
            None => {}
        }
    }

    // What the user asks for

    /// Asks for another picture from now on.
    pub fn set_video_wish(&mut self, wish: VideoWish, now: Instant) {
        self.context.config.video_wish = wish;
        if let Some((connection, context)) = self.streaming() {
            connection.ask_for_picture(context, now);
        }
    }

    /// Notes whether a frame could be used. Each frame that [`Event::Frame`] brought is to be judged.
    pub fn judge(&mut self, medium: Medium, is_usable: bool, now: Instant) {
        if let Some((connection, context)) = self.streaming() {
            connection.judge(medium, is_usable, context, now);
        }
    }

    /// Asks the camera for what a caller wants. [`Event::Reply`] tells what came of it. Returns false where there is no
    /// connection to ask in.
    pub fn request(&mut self, request: Request, now: Instant) -> bool {
        let Some((connection, context)) = self.streaming() else { return false };
        connection.request(request, context, now);
        true
    }

    /// Drops what a caller has asked for and is still to be sent.
    pub fn forget(&mut self, caller: u64) {
        if let Some((connection, _)) = self.streaming() {
            connection.forget(caller);
        }
    }

    /// Asks for a key frame soon, unless one was asked for a moment ago.
    pub fn request_key_frame(&mut self, now: Instant) {
        if let Some((connection, context)) = self.streaming() {
            connection.request_key_frame(context, now);
        }
    }

    /// Sets whether the camera is asked for a key frame after a loss.
    pub fn set_key_frame_requests(&mut self, on: bool) {
        self.context.config.key_frame_requests = on;
    }

    /// Sets whether a camera whose clock is far off at the first frame is told the time.
    pub fn allow_set_clock(&mut self, on: bool) {
        self.context.config.set_clock = on;
    }

    /// Asks the camera for these media, and no others, from now on.
    pub fn set_media(&mut self, media: MediaSet, now: Instant) {
        self.context.config.media = media;
        if let Some((connection, context)) = self.streaming() {
            connection.tell_media(context, now);
        }
    }

    /// Changes how long the camera may send no media, from now on.
    pub fn set_stall_timeout(&mut self, stall_timeout: Option<Duration>, now: Instant) {
        if self.context.config.stall_timeout == stall_timeout {
            return;
        }
        self.context.config.stall_timeout = stall_timeout;
        if let Some(connection) = &mut self.connection {
            connection.watch_silence(&self.context, now);
        }
    }

    /// Asks the camera to listen. [`Event::Talk`] tells when it does, or that it will not.
    pub fn start_talk(&mut self, now: Instant) {
        if let Some((connection, context)) = self.streaming() {
            connection.start_talk(context, now);
        }
    }

    /// Sends a frame of audio, after those before it have sounded. Dropped where there is no talk.
    pub fn send_talk(&mut self, audio: TalkAudio, now: Instant) {
        if let Some((connection, context)) = self.streaming() {
            connection.send_talk(audio, context, now);
        }
    }

    /// Drops what waits to be sent; the talk goes on.
    pub fn flush_talk(&mut self) {
        if let Some((connection, context)) = self.streaming() {
            connection.flush_talk(context);
        }
    }

    /// Ends the talk when all is sent and has sounded, or `at_once`. [`Event::Talk`] tells when.
    pub fn stop_talk(&mut self, at_once: bool, now: Instant) {
        if let Some((connection, context)) = self.streaming() {
            connection.stop_talk(at_once, context, now);
        }
    }

    /// Tells the camera that the client leaves; what is left to transmit says so. No event follows.
    pub fn close(&mut self) {
        if let Some((connection, context)) = self.streaming() {
            connection.switch_off(context);
        }
        self.end();
    }

    /// The connection, while it streams.
    fn streaming(&mut self) -> Option<(&mut Connection, &mut Context)> {
        let streams = self.context.stage == Stage::Streaming;
        self.connection.as_mut().filter(|_| streams).map(|connection| (connection, &mut self.context))
    }

    // From stage to stage, and to the end

    /// Goes on to the login where a handshake has succeeded.
    fn after_handshake_step(&mut self, step: Result<Option<Endpoint>, Error>, now: Instant) {
        match step {
            Ok(Some(endpoint)) => self.connection = Some(Connection::new(endpoint, &mut self.context, now)),
            Ok(None) => {}
            Err(error) => self.fail(error),
        }
    }

    fn after_connection_step(&mut self, step: Result<(), End>, now: Instant) {
        match step {
            Ok(()) => {}
            Err(End::Over(error)) => self.fail(error),
            Err(End::SearchAgain(setback)) => {
                self.drop_connection();
                self.search.start_again(setback, &mut self.context, now);
            }
        }
    }

    /// The error of an attempt that takes too long, by how far it has come.
    fn connect_error(&self) -> Error {
        match &self.connection {
            Some(connection) => connection.connect_error(&self.context),
            None => self.search.error(&self.context),
        }
    }

    fn fail(&mut self, error: Error) {
        if !self.ended {
            self.end();
            self.context.events.push_back(Event::Ended(error));
        }
    }

    fn end(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.close(&mut self.context);
        }
        self.drop_connection();
        self.search.stop();
        self.context.timers.stop_all();
        self.ended = true;
    }

    /// Drops the connection; what it counted stays.
    fn drop_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.add_to(&mut self.context.stats);
        }
    }
}
