//! What the camera shows and says to those before it: lights, siren, and a doorbell's replies.

use super::{Command, NO, Request, Setting, Support, Switch, Told, Value};
use crate::protocol::wire::{WireError, check_len};

/// The light on the camera's front.
pub const STATUS_LIGHT: Setting<Switch> =
    Setting::new(Command::new("status-light", 10030), Command::new("set-status-light", 10032));
/// The lower code is the one that sets.
pub const SET_SIREN: Command = Command::new("set-siren", 10630).known_to(Support::Lines([NO, NO, 0, NO]));
pub const SIREN: Command = Command::new("siren", 10632).known_to(Support::Lines([NO, NO, 0, NO]));
/// The light that can be plugged into a camera. Unproven, as is that the answer begins with a switch.
pub const SPOTLIGHT: Setting<Switch> =
    Setting::new(Command::new("spotlight", 10640), Command::new("set-spotlight", 10646))
        .known_to(Support::Models(&["WYZEC3L"]));
/// Unproven.
pub const SET_FLOODLIGHT: Command = Command::new("set-floodlight", 12060).known_to(Support::Models(&["HL_CFL2"]));
/// The layout of the answer is not known.
pub const FLOODLIGHT: Command = Command::new("floodlight", 10788).known_to(Support::Unknown);
/// The layout of the answer is not known.
pub const WHITE_LIGHT: Command = Command::new("white-light", 10820).known_to(Support::Unknown);
/// The answer is JSON of unknown layout.
pub const ACCESSORIES: Command = Command::new("accessories", 10720).known_to(Support::Unknown);
/// Unproven. It is the only request with an odd code; that its answer has the next one is assumed.
pub const QUICK_REPLY: Command =
    Command::new("quick-reply", 11635).known_to(Support::Models(&["WYZEDB3", "HL_DB2"])).once();

pub(super) const COMMANDS: &[Command] = &[
    STATUS_LIGHT.get,
    STATUS_LIGHT.set,
    SET_SIREN,
    SIREN,
    SPOTLIGHT.get,
    SPOTLIGHT.set,
    SET_FLOODLIGHT,
    FLOODLIGHT,
    WHITE_LIGHT,
    ACCESSORIES,
    QUICK_REPLY,
];

/// K10630: switches the siren and the light that flashes with it. The payload is the switch, twice.
pub fn set_siren(value: Switch) -> Request {
    SET_SIREN.request(&[value.number(); 2])
}

/// K10632: asks whether the siren is on.
pub fn read_siren() -> Request {
    SIREN.request(&[])
}

/// K10633: the siren and its light, in the order of the answer. Which is which is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Siren(pub [Told<Switch>; 2]);

impl Siren {
    /// Parses the payload.
    ///
    /// # Errors
    ///
    /// Where it is too short.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        check_len("siren", payload, 2)?;
        Ok(Siren([Told::new(payload[0]), Told::new(payload[1])]))
    }

    /// Returns the state of both, where they agree.
    pub fn state(&self) -> Option<Switch> {
        let [first, second] = self.0.map(Told::value);
        first.filter(|_| first == second)
    }
}

/// K12060: switches a floodlight.
pub fn set_floodlight(value: Switch) -> Request {
    SET_FLOODLIGHT.request(&[value.number()])
}

/// What a doorbell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// "Can I help you?"
    CanIHelp = 1,
    /// "Be there shortly."
    BeThereShortly = 2,
    /// "Leave the package at the door."
    LeavePackage = 3,
}

impl Value for Reply {
    const ALL: &'static [Self] = &[Reply::CanIHelp, Reply::BeThereShortly, Reply::LeavePackage];

    fn number(self) -> u8 {
        self as u8
    }
}

/// K11635: has a doorbell say something.
pub fn quick_reply(reply: Reply) -> Request {
    QUICK_REPLY.request(&[reply.number()])
}
