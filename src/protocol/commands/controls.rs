//! The values of a camera that have a name, a set of choices and, mostly, a command that reads them back: what
//! properties and the shell offer.

use super::media::{self, Flip, VideoChange};
use super::settings::{self, Parameters, id};
use super::{Command, Request, light_sound, motion, pan_tilt, picture};
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
    /// By the flips of K10052. The choices count in two bits: mirrored horizontally, and vertically.
    Flips,
}

/// A value of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// As in `night-vision`.
    pub name: &'static str,
    /// What it may be, in the order of the numbers on the wire, from 1.
    pub choices: &'static [&'static str],
    /// Its numbers in K10020, where it has some.
    pub parameters: &'static [u8],
    read: Option<Command>,
    write: Write,
}

const fn control(name: &'static str, parameters: &'static [u8], read: Option<Command>, write: Write) -> Control {
    Control { name, choices: SWITCH, parameters, read, write }
}

/// All of them.
pub const CONTROLS: [Control; 13] = [
    Control {
        choices: &["on", "off", "auto"],
        ..control(
            "night-vision",
            &[id::NIGHT_VISION],
            Some(picture::NIGHT_VISION.get),
            Write::Byte(picture::NIGHT_VISION.set),
        )
    },
    Control {
        choices: &["far", "near"],
        ..control(
            "night-vision-light",
            &[id::INFRARED_LIGHT],
            Some(picture::INFRARED_LIGHT.get),
            Write::Byte(picture::INFRARED_LIGHT.set),
        )
    },
    control(
        "status-light",
        &[id::STATUS_LIGHT],
        Some(light_sound::STATUS_LIGHT.get),
        Write::Byte(light_sound::STATUS_LIGHT.set),
    ),
    // GStreamer's names of video orientations.
    Control {
        choices: &["identity", "horiz", "vert", "180"],
        ..control("flip", &[id::HORIZONTAL_FLIP, id::VERTICAL_FLIP], None, Write::Flips)
    },
    control("overlay-time", &[id::TIME_STAMP], Some(picture::TIME_STAMP.get), Write::Byte(picture::TIME_STAMP.set)),
    control("overlay-logo", &[id::LOGO], Some(picture::LOGO.get), Write::Byte(picture::LOGO.set)),
    control("motion-detection", &[id::MOTION_DETECTION], Some(motion::DETECTION), Write::Motion),
    control("motion-tagging", &[id::MOTION_TAGGING], Some(motion::TAGGING.get), Write::Byte(motion::TAGGING.set)),
    control("motion-tracking", &[id::MOTION_TRACKING], Some(motion::TRACKING.get), Write::Byte(motion::TRACKING.set)),
    control("cruise", &[id::CRUISE], Some(pan_tilt::CRUISE.get), Write::Byte(pan_tilt::CRUISE.set)),
    control("spotlight", &[], Some(light_sound::SPOTLIGHT.get), Write::Byte(light_sound::SPOTLIGHT.set)),
    control("floodlight", &[], None, Write::Byte(light_sound::SET_FLOODLIGHT)),
    control("siren", &[], Some(light_sound::SIREN), Write::Twice(light_sound::SET_SIREN)),
];

impl Control {
    /// Returns the control of this name.
    pub fn named(name: &str) -> Option<&'static Control> {
        CONTROLS.iter().find(|control| control.name == name)
    }

    /// Asks for the value, if possible by a command of its own; `None` where no command is known that reads it.
    pub fn read(&self) -> Option<Request> {
        self.read.map(|command| command.request(&[])).or_else(|| self.read_parameters())
    }

    /// Asks for the value, if possible by K10020, which all cameras answer.
    pub fn read_back(&self) -> Option<Request> {
        self.read_parameters().or_else(|| self.read())
    }

    fn read_parameters(&self) -> Option<Request> {
        settings::read_parameters(self.parameters).ok()
    }

    /// Whether the command that sets it is known to a camera of this model and protocol number; see
    /// [`Command::is_known_to`].
    pub fn is_known_to(&self, model: &str, protocol: u16) -> bool {
        let command = match self.write {
            Write::Byte(command) | Write::Twice(command) => command,
            Write::Motion => motion::DETECTION,
            Write::Flips => media::SET_VIDEO,
        };
        command.is_known_to(model, protocol)
    }

    /// Sets a camera of this model to one of the choices; `None` where it is none.
    pub fn write(&self, model: &str, choice: &str) -> Option<Request> {
        let place = self.choices.iter().position(|known| *known == choice)?;
        // There are four choices at most.
        let number = place as u8 + 1;
        Some(match self.write {
            Write::Byte(command) => command.request(&[number]),
            Write::Twice(command) => command.request(&[number, number]),
            Write::Motion if model::takes_old_commands(model) => motion::SET_DETECTION_OLD.request(&[number, 0]),
            Write::Motion => motion::SET_DETECTION.request(&[number, 0]),
            Write::Flips => media::change_video(VideoChange {
                horizontal_flip: Some(Flip::from(place & 1 != 0)),
                vertical_flip: Some(Flip::from(place & 2 != 0)),
                ..VideoChange::default()
            }),
        })
    }

    /// Returns the choice that an answer tells, where it is a known one. `request` is the code of the command that it
    /// answers, that of [`read`](Self::read) or of [`read_back`](Self::read_back).
    pub fn parse(&self, request: u16, payload: &[u8]) -> Option<&'static str> {
        if request == settings::PARAMETERS.code {
            return self.told(&Parameters::parse(payload).ok()?);
        }
        self.choice(i64::from(*payload.first()?))
    }

    /// Returns the choice that parameters tell, where it is a known one.
    pub fn told(&self, parameters: &Parameters) -> Option<&'static str> {
        match *self.parameters {
            [parameter] => self.choice(parameters.get(parameter)?),
            [horizontal, vertical] => {
                let flip = |id| Some(usize::from(parameters.value::<Flip>(id)? == Flip::On));
                self.choices.get(flip(horizontal)? + 2 * flip(vertical)?).copied()
            }
            _ => None,
        }
    }

    /// Returns the choice of this number on the wire, where it is one.
    fn choice(&self, number: i64) -> Option<&'static str> {
        self.choices.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
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
            ("flip", "identity", 10052, vec![0, 0, 0, 0, 1, 1]),
            ("flip", "horiz", 10052, vec![0, 0, 0, 0, 2, 1]),
            ("flip", "vert", 10052, vec![0, 0, 0, 0, 1, 2]),
            ("flip", "180", 10052, vec![0, 0, 0, 0, 2, 2]),
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
        let codes = |read: fn(&Control) -> Option<Request>| -> Vec<_> {
            CONTROLS.iter().filter_map(read).map(|request| sent(&request)).collect()
        };
        let own = |code| (code, vec![]);
        let told = |ids: &[u8]| (10020, [&[ids.len() as u8], ids].concat());
        assert_eq!(
            codes(Control::read),
            [
                vec![own(10040), own(10044), own(10030), told(&[6, 7])],
                [10070, 10074, 10200, 10290, 11020, 11014, 10640, 10632].map(own).to_vec()
            ]
            .concat()
        );
        let ids = [&[2][..], &[50], &[1], &[6, 7], &[8], &[47], &[13], &[21], &[27], &[28]].map(told);
        assert_eq!(codes(Control::read_back), [ids.to_vec(), vec![own(10640), own(10632)]].concat());
    }

    #[test]
    fn answers_are_choices_where_they_are_known() {
        let named = |name| Control::named(name).unwrap();
        let night = named("night-vision");
        assert_eq!(
            [1, 2, 3, 4, 0].map(|n| night.parse(10040, &[n])),
            [Some("on"), Some("off"), Some("auto"), None, None]
        );
        assert_eq!(night.parse(10040, &[]), None);
        assert_eq!(night.parse(10020, br#"{"2":3}"#), Some("auto"));
        assert_eq!(night.parse(10020, br#"{"1":3}"#), None, "a camera leaves out what it does not have");
        assert_eq!(night.write("", "dusk"), None);
        assert_eq!(named("siren").parse(10632, &[2, 2]), Some("off"));
        let flip = |text: &str| named("flip").parse(10020, text.as_bytes());
        assert_eq!(flip(r#"{"6":1,"7":1}"#), Some("identity"));
        assert_eq!(flip(r#"{"6":2,"7":1}"#), Some("horiz"));
        assert_eq!(flip(r#"{"6":1,"7":2}"#), Some("vert"));
        assert_eq!(flip(r#"{"6":2,"7":2}"#), Some("180"));
        assert_eq!([r#"{"6":2}"#, r#"{"6":2,"7":3}"#].map(flip), [None, None]);
        assert_eq!(Control::named("coffee"), None);
    }

    #[test]
    fn models_are_known_to_have_some() {
        let known = |name: &str, model, protocol| Control::named(name).unwrap().is_known_to(model, protocol);
        assert!(known("flip", "HL_NEW", 1) && known("night-vision", "", 0));
        assert!(known("cruise", "HL_PAN3", 20) && !known("cruise", "HL_CAM4", 20));
        assert!(known("siren", "HL_CAM4", 20) && !known("siren", "WYZEC1-JZ", 40));
        assert!(known("spotlight", "WYZEC3L", 20) && !known("spotlight", "HL_CAM4", 20));
    }
}
