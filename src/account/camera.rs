//! The store's entry of a camera: its name, keys, model and last address.

use crate::printable::is_printable;
use crate::protocol::credentials::{CredentialError, Credentials, Mac, Uid};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// A text that `Debug` prints as `***`, and that is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Returns the text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Secret(Zeroizing::new(text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How a camera came into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// From the Wyze account.
    Account,
    /// By hand.
    #[default]
    Added,
    /// From another program's configuration.
    Imported,
}

/// The keys of the base station that a camera connects through.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BaseStation {
    pub uid: Secret,
    pub enr: Secret,
    pub mac: Secret,
}

/// A camera of the store. Keys may be missing or malformed where the account gives no others: see [`Camera::paths`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// The nickname, as its owner wrote it.
    pub name: String,
    #[serde(default)]
    pub uid: Secret,
    #[serde(default)]
    pub enr: Secret,
    #[serde(default)]
    pub mac: Secret,
    /// The product model, such as HL_CAM4; empty where it is not known.
    #[serde(default)]
    pub model: String,
    #[serde(default)]
    pub firmware: String,
    /// The last known IPv4 address, or a host name that somebody set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The UDP port of discovery, where it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether the firmware speaks DTLS, as the account says. Accounts have been seen to deny it for cameras that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtls: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_station: Option<BaseStation>,
    pub origin: Origin,
    /// When the entry was last put here, in seconds of Unix time.
    pub updated: u64,
}

/// Models of the first generation. Their firmware speaks no DTLS unless the account says otherwise.
const WITHOUT_DTLS: [&str; 2] = ["WYZEC1", "WYZECP1_JEF"];
/// Battery cameras that connect through a base station.
const BEHIND_BASE_STATION: [&str; 2] = ["WVOD1", "HL_WCO2"];
/// Models that speak no TUTK, which is what the plugin speaks on the local network, besides all that begin with GW_.
const WITHOUT_TUTK: [&str; 3] = ["AN_RDB1", "AN_RSCW", "LD_CFP"];
/// Models that join no WebRTC signalling, but Agora's network.
const AGORA: [&str; 2] = ["HL_PAN4", "ME_WCO3"];
/// The model that the WebRTC of its family was tried with in vain.
const GWELL_ONLY: &str = "GW_WC";
/// Models of which somebody says that they have no WebRTC. All that are not here are taken to have it: the cloud knows.
const WITHOUT_WEBRTC: [&str; 6] = ["HL_DB2", "HL_PANP", "HL_WCO2", "WVOD1", "WYZEC1", "WYZEDB3"];

const SPEAKS_AGORA: &str = "speaks Agora, which has no open client";
const SPEAKS_GWELL: &str = "speaks Gwell only, another protocol";

/// The ways to a camera's picture, judging by its entry in the store; where one is closed, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paths {
    /// Over the local network, without the cloud.
    pub lan: Result<(), &'static str>,
    /// Over WebRTC, with the cloud as its signalling: only for cameras of the account that is logged in.
    pub webrtc: Result<(), &'static str>,
}

impl Paths {
    /// Tells why elements cannot stream from the camera; `None` where nothing speaks against it. Over WebRTC they need a
    /// login besides.
    pub fn obstacle(&self) -> Option<&'static str> {
        let webrtc = if cfg!(feature = "webrtc") { self.webrtc } else { Err("this build has no WebRTC") };
        self.lan.err().filter(|_| webrtc.is_err())
    }

    /// Returns the words for the paths that are open.
    pub fn open(&self) -> Vec<&'static str> {
        let paths = [("LAN", self.lan), ("WebRTC", self.webrtc)];
        paths.into_iter().filter(|(_, path)| path.is_ok()).map(|(name, _)| name).collect()
    }
}

impl Camera {
    /// Returns the time for [`Camera::updated`], in seconds of Unix time.
    pub fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// Returns how long ago the entry was put here; zero where `updated` is in the future.
    pub fn age(&self) -> Duration {
        Duration::from_secs(Self::now().saturating_sub(self.updated))
    }

    /// Returns the keys to connect with: the camera's own, or those of its base station.
    pub fn credentials(&self) -> Result<Credentials, CredentialError> {
        let (uid, enr, mac) = match &self.base_station {
            Some(station) => (&station.uid, &station.enr, &station.mac),
            None => (&self.uid, &self.enr, &self.mac),
        };
        Credentials::new(uid.expose(), enr.expose(), mac.expose())
    }

    /// Returns the ways to this camera's picture.
    pub fn paths(&self) -> Paths {
        Paths { lan: self.lan(), webrtc: self.webrtc() }
    }

    fn lan(&self) -> Result<(), &'static str> {
        let model = self.model.as_str();
        if AGORA.contains(&model) {
            Err(SPEAKS_AGORA)
        } else if model == GWELL_ONLY {
            Err(SPEAKS_GWELL)
        } else if model.starts_with("GW_") || WITHOUT_TUTK.contains(&model) {
            Err("speaks WebRTC only")
        } else if self.is_behind_base_station() {
            Err("battery camera behind a base station: it has to be woken first, which is not supported")
        } else if self.dtls != Some(true) && WITHOUT_DTLS.contains(&model) {
            Err("its firmware does not speak DTLS: update it")
        } else if self.uid.is_empty() || self.enr.is_empty() || self.mac.is_empty() {
            Err("UID, ENR or MAC is not known")
        } else if self.credentials().is_err() {
            Err("UID, ENR or MAC is malformed")
        } else {
            Ok(())
        }
    }

    fn webrtc(&self) -> Result<(), &'static str> {
        let model = self.model.as_str();
        if AGORA.contains(&model) {
            Err(SPEAKS_AGORA)
        } else if model == GWELL_ONLY {
            Err(SPEAKS_GWELL)
        } else if WITHOUT_WEBRTC.contains(&model) || self.is_behind_base_station() {
            Err("is not known to speak WebRTC")
        } else if model.is_empty() || self.mac.is_empty() {
            Err("model or MAC is not known")
        } else {
            Ok(())
        }
    }

    fn is_behind_base_station(&self) -> bool {
        BEHIND_BASE_STATION.contains(&self.model.as_str()) || self.base_station.is_some()
    }

    /// Whether both are entries of one camera: of one UID, or where one has none, of one MAC.
    pub fn is_same_as(&self, other: &Camera) -> bool {
        let is_equal = |one: &Secret, other: &Secret| !one.is_empty() && bare(one) == bare(other);
        match self.uid.is_empty() || other.uid.is_empty() {
            false => is_equal(&self.uid, &other.uid),
            true => is_equal(&self.mac, &other.mac),
        }
    }

    /// Returns [`Camera::host`] where it is an address and no name.
    pub fn known_address(&self) -> Option<Ipv4Addr> {
        self.host.as_deref().and_then(|host| host.parse().ok())
    }

    /// Removes control characters, which could steer a terminal or end a text early.
    pub(super) fn tidy(&mut self) {
        for text in [&mut self.name, &mut self.model, &mut self.firmware].into_iter().chain(&mut self.host) {
            text.retain(is_printable);
        }
    }

    /// Whether `wanted` is the camera's name, MAC or UID.
    fn is_called(&self, wanted: &str) -> bool {
        let key = |secret: &Secret| !secret.is_empty() && bare(secret.expose()) == bare(wanted);
        self.name.trim().to_lowercase() == wanted.to_lowercase() || key(&self.mac) || key(&self.uid)
    }
}

/// Returns a MAC or UID as it is compared: without separators, in lower case.
fn bare(text: &str) -> String {
    text.replace([':', '-'], "").to_lowercase()
}

/// Whether a text looks like a UID, an ENR or a MAC. Such a text goes into no log or error, whatever it was meant to
/// be.
pub fn looks_secret(text: &str) -> bool {
    let looks_random = text.len() >= 16
        && text.bytes().all(|c| c.is_ascii_graphic())
        && text.bytes().any(|c| c.is_ascii_digit())
        && text.bytes().any(|c| c.is_ascii_alphabetic());
    Uid::new(text).is_ok() || Mac::new(text).is_ok() || looks_random
}

/// Why a text does not name one camera. The error's text has names in it, but no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    #[error("no camera is stored: run wyze-cameras login, or wyze-cameras add")]
    Empty,
    #[error("no camera named {wanted} is stored; there are: {there}; run wyze-cameras list")]
    Unknown { wanted: String, there: String },
    #[error("several cameras are named {wanted}: {matches}; give the MAC or UID of one instead of its name")]
    Ambiguous { wanted: String, matches: String },
}

/// The cameras of the store, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cameras(Vec<Camera>);

impl Cameras {
    /// Finds the camera with this nickname, MAC (with or without colons) or UID, in upper or lower case.
    pub fn find(&self, wanted: &str) -> Result<&Camera, LookupError> {
        let wanted = wanted.trim();
        let quoted = || if looks_secret(wanted) { "***".to_owned() } else { format!("{wanted:?}") };
        let matches: Vec<&Camera> = self.iter().filter(|camera| camera.is_called(wanted)).collect();
        match matches[..] {
            [camera] => Ok(camera),
            [] if self.is_empty() => Err(LookupError::Empty),
            [] => {
                let names: Vec<_> = self.iter().map(|camera| format!("{:?}", camera.name)).collect();
                Err(LookupError::Unknown { wanted: quoted(), there: names.join(", ") })
            }
            _ => {
                let known = |text: &str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
                let describe = |camera: &&Camera| {
                    let host = camera.host.as_deref().unwrap_or_default();
                    format!("{:?} (model {}, address {})", camera.name, known(&camera.model), known(host))
                };
                let matches: Vec<_> = matches.iter().map(describe).collect();
                Err(LookupError::Ambiguous { wanted: quoted(), matches: matches.join(", ") })
            }
        }
    }

    /// Finds the camera with this UID.
    pub fn with_uid(&self, uid: &str) -> Option<&Camera> {
        self.iter().find(|camera| !uid.is_empty() && camera.uid.expose().eq_ignore_ascii_case(uid))
    }

    /// Returns a text that finds this camera, which is one of these: its name where no other camera has it, else its
    /// UID, or its MAC where it has none.
    pub fn selector<'a>(&self, camera: &'a Camera) -> &'a str {
        let is_unique = self.find(&camera.name).is_ok_and(|found| std::ptr::eq(found, camera));
        let keys = [camera.uid.expose(), camera.mac.expose()];
        let key = keys.into_iter().find(|key| !key.is_empty()).filter(|_| !is_unique);
        key.unwrap_or(&camera.name)
    }
}

impl Deref for Cameras {
    type Target = Vec<Camera>;

    fn deref(&self) -> &Vec<Camera> {
        &self.0
    }
}

impl DerefMut for Cameras {
    fn deref_mut(&mut self) -> &mut Vec<Camera> {
        &mut self.0
    }
}

impl From<Vec<Camera>> for Cameras {
    fn from(cameras: Vec<Camera>) -> Self {
        Cameras(cameras)
    }
}
