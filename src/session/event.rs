//! What a session tells its members.

use crate::protocol::client::{self, CameraClock, CameraInfo, TransportKind};
use crate::protocol::error::{Error, Stage};
use crate::protocol::medium::Medium;
use crate::protocol::parameter_sets::ParameterSets;
use crate::protocol::reassembly::Frame;
use crate::protocol::talk::TalkEvent;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The current connection has come to this stage.
    Stage(Stage),
    /// The camera streams from now on.
    Connected(CameraInfo),
    /// The first frame has shown the camera's clock, or the clock was set.
    Clock(CameraClock),
    /// A whole frame; only members that want its medium get it.
    Frame(Frame),
    /// The parameter sets that the camera sent before this member joined.
    ParameterSets(ParameterSets),
    /// The talk began, ended or failed; only the member that asked for it is told.
    Talk(TalkEvent),
    /// The camera did not answer this K-command in time; the session goes on.
    Unanswered(u16),
    /// The camera answered this K-command of the session itself by a number that does not mean that it agrees.
    Refused(u16, u8),
    /// A medium is silent while the other one comes, and has been asked for again; or with false, it is back.
    Silent(Medium, bool),
    /// In a session with resends, it is the packets' heads that count them, as with few cameras.
    CountsByHead,
    /// The next attempt goes another way than the last ones.
    Way(TransportKind),
    /// The connection broke off, or could not be made again, for the reason in `error`. The next attempt, the first
    /// being 1, follows after `delay`, or sooner if the camera is seen. [`Event::Connected`] tells of its success.
    Reconnecting { error: Error, attempt: u32, delay: Duration },
    /// The session is over, for this member at least: the last event.
    Ended(Error),
}

impl Event {
    /// Returns what members are told of a client's event; `None` for one that is not for all of them.
    pub(super) fn of(event: client::Event) -> Option<Self> {
        Some(match event {
            client::Event::Stage(stage) => Event::Stage(stage),
            client::Event::Connected(camera) => Event::Connected(camera),
            client::Event::Clock(clock) => Event::Clock(clock),
            client::Event::Frame(frame) => Event::Frame(frame),
            client::Event::Talk(talk) => Event::Talk(talk),
            client::Event::Unanswered(command) => Event::Unanswered(command),
            client::Event::Refused(command, number) => Event::Refused(command, number),
            client::Event::Silent(medium, is_silent) => Event::Silent(medium, is_silent),
            client::Event::CountsByHead => Event::CountsByHead,
            client::Event::Ended(error) => Event::Ended(error),
            client::Event::Reply(..) => return None,
        })
    }
}
