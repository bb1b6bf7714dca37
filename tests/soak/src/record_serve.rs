//! `wyze-cameras record --all` and `serve --all` for hours, with cameras that restart in bad networks and RTSP clients
//! that come and go. Fails where pictures are missing in the files, a file has a fault, a client that stays loses its
//! connection or its picture, a program reports an error, or the memory of a program grows.

use crate::film_check::FilmChecker;
use crate::ledger::{Ledger, Outage};
use crate::load_camera::{Films, LoadCamera};
use crate::program::Program;
use crate::rtsp_client::RtspClient;
use crate::soak_camera::weather;
use crate::{Error, STATUS, TICK};
use gstwyze::account::{Store, StoreError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CAMERAS: usize = 4;
const MEMORY_EVERY: Duration = Duration::from_secs(2);
/// How long a picture may be away from a client while its camera can be reached.
const STALL_LIMIT: Duration = Duration::from_secs(30);
// Seconds from one such event to the next, and that it takes.
const WEATHER: std::ops::Range<f64> = 5.0..30.0;
const DOWNTIME: std::ops::Range<f64> = 4.0..20.0;
const STAY: std::ops::Range<f64> = 3.0..40.0;
/// How long a camera is back before new clients come: until then the server may turn them away.
const READY: Duration = Duration::from_secs(15);

/// A camera's clients: one that stays, and one that comes and goes.
struct Clients {
    url: String,
    stays: RtspClient,
    /// When the camera came back from a restart, until the picture has.
    returns: Option<Instant>,
    passing: Option<RtspClient>,
    /// When a client comes or goes.
    next: Instant,
}

struct Load {
    cameras: Vec<LoadCamera>,
    clients: Vec<Clients>,
    recorder: Program,
    server: Program,
    ledger: Arc<Ledger>,
    rng: StdRng,
    checker: FilmChecker,
    visits: u64,
    /// What the recorder told at its end.
    ended: Option<Value>,
    /// Where everything is that this run writes. It stays where something has failed.
    folder: TempDir,
}

/// Runs for this long. Returns whether all went well.
pub fn run(length: Duration, reboots: u32, seed: u64) -> Result<bool, Error> {
    let mut load = Load::new(seed)?;
    load.go_on(length, reboots)?;
    load.end(length)
}

impl Load {
    fn new(seed: u64) -> Result<Self, Error> {
        let (folder, mut rng) = (tempfile::tempdir()?, StdRng::seed_from_u64(seed));
        let films = Films::make(folder.path())?;
        let cameras: Vec<_> =
            (0..CAMERAS).map(|number| LoadCamera::new(number, &films, rng.random())).collect::<Result<_, _>>()?;
        Store::at(folder.path().join("gst-plugin-wyze")).update(|stored| {
            cameras.iter().for_each(|camera| stored.push(camera.entry()));
            Ok::<_, StoreError>(())
        })?;
        let to = folder.path().join("films");
        let to = to.to_str().ok_or("the temporary folder has no UTF-8 name")?;
        let options = ["--all", "--to", to, "--segment", "1min", "--name", "{camera}/%s"];
        let recorder = Program::start("record", &options, folder.path())?;
        let server = Program::start("serve", &["--all", "--listen", "127.0.0.1:0"], folder.path())?;
        let clients = cameras.iter().map(|_| Clients::new(server.line()?)).collect::<Result<_, Error>>()?;
        let ledger = Arc::<Ledger>::default();
        let checker = FilmChecker::start(&ledger);
        Ok(Load { cameras, clients, recorder, server, ledger, rng, checker, visits: 0, ended: None, folder })
    }

    fn go_on(&mut self, length: Duration, reboots: u32) -> Result<(), Error> {
        let started = Instant::now();
        let every = length / (reboots + 1);
        let mut weather_at = [started; CAMERAS];
        let (mut reboot_at, mut rebooted) = (started + every, 0);
        let (mut memory_at, mut status_at) = (started, started + STATUS);
        while started.elapsed() < length {
            let now = Instant::now();
            if now >= reboot_at && rebooted < reboots {
                reboot_at += every;
                self.reboot(rebooted as usize % CAMERAS);
                rebooted += 1;
            }
            for (camera, at) in self.cameras.iter_mut().zip(&mut weather_at).filter(|(_, at)| now >= **at) {
                *at = now + Duration::from_secs_f64(self.rng.random_range(WEATHER));
                camera.set_link(weather(&mut self.rng));
            }
            self.look_after_clients()?;
            self.read_recorder()?;
            if now >= memory_at {
                memory_at += MEMORY_EVERY;
                self.recorder.look_at_memory()?;
                self.server.look_at_memory()?;
            }
            if now >= status_at {
                status_at += STATUS;
                self.print_status(started);
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    fn reboot(&mut self, number: usize) {
        let downtime = Duration::from_secs_f64(self.rng.random_range(DOWNTIME));
        self.cameras[number].reboot(downtime);
        self.clients[number].returns = Some(Instant::now() + downtime);
        self.ledger.open().reboots += 1;
    }

    fn look_after_clients(&mut self) -> Result<(), Error> {
        for (camera, clients) in self.cameras.iter().zip(&mut self.clients) {
            let ready = camera.reachable_since().filter(|since| since.elapsed() > READY);
            clients.check(&camera.name, camera.reachable_since(), &self.ledger)?;
            if Instant::now() < clients.next {
                continue;
            }
            clients.next = Instant::now() + Duration::from_secs_f64(self.rng.random_range(STAY));
            clients.passing = match clients.passing.take() {
                None if ready.is_some() => {
                    self.visits += 1;
                    let transport = if self.rng.random_bool(0.5) { "udp" } else { "tcp" };
                    Some(RtspClient::play(&clients.url, transport)?)
                }
                _ => None,
            };
        }
        Ok(())
    }

    fn read_recorder(&mut self) -> Result<(), Error> {
        while let Some(line) = self.recorder.try_line() {
            self.take_event(&line)?;
        }
        if self.recorder.has_ended() || self.server.has_ended() {
            return Err("a program has ended".into());
        }
        Ok(())
    }

    fn take_event(&mut self, line: &str) -> Result<(), Error> {
        let event: Value = serde_json::from_str(line)?;
        match event["event"].as_str() {
            Some("finished") => {
                let file = event["file"].as_str().unwrap_or_default();
                self.checker.take(file.into(), event["pictures"].as_u64().unwrap_or_default());
            }
            Some("error") => self.ledger.open().fail(format!("the recorder says: {line}")),
            Some("ended") => self.ended = Some(event),
            _ => {}
        }
        Ok(())
    }

    fn print_status(&self, started: Instant) {
        let entries = self.ledger.open();
        let packets: u64 = self.clients.iter().map(|clients| clients.stays.received().packets).sum();
        let memory = [&self.recorder, &self.server].map(|program| program.resident().unwrap_or_default());
        println!(
            "{:4} min: {} reboots, {} visits, {packets} packets at clients that stay, recorder {} KiB, server {} KiB, \
             {} failures",
            started.elapsed().as_secs() / 60,
            entries.reboots,
            self.visits,
            memory[0],
            memory[1],
            entries.failures(),
        );
    }

    /// Ends the programs, waits until all files are checked, and prints what came of it. Returns whether all went well.
    fn end(mut self, length: Duration) -> Result<bool, Error> {
        self.clients.clear();
        for program in [&self.recorder, &self.server] {
            println!("{}", program.describe(length)?);
            program.growth().into_iter().for_each(|growth| self.ledger.open().fail(growth));
        }
        for (name, status) in [("recorder", self.recorder.end()?), ("server", self.server.end()?)] {
            if !status.success() {
                self.ledger.open().fail(format!("the {name} ends with {status}"));
            }
        }
        while self.ended.is_none() {
            let line = self.recorder.line()?;
            self.take_event(&line)?;
        }
        let (checked, ended) = (self.checker.finish(), self.ended.unwrap_or_default());
        let mut entries = self.ledger.open();
        let (received, recorded) = (&ended["received"], &ended["pictures"]);
        let all_is_there = *received == checked.pictures && *recorded == checked.pictures;
        if !all_is_there || ended["files"] != checked.files {
            entries.fail(format!("{ended} is not what is in {} files: {} pictures", checked.files, checked.pictures));
        }
        for line in self.server.errors() {
            entries.fail(format!("the server says: {line}"));
        }
        println!(
            "{} reboots, {} visits of clients; {} files without a fault, with {} of {received} pictures received",
            entries.reboots, self.visits, checked.files, checked.pictures
        );
        print!("{}{}", entries.reboots_told(), entries.failures_told());
        if entries.failures() > 0 {
            println!("the store and the faulty files are in {}", self.folder.keep().display());
        }
        Ok(entries.failures() == 0)
    }
}

impl Clients {
    fn new(url: String) -> Result<Self, Error> {
        let stays = RtspClient::play(&url, "tcp")?;
        Ok(Clients { url, stays, returns: None, passing: None, next: Instant::now() + READY })
    }

    /// Looks whether the clients have trouble, or no picture though the camera can be reached.
    fn check(&mut self, camera: &str, reachable_since: Option<Instant>, ledger: &Ledger) -> Result<(), Error> {
        let received = self.stays.received();
        if let Some((back, last)) = self.returns.zip(received.last_at).filter(|(back, last)| last > back) {
            self.returns = None;
            ledger.open().recovered(Outage::Reboot, last - back);
        }
        let fault = |client: &RtspClient| {
            let received = client.received();
            let since = reachable_since.map(|since| received.last_at.unwrap_or(client.started).max(since));
            let is_stalled = since.is_some_and(|since| since.elapsed() > STALL_LIMIT);
            received.trouble.or_else(|| is_stalled.then(|| format!("no picture for {STALL_LIMIT:?}")))
        };
        if let Some(fault) = self.passing.as_ref().and_then(fault) {
            self.passing = None;
            ledger.open().fail(format!("{camera}, a client that came later: {fault}"));
        }
        if let Some(fault) = fault(&self.stays) {
            ledger.open().fail(format!("{camera}, the client that stays: {fault}"));
            self.stays = RtspClient::play(&self.url, "tcp")?;
        }
        Ok(())
    }
}
