//! `talk`: plays a file, the microphone or spoken text through a camera's speaker.

use super::Failure;
use super::completion;
use super::interrupt;
use super::player;
use super::plugins;
use super::values;
use super::voice::{self, Sound, Voice};
use clap::{Args, ValueHint};
use gst::prelude::*;
use gstwyze::account::Store;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(50);
/// How long the end of the sound may take to be played.
const FINISHING: Duration = Duration::from_secs(5);
const SPEAKER: &str = "espeak-ng";

/// Talk through a camera's speaker.
///
/// Plays a file, in any format that GStreamer knows. Without one, it plays what the microphone hears, until Ctrl-C.
#[derive(Args, Debug)]
pub struct TalkArguments {
    /// The camera's name, MAC or UID, or a wyze:// URL
    #[arg(add = completion::camera_names())]
    name: String,
    /// The file to play; - is standard input
    #[arg(value_hint = ValueHint::FilePath, conflicts_with = "text")]
    file: Option<PathBuf>,
    /// Speak the text of standard input, by espeak-ng
    #[arg(long)]
    text: bool,
    /// The voice that speaks, as de or en-us+f3; espeak-ng --voices lists them
    #[arg(long, requires = "text")]
    voice: Option<String>,
    /// The GStreamer element to record with, as in "pulsesrc device=…"
    #[arg(long, value_name = "ELEMENT", default_value = "autoaudiosrc", conflicts_with_all = ["file", "text"])]
    audio_source: String,
    /// End after this time
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    duration: Option<Duration>,
}

pub fn talk(store: &Store, arguments: &TalkArguments) -> Result<(), Failure> {
    let (_, uri) = player::camera(store, &arguments.name)?;
    interrupt::expect();
    plugins::init()?;
    let input = Input::open(arguments)?;
    let played = play(&uri, &input.sound(arguments)?, arguments.duration);
    // Where the text cannot be spoken, that is the reason.
    input.close().and(played)
}

/// Plays a sound to its end, or as long as it may be.
fn play(uri: &str, sound: &Sound, duration: Option<Duration>) -> Result<(), Failure> {
    let voice = Voice::start(uri, sound)?;
    let end = duration.map(|duration| Instant::now() + duration);
    if !wait(&voice, || interrupt::came() || end.is_some_and(|end| Instant::now() >= end))? {
        voice.finish();
        let deadline = Instant::now() + FINISHING;
        wait(&voice, || Instant::now() >= deadline)?;
    }
    Ok(())
}

/// Returns whether all was played before it was to end.
fn wait(voice: &Voice, is_to_end: impl Fn() -> bool) -> Result<bool, Failure> {
    while !voice.is_over()? {
        if is_to_end() {
            return Ok(false);
        }
        std::thread::sleep(TICK);
    }
    Ok(true)
}

/// What is played.
enum Input {
    Microphone,
    Standard,
    File(PathBuf),
    /// The program that speaks, and what comes of it.
    Speech(Child, ChildStdout),
}

impl Input {
    fn open(arguments: &TalkArguments) -> Result<Self, Failure> {
        match &arguments.file {
            _ if arguments.text => Self::speech(arguments.voice.as_deref()),
            None => Ok(Input::Microphone),
            Some(file) if file.as_os_str() == "-" => Ok(Input::Standard),
            Some(file) => match File::open(file) {
                Ok(_) => Ok(Input::File(file.clone())),
                Err(error) => Err(Failure::Other(format!("{} cannot be read: {error}", file.display()))),
            },
        }
    }

    /// Lets a program read the text and speak it. The text is in nobody's list of processes.
    fn speech(voice: Option<&str>) -> Result<Self, Failure> {
        let mut command = Command::new(SPEAKER);
        command.args(["--stdin", "--stdout"]).stdout(Stdio::piped());
        if let Some(voice) = voice {
            command.args(["-v", voice]);
        }
        let mut child = command.spawn().map_err(|e| match e.kind() {
            ErrorKind::NotFound => Failure::Other(format!("{SPEAKER} is missing: install the package {SPEAKER}")),
            _ => Failure::Other(format!("{SPEAKER} cannot be started: {e}")),
        })?;
        let speech = child.stdout.take().ok_or_else(|| Failure::Other(format!("{SPEAKER} has no output")))?;
        Ok(Input::Speech(child, speech))
    }

    fn sound(&self, arguments: &TalkArguments) -> Result<Sound, Failure> {
        let source = match self {
            Input::Microphone => return voice::microphone(&arguments.audio_source),
            Input::File(file) => {
                let source = player::make("filesrc")?;
                source.set_property("location", file);
                source
            }
            Input::Standard => descriptor(&std::io::stdin())?,
            Input::Speech(_, speech) => descriptor(speech)?,
        };
        Ok(Sound::Encoded(source))
    }

    /// Ends what is still read. Fails where the program that speaks has failed: it has said why.
    fn close(self) -> Result<(), Failure> {
        let Input::Speech(mut child, speech) = self else { return Ok(()) };
        drop(speech);
        match child.wait() {
            // Others died of the closed pipe.
            Ok(status) if status.code().is_some_and(|code| code != 0) => Err(Failure::Told),
            _ => Ok(()),
        }
    }
}

/// Makes an element that reads from an open file.
fn descriptor(file: &impl AsRawFd) -> Result<gst::Element, Failure> {
    let source = player::make("fdsrc")?;
    source.set_property("fd", file.as_raw_fd());
    Ok(source)
}
