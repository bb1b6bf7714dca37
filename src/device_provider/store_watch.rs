//! Tells when the store's files change: on Linux at once, by inotify. Elsewhere nothing is told, and a change is seen at
//! the next look.

use mio::{Registry, Token};
use std::io;
use std::path::Path;

#[cfg(target_os = "linux")]
mod watch {
    use super::*;
    use inotify::{Inotify, WatchMask};
    use mio::Interest;
    use mio::unix::SourceFd;
    use std::os::fd::AsRawFd;

    pub struct StoreWatch(Inotify);

    impl StoreWatch {
        pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let inotify = Inotify::init()?;
            registry.register(&mut SourceFd(&inotify.as_raw_fd()), token, Interest::READABLE)?;
            Ok(StoreWatch(inotify))
        }

        pub fn add(&mut self, folder: &Path) -> bool {
            let mask = WatchMask::CREATE | WatchMask::MOVE | WatchMask::DELETE | WatchMask::CLOSE_WRITE;
            self.0.watches().add(folder, mask).is_ok()
        }

        pub fn clear(&mut self) {
            let mut buffer = [0; 4096];
            while self.0.read_events(&mut buffer).is_ok() {}
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod watch {
    use super::*;

    pub struct StoreWatch;

    impl StoreWatch {
        pub fn new(_: &Registry, _: Token) -> io::Result<Self> {
            Ok(StoreWatch)
        }

        pub fn add(&mut self, _: &Path) -> bool {
            true
        }

        pub fn clear(&mut self) {}
    }
}

/// Folders whose changes wake a poll.
pub struct StoreWatch(watch::StoreWatch);

impl StoreWatch {
    /// Makes one that wakes the poll of this registry by this token.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        watch::StoreWatch::new(registry, token).map(StoreWatch)
    }

    /// Watches a folder too; false where there is none. Watching it again changes nothing.
    pub fn add(&mut self, folder: &Path) -> bool {
        self.0.add(folder)
    }

    /// Forgets what has changed so far, so that the next change is told.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
