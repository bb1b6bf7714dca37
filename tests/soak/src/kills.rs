//! A recorder that is killed at random moments, and what is left on the disk.

use crate::film_check;
use crate::ledger::Ledger;
use crate::load_camera::{Films, LoadCamera};
use crate::program::Program;
use crate::{Error, TICK};
use gstwyze::account::{Store, StoreError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Seconds from the first file to the kill. Files last 2 s.
const LIFE: std::ops::Range<f64> = 0.5..7.0;
/// Pictures of the last second, of what is on its way, and the one that was being sent.
const MAY_BE_LOST: u64 = 20 + 3;

/// Kills a recorder so often. Returns whether nothing was lost but the last second of each open file.
pub fn run(times: u32, seed: u64) -> Result<bool, Error> {
    let (folder, mut rng, ledger) = (tempfile::tempdir()?, StdRng::seed_from_u64(seed), Ledger::default());
    let mut camera = LoadCamera::new(0, &Films::make(folder.path())?, rng.random())?;
    Store::at(folder.path().join("gst-plugin-wyze")).update(|stored| {
        stored.push(camera.entry());
        Ok::<_, StoreError>(())
    })?;
    let (mut files, mut most_lost) = (0, 0);
    for round in 0..times {
        let to = folder.path().join(format!("films{round}"));
        // The camera would send to the killed one for a while, which would count.
        camera.reboot(Duration::ZERO);
        let before = camera.server.stats().video_frames;
        let place = to.to_str().ok_or("the temporary folder has no UTF-8 name")?;
        let options = ["--all", "--to", place, "--segment", "2s", "--name", "%s"];
        let mut recorder = Program::start("record", &options, folder.path())?;
        let mut told = vec![next(&recorder)?];
        while told.last().is_some_and(|event| event["event"] != "started") {
            told.push(next(&recorder)?);
        }
        let end = Instant::now() + Duration::from_secs_f64(rng.random_range(LIFE));
        while Instant::now() < end {
            std::thread::sleep(TICK / 10);
        }
        let sent = camera.server.stats().video_frames - before;
        recorder.kill()?;
        while let Some(line) = recorder.try_line() {
            told.push(serde_json::from_str(&line)?);
        }
        let (there, count) = match look(&told) {
            Ok(found) => found,
            Err(error) => {
                ledger.open().fail(format!("round {round}: {error}"));
                continue;
            }
        };
        files += count;
        let lost = sent.saturating_sub(there);
        most_lost = most_lost.max(lost);
        if lost > MAY_BE_LOST {
            ledger.open().fail(format!("round {round}: {there} of {sent} pictures are there"));
        }
    }
    println!("{times} kills left {files} files; of pictures sent, {most_lost} at most were not in them");
    let entries = ledger.open();
    print!("{}", entries.failures_told());
    Ok(entries.failures() == 0)
}

fn next(recorder: &Program) -> Result<Value, Error> {
    Ok(serde_json::from_str(&recorder.line()?)?)
}

/// Returns the number of pictures and of files that are there. An error where an announced file lacks something.
fn look(told: &[Value]) -> Result<(u64, u64), Error> {
    let of = |name: &'static str| told.iter().filter(move |event| event["event"] == name);
    let path = |event: &Value| PathBuf::from(event["file"].as_str().unwrap_or_default());
    let (mut there, mut files) = (0, 0);
    for event in of("started") {
        let file = path(event);
        let finished = of("finished").find(|other| other["file"] == event["file"]);
        let count = match (film_check::pictures(&file), finished) {
            (Ok(count), Some(finished)) if finished["pictures"] != count => {
                return Err(format!("{}: {count} pictures, announced as {finished}", file.display()).into());
            }
            (Ok(count), _) => count,
            (Err(error), Some(_)) => return Err(error),
            // It has just begun.
            (Err(_), None) => continue,
        };
        if let [first, ..] = &film_check::faults(&file)?[..] {
            return Err(format!("{}: {first}", file.display()).into());
        }
        (there, files) = (there + count, files + 1);
    }
    Ok((there, files))
}
