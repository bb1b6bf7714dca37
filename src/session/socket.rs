//! The session's UDP socket.

use super::icmp;
use mio::net::UdpSocket;
use nix::errno::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;

/// In bytes: a key frame of a 2K camera comes in one burst, and a busy machine may read it late.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Opens a socket for IPv4, on any address and a free port, that neither blocks nor refuses to broadcast.
pub fn open() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    // The kernel cuts this to its limit.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    icmp::listen(&socket)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// Makes the socket send and receive on this network interface only. Fails if there is none of that name, and where the
/// system cannot do it.
pub fn bind_interface(socket: &impl AsFd, name: &str) -> io::Result<()> {
    let socket = SockRef::from(socket);
    #[cfg(target_os = "linux")]
    return socket.bind_device(Some(name.as_bytes()));
    #[cfg(target_vendor = "apple")]
    return socket.bind_device_by_index_v4(std::num::NonZero::new(nix::net::if_::if_nametoindex(name)?));
    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    {
        let _ = (socket, name);
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system binds no socket to an interface"))
    }
}

/// Whether the error is about the network, which refused an earlier datagram or is away, and not about the socket
/// itself.
pub fn is_of_network(error: &io::Error) -> bool {
    let of_network = [
        Errno::ECONNREFUSED,
        Errno::ECONNRESET,
        Errno::EHOSTDOWN,
        Errno::EHOSTUNREACH,
        Errno::ENETDOWN,
        Errno::ENETUNREACH,
        Errno::EMSGSIZE,
        Errno::ENOPROTOOPT,
        Errno::EPROTO,
        Errno::EACCES,
        Errno::EINTR,
    ];
    error.raw_os_error().is_some_and(|raw| of_network.contains(&Errno::from_raw(raw)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_port_that_nobody_listens_on_is_told_of_and_named() {
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let socket = open().unwrap();
        socket.send_to(b"anybody?", closed).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let told = loop {
            match icmp::next(&socket) {
                Some(told) => break told,
                None => assert!(Instant::now() < deadline, "not told"),
            }
        };
        assert_eq!(told, Some(closed));
        assert_eq!(icmp::next(&socket), None);
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        let socket = open().unwrap();
        bind_interface(&socket, "lo").unwrap();
        assert!(bind_interface(&socket, "no-such-thing").is_err());
    }
}
