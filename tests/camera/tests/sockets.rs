//! Tests of the simulated camera on real sockets.

use gstwyze::protocol::wire::{SessionId, iotc, transcode};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use wyze_camera::{CameraConfig, CameraServer, LinkConfig, MediaSource, SyntheticConfig};

const SECOND: Duration = Duration::from_secs(1);

fn start() -> CameraServer {
    let config = CameraConfig::demo().expect("the demonstration identity");
    let media = MediaSource::Synthetic(SyntheticConfig::default());
    CameraServer::start(config, SocketAddr::from(([127, 0, 0, 1], 0)), media).expect("two sockets")
}

/// Sends a discovery request; returns the address that the camera's answer comes from, if one comes.
fn discover(camera: &CameraServer) -> Option<SocketAddr> {
    let config = CameraConfig::demo().expect("the demonstration identity");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(SECOND / 2)).expect("a timeout");
    let auth_key = Some(config.credentials.auth_key());
    let request = iotc::Discovery { uid: config.credentials.uid, session_id: SessionId([7; 8]), stage: 1, auth_key };
    let mut datagram = request.emit(iotc::DISCOVERY_REQUEST);
    transcode::encode(&mut datagram).expect("a whole header");
    socket.send_to(&datagram, camera.addr()).expect("a datagram sent");
    let mut answer = [0; 200];
    let (len, from) = socket.recv_from(&mut answer).ok()?;
    transcode::decode(&mut answer[..len]).expect("a whole header");
    assert!(matches!(iotc::Packet::parse(&answer[..len]), Ok(iotc::Packet::DiscoveryResponse { .. })));
    Some(from)
}

#[test]
fn answers_come_from_another_port_and_from_a_new_one_after_a_reboot() {
    let camera = start();
    let first = discover(&camera).expect("an answer");
    assert_ne!(first, camera.addr());
    assert_eq!(discover(&camera), Some(first));
    camera.reboot(SECOND);
    assert_eq!(discover(&camera), None);
    std::thread::sleep(SECOND);
    let second = discover(&camera).expect("an answer");
    assert!(second != first && second != camera.addr());
    assert!(camera.stop().is_empty());
}

#[test]
fn a_cut_link_carries_nothing() {
    let camera = start();
    camera.set_links(LinkConfig { loss: 1.0, ..LinkConfig::default() }, LinkConfig::default());
    assert_eq!(discover(&camera), None);
    let stats = camera.stats();
    assert_eq!((stats.outgoing.lost, stats.datagrams_received, stats.datagrams_sent), (1, 1, 0));
}
