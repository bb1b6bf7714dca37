//! Tests of what live media show of the camera's settings: they look at the pixels that a client receives.

mod support;

use gst::prelude::*;
use gst_app::{AppSink, AppSrc};
use gst_video::prelude::*;
use gstwyze::protocol::wire::frame_info::FrameInfo;
use gstwyze::protocol::wire::hl::{Message, VideoParameters};
use gstwyze::protocol::wire::media::Packet;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use support::{HandClient, join};
use wyze_camera::{CameraConfig, CameraServer, LiveAudio, LiveMediaConfig, LiveVideo, MediaSource};

/// Far beyond what anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);
/// The luma of white, less what JPEG makes of it.
const BRIGHT: u8 = 210;
/// A row that has the upright colour bars, whether they are in the upper or the lower two thirds, in percent.
const BARS: usize = 45;

/// A decoded picture.
struct Pixels {
    width: usize,
    height: usize,
    /// I420.
    data: Vec<u8>,
}

impl Pixels {
    fn luma(&self, x: usize, y: usize) -> u8 {
        self.data[y * self.width + x]
    }

    /// How far from grey a pixel is.
    fn colour(&self, x: usize, y: usize) -> u8 {
        let (width, height) = (self.width / 2, self.height / 2);
        let at = self.width * self.height + y / 2 * width + x / 2;
        self.data[at].abs_diff(128).max(self.data[at + width * height].abs_diff(128))
    }

    /// The part of a row's pixels that have a strong colour, in percent. `y` is in percent of the height.
    fn coloured(&self, y: usize) -> usize {
        let row = self.height * y / 100;
        (0..self.width).filter(|&x| self.colour(x, row) > 25).count() * 100 / self.width
    }

    /// Whether the colour bars get darker from left to right, as they do unless they are flipped.
    fn darkens_to_the_right(&self) -> bool {
        let row = self.height * BARS / 100;
        let steps = (8..self.width).step_by(4).map(|x| i16::from(self.luma(x, row)) - i16::from(self.luma(x - 8, row)));
        let (mut darker, mut brighter) = (0, 0);
        for step in steps {
            darker += usize::from(step < -8);
            brighter += usize::from(step > 8);
        }
        darker > brighter
    }

    /// Whether there is text among colour bars in a corner: without it, each column has one colour.
    fn has_text(&self, right: bool, bottom: bool) -> bool {
        let x = if right { self.width * 3 / 4..self.width - 8 } else { 8..self.width / 4 };
        let y = if bottom { self.height * 3 / 4..self.height - 4 } else { 4..self.height / 4 };
        let bars = self.height * BARS / 100;
        let differs = |&(x, y): &(usize, usize)| self.luma(x, y).abs_diff(self.luma(x, bars)) > 50;
        y.flat_map(|y| x.clone().map(move |x| (x, y))).filter(differs).count() > 20
    }

    fn has_border(&self) -> bool {
        let (right, bottom) = (self.width - 2, self.height - 2);
        (0..self.width).all(|x| self.luma(x, 1) > BRIGHT && self.luma(x, bottom) > BRIGHT)
            && (0..self.height).all(|y| self.luma(1, y) > BRIGHT && self.luma(right, y) > BRIGHT)
    }
}

/// Decodes what a client receives.
struct Decoder {
    pipeline: gst::Pipeline,
    src: AppSrc,
    sink: AppSink,
}

impl Decoder {
    fn new(decoder: &str) -> Self {
        gst::init().expect("GStreamer");
        let line = format!(
            "appsrc name=src format=time ! {decoder} ! videoconvert ! video/x-raw,format=I420 ! \
             appsink name=sink sync=false"
        );
        let pipeline = gst::parse::launch(&line).expect("a decoder").downcast::<gst::Pipeline>().expect("a pipeline");
        let src = pipeline.by_name("src").and_then(|src| src.downcast().ok()).expect("an appsrc");
        let sink = pipeline.by_name("sink").and_then(|sink| sink.downcast().ok()).expect("an appsink");
        pipeline.set_state(gst::State::Playing).expect("a running decoder");
        Decoder { pipeline, src, sink }
    }

    /// Decodes a frame, and returns a picture that is ready, which may be an earlier one's.
    fn decode(&self, frame: Vec<u8>) -> Option<Pixels> {
        self.src.push_buffer(gst::Buffer::from_mut_slice(frame)).expect("a frame taken");
        let sample = self.sink.try_pull_sample(gst::ClockTime::from_mseconds(200))?;
        let info = gst_video::VideoInfo::from_caps(sample.caps()?).expect("raw video");
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).expect("a frame");
        let mut data = Vec::new();
        for plane in 0..3 {
            let (stride, width) = (frame.plane_stride()[plane as usize] as usize, frame.comp_width(plane) as usize);
            let rows = frame.plane_data(plane).expect("a plane").chunks(stride);
            rows.take(frame.comp_height(plane) as usize).for_each(|row| data.extend(&row[..width]));
        }
        Some(Pixels { width: info.width() as usize, height: info.height() as usize, data })
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // The test is over, so a failure to stop does no harm.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// A client that looks at the camera's pictures.
struct Viewer {
    camera: CameraServer,
    client: HandClient,
    decoder: Decoder,
    packets: BTreeMap<u32, Vec<Vec<u8>>>,
}

impl Viewer {
    /// Each picture of MJPEG stands for itself, and comes out of the decoder before the next goes in.
    fn new(model: &str) -> Self {
        let live = LiveMediaConfig { width: 320, height: 240, ..LiveMediaConfig::default() };
        Self::with(model, LiveMediaConfig { video: LiveVideo::Mjpeg, ..live }, "jpegdec")
    }

    fn with(model: &str, live: LiveMediaConfig, decoder: &str) -> Self {
        let config = CameraConfig {
            model: model.into(),
            stale_frames: 0,
            ..CameraConfig::demo().expect("the demonstration identity")
        };
        let live = LiveMediaConfig { audio: LiveAudio::None, ..live };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let camera = CameraServer::start(config.clone(), listen, MediaSource::Live(live)).expect("a camera");
        let mut client = HandClient::on_udp(config, camera.addr());
        client.start();
        Viewer { camera, client, decoder: Decoder::new(decoder), packets: BTreeMap::new() }
    }

    fn send(&mut self, command: u16, payload: &[u8]) {
        self.client.send_command(&Message { command, payload }.emit());
    }

    /// Returns the whole frames that have come, in order.
    fn frames(&mut self) -> Vec<(FrameInfo, Vec<u8>)> {
        self.client.listen(Duration::from_millis(40));
        self.client.ack();
        for record in self.client.take_media() {
            if let Ok(Packet::Media(packet)) = Packet::parse(&record) {
                self.packets.entry(packet.frame_number).or_default().push(record);
            }
        }
        let mut frames = Vec::new();
        while let Some(first) = self.packets.first_entry() {
            let parsed: Vec<_> = first.get().iter().filter_map(|record| media_packet(record)).collect();
            if parsed.len() < usize::from(parsed[0].total) {
                break;
            }
            let (data, info) = join(&parsed);
            frames.push((FrameInfo::parse(&info).expect("FRAMEINFO"), data));
            first.remove();
        }
        frames
    }

    /// Looks at pictures until one is as wanted, and returns it.
    fn until(&mut self, what: &str, is_wanted: impl Fn(&Pixels) -> bool) -> Pixels {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            for (_, frame) in self.frames() {
                if let Some(pixels) = self.decoder.decode(frame)
                    && is_wanted(&pixels)
                {
                    return pixels;
                }
            }
        }
        panic!("no picture {what}; {}", self.camera.log());
    }
}

fn media_packet(record: &[u8]) -> Option<gstwyze::protocol::wire::media::MediaPacket<'_>> {
    match Packet::parse(record) {
        Ok(Packet::Media(packet)) => Some(packet),
        _ => None,
    }
}

#[test]
fn night_vision_is_grey() {
    let mut viewer = Viewer::new("WYZE_CAKP2JFUS");
    viewer.until("in colour", |pixels| pixels.coloured(BARS) > 60);
    viewer.send(10042, &[1]);
    viewer.until("in grey", |pixels| (0..100).all(|y| pixels.coloured(y) == 0));
    viewer.send(10042, &[3]);
    viewer.until("in colour", |pixels| pixels.coloured(BARS) > 60);
}

#[test]
fn a_flip_turns_the_picture() {
    let mut viewer = Viewer::new("WYZE_CAKP2JFUS");
    let upright = |pixels: &Pixels| pixels.coloured(30) > 60 && pixels.coloured(71) < 60;
    let upside_down = |pixels: &Pixels| pixels.coloured(30) < 60 && pixels.coloured(71) > 60;
    viewer.until("as it is", |pixels| upright(pixels) && pixels.darkens_to_the_right());
    viewer.send(10052, &[0, 0, 0, 0, 2, 0]);
    viewer.until("flipped horizontally", |pixels| upright(pixels) && !pixels.darkens_to_the_right());
    viewer.send(10052, &[0, 0, 0, 0, 0, 2]);
    viewer.until("turned by 180 degrees", |pixels| upside_down(pixels) && !pixels.darkens_to_the_right());
    viewer.send(10052, &[0, 0, 0, 0, 1, 0]);
    viewer.until("flipped vertically", |pixels| upside_down(pixels) && pixels.darkens_to_the_right());
    viewer.send(10052, &[0, 0, 0, 0, 0, 1]);
    viewer.until("as it was", |pixels| upright(pixels) && pixels.darkens_to_the_right());
}

#[test]
fn a_light_is_a_bright_border() {
    let mut viewer = Viewer::new("WYZE_CAKP2JFUS");
    viewer.until("without a border", |pixels| !pixels.has_border());
    for (command, on, off) in [(10646, &[1][..], &[2][..]), (12060, &[1], &[2]), (10630, &[1, 1], &[2, 2])] {
        viewer.send(command, on);
        let pixels = viewer.until("with a border", Pixels::has_border);
        assert_eq!((pixels.width, pixels.height), (320, 240), "K{command}");
        assert!(pixels.coloured(BARS) > 50, "K{command}: what is inside the border stays");
        viewer.send(command, off);
        viewer.until("without a border", |pixels| !pixels.has_border());
    }
}

#[test]
fn overlays_come_and_go() {
    let mut viewer = Viewer::new("WYZE_CAKP2JFUS");
    // Upside down, there are colour bars without white behind the lower corners.
    viewer.send(10052, &[0, 0, 0, 0, 0, 2]);
    let is_flipped = |pixels: &Pixels| pixels.coloured(71) > 60;
    let pixels = viewer.until("with the time", |pixels| is_flipped(pixels) && pixels.has_text(true, true));
    assert!(!pixels.has_text(false, true), "it does not pan");
    viewer.send(10072, &[2]);
    viewer.until("without the time", |pixels| !pixels.has_text(true, true));
    viewer.send(10072, &[1]);
    viewer.until("with the time", |pixels| pixels.has_text(true, true));
    viewer.send(10052, &[0, 0, 0, 0, 0, 1]);
    viewer.until("without the logo", |pixels| !is_flipped(pixels) && !pixels.has_text(true, false));
    viewer.send(10076, &[1]);
    viewer.until("with the logo", |pixels| pixels.has_text(true, false));
    viewer.send(10076, &[2]);
    viewer.until("without the logo", |pixels| !pixels.has_text(true, false));
}

#[test]
fn a_camera_that_pans_writes_where_it_looks() {
    let mut viewer = Viewer::new("HL_PAN3");
    viewer.send(10052, &[0, 0, 0, 0, 0, 2]);
    viewer.until("with a position", |pixels| pixels.coloured(71) > 60 && pixels.has_text(false, true));
}

/// Asks for each size, and looks at what comes: frames report their own size, and each size begins with a key frame.
#[test]
fn sizes_are_those_asked_for_but_never_more_than_the_best() {
    for (video, decoder) in [(LiveVideo::H264, "h264parse ! avdec_h264 max-threads=1"), (LiveVideo::Mjpeg, "jpegdec")] {
        let is_single = video == LiveVideo::Mjpeg;
        let live = LiveMediaConfig { video, width: 1280, height: 720, fps: 10, ..LiveMediaConfig::default() };
        let mut viewer = Viewer::with("WYZE_CAKP2JFUS", live, decoder);
        let mut before = None;
        for (asked, expected) in
            [(0, (1280, 720)), (1, (640, 360)), (3, (1280, 720)), (1, (640, 360)), (2, (1280, 720))]
        {
            let parameters = VideoParameters { frame_size: asked, bitrate: 120, fps: 10 };
            viewer.client.send_command(&parameters.emit());
            let deadline = Instant::now() + PATIENCE;
            let mut is_seen = false;
            while !is_seen {
                assert!(Instant::now() < deadline, "size {asked}; {}", viewer.camera.log());
                for (info, data) in viewer.frames() {
                    let is_small = info.frame_size == 1;
                    if before.replace(is_small).is_some_and(|before| before != is_small) {
                        assert!(info.is_key_frame(), "{} begins", info.frame_size);
                    }
                    let Some(pixels) = viewer.decoder.decode(data) else { continue };
                    if is_single {
                        assert_eq!(pixels.width, if is_small { 640 } else { 1280 }, "{}", info.frame_size);
                    }
                    is_seen |= info.frame_size == asked && (pixels.width, pixels.height) == expected;
                }
            }
        }
    }
}
