//! What a viewer is told at its start.

use super::relay::RelayServer;
use crate::protocol::medium::MediaSet;
use std::net::SocketAddr;
use std::time::Duration;

/// What a viewer shows, and how it connects.
#[derive(Debug, Clone)]
pub struct ViewerConfig {
    /// The name that we have in signalling: letters, digits and `_.-`, 1 to 256 of them.
    pub client_id: String,
    /// The media that come out as frames. The camera sends both, whatever is wanted.
    pub media: MediaSet,
    /// How long the way from the offer to the first picture may take.
    pub connect_timeout: Duration,
    /// How long at least a camera that is away is waited for; once it answers, it has `connect_timeout`.
    pub patience: Duration,
    /// How long the camera may send none of the media that are wanted before it counts as lost; `None` is no limit.
    pub stall_timeout: Option<Duration>,
    /// Whether the camera is asked for a key frame after a loss.
    pub key_frame_requests: bool,
    /// How long late packets are waited for.
    pub reorder_wait: Duration,
    /// How long lost packets of the picture are asked for and waited for; `None` to ask for none.
    pub resend_wait: Option<Duration>,
    /// STUN servers, which tell us the address that the internet sees.
    pub stun: Vec<SocketAddr>,
    /// TURN servers, for when there is no other way.
    pub relays: Vec<RelayServer>,
}

impl ViewerConfig {
    /// What suits most cameras: both media, and no server that helps.
    pub fn new(client_id: String) -> Self {
        ViewerConfig {
            client_id,
            media: MediaSet::BOTH,
            connect_timeout: Duration::from_secs(15),
            patience: Duration::ZERO,
            stall_timeout: None,
            key_frame_requests: true,
            reorder_wait: Duration::from_millis(100),
            resend_wait: Some(Duration::from_millis(200)),
            stun: Vec::new(),
            relays: Vec::new(),
        }
    }
}
