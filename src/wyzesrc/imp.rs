use super::CAT;
use super::actions;
use super::camera_settings::CameraSettings;
use super::control_properties;
use super::media_receiver::MediaReceiver;
use super::navigation::{self, Navigator};
use super::outputs::Outputs;
use super::settings::{
    DEFAULT_LATENCY, DEFAULT_STALL_TIMEOUT, KeyFrameRequests, MAX_BITRATE, Navigation, OnLoss, PictureSize, Resend,
    SetClock, Settings,
};
use super::statistics;
use super::streams::Streams;
use super::uri;
use crate::caps;
use crate::element::{self, Announcer, Connection, Fill, Joining};
use crate::identity::{self, Identity, UriError, milliseconds};
use crate::protocol::client;
use crate::protocol::commands::Request;
use crate::protocol::commands::controls::Control;
use crate::protocol::medium::Medium;
use crate::session::{Event, Membership, lock};
use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::{NavigationEvent, UpstreamForceKeyUnitEvent};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// All that lives from READY to READY.
struct Run {
    /// `None` once the stream has been asked to end.
    session: Option<Membership>,
    receiver: Arc<Mutex<MediaReceiver>>,
    outputs: Arc<Outputs>,
}

impl Run {
    fn receiver(&self) -> MutexGuard<'_, MediaReceiver> {
        lock(&self.receiver)
    }
}

#[derive(Default)]
struct RunState {
    run: Option<Run>,
    /// The `stats` of the last run, to be read after it.
    last_stats: Option<gst::Structure>,
    /// The `camera-info` of the last run.
    last_camera: Option<gst::Structure>,
}

#[derive(Default)]
pub struct WyzeSrc {
    settings: Mutex<Settings>,
    state: Mutex<RunState>,
    camera_settings: CameraSettings,
    navigator: Arc<Mutex<Navigator>>,
    announcer: Announcer,
    connection: Connection,
}

#[glib::object_subclass]
impl ObjectSubclass for WyzeSrc {
    const NAME: &'static str = "GstWyzeSrc";
    type Type = super::WyzeSrc;
    type ParentType = gst::Element;
    type Interfaces = (gst::URIHandler,);

    fn class_init(class: &mut Self::Class) {
        element::set_doc_uri::<Self>(class);
    }
}

fn properties() -> Vec<glib::ParamSpec> {
    let structure = |name, nick, blurb| {
        glib::ParamSpecBoxed::builder::<gst::Structure>(name).nick(nick).blurb(blurb).read_only().build()
    };
    let mut properties = Identity::properties();
    properties.extend(own_properties());
    properties.extend(treatments());
    properties.extend(control_properties::properties());
    properties.extend([
        Connection::property(),
        structure("stats", "Statistics", "Counters of the connection and the times that its stages took"),
        structure("camera-info", "Camera info", "What is known of the camera: model, firmware, address, codecs"),
        structure("camera-settings", "Camera settings", "What the camera has told of its settings, by their names"),
    ]);
    properties
}

/// Returns the properties that set what is streamed, and how.
fn own_properties() -> Vec<glib::ParamSpec> {
    let number = |name, nick, blurb, maximum, default| {
        glib::ParamSpecUInt::builder(name).nick(nick).blurb(blurb).maximum(maximum).default_value(default)
    };
    let switch = |name, nick, blurb| {
        glib::ParamSpecBoolean::builder(name).nick(nick).blurb(blurb).default_value(true).mutable_ready().build()
    };
    vec![
        glib::ParamSpecString::builder("uri")
            .nick("URI")
            .blurb(
                "The camera and all settings in one: wyze://HOST:PORT?uid=…&enr=…&mac=…&model=…&subtype=hd|sd, or \
                 wyze:///NAME for a camera of the store",
            )
            .mutable_ready()
            .build(),
        switch("video", "Video", "Whether the camera is asked for video"),
        switch("audio", "Audio", "Whether the camera is asked for audio"),
        glib::ParamSpecEnum::builder_with_default("resolution", PictureSize::default())
            .nick("Resolution")
            .blurb("The picture size that the camera is asked for")
            .mutable_playing()
            .build(),
        number("bitrate", "Bitrate", "Bit rate of the video that the camera is asked for, in kbit/s; 0 is the best for the resolution", MAX_BITRATE, 0)
            .mutable_playing()
            .build(),
        number("framerate", "Frame rate", "Pictures a second that the camera is asked for; 0 is the camera's choice", u8::MAX.into(), 0)
            .mutable_playing()
            .build(),
        number(
            "latency",
            "Latency",
            "How long buffers are held against the network's jitter, in ms; late packets are waited for half as long, and \
             packets that the camera sends again all of it",
            60_000,
            milliseconds(DEFAULT_LATENCY),
        )
        .mutable_ready()
        .build(),
        number(
            "stall-timeout",
            "Stall timeout",
            "After how long without media the connection to the camera is made anew, in ms; 0 is never",
            u32::MAX,
            milliseconds(DEFAULT_STALL_TIMEOUT),
        )
        .mutable_ready()
        .build(),
    ]
}

/// Returns the properties that set what is done about losses and the camera's clock.
fn treatments() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecEnum::builder_with_default("on-loss", OnLoss::default())
            .nick("On loss")
            .blurb("What becomes of the pictures between a lost one and the next key frame")
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("resend", Resend::default())
            .nick("Resend")
            .blurb("Whether the camera is asked to send lost packets again, for as long as latency allows")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("key-frame-requests", KeyFrameRequests::default())
            .nick("Key frame requests")
            .blurb("Whether the camera is asked for key frames, which may restart its encoder")
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("set-clock", SetClock::default())
            .nick("Set clock")
            .blurb("Whether the camera is told the time if its clock was never set or is more than a minute off")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("navigation", Navigation::default())
            .nick("Navigation")
            .blurb("Whether arrow keys, mouse wheel and double clicks on the video sink turn the camera")
            .mutable_playing()
            .build(),
    ]
}

impl ObjectImpl for WyzeSrc {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        PROPERTIES.as_ref()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let name = pspec.name();
        let control = Control::named(name);
        let changes_live = control.is_some()
            || matches!(name, "resolution" | "bitrate" | "framerate" | "on-loss" | "key-frame-requests" | "navigation");
        if !changes_live && self.is_running() {
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
        let mut settings = lock(&self.settings);
        element::log_property(&*self.obj(), *CAT, name, value);
        if let Some(control) = control {
            control_properties::set(control, value, &mut settings.wishes);
            let wishes = settings.wishes.clone();
            drop(settings);
            self.camera_settings.set(&self.obj(), control, wishes);
            return;
        }
        set_field(&mut settings, name, value);
        let (wish, wants) = (settings.video_wish(), settings.wants());
        let (resolution, on_loss) = (settings.resolution, settings.on_loss);
        drop(settings);
        match lock(&self.state).run.as_ref() {
            Some(run) if name == "on-loss" => run.receiver().set_on_loss(on_loss),
            Some(Run { session: Some(session), .. }) if name == "key-frame-requests" => session.set_wants(wants),
            Some(run @ Run { session: Some(session), .. }) if name != "navigation" => {
                session.set_video_wish(wish);
                self.camera_settings.asks_for_picture(&self.obj(), wish);
                run.receiver().set_resolution(&self.obj(), resolution);
            }
            _ => {}
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = || lock(&self.settings);
        match pspec.name() {
            "uri" => {
                let settings = settings();
                settings.identity.uri_property(uri::format(&settings)).to_value()
            }
            "video" => settings().media.video.to_value(),
            "audio" => settings().media.audio.to_value(),
            "resolution" => settings().resolution.to_value(),
            "bitrate" => settings().bitrate.to_value(),
            "framerate" => u32::from(settings().framerate).to_value(),
            "latency" => milliseconds(settings().latency).to_value(),
            "stall-timeout" => milliseconds(settings().stall_timeout).to_value(),
            "on-loss" => settings().on_loss.to_value(),
            "resend" => settings().resend.to_value(),
            "key-frame-requests" => settings().key_frame_requests.to_value(),
            "set-clock" => settings().set_clock.to_value(),
            "navigation" => settings().navigation.to_value(),
            "camera-settings" => self.camera_settings.structure().to_value(),
            element::STATE => self.connection.state().to_value(),
            "stats" => self.stats().to_value(),
            "camera-info" => self.camera_info().to_value(),
            other => match Control::named(other) {
                Some(control) => {
                    // What the last run's camera has told does not hide what is set for the next run.
                    let is_running = self.is_running();
                    let wish = settings().wishes.get(other).copied().filter(|_| !is_running);
                    control_properties::value(control, wish.or_else(|| self.camera_settings.value(control)))
                }
                None => settings().identity.property(other).expect("GObject knows no other property"),
            },
        }
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(actions::signals);
        SIGNALS.as_ref()
    }

    fn constructed(&self) {
        self.parent_constructed();
        // Without this flag, a bin does not hand EOS to an element that has no pads yet.
        self.obj().set_element_flags(gst::ElementFlags::SOURCE);
    }
}

/// Puts the value of a property, whose type GObject has checked, into its field.
fn set_field(settings: &mut Settings, name: &str, value: &glib::Value) {
    if settings.identity.set_property(name, value) {
        return;
    }
    let number = || value.get::<u32>().unwrap_or_default();
    let switch = || value.get::<bool>().unwrap_or_default();
    match name {
        "video" => settings.media.video = switch(),
        "audio" => settings.media.audio = switch(),
        "resolution" => settings.resolution = value.get().unwrap_or_default(),
        "bitrate" => settings.bitrate = number(),
        // The property's maximum keeps the number within the field's range.
        "framerate" => settings.framerate = number() as u8,
        "latency" => settings.latency = Duration::from_millis(number().into()),
        "on-loss" => settings.on_loss = value.get().unwrap_or_default(),
        "resend" => settings.resend = value.get().unwrap_or_default(),
        "key-frame-requests" => settings.key_frame_requests = value.get().unwrap_or_default(),
        "set-clock" => settings.set_clock = value.get().unwrap_or_default(),
        "navigation" => settings.navigation = value.get().unwrap_or_default(),
        "stall-timeout" => settings.stall_timeout = Duration::from_millis(number().into()),
        other => unreachable!("GObject knows no writable property {other}"),
    }
}

impl GstObjectImpl for WyzeSrc {}

impl URIHandlerImpl for WyzeSrc {
    const URI_TYPE: gst::URIType = gst::URIType::Src;

    fn protocols() -> &'static [&'static str] {
        &[identity::SCHEME]
    }

    fn uri(&self) -> Option<String> {
        uri::format(&lock(&self.settings))
    }

    fn set_uri(&self, text: &str) -> Result<(), glib::Error> {
        let apply = || uri::apply(text, &mut lock(&self.settings));
        element::set_uri(&*self.obj(), *CAT, self.is_running(), apply)
    }
}

impl ElementImpl for WyzeSrc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            element::metadata(
                "Wyze camera source",
                "Source/Network/Audio/Video",
                "Receives live video and audio from a Wyze camera, on the local network or over WebRTC",
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            [(Medium::Video, caps::video_template()), (Medium::Audio, caps::audio_template())]
                .into_iter()
                .map(|(medium, caps)| {
                    gst::PadTemplate::new(medium.name(), gst::PadDirection::Src, gst::PadPresence::Sometimes, &caps)
                        .expect("a source pad template")
                })
                .collect()
        });
        TEMPLATES.as_ref()
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::ReadyToPaused => self.start().map_err(|e| {
                self.post_error_message(e);
                gst::StateChangeError
            })?,
            gst::StateChange::PausedToPlaying => self.set_playing(true),
            gst::StateChange::PlayingToPaused => self.set_playing(false),
            gst::StateChange::PausedToReady => self.end_session(),
            _ => {}
        }
        let success = self.parent_change_state(transition).inspect_err(|_| {
            if transition == gst::StateChange::ReadyToPaused {
                self.end_session();
                self.clear();
            }
        })?;
        match transition {
            gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused => {
                Ok(gst::StateChangeSuccess::NoPreroll)
            }
            gst::StateChange::PausedToReady => {
                self.clear();
                Ok(success)
            }
            _ => Ok(success),
        }
    }

    fn send_event(&self, event: gst::Event) -> bool {
        match event.type_() {
            gst::EventType::Eos => self.send_eos(),
            gst::EventType::FlushStart | gst::EventType::FlushStop => {
                let Some((receiver, outputs)) = self.parts() else { return false };
                outputs.flush(&event);
                lock(&receiver).flushed();
                true
            }
            gst::EventType::Seek => false,
            gst::EventType::Navigation => self.navigate(&event),
            gst::EventType::CustomUpstream => match UpstreamForceKeyUnitEvent::parse(&event) {
                Ok(wanted) => self.force_key_unit(&wanted),
                Err(_) => self.parent_send_event(event),
            },
            _ => self.parent_send_event(event),
        }
    }
}

impl WyzeSrc {
    /// Asks the camera for a key frame if this event calls for it; false if that is switched off, or there is no session
    /// to ask in.
    fn force_key_unit(&self, event: &UpstreamForceKeyUnitEvent) -> bool {
        let Some((receiver, _)) = self.parts() else { return false };
        if lock(&self.settings).key_frame_requests == KeyFrameRequests::Off {
            return false;
        }
        let now = self.obj().current_running_time();
        if !lock(&receiver).key_frames().is_to_be_asked(event, now) {
            gst::debug!(CAT, imp = self, "No key frame is asked for: {event:?}, now {now:?}");
            return true;
        }
        let state = lock(&self.state);
        let session = state.run.as_ref().and_then(|run| run.session.as_ref());
        session.map(Membership::request_key_frame).is_some()
    }

    /// Takes a value of the property `uri`. What is wrong with one that is refused is told when the element starts.
    fn take_uri_property(&self, text: Option<&str>) -> Result<Vec<String>, UriError> {
        let mut settings = lock(&self.settings);
        let Some(text) = text else {
            settings.identity.forget_camera();
            return Ok(Vec::new());
        };
        uri::apply(text, &mut settings).inspect_err(|e| settings.identity.refused_uri = Some(e.clone()))
    }

    /// Turns the camera as an event of keys or mouse says; false where it says nothing, or the camera does not turn.
    fn navigate(&self, event: &gst::Event) -> bool {
        if !navigation::is_on(lock(&self.settings).navigation, self.camera_settings.pans()) {
            return false;
        }
        let Ok(parsed) = NavigationEvent::parse(event) else { return false };
        let caps = self.obj().static_pad(Medium::Video.name()).and_then(|pad| pad.current_caps());
        let side = |name| caps.as_ref()?.structure(0)?.get::<i32>(name).ok();
        let turn = lock(&self.navigator).turn(&parsed, side("width").zip(side("height")), Instant::now());
        let Some((turn, caller)) = turn.zip(self.camera_settings.caller()) else { return false };
        navigation::turn(&self.navigator, &caller, turn);
        true
    }

    pub fn announcer(&self) -> &Announcer {
        &self.announcer
    }

    pub fn camera_settings(&self) -> &CameraSettings {
        &self.camera_settings
    }

    /// Has the camera do something, if it is connected.
    pub fn act(&self, request: Request) {
        match self.camera_settings.caller() {
            Some(session) => element::act(self.obj().upcast_ref(), *CAT, &session, request),
            None => gst::warning!(CAT, imp = self, "{} is not sent: there is no connection", request.command.name),
        }
    }

    /// Asks the camera, and keeps `promise` with what `fill` makes of the answer.
    pub fn ask(&self, request: client::Request, fill: Fill, promise: gst::Promise) {
        match self.camera_settings.caller() {
            Some(session) => {
                element::ask(self.obj().upcast_ref(), &self.announcer, &session, request, fill, promise);
            }
            None => promise.reply(None),
        }
    }

    fn is_running(&self) -> bool {
        lock(&self.state).run.is_some()
    }

    fn parts(&self) -> Option<(Arc<Mutex<MediaReceiver>>, Arc<Outputs>)> {
        lock(&self.state).run.as_ref().map(|run| (run.receiver.clone(), run.outputs.clone()))
    }

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let mut settings = lock(&self.settings).clone();
        let element::Filled { peer, stored } =
            element::fill(&mut settings.identity).map_err(|e| element::identity_error(&e))?;
        let obj = self.obj();
        let streams = Arc::new(Streams::new(peer.public_id(), settings.identity.name.clone()));
        let uri = settings.identity.uri_without_keys();
        let outputs = Outputs::new(&obj, self.announcer.clone(), streams.clone(), uri, settings.latency);
        let receiver =
            Arc::new(Mutex::new(MediaReceiver::new(&obj, self.announcer.clone(), outputs.clone(), &settings)));
        self.camera_settings.start(settings.wishes.clone(), settings.video_wish(), streams);
        *lock(&self.navigator) = Navigator::default();
        let (observer, camera_settings, weak) = (receiver.clone(), self.camera_settings.clone(), obj.downgrade());
        let joining = Joining {
            identity: &settings.identity,
            stored,
            peer,
            config: settings.config(),
            wants: settings.wants(),
            video_wish: Some(settings.video_wish()),
            announcer: self.announcer.clone(),
            connection: self.connection.clone(),
            flows: |event| matches!(event, Event::Frame(_)),
        };
        let session = joining.join(obj.upcast_ref(), *CAT, move |event| {
            if let Some(element) = weak.upgrade() {
                camera_settings.follow(&element, &event);
            }
            lock(&observer).handle(event)
        })?;
        session.deliver_by(outputs.clone());
        self.camera_settings.join(&obj, session.caller());
        lock(&self.state).run = Some(Run { session: Some(session), receiver, outputs });
        Ok(())
    }

    fn set_playing(&self, playing: bool) {
        if let Some((receiver, _)) = self.parts() {
            lock(&receiver).set_playing(playing);
        }
    }

    fn send_eos(&self) -> bool {
        let mut state = lock(&self.state);
        let Some(run) = &mut state.run else { return false };
        let (session, outputs) = (run.session.take(), run.outputs.clone());
        self.camera_settings.leave();
        let stats = session.as_ref().map(|session| statistics::stats(&session.stats(), &run.receiver(), &outputs));
        state.last_stats = stats.or(state.last_stats.take());
        drop(state);
        // Waits for the thread, so that nothing comes after EOS.
        drop(session);
        if !outputs.push_eos() && !lock(&self.settings).media.is_empty() {
            gst::element_imp_error!(
                self,
                gst::ResourceError::Read,
                ("The stream was ended before the camera sent anything")
            );
        }
        true
    }

    /// Ends the session and wakes the pads' tasks, so that the pads can be deactivated.
    fn end_session(&self) {
        let Some((receiver, outputs)) = self.parts() else { return };
        let (stats, camera) = (self.stats(), self.camera_info());
        self.camera_settings.leave();
        let session = lock(&self.state).run.as_mut().and_then(|run| run.session.take());
        drop(session);
        outputs.shut_down();
        self.announcer.end_run();
        lock(&receiver).set_playing(false);
        let mut state = lock(&self.state);
        (state.last_stats, state.last_camera) = (stats, camera);
        drop(state);
        self.connection.end(&*self.obj());
    }

    fn clear(&self) {
        let run = lock(&self.state).run.take();
        if let Some(run) = run {
            run.outputs.remove_pads(&self.obj());
        }
    }

    fn stats(&self) -> Option<gst::Structure> {
        let state = lock(&self.state);
        match &state.run {
            Some(run @ Run { session: Some(session), .. }) => {
                Some(statistics::stats(&session.stats(), &run.receiver(), &run.outputs))
            }
            _ => state.last_stats.clone(),
        }
    }

    fn camera_info(&self) -> Option<gst::Structure> {
        let state = lock(&self.state);
        match &state.run {
            Some(run) => Some(statistics::camera_info(&run.receiver())),
            None => state.last_camera.clone(),
        }
    }
}
