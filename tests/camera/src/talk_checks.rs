//! Checks how the frames of one talk follow each other: numbers, times, lengths, codec and pace.

use crate::deviation_log::DeviationLog;
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use std::time::{Duration, Instant};

/// How much too early frames may come.
const MAX_LEAD: Duration = Duration::from_millis(150);
/// How much time a client that fell behind may catch up at once.
const MAX_CATCH_UP: Duration = Duration::from_millis(500);
/// µs by which a frame's time may differ from the length of all frames before it: room for rounding, not for drift.
const TIME_TOLERANCE: u32 = 20;
/// One day.
const MAX_MILLISECONDS: u32 = 86_400_000;
const G711_SAMPLES: usize = 160;
const AAC_SAMPLES: usize = 1024;
const MP3_SAMPLES: usize = 1152;
const SPEEX_FRAME: Duration = Duration::from_millis(20);
/// 960 samples at the 48 kHz that Opus counts in.
const OPUS_FRAME: Duration = Duration::from_millis(20);

/// The fields of a talk frame that depend on its place in the talk.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    pub number: u32,
    /// µs since the talk began, modulo 2^32.
    pub time: u32,
    /// The same time in ms, from the trailer.
    pub milliseconds: u32,
    pub format: (CodecId, AudioFlags),
    pub audio: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame, which has to have more than 52 bytes.
    pub fn parse(b: &'a [u8]) -> Option<Self> {
        let at = b.len().checked_sub(16)?;
        let u32_at = |at: usize| Some(u32::from_le_bytes(b.get(at..at + 4)?.try_into().ok()?));
        Some(Frame {
            number: u32_at(32)?,
            time: u32_at(8)?,
            milliseconds: u32_at(at + 12)?,
            format: (CodecId(u16::from_le_bytes([b[at], b[at + 1]])), AudioFlags(b[at + 2])),
            audio: b.get(36..at)?,
        })
    }
}

/// What the checks of the next frame need to know of the frame before.
#[derive(Debug, Clone, Copy)]
struct Previous {
    number: u32,
    duration: Duration,
    is_short: bool,
    /// The frame's time since the talk began, by the lengths of the frames before it.
    time: Duration,
}

/// The checks of one talk.
#[derive(Debug, Default)]
pub struct TalkChecks {
    previous: Option<Previous>,
    /// The wrong format that was logged last.
    complained: Option<(CodecId, AudioFlags)>,
    /// When the next frame is due if frames come in real time.
    due: Option<Instant>,
    is_fast: bool,
}

impl TalkChecks {
    /// Checks the next frame. `spoken` is the format of the camera's own audio, if it has sent any.
    pub fn check(
        &mut self,
        now: Instant,
        frame: &Frame<'_>,
        spoken: Option<(CodecId, AudioFlags)>,
        log: &mut DeviationLog,
    ) {
        // The header's time wraps after 71 minutes; the trailer's may wrap with it or go on.
        let difference = frame.time.wrapping_sub(frame.milliseconds.wrapping_mul(1000));
        if difference >= 1000 || frame.milliseconds > MAX_MILLISECONDS {
            let (time, ms) = (frame.time, frame.milliseconds);
            log.byte(now, format!("talk frame: {ms} ms in the trailer, {time} µs in the header"));
        }
        self.check_format(now, frame, spoken, log);
        let expected = self.previous.map_or(1, |previous| previous.number.wrapping_add(1));
        if frame.number != expected {
            log.behaviour(now, format!("talk frame: number is {} instead of {expected}", frame.number));
        }
        let is_newest = self.previous.is_none_or(|previous| previous.number < frame.number);
        match length(frame) {
            Ok(length) => {
                self.check_pace(now, length.duration, log);
                if is_newest {
                    self.check_time(now, frame, length, log);
                }
            }
            Err(reason) => {
                log.byte(now, format!("talk frame: {reason}"));
                if is_newest {
                    // The next frame's time is expected as if this one were like those before it.
                    let duration = self.previous.map_or(Duration::ZERO, |previous| previous.duration);
                    let time = Duration::from_micros(frame.time.into());
                    self.previous = Some(Previous { number: frame.number, duration, is_short: false, time });
                }
            }
        }
    }

    fn check_format(
        &mut self,
        now: Instant,
        frame: &Frame<'_>,
        spoken: Option<(CodecId, AudioFlags)>,
        log: &mut DeviationLog,
    ) {
        if let Some(spoken) = spoken
            && frame.format != spoken
            && self.complained.replace(frame.format) != Some(frame.format)
        {
            let (codec, flags) = frame.format;
            log.byte(
                now,
                format!(
                    "talk frame: {codec} with flags {:02x}; the camera speaks {} with flags {:02x}",
                    flags.0, spoken.0, spoken.1.0
                ),
            );
        }
    }

    /// Logs once when the client gets too fast, not for each frame that follows.
    fn check_pace(&mut self, now: Instant, duration: Duration, log: &mut DeviationLog) {
        let due = self.due.unwrap_or(now);
        let earliest = now.checked_sub(MAX_CATCH_UP).unwrap_or(now);
        let lead = due.saturating_duration_since(now);
        if lead > MAX_LEAD && !self.is_fast {
            log.behaviour(now, format!("talk frame: {} ms before its time", lead.as_millis()));
        }
        self.is_fast = lead > MAX_LEAD;
        self.due = Some(due.max(earliest) + duration);
    }

    fn check_time(&mut self, now: Instant, frame: &Frame<'_>, length: Length, log: &mut DeviationLog) {
        let mut time = match &self.previous {
            Some(previous) => previous.time + previous.duration * (frame.number - previous.number),
            // The frames before it were lost.
            None => length.duration * frame.number.saturating_sub(1),
        };
        // Both times are modulo 2^32.
        let expected = time.as_micros() as u32;
        let late = frame.time.wrapping_sub(expected) as i32;
        if late.unsigned_abs() > TIME_TOLERANCE {
            log.byte(now, format!("talk frame {}: time is {} µs instead of {expected}", frame.number, frame.time));
            let off_by = Duration::from_micros(late.unsigned_abs().into());
            time = if late > 0 { time + off_by } else { time.saturating_sub(off_by) };
        }
        if let Some(Previous { is_short: true, number, .. }) = self.previous {
            log.byte(now, format!("talk frame {number}: shorter than a frame, and not the last"));
        }
        let Length { duration, is_short } = length;
        self.previous = Some(Previous { number: frame.number, duration, is_short, time });
    }
}

#[derive(Debug, Clone, Copy)]
struct Length {
    duration: Duration,
    /// Whether the frame has fewer samples than a whole one, as only the last frame may.
    is_short: bool,
}

/// Returns how long a frame plays; the error says why this camera does not understand it.
fn length(frame: &Frame<'_>) -> Result<Length, String> {
    let (codec, flags) = frame.format;
    let rate = flags.rate().ok_or_else(|| format!("the flags {:02x} have no rate", flags.0))?;
    let (len, channels) = (frame.audio.len(), flags.channels() as usize);
    let of_samples = |samples: usize| Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(rate));
    match codec {
        CodecId::MULAW | CodecId::ALAW => pcm_length(len, channels, of_samples),
        CodecId::PCM => pcm_length(len, channels * 2, of_samples),
        CodecId::AAC_ADTS | CodecId::AAC_WYZE | CodecId::AAC_RAW | CodecId::AAC_LATM => {
            let has_header = matches!(frame.audio, [0xFF, second, ..] if second & 0xF6 == 0xF0);
            if codec == CodecId::AAC_ADTS && !has_header {
                return Err("no ADTS header".into());
            }
            if has_header && adts_len(frame.audio) != Some(len) {
                return Err(format!("{len} bytes, but {:?} by its ADTS header", adts_len(frame.audio)));
            }
            Ok(Length { duration: of_samples(AAC_SAMPLES), is_short: false })
        }
        CodecId::OPUS => match opus_duration(frame.audio) {
            Some(duration) if duration == OPUS_FRAME => Ok(Length { duration, is_short: false }),
            other => Err(format!("an Opus packet of {other:?} instead of 20 ms")),
        },
        CodecId::SPEEX if len > 0 => Ok(Length { duration: SPEEX_FRAME, is_short: false }),
        CodecId::MP3 if frame.audio.starts_with(&[0xFF]) => {
            let samples = if rate < 32_000 { MP3_SAMPLES / 2 } else { MP3_SAMPLES };
            Ok(Length { duration: of_samples(samples), is_short: false })
        }
        CodecId::G726 => pcm_length(len * 2, channels, of_samples),
        other => Err(format!("{other} is not a codec for talk")),
    }
}

fn pcm_length(len: usize, sample: usize, of_samples: impl Fn(usize) -> Duration) -> Result<Length, String> {
    let samples = len / sample;
    if !len.is_multiple_of(sample) || samples > G711_SAMPLES {
        return Err(format!("{len} bytes, up to {} expected", G711_SAMPLES * sample));
    }
    Ok(Length { duration: of_samples(samples), is_short: samples < G711_SAMPLES })
}

/// Reads the frame length from an ADTS header.
fn adts_len(b: &[u8]) -> Option<usize> {
    let b = b.first_chunk::<7>()?;
    Some(usize::from(b[3] & 3) << 11 | usize::from(b[4]) << 3 | usize::from(b[5]) >> 5)
}

/// Reads an Opus packet's duration from its first bytes (RFC 6716, sections 3.1 and 3.2).
fn opus_duration(packet: &[u8]) -> Option<Duration> {
    let &toc = packet.first()?;
    let micros = match toc >> 3 {
        config @ 0..=11 => [10_000, 20_000, 40_000, 60_000][usize::from(config & 3)],
        config @ 12..=15 => [10_000, 20_000][usize::from(config & 1)],
        config => [2_500, 5_000, 10_000, 20_000][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3F),
    };
    Some(Duration::from_micros(micros * frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u32, time: u32, format: (CodecId, u8), audio: &[u8]) -> Frame<'_> {
        Frame { number, time, milliseconds: time / 1000, format: (format.0, AudioFlags(format.1)), audio }
    }

    fn log_of(frames: &[Frame<'_>], interval_ms: u64) -> DeviationLog {
        let (mut checks, mut log, start) = (TalkChecks::default(), DeviationLog::default(), Instant::now());
        for (at, frame) in (0..).zip(frames) {
            checks.check(start + Duration::from_millis(interval_ms * at), frame, None, &mut log);
        }
        log
    }

    #[test]
    fn frames_of_each_codec_have_its_length() {
        let mut adts = vec![0xFF, 0xF1, 0x60, 0x40, 0x02, 0x1F, 0xFC];
        adts.resize(16, 1);
        for (format, audio, step) in [
            ((CodecId::MULAW, 2), &[0x7F; 160][..], 20_000),
            ((CodecId::ALAW, 3), &[0x55; 320], 20_000),
            ((CodecId::PCM, 3 << 2 | 2), &[0; 320], 10_000),
            ((CodecId::AAC_WYZE, 3 << 2 | 2), &adts, 64_000),
            ((CodecId::AAC_ADTS, 7 << 2 | 3), &adts, 23_220),
            ((CodecId::AAC_RAW, 8 << 2 | 3), &[1; 50], 21_333),
            ((CodecId::OPUS, 3 << 2 | 2), &[0x48; 40], 20_000),
        ] {
            let frames: Vec<_> = (0..30).map(|i| frame(i + 1, step * i, format, audio)).collect();
            let log = log_of(&frames, u64::from(step / 1000));
            assert!(log.is_empty(), "{log}");
        }
    }

    #[test]
    fn wrong_times_and_lengths_are_logged() {
        let mulaw = (CodecId::MULAW, 2);
        let (whole, short, long) = (&[1; 160][..], &[1; 100][..], &[1; 161][..]);
        for (frames, expected) in [
            (vec![frame(1, 0, mulaw, whole), frame(2, 20_000, mulaw, short)], 0),
            (vec![frame(1, 0, mulaw, short), frame(2, 12_500, mulaw, whole)], 1),
            (vec![frame(1, 0, mulaw, long)], 1),
            (vec![frame(1, 20_000, mulaw, whole), frame(2, 40_000, mulaw, whole)], 1),
            (vec![frame(1, 0, mulaw, whole), frame(2, 21_000, mulaw, whole)], 1),
            (vec![frame(1, 0, (CodecId::OPUS, 2), &[0x50])], 1),
            (vec![frame(1, 0, (CodecId::AAC_ADTS, 2), whole)], 1),
            (vec![frame(1, 0, (CodecId::H264, 2), whole)], 1),
            (vec![frame(1, 0, (CodecId::MULAW, 0xFE), whole)], 1),
        ] {
            assert_eq!(log_of(&frames, 20).byte_entries().count(), expected, "{frames:?}");
        }
        // Frames lost or reordered are no byte deviations.
        let frames = [1, 4, 3, 7, 2].map(|number| frame(number, (number - 1) * 20_000, mulaw, whole));
        let log = log_of(&frames, 20);
        assert_eq!((log.byte_entries().count(), log.count()), (0, 4), "{log}");
    }

    #[test]
    fn the_time_wraps_after_71_minutes() {
        let (mulaw, count) = ((CodecId::MULAW, 2), 220_000);
        let (mut checks, mut log, now) = (TalkChecks::default(), DeviationLog::default(), Instant::now());
        for i in 0..count {
            let frame = frame(i + 1, i.wrapping_mul(20_000), mulaw, &[1; 160]);
            checks.check(now + Duration::from_millis(20) * i, &frame, None, &mut log);
        }
        assert!(log.is_empty(), "{log}");
    }

    #[test]
    fn frames_faster_than_real_time_are_logged_once() {
        let frames: Vec<_> = (0..40).map(|i| frame(i + 1, 20_000 * i, (CodecId::MULAW, 2), &[1; 160])).collect();
        assert!(log_of(&frames[..8], 0).is_empty());
        assert_eq!(log_of(&frames, 0).count(), 1);
        assert_eq!(log_of(&frames, 10).count(), 1);
        assert!(log_of(&frames, 25).is_empty());
    }
}
