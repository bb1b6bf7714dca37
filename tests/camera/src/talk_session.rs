//! The talks of one client: the camera opens the back channel, logs in, and listens.

use crate::back_channel::BackChannel;
use crate::camera::Shared;
use crate::camera_event::{CameraEvent, ClientId};
use crate::main_channel::Change;
use crate::packet_checks;
use crate::talk::{Talk, TalkEnd, TalkId};
use crate::talk_checks::{Frame, TalkChecks};
use gstwyze::protocol::wire::login;
use rand::RngExt;
use std::time::{Duration, Instant};

/// Time from the first login request to the second.
const LOGIN_SECOND: Duration = Duration::from_millis(10);
const LOGIN_RESEND: Duration = Duration::from_secs(1);
/// Time to the second login of a camera that logs in again though it was answered.
const LOGIN_AGAIN: Duration = Duration::from_millis(200);
/// How long the handshake may take, and the login as well.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after closing the back channel the client's K10010 may come; it may have to be sent twice.
const OFF_GRACE: Duration = Duration::from_millis(2500);
/// How long a client that talks may send nothing.
const MAX_SILENCE: Duration = Duration::from_secs(5);
/// How long audio may still come after the camera has hung up: the client may not know of it yet.
const GOODBYE_GRACE: Duration = Duration::from_secs(1);
/// Bytes of a login request that ends with its random bytes.
const SHORT_LOGIN: usize = 24;
const RECORD_HEADER: usize = 13;
const APPLICATION_DATA: u8 = 23;
/// Bytes of the longest encrypted login answer; almost all frames of audio are longer.
const LOGIN_ANSWER_RECORD: usize = 112;

/// The state of all talks of one client.
pub struct TalkSession {
    client: ClientId,
    /// Whether the client's last K10010 switched talk on.
    wanted: bool,
    call: Option<Call>,
    /// Time from which audio is a deviation, because the back channel is closed; `None` before the first one was
    /// opened.
    quiet_from: Option<Instant>,
    /// When the K10010 that switches talk off is overdue.
    off_due: Option<Instant>,
    /// DTLS datagrams to send that no longer belong to a call.
    to_send: Vec<Vec<u8>>,
}

/// A talk whose back channel is open or about to be opened.
struct Call {
    id: TalkId,
    open_at: Option<Instant>,
    channel: Option<BackChannel>,
    login: Login,
    /// When the present handshake or login has failed.
    give_up_at: Option<Instant>,
    hang_up_at: Option<Instant>,
    silent_at: Option<Instant>,
    checks: TalkChecks,
    /// Whether the login has been answered at least once.
    is_open: bool,
}

/// The camera's login requests; an answer to any of them will do.
#[derive(Debug, Default)]
struct Login {
    randoms: Vec<[u8; 4]>,
    second_at: Option<Instant>,
    /// When to send the first request again; `None` once answered.
    resend_at: Option<Instant>,
    again_at: Option<Instant>,
}

impl TalkSession {
    pub fn new(client: ClientId) -> Self {
        TalkSession { client, wanted: false, call: None, quiet_from: None, off_due: None, to_send: Vec::new() }
    }

    /// Handles K10010. One that repeats the present state, as a resend does, changes nothing.
    pub fn switch(&mut self, now: Instant, on: bool, shared: &mut Shared) {
        if self.wanted != on {
            shared.events.push_back(CameraEvent::Talk { client: self.client, on });
        }
        self.wanted = on;
        self.off_due = None;
        if !on {
            self.end(now, TalkEnd::SwitchedOff, shared);
            return;
        }
        let config = &shared.config;
        if self.call.is_none() && config.two_way_audio && !config.refuse_talk && !config.stall_talk {
            self.call = Some(Call {
                id: shared.talks.begin(self.client),
                open_at: Some(now + config.talk_delay),
                channel: None,
                login: Login::default(),
                give_up_at: None,
                hang_up_at: None,
                silent_at: None,
                checks: TalkChecks::default(),
                is_open: false,
            });
        }
    }

    /// Takes a DTLS datagram of the back channel.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8], shared: &mut Shared) {
        let Some(channel) = self.call.as_mut().and_then(|call| call.channel.as_mut()) else {
            self.handle_stray(now, datagram, shared);
            return;
        };
        let mut records = Vec::new();
        let change = channel.handle_datagram(now, datagram, |record| records.push(record.to_vec()));
        if let (Change::Established(suite), Some(call)) = (&change, &mut self.call) {
            if let Some(talk) = shared.talks.get_mut(call.id) {
                talk.suite = *suite;
            }
            call.give_up_at = Some(now + PATIENCE);
            call.login.again_at = shared.config.talk_login_twice.then(|| now + LOGIN_AGAIN);
            call.log_in(now, shared);
        }
        for record in &records {
            self.handle_record(now, record, shared);
        }
        match change {
            Change::Closed => {
                self.off_due = Some(now + OFF_GRACE);
                self.end(now, TalkEnd::ClientClosed, shared);
            }
            Change::Failed(failure) => {
                shared.log.behaviour(now, format!("back channel: {failure}"));
                self.end(now, TalkEnd::Failed, shared);
            }
            _ => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Instant, shared: &mut Shared) {
        if self.off_due.take_if(|at| *at <= now).is_some() {
            shared.log.behaviour(now, "talk: the client closed the back channel and did not switch talk off");
        }
        let Some(call) = &mut self.call else { return };
        if is_due(&mut call.open_at, now) {
            call.channel = BackChannel::new(now, &shared.config);
            // Without a back channel the camera stays silent, and the client is not to blame.
            call.give_up_at = call.channel.as_ref().map(|_| now + PATIENCE);
        }
        if let Some(channel) = &mut call.channel {
            channel.handle_timeout(now);
        }
        call.handle_login_timeouts(now, shared);
        if is_due(&mut call.silent_at, now) {
            shared.log.behaviour(now, "talk: nothing heard for 5 s, and it was not switched off");
        }
        if is_due(&mut call.give_up_at, now) {
            let stands = call.channel.as_ref().is_some_and(BackChannel::is_established);
            let what = if stands { "login" } else { "handshake" };
            shared.log.behaviour(now, format!("back channel: the {what} was not answered within 10 s"));
            if !call.is_open {
                self.end(now, TalkEnd::Failed, shared);
            }
        } else if is_due(&mut call.hang_up_at, now) {
            self.end(now, TalkEnd::HungUp, shared);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let call = self.call.iter().flat_map(Call::timeouts);
        call.chain([self.off_due]).flatten().min()
    }

    /// Sends a packet of any bytes, if the back channel is established.
    pub fn push_packet(&mut self, packet: &[u8]) {
        if let Some(channel) = self.call.as_mut().and_then(|call| call.channel.as_mut()) {
            channel.send(packet);
        }
    }

    /// The next DTLS datagram for the client.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        if !self.to_send.is_empty() {
            return Some(self.to_send.remove(0));
        }
        self.call.as_mut()?.channel.as_mut()?.poll_transmit()
    }

    /// Ends the talk and closes its back channel; returns whether that had been opened.
    pub fn hang_up(&mut self, end: TalkEnd, shared: &mut Shared) -> bool {
        let Some(mut call) = self.call.take() else { return false };
        if let Some(channel) = &mut call.channel {
            channel.close();
            self.to_send.extend(std::iter::from_fn(|| channel.poll_transmit()));
        }
        if let Some(talk) = shared.talks.get_mut(call.id) {
            talk.end = Some(end);
        }
        shared.events.push_back(CameraEvent::TalkEnded { client: self.client, end });
        call.channel.is_some()
    }

    fn end(&mut self, now: Instant, end: TalkEnd, shared: &mut Shared) {
        if self.hang_up(end, shared) {
            let grace = if end == TalkEnd::HungUp { GOODBYE_GRACE } else { Duration::ZERO };
            self.quiet_from = Some(now + grace);
        }
    }

    /// Handles a datagram that comes while no back channel is open.
    fn handle_stray(&mut self, now: Instant, datagram: &[u8], shared: &mut Shared) {
        let Some(quiet_from) = self.quiet_from else {
            shared.log.behaviour(now, "DTLS on the back channel, which the camera has not opened");
            return;
        };
        let is_audio = datagram.first() == Some(&APPLICATION_DATA)
            && datagram.len() > RECORD_HEADER + LOGIN_ANSWER_RECORD
            && self.call.is_none();
        if is_audio && now >= quiet_from {
            shared.log.behaviour(now, "talk: audio after the end of the talk");
        }
    }

    fn handle_record(&mut self, now: Instant, record: &[u8], shared: &mut Shared) {
        let Some(call) = &mut self.call else { return };
        match record {
            [0x00, 0x21, ..] => {
                packet_checks::talk_login_answer(now, record, &mut shared.log);
                call.handle_login_answer(now, record, self.client, shared);
            }
            [0x03, 0x09, ..] => call.handle_frame(now, record, shared),
            _ => {
                let (len, start) = (record.len(), &record[..record.len().min(2)]);
                let text =
                    format!("back channel: a packet of {len} bytes that starts with {start:02x?} is not a client's");
                shared.log.byte(now, text);
            }
        }
    }
}

impl Call {
    /// Sends the first request with new random bytes, and schedules the second.
    fn log_in(&mut self, now: Instant, shared: &mut Shared) {
        self.login.randoms.push(shared.rng.random());
        self.send_login(false, shared);
        self.login.second_at = Some(now + LOGIN_SECOND);
        self.login.resend_at = Some(now + LOGIN_RESEND);
    }

    fn send_login(&mut self, second: bool, shared: &Shared) {
        let (Some(channel), Some(&random)) = (&mut self.channel, self.login.randoms.last()) else { return };
        let password = shared.config.credentials.enr.bytes();
        let mut request = login::Request { second, random, password, resend: false }.emit();
        if shared.config.short_talk_login {
            request.truncate(SHORT_LOGIN);
        }
        channel.send(&request);
    }

    fn handle_login_timeouts(&mut self, now: Instant, shared: &mut Shared) {
        if is_due(&mut self.login.second_at, now) {
            self.send_login(true, shared);
        }
        if is_due(&mut self.login.again_at, now) {
            self.give_up_at = Some(now + PATIENCE);
            self.log_in(now, shared);
        } else if is_due(&mut self.login.resend_at, now) && self.give_up_at.is_some() {
            self.send_login(false, shared);
            self.login.second_at = Some(now + LOGIN_SECOND);
            self.login.resend_at = Some(now + LOGIN_RESEND);
        }
    }

    /// Finds out which login `record`, whose bytes have been checked, answers.
    fn handle_login_answer(&mut self, now: Instant, record: &[u8], client: ClientId, shared: &mut Shared) {
        let Ok(answer) = login::Response::parse(record) else { return };
        let echoes = |random: &[u8; 4]| {
            let first = random[0];
            answer.echo[1..] == random[1..] && [first, first.wrapping_add(1)].contains(&answer.echo[0])
        };
        if !self.login.randoms.iter().any(echoes) {
            shared.log.byte(now, "talk login answer: the echo does not match the login's bytes 20 to 23");
            return;
        }
        if !answer.success {
            return;
        }
        let talk = shared.talks.get_mut(self.id);
        let suite = talk.as_ref().and_then(|talk| talk.suite);
        if let Some(talk) = talk {
            talk.login_answers += 1;
        }
        if self.login.randoms.last().is_some_and(echoes) {
            self.login.resend_at = None;
            self.give_up_at = None;
        }
        if !std::mem::replace(&mut self.is_open, true) {
            self.silent_at = Some(now + MAX_SILENCE);
            self.hang_up_at = shared.config.close_talk_after.map(|after| now + after);
            shared.events.push_back(CameraEvent::TalkOpened { client, suite });
        }
    }

    fn handle_frame(&mut self, now: Instant, record: &[u8], shared: &mut Shared) {
        if !packet_checks::talk_frame(now, record, &mut shared.log) {
            return;
        }
        let Some(frame) = Frame::parse(record) else { return };
        if !self.is_open {
            shared.log.behaviour(now, "talk frame before the camera's login was answered");
        }
        self.checks.check(now, &frame, shared.spoken, &mut shared.log);
        self.silent_at = Some(now + MAX_SILENCE);
        if let Some(Talk { codec, flags, .. }) = shared.talks.get_mut(self.id) {
            (*codec, *flags) = (Some(frame.format.0), Some(frame.format.1));
        }
        shared.talks.add_audio(self.id, frame.number, frame.audio);
    }

    fn timeouts(&self) -> [Option<Instant>; 8] {
        let Login { second_at, resend_at, again_at, .. } = self.login;
        let channel = self.channel.as_ref().and_then(BackChannel::poll_timeout);
        [self.open_at, channel, second_at, resend_at, again_at, self.give_up_at, self.hang_up_at, self.silent_at]
    }
}

/// Whether the timer has expired, which also stops it.
fn is_due(timer: &mut Option<Instant>, now: Instant) -> bool {
    timer.take_if(|at| *at <= now).is_some()
}
