//! The parameter sets of an H.264 or H.265 stream, without which no picture of it can be decoded. Some cameras send
//! them once, or in a frame of their own.

use super::wire::codec::CodecId;

/// The most bytes of sets of one kind that are kept; a camera's have about 50.
const MAX_LEN: usize = 4096;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The kinds of sets, in the order in which they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vps,
    Sps,
    Pps,
}

/// What a NAL unit is.
enum Unit {
    Set(Kind),
    /// A part of a picture, with its type.
    Slice(u8),
    Other,
}

/// What one frame has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Contents<'a> {
    /// The type of the first NAL unit that is part of a picture.
    pub slice: Option<u8>,
    /// All kinds of sets are in the frame, before its picture.
    pub complete: bool,
    /// Some set is in the frame.
    pub some: bool,
    /// The frame's SPS.
    pub sps: Option<&'a [u8]>,
}

/// The newest sets of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterSets {
    codec: Option<CodecId>,
    /// With start codes, by kind.
    sets: [Vec<u8>; 3],
}

impl ParameterSets {
    /// Keeps what sets there are in a frame of this codec, and tells what the frame has. `data` may be anything.
    pub fn follow<'a>(&mut self, codec: CodecId, data: &'a [u8]) -> Contents<'a> {
        let codec = if codec == CodecId::H264_SECOND { CodecId::H264 } else { codec };
        let Some(kinds) = kinds(codec) else { return Contents::default() };
        if self.codec != Some(codec) {
            *self = ParameterSets { codec: Some(codec), ..ParameterSets::default() };
        }
        let (mut contents, mut found) = (Contents::default(), [false; 3]);
        for unit in nal_units(data) {
            match unit_of(codec, unit[0]) {
                Unit::Slice(kind) => {
                    contents.slice = Some(kind);
                    break;
                }
                Unit::Set(kind) => {
                    let set = only(unit);
                    if kind == Kind::Sps {
                        contents.sps = Some(set);
                    }
                    let kept = &mut self.sets[kind as usize];
                    // A frame may have several of one kind, which replace those of earlier frames.
                    if !std::mem::replace(&mut found[kind as usize], true) {
                        kept.clear();
                    }
                    if kept.len() + START_CODE.len() + set.len() <= MAX_LEN {
                        kept.extend_from_slice(&START_CODE);
                        kept.extend_from_slice(set);
                    }
                }
                Unit::Other => {}
            }
        }
        contents.some = found.contains(&true);
        contents.complete = kinds.iter().all(|&kind| found[kind as usize]);
        contents
    }

    /// Returns the sets of a stream of this codec as they stand before a picture; `None` while one is missing.
    pub fn of(&self, codec: CodecId) -> Option<Vec<u8>> {
        let kinds = kinds(codec).filter(|_| self.codec == Some(codec))?;
        let is_complete = kinds.iter().all(|&kind| !self.sets[kind as usize].is_empty());
        is_complete.then(|| self.sets.concat())
    }

    /// Takes sets that came before. What has come since is newer.
    pub fn learn(&mut self, earlier: ParameterSets) {
        if self.codec.is_none() {
            *self = earlier;
        }
    }
}

fn kinds(codec: CodecId) -> Option<&'static [Kind]> {
    match codec {
        CodecId::H264 => Some(&[Kind::Sps, Kind::Pps]),
        CodecId::H265 => Some(&[Kind::Vps, Kind::Sps, Kind::Pps]),
        _ => None,
    }
}

fn unit_of(codec: CodecId, header: u8) -> Unit {
    match codec {
        CodecId::H264 => match header & 0x1F {
            7 => Unit::Set(Kind::Sps),
            8 => Unit::Set(Kind::Pps),
            kind @ 1..=5 => Unit::Slice(kind),
            _ => Unit::Other,
        },
        _ => match header >> 1 & 0x3F {
            32 => Unit::Set(Kind::Vps),
            33 => Unit::Set(Kind::Sps),
            34 => Unit::Set(Kind::Pps),
            kind @ 0..=31 => Unit::Slice(kind),
            _ => Unit::Other,
        },
    }
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
