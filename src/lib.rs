//! GStreamer plugin for Wyze cameras.
//!
//! Each layer knows only the ones below: elements ([`wyzesrc`], [`wyzesink`]) → `element`, [`caps`] → [`session`] →
//! [`protocol`].

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
