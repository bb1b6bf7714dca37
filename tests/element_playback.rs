//! Playback by URI: players find the element, learn of its streams, and video and audio come out decoded.

#[path = "support/element.rs"]
mod support;

use gst::MessageView;
use gst::prelude::*;
use std::sync::mpsc::{self, Sender};
use std::time::Instant;
use support::*;
use wyze_camera::{LiveAudio, LiveVideo, MediaSource, ServerOptions};

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

/// A camera whose acknowledgements may be late: this is about other things.
fn camera(media: MediaSource) -> TestCamera {
    TestCamera::start(|_| {}, media, ServerOptions::default(), Tolerance::Behaviour)
}

/// Makes a playbin3 for a camera, with sinks that only count.
fn playbin(camera: &TestCamera) -> gst::Pipeline {
    init();
    let playbin = gst::ElementFactory::make("playbin3").property("uri", uri(camera)).build().unwrap();
    for (property, factory) in [("video-sink", "fakevideosink"), ("audio-sink", "fakeaudiosink")] {
        playbin.set_property(property, gst::ElementFactory::make(factory).build().unwrap());
    }
    playbin.downcast().unwrap()
}

/// Waits for the streams that a player has chosen, and returns their types.
fn selected(player: &gst::Pipeline) -> Vec<gst::StreamType> {
    let patience = gst::ClockTime::from_seconds(PATIENCE.as_secs());
    let kinds = [gst::MessageType::StreamsSelected, gst::MessageType::Error];
    let message = player.bus().unwrap().timed_pop_filtered(patience, &kinds).expect("streams");
    let MessageView::StreamsSelected(selected) = message.view() else { panic!("{message:?}") };
    let mut types: Vec<_> = selected.streams().map(|stream| stream.stream_type()).collect();
    types.sort_by_key(|kind| kind.bits());
    types
}

/// Waits until a player has shown something.
fn await_playing(player: &gst::Pipeline) {
    let patience = gst::ClockTime::from_seconds(PATIENCE.as_secs());
    let kinds = [gst::MessageType::AsyncDone, gst::MessageType::Error];
    let message = player.bus().unwrap().timed_pop_filtered(patience, &kinds).expect("a picture");
    assert_eq!(message.type_(), gst::MessageType::AsyncDone, "{message:?}");
}

#[test]
fn playbin3_shows_picture_and_sound_and_what_they_are() {
    let camera = camera(live(LiveVideo::H264, LiveAudio::Mulaw));
    let player = playbin(&camera);
    player.set_state(gst::State::Playing).unwrap();
    assert_eq!(selected(&player), [gst::StreamType::AUDIO, gst::StreamType::VIDEO]);
    await_playing(&player);
    player.set_state(gst::State::Null).unwrap();
}

#[test]
fn two_cameras_without_sound_play_side_by_side() {
    let cameras = [camera(live(LiveVideo::H264, LiveAudio::None)), camera(live(LiveVideo::H265, LiveAudio::None))];
    let players = cameras.each_ref().map(playbin);
    for player in &players {
        player.set_state(gst::State::Playing).unwrap();
    }
    for player in &players {
        assert_eq!(selected(player), [gst::StreamType::VIDEO]);
        await_playing(player);
    }
    for player in &players {
        player.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn uridecodebin3_gives_the_same_pads_each_time() {
    let camera = camera(live(LiveVideo::H264, LiveAudio::Mulaw));
    init();
    for round in 0..50 {
        let decoder = gst::ElementFactory::make("uridecodebin3").property("uri", uri(&camera)).build().unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add(&decoder).unwrap();
        let (sender, buffers) = mpsc::channel();
        let weak = pipeline.downgrade();
        decoder.connect_pad_added(move |_, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            sink(&pipeline, pad);
            let (sender, name) = (sender.clone(), pad.name());
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                let _ = sender.send(name.to_string());
                gst::PadProbeReturn::Remove
            });
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        let mut pads: Vec<_> = (0..2).map(|_| buffers.recv_timeout(PATIENCE).expect("a pad with data")).collect();
        pads.sort();
        assert_eq!(pads, ["audio_0", "video_0"], "round {round}");
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
