//! When the camera's silence is too long: while connecting the search begins again, and a stream is lost.

use super::{Connection, End};
use crate::protocol::client::context::Context;
use crate::protocol::error::{Error, Stage};
use crate::protocol::timers::ConnectionTimer;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A camera that falls silent while connecting has most likely restarted, and waits at another port to be found.
const CONNECTING_LIMIT: Duration = Duration::from_secs(5);
/// "Port unreachable" is not signed, so the camera has this time to show that it is there.
const DISPROVE_WITHIN: Duration = Duration::from_secs(1);

impl Connection {
    /// Notes that `host`, where a datagram went, answered "port unreachable".
    pub fn handle_unreachable(&mut self, host: SocketAddr, context: &Context, now: Instant) {
        if context.transport.peer() == Some(host) && self.unreachable_at.is_none_or(|at| at <= self.last_received) {
            self.unreachable_at = Some(now);
            self.watch_silence(context, now);
        }
    }

    /// Sets the timer to when the camera's silence is too long.
    pub fn watch_silence(&mut self, context: &Context, now: Instant) {
        self.timers.set(ConnectionTimer::Idle, self.silence_limit(context, now).0);
    }

    pub(super) fn handle_silence(&mut self, context: &Context, now: Instant) -> Result<(), End> {
        let (until, error) = self.silence_limit(context, now);
        if until > now {
            self.timers.set(ConnectionTimer::Idle, until);
            Ok(())
        } else if context.stage == Stage::Streaming {
            Err(End::Over(error))
        } else {
            Err(End::SearchAgain(self.connect_error(context)))
        }
    }

    /// When the camera's silence is too long, and the error that it is then.
    fn silence_limit(&self, context: &Context, now: Instant) -> (Instant, Error) {
        let (at, error) = match context.stage {
            Stage::Streaming => self.watch.silence_limit(self.last_received, context.config.stall_timeout, now),
            _ => (self.last_received + CONNECTING_LIMIT, self.connect_error(context)),
        };
        match self.unreachable_at.filter(|unreachable| *unreachable > self.last_received) {
            Some(unreachable) if unreachable + DISPROVE_WITHIN < at => {
                (unreachable + DISPROVE_WITHIN, Error::PortClosed)
            }
            _ => (at, error),
        }
    }

    /// The error of a connection that takes too long to stream.
    pub fn connect_error(&self, context: &Context) -> Error {
        if context.stage == Stage::Login { Error::LoginTimeout } else { Error::AuthTimeout }
    }
}
