/**
 * SECTION:element-wyzesink
 * @title: wyzesink
 * @short_description: Sound for the speaker of a Wyze camera
 *
 * `wyzesink` plays sound on the speaker of a Wyze camera on the local network (talk-back). The camera is named by the
 * same properties and URI as in `wyzesrc`. Elements of one process that use the same camera share one session; a sink
 * alone asks the camera for neither picture nor sound.
 *
 * Raw sound of any format is converted to what the camera speaks. That is what its own microphone sends, to which the
 * sink listens for a moment. Encoded sound is sent as it is, and has to be what the camera speaks.
 *
 * A pipeline that is not live prerolls when the camera listens, so that nothing is lost. This takes some seconds, and
 * no longer than `connect-timeout`. A live pipeline is not held up: sound that comes before the camera listens is
 * dropped, and so is sound that comes late. When the stream ends, all of it is played before the camera is told to stop
 * listening. In PAUSED nothing is sent and the camera goes on listening, so that sound continues at once.
 *
 * A camera that is lost is connected and asked to listen again (`reconnect-attempts`). Meanwhile, live sound is
 * dropped, and a stream that is not live waits for as long as attempts are left.
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
mod frame_cutter;
mod input_stream;
mod talk_failure;
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
