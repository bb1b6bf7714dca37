//! What a client is told at its start.

use crate::protocol::medium::MediaSet;
use crate::protocol::model::VideoWish;
use crate::protocol::trace::Trace;
use std::net::SocketAddr;
use std::time::Duration;

/// Whether a camera is asked to send lost packets again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resend {
    /// If its model is known to do so.
    #[default]
    Auto,
    On,
    Off,
}

/// Where a camera may be, and what it is to send.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where probes go: the camera's address, or broadcast addresses.
    pub targets: Vec<SocketAddr>,
    /// The media that the camera is asked for.
    pub media: MediaSet,
    /// The camera's model, where the user knows it better than the camera says; `None` takes the camera's word.
    pub model: Option<String>,
    pub video_wish: VideoWish,
    /// How long the way from the first probe to the camera's consent may take. A session takes zero for no limit: then
    /// it makes further attempts until the camera is there.
    pub connect_timeout: Duration,
    /// Whether probes go out once a second only, for a camera that may be away for long.
    pub patient: bool,
    /// How long the camera may send none of the media that are wanted before it counts as lost; `None` is no limit.
    pub stall_timeout: Option<Duration>,
    /// Whether the camera is asked for a key frame after a loss.
    pub key_frame_requests: bool,
    /// Whether a camera whose clock is far off is told the time.
    pub set_clock: bool,
    /// How long late packets are waited for.
    pub reorder_wait: Duration,
    /// Whether the camera is asked to send lost packets again.
    pub resend: Resend,
    /// How long lost packets are asked for, where the camera sends them again.
    pub resend_wait: Duration,
    /// When the handshake's first flight is sent again.
    pub dtls_first_resend: Duration,
    /// Who listens in; `None` for nobody.
    pub trace: Option<Trace>,
}

impl Default for Config {
    /// What suits a camera on a local network: all media, in the best picture. Where to look for it is still to be
    /// filled in.
    fn default() -> Self {
        Config {
            targets: Vec::new(),
            media: MediaSet::BOTH,
            model: None,
            video_wish: VideoWish::default(),
            connect_timeout: Duration::from_secs(15),
            patient: false,
            stall_timeout: None,
            key_frame_requests: true,
            set_clock: true,
            reorder_wait: Duration::from_millis(100),
            resend: Resend::default(),
            resend_wait: Duration::from_millis(200),
            dtls_first_resend: Duration::from_millis(300),
            trace: None,
        }
    }
}
