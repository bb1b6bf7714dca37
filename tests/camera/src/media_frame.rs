//! A frame of video or audio on its way to the clients.

use gstwyze::protocol::wire::codec::CodecId;
use gstwyze::protocol::wire::media::MediaChannel;

/// One access unit or audio frame, with what FRAMEINFO says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFrame {
    pub kind: MediaChannel,
    pub codec: CodecId,
    /// FRAMEINFO's flags: 1 for a key frame; rate, width and channels for audio.
    pub flags: u8,
    pub fps: u8,
    /// As cameras report it: 0 1080p, 1 360p, 3 or 4 2K, 5 floodlight.
    pub frame_size: u8,
    /// Capture time, whole seconds since 1970.
    pub seconds: u32,
    pub microseconds: u32,
    pub data: Vec<u8>,
}

impl MediaFrame {
    pub fn is_audio(&self) -> bool {
        self.kind == MediaChannel::Audio
    }
}
