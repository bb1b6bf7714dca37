//! The device behind the camera: its clock, servers, connection and battery.

use super::{Command, NO, OutOfRange, Request, Support, Switch, Told, Value, in_range, json_object, whole_number};
use crate::protocol::wire::{WireError, check_len, hl, u32_at};
use std::fmt;

pub const CLOCK: Command = Command::new("clock", 10090);
pub const SET_CLOCK: Command = Command::new("set-clock", hl::SET_CLOCK);
/// Unproven.
pub const SET_TIME_ZONE: Command = Command::new("set-time-zone", 10302);
/// The lower code is the one that sets. Firmware without RTSP has neither.
pub const SET_RTSP: Command = Command::new("set-rtsp", 10600).known_to(Support::Lines([NO, 21, 21, NO]));
pub const RTSP: Command = Command::new("rtsp", 10604).known_to(Support::Lines([NO, 21, 21, NO]));
/// Newer firmware has it no more.
pub const START_WEB_SERVER: Command =
    Command::new("start-web-server", 10148).known_to(Support::Lines([18, 18, 18, NO]));
/// It is not known what it does.
pub const SET_WAKE_STATE: Command =
    Command::new("set-wake-state", 10444).known_to(Support::Lines([NO, NO, NO, 14])).once();
/// Unproven. The answer is JSON of unknown layout.
pub const CONNECTION_STATE: Command =
    Command::new("connection-state", 10446).known_to(Support::Lines([NO, NO, NO, 14]));
pub const BATTERY_USE: Command = Command::new("battery-use", 10448).known_to(Support::Lines([NO, NO, NO, 28]));

pub(super) const COMMANDS: &[Command] =
    &[CLOCK, SET_CLOCK, SET_TIME_ZONE, SET_RTSP, RTSP, START_WEB_SERVER, SET_WAKE_STATE, CONNECTION_STATE, BATTERY_USE];

/// K10090: asks for the camera's time.
pub fn read_clock() -> Request {
    CLOCK.request(&[])
}

/// Parses K10091: the seconds since 1970, by the camera's clock.
///
/// # Errors
///
/// Where it is too short.
pub fn parse_clock(payload: &[u8]) -> Result<u32, WireError> {
    check_len("clock", payload, 4)?;
    Ok(u32_at(payload, 0))
}

/// K10092: sets the camera's clock.
pub fn set_clock(unix_seconds: u32) -> Request {
    Request { command: SET_CLOCK, message: hl::set_clock(unix_seconds) }
}

/// K10302: sets the hours from UTC of the camera's local time. The payload is an i8.
///
/// # Errors
///
/// Where they are not from −11 to 13.
pub fn set_time_zone(hours: i8) -> Result<Request, OutOfRange> {
    in_range("hours from UTC", hours, -11..=13)?;
    Ok(SET_TIME_ZONE.request(&hours.to_le_bytes()))
}

/// K10600: switches the RTSP server of firmware that has one.
pub fn set_rtsp(value: Switch) -> Request {
    SET_RTSP.request(&[value.number()])
}

/// K10604: asks for the RTSP server.
pub fn read_rtsp() -> Request {
    RTSP.request(&[])
}

/// K10605.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rtsp {
    pub state: Told<Switch>,
    /// `None` where the answer has none.
    pub url: Option<RtspUrl>,
}

/// The URL of a camera's RTSP server, which has the user's name and password in it. `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct RtspUrl(String);

impl RtspUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Rtsp {
    /// Parses the payload: the switch, and bytes with a URL among them.
    ///
    /// # Errors
    ///
    /// Where it is empty.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        const SCHEME: &[u8] = b"rtsp://";
        check_len("RTSP", payload, 1)?;
        let url = payload[1..].windows(SCHEME.len()).position(|bytes| bytes == SCHEME).map(|at| {
            let url = payload[1 + at..].iter().copied().take_while(u8::is_ascii_graphic);
            RtspUrl(url.map(char::from).collect())
        });
        Ok(Rtsp { state: Told::new(payload[0]), url })
    }
}

/// K10148: starts the web server that older firmware has, which serves the SD card below `/SDPath/`.
pub fn start_web_server() -> Request {
    START_WEB_SERVER.request(&[0, 1, 0, 0, 0])
}

/// K10446: asks for the connection's state. [`json_object`] reads the answer.
pub fn read_connection_state() -> Request {
    CONNECTION_STATE.request(&[])
}

/// K10448: asks what the battery was used for.
pub fn read_battery_use() -> Request {
    BATTERY_USE.request(&[])
}

/// K10449. Units are not known; what the camera left out is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatteryUse {
    pub last_charge: Option<i64>,
    pub live: Option<i64>,
    pub events_uploaded: Option<i64>,
    pub events_filtered: Option<i64>,
    pub recordings: Option<i64>,
    /// Nobody knows what it counts.
    pub unknown: Option<i64>,
}

impl BatteryUse {
    /// Parses the payload, a JSON object.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let object = json_object(payload).ok_or(WireError::Value { what: "battery use" })?;
        let number = |key| object.get(key).and_then(whole_number);
        Ok(BatteryUse {
            last_charge: number("0"),
            live: number("1"),
            events_uploaded: number("2"),
            events_filtered: number("3"),
            recordings: number("4"),
            unknown: number("5"),
        })
    }
}
