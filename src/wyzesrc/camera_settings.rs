//! What the camera is set to beside picture and sound: sets what the user wants at each connection, and reads what the
//! camera has.
//!
//! Answers come on the session thread. What runs the application's code goes by the element's announcer.

use super::WyzeSrc;
use super::control_properties::Wishes;
use super::picture_check::PictureCheck;
use super::streams::Streams;
use crate::protocol::client::{CameraInfo, TransportKind};
use crate::protocol::commands::controls::{CONTROLS, Control};
use crate::protocol::commands::media::{self, Flip, VideoAnswer, VideoState};
use crate::protocol::commands::settings::{self, Parameters, id};
use crate::protocol::commands::{Command, Request, Value, refusal};
use crate::protocol::medium::Medium;
use crate::protocol::model::{self, VideoWish};
use crate::session::{Caller, Event, Reply, lock};
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The name of the picture among what the application is warned of.
const PICTURE: &str = "picture";
const WEBRTC: &str = "webrtc";

/// The settings of one element's camera. Clones share them.
#[derive(Clone, Default)]
pub struct CameraSettings(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// `None` where there is no session.
    caller: Option<Caller>,
    /// `None` where there is no connection.
    camera: Option<CameraInfo>,
    wishes: Wishes,
    /// They have the camera's bit rate as a tag.
    streams: Option<Arc<Streams>>,
    /// The camera's own values of controls, as far as it has told them.
    told: BTreeMap<&'static str, &'static str>,
    /// How many times the camera has been told to set a control and has not answered. What it tells of that control
    /// meanwhile is what it had before.
    under_way: BTreeMap<&'static str, u32>,
    parameters: Parameters,
    video: Option<VideoState>,
    /// Percent.
    battery: Option<i64>,
    /// Whether the camera is reached over WebRTC, where it takes no commands.
    is_deaf: bool,
    /// What the application has been warned of in this connection.
    warned: BTreeSet<&'static str>,
    /// The picture that the user wants.
    picture: VideoWish,
    /// Set until it is known whether the camera gives that picture.
    check: Option<PictureCheck>,
}

impl State {
    /// Returns the bit rate that the camera's encoder is set to, in kbit/s.
    fn bitrate(&self) -> Option<i64> {
        let kilobytes = self.video.map(|video| video.parameters.bitrate.into());
        kilobytes.or(self.parameters.get(id::BITRATE)).map(|kilobytes| kilobytes.saturating_mul(8))
    }

    fn value(&self, control: &Control) -> Option<&'static str> {
        self.told.get(control.name).or_else(|| self.wishes.get(control.name)).copied()
    }
}

impl CameraSettings {
    /// Forgets the last run, and takes what the user wants in the next one.
    pub fn start(&self, wishes: Wishes, picture: VideoWish, streams: Arc<Streams>) {
        *lock(&self.0) = State { wishes, picture, streams: Some(streams), ..State::default() };
    }

    /// Uses this session from now on.
    pub fn join(&self, element: &WyzeSrc, caller: Caller) {
        let mut state = lock(&self.0);
        state.caller = Some(caller);
        let is_connected = state.camera.is_some();
        drop(state);
        if is_connected {
            self.begin(element);
        }
    }

    /// Uses no session any more. What the camera has told can still be read.
    pub fn leave(&self) {
        let mut state = lock(&self.0);
        (state.caller, state.camera, state.check, state.is_deaf) = (None, None, None, false);
    }

    /// Returns the way to the camera; `None` where there is no session.
    pub fn caller(&self) -> Option<Caller> {
        lock(&self.0).caller.clone()
    }

    /// Whether the connected camera is a model that pans.
    pub fn pans(&self) -> bool {
        lock(&self.0).camera.as_ref().is_some_and(|camera| model::pans(&camera.model))
    }

    /// Follows the session.
    pub fn follow(&self, element: &WyzeSrc, event: &Event) {
        match event {
            Event::Connected(camera) if camera.transport == TransportKind::WebRtc => {
                lock(&self.0).is_deaf = true;
                self.warn_of_deafness(element);
            }
            Event::Connected(camera) => {
                let mut state = lock(&self.0);
                state.camera = Some(camera.clone());
                state.check = PictureCheck::new(state.picture, Instant::now());
                let has_caller = state.caller.is_some();
                drop(state);
                if has_caller {
                    self.begin(element);
                }
            }
            Event::Reconnecting { .. } => {
                let mut state = lock(&self.0);
                (state.camera, state.is_deaf) = (None, false);
                state.warned.clear();
            }
            Event::Refused(command, number) => {
                let name = Command::with_code(*command).name;
                self.warn(
                    element,
                    name,
                    format!("The camera answered {name} (K{command}) by {number}, as if it refused"),
                );
            }
            Event::Frame(frame) if frame.medium == Medium::Video => {
                let mut state = lock(&self.0);
                let is_due =
                    state.camera.is_some() && state.check.as_ref().is_some_and(|check| check.is_due(Instant::now()));
                if let Some(check) = state.check.take_if(|_| is_due) {
                    drop(state);
                    self.read_video(element, Some(check));
                }
            }
            _ => {}
        }
    }

    /// Notes the picture that the camera is asked for, to look later what came of it.
    pub fn asks_for_picture(&self, element: &WyzeSrc, wish: VideoWish) {
        let mut state = lock(&self.0);
        state.picture = wish;
        state.check = PictureCheck::new(wish, Instant::now());
        state.warned.remove(PICTURE);
        drop(state);
        self.warn_of_deafness(element);
    }

    // Values

    /// Returns the camera's value, or the wished one until it is known.
    pub fn value(&self, control: &Control) -> Option<&'static str> {
        lock(&self.0).value(control)
    }

    /// Takes what the user now wants of a control, and sets the camera to it.
    pub fn set(&self, element: &WyzeSrc, control: &'static Control, wishes: Wishes) {
        let mut state = lock(&self.0);
        state.wishes = wishes;
        let Some(&wish) = state.wishes.get(control.name) else { return };
        state.told.remove(control.name);
        state.warned.remove(control.name);
        drop(state);
        self.warn_of_deafness(element);
        self.write(element, control, wish, true);
    }

    /// Asks the camera for all values that it is known to have, and for those that the user has set.
    pub fn refresh(&self, element: &WyzeSrc) {
        self.read_all(element);
        let own: Vec<_> = {
            let state = lock(&self.0);
            let Some(camera) = &state.camera else { return };
            let is_to_be_asked = |control: &&Control| {
                state.wishes.contains_key(control.name) || control.is_known_to(&camera.model, camera.protocol)
            };
            CONTROLS.iter().filter(|control| control.parameters.is_empty()).filter(is_to_be_asked).collect()
        };
        for control in own {
            self.read(element, control);
        }
    }

    /// Sets the camera to what the user wants, and asks for its values.
    fn begin(&self, element: &WyzeSrc) {
        let wishes = lock(&self.0).wishes.clone();
        for control in &CONTROLS {
            if let Some(wish) = wishes.get(control.name) {
                // The others are told by K10020.
                self.write(element, control, wish, control.parameters.is_empty());
            }
        }
        self.read_all(element);
    }

    fn read_all(&self, element: &WyzeSrc) {
        self.send(element, settings::read_parameters(&settings::USUAL).ok(), |this, element, reply| {
            if let Reply::Answer(payload) = reply {
                this.take_parameters(element, &payload);
            }
        });
        self.read_video(element, None);
    }

    fn write(&self, element: &WyzeSrc, control: &'static Control, choice: &'static str, reads_back: bool) {
        let model = lock(&self.0).camera.as_ref().map(|camera| camera.model.clone());
        let name = control.name;
        let request = model.and_then(|model| control.write(&model, choice));
        *lock(&self.0).under_way.entry(name).or_default() += 1;
        let is_sent = self.send(element, request, move |this, element, reply| {
            this.written(name);
            match reply {
                Reply::Answer(payload) => match refusal(&payload) {
                    Some(number) => {
                        this.warn(element, name, format!("The camera refused {name}={choice} (it said {number})"))
                    }
                    None if reads_back => this.read(element, control),
                    None => {}
                },
                Reply::Silence => {
                    this.warn(
                        element,
                        name,
                        format!("The camera did not answer {name}={choice}: it does not know it, or is busy"),
                    );
                }
                Reply::Lost => {}
            }
        });
        if !is_sent {
            self.written(name);
        }
    }

    /// Notes that the camera has answered what set a control, or never will.
    fn written(&self, name: &str) {
        if let Some(count) = lock(&self.0).under_way.get_mut(name) {
            *count = count.saturating_sub(1);
        }
    }

    fn read(&self, element: &WyzeSrc, control: &'static Control) {
        let request = control.read_back();
        let code = request.as_ref().map_or(0, |request| request.command.code);
        self.send(element, request, move |this, element, reply| {
            let Reply::Answer(payload) = reply else { return };
            if code == settings::PARAMETERS.code {
                this.take_parameters(element, &payload);
            } else if let Some(value) = control.parse(code, &payload) {
                this.take(element, &[(control, value)]);
            }
        });
    }

    /// Asks for the video stream's parameters, and compares them with a picture that was asked for.
    fn read_video(&self, element: &WyzeSrc, check: Option<PictureCheck>) {
        self.send(element, Some(media::read_video()), move |this, element, reply| {
            let answer = match &reply {
                Reply::Answer(payload) => VideoAnswer::parse(payload).ok(),
                Reply::Silence => None,
                Reply::Lost => return,
            };
            this.take_video(element, answer);
            let camera = lock(&this.0).camera.clone();
            let Some((check, camera)) = check.zip(camera) else { return };
            let video = match answer {
                Some(VideoAnswer::Video(video)) => Some(video.parameters),
                _ => None,
            };
            if let Some(text) = check.complaint(&camera, video, element) {
                this.warn(element, PICTURE, text);
            }
        });
    }

    /// Sends a request, if there is one and a connection, and calls back with what came of it. Returns whether it does.
    fn send(
        &self,
        element: &WyzeSrc,
        request: Option<Request>,
        then: impl FnOnce(&CameraSettings, &WyzeSrc, Reply) + Send + 'static,
    ) -> bool {
        let caller = {
            let state = lock(&self.0);
            state.caller.clone().filter(|_| state.camera.is_some())
        };
        let Some((caller, request)) = caller.zip(request) else { return false };
        let (this, weak) = (self.clone(), element.downgrade());
        caller.command(request.into(), move |reply| {
            if let Some(element) = weak.upgrade() {
                then(&this, &element, reply);
            }
        });
        true
    }

    // What the camera tells

    fn take_parameters(&self, element: &WyzeSrc, payload: &[u8]) {
        let Ok(told) = Parameters::parse(payload) else { return };
        let values: Vec<_> = CONTROLS.iter().filter_map(|control| Some((control, control.told(&told)?))).collect();
        lock(&self.0).parameters.0.extend(told.0);
        self.take(element, &values);
    }

    fn take_video(&self, element: &WyzeSrc, answer: Option<VideoAnswer>) {
        let mut flips = Parameters::default();
        let mut state = lock(&self.0);
        match answer {
            Some(VideoAnswer::Video(video)) => {
                state.video = Some(video);
                for (id, flip) in
                    [(id::HORIZONTAL_FLIP, video.horizontal_flip), (id::VERTICAL_FLIP, video.vertical_flip)]
                {
                    flips.0.extend(flip.value().map(|flip| (id, Flip::number(flip).into())));
                }
            }
            Some(VideoAnswer::Battery(level)) => state.battery = Some(level),
            None => return,
        }
        drop(state);
        let flips: Vec<_> = CONTROLS.iter().filter_map(|control| Some((control, control.told(&flips)?))).collect();
        self.take(element, &flips);
    }

    /// Notes values that the camera has told, and tells the application what is new.
    fn take(&self, element: &WyzeSrc, values: &[(&'static Control, &'static str)]) {
        let (mut changed, mut ignored) = (Vec::new(), Vec::new());
        let mut state = lock(&self.0);
        for &(control, value) in values {
            if state.under_way.get(control.name).is_some_and(|count| *count > 0) {
                continue;
            }
            let before = state.value(control);
            state.told.insert(control.name, value);
            changed.extend(Some(control.name).filter(|_| before != Some(value)));
            let wish = state.wishes.get(control.name).filter(|wish| **wish != value);
            ignored.extend(wish.map(|wish| (control.name, *wish, value)));
        }
        let bitrate = state.bitrate().and_then(|kbit| u32::try_from(kbit).ok()?.checked_mul(1000));
        if let Some((streams, bitrate)) = state.streams.as_ref().zip(bitrate.filter(|bitrate| *bitrate > 0)) {
            streams.set_bitrate(bitrate);
        }
        drop(state);
        element.imp().announcer().announce(element.upcast_ref(), move |element| {
            for name in changed {
                element.notify(name);
            }
            element.notify("camera-settings");
        });
        for (name, wish, value) in ignored {
            let text = format!("The camera was set to {name}={wish}, and still has {value}");
            self.warn(element, name, text);
        }
    }

    /// Warns the application, once in a connection for each `what`.
    /// Warns where the camera takes no commands, and the user wants something that needs one.
    fn warn_of_deafness(&self, element: &WyzeSrc) {
        let in_vain = {
            let state = lock(&self.0);
            state.is_deaf && (state.picture != VideoWish::default() || !state.wishes.is_empty())
        };
        if in_vain {
            let text = "Over WebRTC, cameras take no commands: resolution, bitrate, framerate and the camera's settings \
                        do nothing";
            self.warn(element, WEBRTC, text.into());
        }
    }

    fn warn(&self, element: &WyzeSrc, what: &'static str, text: String) {
        if !lock(&self.0).warned.insert(what) {
            return;
        }
        element.imp().announcer().announce(element.upcast_ref(), move |element| {
            gst::element_warning!(element, gst::ResourceError::Settings, ("{text}"));
        });
    }

    /// Makes `application/x-wyze-camera-settings`: what the camera has told of itself, under the names of properties and
    /// parameters. Strings are the nicks of properties, numbers are integers. `None` before it has told anything.
    pub fn structure(&self) -> Option<gst::Structure> {
        let state = lock(&self.0);
        let mut structure = gst::Structure::new_empty("application/x-wyze-camera-settings");
        for control in &CONTROLS {
            if let Some(value) = state.told.get(control.name) {
                structure.set(control.name, *value);
            }
        }
        let told = |id| state.parameters.get(id);
        let video = state.video.map(|video| video.parameters);
        let framerate = video.map(|video| video.fps.into()).or(told(id::FPS));
        let resolution = video.and_then(|video| model::size_name(video.frame_size));
        if let Some(resolution) = resolution {
            structure.set("resolution", resolution);
        }
        let limits = state.parameters.pan_limits();
        let limits = limits.map(|limits| (limits.horizontal.into_inner(), limits.vertical.into_inner()));
        let numbers = [
            ("bitrate", state.bitrate()),
            ("framerate", framerate),
            ("battery", state.battery),
            ("horizontal-min", limits.map(|((min, _), _)| min)),
            ("horizontal-max", limits.map(|((_, max), _)| max)),
            ("vertical-min", limits.map(|(_, (min, _))| min)),
            ("vertical-max", limits.map(|(_, (_, max))| max)),
        ];
        for (name, number) in numbers {
            set_number(&mut structure, name, number);
        }
        let is_shown = |id: &u8| {
            matches!(*id, id::BITRATE | id::FPS | id::MAX_X..=id::MIN_Y)
                || CONTROLS.iter().any(|control| control.parameters.contains(id))
        };
        for (id, number) in state.parameters.0.iter().filter(|(id, _)| !is_shown(id)) {
            match settings::name(*id) {
                // The name is that of the property, which is another value.
                Some(_) if *id == id::RESOLUTION => set_number(&mut structure, "resolution-number", Some(*number)),
                Some(name) => set_number(&mut structure, name, Some(*number)),
                None => set_number(&mut structure, &format!("parameter-{id}"), Some(*number)),
            }
        }
        (structure.n_fields() > 0).then_some(structure)
    }
}

/// Sets a field of GStreamer's usual type of whole numbers, unless the number is too large for it.
fn set_number(structure: &mut gst::Structure, name: &str, number: Option<i64>) {
    if let Some(number) = number.and_then(|number| i32::try_from(number).ok()) {
        structure.set(name, number);
    }
}
