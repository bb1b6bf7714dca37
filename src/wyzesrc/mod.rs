/**
 * SECTION:element-wyzesrc
 * @title: wyzesrc
 * @short_description: Live picture and sound of a Wyze camera
 *
 * `wyzesrc` connects to a Wyze camera on the local network, without the vendor's SDK and without the cloud, and gives
 * its video and audio as the camera encoded them, on the Sometimes pads `video` and `audio`. UID, ENR and MAC name the
 * camera, or its name in the camera store, which knows these. If no host is set, the element looks for the camera by
 * broadcast.
 *
 * Time stamps come from the camera: both pads share its capture clock, mapped once to the pipeline's clock and kept in
 * step with it.
 *
 * A camera that is lost, or sends nothing for `stall-timeout`, is connected again for as long as `reconnect-attempts`
 * allows: pads stay, time goes on, and the first buffers are flagged DISCONT and RESYNC. Element messages named
 * `wyze-connection` tell an application of it. The first connection has to succeed within `connect-timeout`,
 * unless that is 0.
 *
 * ## Example launch lines
 *
 * |[
 * gst-launch-1.0 wyzesrc camera="Front Door" ! decodebin ! autovideosink
 * ]| Shows the picture of a camera of the store.
 * |[
 * gst-launch-1.0 wyzesrc uid=... enr=... mac=... ! decodebin ! autovideosink
 * ]| Shows the picture.
 * |[
 * gst-launch-1.0 wyzesrc uid=... enr=... mac=... name=camera camera.video ! queue ! decodebin ! autovideosink
 *     camera.audio ! queue ! decodebin ! autoaudiosink
 * ]| Shows the picture and plays the sound.
 * |[
 * gst-play-1.0 "wyze://192.168.1.20?uid=...&enr=...&mac=..."
 * ]| The same, by URI.
 *
 * Since: 0.1.0
 */
mod actions;
mod camera_settings;
mod control_properties;
mod imp;
mod key_frames;
mod media_receiver;
mod navigation;
mod outputs;
mod picture_check;
mod queue;
mod settings;
mod statistics;
mod streams;
pub mod timeline;
mod uri;

use crate::element::ConnectionState;
use gst::glib;
use gst::prelude::*;
use std::sync::LazyLock;

pub use settings::PictureSize;

/// Where a camera turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeDirection")]
#[non_exhaustive]
pub enum MoveDirection {
    #[enum_value(name = "To the left", nick = "left")]
    Left,
    #[enum_value(name = "To the right", nick = "right")]
    Right,
    #[enum_value(name = "Up", nick = "up")]
    Up,
    #[enum_value(name = "Down", nick = "down")]
    Down,
}

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("wyzesrc", gst::DebugColorFlags::empty(), Some("Wyze camera source")));

glib::wrapper! {
    pub struct WyzeSrc(ObjectSubclass<imp::WyzeSrc>) @extends gst::Element, gst::Object, @implements gst::URIHandler;
}

pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    for api in [
        PictureSize::static_type(),
        settings::OnLoss::static_type(),
        settings::Resend::static_type(),
        settings::SetClock::static_type(),
        settings::KeyFrameRequests::static_type(),
        settings::Navigation::static_type(),
        MoveDirection::static_type(),
        ConnectionState::static_type(),
    ]
    .into_iter()
    .chain(control_properties::types())
    {
        api.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(Some(plugin), "wyzesrc", gst::Rank::PRIMARY, WyzeSrc::static_type())
}
