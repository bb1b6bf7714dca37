//! A GStreamer plugin for Wyze cameras.
//!
//! It connects to cameras on the local network, without the vendor's library and without the cloud; cameras that have no
//! such way are reached over WebRTC. It gives picture and sound as the cameras encoded them.
//!
//! | Page | What it registers |
//! |---|---|
//! | [`wyzesrc`] | a live source with the pads `video` and `audio`; also makes elements for `wyze://` URIs |
//! | [`wyzesink`] | a sink that plays sound on the camera's speaker |
//! | [`device_provider`] | `wyzedeviceprovider`, which lists the cameras of the store as devices |
//!
//! # In an application
//!
//! An application in any language uses the elements as it uses all others, where the plugin is [installed]. One in Rust
//! can also have the plugin in it:
//!
//! ```toml
//! [dependencies]
//! gst = { package = "gstreamer", version = "0.25" }
//! gst-plugin-wyze = { version = "0.2", default-features = false }
//! ```
//!
//! The crate's library is `gstwyze`; [`plugin_register_static`] registers the elements. This program follows a camera
//! until the stream ends:
//!
//! ```
//! use gst::prelude::*;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     gst::init()?;
//!     gstwyze::plugin_register_static()?;
//!
//!     let pipeline = gst::parse::launch("wyzesrc name=camera ! decodebin ! fakesink")?;
//!     let pipeline = pipeline.downcast::<gst::Pipeline>().expect("several elements are a pipeline");
//!     let camera = pipeline.by_name("camera").expect("the line names it");
//!     // A camera that `wyze-cameras login` has put into the store. Others: uid, enr and mac, each a property.
//!     let uri = "wyze:///Front%20Door";
//!     # camera.set_property("connect-timeout", 200u32);
//!     # let uri = "wyze://127.0.0.1:9?uid=NOBODY7890123456789A&enr=0123456789abcdef&mac=0123456789AB";
//!     camera.set_property("uri", uri);
//!
//!     pipeline.set_state(gst::State::Playing)?;
//!     let bus = pipeline.bus().expect("pipelines have one");
//!     for message in bus.iter_timed(gst::ClockTime::NONE) {
//!         match message.view() {
//!             gst::MessageView::Element(message) => match message.structure() {
//!                 // connecting, streaming, stalled, reconnecting or failed
//!                 Some(news) if news.name() == "wyze-connection" => println!("{}", news.get::<&str>("state")?),
//!                 _ => {}
//!             },
//!             // Its text has the stage that failed and the remedy.
//!             gst::MessageView::Error(error) => {
//!                 eprintln!("{}", error.error());
//!                 break;
//!             }
//!             gst::MessageView::Eos(_) => break,
//!             _ => {}
//!         }
//!     }
//!     pipeline.set_state(gst::State::Null)?;
//!     Ok(())
//! }
//! ```
//!
//! Applications that only want cameras, without GStreamer, can have [`session`] or, without sockets and threads,
//! [`protocol`].
//!
//! # Modules
//!
//! Each layer knows only the ones below.
//!
//! | Module | What is in it |
//! |---|---|
//! | [`wyzesrc`], [`wyzesink`], [`device_provider`] | what GStreamer sees |
//! | `element` | what both elements share: how they come into a camera's session, messages and errors |
//! | [`caps`] | what a codec is to GStreamer |
//! | [`identity`], [`account`] | what names a camera, and the store that remembers it |
//! | [`session`] | a thread, a socket and a clock for each camera, shared by all elements of a process |
//! | [`protocol`] | the camera's protocol, without sockets, threads or a clock |
//! | [`unix_time`], [`printable`] | the clock on the wall, and what of a text from outside is shown |
//!
//! [Architecture] tells which file to open for what.
//!
//! # Features
//!
//! The plugin needs none. `cli`, `record` and `serve`, on by default, are of the program `wyze-cameras`; `cloud` is the
//! client of the Wyze cloud, in [`account`].
//!
//! [installed]: https://github.com/gst-plugin-wyze/gst-plugin-wyze/blob/main/docs/installing.md
//! [Architecture]: https://github.com/gst-plugin-wyze/gst-plugin-wyze/blob/main/docs/architecture.md

// The documentation is for readers of the source too.
#![allow(rustdoc::private_intra_doc_links)]

use gst::glib;

pub mod account;
pub mod caps;
pub mod device_provider;
mod element;
pub mod identity;
mod lock;
pub mod printable;
pub mod protocol;
pub mod session;
#[cfg(feature = "webrtc")]
pub mod ticket;
pub mod unix_time;
pub mod wyzesink;
pub mod wyzesrc;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    wyzesrc::register(plugin)?;
    wyzesink::register(plugin)?;
    device_provider::register(plugin)
}

gst::plugin_define!(
    wyze,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
