//! The action signals: what an application asks the camera to do, and what it asks to know.
//!
//! An act returns at once, and what comes of it is logged. A question takes a promise, as those of webrtcbin do.

use super::WyzeSrc;
use crate::element::{self, Fill};
use crate::protocol::client;
use crate::protocol::commands::light_sound::{self, Reply as QuickReply};
use crate::protocol::commands::pan_tilt::{self, Direction, Position, Waypoint, Waypoints};
use crate::protocol::commands::{OutOfRange, Request, Value, device, picture, refusal};
use crate::protocol::wire::control::io_type;
use crate::session::Reply;
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
    request: fn(Arguments<'_>) -> Option<Result<client::Request, OutOfRange>>,
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
            let (horizontal, vertical) = (argument(arguments, 0)?, argument(arguments, 1)?);
            Some(pan_tilt::rotate(horizontal, vertical, argument(arguments, 2)?))
        }),
        act("move", &[super::MoveDirection::static_type(), uint], |arguments| {
            let direction = argument::<super::MoveDirection>(arguments, 0)?.into();
            Some(pan_tilt::move_to_end(direction, argument(arguments, 1)?))
        }),
        act("go-to", &[uint, uint], |arguments| {
            let position = Position::new(argument(arguments, 0)?, argument(arguments, 1)?);
            Some(position.and_then(|position| pan_tilt::go_to(unix_time(), position)))
        }),
        act("reset-position", &[], |_| Some(Ok(pan_tilt::reset_position()))),
        act("take-photo", &[], |_| Some(Ok(picture::take_photo()))),
        act("quick-reply", &[uint], |arguments| {
            let number = argument::<u32>(arguments, 0)?;
            let out_of_range = OutOfRange { what: "quick reply", value: number.into(), min: 1, max: 3 };
            let reply = u8::try_from(number).ok().and_then(QuickReply::from_number);
            Some(reply.map(light_sound::quick_reply).ok_or(out_of_range))
        }),
        // The answer takes a moment. The field has 32 bits, and wraps in 2106.
        act("set-time", &[], |_| Some(Ok(device::set_clock(unix_time().as_secs() as u32 + 1)))),
        build("go-to-waypoint", vec![uint], |arguments| {
            go_to_waypoint(&arguments[0].get().ok()?, argument(arguments, 0)?);
            None
        }),
        build("refresh-settings", Vec::new(), |arguments| {
            let element = arguments[0].get::<WyzeSrc>().ok()?;
            element.imp().camera_settings().refresh(&element);
            None
        }),
    ]
}

fn questions() -> Vec<Signal> {
    vec![
        ask(
            "position",
            &[],
            |_| Some(Ok(pan_tilt::read_position(unix_time().as_secs() as u32).into())),
            |answer, structure| match Position::parse(answer) {
                Ok(position) => with_position(structure, position),
                Err(_) => structure,
            },
        ),
        ask(
            "waypoints",
            &[],
            |_| Some(Ok(pan_tilt::read_waypoints().into())),
            |answer, structure| {
                let Waypoints(points) = Waypoints::parse(answer).unwrap_or_default();
                let points = points.into_iter().map(|Waypoint { position, wait }| {
                    let wait = gst::ClockTime::from_seconds(wait.into());
                    let point = gst::Structure::builder("waypoint").field("wait-ns", wait);
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
                let points: Option<Vec<_>> = points.iter().map(|point| waypoint(&point.get().ok()?)).collect();
                let points = points?.into_iter().collect::<Result<_, _>>();
                Some(points.and_then(|points| Waypoints(points).write()).map(Into::into))
            },
            |answer, structure| structure.field("agreed", refusal(answer).is_none()),
        ),
        ask(
            "send-command",
            &[u32::static_type(), glib::Bytes::static_type()],
            |arguments| {
                let (code, payload) = raw(arguments)?;
                Some(Request::raw(code, &payload).map(Into::into))
            },
            |answer, structure| structure.field("payload", glib::Bytes::from(answer)),
        ),
        ask(
            "send-io-type",
            &[u32::static_type(), glib::Bytes::static_type()],
            |arguments| {
                let (io_type, payload) = raw(arguments)?;
                // Those of that type are K-commands, which have a header of their own.
                (io_type != io_type::HL).then(|| Ok(client::Request::raw(io_type, &payload)))
            },
            |answer, structure| structure.field("payload", glib::Bytes::from(answer)),
        ),
    ]
}

/// Returns a code of 16 bits and a payload that fits into a datagram, `None` where they are none.
fn raw(arguments: Arguments<'_>) -> Option<(u16, glib::Bytes)> {
    let code = argument::<u32>(arguments, 0)?.try_into().ok()?;
    let payload = argument::<Option<glib::Bytes>>(arguments, 1)?.unwrap_or_else(|| glib::Bytes::from_static(&[]));
    (payload.len() <= MAX_PAYLOAD).then_some((code, payload))
}

/// Turns the camera to one of its own waypoints, which are counted from 1. No command does that, so it is asked where
/// the waypoint is.
fn go_to_waypoint(element: &WyzeSrc, number: u32) {
    let Some(caller) = element.imp().camera_settings().caller() else {
        gst::warning!(super::CAT, obj = element, "go-to-waypoint is not sent: there is no connection");
        return;
    };
    let weak = element.downgrade();
    caller.clone().command(pan_tilt::read_waypoints().into(), move |reply| {
        let Some(element) = weak.upgrade() else { return };
        let Reply::Answer(answer) = reply else {
            gst::warning!(super::CAT, obj = element, "The camera does not tell its waypoints: {reply:?}");
            return;
        };
        let Waypoints(points) = Waypoints::parse(&answer).unwrap_or_default();
        let point = usize::try_from(number).ok().and_then(|number| points.get(number.checked_sub(1)?));
        match point.map(|point| pan_tilt::go_to(unix_time(), point.position)) {
            Some(Ok(request)) => element::act(element.upcast_ref(), *super::CAT, &caller, request),
            Some(Err(error)) => gst::error!(super::CAT, obj = element, "Not sent to the camera: {error}"),
            None => {
                gst::error!(super::CAT, obj = element, "The camera has {} waypoints, and no {number}", points.len())
            }
        }
    });
}

/// The most bytes that go with a command, so that it fits into one datagram.
const MAX_PAYLOAD: usize = 1024;

fn with_position(structure: gst::structure::Builder, position: Position) -> gst::structure::Builder {
    structure.field("horizontal", u32::from(position.horizontal)).field("vertical", u32::from(position.vertical))
}

/// Reads a structure with `horizontal`, `vertical` and `wait-ns`; `None` where one is missing.
fn waypoint(structure: &gst::Structure) -> Option<Result<Waypoint, OutOfRange>> {
    let field = |name| structure.get::<u32>(name).ok();
    let position = Position::new(field("horizontal")?, field("vertical")?);
    let wait = structure.get::<gst::ClockTime>("wait-ns").ok()?;
    Some(position.and_then(|position| Waypoint::new(position, wait.into())))
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
