//! `wyze-cameras record`: what is in the files, for each codec and format. Pictures and sound are real ones.

#[path = "support/recording.rs"]
mod recording;

use gst::ClockTime;
use recording::*;
use wyze_camera::{LiveAudio, LiveVideo};

#[test]
fn h264_and_aac_are_kept_in_a_plain_mp4() {
    let scene = Scene::new(live(LiveVideo::H264, LiveAudio::Aac));
    let recording = Recording::start(&[scene.url()], &["--duration", "4s"]);
    let ended = recording.end();
    assert_eq!(ended.code, Some(0));
    let [file] = &ended.finished()[..] else { panic!("{:?}", ended.events) };
    let film = Film::read(file);
    let (video, audio) = (film.video.unwrap(), film.audio.unwrap());
    assert_eq!((video.number("width"), audio.number("rate")), (320, 16_000));
    assert_eq!(audio.caps.structure(0).unwrap().name(), "audio/mpeg");
    // The time of capture stands in the file, to the second.
    let event = ended.events("finished")[0];
    let begin = event["begin"].as_str().unwrap();
    assert_eq!(film.begin.unwrap()[..19], begin[..19]);
    let film = Film::play(file);
    assert!(film.video.unwrap().times.len() >= 40);
    assert!(film.audio.unwrap().longest_gap() < ClockTime::from_mseconds(200));
}

#[test]
fn two_cameras_are_recorded_at_once() {
    let with_sound = Scene::new(live(LiveVideo::H264, LiveAudio::Mulaw));
    let without = Scene::with_uid("WYZERECORDERTEST222A", live(LiveVideo::H264, LiveAudio::None));
    let options = ["--duration", "4s", "--name", "%s"];
    let ended = Recording::start(&[with_sound.url(), without.url()], &options).end();
    assert_eq!(ended.code, Some(0));
    let mut films: Vec<Film> = ended.finished().iter().map(|file| Film::play(file)).collect();
    assert_eq!(films.len(), 2);
    films.sort_by_key(|film| film.audio.is_some());
    let [silent, full] = &films[..] else { panic!() };
    assert!(silent.audio.is_none() && silent.video.as_ref().unwrap().times.len() >= 40);
    assert!(full.video.as_ref().unwrap().times.len() >= 40);
    // Each piece is a frame of AAC.
    assert!(full.audio.as_ref().unwrap().times.len() >= 30);
}

#[test]
fn other_codecs_go_to_mp4_and_matroska() {
    run_all(&[
        (LiveVideo::H265, LiveAudio::Alaw, "mp4", false, "mp4", "audio/mpeg"),
        (LiveVideo::Mjpeg, LiveAudio::Pcm, "mp4", false, "mov", "audio/mpeg"),
        (LiveVideo::H264, LiveAudio::Opus, "mkv", true, "mkv", "audio/x-opus"),
        (LiveVideo::H264, LiveAudio::Mulaw, "mkv", true, "mkv", "audio/x-mulaw"),
    ]);
}

#[test]
fn transport_streams_hold_both_codecs() {
    run_all(&[
        (LiveVideo::H264, LiveAudio::Aac, "ts", false, "ts", "audio/mpeg"),
        (LiveVideo::H265, LiveAudio::Opus, "ts", false, "ts", "audio/mpeg"),
    ]);
}

/// Picture and sound of the camera, format, whether sound is copied; ending of the file and codec of the sound in it.
type Run = (LiveVideo, LiveAudio, &'static str, bool, &'static str, &'static str);

fn run_all(runs: &[Run]) {
    for &(ref video, audio, format, copy, ending, sound) in runs {
        let scene = Scene::new(live(video.clone(), audio));
        let mut options = vec!["--duration", "3s", "--format", format];
        options.extend(copy.then_some("--copy-audio"));
        let ended = Recording::start(&[scene.url()], &options).end();
        let what = format!("{video:?} {audio:?} {format}");
        assert_eq!(ended.code, Some(0), "{what}");
        // An encoder that heeds the client's wish for a bit rate may write other parameter sets from then on.
        let files = ended.finished();
        let file = files.last().unwrap();
        assert_eq!(file.extension().unwrap(), ending, "{what}");
        let film = Film::read(file);
        assert_eq!(film.audio.unwrap().caps.structure(0).unwrap().name(), sound, "{what}");
        let film = Film::play(file);
        assert!(film.video.as_ref().unwrap().times.len() >= 25, "{what}: {film:?}");
        assert!(film.audio.as_ref().unwrap().times.len() >= 15, "{what}: {film:?}");
    }
}
