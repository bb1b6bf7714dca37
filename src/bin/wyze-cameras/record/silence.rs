//! How long a piece of sound is, and what silence is, in each codec that cameras were seen to send.

use gst::ClockTime;
use gstwyze::caps::AdtsHeader;

/// Samples of a frame of AAC.
const AAC_SAMPLES: u64 = 1024;
/// A frame of AAC-LC without its header, that is silent: one channel, and two.
const AAC_MONO: &[u8] = &[0x00, 0xC8, 0x00, 0x80, 0x23, 0x80];
const AAC_STEREO: &[u8] = &[0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80];
/// 20 ms of silence in Opus, whatever came before.
const OPUS: &[u8] = &[0xF8, 0xFF, 0xFE];
const OPUS_FRAME: ClockTime = ClockTime::from_mseconds(20);
/// The longest piece of silence that is made at once.
const PIECE: ClockTime = ClockTime::from_mseconds(500);

/// Makes silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// Any number of samples.
    Samples { rate: u64, bytes_per_sample: u64, byte: u8 },
    /// Frames of one length. Those of AAC have the header of the camera's own last frame, if theirs have one.
    Frames { frame: Vec<u8>, length: ClockTime, has_header: bool },
    /// Nobody knows how.
    None,
}

impl Silence {
    pub fn of(caps: &gst::CapsRef) -> Self {
        let Some(structure) = caps.structure(0) else { return Silence::None };
        let number = |field| structure.get::<i32>(field).ok().and_then(|number| u64::try_from(number).ok());
        let (rate, channels) = (number("rate").unwrap_or(0).max(1), number("channels").unwrap_or(1).max(1));
        let samples = |bytes, byte| Silence::Samples { rate, bytes_per_sample: bytes * channels, byte };
        match structure.name().as_str() {
            "audio/x-mulaw" => samples(1, 0xFF),
            "audio/x-alaw" => samples(1, 0xD5),
            "audio/x-raw" => samples(2, 0),
            "audio/x-opus" => Silence::Frames { frame: OPUS.to_vec(), length: OPUS_FRAME, has_header: false },
            "audio/mpeg" if number("mpegversion") == Some(4) && channels <= 2 => {
                let has_header = match structure.get::<&str>("stream-format") {
                    Ok("adts") => true,
                    Ok("raw") => false,
                    _ => return Silence::None,
                };
                let frame = if channels == 1 { AAC_MONO } else { AAC_STEREO };
                Silence::Frames { frame: frame.to_vec(), length: time(AAC_SAMPLES, rate), has_header }
            }
            _ => Silence::None,
        }
    }

    /// Returns how long this piece of sound is; `None` where nobody knows.
    pub fn length(&self, data: &[u8]) -> Option<ClockTime> {
        match self {
            Silence::Samples { rate, bytes_per_sample, .. } => Some(time(data.len() as u64 / bytes_per_sample, *rate)),
            Silence::Frames { length, has_header: true, .. } => Some(*length * adts_frames(data)),
            Silence::Frames { frame, .. } if frame == OPUS => opus_length(data),
            Silence::Frames { length, .. } => Some(*length),
            Silence::None => None,
        }
    }

    /// Makes one piece of silence that is at most this long. `last` is the camera's last piece.
    pub fn make(&self, most: ClockTime, last: &[u8]) -> Option<(Vec<u8>, ClockTime)> {
        match self {
            Silence::Samples { rate, bytes_per_sample, byte } => {
                let samples = most.min(PIECE).nseconds() * rate / ClockTime::SECOND.nseconds();
                let piece = vec![*byte; usize::try_from(samples * bytes_per_sample).ok()?];
                (samples > 0).then(|| (piece, time(samples, *rate)))
            }
            Silence::Frames { length, .. } if *length > most => None,
            Silence::Frames { frame, length, has_header: false } => Some((frame.clone(), *length)),
            Silence::Frames { frame, length, has_header: true } => Some((with_header(frame, last)?, *length)),
            Silence::None => None,
        }
    }

    /// The shortest gap that is filled, and overlap that is cut: less is how clocks differ.
    pub fn tolerance(&self) -> ClockTime {
        match self {
            Silence::Frames { length, .. } => (*length).max(ClockTime::from_mseconds(60)),
            _ => ClockTime::from_mseconds(60),
        }
    }
}

fn time(samples: u64, rate: u64) -> ClockTime {
    ClockTime::from_nseconds(samples * ClockTime::SECOND.nseconds() / rate.max(1))
}

/// The length that the header of an ADTS frame says, header included.
fn adts_length(data: &[u8]) -> Option<usize> {
    AdtsHeader::read(data)?;
    let [.., a, b, c] = *data.first_chunk::<6>()?;
    Some(usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c) >> 5)
}

fn adts_frames(mut data: &[u8]) -> u64 {
    let mut frames = 0;
    while let Some(rest) = adts_length(data).filter(|length| *length >= 7).and_then(|length| data.get(length..)) {
        frames += 1;
        data = rest;
    }
    frames.max(1)
}

/// Puts the header of another frame in front, with this frame's length and without a checksum. Only AAC-LC has silence
/// that is known.
fn with_header(frame: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    AdtsHeader::read(other)?;
    let mut header = *other.first_chunk::<7>()?;
    if header[2] >> 6 != 1 {
        return None;
    }
    let length = header.len() + frame.len();
    header[1] |= 1;
    header[3] = header[3] & 0xFC | (length >> 11) as u8;
    header[4] = (length >> 3) as u8;
    header[5] = (length << 5) as u8 | header[5] & 0x1F;
    header[6] &= 0xFC;
    Some([&header, frame].concat())
}

/// Reads the first byte of an Opus packet (RFC 6716, 3.1).
fn opus_length(data: &[u8]) -> Option<ClockTime> {
    let first = *data.first()?;
    let micros = match first >> 3 {
        config @ 0..12 => [10_000, 20_000, 40_000, 60_000][usize::from(config % 4)],
        config @ 12..16 => [10_000, 20_000][usize::from(config % 2)],
        config => [2_500, 5_000, 10_000, 20_000][usize::from(config % 4)],
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(data.get(1)? & 0x3F),
    };
    Some(ClockTime::from_useconds(micros) * frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(text: &str) -> gst::Caps {
        gst::init().unwrap();
        text.parse().unwrap()
    }

    #[test]
    fn samples_are_counted_and_made() {
        let mulaw = Silence::of(&caps("audio/x-mulaw,rate=8000,channels=1"));
        assert_eq!(mulaw.length(&[0; 320]), Some(ClockTime::from_mseconds(40)));
        let (data, length) = mulaw.make(ClockTime::from_mseconds(40), &[]).unwrap();
        assert_eq!((data.len(), length), (320, ClockTime::from_mseconds(40)));
        assert!(data.iter().all(|&byte| byte == 0xFF));
        let stereo = Silence::of(&caps("audio/x-raw,format=S16LE,rate=16000,channels=2"));
        assert_eq!(stereo.length(&[0; 2560]), Some(ClockTime::from_mseconds(40)));
        assert_eq!(stereo.make(ClockTime::ZERO, &[]), None);
    }

    /// The header is that of a frame of AAC-LC, 16 kHz, mono, with 200 bytes behind it.
    #[test]
    fn silent_aac_has_the_camera_s_header() {
        let adts = Silence::of(&caps("audio/mpeg,mpegversion=4,stream-format=adts,rate=16000,channels=1"));
        let mut frame = vec![0xFF, 0xF1, 0x60, 0x40, 0x19, 0xFF, 0xFC];
        frame.resize(207, 1);
        assert_eq!(adts.length(&frame), Some(ClockTime::from_mseconds(64)));
        assert_eq!(adts.length(&[frame.clone(), frame.clone()].concat()), Some(ClockTime::from_mseconds(128)));
        let (silence, _) = adts.make(ClockTime::from_mseconds(70), &frame).unwrap();
        assert_eq!(silence, [&[0xFF, 0xF1, 0x60, 0x40, 0x01, 0xBF, 0xFC], AAC_MONO].concat());
        assert_eq!(adts.make(ClockTime::from_mseconds(60), &frame), None);
        // Another profile is not filled with this one's silence.
        frame[2] = 0x20;
        assert_eq!(adts.make(ClockTime::from_mseconds(70), &frame), None);
    }

    #[test]
    fn opus_tells_its_length() {
        let opus = Silence::of(&caps("audio/x-opus,rate=16000,channels=1,channel-mapping-family=0"));
        assert_eq!(opus.length(&[0x48, 0]), Some(OPUS_FRAME));
        assert_eq!(opus.length(OPUS), Some(OPUS_FRAME));
        assert_eq!(opus.length(&[0x4B, 3]), Some(OPUS_FRAME * 3));
    }
}
