//! The pipeline that shows a camera: a chain for each pad, added when the pad comes.

use super::super::Failure;
use super::super::output::tell;
use super::super::player::{self, Player};
use super::keys::{self, Input};
use gst::glib;
use gst::prelude::*;
use gst_video::NavigationEvent;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

/// A camera's picture and sound. Dropping it closes the window.
pub struct Window {
    player: Player,
    source: gst::Element,
    /// What all decoded pictures pass.
    pictures: gst::Pad,
    volume: gst::Element,
    video_sink: gst::Element,
    inputs: Sender<Input>,
    /// A picture has been decoded.
    has_shown: Arc<AtomicBool>,
}

impl Window {
    /// Opens it for the camera of this URI. Sinks are described as in launch lines; without one for sound, the camera is
    /// not asked for sound. Keys are sent to `inputs`.
    pub fn open(uri: &str, video_sink: &str, audio_sink: Option<&str>, inputs: Sender<Input>) -> Result<Self, Failure> {
        let player = Player::new();
        let source = player::make("wyzesrc")?;
        source.set_property("uri", uri);
        source.set_property("audio", audio_sink.is_some());
        player.add(std::slice::from_ref(&source))?;
        let (converter, video_sink) = (player::make("videoconvert")?, player::described(video_sink)?);
        let pictures = converter.static_pad("sink").ok_or_else(|| Failure::other("videoconvert has no sink"))?;
        let volume = player::make("volume")?;
        let video = chain(vec![converter, video_sink.clone()])?;
        let audio = match audio_sink {
            Some(sink) => {
                let (converter, resampler) = (player::make("audioconvert")?, player::make("audioresample")?);
                Some(chain(vec![converter, resampler, volume.clone(), player::described(sink)?])?)
            }
            None => None,
        };
        let (pipeline, keys) = (player.pipeline.downgrade(), inputs.clone());
        source.connect_pad_added(move |_, pad| {
            let Some(pipeline) = pipeline.upgrade() else { return };
            let is_video = pad.name() == "video";
            if is_video {
                send_keys(pad, keys.clone());
            }
            let Some(chain) = (if is_video { Some(&video) } else { audio.as_ref() }) else { return };
            if pipeline.add(chain).is_err() {
                return;
            }
            // What fails has told it. A chain that does not start would keep the pipeline from stopping.
            if chain.sync_state_with_parent().is_err() {
                let _ = chain.set_state(gst::State::Null);
                let _ = pipeline.remove(chain);
            } else if let Some(into) = chain.static_pad("sink") {
                let _ = pad.link(&into);
            }
        });
        let has_shown = Arc::<AtomicBool>::default();
        let shown = has_shown.clone();
        pictures.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            shown.store(true, Ordering::Relaxed);
            gst::PadProbeReturn::Remove
        });
        player.play()?;
        Ok(Window { player, source, pictures, volume, video_sink, inputs, has_shown })
    }

    pub fn has_shown(&self) -> bool {
        self.has_shown.load(Ordering::Relaxed)
    }

    /// Whether the user has closed the window. Fails where the pipeline did.
    pub fn is_over(&self) -> Result<bool, Failure> {
        while let Some(message) = self.player.message() {
            match message.view() {
                gst::MessageView::Eos(_) => return Ok(true),
                gst::MessageView::Error(error) => {
                    let is_of_window = message.src().is_some_and(|source| source.has_as_ancestor(&self.video_sink));
                    // It is what sinks say of a window that was closed.
                    if is_of_window && error.error().matches(gst::ResourceError::NotFound) {
                        return Ok(true);
                    }
                    return Err(player::failure(error));
                }
                gst::MessageView::Warning(warning) => tell(format_args!("wyze-cameras: {}", warning.error().message())),
                gst::MessageView::Element(_) => self.tell_of_connection(&message),
                _ => {}
            }
        }
        Ok(false)
    }

    /// Says where the connection is lost or a medium is, and when it is back.
    fn tell_of_connection(&self, message: &gst::Message) {
        let Some(connection) = message.structure().filter(|structure| structure.name() == "wyze-connection") else {
            return;
        };
        if let Ok(text) = connection.get::<&str>("text") {
            tell(text);
        }
    }

    /// Turns the camera, as an arrow key in the window does.
    pub fn turn(&self, arrow: &str) {
        if let Some(pad) = self.source.static_pad("video") {
            pad.send_event(NavigationEvent::new_key_press(arrow).build());
        }
    }

    /// Switches to the next way of night vision, and returns it.
    pub fn switch_night_vision(&self) -> &'static str {
        let now = self.source.property_value("night-vision");
        let next = match glib::EnumValue::from_value(&now).map(|(_, value)| value.nick().to_owned()).as_deref() {
            Some("on") => "off",
            Some("off") => "auto",
            _ => "on",
        };
        self.source.set_property_from_str("night-vision", next);
        next
    }

    /// Sends the next picture to the inputs.
    pub fn take_picture(&self) {
        let inputs = self.inputs.clone();
        self.pictures.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let sample = gst::Sample::builder();
            let (Some(buffer), Some(caps)) = (info.buffer(), pad.current_caps()) else {
                return gst::PadProbeReturn::Ok;
            };
            let _ = inputs.send(Input::Picture(sample.buffer(buffer).caps(&caps).build()));
            gst::PadProbeReturn::Remove
        });
    }

    pub fn mute(&self, is_muted: bool) {
        self.volume.set_property("mute", is_muted);
    }
}

/// Makes a bin that decodes a stream and passes it through elements.
fn chain(elements: Vec<gst::Element>) -> Result<gst::Bin, Failure> {
    let bin = gst::Bin::new();
    let (queue, decoder) = (player::make("queue")?, player::make("decodebin")?);
    bin.add_many([&queue, &decoder]).map_err(Failure::other)?;
    bin.add_many(&elements).map_err(Failure::other)?;
    queue.link(&decoder).map_err(Failure::other)?;
    gst::Element::link_many(&elements).map_err(Failure::other)?;
    player::link_when_added(&decoder, &elements[0]);
    let inner = queue.static_pad("sink").ok_or_else(|| Failure::other("a queue has no sink"))?;
    let pad = gst::GhostPad::builder_with_target(&inner).map_err(Failure::other)?.name("sink").build();
    bin.add_pad(&pad).map_err(Failure::other)?;
    Ok(bin)
}

/// Sends the keys that are pressed in the window, which come up to the source.
fn send_keys(pad: &gst::Pad, inputs: Sender<Input>) {
    pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
        let event = info.event().filter(|event| event.type_() == gst::EventType::Navigation);
        let input = match event.and_then(|event| NavigationEvent::parse(event).ok()) {
            Some(NavigationEvent::KeyPress { key, .. }) => keys::in_window(&key, true),
            Some(NavigationEvent::KeyRelease { key, .. }) => keys::in_window(&key, false),
            _ => None,
        };
        if let Some(input) = input {
            let _ = inputs.send(input);
        }
        gst::PadProbeReturn::Ok
    });
}
