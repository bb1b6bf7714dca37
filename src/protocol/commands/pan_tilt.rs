//! Turning the camera. Positions are in whole degrees, and come vertical first on the wire.
//!
//! There is no command that stops a camera, and none that sends it to one of its own points: read [`WAYPOINTS`] and
//! [`go_to`] one.

use super::{Command, OutOfRange, Request, Setting, Support, Switch, in_range};
use crate::protocol::wire::{WireError, check_len, u16_at};
use std::time::Duration;

/// The camera gives no answer.
pub const ROTATE: Command = Command::new("rotate", 11000).known_to(Support::Pan(5)).without_answer().once();
pub const MOVE: Command = Command::new("move", 11002).known_to(Support::Pan(5)).once();
/// The camera gives no answer.
pub const RESET_POSITION: Command =
    Command::new("reset-position", 11004).known_to(Support::Pan(6)).without_answer().once();
pub const POSITION: Command = Command::new("position", 11006).known_to(Support::Pan(6));
pub const WAYPOINTS: Command = Command::new("waypoints", 11010).known_to(Support::Pan(6));
/// Unproven.
pub const SET_WAYPOINTS: Command = Command::new("set-waypoints", 11012).known_to(Support::Pan(6));
/// Whether the camera moves from waypoint to waypoint.
pub const CRUISE: Setting<Switch> =
    Setting::new(Command::new("cruise", 11014), Command::new("set-cruise", 11016)).known_to(Support::Pan(6));
pub const GO_TO: Command = Command::new("go-to", 11018).known_to(Support::Pan(10));

pub(super) const COMMANDS: &[Command] =
    &[ROTATE, MOVE, RESET_POSITION, POSITION, WAYPOINTS, SET_WAYPOINTS, CRUISE.get, CRUISE.set, GO_TO];

/// What is used where nobody asks for another speed. Speeds from 2 to 8 make sense.
pub const DEFAULT_SPEED: u32 = 5;
const MIN_SPEED: i64 = 1;
const MAX_SPEED: i64 = 9;

/// The most degrees that any model turns. A camera's own limits are parameters 40 to 43
/// ([`PanLimits`](super::settings::PanLimits)).
const MAX_HORIZONTAL: i64 = 350;
const MAX_VERTICAL: i64 = 180;

/// The most points that a camera keeps.
pub const MAX_WAYPOINTS: usize = 4;
/// Seconds.
const MIN_WAIT: i64 = 10;
const MAX_WAIT: i64 = 255;

/// K11000: turns by these degrees. Right and up are positive; that these axes run as those of positions is unproven.
/// The payload is an i16 for the horizontal, one for the vertical, and a byte for the speed.
///
/// # Errors
///
/// Where it is farther than any model turns, or the speed is not from 1 to 9.
pub fn rotate(horizontal: i32, vertical: i32, speed: u32) -> Result<Request, OutOfRange> {
    in_range("horizontal", horizontal, -MAX_HORIZONTAL..=MAX_HORIZONTAL)?;
    in_range("vertical", vertical, -MAX_VERTICAL..=MAX_VERTICAL)?;
    in_range("speed", speed, MIN_SPEED..=MAX_SPEED)?;
    // The ranges are within those of the fields.
    let [h0, h1] = (horizontal as i16).to_le_bytes();
    let [v0, v1] = (vertical as i16).to_le_bytes();
    Ok(ROTATE.request(&[h0, h1, v0, v1, speed as u8]))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Left,
    Right,
    Up,
    Down,
}

/// K11002: turns in a direction, as far as the camera can: one was seen to run to its end stop, and no way to stop it is
/// known. The payload is a byte for the horizontal (1 left, 2 right), one for the vertical (1 up, 2 down), and one for
/// the speed.
///
/// # Errors
///
/// Where the speed is not from 1 to 9.
pub fn move_to_end(direction: Direction, speed: u32) -> Result<Request, OutOfRange> {
    in_range("speed", speed, MIN_SPEED..=MAX_SPEED)?;
    let (horizontal, vertical) = match direction {
        Direction::Left => (1, 0),
        Direction::Right => (2, 0),
        Direction::Up => (0, 1),
        Direction::Down => (0, 2),
    };
    // The range is within that of the field.
    Ok(MOVE.request(&[horizontal, vertical, speed as u8]))
}

/// K11004: has the camera find its end stops, and return to its first position.
pub fn reset_position() -> Request {
    RESET_POSITION.request(&[3])
}

/// K11006: asks where the camera looks. It sends the seconds back.
pub fn read_position(unix_seconds: u32) -> Request {
    POSITION.request(&unix_seconds.to_le_bytes())
}

/// Where a camera looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub horizontal: u16,
    pub vertical: u8,
}

/// The payload of K11007 and of K11018. A time comes first, a u32.
mod position {
    /// One byte.
    pub const VERTICAL: usize = 4;
    /// u16.
    pub const HORIZONTAL: usize = 5;
    pub const LEN: usize = 7;
}

impl Position {
    /// Returns a position in whole degrees.
    ///
    /// # Errors
    ///
    /// Where no model turns there.
    pub fn new(horizontal: u32, vertical: u32) -> Result<Self, OutOfRange> {
        in_range("horizontal", horizontal, 0..=MAX_HORIZONTAL)?;
        in_range("vertical", vertical, 0..=MAX_VERTICAL)?;
        // The ranges are within those of the fields.
        Ok(Position { horizontal: horizontal as u16, vertical: vertical as u8 })
    }

    /// Parses the payload of K11007.
    ///
    /// # Errors
    ///
    /// Where it is too short.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        check_len("position", payload, position::LEN)?;
        Ok(Position { horizontal: u16_at(payload, position::HORIZONTAL), vertical: payload[position::VERTICAL] })
    }

    fn check(self) -> Result<(), OutOfRange> {
        Position::new(self.horizontal.into(), self.vertical.into()).map(drop)
    }
}

/// K11018: turns to a position, and ends a cruise. `unix_time` is the time since 1970, of which the command carries the
/// milliseconds modulo 10⁹.
///
/// # Errors
///
/// Where no model turns there.
pub fn go_to(unix_time: Duration, to: Position) -> Result<Request, OutOfRange> {
    to.check()?;
    let stamp = (unix_time.as_millis() % 1_000_000_000) as u32;
    let mut payload = [0; position::LEN];
    payload[..position::VERTICAL].copy_from_slice(&stamp.to_le_bytes());
    payload[position::VERTICAL] = to.vertical;
    payload[position::HORIZONTAL..].copy_from_slice(&to.horizontal.to_le_bytes());
    Ok(GO_TO.request(&payload))
}

/// A point at which a cruise stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waypoint {
    pub position: Position,
    /// How long the camera stays, in seconds.
    pub wait: u8,
}

impl Waypoint {
    /// Returns a point of a cruise. Cameras count whole seconds, so a part of one is dropped.
    ///
    /// # Errors
    ///
    /// Where the wait is not from 10 s to 255 s.
    pub fn new(position: Position, wait: Duration) -> Result<Self, OutOfRange> {
        let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        in_range("wait", seconds, MIN_WAIT..=MAX_WAIT)?;
        // The range is within that of the field.
        Ok(Waypoint { position, wait: seconds as u8 })
    }
}

/// Points in the order of a cruise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waypoints(pub Vec<Waypoint>);

/// One point, of which the payload has a count and as many.
mod waypoint {
    /// One byte.
    pub const VERTICAL: usize = 0;
    /// u16.
    pub const HORIZONTAL: usize = 1;
    /// One byte.
    pub const WAIT: usize = 3;
    pub const LEN: usize = 4;
}

/// K11010: asks for the points.
pub fn read_waypoints() -> Request {
    WAYPOINTS.request(&[])
}

impl Waypoints {
    /// Parses the payload of K11011: those points that are there in full.
    ///
    /// # Errors
    ///
    /// Where it is empty.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        check_len("waypoints", payload, 1)?;
        let points = payload[1..].chunks_exact(waypoint::LEN).take(payload[0].into()).map(|b| Waypoint {
            position: Position { horizontal: u16_at(b, waypoint::HORIZONTAL), vertical: b[waypoint::VERTICAL] },
            wait: b[waypoint::WAIT],
        });
        Ok(Waypoints(points.collect()))
    }

    /// K11012: sets the points.
    ///
    /// # Errors
    ///
    /// Where there are more than four, one lies where no model turns, or one's wait is below 10 s.
    pub fn write(&self) -> Result<Request, OutOfRange> {
        in_range("number of waypoints", self.0.len() as i64, 0..=MAX_WAYPOINTS as i64)?;
        let mut payload = vec![self.0.len() as u8];
        for point in &self.0 {
            point.position.check()?;
            in_range("wait", point.wait, MIN_WAIT..=MAX_WAIT)?;
            let [low, high] = point.position.horizontal.to_le_bytes();
            payload.extend([point.position.vertical, low, high, point.wait]);
        }
        Ok(SET_WAYPOINTS.request(&payload))
    }
}
