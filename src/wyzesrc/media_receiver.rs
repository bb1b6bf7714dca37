//! Turns the session's events into buffers with caps and time stamps, and decides when which pad appears. Runs on the
//! session thread.

use super::WyzeSrc;
use super::key_frames::KeyFrames;
use super::outputs::Outputs;
use super::queue::Item;
use super::settings::{OnLoss, PictureSize, Settings};
use super::timeline::{self, Timeline};
use crate::caps::{AudioFormat, Verdict, VideoFormat};
use crate::element::{self, Announcer};
use crate::protocol::client::CameraInfo;
use crate::protocol::medium::Medium;
use crate::protocol::model;
use crate::protocol::reassembly::Frame;
use crate::protocol::wire::codec::CodecId;
use crate::protocol::wire::frame_info::FrameInfo;
use crate::session::{Event, Use};
use gst::glib;
use gst::prelude::*;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// How long the audio pad is waited for after the video pad.
const AUDIO_PATIENCE: Duration = Duration::from_secs(2);
/// How long a codec stays before another one is taken.
const CODEC_LASTS: Duration = Duration::from_secs(1);
/// How long pictures may come of which none can be used, before the application is told.
const UNUSABLE_PATIENCE: Duration = Duration::from_secs(3);
/// How long the video pad is waited for while the camera is connected.
const VIDEO_PATIENCE: Duration = Duration::from_secs(5);

static UNIX_TIME: LazyLock<gst::Caps> = LazyLock::new(|| {
    let mut caps = gst::Caps::new_empty_simple("timestamp/x-unix");
    // They live as long as the process, and GStreamer's leaks tracer is not to report them.
    caps.make_mut().mark_may_be_leaked();
    caps
});

/// The state of one medium.
#[derive(Default)]
struct MediumState {
    /// Its pad is expected, as far as is known.
    expected: bool,
    /// The first caps, until the pad has been asked for.
    caps: Option<gst::Caps>,
    added: bool,
    /// The next buffer is flagged DISCONT.
    discont: bool,
    /// The next buffer is flagged RESYNC, as there is a gap in time before it.
    resync: bool,
    /// The camera has sent a key frame that cannot be read, so the other pad does not wait for this one.
    unreadable: bool,
    /// The codec of the last frame.
    codec: Option<CodecId>,
    /// When the codec changed last.
    codec_since: Option<Instant>,
    /// In this connection, the application has been told of a codec that GStreamer cannot carry.
    told_of_codec: bool,
}

/// The source's part in a session.
pub struct MediaReceiver {
    element: glib::WeakRef<WyzeSrc>,
    announcer: Announcer,
    outputs: Arc<Outputs>,
    /// What the user calls the camera.
    name: Option<String>,
    video_format: VideoFormat,
    audio_format: AudioFormat,
    timeline: Timeline,
    /// Frames become buffers in PLAYING only: before, there is no time to stamp them with.
    playing: bool,
    video: MediumState,
    audio: MediumState,
    /// When this connection was made; `None` while there is none.
    connected_at: Option<Instant>,
    /// How long earlier connections lasted.
    connected: Duration,
    /// When the video pad was asked for.
    video_at: Option<Instant>,
    no_more_pads: bool,
    camera: Option<CameraInfo>,
    on_loss: OnLoss,
    /// A picture has been lost since the last key frame, so that those after it are broken.
    broken: bool,
    /// Whole pictures that were dropped as broken.
    skipped: u64,
    key_frames: KeyFrames,
    resolution: PictureSize,
    /// The application has been told that the camera lacks `resolution`.
    told_of_resolution: bool,
    /// Since when pictures have come of which none could be used.
    unusable_since: Option<Instant>,
    /// In this connection, the application has been told of that.
    told_of_unusable: bool,
    /// In this connection, the streams have been told when it began.
    told_of_begin: bool,
}

impl MediaReceiver {
    pub fn new(element: &WyzeSrc, announcer: Announcer, outputs: Arc<Outputs>, settings: &Settings) -> Self {
        let state = |expected| MediumState { expected, discont: true, ..MediumState::default() };
        MediaReceiver {
            element: element.downgrade(),
            announcer,
            outputs,
            name: element::camera_label(&settings.identity),
            video_format: VideoFormat::new(),
            audio_format: AudioFormat::new(),
            timeline: Timeline::new(),
            playing: false,
            video: state(settings.media.video),
            audio: state(settings.media.audio),
            connected_at: None,
            connected: Duration::ZERO,
            video_at: None,
            no_more_pads: false,
            camera: None,
            on_loss: settings.on_loss,
            broken: false,
            skipped: 0,
            key_frames: KeyFrames::default(),
            resolution: settings.resolution,
            told_of_resolution: false,
            unusable_since: None,
            told_of_unusable: false,
            told_of_begin: false,
        }
    }

    pub fn set_on_loss(&mut self, on_loss: OnLoss) {
        self.on_loss = on_loss;
    }

    /// Notes the resolution that the camera is asked for from now on.
    pub fn set_resolution(&mut self, element: &WyzeSrc, resolution: PictureSize) {
        self.told_of_resolution &= resolution == self.resolution;
        self.resolution = resolution;
        self.check_resolution(element);
    }

    /// Warns once of a resolution that the connected camera lacks.
    fn check_resolution(&mut self, element: &WyzeSrc) {
        let Some(camera) = self.camera.as_ref().filter(|_| self.video.expected) else { return };
        if !model::lacks(&camera.model, self.resolution.into()) || std::mem::replace(&mut self.told_of_resolution, true)
        {
            return;
        }
        let model = camera.model.clone();
        let size =
            glib::EnumValue::from_value(&self.resolution.to_value()).map_or("", |(_, value)| value.name()).to_owned();
        self.announcer.announce(element.upcast_ref(), move |element| {
            gst::element_warning!(
                element,
                gst::ResourceError::Settings,
                ("A camera of the model {model} has no picture of {size}; it is asked for its best instead")
            );
        });
    }

    /// Returns how many whole pictures were dropped because one before them was lost.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    pub fn key_frames(&mut self) -> &mut KeyFrames {
        &mut self.key_frames
    }

    /// Uses frames from now on, or drops them. After a pause, the stream starts at a key frame.
    pub fn set_playing(&mut self, playing: bool) {
        self.playing = playing;
        if !playing {
            self.timeline.reset();
            self.resync();
        }
    }

    /// Starts over after a flush, where running time may have gone back.
    pub fn flushed(&mut self) {
        self.timeline = Timeline::new();
        self.key_frames.reset();
        self.resync();
    }

    fn resync(&mut self) {
        self.video_format.wait_for_key_frame();
        self.video.discont = true;
        self.audio.discont = true;
        for medium in Medium::ALL {
            self.outputs.queue(medium).clear();
        }
    }

    /// Prepares for the next connection, which starts at a key frame and at its arrival time: a camera that restarted
    /// has another clock. What the old connection brought is still shown.
    fn disconnected(&mut self) {
        self.connected += self.connected_at.take().map_or(Duration::ZERO, |at| at.elapsed());
        self.timeline.reset();
        self.video_format.wait_for_key_frame();
        for state in [&mut self.video, &mut self.audio] {
            (state.discont, state.resync) = (true, true);
        }
    }

    /// Returns what is known of the camera; `None` before the first connection.
    pub fn camera(&self) -> Option<&CameraInfo> {
        self.camera.as_ref()
    }

    /// Returns the codec that the camera last sent, under the camera's own name for it.
    pub fn codec(&self, medium: Medium) -> Option<CodecId> {
        match medium {
            Medium::Video => self.video.codec,
            Medium::Audio => self.audio.codec,
        }
    }

    /// Takes an event, and tells what it could make of a frame.
    pub fn handle(&mut self, event: Event) -> Use {
        let Some(element) = self.element.upgrade() else { return Use::Used };
        match event {
            Event::Stage(_)
            | Event::Talk(_)
            | Event::Unanswered(_)
            | Event::Refused(..)
            | Event::CountsByHead
            | Event::Way(_) => {}
            Event::Silent(medium, is_silent) => self.tell_silent(&element, medium, is_silent),
            Event::Connected(camera) => self.connected(&element, camera),
            Event::Clock(clock) => {
                if let Some(camera) = &mut self.camera {
                    camera.clock = Some(clock);
                }
                self.notify_camera_info(&element);
            }
            Event::Frame(frame) => return self.frame(&element, frame),
            Event::ParameterSets(sets) => self.video_format.learn(sets),
            Event::Reconnecting { .. } => self.disconnected(),
            Event::Ended(error) => {
                // EOS after the error, so that an application knows that this is no ordinary end.
                let (outputs, name) = (self.outputs.clone(), self.name.clone());
                self.announcer.announce_always(element.upcast_ref(), move |element| {
                    element::ended(element, &error, name.as_deref());
                    outputs.push_eos();
                });
            }
        }
        Use::Used
    }

    fn connected(&mut self, element: &WyzeSrc, camera: CameraInfo) {
        self.connected_at = Some(Instant::now());
        self.video.expected &= camera.media.video;
        self.audio.expected &= camera.media.audio;
        self.outputs.streams.set_camera(&camera);
        self.camera = Some(camera);
        (self.unusable_since, self.told_of_unusable, self.told_of_begin) = (None, false, false);
        for state in [&mut self.video, &mut self.audio] {
            state.told_of_codec = false;
        }
        self.check_resolution(element);
        self.notify_camera_info(element);
        // Where nothing is expected, no frame comes that would do it.
        self.show_pads(element);
    }

    fn notify_camera_info(&self, element: &WyzeSrc) {
        self.announcer.announce(element.upcast_ref(), |element| element.notify("camera-info"));
    }

    fn frame(&mut self, element: &WyzeSrc, frame: Frame) -> Use {
        let Frame { medium, info, mut data, after_gap } = frame;
        if !self.takes_codec(element, medium, info.codec) {
            return Use::Unusable;
        }
        let state = self.state(medium);
        state.discont |= after_gap;
        self.broken |= medium == Medium::Video && after_gap;
        if after_gap {
            self.timeline.lost(medium);
        }
        let Some(now) = element.current_running_time().filter(|_| self.playing) else { return Use::Used };
        let verdict = match medium {
            Medium::Video => self.video_format.inspect(&info, &mut data),
            Medium::Audio => self.audio_format.inspect(&info, &mut data),
        };
        match verdict {
            Verdict::Push { caps: None, sync: false } if self.is_to_be_skipped(medium) => {
                self.video.discont = true;
                self.skipped += 1;
            }
            Verdict::Push { caps, sync } => {
                self.broken &= medium != Medium::Video || !sync;
                let stamp = self.timeline.stamp(medium, info.seconds, info.microseconds, now.into());
                if let Some(capture) = stamp.capture
                    && !std::mem::replace(&mut self.told_of_begin, true)
                {
                    self.outputs.streams.set_begin(capture);
                }
                let buffer = self.buffer(medium, data, stamp, sync);
                self.push(medium, buffer, caps);
            }
            Verdict::Skip => {
                self.video.unreadable |= medium == Medium::Video && info.is_key_frame();
                if medium == Medium::Video {
                    self.tell_unusable(element, &info);
                }
                self.show_pads(element);
                return Use::Unusable;
            }
            Verdict::Unsupported(codec) => {
                self.state(medium).expected = false;
                self.tell_unsupported(element, medium, codec);
            }
        }
        self.show_pads(element);
        Use::Used
    }

    /// Makes the buffer of a frame, with its flags.
    fn buffer(&mut self, medium: Medium, data: Vec<u8>, stamp: timeline::Stamp, sync: bool) -> gst::Buffer {
        let discont = std::mem::take(&mut self.state(medium).discont) || stamp.discont;
        let mut buffer = make_buffer(data, stamp, sync, discont);
        if std::mem::take(&mut self.state(medium).resync) {
            buffer.make_mut().set_flags(gst::BufferFlags::RESYNC);
        }
        if medium == Medium::Video {
            self.unusable_since = None;
            if sync {
                self.key_frames.came(buffer.pts());
            }
            if self.broken {
                buffer.make_mut().set_flags(gst::BufferFlags::CORRUPTED);
            }
        }
        buffer
    }

    /// Warns, once in a connection, of a codec that GStreamer cannot carry.
    fn tell_unsupported(&mut self, element: &WyzeSrc, medium: Medium, codec: CodecId) {
        if std::mem::replace(&mut self.state(medium).told_of_codec, true) {
            return;
        }
        self.announcer.announce(element.upcast_ref(), move |element| {
            gst::element_warning!(
                element,
                gst::StreamError::CodecNotFound,
                ("The camera sends {} as {codec}, which GStreamer cannot carry; going on without", medium.name())
            );
        });
    }

    /// Notes the codec of a frame. One that changes makes other caps, and mostly another pad of a decoder: that is done
    /// once a second at most.
    fn takes_codec(&mut self, element: &WyzeSrc, medium: Medium, codec: CodecId) -> bool {
        // H.264 has two ids.
        let kind = |codec| if codec == CodecId::H264_SECOND { CodecId::H264 } else { codec };
        let state = self.state(medium);
        let Some(before) = state.codec.filter(|before| kind(*before) != kind(codec)) else {
            state.codec = Some(codec);
            return true;
        };
        if state.codec_since.is_some_and(|at| at.elapsed() < CODEC_LASTS) {
            return false;
        }
        (state.codec, state.codec_since) = (Some(codec), Some(Instant::now()));
        let text = format!("The camera now sends {} as {codec} instead of {before}", medium.name());
        let change = element::MediumChange { medium, state: "changed", codec: Some(codec.to_string()), text };
        self.announcer.announce(element.upcast_ref(), move |element| change.post(element));
        true
    }

    /// Tells the application that one medium is silent while the other one comes, or is back.
    fn tell_silent(&self, element: &WyzeSrc, medium: Medium, is_silent: bool) {
        let (state, text) = match is_silent {
            true => ("silent", "The camera has stopped to send"),
            false => ("back", "The camera sends again:"),
        };
        let text = format!("{text} {}", medium.name());
        let change = element::MediumChange { medium, state, codec: None, text };
        self.announcer.announce(element.upcast_ref(), move |element| change.post(element));
    }

    /// Warns, once in a connection, of pictures that come and cannot be used, and tells what they are.
    fn tell_unusable(&mut self, element: &WyzeSrc, info: &FrameInfo) {
        let since = *self.unusable_since.get_or_insert_with(Instant::now);
        if since.elapsed() < UNUSABLE_PATIENCE
            || self.video.told_of_codec
            || std::mem::replace(&mut self.told_of_unusable, true)
        {
            return;
        }
        let (codec, seconds) = (info.codec, UNUSABLE_PATIENCE.as_secs());
        let why = match self.video.unreadable {
            true => "its key frames cannot be read",
            false => "no key frame is among them",
        };
        self.announcer.announce(element.upcast_ref(), move |element| {
            gst::element_warning!(
                element,
                gst::StreamError::Decode,
                ("The camera has sent {codec} for {seconds} s, of which nothing can be shown: {why}")
            );
        });
    }

    fn is_to_be_skipped(&self, medium: Medium) -> bool {
        medium == Medium::Video && self.broken && self.on_loss == OnLoss::UntilKeyFrame
    }

    fn push(&mut self, medium: Medium, buffer: gst::Buffer, mut caps: Option<gst::Caps>) {
        let state = self.state(medium);
        if !state.added && state.caps.is_none() {
            state.caps = caps.take();
        }
        self.outputs.queue(medium).push(Item::Buffer { buffer, caps });
    }

    /// Adds the pads whose turn it is: video, then audio; then tells that no more follow.
    fn show_pads(&mut self, element: &WyzeSrc) {
        let since = |at: Option<Instant>| at.map_or(Duration::ZERO, |at| at.elapsed());
        if let Some(caps) = self.video.caps.take() {
            self.video.added = true;
            self.video_at = Some(Instant::now());
            self.outputs.add_pad(element, Medium::Video, caps);
        }
        let video_done =
            self.video.added || !self.video.expected || self.connected + since(self.connected_at) >= VIDEO_PATIENCE;
        if (video_done || self.video.unreadable)
            && let Some(caps) = self.audio.caps.take()
        {
            self.audio.added = true;
            self.outputs.add_pad(element, Medium::Audio, caps);
        }
        let audio_done = self.audio.added || !self.audio.expected || since(self.video_at) >= AUDIO_PATIENCE;
        if video_done && audio_done && !self.no_more_pads {
            self.no_more_pads = true;
            self.outputs.no_more_pads(element);
        }
    }

    fn state(&mut self, medium: Medium) -> &mut MediumState {
        match medium {
            Medium::Video => &mut self.video,
            Medium::Audio => &mut self.audio,
        }
    }
}

fn make_buffer(data: Vec<u8>, stamp: timeline::Stamp, sync: bool, discont: bool) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(data);
    let buffer_mut = buffer.make_mut();
    buffer_mut.set_pts(gst::ClockTime::try_from(stamp.pts).ok());
    if !sync {
        buffer_mut.set_flags(gst::BufferFlags::DELTA_UNIT);
    }
    if discont {
        buffer_mut.set_flags(gst::BufferFlags::DISCONT);
    }
    if let Some(capture) = stamp.capture.and_then(|capture| gst::ClockTime::try_from(capture).ok()) {
        gst::ReferenceTimestampMeta::add(buffer_mut, &UNIX_TIME, capture, gst::ClockTime::NONE);
    }
    buffer
}
