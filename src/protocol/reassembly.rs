//! Puts frames together from packets that come in any order, twice, or not at all.
//!
//! Packets are grouped by frame number and placed by index. A complete frame is delivered when nothing sent before it
//! can still come: no older DTLS record is awaited, and no older frame of its medium is still growing. A frame that is
//! overtaken is dropped and counted.

use super::medium::Medium;
use super::missing::Missing;
use super::stats::Incomplete;
use super::wire::frame_info::FrameInfo;
use super::wire::media::{MediaChannel, MediaPacket};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

/// How many frames of one medium may be in flight: some seconds of any camera's.
const MAX_FRAMES: usize = 256;
/// How many bytes the frames in flight of both media may have: some seconds of the fattest camera's.
const MAX_BYTES: usize = 8 << 20;
/// How many finished frames are remembered, so that their late and repeated packets are recognised.
const RECENT: usize = 16;
/// How many intervals between frames are kept, by which the next one is judged.
const INTERVALS: usize = 8;
/// How far frame numbers of one medium may lie apart though none is missing: the other medium's frames take numbers
/// too.
const NUMBERS_BETWEEN: i64 = 4;
/// A frame number that lies further behind than this is no late packet's: the camera has begun to count anew.
const RESTART: i64 = 16;

/// A whole frame, in the order of sending within its medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub medium: Medium,
    pub info: FrameInfo,
    /// The payloads of its packets without FRAMEINFO.
    pub data: Vec<u8>,
    /// Whether frames of this medium went missing since the last one.
    pub after_gap: bool,
}

/// The outcome of [`Reassembler::insert`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insert {
    Taken,
    /// This packet is there already, or its frame is finished.
    Duplicate,
    /// It contradicts the other packets of its frame.
    Malformed,
}

/// Both media of one session.
#[derive(Debug, Default)]
pub struct Reassembler {
    video: MediumFrames,
    audio: MediumFrames,
    pub incomplete: Incomplete,
}

impl Reassembler {
    /// Takes a packet. `sequence` is its number in the order of sending, or that of its DTLS record.
    pub fn insert(&mut self, packet: &MediaPacket<'_>, sequence: u64, now: Instant) -> Insert {
        let incomplete = &mut self.incomplete;
        let result = match packet.channel {
            MediaChannel::Audio => self.audio.insert(packet, sequence, now, incomplete),
            MediaChannel::KeyVideo | MediaChannel::Video => self.video.insert(packet, sequence, now, incomplete),
        };
        while self.video.bytes + self.audio.bytes > MAX_BYTES {
            let fuller = if self.video.bytes >= self.audio.bytes { &mut self.video } else { &mut self.audio };
            fuller.drop_oldest();
            self.incomplete.overflow += 1;
        }
        result
    }

    /// Takes out the next frame that may go. An older frame of its medium that still grows keeps it back, until `wait`
    /// has passed since that frame's last packet.
    pub fn poll(&mut self, missing: Missing, now: Instant, wait: Duration) -> Option<Frame> {
        let ready = |frames: &MediumFrames| {
            frames.ready(now, wait).filter(|&(_, sent)| missing.oldest_awaited.is_none_or(|awaited| awaited > sent))
        };
        let (medium, number) = match (ready(&self.video), ready(&self.audio)) {
            (Some((video, sent)), Some((_, audio_sent))) if sent < audio_sent => (Medium::Video, video),
            (_, Some((audio, _))) => (Medium::Audio, audio),
            (Some((video, _)), None) => (Medium::Video, video),
            (None, None) => return None,
        };
        let own = match medium {
            Medium::Video => &mut self.video,
            Medium::Audio => &mut self.audio,
        };
        let (before, last_record) = own.delivered.unzip();
        let frame = own.take(number, &mut self.incomplete);
        let gap = std::mem::take(&mut own.gap);
        // A frame that was lost whole leaves no other trace: since the last frame a record is missing, and this frame
        // does not follow on that one.
        let lost_record = missing.newest_lost.is_some_and(|lost| last_record.is_none_or(|last| lost > last));
        let is_near = before.is_some_and(|before| number - before <= NUMBERS_BETWEEN);
        let is_on_time = own.note_time(frame.time(), gap || lost_record) && is_near;
        // The missing record may have been the other medium's: then this frame comes when it should.
        let after_gap = gap || lost_record && !is_on_time && !self.follows_on(medium, frame.previous);
        Some(frame.into_frame(medium, after_gap))
    }

    /// Whether no frame of `medium` is missing before one that names `previous` as the frame before it. Both media are
    /// numbered in one row, so frames of the other medium may lie between. (A frame of `medium` that was dropped has
    /// set `gap`.)
    fn follows_on(&self, medium: Medium, mut previous: u32) -> bool {
        let (own, other) = match medium {
            Medium::Video => (&self.video, &self.audio),
            Medium::Audio => (&self.audio, &self.video),
        };
        for _ in 0..=RECENT {
            if own.previous_of(previous).is_some() {
                return true;
            }
            let in_flight = || other.frames.values().find(|frame| frame.number == previous).map(|frame| frame.previous);
            match other.previous_of(previous).or_else(in_flight) {
                Some(before) => previous = before,
                None => return false,
            }
        }
        false
    }

    /// Returns when [`Reassembler::poll`] may have more, if nothing arrives before.
    pub fn next_expiry(&self, wait: Duration) -> Option<Instant> {
        [&self.video, &self.audio].into_iter().filter_map(|frames| frames.blocked_until(wait)).min()
    }
}

/// Frames of one medium.
#[derive(Debug, Default)]
struct MediumFrames {
    /// Frames in flight, by their number, which here counts on where the wire's wraps.
    frames: BTreeMap<i64, Assembly>,
    /// The memory that the frames in flight take, as [`Assembly::bytes`] counts it.
    bytes: usize,
    /// The number of the newest frame delivered, and the newest DTLS record that it came in.
    delivered: Option<(i64, u64)>,
    /// Frames that were delivered or dropped: the number of each, and the number that it named as the frame before it.
    recent: VecDeque<(u32, u32)>,
    /// Whether something went missing since the last delivery.
    gap: bool,
    /// The camera's time of the newest frame delivered.
    last_time: Option<Duration>,
    /// The last intervals between frames, by the camera's time.
    intervals: VecDeque<Duration>,
}

impl MediumFrames {
    fn insert(&mut self, packet: &MediaPacket<'_>, sequence: u64, now: Instant, incomplete: &mut Incomplete) -> Insert {
        if self.previous_of(packet.frame_number).is_some() {
            return Insert::Duplicate;
        }
        let mut number = self.count_on(packet.frame_number);
        if let Some((delivered, newest_record)) = self.delivered
            && number <= delivered
        {
            let behind = delivered - number;
            let begins_anew = packet.channel == MediaChannel::KeyVideo || behind > RESTART;
            if sequence < newest_record || !begins_anew {
                return Insert::Duplicate;
            }
            incomplete.lost += self.frames.len() as u64;
            *self = MediumFrames { gap: true, ..MediumFrames::default() };
            number = i64::from(packet.frame_number);
        }
        if !self.frames.contains_key(&number) && self.frames.len() >= MAX_FRAMES {
            self.drop_oldest();
            incomplete.overflow += 1;
        }
        let frame = self.frames.entry(number).or_insert_with(|| Assembly::new(packet, sequence, now));
        let before = frame.bytes();
        let result = frame.insert(packet, sequence, now);
        self.bytes += frame.bytes() - before;
        if frame.is_complete() && !frame.adds_up() {
            self.remove(number);
            self.gap = true;
            incomplete.size += 1;
        }
        result
    }

    /// Returns the number of the oldest complete frame, if no frame before it is still growing, and the DTLS record
    /// that it began in.
    fn ready(&self, now: Instant, wait: Duration) -> Option<(i64, u64)> {
        for (&number, frame) in &self.frames {
            if frame.is_complete() {
                return Some((number, frame.first_record));
            }
            if frame.last_packet + wait > now {
                return None;
            }
        }
        None
    }

    /// Returns until when growing frames keep a complete one back.
    fn blocked_until(&self, wait: Duration) -> Option<Instant> {
        let complete = self.frames.values().position(Assembly::is_complete)?;
        self.frames.values().take(complete).map(|frame| frame.last_packet + wait).max()
    }

    /// Takes out a frame that `ready` named, and drops the frames before it.
    fn take(&mut self, number: i64, incomplete: &mut Incomplete) -> Assembly {
        while let Some((&older, _)) = self.frames.first_key_value()
            && older < number
        {
            self.remove(older);
            self.gap = true;
            incomplete.lost += 1;
        }
        // `ready` named a complete frame, which has its FRAMEINFO.
        let frame = self.remove(number).expect("a frame in flight");
        self.delivered = Some((number, frame.last_record));
        frame
    }

    /// Notes the camera's time of a frame, and returns whether it comes as soon after the last one as frames do. Frames
    /// are evenly spaced, and with one missing the interval is twice as long; the least of the last intervals is the
    /// measure, as that errs towards a gap.
    fn note_time(&mut self, time: Duration, after_loss: bool) -> bool {
        let passed =
            self.last_time.replace(time).and_then(|last| time.checked_sub(last)).filter(|passed| !passed.is_zero());
        let least = self.intervals.iter().min().copied();
        let is_on_time = passed.zip(least).is_some_and(|(passed, least)| passed < least * 3 / 2);
        if let Some(passed) = passed.filter(|_| !after_loss) {
            if self.intervals.len() == INTERVALS {
                self.intervals.pop_front();
            }
            self.intervals.push_back(passed);
        }
        is_on_time
    }

    /// Returns what a frame that was finished recently named as the frame before it.
    fn previous_of(&self, number: u32) -> Option<u32> {
        self.recent.iter().find(|&&(recent, _)| recent == number).map(|&(_, previous)| previous)
    }

    fn remove(&mut self, number: i64) -> Option<Assembly> {
        let frame = self.frames.remove(&number)?;
        self.bytes -= frame.bytes();
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((frame.number, frame.previous));
        Some(frame)
    }

    fn drop_oldest(&mut self) {
        if let Some((&oldest, _)) = self.frames.first_key_value() {
            self.remove(oldest);
            self.gap = true;
        }
    }

    /// Returns `number` counted on past the wrap, as near as can be to the frames that are known.
    fn count_on(&self, number: u32) -> i64 {
        let near = self.delivered.map(|(delivered, _)| delivered).or_else(|| self.frames.keys().next().copied());
        match near {
            // The distance between two numbers is the shorter way round.
            Some(near) => near + i64::from(number.wrapping_sub(near as u32) as i32),
            None => i64::from(number),
        }
    }
}

/// One frame in the making.
#[derive(Debug)]
struct Assembly {
    number: u32,
    /// The number of the frame before it, of either medium.
    previous: u32,
    /// How many packets it has.
    total: u16,
    /// The packets that came, by index, each with its place in `data`.
    parts: Vec<(u16, Range<usize>)>,
    /// Whether `data` is in the order of the frame, as it mostly is.
    in_order: bool,
    /// Payloads in the order of arrival.
    data: Vec<u8>,
    info: Option<FrameInfo>,
    /// The oldest DTLS record that a packet came in.
    first_record: u64,
    /// The newest DTLS record that a packet came in.
    last_record: u64,
    /// When the last packet came.
    last_packet: Instant,
}

impl Assembly {
    fn new(packet: &MediaPacket<'_>, sequence: u64, now: Instant) -> Self {
        Assembly {
            number: packet.frame_number,
            previous: packet.previous_frame,
            total: packet.total,
            parts: Vec::new(),
            in_order: true,
            data: Vec::new(),
            info: None,
            first_record: sequence,
            last_record: sequence,
            last_packet: now,
        }
    }

    fn insert(&mut self, packet: &MediaPacket<'_>, sequence: u64, now: Instant) -> Insert {
        if packet.total != self.total {
            return Insert::Malformed;
        }
        let at = match self.parts.last() {
            Some((last, _)) if *last >= packet.index => {
                match self.parts.binary_search_by_key(&packet.index, |(index, _)| *index) {
                    Ok(_) => return Insert::Duplicate,
                    Err(at) => at,
                }
            }
            _ => self.parts.len(),
        };
        let mut payload = packet.payload;
        if packet.frame_info_len > 0 {
            let Some((data, Ok(mut info))) = payload
                .split_at_checked(payload.len().wrapping_sub(packet.frame_info_len))
                .map(|(data, info)| (data, FrameInfo::parse(info)))
            else {
                return Insert::Malformed;
            };
            payload = data;
            if info.frame_number == 0 {
                info.frame_number = packet.frame_number;
            }
            self.info = Some(info);
        }
        let start = self.data.len();
        self.data.extend_from_slice(payload);
        self.in_order &= at == self.parts.len();
        self.parts.insert(at, (packet.index, start..self.data.len()));
        self.first_record = self.first_record.min(sequence);
        self.last_record = self.last_record.max(sequence);
        self.last_packet = now;
        Insert::Taken
    }

    /// Returns how much of [`MAX_BYTES`] it takes. A packet without payload is not free either.
    fn bytes(&self) -> usize {
        self.data.len() + self.parts.len() * size_of::<(u16, Range<usize>)>()
    }

    /// Returns the camera's time of a complete frame.
    fn time(&self) -> Duration {
        let time = |info: &FrameInfo| Duration::new(info.seconds.into(), info.microseconds.min(999_999) * 1000);
        self.info.as_ref().map(time).unwrap_or_default()
    }

    fn is_complete(&self) -> bool {
        self.parts.len() == usize::from(self.total) && self.info.is_some()
    }

    /// Whether a complete frame is as long as FRAMEINFO says, where it does: many cameras leave that field 0.
    fn adds_up(&self) -> bool {
        let told = self.info.as_ref().map(|info| info.payload_size as usize);
        told.is_some_and(|size| size == 0 || size == self.data.len())
    }

    fn into_frame(self, medium: Medium, after_gap: bool) -> Frame {
        let data = if self.in_order {
            self.data
        } else {
            self.parts.iter().flat_map(|(_, range)| &self.data[range.clone()]).copied().collect()
        };
        Frame { medium, info: self.info.expect("a complete frame has FRAMEINFO"), data, after_gap }
    }
}
