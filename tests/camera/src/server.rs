//! A camera on real sockets and a thread of its own.

use crate::burst::send_burst;
use crate::camera::Camera;
use crate::camera_config::CameraConfig;
use crate::camera_event::CameraEvent;
use crate::deviation_log::DeviationLog;
use crate::link::LinkConfig;
use crate::live_media::{LiveMedia, LiveMediaConfig};
use crate::media_frame::MediaFrame;
use crate::picture::Picture;
use crate::station::{Arrival, SentFrame, ServerStats, Station};
use crate::synthetic::{Synthetic, SyntheticConfig};
use crate::talk::Talk;
use polling::{Event, Events, PollMode, Poller};
use socket2::SockRef;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

const DISCOVERY: usize = 0;
const EPHEMERAL: usize = 1;
/// Bytes of socket buffer to ask the system for, in each direction; it may give less.
const SOCKET_BUFFER: usize = 1 << 20;
const MAX_DATAGRAM: usize = 2048;

/// The source of a server's frames.
#[derive(Debug, Clone)]
pub enum MediaSource {
    /// No frames but those from [`CameraServer::push_frame`].
    None,
    /// Synthetic frames, in real time; the present replaces the `start` of their times.
    Synthetic(SyntheticConfig),
    /// Frames that GStreamer encodes, or that come from a file.
    Live(LiveMediaConfig),
}

/// Settings of a server beside those of the camera.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerOptions {
    /// Seed of the camera's random choices and of both links' faults.
    pub seed: u64,
    /// The link from the camera to the clients.
    pub outgoing: LinkConfig,
    /// The link from the clients to the camera.
    pub incoming: LinkConfig,
    /// Whether to keep length and SHA-256 of each frame sent, for [`CameraServer::sent_frames`].
    pub record_frames: bool,
    /// Time from each datagram to the next; with zero they leave in bursts.
    pub pace: Duration,
}

/// A running camera; dropping it closes the clients' sessions and ends it.
pub struct CameraServer {
    station: Arc<Mutex<Station>>,
    poller: Arc<Poller>,
    address: SocketAddr,
    live: Option<LiveMedia>,
    thread: Option<JoinHandle<()>>,
    last_sent: LastSent,
}

/// When a datagram last went out, in nanoseconds from a start.
#[derive(Debug, Clone)]
struct LastSent {
    start: Instant,
    nanoseconds: Arc<AtomicU64>,
}

impl LastSent {
    fn is_now(&self) {
        // 64 bits of nanoseconds last for 584 years.
        self.nanoseconds.store(self.start.elapsed().as_nanos() as u64, Ordering::Release);
    }

    fn get(&self) -> Instant {
        self.start + Duration::from_nanos(self.nanoseconds.load(Ordering::Acquire))
    }
}

/// A camera that frames are pushed to.
pub(crate) trait FrameSink: Send + Sync {
    fn push_frame(&self, frame: &MediaFrame);
    fn take_media_events(&self) -> Vec<CameraEvent>;
    fn picture(&self) -> Picture;
}

/// Pushes frames to a camera from another thread.
#[derive(Clone)]
pub struct FrameSender(Arc<dyn FrameSink>);

impl FrameSender {
    pub(crate) fn new(sink: impl FrameSink + 'static) -> Self {
        FrameSender(Arc::new(sink))
    }

    pub fn push_frame(&self, frame: &MediaFrame) {
        self.0.push_frame(frame);
    }

    /// Takes the events since the last call, for whoever encodes live media; only one thread may do so.
    pub fn take_media_events(&self) -> Vec<CameraEvent> {
        self.0.take_media_events()
    }

    /// What the picture shows now of the camera's settings.
    pub fn picture(&self) -> Picture {
        self.0.picture()
    }
}

/// A running camera, for those who push frames to it.
struct StationSink {
    station: Arc<Mutex<Station>>,
    poller: Arc<Poller>,
}

impl FrameSink for StationSink {
    fn push_frame(&self, frame: &MediaFrame) {
        lock(&self.station).push_frame(Instant::now(), frame);
        wake(&self.poller);
    }

    fn take_media_events(&self) -> Vec<CameraEvent> {
        std::mem::take(&mut lock(&self.station).media_events)
    }

    fn picture(&self) -> Picture {
        lock(&self.station).camera.picture(Instant::now())
    }
}

impl CameraServer {
    /// Binds `listen` for discovery (port 0 takes a free one) and starts. The error is that of a socket, or says why
    /// the live media cannot start.
    pub fn start(config: CameraConfig, listen: SocketAddr, media: MediaSource) -> io::Result<Self> {
        Self::start_with(config, listen, media, ServerOptions::default())
    }

    pub fn start_with(
        config: CameraConfig,
        listen: SocketAddr,
        media: MediaSource,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let discovery = bind(listen)?;
        let address = discovery.local_addr()?;
        let synthetic = match &media {
            MediaSource::Synthetic(config) => {
                let start = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
                Some((Instant::now(), Synthetic::new(SyntheticConfig { start, ..config.clone() })))
            }
            MediaSource::None | MediaSource::Live(_) => None,
        };
        let mut camera = Camera::new(config, options.seed);
        if let MediaSource::Live(config) = &media {
            camera.set_video_parameters(config.parameters());
        }
        let station = Arc::new(Mutex::new(Station::new(camera, synthetic, options)));
        let poller = Arc::new(Poller::new()?);
        let ephemeral = bind(SocketAddr::new(address.ip(), 0))?;
        let last_sent = LastSent { start: Instant::now(), nanoseconds: Arc::default() };
        let (for_worker, for_poll) = (station.clone(), poller.clone());
        let mut worker =
            Worker { station: for_worker, poller: for_poll, discovery, ephemeral, last_sent: last_sent.clone() };
        watch(&worker.poller, &worker.discovery, DISCOVERY)?;
        watch(&worker.poller, &worker.ephemeral, EPHEMERAL)?;
        let thread = std::thread::Builder::new().name("wyze-camera".into()).spawn(move || worker.run())?;
        let mut server = CameraServer { station, poller, address, live: None, thread: Some(thread), last_sent };
        if let MediaSource::Live(config) = &media {
            server.live = Some(LiveMedia::start(config, &server.frame_sender()).map_err(io::Error::other)?);
        }
        Ok(server)
    }

    /// The address of the discovery port.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// A copy of the log of what clients did against the protocol so far.
    pub fn log(&self) -> DeviationLog {
        self.station().camera.log().clone()
    }

    pub fn stats(&self) -> ServerStats {
        self.station().stats()
    }

    /// When a datagram last went out.
    pub fn last_sent(&self) -> Instant {
        self.last_sent.get()
    }

    /// The frames that went out, if [`ServerOptions::record_frames`] is set.
    pub fn sent_frames(&self) -> Vec<SentFrame> {
        self.station().sent_frames.clone()
    }

    /// Takes the events since the last call, up to the newest 1000.
    pub fn take_events(&self) -> Vec<CameraEvent> {
        self.station().events.drain(..).collect()
    }

    /// A copy of what clients have said through the camera's speaker, talk by talk, oldest first.
    pub fn talks(&self) -> Vec<Talk> {
        self.station().camera.talks().cloned().collect()
    }

    /// A copy of the audio of all talks, concatenated, up to 16 MiB.
    pub fn talk_audio(&self) -> Vec<u8> {
        self.station().camera.talk_audio()
    }

    /// Like [`CameraServer::talk_audio`], and forgets the audio to make room for more. The talks' counts stay.
    pub fn take_talk_audio(&self) -> Vec<u8> {
        self.station().camera.take_talk_audio()
    }

    /// What the picture shows now of the camera's settings.
    pub fn picture(&self) -> Picture {
        self.frame_sender().picture()
    }

    /// The control frames of clients that had no HL message but one of TUTK's own, each with its IO type and payload.
    pub fn io_types(&self) -> Vec<(u16, Vec<u8>)> {
        self.station().camera.io_types().to_vec()
    }

    /// Where the camera looks, in whole degrees: horizontal and vertical. Zeros on a model that does not pan.
    pub fn looks_at(&self) -> (u16, u8) {
        self.station().camera.looks_at(Instant::now())
    }

    /// The codes of photos and other acts that clients have asked for.
    pub fn acts(&self) -> Vec<u16> {
        self.station().camera.acts().to_vec()
    }

    /// The times, since 1970, to which clients have set the camera's clock.
    pub fn clock_settings(&self) -> Vec<u32> {
        self.station().camera.clock_settings().to_vec()
    }

    /// Changes the camera's settings; [`Camera::config_mut`] says what this changes for open sessions.
    pub fn configure(&self, change: impl FnOnce(&mut CameraConfig)) {
        change(self.station().camera.config_mut());
    }

    /// Changes synthetic media for frames from now on; moving their `start` makes the camera's clock jump. Does nothing
    /// if the media are not synthetic.
    pub fn change_synthetic(&self, change: impl FnOnce(&mut SyntheticConfig)) {
        if let Some((_, media)) = &mut self.station().synthetic {
            change(media.config_mut());
        }
    }

    /// Sets both links for datagrams from now on; a loss of 1 cuts them.
    pub fn set_links(&self, outgoing: LinkConfig, incoming: LinkConfig) {
        let mut station = self.station();
        station.outgoing.set_config(outgoing);
        station.incoming.set_config(incoming);
    }

    pub fn push_frame(&self, frame: &MediaFrame) {
        self.frame_sender().push_frame(frame);
    }

    pub fn frame_sender(&self) -> FrameSender {
        FrameSender::new(StationSink { station: self.station.clone(), poller: self.poller.clone() })
    }

    /// Forgets all clients without telling them, hears nothing for `downtime`, and comes back on another ephemeral
    /// port.
    pub fn reboot(&self, downtime: Duration) {
        self.station().reboot(Instant::now(), downtime);
        wake(&self.poller);
    }

    /// Closes the clients' sessions, ends the camera, and returns the log.
    pub fn stop(mut self) -> DeviationLog {
        self.end();
        self.log()
    }

    fn end(&mut self) {
        self.live = None;
        self.station().stopping = true;
        wake(&self.poller);
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, its message has been printed, and the log is still there to read.
            let _ = thread.join();
        }
    }

    fn station(&self) -> MutexGuard<'_, Station> {
        lock(&self.station)
    }
}

impl Drop for CameraServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the camera's thread works with.
struct Worker {
    station: Arc<Mutex<Station>>,
    poller: Arc<Poller>,
    discovery: UdpSocket,
    ephemeral: UdpSocket,
    last_sent: LastSent,
}

impl Worker {
    fn run(&mut self) {
        let mut events = Events::new();
        while let Some(timeout) = self.serve() {
            events.clear();
            if let Err(error) = self.poller.wait(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                break;
            }
        }
        // Sockets have to be removed from the poller before they close.
        let _ = self.poller.delete(&self.discovery);
        let _ = self.poller.delete(&self.ephemeral);
    }

    /// Receives, does what is due, and sends. Returns how long to wait then (`Some(None)` for ever), or `None` at the
    /// end.
    fn serve(&mut self) -> Option<Option<Duration>> {
        let station = self.station.clone();
        let mut station = lock(&station);
        if std::mem::take(&mut station.new_port_wanted) {
            self.move_to_new_port();
        }
        let now = Instant::now();
        receive(&self.discovery, true, now, &mut station);
        receive(&self.ephemeral, false, now, &mut station);
        station.advance(now);
        let stopping = station.stopping;
        if stopping {
            station.camera.close();
            while let Some(transmit) = station.camera.poll_transmit() {
                let _ = self.ephemeral.send_to(&transmit.data, transmit.to);
            }
            return None;
        }
        let burst: Vec<_> = station.poll_burst(now).collect();
        for together in burst.chunk_by(|one, next| one.from_discovery_port == next.from_discovery_port) {
            let socket = if together[0].from_discovery_port { &self.discovery } else { &self.ephemeral };
            // Noted before, as the receiver may be done before this thread goes on.
            self.last_sent.is_now();
            send_burst(socket, &together.iter().map(|transmit| (&transmit.data, transmit.to)).collect::<Vec<_>>());
        }
        Some(station.poll_timeout().map(|due| due.saturating_duration_since(Instant::now())))
    }

    /// Changes the ephemeral port, or keeps the old one if no other can be had.
    fn move_to_new_port(&mut self) {
        let Ok(socket) = self.ephemeral.local_addr().and_then(|old| bind(SocketAddr::new(old.ip(), 0))) else { return };
        if watch(&self.poller, &socket, EPHEMERAL).is_ok() {
            let _ = self.poller.delete(&self.ephemeral);
            self.ephemeral = socket;
        }
    }
}

fn receive(socket: &UdpSocket, to_discovery_port: bool, now: Instant, station: &mut Station) {
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                station.stats.datagrams_received += 1;
                station.incoming.send(now, Arrival { from, to_discovery_port, data: buffer[..len].to_vec() });
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    let options = SockRef::from(&socket);
    // The system may refuse; smaller buffers only lose more datagrams.
    let _ = options.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = options.set_send_buffer_size(SOCKET_BUFFER);
    Ok(socket)
}

fn watch(poller: &Poller, socket: &UdpSocket, key: usize) -> io::Result<()> {
    // SAFETY: the worker deletes each socket from the poller before it closes.
    unsafe { poller.add_with_mode(socket, Event::readable(key), PollMode::Level) }
}

/// Ignores poisoning: after a panic of another thread the log is still worth reading.
pub(crate) fn lock<T>(station: &Mutex<T>) -> MutexGuard<'_, T> {
    station.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn wake(poller: &Poller) {
    // This fails only if the system is out of resources; the thread then wakes at its next timeout.
    let _ = poller.notify();
}
