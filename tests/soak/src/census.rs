//! What the process holds when no element runs.

use std::fmt;
use std::fs;
use std::io;
use std::time::Instant;
use wyze_bench::resident_memory;

/// How much memory may grow from the first census to the last, by the line through all but the first quarter of them; KiB.
const RESIDENT_LIMIT: f64 = 16.0 * 1024.0;
const HEAP_LIMIT: f64 = 2.0 * 1024.0;

#[derive(Debug, Clone, Copy)]
pub struct Census {
    pub at: Instant,
    /// KiB.
    pub resident: u64,
    /// KiB that are allocated and not freed.
    pub heap: u64,
    pub threads: usize,
    /// Threads of elements: sessions, resolvers and the tasks of pads.
    pub sessions: usize,
    pub descriptors: usize,
}

impl Census {
    pub fn take() -> io::Result<Self> {
        // The pools' idle threads would stay for some seconds.
        gst::glib::ThreadPool::stop_unused_threads();
        let names = thread_names()?;
        // SAFETY: it only reads.
        let heap = unsafe { libc::mallinfo2() };
        Ok(Census {
            at: Instant::now(),
            resident: resident_memory()?,
            heap: ((heap.uordblks + heap.hblkhd) / 1024) as u64,
            threads: names.len(),
            sessions: names.iter().filter(|name| name.starts_with("wyze") && *name != "wyze-camera").count(),
            descriptors: fs::read_dir("/proc/self/fd")?.count(),
        })
    }

    /// True where nothing is left that another census at rest did not have.
    pub fn is_within(&self, other: &Census) -> bool {
        self.threads <= other.threads && self.sessions == 0 && self.descriptors <= other.descriptors
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "resident {:.1} MiB, heap {:.1} MiB, {} threads ({} of elements), {} descriptors",
            self.resident as f64 / 1024.0,
            self.heap as f64 / 1024.0,
            self.threads,
            self.sessions,
            self.descriptors
        )
    }
}

/// What grows from census to census, in words.
pub fn leaks(censuses: &[Census]) -> Vec<String> {
    let warm = &censuses[censuses.len() / 4..];
    let resident = growth(warm, |census| census.resident);
    let heap = growth(warm, |census| census.heap);
    let mut leaks = Vec::new();
    for (name, growth, limit) in [("resident memory", resident, RESIDENT_LIMIT), ("heap", heap, HEAP_LIMIT)] {
        if growth > limit {
            leaks.push(format!("{name} grew by {growth:.0} KiB in {} censuses, {limit:.0} are allowed", warm.len()));
        }
    }
    leaks
}

/// By the line of least squares, from the first to the last.
fn growth(censuses: &[Census], value: impl Fn(&Census) -> u64) -> f64 {
    let [first, .., last] = censuses else { return 0.0 };
    let points: Vec<_> = censuses.iter().map(|c| ((c.at - first.at).as_secs_f64(), value(c) as f64)).collect();
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / points.len() as f64;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let span = (last.at - first.at).as_secs_f64();
    if variance > 0.0 { covariance / variance * span } else { 0.0 }
}

/// What the descriptors are of, for who has to find the one too many.
pub fn descriptors() -> io::Result<Vec<String>> {
    let links = fs::read_dir("/proc/self/fd")?.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    Ok(links.map(|link| link.display().to_string()).collect())
}

/// Of all threads but the main one, which has the program's name.
fn thread_names() -> io::Result<Vec<String>> {
    let main = std::process::id().to_string();
    let names = fs::read_dir("/proc/self/task")?.filter_map(|task| {
        let task = task.ok().filter(|task| task.file_name() != *main)?;
        // A thread may end while it is looked at.
        fs::read_to_string(task.path().join("comm")).ok()
    });
    Ok(names.map(|name| name.trim().to_owned()).collect())
}
