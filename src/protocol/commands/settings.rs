//! K10020, which reads many of the camera's parameters at once, and their numbers.

use super::{Command, OutOfRange, Request, Value, in_range, json_object, whole_number};
use crate::protocol::wire::WireError;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

pub const PARAMETERS: Command = Command::new("parameters", 10020);

pub(super) const COMMANDS: &[Command] = &[PARAMETERS];

/// Numbers of parameters.
pub mod id {
    pub const STATUS_LIGHT: u8 = 1;
    pub const NIGHT_VISION: u8 = 2;
    /// KB/s. Firmwares 4.50.4, 4.51, 4.52 and 4.53 tell it by K10050 only.
    pub const BITRATE: u8 = 3;
    pub const RESOLUTION: u8 = 4;
    pub const FPS: u8 = 5;
    pub const HORIZONTAL_FLIP: u8 = 6;
    pub const VERTICAL_FLIP: u8 = 7;
    pub const TIME_STAMP: u8 = 8;
    pub const MOTION_DETECTION: u8 = 13;
    pub const MOTION_TAGGING: u8 = 21;
    /// Hours from UTC.
    pub const TIME_ZONE: u8 = 22;
    pub const MOTION_TRACKING: u8 = 27;
    pub const CRUISE: u8 = 28;
    pub const MAX_X: u8 = 40;
    pub const MIN_X: u8 = 41;
    pub const MAX_Y: u8 = 42;
    pub const MIN_Y: u8 = 43;
    pub const LOGO: u8 = 47;
    pub const INFRARED_LIGHT: u8 = 50;
}

/// What a client reads: the parameters that others read of many models, what this library has properties for, and the
/// limits of cameras that pan.
pub const USUAL: [u8; 19] = [
    id::STATUS_LIGHT,
    id::NIGHT_VISION,
    id::BITRATE,
    id::RESOLUTION,
    id::FPS,
    id::HORIZONTAL_FLIP,
    id::VERTICAL_FLIP,
    id::TIME_STAMP,
    id::MOTION_DETECTION,
    id::MOTION_TAGGING,
    id::TIME_ZONE,
    id::MOTION_TRACKING,
    id::CRUISE,
    id::MAX_X,
    id::MIN_X,
    id::MAX_Y,
    id::MIN_Y,
    id::LOGO,
    id::INFRARED_LIGHT,
];

/// Names of parameters, as several firmwares have them. Those of 17, 18, 25, 26 and 33 are read into abbreviations.
/// Above 60 firmwares differ.
const NAMES: [(u8, &str); 49] = [
    (id::STATUS_LIGHT, "status-light"),
    (id::NIGHT_VISION, "night-vision"),
    (id::BITRATE, "bitrate"),
    (id::RESOLUTION, "resolution"),
    (id::FPS, "fps"),
    (id::HORIZONTAL_FLIP, "horizontal-flip"),
    (id::VERTICAL_FLIP, "vertical-flip"),
    (id::TIME_STAMP, "time-stamp"),
    (9, "log-to-sd"),
    (10, "log-to-usb"),
    (11, "telnet"),
    (12, "record-type"),
    (id::MOTION_DETECTION, "motion-detection"),
    (14, "motion-detection-level"),
    (15, "sound-detection"),
    (16, "sound-detection-level"),
    (17, "smoke-alarm-sound"),
    (18, "co-alarm-sound"),
    (19, "time-lapse-start"),
    (20, "time-lapse-duration"),
    (id::MOTION_TAGGING, "motion-tagging"),
    (id::TIME_ZONE, "time-zone"),
    (23, "motion-level"),
    (24, "sound-level"),
    (25, "motion-alarm-time"),
    (26, "sound-alarm-time"),
    (id::MOTION_TRACKING, "motion-tracking"),
    (id::CRUISE, "cruise"),
    (29, "zone-x"),
    (30, "zone-y"),
    (31, "zone-width"),
    (32, "zone-height"),
    (33, "motion-back-value"),
    (34, "slide-x"),
    (35, "slide-y"),
    (36, "preset-x"),
    (37, "preset-y"),
    (38, "boot-loader-flag"),
    (39, "exposure-model"),
    (id::MAX_X, "max-x"),
    (id::MIN_X, "min-x"),
    (id::MAX_Y, "max-y"),
    (id::MIN_Y, "min-y"),
    (44, "motor-limit-flag"),
    (45, "resolution-select-flag"),
    (46, "low-bitrate-count"),
    (id::LOGO, "logo"),
    (48, "speaker-volume"),
    (id::INFRARED_LIGHT, "infrared-light"),
];

/// Returns the name of a parameter, where it has one.
pub fn name(id: u8) -> Option<&'static str> {
    NAMES.iter().find(|(number, _)| *number == id).map(|&(_, name)| name)
}

/// K10020: reads these parameters. The payload is their count and their numbers, a byte each.
///
/// # Errors
///
/// Where there is none, or more than the count can tell.
pub fn read_parameters(ids: &[u8]) -> Result<Request, OutOfRange> {
    in_range("number of parameters", ids.len() as i64, 1..=u8::MAX.into())?;
    let mut payload = vec![ids.len() as u8];
    payload.extend(ids);
    Ok(PARAMETERS.request(&payload))
}

/// K10021: parameters by their numbers. The camera leaves out those that it does not have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(pub BTreeMap<u8, i64>);

/// How far a camera turns, in degrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanLimits {
    pub horizontal: RangeInclusive<i64>,
    pub vertical: RangeInclusive<i64>,
}

impl Parameters {
    /// Parses the payload, a JSON object. Values that are no whole number are left out.
    ///
    /// # Errors
    ///
    /// Where it is no JSON object.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let object = json_object(payload).ok_or(WireError::Value { what: "parameters" })?;
        let numbers = object.iter().filter_map(|(id, value)| Some((id.parse().ok()?, whole_number(value)?)));
        Ok(Parameters(numbers.collect()))
    }

    /// Returns a parameter's number, where the camera told it.
    pub fn get(&self, id: u8) -> Option<i64> {
        self.0.get(&id).copied()
    }

    /// Returns a parameter's value, where the camera told it and it is a known one.
    pub fn value<V: Value>(&self, id: u8) -> Option<V> {
        V::from_number(self.get(id)?.try_into().ok()?)
    }

    /// Returns how far the camera turns, where it told that.
    pub fn pan_limits(&self) -> Option<PanLimits> {
        let range = |min, max| {
            let range = self.get(min)?..=self.get(max)?;
            (range.start() < range.end()).then_some(range)
        };
        Some(PanLimits { horizontal: range(id::MIN_X, id::MAX_X)?, vertical: range(id::MIN_Y, id::MAX_Y)? })
    }
}
