//! How long a command takes there and back, and whether frames come later for it.

use gst::glib;
use gst::prelude::*;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};
use wyze_bench::Error;
use wyze_bench::viewer::Viewer;

const ROUND_TRIPS: usize = 500;
/// The code of the command that reads the parameters of the video stream.
const READ_VIDEO: u32 = 10050;

/// Prints the times of round trips, and how old frames are when they arrive: without commands, and with one after the
/// other.
pub fn measure(viewer: &Viewer, time: Duration) -> Result<(), Error> {
    let quiet = ages(viewer, time, || Ok(()))?;
    let (mut trips, busy_until) = (Vec::new(), Instant::now() + time);
    let busy = ages(viewer, time, || {
        while Instant::now() < busy_until {
            trips.push(round_trip(&viewer.source)?);
        }
        Ok(())
    })?;
    while trips.len() < ROUND_TRIPS {
        trips.push(round_trip(&viewer.source)?);
    }
    println!("{} commands, there and back: {}", trips.len(), percentiles(trips));
    println!("age of video frames without commands: {}", percentiles(quiet));
    println!("age of video frames with one command after the other: {}", percentiles(busy));
    Ok(())
}

fn round_trip(source: &gst::Element) -> Result<Duration, Error> {
    let (sender, answer) = mpsc::channel();
    let promise = gst::Promise::with_change_func(move |reply| {
        // Sending fails only if the answer came too late and nobody waits for it any more.
        let _ = sender.send(reply.is_ok_and(|reply| reply.is_some_and(|reply| reply.has_field("payload"))));
    });
    let start = Instant::now();
    source.emit_by_name::<()>("send-command", &[&READ_VIDEO, &None::<glib::Bytes>, &promise]);
    if answer.recv_timeout(Duration::from_secs(10))? { Ok(start.elapsed()) } else { Err("no answer".into()) }
}

/// Returns how long ago each video frame of some time was captured when it left the source.
fn ages(
    viewer: &Viewer,
    time: Duration,
    mut meanwhile: impl FnMut() -> Result<(), Error>,
) -> Result<Vec<Duration>, Error> {
    let pad = viewer.source.static_pad("video").ok_or("no video pad")?;
    let (sender, ages) = mpsc::channel();
    let probe = pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let captured = info.buffer().and_then(|buffer| buffer.meta::<gst::ReferenceTimestampMeta>());
        if let Some(captured) = captured.map(|meta| Duration::from_nanos(meta.timestamp().nseconds())) {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            // Sending fails only after the measurement.
            let _ = sender.send(now.saturating_sub(captured));
        }
        gst::PadProbeReturn::Ok
    });
    let until = Instant::now() + time;
    meanwhile()?;
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    pad.remove_probe(probe.ok_or("no probe")?);
    Ok(ages.try_iter().collect())
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    match times.len() {
        0 => "none".into(),
        len => format!("median {:?}, p99 {:?}, max {:?}", times[len / 2], times[len * 99 / 100], times[len - 1]),
    }
}
