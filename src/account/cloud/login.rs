//! Logging in, with a second factor where the account has one.

use super::answer::Answer;
use super::http::{Reply, Wiped};
use super::{Cloud, CloudError, Granted, speakable, totp, unix_time};
use crate::account::Secret;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use serde_json::json;
use std::time::Duration;
use zeroize::Zeroizing;

/// Shows that a request comes from the app, which logged in this way before there were API keys.
const APP_KEY: &str = "WMXHYf79Nr5gIlt3r0r7p9Tcw5bvs6BB4U8O8nGJ";
const APP_USER_AGENT: &str = "wyze_ios_2.50.0";
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// The code for bad passwords, keys and codes, and for too many of them. The text tells which it is.
const ERROR_CREDENTIALS: i64 = 1000;
/// How long an account stays locked, as users report.
const USUAL_LOCK: Duration = Duration::from_secs(15 * 60);
const LONGEST_LOCK: Duration = Duration::from_secs(24 * 60 * 60);

/// A key of the developer console; today's way to log in.
#[derive(Debug, Clone)]
pub struct ApiKey {
    pub id: Secret,
    pub key: Secret,
}

/// The account to log in to, and what proves whose it is.
#[derive(Debug, Clone)]
pub struct Login {
    pub email: Secret,
    /// The password as it is typed, or its hash with `md5:` or `hashed:` before it.
    pub password: Secret,
    /// Without a key, the login is done in the app's old way.
    pub api_key: Option<ApiKey>,
    /// The secret of the authenticator app, in base32. Preferred to all other second factors.
    pub totp_secret: Option<Secret>,
}

/// Where the owner finds the code of a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSource {
    App,
    Sms,
    Email,
}

impl CodeSource {
    fn name(self) -> &'static str {
        match self {
            CodeSource::App => "a code of the authenticator app",
            CodeSource::Sms => "a code by SMS",
            CodeSource::Email => "a code by e-mail",
        }
    }
}

/// A second factor that an account may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Factor {
    Totp,
    Phone { is_backup: bool },
    Email,
}

impl Factor {
    /// The order of preference where the account names no primary factor.
    const ORDER: [Factor; 4] =
        [Factor::Phone { is_backup: false }, Factor::Totp, Factor::Email, Factor::Phone { is_backup: true }];

    /// Returns the factor's word in requests and answers.
    fn word(self) -> &'static str {
        match self {
            Factor::Totp => "TotpVerificationCode",
            Factor::Phone { is_backup: false } => "PrimaryPhone",
            Factor::Phone { is_backup: true } => "BackupPhone",
            Factor::Email => "Email",
        }
    }

    fn source(self) -> CodeSource {
        match self {
            Factor::Totp => CodeSource::App,
            Factor::Phone { .. } => CodeSource::Sms,
            Factor::Email => CodeSource::Email,
        }
    }

    /// Chooses one of the factors that an answer offers.
    fn choose(answer: &Answer, has_totp_secret: bool) -> Result<Factor, CloudError> {
        let words: Vec<_> = answer.get("mfa_options").list()?.iter().map(Answer::word).collect();
        let offered = |factor: &Factor| words.iter().any(|word| word == factor.word());
        if has_totp_secret && offered(&Factor::Totp) {
            return Ok(Factor::Totp);
        }
        let primary = answer.get("mfa_details").get("primary_option").word();
        let is_primary = |factor: &Factor| factor.word() == primary && offered(factor);
        let order = Factor::ORDER;
        let chosen = order.iter().find(|f| is_primary(f)).or_else(|| order.iter().find(|f| offered(f)));
        chosen.copied().ok_or_else(|| CloudError::UnknownFactor(speakable(&words.join(", "), &[])))
    }
}

impl Cloud {
    /// Logs in once. Calls `ask` for a code that cannot be made from `login`; it returns `None` where there is nobody
    /// to ask.
    pub fn login(
        &self,
        login: &Login,
        ask: &mut dyn FnMut(CodeSource) -> Option<String>,
    ) -> Result<Granted, CloudError> {
        let password = hash_password(login.password.expose());
        let mut body = Wiped(json!({ "email": login.email.expose().trim(), "password": password.as_str() }));
        let first = self.post_login(login, &body)?;
        let answer = Answer::new(&first);
        let token = answer.get("access_token");
        if !token.text()?.is_empty() {
            return granted(&answer);
        }
        if answer.get("mfa_options").is_null() {
            return Err(token.error("is missing"));
        }
        let factor = Factor::choose(&answer, login.totp_secret.is_some())?;
        let verification_id = self.verification_id(factor, &answer)?;
        let code = match (&login.totp_secret, factor) {
            (Some(secret), Factor::Totp) => totp::code(secret.expose(), unix_time().as_secs())?,
            _ => ask(factor.source()).ok_or(CloudError::CodeNeeded(factor.source().name()))?,
        };
        body.0["mfa_type"] = factor.word().into();
        body.0["verification_id"] = verification_id.into();
        body.0["verification_code"] = code.trim().into();
        let second = self.post_login(login, &body)?;
        granted(&Answer::new(&second))
    }

    /// Returns the id that has to go with the code. Makes the cloud send the code, unless an app makes it.
    fn verification_id(&self, factor: Factor, answer: &Answer) -> Result<String, CloudError> {
        let user = || answer.get("user_id").required_word();
        let path = match factor {
            Factor::Totp => {
                let apps = answer.get("mfa_details").get("totp_apps");
                let mut ids = apps.list()?.into_iter().map(|app| app.get("app_id").word());
                return ids.find(|id| !id.is_empty()).ok_or_else(|| apps.error("has no app_id"));
            }
            Factor::Phone { is_backup } => format!(
                "/user/login/sendSmsCode?mfaPhoneType={}&sessionId={}&userId={}",
                if is_backup { "Backup" } else { "Primary" },
                encode(&answer.get("sms_session_id").required_word()?),
                encode(&user()?)
            ),
            Factor::Email => format!(
                "/v2/user/login/sendEmailCode?userId={}&sessionId={}",
                encode(&user()?),
                encode(&answer.get("email_session_id").required_word()?)
            ),
        };
        let url = format!("{}{path}", self.hosts.auth);
        let reply = judge(self.http.post(&url, &self.old_headers(), &Wiped(json!({})))?, &[])?;
        Answer::new(&reply).get("session_id").required_word()
    }

    fn post_login(&self, login: &Login, body: &Wiped) -> Result<Wiped, CloudError> {
        let auth = &self.hosts.auth;
        let reply = match &login.api_key {
            Some(ApiKey { id, key }) => {
                let headers = [
                    ("apikey", key.expose().trim()),
                    ("keyid", id.expose().trim()),
                    ("user-agent", USER_AGENT),
                    ("phone-id", &self.phone_id),
                ];
                self.http.post(&format!("{auth}/api/user/login"), &headers, body)?
            }
            None => self.http.post(&format!("{auth}/user/login"), &self.old_headers(), body)?,
        };
        let key = login.api_key.as_ref();
        let secrets = [
            login.email.expose().trim(),
            login.password.expose().trim(),
            body["password"].as_str().unwrap_or_default(),
            key.map_or("", |key| key.id.expose().trim()),
            key.map_or("", |key| key.key.expose().trim()),
        ];
        judge(reply, &secrets)
    }

    fn old_headers(&self) -> [(&str, &str); 3] {
        [("x-api-key", APP_KEY), ("phone-id", &self.phone_id), ("user-agent", APP_USER_AGENT)]
    }
}

pub fn granted(answer: &Answer) -> Result<Granted, CloudError> {
    Ok(Granted {
        access_token: answer.get("access_token").required_text()?.into(),
        refresh_token: answer.get("refresh_token").required_text()?.into(),
    })
}

/// Hashes a password: MD5 three times, each time of the last hash's hexadecimal digits. A hash is taken as it is.
fn hash_password(password: &str) -> Zeroizing<String> {
    let password = password.trim();
    if let Some(hash) = password.strip_prefix("md5:").or_else(|| password.strip_prefix("hashed:")) {
        return Zeroizing::new(hash.trim().to_ascii_lowercase());
    }
    let hash = |text: Zeroizing<String>, _| Zeroizing::new(HEXLOWER.encode(&Md5::digest(text.as_bytes())));
    (0..3).fold(Zeroizing::new(password.to_owned()), hash)
}

/// Encodes a value of a URL's query.
fn encode(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Returns the login host's answer, or its refusal as an error without any of the `secrets`.
fn judge(reply: Reply, secrets: &[&str]) -> Result<Wiped, CloudError> {
    let answer = Answer::new(&reply.body);
    let code = answer.get("errorCode").number().or_else(|| answer.get("code").number()).unwrap_or_default();
    if reply.status < 300 && matches!(code, 0 | 1) {
        return Ok(reply.body);
    }
    let said = ["description", "msg", "message"]
        .iter()
        .find_map(|name| answer.get(name).text().ok().filter(|t| !t.is_empty()));
    let said = speakable(said.unwrap_or_default(), secrets);
    let lower = said.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().all(|word| lower.contains(word));
    Err(if says(&["too many"]) || says(&["locked"]) {
        CloudError::LockedOut { wait: spoken_time(&lower).unwrap_or(USUAL_LOCK).min(LONGEST_LOCK) }
    } else if says(&["verification code"]) {
        CloudError::WrongCode
    } else if says(&["key", "expired"]) {
        CloudError::KeyExpired { said }
    } else if code == ERROR_CREDENTIALS || reply.status == 401 {
        CloudError::BadCredentials { said }
    } else {
        CloudError::Refused { code: if code == 0 { reply.status.into() } else { code }, said }
    })
}

/// Finds the time in a sentence such as `try again in 15 minutes`.
fn spoken_time(text: &str) -> Option<Duration> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).find_map(|pair| {
        let count: u64 = pair[0].parse().ok()?;
        let unit = match pair[1] {
            unit if unit.starts_with("second") => 1,
            unit if unit.starts_with("minute") => 60,
            unit if unit.starts_with("hour") => 3600,
            _ => return None,
        };
        Some(Duration::from_secs(count.saturating_mul(unit)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_three_times_or_is_a_hash_already() {
        // Made with md5sum.
        assert_eq!(*hash_password("password"), "5a22e6c339c96c9c0513a46e44c39683");
        assert_eq!(hash_password(" password\n"), hash_password("password"));
        assert_eq!(*hash_password("md5:ABCDEF0123456789abcdef0123456789"), "abcdef0123456789abcdef0123456789");
        assert_eq!(*hash_password("hashed: 00"), "00");
    }

    #[test]
    fn a_spoken_time_is_understood() {
        assert_eq!(spoken_time("try again in 5 minutes."), Some(Duration::from_secs(300)));
        assert_eq!(spoken_time("wait 1 hour"), Some(Duration::from_secs(3600)));
        assert_eq!(spoken_time("wait 99999999999999999999 hours"), None);
        assert_eq!(spoken_time("too many failed attempts"), None);
    }

    #[test]
    fn the_second_factor_is_the_primary_one_unless_it_is_unknown() {
        let choose = |options: &[&str], primary: &str, has_secret| {
            let answer = json!({ "mfa_options": options, "mfa_details": { "primary_option": primary } });
            Factor::choose(&Answer::new(&answer), has_secret).map(|factor| factor.word()).map_err(|e| e.to_string())
        };
        let all = ["TotpVerificationCode", "PrimaryPhone", "Email", "BackupPhone"];
        assert_eq!(choose(&all, "Email", false).unwrap(), "Email");
        assert_eq!(choose(&all, "Email", true).unwrap(), "TotpVerificationCode");
        assert_eq!(choose(&all, "Unknown", false).unwrap(), "PrimaryPhone");
        assert_eq!(choose(&["Email", "TotpVerificationCode"], "Unknown", false).unwrap(), "TotpVerificationCode");
        assert_eq!(choose(&["Email"], "PrimaryPhone", true).unwrap(), "Email");
        assert!(choose(&["Fido"], "Fido", false).unwrap_err().contains("Fido"));
    }
}
