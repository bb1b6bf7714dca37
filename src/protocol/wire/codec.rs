//! Codec ids and sample rates as FRAMEINFO carries them.

/// A codec id. What it stands for on a Wyze camera can differ from the vendor's table: 8F was seen carrying A-law and
/// 8D AAC. So the bytes of a frame decide on its format, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodecId(pub u16);

macro_rules! codecs {
    ($($name:ident = $id:literal, $text:literal;)*) => {
        impl CodecId {
            $(pub const $name: CodecId = CodecId($id);)*

            /// Returns the name in the vendor's table; `None` for an id that is not in it.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($id => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

codecs! {
    H264_SECOND = 0x4B, "H.264";
    MPEG4 = 0x4C, "MPEG-4";
    H263 = 0x4D, "H.263";
    H264 = 0x4E, "H.264";
    MJPEG = 0x4F, "MJPEG";
    H265 = 0x50, "H.265";
    AAC_RAW = 0x86, "AAC raw";
    AAC_ADTS = 0x87, "AAC ADTS";
    AAC_LATM = 0x88, "AAC LATM";
    MULAW = 0x89, "G.711 µ-law";
    ALAW = 0x8A, "G.711 A-law";
    ADPCM = 0x8B, "ADPCM";
    PCM = 0x8C, "PCM S16LE";
    SPEEX = 0x8D, "Speex";
    MP3 = 0x8E, "MP3";
    G726 = 0x8F, "G.726";
    AAC_WYZE = 0x90, "AAC";
    OPUS = 0x92, "Opus";
}

impl std::fmt::Display for CodecId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} (0x{:02X})", self.0),
            None => write!(f, "codec 0x{:02X}", self.0),
        }
    }
}

/// Hz, in the order of their index.
const SAMPLE_RATES: [u32; 9] = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000];
const STEREO: u8 = 1 << 0;
const SIXTEEN_BIT: u8 = 1 << 1;
const RATE_SHIFT: u32 = 2;

/// The flags byte that FRAMEINFO has for an audio frame: index of the sample rate << 2 | 16-bit << 1 | stereo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioFlags(pub u8);

impl AudioFlags {
    /// Makes the flags of 16-bit sound; `None` where `rate` (Hz) is not one of the nine that flags can say.
    pub fn new(rate: u32, stereo: bool) -> Option<Self> {
        let index = SAMPLE_RATES.iter().position(|&r| r == rate)? as u8;
        let channels = if stereo { STEREO } else { 0 };
        Some(AudioFlags(index << RATE_SHIFT | SIXTEEN_BIT | channels))
    }

    /// Returns the sample rate in Hz; `None` for an index past the table.
    pub fn rate(self) -> Option<u32> {
        SAMPLE_RATES.get(usize::from(self.0 >> RATE_SHIFT)).copied()
    }

    /// Returns how many channels the sound has, 1 or 2.
    pub fn channels(self) -> u32 {
        if self.0 & STEREO != 0 { 2 } else { 1 }
    }
}
