//! The keys of the terminal that the command runs in.

use super::keys::{self, Input};
use std::io::{IsTerminal, Read, stdin};
use std::mem::MaybeUninit;
use std::sync::mpsc::Sender;

const TERMINAL: libc::c_int = libc::STDIN_FILENO;

/// A terminal that gives keys at once and does not show them. It is as before when this is dropped.
pub struct Keyboard(libc::termios);

impl Keyboard {
    /// Sends keys of the terminal, if there is one that this program may read.
    pub fn open(inputs: Sender<Input>) -> Option<Self> {
        let mut settings = MaybeUninit::<libc::termios>::uninit();
        // A program in the background would be stopped by its first look at the terminal.
        // SAFETY: The calls take plain numbers, and a place for the settings.
        let is_ours = stdin().is_terminal()
            && unsafe { libc::tcgetpgrp(TERMINAL) == libc::getpgrp() }
            && unsafe { libc::tcgetattr(TERMINAL, settings.as_mut_ptr()) == 0 };
        if !is_ours {
            return None;
        }
        // SAFETY: tcgetattr has filled it.
        let before = unsafe { settings.assume_init() };
        let mut now = before;
        now.c_lflag &= !(libc::ICANON | libc::ECHO);
        // SAFETY: The settings are those of this terminal, but for two flags.
        unsafe { libc::tcsetattr(TERMINAL, libc::TCSANOW, &now) };
        // It reads until the program ends.
        let read = move || {
            let mut bytes = [0; 64];
            while let Ok(count @ 1..) = stdin().read(&mut bytes) {
                for key in keys::in_terminal(&bytes[..count]) {
                    let _ = inputs.send(Input::Key(key));
                }
            }
        };
        std::thread::Builder::new().name("keyboard".into()).spawn(read).is_ok().then_some(Keyboard(before))
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // SAFETY: The settings are those that the terminal had.
        unsafe { libc::tcsetattr(TERMINAL, libc::TCSANOW, &self.0) };
    }
}
