//! Datagrams that leave at once, as a camera's do: in one call of the system, so that the receiver is woken once.

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// Sends datagrams, each to its address, in their order. One that the system does not take is lost, as on any network.
pub fn send_burst(socket: &UdpSocket, datagrams: &[(impl AsRef<[u8]>, SocketAddr)]) {
    let mut left = datagrams;
    while !left.is_empty() {
        let slices: Vec<_> = left.iter().map(|(data, _)| [IoSlice::new(data.as_ref())]).collect();
        let to: Vec<_> = left.iter().map(|(_, to)| Some(SockaddrStorage::from(*to))).collect();
        let mut headers = MultiHeaders::preallocate(left.len(), None);
        let sent = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &to, [], MsgFlags::empty());
        // An error is about the first.
        left = &left[sent.map_or(1, |sent| sent.count().max(1))..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_arrive_in_order_but_one_that_the_system_refuses() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        let lengths = [3, 70_000, 1, 1400];
        send_burst(&sender, &lengths.map(|len| (vec![7; len], to)));
        for len in [3, 1, 1400] {
            assert_eq!(receiver.recv(&mut [0; 2000]).unwrap(), len);
        }
        receiver.set_nonblocking(true).unwrap();
        assert!(receiver.recv(&mut [0]).is_err());
    }
}
