//! Counts the memory, threads and descriptors that the process holds when no element runs.

use std::fmt;
use std::fs;
use std::io;
use std::time::Instant;
use wyze_bench::resident_memory;

/// KiB by which memory may grow, by a line fitted through all censuses but the first quarter of them.
const RESIDENT_LIMIT: f64 = 16.0 * 1024.0;
const HEAP_LIMIT: f64 = 2.0 * 1024.0;

#[derive(Debug, Clone, Copy)]
pub struct Census {
    pub at: Instant,
    /// Resident memory in KiB.
    pub resident: u64,
    /// Memory allocated and not freed, in KiB.
    pub heap: u64,
    pub threads: usize,
    /// Threads that belong to elements: sessions, resolvers and the tasks of pads.
    pub sessions: usize,
    pub descriptors: usize,
}

impl Census {
    pub fn take() -> io::Result<Self> {
        // Idle threads of GLib's pools would stay for some seconds.
        gst::glib::ThreadPool::stop_unused_threads();
        let names = thread_names()?;
        // SAFETY: mallinfo2 takes no argument and only reads the allocator's state.
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

    /// Whether there are no more threads and descriptors than in `other`, and no threads of elements at all.
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

/// Describes each sort of memory that grows from census to census by more than its limit.
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

/// How much `value` grows from the first census to the last, by the least-squares line.
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

/// Lists what each open descriptor refers to, to help find the one that leaked.
pub fn descriptors() -> io::Result<Vec<String>> {
    let links = fs::read_dir("/proc/self/fd")?.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    Ok(links.map(|link| link.display().to_string()).collect())
}

/// Names of all threads except the main one, whose name is the program's.
fn thread_names() -> io::Result<Vec<String>> {
    let main = std::process::id().to_string();
    let names = fs::read_dir("/proc/self/task")?.filter_map(|task| {
        let task = task.ok().filter(|task| task.file_name() != *main)?;
        // A thread may end while its name is read.
        fs::read_to_string(task.path().join("comm")).ok()
    });
    Ok(names.map(|name| name.trim().to_owned()).collect())
}
