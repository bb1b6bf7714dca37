//! `probe`: connects to a camera as an element would, streams for some seconds, and tells how far that goes, how long
//! it takes, and what the camera is like.

mod listener;
mod media_meter;
mod progress;
mod report;

use super::Failure;
use super::chosen::{PlaceArguments, choose};
use super::completion;
use super::output::tell;
use super::trace::TraceFile;
use clap::{Args, ValueEnum, ValueHint};
use gstwyze::account::{Camera, Store, StoreError};
use gstwyze::protocol::client::{CameraInfo, Config, Resend};
use gstwyze::protocol::error::{Error, Stage};
use gstwyze::protocol::medium::MediaSet;
use gstwyze::protocol::model;
use gstwyze::protocol::resend_window::Resends;
use gstwyze::protocol::stats::Stats;
use gstwyze::protocol::trace::Trace;
use gstwyze::session::{Event, Membership, Peer, Place, Use, Wants};
use listener::Listener;
use media_meter::MediaMeter;
use progress::Progress;
use report::Report;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

/// Connect to a camera, and tell how far that goes and what the camera is like.
///
/// Goes from discovery to picture and sound, and prints each stage with its time. The output has no keys in it: it is
/// made for bug reports. With --trace, the packets go into a file for Wireshark, without keys, picture and sound.
#[derive(Args, Debug)]
pub struct ProbeArguments {
    /// The camera's name, MAC or UID, or a wyze:// URL. May be left out where one camera is stored, or with --host
    #[arg(add = completion::camera_names())]
    name: Option<String>,
    #[command(flatten)]
    place: PlaceArguments,
    /// How many seconds of picture and sound to take once connected; 0 asks for none
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=3600))]
    seconds: u64,
    /// Which way to take to the camera, as the property of wyzesrc; there is no change from one to the other
    #[arg(long, value_enum, default_value_t)]
    transport: TransportChoice,
    /// Whether to ask the camera to send lost packets again, as the property of wyzesrc
    #[arg(long, value_enum, default_value_t)]
    resend: ResendChoice,
    /// Print one JSON object, for programs
    #[arg(long)]
    json: bool,
    /// Write the packets to this file (pcapng). UID, ENR, MAC and keys are replaced; picture and sound are left out
    ///
    /// With SSLKEYLOGFILE in the environment, the keys of the DTLS sessions are added to the file that it names. Keep
    /// that file to yourself.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    trace: Option<PathBuf>,
    /// Keep picture and sound in the trace, and all that DTLS encrypted
    #[arg(long, requires = "trace")]
    full: bool,
}

impl ProbeArguments {
    fn config(&self) -> Config {
        Config { connect_timeout: self.place.timeout(), ..Config::default() }
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

#[derive(ValueEnum, Debug, Clone, Copy, Default)]
enum TransportChoice {
    /// The local network where the camera has that way
    #[default]
    Auto,
    Lan,
    /// For a camera of the store, with a login that is kept
    Webrtc,
}

#[derive(ValueEnum, Debug, Clone, Copy, Default)]
enum ResendChoice {
    /// If its model is known to do so
    #[default]
    Auto,
    On,
    Off,
}

impl From<ResendChoice> for Resend {
    fn from(choice: ResendChoice) -> Self {
        match choice {
            ResendChoice::Auto => Resend::Auto,
            ResendChoice::On => Resend::On,
            ResendChoice::Off => Resend::Off,
        }
    }
}

pub fn probe(store: &Store, arguments: &ProbeArguments) -> Result<(), Failure> {
    let camera = choose(store, arguments.name.as_deref(), &arguments.place)?;
    let paths = camera.paths();
    let by_webrtc = match arguments.transport {
        TransportChoice::Auto => paths.lan.is_err() && paths.webrtc.is_ok(),
        TransportChoice::Lan => false,
        TransportChoice::Webrtc => true,
    };
    if by_webrtc {
        return probe_over_webrtc(store, arguments, &camera);
    }
    if let Err(why) = paths.lan {
        tell(format_args!("wyze-cameras: this may not work: {why}"));
    }
    probe_over_lan(store, arguments, &camera)
}

fn probe_over_webrtc(store: &Store, arguments: &ProbeArguments, camera: &Camera) -> Result<(), Failure> {
    if arguments.trace.is_some() {
        return Err(Failure::Usage("a trace is of the local network's packets: there are none over WebRTC".into()));
    }
    let peer = webrtc_peer(store, camera).map_err(Failure::other)?;
    let mut report = Report::new(arguments.json, camera, None);
    report.begin()?;
    let outcome = run(peer, arguments.config(), arguments.place.of(camera), arguments.time(), &mut report);
    report.finish()?;
    outcome
}

fn probe_over_lan(store: &Store, arguments: &ProbeArguments, camera: &Camera) -> Result<(), Failure> {
    let place = arguments.place.of(camera);
    let credentials = camera.credentials().map_err(Failure::other)?;
    let is_searched = place.host.is_none();
    let file = match &arguments.trace {
        Some(path) => {
            let key_log = std::env::var_os("SSLKEYLOGFILE").filter(|path| !path.is_empty()).map(PathBuf::from);
            Some(Arc::new(TraceFile::create(path, arguments.full, key_log.as_deref(), camera, &credentials)?))
        }
        None => None,
    };
    let mut report = Report::new(arguments.json, camera, Some(&place));
    report.begin()?;
    let listener = Arc::new(Listener::new(credentials.uid, file.clone()));
    let config = Config {
        trace: Some(Trace(listener.clone())),
        resend: arguments.resend.into(),
        // The camera's own word is to be learnt, unless it would come too late for what the login depends on.
        model: Some(camera.model.clone()).filter(|model| model::sleeps(model) || model::resends(model)),
        ..arguments.config()
    };
    let outcome = run(credentials.into(), config, place, arguments.time(), &mut report);
    report.end(&listener.heard())?;
    if let Some(file) = file {
        report.trace(&file.finish()?)?;
    }
    report.finish()?;
    if let Some(info) = &report.info {
        keep(store, camera, info, is_searched)?;
    }
    outcome
}

#[cfg(feature = "webrtc")]
fn webrtc_peer(store: &Store, camera: &Camera) -> Result<Peer, &'static str> {
    gstwyze::ticket::peer(store, camera)
}

#[cfg(not(feature = "webrtc"))]
fn webrtc_peer(_: &Store, _: &Camera) -> Result<Peer, &'static str> {
    Err("this build has no WebRTC")
}

/// Writes down what was learnt of the camera, where the store has it.
fn keep(store: &Store, camera: &Camera, info: &CameraInfo, is_searched: bool) -> Result<(), StoreError> {
    let told = |text: &str, known: &str| Some(text.to_owned()).filter(|text| !text.is_empty() && text != known);
    let address = match info.address.ip() {
        IpAddr::V4(ip) if is_searched && camera.known_address() != Some(ip) => Some(ip),
        _ => None,
    };
    let (model, firmware) = (told(&info.model, &camera.model), told(&info.firmware, &camera.firmware));
    if address.is_none() && model.is_none() && firmware.is_none() {
        return Ok(());
    }
    store.update(|cameras| {
        for stored in cameras.iter_mut().filter(|stored| stored.is_same_as(camera)) {
            stored.host = address.map(|ip| ip.to_string()).or(stored.host.take());
            stored.model = model.clone().unwrap_or(std::mem::take(&mut stored.model));
            stored.firmware = firmware.clone().unwrap_or(std::mem::take(&mut stored.firmware));
        }
        Ok(())
    })
}

/// An event, and when it came.
struct Timed {
    at: Instant,
    wall: SystemTime,
    event: Event,
}

/// Connects, streams for this long, and leaves. The report is told all of it.
fn run(peer: Peer, config: Config, place: Place, stream: Duration, report: &mut Report) -> Result<(), Failure> {
    let (sender, events) = mpsc::channel();
    let start = Instant::now();
    let observer = move |event| {
        // Nobody listens once the time is over.
        let _ = sender.send(Timed { at: Instant::now(), wall: SystemTime::now(), event });
        Use::Used
    };
    let media = if stream.is_zero() { MediaSet::NONE } else { MediaSet::BOTH };
    let wants = Wants { media, key_frames: true, ..Wants::default() };
    let (member, _) = Membership::join(peer, config, place, wants, Some(0), None, observer).map_err(Failure::other)?;
    let mut progress = Progress::new();
    connect(&events, start, report, &mut progress)?;
    let before = member.stats();
    let mut meter = MediaMeter::default();
    let end = watch(&events, Instant::now() + stream, &mut meter, &mut progress);
    progress.clear();
    // Leaving takes a moment, in which the camera is told.
    let after = member.stats();
    drop(member);
    if !stream.is_zero() {
        media_meter::init().map_err(Failure::other)?;
        report.streamed(stream, meter, losses(&before, &after))?;
    }
    match end {
        Some(error) => report.failed(&error, None).and(Err(Failure::other(error))),
        None => Ok(()),
    }
}

/// Follows the stages until the camera streams.
fn connect(
    events: &Receiver<Timed>,
    start: Instant,
    report: &mut Report,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let (mut stage, mut since) = (None::<Stage>, start);
    loop {
        progress.show(stage.map_or("starting", Stage::name));
        let Timed { at, event, .. } = match events.recv_timeout(Progress::INTERVAL) {
            Ok(timed) => timed,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Other("the session ended without a reason".into()));
            }
        };
        match event {
            Event::Stage(next) => {
                if let Some(stage) = stage.replace(next).filter(|stage| *stage != next) {
                    progress.clear();
                    report.stage(stage, at - since)?;
                    since = at;
                }
            }
            Event::Connected(info) => {
                progress.clear();
                return report.connected(info, at - start);
            }
            Event::Ended(error) => {
                progress.clear();
                report.failed(&error, Some(at - since))?;
                return Err(Failure::other(error));
            }
            _ => {}
        }
    }
}

/// Takes frames until a time. Returns why the connection ended before, if it did.
fn watch(events: &Receiver<Timed>, until: Instant, meter: &mut MediaMeter, progress: &mut Progress) -> Option<Error> {
    loop {
        progress.show("streaming");
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        match events.recv_timeout(left.min(Progress::INTERVAL)) {
            Ok(Timed { wall, event: Event::Frame(frame), .. }) => meter.frame(frame, wall),
            Ok(Timed { event: Event::Ended(error), .. }) => return Some(error),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// What was lost between two looks at the counters.
struct Losses {
    records: u64,
    frames: u64,
    reordered: u64,
    datagrams: u64,
    resends: Resends,
}

fn losses(before: &Stats, after: &Stats) -> Losses {
    Losses {
        records: after.lost - before.lost,
        frames: after.incomplete.total() - before.incomplete.total(),
        reordered: after.reordered - before.reordered,
        datagrams: after.packets - before.packets,
        resends: after.resends,
    }
}
