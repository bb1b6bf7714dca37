//! The stream to a relay (TURN over TCP or TLS), for where nothing gets through over UDP.

use super::stream::{Pollable, Stream};
use crate::protocol::webrtc::{RelayServer, RelayTransport, Viewer};
use std::io::{self, Read, Write};
use std::time::Instant;

/// How many bytes are read at a time, and how often, before others get their turn.
const CHUNK: usize = 16 << 10;
const MANY: usize = 16;

pub struct RelayStream {
    stream: Stream,
    is_open: bool,
    /// What is left of the bytes that are being written.
    unwritten: Vec<u8>,
}

impl RelayStream {
    /// Begins to connect; see [`Stream::connect`].
    pub fn connect(
        server: &RelayServer,
        interface: Option<&str>,
        register: impl FnOnce(&mut Pollable) -> io::Result<()>,
    ) -> io::Result<Self> {
        let name = (server.transport == RelayTransport::Tls).then_some(server.host.as_str());
        let stream = Stream::connect(server.address, name, interface, register)?;
        Ok(RelayStream { stream, is_open: false, unwritten: Vec::new() })
    }

    /// Carries bytes both ways. Returns whether there may be more to read. Fails when the connection is over.
    pub fn carry(&mut self, viewer: &mut Viewer, now: Instant) -> io::Result<bool> {
        if !self.is_open {
            let Some(local) = self.stream.local()? else { return Ok(false) };
            self.is_open = true;
            viewer.handle_relay_opened(now, local);
        }
        self.write(viewer)?;
        let has_more = self.read(viewer, now)?;
        self.write(viewer)?;
        Ok(has_more)
    }

    fn write(&mut self, viewer: &mut Viewer) -> io::Result<()> {
        loop {
            if self.unwritten.is_empty() {
                let Some(bytes) = viewer.poll_relay_bytes() else { return Ok(()) };
                self.unwritten = bytes;
            }
            match self.stream.write(&self.unwritten) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.unwritten.drain(..written)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn read(&mut self, viewer: &mut Viewer, now: Instant) -> io::Result<bool> {
        let mut buffer = [0; CHUNK];
        for _ in 0..MANY {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => viewer.handle_relay_bytes(now, &buffer[..length]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}
