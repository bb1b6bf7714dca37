//! `watch`: shows a camera in a window, with its sound, and steers it by keys.

mod keys;
mod terminal;
mod window;

use super::Failure;
use super::completion;
use super::interrupt;
use super::output::tell;
use super::player;
use super::plugins;
use super::record::template::Template;
use super::snapshot;
use super::voice::{self, Voice};
use clap::{Args, ValueHint};
use gstwyze::account::Store;
use keys::{Input, Key};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};
use window::Window;

const TICK: Duration = Duration::from_millis(50);
/// A key that is held down is released and pressed again all the time, as X11 tells it.
const RELEASING: Duration = Duration::from_millis(150);
const PICTURES: &str = "{camera} %Y-%m-%d %H-%M-%S";

/// Show a camera in a window, with its sound.
///
/// Keys work in the window and in the terminal: arrows turn a camera that pans, n switches night vision (on, off, auto),
/// s writes the picture to a file, t talks while it is held down (in a terminal: until it is pressed again), q ends.
#[derive(Args, Debug)]
pub struct WatchArguments {
    /// The camera's name, MAC or UID, or a wyze:// URL
    #[arg(add = completion::camera_names())]
    name: String,
    /// Show the picture only
    #[arg(long)]
    no_audio: bool,
    /// The folder for pictures that the key s takes
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pictures: PathBuf,
    /// The GStreamer element that shows the picture, as "glimagesink"
    #[arg(long, value_name = "ELEMENT", default_value = "autovideosink")]
    video_sink: String,
    /// The GStreamer element that plays the sound, as "pulsesink device=…"
    #[arg(long, value_name = "ELEMENT", default_value = "autoaudiosink")]
    audio_sink: String,
    /// The GStreamer element to talk with, as "pulsesrc device=…"
    #[arg(long, value_name = "ELEMENT", default_value = "autoaudiosrc")]
    audio_source: String,
}

pub fn watch(store: &Store, arguments: &WatchArguments) -> Result<(), Failure> {
    let (camera, uri) = player::camera(store, &arguments.name)?;
    interrupt::expect();
    plugins::init()?;
    let (sender, inputs) = mpsc::channel();
    let window = open(&uri, arguments, &sender)?;
    // It gives the terminal back when it is dropped.
    let _keyboard = terminal::Keyboard::open(sender.clone());
    tell("Keys: arrows turn, n night vision, s picture to a file, t talk, q end");
    let mut watcher = Watcher { arguments, camera, uri, window, voice: None, talks: false, falls_silent: None };
    while !interrupt::came() {
        match watcher.window.is_over() {
            Ok(false) => {}
            Ok(true) => break,
            // The camera may have another codec, or the sound has lost its device.
            Err(failure) if watcher.window.has_shown() => {
                tell(format_args!("wyze-cameras: {failure}"));
                watcher.window = open(&watcher.uri, arguments, &sender)?;
                watcher.window.mute(watcher.talks);
            }
            Err(failure) => return Err(failure),
        }
        match inputs.recv_timeout(TICK) {
            Ok(Input::Key(Key::Quit)) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(input) => watcher.handle(input)?,
            Err(RecvTimeoutError::Timeout) => {}
        }
        watcher.attend_to_voice();
    }
    Ok(())
}

fn open(uri: &str, arguments: &WatchArguments, inputs: &Sender<Input>) -> Result<Window, Failure> {
    let audio_sink = (!arguments.no_audio).then_some(arguments.audio_sink.as_str());
    Window::open(uri, &arguments.video_sink, audio_sink, inputs.clone())
}

struct Watcher<'a> {
    arguments: &'a WatchArguments,
    camera: String,
    uri: String,
    window: Window,
    /// The user talks, or has just stopped.
    voice: Option<Voice>,
    /// Whether the user talks. Meanwhile the camera is not heard, so that it does not hear itself.
    talks: bool,
    /// When the user has stopped talking, unless the key is pressed again before.
    falls_silent: Option<Instant>,
}

impl Watcher<'_> {
    fn handle(&mut self, input: Input) -> Result<(), Failure> {
        match input {
            Input::Key(Key::Turn(direction)) => self.window.turn(direction),
            Input::Key(Key::NightVision) => tell(format_args!("night vision: {}", self.window.switch_night_vision())),
            Input::Key(Key::Picture) => self.window.take_picture(),
            Input::Key(Key::Talk) if self.talks => self.falls_silent = Some(Instant::now()),
            Input::Key(Key::Talk) | Input::TalkBegins => self.talk(),
            Input::TalkEnds => self.falls_silent = Some(Instant::now() + RELEASING),
            Input::Key(Key::Quit) => {}
            Input::Picture(picture) => {
                let template: Template = PICTURES.parse().map_err(Failure::Other)?;
                let name = template.path(&self.camera, SystemTime::now(), "jpg").map_err(Failure::Other)?;
                if let Err(failure) = snapshot::save(&picture, "image/jpeg", &self.arguments.pictures.join(name)) {
                    tell(format_args!("wyze-cameras: {failure}"));
                }
            }
        }
        Ok(())
    }

    /// Begins to talk, or goes on.
    fn talk(&mut self) {
        self.falls_silent = None;
        if self.talks {
            return;
        }
        // Who talks again does not wait for the end of what was said.
        self.voice = None;
        let microphone = voice::microphone(&self.arguments.audio_source);
        match microphone.and_then(|sound| Voice::start(&self.uri, &sound)) {
            Ok(voice) => {
                (self.voice, self.talks) = (Some(voice), true);
                self.window.mute(true);
                tell("talking");
            }
            Err(failure) => tell(format_args!("wyze-cameras: {failure}")),
        }
    }

    /// Ends the talk when it is over.
    fn attend_to_voice(&mut self) {
        if self.falls_silent.is_some_and(|at| Instant::now() >= at) {
            self.falls_silent = None;
            self.voice.as_ref().inspect(|voice| voice.finish());
            self.silent();
        }
        match self.voice.as_ref().map(Voice::is_over) {
            None | Some(Ok(false)) => return,
            Some(Ok(true)) => {}
            Some(Err(failure)) => tell(format_args!("wyze-cameras: {failure}")),
        }
        self.voice = None;
        self.silent();
    }

    fn silent(&mut self) {
        if std::mem::take(&mut self.talks) {
            self.window.mute(false);
            tell("talk ended");
        }
    }
}
