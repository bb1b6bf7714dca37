//! What is counted. A client counts from its start; a session goes on counting over its reconnections.

use super::error::Stage;
use super::resend_window::Resends;
use std::time::Duration;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams received.
    pub packets: u64,
    /// Bytes of those datagrams.
    pub bytes: u64,
    /// Datagrams that were no packet of this camera's: wrong format or session.
    pub foreign: u64,
    /// Datagrams whose HMAC did not verify.
    pub bad_hmac: u64,
    /// DTLS records, or media packets in them, that arrived twice.
    pub duplicates: u64,
    /// DTLS records that arrived after a later one.
    pub reordered: u64,
    /// DTLS records that did not authenticate.
    pub undecryptable: u64,
    /// DTLS records that never arrived, or too late.
    pub lost: u64,
    /// AV packets inside DTLS that could not be read.
    pub malformed: u64,
    /// AV packets of kinds that mean nothing here.
    pub unknown: u64,
    /// Timing probes of the camera, all answered.
    pub timing_probes: u64,
    /// Parity packets, which are not used.
    pub parity: u64,
    /// Lost media packets that the camera was asked for again.
    pub resends: Resends,
    /// Frames of video delivered.
    pub video_frames: u64,
    /// Frames of audio delivered.
    pub audio_frames: u64,
    pub incomplete: Incomplete,
    /// Frames of audio sent to the camera's speaker.
    pub talk_frames: u64,
    /// How often the camera was asked for a key frame.
    pub key_frame_requests: u64,
    /// How often a medium was asked for again because it alone was silent.
    pub media_restarts: u64,
    /// How often the connection was made again after it had broken off.
    pub reconnects: u64,
    /// How long each stage of the last connection took, in the order of [`Stage::ALL`]; zero for a stage that was not
    /// reached.
    pub stages: [Duration; Stage::ALL.len()],
    /// Why the connection was last lost or not made: the word of [`super::error::Error::reason`].
    pub last_error: Option<&'static str>,
}

impl Stats {
    /// Adds what `later`, the connection after this one, counted.
    pub fn and(&self, later: &Stats) -> Stats {
        Stats {
            packets: self.packets + later.packets,
            bytes: self.bytes + later.bytes,
            foreign: self.foreign + later.foreign,
            bad_hmac: self.bad_hmac + later.bad_hmac,
            duplicates: self.duplicates + later.duplicates,
            reordered: self.reordered + later.reordered,
            undecryptable: self.undecryptable + later.undecryptable,
            lost: self.lost + later.lost,
            malformed: self.malformed + later.malformed,
            unknown: self.unknown + later.unknown,
            timing_probes: self.timing_probes + later.timing_probes,
            parity: self.parity + later.parity,
            resends: self.resends.and(later.resends),
            video_frames: self.video_frames + later.video_frames,
            audio_frames: self.audio_frames + later.audio_frames,
            incomplete: self.incomplete.and(later.incomplete),
            talk_frames: self.talk_frames + later.talk_frames,
            key_frame_requests: self.key_frame_requests + later.key_frame_requests,
            media_restarts: self.media_restarts + later.media_restarts,
            reconnects: self.reconnects + later.reconnects,
            stages: later.stages,
            last_error: later.last_error.or(self.last_error),
        }
    }
}

/// Frames of which some packet arrived and that were not delivered, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Incomplete {
    /// A packet was lost or came too late.
    pub lost: u64,
    /// All packets came, and their bytes are not as many as FRAMEINFO says.
    pub size: u64,
    /// Too many frames or bytes were in flight.
    pub overflow: u64,
}

impl Incomplete {
    /// The counters of both.
    pub fn and(self, later: Incomplete) -> Incomplete {
        Incomplete {
            lost: self.lost + later.lost,
            size: self.size + later.size,
            overflow: self.overflow + later.overflow,
        }
    }

    pub fn total(&self) -> u64 {
        self.lost + self.size + self.overflow
    }
}
