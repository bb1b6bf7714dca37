//! Pictures and sound that GStreamer encodes, as a camera's.

#![allow(dead_code, reason = "each test binary uses its own part")]

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::media::MediaChannel;
use std::time::SystemTime;
use wyze_camera::{CameraServer, FrameSender, MediaFrame};

/// Makes a frame that is captured now.
pub fn frame(codec: CodecId, is_audio: bool, is_key: bool, data: &[u8]) -> MediaFrame {
    let time = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    MediaFrame {
        kind: match (is_audio, is_key) {
            (true, _) => MediaChannel::Audio,
            (false, true) => MediaChannel::KeyVideo,
            (false, false) => MediaChannel::Video,
        },
        codec,
        flags: if is_audio { AudioFlags::new(16_000, false).unwrap().0 } else { u8::from(is_key) },
        fps: 10,
        frame_size: 1,
        seconds: time.as_secs() as u32,
        microseconds: time.subsec_micros(),
        data: data.to_vec(),
    }
}

/// An encoder that feeds a camera for as long as it lives.
pub struct Encoder(gst::Pipeline);

impl Encoder {
    /// Runs a launch line from a live source to an encoder.
    pub fn feed(camera: &CameraServer, codec: CodecId, line: &str) -> Self {
        gst::init().unwrap();
        let (pipeline, sink) = launch(line);
        let (sender, is_audio): (FrameSender, _) = (camera.frame_sender(), line.contains("audiotestsrc"));
        let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let buffer = sample.buffer().unwrap();
            let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            sender.push_frame(&frame(codec, is_audio, is_key, &buffer.map_readable().unwrap()));
            Ok(gst::FlowSuccess::Ok)
        });
        sink.set_callbacks(callbacks.build());
        pipeline.set_state(gst::State::Playing).unwrap();
        Encoder(pipeline)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// Encodes so many pictures of H.264 at this size, the first one as a key frame.
pub fn h264(width: u32, height: u32, count: u32) -> Vec<Vec<u8>> {
    gst::init().unwrap();
    let (pipeline, sink) = launch(&format!(
        "videotestsrc num-buffers={count} pattern=ball ! video/x-raw,format=I420,width={width},height={height},framerate=10/1 ! \
         x264enc tune=zerolatency speed-preset=ultrafast ! h264parse config-interval=-1 ! \
         video/x-h264,stream-format=byte-stream,alignment=au"
    ));
    pipeline.set_state(gst::State::Playing).unwrap();
    let pictures = std::iter::from_fn(|| sink.pull_sample().ok());
    let pictures = pictures.map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec()).collect();
    pipeline.set_state(gst::State::Null).unwrap();
    pictures
}

fn launch(line: &str) -> (gst::Pipeline, AppSink) {
    let pipeline = gst::parse::launch(&format!("{line} ! appsink name=sink sync=false")).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("sink").unwrap().downcast().unwrap();
    (pipeline, sink)
}
