//! Talk through `wyzesink`: what goes into the sink arrives at the camera.

#[path = "support/element.rs"]
mod support;
#[path = "support/talk.rs"]
mod talk;

use gst::prelude::*;
use gstwyze::protocol::wire::codec::CodecId;
use std::time::{Duration, Instant};
use support::*;
use talk::*;
use wyze_camera::{CameraConfig, CameraEvent, ServerOptions, TalkEnd};

#[test]
fn mulaw_arrives_byte_for_byte() {
    let camera = eager();
    let speaker = Speaker::new(&camera, MULAW_IN);
    // Neither the whole nor any buffer is a whole number of frames.
    let sound = mulaw(8000 + 77);
    let mut at = Duration::ZERO;
    for part in sound.chunks(777) {
        speaker.push(part.to_vec(), Some(at));
        at += Duration::from_micros(part.len() as u64 * 125);
    }
    speaker.push_end();
    speaker.play_out();
    let talks = ended_talks(&camera);
    assert_eq!(talks.len(), 1);
    assert!(talks[0].audio == sound);
    assert_eq!((talks[0].codec, talks[0].end), (Some(CodecId::MULAW), Some(TalkEnd::SwitchedOff)));
    let lengths: Vec<_> = talks[0].numbered_frames().map(|(_, frame)| frame.len()).collect();
    assert!(lengths[..50].iter().all(|&length| length == 160), "{lengths:?}");
    assert_eq!(lengths[50], 77);
    assert_eq!((speaker.stat("frames"), speaker.stat("bytes"), speaker.stat("dropped")), (51, 8077, 0));
}

#[test]
fn audio_without_time_stamps_is_paced_and_complete() {
    let camera = eager();
    let speaker = Speaker::new(&camera, MULAW_IN);
    let sound = mulaw(16_000);
    // All of it comes at once, in one buffer.
    speaker.push(sound.clone(), None);
    speaker.push_end();
    let start = Instant::now();
    speaker.play_out();
    assert!(start.elapsed() > Duration::from_millis(1900), "{:?}", start.elapsed());
    assert!(ended_talks(&camera)[0].audio == sound);
}

/// Plays a second of 440 Hz to a camera with this codec, and returns what the camera heard, decoded.
fn heard_tone(codec: CodecId, rate: u32, decoder: &str) -> Vec<i16> {
    let camera = TestCamera::with_config(|c| c.talk_delay = Duration::from_millis(5), speaking(codec, rate));
    let line =
        "audiotestsrc freq=440 num-buffers=44 samplesperbuffer=1024 ! audio/x-raw,format=F32LE,rate=44100,channels=2";
    let speaker = Speaker::new(&camera, line);
    speaker.play_out();
    let stats = speaker.stats();
    assert_eq!(stats.get::<u32>("rate"), Ok(rate), "{stats}");
    let talks = ended_talks(&camera);
    assert_eq!(talks[0].codec, Some(codec));
    let line = format!(
        "appsrc name=in format=time ! {decoder} ! audioconvert ! audio/x-raw,format=S16LE,rate={rate},channels=1 ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let (src, out) = (pipeline.by_name("in").unwrap(), pipeline.by_name("out").unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    for (_, frame) in talks[0].numbered_frames() {
        src.emit_by_name::<gst::FlowReturn>("push-buffer", &[&gst::Buffer::from_mut_slice(frame.to_vec())])
            .into_result()
            .unwrap();
    }
    src.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]).into_result().unwrap();
    let mut samples = Vec::new();
    while let Some(sample) = out.emit_by_name::<Option<gst::Sample>>("pull-sample", &[]) {
        let bytes = bytes(&sample.buffer_owned().unwrap());
        samples.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    samples
}

#[test]
fn a_tone_arrives_in_each_codec() {
    init();
    let header = [16_000_u32, 1, 4, 1, u32::MAX, 320, 0, 1].map(u32::to_le_bytes).concat();
    let header: String = header.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{:0<56}0100000050000000", "537065657820202031");
    let speex = format!(
        "audio/x-speex,rate=16000,channels=1,streamheader=(buffer)<{name}{header}{},0000000000000000> ! speexdec",
        "00".repeat(12)
    );
    for (codec, rate, decoder) in [
        (CodecId::MULAW, 8000, "audio/x-mulaw,rate=8000,channels=1 ! mulawdec"),
        (CodecId::ALAW, 8000, "audio/x-alaw,rate=8000,channels=1 ! alawdec"),
        (CodecId::PCM, 16_000, "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved"),
        (CodecId::AAC_WYZE, 16_000, "aacparse ! avdec_aac"),
        (CodecId::OPUS, 16_000, "opusparse ! opusdec ! audioresample"),
        (CodecId::SPEEX, 16_000, &speex),
        (CodecId::MP3, 16_000, "mpegaudioparse ! avdec_mp3"),
        (CodecId::G726, 8000, "audio/x-adpcm,layout=g726,rate=8000,channels=1,bitrate=32000 ! avdec_g726"),
    ] {
        let samples = heard_tone(codec, rate, decoder);
        let seconds = samples.len() as f64 / f64::from(rate);
        assert!((0.95..1.25).contains(&seconds), "{codec}: {seconds} s");
        // Leave out the beginning and the end, where codecs fade in and out.
        let middle = &samples[samples.len() / 8..samples.len() * 7 / 8];
        let share = share_of(440.0, rate, middle);
        assert!(share > 0.9, "{codec}: {share}");
        assert!(share_of(660.0, rate, middle) < 0.01);
    }
}

#[test]
fn a_sink_alone_receives_audio_only_for_a_moment() {
    let camera = eager();
    let speaker = Speaker::new(&camera, "audiotestsrc num-buffers=20");
    speaker.play_out();
    speaker.stop();
    let events = camera.take_events();
    let streaming: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            CameraEvent::Streaming { video, audio, .. } => Some((*video, *audio)),
            _ => None,
        })
        .collect();
    assert_eq!(streaming[0], (false, false), "{streaming:?}");
    assert!(streaming.iter().all(|(video, _)| !video), "{streaming:?}");
    assert_eq!(streaming.last(), Some(&(false, false)), "{streaming:?}");
    wait_until("the end of the session", || camera.stats().clients == 0);
}

#[test]
fn a_paused_sink_sends_nothing_and_loses_nothing() {
    let camera = eager();
    let speaker = Speaker::new(&camera, MULAW_IN);
    let sound = mulaw(16_000);
    for (i, part) in sound.chunks(160).enumerate() {
        speaker.push(part.to_vec(), Some(Duration::from_millis(20 * i as u64)));
    }
    speaker.push_end();
    speaker.play();
    wait_until("some audio", || camera.talk_audio().len() > 4000);
    speaker.set(gst::State::Paused);
    std::thread::sleep(Duration::from_millis(300));
    let heard = camera.talk_audio().len();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(camera.talk_audio().len(), heard);
    assert!(camera.talks()[0].end.is_none(), "the camera goes on listening");
    speaker.play_out();
    let talks = ended_talks(&camera);
    assert_eq!(talks.len(), 1);
    assert!(talks[0].audio == sound);
}

#[test]
fn a_flush_drops_queued_audio_and_talk_goes_on() {
    let camera = eager();
    let speaker = Speaker::new(&camera, MULAW_IN);
    speaker.push(vec![1; 80_000], None);
    speaker.play();
    wait_until("some audio", || camera.talk_audio().len() > 1600);
    let start = Instant::now();
    assert!(speaker.app_src().send_event(gst::event::FlushStart::new()));
    assert!(speaker.app_src().send_event(gst::event::FlushStop::builder(true).build()));
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    let sound = mulaw(1600);
    speaker.push(sound.clone(), None);
    speaker.push_end();
    speaker.end();
    let talks = ended_talks(&camera);
    assert_eq!(talks.len(), 1);
    let heard = &talks[0].audio;
    assert!(heard.ends_with(&sound), "{}", heard.len());
    assert!(heard.len() < 16_000, "{} bytes were heard", heard.len());
}

#[test]
fn a_stream_can_begin_again_after_its_end() {
    let camera = eager();
    let speaker = Speaker::new(&camera, "audiotestsrc samplesperbuffer=441");
    speaker.set(gst::State::Paused);
    speaker.await_state("talking");
    for _ in 0..2 {
        let (start, stop) = (gst::ClockTime::ZERO, gst::ClockTime::from_mseconds(200));
        let set = gst::SeekType::Set;
        speaker.pipeline.seek(1.0, gst::SeekFlags::FLUSH, set, start, set, stop).unwrap();
        speaker.play_out();
    }
    let ends: Vec<_> = ended_talks(&camera).iter().map(|talk| talk.end).collect();
    assert_eq!(ends, [Some(TalkEnd::SwitchedOff); 2]);
    assert_eq!(camera.take_events().iter().filter(|e| matches!(e, CameraEvent::ClientConnected { .. })).count(), 1);
}

#[test]
fn a_live_stream_is_not_blocked_and_sends_no_old_audio() {
    let camera = TestCamera::with_config(|c| c.talk_delay = Duration::from_secs(1), speaking(CodecId::MULAW, 8000));
    let speaker = Speaker::new(&camera, "audiotestsrc is-live=true samplesperbuffer=441 ! identity name=seen");
    let start = Instant::now();
    speaker.play();
    assert_eq!(speaker.pipeline.state(gst::ClockTime::from_seconds(1)).1, gst::State::Playing);
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    speaker.await_state("talking");
    let opened = Instant::now();
    assert!(speaker.stat("dropped") > 50, "{}", speaker.stats());
    wait_until("a second of audio", || camera.talk_audio().len() >= 8000);
    // It arrives no faster than it is made, except for a frame that was begun before.
    assert!(opened.elapsed() > Duration::from_millis(850), "{:?}", opened.elapsed());
    speaker.pipeline.send_event(gst::event::Eos::new());
    speaker.end();
}

#[test]
fn a_file_is_complete_beside_a_live_source_in_the_same_pipeline() {
    let camera = TestCamera::with_config(|c| c.talk_delay = Duration::from_millis(500), speaking(CodecId::MULAW, 8000));
    let properties = settings(&camera);
    let speaker = Speaker::launch(&format!(
        "wyzesrc name=camera {properties} camera.video ! fakesink name=picture {MULAW_IN} ! wyzesink name=talk {properties}"
    ));
    let sound = mulaw(8000);
    for (i, part) in sound.chunks(160).enumerate() {
        speaker.push(part.to_vec(), Some(Duration::from_millis(20 * i as u64)));
    }
    speaker.push_end();
    speaker.play();
    speaker.await_state("stopped");
    assert!(ended_talks(&camera)[0].audio == sound);
}

#[test]
fn a_sink_stops_at_once_at_any_stage() {
    let change = |config: &mut CameraConfig| {
        config.talk_delay = Duration::from_millis(150);
        // A client that stops during the DTLS handshake cannot say goodbye, so the camera has to time it out.
        config.idle_timeout = Duration::from_millis(500);
    };
    let media = speaking(CodecId::MULAW, 8000);
    let camera = TestCamera::start(change, media, ServerOptions::default(), Tolerance::Behaviour);
    for milliseconds in [0, 5, 20, 50, 100, 150, 200, 250, 300, 400, 600] {
        for live in [false, true] {
            let speaker = Speaker::new(&camera, &format!("audiotestsrc is-live={live}"));
            speaker.play();
            std::thread::sleep(Duration::from_millis(milliseconds));
            speaker.stop();
        }
        wait_until("the end of the session", || camera.stats().clients == 0);
    }
}

#[test]
fn the_sink_is_found_by_uri_and_never_by_rank() {
    init();
    let uri = format!(
        "wyze://10.0.0.1?uid={0}&enr={1}&mac={2}&subtype=hd",
        wyze_camera::DEMO_UID,
        wyze_camera::DEMO_ENR,
        wyze_camera::DEMO_MAC
    );
    let sink = gst::Element::make_from_uri(gst::URIType::Sink, &uri, None).unwrap();
    assert_eq!(sink.factory().unwrap().name(), "wyzesink");
    assert_eq!(sink.property::<String>("host"), "10.0.0.1");
    let source = gst::Element::make_from_uri(gst::URIType::Src, &uri, None).unwrap();
    assert_eq!(source.factory().unwrap().name(), "wyzesrc");
    assert_eq!(sink.factory().unwrap().rank(), gst::Rank::NONE);
    assert_eq!(sink.metadata("klass"), Some("Sink/Network/Audio"));
}
