//! FRAMEINFO, at the end of a frame's last packet: 40 bytes, on some cameras fewer or more.
//!
//! The form of 16 bytes has the capture time as milliseconds, where the longer ones have seconds and microseconds.

use super::codec::{AudioFlags, CodecId};
use super::{WireError, array, check_len, put, put_u16, put_u32, u16_at, u32_at};

/// The length that most cameras use, in bytes.
pub const LEN: usize = 40;
/// The length of the shortest form.
pub const SHORT_LEN: usize = 16;
/// The lengths that have been seen.
pub const LENGTHS: [usize; 4] = [SHORT_LEN, 32, LEN, 48];

/// The second from which on a camera's clock counts as set (2 June 2020): one that was never set starts at an earlier
/// date.
pub const CLOCK_SET: u32 = 1_591_069_888;

/// Where the fields begin. Those without a size are one byte; [`FrameInfo`] says what they mean.
mod offset {
    /// u16.
    pub const CODEC: usize = 0;
    pub const FLAGS: usize = 2;
    pub const CAMERA: usize = 3;
    pub const VIEWERS: usize = 4;
    pub const FPS: usize = 5;
    pub const FRAME_SIZE: usize = 6;
    pub const BITRATE: usize = 7;
    /// u32.
    pub const MICROSECONDS: usize = 8;
    /// u32.
    pub const SECONDS: usize = 12;
    /// u32, in the form of 16 bytes.
    pub const MILLISECONDS: usize = 12;
    /// u32.
    pub const PAYLOAD_SIZE: usize = 16;
    /// u32.
    pub const FRAME_NUMBER: usize = 20;
    /// 16 bytes.
    pub const MAC: usize = 24;
}

/// A camera's description of one frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FrameInfo {
    pub codec: CodecId,
    /// Video: 1 is a key frame. Audio: see [`AudioFlags`].
    pub flags: u8,
    /// A number that the vendor calls the camera's; nothing here depends on it.
    pub camera: u8,
    /// How many clients watch the camera.
    pub viewers: u8,
    /// Frames a second. They change at dusk, so no time follows from them.
    pub fps: u8,
    /// 0 1080p, 1 360p, 3 or 4 2K, 5 floodlight; on the first frames after login often still the previous one.
    pub frame_size: u8,
    /// KB/s, the low 8 bits.
    pub bitrate: u8,
    /// The part of the capture time below the second: 0 to 999 999.
    pub microseconds: u32,
    /// Seconds since 1970. Some firmware repeats one number for a whole session; a camera without a clock counts from a
    /// small one.
    pub seconds: u32,
    /// The frame's length in bytes without FRAMEINFO; 0 where the camera does not tell it.
    pub payload_size: u32,
    /// Counts the frames of both media in one row, and wraps; 0 where the camera leaves it to the packets.
    pub frame_number: u32,
    /// The camera's MAC in ASCII, zero padded. It identifies the camera's owner, so `Debug` leaves it out.
    pub mac: [u8; 16],
}

impl FrameInfo {
    /// Parses all of `b` as FRAMEINFO of that length, 16 bytes or more. Fields that it is too short for are 0, and what
    /// stands behind the known ones is ignored.
    pub fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("FRAMEINFO", b, SHORT_LEN)?;
        let mut whole = [0; LEN];
        let known = b.len().min(LEN);
        whole[..known].copy_from_slice(&b[..known]);
        let info = Self::parse_whole(&whole);
        if b.len() == SHORT_LEN && info.microseconds == 0 {
            let milliseconds = u32_at(b, offset::MILLISECONDS);
            return Ok(FrameInfo { seconds: milliseconds / 1000, microseconds: milliseconds % 1000 * 1000, ..info });
        }
        Ok(info)
    }

    fn parse_whole(b: &[u8; LEN]) -> Self {
        FrameInfo {
            codec: CodecId(u16_at(b, offset::CODEC)),
            flags: b[offset::FLAGS],
            camera: b[offset::CAMERA],
            viewers: b[offset::VIEWERS],
            fps: b[offset::FPS],
            frame_size: b[offset::FRAME_SIZE],
            bitrate: b[offset::BITRATE],
            microseconds: u32_at(b, offset::MICROSECONDS),
            seconds: u32_at(b, offset::SECONDS),
            payload_size: u32_at(b, offset::PAYLOAD_SIZE),
            frame_number: u32_at(b, offset::FRAME_NUMBER),
            mac: array(b, offset::MAC),
        }
    }

    /// Returns the form of 40 bytes.
    pub fn emit(&self) -> [u8; LEN] {
        let mut b = [0; LEN];
        put_u16(&mut b, offset::CODEC, self.codec.0);
        b[offset::FLAGS] = self.flags;
        b[offset::CAMERA] = self.camera;
        b[offset::VIEWERS] = self.viewers;
        b[offset::FPS] = self.fps;
        b[offset::FRAME_SIZE] = self.frame_size;
        b[offset::BITRATE] = self.bitrate;
        put_u32(&mut b, offset::MICROSECONDS, self.microseconds);
        put_u32(&mut b, offset::SECONDS, self.seconds);
        put_u32(&mut b, offset::PAYLOAD_SIZE, self.payload_size);
        put_u32(&mut b, offset::FRAME_NUMBER, self.frame_number);
        put(&mut b, offset::MAC, &self.mac);
        b
    }

    /// Whether this is a key frame. Has no meaning for audio.
    pub fn is_key_frame(&self) -> bool {
        self.flags & 1 == 1
    }

    /// Returns the flags of an audio frame. Have no meaning for video.
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
