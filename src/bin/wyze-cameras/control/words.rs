//! What the words after the camera's name ask for.

use super::super::Failure;
use super::{out_of_range, power};
use gstwyze::protocol::commands::controls::Control;
use gstwyze::protocol::commands::pan_tilt::{self, Direction, Position};
use gstwyze::protocol::commands::{Request, Value, device, light_sound, picture};
use gstwyze::unix_time::unix_time;

const DIRECTIONS: &[&str] = &["left", "right", "up", "down"];

/// The words that are no control, with what the next word may be where that is one of a few.
pub const VERBS: [(&str, &[&str]); 12] = [
    ("rotate", DIRECTIONS),
    ("move", DIRECTIONS),
    ("position", &[]),
    ("go-to", &[]),
    ("waypoints", &[]),
    ("go-to-waypoint", &["1", "2", "3", "4"]),
    ("reset-position", &[]),
    ("take-photo", &[]),
    ("quick-reply", &["1", "2", "3"]),
    ("set-time", &[]),
    ("power", power::CHOICES),
    ("send", &[]),
];

/// Returns what may follow a first word, where that is one of a few.
pub fn choices(first: &str) -> &'static [&'static str] {
    let verb = VERBS.into_iter().find(|(verb, _)| *verb == first).map(|(_, choices)| choices);
    verb.or_else(|| Control::named(first).map(|control| control.choices)).unwrap_or_default()
}

/// What the words ask for. `power` is not among it: no connection to the camera carries that.
pub enum Task {
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
    pub fn of(words: &[&str], is_hex: bool) -> Result<Self, Failure> {
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
        _ => return Err(Failure::Usage(format!("{word:?} is no direction: {}", DIRECTIONS.join(", ")))),
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

pub fn no_choice(control: &Control, value: &str) -> Failure {
    Failure::Usage(format!("{} cannot be {value:?}: {}", control.name, control.choices.join(", ")))
}

pub fn no_read(control: &Control) -> Failure {
    Failure::Usage(format!("no command is known that reads {}: give it a value", control.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that are completed are those that are understood.
    #[test]
    fn every_word_that_is_offered_is_taken() {
        for (verb, choices) in VERBS.into_iter().filter(|(verb, _)| *verb != "power") {
            for first in if choices.is_empty() { &["1"] } else { choices } {
                let tasks = [&[verb][..], &[verb, first], &[verb, first, "2"]].map(|words| Task::of(words, false));
                assert!(tasks.into_iter().any(|task| task.is_ok()), "{verb} {first}");
            }
        }
        for action in power::CHOICES {
            assert!(power::action(&[action]).is_ok(), "{action}");
        }
        assert_eq!(choices("night-vision"), ["on", "off", "auto"]);
        assert_eq!(choices("move"), DIRECTIONS);
        assert!(choices("coffee").is_empty());
    }
}
