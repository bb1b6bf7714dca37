//! The client in a network with hostile hosts, which pose as the camera, forge packets or replay recordings, in virtual
//! time.

#[path = "support/liars.rs"]
mod liars;
#[path = "support/world.rs"]
mod world;

use gstwyze::protocol::client::Config;
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::dtls::{Endpoint, Failure, Role, Suite};
use gstwyze::protocol::error::{Error, RefusedBy, Stage};
use gstwyze::protocol::wire::cc51::{self, Signer};
use gstwyze::protocol::wire::{Channel, SessionId, iotc, transcode};
use liars::{
    Lie, Overheard, Said, alert, carried, crowd, discovery_answer, other_psk_settings, record, scramble,
    session_answer, signer,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use world::{BROADCAST, DISCOVERY, EPHEMERAL, FAT, Stranger, World, both_envelopes, camera_config, client_config};
use wyze_camera::{CameraConfig, DEMO_ENR, DEMO_UID, Envelope, LinkConfig, SyntheticConfig};

const SECOND: Duration = Duration::from_secs(1);
/// The largest UDP payload in IPv4.
const LONGEST: usize = 65_507;

fn address(place: ([u8; 4], u16)) -> SocketAddr {
    SocketAddr::from(place)
}

fn stranger(number: u8) -> SocketAddr {
    address(([10, 0, 1, number], 40_001))
}

/// The settings of a client that looks for the camera by broadcast.
fn searching() -> Config {
    Config { targets: vec![address(BROADCAST)], ..client_config() }
}

fn forged_signer() -> Signer {
    let other = Credentials::new(DEMO_UID, DEMO_ENR, "000000000000").unwrap();
    Signer::new(&other.uid, &other.auth_key())
}

/// Makes `count` hosts that answer each probe at once and go as far as `lie`.
fn liars(count: u8, lie: Lie) -> Stranger {
    Box::new(crowd((1..=count).map(stranger).collect(), lie))
}

/// Asserts that the client connects to the camera and streams, and from then on sends nothing to anybody else.
fn assert_streams(world: &mut World) {
    world.connect();
    assert_eq!(world.connected.as_ref().unwrap().address, address(EPHEMERAL));
    world.astray.clear();
    world.stream(SyntheticConfig::default(), 3 * SECOND);
    world.assert_received_all_but(&BTreeSet::new());
    assert!(world.astray.is_empty(), "{:?}", world.astray);
}

#[test]
fn liars_do_not_keep_the_client_from_the_camera() {
    for envelope in both_envelopes() {
        for lie in [Lie::Discovery, Lie::Session, Lie::Handshake, Lie::Refusal] {
            for count in [1, 7, 11] {
                let mut world = World::new(searching(), camera_config(envelope), 1);
                world.stranger = Some(liars(count, lie));
                let start = world.now;
                assert_streams(&mut world);
                let limit = if count < 8 { SECOND / 5 } else { 9 * SECOND };
                assert!(world.received.len() > 10 && start + limit + 4 * SECOND >= world.now, "{lie:?} {count}");
            }
        }
    }
}

#[test]
fn crowds_of_liars_only_delay_the_camera() {
    let one_host: Vec<_> = (1..=64).map(|port| SocketAddr::new(stranger(1).ip(), 40_000 + port)).collect();
    let many_hosts: Vec<_> = (1..=50).map(stranger).collect();
    for envelope in both_envelopes() {
        for lie in [Lie::Discovery, Lie::Session, Lie::Handshake, Lie::Refusal] {
            for (addresses, limit) in [(&one_host, 3 * SECOND), (&many_hosts, 10 * SECOND)] {
                let mut world = World::new(searching(), camera_config(envelope), 3);
                world.stranger = Some(Box::new(crowd(addresses.clone(), lie)));
                world.run_until(limit, |world| world.connected.is_some());
                assert_eq!(world.ended, None);
                let found = world.connected.as_ref().map(|camera| camera.address);
                assert_eq!(found, Some(address(EPHEMERAL)), "{envelope:?} {lie:?} {}", addresses.len());
            }
            // A host that is asked by its address has a place of its own, as a camera has that was there before.
            let mut world = World::new(client_config(), camera_config(envelope), 3);
            world.stranger = Some(Box::new(crowd(many_hosts.clone(), lie)));
            world.run_until(SECOND / 5, |world| world.connected.is_some());
            assert!(world.connected.is_some(), "{envelope:?} {lie:?}");
        }
    }
}

#[test]
fn a_liar_gets_only_session_requests() {
    let mut world = World::new(searching(), camera_config(Envelope::Transcode), 2);
    world.stranger = Some(liars(1, Lie::Discovery));
    world.set_link(LinkConfig { loss: 1.0, ..LinkConfig::default() });
    world.run_until(60 * SECOND, |_| false);
    assert_eq!(world.ended, Some(Error::Full));
    assert!(!world.astray.is_empty());
    for (to, datagram) in &world.astray {
        assert_eq!(*to, stranger(1));
        let mut plain = datagram.clone();
        transcode::decode(&mut plain).unwrap();
        let allowed = match iotc::Packet::parse(&plain).unwrap() {
            iotc::Packet::DiscoveryRequest(discovery) => discovery.stage == 2 && discovery.auth_key.is_none(),
            iotc::Packet::SessionRequest(_) => true,
            _ => false,
        };
        assert!(allowed);
    }
}

/// Records the camera's datagrams of an earlier session.
fn recording(envelope: Envelope) -> Vec<Vec<u8>> {
    let mut world = World::new(client_config(), camera_config(envelope), 33);
    world.recording = Some(Vec::new());
    world.connect();
    world.stream(SyntheticConfig::default(), SECOND);
    let recording = world.recording.take().unwrap();
    assert!(recording.len() > 50);
    recording
}

#[test]
fn replaying_an_earlier_session_has_no_effect() {
    for envelope in both_envelopes() {
        let recording = recording(envelope);
        for from in [stranger(1), address(([10, 0, 0, 2], 40_002)), address(EPHEMERAL)] {
            let played = recording.clone();
            let mut world = World::new(searching(), camera_config(envelope), 3);
            world.stranger = Some(Box::new(move |_, _| {
                // The datagrams of discovery, session, handshake and login, after each of the client's.
                played[..12].iter().map(|datagram| (from, datagram.clone())).collect()
            }));
            world.connect();
            assert_eq!(world.connected.as_ref().unwrap().address, address(EPHEMERAL));
            for datagram in &recording {
                world.client.handle_datagram(world.now, from, &mut datagram.clone());
            }
            world.stream(SyntheticConfig::default(), 2 * SECOND);
            world.assert_received_all_but(&BTreeSet::new());
        }
    }
}

#[test]
fn only_the_newest_record_changes_the_cameras_address() {
    for envelope in both_envelopes() {
        let mut world = World::new(client_config(), camera_config(envelope), 4);
        world.connect();
        world.recording = Some(Vec::new());
        world.stream(SyntheticConfig::default(), SECOND);
        // Copies of records that have come do not change the address.
        for mut datagram in world.recording.take().unwrap() {
            world.client.handle_datagram(world.now, stranger(1), &mut datagram);
        }
        world.stream(SyntheticConfig::default(), SECOND);
        assert!(world.astray.is_empty(), "{:?}", world.astray.len());
        // Neither does one that was held back until later ones have come.
        let held_back = next_from_camera(&mut world);
        let newer = next_from_camera(&mut world);
        world.client.handle_datagram(world.now, address(EPHEMERAL), &mut newer.clone());
        let late = world.client.stats().reordered;
        world.client.handle_datagram(world.now, stranger(1), &mut held_back.clone());
        assert_eq!(world.client.stats().reordered, late + 1, "the late record is genuine");
        world.run_until(SECOND, |_| false);
        assert!(world.astray.is_empty());
        // The newest record does, until the camera's own next one comes.
        let newest = next_from_camera(&mut world);
        world.client.handle_datagram(world.now, stranger(1), &mut newest.clone());
        world.run_until(SECOND / 4, |_| false);
        assert!(world.astray.iter().all(|(to, _)| *to == stranger(1)) && !world.astray.is_empty());
        world.stream(SyntheticConfig::default(), SECOND);
        world.astray.clear();
        world.run_until(2 * SECOND, |_| false);
        assert!(world.astray.is_empty() && world.ended.is_none());
    }
}

/// Takes a datagram from the camera that does not reach the client.
fn next_from_camera(world: &mut World) -> Vec<u8> {
    world.camera.push_packet(Channel::Main, &[9, 0, 0x0C, 0]);
    let datagram = world.camera.poll_transmit().unwrap().data;
    assert!(world.camera.poll_transmit().is_none());
    datagram
}

#[test]
fn alerts_do_not_end_a_search_and_a_refusal_is_told_at_its_end() {
    for envelope in both_envelopes() {
        for (level, number) in [(2, 40), (2, 20), (2, 51), (1, 0)] {
            let overheard = Rc::new(RefCell::new(Overheard::default()));
            let mut world = World::new(client_config(), camera_config(envelope), 5);
            world.stranger = Some(Box::new(move |_, datagram| {
                let mut overheard = overheard.borrow_mut();
                let said = overheard.listen(datagram);
                let forged = overheard.carry(envelope, &alert(level, number)).filter(|_| said == Said::Dtls);
                forged.into_iter().map(|datagram| (address(EPHEMERAL), datagram)).collect()
            }));
            assert_streams(&mut world);
        }
        let refusing = |camera: CameraConfig, client: Config| {
            let mut world = World::new(client, camera, 6);
            let start = world.now;
            world.run_until(60 * SECOND, |_| false);
            assert_eq!(world.now - start, client_config().connect_timeout);
            world.ended.unwrap()
        };
        let no_suite = CameraConfig { suites: vec![Suite::PskAes128GcmSha256], ..camera_config(envelope) };
        let refused_by = RefusedBy { address: address(EPHEMERAL), hosts: 1 };
        let refusal = Error::Handshake { failure: Failure::Alert(40), refused_by };
        assert_eq!(refusing(no_suite, client_config()), refusal);
    }
}

#[test]
fn forged_hellos_delay_a_handshake_but_do_not_prevent_it() {
    for envelope in both_envelopes() {
        // Another server's answers to the client's hello come before the camera's, which spoils the handshake for good.
        let mut left = 2;
        let mut overheard = Overheard::default();
        let mut world = World::new(client_config(), camera_config(envelope), 7);
        world.stranger = Some(Box::new(move |_, datagram| {
            if overheard.listen(datagram) != Said::Dtls || left == 0 {
                return Vec::new();
            }
            left -= 1;
            let mut plain = datagram.to_vec();
            let hello = match envelope {
                Envelope::Transcode => {
                    transcode::decode(&mut plain).unwrap();
                    plain[28..].to_vec()
                }
                Envelope::Cc51 => plain[28..plain.len() - 20].to_vec(),
            };
            let mut server = Endpoint::new(&other_psk_settings(Role::Server { hello_verify: left == 1 })).unwrap();
            server.handle_datagram(&hello, |_| {});
            std::iter::from_fn(|| server.poll_transmit())
                .map(|flight| (address(EPHEMERAL), overheard.carry(envelope, &flight).unwrap()))
                .collect()
        }));
        world.run_until(9 * SECOND, |world| world.connected.is_some());
        assert!(world.connected.is_some(), "{envelope:?} {:?}", world.stages);
    }
}

#[test]
fn forged_keepalives_get_few_answers_or_none() {
    for envelope in both_envelopes() {
        let overheard = Rc::new(RefCell::new(Overheard::default()));
        let sent = Rc::new(RefCell::new(0));
        let mut world = World::new(client_config(), camera_config(envelope), 8);
        let (listening, counting) = (overheard.clone(), sent.clone());
        world.stranger = Some(Box::new(move |_, datagram| {
            listening.borrow_mut().listen(datagram);
            *counting.borrow_mut() += 1;
            Vec::new()
        }));
        world.connect();
        world.stream(SyntheticConfig::default(), SECOND);
        let forged = |number: u32| match overheard.borrow().cc51 {
            None => scramble(iotc::emit_keepalive(iotc::KEEPALIVE_FROM_CAMERA, u64::from(number).to_le_bytes())),
            Some((_, session_id)) => cc51::Keepalive { counter: number, session_id }.emit(&signer()),
        };
        let before = *sent.borrow();
        for number in 0..10_000 {
            world.client.handle_datagram(world.now, address(EPHEMERAL), &mut forged(number));
            if envelope == Envelope::Transcode {
                world.client.handle_datagram(world.now, stranger(1), &mut forged(number));
            }
        }
        world.exchange();
        let answers = *sent.borrow() - before;
        assert!((1..=40).contains(&answers), "{answers} answers");
        assert!(world.astray.is_empty());
    }
}

#[test]
fn a_bad_hmac_counts_only_from_an_address_that_can_be_the_cameras() {
    let bad = || {
        let answer = cc51::Discovery { from_camera: true, step: 1, ticket: 1, session_id: SessionId([1; 8]) };
        answer.emit(&forged_signer())
    };
    let ended = |client: Config, from: SocketAddr| {
        let mut world = World::new(client, camera_config(Envelope::Cc51), 9);
        world.set_link(LinkConfig { loss: 1.0, ..LinkConfig::default() });
        world.stranger = Some(Box::new(move |_, _| vec![(from, bad())]));
        world.run_until(60 * SECOND, |_| false);
        world.ended.unwrap()
    };
    let probed = vec![address(DISCOVERY)];
    assert_eq!(ended(client_config(), stranger(1)), Error::NoAnswer { probed });
    assert_eq!(ended(client_config(), address(EPHEMERAL)), Error::WrongAuthKey { from: address(EPHEMERAL) });
    assert_eq!(ended(searching(), stranger(1)), Error::WrongAuthKey { from: stranger(1) });

    let mut world = World::new(searching(), camera_config(Envelope::Cc51), 9);
    world.stranger = Some(Box::new(move |_, _| vec![(address(EPHEMERAL), bad()), (stranger(1), bad())]));
    assert_streams(&mut world);
}

#[test]
fn forged_records_in_the_queue_cost_no_genuine_record() {
    for (count, len) in [(400u64, 40), (3000, 40), (400, 16_000)] {
        let overheard = Rc::new(RefCell::new(Overheard::default()));
        let mut world = World::new(client_config(), camera_config(Envelope::Transcode), 10);
        let listening = overheard.clone();
        world.stranger = Some(Box::new(move |_, datagram| {
            listening.borrow_mut().listen(datagram);
            Vec::new()
        }));
        world.connect();
        world.stream(SyntheticConfig::default(), SECOND);
        let before = world.received.len();
        // One record comes late, so that records far enough behind it have to wait, and forged ones wait with them.
        let frame = FAT_KEY_FRAME.with(Clone::clone);
        world.camera.push_frame(world.now, &frame);
        let mut genuine: Vec<_> = std::iter::from_fn(|| world.camera.poll_transmit()).map(|t| t.data).collect();
        assert!(genuine.len() > 140);
        let first_number = record_number(&genuine[0]);
        let lost = genuine.remove(5);
        let first = genuine.split_off(70);
        for mut datagram in genuine {
            world.client.handle_datagram(world.now, address(EPHEMERAL), &mut datagram);
        }
        let session_id = overheard.borrow().session_id.unwrap();
        for number in 0..count {
            let mut forged = carried(session_id, &record(23, 1, first_number + 70 + number, &vec![7; len]));
            world.client.handle_datagram(world.now, address(EPHEMERAL), &mut forged);
        }
        for mut datagram in first {
            world.client.handle_datagram(world.now, address(EPHEMERAL), &mut datagram);
        }
        // If the forged records fill the queue, waiting ends and the late record comes too late, else in time.
        let ended_waiting = count * len as u64 > 1 << 20 || count > 512;
        world.client.handle_datagram(world.now, address(EPHEMERAL), &mut lost.clone());
        world.run_until(SECOND, |_| false);
        if !ended_waiting {
            assert_eq!(world.received.len(), before + 1, "{:?}", world.client.stats());
        }
        // Streaming goes on, and the records that come now show which were lost.
        let before = world.received.len();
        world.sent.clear();
        world.stream(SyntheticConfig::default(), SECOND);
        assert_eq!(world.received.len() - before, world.sent.len());
        let stats = world.client.stats();
        assert!(stats.lost <= u64::from(ended_waiting), "{count} of {len}: {stats:?}");
    }
}

/// Returns the sequence number of the record in a camera's datagram.
fn record_number(datagram: &[u8]) -> u64 {
    let mut plain = datagram.to_vec();
    transcode::decode(&mut plain).unwrap();
    plain[28 + 5..28 + 11].iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

thread_local! {
    static FAT_KEY_FRAME: wyze_camera::MediaFrame = wyze_camera::Synthetic::new(FAT).next_frame().unwrap().1;
}

/// Makes a datagram of a forger who knows all that goes over the network, and its source, which can be any address.
fn forge(rng: &mut StdRng, overheard: &Overheard, envelope: Envelope, recorded: &[Vec<u8>]) -> (SocketAddr, Vec<u8>) {
    let from = match rng.random_range(0..4) {
        0 => address(EPHEMERAL),
        1 => address(DISCOVERY),
        2 => address(([10, 0, 0, 2], rng.random_range(1024..60_000))),
        _ => stranger(rng.random_range(1..4)),
    };
    let session_id = overheard.session_id.unwrap_or(SessionId([9; 8]));
    let mut body: Vec<u8> = (0..rng.random_range(1..1400)).map(|_| rng.random()).collect();
    let streams = overheard.newest == Some(Said::Other);
    let mut datagram = match rng.random_range(0..12) {
        0 => discovery_answer(session_id),
        1 => session_answer(session_id),
        2 => scramble(iotc::emit_keepalive(iotc::KEEPALIVE_FROM_CAMERA, rng.random())),
        3 => cc51::Discovery { from_camera: true, step: rng.random_range(0..5), ticket: rng.random(), session_id }
            .emit(&forged_signer()),
        4 => cc51::Keepalive { counter: rng.random(), session_id }.emit(&forged_signer()),
        5 => cc51::Data { channel: Channel::Main, ticket: 1, session_id, payload: &body }.emit(&forged_signer()),
        6 | 7 => {
            let (kind, epoch) = (if streams { rng.random_range(20..25) } else { 23 }, rng.random_range(0..3));
            let forged = record(kind, epoch, rng.random_range(0..5000), &body);
            overheard.carry(envelope, &forged).unwrap_or(forged)
        }
        8 => overheard.carry(envelope, &alert(rng.random_range(1..3), rng.random())).unwrap_or_default(),
        9 | 10 => recorded[rng.random_range(0..recorded.len())].clone(),
        _ => {
            body.truncate(rng.random_range(0..40));
            body
        }
    };
    match rng.random_range(0..6) {
        0 => datagram.truncate(rng.random_range(0..=datagram.len())),
        1 => datagram.resize(LONGEST, rng.random()),
        _ => {}
    }
    (from, datagram)
}

#[test]
fn a_forger_at_every_stage_costs_no_frame() {
    for envelope in both_envelopes() {
        let recorded = recording(envelope);
        for seed in 0..6 {
            let recorded = recorded.clone();
            let mut rng = StdRng::seed_from_u64(seed);
            let mut overheard = Overheard::default();
            let client = if seed % 2 == 0 { client_config() } else { searching() };
            let mut world = World::new(client, camera_config(envelope), seed);
            world.stranger = Some(Box::new(move |_, datagram| {
                overheard.listen(datagram);
                let count = rng.random_range(0..12);
                (0..count).map(|_| forge(&mut rng, &overheard, envelope, &recorded)).collect()
            }));
            world.connect();
            assert_eq!(world.connected.as_ref().unwrap().address, address(EPHEMERAL));
            world.astray.clear();
            world.stream(SyntheticConfig::default(), 10 * SECOND);
            world.assert_received_all_but(&BTreeSet::new());
            assert!(world.astray.is_empty(), "seed {seed}: {:?}", world.astray.len());
            assert_eq!(world.stages.last(), Some(&Stage::Streaming));
            let stats = world.client.stats();
            assert!(stats.foreign > 200 && stats.undecryptable > 10, "{stats:?}");
        }
    }
}
