//! Replaces what is secret by stand-ins of the same length, so that packets still parse and still fit together.
//!
//! The stand-ins for UID, ENR and MAC are a set of credentials like any other: the AuthKey, the signatures and the
//! answer to the camera's challenge are made of them, as a camera with these keys would have them.

use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::wire::cc51::Signer;
use gstwyze::protocol::wire::hl::Challenge;
use memchr::memmem;
use std::collections::BTreeMap;

pub const UID: &str = "UID";
pub const ENR: &str = "ENR";
pub const MAC: &str = "MAC";
pub const KEY: &str = "AuthKey";
pub const HMAC: &str = "HMAC";
pub const ANSWER: &str = "answer to the challenge";
pub const TEXT: &str = "name or address in JSON";

/// What is repeated to make a stand-in for a text of any length.
const UID_PATTERN: &str = "TRACEUID";
const ENR_PATTERN: &str = "TraceEnr";
const STAND_IN_MAC: &str = "02FACE000000";

/// A secret in one of its forms.
struct Secret {
    kind: &'static str,
    bytes: Vec<u8>,
    stand_in: Vec<u8>,
}

pub struct Redactor {
    secrets: Vec<Secret>,
    /// The stand-in of each UID and MAC of other devices.
    others: BTreeMap<Vec<u8>, Vec<u8>>,
    stand_in: Credentials,
    pub real_signer: Signer,
    pub signer: Signer,
    /// The camera's last challenge.
    pub challenge: Option<Challenge>,
    /// How often each kind was replaced.
    pub replaced: BTreeMap<&'static str, u64>,
}

impl Redactor {
    /// Makes one for the keys that are connected with, and for other keys (UID, ENR, MAC) that a camera has: those
    /// behind a base station have keys of their own.
    pub fn new(credentials: &Credentials, others: [&str; 3]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let [uid, enr, mac] =
            [&credentials.uid.bytes()[..], credentials.enr.bytes(), credentials.mac.bytes()].map(text);
        let stand_in = Credentials::new(&repeat(UID_PATTERN, 20), &repeat(ENR_PATTERN, enr.len()), STAND_IN_MAC)
            .expect("stand-ins have the form of what they stand for");
        let mut secrets = Vec::new();
        for [uid, enr, mac] in [[uid.as_str(), &enr, &mac], others] {
            add_text(&mut secrets, UID, uid, &repeat(UID_PATTERN, uid.len()));
            add_text(&mut secrets, ENR, enr, &repeat(ENR_PATTERN, enr.len()));
            // Each half is a key of its own.
            for half in [enr.get(..16), enr.get(16..32)].into_iter().flatten() {
                add_text(&mut secrets, ENR, half, &repeat(ENR_PATTERN, 16));
            }
            add_mac(&mut secrets, mac);
        }
        let (auth_key, psk) = (credentials.auth_key(), credentials.psk());
        secrets.push(Secret {
            kind: KEY,
            bytes: auth_key.bytes().to_vec(),
            stand_in: stand_in.auth_key().bytes().to_vec(),
        });
        secrets.push(Secret { kind: KEY, bytes: psk.bytes().to_vec(), stand_in: stand_in.psk().bytes().to_vec() });
        // What is part of another comes after it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.bytes.len()));
        Redactor {
            secrets,
            others: BTreeMap::new(),
            real_signer: Signer::new(&credentials.uid, &auth_key),
            signer: Signer::new(&stand_in.uid, &stand_in.auth_key()),
            stand_in,
            challenge: None,
            replaced: BTreeMap::new(),
        }
    }

    /// Replaces every known secret, and returns whether there was one.
    pub fn replace(&mut self, bytes: &mut [u8]) -> bool {
        let mut any = false;
        for secret in &self.secrets {
            let found: Vec<usize> = memmem::find_iter(bytes, &secret.bytes).collect();
            for at in found {
                bytes[at..at + secret.bytes.len()].copy_from_slice(&secret.stand_in);
                *self.replaced.entry(secret.kind).or_default() += 1;
                any = true;
            }
        }
        any
    }

    /// Replaces UIDs of other devices: 20 capital letters and digits in a row.
    pub fn replace_other_uids(&mut self, bytes: &mut [u8]) {
        let is_part = |c: &u8| c.is_ascii_uppercase() || c.is_ascii_digit();
        let mut at = 0;
        while at + 20 <= bytes.len() {
            let run = bytes[at..].iter().take_while(|c| is_part(c)).count();
            if run >= 20 && bytes[at..at + 20] != self.stand_in.uid.bytes()[..] {
                self.replace_other(UID, &mut bytes[at..at + run], |number| format!("OTHERUID{number:012}"));
            }
            at += run.max(1);
        }
    }

    /// Replaces a MAC that FRAMEINFO or JSON names, in 12 hexadecimal digits, where it is another device's.
    pub fn replace_other_mac(&mut self, bytes: &mut [u8]) {
        let is_mac = bytes.len() == 12 && bytes.iter().all(u8::is_ascii_hexdigit);
        if is_mac && !bytes.eq_ignore_ascii_case(self.stand_in.mac.bytes()) {
            self.replace_other(MAC, bytes, |number| format!("02FACE{number:06X}"));
        }
    }

    fn replace_other(&mut self, kind: &'static str, bytes: &mut [u8], name: impl Fn(usize) -> String) {
        let number = self.others.len() + 1;
        let stand_in = self.others.entry(bytes.to_vec()).or_insert_with(|| repeat(&name(number), bytes.len()).into());
        bytes.copy_from_slice(stand_in);
        *self.replaced.entry(kind).or_default() += 1;
    }

    /// Replaces whatever stands in the password field of a login.
    pub fn replace_password(&mut self, field: &mut [u8]) {
        for run in field.split_mut(|c| !c.is_ascii_graphic()).filter(|run| run.len() >= 8) {
            let stand_in = repeat(ENR_PATTERN, run.len());
            if run != stand_in.as_bytes() {
                run.copy_from_slice(stand_in.as_bytes());
                *self.replaced.entry(ENR).or_default() += 1;
            }
        }
    }

    /// Replaces the 16 bytes that answer the challenge: they are made of the ENR.
    pub fn replace_answer(&mut self, answer: &mut [u8]) {
        let made = self.challenge.as_ref().and_then(|challenge| self.stand_in.answer(challenge));
        answer.copy_from_slice(&made.unwrap_or_default()[..answer.len()]);
        *self.replaced.entry(ANSWER).or_default() += 1;
    }

    /// Replaces the texts of a JSON object whose names say that they are of a network or a person.
    pub fn replace_in_json(&mut self, json: &mut [u8]) {
        const PRIVATE: [&str; 12] =
            ["mac", "ssid", "wifi", "uid", "enr", "p2p", "name", "mail", "phone", "token", "serial", "user"];
        let mut key: Option<String> = None;
        let mut at = 0;
        while let Some(start) = json[at..].iter().position(|&c| c == b'"').map(|from| at + from + 1) {
            let Some(end) = end_of_text(json, start) else { return };
            let is_key = json[end + 1..].iter().find(|c| !c.is_ascii_whitespace()) == Some(&b':');
            if is_key {
                key = Some(String::from_utf8_lossy(&json[start..end]).to_lowercase());
            } else if key.take().is_some_and(|key| PRIVATE.iter().any(|word| key.contains(word))) {
                self.replace_text(&mut json[start..end]);
            }
            at = end + 1;
        }
    }

    fn replace_text(&mut self, text: &mut [u8]) {
        // A short number is a level or a switch.
        let is_number = text.len() <= 4 && text.iter().all(|c| c.is_ascii_digit() || *c == b'-');
        let is_stand_in = self.secrets.iter().any(|secret| secret.stand_in == text);
        if is_number || is_stand_in {
            return;
        }
        if text.len() == 12 && text.iter().all(u8::is_ascii_hexdigit) {
            self.replace_other_mac(text);
            return;
        }
        text.fill(b'x');
        *self.replaced.entry(TEXT).or_default() += 1;
    }
}

fn repeat(pattern: &str, len: usize) -> String {
    pattern.chars().cycle().take(len).collect()
}

/// Returns where the JSON text that begins at `start` ends.
fn end_of_text(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while *json.get(at)? != b'"' {
        at += if json[at] == b'\\' { 2 } else { 1 };
    }
    Some(at)
}

/// Adds a text as it is, and in lower case.
fn add_text(secrets: &mut Vec<Secret>, kind: &'static str, text: &str, stand_in: &str) {
    if text.is_empty() {
        return;
    }
    for (text, stand_in) in [(text.to_owned(), stand_in.to_owned()), (text.to_lowercase(), stand_in.to_lowercase())] {
        secrets.push(Secret { kind, bytes: text.into(), stand_in: stand_in.into() });
    }
}

/// Adds a MAC in 12 digits, with colons and dashes, and as six bytes.
fn add_mac(secrets: &mut Vec<Secret>, mac: &str) {
    let digits: String = mac.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_uppercase();
    if digits.len() != 12 {
        return;
    }
    let pairs = |digits: &str| -> Vec<String> {
        digits.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect()
    };
    for separator in ["", ":", "-"] {
        add_text(secrets, MAC, &pairs(&digits).join(separator), &pairs(STAND_IN_MAC).join(separator));
    }
    let bytes = |digits: &str| pairs(digits).iter().map(|pair| u8::from_str_radix(pair, 16).unwrap_or(0)).collect();
    secrets.push(Secret { kind: MAC, bytes: bytes(&digits), stand_in: bytes(STAND_IN_MAC) });
}
