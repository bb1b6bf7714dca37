//! Reads the header of an ADTS frame (ISO/IEC 14496-3, 1.A.2.2).

/// Sampling rates in Hz by their index in an ADTS header and in an AudioSpecificConfig.
pub(super) const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

const HEADER: usize = 7;

/// What the header of one ADTS frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdtsHeader {
    /// Bytes of the whole frame, with its header.
    pub length: usize,
    /// Samples a second.
    pub rate: u32,
    /// `None` where a program config element inside the frame has the channels.
    pub channels: Option<u32>,
}

impl AdtsHeader {
    /// Reads the header that `data` begins with; `None` unless the whole frame is in `data`.
    pub fn read(data: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = data.first_chunk()?;
        let length = usize::from(header[3] & 3) << 11 | usize::from(header[4]) << 3 | usize::from(header[5] >> 5);
        if header[0] != 0xFF || header[1] & 0xF6 != 0xF0 || !(HEADER..=data.len()).contains(&length) {
            return None;
        }
        let rate = *AAC_RATES.get(usize::from(header[2] >> 2 & 0xF))?;
        let channels = match header[2] << 2 & 4 | header[3] >> 6 {
            0 => None,
            7 => Some(8),
            n => Some(n.into()),
        };
        Some(AdtsHeader { length, rate, channels })
    }
}
