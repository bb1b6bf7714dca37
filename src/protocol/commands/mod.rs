//! Commands to the camera ("K-commands"): what it is asked for and told to do, and what its answers say.
//!
//! A [`Command`] is what a queue has to know of one: its codes, which cameras have it, and whether it may be sent
//! twice. A [`Request`] is a command with its payload, ready to be sent. Most settings are a pair of commands with a
//! byte each, a [`Setting`]. Each family has a file, and in it a list of its commands.
//!
//! Layouts are those that other clients use; none was tried on a camera by this project. Most commands were seen at
//! work on many cameras. One that is "unproven" is in another client's code, but was never seen in a log. One of which
//! little is known has a name, but can be sent by [`Request::raw`] only.
//!
//! Parsers take an answer's payload. They check lengths, keep unknown values, ignore bytes that follow, and never
//! panic.

pub mod controls;
pub mod device;
pub mod light_sound;
pub mod media;
pub mod motion;
pub mod pan_tilt;
pub mod picture;
pub mod settings;
#[cfg(test)]
mod tests;

use super::model::{self, Line};
use super::wire::hl::Message;
use super::wire::{WireError, check_len};
use serde_json::{Map, Value as Json};
use std::marker::PhantomData;
use std::ops::RangeInclusive;

/// All commands that have a name.
const FAMILIES: [&[Command]; 7] = [
    media::COMMANDS,
    settings::COMMANDS,
    picture::COMMANDS,
    motion::COMMANDS,
    pan_tilt::COMMANDS,
    light_sound::COMMANDS,
    device::COMMANDS,
];

/// What is known of a command, whatever its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// Empty where the command has none.
    pub name: &'static str,
    pub code: u16,
    /// The code of the answer; `None` where none ever comes.
    pub answer: Option<u16>,
    pub support: Support,
    /// Whether it may be sent again before its answer comes, because doing it twice is doing it once.
    pub is_idempotent: bool,
}

/// The cameras that are known to have a command. It is no limit: cameras have commands that no list names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    Every,
    /// Models of the lines [`Line::V1`], [`Line::V2`], [`Line::V3`] and [`Line::Outdoor`], from these protocol numbers
    /// on. [`NO`] stands for none.
    Lines([u8; 4]),
    /// Models that pan. The first of them has it from this protocol number on.
    Pan(u8),
    /// These models.
    Models(&'static [&'static str]),
    /// No model is known to have it.
    Unknown,
}

/// Above all protocol numbers.
const NO: u8 = u8::MAX;

impl Command {
    /// A command that every camera has, that is answered and that may be repeated.
    const fn new(name: &'static str, code: u16) -> Self {
        Command { name, code, answer: code.checked_add(1), support: Support::Every, is_idempotent: true }
    }

    const fn known_to(self, support: Support) -> Self {
        Command { support, ..self }
    }

    /// Makes it one that is sent once only.
    const fn once(self) -> Self {
        Command { is_idempotent: false, ..self }
    }

    const fn without_answer(self) -> Self {
        Command { answer: None, ..self }
    }

    /// Returns the command with this code. One without a name is taken to be answered and not to be repeatable.
    pub fn with_code(code: u16) -> Self {
        let named = FAMILIES.into_iter().flatten().find(|command| command.code == code).copied();
        named.unwrap_or(Command::new("", code).known_to(Support::Unknown).once())
    }

    /// Whether a camera of this model, which tells this protocol number in its HL messages, is known to have the
    /// command. Others may have it all the same: one that has not stays silent.
    pub fn is_known_to(&self, model: &str, protocol: u16) -> bool {
        let line = model::line(model);
        match self.support {
            Support::Every => true,
            Support::Lines(since) => line.is_some_and(|line| {
                let from = since[line as usize];
                from != NO && protocol >= u16::from(from)
            }),
            Support::Pan(from) => model::pans(model) && (line != Some(Line::V2) || protocol >= u16::from(from)),
            Support::Models(models) => models.contains(&model),
            Support::Unknown => false,
        }
    }

    fn request(self, payload: &[u8]) -> Request {
        Request { command: self, message: Message { command: self.code, payload }.emit() }
    }
}

/// A command that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub command: Command,
    /// The whole HL message.
    pub message: Vec<u8>,
}

impl Request {
    /// Makes a request of any code and payload. The payload is not checked, but has to be below 64 KiB.
    ///
    /// # Errors
    ///
    /// Where the payload is longer.
    pub fn raw(code: u16, payload: &[u8]) -> Result<Self, OutOfRange> {
        in_range("payload length", payload.len() as i64, 0..=u16::MAX.into())?;
        Ok(Command::with_code(code).request(payload))
    }
}

/// An argument that no camera takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {value}; it has to be from {min} to {max}")]
pub struct OutOfRange {
    pub what: &'static str,
    pub value: i64,
    pub min: i64,
    pub max: i64,
}

fn in_range(what: &'static str, value: impl Into<i64>, range: RangeInclusive<i64>) -> Result<(), OutOfRange> {
    let (value, min, max) = (value.into(), *range.start(), *range.end());
    if range.contains(&value) { Ok(()) } else { Err(OutOfRange { what, value, min, max }) }
}

/// A value that is one byte on the wire.
pub trait Value: Copy + PartialEq + 'static {
    const ALL: &'static [Self];

    /// Returns the number on the wire.
    fn number(self) -> u8;

    /// Returns the value with this number on the wire, if there is one.
    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.number() == number)
    }
}

/// Most settings' value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    On = 1,
    Off = 2,
}

impl Value for Switch {
    const ALL: &'static [Self] = &[Switch::On, Switch::Off];

    fn number(self) -> u8 {
        self as u8
    }
}

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        if on { Switch::On } else { Switch::Off }
    }
}

/// A byte of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<V> {
    Value(V),
    /// A number with no known meaning.
    Unknown(u8),
}

impl<V: Value> Told<V> {
    fn new(number: u8) -> Self {
        V::from_number(number).map_or(Told::Unknown(number), Told::Value)
    }

    /// Returns the value, where it is a known one.
    pub fn value(self) -> Option<V> {
        match self {
            Told::Value(value) => Some(value),
            Told::Unknown(_) => None,
        }
    }
}

/// A value of the camera that one command reads and another one writes, one byte each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting<V> {
    pub get: Command,
    pub set: Command,
    value: PhantomData<V>,
}

impl<V: Value> Setting<V> {
    const fn new(get: Command, set: Command) -> Self {
        Setting { get, set, value: PhantomData }
    }

    const fn known_to(self, support: Support) -> Self {
        Setting { get: self.get.known_to(support), set: self.set.known_to(support), ..self }
    }

    /// Asks for the value.
    pub fn read(&self) -> Request {
        self.get.request(&[])
    }

    /// Sets the value.
    pub fn write(&self, value: V) -> Request {
        self.set.request(&[value.number()])
    }

    /// Parses the answer to [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// Where it is empty.
    pub fn parse(&self, payload: &[u8]) -> Result<Told<V>, WireError> {
        check_len(self.get.name, payload, 1)?;
        Ok(Told::new(payload[0]))
    }
}

/// Returns the number by which a camera refuses to set or do what it was told; `None` where it agrees. Cameras agree
/// also to values that they then ignore. An empty answer counts as agreed.
pub fn refusal(payload: &[u8]) -> Option<u8> {
    payload.first().copied().filter(|&number| number != 1)
}

/// Returns the JSON object that an answer begins with, if it does. Zeros may follow it, as cameras pad.
pub fn json_object(payload: &[u8]) -> Option<Map<String, Json>> {
    match serde_json::Deserializer::from_slice(payload).into_iter().next()? {
        Ok(Json::Object(object)) => Some(object),
        _ => None,
    }
}

/// Returns the whole number that a JSON value is, also as a text: cameras write both.
fn whole_number(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}
