//! Goes on with a session whose own thread is held up.
//!
//! A session's thread delivers frames into pipelines itself, as no other thread has to be woken then. A pipeline may
//! hold it up for as long as it likes. So a thread of this module looks now and then who works for long: another thread
//! goes on with that session, and the first one ends when it comes back.

use super::lock;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What waits for the end of some work, and can do without.
pub trait Waiting: Send + Sync {
    /// Goes on, unless the work is done meanwhile. Is called on a thread of its own.
    fn go_on(&self);
}

/// How often the thread looks. What comes meanwhile waits in the socket.
const ROUND: Duration = Duration::from_millis(200);
/// How long work may take when somebody is in a hurry.
const GRACE: Duration = Duration::from_millis(5);

struct Work {
    since: Instant,
    waiting: Arc<dyn Waiting>,
    /// Somebody goes on meanwhile.
    is_left: bool,
}

#[derive(Default)]
struct Works {
    by_number: HashMap<u64, Work>,
    last: u64,
    /// How many [`Watched`] there are. With the last one, the thread ends.
    watched: usize,
    /// The thread runs.
    is_running: bool,
    /// The thread rests until the next work, as there was none in a whole round.
    rests: bool,
    /// Somebody waits for a session.
    hurry: bool,
}

#[derive(Default)]
struct Standby {
    works: Mutex<Works>,
    changed: Condvar,
}

static STANDBY: LazyLock<Standby> = LazyLock::new(Standby::default);

/// The thread is there for as long as there is one of these.
pub struct Watched(());

/// Starts the thread, unless it runs. Fails where the system has none to give.
pub fn watch() -> io::Result<Watched> {
    let mut works = lock(&STANDBY.works);
    if !works.is_running {
        thread::Builder::new().name("wyze-standby".into()).spawn(run)?;
        works.is_running = true;
    }
    works.watched += 1;
    Ok(Watched(()))
}

impl Drop for Watched {
    fn drop(&mut self) {
        lock(&STANDBY.works).watched -= 1;
        STANDBY.changed.notify_one();
    }
}

/// Does `work`, which may take as long as it likes, and returns what came of it. The caller has a [`Watched`].
pub fn look_after<T>(waiting: Arc<dyn Waiting>, work: impl FnOnce() -> T) -> T {
    let mut works = lock(&STANDBY.works);
    works.last += 1;
    let number = works.last;
    works.by_number.insert(number, Work { since: Instant::now(), waiting, is_left: false });
    let rests = works.rests;
    drop(works);
    if rests {
        STANDBY.changed.notify_one();
    }
    let result = work();
    lock(&STANDBY.works).by_number.remove(&number);
    result
}

/// Looks at once: somebody waits for a session whose thread may be held up.
pub fn hurry() {
    lock(&STANDBY.works).hurry = true;
    STANDBY.changed.notify_one();
}

fn run() {
    let mut works = lock(&STANDBY.works);
    loop {
        let last = works.last;
        let is_called = |works: &Works| works.watched == 0 || works.hurry;
        let waited = STANDBY.changed.wait_timeout_while(works, ROUND, |works| !is_called(works));
        works = waited.unwrap_or_else(PoisonError::into_inner).0;
        if works.by_number.is_empty() && works.last == last {
            works.rests = true;
            let rests = |works: &mut Works| !is_called(works) && works.last == last;
            works = STANDBY.changed.wait_while(works, rests).unwrap_or_else(PoisonError::into_inner);
            works.rests = false;
        }
        if works.watched == 0 {
            works.is_running = false;
            return;
        }
        if std::mem::take(&mut works.hurry) {
            drop(works);
            thread::sleep(GRACE);
            works = lock(&STANDBY.works);
        }
        let is_long = |work: &&mut Work| !work.is_left && work.since.elapsed() >= GRACE;
        for work in works.by_number.values_mut().filter(is_long) {
            let waiting = work.waiting.clone();
            let thread = thread::Builder::new().name(super::THREAD.into()).spawn(move || waiting.go_on());
            // Without a thread, the next round tries again.
            work.is_left = thread.is_ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{RecvTimeoutError, Sender, channel};

    struct Told(Mutex<Sender<()>>);

    impl Waiting for Told {
        fn go_on(&self) {
            lock(&self.0).send(()).unwrap();
        }
    }

    #[test]
    fn who_waits_for_long_goes_on_once() {
        let (sender, told) = channel();
        let _watched = watch().unwrap();
        let told_once = look_after(Arc::new(Told(Mutex::new(sender))), || {
            told.recv_timeout(Duration::from_secs(20)).unwrap();
            told.recv_timeout(ROUND * 3)
        });
        assert_eq!(told_once, Err(RecvTimeoutError::Timeout));
    }
}
