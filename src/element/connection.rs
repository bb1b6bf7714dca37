//! How an element's connection goes, for its property `connection-state` and the messages that tell of changes.

use crate::identity::Identity;
use crate::session::lock;
use gst::glib;
use gst::prelude::*;
use std::sync::{Arc, Mutex};

pub const STATE: &str = "connection-state";

/// How the connection of an element to its camera goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeConnectionState")]
#[non_exhaustive]
pub enum ConnectionState {
    #[default]
    #[enum_value(name = "The element is not started", nick = "none")]
    None,
    #[enum_value(name = "The camera is looked for, or connected to for the first time", nick = "connecting")]
    Connecting,
    #[enum_value(name = "Media flow, or the camera listens", nick = "streaming")]
    Streaming,
    #[enum_value(name = "A connected camera sends nothing that can be used", nick = "stalled")]
    Stalled,
    #[enum_value(name = "The camera was lost, and is connected to again", nick = "reconnecting")]
    Reconnecting,
    #[enum_value(name = "The connection failed for good", nick = "failed")]
    Failed,
}

impl ConnectionState {
    /// Returns the word that stands for it in messages.
    pub fn name(self) -> &'static str {
        match self {
            ConnectionState::None => "none",
            ConnectionState::Connecting => "connecting",
            ConnectionState::Streaming => "streaming",
            ConnectionState::Stalled => "stalled",
            ConnectionState::Reconnecting => "reconnecting",
            ConnectionState::Failed => "failed",
        }
    }
}

/// The state of an element's connection. Clones share it.
#[derive(Clone, Default)]
pub struct Connection(Arc<Mutex<ConnectionState>>);

impl Connection {
    pub fn property() -> glib::ParamSpec {
        glib::ParamSpecEnum::builder_with_default(STATE, ConnectionState::default())
            .nick("Connection state")
            .blurb("How the connection to the camera goes; notified when it changes")
            .read_only()
            .build()
    }

    pub fn state(&self) -> ConnectionState {
        *lock(&self.0)
    }

    pub fn set(&self, state: ConnectionState) {
        *lock(&self.0) = state;
    }

    /// Notes that the element has stopped.
    pub fn end(&self, element: &impl IsA<gst::Element>) {
        self.set(ConnectionState::None);
        element.notify(STATE);
    }
}

/// Makes the details of an error message: which camera it is about (its name in the store, or its host; left out where
/// only keys say which), and a word for the stage and the reason.
pub fn error_details(camera: Option<&str>, stage: &str, reason: &str) -> gst::Structure {
    let mut details = gst::Structure::builder("wyze-error").field("stage", stage).field("reason", reason).build();
    if let Some(camera) = camera {
        details.set("camera", camera);
    }
    details
}

/// Returns what the user calls the camera, without keys.
pub fn camera_label(identity: &Identity) -> Option<String> {
    identity.name.clone().or_else(|| identity.host.clone())
}
