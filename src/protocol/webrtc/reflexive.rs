//! Which of our addresses the internet sees: STUN servers are asked from our own sockets.

use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The most servers and addresses of ours, each pair of which is one question.
const MAX_QUESTIONS: usize = 8;
/// How often a question is sent, and when again at first; each time the wait doubles.
const MAX_SENDS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(500);

// RFC 8489, sections 5 and 14. Numbers are big-endian.
const HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

type TransactionId = [u8; 12];

struct Question {
    local: SocketAddr,
    server: SocketAddr,
    id: TransactionId,
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
    rng: StdRng,
    questions: Vec<Question>,
    transmits: VecDeque<Transmit>,
}

impl Reflexive {
    pub fn new(servers: &[SocketAddr], rng: StdRng) -> Self {
        Reflexive { servers: servers.to_vec(), rng, questions: Vec::new(), transmits: VecDeque::new() }
    }

    /// Asks each server about an address of ours.
    pub fn ask(&mut self, local: SocketAddr, now: Instant) {
        for &server in self.servers.iter().filter(|server| server.is_ipv4() == local.is_ipv4()) {
            if self.questions.len() < MAX_QUESTIONS {
                self.questions.push(Question { local, server, id: self.rng.random(), sends: 0, due: now });
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
            if question.sends < MAX_SENDS {
                let data = request(question.id);
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
        let (id, mapped) = parse_answer(datagram)?;
        let position = self.questions.iter().position(|question| is_asked(&question) && question.id == id)?;
        self.questions.swap_remove(position);
        Some(Seen { local, mapped })
    }
}

/// Makes a binding request without a name or a password.
fn request(id: TransactionId) -> Vec<u8> {
    [&BINDING_REQUEST[..], &[0, 0], &MAGIC_COOKIE, &id].concat()
}

/// Reads a server's answer, which nobody signs: returns whose it is and the address in it. str0m reads signed ones only.
fn parse_answer(datagram: &[u8]) -> Option<(TransactionId, SocketAddr)> {
    let (header, mut attributes) = datagram.split_first_chunk::<HEADER>()?;
    let id = *header.last_chunk::<12>()?;
    if header[..2] != BINDING_SUCCESS || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    while let Some((&[kind_high, kind_low, length_high, length_low], rest)) = attributes.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let value = rest.get(..length)?;
        if [kind_high, kind_low] == XOR_MAPPED_ADDRESS {
            return Some((id, address(value, &header[4..])?));
        }
        // Attributes are padded to four bytes.
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// Reads an address that is scrambled by cookie and id.
fn address(value: &[u8], key: &[u8]) -> Option<SocketAddr> {
    let (&[_, family, port_high, port_low], ip) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([port_high ^ key[0], port_low ^ key[1]]);
    let plain: Vec<u8> = ip.iter().zip(key).map(|(byte, key)| byte ^ key).collect();
    let ip = match family {
        1 => IpAddr::from(<[u8; 4]>::try_from(plain).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(plain).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_addresses_of_both_families_and_other_attributes() {
        let id = [7; 12];
        let key = [&MAGIC_COOKIE[..], &id].concat();
        for seen in ["203.0.113.5:61000", "[2001:db8::5]:61000"] {
            let seen: SocketAddr = seen.parse().unwrap();
            let (family, ip) = match seen.ip() {
                IpAddr::V4(ip) => (1, ip.octets().to_vec()),
                IpAddr::V6(ip) => (2, ip.octets().to_vec()),
            };
            let scrambled = |bytes: &[u8]| bytes.iter().zip(&key).map(|(byte, key)| byte ^ key).collect::<Vec<_>>();
            let value = [&[0, family][..], &scrambled(&seen.port().to_be_bytes()), &scrambled(&ip)].concat();
            let software = [0x80, 0x22, 0, 5, b'c', b'o', b't', b'u', b'r', 0, 0, 0];
            let attributes = [&software[..], &[0, 0x20, 0, value.len() as u8], &value].concat();
            let head = [&BINDING_SUCCESS[..], &[0, attributes.len() as u8], &MAGIC_COOKIE, &id].concat();
            let answer = [head, attributes].concat();
            assert_eq!(parse_answer(&answer), Some((id, seen)));
            for length in 0..answer.len() {
                assert_eq!(parse_answer(&answer[..length]), None, "{length}");
            }
        }
        assert_eq!(parse_answer(&request(id)), None);
    }
}
