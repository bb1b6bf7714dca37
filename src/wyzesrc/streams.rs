//! What the pads' streams are called, for elements such as decodebin3 and for players that show tracks: GstStreams with
//! tags, in a collection.

use crate::protocol::client::CameraInfo;
use crate::protocol::medium::Medium;
use crate::session::lock;
use gst::glib;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MANUFACTURER: &str = "Wyze";

/// The streams of one run of the element.
pub struct Streams {
    /// The same whenever this camera is watched, and no secret.
    id: String,
    group_id: gst::GroupId,
    /// The camera's name in the store, if it is known by one.
    name: Option<String>,
    state: Mutex<State>,
    /// Counts changes of the streams and their tags.
    version: AtomicU64,
}

#[derive(Default)]
struct State {
    streams: [Option<gst::Stream>; 2],
    /// The streams so far; `None` after another one came.
    collection: Option<gst::StreamCollection>,
    camera: gst::TagList,
    /// Bits a second that the camera's encoder was seen to be set to.
    bitrate: Option<u32>,
}

impl Streams {
    /// Makes the streams of the camera of this [`Peer::public_id`](crate::session::Peer::public_id).
    pub fn new(id: String, name: Option<String>) -> Self {
        Streams { id, group_id: gst::GroupId::next(), name, state: Mutex::default(), version: AtomicU64::default() }
    }

    /// Begins a medium's stream, and returns the event that does so on its pad.
    pub fn begin(&self, medium: Medium, caps: &gst::Caps) -> gst::Event {
        let id = format!("{}/{}", self.id, medium.name());
        let kind = match medium {
            Medium::Video => gst::StreamType::VIDEO,
            Medium::Audio => gst::StreamType::AUDIO,
        };
        let stream = gst::Stream::new(Some(&id), Some(caps), kind, gst::StreamFlags::SELECT);
        let mut state = lock(&self.state);
        stream.set_tags(Some(&state.tags(medium)));
        state.streams[medium as usize] = Some(stream.clone());
        state.collection = None;
        self.version.fetch_add(1, Ordering::Release);
        gst::event::StreamStart::builder(&id).group_id(self.group_id).stream(stream).build()
    }

    /// Notes other caps of a stream.
    pub fn set_caps(&self, medium: Medium, caps: &gst::Caps) {
        if let Some(stream) = &lock(&self.state).streams[medium as usize] {
            stream.set_caps(Some(caps));
        }
    }

    /// Returns all streams so far, and whether they are asked for the first time.
    pub fn collection(&self) -> (gst::StreamCollection, bool) {
        let mut state = lock(&self.state);
        if let Some(collection) = &state.collection {
            return (collection.clone(), false);
        }
        let collection =
            gst::StreamCollection::builder(Some(&self.id)).streams(state.streams.iter().flatten().cloned());
        let collection = collection.build();
        state.collection = Some(collection.clone());
        (collection, true)
    }

    /// Takes what is known of the camera, for tags.
    pub fn set_camera(&self, camera: &CameraInfo) {
        let mut tags = gst::TagList::new();
        let made = tags.make_mut();
        made.set_scope(gst::TagScope::Global);
        let replace = gst::TagMergeMode::Replace;
        made.add::<gst::tags::DeviceManufacturer>(&MANUFACTURER, replace);
        if let Some(name) = &self.name {
            made.add::<gst::tags::Title>(&name.as_str(), replace);
        }
        if !camera.model.is_empty() {
            made.add::<gst::tags::DeviceModel>(&camera.model.as_str(), replace);
        }
        if !camera.firmware.is_empty() {
            made.add::<gst::tags::ApplicationName>(&format!("firmware {}", camera.firmware).as_str(), replace);
        }
        let mut state = lock(&self.state);
        state.camera = tags;
        self.update_tags(&state);
    }

    /// Takes the time at which the connection's first picture or sound was captured, since 1970.
    pub fn set_begin(&self, capture: Duration) {
        let seconds = i64::try_from(capture.as_secs()).unwrap_or(i64::MAX);
        let Ok(time) = glib::DateTime::from_unix_utc(seconds).map(gst::DateTime::from) else { return };
        let mut state = lock(&self.state);
        state.camera.make_mut().add::<gst::tags::DateTime>(&time, gst::TagMergeMode::Replace);
        self.update_tags(&state);
    }

    /// Takes the bit rate that the camera's encoder is set to, in bits a second.
    pub fn set_bitrate(&self, bitrate: u32) {
        let mut state = lock(&self.state);
        state.bitrate = Some(bitrate);
        self.update_tags(&state);
    }

    fn update_tags(&self, state: &State) {
        for medium in Medium::ALL {
            if let Some(stream) = &state.streams[medium as usize] {
                stream.set_tags(Some(&state.tags(medium)));
            }
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Returns a number that is another one after each change of the streams and their tags.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Returns the tags of a stream: those of the camera, and its own.
    pub fn tags(&self, medium: Medium) -> [gst::TagList; 2] {
        let state = lock(&self.state);
        [state.camera.clone(), state.own_tags(medium)]
    }
}

impl State {
    fn own_tags(&self, medium: Medium) -> gst::TagList {
        let mut tags = gst::TagList::new();
        if let Some(bitrate) = self.bitrate.filter(|_| medium == Medium::Video) {
            tags.make_mut().add::<gst::tags::NominalBitrate>(&bitrate, gst::TagMergeMode::Replace);
        }
        tags
    }

    fn tags(&self, medium: Medium) -> gst::TagList {
        self.camera.merge(&self.own_tags(medium), gst::TagMergeMode::Append)
    }
}
