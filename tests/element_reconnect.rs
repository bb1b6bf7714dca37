//! Elements whose camera is lost and comes back.

#[path = "support/connection.rs"]
mod connection;
#[path = "support/element.rs"]
mod support;
#[path = "support/talk.rs"]
mod talk;

use connection::*;
use gst::prelude::*;
use gstwyze::protocol::wire::codec::CodecId;
use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};
use support::*;
use talk::*;
use wyze_camera::{
    CameraConfig, CameraEvent, CameraServer, GoneReason, LinkConfig, MediaSource, ServerOptions, SyntheticConfig,
};

fn cut(camera: &CameraServer, is_cut: bool) {
    let link = LinkConfig { loss: f64::from(u8::from(is_cut)), ..LinkConfig::default() };
    camera.set_links(link, link);
}

fn camera(media: MediaSource) -> TestCamera {
    TestCamera::start(|_| {}, media, ServerOptions::default(), Tolerance::Behaviour)
}

/// Makes a player that notices a loss soon.
fn player(camera: &CameraServer) -> Player {
    let player = Player::new(camera, Link::Both);
    player.src.set_property("stall-timeout", 600u32);
    player
}

/// Makes a camera, and a player that already receives its video.
fn watched() -> (TestCamera, Player) {
    let camera = camera(synthetic());
    let player = player(&camera);
    player.play();
    player.buffers("video", 5);
    (camera, player)
}

#[test]
fn streaming_goes_on_by_itself_after_a_reboot() {
    let camera = camera(synthetic());
    let player = player(&camera);
    player.play();
    let mut messages = Vec::new();
    let mut buffers: Vec<(String, gst::Buffer)> = Vec::new();
    player.until("video and audio", |seen| {
        messages.extend(report_in(seen));
        if let Seen::Buffer(pad, buffer) = seen {
            buffers.push((pad.clone(), buffer.clone()));
        }
        let count = |pad| buffers.iter().filter(|(of, _)| of == pad).count();
        (count("video") >= 10 && count("audio") >= 5).then_some(())
    });
    let before = player.stat("video-frames");
    let address =
        |player: &Player| -> String { player.src.property::<gst::Structure>("camera-info").get("address").unwrap() };
    let old_address = address(&player);
    let downtime = Duration::from_secs(2);
    let back = Instant::now() + downtime;
    camera.reboot(downtime);
    let mut again = 0;
    player.until("video and audio again", |seen| {
        messages.extend(report_in(seen));
        if let Seen::Buffer(pad, buffer) = seen {
            if again == 0 && is_resync(buffer) {
                eprintln!("streaming {:?} after the camera's return", Instant::now().saturating_duration_since(back));
                assert!(Instant::now() < back + Duration::from_secs(3));
            }
            again += usize::from(again > 0 || is_resync(buffer));
            buffers.push((pad.clone(), buffer.clone()));
        }
        (again >= 30).then_some(())
    });
    for pad in ["video", "audio"] {
        let of_pad: Vec<_> = buffers.iter().filter(|(of, _)| of == pad).map(|(_, buffer)| buffer).collect();
        assert!(of_pad.is_sorted_by_key(|buffer| buffer.pts().unwrap()), "{pad}");
        let resyncs: Vec<_> = of_pad.iter().filter(|buffer| is_resync(buffer)).collect();
        assert_eq!(resyncs.len(), 1, "{pad}");
        assert!(is_discont(resyncs[0]) && is_key(resyncs[0]), "{pad}: {resyncs:?}");
        let gap = of_pad.windows(2).map(|pair| pair[1].pts().unwrap() - pair[0].pts().unwrap()).max().unwrap();
        assert!((2.0..6.0).contains(&gap.seconds_f64()), "{pad}: the time stamps' gap is as long as the outage: {gap}");
    }
    // Video and audio are still in step.
    let last = |pad| buffers.iter().rev().find(|(of, _)| of == pad).unwrap().1.pts().unwrap();
    assert!(last("video").absdiff(last("audio")) < gst::ClockTime::from_mseconds(500));

    let states: Vec<_> = messages.iter().map(|report| report.state.as_str()).collect();
    assert_eq!(states[..4], ["connecting", "streaming", "stalled", "reconnecting"], "{messages:?}");
    assert_eq!(*states.last().unwrap(), "streaming");
    assert!(states[4..states.len() - 1].iter().all(|state| *state == "reconnecting"), "{messages:?}");
    assert_eq!((messages[3].stage.as_str(), messages[3].attempt), ("streaming", 1));
    assert!(["silent", "stalled"].contains(&messages[3].reason.as_deref().unwrap()));
    assert_eq!(messages.last().unwrap().attempt, 0);
    assert_eq!(player.stat("reconnects"), 1);
    assert!(player.stat("video-frames") > before, "counters go on");
    assert_ne!(address(&player), old_address, "the camera is at another port");
}

#[test]
fn a_camera_that_says_goodbye_is_found_again_on_the_same_port() {
    let first = camera(synthetic());
    let player = player(&first);
    player.play();
    player.buffers("video", 5);
    let address = first.addr();
    drop(first);
    let report = await_state(&player, "reconnecting");
    assert_eq!((report.attempt, report.reason.as_deref()), (1, Some("closed")));
    let config = CameraConfig::demo().unwrap();
    let _second = CameraServer::start(config, address, synthetic()).unwrap();
    assert!(is_key(&until_again(&player, 5).iter().find(|(pad, _)| pad == "video").unwrap().1));
}

/// Simulates suspend and resume: the client's process is stopped until the camera has given the client up.
#[test]
fn a_suspended_client_streams_again() {
    let impatient = |config: &mut CameraConfig| config.idle_timeout = Duration::from_secs(1);
    let media = MediaSource::Synthetic(SyntheticConfig { frame_len: 10_000, ..small() });
    let camera = TestCamera::start(impatient, media, ServerOptions::default(), Tolerance::Behaviour);
    let settings = settings(&camera);
    let mut line = vec!["wyzesrc", "audio=false", "stall-timeout=600"];
    line.extend(settings.split(' '));
    line.extend(["!", "fdsink", "fd=1"]);
    let mut launch = Launch::new(&line);
    let mut pictures = vec![0; 50_000];
    let mut output = launch.child.stdout.take().unwrap();
    output.read_exact(&mut pictures).unwrap();
    launch.signal("STOP");
    camera.await_event(|event| matches!(event, CameraEvent::ClientGone { reason: GoneReason::Idle, .. }).then_some(()));
    launch.signal("CONT");
    camera.await_event(|event| matches!(event, CameraEvent::Streaming { video: true, .. }).then_some(()));
    // Read more than was sent to it while it was stopped.
    pictures.resize(600_000, 0);
    output.read_exact(&mut pictures).unwrap();
}

#[test]
fn without_reconnection_a_loss_is_an_error_at_once() {
    let camera = camera(synthetic());
    let player = player(&camera);
    player.src.set_property("reconnect-attempts", 0);
    player.play();
    player.buffers("video", 5);
    let lost = Instant::now();
    camera.reboot(Duration::ZERO);
    let (error, _) = player.error();
    assert!(error.matches(gst::ResourceError::Read), "{error}");
    assert!(error.message().contains("0.6 s"), "{error}");
    assert!(lost.elapsed() < Duration::from_secs(2), "{:?}", lost.elapsed());
    player.stop();
    assert!(player.drain().iter().all(|seen| seen.error().is_none()));
    assert_eq!(player.stat("reconnects"), 0);
}

#[test]
fn after_the_last_attempt_there_is_one_error() {
    let camera = camera(synthetic());
    let player = player(&camera);
    player.src.set_property("reconnect-attempts", 2);
    player.src.set_property("connect-timeout", 1000u32);
    player.play();
    player.buffers("video", 5);
    cut(&camera, true);
    let mut attempts = Vec::new();
    let (error, _) = player.until("an error", |seen| {
        attempts.extend(report_in(seen).filter(|report| report.state == "reconnecting").map(|report| report.attempt));
        seen.error()
    });
    assert_eq!(attempts, [1, 2]);
    assert!(error.matches(gst::ResourceError::NotFound) && error.message().contains("discovery"), "{error}");
    player.stop();
    assert!(player.drain().iter().all(|seen| seen.error().is_none()));
}

#[test]
fn a_first_connection_that_fails_is_not_tried_again() {
    let camera = camera(synthetic());
    let player = player(&camera);
    player.src.set_property("connect-timeout", 500u32);
    cut(&camera, true);
    player.play();
    let (error, _) = player.error();
    assert!(error.matches(gst::ResourceError::NotFound), "{error}");
}

#[test]
fn a_refusal_ends_reconnecting_at_once() {
    let (camera, player) = watched();
    camera.configure(|config| config.refuse_answer = true);
    camera.reboot(Duration::ZERO);
    let (error, _) = player.error();
    assert!(error.matches(gst::ResourceError::NotAuthorized), "{error}");
}

#[test]
fn a_link_that_is_cut_stalls_and_recovers() {
    let (camera, player) = watched();
    cut(&camera, true);
    let stalled = await_state(&player, "stalled");
    assert_eq!((stalled.stage.as_str(), stalled.attempt), ("streaming", 0));
    assert_eq!(await_state(&player, "reconnecting").attempt, 1);
    std::thread::sleep(Duration::from_secs(1));
    let back = Instant::now();
    cut(&camera, false);
    // The message may come before the first picture or after it.
    let buffers = until_again(&player, 5);
    eprintln!("streaming {:?} after the link's return", back.elapsed());
    wait_until("streaming", || connection_state(&player.src) == "streaming");
    let first = buffers.iter().find(|(pad, buffer)| pad == "video" && is_discont(buffer)).unwrap();
    assert!(is_key(&first.1) && is_resync(&first.1));
}

#[test]
fn a_camera_that_sends_only_keepalives_is_reconnected_unless_the_timeout_is_0() {
    for timeout in [600u32, 0] {
        let camera = camera(MediaSource::None);
        let player = Player::new(&camera, Link::Both);
        player.src.set_property("stall-timeout", timeout);
        player.connect();
        camera.feed(small(), Duration::from_millis(500), true);
        player.buffers("video", 5);
        if timeout == 0 {
            std::thread::sleep(Duration::from_secs(2));
            assert!(player.drain().iter().filter_map(report_in).all(|report| report.state == "streaming"));
            continue;
        }
        let report = await_state(&player, "stalled");
        assert_eq!(report.reason.as_deref(), Some("stalled"), "keepalives came");
        await_state(&player, "reconnecting");
    }
}

#[test]
fn stopping_does_not_wait_for_the_next_attempt() {
    let camera = camera(synthetic());
    let player = player(&camera);
    player.src.set_property("connect-timeout", 300u32);
    player.play();
    player.buffers("video", 5);
    cut(&camera, true);
    player.until("a long pause", |seen| report_in(seen).filter(|report| report.attempt == 3));
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    player.stop();
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}

#[test]
fn a_return_during_a_long_pause_is_noticed() {
    let camera = camera(synthetic());
    let player = player(&camera);
    player.src.set_property("connect-timeout", 300u32);
    player.play();
    player.buffers("video", 5);
    cut(&camera, true);
    // The fourth pause lasts 4 s or more.
    let pause = player.until("a long pause", |seen| match seen {
        Seen::Message(message) if report(message).is_some_and(|report| report.attempt == 4) => {
            message.structure()?.get::<u64>("delay-ns").ok()
        }
        _ => None,
    });
    assert!(pause >= 4_000_000_000);
    let back = Instant::now();
    cut(&camera, false);
    await_state(&player, "streaming");
    assert!(back.elapsed() < Duration::from_secs(3), "{:?}", back.elapsed());
}

#[test]
fn another_codec_after_the_return_gives_new_caps() {
    let camera = camera(MediaSource::None);
    let player = player(&camera);
    player.connect();
    camera.feed(small(), Duration::from_millis(500), true);
    player.buffers("video", 5);
    camera.reboot(Duration::from_millis(100));
    await_state(&player, "reconnecting");
    player.progress("Connected");
    let other = SyntheticConfig { video: Some(CodecId::H265), audio: Some(CodecId::ALAW), ..small() };
    camera.feed(other, Duration::from_millis(500), true);
    let caps = player.new_caps("video");
    assert_eq!(caps.structure(0).unwrap().name(), "video/x-h265");
    let first = player.buffer("video");
    assert!(is_key(&first) && is_discont(&first) && is_resync(&first), "{first:?}");
    assert_eq!(
        player.src.static_pad("audio").unwrap().current_caps().unwrap().structure(0).unwrap().name(),
        "audio/x-alaw"
    );
}

fn threads_and_files() -> (usize, usize) {
    let tasks = fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        // A thread may end while its name is read.
        fs::read_to_string(task.ok()?.path().join("comm")).ok()
    });
    let threads = tasks.filter(|name| name.starts_with("wyze") && name.trim() != "wyze-camera").count();
    (threads, fs::read_dir("/proc/self/fd").unwrap().count())
}

#[test]
fn twenty_reboots_leave_nothing_behind() {
    let camera = camera(synthetic());
    let player = player(&camera);
    player.src.set_property("stall-timeout", 300u32);
    player.play();
    player.buffers("video", 5);
    let mut baseline = (0, 0);
    for round in 1..=20 {
        camera.reboot(Duration::from_millis(50));
        until_again(&player, 3);
        assert_eq!(player.stat("reconnects"), round);
        match round {
            1 => {}
            2 => baseline = threads_and_files(),
            _ => wait_until("no more threads and files than before", || {
                let now = threads_and_files();
                now.0 <= baseline.0 && now.1 <= baseline.1
            }),
        }
    }
}

const LIVE_TONE: &str = "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1";

/// Replaces the camera by one at the same address, after a goodbye: without that the sink would take 10 s to notice.
fn goodbye_and_return(camera: TestCamera, meanwhile: impl FnOnce()) -> CameraServer {
    let address = camera.addr();
    drop(camera);
    meanwhile();
    let mut config = CameraConfig::demo().unwrap();
    config.talk_delay = Duration::from_millis(5);
    CameraServer::start(config, address, speaking(CodecId::MULAW, 8000)).unwrap()
}

#[test]
fn live_talk_goes_on_when_the_camera_returns() {
    let camera = camera(speaking(CodecId::MULAW, 8000));
    let speaker = Speaker::new(&camera, LIVE_TONE);
    speaker.play();
    speaker.await_state("talking");
    let camera = goodbye_and_return(camera, || {
        speaker.await_state("connecting");
        let (sent, dropped) = (speaker.stat("frames"), speaker.stat("dropped"));
        wait_until("dropped audio", || speaker.stat("dropped") > dropped + 10);
        assert_eq!(speaker.stat("frames"), sent);
    });
    speaker.await_state("talking");
    wait_until("audio at the camera", || camera.talk_audio().len() > 4000);
    let messages: Vec<_> = speaker.bus.iter().collect();
    assert!(messages.iter().all(|message| message.type_() != gst::MessageType::Error));
    let states: Vec<_> = messages.iter().filter_map(report).map(|report| report.state).collect();
    assert_eq!(states[..3], ["connecting", "streaming", "reconnecting"], "{states:?}");
    assert_eq!(states.last().unwrap(), "streaming");
}

#[test]
fn a_file_waits_for_the_camera_and_plays_on() {
    let camera = camera(speaking(CodecId::MULAW, 8000));
    let speaker =
        Speaker::new(&camera, "audiotestsrc num-buffers=80 samplesperbuffer=400 ! audio/x-raw,rate=8000,channels=1");
    speaker.play();
    speaker.await_state("talking");
    wait_until("the beginning", || speaker.stat("frames") > 20);
    let camera = goodbye_and_return(camera, || {
        speaker.await_state("connecting");
        std::thread::sleep(Duration::from_millis(500));
    });
    speaker.end();
    assert_eq!(speaker.stat("dropped"), 0);
    // What waits in the session when the camera leaves, 200 ms at most, is lost with it.
    assert!((80 * 400 - 1600..=80 * 400).contains(&speaker.stat("bytes")), "{}", speaker.stat("bytes"));
    assert!(camera.talk_audio().len() > 80 * 400 / 3, "{}", camera.talk_audio().len());
}

#[test]
fn a_sink_does_not_talk_again_after_its_stream_has_ended() {
    let camera = camera(speaking(CodecId::MULAW, 8000));
    let speaker = Speaker::new(&camera, "audiotestsrc num-buffers=4 ! audio/x-raw,rate=8000,channels=1");
    speaker.play_out();
    let camera = goodbye_and_return(camera, || speaker.await_state("connecting"));
    wait_until("the connection", || camera.stats().clients == 1);
    speaker.await_state("stopped");
    assert!(camera.talks().is_empty());
}

#[test]
fn a_camera_is_waited_for_without_end_where_connecting_has_no_limit() {
    let camera = camera(speaking(CodecId::MULAW, 8000));
    cut(&camera, true);
    let player = player(&camera);
    player.src.set_property("connect-timeout", 0u32);
    player.play();
    let speaker = Speaker::new(&camera, MULAW_IN);
    speaker.sink.set_property("connect-timeout", 0u32);
    speaker.play();
    speaker.push(mulaw(800), Some(Duration::ZERO));
    speaker.push_end();
    assert_eq!(await_state(&player, "connecting").reason, None);
    cut(&camera, false);
    player.buffers("video", 5);
    speaker.end();
}

#[test]
fn attempts_before_the_first_connection_are_told_like_those_after_it() {
    let camera = camera(synthetic());
    let player = player(&camera);
    for (property, value) in [("host", "camera.invalid"), ("interface", "lo")] {
        player.src.set_property(property, value);
    }
    // The limit is for a camera that was lost.
    player.src.set_property("reconnect-attempts", 0);
    player.src.set_property("connect-timeout", 0u32);
    player.play();
    let report = await_state(&player, "reconnecting");
    assert_eq!((report.attempt, report.reason.as_deref()), (1, Some("unknown-host")));
    assert_eq!(report.stage, "discovery");
}
