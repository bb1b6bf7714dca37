//! One session for a camera in this process, shared by all elements that use it.
//!
//! Cameras limit their sessions, and talk-back rides on the session that is watched.

use super::calls::Reply;
use super::members::{Deliver, Member, MemberId, Use, Wants};
use super::peer::PeerId;
use super::shared::{Action, Shared, TalkAction};
use super::way::Way;
use super::{Event, Peer, Place, Session, lock};
use crate::protocol::client::{Config, Request};
use crate::protocol::model::VideoWish;
use crate::protocol::stats::Stats;
use crate::protocol::talk::TalkAudio;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};

/// A session that has members.
struct Entry {
    session: Arc<Session>,
    peer: Peer,
    place: Place,
    /// The picture that a member asked for last.
    video_wish: Option<VideoWish>,
    members: usize,
    last_id: u64,
}

impl Entry {
    /// Starts the session with its first member, whose id is 1.
    fn start(
        peer: &Peer,
        way: Way,
        config: &Config,
        place: &Place,
        video_wish: Option<VideoWish>,
        first: Member,
    ) -> io::Result<Self> {
        let session = Arc::new(Session::start(peer.clone(), way, config.clone(), place.clone(), first)?);
        Ok(Entry { session, peer: peer.clone(), place: place.clone(), video_wish, members: 1, last_id: 1 })
    }

    /// Takes over what a new member brings to a running session, and returns where that differs from the other members'
    /// settings.
    fn adapt(&mut self, peer: &Peer, place: &Place, video_wish: Option<VideoWish>) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        if self.peer.transport != peer.transport {
            conflicts.push(Conflict::Transport);
        }
        // The store may have learnt a new address since the session started: that is no conflict.
        if self.place != (Place { known: self.place.known, ..place.clone() }) {
            conflicts.push(Conflict::Place);
        }
        if let Some(wish) = video_wish {
            if self.video_wish.is_some_and(|other| other != wish) {
                conflicts.push(Conflict::VideoWish);
            }
            if self.video_wish.replace(wish) != Some(wish) {
                // Fails only when the session has ended, and then joining it fails too.
                let _ = self.session.shared.act(Action::VideoWish(wish));
            }
        }
        conflicts
    }
}

/// The sessions of this process. Of each camera there is at most one at a time.
#[derive(Default)]
struct Sessions {
    running: HashMap<PeerId, Entry>,
    /// Cameras whose session is being stopped. The next one begins when its thread is gone.
    stopping: HashSet<PeerId>,
}

static SESSIONS: LazyLock<Mutex<Sessions>> = LazyLock::new(Mutex::default);
static STOPPED: Condvar = Condvar::new();

/// Why a member cannot join. Errors of the connection come later, as [`Event::Ended`].
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("another element uses this uid with another enr or mac: give both the same")]
    OtherCredentials,
    #[error("there is no way to this camera that transport allows")]
    NoWay,
    #[error("no UDP socket or thread to be had ({0})")]
    Io(#[from] io::Error),
}

/// A setting in which a new member differs from the others of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The session takes the new member's resolution, bitrate and framerate.
    VideoWish,
    /// The session stays with the camera at the first member's place.
    Place,
    /// The session takes the ways that the first member allows.
    Transport,
}

/// An element's part in a session. Dropping it leaves the session; afterwards its observer is not called any more.
pub struct Membership {
    id: MemberId,
    peer: PeerId,
    /// `None` only while it is dropped.
    session: Option<Arc<Session>>,
}

impl Membership {
    /// Joins the camera's session, or starts it: then `config` and `place` become the session's. Later members bring
    /// only `wants` and, if they have one, `video_wish`; the conflicts tell in which settings they differ from the
    /// others.
    ///
    /// After `reconnect_attempts` failed attempts in a row the session is over for this member; `None` goes on for
    /// ever. `observer` is called on the session thread and must not block; it tells what it could make of a frame. Its
    /// last event is [`Event::Ended`], also after a panic on that thread.
    pub fn join(
        peer: Peer,
        mut config: Config,
        place: Place,
        wants: Wants,
        reconnect_attempts: Option<u32>,
        video_wish: Option<VideoWish>,
        observer: impl FnMut(Event) -> Use + Send + 'static,
    ) -> Result<(Membership, Vec<Conflict>), JoinError> {
        let peer_id = peer.id.clone();
        // Each session numbers its members anew.
        let mut member = Member::new(MemberId(1), wants, reconnect_attempts, Box::new(observer));
        let stopping = |sessions: &mut Sessions| sessions.stopping.contains(&peer_id);
        let mut sessions = STOPPED.wait_while(lock(&SESSIONS), stopping).unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = sessions.running.get_mut(&peer_id) {
            if !entry.peer.is_same(&peer) {
                return Err(JoinError::OtherCredentials);
            }
            let conflicts = entry.adapt(&peer, &place, video_wish);
            entry.last_id += 1;
            let id = MemberId(entry.last_id);
            member.id = id;
            match entry.session.shared.act(Action::Join(member)) {
                Ok(()) => {
                    entry.members += 1;
                    return Ok((
                        Membership { id, peer: peer_id.clone(), session: Some(entry.session.clone()) },
                        conflicts,
                    ));
                }
                // That session has ended by itself, and another one takes its place.
                Err(Action::Join(back)) => {
                    member = back;
                    member.id = MemberId(1);
                }
                Err(_) => unreachable!("an action comes back as it was"),
            }
            sessions.running.remove(&peer_id);
        }
        let way = Way::to(&peer).ok_or(JoinError::NoWay)?;
        config.media = wants.media;
        config.stall_timeout = wants.stall_timeout;
        config.key_frame_requests = wants.key_frames;
        config.set_clock = wants.set_clock;
        config.video_wish = video_wish.unwrap_or_default();
        let id = member.id;
        let entry = Entry::start(&peer, way, &config, &place, video_wish, member)?;
        let session = Some(entry.session.clone());
        sessions.running.insert(peer_id.clone(), entry);
        Ok((Membership { id, peer: peer_id, session }, Vec::new()))
    }

    /// Counters as of the last datagrams, over all connections of the session.
    pub fn stats(&self) -> Stats {
        self.session.as_ref().map(|session| lock(&session.shared.stats).clone()).unwrap_or_default()
    }

    /// Has frames carried on by the session's own thread, after the observer was told of them.
    pub fn deliver_by(&self, deliver: Arc<dyn Deliver>) {
        self.act(Action::DeliverBy(self.id, deliver));
    }

    /// Takes other media from now on.
    pub fn set_wants(&self, wants: Wants) {
        self.act(Action::Want(self.id, wants));
    }

    /// Asks the camera for another picture.
    pub fn set_video_wish(&self, wish: VideoWish) {
        self.act(Action::VideoWish(wish));
    }

    /// Asks the camera for a key frame soon.
    pub fn request_key_frame(&self) {
        self.act(Action::KeyFrame);
    }

    /// Returns a way to send commands, for threads that have no part in the membership.
    pub fn caller(&self) -> Caller {
        let session = self.session.as_ref().expect("it is there until the drop");
        Caller { id: self.id, shared: session.shared.clone() }
    }

    /// Asks the camera to listen. [`Event::Talk`] tells when it does, or that it will not.
    pub fn start_talk(&self) {
        self.talk(TalkAction::Start);
    }

    /// Sends a frame of audio, after those before it have sounded.
    pub fn send_talk(&self, audio: TalkAudio) {
        self.talk(TalkAction::Send(audio));
    }

    /// Drops the audio that waits to be sent; the talk goes on.
    pub fn flush_talk(&self) {
        self.talk(TalkAction::Flush);
    }

    /// Ends the talk when all audio has been sent and has sounded, or `at_once`. [`Event::Talk`] tells when it has
    /// ended.
    pub fn stop_talk(&self, at_once: bool) {
        self.talk(TalkAction::Stop { at_once });
    }

    fn talk(&self, action: TalkAction) {
        self.act(Action::Talk(self.id, action));
    }

    /// Asks the session for something. If it has ended, its observers know already.
    fn act(&self, action: Action) {
        let _ = self.session.as_ref().map(|session| session.shared.act(action));
    }
}

/// Sends commands as a member of a session, for as long as that member is part of it.
#[derive(Clone)]
pub struct Caller {
    id: MemberId,
    shared: Arc<Shared>,
}

impl Caller {
    /// Asks the camera for what `request` says, after what was asked for before. `callback` is called once: on the
    /// session thread, or on this one where the session has ended. It must not block.
    pub fn command(&self, request: Request, callback: impl FnOnce(Reply) + Send + 'static) {
        let action = Action::Command(self.id, request, Box::new(callback));
        if let Err(Action::Command(_, _, callback)) = self.shared.act(action) {
            callback(Reply::Lost);
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut sessions = lock(&SESSIONS);
        let Some(session) = self.session.take() else { return };
        // If this session ended by itself, another one may have taken its place.
        if let Some(entry) = sessions.running.get_mut(&self.peer).filter(|entry| Arc::ptr_eq(&entry.session, &session))
        {
            entry.members -= 1;
            if entry.members == 0 {
                let entry = sessions.running.remove(&self.peer);
                sessions.stopping.insert(self.peer.clone());
                drop(sessions);
                drop(session);
                // Drops the last reference, which stops the thread and waits for it.
                drop(entry);
                lock(&SESSIONS).stopping.remove(&self.peer);
                STOPPED.notify_all();
                return;
            }
        }
        drop(sessions);
        let (gone, wait) = mpsc::sync_channel(0);
        if session.shared.act(Action::Leave(self.id, gone)).is_ok() {
            // Always an error: nothing is sent, and the wait ends when the sender is dropped.
            let _ = wait.recv();
        }
    }
}
