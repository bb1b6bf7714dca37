//! Listens in on a probe: who answers, who refuses, and which versions the camera speaks.

use crate::trace::TraceFile;
use gstwyze::protocol::credentials::Uid;
use gstwyze::protocol::trace::{Direction, TraceSink};
use gstwyze::protocol::wire::{Channel, cc51, iotc, media, transcode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much of a datagram is looked at. Discovery packets are shorter.
const HEAD: usize = 128;
/// The most hosts that are noted: more would be an attack, and no help.
const MAX_HOSTS: usize = 64;

/// What a host said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Something that is no packet of this protocol.
    Foreign,
    /// A packet of this envelope, which names no camera.
    Unnamed(&'static str),
    /// The answer to a search for another camera.
    Other,
    /// The UID that was asked for. Anybody can answer so.
    Named,
}

impl Answer {
    fn text(self) -> &'static str {
        match self {
            Answer::Foreign => "answered with something else than this protocol",
            Answer::Unnamed("cc51") => "answered in cc51",
            Answer::Unnamed(_) => "answered in transcode",
            Answer::Other => "answered in transcode, for another UID",
            Answer::Named => "answered in transcode, for this UID",
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Heard {
    pub answers: BTreeMap<SocketAddr, Answer>,
    pub refused: BTreeSet<SocketAddr>,
    /// The third byte of the camera's IOTC packets.
    pub marker: Option<u8>,
    /// The SDK's version, first part first.
    pub sdk: Option<[u8; 4]>,
    /// The version in the camera's media packets.
    pub av: Option<u16>,
}

impl Heard {
    /// Tells of each host that answered or refused, a line for each.
    pub fn hosts(&self) -> Vec<String> {
        let answered = self.answers.iter().map(|(host, answer)| format!("{host} {}", answer.text()));
        let refused = self.refused.iter().map(|host| format!("{host} answered \"port unreachable\""));
        answered.chain(refused).collect()
    }

    pub fn hosts_json(&self) -> Value {
        let answered = self.answers.iter().map(|(host, answer)| json!({"address": host, "answer": answer.text()}));
        let refused = self.refused.iter().map(|host| json!({"address": host, "answer": "port unreachable"}));
        answered.chain(refused).collect()
    }

    /// Returns the SDK's version with dots.
    pub fn sdk_text(&self) -> Option<String> {
        self.sdk.map(|[a, b, c, d]| format!("{a}.{b}.{c}.{d}"))
    }

    fn answered(&mut self, host: SocketAddr, answer: Answer) {
        if self.answers.len() < MAX_HOSTS || self.answers.contains_key(&host) {
            self.answers.entry(host).and_modify(|best| *best = answer.max(*best)).or_insert(answer);
        }
    }
}

pub struct Listener {
    uid: Uid,
    heard: Mutex<Heard>,
    file: Option<Arc<TraceFile>>,
}

impl Listener {
    /// What it hears goes on to `file`.
    pub fn new(uid: Uid, file: Option<Arc<TraceFile>>) -> Self {
        Listener { uid, heard: Mutex::default(), file }
    }

    pub fn heard(&self) -> Heard {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, from: SocketAddr, bytes: &[u8]) {
        let mut heard = self.lock();
        if cc51::is_cc51(bytes) {
            if let Some(version) = cc51::discovery_version(bytes) {
                heard.sdk = Some(newest_first(version));
            }
            heard.answered(from, Answer::Unnamed("cc51"));
            return;
        }
        let mut head = bytes[..bytes.len().min(HEAD)].to_vec();
        if transcode::decode_where(&mut head, |header| iotc::is_plausible(header, bytes.len())) != Ok(true) {
            heard.answered(from, Answer::Foreign);
            return;
        }
        heard.marker = Some(head[2]);
        let answer = match iotc::discovery_answer(&head) {
            Some((uid, sdk)) => {
                heard.sdk = Some(newest_first(sdk));
                if uid == self.uid { Answer::Named } else { Answer::Other }
            }
            None => Answer::Unnamed("transcode"),
        };
        heard.answered(from, answer);
    }
}

/// The wire has the last part of a version first.
fn newest_first([a, b, c, d]: [u8; 4]) -> [u8; 4] {
    [d, c, b, a]
}

impl TraceSink for Listener {
    fn datagram(&self, direction: Direction, local: SocketAddr, peer: SocketAddr, bytes: &[u8]) {
        if direction == Direction::FromCamera {
            self.hear(peer, bytes);
        }
        if let Some(file) = &self.file {
            file.datagram(direction, local, peer, bytes);
        }
    }

    fn refused(&self, peer: SocketAddr) {
        let refused = &mut self.lock().refused;
        if refused.len() < MAX_HOSTS {
            refused.insert(peer);
        }
    }

    fn record(&self, direction: Direction, channel: Channel, bytes: &[u8]) {
        if direction == Direction::FromCamera && channel == Channel::Main && media::is_media(bytes) {
            let version = bytes.get(2..4).map(|field| u16::from_le_bytes([field[0], field[1]]));
            self.lock().av = version;
        }
        if let Some(file) = &self.file {
            file.record(direction, channel, bytes);
        }
    }

    fn key_log(&self, line: &str) {
        if let Some(file) = &self.file {
            file.key_log(line);
        }
    }
}
