//! Goes on with a session whose own thread is held up.
//!
//! A session's thread delivers frames into pipelines itself, as no other thread has to be woken then. A pipeline may hold
//! it up for as long as it likes. So the driver lies here meanwhile, and a thread of this module looks after it now and
//! then: another thread goes on with a driver that lies here for long. The first one ends when it comes back.

use super::driver::{self, Driver};
use super::lock;
use std::collections::HashMap;
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often drivers are looked after. What comes meanwhile waits in the socket.
const ROUND: Duration = Duration::from_millis(200);
/// After so many rounds without a loan, the thread ends.
const ROUNDS: u32 = 10;
/// How long a thread may be held up when somebody waits for its session.
const GRACE: Duration = Duration::from_millis(5);

struct Loan {
    since: Instant,
    driver: Box<Driver>,
}

#[derive(Default)]
struct Loans {
    by_number: HashMap<u64, Loan>,
    last: u64,
    /// The thread runs.
    is_watched: bool,
    /// Somebody waits for a session.
    hurry: bool,
}

#[derive(Default)]
struct Standby {
    loans: Mutex<Loans>,
    hurried: Condvar,
}

static STANDBY: LazyLock<Standby> = LazyLock::new(Standby::default);

/// Does `work`, which may take as long as it likes. Returns the driver, unless another thread goes on with it, and what
/// came of the work. That is `None` if it was not done, as the system has no thread to look after the driver.
pub fn lend<T>(driver: Box<Driver>, work: impl FnOnce() -> T) -> (Option<Box<Driver>>, Option<T>) {
    let mut loans = lock(&STANDBY.loans);
    if !loans.is_watched {
        loans.is_watched = thread::Builder::new().name("wyze-standby".into()).spawn(watch).is_ok();
        if !loans.is_watched {
            return (Some(driver), None);
        }
    }
    loans.last += 1;
    let number = loans.last;
    loans.by_number.insert(number, Loan { since: Instant::now(), driver });
    drop(loans);
    let result = work();
    (take(number), Some(result))
}

/// Looks after the drivers at once: somebody waits for one that is on loan.
pub fn hurry() {
    lock(&STANDBY.loans).hurry = true;
    STANDBY.hurried.notify_one();
}

/// Returns the driver, unless somebody has taken it already.
fn take(number: u64) -> Option<Box<Driver>> {
    lock(&STANDBY.loans).by_number.remove(&number).map(|loan| loan.driver)
}

fn watch() {
    let (mut last, mut quiet_rounds) = (0, 0);
    loop {
        let is_early = |loans: &mut Loans| !loans.hurry;
        let waited = STANDBY.hurried.wait_timeout_while(lock(&STANDBY.loans), ROUND, is_early);
        let mut loans = waited.unwrap_or_else(PoisonError::into_inner).0;
        if std::mem::take(&mut loans.hurry) {
            drop(loans);
            thread::sleep(GRACE);
            loans = lock(&STANDBY.loans);
        }
        let is_quiet = loans.by_number.is_empty() && loans.last == last;
        quiet_rounds = if is_quiet { quiet_rounds + 1 } else { 0 };
        if quiet_rounds == ROUNDS {
            loans.is_watched = false;
            return;
        }
        last = loans.last;
        let is_held_up = |loan: &Loan| loan.since.elapsed() >= GRACE;
        let held_up: Vec<_> =
            loans.by_number.iter().filter(|(_, loan)| is_held_up(loan)).map(|(number, _)| *number).collect();
        drop(loans);
        for number in held_up {
            let go_on = move || {
                if let Some(driver) = take(number) {
                    driver::run(driver);
                }
            };
            // Without a thread, the next round tries again.
            let _ = thread::Builder::new().name(super::THREAD.into()).spawn(go_on);
        }
    }
}
