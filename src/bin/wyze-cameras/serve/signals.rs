//! Signals of the system, as acts of the main loop.

use super::super::Failure;
use gst::glib;
use std::mem::MaybeUninit;

/// Signals to this process, which wait from now on until they are handled.
pub struct Signals(libc::sigset_t);

impl Signals {
    /// Keeps SIGINT, SIGTERM and SIGUSR1. To be called before threads are started, which would get them else.
    pub fn keep() -> Self {
        let mut signals = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the set is initialised by the first call; the others have valid arguments.
        unsafe {
            libc::sigemptyset(signals.as_mut_ptr());
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1] {
                libc::sigaddset(signals.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), std::ptr::null_mut());
            Signals(signals.assume_init())
        }
    }

    /// Ends the main loop on SIGINT and SIGTERM, and calls `report` on SIGUSR1.
    pub fn handle(self, main_loop: glib::MainLoop, report: impl Fn() + Send + 'static) -> Result<(), Failure> {
        let wait = move || {
            let mut signal = 0;
            // SAFETY: both pointers are to values of this thread.
            while unsafe { libc::sigwait(&self.0, &mut signal) } == 0 {
                match signal {
                    libc::SIGUSR1 => report(),
                    // From within, as a loop that does not run yet cannot be ended.
                    _ => {
                        let main_loop = main_loop.clone();
                        glib::idle_add_once(move || main_loop.quit());
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("signals".into()).spawn(wait);
        thread.map(drop).map_err(Failure::other)
    }
}
