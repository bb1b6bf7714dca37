//! Target `record_window`: the record window, with a model of OpenSSL's replay protection behind it.

use super::input::Input;
use gstwyze::protocol::record_window::RecordWindow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_millis(50);

/// Replay protection as RFC 6347, section 4.1.2.6, describes it.
#[derive(Default)]
struct OpenSsl {
    newest: u64,
    seen: BTreeSet<u64>,
}

impl OpenSsl {
    fn takes(&mut self, sequence: u64) -> bool {
        let takes = sequence + 64 > self.newest && self.seen.insert(sequence);
        self.newest = self.newest.max(sequence);
        takes
    }
}

struct Receiver {
    window: RecordWindow,
    openssl: OpenSsl,
    /// How many records the window holds of each sequence number.
    held: BTreeMap<u64, usize>,
    now: Instant,
}

/// Delivers records with any sequence numbers, some of them forged, at any times.
pub fn record_window(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut receiver = Receiver {
        window: RecordWindow::default(),
        openssl: OpenSsl::default(),
        held: BTreeMap::new(),
        now: Instant::now(),
    };
    receiver.open(0, receiver.now);
    while !input.is_empty() {
        let newest = receiver.openssl.newest;
        match input.below(8) {
            0..=2 => receiver.arrive(newest + 1 + u64::from(input.below(3)), true),
            3 => receiver.arrive((newest + 100).saturating_sub(input.byte().into()), true),
            4 => receiver.arrive(u64::from(input.u32()) << (input.below(17)), true),
            5 => receiver.arrive((newest + 200).saturating_sub(input.byte().into()), false),
            _ => receiver.pass(Duration::from_millis(input.byte().into())),
        }
    }
    let mut steps = 0;
    while let Some(at) = receiver.window.next_expiry() {
        steps += 1;
        assert!(steps < 100_000 && at <= receiver.now + WAIT, "the window never stops waiting");
        receiver.pass(at.saturating_duration_since(receiver.now));
    }
    assert!(receiver.held.is_empty(), "records are held though nothing is awaited");
    // Every record up to the newest either arrived or counts as lost.
    let seen = receiver.openssl.seen.len() as u64;
    assert_eq!(receiver.window.lost, receiver.openssl.newest + 1 - seen);
}

impl Receiver {
    fn arrive(&mut self, sequence: u64, genuine: bool) {
        if self.window.must_hold(sequence) {
            self.window.hold(sequence, &[u8::from(genuine)], self.now);
            *self.held.entry(sequence).or_default() += 1;
        } else if genuine {
            self.open(sequence, self.now);
        }
        self.release();
    }

    fn open(&mut self, sequence: u64, arrived: Instant) {
        if let Some(missing) = self.window.missing().oldest_awaited {
            assert!(sequence < missing + 64, "{sequence} pushes {missing} out");
        }
        let awaited = sequence < self.openssl.newest && !self.window.is_known(sequence);
        let takes = self.openssl.takes(sequence);
        assert!(takes || !awaited, "{sequence} was awaited, and OpenSSL refuses it");
        if takes {
            self.window.authenticated(sequence, arrived, WAIT);
        }
    }

    fn release(&mut self) {
        while let Some((sequence, held)) = self.window.release() {
            let waiting = self.held.get_mut(&sequence).expect("a record that was held");
            *waiting -= 1;
            if *waiting == 0 {
                self.held.remove(&sequence);
            }
            if held.bytes == [1] {
                self.open(sequence, held.arrived);
            }
            self.window.expire(self.now);
        }
        // The window forgets records past its limit.
        if self.held.values().sum::<usize>() >= 512 {
            self.held.retain(|sequence, _| self.window.is_known(*sequence));
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.window.expire(self.now);
        assert!(
            self.window.next_expiry().is_none_or(|at| at > self.now),
            "time has passed an expiry that is still waited for"
        );
        self.release();
    }
}
