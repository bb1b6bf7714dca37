//! The Wyze camera protocol: TUTK/IOTC, without sockets, threads, a clock or GStreamer.
//!
//! ```text
//!  datagrams                                                              events
//!     │                                                                      ▲
//!  transport ── DTLS ── login ── commands ── authentication ── media ── frames
//!  (TransCode   (dtls)           (control_   (auth_result,     (record_window,
//!   or CC51)                      channel)    credentials)      reassembly)
//! ```
//!
//! [`client::Client`] joins them: bytes and times go in; bytes, events and the next time come out. Its module tells the
//! way from discovery to streaming. It finds the camera in both envelopes at once ([`transport`]), shakes hands
//! ([`dtls`]), logs in, answers the camera's challenge, and from then on acknowledges, keeps alive and puts frames
//! together ([`reassembly`]). [`wire`] has the packet formats, one file a family, and [`commands`] what the camera's
//! controls are asked and say.
//!
//! There are two classes of errors. A [`wire::WireError`] is what one datagram can cause: it is counted in [`stats`],
//! and the datagram is dropped. An [`error::Error`] ends a session: it names the stage and the remedy.
//!
//! Some cameras speak WebRTC instead: there [`webrtc::Viewer`] stands in for the client, with the same events.
//!
//! Secrets live in types that print `***` ([`credentials`]).

mod auth_result;
pub mod client;
pub mod commands;
mod control_channel;
pub mod credentials;
pub mod dtls;
pub mod error;
mod media_watch;
pub mod medium;
pub mod missing;
pub mod model;
pub mod parameter_sets;
pub mod reassembly;
pub mod record_window;
pub mod resend_window;
pub mod stats;
pub mod talk;
mod talk_event;
mod talk_queue;
pub mod ticket;
mod timers;
pub mod trace;
pub mod transport;
#[cfg(feature = "webrtc")]
pub mod webrtc;
pub mod wire;
