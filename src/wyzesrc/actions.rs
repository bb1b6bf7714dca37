//! The action signals: what an application asks the camera to do, and what it asks to know.
//!
//! An act returns at once, and what comes of it is logged. A question takes a promise, as those of webrtcbin do.

use super::WyzeSrc;
use crate::element::Fill;
use crate::protocol::commands::light_sound::{self, Reply};
use crate::protocol::commands::pan_tilt::{self, Direction, Position, Waypoint, Waypoints};
use crate::protocol::commands::{OutOfRange, Request, Value, device, picture, refusal};
use crate::unix_time::unix_time;
use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;

type Arguments<'a> = &'a [glib::Value];

fn argument<T: for<'a> glib::value::FromValue<'a>>(arguments: Arguments<'_>, place: usize) -> Option<T> {
    // Place 0 is the element.
    arguments.get(place + 1)?.get().ok()
}

/// Returns a number that is too large for its command as the largest, which the command's own check refuses.
fn narrow<T: TryFrom<i64>>(number: i64, most: T) -> T {
    T::try_from(number).unwrap_or(most)
}

/// Makes a signal that has the camera do something.
fn act(name: &str, types: &[glib::Type], request: fn(Arguments<'_>) -> Option<Result<Request, OutOfRange>>) -> Signal {
    let handler = move |arguments: Arguments<'_>| {
        let element = arguments[0].get::<WyzeSrc>().ok()?;
        match request(arguments)? {
            Ok(request) => element.imp().act(request),
            Err(error) => gst::error!(super::CAT, obj = element, "Not sent to the camera: {error}"),
        }
        None
    };
    build(name, types.to_vec(), handler)
}

/// Makes a signal that asks the camera, and keeps a promise with what `fill` makes of the answer. The promise is the
/// last argument.
fn ask(
    name: &str,
    types: &[glib::Type],
    request: fn(Arguments<'_>) -> Option<Result<Request, OutOfRange>>,
    fill: Fill,
) -> Signal {
    let place = types.len();
    let types = [types, &[gst::Promise::static_type()]].concat();
    let handler = move |arguments: Arguments<'_>| {
        let element = arguments[0].get::<WyzeSrc>().ok()?;
        let promise = argument::<gst::Promise>(arguments, place)?;
        match request(arguments) {
            Some(Ok(request)) => element.imp().ask(request, fill, promise),
            Some(Err(error)) => {
                gst::error!(super::CAT, obj = element, "Not sent to the camera: {error}");
                promise.reply(None);
            }
            None => promise.reply(None),
        }
        None
    };
    build(name, types, handler)
}

fn build(
    name: &str,
    types: Vec<glib::Type>,
    handler: impl Fn(Arguments<'_>) -> Option<glib::Value> + Send + Sync + 'static,
) -> Signal {
    Signal::builder(name).param_types(types).action().class_handler(handler).build()
}

pub fn signals() -> Vec<Signal> {
    let mut signals = acts();
    signals.extend(questions());
    signals
}

fn acts() -> Vec<Signal> {
    let (int, uint) = (i32::static_type(), u32::static_type());
    vec![
        act("rotate", &[int, int, uint], |arguments| {
            let horizontal = narrow(argument::<i32>(arguments, 0)?.into(), i16::MAX);
            let vertical = narrow(argument::<i32>(arguments, 1)?.into(), i16::MAX);
            Some(pan_tilt::rotate(horizontal, vertical, narrow(argument::<u32>(arguments, 2)?.into(), u8::MAX)))
        }),
        act("move", &[super::MoveDirection::static_type(), uint], |arguments| {
            let direction = argument::<super::MoveDirection>(arguments, 0)?.into();
            Some(pan_tilt::move_to_end(direction, narrow(argument::<u32>(arguments, 1)?.into(), u8::MAX)))
        }),
        act("go-to", &[uint, uint], |arguments| {
            let horizontal = narrow(argument::<u32>(arguments, 0)?.into(), u16::MAX);
            let vertical = narrow(argument::<u32>(arguments, 1)?.into(), u8::MAX);
            Some(pan_tilt::go_to(unix_time(), Position { horizontal, vertical }))
        }),
        act("reset-position", &[], |_| Some(Ok(pan_tilt::reset_position()))),
        act("take-photo", &[], |_| Some(Ok(picture::take_photo()))),
        act("quick-reply", &[uint], |arguments| {
            let number = narrow(argument::<u32>(arguments, 0)?.into(), u8::MAX);
            let out_of_range = OutOfRange { what: "quick reply", value: number.into(), min: 1, max: 3 };
            Some(Reply::from_number(number).map(light_sound::quick_reply).ok_or(out_of_range))
        }),
        // The answer takes a moment. The field has 32 bits, and wraps in 2106.
        act("set-time", &[], |_| Some(Ok(device::set_clock(unix_time().as_secs() as u32 + 1)))),
    ]
}

fn questions() -> Vec<Signal> {
    vec![
        ask(
            "position",
            &[],
            |_| Some(Ok(pan_tilt::read_position(unix_time().as_secs() as u32))),
            |answer, structure| match Position::parse(answer) {
                Ok(position) => with_position(structure, position),
                Err(_) => structure,
            },
        ),
        ask(
            "waypoints",
            &[],
            |_| Some(Ok(pan_tilt::read_waypoints())),
            |answer, structure| {
                let Waypoints(points) = Waypoints::parse(answer).unwrap_or_default();
                let points = points.into_iter().map(|Waypoint { position, wait }| {
                    let point = gst::Structure::builder("waypoint").field("wait", u32::from(wait));
                    with_position(point, position).build().to_send_value()
                });
                structure.field("waypoints", gst::Array::from_values(points))
            },
        ),
        ask(
            "set-waypoints",
            &[gst::Array::static_type()],
            |arguments| {
                let points = argument::<gst::Array>(arguments, 0)?;
                let points =
                    points.iter().map(|point| point.get::<gst::Structure>().ok().and_then(|point| waypoint(&point)));
                Some(Waypoints(points.collect::<Option<_>>()?).write())
            },
            |answer, structure| structure.field("agreed", refusal(answer).is_none()),
        ),
        ask(
            "send-command",
            &[u32::static_type(), glib::Bytes::static_type()],
            |arguments| {
                let payload = argument::<Option<glib::Bytes>>(arguments, 1)?;
                let payload = payload.as_deref().unwrap_or_default();
                let code =
                    u16::try_from(argument::<u32>(arguments, 0)?).ok().filter(|_| payload.len() <= MAX_PAYLOAD)?;
                Some(Request::raw(code, payload))
            },
            |answer, structure| structure.field("payload", glib::Bytes::from(answer)),
        ),
    ]
}

/// The most bytes that go with a command, so that it fits into one datagram.
const MAX_PAYLOAD: usize = 1024;

fn with_position(structure: gst::structure::Builder, position: Position) -> gst::structure::Builder {
    structure.field("horizontal", u32::from(position.horizontal)).field("vertical", u32::from(position.vertical))
}

/// Reads a structure with `horizontal`, `vertical` and `wait`.
fn waypoint(structure: &gst::StructureRef) -> Option<Waypoint> {
    let field = |name| structure.get::<u32>(name).ok().map(i64::from);
    let position =
        Position { horizontal: narrow(field("horizontal")?, u16::MAX), vertical: narrow(field("vertical")?, u8::MAX) };
    Some(Waypoint { position, wait: field("wait")?.try_into().ok()? })
}

impl From<super::MoveDirection> for Direction {
    fn from(direction: super::MoveDirection) -> Self {
        match direction {
            super::MoveDirection::Left => Direction::Left,
            super::MoveDirection::Right => Direction::Right,
            super::MoveDirection::Up => Direction::Up,
            super::MoveDirection::Down => Direction::Down,
        }
    }
}
