//! What the session thread and the members share: actions go to the thread, counters come back.

use super::calls::Callback;
use super::lock;
use super::members::{Member, MemberId, Wants};
use crate::protocol::client::Request;
use crate::protocol::model::VideoWish;
use crate::protocol::stats::Stats;
use crate::protocol::talk::TalkAudio;
use mio::Waker;
use std::sync::Mutex;
use std::sync::mpsc::SyncSender;

/// What members ask the thread to do.
pub enum Action {
    Join(Member),
    /// Removes the member, then drops the sender: that wakes the thread that waits for the removal.
    Leave(MemberId, SyncSender<()>),
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

pub struct Shared {
    waker: Waker,
    requests: Mutex<Requests>,
    /// Counters of all connections of this session, as of the last datagrams.
    pub stats: Mutex<Stats>,
}

impl Shared {
    /// `first` is done before anything else.
    pub fn new(waker: Waker, first: Action) -> Self {
        let requests = Requests { actions: vec![first], ..Requests::default() };
        Shared { waker, requests: Mutex::new(requests), stats: Mutex::default() }
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

    /// Ends the thread's wait, or its next one.
    pub fn wake(&self) {
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
