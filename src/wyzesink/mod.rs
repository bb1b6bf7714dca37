/**
 * SECTION:element-wyzesink
 * @title: wyzesink
 * @short_description: Sound for the speaker of a Wyze camera
 *
 * `wyzesink` plays sound on the speaker of a Wyze camera on the local network (talk-back). The camera is known by its UID,
 * ENR and MAC or by its name in the camera store, by the same properties and URI as `wyzesrc`. Where other elements of the process use the same
 * camera, they share one session; alone, the sink has the camera send neither picture nor sound.
 *
 * Raw sound of any format is converted to what the camera speaks, which is what its own microphone sends: for a moment the
 * sink listens to it. Encoded sound is taken where it is that already, and sent as it is.
 *
 * A pipeline that is not live prerolls when the camera listens, so that nothing is lost; this takes some seconds at most, and
 * no longer than `connect-timeout`. A live pipeline is not held up: what comes before the camera listens is dropped, and so is
 * what comes late. When the stream ends, all of it is played, and then the camera is told to stop listening. In PAUSED nothing is
 * sent and the camera goes on listening, so that sound continues at once.
 *
 * A camera that is lost is connected again and asked to listen again (`reconnect-attempts`). Live sound is dropped
 * meanwhile; a stream that is not live waits, for as long as attempts are left.
 *
 * ## Example launch lines
 *
 * |[
 * gst-launch-1.0 filesrc location=announcement.ogg ! decodebin ! wyzesink uid=... enr=... mac=...
 * ]| Plays a file.
 * |[
 * gst-launch-1.0 autoaudiosrc ! queue ! wyzesink uid=... enr=... mac=...
 * ]| Talks by the microphone.
 *
 * Since: 0.1.0
 */
mod imp;

mod camera_audio;
mod encoder;
mod failure;
mod frame_cutter;
mod input_stream;
mod talker;

use gst::glib;
use gst::prelude::*;
use std::sync::LazyLock;

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("wyzesink", gst::DebugColorFlags::empty(), Some("Wyze camera talk sink")));

glib::wrapper! {
    pub struct WyzeSink(ObjectSubclass<imp::WyzeSink>)
        @extends gst_base::BaseSink, gst::Element, gst::Object, @implements gst::URIHandler;
}

pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    // No rank: a player that looks for any audio sink must not find a camera.
    gst::Element::register(Some(plugin), "wyzesink", gst::Rank::NONE, WyzeSink::static_type())
}
