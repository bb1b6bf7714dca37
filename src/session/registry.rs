//! One session for a camera in this process, shared by all elements that use it.
//!
//! Cameras limit their sessions, and talk-back rides on the session that is watched.

use super::members::{MemberId, Observer, Wants};
use super::shared::Action;
use super::{Event, Place, Session, lock};
use crate::protocol::client::Config;
use crate::protocol::credentials::{Credentials, Uid};
use crate::protocol::model::VideoWish;
use crate::protocol::stats::Stats;
use crate::protocol::talk::TalkAudio;
use std::collections::HashMap;
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, LazyLock, Mutex};

struct Entry {
    session: Arc<Session>,
    credentials: Credentials,
    place: Place,
    video_wish: Option<VideoWish>,
    members: usize,
    next_id: u64,
}

impl Entry {
    fn start(config: &Config, place: &Place, video_wish: Option<VideoWish>) -> io::Result<Self> {
        let session = Arc::new(Session::start(config.clone(), place.clone())?);
        let credentials = config.credentials.clone();
        Ok(Entry { session, credentials, place: place.clone(), video_wish, members: 0, next_id: 0 })
    }

    /// Takes over what a new member brings to a running session, and tells where it differs from the others'.
    fn adapt(&mut self, place: &Place, video_wish: Option<VideoWish>) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        // What the store knew when each was started may differ.
        if self.place != (Place { known: self.place.known, ..place.clone() }) {
            conflicts.push(Conflict::Place);
        }
        if let Some(wish) = video_wish {
            if self.video_wish.is_some_and(|other| other != wish) {
                conflicts.push(Conflict::VideoWish);
            }
            if self.video_wish.replace(wish) != Some(wish) {
                // Where the session has ended, joining it will show.
                let _ = self.session.shared.act(Action::VideoWish(wish));
            }
        }
        conflicts
    }
}

/// Held while sessions start and stop, so that a camera never sees two of this process at a time.
static SESSIONS: LazyLock<Mutex<HashMap<Uid, Entry>>> = LazyLock::new(Mutex::default);

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("another element uses this uid with another enr or mac: give both the same")]
    OtherCredentials,
    #[error("no UDP socket or thread to be had ({0})")]
    Io(#[from] io::Error),
}

/// Settings on which the members of a session differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The new member's resolution, bitrate and framerate are taken.
    VideoWish,
    /// The session stays where it is.
    Place,
}

/// An element's part in a session. Dropping it leaves; afterwards its observer is not called any more.
pub struct Membership {
    id: MemberId,
    uid: Uid,
    /// Taken in drop only.
    session: Option<Arc<Session>>,
}

impl Membership {
    /// Joins the camera's session, or starts it. `config` is the session's where this is its first member; later ones bring
    /// `wants` and, where they have one, `video_wish`. After as many `reconnect_attempts` in a row that failed, the session is over
    /// for this member; `None` goes on for ever. `observer` runs on the session thread and must not block.
    pub fn join(
        mut config: Config,
        place: Place,
        wants: Wants,
        reconnect_attempts: Option<u32>,
        video_wish: Option<VideoWish>,
        observer: impl FnMut(Event) + Send + 'static,
    ) -> Result<(Membership, Vec<Conflict>), JoinError> {
        let uid = config.credentials.uid;
        let mut observer: Observer = Box::new(observer);
        let mut sessions = lock(&SESSIONS);
        loop {
            let mut conflicts = Vec::new();
            if let Some(entry) = sessions.get_mut(&uid) {
                if entry.credentials != config.credentials {
                    return Err(JoinError::OtherCredentials);
                }
                conflicts = entry.adapt(&place, video_wish);
            } else {
                config.media = wants.media;
                config.stall_timeout = wants.stall_timeout;
                config.video_wish = video_wish.unwrap_or_default();
                sessions.insert(uid, Entry::start(&config, &place, video_wish)?);
            }
            let entry = sessions.get_mut(&uid).expect("found or inserted above");
            entry.next_id += 1;
            let id = MemberId(entry.next_id);
            match entry.session.shared.act(Action::Join(id, wants, reconnect_attempts, observer)) {
                Ok(()) => {
                    entry.members += 1;
                    let session = Some(entry.session.clone());
                    return Ok((Membership { id, uid, session }, conflicts));
                }
                // That session has ended by itself; its place is free.
                Err(Action::Join(.., back)) => observer = back,
                Err(_) => unreachable!("an action comes back as it was"),
            }
            sessions.remove(&uid);
        }
    }

    /// Counters as of the last datagrams.
    pub fn stats(&self) -> Stats {
        self.session.as_ref().map(|session| lock(&session.shared.stats).clone()).unwrap_or_default()
    }

    /// Takes other media from now on.
    pub fn set_wants(&self, wants: Wants) {
        self.act(Action::Want(self.id, wants));
    }

    /// Asks the camera for another picture.
    pub fn set_video_wish(&self, wish: VideoWish) {
        self.act(Action::VideoWish(wish));
    }

    /// Asks the camera for a key frame, in the way that it allows.
    pub fn request_key_frame(&self) {
        self.act(Action::KeyFrame);
    }

    /// Asks the camera to listen; [`Event::Talk`] tells whether it does.
    pub fn start_talk(&self) {
        self.act(Action::StartTalk(self.id));
    }

    pub fn send_talk(&self, audio: TalkAudio) {
        self.act(Action::Talk(self.id, audio));
    }

    /// Drops what waits to be sent; the talk goes on.
    pub fn flush_talk(&self) {
        self.act(Action::FlushTalk(self.id));
    }

    /// Ends the talk when all is sent and has sounded, or at once.
    pub fn stop_talk(&self, at_once: bool) {
        self.act(Action::StopTalk { member: self.id, at_once });
    }

    /// Asks the session for something; one that has ended has said so to its observers.
    fn act(&self, action: Action) {
        let _ = self.session.as_ref().map(|session| session.shared.act(action));
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut sessions = lock(&SESSIONS);
        let Some(session) = self.session.take() else { return };
        // A session that ended by itself may have a successor under its name.
        if let Some(entry) = sessions.get_mut(&self.uid).filter(|entry| Arc::ptr_eq(&entry.session, &session)) {
            entry.members -= 1;
            if entry.members == 0 {
                let entry = sessions.remove(&self.uid);
                drop(session);
                // The last reference: stops the thread and waits for it, with the map locked.
                drop(entry);
                return;
            }
        }
        drop(sessions);
        let (gone, wait) = mpsc::sync_channel(0);
        if session.shared.act(Action::Leave(self.id, gone)).is_ok() {
            // Always an error: nothing is sent, the sender is dropped.
            let _ = wait.recv();
        }
    }
}
