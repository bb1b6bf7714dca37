//! `import`: cameras from go2rtc, whose streams have the keys in their URLs.

use super::Failure;
use super::edit::insert;
use super::output::{print, printable, tell};
use clap::Args;
use gstwyze::account::{Camera, Origin, Store};
use gstwyze::identity::{self, Identity};
use std::io::{self, Read};
use yaml_rust2::{Yaml, YamlLoader};

/// The longest input in bytes: no configuration is longer.
const LIMIT: u64 = 4 << 20;

/// Import cameras from go2rtc.
///
/// Takes go2rtc's configuration, or the wyze:// URLs of streams, as go2rtc and the editions of docker-wyze-bridge that
/// use it have them. Each camera gets its stream's name. URLs have keys in them: better pipe them in than give them as
/// arguments, which every user of the machine can read in the process list.
#[derive(Args, Debug)]
pub struct ImportArguments {
    /// A go2rtc.yaml, a wyze:// URL, or - for either of them from standard input
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

pub fn import(store: &Store, arguments: &ImportArguments) -> Result<(), Failure> {
    let streams = streams(arguments)?;
    if streams.is_empty() {
        return Err(Failure::Other(
            "there is no wyze:// stream in it (rtsp:// URLs of docker-wyze-bridge have no keys: take its go2rtc's)"
                .into(),
        ));
    }
    let (mut imported, mut failed) = (0, 0);
    for stream in streams {
        let name = printable(&stream.name);
        let result = camera(stream).and_then(|camera| store.update(|cameras| insert(cameras, camera)));
        match result {
            Ok(()) => {
                print(format_args!("Imported {name}."))?;
                imported += 1;
            }
            Err(error @ (Failure::Store(_) | Failure::Lookup(_))) => return Err(error),
            Err(error) => {
                tell(format_args!("wyze-cameras: {name}: {error}"));
                failed += 1;
            }
        }
    }
    tell(format_args!("{imported} imported, {failed} not."));
    if failed > 0 { Err(Failure::Told) } else { Ok(()) }
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
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if !lines.iter().any(|line| is_wyze(line)) {
        return from_yaml(&text);
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

/// Returns the first wyze:// source of each stream of a go2rtc.yaml.
fn from_yaml(text: &str) -> Result<Vec<Stream>, Failure> {
    let documents = YamlLoader::load_from_str(text).map_err(|e| {
        Failure::Other(format!(
            "it is no YAML, at line {} column {}: {}",
            e.marker().line(),
            e.marker().col() + 1,
            e.info()
        ))
    })?;
    let Some(Yaml::Hash(streams)) = documents.first().map(|document| &document["streams"]) else {
        return Err(Failure::Other("it has no streams, and is no go2rtc.yaml".into()));
    };
    let source = |value: &Yaml| match value {
        Yaml::String(url) => Some(url.clone()),
        Yaml::Array(urls) => urls.iter().filter_map(Yaml::as_str).find(|url| is_wyze(url)).map(str::to_owned),
        _ => None,
    };
    let stream = |(name, value): (&Yaml, &Yaml)| {
        let name = match name {
            Yaml::Integer(number) => number.to_string(),
            name => name.as_str()?.to_owned(),
        };
        Some(Stream { name, url: source(value).filter(|url| is_wyze(url))? })
    };
    Ok(streams.iter().filter_map(stream).collect())
}

/// Reads a camera's keys and place from its stream's URL.
fn camera(stream: Stream) -> Result<Camera, Failure> {
    let mut found = Identity::default();
    // What the URL says of the stream itself does not matter here.
    identity::apply(&stream.url, &mut found, |_, _| Ok(true)).map_err(|e| Failure::Other(e.to_string()))?;
    let port = (found.port != identity::DEFAULT_PORT).then_some(found.port);
    Ok(Camera {
        name: stream.name,
        uid: found.uid.unwrap_or_default().into(),
        enr: found.enr.unwrap_or_default().into(),
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
        let found: Vec<_> = from_yaml(text).unwrap_or_default().into_iter().map(|s| (s.name, s.url)).collect();
        let expected =
            [("door", "wyze://10.0.0.1?uid=A&enr=B"), ("garden", "WYZE://10.0.0.2?uid=C"), ("7", "wyze://10.0.0.4")];
        assert_eq!(found, expected.map(|(name, url)| (name.to_owned(), url.to_owned())));
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for text in ["", "a: [", "streams: 7", "cameras: {}", "- 1", "\u{0}"] {
            assert!(from_yaml(text).is_err(), "{text:?}");
        }
        assert!(from_yaml("streams: {}").is_ok_and(|streams| streams.is_empty()));
    }
}
