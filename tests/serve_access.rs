//! Who may watch what `wyze-cameras serve` serves, and what it tells programs of itself.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/rtsp.rs"]
mod rtsp;
#[path = "support/user.rs"]
mod user;

use gst::prelude::*;
use rtsp::{Client, RawClient, Server, command, wait_until};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixDatagram;
use user::User;
use wyze_camera::{CameraConfig, CameraServer, MediaSource, SyntheticConfig};

const PASSWORD: &str = "correct horse";

fn camera() -> CameraServer {
    let media = SyntheticConfig { key_frame_len: 6000, frame_len: 1500, gop: 20, ..SyntheticConfig::default() };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    CameraServer::start(CameraConfig::demo().unwrap(), address, MediaSource::Synthetic(media)).unwrap()
}

fn owner(camera: &CameraServer) -> User {
    let user = User::new();
    user.add("Front Door", camera.addr().port());
    user
}

#[test]
fn only_who_knows_the_password_gets_the_camera() {
    let camera = camera();
    let user = owner(&camera);
    let file = user.file("password", &format!("{PASSWORD}\n"));
    let mut from_environment = command(&user, &["--all", "--user", "home"]);
    from_environment.env("WYZE_SERVE_PASSWORD", PASSWORD);
    let from_file = command(&user, &["--all", "--user", "home", "--password-file", &file]);
    for command in [from_file, from_environment] {
        let server = Server::spawn(command, 1);
        let answer = RawClient::connect(server.url()).ask("DESCRIBE", "", "");
        assert!(answer.starts_with("RTSP/1.0 401") && answer.contains("WWW-Authenticate: Digest "), "{answer}");
        assert!(!answer.contains("Basic"), "{answer}");
        for wrong in [None, Some(("home", "wrong")), Some(("other", PASSWORD))] {
            let trouble = Client::play_as(server.url(), "tcp", wrong).ends();
            assert!(trouble.contains("Unauthorized"), "{trouble}");
        }
        let basic = "Authorization: Basic aG9tZTpjb3JyZWN0IGhvcnNl\r\n";
        let answer = RawClient::connect(server.url()).ask("DESCRIBE", "", basic);
        assert!(answer.starts_with("RTSP/1.0 401"), "{answer}");
        assert_eq!(camera.stats().clients, 0, "nobody was let in");
        Client::play_as(server.url(), "tcp", Some(("home", PASSWORD))).receives("H264", 5);
        let arguments = std::fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
        assert!(!String::from_utf8_lossy(&arguments).contains(PASSWORD));
        let (status, errors) = server.end(libc::SIGTERM);
        assert!(status.success() && !errors.contains(PASSWORD), "{status}: {errors}");
        wait_until("the end of the session", || camera.stats().clients == 0);
    }
}

#[test]
fn half_a_user_is_wrong_usage() {
    let user = User::new();
    user.add("Front Door", 1);
    let empty = user.file("empty", "\n");
    let listen = ["serve", "--all", "--listen", "127.0.0.1:0"];
    let run = |more: &[&str]| user.run(&[&listen, more].concat(), "");
    run(&["--user", "home"]).fails(2, &["WYZE_SERVE_PASSWORD", "--password-file"]);
    run(&["--password-file", &empty]).fails(2, &["--user"]);
    run(&["--user", "home", "--password-file", &empty]).fails(2, &["the password is empty"]);
    run(&["--user", "ho:me", "--password-file", &empty]).fails(2, &["colon"]);
    run(&["--user", "home", "--password-file", "/nowhere"]).fails(1, &["cannot read /nowhere"]);
    run(&["--certificate", &empty]).fails(1, &["the certificate cannot be used"]);
    let mut command = user.tool(&listen);
    command.env("WYZE_SERVE_PASSWORD", PASSWORD);
    user::finish(command, "", false).fails(2, &["give --user too"]);
}

#[test]
fn a_certificate_makes_it_tls() {
    let camera = camera();
    let user = owner(&camera);
    let (certificate, key) = cloud::certificate::self_signed("127.0.0.1");
    let (certificate, key) = (user.file("cert.pem", &certificate), user.file("key.pem", &key));
    let server = Server::start(&user, &["--all", "--certificate", &certificate, "--key", &key], 1);
    assert!(server.url().starts_with("rtsps://127.0.0.1:"), "{}", server.url());
    let source = rtsp::source(server.url());
    // The certificate is signed by nobody that the client knows.
    source.set_property_from_str("tls-validation-flags", "no-flags");
    Client::with(source).receives("H264", 5);
    let plain = server.url().replace("rtsps", "rtsp");
    Client::play(&plain, "tcp").ends();
    assert!(!Client::play(server.url(), "tcp").ends().is_empty(), "an unknown certificate is trusted");
}

#[test]
fn whoever_listens_to_the_network_without_a_password_is_warned() {
    let camera = camera();
    let user = owner(&camera);
    for (address, with_password, is_warned) in
        [("0.0.0.0:0", false, true), ("0.0.0.0:0", true, false), ("127.0.0.1:0", false, false)]
    {
        let arguments: &[&str] = if with_password { &["--all", "--user", "home"] } else { &["--all"] };
        let mut command = command(&user, &[arguments, &["--listen", address]].concat());
        if with_password {
            command.env("WYZE_SERVE_PASSWORD", PASSWORD);
        }
        let (_, errors) = Server::spawn(command, 1).end(libc::SIGTERM);
        assert_eq!(errors.contains("whoever reaches this machine can watch"), is_warned, "{address}: {errors}");
    }
}

#[test]
fn programs_are_told_of_the_state() {
    let camera = camera();
    let user = owner(&camera);
    let (file, socket) = (user.home.path().join("status.json"), user.home.path().join("notify"));
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(rtsp::PATIENCE)).unwrap();
    let told = || {
        let mut buffer = [0; 100];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut command = command(&user, &["--all", "--linger", "300", "--status-file", file.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", &socket);
    let mut server = Server::spawn(command, 1);
    assert_eq!(told(), "READY=1");
    let written = || serde_json::from_str::<Value>(&std::fs::read_to_string(&file).unwrap_or_default()).ok();
    let camera_is = |state: &str| written().is_some_and(|status| status["cameras"][0]["state"] == state);
    wait_until("a status", || camera_is("closed"));
    let client = Client::play(server.url(), "tcp");
    client.receives("H264", 5);
    wait_until("a streaming camera", || camera_is("streaming"));
    server.signal(libc::SIGUSR1);
    let status: Value = serde_json::from_str(&server.line()).unwrap();
    assert_eq!(server.url(), format!("rtsp://{}/front-door", status["listen"].as_str().unwrap()));
    let front = &status["cameras"][0];
    assert_eq!((&front["name"], &front["path"]), (&"Front Door".into(), &"/front-door".into()));
    assert_eq!((&front["clients"], &front["error"]), (&1.into(), &Value::Null));
    assert_eq!(front["video"], "video/x-h264 128x96");
    assert_eq!(front["audio"], "audio/x-mulaw 8000 Hz");
    drop(client);
    wait_until("a closed camera", || camera_is("closed"));
    let (status, _) = server.end(libc::SIGTERM);
    assert!(status.success() && !file.exists());
    assert_eq!(told(), "STOPPING=1");
}

#[test]
fn a_camera_is_kept_open_without_clients_where_that_is_wished() {
    let camera = camera();
    let user = owner(&camera);
    let server = Server::start(&user, &["--all", "--always-on", "--linger", "100"], 1);
    wait_until("a session", || camera.stats().streaming == 1);
    Client::play(server.url(), "tcp").receives("H264", 5);
    camera.take_events();
    // A client that comes after the linger time.
    wait_until("many frames more", || camera.stats().video_frames > 60);
    Client::play(server.url(), "tcp").receives("H264", 5);
    assert_eq!((camera.take_events().len(), camera.stats().clients), (0, 1));
    server.end(libc::SIGTERM);
    wait_until("the end of the session", || camera.stats().clients == 0);
}
