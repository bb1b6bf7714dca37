//! What comes from the camera once there is a path: frames, losses, and the end.

use super::{Viewer, ViewerTimer};
use crate::protocol::client::{CameraClock, CameraInfo, Event, TransportKind};
use crate::protocol::error::{Error, Stage};
use crate::protocol::media_watch::Alone;
use crate::protocol::medium::{MediaSet, Medium};
use crate::protocol::webrtc::{key_frames, talk};
use crate::protocol::wire::login::Capabilities;
use std::time::{Duration, Instant};
use str0m::IceConnectionState;
use str0m::media::MediaData;

/// How long pictures may come that nobody can use before the camera is asked for a key frame, and how often it is then.
const UNUSABLE_AFTER: Duration = Duration::from_secs(1);
const UNUSABLE_ASK_EACH: Duration = Duration::from_secs(5);

impl Viewer {
    pub(super) fn handle_event(&mut self, event: str0m::Event, now: Instant) {
        use str0m::Event as E;
        match event {
            E::Connected => self.connected(now),
            E::IceConnectionStateChange(state) => {
                use IceConnectionState::{Completed, Connected};
                // What is lost later shows as silence.
                if matches!(state, Connected | Completed) {
                    self.has_path = true;
                    self.relays.stop_asking();
                }
            }
            E::Closed => {
                let error = match self.stage {
                    Stage::Streaming => Error::Closed,
                    stage => Error::HungUp(stage),
                };
                self.failure = Some(error);
            }
            E::MediaData(data) => self.handle_media(&data, now),
            E::MediaIngressStats(stats) if stats.mid == self.peer.video => self.stats.resends.asked = stats.nacks,
            _ => {}
        }
    }

    fn connected(&mut self, now: Instant) {
        if self.stage == Stage::Streaming {
            return;
        }
        self.timers.stop(ViewerTimer::Stage);
        self.timers.stop(ViewerTimer::Connect);
        self.reflexive.stop();
        self.enter(Stage::Streaming, now);
        let receives = |mid| self.peer.direction(mid).is_receiving();
        let granted = MediaSet { video: receives(self.peer.video), audio: receives(self.peer.audio) };
        let talk_format = talk::format(&mut self.peer);
        self.watch.grant(granted);
        self.want(now);
        self.events.push_back(Event::Connected(CameraInfo {
            transport: TransportKind::WebRtc,
            envelope: None,
            suite: None,
            address: self.camera.or(self.addresses.first().copied()).unwrap_or(([0, 0, 0, 0], 0).into()),
            model: String::new(),
            firmware: String::new(),
            protocol: 0,
            media: granted,
            two_way_audio: talk_format.is_some(),
            talk_format,
            av_enabled: true,
            resend: self.resends,
            capabilities: Capabilities::default(),
            clock: None,
        }));
    }

    fn handle_media(&mut self, data: &MediaData, now: Instant) {
        let medium = if data.mid == self.peer.video { Medium::Video } else { Medium::Audio };
        if medium == Medium::Video {
            // A camera may begin a new stream at any time.
            self.peer.ask_for_lost();
        }
        if !self.config.media.contains(medium) {
            self.media.skip(medium);
            return;
        }
        let knew_clock = self.media.clock.ahead().is_some();
        // A packet may have come before the viewer was told the time.
        let arrival = self.unix_start + data.network_time.saturating_duration_since(self.started);
        let Some(frame) = self.media.frame(medium, data, arrival, &mut self.stats) else { return };
        if medium == Medium::Video {
            self.recover(frame.info.is_key_frame(), frame.after_gap, now);
        }
        if let Some(ahead) = self.media.clock.ahead().filter(|_| !knew_clock) {
            self.events.push_back(Event::Clock(CameraClock { offset: Some(ahead), was_set: false }));
        }
        self.events.push_back(Event::Frame(frame));
    }

    // Key frames

    /// Asks for a key frame after a loss, and until there is a first one.
    fn recover(&mut self, is_key_frame: bool, after_gap: bool, now: Instant) {
        if is_key_frame {
            self.key_frames.stop_waiting();
        } else if after_gap && self.config.key_frame_requests {
            self.key_frames.wait();
        }
        self.ask_for_key_frame(now);
    }

    /// Asks for a key frame if one is awaited and was not asked for a moment ago, and sets the timer to ask again.
    pub(super) fn ask_for_key_frame(&mut self, now: Instant) {
        let Some(due) = self.key_frames.due(now).filter(|_| self.config.media.video) else {
            self.timers.stop(ViewerTimer::KeyFrame);
            return;
        };
        if due > now {
            self.timers.set(ViewerTimer::KeyFrame, due);
            return;
        }
        // Not possible before the first packet has come, which is when the timer does not matter.
        if self.peer.ask_for_key_frame() {
            self.stats.key_frame_requests += 1;
            self.key_frames.asked(now);
        }
        self.timers.set(ViewerTimer::KeyFrame, now + key_frames::INTERVAL);
    }

    // What the members make of the frames

    /// Notes whether a frame could be used. Each frame that [`Event::Frame`] brought is to be judged.
    pub fn judge(&mut self, medium: Medium, is_usable: bool, now: Instant) {
        if self.ended || self.stage != Stage::Streaming {
            return;
        }
        if is_usable {
            self.watch.received(medium, now);
            if medium == Medium::Video || !self.config.media.video {
                self.has_come = true;
                if self.first_picture.take().is_some() {
                    self.watch_silence(now);
                }
            }
            if let Some((medium, alone)) = self.watch.look_at_other(medium, now) {
                self.handle_alone(medium, alone, now);
            }
            return;
        }
        if medium == Medium::Video {
            let unusable = self.watch.received_unusable(now);
            let recently = self.key_frames.since_asked(now).is_some_and(|time| time < UNUSABLE_ASK_EACH);
            if unusable >= UNUSABLE_AFTER && !recently && self.config.key_frame_requests {
                self.request_key_frame(now);
            }
        }
    }

    /// Tells of a medium that alone is silent. There is no asking for it anew, but a picture may come with a key frame.
    fn handle_alone(&mut self, medium: Medium, alone: Alone, now: Instant) {
        match alone {
            Alone::Back => self.events.push_back(Event::Silent(medium, false)),
            Alone::Silent { is_first } => {
                if medium == Medium::Video {
                    self.request_key_frame(now);
                }
                if is_first {
                    self.events.push_back(Event::Silent(medium, true));
                }
            }
        }
    }
}
