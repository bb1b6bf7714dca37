//! The Wyze cloud: logging in, and the list of cameras. Blocking, and only ever asked by `wyze-cameras`.
//!
//! [`Cloud::login`] does one login, with at most one second factor, and never tries again by itself: some wrong ones lock the
//! account. [`LoginWindow`] keeps several processes from trying too often. [`Cloud::refresh`] makes new tokens of old ones, and
//! [`Cloud::cameras`] fetches the list. Answers are taken apart by [`answer::Answer`], which names the field that is not as expected.

mod answer;
mod devices;
mod error;
mod http;
mod login;
mod login_window;
mod totp;

use super::camera::Secret;
use answer::Answer;
use http::{Http, Reply, is_safe, unix_milliseconds};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use error::CloudError;
pub use http::Limits;
pub use login::{ApiKey, CodeSource, Login};
pub use login_window::LoginWindow;

const AUTH_HOST: &str = "https://auth-prod.api.wyze.com";
const API_HOST: &str = "https://api.wyzecam.com/app";
/// The app that requests are made as.
const APP_VERSION: &str = "2.50.0";
const APP_NAME: &str = "com.hualai.WyzeCam";
const USER_AGENT: &str = "Wyze/2.50.0 (iPhone; iOS 17.0; Scale/3.00)";
/// What the app signs requests for the list and for tokens with.
const SC: &str = "9f275790cab94a72bd206c8876429f3c";
const SV: &str = "e1fe392906d54888a9b99b88de4162d7";

const CODE_OK: i64 = 1;
const CODE_TOKEN: i64 = 2001;

/// Where the cloud is.
#[derive(Debug, Clone)]
pub struct Hosts {
    pub auth: String,
    pub api: String,
}

impl Default for Hosts {
    fn default() -> Self {
        Hosts { auth: AUTH_HOST.into(), api: API_HOST.into() }
    }
}

impl Hosts {
    /// The cloud's own, or what WYZE_AUTH_URL and WYZE_API_URL say.
    pub fn from_environment() -> Self {
        let get = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
        let own = Hosts::default();
        Hosts { auth: get("WYZE_AUTH_URL").unwrap_or(own.auth), api: get("WYZE_API_URL").unwrap_or(own.api) }
    }
}

/// What a login gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    pub access_token: Secret,
    pub refresh_token: Secret,
}

/// A connection to the cloud. It sends no more to a host than that allows.
pub struct Cloud {
    http: Http,
    hosts: Hosts,
    /// The cloud takes this for a phone; it has to stay the same for one account.
    phone_id: String,
}

impl Cloud {
    /// `limits` are what [`Cloud::limits`] gave before.
    pub fn new(mut hosts: Hosts, phone_id: &str, limits: Limits) -> Result<Self, CloudError> {
        for (what, url) in [("the login host", &mut hosts.auth), ("the API host", &mut hosts.api)] {
            if !is_safe(url) {
                return Err(CloudError::Host { what });
            }
            url.truncate(url.trim_end_matches('/').len());
        }
        Ok(Cloud { http: Http::new(limits), hosts, phone_id: phone_id.to_owned() })
    }

    /// Until when which host asked not to be asked, for the next process.
    pub fn limits(&self) -> Limits {
        self.http.limits()
    }

    /// How long one request may take, instead of 30 s.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.http.set_timeout(timeout);
    }

    /// Makes new tokens; the old ones are void then.
    pub fn refresh(&self, refresh_token: &Secret) -> Result<Granted, CloudError> {
        let body = self.post_as_app("/user/refresh_token", json!({ "refresh_token": refresh_token.expose() }))?;
        let data = Answer::new(&body).get("data");
        Ok(Granted {
            access_token: data.get("access_token").required_text()?.into(),
            refresh_token: data.get("refresh_token").required_text()?.into(),
        })
    }

    /// Posts what the app would, with what it says of itself, and sees to errors.
    fn post_as_app(&self, path: &str, mut body: Value) -> Result<Value, CloudError> {
        let standard = json!({
            "sc": SC,
            "sv": SV,
            "app_ver": format!("{APP_NAME}___{APP_VERSION}"),
            "app_version": APP_VERSION,
            "app_name": APP_NAME,
            "phone_system_type": 1,
            "phone_id": self.phone_id,
            "ts": unix_milliseconds(),
        });
        if let (Value::Object(body), Value::Object(standard)) = (&mut body, standard) {
            body.extend(standard);
        }
        let headers = [("user-agent", USER_AGENT), ("appversion", APP_VERSION), ("env", "prod")];
        let Reply { status, body } = self.http.post(&format!("{}{path}", self.hosts.api), &headers, &body)?;
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
}

/// A phone's name, at random.
pub fn new_phone_id() -> String {
    let bits = rand::rng().random::<u128>();
    // Version 4, variant 1.
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What the cloud said, fit for a terminal and without the secrets it was sent.
fn speakable(said: &str, secrets: &[&str]) -> String {
    let mut text: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
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
