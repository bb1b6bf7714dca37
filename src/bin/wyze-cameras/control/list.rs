//! What a camera has, with its values.

use super::super::Failure;
use super::super::line::Line;
use super::super::output::print;
use super::{out_of_range, unreadable};
use gstwyze::protocol::commands::Request;
use gstwyze::protocol::commands::controls::CONTROLS;
use gstwyze::protocol::commands::media::{self, VideoAnswer};
use gstwyze::protocol::commands::pan_tilt::{self, Position};
use gstwyze::protocol::commands::settings::{self, Parameters, id};
use gstwyze::protocol::model;
use gstwyze::unix_time::unix_time;
use serde_json::{Value, json};

/// Cameras count the bitrate in KB/s, and GStreamer does in kbit/s.
const BITS: i64 = 8;

/// A value that the camera told.
struct Row {
    /// The name of the control, or of the element's property.
    name: &'static str,
    value: Value,
    /// What a reader sees.
    text: String,
}

/// Prints all that the camera tells of.
pub fn list(line: &Line, is_json: bool) -> Result<(), Failure> {
    let ids = CONTROLS.iter().flat_map(|control| control.parameters).copied().chain([id::BITRATE, id::FPS]);
    let ids: Vec<u8> = ids.collect();
    let parameters = match ask(line, settings::read_parameters(&ids).map_err(out_of_range)?)? {
        Some(answer) => Parameters::parse(&answer).map_err(unreadable)?,
        None => Parameters::default(),
    };
    let mut rows = controls(line, &parameters)?;
    rows.extend(stream(line, &parameters)?);
    rows.extend(position(line)?);
    if is_json {
        return print(Value::from_iter(rows.into_iter().map(|row| (row.name, row.value))));
    }
    for Row { name, text, .. } in rows {
        print(format_args!("{name:<20}{text}"))?;
    }
    Ok(())
}

/// Asks a question to which not every camera has an answer.
fn ask(line: &Line, request: Request) -> Result<Option<Vec<u8>>, Failure> {
    match line.call(request.into()) {
        Ok(answer) => Ok(Some(answer)),
        Err(Failure::Silence) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn controls(line: &Line, parameters: &Parameters) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for control in &CONTROLS {
        // What K10020 does not have is asked for by itself, where the model is known to have it: a camera that does not
        // know a command takes 5 s.
        let own = control
            .read()
            .filter(|_| control.parameters.is_empty() && control.is_known_to(&line.info.model, line.info.protocol));
        let value = match own {
            None => control.told(parameters),
            Some(request) => {
                let code = request.command.code;
                ask(line, request)?.and_then(|answer| control.parse(code, &answer))
            }
        };
        if let Some(value) = value {
            let text = format!("{value:<6}({})", control.choices.join(", "));
            rows.push(Row { name: control.name, value: value.into(), text });
        }
    }
    Ok(rows)
}

/// Returns what the camera tells of its video stream, and of its battery.
fn stream(line: &Line, parameters: &Parameters) -> Result<Vec<Row>, Failure> {
    let (mut bitrate, mut framerate) = (parameters.get(id::BITRATE), parameters.get(id::FPS));
    let mut battery = None;
    // Newer firmware tells these by K10050 only. Battery cameras answer that by the battery's level.
    if bitrate.is_none() || framerate.is_none() || model::sleeps(&line.info.model) {
        match ask(line, media::read_video())?.and_then(|answer| VideoAnswer::parse(&answer).ok()) {
            Some(VideoAnswer::Video(state)) => {
                bitrate = bitrate.or(Some(state.parameters.bitrate.into()));
                framerate = framerate.or(Some(state.parameters.fps.into()));
            }
            Some(VideoAnswer::Battery(level)) => battery = Some(level),
            None => {}
        }
    }
    let rows = [
        ("bitrate", bitrate.map(|bitrate| bitrate.saturating_mul(BITS)), "kbit/s"),
        ("framerate", framerate, "frames a second"),
        ("battery", battery, "%"),
    ];
    let rows = rows.into_iter().filter_map(|(name, number, unit)| {
        number.map(|number| Row { name, value: number.into(), text: format!("{number:<6}{unit}") })
    });
    Ok(rows.collect())
}

/// Asks where the camera looks, if its model pans.
fn position(line: &Line) -> Result<Option<Row>, Failure> {
    if !model::pans(&line.info.model) {
        return Ok(None);
    }
    let answer = ask(line, pan_tilt::read_position(unix_time().as_secs() as u32))?;
    Ok(answer.and_then(|answer| Position::parse(&answer).ok()).map(|Position { horizontal, vertical }| Row {
        name: "position",
        value: json!({ "horizontal": horizontal, "vertical": vertical }),
        text: format!("{horizontal} {vertical}"),
    }))
}
