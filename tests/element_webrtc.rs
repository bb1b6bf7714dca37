//! `wyzesrc` and `wyzesink` with cameras that are reached over WebRTC.

#[path = "support/certificate.rs"]
mod certificate;
#[path = "support/connection.rs"]
mod connection;
#[path = "support/element.rs"]
mod support;
#[path = "support/talk.rs"]
mod talk;
#[path = "support/turn.rs"]
mod turn;
#[path = "support/store.rs"]
mod with_store;

use certificate::{Proof, acceptor};
use connection::*;
use gst::prelude::*;
use gstwyze::account::cloud::{ApiKey, Hosts, Login};
use gstwyze::account::{Access, Camera, Store};
use gstwyze::protocol::wire::codec::CodecId;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::*;
use talk::Speaker;
use turn::Turn;
use with_store::*;
use wyze_camera::webrtc::{CloudCamera, DemoCloud, WebCameraConfig, WebCameraServer, WebServerOptions};
use wyze_camera::{MediaSource, ServerOptions};

const NAME: &str = "Porch";
const MODEL: &str = "GW_DBD";
const MAC: &str = "GW_DBD_80482C640246";

/// A camera over WebRTC that is in the store, with a login that is kept.
struct Scene {
    camera: WebCameraServer,
}

impl Scene {
    /// Is to be called in a process of its own, before there are other threads that read the environment.
    fn new(config: WebCameraConfig, entry: Camera) -> Self {
        Self::with(config, entry, WebServerOptions::default(), json!([]))
    }

    fn with(config: WebCameraConfig, entry: Camera, options: WebServerOptions, ice_servers: Value) -> Self {
        let media = MediaSource::Synthetic(small());
        let camera = WebCameraServer::start(config, "127.0.0.1:0".parse().unwrap(), media, options).unwrap();
        log_in(entry, camera.url(), ice_servers);
        Scene { camera }
    }
}

fn player() -> Player {
    let player = Player::bare(Link::Both);
    player.src.set_property("camera", NAME);
    player.src.set_property("stall-timeout", 600u32);
    player
}

/// Logs in to a cloud that has this camera, with signalling at `url`, and puts it into the store.
fn log_in(entry: Camera, url: String, ice_servers: Value) {
    let (name, model, mac) = (entry.name.clone(), entry.model.clone(), entry.mac.expose().to_owned());
    let cloud = DemoCloud::start(vec![CloudCamera { name, model, mac, url, ice_servers }]).unwrap();
    for (name, value) in cloud.environment() {
        // SAFETY: the other threads of this process, the camera's and the cloud's, do not look at the environment.
        unsafe { std::env::set_var(name, value) };
    }
    let store = Store::open_default();
    let access = Access::new(&store, Hosts::from_environment()).unwrap();
    let api_key = Some(ApiKey { id: "key".into(), key: "key".into() });
    let login = Login { email: "a@example.com".into(), password: "x".into(), api_key, totp_secret: None };
    access.login(&login, &mut |_| None).unwrap();
    keep(entry);
}

/// A camera that has no other way.
fn without_lan() -> Camera {
    Camera { name: NAME.into(), mac: MAC.into(), model: MODEL.into(), updated: Camera::now(), ..Camera::default() }
}

#[test]
fn a_camera_without_uid_is_played_by_its_name() {
    if !with_own_store("a_camera_without_uid_is_played_by_its_name") {
        return;
    }
    let _scene = Scene::new(WebCameraConfig::default().with_every_quirk(), without_lan());
    let player = player();
    let start = Instant::now();
    player.play();
    let first = player.buffer("video");
    eprintln!("the first picture came after {:?}", start.elapsed());
    assert!(is_key(&first));
    let sound = player.buffer("audio");
    assert!(sound.pts().is_some());
    player.buffers("video", 40);
    let info: gst::Structure = player.src.property("camera-info");
    assert_eq!(info.get::<&str>("transport"), Ok("webrtc"), "{info}");
    player.stop();
    assert_eq!(player.stat("reconnects"), 0);

    let probe = std::process::Command::new(env!("CARGO_BIN_EXE_wyze-cameras")).args(["probe", NAME, "--json"]).output();
    let told: Value = serde_json::from_slice(&probe.unwrap().stdout).unwrap();
    assert_eq!((&told["transport"], &told["connected"]), (&json!("webrtc"), &json!(true)), "{told}");
}

#[test]
fn a_camera_that_restarts_is_called_again() {
    if !with_own_store("a_camera_that_restarts_is_called_again") {
        return;
    }
    let scene = Scene::new(WebCameraConfig::default(), without_lan());
    let player = player();
    player.play();
    player.buffers("video", 5);
    scene.camera.reboot();
    let report = await_state(&player, "reconnecting");
    assert_eq!(report.stage, "streaming");
    let back = until_again(&player, 5);
    assert!(back.iter().any(|(pad, buffer)| pad == "video" && is_key(buffer) && is_resync(buffer)));
    assert_eq!(player.stat("reconnects"), 1);
}

/// Signalling keeps nothing for a camera that is away, so the offer has to be made again.
#[test]
fn a_camera_that_vanishes_streams_again_soon_after_its_return() {
    if !with_own_store("a_camera_that_vanishes_streams_again_soon_after_its_return") {
        return;
    }
    let scene = Scene::new(WebCameraConfig::default(), without_lan());
    let player = player();
    player.play();
    player.buffers("video", 5);
    scene.camera.configure(|config| config.is_gone = true);
    await_state(&player, "reconnecting");
    // An offer that the camera does not hear.
    wait_until("an offer", || scene.camera.stats().unheard > 0);
    scene.camera.reboot();
    scene.camera.configure(|config| config.is_gone = false);
    let back = Instant::now();
    until_again(&player, 1);
    assert!(back.elapsed() < Duration::from_secs(3), "{:?}", back.elapsed());
    assert_eq!(player.stat("reconnects"), 1);
}

#[test]
fn a_camera_that_does_not_answer_is_told_of_with_what_to_do() {
    if !with_own_store("a_camera_that_does_not_answer_is_told_of_with_what_to_do") {
        return;
    }
    let _scene = Scene::new(WebCameraConfig { no_answer: true, ..WebCameraConfig::default() }, without_lan());
    let player = player();
    player.src.set_property("connect-timeout", 500u32);
    player.play();
    let (error, _) = player.error();
    assert!(error.matches(gst::ResourceError::NotFound) && error.message().contains("did not answer"), "{error}");
}

#[test]
fn a_camera_of_which_the_cloud_has_no_stream_is_not_tried_again() {
    if !with_own_store("a_camera_of_which_the_cloud_has_no_stream_is_not_tried_again") {
        return;
    }
    log_in(without_lan(), String::new(), json!([]));
    let player = player();
    player.play();
    let (error, _) = player.error();
    assert!(error.message().contains(MODEL) && error.message().contains("no WebRTC stream"), "{error}");
}

#[test]
fn without_a_login_the_error_says_how_to_log_in_and_lan_never_asks() {
    if !with_own_store("without_a_login_the_error_says_how_to_log_in_and_lan_never_asks") {
        return;
    }
    keep(without_lan());
    for (transport, text) in [("auto", "wyze-cameras login"), ("lan", "WebRTC only")] {
        let player = Player::bare(Link::Both);
        player.src.set_property("camera", NAME);
        player.src.set_property_from_str("transport", transport);
        assert!(player.pipeline.set_state(gst::State::Playing).is_err());
        let (error, _) = player.error();
        assert!(error.message().contains(text), "{error}");
    }
}

/// The camera is in the store with a place in the network where nothing answers.
#[test]
fn a_camera_that_is_deaf_in_the_network_is_shown_over_webrtc() {
    if !with_own_store("a_camera_that_is_deaf_in_the_network_is_shown_over_webrtc") {
        return;
    }
    let deaf = TestCamera::start(|_| {}, MediaSource::None, ServerOptions::default(), Tolerance::Anything);
    let _scene = Scene::new(WebCameraConfig::default(), entry(NAME, &deaf));
    drop(deaf);
    let player = player();
    let connect_timeout = Duration::from_secs(1);
    player.src.set_property("connect-timeout", connect_timeout.as_millis() as u32);
    let start = Instant::now();
    player.play();
    let mut warning = None;
    player.until("a picture", |seen| {
        if let Seen::Message(message) = seen
            && let gst::MessageView::Warning(view) = message.view()
        {
            warning = Some(view.error().to_string());
        }
        seen.buffer("video")
    });
    let took = start.elapsed();
    assert!(took < connect_timeout * 2 + Duration::from_secs(3), "{took:?}");
    assert!(warning.unwrap().contains("over WebRTC"));
}

/// Trusts an authority in this process from now on.
fn trust(authority: &str) {
    let file = std::path::Path::new(&std::env::var("XDG_CONFIG_HOME").unwrap()).join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    // SAFETY: there are no other threads yet.
    unsafe { std::env::set_var("SSL_CERT_FILE", file) };
}

#[test]
fn signalling_goes_over_tls_to_who_proves_its_name() {
    if !with_own_store("signalling_goes_over_tls_to_who_proves_its_name") {
        return;
    }
    let (tls, authority) = acceptor(Proof::Good);
    trust(&authority);
    let options = WebServerOptions { tls: Some(tls), ..WebServerOptions::default() };
    let scene = Scene::with(WebCameraConfig::default(), without_lan(), options, json!([]));
    assert!(scene.camera.url().starts_with("wss://"));
    let player = player();
    player.src.set_property_from_str("resolution", "360p");
    player.play();
    player.until("a warning", |seen| seen.warning().filter(|text| text.contains("take no commands")));
    player.buffers("video", 5);
}

#[test]
fn signalling_to_a_server_that_nobody_vouches_for_is_refused() {
    if !with_own_store("signalling_to_a_server_that_nobody_vouches_for_is_refused") {
        return;
    }
    let options = WebServerOptions { tls: Some(acceptor(Proof::Good).0), ..WebServerOptions::default() };
    let _scene = Scene::with(WebCameraConfig::default(), without_lan(), options, json!([]));
    let player = player();
    player.play();
    let (error, _) = player.error();
    assert!(error.message().contains("certificate"), "{error}");
}

/// Plays a camera that hears nobody but the relay. `urls` makes the servers that the ticket names, from those that are
/// there.
fn play_through_a_relay(tls: bool, urls: impl FnOnce(&Turn) -> Vec<String>) {
    let (acceptor, authority) = acceptor(Proof::Good);
    trust(&authority);
    let turn = Turn::start(tls.then_some(acceptor));
    let server = |url| json!({ "url": url, "username": turn::USERNAME, "credential": turn::CREDENTIAL });
    let ice_servers = urls(&turn).into_iter().map(server).collect();
    let config = WebCameraConfig { hears_only: Some(turn::RELAYED), ..WebCameraConfig::default() };
    let _scene = Scene::with(config, without_lan(), WebServerOptions::default(), ice_servers);
    let player = player();
    let start = Instant::now();
    player.play();
    let first = player.buffer("video");
    println!("the first picture came after {:?}", start.elapsed());
    assert!(is_key(&first));
    assert!(player.buffer("audio").pts().is_some());
    player.buffers("video", 40);
    assert!(turn.sent_by_peers() > 40, "{}", turn.sent_by_peers());
    player.stop();
    assert_eq!((player.stat("reconnects"), player.stat("incomplete")), (0, 0));
}

/// Where nothing listens.
const NOWHERE: &str = "turn:127.0.0.1:9?transport=udp";

#[test]
fn a_camera_that_cannot_be_reached_is_played_through_a_relay() {
    if with_own_store("a_camera_that_cannot_be_reached_is_played_through_a_relay") {
        play_through_a_relay(false, |turn| vec![turn.tcp_url(), turn.udp_url()]);
    }
}

#[test]
fn a_relay_is_asked_over_tcp_where_udp_does_not_get_through() {
    if with_own_store("a_relay_is_asked_over_tcp_where_udp_does_not_get_through") {
        play_through_a_relay(false, |turn| vec![NOWHERE.into(), turn.tcp_url()]);
    }
}

#[test]
fn a_relay_is_asked_over_tls_last() {
    if with_own_store("a_relay_is_asked_over_tls_last") {
        let no_tcp = "turn:127.0.0.1:9?transport=tcp";
        play_through_a_relay(true, |turn| vec![NOWHERE.into(), no_tcp.into(), turn.tcp_url()]);
    }
}

/// A live tone for a sink that names the camera.
fn speaker(properties: &str) -> Speaker {
    Speaker::launch(&format!("audiotestsrc is-live=true samplesperbuffer=441 {properties} name=talk camera={NAME}"))
}

#[test]
fn a_camera_hears_what_a_sink_sends_over_webrtc() {
    if !with_own_store("a_camera_hears_what_a_sink_sends_over_webrtc") {
        return;
    }
    let scene = Scene::new(WebCameraConfig::default(), without_lan());
    // 2 s, of which nothing is dropped once the camera listens.
    let speaker = speaker("num-buffers=200 ! wyzesink");
    speaker.play_out();
    let heard = scene.camera.take_talk_audio().len();
    assert!((14_000..=16_400).contains(&heard), "{heard}");
}

/// The camera talks over the network first, and is deaf there from then on.
#[test]
fn a_talk_goes_on_over_webrtc_where_the_network_fails() {
    if !with_own_store("a_talk_goes_on_over_webrtc_where_the_network_fails") {
        return;
    }
    let media = talk::speaking(CodecId::MULAW, 8000);
    let lan = TestCamera::start(|_| {}, media, ServerOptions::default(), Tolerance::Anything);
    let config = WebCameraConfig { audio: CodecId::OPUS, ..WebCameraConfig::default() };
    let scene = Scene::new(config, entry(NAME, &lan));
    let connect_timeout = Duration::from_secs(1);
    let speaker = speaker(&format!("! wyzesink connect-timeout={}", connect_timeout.as_millis()));
    speaker.play();
    wait_until("talk over the network", || lan.talk_audio().len() > 1000);
    drop(lan);
    let start = Instant::now();
    wait_until("talk over WebRTC", || scene.camera.talk_audio().len() > 1000);
    println!("the change took {:?}", start.elapsed());
    assert!(speaker.bus.pop_filtered(&[gst::MessageType::Error]).is_none());
}
