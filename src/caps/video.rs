//! Video: FRAMEINFO gives the codec; the bytes give picture size, key frames and parameter sets.

use std::num::NonZeroUsize;

use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::rbsp::{BitRead, BitReader, BitReaderError, ByteReader};

use super::Verdict;
use crate::protocol::wire::codec::CodecId;
use crate::protocol::wire::frame_info::FrameInfo;

/// Follows a camera's video. Nothing is pushed before a key frame, at first and after each change of codec.
#[derive(Debug, Default)]
pub struct VideoFormat {
    codec: Option<CodecId>,
    caps: Option<gst::Caps>,
    started: bool,
    refused: bool,
}

/// One frame, as its bytes describe it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Picture {
    /// Decoding can go on from here, given the parameter sets.
    sync: bool,
    /// All parameter sets that decoding needs are in this frame.
    complete: bool,
    size: Option<(u32, u32)>,
}

impl VideoFormat {
    pub fn new() -> Self {
        Self::default()
    }

    /// Skips frames up to the next key frame, as after a loss or a new connection. Caps are not repeated.
    pub fn wait_for_key_frame(&mut self) {
        self.started = false;
    }

    /// Judges the next frame. `data` may be anything.
    pub fn inspect(&mut self, info: &FrameInfo, data: &[u8]) -> Verdict {
        let codec = if info.codec == CodecId::H264_SECOND { CodecId::H264 } else { info.codec };
        if self.codec != Some(codec) {
            *self = VideoFormat { codec: Some(codec), ..Self::default() };
        }
        let flagged = info.is_key_frame();
        let (picture, caps) = match codec {
            CodecId::H264 => (h264(data, flagged), stream("video/x-h264")),
            CodecId::H265 => (h265(data, flagged), stream("video/x-h265")),
            CodecId::MJPEG => (jpeg(data), gst::Caps::builder("image/jpeg")),
            CodecId::MPEG4 => {
                let caps = gst::Caps::builder("video/mpeg").field("mpegversion", 4).field("systemstream", false);
                (Picture { sync: flagged, complete: true, size: None }, caps)
            }
            CodecId::H263 => {
                let caps = gst::Caps::builder("video/x-h263").field("variant", "itu");
                (Picture { sync: flagged, complete: true, size: None }, caps)
            }
            _ if self.refused => return Verdict::Skip,
            other => {
                self.refused = true;
                return Verdict::Unsupported(other);
            }
        };

        self.started |= picture.sync && picture.complete;
        if data.is_empty() || !self.started {
            return Verdict::Skip;
        }

        // Only the first caps may lack a size. Later, a missing size means that the SPS came broken, and the old size
        // still holds.
        let size = picture.size.and_then(|(w, h)| Some((positive(w)?, positive(h)?)));
        let caps = match size {
            Some((width, height)) if picture.sync => caps.field("width", width).field("height", height),
            None if self.caps.is_none() => caps,
            _ => return Verdict::Push { caps: None, sync: picture.sync },
        };
        let caps = caps.build();
        let changed = self.caps.as_ref() != Some(&caps);
        if changed {
            self.caps = Some(caps.clone());
        }
        Verdict::Push { caps: changed.then_some(caps), sync: picture.sync }
    }
}

fn stream(name: &str) -> gst::caps::Builder<gst::caps::NoFeature> {
    gst::Caps::builder(name).field("stream-format", "byte-stream").field("alignment", "au")
}

fn positive(value: u32) -> Option<i32> {
    i32::try_from(value).ok().filter(|&v| v > 0)
}

/// Returns the data from the start of each NAL unit to the end of the frame. A unit's own end is left to [`only`]: to
/// find it costs a look at the whole picture, and only parameter sets need it. None of them is empty.
fn nal_units(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        rest = &rest[start_code(rest)? + 3..];
        Some(rest)
    })
    .filter(|unit| !unit.is_empty())
}

fn start_code(data: &[u8]) -> Option<usize> {
    memchr::memmem::find(data, &[0, 0, 1])
}

/// Cuts off what follows a NAL unit: the next one, and zeros between the two.
fn only(unit: &[u8]) -> &[u8] {
    let unit = &unit[..start_code(unit).unwrap_or(unit.len())];
    &unit[..unit.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1)]
}

fn h264(data: &[u8], flagged: bool) -> Picture {
    let (mut size, mut sps, mut pps) = (None, false, false);
    for unit in nal_units(data) {
        match unit[0] & 0x1F {
            7 => {
                sps = true;
                size = h264_size(only(unit));
            }
            8 => pps = true,
            // The first slice. What describes a picture comes before it.
            kind @ 1..=5 => {
                // Whether a picture that is no IDR starts anew, only the camera's flag tells.
                let complete = sps && pps;
                return Picture { sync: kind == 5 || flagged && complete, complete, size };
            }
            _ => {}
        }
    }
    Picture::default()
}

fn h264_size(sps: &[u8]) -> Option<(u32, u32)> {
    let bits = BitReader::new(ByteReader::skipping_h264_header(sps));
    SeqParameterSet::from_bits(bits).ok()?.pixel_dimensions().ok()
}

fn h265(data: &[u8], flagged: bool) -> Picture {
    let (mut size, mut vps, mut sps, mut pps) = (None, false, false, false);
    for unit in nal_units(data) {
        match unit[0] >> 1 & 0x3F {
            32 => vps = true,
            33 => {
                sps = true;
                size = h265_size(only(unit)).ok().flatten();
            }
            34 => pps = true,
            kind @ 0..=31 => {
                let complete = vps && sps && pps;
                // Decoding can start at the types 16 to 23 (IRAP).
                return Picture { sync: (16..24).contains(&kind) || flagged && complete, complete, size };
            }
            _ => {}
        }
    }
    Picture::default()
}

/// Reads an SPS (H.265, 7.3.2.2) as far as the picture's size. Nothing after it is needed, so a camera's mistakes there
/// do no harm.
fn h265_size(sps: &[u8]) -> Result<Option<(u32, u32)>, BitReaderError> {
    const HEADER: NonZeroUsize = NonZeroUsize::new(2).unwrap();
    let mut bits = BitReader::new(ByteReader::skipping_bytes(sps, HEADER));
    bits.skip(4, "sps_video_parameter_set_id")?;
    let sub_layers: u32 = bits.read::<3, _>("sps_max_sub_layers_minus1")?;
    bits.skip(1, "sps_temporal_id_nesting_flag")?;

    const PROFILE: u32 = 88;
    const LEVEL: u32 = 8;
    bits.skip(PROFILE + LEVEL, "general profile and level")?;
    let mut skip = 0;
    if sub_layers > 0 {
        for at in 0..8 {
            let profile = bits.read_bit("sub_layer_profile_present_flag")?;
            let level = bits.read_bit("sub_layer_level_present_flag")?;
            if at < sub_layers {
                skip += u32::from(profile) * PROFILE + u32::from(level) * LEVEL;
            }
        }
    }
    bits.skip(skip, "profiles and levels of the sub-layers")?;

    bits.read_ue("sps_seq_parameter_set_id")?;
    let chroma = bits.read_ue("chroma_format_idc")?;
    if chroma == 3 {
        bits.skip(1, "separate_colour_plane_flag")?;
    }
    let (width, height) = (bits.read_ue("pic_width_in_luma_samples")?, bits.read_ue("pic_height_in_luma_samples")?);
    let mut crop = [0; 4];
    if bits.read_bit("conformance_window_flag")? {
        for edge in &mut crop {
            *edge = bits.read_ue("conf_win_offset")?;
        }
    }
    let cropped = |length: u32, unit: u32, before: u32, after: u32| {
        length.checked_sub(before.checked_add(after)?.checked_mul(unit)?)
    };
    let width = cropped(width, if matches!(chroma, 1 | 2) { 2 } else { 1 }, crop[0], crop[1]);
    let height = cropped(height, if chroma == 1 { 2 } else { 1 }, crop[2], crop[3]);
    Ok(width.zip(height))
}

fn jpeg(data: &[u8]) -> Picture {
    if !data.starts_with(&[0xFF, 0xD8]) {
        return Picture::default();
    }
    Picture { sync: true, complete: true, size: jpeg_size(&data[2..]) }
}

/// Reads the size from the first start-of-frame segment.
fn jpeg_size(mut segments: &[u8]) -> Option<(u32, u32)> {
    loop {
        let (&[0xFF, marker, high, low], _) = segments.split_first_chunk()? else { return None };
        if marker == 0xFF {
            // This is a fill byte.
            segments = &segments[1..];
            continue;
        }
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            let size = segments.get(5..9)?;
            let number = |at: usize| u32::from(u16::from_be_bytes([size[at], size[at + 1]]));
            return Some((number(2), number(0)));
        }
        segments = segments.get(2 + usize::from(u16::from_be_bytes([high, low]))..)?;
    }
}
