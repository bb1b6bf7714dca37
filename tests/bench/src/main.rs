//! Measures what `wyzesrc` and `wyzesink` cost, with simulated cameras on this machine.
//!
//! Prints the time from PLAYING to the first video buffer, the receiving process's CPU time per packet, its memory, and
//! how long talk takes from the sink's pad to the camera. The camera that is watched runs in a process of its own, so
//! that its CPU time does not count.

mod commands;
mod serve;
mod talk;

use clap::Parser;
use gst::prelude::*;
use std::time::Duration;
use wyze_bench::camera::{CameraArguments, Cameras};
use wyze_bench::viewer::Viewer;
use wyze_bench::{Error, Usage, resident_memory};

#[derive(Parser)]
#[command(
    about = "Measures wyzesrc and wyzesink: CPU time per packet, memory, time to connect, commands, delay of talk"
)]
struct Arguments {
    /// Seconds during which CPU time is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Number of connections whose time is measured
    #[arg(long, default_value_t = 10)]
    connects: usize,
    /// Measure `wyze-cameras serve` instead, which has to be built: first pictures, and what 20 clients cost
    #[arg(long)]
    serve: bool,
    #[command(flatten)]
    camera: CameraArguments,
}

fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    if let Some(count) = arguments.camera.be_cameras {
        return arguments.camera.be_cameras(count);
    }
    gst::init()?;
    gstwyze::plugin_register_static()?;
    if arguments.serve {
        return serve::measure(&arguments);
    }
    let camera = Cameras::start(&arguments.camera, 1)?;
    let mut connects = Vec::new();
    let picture_time = Duration::from_secs(1) / u32::from(arguments.camera.fps.max(1));
    for number in 0..arguments.connects {
        // Each ends with a picture. So that not all begin at that moment, they begin at times spread between pictures.
        std::thread::sleep(picture_time * number as u32 / arguments.connects as u32);
        connects.push(Viewer::start(&camera.uris[0])?.first_buffer);
    }
    connects.sort();
    if let [first, .., last] = connects[..] {
        let median = connects[connects.len() / 2];
        println!("connect to first video buffer: min {first:?}, median {median:?}, max {last:?}");
    }
    let viewer = Viewer::start(&camera.uris[0])?;
    let (packets, cpu) = (viewer.packets(), Usage::now());
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let (packets, cpu) = (viewer.packets() - packets, Usage::now().since(cpu).cpu);
    let per_packet = cpu / u32::try_from(packets.max(1))?;
    println!("{packets} packets in {} s, CPU time {cpu:?}: {per_packet:?} per packet", arguments.seconds);
    println!("resident memory: {} KiB", resident_memory()?);
    println!("{}", viewer.source.property::<gst::Structure>("stats"));
    commands::measure(&viewer, Duration::from_secs(arguments.seconds))?;
    // Elements of one process share a camera's session, so the talks have cameras of their own.
    drop(viewer);
    talk::measure()
}
