//! What the user asks for.

use super::Viewer;
use crate::protocol::client::Event;
use crate::protocol::error::Stage;
use crate::protocol::medium::MediaSet;
use crate::protocol::talk::{TalkAudio, TalkError, TalkEvent};
use crate::protocol::webrtc::talk::Talk;
use std::time::{Duration, Instant};

impl Viewer {
    /// Asks for a key frame soon, unless one was asked for a moment ago.
    pub fn request_key_frame(&mut self, now: Instant) {
        if self.streams() && self.config.media.video {
            self.key_frames.wait();
            self.ask_for_key_frame(now);
            self.drain(now);
        }
    }

    /// Sets whether the camera is asked for a key frame after a loss.
    pub fn set_key_frame_requests(&mut self, on: bool) {
        self.config.key_frame_requests = on;
    }

    /// Has these media come out as frames, and no others, from now on. With neither, the connection stays.
    pub fn set_media(&mut self, media: MediaSet, now: Instant) {
        let changed = self.config.media != media;
        self.config.media = media;
        if changed && self.streams() {
            self.want(now);
            self.drain(now);
        }
    }

    /// Changes how long the camera may send no media, from now on.
    pub fn set_stall_timeout(&mut self, stall_timeout: Option<Duration>, now: Instant) {
        if self.config.stall_timeout != stall_timeout {
            self.config.stall_timeout = stall_timeout;
            self.watch_silence(now);
        }
    }

    /// Begins a talk, unless there is one. [`Event::Talk`] tells that the camera listens, which the answer has settled, or
    /// that it does not.
    pub fn start_talk(&mut self, now: Instant) {
        if !self.streams() || self.talk.is_some() {
            return;
        }
        self.talk = Talk::new(&mut self.peer, now.duration_since(self.started), now);
        let event = match &self.talk {
            Some(_) => TalkEvent::Ready,
            None => TalkEvent::Failed(TalkError::NoTwoWayAudio),
        };
        self.events.push_back(Event::Talk(event));
    }

    /// Sends a frame of audio, after those before it have sounded. Dropped where there is no talk, or where it is not of
    /// [`CameraInfo::talk_format`](crate::protocol::client::CameraInfo::talk_format).
    pub fn send_talk(&mut self, audio: TalkAudio, now: Instant) {
        if let Some(talk) = &mut self.talk {
            talk.push(audio, now);
            self.pump_talk(now);
        }
    }

    /// Drops what waits to be sent; the talk goes on.
    pub fn flush_talk(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.flush();
            self.events.extend(talk.take_report().map(Event::Talk));
        }
    }

    /// Ends the talk when all is sent and has sounded, or `at_once`. [`Event::Talk`] tells when.
    pub fn stop_talk(&mut self, at_once: bool, now: Instant) {
        if let Some(talk) = &mut self.talk {
            talk.stop(at_once);
            self.pump_talk(now);
        }
    }

    /// Tells the camera that the viewer leaves; what is left to transmit says so. No event follows.
    pub fn close(&mut self, now: Instant) {
        if !self.ended {
            self.end(now);
        }
    }

    fn streams(&self) -> bool {
        self.stage == Stage::Streaming && !self.ended
    }

    /// Sends what is due of the talk, reports it, and ends the talk when it is over.
    pub(super) fn pump_talk(&mut self, now: Instant) {
        // str0m takes the next frame only when it has been asked what to do with the last one.
        while let Some(talk) = &mut self.talk
            && talk.send_due(&mut self.peer, now)
        {
            self.drain(now);
        }
        let Some(talk) = &mut self.talk else { return };
        self.events.extend(talk.take_report().map(Event::Talk));
        if talk.is_over() {
            self.stats.talk_frames += talk.sent();
            self.talk = None;
            self.events.push_back(Event::Talk(TalkEvent::Stopped));
        }
    }
}
