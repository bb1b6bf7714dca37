//! Media: what the camera is told to send, and frames from its packets.

use super::Connection;
use crate::protocol::client::context::Context;
use crate::protocol::client::event::Event;
use crate::protocol::media_watch::Alone;
use crate::protocol::medium::Medium;
use crate::protocol::model;
use crate::protocol::reassembly::Insert;
use crate::protocol::timers::ConnectionTimer;
use crate::protocol::wire::media::MediaChannel;
use crate::protocol::wire::probe::Probe;
use crate::protocol::wire::{hl, media};
use std::time::{Duration, Instant};

/// The least time between two requests for a key frame.
const KEY_FRAME_INTERVAL: Duration = Duration::from_secs(2);
/// How long after the first request for media that have not come there is another. After that, the stall watch decides.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// How long pictures may come that nobody can use before the camera is asked for a key frame.
const UNUSABLE_AFTER: Duration = Duration::from_secs(1);
/// The least time between two such requests. Each may restart the camera's encoder.
const UNUSABLE_ASK_EACH: Duration = Duration::from_secs(5);
/// How long losses count as one, for which one request has to do, unless a key frame ends them before.
const BURST: Duration = Duration::from_secs(10);

impl Connection {
    /// Tells the camera where the media that are wanted differ from those that it was last told to send.
    pub fn tell_media(&mut self, context: &mut Context, now: Instant) {
        let wanted = context.config.media;
        if wanted.video != self.told.video {
            self.control.queue(hl::media(hl::MediaKind::Video, wanted.video));
            if wanted.video {
                self.control.queue(model::video_command(&self.model, context.config.video_wish));
            }
        }
        if wanted.audio != self.told.audio {
            self.control.queue(hl::media(hl::MediaKind::Audio, wanted.audio));
        }
        self.told = wanted;
        self.watch.want(wanted, now);
        self.watch_silence(context, now);
        self.send_next_command(context, now);
    }

    /// Asks for the media that are to come and have not begun. Some cameras want that, though K10002 switched them on.
    pub(super) fn ask_for_media(&mut self, context: &mut Context, now: Instant) {
        let missing = [
            (hl::MediaKind::Video, self.told.video && !self.come.video),
            (hl::MediaKind::Audio, self.told.audio && !self.come.audio),
        ];
        for (kind, _) in missing.into_iter().filter(|&(_, is_missing)| is_missing) {
            self.control.queue_once(hl::media(kind, true));
        }
        self.send_next_command(context, now);
        if !std::mem::replace(&mut self.asked_again, true) {
            self.timers.set(ConnectionTimer::AskForMedia, now + ASK_AGAIN_AFTER);
        }
    }

    /// Asks the camera for the picture that the user wishes.
    pub fn ask_for_picture(&mut self, context: &mut Context, now: Instant) {
        if context.config.media.video {
            self.control.queue(model::video_command(&self.model, context.config.video_wish));
            self.send_next_command(context, now);
        }
    }

    /// Asks for a key frame by asking for the picture once more, which is the one way that is known to do no harm. Not
    /// more often than a camera takes to send one.
    pub fn request_key_frame(&mut self, context: &mut Context, now: Instant) {
        let recently = self.key_frame_asked.is_some_and(|at| now.duration_since(at) < KEY_FRAME_INTERVAL);
        if !self.told.video || recently {
            return;
        }
        (self.key_frame_asked, self.key_frame_awaited) = (Some(now), true);
        context.stats.key_frame_requests += 1;
        self.control.queue_once(model::video_command(&self.model, context.config.video_wish));
        self.send_next_command(context, now);
    }

    /// Asks for a key frame after a loss: once for all losses up to the next key frame, as the request may restart the
    /// camera's encoder.
    fn recover(&mut self, is_key_frame: bool, after_gap: bool, context: &mut Context, now: Instant) {
        self.key_frame_awaited &= !is_key_frame;
        let in_burst = self.key_frame_awaited && self.key_frame_asked.is_some_and(|at| now.duration_since(at) < BURST);
        if after_gap && !is_key_frame && !in_burst && context.config.key_frame_requests {
            self.request_key_frame(context, now);
        }
    }

    /// Notes whether a member could use a frame. For pictures that nobody can use, the camera is asked for a key frame;
    /// for a medium that is silent while the other one comes, it is asked anew.
    pub fn judge(&mut self, medium: Medium, is_usable: bool, context: &mut Context, now: Instant) {
        if is_usable {
            self.watch.received(medium, now);
            if let Some((medium, alone)) = self.watch.look_at_other(medium, now) {
                self.handle_alone(medium, alone, context, now);
            }
        } else if medium == Medium::Video {
            let unusable = self.watch.received_unusable(now);
            let recently = self.key_frame_asked.is_some_and(|at| now.duration_since(at) < UNUSABLE_ASK_EACH);
            if unusable >= UNUSABLE_AFTER && !recently && context.config.key_frame_requests {
                self.request_key_frame(context, now);
            }
        }
    }

    fn handle_alone(&mut self, medium: Medium, alone: Alone, context: &mut Context, now: Instant) {
        match alone {
            Alone::Back => context.events.push_back(Event::Silent(medium, false)),
            Alone::Silent { is_first } => {
                context.stats.media_restarts += 1;
                let kind = match medium {
                    Medium::Video => hl::MediaKind::Video,
                    Medium::Audio => hl::MediaKind::Audio,
                };
                self.control.queue_once(hl::media(kind, false));
                self.control.queue_once(hl::media(kind, true));
                self.send_next_command(context, now);
                if is_first {
                    context.events.push_back(Event::Silent(medium, true));
                }
            }
        }
    }

    /// Tells the camera to send nothing any more, without waiting for its answer.
    pub fn switch_off(&mut self, context: &mut Context) {
        let on = [
            (hl::MediaKind::Video, self.told.video),
            (hl::MediaKind::Audio, self.told.audio),
            (hl::MediaKind::ReturnAudio, self.talk.is_some()),
        ];
        for (kind, _) in on.into_iter().filter(|&(_, on)| on) {
            let frame = self.control.frame(&hl::media(kind, false));
            self.send(&frame, context);
        }
    }

    /// Handles the media packet that `b` begins with, and returns what follows it.
    pub(super) fn handle_media<'a>(
        &mut self,
        sequence: u64,
        b: &'a [u8],
        context: &mut Context,
        now: Instant,
    ) -> &'a [u8] {
        let Ok((packet, rest)) = media::Packet::parse_first(b) else { return self.handle_malformed(context) };
        if let Some(probe) = Probe::in_media(b) {
            self.answer_probe(&probe, context);
        }
        match packet {
            media::Packet::Media(packet) => {
                match packet.channel {
                    MediaChannel::Audio => self.come.audio = true,
                    MediaChannel::KeyVideo | MediaChannel::Video => self.come.video = true,
                }
                let order = self.order(&packet, sequence, context, now);
                match self.reassembler.insert(&packet, order, now) {
                    Insert::Taken => {}
                    Insert::Duplicate => context.stats.duplicates += 1,
                    Insert::Malformed => context.stats.malformed += 1,
                }
            }
            media::Packet::Parity => context.stats.parity += 1,
        }
        rest
    }

    /// Hands on the frames whose turn it is, and sets the timer for those that still wait.
    pub(super) fn deliver(&mut self, context: &mut Context, now: Instant) {
        let wait = self.frame_wait(&context.config);
        let mut has_frames = false;
        while let Some(frame) = self.reassembler.poll(self.missing(), now, wait) {
            match frame.medium {
                Medium::Video => context.stats.video_frames += 1,
                Medium::Audio => context.stats.audio_frames += 1,
            }
            if frame.medium == Medium::Video {
                self.recover(frame.info.is_key_frame(), frame.after_gap, context, now);
            }
            self.check_clock(&frame.info, context, now);
            context.events.push_back(Event::Frame(frame));
            has_frames = true;
        }
        if has_frames {
            self.send_ack_ahead(context, now);
        }
        // A frame that has waited its time may still be behind an awaited record.
        let growing = self.reassembler.next_expiry(wait).filter(|at| *at > now);
        match [self.records.next_expiry(), self.next_give_up(), growing].into_iter().flatten().min() {
            Some(at) => self.timers.set(ConnectionTimer::Reorder, at),
            None => self.timers.stop(ConnectionTimer::Reorder),
        }
    }
}
