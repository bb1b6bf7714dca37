//! Why a request to the cloud failed, and what to do about it. No text has a secret in it.

use std::fmt;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    #[error("{what} has to be an https:// address (http:// is for 127.0.0.1 only)")]
    Host { what: &'static str },
    #[error("{host} cannot be reached ({reason}); check the internet connection and the name service")]
    Network { host: String, reason: String },
    #[error(
        "{host} does not prove who it is ({reason}); check the clock, the package ca-certificates, and whether a proxy \
         reads along"
    )]
    Tls { host: String, reason: String },
    #[error("{host} did not answer in time; try again later")]
    Timeout { host: String },
    #[error("{host} has a fault of its own (HTTP {status}); try again later")]
    Unavailable { host: String, status: u16 },
    #[error(
        "{host} refuses requests from this network (HTTP 403): switch off VPN and proxy, or ask from another network"
    )]
    Forbidden { host: String },
    #[error(
        "{host} has had too many requests; wait {} before the next one (whatever asks the Wyze cloud from this network \
         counts)",
        Wait(*wait)
    )]
    RateLimited { host: String, wait: Duration },
    #[error(
        "the Wyze cloud refused the login ({said}): check e-mail, password, key id and API key. A key lasts a year \
         and may end early: make a new one at https://developer-api-console.wyze.com/#/apikey/view"
    )]
    BadCredentials { said: String },
    #[error(
        "the API key has expired ({said}): make a new one at https://developer-api-console.wyze.com/#/apikey/view, and \
         give its key id too"
    )]
    KeyExpired { said: String },
    #[error(
        "the account is locked after too many failed logins; wait {}, and check the password in the Wyze app before \
         the next try",
        Wait(*wait)
    )]
    LockedOut { wait: Duration },
    #[error(
        "a login was tried a moment ago; to keep the account from being locked, the next one may be in {}",
        Wait(*wait)
    )]
    TooSoon { wait: Duration },
    #[error(
        "the code is wrong or too old: take a fresh one; for an authenticator app, check this machine's clock and the \
         TOTP secret"
    )]
    WrongCode,
    #[error(
        "the account asks for a second factor ({0}): run the login in a terminal, or set WYZE_TOTP_SECRET to the \
         secret of the authenticator app"
    )]
    CodeNeeded(&'static str),
    #[error(
        "the account asks for a second factor that is not known here ({0}); switch on an authenticator app in the \
         Wyze app"
    )]
    UnknownFactor(String),
    #[error("the TOTP secret is malformed: it has only the letters A to Z and the digits 2 to 7")]
    TotpSecret,
    #[error("the login has expired: run wyze-cameras login")]
    TokenExpired,
    #[error("the Wyze cloud refused ({code}: {said}); if this goes on, report it")]
    Refused { code: i64, said: String },
    #[error("the Wyze cloud gives no stream of this camera ({code}): {why}")]
    NoStream { code: i64, why: &'static str },
    #[error(
        "the Wyze cloud says that the camera is offline: check its power and Wi-Fi, and whether the Wyze app shows it"
    )]
    CameraOffline,
    #[error("the camera is switched off: switch it on in the Wyze app, or by wyze-cameras control NAME power on")]
    CameraOff,
    #[error(
        "the Wyze cloud has no WebRTC stream of this camera: some models, as Pan v4, stream by Agora only, which has \
         no open client"
    )]
    NoWebRtc,
    #[error(
        "the Wyze cloud's answer is not what this version understands: {field} {problem}; report it with this text"
    )]
    Schema { field: String, problem: &'static str },
}

impl CloudError {
    /// Returns how long the next request of this kind has to wait, where that is known.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            CloudError::RateLimited { wait, .. } | CloudError::LockedOut { wait } | CloudError::TooSoon { wait } => {
                Some(*wait)
            }
            _ => None,
        }
    }
}

/// Prints a time for a sentence, rounded up, so that nobody comes a second too early.
struct Wait(Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0);
        match seconds {
            0..120 => write!(f, "{seconds} s"),
            _ => write!(f, "{} min", seconds.div_ceil(60)),
        }
    }
}
