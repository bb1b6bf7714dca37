//! What the camera is set to, as it shows in the decoded picture.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use gst_video::prelude::*;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;
use support::*;
use wyze_camera::{LiveAudio, LiveMediaConfig, LiveVideo, MediaSource};

/// A decoded picture in RGB.
struct Picture(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl Picture {
    /// Returns red, green and blue of the pixel at these parts of width and height.
    fn at(&self, x: f64, y: f64) -> [u8; 3] {
        let place = |part: f64, length: u32| (part * f64::from(length - 1)) as usize;
        let (x, y) = (place(x, self.0.width()), place(y, self.0.height()));
        let line = &self.0.plane_data(0).unwrap()[y * self.0.plane_stride()[0] as usize..];
        [line[3 * x], line[3 * x + 1], line[3 * x + 2]]
    }

    /// How far the strongest and the weakest of the three are apart, on average along a line.
    fn colour(&self, y: f64) -> f64 {
        let spread = |rgb: [u8; 3]| f64::from(rgb.into_iter().max().unwrap() - rgb.into_iter().min().unwrap());
        (0..50).map(|n| spread(self.at(f64::from(n) / 49.0, y))).sum::<f64>() / 50.0
    }

    /// The brightness of the left edge.
    fn edge(&self) -> u8 {
        self.at(0.0, 0.5).into_iter().min().unwrap()
    }

    fn height(&self) -> u32 {
        self.0.height()
    }
}

/// A player whose pictures are decoded.
fn watch(camera: &TestCamera) -> (Player, Receiver<Picture>) {
    let line = format!(
        "wyzesrc name=camera audio=false {} ! decodebin ! videoconvert ! video/x-raw,format=RGB ! \
         fakesink name=pictures sync=false",
        settings(camera)
    );
    let player = Player::launch(&line);
    let (sender, pictures) = mpsc::channel();
    let pad = player.pipeline.by_name("pictures").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let caps = pad.current_caps().unwrap();
        let info_of = gst_video::VideoInfo::from_caps(&caps).unwrap();
        let buffer = info.buffer().unwrap().to_owned();
        // Sending fails after the test has ended, which does no harm.
        drop(sender.send(Picture(gst_video::VideoFrame::from_buffer_readable(buffer, &info_of).unwrap())));
        gst::PadProbeReturn::Ok
    });
    player.play();
    (player, pictures)
}

fn until(pictures: &Receiver<Picture>, what: &str, mut fits: impl FnMut(&Picture) -> bool) -> Picture {
    let wait = || pictures.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{what} did not come"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let picture = wait();
        if fits(&picture) {
            return picture;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
    }
}

#[test]
fn night_vision_lights_flips_and_size_show_in_the_picture() {
    let media = LiveMediaConfig {
        video: LiveVideo::H264,
        audio: LiveAudio::None,
        width: 1280,
        height: 720,
        fps: 10,
        ..LiveMediaConfig::default()
    };
    let camera = TestCamera::with_config(|config| config.model = "HL_PAN3".into(), MediaSource::Live(media));
    let (player, pictures) = watch(&camera);
    let set = |property: &str, value: &str| player.src.set_property_from_str(property, value);
    // Colour bars in the upper part.
    until(&pictures, "colours", |picture| picture.colour(0.3) > 80.0);
    set("night-vision", "on");
    until(&pictures, "grey", |picture| picture.colour(0.3) < 10.0);
    set("night-vision", "off");
    until(&pictures, "colours again", |picture| picture.colour(0.3) > 80.0);
    set("siren", "on");
    until(&pictures, "a bright border", |picture| picture.edge() > 220);
    set("siren", "off");
    until(&pictures, "no border", |picture| picture.edge() < 220);
    // The colour bars are in the upper two thirds of the picture.
    let is_upright = |picture: &Picture| picture.colour(0.1) > 80.0 && picture.colour(0.85) < 80.0;
    until(&pictures, "an upright picture", is_upright);
    set("flip", "180");
    until(&pictures, "upside down", |picture| picture.colour(0.9) > 80.0 && picture.colour(0.15) < 80.0);
    set("resolution", "360p");
    until(&pictures, "the small picture", |picture| picture.height() == 360);
    player.stop();
}
