//! The trace file of `probe --trace`: what a session sent and received, as pcapng, without secrets.
//!
//! The file has two interfaces. The first has the datagrams on the wire as IPv4 packets. The second has the AV packets
//! inside DTLS, each behind a header of its own ([`pseudo_header`]), as link type USER0. `tests/dissector/wyze.lua`
//! makes Wireshark read both.

mod av;
mod datagram;
mod redactor;
#[cfg(test)]
mod tests;

use super::Failure;
use av::AvPacket;
use etherparse::PacketBuilder;
use gstwyze::account::Camera;
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::trace::{Direction, TraceSink};
use gstwyze::protocol::wire::Channel;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{DataLink, PcapError};
use redactor::Redactor;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const WIRE: u32 = 0;
const AV: u32 = 1;
/// Time stamps count nanoseconds: 10 to the power of minus this.
const RESOLUTION: u8 = 9;
const TTL: u8 = 64;
/// The most hosts on the way to which this machine's address is looked up.
const MAX_PEERS: usize = 256;
const VERSION: u8 = 1;

/// A trace that is being written. Every block is in the file at once, so that a program that is stopped leaves a whole
/// one.
pub struct TraceFile {
    path: PathBuf,
    full: bool,
    inner: Mutex<Inner>,
}

struct Inner {
    writer: PcapNgWriter<BufWriter<File>>,
    redactor: Redactor,
    key_log: Option<File>,
    /// This machine's address on the way to each host.
    local_addresses: HashMap<IpAddr, Ipv4Addr>,
    datagrams: u64,
    av_packets: u64,
    /// How many packets and datagrams are there in part only.
    cut: u64,
    /// The first error of writing. Nothing is written after it.
    error: Option<io::Error>,
}

impl TraceFile {
    /// Begins the file. With `key_log`, the keys of the DTLS sessions are added to that file, and are no part of the
    /// trace.
    pub fn create(
        path: &Path,
        full: bool,
        key_log: Option<&Path>,
        camera: &Camera,
        keys: &Credentials,
    ) -> Result<Self, Failure> {
        let failed = |path: &Path, e: io::Error| Failure::Other(format!("{} cannot be written ({e})", path.display()));
        let key_log = key_log
            .map(|path| File::options().append(true).create(true).mode(0o600).open(path).map_err(|e| failed(path, e)))
            .transpose()?;
        let file = File::create(path).map_err(|e| failed(path, e))?;
        let writer = begin(file).map_err(|e| failed(path, into_io(e)))?;
        let others = [&camera.uid, &camera.enr, &camera.mac].map(|secret| secret.expose());
        let inner = Inner {
            writer,
            redactor: Redactor::new(keys, others),
            key_log,
            local_addresses: HashMap::new(),
            datagrams: 0,
            av_packets: 0,
            cut: 0,
            error: None,
        };
        Ok(TraceFile { path: path.to_owned(), full, inner: Mutex::new(inner) })
    }

    /// Tells what is in the file, or why it could not be written.
    pub fn finish(&self) -> Result<Summary, Failure> {
        let mut inner = self.lock();
        if let Some(e) = inner.error.take() {
            return Err(Failure::Other(format!("{} cannot be written ({e})", self.path.display())));
        }
        Ok(Summary {
            path: self.path.clone(),
            datagrams: inner.datagrams,
            av_packets: inner.av_packets,
            cut: inner.cut,
            replaced: inner.redactor.replaced.iter().map(|(&kind, &count)| (kind, count)).collect(),
            has_key_log: inner.key_log.is_some(),
            full: self.full,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a trace file has in it.
pub struct Summary {
    pub path: PathBuf,
    pub datagrams: u64,
    pub av_packets: u64,
    pub cut: u64,
    /// How often each kind of secret was replaced.
    pub replaced: Vec<(&'static str, u64)>,
    pub has_key_log: bool,
    pub full: bool,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "trace:    {}", self.path.display())?;
        writeln!(f, "  has: {} datagrams, and {} AV packets from inside DTLS", self.datagrams, self.av_packets)?;
        let replaced: Vec<_> = self.replaced.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        writeln!(f, "  replaced: {}", if replaced.is_empty() { "nothing".into() } else { replaced.join(", ") })?;
        if self.full {
            write!(f, "  left out: nothing. It has PICTURE AND SOUND in it, and all that DTLS encrypted")?;
        } else {
            write!(f, "  left out: picture and sound, and what DTLS encrypted, in {} packets", self.cut)?;
        }
        if self.has_key_log {
            let warning = "keep the key log to yourself: it opens what DTLS encrypted, with the ENR in it";
            write!(f, "\n  {warning}")?;
        }
        Ok(())
    }
}

impl TraceSink for TraceFile {
    fn datagram(&self, direction: Direction, local: SocketAddr, peer: SocketAddr, bytes: &[u8]) {
        let inner = &mut *self.lock();
        let kept = datagram::redact(bytes, self.full, &mut inner.redactor);
        let local = SocketAddr::new(inner.local_address(local, peer).into(), local.port());
        let (from, to) = if direction == Direction::ToCamera { (local, peer) } else { (peer, local) };
        let (IpAddr::V4(from_ip), IpAddr::V4(to_ip)) = (from.ip(), to.ip()) else { return };
        let builder = PacketBuilder::ipv4(from_ip.octets(), to_ip.octets(), TTL).udp(from.port(), to.port());
        let mut packet = Vec::with_capacity(builder.size(bytes.len()));
        // It refuses only payloads that no datagram can have.
        if builder.write(&mut packet, &kept.bytes).is_err() {
            return;
        }
        let original_len = packet.len();
        packet.truncate(original_len - kept.bytes.len() + kept.len);
        inner.datagrams += 1;
        inner.cut += u64::from(packet.len() < original_len);
        inner.write(WIRE, packet, original_len);
    }

    fn refused(&self, _peer: SocketAddr) {}

    fn record(&self, direction: Direction, channel: Channel, bytes: &[u8]) {
        let inner = &mut *self.lock();
        for packet in av::redact(bytes, direction, self.full, &mut inner.redactor) {
            let block = [&pseudo_header(direction, channel, &packet)[..], &packet.bytes].concat();
            inner.av_packets += 1;
            inner.cut += u64::from(!packet.omitted.is_empty());
            let len = block.len();
            inner.write(AV, block, len);
        }
    }

    fn key_log(&self, line: &str) {
        let inner = &mut *self.lock();
        if let Some(file) = &mut inner.key_log
            && let Err(e) = writeln!(file, "{line}")
        {
            inner.error.get_or_insert(e);
        }
    }
}

impl Inner {
    /// Returns this machine's address on the way to `peer`: the socket is bound to none.
    fn local_address(&mut self, local: SocketAddr, peer: SocketAddr) -> Ipv4Addr {
        if let IpAddr::V4(ip) = local.ip()
            && !ip.is_unspecified()
        {
            return ip;
        }
        // Whoever sends from many addresses is no camera.
        if self.local_addresses.len() >= MAX_PEERS && !self.local_addresses.contains_key(&peer.ip()) {
            return Ipv4Addr::UNSPECIFIED;
        }
        *self.local_addresses.entry(peer.ip()).or_insert_with(|| {
            let route = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
                socket.set_broadcast(true)?;
                socket.connect(peer)?;
                socket.local_addr()
            });
            match route.map(|address| address.ip()) {
                Ok(IpAddr::V4(ip)) => ip,
                _ => Ipv4Addr::UNSPECIFIED,
            }
        })
    }

    fn write(&mut self, interface_id: u32, data: Vec<u8>, original_len: usize) {
        if self.error.is_some() {
            return;
        }
        let block = EnhancedPacketBlock {
            interface_id,
            timestamp: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO),
            original_len: original_len as u32,
            data: Cow::Owned(data),
            options: Vec::new(),
        };
        let written = self.writer.write_pcapng_block(block).map_err(into_io);
        self.error = written.and_then(|_| self.writer.get_mut().flush()).err();
    }
}

/// Writes the head of the file: what its two interfaces are.
fn begin(file: File) -> Result<PcapNgWriter<BufWriter<File>>, PcapError> {
    let mut writer = PcapNgWriter::new(BufWriter::new(file))?;
    for (linktype, name) in [(DataLink::RAW, "datagrams"), (DataLink::USER0, "AV packets inside DTLS")] {
        let options =
            vec![InterfaceDescriptionOption::IfName(name.into()), InterfaceDescriptionOption::IfTsResol(RESOLUTION)];
        writer.write_pcapng_block(InterfaceDescriptionBlock { linktype, snaplen: 0, options })?;
    }
    writer.get_mut().flush().map_err(PcapError::IoError)?;
    Ok(writer)
}

fn into_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(e) => e,
        other => io::Error::other(other.to_string()),
    }
}

/// Returns the 16 bytes before an AV packet, all little-endian: a version byte, 1; a byte for the direction, 0 to the
/// camera and 1 from it; a byte for the channel, 0 main and 1 back; a zero; u32 length of the whole packet; u32 offset
/// of the bytes that are left out; u32 how many they are.
fn pseudo_header(direction: Direction, channel: Channel, packet: &AvPacket) -> [u8; 16] {
    let mut header = [0; 16];
    header[0] = VERSION;
    header[1] = u8::from(direction == Direction::FromCamera);
    header[2] = channel.number();
    let lengths = [packet.bytes.len() + packet.omitted.len(), packet.omitted.start, packet.omitted.len()];
    for (field, value) in header[4..].chunks_exact_mut(4).zip(lengths) {
        field.copy_from_slice(&(value as u32).to_le_bytes());
    }
    header
}
