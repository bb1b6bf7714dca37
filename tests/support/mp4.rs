//! Reads MP4 files: the time stamps in them, and those that come out of a decoder.

#![allow(dead_code, reason = "each test binary uses its own part")]

use gst::ClockTime;
use gst::prelude::*;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The presentation times of one track's frames, in the file and after the decoder.
#[derive(Debug, Default)]
pub struct Track {
    pub stored: Vec<ClockTime>,
    pub decoded: Vec<ClockTime>,
}

#[derive(Debug)]
pub struct Film {
    pub duration: ClockTime,
    pub video: Track,
    pub audio: Track,
}

type Times = Arc<Mutex<Vec<ClockTime>>>;

fn times(pipeline: &gst::Pipeline, element: &str) -> Times {
    let times = Times::default();
    let pad = pipeline.by_name(element).unwrap().static_pad("sink").unwrap();
    let seen = times.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        seen.lock().unwrap().extend(info.buffer().and_then(|buffer| buffer.pts()));
        gst::PadProbeReturn::Ok
    });
    times
}

/// Plays a whole file with H.264 and AAC. Any error in it fails the test.
pub fn play(file: &Path) -> Film {
    run(file, "avdec_h264", "avdec_aac")
}

/// Like [`play`] without decoding: for synthetic pictures and sound, which no decoder takes.
pub fn read(file: &Path) -> Film {
    run(file, "identity", "identity")
}

fn run(file: &Path, video_decoder: &str, audio_decoder: &str) -> Film {
    gst::init().unwrap();
    let line = format!(
        "filesrc name=file ! qtdemux name=demux \
         demux.video_0 ! queue ! identity name=video ! h264parse ! {video_decoder} ! fakesink sync=false name=video-decoded \
         demux.audio_0 ! queue ! identity name=audio ! aacparse ! {audio_decoder} ! fakesink sync=false name=audio-decoded"
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", file.to_str().unwrap());
    let seen = ["video", "video-decoded", "audio", "audio-decoded"].map(|name| times(&pipeline, name));
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(ClockTime::from_seconds(60), &ends);
    match end.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => {}
        other => panic!("{}: {other:?}", file.display()),
    }
    let duration = pipeline.query_duration().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    let [video, decoded_video, audio, decoded_audio] = seen.map(|times| std::mem::take(&mut *times.lock().unwrap()));
    Film {
        duration,
        video: Track { stored: video, decoded: decoded_video },
        audio: Track { stored: audio, decoded: decoded_audio },
    }
}
