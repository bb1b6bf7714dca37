//! `wyzedeviceprovider`, Wyze camera devices: the cameras of the store, each as a source of picture and as a sink for
//! talk.
//!
//! | | |
//! |---|---|
//! | Long name | Wyze camera devices |
//! | Klass | Source/Sink/Network/Video/Audio |
//! | Rank | primary |
//! | Objects | [`WyzeDeviceProvider`], GstWyzeDeviceProvider, and its [`WyzeDevice`]s |
//!
//! All cameras of the store are listed. The property `online` tells which of them answer a discovery probe on the local
//! network. A camera that comes or goes is removed and added again with its new properties, and not reported as
//! changed: up to GStreamer 1.22 the list of devices would keep the old ones.
//!
//! ```sh
//! gst-device-monitor-1.0 Source/Network
//! ```
//!
//! # Device properties
//!
//! - `device.api` (gchararray): `wyze`
//! - `device.id` (gchararray): the same for a camera at any time and on any machine; the ids of its streams begin with
//!   it
//! - `online` (gboolean): whether the camera answers on the network
//! - `can-stream` (gboolean): whether the elements can use the camera
//! - `cannot-stream` (gchararray): why they cannot; missing where they can
//! - `paths` (gchararray): the ways to its picture, of `LAN` and `WebRTC`; missing where none is known
//! - `model` (gchararray): the camera's model, where it is known
//! - `firmware` (gchararray): the camera's firmware version, where it is known
//! - `address` (gchararray): where the camera was last found
//!
//! [Devices] tells more.
//!
//! # How it is made
//!
//! [`search`] asks for cameras, without sockets, and [`hosts`] resolves their names. `watch` has the socket, the
//! clock and a thread. `device` is what an application gets.
//!
//! [Devices]: https://github.com/gst-plugin-wyze/gst-plugin-wyze/blob/main/docs/cameras.md#devices

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
