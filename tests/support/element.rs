//! Shared by the element tests: a simulated camera that fails the test if it finds fault with the client, and a
//! `wyzesrc` in a pipeline whose buffers, events and messages all come through one channel.

#![allow(dead_code, reason = "each test binary uses its own part")]

use gst::glib;
use gst::prelude::*;
use gstwyze::protocol::wire::media::MediaChannel;
use std::net::SocketAddr;
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant, SystemTime};
use wyze_camera::{
    CameraConfig, CameraEvent, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, LiveAudio, LiveMediaConfig, LiveVideo,
    MediaFrame, MediaSource, SentFrame, ServerOptions, Synthetic, SyntheticConfig,
};

/// How long to wait for something that has to happen; generous, for machines with much else to do.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstwyze::plugin_register_static().unwrap();
    });
}

/// Which deviations a camera's log may contain at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// None: the links are clean.
    Nothing,
    /// Deviations of order and timing: the links lose, delay or repeat datagrams.
    Behaviour,
    /// Any: the links corrupt datagrams, or the client has wrong keys.
    Anything,
}

/// A camera, on 127.0.0.1 by default; dropping it fails the test if the client strayed from the protocol.
pub struct TestCamera {
    server: CameraServer,
    tolerance: Tolerance,
}

impl TestCamera {
    pub fn new(media: MediaSource) -> Self {
        Self::start(|_| {}, media, ServerOptions::default(), Tolerance::Nothing)
    }

    pub fn with_config(change: impl FnOnce(&mut CameraConfig), media: MediaSource) -> Self {
        Self::start(change, media, ServerOptions::default(), Tolerance::Nothing)
    }

    pub fn start(
        change: impl FnOnce(&mut CameraConfig),
        media: MediaSource,
        options: ServerOptions,
        tolerance: Tolerance,
    ) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), change, media, options, tolerance)
    }

    /// Starts a camera that listens for discovery at this address.
    pub fn start_at(
        listen: SocketAddr,
        change: impl FnOnce(&mut CameraConfig),
        media: MediaSource,
        options: ServerOptions,
        tolerance: Tolerance,
    ) -> Self {
        init();
        let mut config = CameraConfig::demo().unwrap();
        change(&mut config);
        TestCamera { server: CameraServer::start_with(config, listen, media, options).unwrap(), tolerance }
    }

    /// Returns the frames of one medium that went out.
    pub fn sent(&self, video: bool) -> Vec<SentFrame> {
        self.sent_frames().into_iter().filter(|frame| (frame.kind != MediaChannel::Audio) == video).collect()
    }

    /// Pushes the synthetic frames of the next `duration`: each at its time if `paced`, else all at once.
    pub fn feed(&self, config: SyntheticConfig, duration: Duration, paced: bool) -> Vec<MediaFrame> {
        let (start, begin) = (SystemTime::UNIX_EPOCH.elapsed().unwrap(), Instant::now());
        let mut media = Synthetic::new(SyntheticConfig { start, ..config });
        let mut frames = Vec::new();
        while let Some((due, frame)) = media.next_frame()
            && due < duration
        {
            if paced {
                std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
            }
            self.push_frame(&frame);
            frames.push(frame);
        }
        frames
    }

    /// Waits for a camera event for which `fits` returns a value, and returns that value.
    pub fn await_event<T>(&self, mut fits: impl FnMut(&CameraEvent) -> Option<T>) -> T {
        let mut found = None;
        wait_until("the camera's event", || {
            found = self.take_events().iter().find_map(&mut fits);
            found.is_some()
        });
        found.unwrap()
    }
}

impl Deref for TestCamera {
    type Target = CameraServer;

    fn deref(&self) -> &CameraServer {
        &self.server
    }
}

impl Drop for TestCamera {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let log = self.server.log();
        match self.tolerance {
            Tolerance::Nothing => assert!(log.is_empty(), "the camera found fault:\n{log}"),
            Tolerance::Behaviour => assert_eq!(log.byte_entries().count(), 0, "the camera found fault:\n{log}"),
            Tolerance::Anything => {}
        }
    }
}

/// Polls until `condition` holds; for conditions that no event announces.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Media with small frames, for tests that are not about throughput.
pub fn small() -> SyntheticConfig {
    SyntheticConfig { key_frame_len: 6000, frame_len: 1500, gop: 20, ..SyntheticConfig::default() }
}

pub fn synthetic() -> MediaSource {
    MediaSource::Synthetic(small())
}

/// Really encoded video and audio, small enough for slow machines.
pub fn live(video: LiveVideo, audio: LiveAudio) -> MediaSource {
    MediaSource::Live(LiveMediaConfig { video, audio, width: 320, height: 240, fps: 10, ..LiveMediaConfig::default() })
}

/// Which pads get a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Both,
    Only(&'static str),
    Neither,
}

/// Something that a pipeline did. Buffers and events are those on the pads of `wyzesrc`.
#[derive(Debug)]
pub enum Seen {
    PadAdded { pad: gst::Pad, sticky: Vec<gst::Event> },
    NoMorePads,
    Event(String, gst::Event),
    Buffer(String, gst::Buffer),
    Message(gst::Message),
}

impl Seen {
    /// Returns the buffer if this is one on the named pad.
    pub fn buffer(&self, name: &str) -> Option<gst::Buffer> {
        match self {
            Seen::Buffer(pad, buffer) if pad == name => Some(buffer.clone()),
            _ => None,
        }
    }

    pub fn error(&self) -> Option<(glib::Error, String)> {
        match self {
            Seen::Message(message) => match message.view() {
                gst::MessageView::Error(e) => Some((e.error(), e.debug().map(Into::into).unwrap_or_default())),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn warning(&self) -> Option<String> {
        match self {
            Seen::Message(message) => match message.view() {
                gst::MessageView::Warning(w) => Some(w.error().to_string()),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn is_progress(&self, expected: &str) -> bool {
        matches!(self, Seen::Message(message)
            if matches!(message.view(), gst::MessageView::Progress(progress) if progress.get().2 == expected))
    }

    pub fn is_eos_message(&self) -> bool {
        matches!(self, Seen::Message(message) if matches!(message.view(), gst::MessageView::Eos(_)))
    }
}

/// A pipeline with a `wyzesrc`; dropping it stops it.
pub struct Player {
    pub pipeline: gst::Pipeline,
    pub src: gst::Element,
    seen: Receiver<Seen>,
    sender: Sender<Seen>,
}

impl Player {
    /// Builds a pipeline whose `wyzesrc` is aimed at this camera.
    pub fn new(camera: &CameraServer, link: Link) -> Self {
        let player = Self::bare(link);
        aim(&player.src, camera);
        player
    }

    /// Builds a pipeline whose `wyzesrc` has no property set.
    pub fn bare(link: Link) -> Self {
        init();
        let src = gst::ElementFactory::make("wyzesrc").build().unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add(&src).unwrap();
        let wants = move |pad: &gst::Pad| match link {
            Link::Both => true,
            Link::Only(name) => pad.name() == name,
            Link::Neither => false,
        };
        let (sender, seen) = observe(&pipeline, &src);
        let weak = pipeline.downgrade();
        src.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = weak.upgrade().filter(|_| wants(pad)) {
                sink(&pipeline, pad);
            }
        });
        Player { pipeline, src, seen, sender }
    }

    /// Builds the pipeline of a launch line, in which `wyzesrc` has to be named `camera`.
    pub fn launch(line: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
        let src = pipeline.by_name("camera").unwrap();
        let (sender, seen) = observe(&pipeline, &src);
        Player { pipeline, src, seen, sender }
    }

    pub fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
    }

    /// Plays until the camera streams.
    pub fn connect(&self) {
        self.play();
        self.progress("Connected");
    }

    /// Waits for whatever the pipeline does next; returns `None` after `patience`.
    pub fn next_within(&self, patience: Duration) -> Option<Seen> {
        match self.seen.recv_timeout(patience) {
            Ok(seen) => Some(seen),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("the player itself holds a sender"),
        }
    }

    /// Waits until `pick` returns a value, and returns it. An error message that `pick` does not take fails the test.
    pub fn until<T>(&self, what: &str, mut pick: impl FnMut(&Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let seen = self.next_within(left).unwrap_or_else(|| panic!("{what} did not come"));
            if let Some(picked) = pick(&seen) {
                return picked;
            }
            if let Some((error, debug)) = seen.error() {
                panic!("while waiting for {what}: {error} ({debug})");
            }
        }
    }

    pub fn buffers(&self, pad: &str, count: usize) -> Vec<gst::Buffer> {
        (0..count).map(|_| self.until(&format!("a {pad} buffer"), |seen| seen.buffer(pad))).collect()
    }

    pub fn buffer(&self, pad: &str) -> gst::Buffer {
        self.buffers(pad, 1).remove(0)
    }

    pub fn progress(&self, text: &str) {
        self.until(text, |seen| seen.is_progress(text).then_some(()));
    }

    /// Calls `act` on the thread that posts this progress message, before anybody else hears of it.
    pub fn on_progress(&self, text: &'static str, act: impl Fn() + Send + Sync + 'static) {
        let bus = self.pipeline.bus().unwrap();
        let sender = self.sender.clone();
        bus.unset_sync_handler();
        bus.set_sync_handler(move |_, message| {
            let seen = Seen::Message(message.clone());
            if seen.is_progress(text) {
                act();
            }
            drop(sender.send(seen));
            gst::BusSyncReply::Drop
        });
    }

    pub fn error(&self) -> (glib::Error, String) {
        self.until("an error", Seen::error)
    }

    /// Waits for the next change of this pad's caps and returns the new ones.
    pub fn new_caps(&self, name: &str) -> gst::Caps {
        self.until("new caps", |seen| match seen {
            Seen::Event(pad, event) if pad == name => match event.view() {
                gst::EventView::Caps(caps) => Some(caps.caps_owned()),
                _ => None,
            },
            _ => None,
        })
    }

    /// Ends the stream as `gst-launch-1.0 -e` does, and returns all that came up to and including the EOS message.
    pub fn end(&self) -> Vec<Seen> {
        assert!(self.pipeline.send_event(gst::event::Eos::new()));
        let mut all = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while !all.last().is_some_and(Seen::is_eos_message) {
            let left = deadline.saturating_duration_since(Instant::now());
            let seen = self.next_within(left).expect("EOS did not come");
            assert!(seen.error().is_none(), "{:?}", seen.error());
            all.push(seen);
        }
        all
    }

    /// Returns all that has come and has not been read.
    pub fn drain(&self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }

    pub fn stat(&self, field: &str) -> u64 {
        self.src.property::<gst::Structure>("stats").get(field).unwrap()
    }

    /// Removes the sinks that [`sink`] added; the pipeline has to be stopped.
    pub fn remove_sinks(&self) {
        for sink in self.pipeline.children().into_iter().filter(|child| *child != self.src) {
            self.pipeline.remove(&sink).unwrap();
            sink.set_state(gst::State::Null).unwrap();
        }
    }

    pub fn stop(&self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // A failure to stop is ignored: other tests check stopping.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Sets what a `wyzesrc` needs to find this camera.
pub fn aim(src: &gst::Element, camera: &CameraServer) {
    aim_at(src, camera.addr());
}

/// Like [`aim`], for whatever listens at the port of `address` on 127.0.0.1.
pub fn aim_at(src: &gst::Element, address: SocketAddr) {
    for (name, value) in [("uid", DEMO_UID), ("enr", DEMO_ENR), ("mac", DEMO_MAC), ("host", "127.0.0.1")] {
        src.set_property(name, value);
    }
    src.set_property("port", u32::from(address.port()));
}

/// Returns the properties that [`aim`] sets, written for a launch line.
pub fn settings(camera: &CameraServer) -> String {
    format!("uid={DEMO_UID} enr={DEMO_ENR} mac={DEMO_MAC} host=127.0.0.1 port={}", camera.addr().port())
}

pub fn uri(camera: &CameraServer) -> String {
    format!("wyze://127.0.0.1:{}?uid={DEMO_UID}&enr={DEMO_ENR}&mac={DEMO_MAC}", camera.addr().port())
}

/// A running `gst-launch-1.0` with this build's plugin; dropping it kills the process.
pub struct Launch {
    pub child: Child,
}

impl Launch {
    pub fn new(line: &[&str]) -> Self {
        let plugin = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
        let child = Command::new("gst-launch-1.0")
            .arg("-q")
            .args(line)
            .env("GST_PLUGIN_PATH", plugin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Launch { child }
    }

    /// Sends the process a signal such as STOP or CONT.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(done.success(), "kill -{name}");
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Links a new `fakesink` to a pad of a running pipeline.
pub fn sink(pipeline: &gst::Pipeline, pad: &gst::Pad) {
    let sink = gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build().unwrap();
    pipeline.add(&sink).unwrap();
    sink.sync_state_with_parent().unwrap();
    pad.link(&sink.static_pad("sink").unwrap()).unwrap();
}

fn observe(pipeline: &gst::Pipeline, src: &gst::Element) -> (Sender<Seen>, Receiver<Seen>) {
    let (all, seen) = mpsc::channel();
    let sender = all.clone();
    // Sending fails after the test has ended, which does no harm.
    let send = |sender: &Sender<Seen>, seen| drop(sender.send(seen));
    let for_messages = sender.clone();
    pipeline.bus().unwrap().set_sync_handler(move |_, message| {
        send(&for_messages, Seen::Message(message.clone()));
        gst::BusSyncReply::Drop
    });
    let for_end = sender.clone();
    src.connect_no_more_pads(move |_| send(&for_end, Seen::NoMorePads));
    src.connect_pad_added(move |_, pad| {
        let mut sticky = Vec::new();
        pad.sticky_events_foreach(|event| {
            sticky.push(event.clone());
            std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
        });
        send(&sender, Seen::PadAdded { pad: pad.clone(), sticky });
        let (sender, name) = (sender.clone(), pad.name().to_string());
        let first_caps = Mutex::new(pad.current_caps());
        let seen = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(seen, move |_, info| {
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => send(&sender, Seen::Buffer(name.clone(), buffer.clone())),
                // The pad's first caps are sticky events from before it was added, and `PadAdded` has them already.
                Some(gst::PadProbeData::Event(event)) if is_new(event, &mut first_caps.lock().unwrap()) => {
                    send(&sender, Seen::Event(name.clone(), event.clone()));
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    });
    (all, seen)
}

fn is_new(event: &gst::Event, first_caps: &mut Option<gst::Caps>) -> bool {
    match event.view() {
        gst::EventView::Caps(caps) if first_caps.as_deref() == Some(caps.caps()) => false,
        gst::EventView::Caps(_) => {
            // From the first change on, they are caps like others.
            *first_caps = None;
            true
        }
        _ => true,
    }
}

pub fn bytes(buffer: &gst::Buffer) -> Vec<u8> {
    buffer.map_readable().unwrap().to_vec()
}

pub fn is_key(buffer: &gst::Buffer) -> bool {
    !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
}

pub fn is_discont(buffer: &gst::Buffer) -> bool {
    buffer.flags().contains(gst::BufferFlags::DISCONT)
}

/// One buffer from an encoder.
#[derive(Debug, Clone)]
pub struct Encoded {
    pub data: Vec<u8>,
    pub key: bool,
}

/// Runs a launch line up to EOS and returns the buffers that it produced.
pub fn encode(line: &str) -> Vec<Encoded> {
    init();
    let pipeline = gst::parse::launch(&format!("{line} ! fakesink name=out sync=false")).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let (sender, encoded) = mpsc::channel();
    let pad = pipeline.by_name("out").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data {
            sender.send(Encoded { data: bytes(buffer), key: is_key(buffer) }).unwrap();
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(PATIENCE.as_secs()),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert_eq!(end.expect("the encoder did not end").type_(), gst::MessageType::Eos, "{line}");
    pipeline.set_state(gst::State::Null).unwrap();
    encoded.try_iter().collect()
}
