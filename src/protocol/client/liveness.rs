//! When silence is too long: while connecting the search begins again, and a stream is lost.

use super::{Client, ControlChannel, Reassembler, RecordWindow};
use crate::protocol::error::{Error, Stage};
use crate::protocol::timers::Timer;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A camera that sends nothing at all, not even keepalives, is lost after this time, or after the stall timeout if that is longer.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// A camera that falls silent while connecting has most likely restarted, and waits elsewhere to be found.
const CONNECTING_LIMIT: Duration = Duration::from_secs(5);
/// "Port unreachable" is not signed, so the camera has this time to show that it is there.
const DISPROVE_WITHIN: Duration = Duration::from_secs(1);

impl Client {
    /// Notes that `to`, where a datagram went, answered "port unreachable".
    pub fn handle_unreachable(&mut self, now: Instant, to: SocketAddr) {
        if self.ended {
            return;
        }
        if self.stage == Stage::Discovery {
            if self.transport.targets().contains(&to) {
                self.refused_by = Some(to);
            }
        } else if self.transport.peer() == Some(to) && self.unreachable_at.is_none_or(|at| at <= self.last_received) {
            self.unreachable_at = Some(now);
            self.watch_silence();
        }
    }

    /// Sets the timer to when the camera's silence is too long.
    pub(super) fn watch_silence(&mut self) {
        if self.stage > Stage::Dtls && !self.ended {
            self.timers.set(Timer::Idle, self.silence_limit().0);
        }
    }

    pub(super) fn handle_silence(&mut self, now: Instant) {
        let (until, error) = self.silence_limit();
        if until > now {
            self.timers.set(Timer::Idle, until);
        } else if self.stage == Stage::Streaming {
            self.fail(error);
        } else {
            self.search_again(now);
        }
    }

    /// When the camera's silence is too long, and what to say of it then.
    fn silence_limit(&self) -> (Instant, Error) {
        let (at, error) = match self.stage {
            Stage::Streaming => self.stream_limit(),
            _ => (self.last_received + CONNECTING_LIMIT, self.connect_error()),
        };
        match self.unreachable_at.filter(|unreachable| *unreachable > self.last_received) {
            Some(unreachable) if unreachable + DISPROVE_WITHIN < at => {
                (unreachable + DISPROVE_WITHIN, Error::PortClosed)
            }
            _ => (at, error),
        }
    }

    fn stream_limit(&self) -> (Instant, Error) {
        let stall = self.config.stall_timeout;
        let silence = stall.unwrap_or_default().max(SILENCE_LIMIT);
        let silent = (self.last_received + silence, Error::Silent(silence));
        let Some((last, limit)) = self.media.last_expected().zip(stall) else { return silent };
        let stalled = last + limit;
        if stalled >= silent.0 {
            return silent;
        }
        // Keepalives may have come for a moment longer than media.
        let is_there = self.last_received > last + limit / 2;
        (stalled, if is_there { Error::Stalled(limit) } else { Error::Silent(limit) })
    }

    /// Goes back to discovery within the same attempt, and remembers how far this one came.
    pub(super) fn search_again(&mut self, now: Instant) {
        self.setback = Some(self.connect_error());
        for timer in [Timer::LoginSecond, Timer::Login, Timer::Command, Timer::Ack, Timer::Reorder, Timer::Idle] {
            self.timers.stop(timer);
        }
        self.transport.start_again();
        self.handshakes.retain(|_| false);
        (self.dtls, self.suite) = (None, None);
        self.records = RecordWindow::default();
        self.control = ControlChannel::default();
        self.reassembler = Reassembler::default();
        self.enter(Stage::Discovery, now);
        self.probe(now);
    }

    /// What to say of an attempt that took too long.
    pub(super) fn connect_error(&self) -> Error {
        match self.stage {
            Stage::Discovery => self.not_found(),
            Stage::Session => self.handshakes.error().unwrap_or(Error::Full),
            Stage::Dtls => self.handshakes.error().unwrap_or(Error::HandshakeTimeout),
            Stage::Login => Error::LoginTimeout,
            Stage::Auth | Stage::Streaming => Error::AuthTimeout,
        }
    }

    /// How far the attempt came counts before who answered, and that before nobody.
    fn not_found(&self) -> Error {
        let wrong_key = || self.transport.wrong_key_from.map(|from| Error::WrongAuthKey { from });
        // Of a search everywhere, one host that has no camera says little.
        let refused = || {
            let from = self.refused_by.filter(|_| self.transport.targets().len() == 1)?;
            Some(Error::PortUnreachable { from })
        };
        let nobody = || Error::NoAnswer { probed: self.transport.targets().to_vec() };
        self.setback.clone().or_else(wrong_key).or_else(refused).unwrap_or_else(nobody)
    }
}
