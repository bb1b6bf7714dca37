//! What the session thread and the members share: requests one way, counters the other.

use super::lock;
use super::members::{MemberId, Observer, Wants};
use crate::protocol::error::Error;
use crate::protocol::model::VideoWish;
use crate::protocol::stats::Stats;
use crate::protocol::talk::TalkAudio;
use mio::Waker;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::SyncSender;

/// What members ask of the thread.
pub enum Action {
    /// With how many attempts to reconnect it has; `None` for no limit.
    Join(MemberId, Wants, Option<u32>, Observer),
    /// The sender is dropped when the member's observer is.
    Leave(MemberId, SyncSender<()>),
    Want(MemberId, Wants),
    VideoWish(VideoWish),
    KeyFrame,
    StartTalk(MemberId),
    Talk(MemberId, TalkAudio),
    FlushTalk(MemberId),
    StopTalk {
        member: MemberId,
        at_once: bool,
    },
}

#[derive(Default)]
pub struct Requests {
    pub stop: bool,
    /// The thread is gone, or about to be, and does nothing any more.
    pub ended: bool,
    pub actions: Vec<Action>,
    /// The answer of the name service.
    pub resolved: Option<Result<Vec<SocketAddr>, Error>>,
}

pub struct Shared {
    pub waker: Waker,
    pub requests: Mutex<Requests>,
    pub stats: Mutex<Stats>,
}

impl Shared {
    /// Has the thread look at a changed request; false where it has ended.
    pub fn request(&self, change: impl FnOnce(&mut Requests)) -> bool {
        let mut requests = lock(&self.requests);
        if requests.ended {
            return false;
        }
        change(&mut requests);
        drop(requests);
        // Fails only where the thread is gone, and then there is nobody to wake.
        let _ = self.waker.wake();
        true
    }

    /// Asks the thread for an action; it comes back where the thread has ended.
    pub fn act(&self, action: Action) -> Result<(), Action> {
        let mut action = Some(action);
        self.request(|requests| requests.actions.extend(action.take()));
        action.map_or(Ok(()), Err)
    }
}
