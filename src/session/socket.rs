//! The session's UDP socket.

use mio::net::UdpSocket;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt::Ipv4RecvErr};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;

/// In bytes: a key frame of a 2K camera comes in one burst, and a busy machine may read it late.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Opens a socket for IPv4, on any address and a free port, that neither blocks nor refuses to broadcast.
pub fn open() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    // The kernel cuts this to its limit.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    // Without this, only a connected socket learns of "port unreachable".
    setsockopt(&socket, Ipv4RecvErr, &true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// Makes the socket send and receive on this network interface only. Fails if there is none of that name.
pub fn bind_interface(socket: &UdpSocket, name: &str) -> io::Result<()> {
    SockRef::from(socket).bind_device(Some(name.as_bytes()))
}

/// Takes the next ICMP error that something sent was answered with; `None` if there are no more. Returns the address
/// whose port is unreachable; `Some(None)` for any other ICMP error.
pub fn next_icmp_error(socket: &UdpSocket) -> Option<Option<SocketAddr>> {
    let mut room = nix::cmsg_space!(nix::libc::sock_extended_err, SockaddrIn);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    // No room for the datagram that it answers: only the destination matters, and that comes as the message's address.
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut [], Some(&mut room), flags).ok()?;
    let refused = message.cmsgs().is_ok_and(|mut messages| {
        messages.any(|message| {
            matches!(message, ControlMessageOwned::Ipv4RecvErr(e, _) if e.ee_errno == Errno::ECONNREFUSED as u32)
        })
    });
    Some(message.address.filter(|_| refused).map(|address| SocketAddrV4::from(address).into()))
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
            match next_icmp_error(&socket) {
                Some(told) => break told,
                None => assert!(Instant::now() < deadline, "not told"),
            }
        };
        assert_eq!(told, Some(closed));
        assert_eq!(next_icmp_error(&socket), None);
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        let socket = open().unwrap();
        bind_interface(&socket, "lo").unwrap();
        assert!(bind_interface(&socket, "no-such-thing").is_err());
    }
}
