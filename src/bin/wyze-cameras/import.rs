//! `import`: cameras from go2rtc, whose streams have the keys in their URLs.

use super::Failure;
use super::edit::insert;
use super::output::{print, printable, tell};
use super::yaml::{self, Node};
use clap::{Args, ValueHint};
use gstwyze::account::{Camera, Cameras, Origin, Store};
use gstwyze::identity::{self, Identity};
use std::io::{self, Read};

/// The longest input in bytes: no configuration is longer.
const LIMIT: u64 = 4 << 20;

/// Import cameras from go2rtc.
///
/// Takes go2rtc's configuration, or the wyze:// URLs of streams, as go2rtc and the editions of docker-wyze-bridge that
/// use it have them; Frigate's configuration, which has go2rtc's in it, will do too. Each camera gets its stream's
/// name. One that is there already keeps its name, and gets the address and the model of the stream. URLs have keys in
/// them: better pipe them in than give them as arguments, which every user of the machine can read in the process list.
#[derive(Args, Debug)]
pub struct ImportArguments {
    /// A go2rtc.yaml, Frigate's config.yml, a wyze:// URL, or - for either of them from standard input
    #[arg(value_hint = ValueHint::FilePath)]
    source: String,
    /// The camera's name, for a URL
    #[arg(long)]
    name: Option<String>,
}

/// A stream of the input.
struct Stream {
    name: String,
    url: String,
}

/// What became of a stream.
enum Outcome {
    Imported,
    /// The camera is there under this name, and something of it has changed.
    Updated(String),
    /// The camera is there under this name, as it is.
    Known(String),
}

pub fn import(store: &Store, arguments: &ImportArguments) -> Result<(), Failure> {
    let streams = streams(arguments)?;
    if streams.is_empty() {
        return Err(Failure::Other(
            "there is no wyze:// stream in it (rtsp:// URLs of docker-wyze-bridge have no keys: take its go2rtc's)"
                .into(),
        ));
    }
    let (mut imported, mut updated, mut failed) = (0, 0, 0);
    // Each camera that was found, and the name of its first stream.
    let mut seen: Vec<(Camera, String)> = Vec::new();
    for stream in streams {
        let name = printable(&stream.name);
        let camera = camera(stream);
        if let Ok(camera) = &camera
            && let Some((_, first)) = seen.iter().find(|(other, _)| other.is_same_as(camera))
        {
            print(format_args!("{name} is another stream of the camera {first}."))?;
            continue;
        }
        let result = camera.and_then(|camera| {
            let outcome = store.update(|cameras| put(cameras, camera.clone()))?;
            seen.push((camera, name.clone()));
            Ok(outcome)
        });
        match result {
            Ok(Outcome::Imported) => {
                print(format_args!("Imported {name}."))?;
                imported += 1;
            }
            Ok(Outcome::Updated(known)) => {
                print(format_args!("Updated {}.", also(&known, &name)))?;
                updated += 1;
            }
            Ok(Outcome::Known(known)) => print(format_args!("{} is there already.", also(&known, &name)))?,
            Err(error @ (Failure::Store(_) | Failure::Lookup(_))) => return Err(error),
            Err(error) => {
                tell(format_args!("wyze-cameras: {name}: {error}"));
                failed += 1;
            }
        }
    }
    tell(format_args!("{imported} imported, {updated} updated, {failed} not."));
    if failed > 0 { Err(Failure::Told) } else { Ok(()) }
}

/// Names a camera of the store, and the stream where that has another name.
fn also(known: &str, stream: &str) -> String {
    if known == stream { known.to_owned() } else { format!("{known} (stream {stream})") }
}

/// Adds a camera, or where it is there already, takes over what the stream says of its place and model. The account's
/// cameras keep the account's keys.
fn put(cameras: &mut Cameras, camera: Camera) -> Result<Outcome, Failure> {
    let Some(known) = cameras.iter_mut().find(|known| known.is_same_as(&camera)) else {
        return insert(cameras, camera).map(|()| Outcome::Imported);
    };
    camera.credentials().map_err(Failure::other)?;
    let before = known.clone();
    if camera.host.is_some() {
        (known.host, known.port) = (camera.host, camera.port);
    }
    if !camera.model.is_empty() {
        known.model = camera.model;
    }
    if known.origin != Origin::Account {
        (known.enr, known.mac) = (camera.enr, camera.mac);
    }
    let name = known.name.clone();
    if *known == before {
        return Ok(Outcome::Known(name));
    }
    known.updated = Camera::now();
    Ok(Outcome::Updated(name))
}

fn streams(arguments: &ImportArguments) -> Result<Vec<Stream>, Failure> {
    let source = arguments.source.as_str();
    let text = if is_wyze(source) {
        source.to_owned()
    } else if source == "-" {
        read(&mut io::stdin(), "standard input")?
    } else {
        read(&mut std::fs::File::open(source).map_err(|e| Failure::Other(format!("{source}: {e}")))?, source)?
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let parsed = yaml::parse(text);
    if let Ok(Some(configuration)) = &parsed
        && let Some(streams) = from_yaml(configuration)
    {
        return Ok(streams);
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if !lines.iter().any(|line| is_wyze(line)) {
        parsed.map_err(Failure::other)?;
        return Err(Failure::Other("it has no streams, and is no go2rtc.yaml".into()));
    }
    let name = |i: usize| match (&arguments.name, lines.len()) {
        (Some(name), 1) => name.clone(),
        (Some(name), _) => format!("{name} {}", i + 1),
        (None, 1) => "camera".into(),
        (None, _) => format!("camera {}", i + 1),
    };
    let found = lines.iter().enumerate().filter(|(_, line)| is_wyze(line));
    Ok(found.map(|(i, line)| Stream { name: name(i), url: (*line).to_owned() }).collect())
}

fn is_wyze(text: &str) -> bool {
    text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("wyze://"))
}

fn read(from: &mut impl Read, name: &str) -> Result<String, Failure> {
    let failed = |problem: String| Failure::Other(format!("{name}: {problem}"));
    let mut bytes = Vec::new();
    from.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|e| failed(e.to_string()))?;
    if bytes.len() as u64 > LIMIT {
        return Err(failed("it is longer than 4 MB, and no go2rtc.yaml".into()));
    }
    String::from_utf8(bytes).map_err(|_| failed("it is no text, and no go2rtc.yaml".into()))
}

/// Returns the first wyze:// source of each stream; `None` where this is no configuration. Streams stand under
/// `streams`, in Frigate's configuration under `go2rtc`, and in go2rtc's own list of streams at the top.
fn from_yaml(configuration: &Node) -> Option<Vec<Stream>> {
    let in_go2rtc = configuration.get("go2rtc").and_then(|go2rtc| go2rtc.get("streams"));
    let named = configuration.get("streams").or(in_go2rtc);
    let Node::Map(streams) = named.unwrap_or(configuration) else { return None };
    let stream = |(name, value): &(Node, Node)| {
        Some(Stream { name: name.text()?.to_owned(), url: source(value, 0).filter(|url| is_wyze(url))?.to_owned() })
    };
    let found: Vec<_> = streams.iter().filter_map(stream).collect();
    (named.is_some() || !found.is_empty()).then_some(found)
}

/// Returns a stream's first wyze:// source, or the only source it has. It is a text or one of a list. go2rtc's list of
/// streams has it as the `url` of one of the `producers`.
fn source(value: &Node, depth: usize) -> Option<&str> {
    match value {
        Node::Text(url) => Some(url.trim()),
        Node::List(urls) if depth < 3 => urls.iter().filter_map(|url| source(url, depth + 1)).find(|url| is_wyze(url)),
        Node::Map(_) if depth < 3 => source(value.get("producers").or_else(|| value.get("url"))?, depth + 1),
        _ => None,
    }
}

/// Reads a camera's keys and place from its stream's URL.
fn camera(stream: Stream) -> Result<Camera, Failure> {
    let mut found = Identity::default();
    // What the URL says of the stream itself does not matter here.
    identity::apply(&stream.url, &mut found, |_, _| Ok(true)).map_err(Failure::other)?;
    let port = (found.port != identity::DEFAULT_PORT).then_some(found.port);
    Ok(Camera {
        name: stream.name,
        uid: found.uid.unwrap_or_default().into(),
        enr: found.enr.unwrap_or_default(),
        mac: found.mac.unwrap_or_default().into(),
        host: found.host,
        port,
        model: found.model.unwrap_or_default(),
        origin: Origin::Imported,
        updated: Camera::now(),
        ..Camera::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<Stream>> {
        from_yaml(&yaml::parse(text).ok()??)
    }

    #[test]
    fn streams_have_one_source_or_several() {
        let text = "
api: {listen: ':1984'}
streams:
  door: wyze://10.0.0.1?uid=A&enr=B
  garden:
    - ffmpeg:garden#audio=opus
    - WYZE://10.0.0.2?uid=C
    - wyze://10.0.0.3?uid=D
  7: wyze://10.0.0.4
  other: rtsp://10.0.0.5/live
  empty:
";
        let found: Vec<_> = read(text).unwrap().into_iter().map(|s| (s.name, s.url)).collect();
        let expected =
            [("door", "wyze://10.0.0.1?uid=A&enr=B"), ("garden", "WYZE://10.0.0.2?uid=C"), ("7", "wyze://10.0.0.4")];
        assert_eq!(found, expected.map(|(name, url)| (name.to_owned(), url.to_owned())));
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for text in ["", "a: [", "streams: 7", "cameras: {}", "- 1", "\u{0}"] {
            assert!(read(text).is_none(), "{text:?}");
        }
        assert!(read("streams: {}").is_some_and(|streams| streams.is_empty()));
    }
}
