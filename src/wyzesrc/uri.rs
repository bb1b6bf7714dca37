//! `wyze://HOST[:PORT]?uid=…&enr=…&mac=…&…`, as go2rtc writes it, and with this element's properties as further keys.

use super::settings::{DEFAULT_PORT, Resolution, Settings};
use crate::protocol::credentials::{CredentialError, Enr, Mac, Uid};
use gst::glib;
use gst::glib::prelude::*;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write;
use std::time::Duration;

pub const SCHEME: &str = "wyze";
/// Everything but the characters that no URI has to encode.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is wrong with a URI. Values are not repeated: they may be secrets.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("the scheme has to be wyze://")]
    Scheme,
    #[error("the host or port is malformed: wyze://HOST:PORT?…, or wyze://?… to search the network")]
    Authority,
    #[error("a path has no meaning here: wyze://HOST:PORT?uid=…&enr=…&mac=…")]
    Path,
    #[error("{0} is malformed")]
    Value(&'static str),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error("dtls=false is not supported: only cameras that speak DTLS are")]
    NoDtls,
}

/// Puts what a URI says into `settings`; what it leaves out stays, but for host and port. Returns the keys it does not know.
pub fn apply(uri: &str, settings: &mut Settings) -> Result<Vec<String>, UriError> {
    let (scheme, rest) = uri.split_once("://").ok_or(UriError::Scheme)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(UriError::Scheme);
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    if !path.is_empty() {
        return Err(UriError::Path);
    }
    let mut new = settings.clone();
    (new.host, new.port) = parse_authority(authority)?;
    let mut unknown = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A plus stays one: no value has spaces, and an ENR may have it.
        let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
        let value = percent_decode_str(value).decode_utf8().map_err(|_| UriError::Value("a value's encoding"))?;
        if !apply_key(&key, &value, &mut new)? {
            unknown.push(key);
        }
    }
    *settings = new;
    Ok(unknown)
}

fn parse_authority(authority: &str) -> Result<(Option<String>, u16), UriError> {
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|&port| port != 0).ok_or(UriError::Authority)?),
        None => (authority, DEFAULT_PORT),
    };
    let host = percent_decode_str(host).decode_utf8().map_err(|_| UriError::Authority)?;
    if host.contains(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))) {
        return Err(UriError::Authority);
    }
    Ok(((!host.is_empty()).then(|| host.into_owned()), port))
}

/// False for a key that is not known.
fn apply_key(key: &str, value: &str, settings: &mut Settings) -> Result<bool, UriError> {
    let text = || Some(value.to_owned());
    match key {
        "uid" => {
            Uid::new(value)?;
            settings.uid = text();
        }
        "enr" => {
            Enr::new(value)?;
            settings.enr = text();
        }
        "mac" => {
            Mac::new(value)?;
            settings.mac = text();
        }
        "model" => settings.model = text().filter(|model| !model.is_empty()),
        "dtls" if matches!(value, "true" | "1" | "") => {}
        "dtls" => return Err(UriError::NoDtls),
        "subtype" => settings.resolution = parse_subtype(value)?,
        "resolution" => settings.resolution = parse_resolution(value).ok_or(UriError::Value("resolution"))?,
        "video" => settings.video = parse_bool(value).ok_or(UriError::Value("video"))?,
        "audio" => settings.audio = parse_bool(value).ok_or(UriError::Value("audio"))?,
        "bitrate" => settings.bitrate = value.parse().map_err(|_| UriError::Value("bitrate"))?,
        "framerate" => settings.framerate = value.parse().map_err(|_| UriError::Value("framerate"))?,
        "latency" => settings.latency = parse_milliseconds(value).ok_or(UriError::Value("latency"))?,
        "connect-timeout" => {
            settings.connect_timeout = parse_milliseconds(value).ok_or(UriError::Value("connect-timeout"))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// go2rtc's word for the resolution: hd, sd, or a frame size's number.
fn parse_subtype(value: &str) -> Result<Resolution, UriError> {
    match value {
        "" | "hd" => Ok(Resolution::Auto),
        "sd" | "1" => Ok(Resolution::R360p),
        "0" => Ok(Resolution::R1080p),
        "2" => Ok(Resolution::R720p),
        "3" | "4" => Ok(Resolution::R2k),
        other => parse_resolution(other).ok_or(UriError::Value("subtype")),
    }
}

fn parse_resolution(value: &str) -> Option<Resolution> {
    let class = glib::EnumClass::with_type(Resolution::static_type())?;
    let value = class.value_by_nick(&value.to_ascii_lowercase())?;
    value.to_value(&class).get().ok()
}

fn parse_bool(value: &str) -> Option<bool> {
    match value {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn parse_milliseconds(value: &str) -> Option<Duration> {
    value.parse::<u32>().ok().map(|ms| Duration::from_millis(ms.into()))
}

/// The URI of these settings; `None` where none of the identity is set. What stands at its default is left out.
pub fn format(settings: &Settings) -> Option<String> {
    if settings.uid.is_none() && settings.host.is_none() {
        return None;
    }
    let default = Settings::default();
    let mut uri = format!("{SCHEME}://{}", settings.host.as_deref().unwrap_or_default());
    if settings.port != default.port {
        // Writing to a String cannot fail.
        let _ = write!(uri, ":{}", settings.port);
    }
    let nick =
        |resolution: Resolution| glib::EnumValue::from_value(&resolution.to_value()).map(|(_, v)| v.nick().into());
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    let differing = |differs: bool, text: String| differs.then_some(text);
    let keys: [(&str, Option<String>); 11] = [
        ("uid", settings.uid.clone()),
        ("enr", settings.enr.clone()),
        ("mac", settings.mac.clone()),
        ("model", settings.model.clone()),
        ("video", differing(settings.video != default.video, settings.video.to_string())),
        ("audio", differing(settings.audio != default.audio, settings.audio.to_string())),
        ("resolution", nick(settings.resolution).filter(|_| settings.resolution != default.resolution)),
        ("bitrate", differing(settings.bitrate != default.bitrate, settings.bitrate.to_string())),
        ("framerate", differing(settings.framerate != default.framerate, settings.framerate.to_string())),
        ("latency", differing(settings.latency != default.latency, milliseconds(settings.latency))),
        (
            "connect-timeout",
            differing(settings.connect_timeout != default.connect_timeout, milliseconds(settings.connect_timeout)),
        ),
    ];
    let set = keys.iter().filter_map(|(key, value)| value.as_ref().map(|value| (key, value)));
    for (i, (key, value)) in set.enumerate() {
        let separator = if i == 0 { '?' } else { '&' };
        let _ = write!(uri, "{separator}{key}={}", utf8_percent_encode(value, ENCODED));
    }
    Some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: &str = "uid=HSBJYB5HSETGCDWD111A&enr=roTRg3tiuL3TjXhm&mac=AABBCCDDEEFF";

    fn applied(uri: &str) -> Result<Settings, UriError> {
        let mut settings = Settings::default();
        apply(uri, &mut settings).map(|_| settings)
    }

    #[test]
    fn a_url_of_go2rtc_works_unchanged() {
        let uri = "wyze://192.168.1.123?dtls=true&enr=ZQdg2W3LL9TZQL8%2Bi1%2BN2f%2BV&mac=AABBCCDDEEFF&model=HL_CAM4&subtype=sd&uid=HSBJYB5HSETGCDWD111A";
        let mut settings = Settings::default();
        assert_eq!(apply(uri, &mut settings), Ok(vec![]));
        assert_eq!(settings.host.as_deref(), Some("192.168.1.123"));
        assert_eq!(settings.port, DEFAULT_PORT);
        assert_eq!(settings.enr.as_deref(), Some("ZQdg2W3LL9TZQL8+i1+N2f+V"));
        assert_eq!(settings.model.as_deref(), Some("HL_CAM4"));
        assert_eq!(settings.resolution, Resolution::R360p);
    }

    #[test]
    fn an_empty_host_means_the_whole_network_and_unknown_keys_are_told() {
        let mut settings = Settings { host: Some("old".into()), port: 1, ..Settings::default() };
        assert_eq!(apply(&format!("WYZE://?{IDENTITY}&backchannel=0"), &mut settings), Ok(vec!["backchannel".into()]));
        assert_eq!((settings.host, settings.port), (None, DEFAULT_PORT));
    }

    #[test]
    fn a_plus_in_an_enr_need_not_be_encoded() {
        let settings = applied("wyze://cam?enr=a+b/c=dddddddddddd").unwrap();
        assert_eq!(settings.enr.as_deref(), Some("a+b/c=dddddddddddd"));
    }

    #[test]
    fn what_is_written_reads_back() {
        let settings = Settings {
            uid: Some("HSBJYB5HSETGCDWD111A".into()),
            enr: Some("ZN1kiR0gShYL5SN3PkZjLi+4Ufh1ReOS/=".into()),
            mac: Some("AABBCCDDEEFF".into()),
            host: Some("front-door.lan".into()),
            port: 4000,
            model: Some("HL_CAM4".into()),
            video: false,
            audio: true,
            resolution: Resolution::R2k,
            bitrate: 120,
            framerate: 15,
            latency: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(3),
        };
        assert!(applied(&format(&settings).unwrap()).unwrap() == settings);
        assert_eq!(format(&Settings::default()), None);
        assert!(
            format(&Settings { uid: Some("x".into()), ..Settings::default() }).unwrap().starts_with("wyze://?uid=")
        );
    }

    #[test]
    fn what_is_wrong_is_told_and_changes_nothing() {
        for (uri, error) in [
            ("rtsp://cam", UriError::Scheme),
            ("wyze:cam", UriError::Scheme),
            ("wyze://cam:0", UriError::Authority),
            ("wyze://cam:99999", UriError::Authority),
            ("wyze://user@cam", UriError::Authority),
            ("wyze://cam/path", UriError::Path),
            ("wyze://cam?uid=short", UriError::Credential(CredentialError::UidLength(5))),
            ("wyze://cam?enr=short", UriError::Credential(CredentialError::EnrLength(5))),
            ("wyze://cam?mac=xyz", UriError::Credential(CredentialError::Mac)),
            ("wyze://cam?subtype=9", UriError::Value("subtype")),
            ("wyze://cam?latency=-1", UriError::Value("latency")),
            ("wyze://cam?dtls=false", UriError::NoDtls),
            ("wyze://cam?model=%FF", UriError::Value("a value's encoding")),
        ] {
            let mut settings = Settings::default();
            assert_eq!(apply(uri, &mut settings), Err(error), "{uri}");
            assert!(settings == Settings::default(), "{uri}");
        }
    }
}
