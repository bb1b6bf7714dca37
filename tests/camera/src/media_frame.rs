//! A frame of video or audio that the camera sends to its clients.

use gstwyze::protocol::wire::codec::CodecId;
use gstwyze::protocol::wire::media::MediaChannel;

/// One access unit or audio frame, with the fields of its FRAMEINFO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFrame {
    pub kind: MediaChannel,
    pub codec: CodecId,
    /// FRAMEINFO's flags: for video 1 in a key frame, for audio rate, sample width and channels.
    pub flags: u8,
    pub fps: u8,
    /// FRAMEINFO's code for the resolution: 0 is 1080p, 1 is 360p, 3 and 4 are 2K, 5 is the floodlight's.
    pub frame_size: u8,
    /// Capture time: whole seconds since 1970, and microseconds of the second.
    pub seconds: u32,
    pub microseconds: u32,
    pub data: Vec<u8>,
}

impl MediaFrame {
    pub fn is_audio(&self) -> bool {
        self.kind == MediaChannel::Audio
    }
}
