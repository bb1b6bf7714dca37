//! Asks the network which cameras are there: those of the store, each by its UID, and any of the family by an empty
//! one.

use gstwyze::account::Camera;
use gstwyze::device_provider::hosts::Hosts;
use gstwyze::device_provider::search::{Answer, CameraSearch};
use gstwyze::protocol::transport::Envelope;
use gstwyze::protocol::wire::{SessionId, cc51, iotc, transcode};
use gstwyze::session::{Place, bind_interface, search_addresses};
use rand::RngExt;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How long to wait for answers after each round of questions.
const PATIENCE: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(500), Duration::from_millis(700)];
/// How long to wait for the addresses of hosts that are names.
const RESOLVING: Duration = Duration::from_secs(1);
/// Discovery answers are shorter, and longer datagrams are cut off.
const DATAGRAM: usize = 2048;
/// The most hosts that are noted.
const MAX_HOSTS: usize = 256;

/// A host that answered the search with an empty UID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The UID that it told; `None` where it told none.
    pub uid: Option<String>,
    pub envelope: &'static str,
}

#[derive(Debug, Default)]
pub struct Found {
    /// How each camera of the store answered, in their order.
    pub cameras: Vec<Option<Answer>>,
    /// Who else answered.
    pub strangers: BTreeMap<SocketAddr, Stranger>,
}

/// Asks for these cameras, and where `any` is set, for any other at these addresses. Takes 1.5 s, or less where only
/// known cameras are asked for and all have answered.
pub fn search(cameras: &[Camera], any: Option<&[SocketAddr]>, interface: Option<&str>) -> io::Result<Found> {
    // An answer to the empty UID says nothing of the camera that was asked for by its own, so each has a socket.
    let (socket, any_socket) = (open(interface)?, open(interface)?);
    let mut hosts = Hosts::default();
    hosts.resolve(cameras, Instant::now() + RESOLVING);
    let targets =
        |place: &Place| search_addresses(&Place { interface: interface.map(Into::into), ..hosts.find(place) });
    let mut search = CameraSearch::new(cameras, targets, || SessionId(rand::rng().random()));
    let question = scrambled(iotc::emit_search(SessionId(rand::rng().random())));
    let mut strangers = BTreeMap::new();
    for patience in PATIENCE {
        for transmit in search.probe() {
            // Without a network no camera answers, and others are asked all the same.
            let _ = socket.send_to(&transmit.data, transmit.to);
        }
        for to in any.unwrap_or_default() {
            let _ = any_socket.send_to(&question, to);
        }
        let until = Instant::now() + patience;
        while !search.is_done() {
            let Some((from, datagram)) = receive(&socket, until)? else { break };
            search.receive(Instant::now(), from, &datagram);
        }
        // What has come meanwhile waits in the socket.
        while any.is_some() && strangers.len() < MAX_HOSTS {
            let Some((from, datagram)) = receive(&any_socket, until)? else { break };
            strangers.extend(stranger(datagram).map(|stranger| (from, stranger)));
        }
    }
    let cameras: Vec<_> = search.answers().collect();
    strangers.retain(|address, _| !cameras.iter().flatten().any(|answer| answer.address == *address));
    Ok(Found { cameras, strangers })
}

fn open(interface: Option<&str>) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_broadcast(true)?;
    if let Some(name) = interface {
        bind_interface(&socket, name)?;
    }
    Ok(socket)
}

/// Waits for a datagram; `None` once the time is over and nothing is left to read.
fn receive(socket: &UdpSocket, until: Instant) -> io::Result<Option<(SocketAddr, Vec<u8>)>> {
    /// Zero would be no limit.
    const LEAST: Duration = Duration::from_millis(1);
    let mut buffer = [0; DATAGRAM];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        socket.set_read_timeout(Some(left.max(LEAST)))?;
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => return Ok(Some((from, buffer[..len].to_vec()))),
            Err(_) if left.is_zero() => return Ok(None),
            // The time is over, or an address that was asked has nobody.
            Err(_) => {}
        }
    }
}

/// Reads an answer to discovery; `None` for another datagram.
fn stranger(mut datagram: Vec<u8>) -> Option<Stranger> {
    if cc51::is_cc51(&datagram) {
        return Some(Stranger { uid: None, envelope: Envelope::Cc51 { ticket: 0 }.name() });
    }
    let len = datagram.len();
    let is_iotc = transcode::decode_where(&mut datagram, |header| iotc::is_plausible(header, len)) == Ok(true);
    let is_answer = matches!(iotc::Packet::parse(&datagram), Ok(iotc::Packet::DiscoveryResponse { .. }));
    let uid = iotc::discovery_answer(&datagram).map(|(uid, _)| String::from_utf8_lossy(uid.bytes()).into_owned());
    (is_iotc && is_answer).then_some(Stranger { uid, envelope: Envelope::TransCode.name() })
}

fn scrambled(mut packet: Vec<u8>) -> Vec<u8> {
    // It refuses only packets without a whole header.
    let _ = transcode::encode(&mut packet);
    packet
}
