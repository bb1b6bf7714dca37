//! `control`: reads and sets what a camera has besides picture and sound, and turns it.

mod list;
mod power;
pub mod words;

use super::Failure;
use super::chosen::{PlaceArguments, choose};
use super::completion;
use super::line::Line;
use super::output::print;
use clap::Args;
use gstwyze::account::Store;
use gstwyze::printable::is_printable;
use gstwyze::protocol::commands::pan_tilt::{self, Position, Waypoint, Waypoints};
use gstwyze::protocol::commands::{OutOfRange, refusal};
use gstwyze::unix_time::unix_time;
use words::{Task, no_choice, no_read};

/// Read and set what a camera has besides picture and sound, and turn it.
///
/// Without a control, lists what this camera has, with its values. All but power go by commands that other clients use;
/// none was tried on a camera by this project. A camera that does not know a command keeps silent: exit code 4.
#[derive(Args, Debug)]
#[command(after_help = CONTROLS_HELP)]
pub struct ControlArguments {
    /// The camera's name, MAC or UID, or a wyze:// URL
    #[arg(add = completion::camera_names())]
    name: String,
    /// A control and its value, or what to do, see below
    #[arg(value_name = "WORD", allow_negative_numbers = true, add = completion::control_words())]
    pub words: Vec<String>,
    #[command(flatten)]
    place: PlaceArguments,
    /// Bytes of `send` and its answer are hexadecimal digits; otherwise they are text
    #[arg(long)]
    hex: bool,
    /// Print the list as one JSON object, for programs
    #[arg(long)]
    json: bool,
}

const CONTROLS_HELP: &str = "\
Controls, each with a value to set it, or alone to read it:
  night-vision on|off|auto    night-vision-light far|near   status-light on|off
  flip identity|horiz|vert|180
  overlay-time on|off         overlay-logo on|off           motion-detection on|off
  motion-tagging on|off       motion-tracking on|off        cruise on|off
  spotlight on|off            floodlight on|off             siren on|off
To turn a camera that pans:
  rotate left|right|up|down DEGREES   position   go-to HORIZONTAL VERTICAL
  waypoints   go-to-waypoint N        reset-position
  move left|right|up|down             (to the end: no command is known that stops it)
To do:
  take-photo   quick-reply 1|2|3   set-time   send CODE [PAYLOAD] [--hex]
Not from here but by Wyze's cloud, which needs the internet and a login (wyze-cameras login):
  power on|off|restart

Exit codes: 2 a control or value that does not exist, 4 the camera does not know it.";

pub fn control(store: &Store, arguments: &ControlArguments) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    if let ["power", action @ ..] = &words[..] {
        let action = power::action(action)?;
        return power::power(store, &choose(store, Some(&arguments.name), &arguments.place)?, action);
    }
    // What is wrong with the words is found before the camera is asked.
    let task = Task::of(&words, arguments.hex)?;
    let camera = choose(store, Some(&arguments.name), &arguments.place)?;
    let line = Line::open(&camera, arguments.place.of(&camera), arguments.place.timeout())?;
    match task {
        Task::List => list::list(&line, arguments.json),
        Task::Read(control) => {
            let request = control.read().ok_or_else(|| no_read(control))?;
            let code = request.command.code;
            let answer = line.call(request.into())?;
            print(control.parse(code, &answer).map_or_else(|| hex(&answer), str::to_owned))
        }
        Task::Set(control, choice) => {
            let request = control.write(&line.info.model, choice).ok_or_else(|| no_choice(control, choice))?;
            agreed(&line.call(request.into())?)
        }
        Task::Act(request) => agreed(&line.call(request.into())?),
        Task::Position => {
            let answer = line.call(pan_tilt::read_position(unix_time().as_secs() as u32).into())?;
            let Position { horizontal, vertical } = Position::parse(&answer).map_err(unreadable)?;
            print(format_args!("{horizontal} {vertical}"))
        }
        Task::Waypoints => {
            for (number, point) in waypoints(&line)?.iter().enumerate() {
                let Waypoint { position: Position { horizontal, vertical }, wait } = point;
                print(format_args!("{}: {horizontal} {vertical}, for {wait} s", number + 1))?;
            }
            Ok(())
        }
        Task::GoToWaypoint(number) => {
            let points = waypoints(&line)?;
            let point = number.checked_sub(1).and_then(|place| points.get(place));
            let point = point.ok_or_else(|| Failure::Usage(format!("the camera has {} waypoints", points.len())))?;
            agreed(&line.call(pan_tilt::go_to(unix_time(), point.position).map_err(out_of_range)?.into())?)
        }
        Task::Send(request) => {
            let answer = line.call(request.into())?;
            if arguments.hex { print(hex(&answer)) } else { print(text(&answer)) }
        }
    }
}

fn waypoints(line: &Line) -> Result<Vec<Waypoint>, Failure> {
    let answer = line.call(pan_tilt::read_waypoints().into())?;
    Ok(Waypoints::parse(&answer).map_err(unreadable)?.0)
}

/// Fails where the camera says that it will not.
fn agreed(answer: &[u8]) -> Result<(), Failure> {
    match refusal(answer) {
        Some(number) => Err(Failure::Other(format!("the camera refused it (it said {number})"))),
        None => Ok(()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns an answer as text, or as hexadecimal digits where it is none.
fn text(answer: &[u8]) -> String {
    let text = std::str::from_utf8(answer).ok().map(|text| text.trim_end_matches('\0'));
    text.filter(|text| text.chars().all(is_printable)).map_or_else(|| hex(answer), str::to_owned)
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::Other(format!("the camera's answer cannot be read ({error})"))
}

fn out_of_range(error: OutOfRange) -> Failure {
    Failure::Usage(error.to_string())
}
