//! What elements tell the application of the session that they are in: how connecting goes on, conflicts, errors.

use crate::identity::IdentityError;
use crate::protocol::error::{Cause, Error, Stage};
use crate::session::{Conflict, Event, JoinError};
use gst::prelude::*;
use std::time::Duration;

/// Posts how connecting goes on.
pub fn stage(element: &impl IsA<gst::Element>, stage: Stage) {
    let (kind, text) = match stage {
        Stage::Discovery => (gst::ProgressType::Start, "Looking for the camera"),
        Stage::Session => (gst::ProgressType::Continue, "Opening a session"),
        Stage::Dtls => (gst::ProgressType::Continue, "Securing the connection"),
        Stage::Login => (gst::ProgressType::Continue, "Logging in"),
        Stage::Auth => (gst::ProgressType::Continue, "Authenticating"),
        Stage::Streaming => (gst::ProgressType::Complete, "Connected"),
    };
    post_progress(element, kind, text);
}

fn post_progress(element: &impl IsA<gst::Element>, kind: gst::ProgressType, text: &str) {
    // Fails only without a bus, and then nobody listens.
    let _ = element.post_message(gst::message::Progress::builder(kind, "connect", text).src(element.as_ref()).build());
}

/// Posts `wyze-connection` messages, by which an application follows the connection: `state` is connecting, streaming, stalled,
/// reconnecting or failed, `stage` the one reached or, with a `reason`, the one that failed.
pub struct Connection {
    stage: Stage,
    attempt: u32,
    state: &'static str,
}

impl Connection {
    pub fn new() -> Self {
        Connection { stage: Stage::Discovery, attempt: 0, state: "" }
    }

    /// Takes an event before the element does. `flows` is true where it shows that media are on their way.
    pub fn follow(&mut self, element: &impl IsA<gst::Element>, event: &Event, flows: bool) {
        match event {
            Event::Stage(stage) => {
                self.stage = *stage;
                if self.state.is_empty() {
                    self.post(element, "connecting", None);
                }
            }
            Event::Reconnecting { error, attempt, delay } => {
                // Of the stream that was, not of an attempt that failed.
                self.attempt = 0;
                if matches!(error, Error::Silent(_) | Error::Stalled(_)) {
                    self.post(element, "stalled", Some((error, Duration::ZERO)));
                }
                self.attempt = *attempt;
                self.post(element, "reconnecting", Some((error, *delay)));
            }
            Event::Ended(error) => self.post(element, "failed", Some((error, Duration::ZERO))),
            _ if flows && self.state != "streaming" => {
                self.attempt = 0;
                self.post(element, "streaming", None);
            }
            _ => {}
        }
    }

    fn post(&mut self, element: &impl IsA<gst::Element>, state: &'static str, why: Option<(&Error, Duration)>) {
        self.state = state;
        let stage = why.map_or(self.stage, |(error, _)| error.stage());
        let mut structure = gst::Structure::builder("wyze-connection")
            .field("state", state)
            .field("stage", stage.name())
            .field("attempt", self.attempt)
            .build();
        if let Some((error, delay)) = why {
            structure.set("reason", error.reason());
            structure.set("text", error.to_string());
            // Half a millennium of nanoseconds fit.
            structure.set("delay", delay.as_nanos() as u64);
        }
        // Fails only without a bus, and then nobody listens.
        let _ = element.post_message(gst::message::Element::builder(structure).src(element.as_ref()).build());
    }
}

/// Posts what ended the session. Not on the session thread: an application may stop the element from within.
pub fn ended(element: &impl IsA<gst::Element>, error: Error) {
    element.as_ref().call_async(move |element| {
        let text = error.to_string();
        let stage = error.stage().name();
        if error.stage() != Stage::Streaming {
            post_progress(element, gst::ProgressType::Error, "Not connected");
        }
        match error.cause() {
            Cause::NotFound => {
                gst::element_error!(element, gst::ResourceError::NotFound, ("{text}"), ["stage {stage}"])
            }
            Cause::NotAuthorized => {
                gst::element_error!(element, gst::ResourceError::NotAuthorized, ("{text}"), ["stage {stage}"]);
            }
            Cause::Lost => gst::element_error!(element, gst::ResourceError::Read, ("{text}"), ["stage {stage}"]),
        }
    });
}

/// What is wrong with how the camera is named.
pub fn identity_error(error: &IdentityError) -> gst::ErrorMessage {
    match error {
        IdentityError::Lookup(_) => gst::error_msg!(gst::ResourceError::NotFound, ("{error}")),
        IdentityError::Store(_) => gst::error_msg!(gst::ResourceError::OpenRead, ("{error}")),
        _ => gst::error_msg!(gst::ResourceError::Settings, ("{error}")),
    }
}

/// What keeps an element from starting.
pub fn join_error(error: &JoinError) -> gst::ErrorMessage {
    match error {
        JoinError::OtherCredentials => gst::error_msg!(gst::ResourceError::Settings, ("{error}")),
        JoinError::Io(_) => gst::error_msg!(gst::ResourceError::OpenReadWrite, ("{error}")),
    }
}

/// Warns of settings in which the elements of a session differ.
pub fn conflicts(element: &impl IsA<gst::Element>, conflicts: &[Conflict]) {
    for conflict in conflicts {
        let text = match conflict {
            Conflict::VideoWish => "Another element asked for another picture; the camera now gives this one's",
            Conflict::Place => "Another element uses this camera at another address; its session is shared",
        };
        gst::element_warning!(element, gst::ResourceError::Settings, ("{text}"));
    }
}
