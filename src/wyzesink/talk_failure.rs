//! The errors that keep the sink from talking.

use super::WyzeSink;
use super::camera_audio::CameraAudio;
use crate::element;
use crate::protocol::talk::TalkError;
use gst::prelude::*;

/// Why the sink cannot talk. The texts name the stage and the remedy.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TalkFailure {
    #[error(transparent)]
    Talk(#[from] TalkError),
    #[error(
        "talk: the camera was not ready to listen after {0} ms; check that it is switched on, or raise connect-timeout"
    )]
    TooSlow(u32),
    #[error(
        "talk: the camera sends no sound, which would tell what its speaker takes; \
         switch sound on for it in the Wyze app"
    )]
    Silent,
    #[error("talk: the camera speaks {0}, which cannot be made here; wyzesink would have to learn it")]
    Codec(String),
    #[error(
        "talk: the camera speaks {camera}, but the stream is {stream}; have it decoded, \
         wyzesink encodes it again: … ! decodebin ! wyzesink"
    )]
    OtherCodec { camera: CameraAudio, stream: String },
    #[error("talk: the camera speaks {camera}, for which the element {factory} is missing; install {package}")]
    MissingElement { camera: CameraAudio, factory: &'static str, package: &'static str },
    #[error("talk: encoding as {camera} failed ({reason}); try another format of the stream")]
    Encoding { camera: CameraAudio, reason: String },
}

impl TalkFailure {
    /// Posts the error and, if an installer could help, a message that says what is missing.
    pub fn post(&self, element: &WyzeSink, camera_name: Option<&str>) {
        if let TalkFailure::MissingElement { camera, .. } = self {
            // This is the message that gst_missing_encoder_message_new() of GstPbUtils makes.
            let structure = gst::Structure::builder("missing-plugin")
                .field("type", "encoder")
                .field("detail", camera.caps())
                .field("name", format!("{camera} encoder"))
                .build();
            // Fails only without a bus, when nobody listens.
            let _ = element.post_message(gst::message::Element::builder(structure).src(element).build());
        }
        let details = element::error_details(camera_name, "talk", self.reason());
        match self {
            TalkFailure::Talk(TalkError::Busy | TalkError::Refused) => {
                gst::element_error!(element, gst::ResourceError::Busy, ("{self}"), details: details);
            }
            TalkFailure::Talk(TalkError::HungUp) => {
                gst::element_error!(element, gst::ResourceError::Write, ("{self}"), details: details);
            }
            TalkFailure::Talk(_) | TalkFailure::TooSlow(_) | TalkFailure::Silent => {
                gst::element_error!(element, gst::ResourceError::OpenWrite, ("{self}"), details: details);
            }
            TalkFailure::MissingElement { .. } => {
                gst::element_error!(element, gst::CoreError::MissingPlugin, ("{self}"), details: details);
            }
            TalkFailure::Codec(_) => {
                gst::element_error!(element, gst::StreamError::CodecNotFound, ("{self}"), details: details);
            }
            TalkFailure::OtherCodec { .. } => {
                gst::element_error!(element, gst::StreamError::WrongType, ("{self}"), details: details);
            }
            TalkFailure::Encoding { .. } => {
                gst::element_error!(element, gst::StreamError::Encode, ("{self}"), details: details);
            }
        }
    }

    /// Returns the word that stands for it in the details of the error message.
    fn reason(&self) -> &'static str {
        match self {
            TalkFailure::Talk(error) => error.reason(),
            TalkFailure::TooSlow(_) => "not-ready",
            TalkFailure::Silent => "no-sound",
            TalkFailure::Codec(_) => "unknown-codec",
            TalkFailure::OtherCodec { .. } => "other-codec",
            TalkFailure::MissingElement { .. } => "missing-element",
            TalkFailure::Encoding { .. } => "encoding",
        }
    }
}
