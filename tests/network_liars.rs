//! The element in a network where false answerers pose as the camera, over real sockets, with a host for each party.
//!
//! Each test prints "skipped" and ends if network namespaces cannot be created, which takes root.

#[path = "support/connection.rs"]
mod connection;
#[path = "support/liars.rs"]
mod liars;
#[path = "support/network.rs"]
mod network;
#[path = "support/element.rs"]
mod support;

use connection::*;
use gst::prelude::*;
use liars::{Lie, crowd};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use network::*;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::*;
use wyze_camera::{DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope, LinkConfig, ServerOptions};

const PORT: u16 = 32761;
const CAMERA: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const LIES: [Lie; 4] = [Lie::Discovery, Lie::Session, Lie::Handshake, Lie::Refusal];

/// False answerers at work; dropping the value ends them.
struct Liars {
    stop: Arc<AtomicBool>,
    /// How many answers they have sent.
    told: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Liars {
    /// Starts a liar at a port of its own for each of these addresses of `host`; one may be there several times.
    fn start(host: &Host, addresses: &[Ipv4Addr], lie: Lie) -> Self {
        let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let bind = |ip: Ipv4Addr, port| UdpSocket::bind(SocketAddrV4::new(ip, port).into()).unwrap();
        let thread = host.run(|| {
            // Broadcasts reach only the first; the others are where the liars answer from.
            let mut sockets = vec![bind(Ipv4Addr::UNSPECIFIED, PORT)];
            sockets.extend(addresses.iter().map(|&ip| bind(ip, 0)));
            let (stop, told) = (stop.clone(), told.clone());
            std::thread::spawn(move || answer(sockets, lie, &stop, &told))
        });
        Liars { stop, told, thread: Some(thread) }
    }
}

impl Drop for Liars {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(std::thread::panicking() || ended.is_ok());
    }
}

/// Answers what comes to the first socket from all others, and what comes to the others from where it came to.
fn answer(mut sockets: Vec<UdpSocket>, lie: Lie, stop: &AtomicBool, told: &AtomicU64) {
    let addresses: Vec<SocketAddr> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    let mut liars = crowd(addresses[1..].to_vec(), lie);
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(128));
    for (at, socket) in sockets.iter_mut().enumerate() {
        poll.registry().register(socket, Token(at), Interest::READABLE).unwrap();
    }
    let mut datagram = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(Duration::from_millis(50))).unwrap();
        for event in &events {
            let Token(at) = event.token();
            while let Ok((len, client)) = sockets[at].recv_from(&mut datagram) {
                for (from, answer) in liars(addresses[at], &datagram[..len]) {
                    let socket = addresses.iter().position(|address| *address == from).unwrap();
                    // A full buffer loses it, as a network would.
                    let sent = sockets[socket].send_to(&answer, client);
                    told.fetch_add(u64::from(sent.is_ok()), Ordering::Relaxed);
                }
            }
        }
    }
}

/// How long it took to find the camera.
#[derive(Debug)]
struct Taken {
    /// From the start to the first picture.
    first: Duration,
    /// From the notice of the loss, after the camera restarted at another port, to the next stream.
    again: Duration,
}

/// Finds a camera by broadcast among liars at these addresses, and again after it has restarted.
fn find(envelope: Envelope, lies: Option<(&[Ipv4Addr], Lie)>) -> Option<Taken> {
    let switch = Switch::new()?;
    let (there, here, lair) = (Host::new(), Host::new(), Host::new());
    there.plug(&switch, "eth0", &format!("{CAMERA}/16"));
    here.plug(&switch, "eth0", "10.77.0.2/16");
    lair.plug(&switch, "eth0", "10.77.1.1/16");
    let liars = lies.map(|(addresses, lie)| {
        for address in addresses.iter().filter(|address| address.octets() != [10, 77, 1, 1]) {
            lair.ip(&format!("address replace {address}/16 dev eth0"));
        }
        Liars::start(&lair, addresses, lie)
    });
    // Each liar is quicker than the camera.
    let outgoing = LinkConfig { latency: Duration::from_millis(10), ..LinkConfig::default() };
    let options = ServerOptions { outgoing, ..ServerOptions::default() };
    let listen = SocketAddr::from(([0, 0, 0, 0], PORT));
    let change = |config: &mut wyze_camera::CameraConfig| config.envelope = envelope;
    let camera = there.run(|| TestCamera::start_at(listen, change, synthetic(), options, Tolerance::Behaviour));

    let player = Player::bare(Link::Only("video"));
    for (name, value) in [("uid", DEMO_UID), ("enr", DEMO_ENR), ("mac", DEMO_MAC)] {
        player.src.set_property(name, value);
    }
    player.src.set_property("stall-timeout", 1000u32);
    let start = Instant::now();
    here.run(|| player.pipeline.set_state(gst::State::Playing).unwrap());
    player.buffer("video");
    let first = start.elapsed();

    camera.reboot(Duration::from_millis(300));
    await_state(&player, "reconnecting");
    let lost = Instant::now();
    await_state(&player, "streaming");
    let again = lost.elapsed();
    if let Some(liars) = &liars {
        let told = liars.told.load(Ordering::Relaxed);
        assert!(told >= lies.map_or(0, |(addresses, _)| addresses.len() as u64), "{told} answers only");
    }
    player.stop();
    Some(Taken { first, again })
}

/// Asserts that liars at these addresses delay the camera by less than `limit`, both times.
fn assert_delay(envelope: Envelope, addresses: &[Ipv4Addr], limit: Duration) {
    let Some(alone) = find(envelope, None) else { return };
    eprintln!("{envelope:?}, nobody lies: {alone:?}");
    for lie in LIES {
        let taken = find(envelope, Some((addresses, lie))).unwrap();
        eprintln!("{envelope:?}, {} lie, {lie:?}: {taken:?}", addresses.len());
        assert!(taken.first < alone.first + limit && taken.again < alone.again + limit, "{lie:?}: {taken:?}");
    }
}

/// 64 ports of one host.
fn one_host() -> Vec<Ipv4Addr> {
    vec![Ipv4Addr::new(10, 77, 1, 1); 64]
}

fn fifty_hosts() -> Vec<Ipv4Addr> {
    (1..=50).map(|number| Ipv4Addr::new(10, 77, 1, number)).collect()
}

#[test]
fn sixty_four_liars_of_one_host_delay_an_old_camera_by_less_than_three_seconds() {
    assert_delay(Envelope::Transcode, &one_host(), Duration::from_secs(3));
}

#[test]
fn sixty_four_liars_of_one_host_delay_a_new_camera_by_less_than_three_seconds() {
    assert_delay(Envelope::Cc51, &one_host(), Duration::from_secs(3));
}

#[test]
fn liars_of_fifty_hosts_delay_an_old_camera_by_less_than_ten_seconds() {
    assert_delay(Envelope::Transcode, &fifty_hosts(), Duration::from_secs(10));
}

#[test]
fn liars_of_fifty_hosts_delay_a_new_camera_by_less_than_ten_seconds() {
    assert_delay(Envelope::Cc51, &fifty_hosts(), Duration::from_secs(10));
}
