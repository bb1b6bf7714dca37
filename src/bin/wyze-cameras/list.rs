//! `list` and `show`.

use super::Failure;
use super::completion;
use super::launch::ByName;
use super::output::{print, tell};
use super::search::search;
use clap::Args;
use gstwyze::account::{Camera, Paths, Store};
use gstwyze::identity::{self, Identity};
use serde_json::{Value, json};

/// List the cameras, and whether they can be streamed from.
#[derive(Args, Debug, Default)]
pub struct ListArguments {
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
    /// Ask the network which cameras answer now, which takes up to 1.5 s
    #[arg(long)]
    online: bool,
    /// Add UID, ENR and MAC, which open the camera to everybody who sees them; only with --json
    #[arg(long, requires = "json")]
    secrets: bool,
}

/// Show how to stream from a camera.
///
/// The lines name the camera and have no keys in them: they work wherever this user's store is.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// The camera's name, MAC or UID
    #[arg(add = completion::camera_names())]
    name: String,
    /// Print lines with UID, ENR and MAC instead of the name, for other users and machines
    #[arg(long)]
    secrets: bool,
}

pub fn list(store: &Store, arguments: &ListArguments) -> Result<(), Failure> {
    let cameras = store.cameras()?;
    let online = if arguments.online { who_is_online(&cameras)? } else { vec![None; cameras.len()] };
    if arguments.json {
        let list: Vec<Value> = cameras
            .iter()
            .zip(&online)
            .map(|(camera, online)| {
                let mut json = describe(camera, arguments.secrets);
                if arguments.online {
                    json["online"] = (*online).into();
                }
                json
            })
            .collect();
        return print(format_args!("{:#}", Value::from(list)));
    }
    if cameras.is_empty() {
        tell("No camera is stored: run wyze-cameras login, wyze-cameras add, or wyze-cameras import.");
        return Ok(());
    }
    let known = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let mut rows = vec![["NAME", "MODEL", "FIRMWARE", "ADDRESS", "AGE", "STREAMS"].map(str::to_owned).to_vec()];
    rows.extend(cameras.iter().map(|camera| {
        vec![
            camera.name.clone(),
            known(&camera.model),
            known(&camera.firmware),
            known(&address(camera)),
            age(camera.age().as_secs()),
            match camera.paths() {
                paths if paths.obstacle().is_none() => format!("yes, by {}", paths.open().join(" or ")),
                paths => format!("no: {}", paths.obstacle().unwrap_or_default()),
            },
        ]
    }));
    if arguments.online {
        let cells = online.iter().map(|online| match online {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        });
        for (row, cell) in rows.iter_mut().zip(["ONLINE"].into_iter().chain(cells)) {
            // The last column may be long.
            row.insert(1, cell.into());
        }
    }
    print_table(&rows)
}

/// Asks which cameras answer now; `None` for one that cannot be asked.
fn who_is_online(cameras: &[Camera]) -> Result<Vec<Option<bool>>, Failure> {
    let found =
        search(cameras, None, None).map_err(|e| Failure::Other(format!("the network cannot be searched ({e})")))?;
    let is_asked = |camera: &Camera| camera.paths().lan.is_ok();
    let cameras = cameras.iter().zip(&found.cameras);
    Ok(cameras.map(|(camera, answer)| is_asked(camera).then_some(answer.is_some())).collect())
}

pub fn show(store: &Store, arguments: &ShowArguments) -> Result<(), Failure> {
    let cameras = store.cameras()?;
    let camera = cameras.find(&arguments.name)?;
    print(&camera.name)?;
    for (what, value) in [("model", &camera.model), ("firmware", &camera.firmware), ("address", &address(camera))] {
        if !value.is_empty() {
            print(format_args!("  {what}: {value}"))?;
        }
    }
    let Paths { lan, webrtc } = camera.paths();
    for (path, state) in [("LAN", lan), ("WebRTC", webrtc)] {
        print(format_args!("  {path}: {}", state.err().map_or("yes".into(), |why| format!("no: {why}"))))?;
    }
    if let Some(why) = camera.paths().obstacle() {
        print(format_args!("  cannot be streamed from: {why}"))?;
    }
    let (settings, uri) = if arguments.secrets {
        let uri = identity::format(&identity_of(camera), []).unwrap_or_default();
        (format!("uri=\"{uri}\""), uri)
    } else {
        let ByName { setting, uri } = ByName::new(&cameras, camera);
        (setting, uri)
    };
    print(format_args!("\ngst-launch-1.0 wyzesrc {settings} ! decodebin ! autovideosink"))?;
    print(uri)
}

/// Returns a camera's keys and place as element properties.
fn identity_of(camera: &Camera) -> Identity {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let keys = match &camera.base_station {
        Some(station) => (&station.uid, &station.enr, &station.mac),
        None => (&camera.uid, &camera.enr, &camera.mac),
    };
    let default = Identity::default();
    Identity {
        uid: text(keys.0.expose()),
        enr: Some(keys.1.clone()).filter(|enr| !enr.is_empty()),
        mac: text(keys.2.expose()),
        host: camera.host.clone(),
        port: camera.port.unwrap_or(default.port),
        model: text(&camera.model),
        ..default
    }
}

fn describe(camera: &Camera, with_secrets: bool) -> Value {
    let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut json = json!({
        "name": camera.name,
        "model": known(&camera.model),
        "firmware": known(&camera.firmware),
        "host": camera.host,
        "port": camera.port,
        "streams": camera.paths().obstacle().is_none(),
        "why_not": camera.paths().obstacle(),
        "paths": camera.paths().open(),
        "origin": camera.origin,
        "updated": camera.updated,
    });
    if with_secrets {
        for (name, secret) in [("uid", &camera.uid), ("enr", &camera.enr), ("mac", &camera.mac)] {
            json[name] = known(secret.expose()).into();
        }
    }
    json
}

fn address(camera: &Camera) -> String {
    let host = camera.host.clone().unwrap_or_default();
    camera.port.map_or(host.clone(), |port| format!("{host}:{port}"))
}

/// Tells roughly how old an entry is.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => "new".into(),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

/// Prints rows of the same length, of which the first is the heading.
pub fn print_table<R: AsRef<[String]>>(rows: &[R]) -> Result<(), Failure> {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.as_ref().iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        print(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_rough() {
        let seen = [0, 59, 60, 3599, 7200, 86400 * 3].map(age);
        assert_eq!(seen, ["new", "new", "1 min", "59 min", "2 h", "3 d"]);
    }
}
