//! What differs between camera models: the pictures they have, the commands that they take, and their line of firmware.

use super::wire::hl::VideoParameters;

/// The size of picture that a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolution {
    /// The best that the model has.
    #[default]
    Auto,
    R360p,
    R720p,
    R1080p,
    R2k,
}

/// The picture that a user wishes for, in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoWish {
    pub resolution: Resolution,
    /// KB/s; 0 asks for the best at this resolution.
    pub bitrate: u16,
    /// Frames a second; 0 leaves the choice to the camera.
    pub framerate: u8,
}

/// Doorbells, battery cameras and the first generation, which take K10052 instead of K10056, and K10202 instead of
/// K10206.
const OLD_COMMANDS: [&str; 4] = ["WYZEDB3", "WVOD1", "HL_WCO2", "WYZEC1"];
/// Battery models, which have to be woken before they authenticate a client.
const SLEEP: [&str; 2] = ["WVOD1", "HL_WCO2"];
const PAN: [&str; 4] = ["WYZECP1_JEF", "HL_PAN2", "HL_PAN3", "HL_PANP"];

/// Models whose firmware learnt its commands at the same protocol numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The first camera.
    V1,
    /// The second camera, and the first that pans.
    V2,
    /// All wired cameras since.
    V3,
    /// The first battery camera.
    Outdoor,
}

const LINES: [(Line, &[&str]); 4] = [
    (Line::V1, &["WYZEC1"]),
    (Line::V2, &["WYZEC1-JZ", "WYZECP1_JEF"]),
    (Line::V3, &["WYZE_CAKP2JFUS", "HL_PAN2", "HL_PAN3", "HL_CAM3P", "HL_PANP", "HL_CAM4", "HL_DB2", "HL_CFL2"]),
    (Line::Outdoor, &["WVOD1"]),
];

/// Models on which resends are publicly proven.
const RESEND: [&str; 1] = ["HL_BC"];
const HAVE_2K: [&str; 4] = ["HL_CAM3P", "HL_PANP", "HL_CAM4", "HL_DB2"];
/// Models whose best picture has a number that no other model knows.
const HAVE_OWN_BEST: [&str; 2] = ["HL_CFL2", "HL_BC"];

/// Models whose best picture is known to be 1080p. Of a model that is in no list, nothing is known.
const HAVE_1080P_AT_MOST: [&str; 8] =
    ["WYZEC1", "WYZEC1-JZ", "WYZE_CAKP2JFUS", "WYZECP1_JEF", "HL_PAN2", "HL_PAN3", "WVOD1", "HL_WCO2"];

/// The numbers of sizes.
const SIZE_1080P: u8 = 0;
const SIZE_360P: u8 = 1;
const SIZE_720P: u8 = 2;
const SIZE_2K: u8 = 3;
const SIZE_OWN_BEST: u8 = 4;

/// KB/s.
const BEST_BITRATE: u16 = 240;
const BEST_BITRATE_360P: u16 = 60;

/// Whether this model is known to have no picture of this size. A camera confirms a size that it does not have, and
/// then ignores it; so it is asked for its best instead.
pub fn lacks(model: &str, resolution: Resolution) -> bool {
    resolution == Resolution::R2k && HAVE_1080P_AT_MOST.contains(&model)
}

/// Returns the name of a frame size, as users have it; `None` for one that differs by model.
pub fn size_name(frame_size: u8) -> Option<&'static str> {
    match frame_size {
        SIZE_1080P => Some("1080p"),
        SIZE_360P => Some("360p"),
        SIZE_720P => Some("720p"),
        SIZE_2K => Some("2k"),
        _ => None,
    }
}

/// Returns the HL message that asks a camera of this model for what the user wishes.
pub fn video_command(model: &str, wish: VideoWish) -> Vec<u8> {
    let parameters = video_parameters(model, wish);
    if takes_old_commands(model) { parameters.emit_doorbell() } else { parameters.emit() }
}

/// Whether this model takes K10052 and K10202 for picture and motion detection, instead of K10056 and K10206.
pub fn takes_old_commands(model: &str) -> bool {
    OLD_COMMANDS.contains(&model)
}

/// Whether this model turns.
pub fn pans(model: &str) -> bool {
    PAN.contains(&model)
}

/// Returns the line of firmware that this model runs; `None` where it is not known.
pub fn line(model: &str) -> Option<Line> {
    LINES.iter().find(|(_, models)| models.contains(&model)).map(|&(line, _)| line)
}

/// Whether this model sleeps until it is woken.
pub fn sleeps(model: &str) -> bool {
    SLEEP.contains(&model)
}

/// Whether this model is known to send lost packets again.
pub fn resends(model: &str) -> bool {
    RESEND.contains(&model)
}

fn video_parameters(model: &str, wish: VideoWish) -> VideoParameters {
    let best = if HAVE_OWN_BEST.contains(&model) { SIZE_OWN_BEST } else { SIZE_2K };
    let resolution = if lacks(model, wish.resolution) { Resolution::Auto } else { wish.resolution };
    let frame_size = match resolution {
        Resolution::Auto if HAVE_2K.contains(&model) || HAVE_OWN_BEST.contains(&model) => best,
        Resolution::Auto | Resolution::R1080p => SIZE_1080P,
        Resolution::R360p => SIZE_360P,
        Resolution::R720p => SIZE_720P,
        Resolution::R2k => best,
    };
    let bitrate = match wish.bitrate {
        0 if frame_size == SIZE_360P => BEST_BITRATE_360P,
        0 => BEST_BITRATE,
        asked => asked,
    };
    VideoParameters { frame_size, bitrate, fps: wish.framerate }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_is_asked_in_its_own_way() {
        let wish = |resolution| VideoWish { resolution, ..VideoWish::default() };
        let cases = [
            ("WYZE_CAKP2JFUS", Resolution::Auto, (SIZE_1080P, 240)),
            ("HL_CAM4", Resolution::Auto, (SIZE_2K, 240)),
            ("HL_CAM4", Resolution::R1080p, (SIZE_1080P, 240)),
            ("HL_CFL2", Resolution::Auto, (SIZE_OWN_BEST, 240)),
            ("HL_BC", Resolution::R2k, (SIZE_OWN_BEST, 240)),
            ("HL_PAN3", Resolution::R360p, (SIZE_360P, 60)),
            ("HL_PAN3", Resolution::R2k, (SIZE_1080P, 240)),
            ("HL_NEW", Resolution::R2k, (SIZE_2K, 240)),
            ("", Resolution::R720p, (SIZE_720P, 240)),
        ];
        for (model, resolution, expected) in cases {
            let got = video_parameters(model, wish(resolution));
            assert_eq!((got.frame_size, got.bitrate), expected, "{model} {resolution:?}");
        }
        let asked = VideoWish { resolution: Resolution::Auto, bitrate: 100, framerate: 15 };
        assert_eq!(video_parameters("HL_CAM4", asked), VideoParameters { frame_size: 3, bitrate: 100, fps: 15 });
    }

    #[test]
    fn the_commands_are_those_of_the_vectors() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/vectors.json")).unwrap();
        let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let wish = |resolution| VideoWish { resolution, ..VideoWish::default() };
        assert_eq!(hex(video_command("WYZEC1", wish(Resolution::Auto))), vectors["hl"]["k10052_1080p_best"]);
        assert_eq!(hex(video_command("WYZEC1-JZ", wish(Resolution::Auto))), vectors["hl"]["k10056_1080p_best"]);
        assert_eq!(hex(video_command("WYZEC1-JZ", wish(Resolution::R360p))), vectors["hl"]["k10056_360p_sd"]);
        assert_eq!(hex(video_command("HL_CAM3P", wish(Resolution::R2k))), vectors["hl"]["k10056_2k_best"]);
    }
}
