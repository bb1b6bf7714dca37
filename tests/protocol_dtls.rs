//! DTLS endpoints with each other: handshakes over good and bad links, and sessions that noise does not end.
//!
//! OpenSSL's handshake timer reads the real clock, so tests that need it set short intervals.

use gstwyze::protocol::credentials::{Credentials, Psk};
use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, EndpointState, Failure, Role, Suite};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};

const BOTH: [Suite; 2] = [Suite::EcdhePskChacha20Poly1305, Suite::PskAes128CbcSha256];
/// The cameras' suites, and one that is only for tests with other implementations.
const ALL: [Suite; 3] = [BOTH[0], BOTH[1], Suite::PskAes128GcmSha256];
const SERVER: Role = Role::Server { hello_verify: false };
/// Bytes of a record's header.
const HEADER: usize = 13;

fn psk(enr: &str) -> Psk {
    Credentials::new("HSBJYB5HSETGCDWD111A", enr, "AABBCCDDEEFF").unwrap().psk()
}

fn settings(role: Role, suites: &[Suite]) -> EndpointSettings {
    let mut settings = EndpointSettings::new(role, psk("roTRg3tiuL3TjXhm"));
    settings.suites = suites.to_vec();
    settings
}

/// Settings whose handshake timer a test can afford to wait for.
fn fast(role: Role, suites: &[Suite]) -> EndpointSettings {
    EndpointSettings { first_resend: Duration::from_millis(20), ..settings(role, suites) }
}

struct Pair {
    client: Endpoint,
    server: Endpoint,
}

impl Pair {
    fn new(client: &EndpointSettings, server: &EndpointSettings) -> Self {
        Pair { client: Endpoint::new(client).unwrap(), server: Endpoint::new(server).unwrap() }
    }

    /// Makes an established session with `suite`.
    fn established(suite: Suite) -> Self {
        let mut pair = Pair::new(&settings(Role::Client, &[suite]), &settings(SERVER, &ALL));
        pair.exchange(&mut |datagram| vec![datagram]);
        assert_eq!(pair.states(), (&EndpointState::Established, &EndpointState::Established));
        pair
    }

    fn states(&self) -> (&EndpointState, &EndpointState) {
        (self.client.state(), self.server.state())
    }

    /// Carries datagrams both ways until both are silent. `link` returns, for each datagram sent, those that arrive.
    fn exchange(&mut self, link: &mut dyn FnMut(Vec<u8>) -> Vec<Vec<u8>>) {
        loop {
            let mut silent = true;
            while let Some(datagram) = self.client.poll_transmit() {
                silent = false;
                link(datagram).iter().for_each(|datagram| self.server.handle_datagram(datagram, |_| {}));
            }
            while let Some(datagram) = self.server.poll_transmit() {
                silent = false;
                link(datagram).iter().for_each(|datagram| self.client.handle_datagram(datagram, |_| {}));
            }
            if silent {
                return;
            }
        }
    }

    /// Carries datagrams and runs timers while `unfinished` returns true, for 20 s at most.
    fn run(&mut self, link: &mut dyn FnMut(Vec<u8>) -> Vec<Vec<u8>>, unfinished: impl Fn(&Pair) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        self.exchange(link);
        while unfinished(self) && Instant::now() < until {
            let due = [self.client.next_timeout(), self.server.next_timeout()].into_iter().flatten().min();
            let Some(due) = due else { return };
            std::thread::sleep(due);
            self.client.handle_timeout();
            self.server.handle_timeout();
            self.exchange(link);
        }
    }

    /// Has the server make a record for the client, and returns it without delivering it.
    fn record(&mut self, data: &[u8]) -> Vec<u8> {
        assert!(self.server.send(data));
        let record = self.server.poll_transmit().unwrap();
        assert_eq!(self.server.poll_transmit(), None, "a record is one datagram");
        record
    }

    /// Delivers a datagram to the client, and returns what it reads.
    fn receive(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let mut received = Vec::new();
        self.client.handle_datagram(datagram, |plain| received.push(plain.to_vec()));
        received
    }

    fn assert_alive(&mut self, what: &str) {
        assert_eq!(self.client.state(), &EndpointState::Established, "{what}");
        let record = self.record(b"alive");
        assert_eq!(self.receive(&record), [b"alive"], "{what}");
    }

    fn assert_echo(&mut self) {
        for len in [1, 64, 1250, 16_000] {
            let data: Vec<u8> = (0..len).map(|i| i as u8).collect();
            assert!(self.client.send(&data));
            let datagram = self.client.poll_transmit().unwrap();
            let mut echo = Vec::new();
            self.server.handle_datagram(&datagram, |plain| echo = plain.to_vec());
            let record = self.record(&echo);
            assert_eq!(self.receive(&record), [data]);
        }
    }
}

fn is_handshaking(endpoint: &Endpoint) -> bool {
    *endpoint.state() == EndpointState::Handshaking
}

// Handshakes

#[test]
fn handshakes_complete_with_both_suites_and_hello_verify() {
    for suite in BOTH {
        for hello_verify in [false, true] {
            let server = settings(Role::Server { hello_verify }, &BOTH);
            let mut pair = Pair::new(&settings(Role::Client, &[suite]), &server);
            let mut datagrams = 0;
            pair.exchange(&mut |datagram| {
                datagrams += 1;
                assert!(datagram.len() <= 1200, "a flight of {} bytes", datagram.len());
                vec![datagram]
            });
            assert_eq!(pair.states(), (&EndpointState::Established, &EndpointState::Established));
            assert_eq!((pair.client.suite(), pair.server.suite()), (Some(suite), Some(suite)));
            assert_eq!((pair.client.next_timeout(), pair.server.next_timeout()), (None, None));
            assert_eq!(datagrams, if hello_verify { 6 } else { 4 });
            pair.assert_echo();
        }
    }
}

#[test]
fn the_client_prefers_chacha_and_falls_back_to_cbc() {
    let client = EndpointSettings::new(Role::Client, psk("roTRg3tiuL3TjXhm"));
    for (offered, chosen) in [(&BOTH[..], BOTH[0]), (&BOTH[1..], BOTH[1])] {
        let mut pair = Pair::new(&client, &settings(SERVER, offered));
        pair.exchange(&mut |datagram| vec![datagram]);
        assert_eq!(pair.client.suite(), Some(chosen));
    }
}

#[test]
fn no_suite_in_common_gives_an_alert() {
    let mut pair = Pair::new(&settings(Role::Client, &BOTH[..1]), &settings(SERVER, &BOTH[1..]));
    pair.exchange(&mut |datagram| vec![datagram]);
    assert_eq!(pair.client.alert(), Some(Failure::Alert(40)));
    assert_eq!(pair.client.state(), &EndpointState::Handshaking, "the alert may be forged");
    assert!(matches!(pair.server.state(), EndpointState::Failed(_)));
    assert!(!pair.client.send(b"nobody hears this"));
}

#[test]
fn the_client_hello_has_what_cameras_accept() {
    let mut client = Endpoint::new(&EndpointSettings::new(Role::Client, psk("roTRg3tiuL3TjXhm"))).unwrap();
    let hello = client.poll_transmit().unwrap();
    assert_eq!(client.poll_transmit(), None);
    let (suites, extensions) = read_client_hello(&hello);
    // Any further one is 0x00FF, which signals safe renegotiation and is no suite; newer OpenSSL uses an extension for
    // it.
    assert_eq!(suites[..2], [0xCCAC, 0x00AE]);
    assert!(suites[2..].iter().all(|&suite| suite == 0x00FF), "{suites:04X?}");
    let body = |kind: u16| extensions.iter().find(|(extension, _)| *extension == kind).map(|(_, body)| &body[..]);
    assert_eq!(body(10), Some(&[0, 2, 0, 0x1D][..]), "groups are X25519 alone");
    assert_eq!(body(22), None, "encrypt-then-MAC");
    assert_eq!(body(23), None, "extended master secret");
    assert_eq!(body(35), None, "session ticket");
}

/// Reads the suites and extensions of a ClientHello that is one record.
fn read_client_hello(datagram: &[u8]) -> (Vec<u16>, Vec<(u16, Vec<u8>)>) {
    let u16_at = |at: usize| u16::from_be_bytes([datagram[at], datagram[at + 1]]);
    assert_eq!((datagram[0], datagram[HEADER]), (22, 1), "a handshake record with a ClientHello");
    let mut at = HEADER + 12;
    assert_eq!(u16_at(at), 0xFEFD, "DTLS 1.2");
    at += 2 + 32;
    // Skip the session id and the cookie.
    at += 1 + usize::from(datagram[at]);
    at += 1 + usize::from(datagram[at]);
    let suites_end = at + 2 + usize::from(u16_at(at));
    let suites = (at + 2..suites_end).step_by(2).map(u16_at).collect();
    at = suites_end + 1 + usize::from(datagram[suites_end]);
    let mut extensions = Vec::new();
    at += 2;
    while at < datagram.len() {
        let end = at + 4 + usize::from(u16_at(at + 2));
        extensions.push((u16_at(at), datagram[at + 4..end].to_vec()));
        at = end;
    }
    (suites, extensions)
}

// Timers

#[test]
fn the_first_resend_is_due_as_set() {
    let first_resend = Duration::from_secs(5);
    let mut client = Endpoint::new(&EndpointSettings { first_resend, ..settings(Role::Client, &BOTH) }).unwrap();
    let due = client.next_timeout().unwrap();
    assert!((first_resend / 2..=first_resend).contains(&due), "{due:?}");
    // It is not due yet, so nothing is sent.
    assert!(client.poll_transmit().is_some());
    client.handle_timeout();
    assert_eq!(client.poll_transmit(), None);
    // A server has nothing to resend before it has received something.
    assert_eq!(Endpoint::new(&settings(SERVER, &BOTH)).unwrap().next_timeout(), None);
}

#[test]
fn resends_come_at_doubled_intervals() {
    let first_resend = Duration::from_millis(200);
    let mut client = Endpoint::new(&EndpointSettings { first_resend, ..settings(Role::Client, &BOTH) }).unwrap();
    let hello = client.poll_transmit().unwrap();
    for interval in [first_resend * 2, first_resend * 4] {
        std::thread::sleep(client.next_timeout().unwrap());
        client.handle_timeout();
        let due = client.next_timeout().unwrap();
        assert!(interval / 2 < due && due <= interval, "{due:?}");
        // It is the same message in a new record.
        assert_eq!(client.poll_transmit().unwrap()[HEADER..], hello[HEADER..]);
        assert_eq!(client.poll_transmit(), None);
    }
}

/// Asserts that handshakes complete though 30 % of all datagrams are lost. Each seed has a thread of its own, because
/// it mostly waits for timers.
fn assert_lossy_handshakes(suite: Suite) {
    let runs: Vec<_> = (0..20)
        .map(|seed| {
            std::thread::spawn(move || {
                let mut rng = StdRng::seed_from_u64(seed);
                let hello_verify = seed % 2 == 0;
                let server = fast(Role::Server { hello_verify }, &BOTH);
                let mut pair = Pair::new(&fast(Role::Client, &[suite]), &server);
                let mut link = |datagram| if rng.random_bool(0.3) { vec![] } else { vec![datagram] };
                pair.run(&mut link, |pair| is_handshaking(&pair.client) || is_handshaking(&pair.server));
                assert_eq!(pair.states(), (&EndpointState::Established, &EndpointState::Established), "seed {seed}");
                pair.assert_echo();
            })
        })
        .collect();
    for run in runs {
        run.join().unwrap();
    }
}

#[test]
fn chacha_handshakes_complete_over_a_lossy_link() {
    assert_lossy_handshakes(Suite::EcdhePskChacha20Poly1305);
}

#[test]
fn cbc_handshakes_complete_over_a_lossy_link() {
    assert_lossy_handshakes(Suite::PskAes128CbcSha256);
}

#[test]
fn a_handshake_completes_despite_loss_copies_reordering_and_noise() {
    let runs: Vec<_> = (0..12)
        .map(|seed| {
            std::thread::spawn(move || {
                let mut rng = StdRng::seed_from_u64(seed);
                let suite = BOTH[seed as usize % 2];
                let mut late = None;
                let mut link = |datagram: Vec<u8>| {
                    let mut arriving = vec![noise(&mut rng, 0)];
                    if rng.random_bool(0.2) {
                        return arriving;
                    }
                    if rng.random_bool(0.2) {
                        arriving.push(datagram.clone());
                    }
                    if rng.random_bool(0.2) && late.is_none() {
                        late = Some(datagram);
                    } else {
                        arriving.push(datagram);
                        arriving.extend(late.take());
                    }
                    arriving
                };
                // OpenSSL fails if datagrams come in an unlucky order; both sides then begin anew, as the client and
                // cameras do.
                let mut attempts = (0..4).map(|_| {
                    let mut pair = Pair::new(&fast(Role::Client, &[suite]), &fast(SERVER, &BOTH));
                    pair.run(&mut link, |pair| is_handshaking(&pair.client) || is_handshaking(&pair.server));
                    pair
                });
                let established =
                    attempts.find(|pair| pair.states() == (&EndpointState::Established, &EndpointState::Established));
                established.unwrap_or_else(|| panic!("seed {seed}")).assert_echo();
            })
        })
        .collect();
    for run in runs {
        run.join().unwrap();
    }
}

#[test]
fn a_wrong_key_is_suspected_when_the_peer_falls_silent() {
    for suite in BOTH {
        let mut client = fast(Role::Client, &[suite]);
        client.psk = psk("anotherEnrOf16ch");
        let mut pair = Pair::new(&client, &fast(SERVER, &BOTH));
        pair.run(&mut |datagram| vec![datagram], |pair| {
            is_handshaking(&pair.client) && !pair.client.suspects_wrong_key()
        });
        let says_so = *pair.client.state() == EndpointState::Failed(Failure::WrongKey);
        assert!(says_so || pair.client.suspects_wrong_key(), "{suite:?}: {:?}", pair.client.state());
    }
}

#[test]
fn an_unanswered_hello_is_not_taken_for_a_wrong_key() {
    let mut client = Endpoint::new(&fast(Role::Client, &BOTH)).unwrap();
    for _ in 0..4 {
        std::thread::sleep(client.next_timeout().unwrap());
        client.handle_timeout();
    }
    assert!(!client.suspects_wrong_key(), "no hello was answered");
}

// Established sessions

#[test]
fn a_record_with_any_byte_flipped_is_dropped() {
    for suite in BOTH {
        let mut pair = Pair::established(suite);
        for at in 0..pair.record(&[5; 200]).len() {
            let mut record = pair.record(&[5; 200]);
            record[at] ^= 0x41;
            assert!(pair.receive(&record).is_empty(), "{suite:?} byte {at}");
            pair.assert_alive(&format!("{suite:?} byte {at}"));
        }
    }
}

#[test]
fn a_record_cut_anywhere_is_dropped() {
    for suite in ALL {
        let mut pair = Pair::established(suite);
        let len = pair.record(&[5; 200]).len();
        for cut in 0..len {
            let mut record = pair.record(&[5; 200]);
            assert!(pair.receive(&record[..cut]).is_empty(), "{suite:?} cut to {cut}");
            // Cut it again with a header that gives the shorter length, down to less than the tag.
            record.truncate(cut.max(HEADER));
            let body = (record.len() - HEADER) as u16;
            record[11..13].copy_from_slice(&body.to_be_bytes());
            assert!(pair.receive(&record).is_empty(), "{suite:?} body of {body}");
            pair.assert_alive(&format!("{suite:?} cut to {cut}"));
        }
    }
}

#[test]
fn copies_are_dropped_and_late_records_accepted_within_the_replay_window() {
    for suite in BOTH {
        let mut pair = Pair::established(suite);
        let records: Vec<_> = (0..=100u8).map(|i| pair.record(&[i])).collect();
        assert_eq!(pair.receive(&records[1]), [[1]]);
        assert_eq!(pair.receive(&records[0]), [[0]]);
        assert!(pair.receive(&records[0]).is_empty() && pair.receive(&records[1]).is_empty());
        assert_eq!(pair.receive(&records[100]), [[100]]);
        let taken: Vec<usize> = (2..100).filter(|&i| !pair.receive(&records[i]).is_empty()).collect();
        assert_eq!(taken, (100 - 63..100).collect::<Vec<_>>());
        pair.assert_alive("after copies");
    }
}

#[test]
fn a_bad_record_does_not_spoil_others_in_its_datagram() {
    for suite in BOTH {
        let mut pair = Pair::established(suite);
        let (first, mut bad, third) = (pair.record(b"first"), pair.record(b"bad"), pair.record(b"third"));
        let last = bad.len() - 1;
        bad[last] ^= 1;
        let datagram = [&first[..], &bad, &third, b"junk"].concat();
        assert_eq!(pair.receive(&datagram), [&b"first"[..], b"third"]);
        pair.assert_alive("after a bad record");
    }
}

/// Makes a datagram of random bytes, mostly behind a header that fits, with an epoch up to `max_epoch`.
fn noise(rng: &mut StdRng, max_epoch: u8) -> Vec<u8> {
    let mut datagram: Vec<u8> = (0..rng.random_range(1..1400usize)).map(|_| rng.random()).collect();
    if datagram.len() > HEADER && rng.random_bool(0.7) {
        let body = (datagram.len() - HEADER) as u16;
        let kind = rng.random_range(20..26);
        datagram[..5].copy_from_slice(&[kind, 0xFE, 0xFD, 0, rng.random_range(0..=max_epoch)]);
        datagram[11..13].copy_from_slice(&body.to_be_bytes());
    }
    datagram
}

#[test]
fn noise_does_not_end_a_session() {
    for suite in BOTH {
        let mut pair = Pair::established(suite);
        let mut rng = StdRng::seed_from_u64(1);
        for i in 0..20_000 {
            let datagram = noise(&mut rng, 2);
            assert!(pair.receive(&datagram).is_empty());
            assert_eq!(pair.client.state(), &EndpointState::Established, "{suite:?} datagram {i}");
        }
        pair.assert_alive("after noise");
    }
}

#[test]
fn forged_plaintext_records_do_not_end_a_session() {
    for suite in BOTH {
        let mut pair = Pair::established(suite);
        let header = |kind, epoch, len| [kind, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 99, 0, len];
        for epoch in 0..3 {
            for level in [1, 2] {
                for alert in [0, 10, 20, 40, 80, 90, 100] {
                    let forged = [&header(21, epoch, 2)[..], &[level, alert]].concat();
                    assert!(pair.receive(&forged).is_empty());
                    pair.assert_alive(&format!("{suite:?} alert {alert} of level {level} in epoch {epoch}"));
                }
            }
            pair.receive(&[&header(20, epoch, 1)[..], &[1]].concat());
            pair.assert_alive("after a forged ChangeCipherSpec");
        }
        let mut stranger = Endpoint::new(&settings(Role::Client, &BOTH)).unwrap();
        pair.receive(&stranger.poll_transmit().unwrap());
        pair.assert_alive("after a stranger's hello");
    }
}

#[test]
fn noise_before_the_handshake_does_not_spoil_it() {
    let mut rng = StdRng::seed_from_u64(9);
    for i in 0..300 {
        let suite = BOTH[i % 2];
        let mut pair = Pair::new(&settings(Role::Client, &[suite]), &settings(SERVER, &BOTH));
        for _ in 0..10 {
            pair.server.handle_datagram(&noise(&mut rng, 0), |_| {});
            pair.client.handle_datagram(&noise(&mut rng, 0), |_| {});
        }
        pair.exchange(&mut |datagram| vec![datagram]);
        assert_eq!(pair.states(), (&EndpointState::Established, &EndpointState::Established), "handshake {i}");
    }
}

#[test]
fn a_goodbye_closes_both_ends() {
    for suite in BOTH {
        let mut pair = Pair::established(suite);
        pair.server.close();
        let goodbye = pair.server.poll_transmit().unwrap();
        assert_eq!(pair.server.state(), &EndpointState::Closed);
        assert!(!pair.server.send(b"too late"));
        assert!(pair.receive(&goodbye).is_empty());
        assert_eq!(pair.client.state(), &EndpointState::Closed);
        assert!(!pair.client.send(b"too late"));
        // Whatever comes later is ignored, and closing again sends nothing.
        pair.client.handle_datagram(&goodbye, |_| panic!("nothing is read"));
        pair.server.close();
        assert_eq!(pair.server.poll_transmit(), None);
    }
}

#[test]
fn closing_before_a_session_sends_nothing() {
    let mut client = Endpoint::new(&settings(Role::Client, &BOTH)).unwrap();
    client.poll_transmit();
    client.close();
    assert_eq!(client.state(), &EndpointState::Closed);
    assert_eq!((client.poll_transmit(), client.next_timeout()), (None, None));
}

#[test]
fn an_established_server_resends_a_lost_last_flight() {
    // With fast timers, a slow machine would have a datagram sent again before the fourth.
    let mut pair = Pair::new(&settings(Role::Client, &BOTH), &settings(SERVER, &BOTH));
    let mut count = 0;
    // The fourth datagram, the server's Finished, is lost; before it come the hello, its answer and the client's
    // Finished.
    let mut link = |datagram| {
        count += 1;
        if count == 4 { vec![] } else { vec![datagram] }
    };
    pair.exchange(&mut link);
    assert_eq!(pair.states(), (&EndpointState::Handshaking, &EndpointState::Established));
    pair.run(&mut link, |pair| is_handshaking(&pair.client));
    assert_eq!(pair.states(), (&EndpointState::Established, &EndpointState::Established));
    pair.assert_echo();
}

/// Leaves an error in the thread's OpenSSL queue, as other users of OpenSSL do.
fn leave_a_stale_error() {
    let errors = openssl::x509::X509::from_pem(b"junk").unwrap_err();
    assert!(!errors.errors().is_empty());
    errors.put();
}

#[test]
fn a_stale_error_of_another_openssl_user_changes_nothing() {
    for suite in BOTH {
        leave_a_stale_error();
        let mut pair = Pair::new(&settings(Role::Client, &[suite]), &settings(SERVER, &BOTH));
        pair.exchange(&mut |datagram| {
            leave_a_stale_error();
            vec![datagram]
        });
        assert_eq!(pair.states(), (&EndpointState::Established, &EndpointState::Established));
        leave_a_stale_error();
        let record = pair.record(b"data");
        leave_a_stale_error();
        assert_eq!(pair.receive(&record), [b"data"]);
        // For a copy OpenSSL reports nothing, so the stale error must not be taken for its result.
        leave_a_stale_error();
        assert!(pair.receive(&record).is_empty());
        pair.assert_alive("after stale errors");
        leave_a_stale_error();
        pair.server.close();
        assert!(pair.server.poll_transmit().is_some());
    }
}
