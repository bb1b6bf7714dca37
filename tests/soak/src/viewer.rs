//! A `wyzesrc` in a pipeline, and checks of the time stamps, stalls and errors that come from it.

use crate::ledger::{Ledger, Outage};
use gst::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How far a frame's PTS may be from the running time at which it arrives.
const LATENESS: Duration = Duration::from_secs(10);

/// Running time before which lateness is not checked: audio waits for the first video frame.
const START: gst::ClockTime = gst::ClockTime::from_seconds(4);

/// The state of the checks of one pad.
struct Watched {
    name: &'static str,
    last_pts: Option<gst::ClockTime>,
    last_at: Option<Instant>,
    /// When the camera returned from which outage, until a buffer has arrived since.
    returns: Option<(Instant, Outage)>,
    plant_pts: bool,
}

type Pads = Arc<Mutex<Vec<Watched>>>;

fn lock(pads: &Pads) -> MutexGuard<'_, Vec<Watched>> {
    pads.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pipeline that watches one camera; dropping it stops the pipeline.
pub struct Viewer {
    name: String,
    pipeline: gst::Pipeline,
    source: gst::Element,
    pads: Pads,
    started: Instant,
    ledger: Arc<Ledger>,
    /// The element's counters `incomplete`, `lost` and `reconnects`, as read last.
    counted: [u64; 3],
}

impl Viewer {
    /// `settings` are the properties that name the camera; `media` are the names of the pads to watch.
    pub fn new(
        name: String,
        settings: &str,
        media: &[&'static str],
        ledger: &Arc<Ledger>,
    ) -> Result<Self, gst::glib::Error> {
        let wants = ["video", "audio"].map(|pad| format!("{pad}={}", media.contains(&pad))).join(" ");
        let line = format!("wyzesrc name=source connect-timeout=60000 {wants} {settings}");
        let source = gst::parse::launch(&line)?;
        let pipeline = gst::Pipeline::new();
        pipeline.add(&source).expect("a new element");
        let watched =
            |name: &&'static str| Watched { name, last_pts: None, last_at: None, returns: None, plant_pts: false };
        let pads = Arc::new(Mutex::new(media.iter().map(watched).collect()));
        let (weak, for_pads, for_ledger) = (pipeline.downgrade(), pads.clone(), ledger.clone());
        source.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = weak.upgrade() {
                watch(pad, &for_pads, &for_ledger);
                sink(&pipeline, pad);
            }
        });
        let (ledger, started) = (ledger.clone(), Instant::now());
        Ok(Viewer { name, pipeline, source, pads, started, ledger, counted: [0; 3] })
    }

    pub fn play(&mut self) {
        for pad in lock(&self.pads).iter_mut() {
            (pad.last_pts, pad.last_at, pad.returns) = (None, None, None);
        }
        self.started = Instant::now();
        // Failures are read from the bus.
        let _ = self.pipeline.set_state(gst::State::Playing);
    }

    pub fn stop(&mut self) {
        self.count();
        let _ = self.pipeline.set_state(gst::State::Null);
    }

    /// Whether every pad has had a buffer since the start and since the camera's last return.
    pub fn is_streaming(&self) -> bool {
        lock(&self.pads).iter().all(|pad| pad.last_at.is_some() && pad.returns.is_none())
    }

    /// Notes that the camera is back at this time, to measure how long the first video frame takes.
    pub fn expect_return(&self, at: Instant, outage: Outage) {
        for pad in lock(&self.pads).iter_mut().filter(|pad| pad.last_at.is_some()) {
            pad.returns = Some((at, outage));
        }
    }

    /// Makes each pad's next frame count as one with the PTS of the frame before.
    pub fn plant_pts(&self) {
        lock(&self.pads).iter_mut().for_each(|pad| pad.plant_pts = true);
    }

    /// Returns false if something is wrong: it is then in the ledger, and the viewer has to be replaced.
    pub fn check(&mut self, reachable_since: Option<Instant>, stall_limit: Duration) -> bool {
        self.count();
        let bus = self.pipeline.bus().expect("a pipeline has a bus");
        let wanted = [gst::MessageType::Error, gst::MessageType::Eos];
        if let Some(message) = bus.pop_filtered(&wanted) {
            let text = match message.view() {
                gst::MessageView::Error(error) => error.error().to_string(),
                _ => "the stream ended".into(),
            };
            let mut entries = self.ledger.open();
            entries.errors += 1;
            entries.fail(format!("{}: {text}", self.name));
            return false;
        }
        let Some(reachable_since) = reachable_since else { return true };
        let now = Instant::now();
        let since = |pad: &Watched| pad.last_at.unwrap_or(self.started).max(reachable_since);
        let stalled: Vec<_> = lock(&self.pads)
            .iter()
            .filter(|pad| now.saturating_duration_since(since(pad)) > stall_limit)
            .map(|pad| pad.name)
            .collect();
        if let [pad, ..] = stalled[..] {
            let mut entries = self.ledger.open();
            entries.stalls += 1;
            let stats = self.source.property::<gst::Structure>("stats");
            entries.fail(format!("{}: no {pad} for {stall_limit:?} ({stats})", self.name));
        }
        stalled.is_empty()
    }

    /// Adds to the ledger what the session has counted since the last call. A new session counts from zero again.
    fn count(&mut self) {
        let Some(stats) = self.source.property::<Option<gst::Structure>>("stats") else { return };
        let now = ["incomplete", "lost", "reconnects"].map(|field| stats.get::<u64>(field).unwrap_or_default());
        let mut new = [0; 3];
        for (i, new) in new.iter_mut().enumerate() {
            *new = now[i].checked_sub(self.counted[i]).unwrap_or(now[i]);
        }
        self.counted = now;
        let mut entries = self.ledger.open();
        entries.incomplete += new[0];
        entries.packets_lost += new[1];
        entries.reconnects += new[2];
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Links the pad to a `fakesink`: to the one from an earlier run, if there was one.
fn sink(pipeline: &gst::Pipeline, pad: &gst::Pad) {
    let name = format!("{}-sink", pad.name());
    let sink = pipeline.by_name(&name).unwrap_or_else(|| {
        let sink = gst::ElementFactory::make("fakesink").name(&name).property("sync", false).property("async", false);
        let sink = sink.build().expect("GStreamer has fakesink");
        pipeline.add(&sink).expect("a new element");
        sink
    });
    sink.sync_state_with_parent().expect("fakesink starts");
    pad.link(&sink.static_pad("sink").expect("fakesink has a pad")).expect("fakesink takes anything");
}

fn watch(pad: &gst::Pad, pads: &Pads, ledger: &Arc<Ledger>) {
    let (pads, ledger, name) = (pads.clone(), ledger.clone(), pad.name());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data
            && let Some(watched) = lock(&pads).iter_mut().find(|watched| watched.name == name)
        {
            let running = pad.parent_element().and_then(|element| element.current_running_time());
            handle(watched, buffer.pts(), running, &ledger);
        }
        gst::PadProbeReturn::Ok
    });
}

fn handle(watched: &mut Watched, pts: Option<gst::ClockTime>, running: Option<gst::ClockTime>, ledger: &Ledger) {
    let now = Instant::now();
    let pts = if std::mem::take(&mut watched.plant_pts) { watched.last_pts } else { pts };
    let mut entries = ledger.open();
    let count = if watched.name == "video" { &mut entries.video_frames } else { &mut entries.audio_frames };
    *count += 1;
    if pts.is_none() || watched.last_pts.is_some_and(|last| pts <= Some(last)) {
        entries.pts_violations += 1;
        entries.fail(format!("{} PTS {pts:?} after {:?}", watched.name, watched.last_pts));
    }
    if let (Some(pts), Some(running)) = (pts, running)
        && running > START
    {
        entries.most_late = entries.most_late.max(running.saturating_sub(pts).into());
        if Duration::from(pts.absdiff(running)) > LATENESS {
            entries.fail(format!("{} PTS {pts} arrives at running time {running}", watched.name));
        }
    }
    if let Some((at, outage)) = watched.returns
        && now >= at
    {
        watched.returns = None;
        if watched.name == "video" {
            entries.recovered(outage, now - at);
        }
    }
    (watched.last_pts, watched.last_at) = (pts, Some(now));
}
