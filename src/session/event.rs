//! What a session tells the elements that use it.

use crate::protocol::client::{self, CameraInfo};
use crate::protocol::error::{Error, Stage};
use crate::protocol::reassembly::Frame;
use crate::protocol::talk::TalkEvent;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// How far the current connection has come.
    Stage(Stage),
    /// The camera streams from now on.
    Connected(CameraInfo),
    Frame(Frame),
    Talk(TalkEvent),
    /// The camera did not answer this K-command in time; the session goes on.
    Unanswered(u16),
    /// The connection broke off, or could not be made again. The `attempt`, 1 for the first, comes after `delay`;
    /// [`Event::Connected`] tells of its success.
    Reconnecting {
        error: Error,
        attempt: u32,
        delay: Duration,
    },
    /// The session is over: the last event of all.
    Ended(Error),
}

impl From<client::Event> for Event {
    fn from(event: client::Event) -> Self {
        match event {
            client::Event::Stage(stage) => Event::Stage(stage),
            client::Event::Connected(camera) => Event::Connected(camera),
            client::Event::Frame(frame) => Event::Frame(frame),
            client::Event::Talk(talk) => Event::Talk(talk),
            client::Event::Unanswered(command) => Event::Unanswered(command),
            client::Event::Ended(error) => Event::Ended(error),
        }
    }
}
