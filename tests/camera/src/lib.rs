//! A simulated Wyze camera, to test gst-plugin-wyze against and to try it with.
//!
//! [`Camera`] has no sockets and no clock: tests run it in memory, in virtual time, over a [`Link`] with any faults.
//! [`CameraServer`] puts it on real sockets. Frames come from [`Synthetic`], from GStreamer, or from the caller. A
//! [`Talk`] holds what a client said through the camera's speaker, and the [`DeviationLog`] all that clients did
//! against the protocol.
//!
//! [`webrtc`] has a camera of the models that speak WebRTC.

mod ack_book;
mod av_session;
mod back_channel;
mod burst;
mod camera;
mod camera_clock;
mod camera_config;
mod camera_event;
mod client_session;
mod controls;
mod deviation_log;
mod envelope_state;
mod link;
mod live_media;
mod live_picture;
mod main_channel;
mod media_frame;
mod motor;
mod packet_checks;
mod packetiser;
mod picture;
mod probe_book;
mod send_buffer;
mod server;
mod station;
mod synthetic;
mod talk;
mod talk_checks;
mod talk_session;
mod video_file;
pub mod webrtc;

pub use burst::send_burst;
pub use camera::{Camera, Transmit};
pub use camera_config::{CameraConfig, DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope, ResendSupport};
pub use camera_event::{CameraEvent, ClientId, GoneReason};
pub use deviation_log::{Deviation, DeviationKind, DeviationLog};
pub use link::{Link, LinkConfig, LinkStats};
pub use live_media::{LiveAudio, LiveMediaConfig, LiveVideo};
pub use media_frame::MediaFrame;
pub use packetiser::Packetiser;
pub use picture::Picture;
pub use server::{CameraServer, FrameSender, MediaSource, ServerOptions};
pub use station::{SentFrame, ServerStats};
pub use synthetic::{Synthetic, SyntheticConfig};
pub use talk::{Talk, TalkEnd};
