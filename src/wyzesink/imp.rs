use super::CAT;
use super::camera_audio::CameraAudio;
use super::frame_cutter::CutFrame;
use super::input_stream::InputStream;
use super::talker::{Talker, Waited};
use crate::element::{self, Announcer, Connection, Joining};
use crate::identity::{self, Identity, UriError};
use crate::protocol::talk::TalkEvent;
use crate::session::{Event, Use, Wants, lock};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use std::sync::{Arc, LazyLock, Mutex};

/// How much of a live pipeline's latency encoding and sending may take.
const PROCESSING_DEADLINE: gst::ClockTime = gst::ClockTime::from_mseconds(5);

#[derive(Default)]
pub struct WyzeSink {
    settings: Mutex<Identity>,
    /// `Some` from READY to READY.
    talker: Mutex<Option<Arc<Talker>>>,
    stream: Mutex<InputStream>,
    /// The `stats` of the last run, to be read after it.
    last_stats: Mutex<Option<gst::Structure>>,
    announcer: Announcer,
    connection: Connection,
}

#[glib::object_subclass]
impl ObjectSubclass for WyzeSink {
    const NAME: &'static str = "GstWyzeSink";
    type Type = super::WyzeSink;
    type ParentType = gst_base::BaseSink;
    type Interfaces = (gst::URIHandler,);

    fn class_init(class: &mut Self::Class) {
        element::set_doc_uri::<Self>(class);
    }
}

impl ObjectImpl for WyzeSink {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = Identity::properties();
            properties.extend([
                glib::ParamSpecString::builder("uri")
                    .nick("URI")
                    .blurb(
                        "The camera in one: wyze://HOST:PORT?uid=…&enr=…&mac=…&model=…, or wyze:///NAME for a camera of \
                         the store",
                    )
                    .mutable_ready()
                    .build(),
                Connection::property(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("What was sent and dropped, what the camera speaks, and how long it took to have it listen")
                    .read_only()
                    .build(),
            ]);
            properties
        });
        PROPERTIES.as_ref()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let name = pspec.name();
        if self.is_running() {
            gst::error!(CAT, imp = self, "{name} can only be changed in NULL or READY");
            return;
        }
        if !element::is_valid(name, value) {
            return;
        }
        if name == "uri" {
            element::set_uri_property(&*self.obj(), *CAT, value, |text| self.take_uri_property(text));
            return;
        }
        lock(&self.settings).set_property(name, value);
        element::log_property(&*self.obj(), *CAT, name, value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "uri" => {
                let uri = self.uri();
                lock(&self.settings).uri_property(uri).to_value()
            }
            element::STATE => self.connection.state().to_value(),
            "stats" => self.stats().to_value(),
            other => lock(&self.settings).property(other).expect("GObject knows no other property"),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let sink = self.obj();
        sink.set_processing_deadline(PROCESSING_DEADLINE);
        // Nobody looks at sound again.
        sink.set_enable_last_sample(false);
    }
}

impl GstObjectImpl for WyzeSink {}

impl ElementImpl for WyzeSink {
    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let (always, sink) = (gst::PadPresence::Always, gst::PadDirection::Sink);
            vec![gst::PadTemplate::new("sink", sink, always, &template_caps()).expect("a sink pad template")]
        });
        TEMPLATES.as_ref()
    }

    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            element::metadata(
                "Wyze camera talk sink",
                "Sink/Network/Audio",
                "Plays sound on the speaker of a Wyze camera, on the local network or over WebRTC",
            )
        });
        Some(&*METADATA)
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            self.join().map_err(|e| {
                self.post_error_message(e);
                gst::StateChangeError
            })?;
        }
        let result = self.parent_change_state(transition);
        let failed_start = transition == gst::StateChange::ReadyToPaused && result.is_err();
        if failed_start || transition == gst::StateChange::PausedToReady {
            self.leave();
        }
        result
    }
}

/// Returns the caps of all that a camera may speak, and of raw sound.
fn template_caps() -> gst::Caps {
    let any = gst::IntRange::new(1, i32::MAX);
    let aac = gst::Structure::builder("audio/mpeg")
        .field("mpegversion", 4)
        .field("stream-format", "adts")
        .field("framed", true);
    let structures = [gst::Structure::builder("audio/x-mulaw"), gst::Structure::builder("audio/x-alaw"), aac];
    let structures = structures.into_iter().map(|s| s.field("rate", any).field("channels", any).build());
    let mut caps = gst_audio::AudioCapsBuilder::new_interleaved().build();
    caps.merge(structures.collect::<gst::Caps>());
    // Mapping family 0 has two channels at most.
    let opus = gst::Caps::builder("audio/x-opus").field("channel-mapping-family", 0).field("rate", any);
    caps.merge(opus.field("channels", gst::IntRange::new(1, 2)).build());
    caps
}

impl BaseSinkImpl for WyzeSink {
    fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        gst::debug!(CAT, imp = self, "New caps {caps}");
        let frames = lock(&self.stream).set_caps(caps);
        self.send_rest(frames);
        Ok(())
    }

    fn event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Segment(_) => self.begin(),
            gst::EventView::Eos(_) => self.finish(),
            gst::EventView::FlushStop(_) => {
                lock(&self.stream).flush();
                if let Some(talker) = self.talker() {
                    talker.flush();
                }
            }
            _ => {}
        }
        self.parent_event(event)
    }

    fn render(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let talker = self.talker().ok_or(gst::FlowError::Flushing)?;
        // Upstream posts an error of its own when this returns.
        self.talk(&talker, buffer).inspect_err(|error| {
            if *error == gst::FlowError::Error {
                talker.tell_failure();
            }
        })
    }

    fn unlock(&self) -> Result<(), gst::ErrorMessage> {
        self.talker().iter().for_each(|talker| talker.unlock(true));
        Ok(())
    }

    fn unlock_stop(&self) -> Result<(), gst::ErrorMessage> {
        self.talker().iter().for_each(|talker| talker.unlock(false));
        Ok(())
    }
}

impl URIHandlerImpl for WyzeSink {
    const URI_TYPE: gst::URIType = gst::URIType::Sink;

    fn protocols() -> &'static [&'static str] {
        &[identity::SCHEME]
    }

    fn uri(&self) -> Option<String> {
        identity::format(&lock(&self.settings), [])
    }

    fn set_uri(&self, text: &str) -> Result<(), glib::Error> {
        let apply = || self.apply_uri(text, &mut lock(&self.settings));
        element::set_uri(&*self.obj(), *CAT, self.is_running(), apply)
    }
}

impl WyzeSink {
    /// Whether a URI's key sets what only the source has: one URI serves both elements.
    fn is_for_source(&self, key: &str) -> bool {
        // By the name of its type, as the elements know nothing else of each other.
        let source = glib::Type::from_name("GstWyzeSrc").and_then(glib::object::ObjectClass::from_type);
        let property = source.and_then(|source| source.find_property(key));
        let is_set_there = property.is_some_and(|property| property.flags().contains(glib::ParamFlags::WRITABLE));
        key == identity::SUBTYPE || is_set_there && self.obj().find_property(key).is_none()
    }

    /// Sends a buffer, and waits for its time where the stream is not live.
    fn talk(&self, talker: &Arc<Talker>, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let live = lock(&self.stream).live;
        if !live {
            self.wait_for(|| talker.wait_again())?;
        }
        let Some(camera) = talker.camera()? else {
            gst::log!(CAT, imp = self, "Dropping {buffer:?}: the camera does not listen yet");
            return Ok(gst::FlowSuccess::Ok);
        };
        if live && talker.lags() {
            gst::debug!(CAT, imp = self, "Dropping {buffer:?}: live sound came late");
            return Ok(gst::FlowSuccess::Ok);
        }
        let frames = lock(&self.stream).encode(camera, buffer).map_err(|failure| {
            talker.fail(failure);
            gst::FlowError::Error
        })?;
        for frame in frames {
            if !live {
                self.wait_for(|| talker.wait_room())?;
            }
            talker.send(camera, frame);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn apply_uri(&self, text: &str, identity: &mut Identity) -> Result<Vec<String>, UriError> {
        identity::apply(text, identity, |key, _| Ok(self.is_for_source(key)))
    }

    /// Takes a value of the property `uri`. What is wrong with one that is refused is told when the element starts.
    fn take_uri_property(&self, text: Option<&str>) -> Result<Vec<String>, UriError> {
        let mut identity = lock(&self.settings);
        let Some(text) = text else {
            identity.forget_camera();
            return Ok(Vec::new());
        };
        self.apply_uri(text, &mut identity).inspect_err(|e| identity.refused_uri = Some(e.clone()))
    }

    fn is_running(&self) -> bool {
        lock(&self.talker).is_some()
    }

    fn talker(&self) -> Option<Arc<Talker>> {
        lock(&self.talker).clone()
    }

    fn join(&self) -> Result<(), gst::ErrorMessage> {
        let mut identity = lock(&self.settings).clone();
        let element::Filled { peer, stored } = element::fill(&mut identity).map_err(|e| element::identity_error(&e))?;
        let obj = self.obj();
        let talker = Talker::new(&obj, self.announcer.clone(), &identity);
        let observer = Arc::downgrade(&talker);
        let observe = move |event| {
            if let Some(talker) = observer.upgrade() {
                talker.handle(event);
            }
            Use::Used
        };
        let joining = Joining {
            identity: &identity,
            stored,
            peer,
            config: identity.config(),
            wants: Wants::default(),
            video_wish: None,
            announcer: self.announcer.clone(),
            connection: self.connection.clone(),
            flows: |event| matches!(event, Event::Talk(TalkEvent::Ready)),
        };
        let session = joining.join(obj.upcast_ref(), *CAT, observe)?;
        *lock(&self.talker) = Some(talker.clone());
        talker.attach(session);
        Ok(())
    }

    /// Ends the talk at once. The streaming thread has left the element by now.
    fn leave(&self) {
        let talker = lock(&self.talker).take();
        if let Some(talker) = talker {
            talker.leave();
            self.announcer.end_run();
            *lock(&self.last_stats) = Some(talker.stats());
            self.connection.end(&*self.obj());
        }
        *lock(&self.stream) = InputStream::default();
    }

    /// Prepares for the first buffer of a stream. One that is not live waits here until the camera listens: in
    /// `render`, BaseSink would hold its preroll lock meanwhile, and hold up changes of state.
    fn begin(&self) {
        let Some(talker) = self.talker() else { return };
        let mut query = gst::query::Latency::new();
        let live = self.obj().sink_pad().peer_query(&mut query) && query.result().0;
        lock(&self.stream).live = live;
        talker.resume();
        if !live {
            let waited = talker.wait_ready(|| self.is_flushing());
            gst::debug!(CAT, imp = self, "Waited for the camera to listen: {waited:?}");
        }
    }

    /// Holds up a stream that is not live, by one of the talker's waits: while the camera is away, and while the stream
    /// is ahead of its time, as it is without time stamps or in long buffers.
    fn wait_for(&self, wait: impl Fn() -> Waited) -> Result<(), gst::FlowError> {
        loop {
            match wait() {
                Waited::Done => return Ok(()),
                Waited::Failed => return Err(gst::FlowError::Error),
                Waited::Interrupted => self.obj().wait_preroll().map(drop)?,
            }
        }
    }

    /// Ends a stream: sends what is left, and waits until the camera has been told that the talk is over.
    fn finish(&self) {
        let frames = lock(&self.stream).drain();
        self.send_rest(frames);
        if let Some(talker) = self.talker() {
            talker.finish(|| self.is_flushing());
        }
    }

    /// Sends the end of a stream. These are some frames at most, so there is no need to wait for room.
    fn send_rest(&self, frames: Vec<(CameraAudio, CutFrame)>) {
        let Some(talker) = self.talker() else { return };
        for (camera, frame) in frames {
            talker.send(camera, frame);
        }
    }

    fn is_flushing(&self) -> bool {
        self.obj().sink_pad().pad_flags().contains(gst::PadFlags::FLUSHING)
    }

    fn stats(&self) -> Option<gst::Structure> {
        self.talker().map(|talker| talker.stats()).or_else(|| lock(&self.last_stats).clone())
    }
}
