//! The values of the properties, and their meaning for a session.

use super::control_properties::Wishes;
use crate::identity::Identity;
use crate::protocol::client::{self, Config};
use crate::protocol::medium::MediaSet;
use crate::protocol::model::{self, VideoWish};
use crate::session::Wants;
use gst::glib;
use std::time::Duration;

pub const DEFAULT_STALL_TIMEOUT: Duration = Duration::from_secs(5);
pub const DEFAULT_LATENCY: Duration = Duration::from_millis(200);
/// kbit/s.
pub const MAX_BITRATE: u32 = u16::MAX as u32 * 8;

/// The picture that the camera is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeResolution")]
#[non_exhaustive]
pub enum PictureSize {
    #[default]
    #[enum_value(name = "The best that the camera has", nick = "auto")]
    Auto,
    #[enum_value(name = "640x360", nick = "360p")]
    R360p,
    #[enum_value(name = "1280x720", nick = "720p")]
    R720p,
    #[enum_value(name = "1920x1080", nick = "1080p")]
    R1080p,
    #[enum_value(name = "2560x1440", nick = "2k")]
    R2k,
}

impl From<PictureSize> for model::Resolution {
    fn from(resolution: PictureSize) -> Self {
        match resolution {
            PictureSize::Auto => model::Resolution::Auto,
            PictureSize::R360p => model::Resolution::R360p,
            PictureSize::R720p => model::Resolution::R720p,
            PictureSize::R1080p => model::Resolution::R1080p,
            PictureSize::R2k => model::Resolution::R2k,
        }
    }
}

/// The treatment of pictures between a lost one and the next key frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeOnLoss")]
#[non_exhaustive]
pub enum OnLoss {
    #[enum_value(
        name = "Drop pictures up to the next key frame, so that no broken one is shown",
        nick = "until-key-frame"
    )]
    UntilKeyFrame,
    #[default]
    #[enum_value(name = "Pass them on, flagged as corrupted", nick = "pass")]
    Pass,
}

/// Whether the camera is asked to send lost packets again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeResend")]
#[non_exhaustive]
pub enum Resend {
    #[default]
    #[enum_value(name = "If its model is known to do so, or the property model says such a one", nick = "auto")]
    Auto,
    #[enum_value(name = "Ask every camera, and go on without where it refuses", nick = "on")]
    On,
    #[enum_value(name = "Ask none", nick = "off")]
    Off,
}

impl From<Resend> for client::Resend {
    fn from(resend: Resend) -> Self {
        match resend {
            Resend::Auto => client::Resend::Auto,
            Resend::On => client::Resend::On,
            Resend::Off => client::Resend::Off,
        }
    }
}

/// Whether the camera is asked for key frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeKeyFrameRequests")]
#[non_exhaustive]
pub enum KeyFrameRequests {
    #[default]
    #[enum_value(name = "Once after a loss, and for force-key-unit events that want one at once", nick = "auto")]
    Auto,
    #[enum_value(name = "Never: the camera's own key frames have to do", nick = "off")]
    Off,
}

/// Whether the camera is told the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeSetClock")]
#[non_exhaustive]
pub enum SetClock {
    #[default]
    #[enum_value(name = "Once a connection, if its clock was never set or is more than a minute off", nick = "auto")]
    Auto,
    #[enum_value(name = "Never", nick = "off")]
    Off,
}

/// Whether arrow keys and mouse turn the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstWyzeNavigation")]
#[non_exhaustive]
pub enum Navigation {
    #[default]
    #[enum_value(name = "If its model is known to pan, or the property model says such a one", nick = "auto")]
    Auto,
    #[enum_value(name = "Any camera", nick = "on")]
    On,
    #[enum_value(name = "Never", nick = "off")]
    Off,
}

/// The values set so far. [`Settings::config`] checks them as a whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    pub identity: Identity,
    /// The properties `video` and `audio`.
    pub media: MediaSet,
    pub resolution: PictureSize,
    /// kbit/s.
    pub bitrate: u32,
    pub framerate: u8,
    pub latency: Duration,
    /// Zero means no limit.
    pub stall_timeout: Duration,
    pub on_loss: OnLoss,
    pub resend: Resend,
    pub key_frame_requests: KeyFrameRequests,
    pub set_clock: SetClock,
    pub navigation: Navigation,
    pub wishes: Wishes,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            identity: Identity::default(),
            media: MediaSet::BOTH,
            resolution: PictureSize::default(),
            bitrate: 0,
            framerate: 0,
            latency: DEFAULT_LATENCY,
            stall_timeout: DEFAULT_STALL_TIMEOUT,
            on_loss: OnLoss::default(),
            resend: Resend::default(),
            key_frame_requests: KeyFrameRequests::default(),
            set_clock: SetClock::default(),
            navigation: Navigation::default(),
            wishes: Wishes::new(),
        }
    }
}

impl Settings {
    pub fn video_wish(&self) -> VideoWish {
        VideoWish { resolution: self.resolution.into(), bitrate: kilobytes(self.bitrate), framerate: self.framerate }
    }

    pub fn wants(&self) -> Wants {
        let stall_timeout = Some(self.stall_timeout).filter(|timeout| !timeout.is_zero());
        Wants {
            media: self.media,
            stall_timeout,
            key_frames: self.key_frame_requests == KeyFrameRequests::Auto,
            set_clock: self.set_clock == SetClock::Auto,
        }
    }

    /// Returns a session's settings, as far as they are not the member's own wants.
    pub fn config(&self) -> Config {
        Config {
            // The other half of the latency is for the network's jitter.
            reorder_wait: self.latency / 2,
            resend: self.resend.into(),
            resend_wait: self.latency,
            ..self.identity.config()
        }
    }
}

/// Returns a bit rate as the camera takes it, in KB/s. 0 stays 0, which is the camera's choice.
fn kilobytes(kbit: u32) -> u16 {
    // The property's maximum keeps it within the field's range.
    if kbit == 0 { 0 } else { (kbit / 8).max(1).min(u16::MAX.into()) as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_rates_are_whole_kilobytes() {
        assert_eq!([0, 1, 8, 1920, MAX_BITRATE, u32::MAX].map(kilobytes), [0, 1, 1, 240, u16::MAX, u16::MAX]);
    }
}
