//! One simulated camera, the state of its network ("weather"), and the elements that use it.

use crate::ledger::{Ledger, Outage};
use crate::viewer::Viewer;
use gst::prelude::*;
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::wire::codec::CodecId;
use rand::RngExt;
use rand::rngs::StdRng;
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wyze_camera::{CameraConfig, CameraServer, Envelope, LinkConfig, MediaSource, ServerOptions, SyntheticConfig};

// Seconds from one such event to the next, in a run of ten minutes or more.
const WEATHER: Range<f64> = 5.0..30.0;
const OUTAGE: Range<f64> = 30.0..90.0;
const RESTART: Range<f64> = 20.0..90.0;
const TALK: Range<f64> = 40.0..120.0;
const CLOCK_JUMP: Range<f64> = 60.0..180.0;
// Seconds that each of these takes.
const DOWNTIME: Range<f64> = 6.0..25.0;
const SILENCE: Range<f64> = 1.0..15.0;
const TALKING: Range<f64> = 5.0..20.0;
const WARM_UP: Duration = Duration::from_secs(3);
/// Seconds by which a camera's clock jumps at most, forward or back.
const LARGEST_JUMP: i32 = 3600;

const AUDIO: [(CodecId, u32); 4] =
    [(CodecId::AAC_WYZE, 16_000), (CodecId::MULAW, 8000), (CodecId::OPUS, 16_000), (CodecId::PCM, 8000)];

/// When the next event of each sort is due.
struct Plan {
    weather: Instant,
    outage: Instant,
    restarts: [Instant; 2],
    talk: Instant,
    clock_jump: Instant,
}

struct Talk {
    pipeline: gst::Pipeline,
    until: Instant,
    /// Whether the network was bad while it ran; an error of the talk is then no failure.
    disturbed: bool,
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

pub struct SoakCamera {
    number: usize,
    server: CameraServer,
    settings: String,
    ledger: Arc<Ledger>,
    /// Factor on the times above: 1 in a long run, less in a short one.
    scale: f64,
    plan: Plan,
    link: LinkConfig,
    /// The present outage and its end.
    outage: Option<(Instant, Outage)>,
    reachable_since: Instant,
    viewers: [Option<Viewer>; 2],
    talk: Option<Talk>,
}

fn after(rng: &mut StdRng, seconds: Range<f64>, scale: f64) -> Duration {
    Duration::from_secs_f64(rng.random_range(seconds) * scale)
}

impl SoakCamera {
    /// Cameras with different numbers differ in envelope, codecs and DTLS suite.
    pub fn new(number: usize, scale: f64, ledger: &Arc<Ledger>, rng: &mut StdRng) -> Result<Self, Box<dyn Error>> {
        let (uid, enr, mac) = (format!("SOAK{number:016}"), format!("soak-enr-{number:016}"), format!("{number:012}"));
        let mut config = CameraConfig::new(Credentials::new(&uid, &enr, &mac)?);
        config.envelope = if number.is_multiple_of(2) { Envelope::Transcode } else { Envelope::Cc51 };
        if number % 3 == 2 {
            config.suites.retain(|suite| *suite == gstwyze::protocol::dtls::Suite::PskAes128CbcSha256);
            config.hello_verify = true;
        }
        config.wrapped = number % 4 == 3;
        let (audio, audio_rate) = AUDIO[number % AUDIO.len()];
        let video = if number % 4 < 2 { CodecId::H264 } else { CodecId::H265 };
        let media = SyntheticConfig {
            video: Some(video),
            key_frame_len: 15_000,
            frame_len: 2500,
            audio: Some(audio),
            audio_rate,
            ..SyntheticConfig::default()
        };
        let options = ServerOptions { seed: rng.random(), ..ServerOptions::default() };
        let listen = "127.0.0.1:0".parse()?;
        let server = CameraServer::start_with(config, listen, MediaSource::Synthetic(media), options)?;
        let settings = format!("uid={uid} enr={enr} mac={mac} host=127.0.0.1 port={}", server.addr().port());
        let now = Instant::now();
        let plan = Plan { weather: now, outage: now, restarts: [now; 2], talk: now, clock_jump: now };
        let mut camera = SoakCamera {
            number,
            server,
            settings,
            ledger: ledger.clone(),
            scale,
            plan,
            link: LinkConfig::default(),
            outage: None,
            reachable_since: now,
            viewers: [None, None],
            talk: None,
        };
        camera.plan.outage = now + after(rng, OUTAGE, scale);
        camera.plan.talk = now + after(rng, TALK, scale);
        camera.plan.clock_jump = now + after(rng, CLOCK_JUMP, scale);
        Ok(camera)
    }

    /// Starts a viewer and a talk, so that libraries are loaded and caches filled before anything is counted.
    pub fn warm_up(&mut self, rng: &mut StdRng) {
        self.restart(Instant::now(), rng);
        self.start_talk(WARM_UP);
    }

    /// Does what is due. If `calm`, only ends what is going on and begins nothing new.
    pub fn advance(&mut self, calm: bool, stall_limit: Duration, rng: &mut StdRng) {
        let now = Instant::now();
        self.end_outage(now);
        if !calm {
            self.change_weather(now, rng);
            self.begin_outage(now, rng);
            self.jump(now, rng);
            self.restart(now, rng);
        }
        self.look_after_talk(now, calm, rng);
        let reachable_since = self.outage.is_none().then_some(self.reachable_since);
        for viewer in &mut self.viewers {
            // A faulty viewer is dropped and a new one takes its place, so that a fault is reported once.
            viewer.take_if(|viewer| !viewer.check(reachable_since, stall_limit));
        }
    }

    /// Whether the camera is reachable, nobody talks to it and every viewer gets its media.
    pub fn is_settled(&self) -> bool {
        self.outage.is_none() && self.talk.is_none() && self.viewers.iter().flatten().all(Viewer::is_streaming)
    }

    /// Ends all elements, over a clean network.
    pub fn rest(&mut self) {
        self.server.set_links(LinkConfig::default(), LinkConfig::default());
        (self.viewers, self.talk) = ([None, None], None);
    }

    pub fn clients(&self) -> usize {
        self.server.stats().clients
    }

    /// Cuts the network without recording an outage, so that the viewers' silence counts as a stall.
    pub fn plant_stall(&mut self) {
        let cut = LinkConfig { loss: 1.0, ..LinkConfig::default() };
        self.server.set_links(cut, cut);
        let never = Instant::now() + Duration::from_secs(1 << 20);
        (self.plan.weather, self.plan.outage) = (never, never);
    }

    pub fn plant_pts(&self) {
        self.viewers.iter().flatten().for_each(Viewer::plant_pts);
    }

    fn change_weather(&mut self, now: Instant, rng: &mut StdRng) {
        if now < self.plan.weather || self.outage.is_some() {
            return;
        }
        self.plan.weather = now + after(rng, WEATHER, self.scale);
        self.link = weather(rng);
        self.server.set_links(self.link, self.link);
    }

    /// Begins an outage if it is due and all viewers have had media since the last one: an element whose first
    /// connection fails posts an error.
    fn begin_outage(&mut self, now: Instant, rng: &mut StdRng) {
        if now < self.plan.outage || !self.is_visible() {
            return;
        }
        let mut entries = self.ledger.open();
        if rng.random_bool(0.5) {
            entries.reboots += 1;
            let downtime = after(rng, DOWNTIME, self.scale);
            self.outage = Some((now + downtime, Outage::Reboot));
            self.server.reboot(downtime);
        } else {
            entries.silences += 1;
            self.outage = Some((now + after(rng, SILENCE, self.scale), Outage::Silence));
            let cut = LinkConfig { loss: 1.0, ..self.link };
            self.server.set_links(cut, cut);
        }
    }

    fn is_visible(&self) -> bool {
        self.outage.is_none() && self.viewers.iter().flatten().all(Viewer::is_streaming)
    }

    fn end_outage(&mut self, now: Instant) {
        let Some((end, outage)) = self.outage.take_if(|(end, _)| now >= *end) else { return };
        self.server.set_links(self.link, self.link);
        self.reachable_since = now;
        let back = if outage == Outage::Reboot { end } else { now };
        for viewer in self.viewers.iter().flatten() {
            viewer.expect_return(back, outage);
        }
        self.plan.outage = Instant::now() + Duration::from_secs_f64(OUTAGE.start * self.scale);
    }

    fn jump(&mut self, now: Instant, rng: &mut StdRng) {
        if now < self.plan.clock_jump {
            return;
        }
        self.plan.clock_jump = now + after(rng, CLOCK_JUMP, self.scale);
        self.ledger.open().clock_jumps += 1;
        let seconds = rng.random_range(-LARGEST_JUMP..LARGEST_JUMP);
        let by = Duration::from_millis(u64::from(seconds.unsigned_abs()) * 1000 + rng.random_range(0..1000));
        self.server.change_synthetic(|media| {
            media.start = if seconds < 0 { media.start.saturating_sub(by) } else { media.start + by };
        });
    }

    /// Starts or restarts the viewers that are due, unless the camera is away.
    fn restart(&mut self, now: Instant, rng: &mut StdRng) {
        for i in 0..self.viewers.len() {
            if now < self.plan.restarts[i] && (i == 1 || self.viewers[i].is_some()) {
                continue;
            }
            if self.outage.is_some() {
                continue;
            }
            self.plan.restarts[i] = now + after(rng, RESTART, self.scale);
            self.ledger.open().restarts += 1;
            let again = rng.random_bool(0.5);
            if let Some(viewer) = self.viewers[i].as_mut().filter(|_| again) {
                viewer.stop();
                viewer.play();
                continue;
            }
            self.viewers[i] = None;
            // The second viewer is there only half of the time.
            if i == 1 && rng.random_bool(0.5) {
                continue;
            }
            let media: &[&str] = match i {
                0 => &["video", "audio"],
                _ if rng.random_bool(0.5) => &["video"],
                _ => &["audio"],
            };
            let name = format!("camera {}, viewer {}", self.number + 1, i + 1);
            match Viewer::new(name, &self.settings, media, &self.ledger) {
                Ok(mut viewer) => {
                    viewer.play();
                    self.viewers[i] = Some(viewer);
                }
                Err(error) => self.ledger.open().fail(format!("a viewer cannot be built: {error}")),
            }
        }
    }

    fn look_after_talk(&mut self, now: Instant, calm: bool, rng: &mut StdRng) {
        let disturbed = self.outage.is_some() || self.link != LinkConfig::default();
        if let Some(talk) = &mut self.talk {
            talk.disturbed |= disturbed;
            let bus = talk.pipeline.bus().expect("a pipeline has a bus");
            let error = bus.pop_filtered(&[gst::MessageType::Error]);
            if let Some(gst::MessageView::Error(error)) = error.as_ref().map(|message| message.view()) {
                let mut entries = self.ledger.open();
                entries.talks_given_up += 1;
                if !talk.disturbed {
                    entries.errors += 1;
                    entries.fail(format!("camera {}, talk: {}", self.number + 1, error.error()));
                }
            }
            if error.is_some() || now >= talk.until {
                self.talk = None;
                self.server.take_talk_audio();
            }
        } else if !calm && now >= self.plan.talk && self.is_visible() {
            self.plan.talk = now + after(rng, TALK, self.scale);
            self.start_talk(after(rng, TALKING, self.scale));
        }
    }

    fn start_talk(&mut self, length: Duration) {
        self.ledger.open().talks += 1;
        let until = Instant::now() + length;
        match talk(&self.settings) {
            Ok(pipeline) => self.talk = Some(Talk { pipeline, until, disturbed: false }),
            Err(error) => self.ledger.open().fail(format!("a talk cannot be built: {error}")),
        }
    }
}

fn talk(settings: &str) -> Result<gst::Pipeline, gst::glib::Error> {
    let line = format!("audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! wyzesink {settings}");
    let pipeline = gst::parse::launch(&line)?
        .downcast::<gst::Pipeline>()
        .expect("a launch line of several elements gives a pipeline");
    // Failures are read from the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    Ok(pipeline)
}

/// Picks the link's next state: clean four times in ten, else one fault, or a little of each.
pub fn weather(rng: &mut StdRng) -> LinkConfig {
    let fair = LinkConfig::default();
    let some = |most: u64| Duration::from_millis(most);
    match rng.random_range(0..10) {
        0 => LinkConfig { loss: rng.random_range(0.0..0.05), ..fair },
        1 => LinkConfig { latency: some(30), reorder: 1.0, reorder_delay: some(rng.random_range(1..60)), ..fair },
        2 => LinkConfig { reorder: rng.random_range(0.0..0.3), reorder_delay: some(20), ..fair },
        3 => LinkConfig { duplicate: rng.random_range(0.0..0.3), ..fair },
        4 => LinkConfig { corrupt: rng.random_range(0.0..0.03), ..fair },
        5 => LinkConfig {
            loss: 0.01,
            latency: some(20),
            reorder: 0.1,
            reorder_delay: some(20),
            duplicate: 0.02,
            corrupt: 0.005,
        },
        _ => fair,
    }
}
