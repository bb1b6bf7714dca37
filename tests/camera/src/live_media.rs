//! Video and audio as a camera's, from GStreamer: encoded live, or video from an H.264 or H.265 file in a loop.

use crate::camera_event::CameraEvent;
use crate::live_picture::{self, LivePicture};
use crate::media_frame::MediaFrame;
use crate::server::FrameSender;
use crate::video_file::VideoFile;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::hl::VideoParameters;
use gstwyze::protocol::wire::media::MediaChannel;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The video of a live camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveVideo {
    None,
    H264,
    H265,
    Mjpeg,
    /// An Annex B file: H.265 if its name ends in `.h265`, `.265` or `.hevc`, else H.264.
    File(PathBuf),
}

/// The audio of a live camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveAudio {
    None,
    Mulaw,
    Alaw,
    Pcm,
    Aac,
    Opus,
}

impl LiveAudio {
    /// Returns the codec that cameras use for this; `None` without audio.
    pub fn codec(self) -> Option<CodecId> {
        match self {
            LiveAudio::None => None,
            LiveAudio::Mulaw => Some(CodecId::MULAW),
            LiveAudio::Alaw => Some(CodecId::ALAW),
            LiveAudio::Pcm => Some(CodecId::PCM),
            LiveAudio::Aac => Some(CodecId::AAC_WYZE),
            LiveAudio::Opus => Some(CodecId::OPUS),
        }
    }

    /// The rate in Hz that cameras have with this codec.
    pub fn usual_rate(self) -> u32 {
        if self == LiveAudio::Mulaw { 8000 } else { 16000 }
    }
}

/// The video bitrate in kbit/s before a client asks for another.
const USUAL_BITRATE: u32 = 1000;

/// The video and audio of a live camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveMediaConfig {
    pub video: LiveVideo,
    /// The best picture. Clients that ask for a smaller one of the sizes that cameras have get that.
    pub width: u32,
    pub height: u32,
    pub fps: u8,
    /// kbit/s; `None` takes what the client asks for.
    pub bitrate: Option<u32>,
    pub audio: LiveAudio,
    /// Hz; `None` takes what cameras have with the codec.
    pub audio_rate: Option<u32>,
    /// Text that is written into the picture.
    pub name: String,
}

impl Default for LiveMediaConfig {
    fn default() -> Self {
        LiveMediaConfig {
            video: LiveVideo::H264,
            width: 1280,
            height: 720,
            fps: 20,
            bitrate: None,
            audio: LiveAudio::Mulaw,
            audio_rate: None,
            name: "wyze-camera".into(),
        }
    }
}

impl LiveMediaConfig {
    /// What clients read of the picture at first.
    pub fn parameters(&self) -> VideoParameters {
        let bitrate = self.bitrate.unwrap_or(USUAL_BITRATE) / 8;
        VideoParameters {
            frame_size: frame_size(self.height),
            bitrate: u16::try_from(bitrate).unwrap_or(u16::MAX),
            fps: self.fps,
        }
    }
}

/// Why the media cannot start; the text says what to do.
#[derive(Debug)]
pub enum LiveMediaError {
    MissingElement { element: &'static str, package: &'static str },
    GStreamer(String),
}

impl fmt::Display for LiveMediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LiveMediaError::MissingElement { element, package } => {
                write!(f, "the GStreamer element {element} is missing: install {package}")
            }
            LiveMediaError::GStreamer(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for LiveMediaError {}

/// Elements that the pipelines here use, each with the Debian package that has it.
const PACKAGES: [(&str, &str); 17] = [
    ("x264enc", "gstreamer1.0-plugins-ugly"),
    ("x265enc", "gstreamer1.0-plugins-bad"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
    ("h265parse", "gstreamer1.0-plugins-bad"),
    ("jpegenc", "gstreamer1.0-plugins-good"),
    ("mulawenc", "gstreamer1.0-plugins-good"),
    ("alawenc", "gstreamer1.0-plugins-good"),
    ("aacparse", "gstreamer1.0-plugins-good"),
    ("avenc_aac", "gstreamer1.0-libav"),
    ("opusenc", "gstreamer1.0-plugins-base"),
    ("videotestsrc", "gstreamer1.0-plugins-base"),
    ("audiotestsrc", "gstreamer1.0-plugins-base"),
    ("audioconvert", "gstreamer1.0-plugins-base"),
    ("videobalance", "gstreamer1.0-plugins-good"),
    ("videoflip", "gstreamer1.0-plugins-good"),
    ("textoverlay", "gstreamer1.0-plugins-base"),
    ("clockoverlay", "gstreamer1.0-plugins-base"),
];

/// Running pipelines; dropping them stops the media.
pub struct LiveMedia {
    pipelines: Vec<gst::Pipeline>,
    file: Option<VideoFile>,
}

impl LiveMedia {
    pub fn start(config: &LiveMediaConfig, frames: &FrameSender) -> Result<Self, LiveMediaError> {
        gst::init().map_err(|error| LiveMediaError::GStreamer(error.to_string()))?;
        let mut media = LiveMedia { pipelines: Vec::new(), file: None };
        match &config.video {
            LiveVideo::None => {}
            LiveVideo::H264 => media.start_video(CodecId::H264, config, frames)?,
            LiveVideo::H265 => media.start_video(CodecId::H265, config, frames)?,
            LiveVideo::Mjpeg => media.start_video(CodecId::MJPEG, config, frames)?,
            LiveVideo::File(path) => media.file = Some(VideoFile::start(path, config, frames.clone())?),
        }
        media.start_audio(config, frames)?;
        Ok(media)
    }

    fn start_video(
        &mut self,
        codec: CodecId,
        config: &LiveMediaConfig,
        frames: &FrameSender,
    ) -> Result<(), LiveMediaError> {
        let (pipeline, sink) = build(&video_pipeline(codec, config))?;
        let mut picture = LivePicture::new(&pipeline, config);
        picture.show(&frames.picture());
        let frames = frames.clone();
        let clock = WallClock::new(&pipeline);
        on_buffer(&sink, move |sink, sample, buffer| {
            picture.show(&frames.picture());
            if frames.take_media_events().iter().any(wants_key_frame) {
                force_key_frame(sink);
            }
            let is_key = codec == CodecId::MJPEG || !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            let frame = MediaFrame {
                kind: if is_key { MediaChannel::KeyVideo } else { MediaChannel::Video },
                codec,
                flags: u8::from(is_key),
                fps: picture.fps(),
                frame_size: picture.frame_size(sample),
                ..clock.frame(sample, buffer)?
            };
            frames.push_frame(&frame);
            Some(())
        });
        self.play(pipeline)
    }

    fn start_audio(&mut self, config: &LiveMediaConfig, frames: &FrameSender) -> Result<(), LiveMediaError> {
        let Some(codec) = config.audio.codec() else { return Ok(()) };
        let rate = config.audio_rate.unwrap_or(config.audio.usual_rate());
        let flags = AudioFlags::new(rate, false)
            .ok_or_else(|| LiveMediaError::GStreamer(format!("cameras have no audio of {rate} Hz")))?;
        let (pipeline, sink) = build(&audio_pipeline(config.audio, rate))?;
        let frames = frames.clone();
        let fps = config.fps;
        let clock = WallClock::new(&pipeline);
        on_buffer(&sink, move |_, sample, buffer| {
            let frame = MediaFrame { codec, flags: flags.0, fps, ..clock.frame(sample, buffer)? };
            frames.push_frame(&frame);
            Some(())
        });
        self.play(pipeline)
    }

    fn play(&mut self, pipeline: gst::Pipeline) -> Result<(), LiveMediaError> {
        let started = pipeline.set_state(gst::State::Playing);
        self.pipelines.push(pipeline);
        started.map(|_| ()).map_err(|error| LiveMediaError::GStreamer(format!("the pipeline does not start: {error}")))
    }
}

impl Drop for LiveMedia {
    fn drop(&mut self) {
        for pipeline in &self.pipelines {
            // A failure to stop is ignored: nothing else depends on the pipeline.
            let _ = pipeline.set_state(gst::State::Null);
        }
    }
}

/// Returns FRAMEINFO's code for a picture of this height.
pub fn frame_size(height: u32) -> u8 {
    match height {
        ..=480 => 1,
        481..=800 => 2,
        801..=1200 => 0,
        _ => 3,
    }
}

/// Builds a pipeline and returns it with its appsink, which has to be named `sink`. The pipeline's errors are printed
/// to stderr.
pub fn build(description: &str) -> Result<(gst::Pipeline, AppSink), LiveMediaError> {
    for (element, package) in PACKAGES {
        if description.contains(element) && gst::ElementFactory::find(element).is_none() {
            return Err(LiveMediaError::MissingElement { element, package });
        }
    }
    let pipeline = gst::parse::launch(description)
        .ok()
        .and_then(|element| element.downcast::<gst::Pipeline>().ok())
        .ok_or_else(|| LiveMediaError::GStreamer(format!("GStreamer cannot build: {description}")))?;
    let sink = pipeline
        .by_name("sink")
        .and_then(|element| element.downcast::<AppSink>().ok())
        .ok_or_else(|| LiveMediaError::GStreamer("the pipeline has no appsink".into()))?;
    if let Some(bus) = pipeline.bus() {
        bus.set_sync_handler(|_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                eprintln!("wyze-camera: {} ({:?})", error.error(), error.debug());
            }
            gst::BusSyncReply::Pass
        });
    }
    Ok((pipeline, sink))
}

/// Calls `handle` for each buffer. Its `Option` only lets it use `?`: `None` skips the buffer.
fn on_buffer(
    sink: &AppSink,
    mut handle: impl FnMut(&AppSink, &gst::Sample, &gst::BufferRef) -> Option<()> + Send + 'static,
) {
    let on_sample = move |sink: &AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if let Some(buffer) = sample.buffer() {
            handle(sink, &sample, buffer);
        }
        Ok(gst::FlowSuccess::Ok)
    };
    sink.set_callbacks(AppSinkCallbacks::builder().new_sample(on_sample).build());
}

fn video_pipeline(codec: CodecId, config: &LiveMediaConfig) -> String {
    let gop = 2 * u32::from(config.fps);
    let encoder = match codec {
        CodecId::MJPEG => "jpegenc name=encoder quality=70".to_owned(),
        CodecId::H265 => format!(
            "x265enc name=encoder tune=zerolatency speed-preset=ultrafast key-int-max={gop} ! h265parse config-interval=-1 ! \
             video/x-h265,stream-format=byte-stream,alignment=au"
        ),
        _ => format!(
            "x264enc name=encoder tune=zerolatency speed-preset=ultrafast key-int-max={gop} ! h264parse config-interval=-1 ! \
             video/x-h264,stream-format=byte-stream,alignment=au"
        ),
    };
    let picture = live_picture::elements(&config.name);
    format!("{picture} ! {encoder} ! appsink name=sink sync=false")
}

fn audio_pipeline(audio: LiveAudio, rate: u32) -> String {
    let encoder = match audio {
        LiveAudio::None | LiveAudio::Mulaw => "mulawenc",
        LiveAudio::Alaw => "alawenc",
        LiveAudio::Pcm => "identity",
        LiveAudio::Aac => {
            "audioconvert ! avenc_aac bitrate=32000 ! aacparse ! audio/mpeg,mpegversion=4,stream-format=adts"
        }
        LiveAudio::Opus => "opusenc frame-size=20 bitrate=24000",
    };
    // Buffers of 40 ms; the AAC and Opus encoders regroup the samples.
    let samples = rate / 25;
    format!(
        "audiotestsrc is-live=true wave=sine freq=440 volume=0.3 samplesperbuffer={samples} ! \
         audio/x-raw,format=S16LE,rate={rate},channels=1,layout=interleaved ! {encoder} ! appsink name=sink sync=false"
    )
}

/// Turns running times into Unix times, so that capture times have no jitter of arrival.
struct WallClock {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    /// The Unix time at running time zero, once known.
    base: std::cell::OnceCell<Duration>,
}

impl WallClock {
    fn new(pipeline: &gst::Pipeline) -> Self {
        WallClock { pipeline: pipeline.downgrade(), base: std::cell::OnceCell::new() }
    }

    /// Makes an audio frame with the buffer's bytes and time; `None` if the buffer has no time. For video the caller
    /// replaces the other fields.
    fn frame(&self, sample: &gst::Sample, buffer: &gst::BufferRef) -> Option<MediaFrame> {
        let running_time =
            sample.segment()?.downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts()?)?.nseconds();
        let base = match self.base.get() {
            Some(base) => *base,
            None => {
                let since_start = self.pipeline.upgrade()?.current_running_time()?.nseconds();
                let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
                *self.base.get_or_init(|| wall.saturating_sub(Duration::from_nanos(since_start)))
            }
        };
        let time = base + Duration::from_nanos(running_time);
        Some(MediaFrame {
            kind: MediaChannel::Audio,
            codec: CodecId::MULAW,
            flags: 0,
            fps: 0,
            frame_size: 0,
            seconds: time.as_secs() as u32,
            microseconds: time.subsec_micros(),
            data: buffer.map_readable().ok()?.to_vec(),
        })
    }
}

fn wants_key_frame(event: &CameraEvent) -> bool {
    use CameraEvent as E;
    matches!(event, E::VideoParameters { .. } | E::Streaming { video: true, .. } | E::KeyFrameWanted { .. })
}

/// Asks the encoder for a key frame, so that a new client has a picture at once.
fn force_key_frame(sink: &AppSink) {
    let request = gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).build();
    sink.send_event(gst::event::CustomUpstream::new(request));
}
