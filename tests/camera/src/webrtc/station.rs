//! A WebRTC camera with its media and the links to its viewers: the parts of a server that need neither sockets nor a
//! thread.

use super::camera::{WebCamera, WebTransmit};
use super::server::WebServerOptions;
use crate::camera_event::CameraEvent;
use crate::link::Link;
use crate::media_frame::MediaFrame;
use crate::picture::Picture;
use crate::station::SentFrame;
use crate::synthetic::Synthetic;
use openssl::sha::sha256;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Datagrams that leave at once, so that a key frame does not overrun the receiver's socket buffer.
const BURST: usize = 24;
const BURST_INTERVAL: Duration = Duration::from_millis(1);
/// How many events are kept if nobody fetches them.
const KEPT_EVENTS: usize = 1000;

/// A datagram on its way from a viewer.
#[derive(Debug, Clone)]
pub struct WebArrival {
    pub from: SocketAddr,
    pub data: Vec<u8>,
}

impl AsMut<[u8]> for WebArrival {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }
}

pub struct WebStation {
    pub camera: WebCamera,
    pub outgoing: Link<WebTransmit>,
    pub incoming: Link<WebArrival>,
    /// Synthetic media, and the time of their first frame.
    pub synthetic: Option<(Instant, Synthetic)>,
    pub events: VecDeque<CameraEvent>,
    /// Events that live media have not fetched yet.
    pub media_events: Vec<CameraEvent>,
    pub sent_frames: Vec<SentFrame>,
    pub stopping: bool,
    record_frames: bool,
    next_burst: Option<Instant>,
}

impl WebStation {
    pub fn new(camera: WebCamera, synthetic: Option<(Instant, Synthetic)>, options: &WebServerOptions) -> Self {
        WebStation {
            camera,
            outgoing: Link::new(options.outgoing, options.seed),
            incoming: Link::new(options.incoming, options.seed.wrapping_add(1)),
            synthetic,
            events: VecDeque::new(),
            media_events: Vec::new(),
            sent_frames: Vec::new(),
            stopping: false,
            record_frames: options.record_frames,
            next_burst: None,
        }
    }

    pub fn push_frame(&mut self, now: Instant, frame: &MediaFrame) {
        self.send_on(now);
        let lost_before = self.outgoing.stats().lost;
        let takers = self.camera.push_frame(now, frame);
        self.send_on(now);
        if self.record_frames && takers > 0 {
            let lost = self.outgoing.stats().lost - lost_before;
            let (kind, len, sha256) = (frame.kind, frame.data.len(), sha256(&frame.data));
            self.sent_frames.push(SentFrame { kind, len, sha256, lost });
        }
    }

    /// Does what is due and puts what the camera says on the link.
    pub fn advance(&mut self, now: Instant) {
        while let Some(arrival) = self.incoming.poll(now) {
            self.camera.handle_datagram(now, arrival.from, &arrival.data);
        }
        if self.camera.poll_timeout().is_some_and(|due| due <= now) {
            self.camera.handle_timeout(now);
        }
        self.handle_events();
        while let Some((start, media)) = &mut self.synthetic
            && media.next_due().is_some_and(|due| *start + due <= now)
            && let Some((_, frame)) = media.next_frame()
        {
            self.push_frame(now, &frame);
        }
        self.send_on(now);
    }

    /// Puts what the camera says on the link.
    pub fn send_on(&mut self, now: Instant) {
        while let Some(transmit) = self.camera.poll_transmit() {
            self.outgoing.send(now, transmit);
        }
    }

    /// Returns the datagrams that may leave now, at most one burst.
    pub fn poll_burst(&mut self, now: Instant) -> Vec<(Vec<u8>, SocketAddr)> {
        if self.next_burst.is_some_and(|at| at > now) {
            return Vec::new();
        }
        let next = std::iter::from_fn(|| self.outgoing.poll(now));
        let burst: Vec<_> = next.take(BURST).map(|transmit| (transmit.data, transmit.to)).collect();
        if burst.len() == BURST {
            self.next_burst = Some(now + BURST_INTERVAL);
        }
        burst
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let synthetic = self.synthetic.as_ref().and_then(|(start, media)| Some(*start + media.next_due()?));
        let outgoing = self.outgoing.poll_timeout().map(|due| self.next_burst.map_or(due, |burst| burst.max(due)));
        [self.camera.poll_timeout(), self.incoming.poll_timeout(), outgoing, synthetic].into_iter().flatten().min()
    }

    fn handle_events(&mut self) {
        while let Some(event) = self.camera.poll_event() {
            let wants_key_frame =
                matches!(event, CameraEvent::Streaming { video: true, .. } | CameraEvent::KeyFrameWanted { .. });
            if let Some((_, media)) = self.synthetic.as_mut().filter(|_| wants_key_frame) {
                media.want_key_frame();
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

/// The picture of a camera that nothing can be set of.
pub const PICTURE: Picture = Picture {
    frame_size: None,
    bitrate: 120,
    fps: 0,
    flips: [false; 2],
    is_grey: false,
    shows_time: true,
    shows_logo: false,
    is_lit: false,
    looks_at: None,
};
