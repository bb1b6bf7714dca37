//! Reads recordings with FFmpeg, another implementation than the one that wrote them.

use crate::Error;
use crate::ledger::Ledger;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

/// What FFmpeg says of pictures that build on one that was lost in the network. Such pictures are recorded on purpose.
const OF_LOST_PICTURES: [&str; 6] = [
    "Frame num gap",
    "reference picture missing",
    "Missing reference picture",
    "Could not find ref with POC",
    "reference frames exceeds max",
    "mmco: unref short failure",
];

/// The number of pictures in a file, as its container has them.
pub fn pictures(file: &Path) -> Result<u64, Error> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", "v", "-count_packets"]);
    command.args(["-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]).arg(file);
    let output = command.output().map_err(|e| format!("ffprobe: {e}"))?;
    // A file with sound alone has none.
    let text = String::from_utf8_lossy(&output.stdout).trim().trim_end_matches(',').to_owned();
    if text.is_empty() && output.status.success() { Ok(0) } else { Ok(text.parse()?) }
}

/// Returns how long the sound in a file is, in seconds; 0 without any.
pub fn length_of_sound(file: &Path) -> Result<f64, Error> {
    let mut command = Command::new("ffprobe");
    command
        .args(["-v", "error", "-select_streams", "a", "-show_entries", "packet=pts_time", "-of", "csv=p=0"])
        .arg(file);
    let output = command.output().map_err(|e| format!("ffprobe: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().last().map_or(Ok(0.0), |line| line.trim_end_matches(',').parse())?)
}

/// Decodes a whole file. Returns what FFmpeg finds wrong with it.
pub fn faults(file: &Path) -> Result<Vec<String>, Error> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-threads", "1", "-i"]).arg(file);
    // Each picture keeps its own time: FFmpeg would round them to its guess of a rate, and complain of equal ones.
    command.args(["-enc_time_base", "-1", "-fps_mode", "passthrough", "-f", "null", "-"]);
    let output = command.output().map_err(|e| format!("ffmpeg: {e}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_fault = |line: &&str| !line.is_empty() && !OF_LOST_PICTURES.iter().any(|known| line.contains(known));
    let mut faults: Vec<String> = text.lines().filter(is_fault).map(str::to_owned).collect();
    if !output.status.success() {
        faults.push(format!("ffmpeg ends with {}", output.status));
    }
    Ok(faults)
}

/// What came of the files so far.
#[derive(Debug, Default)]
pub struct Checked {
    pub files: u64,
    pub pictures: u64,
}

/// Checks files in a thread, in the order in which they are finished, and deletes them.
pub struct FilmChecker {
    finished: Sender<(PathBuf, u64)>,
    thread: JoinHandle<Checked>,
}

impl FilmChecker {
    pub fn start(ledger: &Arc<Ledger>) -> Self {
        let (finished, files) = mpsc::channel::<(PathBuf, u64)>();
        let ledger = ledger.clone();
        let thread = std::thread::spawn(move || {
            let mut checked = Checked::default();
            for (file, said) in files {
                match check(&file, said) {
                    Ok(pictures) => checked.pictures += pictures,
                    Err(error) => ledger.open().fail(format!("{}: {error}", file.display())),
                }
                checked.files += 1;
            }
            checked
        });
        FilmChecker { finished, thread }
    }

    /// Takes a file that is to have so many pictures.
    pub fn take(&self, file: PathBuf, pictures: u64) {
        // The thread ends only after this.
        let _ = self.finished.send((file, pictures));
    }

    /// Waits until all files are checked.
    pub fn finish(self) -> Checked {
        drop(self.finished);
        // If it panicked, its message has been printed.
        self.thread.join().unwrap_or_default()
    }
}

/// Returns the number of pictures in a file without a fault, and deletes it.
fn check(file: &Path, said: u64) -> Result<u64, Error> {
    let there = pictures(file)?;
    let faults = faults(file)?;
    if let [first, ..] = &faults[..] {
        return Err(format!("{} faults, first: {first}", faults.len()).into());
    }
    if there != said {
        return Err(format!("{there} pictures, {said} were announced").into());
    }
    std::fs::remove_file(file)?;
    Ok(there)
}
