//! Playback by URI: players find the element, and video and audio come out decoded.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use std::sync::mpsc::{self, Sender};
use std::time::Instant;
use support::*;
use wyze_camera::{LiveAudio, LiveVideo};

const WANTED: usize = 5;

/// Reports the caps of each buffer that a pad sees.
fn report(pad: &gst::Pad, sender: &Sender<gst::Caps>) {
    let sender = sender.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
        if let Some(caps) = pad.current_caps() {
            // Sending fails after the test has ended, which does no harm.
            let _ = sender.send(caps);
        }
        gst::PadProbeReturn::Ok
    });
}

fn sync_sink() -> gst::Element {
    gst::ElementFactory::make("fakesink").property("sync", true).build().unwrap()
}

/// Plays until enough decoded video and audio has come.
fn play(pipeline: &gst::Element, caps: &mpsc::Receiver<gst::Caps>) {
    pipeline.set_state(gst::State::Playing).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let (mut pictures, mut sounds) = (0, 0);
    while pictures < WANTED || sounds < WANTED {
        let left = deadline.saturating_duration_since(Instant::now());
        let caps =
            caps.recv_timeout(left).unwrap_or_else(|_| panic!("only {pictures} video and {sounds} audio buffers"));
        let structure = caps.structure(0).unwrap();
        match structure.name().as_str() {
            "video/x-raw" => {
                assert_eq!((structure.get("width"), structure.get("height")), (Ok(320), Ok(240)));
                pictures += 1;
            }
            "audio/x-raw" => sounds += 1,
            other => panic!("{other} is not decoded media"),
        }
    }
    let errors = pipeline.bus().map(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(matches!(errors, Some(None)), "{errors:?}");
}

fn play_with_playbin(factory: &str, audio: LiveAudio) {
    let camera = TestCamera::new(live(LiveVideo::H264, audio));
    let (sender, caps) = mpsc::channel();
    let [video, sound] = [sync_sink(), sync_sink()];
    for sink in [&video, &sound] {
        report(&sink.static_pad("sink").unwrap(), &sender);
    }
    let playbin = gst::ElementFactory::make(factory)
        .property("uri", uri(&camera))
        .property("video-sink", &video)
        .property("audio-sink", &sound)
        .build()
        .unwrap();
    play(&playbin, &caps);
}

fn play_with_decodebin(factory: &str, audio: LiveAudio) {
    let camera = TestCamera::new(live(LiveVideo::H264, audio));
    let pipeline = gst::Pipeline::new();
    let bin = gst::ElementFactory::make(factory).property("uri", uri(&camera)).build().unwrap();
    pipeline.add(&bin).unwrap();
    let (sender, caps) = mpsc::channel();
    let (weak, sender) = (pipeline.downgrade(), std::sync::Mutex::new(sender));
    bin.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let sink = sync_sink();
        pipeline.add(&sink).unwrap();
        sink.sync_state_with_parent().unwrap();
        let sink_pad = sink.static_pad("sink").unwrap();
        report(&sink_pad, &sender.lock().unwrap());
        pad.link(&sink_pad).unwrap();
    });
    play(pipeline.upcast_ref(), &caps);
}

#[test]
fn playbin_plays_video_and_audio() {
    play_with_playbin("playbin", LiveAudio::Mulaw);
}

#[test]
fn playbin3_plays_video_and_audio() {
    play_with_playbin("playbin3", LiveAudio::Aac);
}

#[test]
fn uridecodebin_plays_video_and_audio() {
    play_with_decodebin("uridecodebin", LiveAudio::Aac);
}

#[test]
fn uridecodebin3_plays_video_and_audio() {
    play_with_decodebin("uridecodebin3", LiveAudio::Mulaw);
}
