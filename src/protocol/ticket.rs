//! What a connection over WebRTC begins with.

use std::fmt;
use zeroize::Zeroizing;

/// What the cloud hands out for one connection: where to signal, and which servers help ICE. Good for minutes, and for
/// one connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Of the WebSocket; whoever has it can signal.
    pub url: Zeroizing<String>,
    pub ice_servers: Vec<IceServer>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("url", &"***").field("ice_servers", &self.ice_servers).finish()
    }
}

/// A STUN or TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` with host and port.
    pub url: String,
    /// Empty for STUN.
    pub username: Zeroizing<String>,
    pub credential: Zeroizing<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("url", &self.url)
            .field("username", &"***")
            .field("credential", &"***")
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_shows_none_of_its_secrets() {
        let secret = || Zeroizing::new("secret".to_owned());
        let server = IceServer { url: "turn:host:3478".into(), username: secret(), credential: secret() };
        let text = format!("{:?}", Ticket { url: secret(), ice_servers: vec![server] });
        assert!(text.contains("turn:host:3478") && text.contains("***") && !text.contains("secret"), "{text}");
    }
}
