//! The sink's part in a session: learns what the camera speaks, asks it to listen, and hands frames to the session.
//!
//! The session thread brings events to [`Talker::handle`]; the streaming thread waits and sends. All that they share is
//! in one [`TalkState`], whose lock nobody holds while asking the session for something.
//!
//! The session sends each frame when those before it have sounded, and reports it. So the talker knows how much sound
//! waits there: a stream that is not live waits when that is enough, and live sound is dropped, as it would come late.

use super::camera_audio::CameraAudio;
use super::frame_cutter::CutFrame;
use super::talk_failure::TalkFailure;
use super::{CAT, WyzeSink};
use crate::caps::{AudioFormat, Verdict};
use crate::element::{self, Announcer};
use crate::identity::{Identity, milliseconds};
use crate::protocol::client::CameraInfo;
use crate::protocol::medium::{MediaSet, Medium};
use crate::protocol::reassembly::Frame;
use crate::protocol::talk::{TalkAudio, TalkError, TalkEvent, TalkReport};
use crate::session::{Event, Membership, Wants, lock};
use gst::glib;
use gst::prelude::*;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a connected camera may send no sound.
const SOUND_PATIENCE: Duration = Duration::from_secs(4);
/// How much sound the session may have waiting: enough for a thread that wakes late, and soon over when paused.
const AHEAD: Duration = Duration::from_millis(200);
/// How much longer than the session the sink waits for a connection. The session has the same limit, and tells the
/// reason.
const GRACE: Duration = Duration::from_millis(250);
/// How long the session may take to end the talk, after the last frame.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// How far the talk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The session looks for the camera.
    Connecting {
        /// The camera was there before, and is waited for as long as the session tries.
        lost: bool,
        /// The stream has ended, and the camera need not listen when it is connected.
        idle: bool,
    },
    /// The sink listens to the camera's own sound, which tells what the camera speaks.
    Learning {
        since: Instant,
    },
    /// The camera has been asked to listen.
    Opening,
    /// The camera listens.
    Talking {
        /// How long the sound lasts that the session has and has not sent yet.
        waiting: Duration,
    },
    /// All sound has been handed over, and the session lets it end.
    Stopping {
        /// The next talk begins as soon as this one has stopped.
        again: bool,
    },
    Stopped,
    Failed,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Phase::Connecting { .. } => "connecting",
            Phase::Learning { .. } => "learning",
            Phase::Opening => "opening",
            Phase::Talking { .. } => "talking",
            Phase::Stopping { .. } => "stopping",
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
        }
    }
}

/// Posts the error for a sink and its camera's name.
type Post = Box<dyn FnOnce(&WyzeSink, Option<&str>) + Send>;

/// Whether the application has been told why the talk failed.
enum Failure {
    /// The talk has not failed.
    None,
    /// Whoever comes first posts the error.
    Untold(Post),
    Telling,
    Told,
}

struct TalkState {
    phase: Phase,
    format: AudioFormat,
    /// What the camera speaks, once that is known.
    camera: Option<CameraAudio>,
    failure: Failure,
    /// BaseSink wants its streaming thread back.
    unlocked: bool,
    /// Since when the camera has been wanted to listen.
    since: Instant,
    /// How long it took until the camera listened, the last time.
    opened_in: Option<Duration>,
    frames: u64,
    bytes: u64,
    dropped: u64,
}

pub struct Talker {
    element: glib::WeakRef<WyzeSink>,
    announcer: Announcer,
    connect_timeout: Duration,
    /// What the user calls the camera.
    camera_name: Option<String>,
    state: Mutex<TalkState>,
    changed: Condvar,
    session: Mutex<Option<Membership>>,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    Done,
    /// The sink is flushing or stopping.
    Interrupted,
    Failed,
}

impl Talker {
    pub fn new(element: &WyzeSink, announcer: Announcer, identity: &Identity) -> Arc<Self> {
        Arc::new(Talker {
            element: element.downgrade(),
            announcer,
            connect_timeout: identity.connect_timeout,
            camera_name: element::camera_label(identity),
            state: Mutex::new(TalkState {
                phase: Phase::Connecting { lost: false, idle: false },
                format: AudioFormat::new(),
                camera: None,
                failure: Failure::None,
                unlocked: false,
                since: Instant::now(),
                opened_in: None,
                frames: 0,
                bytes: 0,
                dropped: 0,
            }),
            changed: Condvar::new(),
            session: Mutex::default(),
        })
    }

    /// Takes the membership. Some of its events may have come to [`Talker::handle`] already.
    pub fn attach(&self, session: Membership) {
        *lock(&self.session) = Some(session);
        let phase = self.state().phase;
        self.ask(phase);
    }

    /// Stops talking at once and leaves the session.
    pub fn leave(&self) {
        let session = lock(&self.session).take();
        if let Some(session) = &session {
            session.stop_talk(true);
        }
        // Dropping it waits for the session thread, which may be waiting for the lock of `session`: it must not be
        // held.
        drop(session);
    }

    // On the session thread

    pub fn handle(self: &Arc<Self>, event: Event) {
        let Some(element) = self.element.upgrade() else { return };
        match event {
            Event::Stage(_)
            | Event::Clock(_)
            | Event::Unanswered(_)
            | Event::Refused(..)
            | Event::Silent(..)
            | Event::CountsByHead
            | Event::Way(_) => {}
            Event::Connected(camera) => self.connected(&camera),
            Event::Frame(frame) if frame.medium == Medium::Audio => self.learn(&element, frame),
            Event::Frame(_) | Event::ParameterSets(_) => {}
            Event::Talk(TalkEvent::Ready) => self.ready(&element),
            Event::Talk(TalkEvent::Sent(report)) => self.sent(report),
            Event::Talk(TalkEvent::Stopped) => self.stopped(),
            Event::Talk(TalkEvent::Failed(error)) => self.fail(TalkFailure::Talk(error)),
            Event::Reconnecting { .. } => self.disconnected(),
            Event::Ended(error) => {
                self.fails(move |element, camera| element::ended(element, &error, camera));
            }
        }
    }

    fn connected(self: &Arc<Self>, camera: &CameraInfo) {
        if !camera.two_way_audio {
            self.fail(TalkFailure::Talk(TalkError::NoTwoWayAudio));
            return;
        }
        let agreed = camera.talk_format.and_then(|(codec, flags)| CameraAudio::agreed(codec, flags));
        self.advance(|state| {
            state.camera = agreed.or(state.camera);
            Some(match state.phase {
                Phase::Connecting { idle: true, .. } => Phase::Stopped,
                _ if state.camera.is_some() => Phase::Opening,
                _ => Phase::Learning { since: Instant::now() },
            })
        });
    }

    /// Ends the talk with its connection. The next connection brings another talk, unless the stream has ended.
    fn disconnected(&self) {
        self.advance(|state| {
            state.since = Instant::now();
            let idle = match state.phase {
                Phase::Connecting { idle, .. } => idle,
                Phase::Stopping { again } => !again,
                Phase::Stopped => true,
                _ => false,
            };
            Some(Phase::Connecting { lost: true, idle })
        });
    }

    /// Tells by a frame of the camera's own sound what it speaks.
    fn learn(self: &Arc<Self>, element: &WyzeSink, frame: Frame) {
        let Frame { info, mut data, .. } = frame;
        let mut state = self.state();
        if !matches!(state.phase, Phase::Learning { .. }) {
            return;
        }
        match state.format.inspect(&info, &mut data) {
            Verdict::Push { caps: Some(caps), .. } => {
                state.camera = CameraAudio::new(&info, &caps);
                let camera = state.camera;
                drop(state);
                match camera {
                    Some(camera) => {
                        gst::info!(CAT, obj = element, "The camera speaks {camera}");
                        self.advance(|_| Some(Phase::Opening));
                    }
                    None => self.fail(TalkFailure::Codec(info.codec.to_string())),
                }
            }
            Verdict::Unsupported(codec) => {
                drop(state);
                self.fail(TalkFailure::Codec(codec.to_string()));
            }
            Verdict::Push { caps: None, .. } | Verdict::Skip => {}
        }
    }

    fn ready(&self, element: &WyzeSink) {
        self.advance(|state| {
            let opened_in = state.since.elapsed();
            state.opened_in = Some(opened_in);
            gst::info!(CAT, obj = element, "The camera listens, after {opened_in:?}");
            // A talk that is being stopped already stays so.
            (!matches!(state.phase, Phase::Stopping { .. })).then_some(Phase::Talking { waiting: Duration::ZERO })
        });
    }

    fn sent(&self, report: TalkReport) {
        let mut state = self.state();
        state.frames += report.frames;
        state.bytes += report.bytes;
        if let Phase::Talking { waiting } = &mut state.phase {
            *waiting = waiting.saturating_sub(report.sound);
            self.changed.notify_all();
        }
    }

    fn stopped(&self) {
        self.advance(|state| {
            Some(match state.phase {
                Phase::Stopping { again: true } => Phase::Opening,
                _ => Phase::Stopped,
            })
        });
    }

    // On any thread

    /// Goes on to the next phase, if there is one and the talk has not failed. Wakes whoever waits, and asks the
    /// session for what the phase needs.
    fn advance(&self, next: impl FnOnce(&mut TalkState) -> Option<Phase>) {
        let mut state = self.state();
        if state.phase == Phase::Failed {
            return;
        }
        let Some(phase) = next(&mut state) else { return };
        state.phase = phase;
        drop(state);
        self.changed.notify_all();
        self.ask(phase);
    }

    fn ask(&self, phase: Phase) {
        let session = lock(&self.session);
        // Before the session is there, `attach` makes up for this.
        let Some(session) = session.as_ref() else { return };
        match phase {
            Phase::Learning { .. } => session.set_wants(Wants { media: MediaSet::AUDIO, ..Wants::default() }),
            Phase::Opening => {
                session.set_wants(Wants::default());
                session.start_talk();
            }
            // Before another talk, nothing is waited for.
            Phase::Stopping { again } => session.stop_talk(again),
            Phase::Connecting { .. } | Phase::Talking { .. } | Phase::Stopped | Phase::Failed => {}
        }
    }

    /// Enters the phase [`Phase::Failed`]. Returns true the first time. The error is then posted by `post`.
    fn fails(self: &Arc<Self>, post: impl FnOnce(&WyzeSink, Option<&str>) + Send + 'static) -> bool {
        let mut state = self.state();
        if state.phase == Phase::Failed {
            return false;
        }
        state.phase = Phase::Failed;
        state.failure = Failure::Untold(Box::new(post));
        drop(state);
        self.changed.notify_all();
        if let Some(element) = self.element.upgrade() {
            let this = self.clone();
            self.announcer.announce_always(element.upcast_ref(), move |_| this.post_failure());
        }
        true
    }

    /// Ends the talk with this error.
    pub fn fail(self: &Arc<Self>, failure: TalkFailure) {
        if !self.fails(move |element, camera| failure.post(element, camera)) {
            return;
        }
        if let Some(session) = lock(&self.session).as_ref() {
            session.set_wants(Wants::default());
            session.stop_talk(true);
        }
    }

    /// Posts the error, unless another thread has begun to.
    fn post_failure(&self) {
        let mut state = self.state();
        if !matches!(state.failure, Failure::Untold(_)) {
            return;
        }
        let Failure::Untold(post) = std::mem::replace(&mut state.failure, Failure::Telling) else { return };
        drop(state);
        if let Some(element) = self.element.upgrade() {
            post(&element, self.camera_name.as_deref());
        }
        self.state().failure = Failure::Told;
        self.changed.notify_all();
    }

    // On the streaming thread

    /// Posts the error, or waits for the thread that does.
    pub fn tell_failure(&self) {
        self.post_failure();
        let telling = |state: &mut TalkState| matches!(state.failure, Failure::Telling) && !state.unlocked;
        drop(self.changed.wait_while(self.state(), telling));
    }

    /// Asks the camera to listen once more, if it was told to stop at the end of a stream.
    pub fn resume(&self) {
        self.advance(|state| {
            let phase = match state.phase {
                Phase::Connecting { lost, idle: true } => Phase::Connecting { lost, idle: false },
                Phase::Stopping { .. } => Phase::Stopping { again: true },
                Phase::Stopped => Phase::Opening,
                _ => return None,
            };
            state.since = Instant::now();
            Some(phase)
        });
    }

    /// Waits until the camera listens. If that takes longer than connect-timeout, unless that is zero, it is an error.
    pub fn wait_ready(self: &Arc<Self>, is_flushing: impl Fn() -> bool) -> Waited {
        loop {
            let state = self.state();
            let phase = state.phase;
            let has_limit = !self.connect_timeout.is_zero();
            let limit = has_limit.then(|| state.since + self.connect_timeout + GRACE);
            let until = match phase {
                Phase::Talking { .. } => return Waited::Done,
                Phase::Failed => return Waited::Failed,
                _ if is_flushing() => return Waited::Interrupted,
                // The session knows how long such a camera is worth waiting for.
                Phase::Connecting { lost: true, .. } => None,
                Phase::Learning { since } => limit.into_iter().chain([since + SOUND_PATIENCE]).min(),
                _ => limit,
            };
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let waiting = |state: &mut TalkState| state.phase == phase && !is_flushing();
            match left {
                None => drop(self.changed.wait_while(state, waiting)),
                Some(Duration::ZERO) => {
                    let failure =
                        state.impatience().unwrap_or(TalkFailure::TooSlow(milliseconds(self.connect_timeout)));
                    drop(state);
                    self.fail(failure);
                }
                Some(left) => drop(self.changed.wait_timeout_while(state, left, waiting)),
            }
        }
    }

    /// Waits until a camera that was lost listens again, for as long as the session has attempts left.
    pub fn wait_again(&self) -> Waited {
        self.wait_while(|phase| matches!(phase, Phase::Connecting { .. } | Phase::Learning { .. } | Phase::Opening))
    }

    /// Waits until there is room for more sound.
    pub fn wait_room(&self) -> Waited {
        self.wait_while(|phase| matches!(phase, Phase::Talking { waiting } if waiting > AHEAD))
    }

    fn wait_while(&self, waits: impl Fn(Phase) -> bool) -> Waited {
        let waits = |state: &mut TalkState| !state.unlocked && waits(state.phase);
        let state = self.changed.wait_while(self.state(), waits).unwrap_or_else(PoisonError::into_inner);
        match state.phase {
            _ if state.unlocked => Waited::Interrupted,
            Phase::Failed => Waited::Failed,
            _ => Waited::Done,
        }
    }

    /// Returns what the camera speaks, if it listens. `None` counts as a buffer dropped.
    pub fn camera(self: &Arc<Self>) -> Result<Option<CameraAudio>, gst::FlowError> {
        let mut state = self.state();
        if let Some(failure) = state.impatience() {
            drop(state);
            self.fail(failure);
            return Err(gst::FlowError::Error);
        }
        match (state.phase, state.camera) {
            (Phase::Failed, _) => Err(gst::FlowError::Error),
            (Phase::Talking { .. }, Some(camera)) => Ok(Some(camera)),
            _ => {
                state.dropped += 1;
                Ok(None)
            }
        }
    }

    /// Whether so much sound waits that more of it, from a live stream, would come late. Counts the buffer that is
    /// dropped then.
    pub fn lags(&self) -> bool {
        let mut state = self.state();
        let lags = matches!(state.phase, Phase::Talking { waiting } if waiting > AHEAD);
        state.dropped += u64::from(lags);
        lags
    }

    pub fn send(&self, camera: CameraAudio, frame: CutFrame) {
        let CutFrame { data, duration } = frame;
        let mut state = self.state();
        if let Phase::Talking { waiting } = &mut state.phase {
            *waiting += duration;
        }
        drop(state);
        if let Some(session) = lock(&self.session).as_ref() {
            session.send_talk(TalkAudio { codec: camera.codec, flags: camera.flags, data, duration });
        }
    }

    /// Drops what waits to be sent.
    pub fn flush(&self) {
        if let Some(session) = lock(&self.session).as_ref() {
            session.flush_talk();
        }
    }

    /// Ends the talk after what waits to be sent, and waits for the end.
    pub fn finish(&self, is_flushing: impl Fn() -> bool) {
        let mut limit = STOP_LIMIT;
        self.advance(|state| match &mut state.phase {
            Phase::Talking { waiting } => {
                limit += *waiting;
                Some(Phase::Stopping { again: false })
            }
            Phase::Opening => Some(Phase::Stopping { again: false }),
            Phase::Connecting { idle, .. } => {
                *idle = true;
                None
            }
            _ => None,
        });
        let stopping = |state: &mut TalkState| state.phase == Phase::Stopping { again: false } && !is_flushing();
        // If no end is reported, the stream ends all the same.
        let _ = self.changed.wait_timeout_while(self.state(), limit, stopping);
    }

    /// Wakes the streaming thread. While `unlocked`, it does not wait, so that BaseSink gets it back.
    pub fn unlock(&self, unlocked: bool) {
        self.state().unlocked = unlocked;
        self.changed.notify_all();
    }

    /// Makes `application/x-wyze-talk-stats`: the state, counters (u64) and, once they are known, the time to open
    /// (u64, in nanoseconds) and the camera's format.
    pub fn stats(&self) -> gst::Structure {
        let state = self.state();
        let mut structure = gst::Structure::builder("application/x-wyze-talk-stats")
            .field("state", state.phase.name())
            .field("frames", state.frames)
            .field("bytes", state.bytes)
            .field("dropped", state.dropped)
            .build();
        if let Some(opened_in) = state.opened_in {
            // 64 bits of nanoseconds are half a millennium.
            structure.set("time-to-open-ns", opened_in.as_nanos() as u64);
        }
        if let Some(camera) = state.camera {
            structure.set("codec", camera.codec.to_string());
            structure.set("rate", camera.rate);
            structure.set("channels", camera.channels);
        }
        structure
    }

    fn state(&self) -> MutexGuard<'_, TalkState> {
        lock(&self.state)
    }
}

impl TalkState {
    /// Returns the error if the camera's sound has been waited for too long.
    fn impatience(&self) -> Option<TalkFailure> {
        match self.phase {
            Phase::Learning { since } if since.elapsed() >= SOUND_PATIENCE => Some(TalkFailure::Silent),
            _ => None,
        }
    }
}
