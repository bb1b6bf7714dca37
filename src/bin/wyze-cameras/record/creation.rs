//! The time of creation in an MP4 file. GStreamer's muxer writes when it began to work, which is some time after the
//! first picture was captured.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

/// MP4 counts seconds from the year 1904.
const EPOCH: u64 = 2_082_844_800;
const HEADER: u64 = 8;
const LONG_HEADER: u64 = 16;

/// Writes the time of creation into a whole MP4 file. Where there is no place for it, the file stays as it is.
pub fn write(file: &File, time: SystemTime) -> io::Result<()> {
    let Ok(since) = time.duration_since(SystemTime::UNIX_EPOCH) else { return Ok(()) };
    let length = file.metadata()?.len();
    let mut at = 0;
    while at + HEADER <= length {
        let (name, size) = read_box(file, at, length)?;
        if &name == b"moov" {
            let inside = at + HEADER;
            let (name, _) = read_box(file, inside, length)?;
            let mut version = [0xFF];
            file.read_exact_at(&mut version, inside + HEADER)?;
            // The version with short times; GStreamer writes no other.
            if &name == b"mvhd" && version == [0] {
                let seconds = u32::try_from(since.as_secs() + EPOCH).unwrap_or_default().to_be_bytes();
                // Version and flags take 4 bytes.
                return file.write_all_at(&seconds, inside + HEADER + 4);
            }
            return Ok(());
        }
        at += size;
    }
    Ok(())
}

/// Reads the name and the whole size of the box that begins here.
fn read_box(file: &File, at: u64, length: u64) -> io::Result<([u8; 4], u64)> {
    let mut header = [0; HEADER as usize];
    file.read_exact_at(&mut header, at)?;
    let [a, b, c, d, name @ ..] = header;
    let size = match u32::from_be_bytes([a, b, c, d]) {
        // It ends with the file.
        0 => length - at,
        1 => {
            let mut long = [0; HEADER as usize];
            file.read_exact_at(&mut long, at + HEADER)?;
            u64::from_be_bytes(long).max(LONG_HEADER)
        }
        size => u64::from(size).max(HEADER),
    };
    Ok((name, size.min(length - at)))
}
