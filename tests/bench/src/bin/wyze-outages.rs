//! Measures how soon `wyzesrc` streams again after its camera was away, many times in a row, and whether anything
//! leaks.
//!
//! The simulated camera reboots, and comes back on another port without its sessions. The program exits with status 1
//! if a return took too long or if threads, descriptors or memory have grown.

use clap::Parser;
use gst::prelude::*;
use std::fs;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use wyze_camera::{CameraConfig, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, MediaSource, SyntheticConfig};

type Error = Box<dyn std::error::Error>;

/// How long to wait for video after the camera's return before giving up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Number of outages after which nothing may grow any more.
const WARM_UP: usize = 3;
/// KiB by which memory may grow: the allocator does not return all that is freed.
const MEMORY_SLACK: u64 = 8192;

#[derive(Parser)]
#[command(about = "Measures how soon wyzesrc streams again after its camera was away, many times in a row")]
struct Arguments {
    /// Number of outages
    #[arg(long, default_value_t = 100)]
    count: usize,
    /// Length of each outage in seconds
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Seconds from the camera's return to the first picture at most
    #[arg(long, default_value_t = 3.0)]
    limit: f64,
}

/// The resources that the process holds.
#[derive(Debug, Clone, Copy)]
struct Footprint {
    threads: usize,
    files: usize,
    /// Resident memory in KiB.
    resident: u64,
}

impl Footprint {
    fn now() -> Result<Self, Error> {
        Ok(Footprint {
            threads: fs::read_dir("/proc/self/task")?.count(),
            files: fs::read_dir("/proc/self/fd")?.count(),
            resident: wyze_bench::resident_memory()?,
        })
    }

    fn has_outgrown(self, before: Footprint) -> bool {
        // One thread more is allowed: idle threads of GLib's pools come and go.
        self.threads > before.threads + 1 || self.files > before.files || self.resident > before.resident + MEMORY_SLACK
    }
}

fn main() -> Result<ExitCode, Error> {
    let arguments = Arguments::parse();
    gst::init()?;
    gstwyze::plugin_register_static()?;
    let media = MediaSource::Synthetic(SyntheticConfig::default());
    let camera = CameraServer::start(CameraConfig::demo()?, "127.0.0.1:0".parse()?, media)?;
    let (pipeline, resyncs) = play(camera.addr().port())?;
    resyncs.recv_timeout(PATIENCE)?;
    let downtime = Duration::from_secs_f64(arguments.seconds);
    let mut returns = Vec::new();
    let mut settled = None;
    for number in 1..=arguments.count {
        let back = Instant::now() + downtime;
        camera.reboot(downtime);
        let at = resyncs.recv_timeout(downtime + PATIENCE)?;
        returns.push(at.saturating_duration_since(back));
        // Let it stream for a while before the next outage.
        std::thread::sleep(Duration::from_secs(1));
        let footprint = Footprint::now()?;
        println!("{number}: streaming again after {:.3} s, {footprint:?}", returns[number - 1].as_secs_f64());
        if number == WARM_UP.min(arguments.count) {
            settled = Some(footprint);
        }
    }
    let has_grown = settled.is_some_and(|settled| Footprint::now().is_ok_and(|now| now.has_outgrown(settled)));
    pipeline.set_state(gst::State::Null)?;
    returns.sort();
    let [first, .., last] = returns[..] else { return Err("at least two outages are needed".into()) };
    let median = returns[returns.len() / 2];
    println!("{} outages of {downtime:?}: min {first:?}, median {median:?}, max {last:?}", returns.len());
    let is_late = last.as_secs_f64() > arguments.limit;
    if is_late {
        println!("a return took longer than {} s", arguments.limit);
    }
    if has_grown {
        println!("threads, files or memory have grown");
    }
    Ok(if is_late || has_grown { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Starts a pipeline; returns it, and a channel with the times of the first video buffers after each (re)connection.
fn play(port: u16) -> Result<(gst::Pipeline, mpsc::Receiver<Instant>), Error> {
    let pipeline = gst::Pipeline::new();
    let source = gst::ElementFactory::make("wyzesrc")
        .property("uid", DEMO_UID)
        .property("enr", DEMO_ENR)
        .property("mac", DEMO_MAC)
        .property("host", "127.0.0.1")
        .property("port", u32::from(port))
        .build()?;
    pipeline.add(&source)?;
    let (sender, resyncs) = mpsc::channel();
    let weak = pipeline.downgrade();
    source.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let sink = gst::ElementFactory::make("fakesink").property("sync", false).build().expect("fakesink is there");
        pipeline.add(&sink).expect("a new element");
        sink.sync_state_with_parent().expect("a sink starts");
        pad.link(&sink.static_pad("sink").expect("a sink has a pad")).expect("a sink takes anything");
        if pad.name() != "video" {
            return;
        }
        let sender = sender.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            // Nothing is lost on this link, so only the first picture of each connection has the flag.
            if info.buffer().is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::DISCONT)) {
                let _ = sender.send(Instant::now());
            }
            gst::PadProbeReturn::Ok
        });
    });
    pipeline.set_state(gst::State::Playing)?;
    Ok((pipeline, resyncs))
}
