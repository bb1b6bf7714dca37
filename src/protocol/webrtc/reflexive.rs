//! Which of our addresses the internet sees: STUN servers are asked from our own sockets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::ice::{StunMessage, StunMessageBuilder, TransId};

/// The most servers and addresses of ours, each pair of which is one question.
const MAX_QUESTIONS: usize = 8;
/// How often a question is sent, and when again at first; each time the wait doubles.
const MAX_SENDS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(500);

struct Question {
    local: SocketAddr,
    server: SocketAddr,
    id: TransId,
    sends: u32,
    due: Instant,
}

/// A datagram to send.
pub struct Transmit {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub data: Vec<u8>,
}

/// What a server has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Our own address.
    pub local: SocketAddr,
    /// What the internet sees of it.
    pub mapped: SocketAddr,
}

/// The questions of one viewer.
pub struct Reflexive {
    servers: Vec<SocketAddr>,
    questions: Vec<Question>,
    transmits: VecDeque<Transmit>,
}

impl Reflexive {
    pub fn new(servers: &[SocketAddr]) -> Self {
        Reflexive { servers: servers.to_vec(), questions: Vec::new(), transmits: VecDeque::new() }
    }

    /// Asks each server about an address of ours.
    pub fn ask(&mut self, local: SocketAddr, now: Instant) {
        for &server in self.servers.iter().filter(|server| server.is_ipv4() == local.is_ipv4()) {
            if self.questions.len() < MAX_QUESTIONS {
                self.questions.push(Question { local, server, id: TransId::new(), sends: 0, due: now });
            }
        }
        self.handle_timeout(now);
    }

    /// Stops asking.
    pub fn stop(&mut self) {
        self.questions.clear();
        self.transmits.clear();
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.questions.iter().map(|question| question.due).min()
    }

    /// Sends again what was not answered, and gives up what was asked often enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        for question in self.questions.iter_mut().filter(|question| question.due <= now) {
            if let Some(data) = request(question.id).filter(|_| question.sends < MAX_SENDS) {
                self.transmits.push_back(Transmit { from: question.local, to: question.server, data });
            }
            question.due = now + FIRST_WAIT * 2u32.pow(question.sends.min(MAX_SENDS));
            question.sends += 1;
        }
        self.questions.retain(|question| question.sends <= MAX_SENDS);
    }

    /// Takes a datagram that came to `local`, if it answers a question.
    pub fn handle_datagram(&mut self, from: SocketAddr, local: SocketAddr, datagram: &[u8]) -> Option<Seen> {
        let is_asked = |question: &&Question| question.server == from && question.local == local;
        self.questions.iter().find(is_asked)?;
        let answer = StunMessage::parse(datagram).ok().filter(StunMessage::is_successful_binding_response)?;
        let position = self.questions.iter().position(|q| is_asked(&q) && q.id == answer.trans_id())?;
        let mapped = answer.mapped_address()?;
        self.questions.swap_remove(position);
        Some(Seen { local, mapped })
    }
}

/// Makes a binding request (RFC 8489) without a name or a password.
fn request(id: TransId) -> Option<Vec<u8>> {
    let mut buffer = [0; 128];
    let message = StunMessageBuilder::new().binding().request().build(id);
    // There is nothing to sign.
    let length = message.to_bytes(None, &mut buffer, |_, _| [0; 20]).ok()?;
    Some(buffer[..length].to_vec())
}
