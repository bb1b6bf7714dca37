//! Records an hour of a camera's frames to an MP4 file, in virtual time.

#[path = "support/days.rs"]
mod days;
#[path = "support/mp4.rs"]
mod mp4;

use days::{Arrival, Change, Days, Form, HOUR, MS, S};
use gst::prelude::*;
use gstwyze::protocol::wire::codec::CodecId;
use gstwyze::wyzesrc::timeline::Timeline;
use std::path::Path;
use std::time::Duration;
use wyze_camera::{MediaFrame, Synthetic, SyntheticConfig};

/// Returns a key frame, another video frame and an audio frame that parsers accept. All frames of the recording are
/// copies of these.
fn samples() -> [gst::Buffer; 3] {
    let config = SyntheticConfig {
        audio: Some(CodecId::AAC_WYZE),
        audio_rate: 16_000,
        key_frame_len: 200,
        frame_len: 100,
        ..SyntheticConfig::default()
    };
    let mut media = Synthetic::new(config);
    let frames: Vec<MediaFrame> = (0..4).map(|_| media.next_frame().unwrap().1).collect();
    let first = |fits: fn(&MediaFrame) -> bool| {
        gst::Buffer::from_slice(frames.iter().find(|frame| fits(frame)).unwrap().data.clone())
    };
    [
        first(|frame| !frame.is_audio() && frame.flags == 1),
        first(|frame| !frame.is_audio() && frame.flags == 0),
        first(MediaFrame::is_audio),
    ]
}

/// Writes the frames to an MP4 file, stamped as `wyzesrc` would stamp them.
fn record(frames: &[Arrival], file: &Path) {
    gst::init().unwrap();
    let line = "mp4mux name=mux ! filesink name=file \
        appsrc name=video format=time max-bytes=0 \
            caps=video/x-h264,stream-format=byte-stream,alignment=au,width=128,height=96 ! h264parse ! mux. \
        appsrc name=audio format=time max-bytes=0 \
            caps=audio/mpeg,mpegversion=4,stream-format=adts,rate=16000,channels=1 ! aacparse ! mux.";
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", file.to_str().unwrap());
    let sources = ["audio", "video"].map(|name| pipeline.by_name(name).unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    let [key, picture, sound] = samples();
    let mut timeline = Timeline::new();
    for frame in frames {
        if frame.after_gap {
            timeline.lost(frame.medium());
        }
        let arrival = Duration::from_micros(3_000_000 + frame.arrival as u64);
        let stamp = timeline.stamp(frame.medium(), frame.seconds, frame.microseconds, arrival);
        let sample = match (frame.is_video, frame.is_key) {
            (false, _) => &sound,
            (true, true) => &key,
            (true, false) => &picture,
        };
        let mut buffer = sample.copy();
        let buffer_mut = buffer.make_mut();
        buffer_mut.set_pts(gst::ClockTime::try_from(stamp.pts).unwrap());
        if frame.is_video && !frame.is_key {
            buffer_mut.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        let source = &sources[usize::from(frame.is_video)];
        assert_eq!(source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]), gst::FlowReturn::Ok);
    }
    for source in &sources {
        assert_eq!(source.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]), gst::FlowReturn::Ok);
    }
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
}

#[test]
fn an_hour_of_recording_lasts_an_hour() {
    const MINUTE: i64 = 60 * S;
    let folder = tempfile::tempdir().unwrap();
    let drift = |ppm| (0, Change::Drift(ppm));
    let dusk = [(20 * MINUTE, Change::Rate(15)), (40 * MINUTE, Change::Rate(20))];
    let set = [(30 * MINUTE, Change::Set(HOUR)), (45 * MINUTE, Change::Set(-HOUR))];
    for (name, changes) in
        [("fast", [&[drift(200)], &dusk[..]].concat()), ("slow and set", [&[drift(-200)], &dusk[..], &set].concat())]
    {
        let mut days = Days::new(Form::Whole, 1_700_000_000, HOUR, changes);
        days.sound = 64 * MS;
        let frames: Vec<Arrival> = days.collect();
        let file = folder.path().join(format!("{name}.mp4"));
        record(&frames, &file);
        let film = mp4::read(&file);

        // The duration may be wrong by the 40 ms that the first key frame travels, and by the last frame's length.
        let error = film.duration.nseconds() as i64 / 1_000 - HOUR;
        eprintln!("{name}: {error} us more than an hour");
        assert!(error.abs() < 100 * MS, "{name}: {}", film.duration);
        for (track, is_video) in [(&film.video, true), (&film.audio, false)] {
            let sent: Vec<_> = frames.iter().filter(|frame| frame.is_video == is_video).collect();
            assert_eq!(track.stored.len(), sent.len(), "{name}");
            for (stored, frame) in track.stored.iter().zip(sent) {
                let error = stored.nseconds() as i64 / 1_000 - frame.captured;
                assert!(error.abs() < 60 * MS, "{name}: {frame:?} is at {stored}");
            }
        }
    }
}
