//! Video: FRAMEINFO gives the codec; the bytes give picture size, key frames and parameter sets.

use std::num::NonZeroUsize;

use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::rbsp::{BitRead, BitReader, BitReaderError, ByteReader};

use super::Verdict;
use crate::protocol::parameter_sets::ParameterSets;
use crate::protocol::wire::codec::CodecId;
use crate::protocol::wire::frame_info::FrameInfo;

/// Follows a camera's video. Nothing is pushed before a key frame, at first and after each change of codec.
#[derive(Debug, Default)]
pub struct VideoFormat {
    codec: Option<CodecId>,
    caps: Option<gst::Caps>,
    started: bool,
    refused: bool,
    sets: ParameterSets,
    /// The frame before had parameter sets and no picture.
    sets_came_alone: bool,
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

    /// Takes the parameter sets that the camera sent before this viewer came.
    pub fn learn(&mut self, earlier: ParameterSets) {
        self.sets.learn(earlier);
    }

    /// Judges the next frame. `data` may be anything. It gets parameter sets where they are missing: at the start, and
    /// where they came in a frame of their own.
    pub fn inspect(&mut self, info: &FrameInfo, data: &mut Vec<u8>) -> Verdict {
        let codec = if info.codec == CodecId::H264_SECOND { CodecId::H264 } else { info.codec };
        if self.codec != Some(codec) {
            let sets = std::mem::take(&mut self.sets);
            *self = VideoFormat { codec: Some(codec), sets, ..Self::default() };
        }
        let flagged = info.is_key_frame();
        let (picture, caps) = match codec {
            CodecId::H264 | CodecId::H265 => match self.h26x(codec, data, flagged) {
                Some(picture) => {
                    (picture, stream(if codec == CodecId::H264 { "video/x-h264" } else { "video/x-h265" }))
                }
                None => return Verdict::Skip,
            },
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

    /// Describes a frame of H.264 or H.265. `None` where it has parameter sets only.
    fn h26x(&mut self, codec: CodecId, data: &mut Vec<u8>, flagged: bool) -> Option<Picture> {
        let contents = self.sets.follow(codec, data);
        let Some(slice) = contents.slice else {
            self.sets_came_alone |= contents.some;
            return (!contents.some).then(Picture::default);
        };
        let size_of = |sps: Option<&[u8]>| match codec {
            CodecId::H264 => sps.and_then(h264_size),
            _ => sps.and_then(|sps| h265_size(sps).ok().flatten()),
        };
        let mut picture =
            Picture { sync: starts_anew(codec, slice), complete: contents.complete, size: size_of(contents.sps) };
        let came_alone = std::mem::take(&mut self.sets_came_alone);
        if (came_alone || picture.sync && !self.started)
            && !picture.complete
            && let Some(mut with_sets) = self.sets.of(codec)
        {
            picture.size = size_of(ParameterSets::default().follow(codec, &with_sets).sps);
            picture.complete = true;
            with_sets.append(data);
            *data = with_sets;
        }
        // Whether another picture starts anew, only the camera's flag tells.
        picture.sync |= flagged && picture.complete;
        Some(picture)
    }
}

/// Whether decoding can start at pictures of this type: an IDR, with H.265 the types 16 to 23 (IRAP).
fn starts_anew(codec: CodecId, slice: u8) -> bool {
    if codec == CodecId::H264 { slice == 5 } else { (16..24).contains(&slice) }
}

fn stream(name: &str) -> gst::caps::Builder<gst::caps::NoFeature> {
    gst::Caps::builder(name).field("stream-format", "byte-stream").field("alignment", "au")
}

fn positive(value: u32) -> Option<i32> {
    i32::try_from(value).ok().filter(|&v| v > 0)
}

fn h264_size(sps: &[u8]) -> Option<(u32, u32)> {
    let bits = BitReader::new(ByteReader::skipping_h264_header(sps));
    SeqParameterSet::from_bits(bits).ok()?.pixel_dimensions().ok()
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
