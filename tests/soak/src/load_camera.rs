//! A simulated camera with a real picture and sound, for programs that record and serve it.

use crate::Error;
use gst::prelude::*;
use gstwyze::account::Camera;
use gstwyze::protocol::credentials::Credentials;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wyze_camera::{
    CameraConfig, CameraServer, Envelope, LinkConfig, LiveAudio, LiveMediaConfig, LiveVideo, MediaSource, ServerOptions,
};

const AUDIO: [LiveAudio; 4] = [LiveAudio::Aac, LiveAudio::Mulaw, LiveAudio::Opus, LiveAudio::Alaw];
const FPS: u8 = 20;

pub struct LoadCamera {
    pub name: String,
    pub server: CameraServer,
    entry: Camera,
    link: LinkConfig,
    /// When the present or last outage ends.
    pub back_at: Instant,
}

impl LoadCamera {
    /// Cameras with different numbers differ in envelope, codecs and resends.
    pub fn new(number: usize, films: &Films, seed: u64) -> Result<Self, Error> {
        let (uid, enr, mac) = (format!("LOAD{number:016}"), format!("load-enr-{number:016}"), format!("{number:012}"));
        let mut config = CameraConfig::new(Credentials::new(&uid, &enr, &mac)?);
        config.envelope = if number.is_multiple_of(2) { Envelope::Transcode } else { Envelope::Cc51 };
        if number.is_multiple_of(4) {
            config.model = "HL_BC".into();
            config = config.with_resends();
        }
        let model = config.model.clone();
        let file = if number % 4 == 3 { &films.h265 } else { &films.h264 };
        let media = LiveMediaConfig {
            video: LiveVideo::File(file.clone()),
            width: 320,
            height: 180,
            fps: FPS,
            audio: AUDIO[number % AUDIO.len()],
            ..LiveMediaConfig::default()
        };
        let options = ServerOptions { seed, ..ServerOptions::default() };
        let server = CameraServer::start_with(config, "127.0.0.1:0".parse()?, MediaSource::Live(media), options)?;
        let name = format!("Camera {number}");
        let entry = Camera {
            name: name.clone(),
            uid: uid.into(),
            enr: enr.into(),
            mac: mac.into(),
            model,
            host: Some("127.0.0.1".into()),
            port: Some(server.addr().port()),
            updated: Camera::now(),
            ..Camera::default()
        };
        Ok(LoadCamera { name, server, entry, link: LinkConfig::default(), back_at: Instant::now() })
    }

    /// What the store has of it.
    pub fn entry(&self) -> Camera {
        self.entry.clone()
    }

    pub fn set_link(&mut self, link: LinkConfig) {
        self.link = link;
        self.server.set_links(link, link);
    }

    pub fn reboot(&mut self, downtime: Duration) {
        self.back_at = Instant::now() + downtime;
        self.server.reboot(downtime);
    }

    /// Since when the camera can be reached; `None` while it cannot.
    pub fn reachable_since(&self) -> Option<Instant> {
        (self.back_at <= Instant::now()).then_some(self.back_at)
    }
}

/// Films that cameras send in a loop, encoded once, so that the cameras themselves cost little.
pub struct Films {
    h264: PathBuf,
    h265: PathBuf,
}

impl Films {
    pub fn make(folder: &Path) -> Result<Self, Error> {
        let films = Films { h264: folder.join("film.h264"), h265: folder.join("film.h265") };
        encode(
            "x264enc bitrate=500 key-int-max=20 bframes=0 tune=zerolatency sliced-threads=false",
            "h264",
            &films.h264,
        )?;
        encode("x265enc bitrate=500 key-int-max=20 tune=zerolatency speed-preset=ultrafast", "h265", &films.h265)?;
        Ok(films)
    }
}

/// Writes 8 s of a moving picture, with a key frame each second.
fn encode(encoder: &str, codec: &str, file: &Path) -> Result<(), Error> {
    let line = format!(
        "videotestsrc num-buffers={} pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate={FPS}/1 ! \
         {encoder} ! {codec}parse config-interval=-1 ! video/x-{codec},stream-format=byte-stream,alignment=au ! \
         filesink name=file",
        8 * u32::from(FPS)
    );
    let pipeline = gst::parse::launch(&line)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    pipeline.by_name("file").ok_or("no sink")?.set_property("location", file);
    pipeline.set_state(gst::State::Playing)?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().and_then(|bus| bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends));
    pipeline.set_state(gst::State::Null)?;
    match end.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => Err(error.error().into()),
        _ => Err("the film is not encoded within a minute".into()),
    }
}
