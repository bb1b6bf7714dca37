//! The viewer with a camera of another make: GStreamer's webrtcbin, whose ICE, DTLS, SRTP and RTP are all others.
//!
//! libnice, which does ICE there, passes over loopback, so both are on a host of their own. The test prints "skipped" and
//! ends if network namespaces cannot be created, which takes root.

#[path = "support/network.rs"]
mod network;

use base64::prelude::*;
use gstwyze::protocol::client::Event;
use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::webrtc::{Viewer, ViewerConfig};
use gstwyze::protocol::wire::codec::CodecId;
use network::*;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, UNIX_EPOCH};

const ADDRESS: &str = "10.77.0.2";
const PATIENCE: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_millis(10);

/// The other program. Texts go in and out, a line each.
struct WebRtcBin {
    process: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl WebRtcBin {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/webrtcbin.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (stdin, stdout) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        WebRtcBin { process, stdin, lines }
    }

    /// Takes a text of the viewer.
    fn hear(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap();
        let payload = BASE64_STANDARD.decode(message["messagePayload"].as_str().unwrap()).unwrap();
        self.stdin.write_all(&[&payload[..], b"\n"].concat()).unwrap();
    }

    /// Returns the next text for the viewer.
    fn say(&self) -> Option<String> {
        let line = self.lines.try_recv().ok()?;
        let kind = if line.contains(r#""sdp""#) { "SDP_ANSWER" } else { "ICE_CANDIDATE" };
        Some(json!({ "messageType": kind, "messagePayload": BASE64_STANDARD.encode(line) }).to_string())
    }
}

impl Drop for WebRtcBin {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Watching {
    viewer: Viewer,
    camera: WebRtcBin,
    socket: UdpSocket,
    local: SocketAddr,
    events: Vec<Event>,
}

impl Watching {
    fn start() -> Self {
        let socket = UdpSocket::bind((ADDRESS, 0)).unwrap();
        let local = socket.local_addr().unwrap();
        let unix_time = UNIX_EPOCH.elapsed().unwrap();
        let viewer = Viewer::new(ViewerConfig::new("viewer".into()), &[local], Instant::now(), unix_time, [7; 32]);
        Watching { viewer, camera: WebRtcBin::start(), socket, local, events: Vec::new() }
    }

    fn run_until(&mut self, done: impl Fn(&[Event]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 2048];
        while !done(&self.events) {
            assert!(Instant::now() < deadline, "{:?}", self.events.iter().rfind(|event| !is_frame(event)));
            while let Some(text) = self.viewer.poll_text() {
                self.camera.hear(&text);
            }
            while let Some(transmit) = self.viewer.poll_transmit() {
                let _ = self.socket.send_to(&transmit.data, transmit.to);
            }
            self.events.extend(std::iter::from_fn(|| self.viewer.poll_event()));
            let due = self.viewer.poll_timeout().map_or(LONGEST_WAIT, |due| {
                due.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), LONGEST_WAIT)
            });
            self.socket.set_read_timeout(Some(due)).unwrap();
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                self.viewer.handle_datagram(Instant::now(), from, self.local, &mut buffer[..length]);
            }
            while let Some(text) = self.camera.say() {
                self.viewer.handle_text(Instant::now(), &text);
            }
            self.viewer.handle_timeout(Instant::now());
        }
    }
}

fn is_frame(event: &Event) -> bool {
    matches!(event, Event::Frame(_))
}

/// Counts frames of a medium, and the key frames among them.
fn count(events: &[Event], medium: Medium) -> (usize, usize) {
    let frames = events.iter().filter_map(|event| match event {
        Event::Frame(frame) if frame.medium == medium => Some(frame),
        _ => None,
    });
    frames.fold((0, 0), |(all, keys), frame| (all + 1, keys + usize::from(frame.info.is_key_frame())))
}

#[test]
fn webrtcbin_is_watched_and_asked_for_a_key_frame() {
    let Some(switch) = Switch::new() else { return };
    let host = Host::new();
    host.plug(&switch, "eth0", &format!("{ADDRESS}/24"));
    host.run(|| {
        let mut watching = Watching::start();
        watching.run_until(|events| count(events, Medium::Video).0 >= 40 && count(events, Medium::Audio).0 >= 50);
        let mut frames = watching.events.iter().filter_map(|event| match event {
            Event::Frame(frame) => Some(frame),
            _ => None,
        });
        let first = frames.clone().find(|frame| frame.medium == Medium::Video).unwrap();
        assert!(first.info.is_key_frame() && first.info.codec == CodecId::H264, "{:?}", first.info);
        assert!(frames.clone().all(|frame| !frame.after_gap));
        assert!(frames.any(|frame| frame.medium == Medium::Audio && frame.info.codec == CodecId::OPUS));
        let keys = count(&watching.events, Medium::Video).1;
        watching.viewer.request_key_frame(Instant::now());
        watching.run_until(|events| count(events, Medium::Video).1 > keys);
    });
}
