//! A WebRTC camera on real sockets and a thread of its own.

use super::camera::{SignallingOutput, WebCamera, WebStats};
use super::config::WebCameraConfig;
use super::sockets::{Gate, Signalling, Told};
use super::station::{PICTURE, WebArrival, WebStation};
use crate::burst::send_burst;
use crate::camera_event::{CameraEvent, ClientId};
use crate::link::{LinkConfig, LinkStats};
use crate::live_media::LiveMedia;
use crate::media_frame::MediaFrame;
use crate::picture::Picture;
use crate::server::{FrameSender, FrameSink, MediaSource, bind, lock, wake};
use crate::station::SentFrame;
use crate::synthetic::{Synthetic, SyntheticConfig};
use openssl::ssl::SslAcceptor;
use polling::{Event, Events, PollMode, Poller};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

const UDP: usize = 0;
const LISTENER: usize = 1;
/// The key of the first WebSocket; later ones count up.
const FIRST_SOCKET: usize = 2;
const MAX_DATAGRAM: usize = 2048;
/// The query that a signalling URL has to have, in which some characters are encoded.
const QUERY: &str = "X-Amz-Credential=camera%2F20261126%2Fkvs&X-Amz-Signature=00ff";

/// Settings of a server beside those of the camera.
#[derive(Clone, Default)]
pub struct WebServerOptions {
    /// Seed of both links' faults.
    pub seed: u64,
    /// The link from the camera to the viewers; signalling does not go over it.
    pub outgoing: LinkConfig,
    /// The link from the viewers to the camera.
    pub incoming: LinkConfig,
    /// Whether to keep length and SHA-256 of each frame sent, for [`WebCameraServer::sent_frames`].
    pub record_frames: bool,
    /// Has signalling over TLS, with this certificate.
    pub tls: Option<SslAcceptor>,
}

/// A running camera; dropping it ends it.
pub struct WebCameraServer {
    station: Arc<Mutex<WebStation>>,
    poller: Arc<Poller>,
    signalling: SocketAddr,
    address: SocketAddr,
    scheme: &'static str,
    live: Option<LiveMedia>,
    thread: Option<JoinHandle<()>>,
}

/// A running camera, for those who push frames to it.
struct WebSink {
    station: Arc<Mutex<WebStation>>,
    poller: Arc<Poller>,
}

impl FrameSink for WebSink {
    fn push_frame(&self, frame: &MediaFrame) {
        lock(&self.station).push_frame(Instant::now(), frame);
        wake(&self.poller);
    }

    fn take_media_events(&self) -> Vec<CameraEvent> {
        std::mem::take(&mut lock(&self.station).media_events)
    }

    fn picture(&self) -> Picture {
        PICTURE
    }
}

impl WebCameraServer {
    /// Starts a camera with sockets at this address, whose port counts for signalling (0 takes a free one). The error is
    /// that of a socket, or says why the live media cannot start.
    pub fn start(
        config: WebCameraConfig,
        listen: SocketAddr,
        media: MediaSource,
        options: WebServerOptions,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let udp = bind(SocketAddr::new(listen.ip(), 0))?;
        let (signalling, address) = (listener.local_addr()?, udp.local_addr()?);
        let synthetic = match &media {
            MediaSource::Synthetic(config) => {
                let start = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
                Some((Instant::now(), Synthetic::new(SyntheticConfig { start, ..config.clone() })))
            }
            MediaSource::None | MediaSource::Live(_) => None,
        };
        let camera = WebCamera::new(config, address);
        let station = Arc::new(Mutex::new(WebStation::new(camera, synthetic, &options)));
        let poller = Arc::new(Poller::new()?);
        // SAFETY: the worker deletes both from the poller before they close.
        unsafe {
            poller.add_with_mode(&udp, Event::readable(UDP), PollMode::Level)?;
            poller.add_with_mode(&listener, Event::readable(LISTENER), PollMode::Level)?;
        }
        let scheme = if options.tls.is_some() { "wss" } else { "ws" };
        let mut worker = Worker {
            station: station.clone(),
            poller: poller.clone(),
            udp,
            listener,
            tls: options.tls,
            sockets: Vec::new(),
            next_key: FIRST_SOCKET,
        };
        let thread = std::thread::Builder::new().name("web-camera".into()).spawn(move || worker.run())?;
        let mut server =
            WebCameraServer { station, poller, signalling, address, scheme, live: None, thread: Some(thread) };
        if let MediaSource::Live(config) = &media {
            server.live = Some(LiveMedia::start(config, &server.frame_sender()).map_err(io::Error::other)?);
        }
        Ok(server)
    }

    /// The URL of signalling, as the cloud gives it. With TLS, its host is `localhost`, else an address.
    pub fn url(&self) -> String {
        let port = self.signalling.port();
        let host = if self.scheme == "wss" { format!("localhost:{port}") } else { self.signalling.to_string() };
        format!("{}://{host}/?{QUERY}", self.scheme)
    }

    /// The same URL as the cloud gives it for some cameras: its query is encoded twice. Signalling refuses it as it is.
    pub fn twice_encoded_url(&self) -> String {
        self.url().replace('%', "%25")
    }

    /// The address that media come from.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    pub fn stats(&self) -> WebStats {
        self.station().camera.stats()
    }

    /// The link to the viewers, and that from them.
    pub fn link_stats(&self) -> [LinkStats; 2] {
        let station = self.station();
        [station.outgoing.stats(), station.incoming.stats()]
    }

    /// The frames that at least one viewer was sent, if [`WebServerOptions::record_frames`] is set.
    pub fn sent_frames(&self) -> Vec<SentFrame> {
        self.station().sent_frames.clone()
    }

    /// Takes the events since the last call, up to the newest 1000.
    pub fn take_events(&self) -> Vec<CameraEvent> {
        self.station().events.drain(..).collect()
    }

    /// The talk of all viewers, encoded as it came, up to 16 MiB.
    pub fn talk_audio(&self) -> Vec<u8> {
        self.station().camera.talk_audio().to_vec()
    }

    /// Like [`WebCameraServer::talk_audio`], and forgets it to make room for more.
    pub fn take_talk_audio(&self) -> Vec<u8> {
        self.station().camera.take_talk_audio()
    }

    /// Changes the camera's settings; [`WebCamera::config_mut`] says what counts when.
    pub fn configure(&self, change: impl FnOnce(&mut WebCameraConfig)) {
        change(self.station().camera.config_mut());
        wake(&self.poller);
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
        FrameSender::new(WebSink { station: self.station.clone(), poller: self.poller.clone() })
    }

    /// Forgets all viewers without telling them, as a camera does that loses power.
    pub fn reboot(&self) {
        self.station().camera.reboot();
        wake(&self.poller);
    }

    fn end(&mut self) {
        self.live = None;
        self.station().stopping = true;
        wake(&self.poller);
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, its message has been printed.
            let _ = thread.join();
        }
    }

    fn station(&self) -> MutexGuard<'_, WebStation> {
        lock(&self.station)
    }
}

impl Drop for WebCameraServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the camera's thread works with.
struct Worker {
    station: Arc<Mutex<WebStation>>,
    poller: Arc<Poller>,
    udp: UdpSocket,
    listener: TcpListener,
    tls: Option<SslAcceptor>,
    sockets: Vec<Signalling>,
    next_key: usize,
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
        let _ = self.poller.delete(&self.udp);
        let _ = self.poller.delete(&self.listener);
        self.sockets.iter().for_each(|socket| socket.leave(&self.poller));
    }

    /// Receives, does what is due, and sends. Returns how long to wait then (`Some(None)` for ever), or `None` at the
    /// end.
    fn serve(&mut self) -> Option<Option<Duration>> {
        let station = self.station.clone();
        let mut station = lock(&station);
        let now = Instant::now();
        while let Ok((stream, _)) = self.listener.accept() {
            let (gate, key) = (Gate(QUERY.to_owned()), self.next_key);
            self.next_key += 1;
            self.sockets.extend(Signalling::accept(stream, self.tls.as_ref(), gate, &self.poller, key));
        }
        self.read_signalling(now, &mut station.camera);
        receive(&self.udp, now, &mut station);
        station.advance(now);
        if station.stopping {
            station.camera.close();
            while let Some(transmit) = station.camera.poll_transmit() {
                let _ = self.udp.send_to(&transmit.data, transmit.to);
            }
            return None;
        }
        self.write_signalling(&mut station.camera);
        send_burst(&self.udp, &station.poll_burst(now));
        Some(station.poll_timeout().map(|due| due.saturating_duration_since(Instant::now())))
    }

    fn read_signalling(&mut self, now: Instant, camera: &mut WebCamera) {
        let poller = &self.poller;
        self.sockets.retain_mut(|socket| {
            let Ok(told) = socket.read() else {
                socket.viewer.into_iter().for_each(|viewer| camera.signalling_closed(viewer));
                socket.leave(poller);
                return false;
            };
            for told in told {
                match (told, socket.viewer) {
                    (Told::Opened, _) => socket.viewer = Some(camera.open_signalling()),
                    (Told::Text(text), Some(viewer)) => camera.handle_text(now, viewer, &text),
                    (Told::Text(_), None) => {}
                }
            }
            true
        });
    }

    fn write_signalling(&mut self, camera: &mut WebCamera) {
        while let Some((viewer, output)) = camera.poll_signalling() {
            let Some(socket) = self.socket(viewer) else { continue };
            match output {
                SignallingOutput::Text(text) => socket.send(text),
                SignallingOutput::Close => socket.close(),
            }
        }
    }

    fn socket(&mut self, viewer: ClientId) -> Option<&mut Signalling> {
        self.sockets.iter_mut().find(|socket| socket.viewer == Some(viewer))
    }
}

fn receive(socket: &UdpSocket, now: Instant, station: &mut WebStation) {
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => station.incoming.send(now, WebArrival { from, data: buffer[..len].to_vec() }),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
