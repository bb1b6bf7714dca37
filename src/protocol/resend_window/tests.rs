use super::*;

const PATIENCE: Duration = Duration::from_millis(300);

struct Receiver {
    window: ResendWindow,
    now: Instant,
}

impl Receiver {
    /// Begins with a packet that has this counter and is its frame's first.
    fn new(first: u16) -> Self {
        let mut receiver = Receiver { window: ResendWindow::default(), now: Instant::now() };
        assert!(!receiver.gets(first));
        receiver
    }

    fn gets(&mut self, counter: u16) -> bool {
        self.gets_counters(Counters { inner: counter, outer: 0, index: 0, is_resent: false }).1
    }

    fn gets_again(&mut self, counter: u16) {
        self.gets_counters(Counters { inner: counter, outer: 0, index: 0, is_resent: true });
    }

    fn gets_counters(&mut self, counters: Counters) -> (u64, bool) {
        self.window.received(counters, self.now, PATIENCE)
    }

    /// Returns base, newest and the list of the next ACK.
    fn ack(&mut self) -> (u16, u16, Vec<u16>) {
        let Acknowledged { base, newest, missing } = self.window.acknowledge();
        (base, newest, missing)
    }

    fn resends(&self) -> (u64, u64, u64) {
        let Resends { asked, filled, given_up } = self.window.resends;
        (asked, filled, given_up)
    }
}

/// The example of resend.md, section 5.
#[test]
fn acks_are_those_of_the_reference() {
    let mut receiver = Receiver::new(99);
    assert_eq!(receiver.ack(), (98, 99, vec![]));
    let opens_hole: Vec<_> = [100, 101, 104, 105].map(|counter| receiver.gets(counter)).into();
    assert_eq!(opens_hole, [false, false, true, false]);
    assert_eq!(receiver.ack(), (99, 105, vec![3, 4]));
    assert_eq!(receiver.ack(), (101, 105, vec![1, 2]));
    receiver.gets_again(102);
    receiver.gets_again(103);
    assert_eq!(receiver.ack(), (101, 105, vec![]));
    assert_eq!(receiver.ack(), (105, 105, vec![]));
    assert_eq!(receiver.resends(), (2, 2, 0));
}

#[test]
fn nothing_is_acknowledged_before_the_first_packet() {
    assert_eq!(ResendWindow::default().acknowledge(), Acknowledged { base: 0xFFFF, newest: 0xFFFF, missing: vec![] });
}

#[test]
fn earlier_packets_of_the_first_frame_are_missing() {
    let mut receiver = Receiver { window: ResendWindow::default(), now: Instant::now() };
    let first = Counters { inner: 2, outer: 0, index: 4, is_resent: false };
    assert!(receiver.gets_counters(first).1);
    assert_eq!(receiver.ack(), (0xFFFD, 2, vec![1, 2, 3, 4]));
}

#[test]
fn a_hole_is_asked_for_until_it_is_filled_or_its_time_is_over() {
    let mut receiver = Receiver::new(0xFFFE);
    receiver.gets(1);
    let started = receiver.now;
    assert_eq!(receiver.window.next_expiry(), Some(started + PATIENCE));
    assert_eq!(receiver.ack(), (0xFFFD, 1, vec![2, 3]));
    receiver.now += PATIENCE / 2;
    receiver.gets(3);
    assert_eq!(receiver.ack(), (0xFFFE, 3, vec![1, 2, 4]));
    receiver.gets_again(0xFFFF);
    receiver.window.expire(started + PATIENCE);
    assert_eq!(receiver.resends(), (3, 1, 1));
    assert_eq!(receiver.ack(), (0xFFFE, 3, vec![4]));
    assert_eq!(receiver.ack(), (1, 3, vec![1]));
    receiver.window.expire(started + 2 * PATIENCE);
    assert_eq!((receiver.resends(), receiver.window.next_expiry()), ((3, 1, 2), None));
    receiver.ack();
    assert_eq!(receiver.ack(), (3, 3, vec![]));
}

/// The camera forgets what is neither listed nor newer than the newest: that one moves back.
#[test]
fn what_does_not_fit_into_a_list_is_not_acknowledged() {
    let mut receiver = Receiver::new(0);
    receiver.gets(601);
    let (base, newest, missing) = receiver.ack();
    assert_eq!((base, newest, missing.len()), (0xFFFF, 256, MAX_MISSING));
    assert_eq!((missing[0], missing[255]), (2, 257));
    for counter in 1..=300 {
        receiver.gets_again(counter);
    }
    assert_eq!(receiver.ack(), (0, 556, (301..=556).collect()));
    assert_eq!(receiver.resends(), (512, 256, 0));
}

#[test]
fn a_counter_that_begins_anew_asks_for_nothing() {
    let mut receiver = Receiver::new(10);
    receiver.gets(20);
    for (counter, expected) in [(30_000, 30_000), (5, 5), (1030, 1030)] {
        let before = receiver.window.newest;
        assert!(!receiver.gets(counter));
        assert!(receiver.window.newest > before, "numbers rise");
        assert_eq!(receiver.ack(), (expected, expected, vec![]));
        assert_eq!(receiver.window.missing().oldest_awaited, None);
        assert_eq!(receiver.window.missing().newest_lost, receiver.window.newest.map(|newest| newest - 1));
    }
    assert_eq!(receiver.resends(), (0, 0, 9));
}

#[test]
fn a_thousand_holes_are_remembered_and_no_more() {
    let mut receiver = Receiver::new(0);
    receiver.gets(1000);
    receiver.gets(2000);
    assert_eq!(receiver.window.holes.len(), 1024);
    assert_eq!(receiver.resends().2, 2 * 999 - 1024);
}

/// With audio and video numbered apart, the tail's counter jumps to and fro; the head's does not.
#[test]
fn the_counter_that_rises_by_one_is_the_one_that_counts() {
    for (by_head, expected) in [(true, (149, 149, vec![])), (false, (9149, 9149, vec![]))] {
        let mut receiver = Receiver { window: ResendWindow::default(), now: Instant::now() };
        let mut last = 0;
        for n in 0..150u16 {
            let other = if n % 3 == 0 { 9000 + n / 3 } else { n };
            let (inner, outer) = if by_head { (other, n) } else { (9000 + n, n / 2) };
            let (number, _) = receiver.gets_counters(Counters { inner, outer, index: 0, is_resent: false });
            assert!(n < 10 || number > last, "numbers rise");
            last = number;
        }
        assert_eq!(receiver.window.counts_by_head(), by_head);
        receiver.ack();
        assert_eq!(receiver.ack(), expected);
    }
}
