//! The picture of live media, in which the camera's settings show.

use crate::live_media::{self, LiveMediaConfig};
use crate::picture::Picture;
use crate::station::received_frame_size;
use gst::prelude::*;
use gst_video::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The border of a picture with a light is its height, divided by this.
const BORDER_PART: usize = 24;
/// White, in the planes of I420.
const WHITE: [u8; 3] = [235, 128, 128];
/// The most frames a second that clients get.
const MAX_FPS: u8 = 30;

/// Returns the launch line of a picture without its encoder. Each element that shows a setting passes pictures on
/// untouched while that is off.
pub fn elements(name: &str) -> String {
    // Quotes would end the text in the launch line.
    let name = name.replace(['"', '\\'], " ");
    format!(
        "videotestsrc is-live=true pattern=smpte horizontal-speed=2 ! capsfilter name=size ! \
         videobalance name=night ! videoflip name=flip ! \
         textoverlay text=\"{name}\" valignment=top halignment=left ! \
         clockoverlay name=time time-format=\"%F %T\" valignment=bottom halignment=right ! \
         textoverlay name=logo text=WYZE valignment=top halignment=right silent=true ! \
         textoverlay name=pan valignment=bottom halignment=left silent=true"
    )
}

/// Sets the elements of [`elements`], and the encoder, to what the camera's settings are.
pub struct LivePicture {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    best: (u32, u32),
    fixed_bitrate: Option<u32>,
    own_fps: u8,
    own_frame_size: u8,
    is_lit: Arc<AtomicBool>,
    shown: Option<Picture>,
    /// FRAMEINFO's code for the size of the frames that come now.
    frame_size: u8,
}

impl LivePicture {
    pub fn new(pipeline: &gst::Pipeline, config: &LiveMediaConfig) -> Self {
        let own_frame_size = live_media::frame_size(config.height);
        let is_lit = Arc::new(AtomicBool::new(false));
        if let Some(pad) = pipeline.by_name("size").and_then(|size| size.static_pad("src")) {
            paint_border(&pad, is_lit.clone());
        }
        LivePicture {
            pipeline: pipeline.downgrade(),
            best: (config.width, config.height),
            fixed_bitrate: config.bitrate,
            own_fps: config.fps,
            own_frame_size,
            is_lit,
            shown: None,
            frame_size: own_frame_size,
        }
    }

    /// Frames a second.
    pub fn fps(&self) -> u8 {
        self.shown.filter(|picture| picture.fps > 0).map_or(self.own_fps, |picture| picture.fps.min(MAX_FPS))
    }

    /// Returns FRAMEINFO's code for an encoded frame, which may have been made before the size changed.
    pub fn frame_size(&mut self, sample: &gst::Sample) -> u8 {
        let size = sample.caps().and_then(|caps| caps.structure(0)).and_then(|caps| {
            let side = |name| caps.get::<i32>(name).ok().and_then(|side| u32::try_from(side).ok());
            Some((side("width")?, side("height")?))
        });
        if size == Some(self.size()) {
            let asked_for = self.shown.and_then(|picture| picture.frame_size);
            self.frame_size = asked_for.map_or(self.own_frame_size, received_frame_size);
        }
        self.frame_size
    }

    /// Shows the settings from the next frame on. Costs nothing where they are as before.
    pub fn show(&mut self, picture: &Picture) {
        if self.shown.replace(*picture) == Some(*picture) {
            return;
        }
        let Some(pipeline) = self.pipeline.upgrade() else { return };
        self.is_lit.store(picture.is_lit, Ordering::Relaxed);
        set(&pipeline, "night", "saturation", if picture.is_grey { 0.0f64 } else { 1.0 });
        set(&pipeline, "flip", "video-direction", direction(picture.flips));
        set(&pipeline, "time", "silent", !picture.shows_time);
        set(&pipeline, "logo", "silent", !picture.shows_logo);
        set(&pipeline, "pan", "silent", picture.looks_at.is_none());
        if let Some((horizontal, vertical)) = picture.looks_at {
            set(&pipeline, "pan", "text", format!("PAN {horizontal} / {vertical}"));
        }
        set(&pipeline, "size", "caps", self.caps());
        let bitrate = self.fixed_bitrate.unwrap_or(u32::from(picture.bitrate) * 8).max(1);
        set(&pipeline, "encoder", "bitrate", bitrate);
    }

    fn caps(&self) -> gst::Caps {
        let (width, height) = self.size();
        gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", width as i32)
            .field("height", height as i32)
            .field("framerate", gst::Fraction::new(i32::from(self.fps().max(1)), 1))
            .build()
    }

    /// Returns width and height: those asked for, or the best where the camera has no such picture.
    fn size(&self) -> (u32, u32) {
        let size = match self.shown.and_then(|picture| picture.frame_size) {
            Some(0) => (1920, 1080),
            Some(1) => (640, 360),
            Some(2) => (1280, 720),
            Some(3) => (2560, 1440),
            _ => self.best,
        };
        if size.0 <= self.best.0 && size.1 <= self.best.1 { size } else { self.best }
    }
}

/// Sets a property of an element that has it, where this changes it: an encoder may begin anew each time.
fn set<T>(pipeline: &gst::Pipeline, element: &str, property: &str, value: T)
where
    T: for<'a> gst::glib::value::FromValue<'a> + Into<gst::glib::Value> + PartialEq + 'static,
{
    if let Some(element) = pipeline.by_name(element)
        && element.find_property(property).is_some()
        && element.property::<T>(property) != value
    {
        element.set_property(property, value);
    }
}

fn direction([horizontally, vertically]: [bool; 2]) -> gst_video::VideoOrientationMethod {
    match (horizontally, vertically) {
        (false, false) => gst_video::VideoOrientationMethod::Identity,
        (true, false) => gst_video::VideoOrientationMethod::Horiz,
        (false, true) => gst_video::VideoOrientationMethod::Vert,
        (true, true) => gst_video::VideoOrientationMethod::_180,
    }
}

/// Paints a white border over the pictures that pass a pad while `is_lit`.
fn paint_border(pad: &gst::Pad, is_lit: Arc<AtomicBool>) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if is_lit.load(Ordering::Relaxed)
            && let Some(buffer) = info.buffer_mut()
            && let Some(caps) = pad.current_caps()
            && let Ok(format) = gst_video::VideoInfo::from_caps(&caps)
            && let Ok(mut frame) = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer.make_mut(), &format)
        {
            for (plane, white) in (0..).zip(WHITE) {
                paint_plane(&mut frame, plane, white);
            }
        }
        gst::PadProbeReturn::Ok
    });
}

fn paint_plane(frame: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>, plane: u32, white: u8) {
    let stride = frame.plane_stride()[plane as usize].unsigned_abs() as usize;
    let width = frame.comp_width(plane) as usize;
    let height = frame.comp_height(plane) as usize;
    let border = height.div_ceil(BORDER_PART);
    let Ok(data) = frame.plane_data_mut(plane) else { return };
    for (y, row) in data.chunks_mut(stride).take(height).enumerate() {
        let Some(row) = row.get_mut(..width) else { continue };
        let side = border.min(width);
        if y < border || y >= height - border {
            row.fill(white);
        } else {
            row[..side].fill(white);
            row[width - side..].fill(white);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Picture = Picture {
        frame_size: None,
        bitrate: 125,
        fps: 20,
        flips: [false; 2],
        is_grey: false,
        shows_time: true,
        shows_logo: false,
        is_lit: false,
        looks_at: None,
    };

    fn pipeline(config: &LiveMediaConfig) -> (gst::Pipeline, LivePicture) {
        gst::init().unwrap();
        let line = format!("{} ! x264enc name=encoder ! appsink name=sink", elements(&config.name));
        let (pipeline, _) = live_media::build(&line).unwrap();
        let picture = LivePicture::new(&pipeline, config);
        (pipeline, picture)
    }

    fn property<T: for<'a> gst::glib::value::FromValue<'a> + 'static>(
        pipeline: &gst::Pipeline,
        element: &str,
        name: &str,
    ) -> T {
        pipeline.by_name(element).unwrap().property(name)
    }

    #[test]
    fn the_position_is_written_only_where_there_is_one() {
        let (pipeline, mut live) = pipeline(&LiveMediaConfig::default());
        live.show(&PLAIN);
        assert!(property::<bool>(&pipeline, "pan", "silent"));
        for (looks_at, text) in [((120, 40), "PAN 120 / 40"), ((121, 39), "PAN 121 / 39")] {
            live.show(&Picture { looks_at: Some(looks_at), ..PLAIN });
            assert_eq!(property::<String>(&pipeline, "pan", "text"), text);
            assert!(!property::<bool>(&pipeline, "pan", "silent"));
        }
    }

    #[test]
    fn sizes_up_to_the_best_are_given() {
        for (best, expected) in [
            ((2560, 1440), [(2560, 1440), (1920, 1080), (640, 360), (1280, 720), (2560, 1440), (2560, 1440)]),
            ((1920, 1080), [(1920, 1080), (1920, 1080), (640, 360), (1280, 720), (1920, 1080), (1920, 1080)]),
            ((320, 240), [(320, 240); 6]),
        ] {
            let (width, height) = best;
            let (pipeline, mut live) = pipeline(&LiveMediaConfig { width, height, ..LiveMediaConfig::default() });
            for (frame_size, (width, height)) in
                [None, Some(0), Some(1), Some(2), Some(3), Some(4)].into_iter().zip(expected)
            {
                live.show(&Picture { frame_size, ..PLAIN });
                let caps = property::<gst::Caps>(&pipeline, "size", "caps");
                let caps = caps.structure(0).unwrap();
                let size = (caps.get("width"), caps.get("height"));
                assert_eq!(size, (Ok(width), Ok(height)), "{frame_size:?} of {best:?}");
            }
        }
    }

    #[test]
    fn rates_are_those_asked_for_or_the_cameras_own() {
        for (bitrate, expected) in [(None, 480), (Some(333), 333)] {
            let (pipeline, mut live) = pipeline(&LiveMediaConfig { bitrate, fps: 12, ..LiveMediaConfig::default() });
            for (asked, fps) in [(0, 12), (15, 15), (60, 30)] {
                live.show(&Picture { fps: asked, bitrate: 60, ..PLAIN });
                let caps = property::<gst::Caps>(&pipeline, "size", "caps");
                assert_eq!(caps.structure(0).unwrap().get("framerate"), Ok(gst::Fraction::new(fps, 1)));
                assert_eq!(i32::from(live.fps()), fps);
            }
            assert_eq!(property::<u32>(&pipeline, "encoder", "bitrate"), expected);
        }
    }
}
