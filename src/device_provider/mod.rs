//! `wyzedeviceprovider`: the cameras of the store as devices, each as a source of picture and as a sink for talk.
//!
//! All cameras of the store are listed. The property `online` tells which of them answer a discovery probe on the local
//! network. A camera that comes or goes is removed and added again with its new properties, and not reported as
//! changed: up to GStreamer 1.22 the list of devices would keep the old ones.
//!
//! [`search`] asks for cameras, without sockets, and [`hosts`] resolves their names. [`watch`] has the socket, the clock and a thread. [`device`] is what
//! an application gets.

mod device;
pub mod hosts;
mod imp;
pub mod search;
mod store_watch;
mod watch;

use gst::glib;
use gst::prelude::*;
use std::sync::LazyLock;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("wyzedeviceprovider", gst::DebugColorFlags::empty(), Some("Wyze camera devices"))
});

glib::wrapper! {
    pub struct WyzeDeviceProvider(ObjectSubclass<imp::WyzeDeviceProvider>) @extends gst::DeviceProvider, gst::Object;
}

glib::wrapper! {
    pub struct WyzeDevice(ObjectSubclass<device::WyzeDevice>) @extends gst::Device, gst::Object;
}

pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    let provider = WyzeDeviceProvider::static_type();
    gst::DeviceProvider::register(Some(plugin), "wyzedeviceprovider", gst::Rank::PRIMARY, provider)
}
