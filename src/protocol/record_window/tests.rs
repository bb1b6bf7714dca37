use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const WAIT: Duration = Duration::from_millis(50);

/// Returns a window that has seen record `newest`, and when it did.
fn window_at(newest: u64) -> (RecordWindow, Instant) {
    let (mut window, now) = (RecordWindow::default(), Instant::now());
    assert_eq!(window.authenticated(newest, now, WAIT), Arrival::InOrder);
    (window, now)
}

#[test]
fn nothing_is_awaited_before_the_first_record_or_while_they_come_in_order() {
    let (mut window, now) = window_at(7);
    for sequence in 8..200 {
        assert!(!window.must_hold(sequence) && !window.is_known(sequence));
        assert_eq!(window.authenticated(sequence, now, WAIT), Arrival::InOrder);
        assert!(window.is_known(sequence));
    }
    assert_eq!((window.oldest_missing(), window.next_expiry(), window.lost), (None, None, 0));
}

#[test]
fn what_was_skipped_is_awaited_and_comes_late() {
    let (mut window, now) = window_at(1);
    assert_eq!(window.authenticated(4, now, WAIT), Arrival::InOrder);
    assert_eq!((window.oldest_missing(), window.next_expiry()), (Some(2), Some(now + WAIT)));
    assert!(!window.is_known(2) && window.is_known(1) && window.is_known(4));
    assert_eq!(window.authenticated(2, now, WAIT), Arrival::Late);
    assert_eq!(window.oldest_missing(), Some(3));
    assert_eq!(window.authenticated(3, now, WAIT), Arrival::Late);
    assert_eq!((window.oldest_missing(), window.lost, window.newest_lost), (None, 0, None));
}

#[test]
fn what_does_not_come_in_time_is_given_up() {
    let (mut window, now) = window_at(1);
    window.authenticated(3, now, WAIT);
    let later = now + WAIT / 2;
    window.authenticated(6, later, WAIT);
    window.expire(now + WAIT - Duration::from_nanos(1));
    assert_eq!((window.oldest_missing(), window.lost), (Some(2), 0));
    window.expire(now + WAIT);
    assert_eq!((window.oldest_missing(), window.lost, window.newest_lost), (Some(4), 1, Some(2)));
    assert_eq!(window.next_expiry(), Some(later + WAIT));
    window.expire(later + WAIT);
    assert_eq!((window.oldest_missing(), window.lost, window.newest_lost), (None, 3, Some(5)));
}

#[test]
fn what_was_given_up_and_comes_after_all_is_not_lost() {
    let (mut window, now) = window_at(1);
    window.authenticated(3, now, WAIT);
    window.expire(now + WAIT);
    assert_eq!(window.lost, 1);
    assert_eq!(window.authenticated(2, now + WAIT, WAIT), Arrival::Late);
    assert_eq!(window.lost, 0);
}

#[test]
fn a_forged_record_does_not_take_the_place_of_a_held_one() {
    let (mut window, now) = window_at(0);
    window.authenticated(2, now, WAIT);
    for bytes in [b"forged", b"honest"] {
        window.hold(90, bytes, now);
    }
    window.expire(now + WAIT);
    let released: Vec<_> = std::iter::from_fn(|| window.release()).map(|(_, held)| held.bytes).collect();
    assert_eq!(released, [b"forged", b"honest"]);
}

#[test]
fn a_record_is_held_where_it_would_push_an_awaited_one_out_of_the_replay_window() {
    let (mut window, now) = window_at(1);
    window.authenticated(3, now, WAIT);
    assert!(!window.must_hold(2 + 63));
    assert!(window.must_hold(2 + 64));
    window.hold(2 + 64, b"held", now);
    assert!(window.is_known(2 + 64));
    assert_eq!(window.release(), None);
    window.authenticated(2, now, WAIT);
    assert_eq!(window.release(), Some((2 + 64, Held { bytes: b"held".to_vec(), arrived: now })));
    assert_eq!(window.release(), None);
}

#[test]
fn held_records_go_in_order_once_the_awaited_one_is_given_up() {
    let (mut window, now) = window_at(0);
    window.authenticated(2, now, WAIT);
    for sequence in [90, 70, 80] {
        window.hold(sequence, &[sequence as u8], now);
    }
    assert_eq!(window.release(), None);
    window.expire(now + WAIT);
    let mut released = Vec::new();
    while let Some((sequence, held)) = window.release() {
        assert_eq!(held.bytes, [sequence as u8]);
        released.push(sequence);
    }
    assert_eq!(released, [70, 80, 90]);
}

#[test]
fn a_jump_awaits_only_what_openssl_would_take() {
    let (mut window, now) = window_at(9);
    window.authenticated(200, now, WAIT);
    assert_eq!(window.oldest_missing(), Some(200 - 63));
    assert_eq!((window.lost, window.newest_lost), (127, Some(136)));
    // A second jump pushes out what was still awaited.
    window.authenticated(400, now, WAIT);
    assert_eq!(window.oldest_missing(), Some(400 - 63));
    assert_eq!(window.lost, 127 + 63 + 136);
}

#[test]
fn hostile_sequence_numbers_cost_nothing() {
    let (mut window, now) = window_at(0);
    for sequence in [1 << 47, (1 << 48) - 1] {
        window.authenticated(sequence, now, WAIT);
        assert!(window.missing.len() <= 63);
    }
    window.expire(now + WAIT);
    assert_eq!(window.lost, (1 << 48) - 1 - 2);
    // A number from the start is late, and nothing is awaited for it.
    assert_eq!(window.authenticated(5, now, WAIT), Arrival::Late);
    assert_eq!(window.oldest_missing(), None);
}

#[test]
fn more_than_a_burst_ends_the_waiting() {
    for (len, most) in [(100, MAX_HELD), (60_000, MAX_HELD_BYTES / 60_000 + 1)] {
        let (mut window, now) = window_at(0);
        window.authenticated(2, now, WAIT);
        for sequence in 100..100 + 3 * MAX_HELD as u64 {
            assert_eq!(window.must_hold(sequence), window.held.len() < most);
            window.hold(sequence, &vec![0; len], now);
        }
        assert_eq!((window.held.len(), window.lost), (most, 1));
        assert_eq!(std::iter::from_fn(|| window.release()).count(), most);
        assert_eq!(window.held_bytes, 0);
    }
}

/// A model of OpenSSL's replay protection, which is that of RFC 6347.
#[derive(Default)]
struct ReplayWindow {
    newest: u64,
    seen: BTreeSet<u64>,
}

impl ReplayWindow {
    fn takes(&mut self, sequence: u64) -> bool {
        let takes = sequence + 64 > self.newest && self.seen.insert(sequence);
        self.newest = self.newest.max(sequence);
        takes
    }
}

/// Uses the window as the client does, over a model of OpenSSL.
struct Receiver {
    window: RecordWindow,
    openssl: ReplayWindow,
    now: Instant,
    opened: Vec<u64>,
}

impl Receiver {
    fn arrive(&mut self, sequence: u64) -> Result<(), TestCaseError> {
        if self.window.must_hold(sequence) {
            self.window.hold(sequence, &sequence.to_be_bytes(), self.now);
        } else {
            self.open(sequence, self.now)?;
        }
        self.release()
    }

    fn pass_until(&mut self, time: Instant) -> Result<(), TestCaseError> {
        while let Some(at) = self.window.next_expiry().filter(|&at| at <= time) {
            self.now = at;
            let missing = self.window.oldest_missing();
            self.window.expire(at);
            prop_assert_ne!(self.window.oldest_missing(), missing, "an expiry does something");
            self.release()?;
        }
        self.now = time;
        Ok(())
    }

    fn release(&mut self) -> Result<(), TestCaseError> {
        while let Some((sequence, held)) = self.window.release() {
            prop_assert_eq!(&held.bytes[..], sequence.to_be_bytes());
            prop_assert!(
                self.now - held.arrived <= 2 * WAIT,
                "{} was held for {:?}",
                sequence,
                self.now - held.arrived
            );
            self.open(sequence, held.arrived)?;
            self.window.expire(self.now);
        }
        Ok(())
    }

    fn open(&mut self, sequence: u64, arrived: Instant) -> Result<(), TestCaseError> {
        let awaited = self.window.missing.contains_key(&sequence);
        let takes = self.openssl.takes(sequence);
        prop_assert!(takes || !awaited, "{} was awaited, and OpenSSL refuses it", sequence);
        if takes {
            self.window.authenticated(sequence, arrived, WAIT);
            self.opened.push(sequence);
        }
        Ok(())
    }
}

proptest! {
    /// Sends some records each millisecond, of which each is lost or late by less than the wait.
    #[test]
    fn an_awaited_record_is_never_pushed_out(
        delays in prop::collection::vec(prop::option::weighted(0.9, 0..WAIT.as_millis() as u64), 1..800),
        records_a_millisecond in 1..6u64,
    ) {
        let start = Instant::now();
        let mut arrivals: Vec<(u64, u64)> = (1u64..)
            .zip(&delays)
            .filter_map(|(sequence, delay)| Some((sequence / records_a_millisecond + (*delay)?, sequence)))
            .collect();
        arrivals.sort_unstable();
        let (window, openssl) = (RecordWindow::default(), ReplayWindow::default());
        let mut receiver = Receiver { window, openssl, now: start, opened: Vec::new() };
        receiver.arrive(0)?;
        for &(at, sequence) in &arrivals {
            receiver.pass_until(start + Duration::from_millis(at))?;
            receiver.arrive(sequence)?;
            if let Some(missing) = receiver.window.oldest_missing() {
                prop_assert!(receiver.openssl.newest < missing + 64, "{} has been pushed out", missing);
            }
        }
        // Records that were held behind an awaited one can show that another is missing.
        while let Some(at) = receiver.window.next_expiry() {
            prop_assert!(at <= receiver.now + WAIT);
            receiver.pass_until(at)?;
        }
        prop_assert!(receiver.window.held.is_empty());
        // A record that OpenSSL did not see counts as lost.
        let newest = receiver.opened.iter().max().unwrap();
        prop_assert_eq!(receiver.window.lost, newest + 1 - receiver.opened.len() as u64);
    }
}
