//! The two media of a camera.

/// Picture or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Medium {
    Video,
    Audio,
}

impl Medium {
    pub const ALL: [Medium; 2] = [Medium::Video, Medium::Audio];

    /// Returns the word that names its pad and its property.
    pub fn name(self) -> &'static str {
        match self {
            Medium::Video => "video",
            Medium::Audio => "audio",
        }
    }
}

/// Neither, one or both of the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MediaSet {
    pub video: bool,
    pub audio: bool,
}

impl MediaSet {
    pub const NONE: MediaSet = MediaSet { video: false, audio: false };
    pub const VIDEO: MediaSet = MediaSet { video: true, audio: false };
    pub const AUDIO: MediaSet = MediaSet { video: false, audio: true };
    pub const BOTH: MediaSet = MediaSet { video: true, audio: true };

    pub fn contains(self, medium: Medium) -> bool {
        match medium {
            Medium::Video => self.video,
            Medium::Audio => self.audio,
        }
    }

    pub fn is_empty(self) -> bool {
        self == MediaSet::NONE
    }

    /// Returns the media that are in either set.
    pub fn union(self, other: MediaSet) -> MediaSet {
        MediaSet { video: self.video || other.video, audio: self.audio || other.audio }
    }

    /// Returns the media that are in both sets.
    pub fn intersection(self, other: MediaSet) -> MediaSet {
        MediaSet { video: self.video && other.video, audio: self.audio && other.audio }
    }
}
