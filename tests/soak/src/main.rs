//! Runs simulated cameras over links that get better and worse, and elements that watch and talk to them for hours.
//!
//! From time to time all elements and cameras are ended and what the process still holds is counted (a census). More
//! threads, descriptors or sessions than the first time, or memory that grows from census to census, are a leak.

mod census;
mod chaos;
mod film_check;
mod kills;
mod ledger;
mod load_camera;
mod program;
mod record_serve;
mod rtsp_client;
mod silent_camera;
mod soak_camera;
mod viewer;

use census::Census;
use clap::{Parser, ValueEnum};
use ledger::Ledger;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use soak_camera::SoakCamera;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

const TICK: Duration = Duration::from_millis(50);
const STATUS: Duration = Duration::from_secs(60);
/// Seconds; in a shorter run, the times between events are shortened in proportion.
const FULL: f64 = 600.0;
/// How long the idle threads of pools take to end.
const SETTLING: Duration = Duration::from_secs(1);

/// Runs simulated cameras on this machine for hours, with bad networks, reboots and clocks that jump, and elements that
/// are restarted at random. Fails on a leak (memory, threads, descriptors, sessions), a stall, an error, or a PTS that
/// does not grow.
#[derive(Parser)]
#[command(name = "tests/soak.sh")]
struct Arguments {
    /// Number of cameras
    #[arg(short = 'n', long, default_value_t = 4, value_name = "CAMERAS")]
    cameras: usize,
    /// Length of the run in hours; 0.01 is 36 s
    #[arg(short = 't', long, default_value_t = 1.0, value_name = "HOURS")]
    hours: f64,
    /// Seed of all random choices; by default a new one for each run
    #[arg(long)]
    seed: Option<u64>,
    /// Seconds within which video and audio of a camera that can be reached have to arrive
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    stall_limit: u64,
    /// Seconds that ended elements may take to release all that they hold
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    rest: u64,
    /// Treat 30 elements on 5 cameras as no application would, with a stop, a flush or another change each few
    /// milliseconds. Fails on a call that takes 200 ms, on a panic and on a critical message
    #[arg(long, conflicts_with_all = ["cameras", "stall_limit", "rest"])]
    chaos: bool,
    /// Record and serve four cameras by `wyze-cameras`, with clients that come and go. Fails where pictures are missing
    /// in the files, FFmpeg finds a fault in one, a client loses its connection, or the programs' memory grows
    #[arg(long, conflicts_with_all = ["cameras", "stall_limit", "rest", "chaos"])]
    record_serve: bool,
    /// How often a camera restarts in the whole run of --record-serve
    #[arg(long, default_value_t = 30, value_name = "REBOOTS", requires = "record_serve")]
    reboots: u32,
    /// Kill a recorder (SIGKILL) so often, at random moments. Fails where more than the last second of the open file is
    /// lost, or anything of an earlier one
    #[arg(long, value_name = "TIMES", conflicts_with_all = ["cameras", "stall_limit", "rest", "chaos", "record_serve"])]
    kills: Option<u32>,
    /// Record cameras for 40 s each whose sound stops at 9 s, or that have none. Fails where picture or sound is missing
    #[arg(long, conflicts_with_all = ["cameras", "stall_limit", "rest", "chaos", "record_serve", "kills"])]
    no_sound: bool,
    /// Make this fault on purpose, to see that it is found
    #[arg(long, hide = true)]
    plant: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fault {
    Memory,
    Thread,
    Descriptor,
    Stall,
    Pts,
}

struct Soak {
    cameras: Vec<SoakCamera>,
    count: usize,
    /// Factor on the cameras' times: 1 in a long run, less in a short one.
    scale: f64,
    ledger: Arc<Ledger>,
    rng: StdRng,
    censuses: Vec<Census>,
    stall_limit: Duration,
    rest: Duration,
    plant: Option<Fault>,
    started: Instant,
}

impl Soak {
    fn new(arguments: &Arguments, seed: u64) -> Result<Self, Error> {
        let mut soak = Soak {
            cameras: Vec::new(),
            count: arguments.cameras,
            scale: (arguments.hours * 3600.0 / FULL).clamp(0.1, 1.0),
            ledger: Arc::default(),
            rng: StdRng::seed_from_u64(seed),
            censuses: Vec::new(),
            stall_limit: Duration::from_secs(arguments.stall_limit),
            rest: Duration::from_secs(arguments.rest),
            plant: arguments.plant,
            started: Instant::now(),
        };
        soak.install_cameras()?;
        Ok(soak)
    }

    fn install_cameras(&mut self) -> Result<(), Error> {
        for number in 0..self.count {
            self.cameras.push(SoakCamera::new(number, self.scale, &self.ledger, &mut self.rng)?);
        }
        Ok(())
    }

    fn run(&mut self, length: Duration) -> Result<(), Error> {
        let every = (length / 12).clamp(Duration::from_secs(30), Duration::from_secs(300));
        self.cameras.iter_mut().for_each(|camera| camera.warm_up(&mut self.rng));
        self.take_census()?;
        let (mut next_census, mut next_status) = (Instant::now() + every, self.started + STATUS);
        while self.started.elapsed() < length {
            self.advance(false);
            let now = Instant::now();
            if now >= next_census {
                self.take_census()?;
                next_census = now + every;
            }
            if now >= next_status {
                self.print_status()?;
                next_status += STATUS;
            }
        }
        self.take_census()?;
        let mut entries = self.ledger.open();
        census::leaks(&self.censuses).into_iter().for_each(|leak| entries.fail(leak));
        Ok(())
    }

    fn advance(&mut self, calm: bool) {
        for camera in &mut self.cameras {
            camera.advance(calm, self.stall_limit, &mut self.rng);
        }
        std::thread::sleep(TICK);
    }

    /// Waits for outages to end, ends all elements and cameras, counts what the process still holds, and starts new
    /// cameras.
    fn take_census(&mut self) -> Result<(), Error> {
        self.do_wrong()?;
        let patience = Instant::now() + self.stall_limit + self.rest;
        while !self.cameras.iter().all(SoakCamera::is_settled) && Instant::now() < patience {
            self.advance(true);
        }
        self.cameras.iter_mut().for_each(SoakCamera::rest);
        let until = Instant::now() + self.rest;
        while self.clients() > 0 && Instant::now() < until {
            std::thread::sleep(TICK);
        }
        let left = self.clients();
        if left > 0 {
            self.ledger.open().fail(format!("left behind at rest: {left} clients of the cameras"));
        }
        // The cameras' own logs grow, which is no leak of the elements.
        self.cameras.clear();
        let census = self.count_at_rest()?;
        println!("at rest after {:.1} min: {census}", self.started.elapsed().as_secs_f64() / 60.0);
        self.censuses.push(census);
        self.install_cameras()
    }

    fn clients(&self) -> usize {
        self.cameras.iter().map(SoakCamera::clients).sum()
    }

    /// Counts as soon as no more is held than in the first census; a failure if that takes longer than `rest`.
    fn count_at_rest(&self) -> Result<Census, Error> {
        let (settled, until) = (Instant::now() + SETTLING, Instant::now() + self.rest);
        loop {
            let census = Census::take()?;
            let is_at_rest = match self.censuses.first() {
                Some(first) => census.is_within(first),
                None => census.sessions == 0 && Instant::now() > settled,
            };
            if is_at_rest {
                return Ok(census);
            }
            if Instant::now() > until {
                let first = self.censuses.first().map_or("none".to_owned(), Census::to_string);
                self.ledger.open().fail(format!("left behind at rest: {census}; the first time {first}"));
                println!("descriptors: {}", census::descriptors()?.join(" "));
                return Ok(census);
            }
            std::thread::sleep(TICK);
        }
    }

    fn do_wrong(&mut self) -> Result<(), Error> {
        match self.plant {
            Some(Fault::Memory) => drop(Box::leak(vec![1u8; 32 << 20].into_boxed_slice())),
            Some(Fault::Thread) => drop(std::thread::spawn(std::thread::park)),
            Some(Fault::Descriptor) => std::mem::forget(std::fs::File::open("/dev/null")?),
            Some(Fault::Stall) => self.cameras[0].plant_stall(),
            Some(Fault::Pts) => self.cameras[0].plant_pts(),
            None => {}
        }
        Ok(())
    }

    fn print_status(&self) -> Result<(), Error> {
        let entries = self.ledger.open();
        println!(
            "{:4} min: {} frames, {} reboots, {} silences, {} reconnections, {} restarts, resident {} KiB, {} failures",
            self.started.elapsed().as_secs() / 60,
            entries.video_frames + entries.audio_frames,
            entries.reboots,
            entries.silences,
            entries.reconnects,
            entries.restarts,
            wyze_bench::resident_memory()?,
            entries.failures(),
        );
        Ok(())
    }

    fn print_summary(&self) {
        let took = self.started.elapsed();
        let cpu = wyze_bench::Usage::now().cpu.as_secs_f64() / took.as_secs_f64();
        println!(
            "{} cameras for {:.2} h, CPU time of {cpu:.2} processors",
            self.cameras.len(),
            took.as_secs_f64() / 3600.0
        );
        for (when, census) in [("at first", self.censuses.first()), ("at the end", self.censuses.last())] {
            println!("at rest {when}: {}", census.map(Census::to_string).unwrap_or_default());
        }
        print!("{}", self.ledger.open());
    }
}

fn main() -> Result<ExitCode, Error> {
    let arguments = Arguments::parse();
    gst::init()?;
    gstwyze::plugin_register_static()?;
    let seed = arguments.seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let length = Duration::from_secs_f64(arguments.hours * 3600.0);
    let passed = if arguments.chaos {
        println!("chaos: {} h, seed {seed}", arguments.hours);
        chaos::run(length, seed)?
    } else if arguments.record_serve {
        println!("record and serve: {} h, seed {seed}", arguments.hours);
        record_serve::run(length, arguments.reboots, seed)?
    } else if let Some(times) = arguments.kills {
        println!("{times} kills, seed {seed}");
        kills::run(times, seed)?
    } else if arguments.no_sound {
        silent_camera::run()?
    } else {
        println!("soak: {} cameras, {} h, seed {seed}", arguments.cameras, arguments.hours);
        let mut soak = Soak::new(&arguments, seed)?;
        soak.run(length)?;
        soak.print_summary();
        let failures = soak.ledger.open().failures();
        failures == 0
    };
    println!("{}", if passed { "passed" } else { "failed" });
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
