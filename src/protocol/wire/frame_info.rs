//! FRAMEINFO, the 40 bytes at the end of a frame's last packet.
//!
//! 0 codec u16 · 2 flags · 3 camera · 4 viewers · 5 fps · 6 frame size · 7 bitrate (low 8 bits of KB/s) · 8..12 microseconds ·
//! 12..16 Unix seconds · 16..20 payload size · 20..24 frame number · 24..40 MAC as ASCII, zero padded.

use super::codec::{AudioFlags, CodecId};
use super::{WireError, array, check_len, put, put_u16, put_u32, u16_at, u32_at};

pub const LEN: usize = 40;

/// What a camera says of one frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FrameInfo {
    pub codec: CodecId,
    /// Video: 1 is a key frame. Audio: see [`AudioFlags`].
    pub flags: u8,
    pub camera: u8,
    pub viewers: u8,
    pub fps: u8,
    /// 0 1080p, 1 360p, 3 or 4 2K, 5 floodlight; on the first frames after login often still the previous one.
    pub frame_size: u8,
    pub bitrate: u8,
    /// 0..1 000 000, the part of the capture time below the second.
    pub microseconds: u32,
    /// Seconds since 1970; on some firmware a constant, on a camera without a clock small.
    pub seconds: u32,
    /// The frame's length in bytes without FRAMEINFO.
    pub payload_size: u32,
    pub frame_number: u32,
    /// The camera's MAC in ASCII, zero padded. Identifies its owner: kept out of `Debug`.
    pub mac: [u8; 16],
}

impl FrameInfo {
    /// Parses the first 40 bytes.
    pub fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("FRAMEINFO", b, LEN)?;
        Ok(FrameInfo {
            codec: CodecId(u16_at(b, 0)),
            flags: b[2],
            camera: b[3],
            viewers: b[4],
            fps: b[5],
            frame_size: b[6],
            bitrate: b[7],
            microseconds: u32_at(b, 8),
            seconds: u32_at(b, 12),
            payload_size: u32_at(b, 16),
            frame_number: u32_at(b, 20),
            mac: array(b, 24),
        })
    }

    pub fn emit(&self) -> [u8; LEN] {
        let mut b = [0; LEN];
        put_u16(&mut b, 0, self.codec.0);
        b[2] = self.flags;
        b[3] = self.camera;
        b[4] = self.viewers;
        b[5] = self.fps;
        b[6] = self.frame_size;
        b[7] = self.bitrate;
        put_u32(&mut b, 8, self.microseconds);
        put_u32(&mut b, 12, self.seconds);
        put_u32(&mut b, 16, self.payload_size);
        put_u32(&mut b, 20, self.frame_number);
        put(&mut b, 24, &self.mac);
        b
    }

    pub fn is_key_frame(&self) -> bool {
        self.flags & 1 == 1
    }

    pub fn audio_flags(&self) -> AudioFlags {
        AudioFlags(self.flags)
    }
}

impl std::fmt::Debug for FrameInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameInfo")
            .field("codec", &self.codec)
            .field("flags", &self.flags)
            .field("fps", &self.fps)
            .field("frame_size", &self.frame_size)
            .field("seconds", &self.seconds)
            .field("microseconds", &self.microseconds)
            .field("payload_size", &self.payload_size)
            .field("frame_number", &self.frame_number)
            .finish_non_exhaustive()
    }
}
