//! What the session thread and the members share: actions go to the thread, counters come back.

use super::calls::Callback;
use super::members::{Deliver, Member, MemberId, Wants};
use super::{lock, standby};
use crate::protocol::client::Request;
use crate::protocol::model::VideoWish;
use crate::protocol::stats::Stats;
use crate::protocol::talk::TalkAudio;
use mio::Waker;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};

/// What members ask the thread to do.
pub enum Action {
    Join(Member),
    /// Removes the member, then drops the sender: that wakes the thread that waits for the removal.
    Leave(MemberId, SyncSender<()>),
    DeliverBy(MemberId, Arc<dyn Deliver>),
    /// Replaces what the member wants.
    Want(MemberId, Wants),
    /// Asks the camera for another picture.
    VideoWish(VideoWish),
    /// Asks the camera for a key frame.
    KeyFrame,
    /// Asks the camera for what the message says, and calls back.
    Command(MemberId, Request, Callback),
    Talk(MemberId, TalkAction),
}

/// The part of [`Action`] that is about the camera's speaker. Only one member at a time talks.
pub enum TalkAction {
    Start,
    Send(TalkAudio),
    /// Drops the audio that waits to be sent.
    Flush,
    /// Ends the talk at once, or when all audio has been sent and has sounded.
    Stop {
        at_once: bool,
    },
}

#[derive(Default)]
struct Requests {
    stop: bool,
    /// Whether the thread has stopped taking actions.
    ended: bool,
    actions: Vec<Action>,
}

/// Who drives the session.
#[derive(Default)]
struct Driven {
    /// `None` while its thread delivers.
    by: Option<ThreadId>,
    is_over: bool,
}

pub struct Shared {
    waker: Waker,
    requests: Mutex<Requests>,
    driven: Mutex<Driven>,
    over: Condvar,
    /// Counters of all connections of this session, as of the last datagrams.
    pub stats: Mutex<Stats>,
}

impl Shared {
    /// `first` is done before anything else.
    pub fn new(waker: Waker, first: Action) -> Self {
        let requests = Requests { actions: vec![first], ..Requests::default() };
        let (driven, over) = (Mutex::default(), Condvar::new());
        Shared { waker, requests: Mutex::new(requests), driven, over, stats: Mutex::default() }
    }

    /// Hands the thread an action. The error gives it back, as the thread has ended.
    pub fn act(&self, action: Action) -> Result<(), Action> {
        let mut requests = lock(&self.requests);
        if requests.ended {
            return Err(action);
        }
        requests.actions.push(action);
        drop(requests);
        self.wake();
        Ok(())
    }

    /// Asks the thread to stop.
    pub fn stop(&self) {
        lock(&self.requests).stop = true;
        self.wake();
    }

    /// Notes which thread drives the session.
    pub fn set_thread(&self, thread: Option<ThreadId>) {
        lock(&self.driven).by = thread;
    }

    /// Whether this thread drives the session.
    pub fn is_driven_here(&self) -> bool {
        lock(&self.driven).by == Some(thread::current().id())
    }

    /// Notes that the session has no driver any more.
    pub fn set_over(&self) {
        lock(&self.driven).is_over = true;
        self.over.notify_all();
    }

    pub fn wait_for_end(&self) {
        let is_on = |driven: &mut Driven| !driven.is_over;
        drop(self.over.wait_while(lock(&self.driven), is_on).unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends the thread's wait, or its next one.
    pub fn wake(&self) {
        if lock(&self.driven).by.is_none() {
            standby::hurry();
        }
        // Fails only when the thread is gone, and then nobody has to be woken.
        let _ = self.waker.wake();
    }

    /// Takes the actions that are to be done. Also tells whether the session is to stop; later calls tell that again.
    pub fn take(&self) -> (Vec<Action>, bool) {
        let mut requests = lock(&self.requests);
        (std::mem::take(&mut requests.actions), requests.stop)
    }

    /// Takes the last actions. From here on, [`Shared::act`] fails.
    pub fn end(&self) -> Vec<Action> {
        let mut requests = lock(&self.requests);
        requests.ended = true;
        std::mem::take(&mut requests.actions)
    }
}
