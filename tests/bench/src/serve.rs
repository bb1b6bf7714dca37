//! What `wyze-cameras serve` costs: the time to a client's first picture, and the CPU time of further clients.

use crate::Arguments;
use gst::prelude::*;
use gstwyze::account::{self, Store, StoreError};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use wyze_bench::camera::{Cameras, identity};
use wyze_bench::viewer::first_buffer;
use wyze_bench::{Error, cpu_time_of, resident_memory_of};

const CLIENTS: usize = 20;
const FIRST_PICTURES: usize = 10;
/// How long clients settle before their cost is measured.
const SETTLING: Duration = Duration::from_secs(2);
/// How long the server keeps a session without clients: it ends between two first pictures.
const LINGER_MS: &str = "1";

/// Measures the program that was built beside this one.
pub fn measure(arguments: &Arguments) -> Result<(), Error> {
    let camera = Cameras::start(&arguments.camera, 1)?;
    let folder = tempfile::tempdir()?;
    let port = camera.uris[0].split([':', '?']).nth(2).ok_or("no port")?.parse()?;
    let [uid, enr, mac] = identity(0);
    Store::at(folder.path().join("gst-plugin-wyze")).update(|cameras| {
        cameras.push(account::Camera {
            name: "Bench".into(),
            uid: uid.into(),
            enr: enr.into(),
            mac: mac.into(),
            host: Some("127.0.0.1".into()),
            port: Some(port),
            updated: account::Camera::now(),
            ..account::Camera::default()
        });
        Ok::<_, StoreError>(())
    })?;
    let server = Server::start(folder.path(), &["--linger", LINGER_MS])?;
    let mut first = Vec::new();
    for _ in 0..FIRST_PICTURES {
        first.push(Client::play(&server.url)?.first_picture);
        server.await_rest()?;
    }
    tell("first picture, where the session is opened for it", &mut first);
    let watcher = Client::play(&server.url)?;
    let mut first = Vec::new();
    for _ in 0..FIRST_PICTURES {
        first.push(Client::play(&server.url)?.first_picture);
    }
    tell("first picture, where another client watches", &mut first);
    let one = server.load(arguments.seconds)?;
    let clients: Vec<_> = (1..CLIENTS).map(|_| Client::play(&server.url)).collect::<Result<_, _>>()?;
    let many = server.load(arguments.seconds)?;
    println!(
        "CPU time of the server with 1 client: {one:.2} % of a core, with {CLIENTS}: {many:.2} %; memory {} KiB",
        resident_memory_of(server.child.id())?
    );
    drop((watcher, clients));
    Ok(())
}

fn tell(what: &str, times: &mut [Duration]) {
    times.sort();
    if let [first, .., last] = *times {
        println!("{what}: min {first:.0?}, median {:.0?}, max {last:.0?}", times[times.len() / 2]);
    }
}

struct Server {
    child: Child,
    url: String,
    status: std::path::PathBuf,
}

impl Server {
    fn start(config: &Path, options: &[&str]) -> Result<Self, Error> {
        let status = config.join("status.json");
        let mut child = Command::new(std::env::current_exe()?.with_file_name("wyze-cameras"))
            .args(["serve", "--all", "--listen", "127.0.0.1:0", "--status-file"])
            .arg(&status)
            .args(options)
            .env("XDG_CONFIG_HOME", config)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cargo build --release has not built wyze-cameras: {e}"))?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().ok_or("no standard output")?).read_line(&mut url)?;
        Ok(Server { child, url: url.trim().to_owned(), status })
    }

    /// Waits until the session with the camera is closed.
    fn await_rest(&self) -> Result<(), Error> {
        while !std::fs::read_to_string(&self.status)?.contains(r#""state":"closed""#) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Returns the CPU time per time, in percent.
    fn load(&self, seconds: u64) -> Result<f64, Error> {
        std::thread::sleep(SETTLING);
        let (cpu, start) = (cpu_time_of(self.child.id())?, Instant::now());
        std::thread::sleep(Duration::from_secs(seconds));
        let cpu = cpu_time_of(self.child.id())? - cpu;
        Ok(100.0 * cpu.as_secs_f64() / start.elapsed().as_secs_f64())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client over TCP.
struct Client {
    pipeline: gst::Pipeline,
    first_picture: Duration,
}

impl Client {
    /// Plays an address and waits for the first picture.
    fn play(url: &str) -> Result<Self, Error> {
        let line = "rtspsrc name=source protocols=tcp latency=0 ! application/x-rtp,media=video ! rtph264depay ! \
                    fakesink name=sink sync=false async=false";
        let pipeline = gst::parse::launch(line)?.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline")?;
        pipeline.by_name("source").ok_or("no source")?.set_property("location", url);
        let first_picture = first_buffer(&pipeline, "sink")?;
        Ok(Client { pipeline, first_picture })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
