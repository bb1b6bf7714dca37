//! A camera's sound on its way into files: without gaps, and in a codec that the files can hold.

use super::container::{Format, is_aac};
use super::encoder::Encoder;
use super::item::{Frame, Item};
use super::silence::Silence;
use gst::ClockTime;
use gstwyze::protocol::medium::Medium;
use std::sync::mpsc::Sender;

/// How far the sound may be behind the picture before silence takes its place.
const BEHIND: ClockTime = ClockTime::from_mseconds(700);
/// How far behind the picture silence ends.
const MARGIN: ClockTime = ClockTime::from_mseconds(300);
/// Longer gaps are not filled: the files end there.
pub const LONGEST_GAP: ClockTime = ClockTime::from_seconds(60);

pub struct Sound {
    caps: gst::Caps,
    silence: Silence,
    /// Where the next piece begins if nothing is missing; `None` before the first one.
    end: Option<ClockTime>,
    /// The last piece that the camera sent.
    last: gst::Buffer,
    encoder: Option<Encoder>,
    filled: ClockTime,
}

impl Sound {
    /// Makes ready for sound with these caps. What is encoded comes through `items`.
    pub fn new(caps: &gst::Caps, format: Format, copy: bool, items: &Sender<Item>) -> Result<Self, String> {
        let is_kept = is_aac(caps) || copy && format.can_copy(caps);
        let encoder = if is_kept { None } else { Some(Encoder::start(caps, items)?) };
        let (silence, last) = (Silence::of(caps), gst::Buffer::new());
        Ok(Sound { caps: caps.clone(), silence, end: None, last, encoder, filled: ClockTime::ZERO })
    }

    pub fn caps(&self) -> &gst::Caps {
        &self.caps
    }

    /// Takes what the camera sent. Returns what is ready for the files now; the rest comes from the encoder.
    pub fn take(&mut self, frame: Frame) -> Vec<Frame> {
        let mut ready = Vec::new();
        let tolerance = self.silence.tolerance();
        match self.end {
            // Silence has taken its place, or the camera has sent more than its time.
            Some(end) if frame.at + tolerance < end => return ready,
            Some(end) if frame.at > end + LONGEST_GAP => self.end = Some(frame.at),
            Some(end) if frame.at > end + tolerance => self.fill_to(frame.at, &mut ready),
            Some(_) => {}
            None => self.end = Some(frame.at),
        }
        let length = frame.buffer.map_readable().ok().and_then(|data| self.silence.length(&data));
        self.last = frame.buffer.clone();
        match length {
            Some(length) => self.pass(frame.buffer, Some(length), &mut ready),
            None => {
                self.end = Some(frame.at);
                self.pass(frame.buffer, None, &mut ready);
            }
        }
        ready
    }

    /// Puts silence where sound is missing, given that the picture has come this far.
    pub fn follow(&mut self, picture: ClockTime) -> Vec<Frame> {
        let mut ready = Vec::new();
        if let Some(end) = self.end
            && picture > end + BEHIND
            && picture < end + LONGEST_GAP
        {
            self.fill_to(picture - MARGIN, &mut ready);
        }
        ready
    }

    /// Returns how much silence has been put in.
    pub fn filled(&self) -> ClockTime {
        self.filled
    }

    pub fn error(&self) -> Option<String> {
        self.encoder.as_ref()?.error()
    }

    /// Waits until all has been encoded.
    pub fn finish(&self) {
        if let Some(encoder) = &self.encoder {
            encoder.finish();
        }
    }

    fn fill_to(&mut self, until: ClockTime, ready: &mut Vec<Frame>) {
        while let Some(missing) = self.end.and_then(|end| until.checked_sub(end))
            && let Some((data, length)) = self.silence_of(missing)
        {
            self.filled += length;
            self.pass(gst::Buffer::from_mut_slice(data), Some(length), ready);
        }
    }

    fn silence_of(&self, most: ClockTime) -> Option<(Vec<u8>, ClockTime)> {
        let last = self.last.map_readable().ok()?;
        self.silence.make(most, &last)
    }

    /// Stamps a piece so that it follows the one before, and sends it on.
    fn pass(&mut self, mut buffer: gst::Buffer, length: Option<ClockTime>, ready: &mut Vec<Frame>) {
        let at = self.end.unwrap_or_default();
        self.end = Some(at + length.unwrap_or_default());
        let data = buffer.make_mut();
        data.set_pts(at);
        data.set_dts(ClockTime::NONE);
        data.set_duration(length);
        match &self.encoder {
            Some(encoder) => encoder.push(buffer),
            None => ready.push(Frame { medium: Medium::Audio, buffer, caps: self.caps.clone(), at }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const MS: u64 = 1_000_000;
    /// The length of a frame of AAC at 16 kHz.
    const FRAME: u64 = 64;

    fn sound() -> Sound {
        gst::init().unwrap();
        let caps = "audio/mpeg,mpegversion=4,stream-format=adts,rate=16000,channels=1".parse().unwrap();
        Sound::new(&caps, Format::Mp4, false, &mpsc::channel().0).unwrap()
    }

    /// A frame of AAC-LC that the camera sends at this time, in ms.
    fn frame(sound: &Sound, at: u64) -> Frame {
        let mut data = vec![0xFF, 0xF1, 0x60, 0x40, 0x19, 0xFF, 0xFC];
        data.resize(207, 1);
        let buffer = gst::Buffer::from_mut_slice(data);
        let at = ClockTime::from_mseconds(at);
        Frame { medium: Medium::Audio, buffer, caps: sound.caps().clone(), at }
    }

    /// Takes frames of these times; returns the times of what comes out, in ms, and whether it is silence.
    fn take(sound: &mut Sound, times: &[u64]) -> Vec<(u64, bool)> {
        let frames: Vec<Frame> = times.iter().flat_map(|&at| sound.take(frame(sound, at))).collect();
        told(&frames)
    }

    fn told(frames: &[Frame]) -> Vec<(u64, bool)> {
        frames.iter().map(|frame| (frame.at.nseconds() / MS, frame.buffer.size() < 100)).collect()
    }

    #[test]
    fn clocks_that_differ_make_no_gap() {
        let out = take(&mut sound(), &[1000, 1070, 1120, 1200]);
        assert_eq!(out, [(1000, false), (1064, false), (1128, false), (1192, false)]);
    }

    #[test]
    fn a_gap_is_filled_and_an_overlap_dropped() {
        let mut sound = sound();
        assert_eq!(take(&mut sound, &[0, 200]), [(0, false), (64, true), (128, true), (192, false)]);
        assert_eq!(take(&mut sound, &[100, 180]), []);
        assert_eq!(take(&mut sound, &[256]), [(256, false)]);
        assert_eq!(sound.filled(), ClockTime::from_mseconds(2 * FRAME));
    }

    #[test]
    fn silence_follows_the_picture_and_gives_way_to_sound() {
        let mut sound = sound();
        take(&mut sound, &[0]);
        assert!(sound.follow(ClockTime::from_mseconds(700)).is_empty());
        let silence = told(&sound.follow(ClockTime::from_mseconds(800)));
        assert_eq!(silence, [64, 128, 192, 256, 320, 384].map(|at| (at, true)));
        assert_eq!(take(&mut sound, &[460]), [(448, false)]);
    }

    #[test]
    fn an_hour_is_not_filled() {
        let mut sound = sound();
        take(&mut sound, &[0]);
        assert!(sound.follow(ClockTime::from_seconds(3600)).is_empty());
        assert_eq!(take(&mut sound, &[3_600_000]), [(3_600_000, false)]);
    }
}
