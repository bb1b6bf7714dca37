//! Searches the memory of this process for secrets.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt;

/// Hides a key, so that the search does not find what it looks for.
const MASK: u8 = 0xA5;

pub fn masked(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{:02x}", byte ^ MASK)).collect()
}

/// Returns the masked bytes that [`masked`] wrote.
pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Counts how often this process has the key in memory that it can write to.
pub fn copies(masked: &[u8]) -> usize {
    let maps = read_to_string("/proc/self/maps").unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    // A page at a time and a bit of the next, masked at once, so that the search itself leaves no copy.
    const PIECE: usize = 1 << 16;
    let mut piece = vec![0; PIECE + masked.len() - 1];
    // A piece read over itself repeats what stands before it.
    let own = piece.as_ptr_range();
    let own = (own.start as u64).saturating_sub(masked.len() as u64)..own.end as u64;
    let mut count = 0;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, permissions) = (words.next().unwrap(), words.next().unwrap());
        if !permissions.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        for at in (start..end).step_by(PIECE) {
            let len = piece.len().min((end - at) as usize);
            let Ok(len) = memory.read_at(&mut piece[..len], at) else { continue };
            piece[..len].iter_mut().for_each(|byte| *byte ^= MASK);
            let found = (at..).zip(piece[..len].windows(masked.len())).filter(|(_, window)| *window == masked);
            count += found.filter(|(address, _)| !own.contains(address)).count();
        }
    }
    piece.fill(0);
    count
}

/// Returns the text itself.
pub fn unmask(masked: &[u8]) -> String {
    masked.iter().map(|byte| char::from(byte ^ MASK)).collect()
}
