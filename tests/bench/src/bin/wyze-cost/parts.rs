//! What each layer adds to the cost of a frame.

use crate::{Arguments, SETTLING, floor, watch};
use gst::prelude::*;
use gstwyze::protocol::client::{Config, Resend};
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::medium::MediaSet;
use gstwyze::protocol::reassembly::Frame;
use gstwyze::session::{Event, Membership, Peer, Place, Use, Wants};
use std::time::Duration;
use wyze_bench::camera::{CameraArguments, Cameras, identity};
use wyze_bench::{Error, Usage, median};

/// From the least to the whole. Each does what the one before does, and more.
const PARTS: [&str; 4] = ["the floor", "a session", "a session and bare pads", "wyzesrc"];

/// Prints what a frame costs up to each layer, in turn.
pub fn measure(arguments: &Arguments) -> Result<(), Error> {
    let (camera, time) = (&arguments.camera, Duration::from_secs(arguments.seconds));
    // The floor knows no frames.
    let frames = f64::from(camera.frames_a_second()) * time.as_secs_f64();
    let mut costs: [Vec<f64>; PARTS.len()] = Default::default();
    for _ in 0..arguments.rounds {
        let cpu = [
            floor::measure(camera, time)?.usage.cpu,
            session(camera, time, |_| {})?,
            pads(camera, time)?,
            watch(camera, time)?.1.cpu,
        ];
        costs.iter_mut().zip(cpu).for_each(|(costs, cpu)| costs.push(cpu.as_secs_f64() * 1e6 / frames));
    }
    println!("| up to | us a frame |\n|---|---|");
    for (part, costs) in PARTS.iter().zip(&costs) {
        println!("| {part} | {:.0} |", median(costs).unwrap_or_default());
    }
    Ok(())
}

/// The protocol and its thread; frames go to `take`.
fn session(
    camera: &CameraArguments,
    time: Duration,
    mut take: impl FnMut(Frame) + Send + 'static,
) -> Result<Duration, Error> {
    let cameras = Cameras::start(camera, 1)?;
    let port = cameras.port(0)?;
    let [uid, enr, mac] = identity(0);
    let peer = Peer::from(Credentials::new(&uid, &enr, &mac)?);
    let place = Place { host: Some("127.0.0.1".into()), known: None, port, interface: None };
    let resend = if camera.resend { Resend::On } else { Resend::Off };
    let config = Config { resend, ..Config::default() };
    let wants = Wants { media: MediaSet::BOTH, ..Wants::default() };
    let observer = move |event| {
        if let Event::Frame(frame) = event {
            take(frame);
        }
        Use::Used
    };
    let (membership, _) = Membership::join(peer, config, place, wants, Some(0), None, observer)?;
    std::thread::sleep(SETTLING);
    let (frames, usage) = (membership.stats().video_frames, Usage::now());
    std::thread::sleep(time);
    let cpu = Usage::now().since(usage).cpu;
    if membership.stats().video_frames == frames { Err("no picture came".into()) } else { Ok(cpu) }
}

/// Frames become buffers with a time stamp, and are pushed into `fakesink` at once: the least that a source of GStreamer
/// has to do.
fn pads(camera: &CameraArguments, time: Duration) -> Result<Duration, Error> {
    let pipeline = gst::Pipeline::new();
    let mut pads = Vec::new();
    for _ in 0..2 {
        let sink = gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build()?;
        pipeline.add(&sink)?;
        let pad = gst::Pad::new(gst::PadDirection::Src);
        pad.set_active(true)?;
        pad.link(&sink.static_pad("sink").ok_or("no sink pad")?)?;
        pads.push(pad);
    }
    pipeline.set_state(gst::State::Playing)?;
    for pad in &pads {
        pad.push_event(gst::event::StreamStart::new("bare"));
        pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    }
    let cpu = session(camera, time, move |frame| {
        let mut buffer = gst::Buffer::from_mut_slice(frame.data);
        let time = Duration::new(frame.info.seconds.into(), 0) + Duration::from_micros(frame.info.microseconds.into());
        buffer.make_mut().set_pts(gst::ClockTime::try_from(time).ok());
        // Fails only without a sink, and there is one.
        let _ = pads[frame.medium as usize].push(buffer);
    });
    pipeline.set_state(gst::State::Null)?;
    cpu
}
