//! What a session's poll tells apart.

use mio::Token;

pub const SOCKET: Token = Token(0);
pub const WAKER: Token = Token(1);
#[cfg(feature = "webrtc")]
pub const SIGNALLING: Token = Token(2);
#[cfg(feature = "webrtc")]
pub const RELAY: Token = Token(3);
