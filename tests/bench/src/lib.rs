//! What programs that measure share: cameras in a process of their own, viewers, and what a process uses.

pub mod camera;
pub mod viewer;

use std::time::Duration;
use std::{fs, io};

pub type Error = Box<dyn std::error::Error>;

/// Returns the resident memory in KiB; fails if `/proc/self/status` cannot be read or parsed.
pub fn resident_memory() -> io::Result<u64> {
    resident_memory_of(std::process::id())
}

/// Returns the resident memory of a process in KiB; fails if it is gone.
pub fn resident_memory_of(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)
}

/// Returns the user and system time that a process has used so far; fails if it is gone.
pub fn cpu_time_of(process: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The program's name, in parentheses, may have spaces in it. The times are the 14th and 15th field of all.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks = fields.map(|field| field.parse::<u64>().map_err(io::Error::other)).sum::<io::Result<u64>>()?;
    // SAFETY: sysconf takes no pointer.
    let ticks_a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(Duration::from_secs_f64(ticks as f64 / ticks_a_second as f64))
}

/// What this process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// How often a thread gave up its core, as it had to wait.
    pub waits: u64,
    /// How often a thread lost its core to another one.
    pub losses: u64,
}

impl Usage {
    pub fn now() -> Self {
        // SAFETY: getrusage fills the structure, for which zeros are valid.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
            usage
        };
        let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
        let cpu = time(usage.ru_utime) + time(usage.ru_stime);
        Usage { cpu, waits: usage.ru_nvcsw as u64, losses: usage.ru_nivcsw as u64 }
    }

    /// What was used since `earlier`.
    pub fn since(self, earlier: Usage) -> Usage {
        Usage { cpu: self.cpu - earlier.cpu, waits: self.waits - earlier.waits, losses: self.losses - earlier.losses }
    }
}

/// Lets this process have as many descriptors as it may allow itself: many cameras need more than the usual 1024.
pub fn allow_many_descriptors() -> io::Result<()> {
    // SAFETY: both calls get a pointer to a structure of theirs, for which zeros are valid.
    let done = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0
        }
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A half of the machine's cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    First,
    Second,
}

/// Keeps this process, and the threads that it will start, to one half of the machine's cores. Does nothing where there
/// is only one.
pub fn use_half_of_the_cores(half: Half) -> io::Result<()> {
    // SAFETY: sysconf takes no pointer.
    let cores = usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(1);
    if cores < 2 {
        return Ok(());
    }
    let half = match half {
        Half::First => 0..cores / 2,
        Half::Second => cores / 2..cores,
    };
    // SAFETY: zeros are an empty set, the macro writes inside it, and the call reads as many bytes as the set has.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        half.take_while(|core| *core < libc::CPU_SETSIZE as usize).for_each(|core| libc::CPU_SET(core, &mut set));
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns the middle one; `None` of nothing.
pub fn median<T: Copy + PartialOrd>(values: &[T]) -> Option<T> {
    let mut values = values.to_vec();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len() / 2).copied()
}
