//! What the camera's picture is like, and the commands K10052 and K10056 that change it. All viewers share it.

use gstwyze::protocol::wire::hl::VideoParameters;

/// The size, rates and orientation of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSettings {
    /// What viewers read. A rate of 0 is the camera's own, as a client has asked for it.
    pub parameters: VideoParameters,
    /// Whether a client has asked for this size. Until then the camera has its best.
    pub is_size_asked_for: bool,
    /// Whether the picture is flipped horizontally and vertically.
    pub flips: [bool; 2],
}

impl Default for PictureSettings {
    fn default() -> Self {
        let parameters = VideoParameters { frame_size: 0, bitrate: 120, fps: 20 };
        PictureSettings { parameters, is_size_asked_for: false, flips: [false; 2] }
    }
}

impl PictureSettings {
    /// K10051's payload: bitrate, frame size + 1, fps, and a byte for each flip.
    pub fn payload(&self) -> [u8; 6] {
        let p = self.parameters;
        let [low, high] = p.bitrate.to_le_bytes();
        let [horizontal, vertical] = self.flip_values();
        [low, high, p.frame_size.wrapping_add(1), p.fps, horizontal, vertical]
    }

    /// Returns 1 for a flip that is off, and 2 for one that is on.
    pub fn flip_values(&self) -> [u8; 2] {
        self.flips.map(|on| if on { 2 } else { 1 })
    }

    /// Makes the change. Returns the size and rates that the client has asked for, with those that it left out as they
    /// are; `None` where it only flips.
    pub fn change(&mut self, change: &PictureChange) -> Option<VideoParameters> {
        for (flip, new) in self.flips.iter_mut().zip(change.flips) {
            *flip = new.unwrap_or(*flip);
        }
        if change.frame_size.is_none() && change.bitrate.is_none() && change.fps.is_none() {
            return None;
        }
        let p = &mut self.parameters;
        p.frame_size = change.frame_size.unwrap_or(p.frame_size);
        p.bitrate = change.bitrate.unwrap_or(p.bitrate);
        p.fps = change.fps.unwrap_or(p.fps);
        self.is_size_asked_for |= change.frame_size.is_some();
        let fps = if change.frame_size.is_some() { change.fps.unwrap_or(0) } else { p.fps };
        Some(VideoParameters { fps, ..*p })
    }
}

/// What a command changes; `None` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PictureChange {
    pub frame_size: Option<u8>,
    /// KB/s.
    pub bitrate: Option<u16>,
    pub fps: Option<u8>,
    pub flips: [Option<bool>; 2],
}

impl PictureChange {
    /// Parses K10052's payload, in which 0 leaves a field as it is; `None` where it is not possible.
    pub fn parse_10052(payload: &[u8]) -> Option<Self> {
        let &[low, high, size @ 0..=6, fps, horizontal, vertical] = payload else { return None };
        let flip = |value: u8| match value {
            0 => Some(None),
            1 | 2 => Some(Some(value == 2)),
            _ => None,
        };
        Some(PictureChange {
            frame_size: size.checked_sub(1),
            bitrate: Some(u16::from_le_bytes([low, high])).filter(|&bitrate| bitrate > 0),
            fps: Some(fps).filter(|&fps| fps > 0),
            flips: [flip(horizontal)?, flip(vertical)?],
        })
    }

    /// Parses K10056's payload, which may leave the rate out; `None` where it is not possible.
    pub fn parse_10056(payload: &[u8]) -> Option<Self> {
        let (size, bitrate, fps) = match *payload {
            [size, low, high] => (size, [low, high], None),
            [size, low, high, fps, 0] => (size, [low, high], Some(fps)),
            _ => return None,
        };
        let bitrate = Some(u16::from_le_bytes(bitrate)).filter(|&bitrate| bitrate > 0)?;
        matches!(size, 1..=6).then(|| PictureChange {
            frame_size: size.checked_sub(1),
            bitrate: Some(bitrate),
            fps,
            ..PictureChange::default()
        })
    }
}

/// What can be seen in the picture of live media at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// The size that a client has asked for, as in [`VideoParameters`]; `None` for the best.
    pub frame_size: Option<u8>,
    /// KB/s.
    pub bitrate: u16,
    /// Frames a second; 0 for the camera's own.
    pub fps: u8,
    /// Whether it is flipped horizontally and vertically.
    pub flips: [bool; 2],
    /// Whether it is in grey, as night vision has it.
    pub is_grey: bool,
    /// Whether the time is written into it.
    pub shows_time: bool,
    /// Whether the maker's name is written into it.
    pub shows_logo: bool,
    /// Whether a light is on: it has a bright border.
    pub is_lit: bool,
    /// Where the camera looks, in whole degrees, horizontal and vertical; `None` on a model that does not pan.
    pub looks_at: Option<(u16, u8)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_k10052_leaves_out_stays() {
        let mut settings = PictureSettings::default();
        let flip = PictureChange::parse_10052(&[0, 0, 0, 0, 2, 0]).unwrap();
        assert_eq!(settings.change(&flip), None);
        assert_eq!(settings.payload(), [120, 0, 1, 20, 2, 1]);
        let rate = PictureChange::parse_10052(&[0, 0, 0, 15, 0, 2]).unwrap();
        assert_eq!(settings.change(&rate), Some(VideoParameters { frame_size: 0, bitrate: 120, fps: 15 }));
        let bitrate = PictureChange::parse_10052(&[0x2C, 1, 0, 0, 1, 1]).unwrap();
        assert_eq!(settings.change(&bitrate), Some(VideoParameters { frame_size: 0, bitrate: 300, fps: 15 }));
        assert_eq!(settings.payload(), [0x2C, 1, 1, 15, 1, 1]);
        assert!(!settings.is_size_asked_for);
    }

    #[test]
    fn k10056_has_a_short_form_and_one_with_the_rate() {
        let mut settings = PictureSettings::default();
        settings.change(&PictureChange::parse_10056(&[2, 60, 0]).unwrap());
        assert_eq!(settings.payload(), [60, 0, 2, 20, 1, 1]);
        settings.change(&PictureChange::parse_10056(&[4, 240, 0, 15, 0]).unwrap());
        assert_eq!(settings.payload(), [240, 0, 4, 15, 1, 1]);
    }

    #[test]
    fn impossible_changes_are_none() {
        for payload in [&[0; 5][..], &[0, 0, 7, 0, 0, 0], &[0, 0, 0, 0, 3, 0], &[0, 0, 0, 0, 0, 3]] {
            assert_eq!(PictureChange::parse_10052(payload), None, "{payload:?}");
        }
        for payload in [&[1, 60][..], &[0, 60, 0], &[7, 60, 0], &[1, 0, 0], &[1, 60, 0, 1], &[1, 60, 0, 1, 1]] {
            assert_eq!(PictureChange::parse_10056(payload), None, "{payload:?}");
        }
    }
}
