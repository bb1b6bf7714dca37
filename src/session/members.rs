//! The members of one session, and which of them is told what. Lives on the session thread.

use super::Event;
use crate::protocol::client::CameraInfo;
use crate::protocol::error::{Error, Stage};
use crate::protocol::medium::{MediaSet, Medium};
use crate::protocol::parameter_sets::ParameterSets;
use crate::protocol::talk::{TalkError, TalkEvent};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// A member's number in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberId(pub u64);

/// What a member could make of an event. It matters for frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Used,
    /// The frame cannot be decoded, or not before a key frame.
    Unusable,
}

/// Is called on the session thread and must not block.
pub type Observer = Box<dyn FnMut(Event) -> Use + Send>;

/// Carries on what a member's observer has laid aside.
pub trait Deliver: Send + Sync {
    /// Whether there is something to carry on. Must not block.
    fn is_due(&self) -> bool;

    /// Is called on the thread of a session after a turn of its driver, and may block: then another thread goes on with
    /// the session, and may call this again meanwhile.
    fn deliver(&self);
}

/// The media that a member takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    pub media: MediaSet,
    /// The connection is made anew when no media come for this long; `None` for no limit.
    pub stall_timeout: Option<Duration>,
    /// A key frame is asked for after a loss.
    pub key_frames: bool,
    /// A camera whose clock is far off is told the time.
    pub set_clock: bool,
}

pub struct Member {
    pub id: MemberId,
    pub wants: Wants,
    /// How many attempts to reconnect may fail in a row before the session is over for this member; `None` for no
    /// limit.
    pub attempts: Option<u32>,
    pub observer: Observer,
    deliver: Option<Arc<dyn Deliver>>,
}

impl Member {
    pub fn new(id: MemberId, wants: Wants, attempts: Option<u32>, observer: Observer) -> Self {
        Member { id, wants, attempts, observer, deliver: None }
    }

    /// Whether it wants frames of this medium; events without a medium are for everybody.
    fn takes(&self, medium: Option<Medium>) -> bool {
        medium.is_none_or(|medium| self.wants.media.contains(medium))
    }

    /// Tells the member that the session is over for it, and drops it.
    fn end(mut self, error: Error) {
        // Its observer may have panicked before, and must not keep the other members from being told.
        let _ = catch_unwind(AssertUnwindSafe(move || (self.observer)(Event::Ended(error))));
    }
}

#[derive(Default)]
pub struct Members {
    members: Vec<Member>,
    stage: Option<Stage>,
    /// The connected camera.
    camera: Option<CameraInfo>,
    /// The last [`Event::Reconnecting`], while there is no connection.
    lost: Option<Event>,
    /// The newest ones of this connection's video, for members that join later.
    parameter_sets: ParameterSets,
    /// The one member that talks, or has asked to.
    talker: Option<MemberId>,
}

impl Members {
    /// Adds a member, and tells it how far the session has come.
    pub fn join(&mut self, member: Member) {
        let sets = Some(&self.parameter_sets).filter(|sets| **sets != ParameterSets::default());
        let so_far = [
            self.lost.clone(),
            self.stage.map(Event::Stage),
            self.camera.clone().map(Event::Connected),
            sets.cloned().map(Event::ParameterSets),
        ];
        let id = member.id;
        self.members.push(member);
        for event in so_far.into_iter().flatten() {
            self.tell(id, event);
        }
    }

    /// The stage that was last told; `None` before the first.
    pub fn stage(&self) -> Option<Stage> {
        self.stage
    }

    pub fn has(&self, id: MemberId) -> bool {
        self.members.iter().any(|member| member.id == id)
    }

    /// Returns who has something to deliver.
    pub fn deliveries(&self) -> Vec<Arc<dyn Deliver>> {
        let deliver = self.members.iter().filter_map(|member| member.deliver.as_ref());
        deliver.filter(|deliver| deliver.is_due()).cloned().collect()
    }

    /// Drops a member and its observer. Returns whether it was the talker.
    pub fn leave(&mut self, id: MemberId) -> bool {
        self.members.retain(|member| member.id != id);
        self.talker.take_if(|talker| *talker == id).is_some()
    }

    pub fn deliver_by(&mut self, id: MemberId, deliver: Arc<dyn Deliver>) {
        if let Some(member) = self.member(id) {
            member.deliver = Some(deliver);
        }
    }

    pub fn want(&mut self, id: MemberId, wants: Wants) {
        if let Some(member) = self.member(id) {
            member.wants = wants;
        }
    }

    /// The media that any member takes, the shortest stall timeout, and the switches that any member has on.
    pub fn wants(&self) -> Wants {
        Wants {
            key_frames: self.members.iter().any(|member| member.wants.key_frames),
            set_clock: self.members.iter().any(|member| member.wants.set_clock),
            media: self.members.iter().map(|member| member.wants.media).fold(MediaSet::NONE, MediaSet::union),
            stall_timeout: self.members.iter().filter_map(|member| member.wants.stall_timeout).min(),
        }
    }

    /// Makes the member the talker and returns true, unless another member talks: then it is told so.
    pub fn take_floor(&mut self, id: MemberId) -> bool {
        if self.talker.is_some_and(|talker| talker != id) {
            self.tell(id, Event::Talk(TalkEvent::Failed(TalkError::Busy)));
            return false;
        }
        self.talker = Some(id);
        true
    }

    pub fn is_talker(&self, id: MemberId) -> bool {
        self.talker == Some(id)
    }

    /// Tells that the connection is lost and will be made anew, or with `is_lost` false, that the first one is still to
    /// be made. When it is lost, the session ends for members whose attempts are spent. Returns false if no member is
    /// left because of that.
    pub fn reconnect(&mut self, error: &Error, attempt: u32, delay: Duration, is_lost: bool) -> bool {
        (self.camera, self.talker) = (None, None);
        self.parameter_sets = ParameterSets::default();
        let before = self.members.len();
        let (go_on, give_up) = std::mem::take(&mut self.members)
            .into_iter()
            .partition(|member| !is_lost || member.attempts.is_none_or(|attempts| attempt <= attempts));
        self.members = go_on;
        for member in give_up {
            member.end(error.clone());
        }
        let event = Event::Reconnecting { error: error.clone(), attempt, delay };
        self.lost = Some(event.clone());
        self.handle(event);
        before == 0 || !self.members.is_empty()
    }

    /// Tells all members that the session is over, and drops them.
    pub fn end(&mut self, error: &Error) {
        for member in self.members.drain(..) {
            member.end(error.clone());
        }
    }

    /// Tells an event to every member that it concerns. Returns whether one of them, if there is any, could use it.
    pub fn handle(&mut self, event: Event) -> Use {
        match &event {
            Event::Stage(stage) => self.stage = Some(*stage),
            Event::Connected(camera) => {
                self.camera = Some(camera.clone());
                self.lost = None;
            }
            Event::Frame(frame) if frame.medium == Medium::Video => {
                self.parameter_sets.follow(frame.info.codec, &frame.data);
            }
            Event::Clock(clock) => {
                if let Some(camera) = &mut self.camera {
                    camera.clock = Some(*clock);
                }
            }
            Event::Talk(talk) => {
                let goes_on = matches!(talk, TalkEvent::Ready | TalkEvent::Sent(_));
                let talker = if goes_on { self.talker } else { self.talker.take() };
                if let Some(talker) = talker {
                    self.tell(talker, event);
                }
                return Use::Used;
            }
            _ => {}
        }
        let medium = match &event {
            Event::Frame(frame) => Some(frame.medium),
            _ => None,
        };
        let mut takers = self.members.iter_mut().filter(|member| member.takes(medium)).peekable();
        let mut used = if takers.peek().is_some() { Use::Unusable } else { Use::Used };
        // Frames are big, so the last member gets the original.
        let mut event = Some(event);
        while let Some(member) = takers.next() {
            let own = if takers.peek().is_none() { event.take() } else { event.clone() };
            if own.is_some_and(|event| (member.observer)(event) == Use::Used) {
                used = Use::Used;
            }
        }
        used
    }

    fn member(&mut self, id: MemberId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    fn tell(&mut self, id: MemberId, event: Event) {
        if let Some(member) = self.member(id) {
            (member.observer)(event);
        }
    }
}
