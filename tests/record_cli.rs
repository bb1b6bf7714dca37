//! `wyze-cameras record`: when files begin and end, what goes into them, and what becomes of them. Pictures and sound
//! are synthetic.

#[path = "support/recording.rs"]
mod recording;

use gst::ClockTime;
use recording::*;
use std::time::Duration;
use wyze_camera::{MediaSource, SyntheticConfig};

fn scene(config: SyntheticConfig) -> Scene {
    Scene::new(MediaSource::Synthetic(config))
}

fn seconds(time: ClockTime) -> f64 {
    time.nseconds() as f64 / 1e9
}

#[test]
fn sound_that_stops_becomes_silence_and_the_picture_goes_on() {
    let scene = Scene::new(MediaSource::None);
    let feeder = Feeder::start(&scene, synthetic(), Mute::default());
    let recording = Recording::start(&[scene.url()], &[]);
    recording.await_events("started", 1);
    scene.await_pictures(20);
    feeder.mute(Mute { audio: true, ..Mute::default() });
    recording.await_state("sound", "silent");
    scene.await_pictures(40);
    feeder.mute(Mute::default());
    recording.await_state("sound", "filled");
    scene.await_pictures(20);
    let ended = recording.terminate();
    let [file] = &ended.finished()[..] else { panic!("{:?}", ended.finished()) };
    let film = Film::read(file);
    let (video, audio) = (film.video.unwrap(), film.audio.unwrap());
    assert!(video.longest_gap() < ClockTime::from_mseconds(200), "{:?}", video.longest_gap());
    assert!(audio.longest_gap() < ClockTime::from_mseconds(200), "{:?}", audio.longest_gap());
    assert!(seconds(video.last()) > 6.0);
    assert!((seconds(video.last()) - seconds(audio.last())).abs() < 1.0, "{:?} {:?}", video.last(), audio.last());
}

#[test]
fn sound_that_begins_late_gets_a_file_with_sound() {
    let scene = Scene::new(MediaSource::None);
    let feeder = Feeder::start(&scene, synthetic(), Mute { audio: true, ..Mute::default() });
    let recording = Recording::start(&[scene.url()], &[]);
    recording.await_events("started", 1);
    scene.await_pictures(40);
    feeder.mute(Mute::default());
    recording.await_events("started", 2);
    scene.await_pictures(40);
    let ended = recording.terminate();
    let [before, after] = &ended.finished()[..] else { panic!("{:?}", ended.finished()) };
    let (before, after) = (Film::read(before), Film::read(after));
    assert!(before.audio.is_none() && before.video.is_some());
    assert!(seconds(before.video.unwrap().last()) > 1.5);
    let (video, audio) = (after.video.unwrap(), after.audio.unwrap());
    assert!(seconds(video.last()) > 1.5);
    assert!((seconds(video.last()) - seconds(audio.last())).abs() < 0.6, "{:?} {:?}", video.last(), audio.last());
}

#[test]
fn a_picture_that_comes_after_the_sound_has_sound_from_the_first_file_on() {
    let scene = Scene::new(MediaSource::None);
    let feeder = Feeder::start(&scene, synthetic(), Mute { video: true, ..Mute::default() });
    let recording = Recording::start(&[scene.url()], &[]);
    // 40 ms each: longer than sound counts as being there, and shorter than the picture is waited for.
    wait_until("sound", || scene.camera.stats().audio_frames > 100);
    feeder.mute(Mute::default());
    recording.await_events("started", 1);
    scene.await_pictures(20);
    let ended = recording.terminate();
    let [file] = &ended.finished()[..] else { panic!("{:?}", ended.finished()) };
    let film = Film::read(file);
    assert!(film.video.unwrap().times.len() >= 20);
    assert!(film.audio.unwrap().times.len() >= 10);
}

#[test]
fn sound_goes_on_alone_while_the_picture_is_away() {
    let scene = Scene::new(MediaSource::None);
    let feeder = Feeder::start(&scene, synthetic(), Mute::default());
    let recording = Recording::start(&[scene.url()], &[]);
    recording.await_events("started", 1);
    scene.await_pictures(20);
    feeder.mute(Mute { video: true, ..Mute::default() });
    recording.await_events("started", 2);
    let heard = scene.camera.stats().audio_frames;
    wait_until("sound", || scene.camera.stats().audio_frames > heard + 25);
    feeder.mute(Mute::default());
    recording.await_events("started", 3);
    scene.await_pictures(20);
    let ended = recording.terminate();
    let films: Vec<Film> = ended.finished().iter().map(|file| Film::read(file)).collect();
    assert_eq!(films.len(), 3);
    assert!(films[1].video.is_none());
    for film in &films {
        let audio = film.audio.as_ref().unwrap();
        assert!(audio.longest_gap() < ClockTime::from_mseconds(200), "{:?}", audio.longest_gap());
        assert!(seconds(audio.last()) > 0.8, "{:?}", audio.last());
    }
    assert!(films[2].video.as_ref().unwrap().times.len() > 15);
}

#[test]
fn another_size_begins_a_new_file() {
    let scene = scene(synthetic());
    let recording = Recording::start(&[scene.url()], &[]);
    recording.await_events("started", 1);
    for (count, frame_size) in [(2, 1), (3, 0)] {
        scene.await_pictures(25);
        scene.camera.change_synthetic(|media| media.frame_size = frame_size);
        recording.await_events("started", count);
    }
    scene.await_pictures(25);
    let ended = recording.terminate();
    let films: Vec<Film> = ended.finished().iter().map(|file| Film::read(file)).collect();
    let widths: Vec<i32> = films.iter().map(|film| film.video.as_ref().unwrap().number("width")).collect();
    assert_eq!(widths, [128, 64, 128]);
    for film in &films {
        let video = film.video.as_ref().unwrap();
        assert!(video.longest_gap() < ClockTime::from_mseconds(200), "{:?}", video.longest_gap());
        assert!(film.audio.is_some());
    }
}

#[test]
fn files_follow_each_other_on_the_wall_clock() {
    let scene = scene(synthetic());
    let recording = Recording::start(&[scene.url()], &["--segment", "2s", "--name", "%s"]);
    let started = recording.await_events("started", 4);
    let before = scene.pictures();
    scene.await_pictures(10);
    let ended = recording.terminate();
    assert_eq!(ended.events("finished").len(), started.len().max(ended.events("started").len()));
    let files = ended.finished();
    let begins: Vec<u64> =
        files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().parse().unwrap()).collect();
    // A file begins with the first key frame of its 2 s, and they come each half second.
    assert!(begins.windows(2).all(|pair| pair[1] / 2 == pair[0] / 2 + 1), "{begins:?}");
    assert!(begins[1..].iter().all(|begin| begin % 2 == 0), "{begins:?}");
    let mut pictures = 0;
    for (file, event) in files.iter().zip(ended.events("finished")) {
        let film = Film::read(file);
        let video = film.video.unwrap();
        assert!(video.longest_gap() < ClockTime::from_mseconds(200));
        assert_eq!(video.first(), ClockTime::ZERO);
        assert!(seconds(film.audio.unwrap().last()) > seconds(video.last()) - 0.5);
        assert!(event["pictures"].as_u64().unwrap() > 0);
        pictures += video.times.len() as u64;
    }
    assert!(pictures >= before, "{pictures} of {before}");
}

#[test]
fn only_the_oldest_of_its_own_files_are_deleted() {
    let scene = scene(SyntheticConfig { audio: None, ..synthetic() });
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let foreign = folder.path().join("0-foreign.mp4");
    std::fs::write(&foreign, vec![0; 500_000]).unwrap();
    let options = ["--segment", "1s", "--name", "{camera}/%s", "--keep-size", "100K"];
    let recording = Recording::start_in(folder, &[scene.url()], &options);
    recording.await_events("deleted", 2);
    let ended = recording.terminate();
    assert!(foreign.exists());
    let (deleted, finished) = (ended.events("deleted"), ended.finished());
    for (event, oldest) in deleted.iter().zip(&finished) {
        assert_eq!(event["file"].as_str().unwrap(), oldest.to_str().unwrap());
    }
    let left: Vec<_> = files(ended.folder.path()).into_iter().filter(|file| *file != foreign).collect();
    assert_eq!(left, finished[deleted.len()..]);
    let size: u64 = left.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!((30_000..=100_000).contains(&size), "{size}");
}

#[test]
fn a_killed_process_loses_the_last_second_at_most() {
    let scene = scene(synthetic());
    for round in 0..4 {
        let before = scene.pictures();
        let recording = Recording::start(&[scene.url()], &["--segment", "2s", "--name", "%s"]);
        recording.await_events("started", 1);
        scene.await_pictures(20 + round * 13);
        let sent = (scene.pictures() - before) as usize;
        recording.signal("KILL");
        let ended = recording.end();
        assert_eq!(ended.code, None);
        let films: Vec<_> = files(ended.folder.path()).iter().map(|file| Film::try_read(file)).collect();
        assert_eq!(films.len(), ended.events("started").len());
        // A file that has just begun is not there yet.
        let started = films.len();
        let films: Vec<Film> = films.into_iter().flatten().collect();
        assert!(films.len() + 1 >= started, "{films:?}");
        // Files that are announced lack nothing.
        for (event, film) in ended.events("finished").iter().zip(&films) {
            assert_eq!(event["pictures"], film.video.as_ref().unwrap().times.len());
        }
        let there: usize = films.iter().map(|film| film.video.as_ref().map_or(0, |video| video.times.len())).sum();
        // There are 20 pictures a second.
        assert!(there + 20 >= sent, "{there} of {sent} in round {round}");
    }
}

#[test]
fn the_last_file_is_announced_however_often_it_is_asked_to_end() {
    let scene = scene(synthetic());
    let recording = Recording::start(&[scene.url()], &[]);
    recording.await_events("started", 1);
    scene.await_pictures(30);
    recording.signal("INT");
    recording.signal("TERM");
    recording.signal("INT");
    let ended = recording.end();
    assert_eq!(ended.code, Some(0));
    let [file] = &ended.finished()[..] else { panic!("{:?}", ended.events) };
    assert!(Film::read(file).video.unwrap().times.len() >= 30);
    assert_eq!(ended.events.last().unwrap()["event"], "ended");
    let text = format!("{:?}", ended.events);
    assert!(!text.contains(wyze_camera::DEMO_ENR) && !text.contains(wyze_camera::DEMO_MAC), "{text}");
}

#[test]
fn an_outage_is_a_hole_in_one_file() {
    let scene = scene(synthetic());
    let recording = Recording::start(&[scene.url()], &[]);
    recording.await_events("started", 1);
    scene.await_pictures(20);
    scene.camera.reboot(Duration::from_secs(1));
    recording.await_state("connection", "reconnecting");
    wait_until("a new client", || scene.camera.stats().clients > 0);
    scene.await_pictures(30);
    let ended = recording.terminate();
    let [file] = &ended.finished()[..] else { panic!("{:?}", ended.events) };
    let film = Film::read(file);
    let (video, audio) = (film.video.unwrap(), film.audio.unwrap());
    assert!(video.times.len() >= 45, "{}", video.times.len());
    assert!(video.longest_gap() > ClockTime::from_mseconds(900), "{:?}", video.longest_gap());
    assert!(audio.longest_gap() < ClockTime::from_mseconds(200), "{:?}", audio.longest_gap());
}

#[test]
fn nothing_recorded_is_an_error() {
    let scene = scene(synthetic());
    let nobody = scene.url().replace(&scene.camera.addr().to_string(), "127.0.0.1:1");
    let recording = Recording::start(&[nobody], &["--duration", "1s"]);
    let ended = recording.end();
    assert_eq!((ended.code, ended.finished().len()), (Some(1), 0));
    assert!(files(ended.folder.path()).is_empty());

    let recording = Recording::start(&[scene.url()], &["--min-free", "999T"]);
    recording.await_events("error", 1);
    scene.await_pictures(20);
    recording.signal("TERM");
    let ended = recording.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.events("error")[0]["text"].as_str().unwrap().contains("--min-free"));
    assert!(files(ended.folder.path()).is_empty());
}
