//! One DTLS session with the camera, and everything that ends with it: login, authentication, commands, media and talk.

mod av;
mod back_channel;
mod clock;
mod commands;
mod liveness;
mod login;
mod media;
mod resend;

use super::context::Context;
use super::event::CameraClock;
use crate::protocol::control_channel::ControlChannel;
use crate::protocol::dtls::record::{Record, records};
use crate::protocol::dtls::{self, Endpoint};
use crate::protocol::error::{Error, Stage};
use crate::protocol::media_watch::MediaWatch;
use crate::protocol::medium::MediaSet;
use crate::protocol::reassembly::Reassembler;
use crate::protocol::record_window::{Arrival, RecordWindow};
use crate::protocol::stats::Stats;
use crate::protocol::talk::Talk;
use crate::protocol::timers::{ConnectionTimer, TimerTable};
use crate::protocol::trace::Direction;
use crate::protocol::wire::Channel;
use crate::protocol::wire::login::Response;
use rand::RngExt;
use resend::Resending;
use std::net::SocketAddr;
use std::time::Instant;

/// How a connection ends.
#[derive(Debug)]
pub enum End {
    /// The session is over.
    Over(Error),
    /// The camera fell silent before it streamed, and may be found again.
    SearchAgain(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        End::Over(error)
    }
}

pub struct Connection {
    endpoint: Endpoint,
    records: RecordWindow,
    control: ControlChannel,
    timers: TimerTable<ConnectionTimer>,
    /// Both login requests carry it.
    login_random: [u8; 4],
    /// How often the two requests have been sent.
    login_tries: u32,
    /// Whether a request asked for resends.
    asked_resends: bool,
    /// The camera's answer to the login.
    login_response: Response,
    /// What the user says the camera is, otherwise what it says itself; empty where neither does.
    model: String,
    /// The protocol number of the camera's HL messages; 0 before the first.
    protocol: u16,
    /// The media that the camera was last told to send.
    told: MediaSet,
    /// The media that have come at all.
    come: MediaSet,
    /// Whether the camera was asked once more for media that did not come.
    asked_again: bool,
    reassembler: Reassembler,
    /// Set where the camera sends lost packets again.
    resending: Option<Resending>,
    last_ack: Instant,
    watch: MediaWatch,
    key_frame_asked: Option<Instant>,
    /// How many AV packets came since a timing probe was last answered.
    received_since_answer: u16,
    /// No key frame has come since it was asked for.
    key_frame_awaited: bool,
    /// `None` before the first frame of the stream.
    clock: Option<CameraClock>,
    talk: Option<Talk>,
    last_received: Instant,
    /// When the camera's host last answered "port unreachable".
    unreachable_at: Option<Instant>,
}

impl Connection {
    /// Logs in through `endpoint`, whose handshake has just succeeded.
    pub fn new(endpoint: Endpoint, context: &mut Context, now: Instant) -> Self {
        let mut connection = Connection {
            endpoint,
            records: RecordWindow::default(),
            control: ControlChannel::default(),
            timers: TimerTable::default(),
            login_random: context.rng.random(),
            login_tries: 0,
            asked_resends: false,
            login_response: Response::default(),
            model: context.config.model.clone().unwrap_or_default(),
            protocol: 0,
            told: MediaSet::NONE,
            come: MediaSet::NONE,
            asked_again: false,
            reassembler: Reassembler::default(),
            resending: None,
            last_ack: now,
            watch: MediaWatch::default(),
            key_frame_asked: None,
            received_since_answer: 0,
            key_frame_awaited: false,
            clock: None,
            talk: None,
            last_received: now,
            unreachable_at: None,
        };
        context.enter(Stage::Login, now);
        connection.watch_silence(context, now);
        connection.send_logins(context, now);
        connection
    }

    /// Notes a keepalive of the camera.
    pub fn alive(&mut self, now: Instant) {
        self.last_received = now;
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let talk = self.talk.as_ref().and_then(Talk::poll_timeout);
        self.timers.next().into_iter().chain(talk).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, context: &mut Context, now: Instant) -> Result<(), End> {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                ConnectionTimer::LoginSecond => self.send_login(true, context),
                ConnectionTimer::Login => self.send_logins(context, now),
                ConnectionTimer::Command => self.look_at_command(context, now),
                ConnectionTimer::Ack => self.send_timed_ack(context, now),
                ConnectionTimer::AskForMedia => self.ask_for_media(context, now),
                ConnectionTimer::Reorder => self.stop_waiting(context, now)?,
                ConnectionTimer::Idle => self.handle_silence(context, now)?,
            }
        }
        self.handle_talk_timeout(context, now);
        Ok(())
    }

    /// Adds what is counted here to the client's counters.
    pub fn add_to(&self, stats: &mut Stats) {
        stats.lost += self.records.lost;
        stats.incomplete = stats.incomplete.and(self.reassembler.incomplete);
        if let Some(resending) = &self.resending {
            stats.resends = stats.resends.and(resending.window.resends);
        }
        stats.talk_frames += self.talk.as_ref().map_or(0, Talk::sent);
    }

    /// Says goodbye on both channels.
    pub fn close(&mut self, context: &mut Context) {
        self.close_back_channel(context);
        self.endpoint.close();
        self.flush(context);
    }

    // DTLS

    /// Takes a datagram of DTLS records. `names_session` is what the transport said of its packet.
    pub fn handle_records(
        &mut self,
        payload: &[u8],
        from: SocketAddr,
        names_session: bool,
        context: &mut Context,
        now: Instant,
    ) -> Result<(), Error> {
        let mut result = Ok(());
        for record in records(payload) {
            result = self.handle_record(record, from, names_session, context, now);
            if result.is_err() {
                break;
            }
        }
        // What arrived before a goodbye counts.
        self.deliver(context, now);
        result
    }

    fn handle_record(
        &mut self,
        record: Record<'_>,
        from: SocketAddr,
        names_session: bool,
        context: &mut Context,
        now: Instant,
    ) -> Result<(), Error> {
        if record.epoch != 1 {
            // A handshake message that is sent again has epoch 0.
            context.stats.undecryptable += u64::from(record.epoch > 1);
            return Ok(());
        }
        if record.is_application_data() && self.records.must_hold(record.sequence) {
            self.records.hold(record.sequence, record.bytes, now);
        } else if self.open_record(record.sequence, record.bytes, now, context, now)? == Some(Arrival::InOrder) {
            context.transport.authenticated(from, names_session);
        }
        self.release_held(context, now)
    }

    fn release_held(&mut self, context: &mut Context, now: Instant) -> Result<(), Error> {
        while let Some((sequence, held)) = self.records.release() {
            self.open_record(sequence, &held.bytes, held.arrived, context, now)?;
            // What it reveals as missing may have had its time already.
            self.records.expire(now);
        }
        Ok(())
    }

    /// Gives up the records and packets that have been awaited for long enough.
    fn stop_waiting(&mut self, context: &mut Context, now: Instant) -> Result<(), Error> {
        self.records.expire(now);
        self.stop_asking(now);
        let result = self.release_held(context, now);
        self.deliver(context, now);
        result
    }

    /// Decrypts a record that `arrived` at some time and handles what is in it. `None` where it did not authenticate.
    fn open_record(
        &mut self,
        sequence: u64,
        bytes: &[u8],
        arrived: Instant,
        context: &mut Context,
        now: Instant,
    ) -> Result<Option<Arrival>, Error> {
        let known = self.records.is_known(sequence);
        let plain = self.endpoint.open(bytes);
        let arrival =
            plain.as_ref().map(|_| self.records.authenticated(sequence, arrived, self.record_wait(&context.config)));
        if let Some(plain) = &plain {
            self.last_received = now;
            context.trace(Direction::FromCamera, Channel::Main, plain);
            context.stats.reordered += u64::from(arrival == Some(Arrival::Late));
            self.handle_av(sequence, plain, context, now)?;
        }
        let stage = context.stage;
        match self.endpoint.state() {
            dtls::EndpointState::Closed if stage == Stage::Streaming => return Err(Error::Closed),
            dtls::EndpointState::Closed => return Err(Error::HungUp(stage)),
            dtls::EndpointState::Failed(failure) => return Err(Error::Broken { stage, reason: failure.to_string() }),
            _ if plain.is_some() => {}
            _ if known => context.stats.duplicates += 1,
            _ => context.stats.undecryptable += 1,
        }
        // OpenSSL itself answers a handshake message that is sent again.
        self.flush(context);
        Ok(arrival)
    }

    /// Sends an AV packet to the camera, as one record.
    fn send(&mut self, data: &[u8], context: &mut Context) {
        context.trace(Direction::ToCamera, Channel::Main, data);
        self.endpoint.send(data);
        self.flush(context);
    }

    fn flush(&mut self, context: &mut Context) {
        while let Some(datagram) = self.endpoint.poll_transmit() {
            context.transport.send_dtls(Channel::Main, &datagram);
        }
    }
}
