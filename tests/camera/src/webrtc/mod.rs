//! A simulated camera that speaks WebRTC, with signalling as Wyze's cameras have it: that of Amazon's KVS.
//!
//! [`WebCamera`] has no sockets and no clock: signalling texts, datagrams and times go in, and the same come out. It
//! takes any number of viewers, each with a WebRTC connection of its own. [`WebCameraServer`] puts it on real sockets:
//! a WebSocket server for signalling, and a UDP socket for the rest. [`DemoCloud`] is as much of Wyze's cloud as leads a
//! client there.
//!
//! How a camera may differ from what the standards want is in [`WebCameraConfig`].

mod answer;
mod camera;
mod cloud;
mod config;
mod peer;
mod sent_packets;
mod server;
mod signalling;
mod sockets;
mod station;

pub use camera::{SignallingOutput, WebCamera, WebStats, WebTransmit};
pub use cloud::{CloudCamera, DemoCloud};
pub use config::{CandidateOrder, WebCameraConfig};
pub use server::{WebCameraServer, WebServerOptions};
