//! The members of one session, and who of them is told what. Lives on the session thread.

use super::Event;
use crate::protocol::client::CameraInfo;
use crate::protocol::error::{Error, Stage};
use crate::protocol::medium::{MediaSet, Medium};
use crate::protocol::talk::{TalkError, TalkEvent};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberId(pub u64);

/// Runs on the session thread and must not block.
pub type Observer = Box<dyn FnMut(Event) + Send>;

/// The media that a member takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    pub media: MediaSet,
    /// The connection is made anew when they do not come for this long; `None` waits.
    pub stall_timeout: Option<Duration>,
}

struct Member {
    id: MemberId,
    wants: Wants,
    /// Failed attempts to reconnect, after which it is over for this member; `None` for no limit.
    attempts: Option<u32>,
    observer: Observer,
}

impl Member {
    /// Whether it wants frames of this medium; events without a medium are for everybody.
    fn takes(&self, medium: Option<Medium>) -> bool {
        medium.is_none_or(|medium| self.wants.media.contains(medium))
    }
}

#[derive(Default)]
pub struct Members {
    members: Vec<Member>,
    stage: Option<Stage>,
    camera: Option<CameraInfo>,
    /// The last [`Event::Reconnecting`], while there is no connection.
    lost: Option<Event>,
    talker: Option<MemberId>,
}

impl Members {
    /// Adds a member, and tells it how far the session has come.
    pub fn join(&mut self, id: MemberId, wants: Wants, attempts: Option<u32>, mut observer: Observer) {
        if let Some(lost) = &self.lost {
            observer(lost.clone());
        }
        if let Some(stage) = self.stage {
            observer(Event::Stage(stage));
        }
        if let Some(camera) = &self.camera {
            observer(Event::Connected(camera.clone()));
        }
        self.members.push(Member { id, wants, attempts, observer });
    }

    /// How far the session has come.
    pub fn stage(&self) -> Option<Stage> {
        self.stage
    }

    /// Takes a member off; true where it was talking.
    pub fn leave(&mut self, id: MemberId) -> bool {
        self.members.retain(|member| member.id != id);
        self.talker.take_if(|talker| *talker == id).is_some()
    }

    pub fn want(&mut self, id: MemberId, wants: Wants) {
        if let Some(member) = self.member(id) {
            member.wants = wants;
        }
    }

    /// What any of them takes.
    pub fn wants(&self) -> Wants {
        Wants {
            media: self.members.iter().map(|member| member.wants.media).fold(MediaSet::NONE, MediaSet::union),
            stall_timeout: self.members.iter().filter_map(|member| member.wants.stall_timeout).min(),
        }
    }

    /// True where this member may talk: nobody else does. It is told where it may not.
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

    /// Tells that the connection is lost and will be made anew. For members whose attempts are spent it is over; false where
    /// that leaves none.
    pub fn reconnect(&mut self, error: Error, attempt: u32, delay: Duration) -> bool {
        (self.camera, self.talker) = (None, None);
        let before = self.members.len();
        let (go_on, give_up) = std::mem::take(&mut self.members)
            .into_iter()
            .partition(|member| member.attempts.is_none_or(|attempts| attempt <= attempts));
        self.members = go_on;
        for mut member in give_up {
            (member.observer)(Event::Ended(error.clone()));
        }
        let event = Event::Reconnecting { error, attempt, delay };
        self.lost = Some(event.clone());
        self.handle(event);
        before == 0 || !self.members.is_empty()
    }

    /// Passes an event on to whom it concerns.
    pub fn handle(&mut self, event: Event) {
        match &event {
            Event::Stage(stage) => self.stage = Some(*stage),
            Event::Connected(camera) => {
                self.camera = Some(camera.clone());
                self.lost = None;
            }
            Event::Talk(talk) => {
                let goes_on = matches!(talk, TalkEvent::Ready | TalkEvent::Sent(_));
                let talker = if goes_on { self.talker } else { self.talker.take() };
                if let Some(talker) = talker {
                    self.tell(talker, event);
                }
                return;
            }
            _ => {}
        }
        let medium = match &event {
            Event::Frame(frame) => Some(frame.medium),
            _ => None,
        };
        let mut takers = self.members.iter_mut().filter(|member| member.takes(medium)).peekable();
        // Frames are big: the last taker gets the original.
        while let Some(member) = takers.next() {
            if takers.peek().is_none() {
                (member.observer)(event);
                return;
            }
            (member.observer)(event.clone());
        }
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
