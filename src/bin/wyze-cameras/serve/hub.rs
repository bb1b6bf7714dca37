//! A camera as the server has it: one session, opened by the first client and closed some time after the last, whose
//! streams go to any number of outlets.
//!
//! `check` opens and closes the feed, and is called by the main loop only. All else may be called from any thread.

use super::complaint::Complaint;
use super::feed::{Audience, Feed};
use super::outlet::{Held, Outlet};
use super::output::tell;
use super::speaker::{Floor, Speaker, back_channel};
use super::track::{Format, Medium, Track};
use gst::glib;
use gst::prelude::*;
use gst_rtsp_server::RTSPMedia;
use serde_json::{Value, json};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a client that asks for a camera's streams waits for the camera. Clients themselves wait for 10 to 20 s.
const PATIENCE: Duration = Duration::from_secs(9);
/// How long sound is waited for that wyzesrc has announced, once there is a picture, and the other way round.
const AUDIO_PATIENCE: Duration = Duration::from_secs(3);
const VIDEO_PATIENCE: Duration = Duration::from_secs(8);

/// How long a key frame is waited for that a client needs, until the camera is asked again, and how often it is asked.
/// `wyzesrc` drops a request that comes less than 2 s after another one.
const KEY_FRAME_PATIENCE: Duration = Duration::from_millis(2200);
const KEY_FRAME_REQUESTS: u32 = 3;

/// How a hub is run.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The session stays open without clients.
    pub always_on: bool,
    /// How long the session stays open after the last client.
    pub linger: Duration,
    /// How long after a failure the camera is tried again.
    pub retry: Duration,
}

#[derive(Debug)]
pub struct Hub {
    /// The camera's nickname.
    pub name: String,
    /// The path of its address, without the slash.
    pub slug: String,
    /// What `wyzesrc` finds it by in the store.
    camera: String,
    policy: Policy,
    state: Mutex<State>,
    talk: Mutex<Talk>,
    /// Notified of new tracks and of failures.
    changed: Condvar,
}

/// What clients say through the camera.
#[derive(Debug, Default)]
struct Talk {
    speaker: Option<Speaker>,
    /// Talking has failed, and is not to be tried again before this time.
    not_before: Option<Instant>,
    /// The speaker has failed and is to be stopped.
    is_broken: bool,
    complaint: Complaint,
}

#[derive(Debug)]
struct State {
    feed: Option<Feed>,
    /// The connection, in the words of the messages of `wyzesrc`; `closed` without a feed.
    connection: String,
    /// Why the camera cannot be served, until it can.
    error: Option<String>,
    /// Why the last attempt to connect has failed, as long as nothing has come.
    obstacle: Option<String>,
    complaint: Complaint,
    /// The feed has failed and is to be stopped.
    is_broken: bool,
    /// Not before this time is the feed started again.
    retry_at: Option<Instant>,
    /// Clients that play, or are about to.
    viewers: usize,
    /// Without viewers, the session is kept open until then.
    keep_until: Option<Instant>,
    /// Clients that wait for the streams to be known.
    waiting: usize,
    /// The media that have a pad, and whether these are all.
    announced: Vec<Medium>,
    has_all: bool,
    first_track_at: Option<Instant>,
    video: Option<Track>,
    audio: Option<Track>,
    outlets: Vec<Outlet>,
    next_number: u64,
    /// A key frame that a client waits for: when the camera was last asked, and how often.
    key_frame_asked: Option<(Instant, u32)>,
}

impl Hub {
    pub fn new(name: String, slug: String, camera: String, policy: Policy) -> Arc<Self> {
        let state = State {
            feed: None,
            connection: "closed".into(),
            error: None,
            obstacle: None,
            complaint: Complaint::default(),
            is_broken: false,
            retry_at: None,
            viewers: 0,
            keep_until: None,
            waiting: 0,
            announced: Vec::new(),
            has_all: false,
            first_track_at: None,
            video: None,
            audio: None,
            outlets: Vec::new(),
            next_number: 0,
            key_frame_asked: None,
        };
        let (state, talk) = (Mutex::new(state), Mutex::default());
        Arc::new(Hub { name, slug, camera, policy, state, talk, changed: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the session where it is wanted, and closes it where it is not.
    pub fn check(self: &Arc<Self>) {
        self.hush();
        let mut state = self.state();
        let now = Instant::now();
        let has_clients = state.viewers > 0 || state.waiting > 0 || state.keep_until.is_some_and(|until| now < until);
        let is_wanted = self.policy.always_on || has_clients;
        let released = state.release(has_clients);
        let is_over = state.feed.is_some() && (!is_wanted || state.is_broken);
        let closed = if is_over { state.close(now + self.policy.retry) } else { None };
        let is_due = !is_over && state.feed.is_none() && state.retry_at.is_none_or(|at| at <= now);
        if is_wanted && is_due {
            state.connection = "connecting".into();
            state.error = None;
        }
        if let Some((at, times)) = state.key_frame_asked
            && times < KEY_FRAME_REQUESTS
            && now.duration_since(at) >= KEY_FRAME_PATIENCE
        {
            state.ask_for_key_frame(times + 1);
        }
        drop(state);
        // These wait for threads that may want the lock.
        drop((released, closed));
        if is_wanted && is_due {
            match Feed::start(&self.camera, self) {
                Ok(feed) => self.state().feed = Some(feed),
                Err(why) => {
                    // The pipeline has told a better reason, if it knows one.
                    if !self.state().is_broken {
                        self.fail(&why);
                    }
                    self.state().close(now + self.policy.retry);
                }
            }
        }
    }

    /// Closes the session for good.
    pub fn close(&self) {
        let speaker = self.talk().speaker.take();
        drop(speaker);
        let mut state = self.state();
        state.outlets.iter().for_each(Outlet::end);
        let (released, feed) = (state.release(false), state.close(Instant::now()));
        drop(state);
        drop((released, feed));
    }

    /// Waits until it is known what the camera sends, with the session opened where it was not. Returns a text that is
    /// the same as long as the camera sends the same.
    pub fn wait(self: &Arc<Self>) -> Result<String, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        state.waiting += 1;
        if state.feed.is_none() {
            let hub = self.clone();
            glib::idle_add_once(move || hub.check());
        }
        let mut failure = None;
        while !state.is_known() && failure.is_none() {
            let now = Instant::now();
            let is_over = deadline <= now;
            let obstacle = || state.obstacle.clone().unwrap_or_else(|| "the camera does not answer".to_owned());
            failure = state.error.clone().or_else(|| is_over.then(obstacle));
            // A medium that does not come is given up by the clock.
            let nap = deadline.saturating_duration_since(now).min(Duration::from_millis(100));
            (state, _) = self.changed.wait_timeout(state, nap).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        state.keep_until = Some(Instant::now() + self.policy.linger);
        match failure {
            Some(why) => Err(why),
            None => Ok(state.tracks().map(|(medium, track)| format!("{medium:?} {:?}", track.format)).collect()),
        }
    }

    /// Makes an outlet of what the camera sends now, for a client that may talk if it `talks`, and else for any number
    /// of clients. Returns its number and the bin for the RTSP server.
    pub fn open_outlet(self: &Arc<Self>, talks: bool) -> Result<(u64, gst::Bin), String> {
        let mut state = self.state();
        if !state.is_known() {
            return Err("the camera was lost in this moment".into());
        }
        let number = state.next_number;
        state.next_number += 1;
        let media: Vec<_> = state.tracks().map(|(medium, track)| (medium, track.format, track.caps.clone())).collect();
        let (mut outlet, bin) = Outlet::new(number, &media, !talks)?;
        if talks {
            bin.add(&back_channel(self, number)?).map_err(|e| e.to_string())?;
        }
        for (medium, track) in state.tracks() {
            track.specimen().iter().for_each(|sample| outlet.prime(medium, sample));
        }
        state.outlets.push(outlet);
        Ok((number, bin))
    }

    /// The RTSP server has prepared the medium of an outlet for a client.
    pub fn outlet_is_prepared(&self, number: u64, media: &RTSPMedia) {
        let mut state = self.state();
        let mut outlets = state.outlets.iter_mut().filter(|outlet| outlet.number == number);
        let is_new = outlets.next().is_some_and(|outlet| {
            outlet.is_prepared = true;
            outlet.can_be_held()
        });
        drop(state);
        if let Some(held) = is_new.then(|| Held::new(media)).flatten() {
            let mut state = self.state();
            match state.outlets.iter_mut().find(|outlet| outlet.number == number && outlet.can_be_held()) {
                Some(outlet) => outlet.hold(held),
                // Another client came first.
                None => {
                    drop(state);
                    drop(held);
                }
            }
        }
    }

    /// Forgets an outlet, if that was not done before.
    pub fn close_outlet(&self, number: u64) {
        self.state().outlets.retain(|outlet| outlet.number != number);
    }

    /// So many clients play now, or are about to.
    pub fn viewers_are(&self, count: usize) {
        let mut state = self.state();
        if state.viewers > 0 && count == 0 {
            state.keep_until = Some(Instant::now() + self.policy.linger);
            for outlet in &mut state.outlets {
                (outlet.is_live, outlet.primed) = (false, None);
            }
        }
        state.viewers = count;
    }

    /// A client plays from now on: it gets the picture from the last key frame on if it is the first one of its
    /// outlet, and else a new key frame.
    pub fn client_plays(&self) {
        let state = &mut *self.state();
        let mut needs_key_frame = true;
        for outlet in state.outlets.iter_mut().filter(|outlet| !outlet.is_live) {
            outlet.is_live = true;
            for sample in state.video.iter().flat_map(Track::since_key_frame) {
                if outlet.primed.is_none() || outlet.primed < sample.buffer().and_then(|buffer| buffer.pts()) {
                    outlet.push(Medium::Video, sample);
                }
            }
            needs_key_frame = state.video.as_ref().is_some_and(|track| !track.is_whole());
        }
        if needs_key_frame {
            state.ask_for_key_frame(1);
        }
    }

    /// Ends talking where nobody talks any more, or where it has failed.
    fn hush(&self) {
        let mut talk = self.talk();
        let is_broken = std::mem::take(&mut talk.is_broken);
        if is_broken {
            talk.not_before = Some(Instant::now() + self.policy.retry);
        }
        let is_over = is_broken || talk.speaker.as_ref().is_some_and(Speaker::is_silent);
        let over = if is_over { talk.speaker.take() } else { None };
        drop(talk);
        drop(over);
    }

    /// Follows the connection, whose first attempts may fail for a reason that people can mend.
    fn connection_is(&self, fields: &gst::StructureRef) {
        let mut state = self.state();
        if let Ok(word) = fields.get("state") {
            state.connection = word;
        }
        let has_come = state.tracks().next().is_some();
        if let (false, Ok(_), Ok(why)) = (has_come, fields.get::<&str>("reason"), fields.get::<&str>("text")) {
            state.complaint.make(&self.name, why);
            state.obstacle = Some(why.to_owned());
        }
    }

    fn fail(&self, why: &str) {
        let mut state = self.state();
        state.complaint.make(&self.name, why);
        state.error = Some(why.to_owned());
        state.is_broken = true;
        self.changed.notify_all();
    }

    /// Returns the camera's state for programs.
    pub fn status(&self) -> Value {
        let state = self.state();
        let describe = |track: &Option<Track>| track.as_ref().map(Track::describe);
        json!({
            "name": self.name,
            "path": format!("/{}", self.slug),
            "state": state.connection,
            "error": state.error.as_ref().or(state.obstacle.as_ref()),
            "video": describe(&state.video),
            "audio": describe(&state.audio),
            "clients": state.viewers,
        })
    }
}

impl Audience for Hub {
    fn medium_came(&self, medium: Medium) {
        let mut state = self.state();
        if !state.announced.contains(&medium) {
            state.announced.push(medium);
        }
    }

    fn all_media_came(&self) {
        self.state().has_all = true;
        self.changed.notify_all();
    }

    fn sample(&self, medium: Medium, format: Format, caps: &gst::CapsRef, sample: gst::Sample) {
        let mut state = self.state();
        let state = &mut *state;
        let is_key = sample.buffer().is_some_and(|buffer| !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        if medium == Medium::Video && is_key {
            state.key_frame_asked = None;
        }
        let track = state.track(medium);
        let is_new = track.as_ref().is_none_or(|track| track.format != format);
        if is_new {
            if medium == Medium::Video && !is_key {
                return;
            }
            *track = Some(Track::new(format, caps.to_owned()));
            (state.complaint, state.obstacle) = Default::default();
            state.first_track_at.get_or_insert_with(Instant::now);
            // Clients were told of another codec. They have to ask again.
            state.outlets.iter().filter(|outlet| !outlet.takes(medium, format)).for_each(Outlet::end);
        }
        for outlet in state.outlets.iter_mut().filter(|outlet| outlet.takes(medium, format)) {
            if outlet.is_live {
                outlet.push(medium, &sample);
            } else if outlet.is_being_prepared(medium) {
                outlet.prime(medium, &sample);
            }
        }
        if let Some(track) = state.track(medium) {
            track.keep(medium, caps, is_key, sample);
        }
        if is_new {
            self.changed.notify_all();
        }
    }

    fn cannot_serve(&self, medium: Medium, why: &str) {
        tell(format_args!("wyze-cameras: {}: no {}: {why}", self.name, medium.name()));
        let mut state = self.state();
        state.announced.retain(|other| *other != medium);
        *state.track(medium) = None;
        state.outlets.iter().filter(|outlet| outlet.has(medium)).for_each(Outlet::end);
    }

    fn message(&self, message: &gst::MessageRef) {
        match message.view() {
            gst::MessageView::Error(error) => self.fail(&error.error().to_string()),
            gst::MessageView::Warning(warning) => {
                tell(format_args!("wyze-cameras: {}: {}", self.name, warning.error()));
            }
            gst::MessageView::Element(element) => {
                if let Some(fields) = element.structure().filter(|fields| fields.name() == "wyze-connection") {
                    self.connection_is(fields);
                }
            }
            _ => {}
        }
    }
}

impl Floor for Hub {
    fn client_says(self: &Arc<Self>, outlet: u64, sound: gst::Buffer) {
        let mut talk = self.talk();
        if talk.is_broken || talk.not_before.is_some_and(|at| Instant::now() < at) {
            return;
        }
        if talk.speaker.is_none() {
            match Speaker::start(&self.camera, outlet, self) {
                Ok(speaker) => talk.speaker = Some(speaker),
                Err(why) => {
                    talk.not_before = Some(Instant::now() + self.policy.retry);
                    talk.complaint.make(&self.name, &format!("talking: {why}"));
                }
            }
        }
        if let Some(speaker) = talk.speaker.as_mut().filter(|speaker| speaker.outlet == outlet) {
            speaker.say(sound);
        }
    }

    fn cannot_talk(self: &Arc<Self>, why: &str) {
        // Whoever starts the speaker may have the lock.
        let (hub, text) = (self.clone(), format!("talking: {why}"));
        glib::idle_add_once(move || {
            let mut talk = hub.talk();
            talk.is_broken = true;
            talk.complaint.make(&hub.name, &text);
        });
    }
}

impl State {
    fn track(&mut self, medium: Medium) -> &mut Option<Track> {
        match medium {
            Medium::Video => &mut self.video,
            Medium::Audio => &mut self.audio,
        }
    }

    fn tracks(&self) -> impl Iterator<Item = (Medium, &Track)> {
        let video = self.video.iter().map(|track| (Medium::Video, track));
        video.chain(self.audio.iter().map(|track| (Medium::Audio, track)))
    }

    /// Asks the camera for a key frame, for a client that waits for one.
    fn ask_for_key_frame(&mut self, times: u32) {
        if let Some(feed) = &self.feed {
            feed.request_key_frame();
            self.key_frame_asked = Some((Instant::now(), times));
        }
    }

    /// Whether it is known what the camera sends.
    fn is_known(&self) -> bool {
        let known = self.tracks().count();
        let patience = if self.video.is_some() { AUDIO_PATIENCE } else { VIDEO_PATIENCE };
        let is_late = self.first_track_at.is_some_and(|at| at.elapsed() >= patience);
        known > 0 && (known == 2 || is_late || self.has_all && known == self.announced.len())
    }

    /// Takes what is held for clients that there will not be: without clients all, and else of outlets that later
    /// clients do not get.
    fn release(&mut self, has_clients: bool) -> Vec<Held> {
        let current: Vec<_> = self.tracks().map(|(medium, track)| (medium, track.format)).collect();
        let is_over = |outlet: &Outlet| !has_clients || !current.is_empty() && !outlet.is_of(current.iter().copied());
        self.outlets.iter_mut().filter(|outlet| is_over(outlet)).filter_map(Outlet::release).collect()
    }

    /// Takes the feed, so that it can be dropped without the lock, and forgets what came of it. One that has failed is
    /// not started again before `retry_at`.
    fn close(&mut self, retry_at: Instant) -> Option<Feed> {
        self.connection = if self.is_broken { "failed" } else { "closed" }.into();
        self.retry_at = std::mem::take(&mut self.is_broken).then_some(retry_at);
        self.announced.clear();
        self.has_all = false;
        self.first_track_at = None;
        self.key_frame_asked = None;
        self.obstacle = None;
        (self.video, self.audio) = (None, None);
        self.feed.take()
    }
}
