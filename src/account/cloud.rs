//! The Wyze cloud: logging in, the list of cameras, and what one call is for. All calls block.
//!
//! [`Cloud::login`] does one login, with at most one second factor, and never tries again by itself: a few failed
//! logins lock the account. [`LoginWindow`] keeps several processes from trying too often. [`Cloud::refresh`] trades
//! the refresh token for new tokens, and [`Cloud::cameras`] fetches the list. [`Cloud::power`] switches a camera, and
//! [`Cloud::streams`] gets what watching one over WebRTC needs. [`answer::Answer`] reads the cloud's answers, and names
//! the field that is not as expected.

mod answer;
mod devices;
mod error;
mod http;
mod login;
mod login_window;
mod power;
#[cfg(feature = "webrtc")]
mod streams;
mod totp;

use super::camera::Secret;
use crate::printable::is_printable;
use crate::unix_time::unix_time;
use answer::Answer;
use http::{HTTP, Http, Reply, Wiped, is_safe, unix_milliseconds};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

pub use devices::{CameraList, LeftOut};
pub use error::CloudError;
pub use http::Limits;
use login::granted;
pub use login::{ApiKey, CodeSource, Login};
pub use login_window::LoginWindow;
pub use power::PowerAction;

const AUTH_HOST: &str = "https://auth-prod.api.wyze.com";
const API_HOST: &str = "https://api.wyzecam.com/app";
const APP_HOST: &str = "https://app.wyzecam.com/app";
/// Version of the app that requests claim to come from.
const APP_VERSION: &str = "2.50.0";
/// Package name of that app.
const APP_NAME: &str = "com.hualai.WyzeCam";
const USER_AGENT: &str = "Wyze/2.50.0 (iPhone; iOS 17.0; Scale/3.00)";
/// The constants `sc` and `sv`, which the app sends with requests for the list and for tokens.
const USUAL: [&str; 2] = ["9f275790cab94a72bd206c8876429f3c", "e1fe392906d54888a9b99b88de4162d7"];

const CODE_OK: i64 = 1;
const CODE_TOKEN: i64 = 2001;

/// The URLs of the cloud's hosts.
#[derive(Debug, Clone)]
pub struct Hosts {
    pub auth: String,
    pub api: String,
    /// The host of newer calls, which are signed.
    pub app: String,
}

impl Default for Hosts {
    fn default() -> Self {
        Hosts { auth: AUTH_HOST.into(), api: API_HOST.into(), app: APP_HOST.into() }
    }
}

impl Hosts {
    /// Returns the cloud's own hosts, or those that WYZE_AUTH_URL, WYZE_API_URL and WYZE_APP_URL name.
    pub fn from_environment() -> Self {
        let get = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
        let own = Hosts::default();
        Hosts {
            auth: get("WYZE_AUTH_URL").unwrap_or(own.auth),
            api: get("WYZE_API_URL").unwrap_or(own.api),
            app: get("WYZE_APP_URL").unwrap_or(own.app),
        }
    }
}

/// The tokens that a login gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    pub access_token: Secret,
    pub refresh_token: Secret,
}

/// A client of the cloud. It sends a host no more requests than the host allows.
pub struct Cloud {
    http: Http,
    hosts: Hosts,
    /// Names the phone that the cloud believes to talk to. It has to stay the same for one account.
    phone_id: String,
}

impl Cloud {
    /// Takes the `limits` that [`Cloud::limits`] gave an earlier process. Fails where passwords are not safe with a
    /// host.
    pub fn new(mut hosts: Hosts, phone_id: &str, limits: Limits) -> Result<Self, CloudError> {
        let urls =
            [("the login host", &mut hosts.auth), ("the API host", &mut hosts.api), ("the app's host", &mut hosts.app)];
        for (what, url) in urls {
            if !is_safe(url, HTTP) {
                return Err(CloudError::Host { what });
            }
            url.truncate(url.trim_end_matches('/').len());
        }
        Ok(Cloud { http: Http::new(limits), hosts, phone_id: phone_id.to_owned() })
    }

    /// Returns until when hosts want no requests, for the next process.
    pub fn limits(&self) -> Limits {
        self.http.limits()
    }

    /// Takes over limits that another process was told.
    pub fn learn(&self, limits: &Limits) {
        self.http.learn(limits);
    }

    /// Sets how long one request may take. Without it, that is 30 s.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.http.set_timeout(timeout);
    }

    /// Trades the refresh token for new tokens. The old ones are void then.
    pub fn refresh(&self, refresh_token: &Secret) -> Result<Granted, CloudError> {
        let body =
            self.post_as_app("/user/refresh_token", USUAL, json!({ "refresh_token": refresh_token.expose() }))?;
        granted(&Answer::new(&body).get("data"))
    }

    /// Posts `body` with the fields that the app adds to each request, of which `sc` and `sv` depend on it. Returns the answer, or the cloud's refusal as an
    /// error.
    fn post_as_app(&self, path: &str, [sc, sv]: [&str; 2], body: Value) -> Result<Wiped, CloudError> {
        let mut body = Wiped(body);
        let standard = json!({
            "sc": sc,
            "sv": sv,
            "app_ver": format!("{APP_NAME}___{APP_VERSION}"),
            "app_version": APP_VERSION,
            "app_name": APP_NAME,
            "phone_system_type": 1,
            "phone_id": self.phone_id,
            "ts": unix_milliseconds(),
        });
        if let (Value::Object(body), Value::Object(standard)) = (&mut body.0, standard) {
            body.extend(standard);
        }
        let headers = [("user-agent", USER_AGENT), ("appversion", APP_VERSION), ("env", "prod")];
        accepted(self.http.post(&format!("{}{path}", self.hosts.api), &headers, &body)?)
    }
}

/// Returns the answer, or the cloud's refusal as an error.
fn accepted(Reply { status, body }: Reply) -> Result<Wiped, CloudError> {
    let answer = Answer::new(&body);
    match answer.get("code").number() {
        Some(CODE_TOKEN) => Err(CloudError::TokenExpired),
        _ if status == 401 => Err(CloudError::TokenExpired),
        None | Some(0 | CODE_OK) if status < 300 => Ok(body),
        code => Err(CloudError::Refused {
            code: code.unwrap_or(status.into()),
            said: speakable(answer.get("msg").text().unwrap_or_default(), &[]),
        }),
    }
}

/// Makes a phone id: a random UUID.
pub fn new_phone_id() -> String {
    let bits = rand::rng().random::<u128>();
    // Version 4, variant 1.
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Returns what the cloud said, fit for a terminal: 200 characters at most, and none of the secrets that it was sent.
fn speakable(said: &str, secrets: &[&str]) -> String {
    let mut text: String = said.chars().filter(|&c| is_printable(c)).take(200).collect();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    if text.is_empty() { "without a reason".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_id_is_a_random_uuid() {
        let id = new_phone_id();
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(id.as_bytes()[14], b'4', "{id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert_ne!(id, new_phone_id());
    }

    #[test]
    fn what_the_cloud_said_is_fit_to_print() {
        assert_eq!(speakable("no\u{1b}[31m user a@b.c", &["a@b.c", ""]), "no[31m user ***");
        assert_eq!(speakable(&"x".repeat(5000), &[]).len(), 200);
        assert_eq!(speakable("\n", &[]), "without a reason");
    }
}
