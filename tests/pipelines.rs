//! Runs the recipes in `pipelines/` as a user does, with simulated cameras, and looks at what comes of them.

#[path = "support/home.rs"]
mod home;
#[path = "support/recipes.rs"]
mod recipes;

use gst_rtsp_server::prelude::*;
use recipes::*;
use std::io::Write;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use wyze_camera::{CameraEvent, LiveAudio, LiveVideo};

/// The recipes, with the arguments that each wants.
const RECIPES: [(&str, &[&str]); 11] = [
    ("view.sh", &["Front Door"]),
    ("listen.sh", &["Front Door"]),
    ("record.sh", &["Front Door", "films"]),
    ("snapshot.sh", &["Front Door", "picture.jpg"]),
    ("talk.sh", &["Front Door", "tone.wav"]),
    ("intercom.sh", &["Front Door"]),
    ("mosaic.sh", &["Front Door", "Garden", "Garage", "Attic"]),
    ("hls.sh", &["Front Door", "web"]),
    ("rtsp-push.sh", &["Front Door", "rtsp://127.0.0.1:8554/front-door"]),
    ("ts-udp.sh", &["Front Door", "127.0.0.1", "5000"]),
    ("mkv.sh", &["Front Door", "film.mkv"]),
];

fn assert_near(value: f64, wanted: f64, tolerance: f64) {
    assert!((value - wanted).abs() <= tolerance, "{value} is not {wanted} ± {tolerance}");
}

/// Asserts that a file has at least so many pictures, and the camera's tone.
fn assert_pictures_and_tone(played: &Played, pictures: usize) {
    assert!(played.picture_count >= pictures, "{} pictures", played.picture_count);
    let last = played.pictures.last().unwrap();
    assert!(last.saturation((0, 0), (last.width, last.height)) > 200);
    assert!(played.seconds() * 20.0 >= pictures as f64 * 0.8, "{} s", played.seconds());
    assert_near(played.pitch(), 440.0, 10.0);
}

#[test]
fn each_recipe_can_be_read_whole_and_stands_alone() {
    let mut names: Vec<String> = files(&at_root("pipelines"))
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name.ends_with(".sh") && name != "demo.sh")
        .collect();
    let mut known: Vec<&str> = RECIPES.iter().map(|(name, _)| *name).collect();
    names.sort();
    known.sort();
    assert_eq!(names, known);
    for name in known {
        let text = std::fs::read_to_string(at_root("pipelines").join(name)).unwrap();
        assert!(text.lines().count() < 40 && text.lines().all(|line| line.chars().count() <= 120), "{name}");
        assert!(text.starts_with("#!/bin/sh\n# ") && text.contains("\nexec gst-launch-1.0 "), "{name}");
        assert!(!text.contains("\n. ") && !text.contains("trap"), "{name}");
        assert!(text.contains(&format!("#   pipelines/{name} ")), "{name} shows how it is used");
    }
}

#[test]
fn shellcheck_finds_nothing() {
    let mut command = Command::new("shellcheck");
    let scripts = files(&at_root("pipelines")).into_iter().filter(|file| file.extension().is_some_and(|e| e == "sh"));
    let output = command.args(scripts).output().expect("shellcheck of tests/setup.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_recipe_without_an_argument_says_what_to_name() {
    let scene = Scene::with([]);
    for (name, arguments) in RECIPES {
        for count in 0..arguments.len() {
            let mut command = scene.recipe(name);
            command.args(&arguments[..count]).current_dir(scene.path(""));
            let (code, text) = scene.run(command);
            assert_eq!(code, Some(2), "{name} with {count} arguments: {text}");
            assert!(text.contains("name ") && text.contains(&format!("as in: {name} ")), "{text}");
        }
    }
}

#[test]
fn a_recipe_prints_the_element_s_error() {
    let scene = Scene::new(LiveAudio::Mulaw);
    for (name, more) in [("listen.sh", None), ("record.sh", Some("films")), ("mkv.sh", Some("film.mkv"))] {
        let mut command = scene.recipe(name);
        command.arg("Attic").args(more.map(|name| scene.path(name)));
        let (code, text) = scene.run(command);
        assert!(code.is_some_and(|code| code != 0), "{name} {code:?}: {text}");
        assert!(text.contains("ERROR") && text.contains("Attic"), "{name}: {text}");
    }
    scene.assert_good_manners();
}

#[test]
fn view_shows_the_picture_and_plays_the_sound() {
    let (scene, display) = (Scene::new(LiveAudio::Pcm), Display::new());
    let mut view = scene.changed("view.sh", &[("exec gst-launch-1.0", "exec gst-launch-1.0 -v")]);
    view.arg("Front Door").env("DISPLAY", &display.name);
    let view = scene.start(view);
    let is_coloured = || display.picture().saturation((0, 0), (320, 180)) > 200;
    wait_until("a picture on the display", is_coloured);
    let is_sound = |line: &str| line.contains("GstFakeAudioSink") && line.contains("caps = audio/x-raw");
    wait_until("sound at the sink", || view.text().lines().any(is_sound));
    view.interrupt();
    // For a camera without sound.
    let silent = Scene::new(LiveAudio::None);
    let sound = "camera.audio ! queue ! decodebin ! audioconvert ! audioresample ! autoaudiosink";
    let mut view = silent.changed("view.sh", &[(sound, "")]);
    view.arg("Front Door").env("DISPLAY", &display.name);
    silent.run_for(view, 20);
    silent.assert_good_manners();
    scene.assert_good_manners();
}

#[test]
fn mosaic_shows_all_four() {
    let scene = Scene::with(
        [LiveAudio::Mulaw, LiveAudio::None, LiveAudio::None, LiveAudio::None]
            .map(|audio| media(LiveVideo::H264, audio)),
    );
    let display = Display::new();
    // What each camera is set to tells whose picture is where: grey for night vision, a white border for the siren.
    for (name, words) in
        [(1, ["night-vision", "on"]), (2, ["siren", "on"]), (3, ["night-vision", "on"]), (3, ["siren", "on"])]
    {
        let mut control = scene.command(env!("CARGO_BIN_EXE_wyze-cameras"));
        control.args(["control", NAMES[name]]).args(words);
        scene.run_well(control);
    }
    let mut mosaic = scene.recipe("mosaic.sh");
    mosaic.args(NAMES).env("DISPLAY", &display.name);
    let mosaic = scene.start(mosaic);
    let shown = || {
        let picture = display.picture();
        [(0, 0), (640, 0), (0, 360), (640, 360)].map(|(x, y)| {
            let is_white = |x, y| picture.pixel(x, y).iter().all(|colour| *colour > 200);
            let has_border = (x + 4..x + 636).step_by(4).all(|x| is_white(x, y + 356));
            (picture.saturation((x + 40, y + 40), (560, 280)) < 60, has_border)
        })
    };
    wait_until("all four pictures", || shown() == [(false, false), (true, false), (false, true), (true, true)]);
    mosaic.interrupt();
    scene.assert_good_manners();
}

#[test]
fn listen_plays_the_sound_alone() {
    let scene = Scene::new(LiveAudio::Alaw);
    let file = scene.path("sound.wav");
    let to_file = format!("wavenc ! filesink location='{}'", file.display());
    for command in [scene.recipe("listen.sh"), scene.changed("listen.sh", &[("autoaudiosink", &to_file)])] {
        let mut command = command;
        command.arg("Front Door");
        let running = scene.start(command);
        let enough = scene.camera().stats().audio_frames + 50;
        wait_until("sound", || scene.camera().stats().audio_frames >= enough);
        running.interrupt();
    }
    let on = scene.camera().take_events().into_iter().filter_map(|event| match event {
        CameraEvent::Streaming { video, audio, .. } => Some((video, audio)),
        _ => None,
    });
    assert_eq!(on.collect::<Vec<_>>(), [(false, true), (false, false), (false, true), (false, false)]);
    let played = play_file(&file);
    assert!(played.seconds() > 1.0);
    assert_near(played.pitch(), 440.0, 10.0);
    scene.assert_good_manners();
}

#[test]
fn record_writes_files_that_follow_each_other() {
    let scene = Scene::new(LiveAudio::Mulaw);
    // Characters that are special to shells, GStreamer's parser and splitmuxsink.
    let folder = scene.path("100% %d \"a\\b' $x");
    let mut command = scene.recipe("record.sh");
    command.arg("Front Door").arg(&folder);
    scene.run_for(command, 60);
    let [file] = &files(&folder)[..] else { panic!("{:?}", files(&folder)) };
    let text = discover(file);
    assert!(text.contains("Quicktime") && text.contains("H.264") && text.contains("MPEG-4 AAC"), "{text}");
    assert_pictures_and_tone(&play_file(file), 50);

    let folder = scene.path("short");
    let mut command = scene.changed("record.sh", &[("=60000000000", "=2000000000")]);
    command.arg("Front Door").arg(&folder);
    scene.run_for(command, 120);
    let films = files(&folder);
    assert!(films.len() >= 3, "{films:?}");
    let pictures: usize = films.iter().map(|file| play_file(file).picture_count).sum();
    assert!(pictures >= 110, "{pictures}");
    scene.assert_good_manners();
}

#[test]
fn record_takes_other_cameras_as_its_comment_says() {
    let sound = "camera.audio ! queue ! decodebin ! audioconvert ! audioresample ! avenc_aac ! queue ! files.audio_0";
    for (video, audio, changes, codec) in [
        (LiveVideo::H265, LiveAudio::Aac, ("h264parse", "h265parse"), "H.265"),
        (LiveVideo::H264, LiveAudio::None, (sound, ""), "H.264"),
    ] {
        let scene = Scene::with([media(video, audio)]);
        let mut command = scene.changed("record.sh", &[changes]);
        let folder = scene.path("films");
        command.arg("Front Door").arg(&folder);
        scene.run_for(command, 60);
        let file = &files(&folder)[0];
        let text = discover(file);
        assert!(text.contains(codec) && text.contains("AAC") == (audio != LiveAudio::None), "{text}");
        assert!(play_file(file).picture_count >= 50);
        scene.assert_good_manners();
    }
}

#[test]
fn record_goes_on_over_reboots_and_ends_while_the_camera_is_away() {
    let scene = Scene::new(LiveAudio::Mulaw);
    let folder = scene.path("films");
    let mut command = scene
        .changed("record.sh", &[("camera=\"$camera\"", "camera=\"$camera\" stall-timeout=700"), ("=60000", "=4000")]);
    command.arg("Front Door").arg(&folder);
    let running = scene.start(command);
    for round in 0..5 {
        scene.await_pictures(20 + 10 * round);
        scene.camera().reboot(Duration::from_millis(200 * round));
    }
    scene.await_pictures(30);
    scene.camera().reboot(Duration::from_secs(60));
    wait_until("the loss of the camera", || scene.camera().stats().clients == 0);
    running.interrupt();
    let pictures: usize = files(&folder).iter().map(|file| play_file(file).picture_count).sum();
    // The camera sent these, and what was on the way when it went.
    assert!(pictures >= 200, "{pictures}");
}

#[test]
fn mkv_keeps_picture_and_sound_as_they_come() {
    for (audio, changes, codec) in [
        (LiveAudio::Mulaw, &[][..], "Mu-Law"),
        (LiveAudio::Aac, &[("camera.audio ! queue !", "camera.audio ! queue ! aacparse !")], "AAC"),
    ] {
        let scene = Scene::new(audio);
        let file = scene.path("film 100%.mkv");
        let mut command = scene.changed("mkv.sh", changes);
        command.arg("Front Door").arg(&file);
        scene.run_for(command, 60);
        let text = discover(&file);
        assert!(text.contains("Matroska") && text.contains("H.264") && text.contains(codec), "{text}");
        assert_pictures_and_tone(&play_file(&file), 50);
        scene.assert_good_manners();
    }
}

#[test]
fn snapshot_writes_a_picture() {
    let scene = Scene::new(LiveAudio::Mulaw);
    let png = scene.changed("snapshot.sh", &[("jpegenc", "pngenc")]);
    for (mut command, name, kind) in
        [(scene.recipe("snapshot.sh"), "a picture %d.jpg", "JPEG"), (png, "picture.png", "PNG")]
    {
        let file = scene.path(name);
        command.arg("Front Door").arg(&file);
        scene.run_well(command);
        let output = Command::new("timeout").args(["60", "gst-discoverer-1.0"]).arg(&file).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(kind), "{text}");
        let picture = &play_file(&file).pictures[0];
        assert!(picture.saturation((0, 0), (picture.width, picture.height)) > 200);
    }
    scene.assert_good_manners();
}

/// Returns the pitch of µ-law at 8000 Hz, in Hz, counted by how often the signal rises through zero.
fn pitch(mulaw: &[u8]) -> f64 {
    // The highest bit is the sign; it is set in values above zero.
    let rises = mulaw.windows(2).filter(|pair| pair[0] & 0x80 == 0 && pair[1] & 0x80 != 0).count();
    rises as f64 * 8000.0 / mulaw.len() as f64
}

#[test]
fn talk_plays_a_file_or_the_microphone() {
    let scene = Scene::new(LiveAudio::Mulaw);
    let file = scene.path("a tone.wav");
    let mut tone = scene.command("gst-launch-1.0");
    tone.args("-q audiotestsrc num-buffers=86 freq=660 ! audio/x-raw,rate=44100,channels=2 ! wavenc".split(' '));
    tone.args(["!", "filesink"]).arg(format!("location={}", file.display()));
    scene.run_well(tone);
    let mut talk = scene.recipe("talk.sh");
    talk.arg("Front Door").arg(&file);
    scene.run_well(talk);
    let heard = scene.camera().take_talk_audio();
    // The file holds 86 buffers of 1024 samples at 44100 Hz, about 2 s.
    assert_near(heard.len() as f64 / 8000.0, 2.0, 0.05);
    assert_near(pitch(&heard), 660.0, 10.0);

    let mut talk = scene.changed("talk.sh", &[("filesrc location=\"$file\" ! decodebin", "autoaudiosrc ! queue")]);
    talk.args(["Front Door", "-"]);
    let running = scene.start(talk);
    wait_until("a second of sound", || scene.camera().talk_audio().len() > 8000);
    running.interrupt();
    assert_near(pitch(&scene.camera().talk_audio()), 440.0, 10.0);
    scene.assert_good_manners();
}

#[test]
fn intercom_plays_and_talks_on_one_session() {
    let (scene, display) = (Scene::new(LiveAudio::Mulaw), Display::new());
    let mut intercom = scene.recipe("intercom.sh");
    intercom.arg("Front Door").env("DISPLAY", &display.name);
    let running = scene.start(intercom);
    wait_until("a second of talk", || scene.camera().talk_audio().len() > 8000);
    wait_until("a picture on the display", || display.picture().saturation((0, 0), (320, 180)) > 200);
    running.interrupt();
    let events = scene.camera().take_events();
    let clients = events.iter().filter(|event| matches!(event, CameraEvent::ClientConnected { .. }));
    assert_eq!(clients.count(), 1);
    scene.assert_good_manners();
}

#[test]
fn hls_is_a_playlist_of_segments() {
    let scene = Scene::new(LiveAudio::Mulaw);
    let folder = scene.path("100% web");
    let mut hls = scene.recipe("hls.sh");
    hls.arg("Front Door").arg(&folder);
    let running = scene.start(hls);
    let playlist = || std::fs::read_to_string(folder.join("live.m3u8")).unwrap_or_default();
    let segments = || playlist().lines().filter(|line| line.ends_with(".ts")).map(str::to_owned).collect::<Vec<_>>();
    wait_until("four segments", || segments().len() >= 4);
    assert!(!playlist().contains("#EXT-X-ENDLIST"), "it is live");
    running.interrupt();
    assert!(playlist().starts_with("#EXTM3U") && playlist().contains("#EXT-X-ENDLIST"), "{}", playlist());
    for (number, segment) in segments().iter().enumerate() {
        let text = discover(&folder.join(segment));
        assert!(text.contains("MPEG-2 Transport Stream") && text.contains("H.264") && text.contains("AAC"), "{text}");
        // A camera may send two key frames at first, and the last segment ends when it is told to.
        if number > 0 && number + 1 < segments().len() {
            assert!(play_file(&folder.join(segment)).picture_count >= 35, "{segment}");
        }
    }
    let text = discover(&folder.join("live.m3u8"));
    assert!(text.contains("HTTP Live Streaming") || text.contains("H.264"), "{text}");
    assert_pictures_and_tone(&play_file(&folder.join("live.m3u8")), 110);
    let asked = |event: &&CameraEvent| matches!(event, CameraEvent::VideoParameters { .. });
    // At the connection, and for no segment.
    assert_eq!(scene.camera().take_events().iter().filter(asked).count(), 1);
    scene.assert_good_manners();
}

/// Ends a main loop when it is dropped.
struct Quit<'a>(&'a gst::glib::MainLoop);

impl Drop for Quit<'_> {
    fn drop(&mut self) {
        self.0.quit();
    }
}

/// Runs an RTSP server that writes what it is sent to a file, and calls `act` with its port.
fn with_rtsp_server(file: &Path, act: impl FnOnce(u16)) {
    gst::init().unwrap();
    let context = gst::glib::MainContext::new();
    let server = gst_rtsp_server::RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service("0");
    let factory = gst_rtsp_server::RTSPMediaFactory::new();
    factory.set_transport_mode(gst_rtsp_server::RTSPTransportMode::RECORD);
    // The client names its streams in the reverse order of its line.
    factory.set_launch(&format!(
        "( rtpmp4adepay name=depay0 ! aacparse ! queue ! film. rtph264depay name=depay1 ! h264parse ! queue ! film. \
         matroskamux name=film ! filesink buffer-mode=unbuffered location=\"{}\" )",
        file.display()
    ));
    server.mount_points().unwrap().add_factory("/front-door", factory);
    let _source = server.attach(Some(&context)).unwrap();
    let main = gst::glib::MainLoop::new(Some(&context), false);
    std::thread::scope(|scope| {
        scope.spawn(|| main.run());
        // A test that fails ends the loop too.
        let _quit = Quit(&main);
        wait_until("the server's port", || server.bound_port() > 0);
        act(server.bound_port() as u16);
    });
}

#[test]
fn rtsp_push_reaches_a_server() {
    let scene = Scene::new(LiveAudio::Alaw);
    let file = scene.path("pushed.mkv");
    with_rtsp_server(&file, |port| {
        let mut push = scene.recipe("rtsp-push.sh");
        push.arg("Front Door").arg(format!("rtsp://127.0.0.1:{port}/front-door"));
        let running = scene.start(push);
        wait_until("a file", || std::fs::metadata(&file).is_ok_and(|file| file.len() > 0));
        scene.await_pictures(80);
        running.press_ctrl_c();
        // rtspclientsink 1.22 may find that the server has hung up already, and call it an error.
        let (_, text) = running.wait();
        let (before, _) = text.split_once("handling interrupt").unwrap();
        assert!(!before.contains("ERROR"), "{text}");
    });
    let text = discover(&file);
    assert!(text.contains("H.264") && text.contains("AAC"), "{text}");
    assert_pictures_and_tone(&play_file(&file), 20);
    scene.assert_good_manners();
}

#[test]
fn ts_udp_is_a_transport_stream_in_datagrams() {
    let scene = Scene::new(LiveAudio::Mulaw);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = scene.recipe("ts-udp.sh");
    command.args(["Front Door", "127.0.0.1", &socket.local_addr().unwrap().port().to_string()]);
    let running = scene.start(command);
    let path = scene.path("received.ts");
    let mut file = std::fs::File::create(&path).unwrap();
    let mut datagram = [0; 2000];
    let begin = scene.camera().stats().video_frames;
    while scene.camera().stats().video_frames < begin + 80 {
        let length = socket.recv(&mut datagram).unwrap();
        assert_eq!(length, 7 * 188);
        file.write_all(&datagram[..length]).unwrap();
    }
    running.interrupt();
    let text = discover(&path);
    assert!(text.contains("MPEG-2 Transport Stream") && text.contains("H.264") && text.contains("AAC"), "{text}");
    assert_pictures_and_tone(&play_file(&path), 50);
    scene.assert_good_manners();
}
