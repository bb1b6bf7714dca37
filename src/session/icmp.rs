//! What the network answers to datagrams that it cannot deliver: Linux tells it on the socket's error queue.
//!
//! Elsewhere, a socket that is not connected learns nothing: that a camera's port is closed then shows only as silence.

use mio::net::UdpSocket;
use socket2::Socket;
use std::io;
use std::net::SocketAddr;

#[cfg(target_os = "linux")]
mod queue {
    use super::*;
    use nix::errno::Errno;
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt::Ipv4RecvErr};
    use std::net::SocketAddrV4;
    use std::os::fd::AsRawFd;

    pub fn listen(socket: &Socket) -> io::Result<()> {
        Ok(setsockopt(socket, Ipv4RecvErr, &true)?)
    }

    pub fn next(socket: &UdpSocket) -> Option<Option<SocketAddr>> {
        let mut room = nix::cmsg_space!(nix::libc::sock_extended_err, SockaddrIn);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        // No room for the datagram that it answers: only the destination matters, and that comes as the message's
        // address.
        let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut [], Some(&mut room), flags).ok()?;
        let refused = message.cmsgs().is_ok_and(|mut messages| {
            messages.any(|message| {
                matches!(message, ControlMessageOwned::Ipv4RecvErr(e, _) if e.ee_errno == Errno::ECONNREFUSED as u32)
            })
        });
        Some(message.address.filter(|_| refused).map(|address| SocketAddrV4::from(address).into()))
    }
}

#[cfg(not(target_os = "linux"))]
mod queue {
    use super::*;

    pub fn listen(_: &Socket) -> io::Result<()> {
        Ok(())
    }

    pub fn next(_: &UdpSocket) -> Option<Option<SocketAddr>> {
        None
    }
}

/// Lets a socket learn of "port unreachable" and the like.
pub fn listen(socket: &Socket) -> io::Result<()> {
    queue::listen(socket)
}

/// Takes the next ICMP error that something sent was answered with; `None` if there are no more. Returns the address
/// whose port is unreachable; `Some(None)` for any other ICMP error.
pub fn next(socket: &UdpSocket) -> Option<Option<SocketAddr>> {
    queue::next(socket)
}
