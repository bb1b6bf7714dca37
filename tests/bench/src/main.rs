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
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use wyze_bench::{cpu_time, resident_memory};
use wyze_camera::{CameraConfig, CameraServer, Envelope, MediaSource, SyntheticConfig};

type Error = Box<dyn std::error::Error>;

#[derive(Parser)]
#[command(
    about = "Measures wyzesrc and wyzesink: CPU time per packet, memory, time to connect, commands, delay of talk"
)]
struct Arguments {
    /// Seconds during which CPU time is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Video bit rate in kbit/s
    #[arg(long, default_value_t = 8000)]
    bitrate: u32,
    /// The camera's envelope: transcode or cc51
    #[arg(long, default_value = "transcode")]
    envelope: String,
    /// Ask the camera to send lost packets again
    #[arg(long)]
    resend: bool,
    /// Number of connections whose time is measured
    #[arg(long, default_value_t = 10)]
    connects: usize,
    /// Measure `wyze-cameras serve` instead, which has to be built: first pictures, and what 20 clients cost
    #[arg(long)]
    serve: bool,
    /// Be the camera: the program starts itself a second time with this
    #[arg(long, hide = true)]
    camera: bool,
}

fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    if arguments.camera {
        return be_the_camera(&arguments);
    }
    gst::init()?;
    gstwyze::plugin_register_static()?;
    if arguments.serve {
        return serve::measure(&arguments);
    }
    let camera = Camera::start(&arguments)?;
    let mut connects = Vec::new();
    for _ in 0..arguments.connects {
        connects.push(Viewer::start(&camera.uri)?.first_buffer);
    }
    connects.sort();
    if let [first, .., last] = connects[..] {
        let median = connects[connects.len() / 2];
        println!("connect to first video buffer: min {first:?}, median {median:?}, max {last:?}");
    }
    let viewer = Viewer::start(&camera.uri)?;
    let (packets, cpu) = (viewer.packets(), cpu_time());
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let (packets, cpu) = (viewer.packets() - packets, cpu_time() - cpu);
    let per_packet = cpu / u32::try_from(packets.max(1))?;
    println!("{packets} packets in {} s, CPU time {cpu:?}: {per_packet:?} per packet", arguments.seconds);
    println!("resident memory: {} KiB", resident_memory()?);
    println!("{}", viewer.source.property::<gst::Structure>("stats"));
    commands::measure(&viewer, Duration::from_secs(arguments.seconds))?;
    // Elements of one process share a camera's session, so the talks have cameras of their own.
    drop(viewer);
    talk::measure()
}

/// Runs a camera whose video has the wanted bit rate and a key frame every two seconds, and prints its port.
fn be_the_camera(arguments: &Arguments) -> Result<(), Error> {
    let mut config = CameraConfig::demo()?;
    config.envelope = if arguments.envelope == "cc51" { Envelope::Cc51 } else { Envelope::Transcode };
    // In two seconds come 39 frames and a key frame as large as six of them: 45 frame lengths.
    let config = if arguments.resend { config.with_resends() } else { config };
    let frame_len = arguments.bitrate as usize * 1000 / 8 * 2 / 45;
    let media = SyntheticConfig { key_frame_len: frame_len * 6, frame_len, ..SyntheticConfig::default() };
    let server = CameraServer::start(config, "127.0.0.1:0".parse()?, MediaSource::Synthetic(media))?;
    println!("{}", server.addr().port());
    std::io::stdout().flush()?;
    // Standard input ends when the process that started this one ends or closes it.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

struct Camera {
    child: Child,
    uri: String,
}

impl Camera {
    fn start(arguments: &Arguments) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--camera", "--bitrate", &arguments.bitrate.to_string(), "--envelope", &arguments.envelope])
            .args(arguments.resend.then_some("--resend"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().ok_or("no standard output")?).read_line(&mut port)?;
        let (uid, enr, mac) = (wyze_camera::DEMO_UID, wyze_camera::DEMO_ENR, wyze_camera::DEMO_MAC);
        let resend = if arguments.resend { "on" } else { "off" };
        let uri = format!("wyze://127.0.0.1:{}?uid={uid}&enr={enr}&mac={mac}&resend={resend}", port.trim());
        Ok(Camera { child, uri })
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

struct Viewer {
    pipeline: gst::Pipeline,
    source: gst::Element,
    first_buffer: Duration,
}

/// Starts a pipeline, and returns how long it took until the first buffer came to the element of this name.
fn first_buffer(pipeline: &gst::Pipeline, sink: &str) -> Result<Duration, Error> {
    let pad = pipeline.by_name(sink).and_then(|sink| sink.static_pad("sink")).ok_or("no sink pad")?;
    let (sender, receiver) = mpsc::channel();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        // Sending fails only if the buffer came too late and nobody waits for it any more.
        let _ = sender.send(Instant::now());
        gst::PadProbeReturn::Remove
    });
    let start = Instant::now();
    pipeline.set_state(gst::State::Playing)?;
    Ok(receiver.recv_timeout(Duration::from_secs(20))? - start)
}

impl Viewer {
    /// Starts a pipeline and waits for its first video buffer.
    fn start(uri: &str) -> Result<Self, Error> {
        let description = "wyzesrc name=source source.video ! fakesink name=video sync=false \
                           source.audio ! fakesink sync=false";
        let pipeline = gst::parse::launch(description)?.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline")?;
        let source = pipeline.by_name("source").ok_or("no source")?;
        source.set_property("uri", uri);
        let first_buffer = first_buffer(&pipeline, "video")?;
        Ok(Viewer { pipeline, source, first_buffer })
    }

    fn packets(&self) -> u64 {
        self.source.property::<gst::Structure>("stats").get("packets").unwrap_or(0)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
