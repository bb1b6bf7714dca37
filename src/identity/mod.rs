//! Names the camera and its place: the properties that both elements share, and their URI.

mod transport;
mod uri;

use crate::account::{self, LookupError, Secret, StoreError};
use crate::protocol::client::Config;
use crate::protocol::credentials::{CredentialError, Credentials};
use crate::session::Place;
use gst::glib;
use gst::prelude::*;
use std::net::Ipv4Addr;
use std::time::Duration;

pub use transport::Transport;
pub use uri::{SCHEME, SUBTYPE, UriError, apply, format, parse_enum, parse_milliseconds};

pub const DEFAULT_PORT: u16 = 32761;
/// No limit.
pub const DEFAULT_RECONNECT_ATTEMPTS: i32 = -1;
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_millis(15_000);

/// The values set so far. [`Identity::credentials`] checks them as a whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name, MAC or UID of a camera in the store.
    pub camera: Option<String>,
    /// A URI has named the camera, or its host.
    pub from_uri: bool,
    pub uid: Option<String>,
    pub enr: Option<Secret>,
    pub mac: Option<String>,
    pub host: Option<String>,
    pub port: u16,
    pub interface: Option<String>,
    pub model: Option<String>,
    pub transport: Transport,
    /// The camera's name in the store. It comes from there and is no property.
    pub name: Option<String>,
    /// The address where the camera was last, which is asked first. It comes from the store and is no property.
    pub known: Option<Ipv4Addr>,
    /// What is wrong with the last value of the property `uri`, if it was not taken.
    pub refused_uri: Option<UriError>,
    pub connect_timeout: Duration,
    /// A negative number means no limit.
    pub reconnect_attempts: i32,
}

impl Default for Identity {
    fn default() -> Self {
        Identity {
            camera: None,
            from_uri: false,
            uid: None,
            enr: None,
            mac: None,
            host: None,
            port: DEFAULT_PORT,
            interface: None,
            model: None,
            transport: Transport::default(),
            name: None,
            known: None,
            refused_uri: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            reconnect_attempts: DEFAULT_RECONNECT_ATTEMPTS,
        }
    }
}

/// The reason why an element cannot start with this identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(
        "{0} is not set: name a camera of the store (camera=NAME, wyze-cameras list), or give uid, enr and mac, \
         as properties or in the uri (README: \"How to get UID, ENR and MAC\")"
    )]
    Missing(&'static str),
    #[error("camera: {0}")]
    Lookup(#[from] LookupError),
    #[error("camera: {0}")]
    Store(#[from] StoreError),
    #[error("camera: {name:?} cannot be streamed from: {why}")]
    Obstacle { name: String, why: &'static str },
    #[error(transparent)]
    Malformed(#[from] CredentialError),
    #[error("uri: {0}")]
    Uri(#[from] UriError),
}

impl Identity {
    pub fn credentials(&self) -> Result<Credentials, IdentityError> {
        if let Some(error) = &self.refused_uri {
            return Err(error.clone().into());
        }
        let uid = self.uid.as_deref().ok_or(IdentityError::Missing("uid"))?;
        let enr = self.enr.as_deref().ok_or(IdentityError::Missing("enr"))?;
        let mac = self.mac.as_deref().ok_or(IdentityError::Missing("mac"))?;
        Ok(Credentials::new(uid, enr, mac)?)
    }

    /// A session's settings, as far as the camera's identity has them.
    pub fn config(&self) -> Config {
        Config { model: self.model.clone(), connect_timeout: self.connect_timeout, ..Config::default() }
    }

    /// Returns the value of the property `uri`, which is `uri` unless the property `camera` alone says all: whoever writes
    /// down the properties that are set, as gst-device-monitor-1.0 does, is to name the camera once.
    pub fn uri_property(&self, uri: Option<String>) -> Option<String> {
        let Identity { camera, from_uri, uid, enr, mac, host, .. } = self;
        let has_more = *from_uri || uid.is_some() || enr.is_some() || mac.is_some() || host.is_some();
        uri.filter(|_| camera.is_none() || has_more)
    }

    /// Returns a URI that has no keys in it: of the camera's name, if it is named by one, else of its host. `None` where
    /// neither is set, as the keys alone say which camera it is.
    pub fn uri_without_keys(&self) -> Option<String> {
        let camera = self.camera.as_ref().and(self.name.clone());
        let host = self.host.clone().filter(|_| camera.is_none());
        let named =
            Identity { camera, port: if host.is_some() { self.port } else { DEFAULT_PORT }, host, ..Self::default() };
        (named.camera.is_some() || named.host.is_some()).then(|| uri::format(&named, [])).flatten()
    }

    pub fn place(&self) -> Place {
        let (host, interface) = (self.host.clone(), self.interface.clone());
        Place { host, port: self.port, known: self.known, interface }
    }

    /// Returns how many attempts to reconnect may fail in a row; `None` means any number.
    pub fn reconnect_attempts(&self) -> Option<u32> {
        u32::try_from(self.reconnect_attempts).ok()
    }

    /// Returns the properties without `uri`, whose further keys are each element's own.
    pub fn properties() -> Vec<glib::ParamSpec> {
        let text =
            |name, nick, blurb| glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).mutable_ready().build();
        let number = |name, nick, blurb| glib::ParamSpecUInt::builder(name).nick(nick).blurb(blurb).mutable_ready();
        vec![
            text(
                "camera",
                "Camera",
                "The camera's name, MAC or UID in the store, which gives what is not set of uid, enr, mac, host, port, model",
            ),
            text("uid", "UID", "The 20 characters that name the camera (p2p_id in the Wyze cloud)"),
            text("enr", "ENR", "The camera's key of 16 characters or more (enr in the Wyze cloud); keep it secret"),
            text("mac", "MAC", "The camera's MAC address, 12 hexadecimal digits"),
            text("host", "Host", "The camera's IPv4 address or name; unset searches the local network by broadcast"),
            number("port", "Port", "The UDP port that the camera listens on for discovery")
                .minimum(1)
                .maximum(u16::MAX.into())
                .default_value(DEFAULT_PORT.into())
                .build(),
            text("interface", "Interface", "The only network interface to use, such as eth0; unset uses any"),
            text("model", "Model", "The camera's model, such as HL_CAM4; unset takes what the camera says"),
            glib::ParamSpecEnum::builder_with_default("transport", Transport::default())
                .nick("Transport")
                .blurb("Which way is taken to the camera")
                .mutable_ready()
                .build(),
            number(
                "connect-timeout",
                "Connect timeout",
                "How long connecting may take before it is an error, in ms; 0 waits for the camera for ever",
            )
            .default_value(milliseconds(DEFAULT_CONNECT_TIMEOUT))
            .build(),
            glib::ParamSpecInt::builder("reconnect-attempts")
                .nick("Reconnect attempts")
                .blurb(
                    "How many attempts in a row to connect again to a camera that was lost may fail, -1 is any number, \
                     0 makes the loss an error",
                )
                .minimum(-1)
                .default_value(DEFAULT_RECONNECT_ATTEMPTS)
                .mutable_ready()
                .build(),
        ]
    }

    /// Forgets which camera this is, and where: what a URI names.
    pub fn forget_camera(&mut self) {
        let Identity { interface, transport, connect_timeout, reconnect_attempts, .. } = std::mem::take(self);
        *self = Identity { interface, transport, connect_timeout, reconnect_attempts, ..Identity::default() };
    }

    /// Takes the value of a property, whose type GObject has checked. An empty text unsets it. Returns false if the
    /// property is none of these.
    pub fn set_property(&mut self, name: &str, value: &glib::Value) -> bool {
        let text = || value.get::<Option<String>>().ok().flatten().filter(|text| !text.is_empty());
        let number = || value.get::<u32>().unwrap_or_default();
        match name {
            "camera" => self.camera = text(),
            "uid" => self.uid = text(),
            "enr" => self.enr = text().map(Secret::from),
            "mac" => self.mac = text(),
            "host" => self.host = text(),
            "interface" => self.interface = text(),
            "model" => self.model = text(),
            // The property's maximum keeps it within the field's range.
            "port" => self.port = number() as u16,
            "connect-timeout" => self.connect_timeout = Duration::from_millis(number().into()),
            "transport" => self.transport = value.get().unwrap_or_default(),
            "reconnect-attempts" => self.reconnect_attempts = value.get().unwrap_or_default(),
            _ => return false,
        }
        true
    }

    /// Returns the value of a property; `None` if it is none of these.
    pub fn property(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "camera" => self.camera.to_value(),
            "uid" => self.uid.to_value(),
            "enr" => self.enr.as_deref().to_value(),
            "mac" => self.mac.to_value(),
            "host" => self.host.to_value(),
            "interface" => self.interface.to_value(),
            "port" => u32::from(self.port).to_value(),
            "model" => self.model.to_value(),
            "connect-timeout" => milliseconds(self.connect_timeout).to_value(),
            "transport" => self.transport.to_value(),
            "reconnect-attempts" => self.reconnect_attempts.to_value(),
            _ => return None,
        })
    }
}

/// Whether a value stays out of logs. That may include `camera`, as it may hold a UID or MAC.
pub fn is_secret(property: &str, value: &glib::Value) -> bool {
    let is_key = || value.get::<&str>().is_ok_and(account::looks_secret);
    matches!(property, "uid" | "enr" | "mac") || property == "camera" && is_key()
}

pub fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
