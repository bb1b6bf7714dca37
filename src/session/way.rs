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

#[cfg(all(test, feature = "webrtc"))]
mod tests {
    use super::*;
    use crate::protocol::credentials::Credentials;
    use std::sync::Arc;
    use std::time::Duration;

    const DEAF: Error = Error::HandshakeTimeout;
    const BLIND: Error = Error::Silent(Duration::ZERO);

    fn on_lan() -> Peer {
        Credentials::new("HU1Z34567890ABCDEFGH", "abcdefghijklmnop", "AABBCCDDEEFF").unwrap().into()
    }

    fn with_both() -> Peer {
        on_lan().with_tickets(Arc::new(|| Err(Error::Offline)))
    }

    #[test]
    fn a_camera_is_reached_by_the_ways_that_it_has_and_the_user_allows() {
        use Transport::{Auto, Lan, WebRtc};
        let only_webrtc = || Peer::by_mac("GW_DBD_80482C640246").with_tickets(Arc::new(|| Err(Error::Offline)));
        let kind = |peer: Peer, transport| Way::to(&peer.with_transport(transport)).map(|way| way.kind());
        let lan = Some(TransportKind::Lan);
        let webrtc = Some(TransportKind::WebRtc);
        assert_eq!([Auto, Lan, WebRtc].map(|transport| kind(on_lan(), transport)), [lan, lan, None]);
        assert_eq!([Auto, Lan, WebRtc].map(|transport| kind(only_webrtc(), transport)), [webrtc, None, webrtc]);
        assert_eq!([Auto, Lan, WebRtc].map(|transport| kind(with_both(), transport)), [lan, lan, webrtc]);
    }

    #[test]
    fn two_failures_in_a_row_change_the_way_once() {
        for (first, second) in [(DEAF, DEAF), (DEAF, BLIND), (BLIND, Error::LoginTimeout)] {
            let mut way = Way::to(&with_both()).unwrap();
            assert!(!way.failed(&first, false) && way.is_in_doubt());
            assert!(way.failed(&second, false), "{first}, {second}");
            assert!(way.kind() == TransportKind::WebRtc && !way.is_in_doubt());
            assert!(!way.failed(&DEAF, false) && !way.failed(&DEAF, false), "there is no way back");
        }
    }

    #[test]
    fn other_errors_and_a_picture_in_between_leave_the_way() {
        let mut way = Way::to(&with_both()).unwrap();
        let between = [(Error::StaleEnr, false), (Error::Closed, true), (BLIND, true)];
        for (error, has_streamed) in between {
            assert!(!way.failed(&DEAF, false));
            assert!(!way.failed(&error, has_streamed), "{error}");
            assert!(!way.is_in_doubt(), "{error}");
        }
        let mut way = Way::to(&with_both().with_transport(Transport::Lan)).unwrap();
        assert!((0..5).all(|_| !way.failed(&DEAF, false)) && !way.is_in_doubt());
    }
}
