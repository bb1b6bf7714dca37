//! `wyzesrc`, the Wyze camera source: live picture and sound of a camera.
//!
//! The element connects to a Wyze camera on the local network, without the vendor's SDK and without the cloud, and
//! gives its video and audio as the camera encoded them. UID, ENR and MAC name the camera, or its name in the camera
//! store, which knows these. If no host is set, the element looks for the camera by broadcast. A camera of the store that
//! has no way on the local network is reached over WebRTC, with the Wyze cloud as signalling.
//!
//! | | |
//! |---|---|
//! | Long name | Wyze camera source |
//! | Klass | Source/Network/Audio/Video |
//! | Rank | primary, for `wyze://` URIs |
//! | Pads | `video` and `audio`, both Sometimes; `no-more-pads` follows the last |
//! | Object | [`WyzeSrc`], GstWyzeSrc |
//!
//! Time stamps come from the camera: both pads share its capture clock, mapped once to the pipeline's clock and kept in
//! step with it.
//!
//! A camera that is lost, or sends nothing for `stall-timeout`, is connected again for as long as `reconnect-attempts`
//! allows: pads stay, time goes on, and the first buffers are flagged DISCONT and RESYNC. Element messages named
//! `wyze-connection` tell an application of it. The first connection has to succeed within `connect-timeout`, unless
//! that is 0.
//!
//! [Properties] has types, defaults, caps, time stamps and events.
//!
//! # Example launch lines
//!
//! Show the picture of a camera of the store:
//!
//! ```sh
//! gst-launch-1.0 wyzesrc camera="Front Door" ! decodebin ! autovideosink
//! ```
//!
//! Show the picture of a camera that is named by its keys:
//!
//! ```sh
//! gst-launch-1.0 wyzesrc uid=... enr=... mac=... ! decodebin ! autovideosink
//! ```
//!
//! Show the picture and play the sound, and the same by URI:
//!
//! ```sh
//! gst-launch-1.0 wyzesrc uid=... enr=... mac=... name=camera \
//!     camera.video ! queue ! decodebin ! videoconvert ! autovideosink \
//!     camera.audio ! queue ! decodebin ! audioconvert ! audioresample ! autoaudiosink
//! gst-play-1.0 "wyze://192.168.1.20?uid=...&enr=...&mac=..."
//! ```
//!
//! Write what the camera sends to a file, not encoded anew:
//!
//! ```sh
//! gst-launch-1.0 -e wyzesrc camera="Front Door" ! h264parse ! matroskamux ! filesink location=door.mkv
//! ```
//!
//! # Properties
//!
//! - `audio`: Whether the camera is asked for audio
//! - `bitrate`: Bit rate of the video that the camera is asked for, in kbit/s; 0 is the best for the resolution
//! - `camera`: The camera's name, MAC or UID in the store, which gives what is not set of uid, enr, mac, host, port,
//!   model
//! - `camera-info`: What is known of the camera: model, firmware, address, codecs
//! - `camera-settings`: What the camera has told of its settings, by their names
//! - `connect-timeout`: How long connecting may take before it is an error, in ms; 0 waits for the camera for ever
//! - `connection-state`: How the connection to the camera goes; notified when it changes
//! - `cruise`: Whether a camera that pans goes from waypoint to waypoint
//! - `enr`: The camera's key of 16 characters or more (enr in the Wyze cloud); keep it secret
//! - `flip`: How the camera turns its picture, for all who watch
//! - `floodlight`: The light of a camera that is a floodlight; none can be asked for its state
//! - `framerate`: Pictures a second that the camera is asked for; 0 is the camera's choice
//! - `host`: The camera's IPv4 address or name; unset searches the local network by broadcast
//! - `interface`: The only network interface to use, such as eth0; unset uses any
//! - `key-frame-requests`: Whether the camera is asked for key frames, which may restart its encoder
//! - `latency`: How long buffers are held against the network's jitter, in ms; late packets are waited for half as
//!   long, and packets that the camera sends again all of it
//! - `mac`: The camera's MAC address, 12 hexadecimal digits
//! - `model`: The camera's model, such as HL_CAM4; unset takes what the camera says
//! - `motion-detection`: Whether the camera looks for motion
//! - `motion-tagging`: Whether the camera draws a box around what moves
//! - `motion-tracking`: Whether a camera that pans turns after what moves
//! - `navigation`: Whether arrow keys, mouse wheel and double clicks on the video sink turn the camera
//! - `night-vision`: Whether the camera sees by infrared light
//! - `night-vision-light`: The infrared light that night vision turns on
//! - `on-loss`: What becomes of the pictures between a lost one and the next key frame
//! - `overlay-logo`: Whether the camera puts its maker's logo into its picture
//! - `overlay-time`: Whether the camera writes the time into its picture
//! - `port`: The UDP port that the camera listens on for discovery
//! - `reconnect-attempts`: How many attempts in a row to connect again to a camera that was lost may fail, -1 is any
//!   number, 0 makes the loss an error
//! - `resend`: Whether the camera is asked to send lost packets again, for as long as latency allows
//! - `resolution`: The picture size that the camera is asked for
//! - `set-clock`: Whether the camera is told the time if its clock was never set or is more than a minute off
//! - `siren`: The siren, and the light that flashes with it
//! - `spotlight`: The light that can be plugged into some cameras
//! - `stall-timeout`: After how long without media the connection to the camera is made anew, in ms; 0 is never
//! - `stats`: Counters of the connection and the times that its stages took
//! - `status-light`: The light on the camera's front
//! - `transport`: Which way is taken to the camera
//! - `uid`: The 20 characters that name the camera (p2p_id in the Wyze cloud)
//! - `uri`: The camera and all settings in one: wyze://HOST:PORT?uid=…&enr=…&mac=…&model=…&subtype=hd|sd, or
//!   wyze:///NAME for a camera of the store
//! - `video`: Whether the camera is asked for video
//!
//! # Action signals
//!
//! Those without a promise return at once. The others keep the promise with a structure `application/x-wyze-reply`; one
//! without fields means that the camera kept silent.
//!
//! - `rotate` (gint horizontal, gint vertical, guint speed): Turns the camera by degrees, to the right and up where
//!   they are positive, at a speed from 1 to 9
//! - `move` (GstWyzeDirection direction, guint speed): Turns the camera to its end
//! - `go-to` (guint horizontal, guint vertical): Turns the camera to a position, in degrees
//! - `reset-position` (): Has the camera find its end stops anew
//! - `take-photo` (): Has the camera store a photo on its SD card
//! - `quick-reply` (guint number): Has a doorbell say something, from 1 to 3
//! - `set-time` (): Sets the camera's clock
//! - `go-to-waypoint` (guint number): Turns the camera to a point of its cruise, from 1
//! - `refresh-settings` (): Asks for the settings of the camera
//! - `position` (GstPromise promise): Asks where the camera looks: `horizontal` and `vertical`, guint, degrees
//! - `waypoints` (GstPromise promise): Asks for the points of the cruise: `waypoints`, a GstValueArray of structures
//!   with `horizontal`, `vertical` (guint, degrees) and `wait-ns` (guint64)
//! - `set-waypoints` (GstValueArray waypoints, GstPromise promise): Sets them: `agreed`, gboolean
//! - `send-command` (guint code, GBytes payload, GstPromise promise): Sends any K-command: `payload`, GBytes, is the
//!   answer's
//! - `send-io-type` (guint type, GBytes payload, GstPromise promise): Sends a message that is no K-command: `payload`,
//!   GBytes, is the answer's
//!
//! # Element messages
//!
//! A message named `wyze-connection` is posted whenever the connection changes. Its fields:
//!
//! - `state` (gchararray): `connecting`, `streaming`, `stalled`, `reconnecting` or `failed`
//! - `stage` (gchararray): the stage that was reached or, with a `reason`, that failed: `discovery`, `session`, `dtls`,
//!   `login`, `auth` or `streaming`
//! - `attempt` (guint): which attempt to reconnect this is; 0 where it is none
//! - `reason` (gchararray): one word for what went wrong; only in `stalled`, `reconnecting` and `failed`
//! - `text` (gchararray): the same as a sentence, with the remedy; only with a `reason` or a `medium`
//! - `delay-ns` (guint64): how long until the next attempt; only with a `reason`
//! - `medium` (gchararray): `video` or `audio`, where something happens to one medium while the connection goes on
//! - `medium-state` (gchararray): what happens to it: `silent`, `back` or `changed`
//! - `codec` (gchararray): the codec that the camera now sends; only with `changed`
//!
//! # Other messages
//!
//! While the element connects, progress messages with the code `connect` come: the first is of type start, the last
//! complete, or error where the first connection failed, and one for each stage between is of type continue.
//!
//! Errors have the structure `wyze-error` as their details, with the strings `stage`, `reason` and `camera`. [Messages]
//! lists all reasons. A stream collection is posted before the first buffer.
//!
//! # Statistics
//!
//! The property `stats` is a structure `application/x-wyze-stats`. Its fields are guint64, and the counts are
//! those from the first connection on:
//!
//! - Datagrams: `packets`, `foreign`, `bad-hmac`, and their `bytes`
//! - Packets: `duplicates`, `reordered`, `undecryptable`, `lost`, `malformed`, `unknown`, `timing-probes`, `parity`,
//!   `resend-asked`, `resend-filled`, `resend-given-up`
//! - Frames: `video-frames`, `audio-frames`, `incomplete`, which is the sum of `incomplete-lost`, `incomplete-size` and
//!   `incomplete-overflow`, and `skipped-frames`
//! - Buffers that the pipeline did not take in time: `video-queue-drops`, `audio-queue-drops`
//! - What was done: `key-frame-requests`, `media-restarts`, `reconnects`
//! - How long the last connection took, in nanoseconds: `discovery-time-ns`, `session-time-ns`, `dtls-time-ns`,
//!   `login-time-ns`, `auth-time-ns`; over WebRTC `cloud-time-ns`, `signalling-time-ns`, `path-time-ns`
//! - Why the connection was last lost, a gchararray: `last-error`
//!
//! [Counters] tells more of each, and has the fields of `camera-info` and `camera-settings`.
//!
//! [Properties]: https://github.com/gst-plugin-wyze/gst-plugin-wyze/blob/main/docs/properties.md
//! [Messages]: https://github.com/gst-plugin-wyze/gst-plugin-wyze/blob/main/docs/properties.md#messages
//! [Counters]: https://github.com/gst-plugin-wyze/gst-plugin-wyze/blob/main/docs/properties.md#counters

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
