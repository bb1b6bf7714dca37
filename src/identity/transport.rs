//! Which way is taken to a camera, as a property.

use crate::session;
use gst::glib;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeTransport")]
#[non_exhaustive]
pub enum Transport {
    #[default]
    #[enum_value(
        name = "The local network; for a camera that has no such way, or does not answer there twice in a row, WebRTC",
        nick = "auto"
    )]
    Auto,
    #[enum_value(name = "The local network only: the cloud is never asked", nick = "lan")]
    Lan,
    #[enum_value(name = "WebRTC only, with the Wyze cloud as signalling", nick = "webrtc")]
    WebRtc,
}

impl From<Transport> for session::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Auto => session::Transport::Auto,
            Transport::Lan => session::Transport::Lan,
            Transport::WebRtc => session::Transport::WebRtc,
        }
    }
}
