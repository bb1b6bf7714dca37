//! `control`: reads and sets what a camera has besides picture and sound, and turns it.

use super::Failure;
use super::chosen::{PlaceArguments, choose};
use super::line::Line;
use super::output::print;
use clap::Args;
use gstwyze::account::Store;
use gstwyze::printable::is_printable;
use gstwyze::protocol::commands::controls::{CONTROLS, Control};
use gstwyze::protocol::commands::pan_tilt::{self, Direction, Position, Waypoint, Waypoints};
use gstwyze::protocol::commands::settings::{self, Parameters};
use gstwyze::protocol::commands::{Request, Value, device, light_sound, picture, refusal};
use gstwyze::unix_time::unix_time;

/// Read and set what a camera has besides picture and sound, and turn it.
///
/// Without a control, lists what this camera has, with its values. These go by commands that other clients use; none was
/// tried on a camera by this project. A camera that does not know a command keeps silent: exit code 4.
#[derive(Args, Debug)]
#[command(after_help = CONTROLS_HELP)]
pub struct ControlArguments {
    /// The camera's name, MAC or UID, or a wyze:// URL
    name: String,
    /// A control and its value, or what to do, see below
    #[arg(value_name = "WORD", allow_negative_numbers = true)]
    words: Vec<String>,
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

Exit codes: 2 a control or value that does not exist, 4 the camera does not know it.";

pub fn control(store: &Store, arguments: &ControlArguments) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    // What is wrong with the words is found before the camera is asked.
    let task = Task::of(&words, arguments.hex)?;
    let camera = choose(store, Some(&arguments.name), &arguments.place)?;
    let line = Line::open(&camera, arguments.place.of(&camera), arguments.place.timeout())?;
    match task {
        Task::List => list(&line, arguments.json),
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

/// What the words ask for.
enum Task {
    List,
    Read(&'static Control),
    Set(&'static Control, &'static str),
    Act(Request),
    Position,
    Waypoints,
    GoToWaypoint(usize),
    Send(Request),
}

impl Task {
    fn of(words: &[&str], is_hex: bool) -> Result<Self, Failure> {
        Ok(match *words {
            [] => Task::List,
            ["rotate", direction, degrees] => {
                let by: i32 = number(degrees)?;
                let (horizontal, vertical) = match self::direction(direction)? {
                    Direction::Left => (-by, 0),
                    Direction::Right => (by, 0),
                    Direction::Up => (0, by),
                    Direction::Down => (0, -by),
                };
                Task::Act(pan_tilt::rotate(horizontal, vertical, pan_tilt::DEFAULT_SPEED).map_err(out_of_range)?)
            }
            ["move", direction] => {
                let direction = self::direction(direction)?;
                Task::Act(pan_tilt::move_to_end(direction, pan_tilt::DEFAULT_SPEED).map_err(out_of_range)?)
            }
            ["go-to", horizontal, vertical] => {
                let position = Position { horizontal: number(horizontal)?, vertical: number(vertical)? };
                Task::Act(pan_tilt::go_to(unix_time(), position).map_err(out_of_range)?)
            }
            ["position"] => Task::Position,
            ["waypoints"] => Task::Waypoints,
            ["go-to-waypoint", which] => Task::GoToWaypoint(number(which)?),
            ["reset-position"] => Task::Act(pan_tilt::reset_position()),
            ["take-photo"] => Task::Act(picture::take_photo()),
            ["quick-reply", which] => {
                let reply = light_sound::Reply::from_number(number(which)?);
                Task::Act(light_sound::quick_reply(
                    reply.ok_or_else(|| Failure::Usage("quick-reply takes 1, 2 or 3".into()))?,
                ))
            }
            // The answer takes a moment.
            ["set-time"] => Task::Act(device::set_clock(unix_time().as_secs() as u32 + 1)),
            ["send", code] => Task::Send(raw(code, "", is_hex)?),
            ["send", code, payload] => Task::Send(raw(code, payload, is_hex)?),
            [name] => Task::Read(named(name)?),
            [name, value] => {
                let control = named(name)?;
                let choice = control.choices.iter().copied().find(|choice| *choice == value);
                Task::Set(control, choice.ok_or_else(|| no_choice(control, value))?)
            }
            [name, ..] => return Err(Failure::Usage(format!("{name} does not take that many words"))),
        })
    }
}

fn named(name: &str) -> Result<&'static Control, Failure> {
    let unknown = || Failure::Usage(format!("{name:?} is no control; wyze-cameras control --help lists them"));
    Control::named(name).ok_or_else(unknown)
}

fn direction(word: &str) -> Result<Direction, Failure> {
    Ok(match word {
        "left" => Direction::Left,
        "right" => Direction::Right,
        "up" => Direction::Up,
        "down" => Direction::Down,
        _ => return Err(Failure::Usage(format!("{word:?} is no direction: left, right, up or down"))),
    })
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, Failure> {
    word.parse().map_err(|_| Failure::Usage(format!("{word:?} is not a possible number here")))
}

fn raw(code: &str, payload: &str, is_hex: bool) -> Result<Request, Failure> {
    let payload = if is_hex { bytes(payload)? } else { payload.as_bytes().to_vec() };
    Request::raw(number(code)?, &payload).map_err(out_of_range)
}

fn bytes(digits: &str) -> Result<Vec<u8>, Failure> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b':').collect();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect::<Option<_>>().ok_or_else(|| Failure::Usage("the payload is not in hexadecimal digits".into()))
}

/// Prints all controls that the camera tells of.
fn list(line: &Line, is_json: bool) -> Result<(), Failure> {
    let ids: Vec<u8> = CONTROLS.iter().flat_map(|control| control.parameters).copied().collect();
    let request = settings::read_parameters(&ids).map_err(out_of_range)?;
    let parameters = match line.call(request.into()) {
        Ok(answer) => Parameters::parse(&answer).map_err(unreadable)?,
        Err(Failure::Silence) => Parameters::default(),
        Err(failure) => return Err(failure),
    };
    let mut values = serde_json::Map::new();
    for control in &CONTROLS {
        // What K10020 does not have is asked for by itself, where the model is known to have it: a camera that does not
        // know a command takes 5 s.
        let own = control
            .read()
            .filter(|_| control.parameters.is_empty() && control.is_known_to(&line.info.model, line.info.protocol));
        let value = match own.map(|request| (request.command.code, line.call(request.into()))) {
            None => control.told(&parameters),
            Some((code, Ok(answer))) => control.parse(code, &answer),
            Some((_, Err(Failure::Silence))) => None,
            Some((_, Err(failure))) => return Err(failure),
        };
        values.extend(value.map(|value| (control.name.to_owned(), value.into())));
    }
    if is_json {
        return print(serde_json::Value::Object(values));
    }
    for control in &CONTROLS {
        if let Some(value) = values.get(control.name).and_then(|value| value.as_str()) {
            print(format_args!("{:<20}{value:<6}({})", control.name, control.choices.join(", ")))?;
        }
    }
    Ok(())
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

fn no_choice(control: &Control, value: &str) -> Failure {
    Failure::Usage(format!("{} cannot be {value:?}: {}", control.name, control.choices.join(", ")))
}

fn no_read(control: &Control) -> Failure {
    Failure::Usage(format!("no command is known that reads {}: give it a value", control.name))
}

fn out_of_range(error: gstwyze::protocol::commands::OutOfRange) -> Failure {
    Failure::Usage(error.to_string())
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::Other(format!("the camera's answer cannot be read ({error})"))
}
