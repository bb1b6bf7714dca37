//! Reads and writes `wyze://HOST[:PORT]?uid=…&enr=…&mac=…&…`, the form that go2rtc uses, and `wyze:///NAME` for a
//! camera of the store. Both take the element's properties as further keys.

use super::{DEFAULT_PORT, Identity, milliseconds};
use crate::protocol::credentials::{CredentialError, Enr, Mac, Uid};
use gst::glib;
use gst::glib::prelude::*;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write;
use std::time::Duration;
use zeroize::Zeroizing;

pub const SCHEME: &str = "wyze";
/// go2rtc's key for the resolution.
pub const SUBTYPE: &str = "subtype";
/// The characters to encode: all but those that may stand in any part of a URI.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A mistake in a URI. The texts do not repeat values, which may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("the scheme has to be wyze://")]
    Scheme,
    #[error("the host or port is malformed: wyze://HOST:PORT?…, or wyze://?… to search the network")]
    Authority,
    #[error(
        "a path names a camera of the store, and has no host before it: wyze:///NAME, \
         or wyze://HOST:PORT?uid=…&enr=…&mac=…"
    )]
    Path,
    #[error("IPv6 is not supported: cameras speak IPv4 only")]
    Ipv6,
    #[error("a camera takes no user and password before the host: wyze://HOST:PORT?uid=…&enr=…&mac=…")]
    UserInfo,
    #[error("the port has to be a number from 1 to 65535")]
    Port,
    #[error("{0} is malformed")]
    Value(&'static str),
    #[error("{0} has to be one of {1}")]
    Choice(&'static str, String),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error("dtls=false is not supported: only cameras that speak DTLS are")]
    NoDtls,
}

/// Puts what a URI says into `identity`. What the URI leaves out stays as it is, but for host, port and camera. A key
/// that is not the identity's goes to `further`, which returns whether it knows the key. Returns the keys that nobody
/// knows. Nothing changes on an error, as long as `further` works on a copy.
pub fn apply(
    uri: &str,
    identity: &mut Identity,
    mut further: impl FnMut(&str, &str) -> Result<bool, UriError>,
) -> Result<Vec<String>, UriError> {
    let (scheme, rest) = uri.split_once("://").ok_or(UriError::Scheme)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(UriError::Scheme);
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    if !path.is_empty() && !authority.is_empty() {
        return Err(UriError::Path);
    }
    let mut new = identity.clone();
    let name = decode(path).ok_or(UriError::Value("the camera's name"))?;
    new.camera = Some(name).filter(|name| !name.is_empty());
    (new.host, new.port) = parse_authority(authority)?;
    let mut unknown = Vec::new();
    let query = Zeroizing::new(with_ampersands(query));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A plus stays a plus: an ENR may have one, and no value has spaces.
        let key = percent_decode_str(key).decode_utf8_lossy().to_ascii_lowercase();
        let value = Zeroizing::new(decode(value).ok_or(UriError::Value("a value's encoding"))?);
        if !apply_key(&key, &value, &mut new)? && !further(&key, &value)? {
            unknown.push(key);
        }
    }
    (new.refused_uri, new.from_uri) = (None, true);
    *identity = new;
    Ok(unknown)
}

/// Undoes what JSON makes of ampersands: go2rtc's pages show them as `\u0026`. A launch line loses the backslash, so it
/// may be missing before a key.
fn with_ampersands(query: &str) -> String {
    let mut parts = query.split("u0026");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let key = part.split('=').next().filter(|key| key.len() < part.len());
        let begins_key =
            key.is_some_and(|key| !key.is_empty() && key.bytes().all(|c| c.is_ascii_lowercase() || c == b'-'));
        if text.ends_with('\\') {
            text.pop();
            text.push('&');
        } else {
            text.push_str(if begins_key { "&" } else { "u0026" });
        }
        text.push_str(part);
    }
    text
}

/// Decodes a text. Returns `None` for what is no UTF-8, or has a NUL, at which GLib's texts end.
fn decode(encoded: &str) -> Option<String> {
    let text = percent_decode_str(encoded).decode_utf8().ok()?;
    (!text.contains('\0')).then(|| text.into_owned())
}

fn parse_authority(authority: &str) -> Result<(Option<String>, u16), UriError> {
    if authority.contains('@') {
        return Err(UriError::UserInfo);
    }
    if authority.starts_with('[') || authority.matches(':').count() > 1 {
        return Err(UriError::Ipv6);
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|&port| port != 0).ok_or(UriError::Port)?),
        None => (authority, DEFAULT_PORT),
    };
    let host = percent_decode_str(host).decode_utf8().map_err(|_| UriError::Authority)?;
    if host.contains(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))) {
        return Err(UriError::Authority);
    }
    Ok(((!host.is_empty()).then(|| host.into_owned()), port))
}

/// Returns false for a key that is not the identity's.
fn apply_key(key: &str, value: &str, identity: &mut Identity) -> Result<bool, UriError> {
    let text = || Some(value.to_owned());
    match key {
        "camera" => identity.camera = text().filter(|name| !name.is_empty()),
        "uid" => {
            Uid::new(value)?;
            identity.uid = text();
        }
        "enr" => {
            Enr::new(value)?;
            identity.enr = Some(value.into());
        }
        "mac" => {
            Mac::new(value)?;
            identity.mac = text();
        }
        "interface" => identity.interface = text().filter(|interface| !interface.is_empty()),
        "model" => identity.model = text().filter(|model| !model.is_empty()),
        "transport" => identity.transport = parse_enum("transport", value)?,
        "dtls" if matches!(value, "true" | "1" | "") => {}
        "dtls" => return Err(UriError::NoDtls),
        "connect-timeout" => {
            identity.connect_timeout = parse_milliseconds(value).ok_or(UriError::Value("connect-timeout"))?;
        }
        "reconnect-attempts" => {
            let attempts = value.parse().ok().filter(|&attempts: &i32| attempts >= -1);
            identity.reconnect_attempts = attempts.ok_or(UriError::Value("reconnect-attempts"))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Takes the nickname of an enumeration's value, in either case.
pub fn parse_enum<T>(key: &'static str, value: &str) -> Result<T, UriError>
where
    T: StaticType + for<'a> glib::value::FromValue<'a>,
{
    let class = glib::EnumClass::with_type(T::static_type()).expect("an enumeration");
    let found = class.value_by_nick(&value.to_ascii_lowercase()).and_then(|value| value.to_value(&class).get().ok());
    found.ok_or_else(|| {
        let nicks: Vec<_> = class.values().iter().map(glib::EnumValue::nick).collect();
        UriError::Choice(key, nicks.join(", "))
    })
}

pub fn parse_milliseconds(value: &str) -> Option<Duration> {
    value.parse::<u32>().ok().map(|ms| Duration::from_millis(ms.into()))
}

/// Returns the URI of this identity, with the element's `further` keys; `None` if nothing names a camera. Values at
/// their defaults are left out.
pub fn format(
    identity: &Identity,
    further: impl IntoIterator<Item = (&'static str, Option<String>)>,
) -> Option<String> {
    if identity.uid.is_none() && identity.host.is_none() && identity.camera.is_none() {
        return None;
    }
    let default = Identity::default();
    let host = utf8_percent_encode(identity.host.as_deref().unwrap_or_default(), ENCODED);
    let mut uri = format!("{SCHEME}://{host}");
    if identity.port != default.port {
        // Writing to a String cannot fail.
        let _ = write!(uri, ":{}", identity.port);
    }
    let mut camera = identity.camera.clone();
    if identity.host.is_none()
        && identity.port == default.port
        && let Some(name) = camera.take()
    {
        let _ = write!(uri, "/{}", utf8_percent_encode(&name, ENCODED));
    }
    let (timeout, attempts) = (identity.connect_timeout, identity.reconnect_attempts);
    let own = [
        ("camera", camera),
        ("uid", identity.uid.clone()),
        ("enr", identity.enr.as_deref().map(str::to_owned)),
        ("mac", identity.mac.clone()),
        ("model", identity.model.clone()),
        ("interface", identity.interface.clone()),
    ];
    let transport = glib::EnumValue::from_value(&identity.transport.to_value()).map(|(_, value)| value.nick().into());
    let last = [
        ("transport", transport.filter(|_| identity.transport != default.transport)),
        ("connect-timeout", (timeout != default.connect_timeout).then(|| milliseconds(timeout).to_string())),
        ("reconnect-attempts", (attempts != default.reconnect_attempts).then(|| attempts.to_string())),
    ];
    let set = own.into_iter().chain(further).chain(last).filter_map(|(key, value)| Some((key, value?)));
    for (i, (key, value)) in set.enumerate() {
        let separator = if i == 0 { '?' } else { '&' };
        let _ = write!(uri, "{separator}{key}={}", utf8_percent_encode(&value, ENCODED));
    }
    Some(uri)
}
