//! `wyze-cameras serve` as a program, and GStreamer's rtspsrc as its client.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::user::User;
use gst::prelude::*;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wyze_camera::{DEMO_ENR, DEMO_MAC, DEMO_UID};

/// Far beyond what anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until `condition` holds; for conditions that no event announces.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running `wyze-cameras serve` on a free port; dropping it ends it.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    errors: Option<std::thread::JoinHandle<String>>,
    /// The addresses that it has printed.
    pub urls: Vec<String>,
}

/// Returns the command of a server on a free port.
pub fn command(user: &User, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wyze-cameras"));
    command.arg("serve").args(arguments);
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.env_clear().env("PATH", std::env::var("PATH").unwrap());
    command.env("HOME", user.home.path()).env("XDG_CONFIG_HOME", user.home.path());
    // Looking at all plugins takes some seconds, and one look does for all tests.
    command.env("GST_REGISTRY", Path::new(env!("CARGO_TARGET_TMPDIR")).join("serve-registry"));
    command
}

impl Server {
    /// Starts a server for so many cameras.
    pub fn start(user: &User, arguments: &[&str], cameras: usize) -> Self {
        Self::spawn(command(user, arguments), cameras)
    }

    pub fn spawn(mut command: Command, cameras: usize) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let errors = std::thread::spawn(move || {
            let lines = stderr.lines().map_while(Result::ok);
            lines.inspect(|line| eprintln!("{line}")).map(|line| line + "\n").collect()
        });
        let mut server = Server { child, lines, errors: Some(errors), urls: Vec::new() };
        server.urls = (0..cameras).map(|_| server.line()).collect();
        server
    }

    /// Returns the next line on standard output.
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(_) => {
                let _ = self.child.kill();
                panic!("no line came; standard error: {}", self.errors.take().unwrap().join().unwrap());
            }
        }
    }

    pub fn url(&self) -> &str {
        &self.urls[0]
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: the process is this one's child, and has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as libc::pid_t, signal) }, 0);
    }

    /// Ends the server by a signal, and returns how it ended and what was on standard error.
    pub fn end(mut self, signal: libc::c_int) -> (ExitStatus, String) {
        self.signal(signal);
        self.wait()
    }

    /// Waits for the end of the server.
    pub fn wait(&mut self) -> (ExitStatus, String) {
        let mut status = None;
        wait_until("the end of the server", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let errors = self.errors.take().unwrap().join().unwrap();
        for secret in [DEMO_UID, DEMO_ENR, DEMO_MAC] {
            assert!(!errors.contains(secret), "{errors}");
        }
        (status.unwrap(), errors)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a client has received of one stream.
#[derive(Debug, Default, Clone)]
pub struct Stream {
    /// Pictures or pieces of sound.
    pub buffers: usize,
    pub key_frames: usize,
    /// Whether the first one was a key frame.
    pub began_with_key: bool,
    pub last_pts: Option<gst::ClockTime>,
}

type Streams = Arc<Mutex<HashMap<String, Stream>>>;

/// A player without a window.
pub struct Client {
    pipeline: gst::Pipeline,
    streams: Streams,
    trouble: Arc<Mutex<Option<String>>>,
}

impl Client {
    /// Plays an address over `tcp` or `udp`.
    pub fn play(url: &str, transport: &str) -> Self {
        Self::play_as(url, transport, None)
    }

    /// The same with a user's name and password.
    pub fn play_as(url: &str, transport: &str, user: Option<(&str, &str)>) -> Self {
        let source = source(url);
        source.set_property_from_str("protocols", transport);
        if let Some((name, password)) = user {
            source.set_property("user-id", name);
            source.set_property("user-pw", password);
        }
        Self::with(source)
    }

    pub fn with(source: gst::Element) -> Self {
        let pipeline = gst::Pipeline::new();
        pipeline.add(&source).unwrap();
        let streams = Streams::default();
        let (weak, found) = (pipeline.downgrade(), streams.clone());
        source.connect_pad_added(move |_, pad| {
            let (weak, found) = (weak.clone(), found.clone());
            let with = move |pad: &gst::Pad, caps: &gst::CapsRef| {
                if let Some(pipeline) = weak.upgrade() {
                    receive(&pipeline, pad, caps, &found);
                }
            };
            match pad.current_caps() {
                Some(caps) => with(pad, &caps),
                // They come before the first packet does.
                None => drop(pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
                    let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) else {
                        return gst::PadProbeReturn::Ok;
                    };
                    with(pad, caps.caps());
                    gst::PadProbeReturn::Remove
                })),
            }
        });
        let trouble = Arc::new(Mutex::new(None));
        let told = trouble.clone();
        pipeline.bus().unwrap().set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::Error(error) => *told.lock().unwrap() = Some(format!("{:?}", error.error())),
                gst::MessageView::Eos(_) => *told.lock().unwrap() = Some("EOS".into()),
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
        // A server that is not there yet is an error later.
        let _ = pipeline.set_state(gst::State::Playing);
        Client { pipeline, streams, trouble }
    }

    /// Returns what came in this encoding.
    pub fn stream(&self, encoding: &str) -> Stream {
        self.streams.lock().unwrap().get(encoding).cloned().unwrap_or_default()
    }

    pub fn encodings(&self) -> Vec<String> {
        let mut names: Vec<String> = self.streams.lock().unwrap().keys().cloned().collect();
        names.sort();
        names
    }

    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap().clone()
    }

    /// Waits until so many more buffers have come in this encoding.
    #[track_caller]
    pub fn receives(&self, encoding: &str, more: usize) {
        let wanted = self.stream(encoding).buffers + more;
        wait_until(&format!("more {encoding}"), || {
            assert_eq!(self.trouble(), None, "{:?}", self.streams);
            self.stream(encoding).buffers >= wanted
        });
    }

    /// Waits for the client's error, or the end of its stream.
    pub fn ends(&self) -> String {
        wait_until("an end", || self.trouble().is_some());
        self.trouble().unwrap()
    }
}

/// Makes a source ask for ONVIF's way back, and talks through it without end: a tone in µ-law.
pub struct Voice(gst::Pipeline);

impl Voice {
    pub fn new(source: &gst::Element) -> Self {
        source.set_property_from_str("backchannel", "onvif");
        let stream = Arc::new(Mutex::new(None));
        let found = stream.clone();
        source.connect("select-stream", false, move |values| {
            let (number, caps) = (values[1].get::<u32>().unwrap(), values[2].get::<gst::Caps>().unwrap());
            if caps.structure(0).unwrap().has_field("a-sendonly") {
                *found.lock().unwrap() = Some(number);
            }
            Some(true.to_value())
        });
        let line = "audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1 ! mulawenc \
            ! rtppcmupay ! appsink name=out sync=false";
        let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
        let out = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
        let weak = source.downgrade();
        let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |out| {
            let sample = out.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some((source, number)) = weak.upgrade().zip(*stream.lock().unwrap()) {
                // The signal drops a reference that is not its own.
                std::mem::forget(sample.clone());
                // Before the stream is set up, nobody takes it.
                let _ = source.emit_by_name::<gst::FlowReturn>("push-backchannel-sample", &[&number, &sample]);
            }
            Ok(gst::FlowSuccess::Ok)
        });
        out.set_callbacks(callbacks.build());
        pipeline.set_state(gst::State::Playing).unwrap();
        Voice(pipeline)
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Takes a stream out of its packets, and counts.
fn receive(pipeline: &gst::Pipeline, pad: &gst::Pad, caps: &gst::CapsRef, streams: &Streams) {
    let encoding = caps.structure(0).unwrap().get::<String>("encoding-name").unwrap();
    let depayloader = match encoding.as_str() {
        "H264" => "rtph264depay",
        "H265" => "rtph265depay",
        "JPEG" => "rtpjpegdepay",
        "PCMU" => "rtppcmudepay",
        "PCMA" => "rtppcmadepay",
        "L16" => "rtpL16depay",
        "OPUS" => "rtpopusdepay",
        "MPEG4-GENERIC" => "rtpmp4gdepay",
        "MP4V-ES" => "rtpmp4vdepay",
        "H263-1998" => "rtph263pdepay",
        "MPA" => "rtpmpadepay",
        other => panic!("{other}"),
    };

    let sink = gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build().unwrap();
    let streams = streams.clone();
    streams.lock().unwrap().entry(encoding.clone()).or_default();
    // From GStreamer 1.26 on, depayloaders push lists.
    let buffers = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    sink.static_pad("sink").unwrap().add_probe(buffers, move |_, info| {
        let mut streams = streams.lock().unwrap();
        let stream = streams.get_mut(&encoding).unwrap();
        let list = info.buffer_list().into_iter().flat_map(|list| list.iter());
        for buffer in info.buffer().map(|buffer| &**buffer).into_iter().chain(list) {
            let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            stream.began_with_key |= is_key && stream.buffers == 0;
            stream.buffers += 1;
            stream.key_frames += usize::from(is_key);
            stream.last_pts = buffer.pts();
        }
        gst::PadProbeReturn::Ok
    });
    let elements = [gst::ElementFactory::make(depayloader).build().unwrap(), sink];
    pipeline.add_many(&elements).unwrap();
    gst::Element::link_many(&elements).unwrap();
    pad.link(&elements[0].static_pad("sink").unwrap()).unwrap();
    elements.iter().rev().for_each(|element| element.sync_state_with_parent().unwrap());
}

/// Returns a source that plays an address over TCP.
pub fn source(url: &str) -> gst::Element {
    gst::init().unwrap();
    let source = gst::ElementFactory::make("rtspsrc").property("location", url).property("latency", 0_u32);
    source.property_from_str("protocols", "tcp").build().unwrap()
}

/// Returns the header that names the session that an answer tells.
fn session_of(answer: &str) -> String {
    let told = answer.lines().find_map(|line| line.strip_prefix("Session: ")).expect(answer);
    format!("Session: {}\r\n", told.split(';').next().unwrap())
}

/// A client that says what a test wants.
pub struct RawClient {
    stream: TcpStream,
    url: String,
    sequence: u32,
}

impl RawClient {
    pub fn connect(url: &str) -> Self {
        let authority = url.split('/').nth(2).unwrap();
        let stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        RawClient { stream, url: url.to_owned(), sequence: 0 }
    }

    /// Sends a request and returns the head of its answer.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str) -> String {
        self.sequence += 1;
        let (url, sequence) = (&self.url, self.sequence);
        let request = format!("{method} {url}{path} RTSP/1.0\r\nCSeq: {sequence}\r\n{headers}\r\n");
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut first = [0];
        self.stream.peek(&mut first).unwrap();
        while first == *b"$" {
            // Packets of streams that others play already may come before the answer.
            self.packet();
            self.stream.peek(&mut first).unwrap();
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// Asks for the camera's description, and returns it.
    pub fn describe(&mut self, headers: &str) -> String {
        let head = self.ask("DESCRIBE", "", &format!("Accept: application/sdp\r\n{headers}"));
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect(&head);
        let mut body = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }

    /// Asks for the media of these paths over TCP, in two channels each from 0 on, and for them to be played.
    pub fn play_media(&mut self, paths: &[&str], headers: &str) {
        let session = self.set_up_media(paths, headers);
        self.begin(&format!("{session}{headers}"));
    }

    /// Asks for the media of these paths over TCP, in two channels each from 0 on. Returns the session's header.
    pub fn set_up_media(&mut self, paths: &[&str], headers: &str) -> String {
        let mut session = String::new();
        for (number, path) in paths.iter().enumerate() {
            let (rtp, rtcp) = (2 * number, 2 * number + 1);
            let transport = format!("RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}");
            session = session_of(&self.set_up(path, &transport, &format!("{session}{headers}")));
        }
        session
    }

    /// Asks for the media of these paths over UDP, to ports of nobody. Returns the session's header, and a socket that
    /// is connected to where the server takes RTCP of the last one.
    pub fn set_up_over_udp(&mut self, paths: &[&str]) -> (String, UdpSocket) {
        let (mut session, mut port) = (String::new(), 0);
        for path in paths {
            let answer = self.set_up(path, "RTP/AVP;unicast;client_port=9-10", &session);
            let ports = answer.split("server_port=").nth(1).expect(&answer);
            let rtcp = ports.split('-').nth(1).unwrap().split(|c: char| !c.is_ascii_digit()).next().unwrap();
            (session, port) = (session_of(&answer), rtcp.parse().unwrap());
        }
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        (session, socket)
    }

    fn set_up(&mut self, path: &str, transport: &str, headers: &str) -> String {
        self.ask("SETUP", path, &format!("Transport: {transport}\r\n{headers}"))
    }

    /// Asks for what was set up to be played.
    pub fn begin(&mut self, headers: &str) {
        let answer = self.ask("PLAY", "", headers);
        assert!(answer.starts_with("RTSP/1.0 200"), "{answer}");
    }

    /// Asks for the picture over TCP, and reads nothing of it.
    pub fn play(&mut self) {
        self.play_media(&["/stream=0"], "");
    }

    /// Returns the next packet that comes, and its channel.
    pub fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).unwrap();
        assert_eq!(head[0], b'$', "{head:?}");
        let mut packet = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
        self.stream.read_exact(&mut packet).unwrap();
        (head[1], packet)
    }

    pub fn send_packet(&mut self, channel: u8, packet: &[u8]) {
        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
        self.stream.write_all(&[&[b'$', channel, length[0], length[1]], packet].concat()).unwrap();
    }
}
