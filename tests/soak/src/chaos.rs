//! Elements that are treated as no application would: states, properties, commands, flushes, ends of stream and stops
//! from handlers at random moments, on cameras with bad networks whose codecs change. Fails on a call that takes too
//! long, on a panic, on GLib's critical messages, on promises that are not kept, and on what is left behind.

use crate::census::{self, Census};
use gst::glib;
use gst::prelude::*;
use gst_video::UpstreamForceKeyUnitEvent;
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::wire::codec::CodecId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wyze_camera::{
    CameraConfig, CameraServer, Envelope, LinkConfig, MediaSource, ServerOptions, Synthetic, SyntheticConfig,
};

/// How long a call may take.
const LIMIT: Duration = Duration::from_millis(200);
const CAMERAS: usize = 5;
const ELEMENTS: usize = 30;
/// The time from one picture of a camera to the next, and from one thing done to an element to the next.
const PICTURE: Duration = Duration::from_millis(50);
const ACTION: Duration = Duration::from_millis(4);
/// How long pools and sessions take to end.
const SETTLING: Duration = Duration::from_secs(10);
const LOSSY: LinkConfig = LinkConfig {
    loss: 0.03,
    reorder: 0.03,
    reorder_delay: Duration::from_millis(10),
    duplicate: 0.01,
    corrupt: 0.005,
    latency: Duration::from_millis(1),
};

/// What went wrong, by what it was.
#[derive(Default)]
struct Faults(Mutex<BTreeMap<String, u64>>);

impl Faults {
    fn add(&self, what: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(what.into()).or_default() += 1;
    }
}

/// A camera without media of its own, and what is pushed to it.
struct Feed {
    server: CameraServer,
    media: Synthetic,
    /// H.265 is sent instead of H.264.
    other_codec: bool,
}

impl Feed {
    fn new(number: usize, seed: u64) -> Result<Self, Box<dyn Error>> {
        let mut config = CameraConfig::new(Credentials::new(&uid(number), ENR, MAC)?);
        config.envelope = if number.is_multiple_of(2) { Envelope::Transcode } else { Envelope::Cc51 };
        config.max_clients = ELEMENTS;
        if number.is_multiple_of(2) {
            config.model = "HL_PAN3".into();
        }
        let config = if number == 0 { config.with_resends() } else { config };
        let options = ServerOptions { seed, outgoing: LOSSY, incoming: LOSSY, ..ServerOptions::default() };
        let server = CameraServer::start_with(config, "127.0.0.1:0".parse()?, MediaSource::None, options)?;
        Ok(Feed { server, media: media(false), other_codec: false })
    }

    /// Pushes a picture and its sound. Now and then the codec changes.
    fn push(&mut self, rng: &mut StdRng) {
        if rng.random_bool(0.02) {
            self.other_codec = !self.other_codec;
            self.media = media(self.other_codec);
        }
        for _ in 0..3 {
            if let Some((_, frame)) = self.media.next_frame() {
                self.server.push_frame(&frame);
            }
        }
    }
}

const ENR: &str = "chaos-enr-000016";
const MAC: &str = "00AA11BB22CC";

fn uid(number: usize) -> String {
    format!("CHAOS{number:015}")
}

fn media(other_codec: bool) -> Synthetic {
    let video = Some(if other_codec { CodecId::H265 } else { CodecId::H264 });
    let start = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Synthetic::new(SyntheticConfig {
        video,
        gop: 10,
        key_frame_len: 6000,
        frame_len: 1500,
        start,
        ..SyntheticConfig::default()
    })
}

/// One element in its pipeline.
struct Victim {
    pipeline: gst::Pipeline,
    element: gst::Element,
    /// The next message's handler stops the pipeline.
    stops_in_handler: Arc<AtomicBool>,
    promises: Arc<Promises>,
}

/// How many promises were made to applications, and kept.
#[derive(Default)]
struct Promises {
    made: AtomicU64,
    kept: AtomicU64,
}

impl Victim {
    fn new(
        number: usize,
        cameras: &[Feed],
        faults: &Arc<Faults>,
        stops: &Arc<AtomicU64>,
        promises: &Arc<Promises>,
    ) -> Result<Self, Box<dyn Error>> {
        let camera = number % CAMERAS;
        let line = if number.is_multiple_of(6) {
            "audiotestsrc is-live=true ! wyzesink name=victim"
        } else {
            "wyzesrc name=victim victim.video ! queue ! fakesink async=false victim.audio ! queue ! fakesink async=false"
        };
        let pipeline = gst::parse::launch(line)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
        let element = pipeline.by_name("victim").ok_or("no element")?;
        let port = cameras[camera].server.addr().port();
        element.set_property("uri", format!("wyze://127.0.0.1:{port}?uid={}&enr={ENR}&mac={MAC}", uid(camera)));
        let stops_in_handler = Arc::new(AtomicBool::new(false));
        let (weak, stop, faults, stops) =
            (pipeline.downgrade(), stops_in_handler.clone(), faults.clone(), stops.clone());
        let bus = pipeline.bus().ok_or("no bus")?;
        bus.set_sync_handler(move |_, message| {
            // Messages of streaming threads are left alone: no element can be stopped from its own streaming thread.
            let is_ours = matches!(message.type_(), gst::MessageType::Element | gst::MessageType::Progress);
            if is_ours
                && stop.swap(false, Ordering::SeqCst)
                && let Some(pipeline) = weak.upgrade()
            {
                timed("a stop from a handler", &faults, || pipeline.set_state(gst::State::Null));
                stops.fetch_add(1, Ordering::SeqCst);
            }
            gst::BusSyncReply::Drop
        });
        Ok(Victim { pipeline, element, stops_in_handler, promises: promises.clone() })
    }

    fn act(&self, rng: &mut StdRng, faults: &Faults) {
        let states =
            [gst::State::Null, gst::State::Ready, gst::State::Paused, gst::State::Playing, gst::State::Playing];
        match rng.random_range(0..14) {
            0..=4 => {
                let state = states[rng.random_range(0..states.len())];
                timed(&format!("to {state:?}"), faults, || self.pipeline.set_state(state));
            }
            5 => self.stops_in_handler.store(true, Ordering::SeqCst),
            6 => self.set_something(rng, faults),
            7 => {
                let events = [gst::event::FlushStart::new(), gst::event::FlushStop::new(true)];
                let sink = self.element.static_pad("sink");
                timed("a flush", faults, || {
                    for event in events {
                        // A sink gets it as from upstream.
                        match &sink {
                            Some(pad) => pad.send_event(event),
                            None => self.element.send_event(event),
                        };
                    }
                });
            }
            // What a sink is sent goes upstream, which is no business of this.
            8 | 9 if self.element.static_pad("sink").is_some() => {}
            8 => timed("EOS", faults, || self.element.send_event(gst::event::Eos::new())),
            9 => {
                let event = UpstreamForceKeyUnitEvent::builder().all_headers(true).build();
                timed("force-key-unit", faults, || self.element.send_event(event));
            }
            10 | 11 if self.element.find_property("navigation").is_some() => self.steer(rng, faults),
            _ => {
                for name in ["stats", "camera-info", "camera-settings", "night-vision", "uri"] {
                    if self.element.find_property(name).is_some() {
                        timed(name, faults, || self.element.property_value(name));
                    }
                }
            }
        }
    }

    /// Has the camera do or tell something.
    fn steer(&self, rng: &mut StdRng, faults: &Faults) {
        let element = &self.element;
        match rng.random_range(0..7) {
            0 => timed("refresh-settings", faults, || element.emit_by_name::<()>("refresh-settings", &[])),
            1 => timed("rotate", faults, || element.emit_by_name::<()>("rotate", &[&10i32, &-5i32, &9u32])),
            2 => timed("go-to-waypoint", faults, || element.emit_by_name::<()>("go-to-waypoint", &[&1u32])),
            3 => {
                let event = gst_video::NavigationEvent::new_key_press("Left").build();
                timed("a key", faults, || element.send_event(event));
            }
            4 => timed("position", faults, || element.emit_by_name::<()>("position", &[&self.promise()])),
            5 => timed("send-io-type", faults, || {
                element.emit_by_name::<()>("send-io-type", &[&0x0340u32, &None::<glib::Bytes>, &self.promise()]);
            }),
            // No camera knows this code.
            _ => timed("send-command", faults, || {
                element.emit_by_name::<()>("send-command", &[&10_998u32, &None::<glib::Bytes>, &self.promise()]);
            }),
        }
    }

    fn promise(&self) -> gst::Promise {
        self.promises.made.fetch_add(1, Ordering::SeqCst);
        let promises = self.promises.clone();
        gst::Promise::with_change_func(move |_| {
            promises.kept.fetch_add(1, Ordering::SeqCst);
        })
    }

    fn set_something(&self, rng: &mut StdRng, faults: &Faults) {
        let settings = [
            ("resolution", "360p"),
            ("resolution", "auto"),
            ("bitrate", "60"),
            ("on-loss", "until-key-frame"),
            ("on-loss", "pass"),
            ("key-frame-requests", "off"),
            ("key-frame-requests", "auto"),
            ("resend", "on"),
            ("latency", "50"),
            ("stall-timeout", "1000"),
            ("reconnect-attempts", "3"),
            ("night-vision", "on"),
            ("night-vision", "unchanged"),
            ("flip", "180"),
            ("siren", "off"),
            ("cruise", "on"),
            ("navigation", "on"),
            ("navigation", "auto"),
        ];
        let (name, value) = settings[rng.random_range(0..settings.len())];
        if self.element.find_property(name).is_some() {
            timed(name, faults, || self.element.set_property_from_str(name, value));
        }
    }
}

fn timed<T>(what: &str, faults: &Faults, act: impl FnOnce() -> T) {
    let start = Instant::now();
    act();
    let took = start.elapsed();
    if took > LIMIT {
        faults.add(format!("{what} took more than {LIMIT:?}"));
        println!("{what} took {took:?}");
    }
}

/// Runs for this long, and returns whether nothing went wrong.
pub fn run(length: Duration, seed: u64) -> Result<bool, Box<dyn Error>> {
    let faults = Arc::new(Faults::default());
    watch_for_messages(&faults);
    let stops = Arc::new(AtomicU64::new(0));
    // Libraries and pools start their threads with the first elements.
    round(Duration::from_secs(3), seed, &faults, &stops)?;
    let before = at_rest(None)?;
    let (actions, took) = round(length, seed + 1, &faults, &stops)?;
    let after = at_rest(Some(&before))?;
    println!(
        "{actions} actions on {ELEMENTS} elements in {took:.0?}, {} stops from handlers",
        stops.load(Ordering::SeqCst)
    );
    println!("before: {before}");
    println!("after:  {after}");
    if !after.is_within(&before) {
        faults.add("threads or descriptors were left behind");
        println!("descriptors: {}", census::descriptors()?.join(" "));
    }
    let faults = faults.0.lock().unwrap_or_else(PoisonError::into_inner);
    for (what, count) in faults.iter() {
        println!("{count} times: {what}");
    }
    Ok(faults.is_empty())
}

/// Returns how much was done, and how long it took.
fn round(
    length: Duration,
    seed: u64,
    faults: &Arc<Faults>,
    stops: &Arc<AtomicU64>,
) -> Result<(u64, Duration), Box<dyn Error>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut cameras = (0..CAMERAS).map(|n| Feed::new(n, seed + n as u64)).collect::<Result<Vec<_>, _>>()?;
    let promises = Arc::new(Promises::default());
    let victim = |n| Victim::new(n, &cameras, faults, stops, &promises);
    let victims = (0..ELEMENTS).map(victim).collect::<Result<Vec<_>, _>>()?;
    let (start, mut actions, mut next_picture) = (Instant::now(), 0, Instant::now());
    while start.elapsed() < length {
        if Instant::now() >= next_picture {
            cameras.iter_mut().for_each(|camera| camera.push(&mut rng));
            next_picture += PICTURE;
        }
        victims[rng.random_range(0..ELEMENTS)].act(&mut rng, faults);
        actions += 1;
        std::thread::sleep(ACTION);
    }
    for victim in &victims {
        victim.stops_in_handler.store(false, Ordering::SeqCst);
        timed("the last stop", faults, || victim.pipeline.set_state(gst::State::Null));
    }
    // Elements that are gone keep no application waiting.
    drop(victims);
    let is_kept = || promises.made.load(Ordering::SeqCst) == promises.kept.load(Ordering::SeqCst);
    let until = Instant::now() + SETTLING;
    while !is_kept() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    if !is_kept() {
        faults.add("promises were not kept");
    }
    println!("{} promises made", promises.made.load(Ordering::SeqCst));
    Ok((actions, start.elapsed()))
}

/// Counts what is held, as soon as it is no more than before.
fn at_rest(before: Option<&Census>) -> Result<Census, Box<dyn Error>> {
    let until = Instant::now() + SETTLING;
    loop {
        let census = Census::take()?;
        let is_done = before.map_or(census.sessions == 0, |before| census.is_within(before));
        if is_done || Instant::now() > until {
            return Ok(census);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Counts GLib's critical messages and Rust's panics.
fn watch_for_messages(faults: &Arc<Faults>) {
    let of_glib = faults.clone();
    glib::log_set_default_handler(move |domain, level, text| {
        if matches!(level, glib::LogLevel::Critical | glib::LogLevel::Error) {
            of_glib.add(format!("critical of {}: {text}", domain.unwrap_or("nobody")));
        }
        eprintln!("{}: {text}", domain.unwrap_or("?"));
    });
    let (of_rust, before) = (faults.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        of_rust.add(format!("panic: {panic}"));
        before(panic);
    }));
}
