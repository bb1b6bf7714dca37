//! Datagrams, received many at a time where the system can do that.

use memmap2::MmapMut;
use mio::net::UdpSocket;
use std::io;
use std::net::SocketAddr;

/// The most bytes that a UDP datagram carries, and a few that spread the beginnings of many over the processor's cache.
const ROOM: usize = 65536 + 2048;

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd"))]
mod system {
    use super::*;
    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg};
    use std::io::IoSliceMut;
    use std::net::SocketAddrV4;
    use std::os::fd::AsRawFd;

    pub const BATCH: usize = 16;

    pub type Headers = MultiHeaders<SockaddrIn>;

    pub fn headers() -> Headers {
        MultiHeaders::preallocate(BATCH, None)
    }

    /// Returns length and sender of what came, in the order of the buffers.
    pub fn receive(
        socket: &UdpSocket,
        headers: &mut Headers,
        buffers: &mut [u8],
    ) -> io::Result<impl Iterator<Item = (usize, Option<SocketAddr>)> + use<>> {
        let mut rooms = buffers.chunks_exact_mut(ROOM);
        let mut slices: [_; BATCH] = std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let messages = recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        let mut came = [(0, None); BATCH];
        let mut count = 0;
        for (message, came) in messages.zip(&mut came) {
            *came = (message.bytes, message.address.map(|address| SocketAddrV4::from(address).into()));
            count += 1;
        }
        Ok(came.into_iter().take(count))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
mod system {
    use super::*;

    pub const BATCH: usize = 1;

    pub type Headers = ();

    pub fn headers() {}

    pub fn receive(
        socket: &UdpSocket,
        _: &mut Headers,
        buffer: &mut [u8],
    ) -> io::Result<impl Iterator<Item = (usize, Option<SocketAddr>)> + use<>> {
        let (len, from) = socket.recv_from(buffer)?;
        Ok(std::iter::once((len, Some(from))))
    }
}

/// Room for the datagrams that are received at once.
pub struct Batch {
    /// The system gives them memory only where something is written into them. The heap would not: what it gives anew
    /// is cleared, and so in use as a whole.
    buffers: MmapMut,
    headers: system::Headers,
}

// SAFETY: the pointers in the headers are to memory that the headers own, and to the buffers anew for each receive.
unsafe impl Send for Batch {}

impl Batch {
    /// The most datagrams of one batch.
    pub const LEN: usize = system::BATCH;

    /// Fails where the system has no memory.
    pub fn new() -> io::Result<Self> {
        Ok(Batch { buffers: MmapMut::map_anon(ROOM * system::BATCH)?, headers: system::headers() })
    }

    /// Takes the datagrams that have arrived, each with its sender, up to [`Batch::LEN`]. Does not wait: the error is
    /// [`io::ErrorKind::WouldBlock`] where there are none, or else the socket's.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<impl Iterator<Item = (SocketAddr, &mut [u8])>> {
        let came = system::receive(socket, &mut self.headers, &mut self.buffers)?;
        let with_data = came.zip(self.buffers.chunks_exact_mut(ROOM));
        Ok(with_data.filter_map(|((len, from), buffer)| Some((from?, buffer.get_mut(..len)?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_whole_with_their_senders_and_none_twice() {
        let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let senders = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let mut sent = Vec::new();
        for number in 0..Batch::LEN + 3 {
            let sender = &senders[number % 2];
            let data = vec![number as u8; 1 + number * 100];
            sender.send_to(&data, socket.local_addr().unwrap()).unwrap();
            sent.push((sender.local_addr().unwrap(), data));
        }
        let mut batch = Batch::new().unwrap();
        let mut received = Vec::new();
        // On loopback, what was sent has arrived.
        while let Ok(datagrams) = batch.receive(&socket) {
            received.extend(datagrams.map(|(from, data)| (from, data.to_vec())));
        }
        assert_eq!(received, sent);
        assert_eq!(batch.receive(&socket).err().map(|e| e.kind()), Some(io::ErrorKind::WouldBlock));
    }
}
