//! `wyzesink`, the Wyze camera talk sink: sound for the speaker of a camera.
//!
//! The element plays sound on the speaker of a Wyze camera (talk-back), on the local network or over WebRTC. The camera
//! is named by the same properties and URI as in [`wyzesrc`](crate::wyzesrc). Elements of one process that use the same
//! camera share one session; a sink alone asks the camera for neither picture nor sound.
//!
//! | | |
//! |---|---|
//! | Long name | Wyze camera talk sink |
//! | Klass | Sink/Network/Audio |
//! | Rank | none: a player that looks for any audio sink must not find a camera |
//! | Pads | `sink`, Always |
//! | Object | [`WyzeSink`], GstWyzeSink, a GstBaseSink |
//!
//! Raw sound of any format is converted to what the camera speaks. That is what its own microphone sends, to which the
//! sink listens for a moment. Encoded sound is sent as it is, and has to be what the camera speaks.
//!
//! A pipeline that is not live prerolls when the camera listens, so that nothing is lost. This takes some seconds, and
//! no longer than `connect-timeout`. A live pipeline is not held up: sound that comes before the camera listens is
//! dropped, and so is sound that comes late. When the stream ends, all of it is played before the camera is told to
//! stop listening. In PAUSED nothing is sent and the camera goes on listening, so that sound continues at once.
//!
//! A camera that is lost is connected and asked to listen again (`reconnect-attempts`). Meanwhile, live sound is
//! dropped, and a stream that is not live waits for as long as attempts are left.
//!
//! [Properties] has types, defaults and how the camera is talked to.
//!
//! # Example launch lines
//!
//! Play a file:
//!
//! ```sh
//! gst-launch-1.0 filesrc location=announcement.ogg ! decodebin ! wyzesink camera="Front Door"
//! gst-launch-1.0 filesrc location=announcement.ogg ! decodebin ! wyzesink uid=... enr=... mac=...
//! ```
//!
//! Talk by the microphone:
//!
//! ```sh
//! gst-launch-1.0 autoaudiosrc ! queue ! wyzesink uid=... enr=... mac=...
//! ```
//!
//! # Properties
//!
//! Besides those of GstBaseSink:
//!
//! - `camera`: The camera's name, MAC or UID in the store, which gives what is not set of uid, enr, mac, host, port,
//!   model
//! - `connect-timeout`: How long connecting may take before it is an error, in ms; 0 waits for the camera for ever
//! - `connection-state`: How the connection to the camera goes; notified when it changes
//! - `enr`: The camera's key of 16 characters or more (enr in the Wyze cloud); keep it secret
//! - `host`: The camera's IPv4 address or name; unset searches the local network by broadcast
//! - `interface`: The only network interface to use, such as eth0; unset uses any
//! - `mac`: The camera's MAC address, 12 hexadecimal digits
//! - `model`: The camera's model, such as HL_CAM4; unset takes what the camera says
//! - `port`: The UDP port that the camera listens on for discovery
//! - `reconnect-attempts`: How many attempts in a row to connect again to a camera that was lost may fail, -1 is any
//!   number, 0 makes the loss an error
//! - `stats`: What was sent and dropped, what the camera speaks, and how long it took to have it listen
//! - `transport`: Which way is taken to the camera
//! - `uid`: The 20 characters that name the camera (p2p_id in the Wyze cloud)
//! - `uri`: The camera in one: wyze://HOST:PORT?uid=…&enr=…&mac=…&model=…, or wyze:///NAME for a camera of the store
//!
//! # Messages
//!
//! Element messages `wyze-connection` and progress messages are those of [`wyzesrc`](crate::wyzesrc#element-messages).
//! An element message named `missing-plugin` tells of an encoder that is not installed. Errors have the structure
//! `wyze-error` as their details; those of talk have the stage `talk`.
//!
//! # Statistics
//!
//! The property `stats` is a structure `application/x-wyze-talk-stats`:
//!
//! - `state` (gchararray): `connecting`, `learning`, `opening`, `talking`, `stopping`, `stopped` or `failed`
//! - `frames` (guint64): frames that were sent to the camera
//! - `bytes` (guint64): bytes of sound in these frames
//! - `dropped` (guint64): buffers that were dropped, because the camera did not listen yet or the sound came late
//! - `time-to-open-ns` (guint64): how long it took until the camera listened; missing before
//! - `codec` (gchararray): the codec that the camera speaks; missing before it is known
//! - `rate` (guint): the camera's sampling rate in Hz; missing before it is known
//! - `channels` (guint): the channels of the camera's sound; missing before it is known
//!
//! [Properties]: https://github.com/gst-plugin-wyze/gst-plugin-wyze/blob/main/docs/properties.md#wyzesink

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
