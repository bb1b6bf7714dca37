//! The sink's part in a session: learns what the camera speaks, has it listen, hands it frames.
//!
//! The session thread brings events to [`Talker::handle`]; the streaming thread waits and sends. Everything between
//! them is in one state, behind a lock that nobody holds while asking the session for something.

use super::camera_audio::CameraAudio;
use super::failure::Failure;
use super::frame_cutter::CutFrame;
use super::{CAT, WyzeSink};
use crate::caps::{AudioFormat, Verdict};
use crate::element;
use crate::identity::milliseconds;
use crate::protocol::client::CameraInfo;
use crate::protocol::error::Stage;
use crate::protocol::medium::{MediaSet, Medium};
use crate::protocol::reassembly::Frame;
use crate::protocol::talk::{TalkAudio, TalkError, TalkEvent};
use crate::session::{Event, Membership, Wants, lock};
use gst::glib;
use gst::prelude::*;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a connected camera may send no sound.
const SOUND_PATIENCE: Duration = Duration::from_secs(4);
/// Sound handed to the session ahead of its time: enough for a thread that wakes late, and soon over when paused.
const AHEAD: Duration = Duration::from_millis(200);
/// What the session, whose limit it is too, needs to tell that connecting took too long.
const GRACE: Duration = Duration::from_millis(250);
/// From the last frame to the word that the talk is over.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// For a wait that has no limit of its own.
const LONG: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// Sound is awaited, which tells what the camera speaks.
    Learning {
        since: Instant,
    },
    /// The camera has been asked to listen.
    Opening,
    Talking,
    /// All has been handed over, and is on its way.
    Stopping,
    Stopped,
    Failed,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Phase::Connecting => "connecting",
            Phase::Learning { .. } => "learning",
            Phase::Opening => "opening",
            Phase::Talking => "talking",
            Phase::Stopping => "stopping",
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
        }
    }
}

struct State {
    phase: Phase,
    format: AudioFormat,
    camera: Option<CameraAudio>,
    /// The stream has ended: the camera need not listen when it is connected again.
    idle: bool,
    /// The camera has listened before: it was lost, and is awaited for as long as the session tries.
    lost: bool,
    /// Talk again, as soon as the talk that is stopping has stopped.
    again: bool,
    /// BaseSink wants its streaming thread back.
    unlocked: bool,
    /// When all that was handed over will have been sent.
    sent_by: Instant,
    since: Instant,
    opened_in: Option<Duration>,
    frames: u64,
    bytes: u64,
    dropped: u64,
}

pub struct Talker {
    element: glib::WeakRef<WyzeSink>,
    connect_timeout: Duration,
    state: Mutex<State>,
    changed: Condvar,
    session: Mutex<Option<Membership>>,
}

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    Done,
    /// The sink is flushing or stopping.
    Interrupted,
    /// It was told on the bus.
    Failed,
}

impl Talker {
    pub fn new(element: &WyzeSink, connect_timeout: Duration) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Talker {
            element: element.downgrade(),
            connect_timeout,
            state: Mutex::new(State {
                phase: Phase::Connecting,
                format: AudioFormat::new(),
                camera: None,
                idle: false,
                lost: false,
                again: false,
                unlocked: false,
                sent_by: now,
                since: now,
                opened_in: None,
                frames: 0,
                bytes: 0,
                dropped: 0,
            }),
            changed: Condvar::new(),
            session: Mutex::default(),
        })
    }

    /// Takes the membership whose events come to [`Talker::handle`], some of them perhaps before this.
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
        // Waits for the session thread, which may wait for the lock of `session`: not while holding that.
        drop(session);
    }

    // On the session thread

    pub fn handle(&self, event: Event) {
        let Some(element) = self.element.upgrade() else { return };
        match event {
            Event::Stage(Stage::Discovery) => self.enter(Phase::Connecting),
            Event::Stage(_) | Event::Unanswered(_) => {}
            Event::Connected(camera) => self.connected(&camera),
            Event::Frame(frame) if frame.medium == Medium::Audio => self.learn(&element, frame),
            Event::Frame(_) => {}
            Event::Talk(TalkEvent::Ready) => self.ready(&element),
            Event::Talk(TalkEvent::Stopped) => self.stopped(),
            Event::Talk(TalkEvent::Failed(error)) => self.fail(Failure::Talk(error)),
            Event::Reconnecting { .. } => self.disconnected(),
            Event::Ended(error) => {
                if self.fails() {
                    element::ended(&element, error);
                }
            }
        }
    }

    fn connected(&self, camera: &CameraInfo) {
        if !camera.two_way_audio {
            self.fail(Failure::Talk(TalkError::NoTwoWayAudio));
            return;
        }
        let state = self.state();
        let (known, idle) = (state.camera.is_some(), state.idle);
        drop(state);
        self.enter(match (idle, known) {
            (true, _) => Phase::Stopped,
            (false, true) => Phase::Opening,
            (false, false) => Phase::Learning { since: Instant::now() },
        });
    }

    /// The talk is over with its connection; the next one brings another, unless the stream has ended.
    fn disconnected(&self) {
        let mut state = self.state();
        let again = std::mem::take(&mut state.again);
        state.idle |= matches!(state.phase, Phase::Stopping | Phase::Stopped) && !again;
        state.lost = true;
        state.since = Instant::now();
        // What was on its way is gone.
        state.sent_by = state.since;
        drop(state);
        self.enter(Phase::Connecting);
    }

    /// Makes out by the camera's own sound what it speaks.
    fn learn(&self, element: &WyzeSink, frame: Frame) {
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
                        self.enter(Phase::Opening);
                    }
                    None => self.fail(Failure::Codec(info.codec.to_string())),
                }
            }
            Verdict::Unsupported(codec) => {
                drop(state);
                self.fail(Failure::Codec(codec.to_string()));
            }
            Verdict::Push { caps: None, .. } | Verdict::Skip => {}
        }
    }

    fn ready(&self, element: &WyzeSink) {
        let mut state = self.state();
        let opened_in = state.since.elapsed();
        state.opened_in = Some(opened_in);
        drop(state);
        gst::info!(CAT, obj = element, "The camera listens, after {opened_in:?}");
        self.enter(Phase::Talking);
    }

    fn stopped(&self) {
        let mut state = self.state();
        let again = std::mem::take(&mut state.again);
        drop(state);
        self.enter(if again { Phase::Opening } else { Phase::Stopped });
    }

    /// Goes on to another phase, unless it is over; tells whoever waits, and asks the session for what the phase needs.
    fn enter(&self, phase: Phase) {
        let mut state = self.state();
        if state.phase == Phase::Failed {
            return;
        }
        state.phase = phase;
        drop(state);
        self.changed.notify_all();
        self.ask(phase);
    }

    fn ask(&self, phase: Phase) {
        let session = lock(&self.session);
        // Before it is there, `attach` makes up for this.
        let Some(session) = session.as_ref() else { return };
        match phase {
            Phase::Learning { .. } => session.set_wants(Wants { media: MediaSet::AUDIO, ..Wants::default() }),
            Phase::Opening => {
                session.set_wants(Wants::default());
                session.start_talk();
            }
            _ => {}
        }
    }

    // Failing, on any thread

    /// True the first time: one error for one failure.
    fn fails(&self) -> bool {
        let first = std::mem::replace(&mut self.state().phase, Phase::Failed) != Phase::Failed;
        self.changed.notify_all();
        first
    }

    /// Posts the error. Not on this thread: an application may stop the element from within.
    pub fn fail(&self, failure: Failure) {
        if !self.fails() {
            return;
        }
        if let Some(session) = lock(&self.session).as_ref() {
            session.set_wants(Wants::default());
            session.stop_talk(true);
        }
        if let Some(element) = self.element.upgrade() {
            element.call_async(move |element| failure.post(element));
        }
    }

    // On the streaming thread

    /// Has the camera listen once more, where it was told to stop at the end of a stream.
    pub fn resume(&self) {
        let mut state = self.state();
        let idle = std::mem::take(&mut state.idle);
        match state.phase {
            Phase::Connecting if idle => {
                state.since = Instant::now();
                return;
            }
            Phase::Stopped => state.since = Instant::now(),
            Phase::Stopping => {
                state.since = Instant::now();
                state.again = true;
                drop(state);
                if let Some(session) = lock(&self.session).as_ref() {
                    session.stop_talk(true);
                }
                return;
            }
            _ => return,
        }
        drop(state);
        self.enter(Phase::Opening);
    }

    /// Waits until the camera listens. What takes longer than connect-timeout is an error.
    pub fn wait_ready(&self, is_flushing: impl Fn() -> bool) -> Waited {
        loop {
            let state = self.state();
            let phase = state.phase;
            let limit = state.since + self.connect_timeout + GRACE;
            let until = match phase {
                Phase::Talking => return Waited::Done,
                Phase::Failed => return Waited::Failed,
                _ if is_flushing() => return Waited::Interrupted,
                Phase::Learning { since } => limit.min(since + SOUND_PATIENCE),
                _ => limit,
            };
            let now = Instant::now();
            // A camera that is known to be there otherwise is waited for as the session does.
            let until = if state.lost && phase == Phase::Connecting { now + LONG } else { until };
            if now < until {
                let waiting = |state: &mut State| state.phase == phase && !is_flushing();
                drop(self.changed.wait_timeout_while(state, until - now, waiting));
                continue;
            }
            let failure = state.impatience().unwrap_or(Failure::TooSlow(milliseconds(self.connect_timeout)));
            drop(state);
            self.fail(failure);
        }
    }

    /// Where the camera was lost, waits until it listens again: for as long as the session has attempts left.
    pub fn wait_again(&self) -> Waited {
        let mut state = self.state();
        loop {
            if state.unlocked {
                return Waited::Interrupted;
            }
            match state.phase {
                Phase::Failed => return Waited::Failed,
                Phase::Connecting | Phase::Learning { .. } | Phase::Opening if state.lost => {}
                _ => return Waited::Done,
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What the camera speaks, once it listens; `None` counts as a buffer dropped. The error has been told.
    pub fn camera(&self) -> Result<Option<CameraAudio>, gst::FlowError> {
        let mut state = self.state();
        if let Some(failure) = state.impatience() {
            drop(state);
            self.fail(failure);
            return Err(gst::FlowError::Error);
        }
        match (state.phase, state.camera) {
            (Phase::Failed, _) => Err(gst::FlowError::Error),
            (Phase::Talking, Some(camera)) => Ok(Some(camera)),
            _ => {
                state.dropped += 1;
                Ok(None)
            }
        }
    }

    /// True where so much is on its way that live sound would come late. Counts the buffer that is dropped for it.
    pub fn lags(&self) -> bool {
        let mut state = self.state();
        let lags = state.sent_by > Instant::now() + AHEAD;
        state.dropped += u64::from(lags);
        lags
    }

    /// Waits until there is room for more sound.
    pub fn wait_room(&self) -> Waited {
        let mut state = self.state();
        loop {
            if state.unlocked {
                return Waited::Interrupted;
            }
            if state.phase == Phase::Failed {
                return Waited::Failed;
            }
            let early = state.sent_by.saturating_duration_since(Instant::now() + AHEAD);
            if early.is_zero() {
                return Waited::Done;
            }
            (state, _) = self.changed.wait_timeout(state, early).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn send(&self, camera: CameraAudio, frame: CutFrame) {
        let mut state = self.state();
        state.frames += 1;
        state.bytes += frame.data.len() as u64;
        state.sent_by = state.sent_by.max(Instant::now()) + frame.duration;
        drop(state);
        let CutFrame { data, duration } = frame;
        if let Some(session) = lock(&self.session).as_ref() {
            session.send_talk(TalkAudio { codec: camera.codec, flags: camera.flags, data, duration });
        }
    }

    /// Drops what is on its way.
    pub fn flush(&self) {
        let mut state = self.state();
        state.sent_by = Instant::now();
        drop(state);
        if let Some(session) = lock(&self.session).as_ref() {
            session.flush_talk();
        }
    }

    /// Has the talk end with what is on its way, and waits for that.
    pub fn finish(&self, is_flushing: impl Fn() -> bool) {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Talking | Phase::Opening) {
            state.idle |= state.phase == Phase::Connecting;
            return;
        }
        state.phase = Phase::Stopping;
        let timeout = state.sent_by.saturating_duration_since(Instant::now()) + STOP_LIMIT;
        drop(state);
        if let Some(session) = lock(&self.session).as_ref() {
            session.stop_talk(false);
        }
        let stopping = |state: &mut State| state.phase == Phase::Stopping && !is_flushing();
        // Where the word does not come, the stream ends all the same.
        let _ = self.changed.wait_timeout_while(self.state(), timeout, stopping);
    }

    /// Wakes the streaming thread; with `unlocked`, it has to come back from where it waits for room.
    pub fn unlock(&self, unlocked: bool) {
        self.state().unlocked = unlocked;
        self.changed.notify_all();
    }

    /// `application/x-wyze-talk-stats`
    pub fn stats(&self) -> gst::Structure {
        let state = self.state();
        let mut structure = gst::Structure::builder("application/x-wyze-talk-stats")
            .field("state", state.phase.name())
            .field("frames", state.frames)
            .field("bytes", state.bytes)
            .field("dropped", state.dropped)
            .build();
        if let Some(opened_in) = state.opened_in {
            // Half a millennium of nanoseconds fit.
            structure.set("time-to-open", opened_in.as_nanos() as u64);
        }
        if let Some(camera) = state.camera {
            structure.set("codec", camera.codec.to_string());
            structure.set("rate", camera.rate);
            structure.set("channels", camera.channels);
        }
        structure
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// What to say where the camera's sound has been awaited for too long.
    fn impatience(&self) -> Option<Failure> {
        match self.phase {
            Phase::Learning { since } if since.elapsed() >= SOUND_PATIENCE => Some(Failure::Silent),
            _ => None,
        }
    }
}
