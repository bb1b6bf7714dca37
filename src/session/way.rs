//! Which way a session takes to its camera, and when it changes to the other one.

use super::peer::{Peer, Transport};
use crate::protocol::client::TransportKind;
use crate::protocol::error::Error;

/// After so many attempts in a row that end as if the camera no longer spoke the network protocol, WebRTC is taken.
const MOST_FAILURES: u32 = 2;

pub struct Way {
    kind: TransportKind,
    /// Whether the other way may be taken.
    may_change: bool,
    failures: u32,
}

impl Way {
    /// Returns the way to begin with; `None` where there is none that the user allows.
    pub fn to(peer: &Peer) -> Option<Way> {
        let has_lan = peer.credentials.is_some();
        let has_webrtc = cfg!(feature = "webrtc") && peer.tickets.is_some();
        let kind = match peer.transport {
            Transport::Auto | Transport::Lan if has_lan => TransportKind::Lan,
            Transport::Auto | Transport::WebRtc if has_webrtc => TransportKind::WebRtc,
            _ => return None,
        };
        let may_change = peer.transport == Transport::Auto && has_lan && has_webrtc;
        Some(Way { kind, may_change, failures: 0 })
    }

    pub fn kind(&self) -> TransportKind {
        self.kind
    }

    /// Whether attempts have failed of which one more changes the way.
    pub fn is_in_doubt(&self) -> bool {
        self.failures > 0
    }

    /// Notes how an attempt ended, which `has_streamed` or not. Returns whether the way is another one from now on.
    pub fn failed(&mut self, error: &Error, has_streamed: bool) -> bool {
        if !self.may_change || self.kind == TransportKind::WebRtc {
            return false;
        }
        let is_deaf = matches!(
            error,
            Error::NoAnswer { .. } | Error::PortUnreachable { .. } | Error::HandshakeTimeout | Error::LoginTimeout
        );
        let has_no_picture =
            matches!(error, Error::Silent(_) | Error::Stalled(_) | Error::Unusable(_)) && !has_streamed;
        self.failures = if is_deaf || has_no_picture { self.failures + 1 } else { 0 };
        let changes = self.failures >= MOST_FAILURES;
        if changes {
            (self.kind, self.failures) = (TransportKind::WebRtc, 0);
        }
        changes
    }
}
