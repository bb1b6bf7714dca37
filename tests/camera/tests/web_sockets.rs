//! The WebRTC camera on real sockets.

#[path = "../../support/certificate.rs"]
mod certificate;
mod viewer;

use certificate::{Proof, acceptor};
use gstwyze::protocol::wire::media::MediaChannel;
use openssl::ssl::{SslAcceptor, SslConnector, SslMethod, SslVerifyMode};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use tungstenite::handshake::HandshakeError;
use tungstenite::{Error, Message, WebSocket};
use viewer::Viewer;
use wyze_camera::webrtc::{WebCameraConfig, WebCameraServer, WebServerOptions};
use wyze_camera::{LiveAudio, LiveMediaConfig, LiveVideo, MediaSource, SyntheticConfig};

const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 0);
/// How long a socket is read before the others get their turn.
const TURN: Duration = Duration::from_millis(2);
/// Far beyond what anything takes here.
const DEADLINE: Duration = Duration::from_secs(30);

fn start(config: WebCameraConfig, media: MediaSource, tls: Option<SslAcceptor>) -> WebCameraServer {
    let options = WebServerOptions { record_frames: true, tls, ..WebServerOptions::default() };
    WebCameraServer::start(config, SocketAddr::from(LISTEN), media, options).expect("sockets")
}

fn synthetic() -> MediaSource {
    MediaSource::Synthetic(SyntheticConfig::default())
}

/// Opens the server's signalling.
fn connect<S: Read + Write>(stream: S, url: &str) -> Result<WebSocket<S>, Error> {
    tungstenite::client(url, stream).map(|(socket, _)| socket).map_err(|error| match error {
        HandshakeError::Failure(error) => error,
        HandshakeError::Interrupted(_) => panic!("the stream blocks"),
    })
}

fn tcp(url: &str) -> TcpStream {
    let authority = url.split('/').nth(2).unwrap().replace("localhost", "127.0.0.1");
    TcpStream::connect(authority).unwrap()
}

/// Watches until `is_enough`. Returns the viewer, and whether signalling is open still.
fn watch<S: Read + Write>(mut socket: WebSocket<S>, mut is_enough: impl FnMut(&Viewer) -> bool) -> (Viewer, bool) {
    let udp = UdpSocket::bind(SocketAddr::from(LISTEN)).unwrap();
    udp.set_read_timeout(Some(TURN)).unwrap();
    let start = Instant::now();
    let mut viewer = Viewer::new(start, udp.local_addr().unwrap(), false);
    let mut is_open = true;
    let mut buffer = [0; 2048];
    while !is_enough(&viewer) {
        assert!(start.elapsed() < DEADLINE, "{:?}, {} frames", viewer.heard, viewer.frames.len());
        while let Some(text) = viewer.texts.pop_front() {
            socket.send(Message::text(text)).unwrap();
        }
        // Once the connection is up, only the end of signalling is of interest.
        if is_open {
            match socket.read() {
                Ok(Message::Text(text)) => viewer.handle_text(Instant::now(), text.as_str()),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => is_open = false,
            }
        }
        while let Ok((len, from)) = udp.recv_from(&mut buffer) {
            viewer.handle_datagram(Instant::now(), from, &buffer[..len]);
        }
        viewer.handle_timeout(Instant::now());
        while let Some(transmit) = viewer.transmits.pop_front() {
            udp.send_to(&transmit.data, transmit.to).unwrap();
        }
    }
    (viewer, is_open)
}

fn watch_plainly(camera: &WebCameraServer, is_enough: impl Fn(&Viewer) -> bool) -> (Viewer, bool) {
    let stream = tcp(&camera.url());
    let socket = connect(stream, &camera.url()).unwrap();
    socket.get_ref().set_nonblocking(true).unwrap();
    watch(socket, is_enough)
}

#[test]
fn a_viewer_gets_what_the_camera_sends() {
    let camera = start(WebCameraConfig::default(), synthetic(), None);
    let (viewer, is_open) = watch_plainly(&camera, |viewer| viewer.frames.len() > 60);
    assert!(is_open);
    for is_audio in [false, true] {
        let sent = camera.sent_frames().into_iter().filter(|frame| (frame.kind == MediaChannel::Audio) == is_audio);
        let got: Vec<_> = viewer.frames.iter().filter(|frame| frame.is_video != is_audio).collect();
        assert!(got.len() > 10, "{}", got.len());
        for (sent, got) in sent.zip(got) {
            assert_eq!((sent.len, sent.sha256), (got.data.len(), openssl::sha::sha256(&got.data)));
        }
    }
    assert_eq!(camera.stats().viewers, 1);
}

#[test]
fn two_viewers_have_connections_of_their_own() {
    let camera = start(WebCameraConfig::default(), synthetic(), None);
    std::thread::scope(|scope| {
        let watching = || watch_plainly(&camera, |viewer| viewer.frames.len() > 60);
        let threads = [scope.spawn(watching), scope.spawn(watching)];
        threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
    });
    assert_eq!(camera.stats().connections, 2);
}

#[test]
fn media_go_on_over_the_end_of_signalling() {
    let camera = start(WebCameraConfig::default().with_every_quirk(), synthetic(), None);
    let stream = tcp(&camera.url());
    let socket = connect(stream, &camera.url()).unwrap();
    socket.get_ref().set_nonblocking(true).unwrap();
    let (viewer, is_open) = watch(socket, |viewer| viewer.frames.len() > 100);
    assert!(!is_open);
    assert!(viewer.heard.contains(&"GO_AWAY".to_owned()), "{:?}", viewer.heard);
}

#[test]
fn signalling_refuses_a_url_that_is_encoded_twice() {
    let camera = start(WebCameraConfig::default(), synthetic(), None);
    let url = camera.twice_encoded_url();
    let Err(Error::Http(answer)) = connect(tcp(&url), &url) else { panic!("it is let in") };
    assert_eq!(answer.status(), 403);
    let url = camera.url();
    assert!(connect(tcp(&url), &url).is_ok());
}

#[test]
fn signalling_may_have_tls() {
    let camera = start(WebCameraConfig::default(), synthetic(), Some(acceptor(Proof::SelfSigned).0));
    assert!(camera.url().starts_with("wss://localhost:"));
    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    let stream = connector.build().connect("localhost", tcp(&camera.url())).unwrap();
    let socket = connect(stream, &camera.url()).unwrap();
    socket.get_ref().get_ref().set_nonblocking(true).unwrap();
    let (viewer, _) = watch(socket, |viewer| viewer.frames.len() > 20);
    assert!(viewer.is_connected);
}

#[test]
fn live_media_are_encoded_for_viewers() {
    let live = LiveMediaConfig {
        video: LiveVideo::H264,
        audio: LiveAudio::Mulaw,
        width: 320,
        height: 240,
        ..LiveMediaConfig::default()
    };
    let camera = start(WebCameraConfig::default(), MediaSource::Live(live), None);
    let (viewer, _) = watch_plainly(&camera, |viewer| {
        viewer.frames.iter().filter(|frame| frame.is_video).count() > 10 && viewer.frames.len() > 20
    });
    assert!(viewer.frames.iter().find(|frame| frame.is_video).unwrap().is_key);
}

#[test]
fn a_stopped_server_ends_its_viewers() {
    let mut camera = Some(start(WebCameraConfig::default(), synthetic(), None));
    let url = camera.as_ref().unwrap().url();
    let socket = connect(tcp(&url), &url).unwrap();
    socket.get_ref().set_nonblocking(true).unwrap();
    let (viewer, _) = watch(socket, |viewer| {
        if viewer.frames.len() > 10 {
            camera = None;
        }
        viewer.is_closed
    });
    assert!(viewer.is_connected);
}
