//! A camera with its media and the links to its clients: the parts of a server that need neither sockets nor a thread.

use crate::camera::{Camera, Transmit};
use crate::camera_event::CameraEvent;
use crate::link::{Link, LinkStats};
use crate::media_frame::MediaFrame;
use crate::server::ServerOptions;
use crate::synthetic::Synthetic;
use gstwyze::protocol::wire::media::MediaChannel;
use openssl::sha::sha256;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Datagrams that leave at once, so that a key frame does not overrun the receiver's socket buffer. On Wi-Fi they are
/// spread out in the same way.
const BURST: usize = 24;
const BURST_INTERVAL: Duration = Duration::from_millis(1);
/// How many events are kept if nobody fetches them.
const KEPT_EVENTS: usize = 1000;

/// Counters of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Clients with an open session.
    pub clients: usize,
    /// Clients that get media.
    pub streaming: usize,
    /// Video frames that came while at least one client streamed.
    pub video_frames: u64,
    /// Audio frames that came while at least one client streamed.
    pub audio_frames: u64,
    pub datagrams_sent: u64,
    pub bytes_sent: u64,
    pub datagrams_received: u64,
    /// The link to the clients.
    pub outgoing: LinkStats,
    /// The link from the clients.
    pub incoming: LinkStats,
}

/// A summary of a frame that went out, to compare with what arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentFrame {
    pub kind: MediaChannel,
    pub len: usize,
    pub sha256: [u8; 32],
    /// How many of its datagrams the link to the clients lost.
    pub lost: u64,
}

/// A datagram on its way from a client.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub from: SocketAddr,
    pub to_discovery_port: bool,
    pub data: Vec<u8>,
}

impl AsMut<[u8]> for Arrival {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }
}

pub(crate) struct Station {
    pub camera: Camera,
    pub outgoing: Link<Transmit>,
    pub incoming: Link<Arrival>,
    /// Synthetic media, and the time of their first frame.
    pub synthetic: Option<(Instant, Synthetic)>,
    pub events: VecDeque<CameraEvent>,
    /// Events that live media have not fetched yet.
    pub media_events: Vec<CameraEvent>,
    pub sent_frames: Vec<SentFrame>,
    pub stats: ServerStats,
    pub stopping: bool,
    /// Set by a reboot: the camera comes back on another port.
    pub new_port_wanted: bool,
    options: ServerOptions,
    next_burst: Option<Instant>,
}

impl Station {
    pub fn new(camera: Camera, synthetic: Option<(Instant, Synthetic)>, options: ServerOptions) -> Self {
        Station {
            camera,
            outgoing: Link::new(options.outgoing, options.seed),
            incoming: Link::new(options.incoming, options.seed.wrapping_add(1)),
            synthetic,
            events: VecDeque::new(),
            media_events: Vec::new(),
            sent_frames: Vec::new(),
            stats: ServerStats::default(),
            stopping: false,
            new_port_wanted: false,
            options,
            next_burst: None,
        }
    }

    pub fn stats(&self) -> ServerStats {
        ServerStats {
            clients: self.camera.clients(),
            streaming: self.camera.streaming_clients(),
            outgoing: self.outgoing.stats(),
            incoming: self.incoming.stats(),
            ..self.stats
        }
    }

    pub fn push_frame(&mut self, now: Instant, frame: &MediaFrame) {
        self.send_on(now);
        let is_sent = self.camera.streaming_clients() > 0;
        let lost_before = self.outgoing.stats().lost;
        self.camera.push_frame(now, frame);
        self.send_on(now);
        if !is_sent {
            return;
        }
        let count = if frame.is_audio() { &mut self.stats.audio_frames } else { &mut self.stats.video_frames };
        *count += 1;
        if self.options.record_frames {
            let (kind, len, sha256) = (frame.kind, frame.data.len(), sha256(&frame.data));
            let lost = self.outgoing.stats().lost - lost_before;
            self.sent_frames.push(SentFrame { kind, len, sha256, lost });
        }
    }

    /// Puts what the camera says on the link.
    fn send_on(&mut self, now: Instant) {
        while let Some(transmit) = self.camera.poll_transmit() {
            self.outgoing.send(now, transmit);
        }
    }

    pub fn reboot(&mut self, now: Instant, downtime: Duration) {
        self.camera.reboot(now, downtime);
        self.new_port_wanted = true;
    }

    /// Does what is due and puts what the camera says on the link.
    pub fn advance(&mut self, now: Instant) {
        while let Some(mut arrival) = self.incoming.poll(now) {
            self.camera.handle_datagram(now, arrival.from, arrival.to_discovery_port, &mut arrival.data);
        }
        if self.camera.poll_timeout().is_some_and(|due| due <= now) {
            self.camera.handle_timeout(now);
        }
        self.handle_events();
        self.push_synthetic(now);
        self.send_on(now);
    }

    /// Returns the datagrams that may leave now, at most one burst.
    pub fn poll_burst(&mut self, now: Instant) -> Burst<'_> {
        let burst = if self.options.pace.is_zero() { BURST } else { 1 };
        let left = if self.next_burst.is_some_and(|at| at > now) { 0 } else { burst };
        Burst { station: self, now, left }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let synthetic = self.synthetic.as_ref().and_then(|(start, media)| Some(*start + media.next_due()?));
        let outgoing = self.outgoing.poll_timeout().map(|due| self.next_burst.map_or(due, |burst| burst.max(due)));
        [self.camera.poll_timeout(), self.incoming.poll_timeout(), outgoing, synthetic].into_iter().flatten().min()
    }

    fn push_synthetic(&mut self, now: Instant) {
        while let Some((start, media)) = &mut self.synthetic
            && media.next_due().is_some_and(|due| *start + due <= now)
            && let Some((_, frame)) = media.next_frame()
        {
            self.push_frame(now, &frame);
        }
    }

    fn handle_events(&mut self) {
        while let Some(event) = self.camera.poll_event() {
            match (&event, &mut self.synthetic) {
                (CameraEvent::Streaming { video: true, .. }, Some((_, media))) => media.want_key_frame(),
                (CameraEvent::VideoParameters { parameters, .. }, Some((_, media))) => {
                    media.config_mut().frame_size = received_frame_size(parameters.frame_size);
                    media.want_key_frame();
                }
                _ => {}
            }
            self.media_events.push(event.clone());
            self.media_events.truncate(KEPT_EVENTS);
            if self.events.len() == KEPT_EVENTS {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
    }
}

/// Returns FRAMEINFO's code for a frame size that was asked for; only that of the floodlight differs.
pub fn received_frame_size(asked: u8) -> u8 {
    if asked == 4 { 5 } else { asked }
}

/// The datagrams that may leave now.
pub struct Burst<'a> {
    station: &'a mut Station,
    now: Instant,
    left: usize,
}

impl Iterator for Burst<'_> {
    type Item = Transmit;

    fn next(&mut self) -> Option<Transmit> {
        if self.left == 0 {
            return None;
        }
        let transmit = self.station.outgoing.poll(self.now)?;
        self.left -= 1;
        if self.left == 0 {
            let pace = self.station.options.pace;
            self.station.next_burst = Some(self.now + if pace.is_zero() { BURST_INTERVAL } else { pace });
        }
        self.station.stats.datagrams_sent += 1;
        self.station.stats.bytes_sent += transmit.data.len() as u64;
        Some(transmit)
    }
}
