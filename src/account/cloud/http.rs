//! Requests with JSON both ways: bounded in time and size, and no more of them than a host allows.

use super::{CloudError, unix_time};
use openssl::error::ErrorStack;
use openssl::ssl;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::ops::Deref;
use std::time::{Duration, SystemTime};
use ureq::http::{HeaderMap, Response, Uri};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};
use zeroize::{Zeroize, Zeroizing};

const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An account with hundreds of devices has a list of less than 1 MB.
const ANSWER_LIMIT: u64 = 4 << 20;
/// A host that allows only so many more requests is asked no more: the rest is left to the Wyze app.
const REQUESTS_TO_SPARE: i64 = 10;
/// How long to wait where a host says that there were too many requests, but not until when.
const USUAL_WAIT: Duration = Duration::from_secs(60);
/// No wait is longer, whatever a host says.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer of any status.
pub struct Reply {
    pub status: u16,
    pub body: Wiped,
}

/// JSON with secrets in it, whose texts are wiped from memory when it is dropped.
pub struct Wiped(pub Value);

impl Deref for Wiped {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

pub struct Http {
    agent: Agent,
    limits: RefCell<Limits>,
    timeout: Duration,
}

/// Maps hosts to the time until which they want no requests, in seconds of Unix time.
pub type Limits = BTreeMap<String, u64>;

impl Http {
    pub fn new(limits: Limits) -> Self {
        // The system's certificates, and those of SSL_CERT_FILE and SSL_CERT_DIR. Where there are none, each server is
        // refused, and the error tells of ca-certificates.
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .http_status_as_error(false)
            // Requests carry secrets, which are for no other host.
            .max_redirects(0)
            .build();
        Http { agent: Agent::new_with_config(config), limits: RefCell::new(limits), timeout: TIMEOUT }
    }

    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Takes over limits that another process was told.
    pub fn learn(&self, told: &Limits) {
        let mut limits = self.limits.borrow_mut();
        for (host, until) in told {
            let known = limits.entry(host.clone()).or_default();
            *known = (*known).max(*until);
        }
    }

    /// Returns the limits that still hold.
    pub fn limits(&self) -> Limits {
        let now = unix_time().as_secs();
        let limits = self.limits.borrow();
        limits.iter().filter(|(_, until)| **until > now).map(|(host, until)| (host.clone(), *until)).collect()
    }

    /// Posts JSON. Header values are secrets, and go into no log or error.
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: &Wiped) -> Result<Reply, CloudError> {
        self.post_text(url, headers, &Zeroizing::new(body.to_string()))
    }

    /// Posts JSON that is a text already, byte for byte.
    pub fn post_text(&self, url: &str, headers: &[(&str, &str)], text: &str) -> Result<Reply, CloudError> {
        let host = host_of(url);
        self.check_limit(&host)?;
        let mut config = self.agent.post(url).config().timeout_global(Some(self.timeout));
        if url.starts_with("http://") {
            // The host is this machine, see is_safe, which no proxy can reach.
            config = config.proxy(None);
        }
        let mut request = config.build().header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(text.as_bytes()).map_err(|e| explain(&host, e))?;
        let status = response.status().as_u16();
        self.look_at_limits(&host, status, response.headers())?;
        match status {
            403 => return Err(CloudError::Forbidden { host }),
            500.. => return Err(CloudError::Unavailable { host, status }),
            _ => {}
        }
        Ok(Reply { status, body: read(&host, &mut response)? })
    }

    fn check_limit(&self, host: &str) -> Result<(), CloudError> {
        let until = self.limits.borrow().get(host).copied().unwrap_or_default();
        let wait = Duration::from_secs(until.saturating_sub(unix_time().as_secs()));
        // A longer wait comes from a clock that was wrong.
        if wait.is_zero() || wait > LONGEST_WAIT {
            return Ok(());
        }
        Err(CloudError::RateLimited { host: host.to_owned(), wait })
    }

    /// Notes until when the host wants no requests.
    fn look_at_limits(&self, host: &str, status: u16, headers: &HeaderMap) -> Result<(), CloudError> {
        let remaining = header(headers, "x-ratelimit-remaining").and_then(|text| text.trim().parse::<i64>().ok());
        let is_too_many = status == 429;
        if !is_too_many && remaining.is_none_or(|remaining| remaining > REQUESTS_TO_SPARE) {
            return Ok(());
        }
        let wait = wait_of(headers, SystemTime::now()).unwrap_or(USUAL_WAIT).min(LONGEST_WAIT);
        self.limits.borrow_mut().insert(host.to_owned(), (unix_time() + wait).as_secs());
        if is_too_many { Err(CloudError::RateLimited { host: host.to_owned(), wait }) } else { Ok(()) }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns how long a host asks to wait.
fn wait_of(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if let Some(seconds) = header(headers, "retry-after").and_then(|text| text.trim().parse().ok()) {
        return Some(Duration::from_secs(seconds));
    }
    let text = header(headers, "x-ratelimit-reset-by").or_else(|| header(headers, "retry-after"))?;
    // `Mon Apr 14 12:00:00 UTC 2026` is what C's asctime writes, with a zone added.
    let date = text.trim().replace(" UTC ", " ").replace(" GMT ", " ");
    let until = httpdate::parse_http_date(&date).or_else(|_| httpdate::parse_http_date(text.trim())).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

fn read(host: &str, response: &mut Response<Body>) -> Result<Wiped, CloudError> {
    let bytes = response.body_mut().with_config().limit(ANSWER_LIMIT).read_to_vec().map_err(|e| match e {
        ureq::Error::BodyExceedsLimit(_) => {
            CloudError::Schema { field: "the answer".into(), problem: "is longer than 4 MB" }
        }
        other => explain(host, other),
    })?;
    let bytes = Zeroizing::new(bytes);
    serde_json::from_slice(&bytes)
        .map(Wiped)
        .map_err(|_| CloudError::Schema { field: "the answer".into(), problem: "is not JSON" })
}

fn explain(host: &str, error: ureq::Error) -> CloudError {
    let host = host.to_owned();
    match error {
        ureq::Error::Timeout(_) => CloudError::Timeout { host },
        ureq::Error::NativeTls(e) => explain_tls(host, &e),
        ureq::Error::Tls(reason) => CloudError::Tls { host, reason: reason.into() },
        ureq::Error::HostNotFound => CloudError::Network { host, reason: "no such name".into() },
        ureq::Error::Io(e) if e.kind() == io::ErrorKind::TimedOut => CloudError::Timeout { host },
        ureq::Error::Io(e) => match e.get_ref().and_then(|inner| inner.downcast_ref::<ssl::Error>()) {
            Some(tls) => explain_tls(host, tls),
            None => CloudError::Network { host, reason: e.to_string() },
        },
        // A header cannot be sent. Its value is a secret, and is not repeated.
        ureq::Error::Http(_) => {
            CloudError::BadCredentials { said: "the key id or API key has characters that no key has".into() }
        }
        other => CloudError::Network { host, reason: other.to_string() },
    }
}

/// Tells what OpenSSL found wrong, without its codes and source files.
fn explain_tls(host: String, error: &dyn Error) -> CloudError {
    let text = error.to_string();
    // Only the end of the text says what is wrong with a certificate: "… (certificate has expired)".
    if let Some((_, problem)) = text.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) {
        return CloudError::Tls { host, reason: problem.into() };
    }
    let stack = error.source().and_then(|source| source.downcast_ref::<ErrorStack>());
    match stack.and_then(|stack| stack.errors().first()?.reason()) {
        None | Some("unexpected eof while reading") => {
            CloudError::Network { host, reason: "it closed the connection".into() }
        }
        Some(problem) => CloudError::Tls { host, reason: problem.into() },
    }
}

fn host_of(url: &str) -> String {
    url.parse::<Uri>().ok().and_then(|uri| Some(uri.authority()?.as_str().to_owned())).unwrap_or_default()
}

/// The schemes of a protocol: with TLS, and without.
pub type Schemes = [&'static str; 2];
pub const HTTP: Schemes = ["https", "http"];
pub const WEBSOCKET: Schemes = ["wss", "ws"];

/// Whether passwords may be sent to this URL: over TLS, or to this machine.
pub fn is_safe(url: &str, [with_tls, without]: Schemes) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let is_here = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some(scheme) if scheme == with_tls => true,
        Some(scheme) if scheme == without => is_here,
        _ => false,
    }
}

/// Returns the time for `ts` in requests.
pub fn unix_milliseconds() -> u64 {
    // Five hundred million years fit.
    unix_time().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_what_the_headers_say() {
        let now = httpdate::parse_http_date("Tue, 14 Apr 2026 11:59:00 GMT").unwrap();
        for (name, value, expected) in [
            ("x-ratelimit-reset-by", "Tue Apr 14 12:00:00 UTC 2026", Some(60)),
            ("x-ratelimit-reset-by", "Tue Apr 14 12:00:00 GMT 2026", Some(60)),
            ("x-ratelimit-reset-by", "Sat Apr 04 12:00:00 UTC 2026", Some(0)),
            ("x-ratelimit-reset-by", "soon", None),
            ("retry-after", "7", Some(7)),
            ("retry-after", "Tue, 14 Apr 2026 12:01:00 GMT", Some(120)),
            ("date", "Tue, 14 Apr 2026 12:01:00 GMT", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(wait_of(&headers, now), expected.map(Duration::from_secs), "{name}: {value}");
        }
    }

    #[test]
    fn passwords_go_over_tls_or_stay_on_this_machine() {
        for url in ["https://auth-prod.api.wyze.com", "http://127.0.0.1:80/app", "http://localhost:1", "http://[::1]:1"]
        {
            assert!(is_safe(url, HTTP), "{url}");
        }
        for url in ["http://auth-prod.api.wyze.com", "ftp://127.0.0.1", "http://127.0.0.1.example.com", "", "https://"]
        {
            assert!(!is_safe(url, HTTP), "{url}");
        }
        for url in ["wss://mars.example.com?token=a%3Db", "ws://127.0.0.1:8000/?a=b", "ws://[::1]:1"] {
            assert!(is_safe(url, WEBSOCKET), "{url}");
        }
        for url in ["ws://mars.example.com/", "https://mars.example.com/", "http://127.0.0.1", "wss:", "wss://a b"] {
            assert!(!is_safe(url, WEBSOCKET), "{url}");
        }
    }
}
