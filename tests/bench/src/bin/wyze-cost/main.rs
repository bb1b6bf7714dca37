//! Measures what watching cameras costs, beside the least that it can cost.
//!
//! `table` compares the CPU time a packet with the floor, in turn, for three bit rates and both envelopes. `delay`
//! measures from the last datagram of a picture to its buffer. `many` watches 1, 10, 50 and 100 cameras at once. `calls`
//! counts system calls, with strace. `parts` tells what each layer adds. `webrtc` compares a camera over WebRTC with one
//! over the local network.
//!
//! Cameras run on one half of the machine's cores and what is measured on the other, as if they were two machines.

mod floor;
mod parts;
mod plot;
mod records;
mod webrtc;

use clap::{Parser, Subcommand};
use gst::prelude::*;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use wyze_bench::camera::{CameraArguments, Cameras};
use wyze_bench::viewer::{Viewer, first_buffer};
use wyze_bench::{Error, Half, Usage, median, resident_memory};
use wyze_camera::{CameraServer, MediaSource};

/// How long a camera is watched before anything is measured. A pad is known to be quick after 50 frames, and then the
/// session's thread pushes them.
const SETTLING: Duration = Duration::from_secs(4);

#[derive(Parser)]
#[command(about = "Measures what watching cameras costs, beside the least that it can cost")]
struct Arguments {
    #[command(flatten)]
    camera: CameraArguments,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often each is repeated, in turn with the floor
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Be the sender of the floor's packets: the program starts itself a second time with this
    #[arg(long, hide = true)]
    send_to: Option<SocketAddr>,
    /// Be a camera over WebRTC: the program starts itself a second time with this
    #[arg(long, hide = true)]
    be_web_camera: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// CPU time a packet for 2, 8 and 40 Mbit/s, both envelopes, in bursts and paced (the default)
    Table {
        /// Also draw it, as an SVG file
        #[arg(long)]
        plot: Option<PathBuf>,
    },
    /// The same for the one camera that the options describe
    One,
    /// From the last datagram of a picture to its buffer
    Delay,
    /// Opening a DTLS record, beside the AEAD alone
    Records,
    /// CPU time a frame: of the floor, with a session, with bare pads, and with wyzesrc
    Parts,
    /// System calls a frame, counted by strace, which has to be installed
    Calls,
    /// CPU time and first picture over WebRTC, beside the local network
    Webrtc,
    /// CPU time, memory and threads of many cameras
    Many {
        #[arg(default_values_t = [1, 10, 50, 100])]
        counts: Vec<usize>,
    },
}

fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    let is_camera = arguments.camera.be_cameras.is_some() || arguments.send_to.is_some() || arguments.be_web_camera;
    // For the delay, one process is both camera and viewer.
    if !matches!(arguments.what, Some(What::Delay)) {
        wyze_bench::use_half_of_the_cores(if is_camera { Half::Second } else { Half::First })?;
    }
    wyze_bench::allow_many_descriptors()?;
    if let Some(count) = arguments.camera.be_cameras {
        return arguments.camera.be_cameras(count);
    }
    if let Some(to) = arguments.send_to {
        return floor::send(&arguments.camera, to);
    }
    if arguments.be_web_camera {
        return webrtc::be_camera(&arguments.camera);
    }
    let is_web = matches!(arguments.what, Some(What::Webrtc));
    let _web_camera = is_web.then(|| webrtc::WebCamera::start(&arguments.camera)).transpose()?;
    gst::init()?;
    gstwyze::plugin_register_static()?;
    match &arguments.what {
        None => table(&arguments, None),
        Some(What::Table { plot }) => table(&arguments, plot.as_deref()),
        Some(What::One) => {
            println!("{HEADER}");
            row(&arguments, &arguments.camera).map(|_| ())
        }
        Some(What::Records) => records::measure(),
        Some(What::Calls) => calls(&arguments),
        Some(What::Parts) => parts::measure(&arguments),
        Some(What::Delay) => delay(&arguments),
        Some(What::Webrtc) => webrtc::compare(&arguments),
        Some(What::Many { counts }) => many(&arguments, counts),
    }
}

/// Switches are those of a thread that has to wait, and those of one that has to make room.
const HEADER: &str = "| camera | floor, us a packet | wyzesrc | wyzesrc / floor | switches a second, floor | wyzesrc |\n\
                      |---|---|---|---|---|---|";

/// The medians of one line of the table.
struct Row {
    /// In Mbit/s.
    bitrate: u32,
    envelope: String,
    is_paced: bool,
    /// Microseconds a packet.
    floor: f64,
    wyzesrc: f64,
}

fn table(arguments: &Arguments, file: Option<&Path>) -> Result<(), Error> {
    println!("{HEADER}");
    let mut rows = Vec::new();
    for envelope in ["transcode", "cc51"] {
        // A frame's packets are spread over four fifths of its time.
        for (bitrate, pace) in [(2000, 3200), (8000, 800), (40_000, 160)] {
            for pace in [0, pace] {
                let camera = CameraArguments { envelope: envelope.into(), bitrate, pace, ..arguments.camera.clone() };
                rows.push(row(arguments, &camera)?);
            }
        }
    }
    match file {
        Some(file) => plot::draw(&rows, file),
        None => Ok(()),
    }
}

fn row(arguments: &Arguments, camera: &CameraArguments) -> Result<Row, Error> {
    let time = Duration::from_secs(arguments.seconds);
    let micros = |cpu: Duration, packets: u64| cpu.as_secs_f64() * 1e6 / packets.max(1) as f64;
    let a_second = |switches: u64| switches as f64 / time.as_secs_f64();
    let mut figures: [Vec<f64>; 7] = Default::default();
    for _ in 0..arguments.rounds {
        let floor = floor::measure(camera, time)?;
        let (packets, usage) = watch(camera, time)?;
        let (least, ours) = (micros(floor.usage.cpu, floor.packets), micros(usage.cpu, packets));
        let switches = [floor.usage.waits, floor.usage.losses, usage.waits, usage.losses].map(a_second);
        let [waits, losses, our_waits, our_losses] = switches;
        let round = [least, ours, ours / least, waits, losses, our_waits, our_losses];
        figures.iter_mut().zip(round).for_each(|(figures, figure)| figures.push(figure));
    }
    let [floor, wyzesrc, ratio, waits, losses, our_waits, our_losses] =
        figures.map(|figures| median(&figures).unwrap_or_default());
    let (bitrate, is_paced) = (camera.bitrate / 1000, camera.pace > 0);
    let (envelope, pace) = (&camera.envelope, if is_paced { "paced" } else { "bursts" });
    println!(
        "| {bitrate} Mbit/s, {envelope}, {pace} | {floor:.1} | {wyzesrc:.1} | {ratio:.2} | \
         {waits:.0} + {losses:.0} | {our_waits:.0} + {our_losses:.0} |"
    );
    Ok(Row { bitrate, envelope: envelope.clone(), is_paced, floor, wyzesrc })
}

/// Watches a camera for so long; returns packets and what that cost.
fn watch(camera: &CameraArguments, time: Duration) -> Result<(u64, Usage), Error> {
    let cameras = Cameras::start(camera, 1)?;
    let viewer = Viewer::start(&cameras.uris[0])?;
    std::thread::sleep(SETTLING);
    let (packets, usage) = (viewer.packets(), Usage::now());
    std::thread::sleep(time);
    let usage = Usage::now().since(usage);
    let packets = viewer.packets() - packets;
    match viewer.counter("lost") {
        0 => Ok((packets, usage)),
        lost => Err(format!("{lost} packets were lost").into()),
    }
}

/// The camera runs in this process, so that both ends have one clock.
fn delay(arguments: &Arguments) -> Result<(), Error> {
    let camera = CameraArguments { silent: true, ..arguments.camera.clone() };
    let (config, uri) = camera.config(0)?;
    let media = MediaSource::Synthetic(camera.media());
    let server = CameraServer::start_with(config, "127.0.0.1:0".parse()?, media, camera.options())?;
    let pipeline = gst::parse::launch("wyzesrc name=source audio=false ! fakesink name=video sync=false")?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline")?;
    pipeline.by_name("source").ok_or("no source")?.set_property("uri", uri(server.addr().port()));
    first_buffer(&pipeline, "video")?;
    std::thread::sleep(SETTLING);
    let pad = pipeline.by_name("video").and_then(|sink| sink.static_pad("sink")).ok_or("no sink pad")?;
    let (sender, delays) = mpsc::channel();
    let server = std::sync::Arc::new(server);
    let probed = server.clone();
    let probe = pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let _ = sender.send(Instant::now().saturating_duration_since(probed.last_sent()));
        gst::PadProbeReturn::Ok
    });
    std::thread::sleep(Duration::from_secs(arguments.seconds * arguments.rounds as u64));
    pad.remove_probe(probe.ok_or("no probe")?);
    let mut delays: Vec<_> = delays.try_iter().collect();
    pipeline.set_state(gst::State::Null)?;
    delays.sort();
    let at = |percent: usize| delays.get(delays.len() * percent / 100).copied().unwrap_or_default();
    println!("{} pictures, from the last datagram to the buffer: p50 {:?}, p99 {:?}", delays.len(), at(50), at(99));
    Ok(())
}

fn calls(arguments: &Arguments) -> Result<(), Error> {
    let cameras = Cameras::start(&arguments.camera, 1)?;
    let viewer = Viewer::start(&cameras.uris[0])?;
    std::thread::sleep(SETTLING);
    let folder = tempfile::tempdir()?;
    let summary = folder.path().join("summary");
    let mut strace = Command::new("timeout")
        .args(["--signal=INT", &arguments.seconds.to_string(), "strace", "--quiet=all", "-f", "-c", "-o"])
        .arg(&summary)
        .args(["-p", &std::process::id().to_string()])
        .spawn()?;
    let frames = || viewer.counter("video-frames") + viewer.counter("audio-frames");
    let before = frames();
    strace.wait()?;
    let frames = frames() - before;
    let summary = std::fs::read_to_string(summary)?;
    println!("{summary}");
    // "100.00 seconds usecs/call calls errors total"
    let total = summary.lines().find(|line| line.trim_end().ends_with(" total")).ok_or("strace counted nothing")?;
    let calls: f64 = total.split_whitespace().nth(3).ok_or("no number of calls")?.parse()?;
    println!("{:.1} system calls a frame, {frames} frames", calls / frames.max(1) as f64);
    Ok(())
}

fn many(arguments: &Arguments, counts: &[usize]) -> Result<(), Error> {
    println!("| cameras | CPU, % of a core | memory, MiB | threads |\n|---|---|---|---|");
    for &count in counts {
        let cameras = Cameras::start(&arguments.camera, count)?;
        let viewers = cameras.uris.iter().map(|uri| Viewer::start(uri)).collect::<Result<Vec<_>, _>>()?;
        std::thread::sleep(SETTLING);
        let (usage, time) = (Usage::now(), Instant::now());
        std::thread::sleep(Duration::from_secs(arguments.seconds));
        let cpu = Usage::now().since(usage).cpu.as_secs_f64() / time.elapsed().as_secs_f64() * 100.0;
        let threads = std::fs::read_dir("/proc/self/task")?.count();
        println!("| {count} | {cpu:.1} | {:.1} | {threads} |", resident_memory()? as f64 / 1024.0);
        drop(viewers);
    }
    Ok(())
}
