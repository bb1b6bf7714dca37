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
            let text = format!("{value:<9}({})", control.choices.join(", "));
            rows.push(Row { name: control.name, value: value.into(), text });
        }
    }
    Ok(rows)
}

/// Returns what the camera tells of its video stream, and of its battery.
fn stream(line: &Line, parameters: &Parameters) -> Result<Vec<Row>, Failure> {
    let is_told = [id::BITRATE, id::FPS].iter().all(|id| parameters.get(*id).is_some());
    // Newer firmware tells these by K10050 only. Battery cameras answer that by the battery's level.
    let answer = match is_told && !model::sleeps(&line.info.model) {
        true => None,
        false => ask(line, media::read_video())?,
    };
    Ok(of_stream(parameters, answer.and_then(|answer| VideoAnswer::parse(&answer).ok())))
}

fn of_stream(parameters: &Parameters, answer: Option<VideoAnswer>) -> Vec<Row> {
    let (state, battery) = match answer {
        Some(VideoAnswer::Video(state)) => (Some(state.parameters), None),
        Some(VideoAnswer::Battery(level)) => (None, Some(level)),
        None => (None, None),
    };
    let bitrate = parameters.get(id::BITRATE).or(state.map(|state| state.bitrate.into()));
    let rows = [
        ("bitrate", bitrate.map(|bitrate| bitrate.saturating_mul(BITS)), "kbit/s"),
        ("framerate", parameters.get(id::FPS).or(state.map(|state| state.fps.into())), "frames a second"),
        ("battery", battery, "%"),
    ];
    let rows = rows.into_iter().filter_map(|(name, number, unit)| {
        number.map(|number| Row { name, value: number.into(), text: format!("{number:<9}{unit}") })
    });
    rows.collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parameters: &str, answer: &[u8]) -> Vec<String> {
        let parameters = Parameters::parse(parameters.as_bytes()).unwrap();
        let rows = of_stream(&parameters, VideoAnswer::parse(answer).ok());
        rows.into_iter().map(|Row { name, value, text }| format!("{name} {value} {text}")).collect()
    }

    /// The bytes are samples that other clients have logged.
    #[test]
    fn the_stream_s_values_come_from_either_command() {
        let video = [0xb4, 0x00, 0x04, 0x14, 0x01, 0x01];
        assert_eq!(shown("{}", &video), ["bitrate 1440 1440     kbit/s", "framerate 20 20       frames a second"]);
        assert_eq!(
            shown(r#"{"3":60,"5":15}"#, &video),
            ["bitrate 480 480      kbit/s", "framerate 15 15       frames a second"]
        );
        assert_eq!(shown("{}", br#"{"camerainfo":{"powerlevel":80}}"#), ["battery 80 80       %"]);
        assert!(shown("{}", b"").is_empty());
    }
}
