//! Talk-back: audio to the camera's speaker, on a DTLS session of its own in which the camera is the client.
//!
//! Asked for by a command on the main channel, the camera opens DTLS on the back channel, logs in, and takes audio frames. This
//! is the part behind the command: the DTLS server, the answer to the login, and frames at the pace of their sound.

use super::credentials::Psk;
use super::dtls::record::{HANDSHAKE, records};
use super::dtls::{self, Endpoint, Role};
use super::wire::codec::{AudioFlags, CodecId};
use super::wire::login;
use super::wire::talk::TalkFrame;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// From the command to the camera's login. Cameras take up to two seconds; a lost flight or two come on top.
pub const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// Sound that waits to be sent; beyond, the oldest is dropped.
const MAX_QUEUED: Duration = Duration::from_secs(10);
/// Frames go out this much faster than they sound, so that a source with a fast clock builds up no queue.
const PACE: f64 = 0.98;
/// Hellos are taken no faster: each costs a new endpoint, and anybody may have sent it. The camera sends its own again.
const HELLO_INTERVAL: Duration = Duration::from_millis(100);
const CLIENT_HELLO: u8 = 1;

/// Why there is no talk; the viewing session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TalkError {
    #[error("talk: this camera has no two-way audio")]
    NoTwoWayAudio,
    #[error("talk: somebody else talks on this session already; end that first")]
    Busy,
    #[error("talk: the camera did not answer the request; another app may be talking, try again later")]
    Refused,
    #[error("talk: the camera did not open the back channel in time; restart it, or try again")]
    NotOpened,
    #[error("talk: the back channel failed; check enr, or try again")]
    Handshake,
    #[error("talk: the camera hung up")]
    HungUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TalkEvent {
    /// Audio is taken from now on.
    Ready,
    /// All is sent and has sounded and the camera has been told, as was asked for.
    Stopped,
    Failed(TalkError),
}

/// One encoded audio frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkAudio {
    pub codec: CodecId,
    pub flags: AudioFlags,
    pub data: Vec<u8>,
    /// How long it sounds.
    pub duration: Duration,
}

/// One talk, from the command on to the command off.
pub struct Talk {
    psk: Psk,
    deadline: Instant,
    endpoint: Option<Endpoint>,
    /// The random of the ClientHello that `endpoint` began with.
    hello: Option<[u8; 32]>,
    begun: Option<Instant>,
    /// When OpenSSL's timer is due, on the caller's clock.
    dtls_timeout: Option<Instant>,
    ready: bool,
    queue: VecDeque<TalkAudio>,
    queued: Duration,
    number: u32,
    sounded: Duration,
    next_due: Option<Instant>,
    /// Ends when the queue is empty.
    draining: bool,
    pub sent: u64,
    pub dropped: u64,
}

impl Talk {
    pub fn new(psk: Psk, now: Instant) -> Self {
        Talk {
            psk,
            deadline: now + OPEN_LIMIT,
            endpoint: None,
            hello: None,
            begun: None,
            dtls_timeout: None,
            ready: false,
            queue: VecDeque::new(),
            queued: Duration::ZERO,
            number: 0,
            sounded: Duration::ZERO,
            next_due: None,
            draining: false,
            sent: 0,
            dropped: 0,
        }
    }

    /// Takes what came on the back channel.
    pub fn handle_datagram(&mut self, now: Instant, payload: &[u8]) -> Option<TalkEvent> {
        let failed = self.endpoint.as_ref().is_none_or(|endpoint| matches!(endpoint.state(), dtls::State::Failed(_)));
        let hello = client_hello_random(payload);
        // Before its login, a camera may begin anew; what an earlier talk left on the way is such a beginning too.
        let early = self.begun.is_some_and(|begun| now.saturating_duration_since(begun) < HELLO_INTERVAL);
        let begins = hello.is_some() && !early && (failed || (!self.ready && hello != self.hello));
        if failed && !begins {
            return None;
        }
        if begins {
            (self.hello, self.begun) = (hello, Some(now));
            let settings = dtls::Settings::new(Role::Server { hello_verify: false }, self.psk.clone());
            match Endpoint::new(&settings) {
                Ok(endpoint) => self.endpoint = Some(endpoint),
                Err(_) => return Some(TalkEvent::Failed(TalkError::Handshake)),
            }
        }
        let endpoint = self.endpoint.as_mut()?;
        let mut echoes = Vec::new();
        endpoint.handle_datagram(payload, |plain| {
            if login::Request::parse(plain).is_ok() {
                echoes.push([plain[20], plain[21], plain[22], plain[23]]);
            }
        });
        // The camera may send its login again, and is answered again.
        for &echo in &echoes {
            let response = login::Response { echo, success: true, enabled: true, two_way_audio: true };
            endpoint.send(&response.emit());
        }
        self.dtls_timeout = endpoint.next_timeout().map(|left| now + left);
        if *endpoint.state() == dtls::State::Closed {
            return Some(TalkEvent::Failed(TalkError::HungUp));
        }
        if echoes.is_empty() || std::mem::replace(&mut self.ready, true) {
            return None;
        }
        self.next_due = (!self.queue.is_empty()).then_some(now);
        Some(TalkEvent::Ready)
    }

    /// Does what is due; `Some` where the talk is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<TalkEvent> {
        if self.dtls_timeout.is_some_and(|at| at <= now) {
            self.dtls_timeout = self.endpoint.as_mut().and_then(|endpoint| {
                endpoint.handle_timeout();
                endpoint.next_timeout().map(|left| now + left)
            });
        }
        if !self.ready {
            return (now >= self.deadline).then_some(TalkEvent::Failed(TalkError::NotOpened));
        }
        while self.next_due.is_some_and(|due| due <= now) {
            self.send_next(now);
        }
        self.is_drained().then_some(TalkEvent::Stopped)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = (!self.ready).then_some(self.deadline);
        [deadline, self.dtls_timeout, self.next_due].into_iter().flatten().min()
    }

    /// The next DTLS datagram for the back channel.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.endpoint.as_mut()?.poll_transmit()
    }

    /// Lines a frame up; it goes out when those before it have sounded, or at once.
    pub fn send(&mut self, audio: TalkAudio, now: Instant) {
        self.queued += audio.duration;
        self.queue.push_back(audio);
        while self.queued > MAX_QUEUED {
            if let Some(oldest) = self.queue.pop_front() {
                self.queued -= oldest.duration;
                self.dropped += 1;
            }
        }
        if self.ready {
            self.next_due = Some(self.next_due.unwrap_or(now));
        }
    }

    /// Ends the talk when all that waits is sent and has sounded, or with `at_once`, now. `Some` where it is over already.
    pub fn stop(&mut self, at_once: bool) -> Option<TalkEvent> {
        self.draining = true;
        if at_once || !self.ready {
            self.flush();
            self.next_due = None;
        }
        self.is_drained().then_some(TalkEvent::Stopped)
    }

    /// Drops what waits to be sent.
    pub fn flush(&mut self) {
        self.queue.clear();
        self.queued = Duration::ZERO;
    }

    /// Says goodbye on the back channel; what is left to transmit says so.
    pub fn close(&mut self) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.close();
        }
    }

    /// The last frame gets its time: switched off with it, the camera would not play it to its end.
    fn is_drained(&self) -> bool {
        self.draining && self.queue.is_empty() && self.next_due.is_none()
    }

    fn send_next(&mut self, now: Instant) {
        let (Some(audio), Some(endpoint)) = (self.queue.pop_front(), &mut self.endpoint) else {
            // Nothing waits: the next frame may go at once, when the last one has sounded.
            self.next_due = None;
            return;
        };
        self.queued -= audio.duration;
        self.number += 1;
        let frame = TalkFrame {
            number: self.number,
            // The field wraps after 71 minutes.
            microseconds: self.sounded.as_micros() as u32,
            codec: audio.codec,
            flags: audio.flags,
            audio: &audio.data,
        };
        if endpoint.send(&frame.emit()) {
            self.sent += 1;
        }
        self.sounded += audio.duration;
        let due = self.next_due.unwrap_or(now);
        self.next_due = Some(due.max(now.checked_sub(audio.duration).unwrap_or(due)) + audio.duration.mul_f64(PACE));
    }
}

/// The random of a datagram that begins a handshake.
fn client_hello_random(payload: &[u8]) -> Option<[u8; 32]> {
    // Behind the header of the message and the version.
    const RANDOM: usize = 12 + 2;
    let record = records(payload).next()?;
    let random = record.body().get(RANDOM..)?.first_chunk()?;
    (record.content_type == HANDSHAKE && record.epoch == 0 && record.body()[0] == CLIENT_HELLO).then_some(*random)
}
