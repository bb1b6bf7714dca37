//! `wyze-cameras serve`, as a user runs it, against the simulated camera.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/rtsp.rs"]
mod rtsp;
#[path = "support/user.rs"]
mod user;

use gstwyze::protocol::wire::codec::CodecId;
use rtsp::{Client, RawClient, Server, Voice, wait_until};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use user::User;
use wyze_camera::{
    CameraConfig, CameraEvent, CameraServer, LiveAudio, LiveMediaConfig, LiveVideo, MediaSource, SyntheticConfig,
};

/// Closes sessions soon, so that tests need not wait for it.
const SOON: [&str; 3] = ["--all", "--linger", "300"];

fn camera(media: MediaSource) -> CameraServer {
    CameraServer::start(CameraConfig::demo().unwrap(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), media).unwrap()
}

fn synthetic(change: impl FnOnce(&mut SyntheticConfig)) -> MediaSource {
    let mut config = SyntheticConfig { key_frame_len: 6000, frame_len: 1500, gop: 20, ..SyntheticConfig::default() };
    change(&mut config);
    MediaSource::Synthetic(config)
}

/// A user whose store has this camera.
fn owner(camera: &CameraServer) -> User {
    let user = User::new();
    user.add("Front Door", camera.addr().port());
    user
}

fn assert_no_fault(camera: CameraServer) {
    let log = camera.stop();
    assert!(log.is_empty(), "{log}");
}

#[test]
fn picture_and_sound_come_over_tcp_and_udp_by_one_session_that_ends_with_the_last_client() {
    let config = LiveMediaConfig { width: 320, height: 240, fps: 10, ..LiveMediaConfig::default() };
    let (video, audio) = (LiveVideo::H264, LiveAudio::Aac);
    let camera = camera(MediaSource::Live(LiveMediaConfig { video, audio, ..config }));
    let user = owner(&camera);
    let server = Server::start(&user, &SOON, 1);
    assert!(server.url().starts_with("rtsp://127.0.0.1:") && server.url().ends_with("/front-door"), "{}", server.url());
    assert_eq!(camera.stats().clients, 0, "nobody asks for the camera");
    let first = Client::play(server.url(), "tcp");
    first.receives("H264", 5);
    let second = Client::play(server.url(), "udp");
    second.receives("H264", 5);
    for client in [&first, &second] {
        client.receives("MPEG4-GENERIC", 5);
        assert!(client.stream("H264").key_frames > 0);
    }
    assert!(first.stream("H264").began_with_key);
    assert_eq!(camera.stats().clients, 1);
    drop(first);
    second.receives("H264", 5);
    assert_eq!(camera.stats().clients, 1);
    drop(second);
    wait_until("the end of the session", || camera.stats().clients == 0);
    // It is opened again for the next one.
    Client::play(server.url(), "tcp").receives("H264", 1);
    let (status, errors) = server.end(libc::SIGTERM);
    assert!(status.success() && errors.is_empty(), "{status}: {errors}");
    wait_until("the end of the session", || camera.stats().clients == 0);
    assert_no_fault(camera);
}

#[test]
fn clients_that_take_one_medium_only_leave_both_to_others() {
    for path in ["/stream=0", "/stream=1"] {
        let camera = camera(synthetic(|_| {}));
        let user = owner(&camera);
        let server = Server::start(&user, &SOON, 1);
        let mut clients = [(); 2].map(|()| RawClient::connect(server.url()));
        let sessions = clients.each_mut().map(|client| client.set_up_media(&[path], ""));
        for (client, session) in clients.iter_mut().zip(&sessions) {
            client.begin(session);
            (0..10).for_each(|_| drop(client.packet()));
        }
        let both = Client::play(server.url(), "tcp");
        ["H264", "PCMU"].iter().for_each(|encoding| both.receives(encoding, 5));
        clients.iter_mut().for_each(|client| (0..10).for_each(|_| drop(client.packet())));
        assert_eq!(camera.stats().clients, 1, "{path}");
        let (status, errors) = server.end(libc::SIGTERM);
        assert!(status.success() && errors.is_empty(), "{status}: {errors}");
    }
}

#[test]
fn clients_that_begin_at_once_by_tcp_and_udp_get_both_media() {
    const BOTH: [&str; 2] = ["/stream=0", "/stream=1"];
    let camera = camera(synthetic(|_| {}));
    let user = owner(&camera);
    // Each server has a medium that nobody plays yet.
    for _ in 0..10 {
        let server = Server::start(&user, &SOON, 1);
        let (mut tcp, mut udp) = (RawClient::connect(server.url()), RawClient::connect(server.url()));
        let by_tcp = tcp.set_up_media(&BOTH, "");
        let (by_udp, _) = udp.set_up_over_udp(&BOTH);
        std::thread::scope(|scope| {
            scope.spawn(|| udp.begin(&by_udp));
            tcp.begin(&by_tcp);
        });
        let mut counts = [0; 4];
        while counts[0] < 5 || counts[2] < 5 {
            counts[usize::from(tcp.packet().0)] += 1;
            assert!(counts[0] < 500 && counts[2] < 500, "one medium only: {counts:?}");
        }
        // GStreamer's tee may warn on standard error: its new branch races with the first events of the stream.
        assert!(server.end(libc::SIGTERM).0.success());
    }
}

#[test]
fn reports_of_clients_by_tcp_and_by_udp_go_together() {
    /// A receiver report about no stream: RTCP of RFC 3550, section 6.4.2.
    const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 7];
    let camera = camera(synthetic(|_| {}));
    let user = owner(&camera);
    let server = Server::start(&user, &SOON, 1);
    let (mut tcp, mut udp) = (RawClient::connect(server.url()), RawClient::connect(server.url()));
    tcp.play();
    let (session, reports) = udp.set_up_over_udp(&["/stream=0"]);
    udp.begin(&session);
    for _ in 0..5 {
        tcp.send_packet(1, &REPORT);
        // Nothing tells that a report was taken. Answers take long enough.
        (0..10).for_each(|_| drop(tcp.ask("OPTIONS", "", "")));
        reports.send(&REPORT).unwrap();
        (0..10).for_each(|_| drop(udp.ask("OPTIONS", "", "")));
    }
    let (status, errors) = server.end(libc::SIGTERM);
    assert!(status.success() && errors.is_empty(), "{status}: {errors}");
    drop((tcp, udp));
    assert_no_fault(camera);
}

#[test]
fn other_codecs_are_passed_on() {
    for (video, audio, rate, encodings) in [
        (CodecId::H265, CodecId::MULAW, 8_000, ["H265", "PCMU"]),
        (CodecId::H264, CodecId::PCM, 16_000, ["H264", "L16"]),
        (CodecId::H264, CodecId::ALAW, 8_000, ["H264", "PCMA"]),
        (CodecId::H264, CodecId::OPUS, 16_000, ["H264", "OPUS"]),
        // RTP has no A-law of this rate.
        (CodecId::H264, CodecId::ALAW, 16_000, ["H264", "MPEG4-GENERIC"]),
    ] {
        let camera = camera(synthetic(|config| {
            (config.video, config.audio, config.audio_rate) = (Some(video), Some(audio), rate);
        }));
        let user = owner(&camera);
        let server = Server::start(&user, &SOON, 1);
        let transport = if video == CodecId::H265 { "udp" } else { "tcp" };
        let client = Client::play(server.url(), transport);
        encodings.iter().for_each(|encoding| client.receives(encoding, 5));
        assert_eq!(client.encodings().len(), 2, "{:?}", client.encodings());
    }
}

#[test]
fn a_camera_without_sound_is_served_and_sound_that_comes_later_is_there_for_later_clients() {
    let camera = camera(synthetic(|config| config.audio = None));
    let user = owner(&camera);
    let server = Server::start(&user, &SOON, 1);
    let client = Client::play(server.url(), "tcp");
    client.receives("H264", 5);
    assert_eq!(client.encodings(), ["H264"]);
    camera.change_synthetic(|config| config.audio = Some(CodecId::MULAW));
    let mut later = Client::play(server.url(), "tcp");
    wait_until("sound", || {
        later.receives("H264", 1);
        let has_sound = later.encodings().len() == 2;
        if !has_sound {
            later = Client::play(server.url(), "tcp");
        }
        has_sound
    });
    later.receives("PCMU", 5);
    client.receives("H264", 5);
    assert_eq!(camera.stats().clients, 1);
}

#[test]
fn a_client_stays_connected_while_the_camera_restarts() {
    let camera = camera(synthetic(|_| {}));
    let user = owner(&camera);
    let server = Server::start(&user, &SOON, 1);
    let (tcp, udp) = (Client::play(server.url(), "tcp"), Client::play(server.url(), "udp"));
    tcp.receives("H264", 5);
    udp.receives("H264", 5);
    let before = tcp.stream("H264").last_pts;
    camera.reboot(Duration::from_millis(500));
    wait_until("the restart", || camera.stats().clients == 0);
    wait_until("the session after it", || camera.stats().streaming == 1);
    for client in [&tcp, &udp] {
        client.receives("H264", 20);
        client.receives("PCMU", 20);
        assert_eq!(client.trouble(), None);
    }
    assert!(tcp.stream("H264").last_pts > before);
}

#[test]
fn clients_that_follow_each_other_begin_with_a_key_frame_and_keep_the_session() {
    // By itself, the camera sends one each 50 s.
    let camera = camera(synthetic(|config| config.gop = 1000));
    let user = owner(&camera);
    let server = Server::start(&user, &["--all", "--linger", "5000"], 1);
    let mut client = Client::play(server.url(), "tcp");
    client.receives("H264", 5);
    camera.take_events();
    for _ in 0..4 {
        // The next one comes while the one before goes.
        let next = Client::play(server.url(), "tcp");
        drop(client);
        wait_until("a key frame", || next.stream("H264").key_frames > 0);
        client = next;
    }
    drop(client);
    let late = Client::play(server.url(), "udp");
    wait_until("a key frame", || late.stream("H264").key_frames > 0);
    late.receives("H264", 5);
    let events = camera.take_events();
    let gone = events.iter().filter(|event| matches!(event, CameraEvent::ClientGone { .. })).count();
    assert_eq!((gone, camera.stats().clients), (0, 1), "{events:?}");
}

#[test]
fn a_client_that_does_not_read_hurts_nobody() {
    let camera = camera(synthetic(|config| config.frame_len = 30_000));
    let user = owner(&camera);
    let server = Server::start(&user, &SOON, 1);
    let client = Client::play(server.url(), "tcp");
    client.receives("H264", 5);
    let mut stalled = RawClient::connect(server.url());
    stalled.play();
    // 50 pictures are more than its socket and the server's take.
    client.receives("H264", 150);
    client.receives("PCMU", 5);
    drop(stalled);
    client.receives("H264", 5);
}

#[test]
fn a_second_client_gets_a_key_frame_soon() {
    // By itself, the camera sends one each 50 s.
    let camera = camera(synthetic(|config| config.gop = 1000));
    let user = owner(&camera);
    let server = Server::start(&user, &SOON, 1);
    let first = Client::play(server.url(), "tcp");
    first.receives("H264", 60);
    assert!(first.stream("H264").began_with_key);
    let second = Client::play(server.url(), "tcp");
    wait_until("a key frame", || second.stream("H264").key_frames > 0);
}

#[test]
fn a_client_talks_through_the_camera_while_others_watch() {
    let camera = camera(synthetic(|_| {}));
    let user = owner(&camera);
    let server = Server::start(&user, &SOON, 1);
    let watcher = Client::play(server.url(), "tcp");
    watcher.receives("H264", 5);
    let source = rtsp::source(server.url());
    let voice = Voice::new(&source);
    let talker = Client::with(source);
    talker.receives("H264", 5);
    wait_until("half a second of talk", || camera.talks().first().is_some_and(|talk| talk.bytes > 4000));
    assert_eq!(camera.talks()[0].codec, Some(CodecId::MULAW));
    assert_eq!(camera.stats().clients, 1, "talk has no session of its own");
    drop(voice);
    wait_until("the end of the talk", || camera.talks()[0].end.is_some());
    for client in [&watcher, &talker] {
        client.receives("H264", 5);
        client.receives("PCMU", 5);
    }
    drop((watcher, talker));
    wait_until("the end of the session", || camera.stats().clients == 0);
    assert_no_fault(camera);
}

#[test]
fn a_camera_that_cannot_be_talked_to_is_served_all_the_same() {
    let camera = camera(synthetic(|_| {}));
    camera.configure(|config| config.two_way_audio = false);
    let user = owner(&camera);
    let server = Server::start(&user, &SOON, 1);
    let source = rtsp::source(server.url());
    let _voice = Voice::new(&source);
    let talker = Client::with(source);
    talker.receives("H264", 60);
    talker.receives("PCMU", 5);
    assert!(camera.talks().is_empty());
    let (_, errors) = server.end(libc::SIGTERM);
    assert!(errors.contains("Front Door: talking: "), "{errors}");
}

#[test]
fn addresses_are_unique_and_only_those_that_are_asked_for_are_there() {
    let camera = camera(synthetic(|_| {}));
    let user = owner(&camera);
    user.store()
        .update(|cameras| -> Result<(), gstwyze::account::StoreError> {
            let first = cameras[0].clone();
            for (name, uid) in [("front door", "ABCDEFGHJKLMNPQRSTU2"), ("Küche", "ABCDEFGHJKLMNPQRSTU3")] {
                cameras.push(gstwyze::account::Camera { name: name.into(), uid: uid.into(), ..first.clone() });
            }
            cameras.push(gstwyze::account::Camera { name: "OG".into(), model: "HL_PAN4".into(), ..first });
            Ok(())
        })
        .unwrap();
    let server = Server::start(&user, &["--all"], 3);
    let paths: Vec<&str> = server.urls.iter().map(|url| url.rsplit('/').next().unwrap()).collect();
    assert_eq!(paths, ["front-door", "front-door-2", "kueche"]);
    let (status, errors) = server.end(libc::SIGINT);
    assert!(status.success(), "{status}");
    assert!(errors.contains("not served: OG: speaks Agora"), "{errors}");
    let server = Server::start(&user, &["Küche"], 1);
    assert!(server.url().ends_with("/kueche"), "{}", server.url());
    let elsewhere = server.url().replace("kueche", "front-door");
    assert!(Client::play(&elsewhere, "tcp").ends().contains("Not found"));
}

#[test]
fn wrong_usage_is_told() {
    let user = User::new();
    user.run(&["serve"], "").fails(2, &["--all"]);
    user.run(&["serve", "--all"], "").fails(3, &["no camera is stored"]);
    user.add("Front Door", 1);
    user.run(&["serve", "Back Door"], "").fails(3, &["Back Door"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    user.run(&["serve", "--all", "--listen", &address], "").fails(1, &["cannot listen on 127.0.0.1:", "in use"]);
}
