//! The properties of what a camera is set to beside picture and sound, one for each of the core's controls.

use crate::protocol::commands::controls::Control;
use gst::glib;
use gst::glib::translate::{FromGlib, IntoGlib};
use gst::prelude::*;
use std::collections::BTreeMap;

/// What the user wants the camera to be set to: choices, by the names of controls. Of the others, the camera is left as
/// it is.
pub type Wishes = BTreeMap<&'static str, &'static str>;

/// The nick of the value by which the camera is left as it is.
pub const UNCHANGED: &str = "unchanged";

/// A switch of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeSwitch")]
#[non_exhaustive]
pub enum CameraSwitch {
    #[default]
    #[enum_value(name = "As the camera has it", nick = "unchanged")]
    Unchanged,
    #[enum_value(name = "On", nick = "on")]
    On,
    #[enum_value(name = "Off", nick = "off")]
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeNightVision")]
#[non_exhaustive]
pub enum NightVision {
    #[default]
    #[enum_value(name = "As the camera has it", nick = "unchanged")]
    Unchanged,
    #[enum_value(name = "On", nick = "on")]
    On,
    #[enum_value(name = "Off", nick = "off")]
    Off,
    #[enum_value(name = "When it is dark", nick = "auto")]
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeNightVisionLight")]
#[non_exhaustive]
pub enum NightVisionLight {
    #[default]
    #[enum_value(name = "As the camera has it", nick = "unchanged")]
    Unchanged,
    #[enum_value(name = "850 nm, which reaches farther and glows a little", nick = "far")]
    Far,
    #[enum_value(name = "940 nm, which cannot be seen", nick = "near")]
    Near,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeFlip")]
#[non_exhaustive]
pub enum CameraFlip {
    #[default]
    #[enum_value(name = "As the camera has it", nick = "unchanged")]
    Unchanged,
    #[enum_value(name = "Not flipped", nick = "identity")]
    Identity,
    #[enum_value(name = "Flipped horizontally", nick = "horiz")]
    Horizontal,
    #[enum_value(name = "Flipped vertically", nick = "vert")]
    Vertical,
    #[enum_value(name = "Turned by 180 degrees", nick = "180")]
    Both,
}

/// Names, nicks and blurbs.
const TEXTS: [(&str, &str, &str); 13] = [
    ("night-vision", "Night vision", "Whether the camera sees by infrared light"),
    ("night-vision-light", "Night vision light", "The infrared light that night vision turns on"),
    ("status-light", "Status light", "The light on the camera's front"),
    ("flip", "Flip", "How the camera turns its picture, for all who watch"),
    ("overlay-time", "Time overlay", "Whether the camera writes the time into its picture"),
    ("overlay-logo", "Logo overlay", "Whether the camera puts its maker's logo into its picture"),
    ("motion-detection", "Motion detection", "Whether the camera looks for motion"),
    ("motion-tagging", "Motion tagging", "Whether the camera draws a box around what moves"),
    ("motion-tracking", "Motion tracking", "Whether a camera that pans turns after what moves"),
    ("cruise", "Cruise", "Whether a camera that pans goes from waypoint to waypoint"),
    ("spotlight", "Spotlight", "The light that can be plugged into some cameras"),
    ("floodlight", "Floodlight", "The light of a camera that is a floodlight; none can be asked for its state"),
    ("siren", "Siren", "The siren, and the light that flashes with it"),
];

fn type_of(control: &str) -> glib::Type {
    match control {
        "night-vision" => NightVision::static_type(),
        "night-vision-light" => NightVisionLight::static_type(),
        "flip" => CameraFlip::static_type(),
        _ => CameraSwitch::static_type(),
    }
}

/// The types of all values.
pub fn types() -> [glib::Type; 4] {
    [
        CameraSwitch::static_type(),
        NightVision::static_type(),
        NightVisionLight::static_type(),
        CameraFlip::static_type(),
    ]
}

pub fn properties() -> impl Iterator<Item = glib::ParamSpec> {
    TEXTS.into_iter().map(|(name, nick, blurb)| match name {
        "night-vision" => property::<NightVision>(name, nick, blurb),
        "night-vision-light" => property::<NightVisionLight>(name, nick, blurb),
        "flip" => property::<CameraFlip>(name, nick, blurb),
        _ => property::<CameraSwitch>(name, nick, blurb),
    })
}

fn property<T: Default + StaticType + FromGlib<i32> + IntoGlib<GlibType = i32>>(
    name: &str,
    nick: &str,
    blurb: &str,
) -> glib::ParamSpec {
    glib::ParamSpecEnum::builder_with_default(name, T::default()).nick(nick).blurb(blurb).mutable_playing().build()
}

/// Notes the value that the user gives a property.
pub fn set(control: &'static Control, value: &glib::Value, wishes: &mut Wishes) {
    let nick = glib::EnumValue::from_value(value).map(|(_, value)| value.nick().to_owned());
    wish(control, &nick.unwrap_or_default(), wishes);
}

/// Notes a choice, or that the camera is to be left as it is. Returns false where it is no choice.
pub fn wish(control: &'static Control, nick: &str, wishes: &mut Wishes) -> bool {
    if nick == UNCHANGED {
        wishes.remove(control.name);
        return true;
    }
    let choice = control.choices.iter().find(|choice| **choice == nick);
    wishes.extend(choice.map(|choice| (control.name, *choice)));
    choice.is_some()
}

/// Returns the value of a property; `None` is the value by which the camera is left as it is.
pub fn value(control: &Control, choice: Option<&str>) -> glib::Value {
    let class = glib::EnumClass::with_type(type_of(control.name)).expect("an enumeration");
    class.to_value_by_nick(choice.unwrap_or(UNCHANGED)).expect("each choice has a nick")
}

/// Returns what a property can be set to.
pub fn nicks(control: &Control) -> String {
    [&[UNCHANGED], control.choices].concat().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::commands::controls::CONTROLS;

    #[test]
    fn each_control_has_a_property_with_its_choices() {
        assert_eq!(CONTROLS.map(|control| control.name), TEXTS.map(|(name, ..)| name));
        for control in &CONTROLS {
            let class = glib::EnumClass::with_type(type_of(control.name)).unwrap();
            let nicks: Vec<_> = class.values().iter().map(glib::EnumValue::nick).collect();
            assert_eq!(nicks.join(", "), super::nicks(control), "{}", control.name);
        }
    }
}
