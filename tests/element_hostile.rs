//! A flood, over loopback, from a host that sees all datagrams and can send from the camera's address.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use gstwyze::protocol::wire::{Channel, SessionId, cc51, iotc, transcode};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::*;
use wyze_camera::{DEMO_ENR, DEMO_UID, Envelope, MediaSource, ServerOptions, SyntheticConfig};

const FLOOD: Duration = Duration::from_secs(3);
/// Datagrams per second that the flood aims at.
const RATE: u64 = 100_000;
const GIGABIT: u64 = 1_000_000_000;
const BURST: u64 = 100;
const MIB: u64 = 1 << 20;

/// A host between client and camera. It passes on their datagrams, so that its flood comes from the address that the
/// client takes for the camera's.
struct Neighbour {
    socket: Arc<UdpSocket>,
    client: Arc<Mutex<Option<SocketAddr>>>,
    session_id: Arc<Mutex<SessionId>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbour {
    fn new(camera: SocketAddr) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut neighbour = Neighbour {
            socket: socket.clone(),
            client: Arc::default(),
            session_id: Arc::new(Mutex::new(SessionId([0; 8]))),
            stop: Arc::default(),
            thread: None,
        };
        let (client, session_id, stop) =
            (neighbour.client.clone(), neighbour.session_id.clone(), neighbour.stop.clone());
        let thread = std::thread::spawn(move || {
            let (mut buffer, mut camera_now) = ([0; 2048], camera);
            while !stop.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
                let mut client = client.lock().unwrap();
                if client.is_none_or(|client| client == from) {
                    *client = Some(from);
                    if let Some(id) = session_id_of(&buffer[..len]) {
                        *session_id.lock().unwrap() = id;
                    }
                    // A full socket drops datagrams, as on any network.
                    let _ = socket.send_to(&buffer[..len], camera_now);
                } else if from.ip() == camera.ip() {
                    camera_now = from;
                    let _ = socket.send_to(&buffer[..len], client.unwrap());
                }
            }
        });
        neighbour.thread = Some(thread);
        neighbour
    }

    /// Sends copies of `datagrams`, which have equal lengths, in turn: as many as a gigabit network carries, up to
    /// [`RATE`]. The thread returns how many.
    fn flood(&self, datagrams: &[Vec<u8>], from_camera: bool) -> JoinHandle<u64> {
        let other = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let socket = if from_camera { self.socket.clone() } else { other };
        let client = self.client.lock().unwrap().unwrap();
        let datagrams = datagrams.to_vec();
        let rate = RATE.min(GIGABIT / 8 / datagrams[0].len() as u64) as u32;
        std::thread::spawn(move || {
            let (start, sent) = (Instant::now(), AtomicU64::new(0));
            while start.elapsed() < FLOOD {
                for _ in 0..BURST {
                    let number = sent.fetch_add(1, Ordering::Relaxed) as usize;
                    let _ = socket.send_to(&datagrams[number % datagrams.len()], client);
                }
                let due = Duration::from_secs(sent.load(Ordering::Relaxed)) / rate;
                std::thread::sleep(due.saturating_sub(start.elapsed()));
            }
            sent.into_inner()
        })
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Reads the session id from a client's data packet.
fn session_id_of(datagram: &[u8]) -> Option<SessionId> {
    let mut plain = datagram.to_vec();
    if cc51::is_cc51(datagram) {
        return plain[16..24].try_into().ok().map(SessionId).filter(|_| plain[4..6] == [0x02, 0x15]);
    }
    transcode::decode(&mut plain).ok()?;
    match iotc::Packet::parse(&plain).ok()? {
        iotc::Packet::Data { data, .. } => Some(data.session_id),
        _ => None,
    }
}

/// Resident memory of this process, in bytes.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// CPU time that the session's thread has used.
fn session_cpu() -> Duration {
    let mut time = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |name| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if read("comm").starts_with("wyze-session") {
            time += Duration::from_nanos(read("schedstat").split(' ').next().unwrap().parse().unwrap_or_default());
        }
    }
    time
}

fn record(number: u64, len: usize) -> Vec<u8> {
    let head = [&[23, 0xFE, 0xFD, 0, 1][..], &number.to_be_bytes()[2..], &(len as u16).to_be_bytes()].concat();
    [head, vec![7; len]].concat()
}

/// The sorts of floods: name, whether it comes from the camera's address, and the datagrams.
fn floods(session_id: SessionId) -> Vec<(&'static str, bool, Vec<Vec<u8>>)> {
    let scramble = |mut packet: Vec<u8>| {
        transcode::encode(&mut packet).unwrap();
        packet
    };
    let data = |session_id, number, len| {
        let payload = &record(number, len);
        scramble(iotc::Data { sequence: 0, channel: Channel::Main, session_id, payload }.emit(iotc::DATA_FROM_CAMERA))
    };
    let signed = || {
        let signer = cc51::Signer::new(
            &gstwyze::protocol::credentials::Credentials::new(DEMO_UID, DEMO_ENR, "000000000000").unwrap().uid,
            &gstwyze::protocol::credentials::Credentials::new(DEMO_UID, DEMO_ENR, "000000000000").unwrap().auth_key(),
        );
        cc51::Data { channel: Channel::Main, ticket: 1, session_id, payload: &record(1, 1000) }.emit(&signer)
    };
    let numbers = || (0..512).map(|i| i * 37);
    vec![
        ("noise", false, vec![vec![0xA5; 1000]]),
        ("another session's data", false, vec![data(SessionId([9; 8]), 1, 1000)]),
        ("data with a bad HMAC", true, vec![signed()]),
        ("forged records", true, numbers().map(|number| data(session_id, number, 1000)).collect()),
        ("keepalives", true, vec![scramble(iotc::emit_keepalive(iotc::KEEPALIVE_FROM_CAMERA, [1; 8]))]),
        ("large datagrams", true, numbers().map(|number| data(session_id, number, 16_000)).collect()),
    ]
}

fn flooded(envelope: Envelope) {
    let media = MediaSource::Synthetic(SyntheticConfig { key_frame_len: 40_000, frame_len: 8_000, ..small() });
    let camera = TestCamera::start(
        |config| config.envelope = envelope,
        media,
        ServerOptions::default(),
        // During a flood the client may miss a keepalive.
        Tolerance::Behaviour,
    );
    let neighbour = Neighbour::new(camera.addr());
    let player = Player::bare(Link::Both);
    aim(&player.src, &camera);
    player.src.set_property("port", u32::from(neighbour.socket.local_addr().unwrap().port()));
    player.connect();
    player.buffers("video", 10);
    let session_id = *neighbour.session_id.lock().unwrap();
    assert_ne!(session_id, SessionId([0; 8]));
    for (what, from_camera, datagrams) in floods(session_id) {
        player.drain();
        let (packets, cpu, before) = (player.stat("packets"), session_cpu(), memory());
        let flood = neighbour.flood(&datagrams, from_camera);
        let (mut pictures, mut most) = (0, before);
        while !flood.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
            for seen in player.drain() {
                assert!(seen.error().is_none(), "{what}: {:?}", seen.error());
                pictures += usize::from(seen.buffer("video").is_some());
            }
            most = most.max(memory());
        }
        let sent = flood.join().unwrap();
        let (read, cpu) = (player.stat("packets") - packets, session_cpu() - cpu);
        println!(
            "{envelope:?}, {what}: {sent} sent, {read} read, {:?} of CPU time each, {pictures} video frames, {} KiB more memory",
            cpu / u32::try_from(read).unwrap().max(1),
            (most - before) / 1024,
        );
        assert!(pictures > 0, "{what}: no video came through");
        assert!(most - before < 32 * MIB, "{what}: {} MiB more", (most - before) / MIB);
        player.buffers("video", 10);
        assert_eq!(player.stat("reconnects"), 0, "{what}");
    }
    player.stop();
}

#[test]
fn a_stream_goes_on_through_a_flood() {
    flooded(Envelope::Transcode);
}

#[test]
fn a_signed_stream_goes_on_through_a_flood() {
    flooded(Envelope::Cc51);
}
