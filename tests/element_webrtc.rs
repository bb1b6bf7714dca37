//! `wyzesrc` and `wyzesink` with cameras that are reached over WebRTC.

#[path = "support/connection.rs"]
mod connection;
#[path = "support/element.rs"]
mod support;
#[path = "support/store.rs"]
mod with_store;

use connection::*;
use gst::prelude::*;
use gstwyze::account::cloud::{ApiKey, Hosts, Login};
use gstwyze::account::{Access, Camera, Store};
use std::time::{Duration, Instant};
use support::*;
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
        let media = MediaSource::Synthetic(small());
        let camera =
            WebCameraServer::start(config, "127.0.0.1:0".parse().unwrap(), media, WebServerOptions::default()).unwrap();
        let (name, model, mac) = (entry.name.clone(), entry.model.clone(), entry.mac.expose().to_owned());
        let cloud = DemoCloud::start(vec![CloudCamera { name, model, mac, url: camera.url() }]).unwrap();
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
        Scene { camera }
    }

    fn player(&self) -> Player {
        let player = Player::bare(Link::Both);
        player.src.set_property("camera", NAME);
        player.src.set_property("stall-timeout", 600u32);
        player
    }
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
    let scene = Scene::new(WebCameraConfig::default().with_every_quirk(), without_lan());
    let player = scene.player();
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
}

#[test]
fn a_camera_that_restarts_is_called_again() {
    if !with_own_store("a_camera_that_restarts_is_called_again") {
        return;
    }
    let scene = Scene::new(WebCameraConfig::default(), without_lan());
    let player = scene.player();
    player.play();
    player.buffers("video", 5);
    scene.camera.reboot();
    let report = await_state(&player, "reconnecting");
    assert_eq!(report.stage, "streaming");
    let back = until_again(&player, 5);
    assert!(back.iter().any(|(pad, buffer)| pad == "video" && is_key(buffer) && is_resync(buffer)));
    assert_eq!(player.stat("reconnects"), 1);
}

#[test]
fn a_camera_that_does_not_answer_is_told_of_with_what_to_do() {
    if !with_own_store("a_camera_that_does_not_answer_is_told_of_with_what_to_do") {
        return;
    }
    let scene = Scene::new(WebCameraConfig { no_answer: true, ..WebCameraConfig::default() }, without_lan());
    let player = scene.player();
    player.src.set_property("connect-timeout", 500u32);
    player.play();
    let (error, _) = player.error();
    assert!(error.matches(gst::ResourceError::NotFound) && error.message().contains("did not answer"), "{error}");
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
    let scene = Scene::new(WebCameraConfig::default(), entry(NAME, &deaf));
    drop(deaf);
    let player = scene.player();
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
