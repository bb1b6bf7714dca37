//! Memory and CPU time of the running process, for programs that measure.

use std::time::Duration;
use std::{fs, io};

/// Returns the resident memory in KiB; fails if `/proc/self/status` cannot be read or parsed.
pub fn resident_memory() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)
}

/// Returns the user and system time that the process has used so far.
pub fn cpu_time() -> Duration {
    // SAFETY: getrusage fills the structure, for which zeros are valid.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}
