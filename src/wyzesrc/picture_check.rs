//! Whether a camera gives the picture that it was asked for: cameras say yes to sizes and rates that they then ignore.

use super::WyzeSrc;
use crate::protocol::client::CameraInfo;
use crate::protocol::medium::Medium;
use crate::protocol::model::{self, Resolution, VideoWish};
use crate::protocol::wire::hl::VideoParameters;
use gst::prelude::*;
use std::time::{Duration, Instant};

/// How long a camera may take to restart its encoder and send the first key frame.
const PATIENCE: Duration = Duration::from_secs(5);
/// The beginnings of firmware versions that tell a wrong bitrate.
const WRONG_BITRATE: [&str; 2] = ["4.36.12.", "4.50.4.9222"];

/// A picture that was asked for, and when to look what came of it.
#[derive(Debug)]
pub struct PictureCheck {
    wish: VideoWish,
    due: Instant,
}

impl PictureCheck {
    /// Returns `None` for a wish that leaves everything to the camera.
    pub fn new(wish: VideoWish, now: Instant) -> Option<Self> {
        (wish != VideoWish::default()).then_some(PictureCheck { wish, due: now + PATIENCE })
    }

    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// Returns what is not as it was asked for, by what the camera tells (K10050) and by the size in the caps of the
    /// video pad.
    pub fn complaint(&self, camera: &CameraInfo, told: Option<VideoParameters>, element: &WyzeSrc) -> Option<String> {
        let caps = element.static_pad(Medium::Video.name()).and_then(|pad| pad.current_caps());
        let side = |name| caps.as_ref()?.structure(0)?.get::<i32>(name).ok();
        let mut differences = Vec::new();
        match side("width").zip(side("height")) {
            Some((width, height)) if !self.fits(&camera.model, width, height) => {
                differences.push(format!("the picture has {width}x{height}"));
            }
            _ => {}
        }
        if let Some(told) = told {
            let bitrate_is_known = !WRONG_BITRATE.iter().any(|firmware| camera.firmware.starts_with(firmware));
            if self.wish.bitrate != 0 && told.bitrate != self.wish.bitrate && bitrate_is_known {
                differences.push(format!("it tells a bit rate of {} kbit/s", u32::from(told.bitrate) * 8));
            }
            if self.wish.framerate != 0 && told.fps != self.wish.framerate {
                differences.push(format!("it tells {} pictures a second", told.fps));
            }
        }
        let all = differences.join(", ");
        (!all.is_empty()).then(|| format!("The camera does not give the picture that it was asked for: {all}"))
    }

    /// Whether a picture is of the size that was asked for. Some models turn theirs by 90 degrees, and few have exactly
    /// the size of that name.
    fn fits(&self, model: &str, width: i32, height: i32) -> bool {
        let expected = match self.wish.resolution {
            Resolution::R360p => 1..=480,
            // The best of doorbells is a square or a portrait of another size.
            Resolution::Auto => return true,
            _ if model::takes_old_commands(model) || model::lacks(model, self.wish.resolution) => return true,
            Resolution::R720p => 481..=900,
            Resolution::R1080p => 901..=1200,
            Resolution::R2k => 1201..=i32::MAX,
        };
        expected.contains(&width.min(height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fit_their_names() {
        let fits = |resolution, model, width, height| {
            let wish = VideoWish { resolution, framerate: 1, ..VideoWish::default() };
            PictureCheck::new(wish, Instant::now()).unwrap().fits(model, width, height)
        };
        assert!(fits(Resolution::R360p, "", 640, 360) && !fits(Resolution::R360p, "", 1920, 1080));
        assert!(fits(Resolution::R1080p, "", 1920, 1080) && !fits(Resolution::R1080p, "", 640, 360));
        assert!(fits(Resolution::R720p, "", 1280, 720) && fits(Resolution::R2k, "", 2560, 1440));
        assert!(fits(Resolution::R1080p, "WYZEDB3", 1296, 1728), "a doorbell");
        assert!(fits(Resolution::R2k, "HL_PAN3", 1920, 1080), "it was told already that this model lacks it");
        assert!(PictureCheck::new(VideoWish::default(), Instant::now()).is_none());
    }
}
