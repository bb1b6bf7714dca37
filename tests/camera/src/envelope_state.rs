//! The outer packets of one session: the data packets that carry DTLS, and the keepalives.

use crate::camera_config::CameraConfig;
use crate::deviation_log::DeviationLog;
use gstwyze::protocol::wire::cc51::{self, Signer};
use gstwyze::protocol::wire::{Channel, SessionId, iotc, transcode};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a keepalive may go unanswered. A client answers at once; the rest allows for lost packets both ways.
const MAX_KEEPALIVE_ANSWER: Duration = Duration::from_secs(3);
/// Where the marker's last byte and the mode byte of an IOTC packet are.
const MARKER_END: usize = 2;
const MODE: usize = 3;
/// The length of the HMAC that ends a CC51 packet.
const CC51_HMAC_LEN: usize = 20;

/// The progress of an envelope's session, and its counters.
pub enum EnvelopeState {
    Transcode {
        /// Whether discovery stage 2 has come.
        chosen: bool,
        /// Whether the session request has come.
        open: bool,
        next_sent: u16,
        next_received: Option<u16>,
        /// Payloads of keepalives whose echo is still to come, and the time by which it has to.
        pings: VecDeque<([u8; 8], Instant)>,
    },
    Cc51 {
        ticket: u16,
        /// Whether discovery step 2 has come.
        open: bool,
        signer: Signer,
        pings_sent: u32,
        next_answer: u32,
        /// When the oldest keepalive without an answer is overdue.
        overdue: Option<Instant>,
    },
}

impl EnvelopeState {
    pub fn transcode() -> Self {
        EnvelopeState::Transcode {
            chosen: false,
            open: false,
            next_sent: 0,
            next_received: None,
            pings: VecDeque::new(),
        }
    }

    pub fn cc51(ticket: u16, signer: Signer) -> Self {
        EnvelopeState::Cc51 { ticket, open: false, signer, pings_sent: 0, next_answer: 2, overdue: None }
    }

    pub fn is_open(&self) -> bool {
        match self {
            EnvelopeState::Transcode { open, .. } | EnvelopeState::Cc51 { open, .. } => *open,
        }
    }

    /// Wraps a DTLS datagram for the client.
    pub fn wrap(&mut self, session_id: SessionId, channel: Channel, payload: &[u8], config: &CameraConfig) -> Vec<u8> {
        match self {
            EnvelopeState::Transcode { next_sent, .. } => {
                let data = iotc::Data { sequence: *next_sent, channel, session_id, payload };
                *next_sent = next_sent.wrapping_add(1);
                let mut packet = data.emit(iotc::DATA_FROM_CAMERA);
                packet[MODE] = config.data_mode;
                scramble(packet, config)
            }
            EnvelopeState::Cc51 { ticket, signer, .. } => {
                let mut packet = cc51::Data { channel, ticket: *ticket, session_id, payload }.emit(signer);
                if config.unknown_data_signature {
                    let tag = packet.len() - CC51_HMAC_LEN;
                    packet[tag..].iter_mut().for_each(|byte| *byte = !*byte);
                }
                packet
            }
        }
    }

    /// Makes a keepalive; `payload` is random.
    pub fn keepalive(
        &mut self,
        now: Instant,
        session_id: SessionId,
        payload: [u8; 8],
        config: &CameraConfig,
    ) -> Vec<u8> {
        match self {
            EnvelopeState::Transcode { pings, .. } => {
                pings.push_back((payload, now + MAX_KEEPALIVE_ANSWER));
                scramble(iotc::emit_keepalive(iotc::KEEPALIVE_FROM_CAMERA, payload), config)
            }
            EnvelopeState::Cc51 { signer, pings_sent, overdue, .. } => {
                *pings_sent = pings_sent.wrapping_add(1);
                overdue.get_or_insert(now + MAX_KEEPALIVE_ANSWER);
                cc51::Keepalive { counter: *pings_sent, session_id }.emit(signer)
            }
        }
    }

    /// Checks the sequence number of a data packet from the client; CC51 has none.
    pub fn check_sequence(&mut self, now: Instant, sequence: u16, log: &mut DeviationLog) {
        let EnvelopeState::Transcode { next_received, .. } = self else { return };
        if let Some(expected) = *next_received
            && sequence != expected
        {
            log.behaviour(now, format!("IOTC data: sequence is {sequence} instead of {expected}"));
        }
        *next_received = Some(sequence.wrapping_add(1));
    }

    /// Checks the payload of an IOTC keepalive answer.
    pub fn check_echo(&mut self, now: Instant, payload: [u8; 8], log: &mut DeviationLog) {
        let EnvelopeState::Transcode { pings, .. } = self else { return };
        match pings.iter().position(|(sent, _)| *sent == payload) {
            Some(at) => drop(pings.remove(at)),
            None => log.behaviour(now, "keepalive answer: the payload matches no unanswered keepalive"),
        }
    }

    /// Checks the counter of a CC51 keepalive answer.
    pub fn check_counter(&mut self, now: Instant, counter: u32, log: &mut DeviationLog) {
        let EnvelopeState::Cc51 { next_answer, overdue, .. } = self else { return };
        if counter != *next_answer {
            log.behaviour(now, format!("CC51 keepalive: counter is {counter} instead of {next_answer}"));
        }
        *next_answer = counter.wrapping_add(2);
        *overdue = None;
    }

    /// Logs keepalives whose answer is overdue.
    pub fn check_overdue(&mut self, now: Instant, log: &mut DeviationLog) {
        let is_overdue = match self {
            EnvelopeState::Transcode { pings, .. } => {
                let waiting = pings.len();
                pings.retain(|&(_, by)| by > now);
                pings.len() < waiting
            }
            EnvelopeState::Cc51 { overdue, .. } => overdue.take_if(|by| *by <= now).is_some(),
        };
        if is_overdue {
            log.behaviour(now, "keepalive: no answer within 3 s");
        }
    }
}

/// Puts a plain IOTC packet, with the camera's own marker, through TransCode.
pub fn scramble(mut datagram: Vec<u8>, config: &CameraConfig) -> Vec<u8> {
    datagram[MARKER_END] = config.marker;
    // It refuses only packets without a whole header, and every emitted packet has one.
    let _ = transcode::encode(&mut datagram);
    datagram
}
