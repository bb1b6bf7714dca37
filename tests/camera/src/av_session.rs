//! The AV protocol inside the main channel's DTLS: login, ACKs, commands and media of one client.

use crate::ack_book::AckBook;
use crate::camera::Shared;
use crate::camera_config::{CameraConfig, ResendSupport};
use crate::camera_event::{CameraEvent, ClientId};
use crate::controls::Answer;
use crate::media_frame::MediaFrame;
use crate::packet_checks;
use crate::packetiser::Packetiser;
use crate::send_buffer::SendBuffer;
use gstwyze::protocol::wire::control::{Ack, ControlFrame};
use gstwyze::protocol::wire::hl::{self, Challenge, ChallengeAnswer, Message};
use gstwyze::protocol::wire::probe::ProbeAnswer;
use gstwyze::protocol::wire::selective_ack::SelectiveAck;
use gstwyze::protocol::wire::{login, xxtea};
use rand::RngExt;
use std::ops::Range;
use std::time::Instant;

const CHANNEL_MESSAGE: u16 = 0x1000;
const OTHER_MESSAGES: [u16; 2] = [0x7100, 0x1100];
/// Where an HL message has its protocol number.
const HL_PROTOCOL: Range<usize> = 2..4;
/// Where the message begins in a control frame of the wrapped format, and in a plain one.
const WRAPPED_HL: usize = 32;
const PLAIN_HL: usize = 40;
/// Where a control frame says what its message is.
const IO_TYPE: usize = 36;
const DEVICE_INFO: u16 = 0x0340;
const DEVICE_INFO_ANSWER: u16 = 0x0341;
/// The answers of a camera that agrees, and of one that does not.
const AGREED: u8 = 1;
const REFUSED: u8 = 2;

/// The AV layer's state for one client, from its login on.
#[derive(Debug)]
pub struct AvSession {
    client: ClientId,
    logged_in: bool,
    challenge: Option<[u8; 16]>,
    authenticated: bool,
    video: bool,
    audio: bool,
    acks: AckBook,
    command_counter: u16,
    packetiser: Packetiser,
    /// Set when K10010 for talk has come: on (true) or off.
    pub talk_switch: Option<bool>,
    /// Records to be encrypted and sent.
    pub to_send: Vec<Vec<u8>>,
}

impl AvSession {
    pub fn new(client: ClientId) -> Self {
        AvSession {
            client,
            logged_in: false,
            challenge: None,
            authenticated: false,
            video: false,
            audio: false,
            acks: AckBook::default(),
            command_counter: 0,
            packetiser: Packetiser::default(),
            talk_switch: None,
            to_send: Vec::new(),
        }
    }

    pub fn is_streaming(&self) -> bool {
        self.authenticated && (self.video || self.audio)
    }

    pub fn takes(&self, frame: &MediaFrame) -> bool {
        self.authenticated && if frame.is_audio() { self.audio } else { self.video }
    }

    /// Calls `emit` with each packet of a frame that this client takes.
    pub fn push_frame(
        &mut self,
        now: Instant,
        frame: &MediaFrame,
        viewers: u8,
        shared: &mut Shared,
        emit: impl FnMut(&[u8]),
    ) {
        if !frame.is_audio() {
            self.chat(now, &shared.config);
        }
        let bitrate = shared.controls.picture.parameters.bitrate;
        self.packetiser.packets(frame, bitrate, viewers, &shared.config, &mut shared.rng, emit);
    }

    pub fn unanswered_probes(&self) -> usize {
        self.packetiser.probes.unanswered()
    }

    /// How many packets the client has asked for and not acknowledged.
    pub fn asked_for(&self) -> usize {
        self.packetiser.resends.as_ref().map_or(0, SendBuffer::asked_for)
    }

    /// Sends what is no media and no answer, if this camera does so.
    fn chat(&mut self, now: Instant, config: &CameraConfig) {
        if config.probes {
            self.to_send.push(self.packetiser.probes.next_probe(config.av_version).emit().to_vec());
        }
        if config.chatter {
            let sequence = self.acks.number_control_frame(now);
            self.to_send.push(channel_message(CHANNEL_MESSAGE, sequence));
            self.to_send.push(channel_message(OTHER_MESSAGES[usize::from(sequence % 2)], sequence));
        }
    }

    pub fn handle_record(&mut self, now: Instant, record: &[u8], shared: &mut Shared) {
        match record {
            [0x0B, 0x00, ..] => self.handle_probe_answer(now, record, shared),
            [0x09, 0x00, ..] => self.handle_ack(now, record, shared),
            [0x00, 0x00 | 0x20, ..] => self.handle_login(now, record, shared),
            [0x0C, 0x00, ..] | [0x00, 0x70 | 0x10, ..] => self.handle_control(now, record, shared),
            [first, ..] => {
                let len = record.len();
                shared
                    .log
                    .byte(now, format!("AV packet of {len} bytes that starts with {first:02x} is not a client's"));
            }
            [] => shared.log.byte(now, "empty AV packet"),
        }
    }

    pub fn handle_timeout(&mut self, now: Instant, shared: &mut Shared) {
        self.acks.handle_timeout(now, &mut shared.log);
        self.to_send.extend(self.packetiser.packets_again(now, &shared.config));
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let again = self.packetiser.resends.as_ref().and_then(SendBuffer::poll_timeout);
        self.acks.poll_timeout().into_iter().chain(again).min()
    }

    /// Answers the second request; the first is only checked.
    fn handle_login(&mut self, now: Instant, record: &[u8], shared: &mut Shared) {
        packet_checks::login(now, record, &mut shared.log);
        let Ok(request) = login::Request::parse(record) else { return };
        let resend = shared.config.resend;
        if request.resend && resend == ResendSupport::NotAnswered {
            return;
        }
        let is_right = request.password == shared.config.credentials.enr.bytes();
        let is_refused = shared.config.refuse_login || request.resend && resend == ResendSupport::LoginRefused;
        let success = is_right && !is_refused;
        if !is_right {
            shared.log.byte(now, "login: the password is not the ENR");
        }
        if !request.second {
            return;
        }
        let mut echo = request.random;
        echo[0] = echo[0].wrapping_add(1);
        let &CameraConfig { two_way_audio, capabilities, .. } = &shared.config;
        let grants = request.resend && resend == ResendSupport::Granted;
        let welcome = login::Response { resend: grants, ..login::Response::welcome(echo) };
        if grants {
            self.packetiser.resends.get_or_insert_default();
        }
        self.to_send.push(login::Response { success, two_way_audio, capabilities, ..welcome }.emit());
        self.logged_in |= success;
    }

    fn handle_probe_answer(&mut self, now: Instant, record: &[u8], shared: &mut Shared) {
        packet_checks::probe_answer(now, record, shared.config.av_version, &mut shared.log);
        if let Ok(answer) = ProbeAnswer::parse(record) {
            self.packetiser.probes.handle_answer(now, &answer, &mut shared.log);
        }
    }

    fn handle_ack(&mut self, now: Instant, record: &[u8], shared: &mut Shared) {
        let streaming = self.is_streaming();
        if let Some(resends) = &mut self.packetiser.resends {
            match SelectiveAck::parse(record) {
                Ok(ack) => {
                    self.acks.handle_selective_ack(now, &ack, &mut shared.log);
                    resends.handle_ack(now, ack, streaming, &mut shared.rng, &mut shared.log);
                }
                Err(error) => shared.log.byte(now, error.to_string()),
            }
            return;
        }
        packet_checks::ack(now, record, &mut shared.log);
        let Ok(ack) = Ack::parse(record) else { return };
        if !self.logged_in {
            shared.log.behaviour(now, "ACK before login");
        }
        self.acks.handle_ack(now, &ack, self.is_streaming(), &mut shared.log);
    }

    fn handle_control(&mut self, now: Instant, record: &[u8], shared: &mut Shared) {
        let io_type = packet_checks::control(now, record, shared.config.io_types, &mut shared.log);
        if let Some(io_type) = io_type {
            self.acks.handle_control(now, record, &mut shared.log);
            self.handle_io_type(now, io_type, &record[PLAIN_HL..], shared);
        } else if let Ok(frame) = ControlFrame::parse(record) {
            self.acks.handle_control(now, record, &mut shared.log);
            if !self.logged_in {
                shared.log.behaviour(now, "control frame before login");
            } else if let Ok(message) = Message::parse(frame.hl) {
                self.handle_message(now, &message, shared);
            }
        }
    }

    /// Tells the client that a command has come, because no answer will.
    fn ack_command(&mut self, config: &CameraConfig) {
        if config.acks_commands {
            self.to_send.push(self.acks.ack().emit().to_vec());
        }
    }

    /// Handles one of TUTK's own commands.
    fn handle_io_type(&mut self, now: Instant, io_type: u16, payload: &[u8], shared: &mut Shared) {
        if !self.authenticated {
            shared.log.behaviour(now, format!("IO type {io_type:#06x} before the challenge was answered"));
            return;
        }
        shared.io_types.push((io_type, payload.to_vec()));
        match io_type {
            0x01FF => self.stream(true, self.audio, shared),
            0x02FF => self.stream(false, self.audio, shared),
            0x0300 => self.stream(self.video, true, shared),
            0x0301 => self.stream(self.video, false, shared),
            DEVICE_INFO => {
                let text = format!("{} {}", shared.config.model, shared.config.firmware);
                let mut frame = self.control_frame(now, text.as_bytes());
                frame[IO_TYPE..IO_TYPE + 2].copy_from_slice(&DEVICE_INFO_ANSWER.to_le_bytes());
                self.to_send.push(frame);
                return;
            }
            _ => {}
        }
        self.ack_command(&shared.config);
    }

    fn stream(&mut self, video: bool, audio: bool, shared: &mut Shared) {
        (self.video, self.audio) = (video, audio);
        shared.events.push_back(CameraEvent::Streaming { client: self.client, video, audio });
    }

    fn handle_message(&mut self, now: Instant, message: &Message<'_>, shared: &mut Shared) {
        let config = &shared.config;
        match message.command {
            hl::AUTH_REQUEST => self.send_challenge(now, message.payload, shared),
            hl::AUTH_ANSWER => self.handle_answer(now, message.payload, shared),
            _ if !self.authenticated => {
                shared.log.behaviour(now, format!("K{} before the challenge was answered", message.command));
            }
            command if config.silent.contains(&command) => {}
            command if config.ignores.contains(&command) => self.reply(now, command, &[AGREED], shared),
            command if config.refuses.contains(&command) => self.reply(now, command, &[REFUSED], shared),
            hl::MEDIA => self.switch_media(now, message, shared),
            hl::SET_CLOCK => self.set_clock(now, message, shared),
            _ => self.control(now, message, shared),
        }
    }

    /// Handles what steers the camera.
    fn control(&mut self, now: Instant, message: &Message<'_>, shared: &mut Shared) {
        let (command, payload) = (message.command, message.payload);
        let seconds = shared.clock.seconds(now, shared.config.clock_error);
        let client = self.client;
        let setting = || CameraEvent::Setting { client, command, payload: payload.to_vec() };
        match shared.controls.handle(now, seconds, command, payload) {
            Answer::Payload(answer) => self.reply(now, command, &answer, shared),
            Answer::Set => {
                self.reply(now, command, &[AGREED], shared);
                shared.events.push_back(setting());
            }
            Answer::Picture(parameters) => {
                self.reply(now, command, &[AGREED], shared);
                shared.events.push_back(CameraEvent::VideoParameters { client, parameters });
            }
            Answer::Done => {
                self.ack_command(&shared.config);
                shared.events.push_back(setting());
            }
            Answer::Silence => {}
            Answer::OtherModels => {
                shared.log.byte(now, format!("K{command} is not the resolution command of this model"));
            }
            Answer::Malformed => shared.log.byte(now, format!("K{command}: payload {payload:02x?} is not possible")),
            Answer::Unknown => shared.log.byte(now, format!("K{command} is not a command of any camera")),
        }
    }

    fn send_challenge(&mut self, now: Instant, payload: &[u8], shared: &mut Shared) {
        if !payload.is_empty() && serde_json::from_slice::<serde_json::Value>(payload).is_err() {
            shared.log.byte(now, "K10000: the payload is neither empty nor JSON");
        }
        if shared.config.asleep && !String::from_utf8_lossy(payload).contains(r#""wakeupFlag":1"#) {
            return;
        }
        // A client that sends its request again gets the same challenge, because the first may still arrive.
        let challenge = *self.challenge.get_or_insert_with(|| shared.rng.random());
        let hl = Challenge { status: shared.config.challenge, challenge }.emit();
        self.send_control(now, &hl, &shared.config);
    }

    fn handle_answer(&mut self, now: Instant, payload: &[u8], shared: &mut Shared) {
        if payload.len() != 22 {
            shared.log.byte(now, format!("K10002: the payload has {} bytes instead of 22", payload.len()));
        }
        let Ok(answer) = ChallengeAnswer::parse(payload) else { return };
        if payload[20] > 1 || payload[21] > 1 {
            shared.log.byte(now, "K10002: video and audio are neither 0 nor 1");
        }
        let Some(challenge) = self.challenge else {
            shared.log.behaviour(now, "K10002 without a challenge");
            return;
        };
        let right = is_right(&answer.answer, challenge, &shared.config);
        if !right {
            shared.log.byte(now, "K10002: the answer to the challenge is wrong");
        }
        if !right || shared.config.refuse_answer {
            self.reply(now, hl::AUTH_ANSWER, br#"{"connectionRes":"2","cameraInfo":{}}"#, shared);
            return;
        }
        self.reply(now, hl::AUTH_ANSWER, result_json(&answer, &shared.config).as_bytes(), shared);
        if !std::mem::replace(&mut self.authenticated, true) {
            let at_once = !shared.config.media_by_command;
            self.stream(at_once && answer.video, at_once && answer.audio, shared);
        }
    }

    fn switch_media(&mut self, now: Instant, message: &Message<'_>, shared: &mut Shared) {
        let &[kind @ 1..=4, switch @ 1..=2] = message.payload else {
            shared
                .log
                .byte(now, format!("K10010: payload {:02x?} does not name a medium and a switch", message.payload));
            return;
        };
        let on = switch == 1;
        match kind {
            1 => self.video = on,
            2 => self.audio = on,
            3 => {
                self.talk_switch = Some(on);
                if shared.config.refuse_talk {
                    return;
                }
            }
            _ => {}
        }
        self.reply(now, hl::MEDIA, &[AGREED], shared);
        if kind < 3 {
            self.stream(self.video, self.audio, shared);
        }
    }

    fn set_clock(&mut self, now: Instant, message: &Message<'_>, shared: &mut Shared) {
        let Ok(seconds) = message.payload.try_into().map(u32::from_le_bytes) else {
            shared.log.byte(now, format!("K10092: the payload has {} bytes instead of 4", message.payload.len()));
            return;
        };
        if shared.config.ignore_clock {
            return;
        }
        shared.clock.set(now, seconds);
        self.reply(now, message.command, &[AGREED], shared);
    }

    fn reply(&mut self, now: Instant, request: u16, payload: &[u8], shared: &Shared) {
        self.send_control(now, &Message { command: request + 1, payload }.emit(), &shared.config);
    }

    fn send_control(&mut self, now: Instant, hl: &[u8], config: &CameraConfig) {
        let mut hl = hl.to_vec();
        hl[HL_PROTOCOL].copy_from_slice(&config.protocol.to_le_bytes());
        let mut frame = self.control_frame(now, &hl);
        if config.wrapped_control {
            frame[2..4].copy_from_slice(&[0x0B, 0x00]);
            frame[6..8].fill(0);
            // The message begins 8 bytes earlier than in a plain frame.
            frame.drain(WRAPPED_HL..PLAIN_HL);
            frame[24..26].copy_from_slice(&(hl.len() as u16 - 4).to_le_bytes());
        }
        self.to_send.push(frame);
    }

    /// Makes the next control frame, in the plain format.
    fn control_frame(&mut self, now: Instant, message: &[u8]) -> Vec<u8> {
        let send_counter = self.acks.number_control_frame(now).into();
        let frame = ControlFrame { send_counter, command_counter: self.command_counter, hl: message };
        self.command_counter = self.command_counter.wrapping_add(1);
        frame.emit()
    }
}

/// Makes a packet of the channel itself, of which viewers know no more than the header.
fn channel_message(magic: u16, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0; 44];
    packet[..2].copy_from_slice(&magic.to_le_bytes());
    packet[2..4].copy_from_slice(&[0x0C, 0]);
    packet[4..6].copy_from_slice(&sequence.to_le_bytes());
    packet[24] = 8;
    packet[36..].fill(0xEE);
    packet
}

/// Checks the answer by encrypting it: it is the challenge, decrypted.
fn is_right(answer: &[u8; 16], challenge: [u8; 16], config: &CameraConfig) -> bool {
    config
        .credentials
        .challenge_keys(config.challenge)
        .is_some_and(|keys| keys.into_iter().rev().flatten().fold(*answer, xxtea::encrypt) == challenge)
}

fn result_json(answer: &ChallengeAnswer, config: &CameraConfig) -> String {
    let switch = |on: bool| if on { "1" } else { "0" };
    serde_json::json!({
        "connectionRes": "1",
        "cameraInfo": {
            "basicInfo": {
                "firmware": config.firmware,
                "hardware": "0.0.0.0",
                "mac": String::from_utf8_lossy(config.credentials.mac.bytes()),
                "model": config.model,
                "type": "camera",
                "wifidb": "-40",
            },
            // Cameras misspell it like this.
            "channelResquestResult": { "audio": switch(answer.audio), "video": switch(answer.video) },
            "recordType": 1,
        },
    })
    .to_string()
}
