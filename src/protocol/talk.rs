//! Talk-back: audio to the camera's speaker, on a DTLS session of its own in which the camera is the client.
//!
//! A command on the main channel asks the camera to listen. It then opens DTLS on the back channel, logs in, and takes
//! audio frames. This is the part behind the command: the DTLS server, the answer to the login, and the pace of the
//! frames. A frame goes out when those before it have sounded; [`TalkEvent::Sent`] reports it, so that nobody else has
//! to keep time.

use super::credentials::Psk;
use super::dtls::record::{HANDSHAKE, records};
use super::dtls::{self, Endpoint, Role};
pub use super::talk_event::{TalkAudio, TalkError, TalkEvent, TalkReport};
use super::talk_queue::TalkQueue;
use super::trace::{Direction, Trace};
use super::wire::Channel;
use super::wire::login;
use super::wire::talk::TalkFrame;
use std::time::{Duration, Instant};

/// How long a camera may take from the command to its login. Cameras take up to two seconds, and more if datagrams are
/// lost.
pub const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// The shortest time between two hellos that are taken. Each costs a new endpoint, and anybody may have sent it; the
/// camera sends its own again.
const HELLO_INTERVAL: Duration = Duration::from_millis(100);
const CLIENT_HELLO: u8 = 1;

/// One talk, from the command on to the command off.
pub struct Talk {
    psk: Psk,
    /// Who listens in.
    trace: Option<Trace>,
    deadline: Instant,
    endpoint: Option<Endpoint>,
    /// The random of the ClientHello that `endpoint` began with.
    hello: Option<[u8; 32]>,
    /// When `endpoint` began.
    begun: Option<Instant>,
    /// When OpenSSL's timer is due, on the caller's clock.
    dtls_timeout: Option<Instant>,
    /// Open once the camera has logged in.
    queue: TalkQueue,
    /// The number of the last frame sent.
    number: u32,
}

impl Talk {
    pub fn new(psk: Psk, trace: Option<Trace>, now: Instant) -> Self {
        Talk {
            psk,
            trace,
            deadline: now + OPEN_LIMIT,
            endpoint: None,
            hello: None,
            begun: None,
            dtls_timeout: None,
            queue: TalkQueue::default(),
            number: 0,
        }
    }

    /// Takes a datagram of the back channel.
    pub fn handle_datagram(&mut self, now: Instant, payload: &[u8]) -> Option<TalkEvent> {
        let failed =
            self.endpoint.as_ref().is_none_or(|endpoint| matches!(endpoint.state(), dtls::EndpointState::Failed(_)));
        let hello = client_hello_random(payload);
        // A camera may begin anew before its login. Datagrams of an earlier talk that are still on their way look like
        // that, too.
        let early = self.begun.is_some_and(|begun| now.saturating_duration_since(begun) < HELLO_INTERVAL);
        let begins = hello.is_some() && !early && (failed || (!self.queue.is_open() && hello != self.hello));
        if failed && !begins {
            return None;
        }
        if begins {
            (self.hello, self.begun) = (hello, Some(now));
            let role = Role::Server { hello_verify: false };
            let mut settings = dtls::EndpointSettings::new(role, self.psk.clone());
            settings.key_log = self.trace.clone();
            match Endpoint::new(&settings) {
                Ok(endpoint) => self.endpoint = Some(endpoint),
                Err(_) => return Some(TalkEvent::Failed(TalkError::Handshake)),
            }
        }
        let endpoint = self.endpoint.as_mut()?;
        let was_established = *endpoint.state() == dtls::EndpointState::Established;
        let mut echoes = Vec::new();
        endpoint.handle_datagram(payload, |plain| {
            trace(&self.trace, Direction::FromCamera, plain);
            echoes.extend(login::Request::echo_of(plain));
        });
        // The camera may send its login again, and gets an answer each time.
        for &echo in &echoes {
            let welcome = login::Response::welcome(echo).emit();
            trace(&self.trace, Direction::ToCamera, &welcome);
            endpoint.send(&welcome);
        }
        self.dtls_timeout = endpoint.next_timeout().map(|left| now + left);
        match endpoint.state() {
            dtls::EndpointState::Closed => return Some(TalkEvent::Failed(TalkError::HungUp)),
            // A fatal alert of the camera, which cannot be forged from the handshake on.
            dtls::EndpointState::Failed(_) if was_established => return Some(TalkEvent::Failed(TalkError::HungUp)),
            _ => {}
        }
        if echoes.is_empty() || self.queue.is_open() {
            return None;
        }
        self.queue.open(now);
        Some(TalkEvent::Ready)
    }

    /// Does what is due. Returns an event if the talk is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<TalkEvent> {
        if self.dtls_timeout.is_some_and(|at| at <= now) {
            self.dtls_timeout = self.endpoint.as_mut().and_then(|endpoint| {
                endpoint.handle_timeout();
                endpoint.next_timeout().map(|left| now + left)
            });
        }
        if !self.queue.is_open() {
            return (now >= self.deadline).then_some(TalkEvent::Failed(TalkError::NotOpened));
        }
        while let Some((before, audio)) = self.queue.pop_due(now) {
            self.send_frame(before, &audio);
        }
        self.queue.is_drained().then_some(TalkEvent::Stopped)
    }

    /// Returns when [`Talk::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = (!self.queue.is_open()).then_some(self.deadline);
        [deadline, self.dtls_timeout, self.queue.poll_timeout()].into_iter().flatten().min()
    }

    /// Returns the next DTLS datagram for the back channel.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.endpoint.as_mut()?.poll_transmit()
    }

    /// Queues a frame. It goes out when those before it have sounded.
    pub fn send(&mut self, audio: TalkAudio, now: Instant) {
        self.queue.push(audio, now);
    }

    /// Ends the talk when all that waits is sent and has sounded, or now if `at_once`. Returns an event if it is over
    /// already.
    pub fn stop(&mut self, at_once: bool) -> Option<TalkEvent> {
        self.queue.stop(at_once);
        self.queue.is_drained().then_some(TalkEvent::Stopped)
    }

    /// Drops what waits to be sent.
    pub fn flush(&mut self) {
        self.queue.flush();
    }

    /// Reports the sound that has left the queue since the last report; `None` if there is none.
    pub fn take_report(&mut self) -> Option<TalkEvent> {
        self.queue.take_report()
    }

    /// Says goodbye on the back channel. [`Talk::poll_transmit`] has the datagram.
    pub fn close(&mut self) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.close();
        }
    }

    /// Returns how many frames have been sent.
    pub fn sent(&self) -> u64 {
        self.queue.sent
    }

    /// Sends a frame, which begins when those `before` it have sounded.
    fn send_frame(&mut self, before: Duration, audio: &TalkAudio) {
        let Some(endpoint) = &mut self.endpoint else { return };
        self.number += 1;
        let frame = TalkFrame {
            number: self.number,
            // The field wraps after 71 minutes.
            microseconds: before.as_micros() as u32,
            codec: audio.codec,
            flags: audio.flags,
            audio: &audio.data,
        };
        let packet = frame.emit();
        if endpoint.send(&packet) {
            trace(&self.trace, Direction::ToCamera, &packet);
            self.queue.count_sent(audio.data.len());
        }
    }
}

/// Shows the plain bytes of a DTLS record to whoever listens in.
fn trace(listener: &Option<Trace>, direction: Direction, record: &[u8]) {
    if let Some(Trace(sink)) = listener {
        sink.record(direction, Channel::Back, record);
    }
}

/// Returns the random of a ClientHello in a datagram that begins a handshake.
fn client_hello_random(payload: &[u8]) -> Option<[u8; 32]> {
    // The random comes after the header of the message and the version.
    const RANDOM: usize = 12 + 2;
    let record = records(payload).next()?;
    let random = record.body().get(RANDOM..)?.first_chunk()?;
    (record.content_type == HANDSHAKE && record.epoch == 0 && record.body()[0] == CLIENT_HELLO).then_some(*random)
}
