//! A pseudo terminal, for programs that look whether they have one.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Opens a terminal, and returns the program's side of it and the user's.
pub fn terminal() -> (OwnedFd, File) {
    let (mut user, mut program) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: The two integers outlive the call, which takes null for all else.
    let result = unsafe { libc::openpty(&mut user, &mut program, null, null.cast(), null.cast()) };
    assert_eq!(result, 0, "a pseudo terminal");
    // SAFETY: Both were opened above, and nobody else has them.
    unsafe { (OwnedFd::from_raw_fd(program), File::from_raw_fd(user)) }
}

/// Whether the terminal shows what is typed.
pub fn echoes(terminal: &File) -> bool {
    // SAFETY: All zeros is a valid value of this plain structure, which the call fills.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(terminal.as_raw_fd(), &mut settings), 0);
        settings.c_lflag & libc::ECHO != 0
    }
}
