//! The Wyze camera protocol: TUTK/IOTC, without sockets, threads, a clock or GStreamer.
//!
//! ```text
//!  datagrams                                                                        events
//!     │                                                                                ▲
//!  transport ── DTLS ── login ── control channel ── K-command authentication ── media ─┤
//!  (TransCode   (dtls)        (control_channel)     (auth_result, credentials)         │
//!   or CC51)                                       record_window ── reassembly ────────┘
//! ```
//!
//! [`client::Client`] joins them: bytes and times go in; bytes, events and the next time come out. It finds the camera
//! in both envelopes at once ([`transport`]), shakes hands ([`dtls`]), logs in, answers the camera's challenge, and from then
//! on acknowledges, keeps alive and puts frames together ([`reassembly`]). [`wire`] has the packet formats, one file a family.
//!
//! Two classes of errors. What one datagram can cause is a [`wire::WireError`]: counted in [`stats`] and dropped. What ends a session
//! is an [`error::Error`]: it names the stage and the remedy.
//!
//! Secrets live in types that print `***` ([`credentials`]).

mod auth_result;
pub mod client;
mod control_channel;
pub mod credentials;
pub mod dtls;
pub mod error;
pub mod medium;
pub mod model;
pub mod reassembly;
pub mod record_window;
pub mod stats;
pub mod talk;
mod timers;
pub mod transport;
pub mod wire;
