//! Tells the application about the session that an element is in: progress, conflicts and errors.

use super::Announcer;
use super::connection::{Connection, ConnectionState, STATE, error_details};
use crate::identity::IdentityError;
use crate::protocol::client::TransportKind;
use crate::protocol::error::{Cause, Error, Stage};
use crate::protocol::medium::Medium;
use crate::session::{Conflict, Event, JoinError};
use gst::prelude::*;
use std::time::Duration;

/// Posts a progress message for the stage that begins.
pub fn stage(element: &gst::Element, stage: Stage) {
    let (kind, text) = match stage {
        Stage::Discovery => (gst::ProgressType::Start, "Looking for the camera"),
        Stage::Session => (gst::ProgressType::Continue, "Opening a session"),
        Stage::Dtls => (gst::ProgressType::Continue, "Securing the connection"),
        Stage::Login => (gst::ProgressType::Continue, "Logging in"),
        Stage::Auth => (gst::ProgressType::Continue, "Authenticating"),
        Stage::Cloud => (gst::ProgressType::Start, "Asking Wyze for the camera"),
        Stage::Signalling => (gst::ProgressType::Continue, "Calling the camera"),
        Stage::Path => (gst::ProgressType::Continue, "Looking for a way to the camera"),
        Stage::Streaming => (gst::ProgressType::Complete, "Connected"),
    };
    post_progress(element, kind, text);
}

fn post_progress(element: &gst::Element, kind: gst::ProgressType, text: &str) {
    // Fails only without a bus, when nobody listens.
    let _ = element.post_message(gst::message::Progress::builder(kind, "connect", text).src(element).build());
}

/// Posts `wyze-connection` messages, by which an application follows the connection. Their `state` is connecting,
/// streaming, stalled, reconnecting or failed; their `stage` is the one that was reached or, if they have a `reason`,
/// the one that failed.
pub struct ConnectionMessages {
    announcer: Announcer,
    stage: Stage,
    attempt: u32,
    /// The way that the next attempts go, once it has changed.
    way: Option<TransportKind>,
    connection: Connection,
}

impl ConnectionMessages {
    pub fn new(announcer: Announcer, connection: Connection) -> Self {
        ConnectionMessages { announcer, stage: Stage::Discovery, attempt: 0, way: None, connection }
    }

    /// Posts what an event changes. `flows` tells whether it shows that media are on their way.
    pub fn follow(&mut self, element: &gst::Element, event: &Event, flows: bool) {
        match event {
            Event::Stage(stage) => {
                self.stage = *stage;
                if self.connection.state() == ConnectionState::None {
                    self.post(element, ConnectionState::Connecting, None);
                }
            }
            Event::Reconnecting { error, attempt, delay } => {
                // A stall belongs to the stream that was, not to the attempt that comes.
                self.attempt = 0;
                if matches!(error, Error::Silent(_) | Error::Stalled(_) | Error::Unusable(_)) {
                    self.post(element, ConnectionState::Stalled, Some((error, Duration::ZERO)));
                }
                self.attempt = *attempt;
                self.post(element, ConnectionState::Reconnecting, Some((error, *delay)));
            }
            Event::Way(way) => {
                self.way = Some(*way);
                self.warn_of_way(element, *way);
                self.post(element, self.connection.state(), None);
            }
            Event::Connected(camera) => self.way = Some(camera.transport),
            Event::Ended(error) => self.post(element, ConnectionState::Failed, Some((error, Duration::ZERO))),
            _ if flows && self.connection.state() != ConnectionState::Streaming => {
                self.attempt = 0;
                self.post(element, ConnectionState::Streaming, None);
            }
            _ => {}
        }
    }

    /// Warns of another way, as pictures may pass through others' servers there.
    fn warn_of_way(&self, element: &gst::Element, way: TransportKind) {
        let text = match way {
            TransportKind::Lan => "The camera is now looked for in the local network",
            TransportKind::WebRtc => {
                "The camera does not answer in the local network, and is now asked over WebRTC: the Wyze cloud is told, \
                 and picture and sound may pass through its servers; transport=lan keeps it from that"
            }
        };
        self.announcer.announce(element, move |element| {
            gst::element_warning!(element, gst::ResourceError::NotFound, ("{text}"));
        });
    }

    fn post(&mut self, element: &gst::Element, state: ConnectionState, why: Option<(&Error, Duration)>) {
        self.connection.set(state);
        let stage = why.map_or(self.stage, |(error, _)| error.stage());
        let mut structure = gst::Structure::builder("wyze-connection")
            .field("state", state.name())
            .field("stage", stage.name())
            .field("attempt", self.attempt)
            .build();
        if let Some(way) = self.way {
            structure.set("transport", way.name());
        }
        if let Some((error, delay)) = why {
            structure.set("reason", error.reason());
            structure.set("text", error.to_string());
            // 64 bits of nanoseconds are half a millennium.
            structure.set("delay-ns", delay.as_nanos() as u64);
        }
        self.announcer.announce(element, move |element| {
            // Fails only without a bus, when nobody listens.
            let _ = element.post_message(gst::message::Element::builder(structure).src(element).build());
            element.notify(STATE);
        });
    }
}

/// What happens to one medium while the connection goes on.
pub struct MediumChange {
    pub medium: Medium,
    /// `silent`, `back` or `changed`.
    pub state: &'static str,
    /// The new codec, if it has changed.
    pub codec: Option<String>,
    pub text: String,
}

impl MediumChange {
    /// Posts it as a `wyze-connection` message, whose `state` is streaming still.
    pub fn post(self, element: &gst::Element) {
        let mut structure = gst::Structure::builder("wyze-connection")
            .field("state", "streaming")
            .field("stage", Stage::Streaming.name())
            .field("attempt", 0u32)
            .field("medium", self.medium.name())
            .field("medium-state", self.state)
            .field("text", self.text)
            .build();
        if let Some(codec) = self.codec {
            structure.set("codec", codec);
        }
        // Fails only without a bus, when nobody listens.
        let _ = element.post_message(gst::message::Element::builder(structure).src(element).build());
    }
}

/// Posts the error that ended the session of a camera.
pub fn ended(element: &impl IsA<gst::Element>, error: &Error, camera: Option<&str>) {
    let element = element.as_ref();
    let stage = error.stage().name();
    if error.stage() != Stage::Streaming {
        post_progress(element, gst::ProgressType::Error, "Not connected");
    }
    let kind = match error.cause() {
        Cause::NotFound => gst::ResourceError::NotFound,
        Cause::NotAuthorized => gst::ResourceError::NotAuthorized,
        Cause::Lost => gst::ResourceError::Read,
    };
    let details = error_details(camera, stage, error.reason());
    gst::element_error!(element, kind, ("{error}"), ["stage {stage}"], details: details);
}

/// Makes the message for a camera that is not named well.
pub fn identity_error(error: &IdentityError) -> gst::ErrorMessage {
    match error {
        IdentityError::Lookup(_) => gst::error_msg!(gst::ResourceError::NotFound, ("{error}")),
        IdentityError::Store(_) => gst::error_msg!(gst::ResourceError::OpenRead, ("{error}")),
        _ => gst::error_msg!(gst::ResourceError::Settings, ("{error}")),
    }
}

/// Makes the message for a session that cannot be joined.
pub fn join_error(error: &JoinError) -> gst::ErrorMessage {
    match error {
        JoinError::OtherCredentials | JoinError::NoWay => gst::error_msg!(gst::ResourceError::Settings, ("{error}")),
        JoinError::Io(_) => gst::error_msg!(gst::ResourceError::OpenReadWrite, ("{error}")),
    }
}

/// Warns of settings in which the elements of a session differ.
pub fn conflicts(element: &gst::Element, conflicts: &[Conflict]) {
    for conflict in conflicts {
        let text = match conflict {
            Conflict::VideoWish => "Another element asked for another picture; the camera now gives this one's",
            Conflict::Place => "Another element uses this camera at another address; its session is shared",
            Conflict::Transport => "Another element uses this camera with another transport, which counts for both",
        };
        gst::element_warning!(element, gst::ResourceError::Settings, ("{text}"));
    }
}
