//! Motion: whether the camera looks for it, marks it and turns after it.

use super::{Command, Request, Setting, Support, Switch, Told, Value};
use crate::protocol::model;
use crate::protocol::wire::{WireError, check_len};

pub const DETECTION: Command = Command::new("motion-detection", 10200);
/// See [`model::takes_old_commands`].
pub const SET_DETECTION_OLD: Command = Command::new("set-motion-detection-old", 10202);
pub const SET_DETECTION: Command = Command::new("set-motion-detection", 10206).known_to(Support::Lines([4, 4, 4, 14]));
/// The green box around what moves.
pub const TAGGING: Setting<Switch> =
    Setting::new(Command::new("motion-tagging", 10290), Command::new("set-motion-tagging", 10292))
        .known_to(Support::Lines([super::NO, 3, 3, 3]));
/// Whether the camera turns after what moves.
pub const TRACKING: Setting<Switch> =
    Setting::new(Command::new("motion-tracking", 11020), Command::new("set-motion-tracking", 11022))
        .known_to(Support::Pan(6));

pub(super) const COMMANDS: &[Command] =
    &[DETECTION, SET_DETECTION_OLD, SET_DETECTION, TAGGING.get, TAGGING.set, TRACKING.get, TRACKING.set];

/// K10200: asks whether the camera looks for motion.
pub fn read_detection() -> Request {
    DETECTION.request(&[])
}

/// K10202 or K10206, as the model takes it. The payload is the switch and a zero.
pub fn set_detection(model: &str, value: Switch) -> Request {
    let command = if model::takes_old_commands(model) { SET_DETECTION_OLD } else { SET_DETECTION };
    command.request(&[value.number(), 0])
}

/// K10201.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detection {
    pub state: Told<Switch>,
    /// `None` where the camera left it out.
    pub sensitivity: Option<u8>,
}

impl Detection {
    /// Parses the payload.
    ///
    /// # Errors
    ///
    /// Where it is empty.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        check_len("motion detection", payload, 1)?;
        Ok(Detection { state: Told::new(payload[0]), sensitivity: payload.get(1).copied() })
    }
}
