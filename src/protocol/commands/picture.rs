//! Night vision, what is written into the picture, and photos.

use super::{Command, NO, Request, Setting, Support, Switch, Value};

pub const NIGHT_VISION: Setting<NightVision> =
    Setting::new(Command::new("night-vision", 10040), Command::new("set-night-vision", 10042));
pub const INFRARED_LIGHT: Setting<InfraredLight> =
    Setting::new(Command::new("infrared-light", 10044), Command::new("set-infrared-light", 10046))
        .known_to(Support::Lines([NO, 16, 16, 17]));
pub const AUTO_NIGHT: Setting<AutoNight> =
    Setting::new(Command::new("auto-night", 10624), Command::new("set-auto-night", 10626))
        .known_to(Support::Lines([NO, NO, 0, NO]));
/// Nobody knows what the answer means.
pub const IS_NIGHT: Command = Command::new("is-night", 10620).known_to(Support::Unknown);
pub const TIME_STAMP: Setting<Switch> =
    Setting::new(Command::new("time-stamp", 10070), Command::new("set-time-stamp", 10072))
        .known_to(Support::Lines([3, 3, 3, 3]));
pub const LOGO: Setting<Switch> = Setting::new(Command::new("logo", 10074), Command::new("set-logo", 10076))
    .known_to(Support::Lines([12, 12, 12, 12]));
pub const TAKE_PHOTO: Command = Command::new("take-photo", 10058).known_to(Support::Lines([13, 13, 13, 13])).once();

pub(super) const COMMANDS: &[Command] = &[
    NIGHT_VISION.get,
    NIGHT_VISION.set,
    INFRARED_LIGHT.get,
    INFRARED_LIGHT.set,
    AUTO_NIGHT.get,
    AUTO_NIGHT.set,
    IS_NIGHT,
    TIME_STAMP.get,
    TIME_STAMP.set,
    LOGO.get,
    LOGO.set,
    TAKE_PHOTO,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NightVision {
    On = 1,
    Off = 2,
    Auto = 3,
}

impl Value for NightVision {
    const ALL: &'static [Self] = &[NightVision::On, NightVision::Off, NightVision::Auto];

    fn number(self) -> u8 {
        self as u8
    }
}

/// Which light night vision turns on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InfraredLight {
    /// 850 nm, which glows a little.
    Far = 1,
    /// 940 nm, which is invisible.
    Near = 2,
}

impl Value for InfraredLight {
    const ALL: &'static [Self] = &[InfraredLight::Far, InfraredLight::Near];

    fn number(self) -> u8 {
        self as u8
    }
}

/// How dark it is when automatic night vision begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoNight {
    Dusk = 1,
    Dark = 2,
}

impl Value for AutoNight {
    const ALL: &'static [Self] = &[AutoNight::Dusk, AutoNight::Dark];

    fn number(self) -> u8 {
        self as u8
    }
}

/// K10058: takes a photo, which is a file in `photo` on the camera's SD card.
pub fn take_photo() -> Request {
    TAKE_PHOTO.request(&[1])
}
