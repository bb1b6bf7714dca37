//! What somebody who listens in is told: see [`TraceSink`].

use super::wire::Channel;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToCamera,
    FromCamera,
}

/// Listens in on a session. Is called on the session's thread, must not block, and takes the time by itself.
///
/// What it is handed has secrets in it: the UID, the ENR, keys that are made of it, and picture and sound.
pub trait TraceSink: Send + Sync {
    /// A datagram as it is on the wire. `local` is the socket's own address, of which only the port is sure to be set.
    /// Not all that comes is a camera's.
    fn datagram(&self, direction: Direction, local: SocketAddr, peer: SocketAddr, bytes: &[u8]);

    /// A host answered "port unreachable".
    fn refused(&self, peer: SocketAddr);

    /// The plain bytes of a DTLS record: one AV packet, or several.
    fn record(&self, direction: Direction, channel: Channel, bytes: &[u8]);

    /// A line of the key log, by which other programs decrypt a DTLS session, in the form of NSS.
    fn key_log(&self, line: &str);
}

/// A shared [`TraceSink`].
#[derive(Clone)]
pub struct Trace(pub Arc<dyn TraceSink>);

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}
