//! A connection to a camera, whichever way it goes.

use crate::protocol::client::{Client, Event, Request};
use crate::protocol::error::Stage;
use crate::protocol::medium::{MediaSet, Medium};
use crate::protocol::model::VideoWish;
use crate::protocol::stats::Stats;
use crate::protocol::talk::TalkAudio;
#[cfg(feature = "webrtc")]
use crate::protocol::webrtc::Viewer;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What the methods do is told at those of [`Client`].
pub enum Connection {
    Lan(Box<Client>),
    #[cfg(feature = "webrtc")]
    WebRtc(Box<Viewer>),
}

/// Calls the same method, whichever it is.
macro_rules! either {
    ($connection:expr, $inner:ident => $call:expr) => {
        match $connection {
            Connection::Lan($inner) => $call,
            #[cfg(feature = "webrtc")]
            Connection::WebRtc($inner) => $call,
        }
    };
}

impl Connection {
    pub fn stage(&self) -> Stage {
        either!(self, inner => inner.stage())
    }

    pub fn stats(&self) -> Stats {
        either!(self, inner => inner.stats())
    }

    /// The next datagram to send, and where.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        either!(self, inner => inner.poll_transmit().map(|transmit| (transmit.to, transmit.data)))
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        either!(self, inner => inner.poll_event())
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        either!(self, inner => inner.poll_timeout())
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        either!(self, inner => inner.handle_timeout(now))
    }

    /// ICE finds out by itself.
    pub fn handle_unreachable(&mut self, now: Instant, to: SocketAddr) {
        match self {
            Connection::Lan(client) => client.handle_unreachable(now, to),
            #[cfg(feature = "webrtc")]
            Connection::WebRtc(_) => {}
        }
    }

    /// Over WebRTC there is no way to ask for a picture that is known.
    pub fn set_video_wish(&mut self, wish: VideoWish, now: Instant) {
        match self {
            Connection::Lan(client) => client.set_video_wish(wish, now),
            #[cfg(feature = "webrtc")]
            Connection::WebRtc(_) => {}
        }
    }

    pub fn judge(&mut self, medium: Medium, is_usable: bool, now: Instant) {
        either!(self, inner => inner.judge(medium, is_usable, now))
    }

    /// Over WebRTC there are no commands.
    pub fn request(&mut self, request: Request, now: Instant) -> bool {
        match self {
            Connection::Lan(client) => client.request(request, now),
            #[cfg(feature = "webrtc")]
            Connection::WebRtc(_) => false,
        }
    }

    pub fn forget(&mut self, caller: u64) {
        match self {
            Connection::Lan(client) => client.forget(caller),
            #[cfg(feature = "webrtc")]
            Connection::WebRtc(_) => {}
        }
    }

    pub fn request_key_frame(&mut self, now: Instant) {
        either!(self, inner => inner.request_key_frame(now))
    }

    pub fn set_key_frame_requests(&mut self, on: bool) {
        either!(self, inner => inner.set_key_frame_requests(on))
    }

    /// Over WebRTC, a camera's clock cannot be set.
    pub fn allow_set_clock(&mut self, on: bool) {
        match self {
            Connection::Lan(client) => client.allow_set_clock(on),
            #[cfg(feature = "webrtc")]
            Connection::WebRtc(_) => {}
        }
    }

    pub fn set_media(&mut self, media: MediaSet, now: Instant) {
        either!(self, inner => inner.set_media(media, now))
    }

    pub fn set_stall_timeout(&mut self, stall_timeout: Option<Duration>, now: Instant) {
        either!(self, inner => inner.set_stall_timeout(stall_timeout, now))
    }

    pub fn start_talk(&mut self, now: Instant) {
        either!(self, inner => inner.start_talk(now))
    }

    pub fn send_talk(&mut self, audio: TalkAudio, now: Instant) {
        either!(self, inner => inner.send_talk(audio, now))
    }

    pub fn flush_talk(&mut self) {
        either!(self, inner => inner.flush_talk())
    }

    pub fn stop_talk(&mut self, at_once: bool, now: Instant) {
        either!(self, inner => inner.stop_talk(at_once, now))
    }

    pub fn close(&mut self) {
        match self {
            Connection::Lan(client) => client.close(),
            #[cfg(feature = "webrtc")]
            Connection::WebRtc(viewer) => viewer.close(Instant::now()),
        }
    }
}
