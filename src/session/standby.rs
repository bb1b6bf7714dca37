//! Goes on with a session whose own thread is held up.
//!
//! A session's thread delivers frames into pipelines itself, as no other thread has to be woken then. A pipeline may
//! hold it up for as long as it likes. So a thread of this module looks now and then who works for long: another thread
//! goes on with that session, and the first one ends when it comes back.

use super::lock;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What waits for the end of some work, and can do without.
pub trait Waiting: Send + Sync {
    /// Goes on, unless the work is done meanwhile. Is called on a thread of its own.
    fn go_on(&self);
}

/// How often is looked. What comes meanwhile waits in the socket.
const ROUND: Duration = Duration::from_millis(200);
/// After so many rounds without work, the thread ends.
const ROUNDS: u32 = 10;
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
    /// The thread runs.
    is_watched: bool,
    /// Somebody waits for a session.
    hurry: bool,
}

#[derive(Default)]
struct Standby {
    works: Mutex<Works>,
    hurried: Condvar,
}

static STANDBY: LazyLock<Standby> = LazyLock::new(Standby::default);

/// Does `work`, which may take as long as it likes, and returns what came of it; `None` if it was not done, as the
/// system has no thread to look after who waits.
pub fn look_after<T>(waiting: Arc<dyn Waiting>, work: impl FnOnce() -> T) -> Option<T> {
    let mut works = lock(&STANDBY.works);
    if !works.is_watched {
        works.is_watched = thread::Builder::new().name("wyze-standby".into()).spawn(watch).is_ok();
        if !works.is_watched {
            return None;
        }
    }
    works.last += 1;
    let number = works.last;
    works.by_number.insert(number, Work { since: Instant::now(), waiting, is_left: false });
    drop(works);
    let result = work();
    lock(&STANDBY.works).by_number.remove(&number);
    Some(result)
}

/// Looks at once: somebody waits for a session whose thread may be held up.
pub fn hurry() {
    lock(&STANDBY.works).hurry = true;
    STANDBY.hurried.notify_one();
}

fn watch() {
    let (mut last, mut quiet_rounds) = (0, 0);
    loop {
        let is_early = |works: &mut Works| !works.hurry;
        let waited = STANDBY.hurried.wait_timeout_while(lock(&STANDBY.works), ROUND, is_early);
        let mut works = waited.unwrap_or_else(PoisonError::into_inner).0;
        if std::mem::take(&mut works.hurry) {
            drop(works);
            thread::sleep(GRACE);
            works = lock(&STANDBY.works);
        }
        let is_quiet = works.by_number.is_empty() && works.last == last;
        quiet_rounds = if is_quiet { quiet_rounds + 1 } else { 0 };
        if quiet_rounds == ROUNDS {
            works.is_watched = false;
            return;
        }
        last = works.last;
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
        let told_once = look_after(Arc::new(Told(Mutex::new(sender))), || {
            told.recv_timeout(Duration::from_secs(20)).unwrap();
            told.recv_timeout(ROUND * 3)
        });
        assert_eq!(told_once, Some(Err(RecvTimeoutError::Timeout)));
    }
}
