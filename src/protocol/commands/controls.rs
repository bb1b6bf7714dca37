//! The values of a camera that have a name, a set of choices and, mostly, a command that reads them back: what
//! properties and the shell offer.

use super::{Command, Request, light_sound, motion, pan_tilt, picture, settings};
use crate::protocol::model;

/// The choices of most values. On the wire they count from 1.
const SWITCH: &[&str] = &["on", "off"];

/// How a value is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    /// By one byte.
    Byte(Command),
    /// By the same byte twice.
    Twice(Command),
    /// By a byte and a zero, with the command that the model takes.
    Motion,
}

/// A value of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// As in `night-vision`.
    pub name: &'static str,
    /// What it may be, in the order of the numbers on the wire, from 1.
    pub choices: &'static [&'static str],
    /// Its number in K10020, where it has one.
    pub parameter: Option<u8>,
    read: Option<Command>,
    write: Write,
}

const fn control(name: &'static str, parameter: Option<u8>, read: Option<Command>, write: Write) -> Control {
    Control { name, choices: SWITCH, parameter, read, write }
}

/// All of them.
pub const CONTROLS: [Control; 12] = [
    Control {
        choices: &["on", "off", "auto"],
        ..control(
            "night-vision",
            Some(settings::id::NIGHT_VISION),
            Some(picture::NIGHT_VISION.get),
            Write::Byte(picture::NIGHT_VISION.set),
        )
    },
    Control {
        choices: &["far", "near"],
        ..control(
            "night-vision-light",
            Some(settings::id::INFRARED_LIGHT),
            Some(picture::INFRARED_LIGHT.get),
            Write::Byte(picture::INFRARED_LIGHT.set),
        )
    },
    control(
        "status-light",
        Some(settings::id::STATUS_LIGHT),
        Some(light_sound::STATUS_LIGHT.get),
        Write::Byte(light_sound::STATUS_LIGHT.set),
    ),
    control(
        "overlay-time",
        Some(settings::id::TIME_STAMP),
        Some(picture::TIME_STAMP.get),
        Write::Byte(picture::TIME_STAMP.set),
    ),
    control("overlay-logo", Some(settings::id::LOGO), Some(picture::LOGO.get), Write::Byte(picture::LOGO.set)),
    control("motion-detection", Some(settings::id::MOTION_DETECTION), Some(motion::DETECTION), Write::Motion),
    control(
        "motion-tagging",
        Some(settings::id::MOTION_TAGGING),
        Some(motion::TAGGING.get),
        Write::Byte(motion::TAGGING.set),
    ),
    control(
        "motion-tracking",
        Some(settings::id::MOTION_TRACKING),
        Some(motion::TRACKING.get),
        Write::Byte(motion::TRACKING.set),
    ),
    control("cruise", Some(settings::id::CRUISE), Some(pan_tilt::CRUISE.get), Write::Byte(pan_tilt::CRUISE.set)),
    control("spotlight", None, Some(light_sound::SPOTLIGHT.get), Write::Byte(light_sound::SPOTLIGHT.set)),
    control("floodlight", None, None, Write::Byte(light_sound::SET_FLOODLIGHT)),
    control("siren", None, Some(light_sound::SIREN), Write::Twice(light_sound::SET_SIREN)),
];

impl Control {
    /// Returns the control of this name.
    pub fn named(name: &str) -> Option<&'static Control> {
        CONTROLS.iter().find(|control| control.name == name)
    }

    /// Asks for the value; `None` where no command is known that reads it.
    pub fn read(&self) -> Option<Request> {
        self.read.map(|command| command.request(&[]))
    }

    /// Sets a camera of this model to one of the choices; `None` where it is none.
    pub fn write(&self, model: &str, choice: &str) -> Option<Request> {
        let place = self.choices.iter().position(|known| *known == choice)?;
        // There are three choices at most.
        let number = place as u8 + 1;
        Some(match self.write {
            Write::Byte(command) => command.request(&[number]),
            Write::Twice(command) => command.request(&[number, number]),
            Write::Motion if model::takes_old_commands(model) => motion::SET_DETECTION_OLD.request(&[number, 0]),
            Write::Motion => motion::SET_DETECTION.request(&[number, 0]),
        })
    }

    /// Returns the choice of this number on the wire, where it is one.
    pub fn choice(&self, number: i64) -> Option<&'static str> {
        self.choices.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }

    /// Returns the choice that the answer to [`read`](Self::read) tells, where it is a known one.
    pub fn parse(&self, payload: &[u8]) -> Option<&'static str> {
        self.choice(i64::from(*payload.first()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wire::hl::Message;

    /// Code and payload of a request.
    fn sent(request: &Request) -> (u16, Vec<u8>) {
        let message = Message::parse(&request.message).unwrap();
        (message.command, message.payload.to_vec())
    }

    /// The codes and payloads of kcommands.md, section 2 and 4.
    #[test]
    fn values_are_set_and_read_as_the_reference_says() {
        let written = |name: &str, model, choice| sent(&Control::named(name).unwrap().write(model, choice).unwrap());
        for (name, choice, code, payload) in [
            ("night-vision", "auto", 10042, vec![3]),
            ("night-vision-light", "near", 10046, vec![2]),
            ("status-light", "off", 10032, vec![2]),
            ("overlay-time", "on", 10072, vec![1]),
            ("overlay-logo", "off", 10076, vec![2]),
            ("motion-detection", "on", 10206, vec![1, 0]),
            ("motion-tagging", "on", 10292, vec![1]),
            ("motion-tracking", "off", 11022, vec![2]),
            ("cruise", "on", 11016, vec![1]),
            ("spotlight", "on", 10646, vec![1]),
            ("floodlight", "off", 12060, vec![2]),
            ("siren", "on", 10630, vec![1, 1]),
        ] {
            assert_eq!(written(name, "HL_PAN3", choice), (code, payload), "{name}");
        }
        assert_eq!(written("motion-detection", "WVOD1", "off"), (10202, vec![2, 0]));
        let read: Vec<_> = CONTROLS.iter().filter_map(Control::read).map(|request| sent(&request)).collect();
        let codes = [10040, 10044, 10030, 10070, 10074, 10200, 10290, 11020, 11014, 10640, 10632];
        assert_eq!(read, codes.map(|code| (code, vec![])));
    }

    #[test]
    fn answers_are_choices_where_they_are_known() {
        let night = Control::named("night-vision").unwrap();
        assert_eq!([1, 2, 3, 4, 0].map(|n| night.parse(&[n])), [Some("on"), Some("off"), Some("auto"), None, None]);
        assert_eq!(night.parse(&[]), None);
        assert_eq!(night.write("", "dusk"), None);
        assert_eq!(Control::named("siren").unwrap().parse(&[2, 2]), Some("off"));
        assert_eq!(Control::named("coffee"), None);
    }
}
