//! `wyze-cameras` as a process of its own: what it prints, and how much memory it has.

use crate::Error;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a program may take to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much more memory the last quarter of a run may have than the second one, in KiB.
const GROWTH_LIMIT: u64 = 8 * 1024;

/// A running program; dropping it kills it.
pub struct Program {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    errors: Arc<Mutex<Vec<String>>>,
    /// Resident memory in KiB, at equal intervals.
    resident: Vec<u64>,
}

impl Program {
    /// Starts the command `name` for the store in this folder.
    pub fn start(name: &'static str, arguments: &[&str], config: &Path) -> Result<Self, Error> {
        let mut command = Command::new(path()?);
        command.arg(name).args(arguments).env("XDG_CONFIG_HOME", config).env_remove("WYZE_SERVE_PASSWORD");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let errors = Arc::default();
        keep(child.stderr.take().ok_or("no standard error")?, &errors);
        Ok(Program { name, child, lines, errors, resident: Vec::new() })
    }

    /// The next line on standard output, waited for.
    pub fn line(&self) -> Result<String, Error> {
        self.lines.recv_timeout(PATIENCE).map_err(|_| self.told(&format!("{} says nothing", self.name)).into())
    }

    /// The next line on standard output, if there is one.
    pub fn try_line(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// What was printed to standard error so far.
    pub fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the resident memory in KiB.
    pub fn resident(&self) -> Result<u64, Error> {
        Ok(wyze_bench::resident_memory_of(self.child.id())?)
    }

    /// Adds to the memory's course.
    pub fn look_at_memory(&mut self) -> Result<(), Error> {
        self.resident.push(self.resident()?);
        Ok(())
    }

    /// Tells what it has cost in a run of this length, while it still runs.
    pub fn describe(&self, length: Duration) -> Result<String, Error> {
        let cpu = 100.0 * wyze_bench::cpu_time_of(self.child.id())?.as_secs_f64() / length.as_secs_f64();
        let most = self.resident.iter().max().copied().unwrap_or_default();
        Ok(format!(
            "{}: {cpu:.1} % of a core; memory on average in each quarter {:?} KiB, at most {most} KiB",
            self.name,
            self.quarters()
        ))
    }

    /// Memory on average in each quarter of the run so far, in KiB.
    fn quarters(&self) -> [u64; 4] {
        let length = (self.resident.len() / 4).max(1);
        let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len().max(1) as u64;
        [0, 1, 2, 3]
            .map(|quarter| mean(self.resident.get(quarter * length..(quarter + 1) * length).unwrap_or_default()))
    }

    /// Why the memory is not flat, if so.
    pub fn growth(&self) -> Option<String> {
        let [_, second, _, last] = self.quarters();
        (last > second + GROWTH_LIMIT).then(|| format!("memory of {} grew from {second} to {last} KiB", self.name))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Ends it as a service manager does. The lines are still there to read.
    pub fn end(&mut self) -> Result<ExitStatus, Error> {
        self.signal(libc::SIGTERM);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(crate::TICK);
        }
        Err(self.told(&format!("{} does not end", self.name)).into())
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.signal(libc::SIGKILL);
        self.child.wait()?;
        Ok(())
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: the process is this one's child, and has not been waited for.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }

    fn told(&self, what: &str) -> String {
        format!("{what}; standard error: {}", self.errors().join(" / "))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that was built beside this one.
fn path() -> Result<PathBuf, Error> {
    let path = std::env::current_exe()?.with_file_name("wyze-cameras");
    match path.exists() {
        true => Ok(path),
        false => Err(format!("{} is missing: build it, as tests/soak.sh does", path.display()).into()),
    }
}

/// Reads on in a thread, so that a program that prints much does not stop.
fn keep(mut stderr: ChildStderr, errors: &Arc<Mutex<Vec<String>>>) {
    let errors = errors.clone();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stderr.by_ref());
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            errors.lock().unwrap_or_else(PoisonError::into_inner).push(line.trim_end().to_owned());
            line.clear();
        }
    });
}
