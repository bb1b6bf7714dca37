//! The packets that a camera without RTX sends again as they were.

use std::collections::VecDeque;
use std::net::SocketAddr;

/// How many datagrams are kept: some seconds of a usual stream.
const KEPT: usize = 2048;
/// Bytes of an RTP header up to and including the SSRC.
const HEADER: usize = 12;

#[derive(Default)]
pub struct SentPackets(VecDeque<(SocketAddr, Vec<u8>)>);

impl SentPackets {
    /// Keeps a datagram if it is RTP.
    pub fn keep(&mut self, to: SocketAddr, datagram: &[u8]) {
        // RTCP has types from 192 on where RTP has marker and payload type.
        let is_rtp = datagram.len() >= HEADER && datagram[0] >> 6 == 2 && !(192..=223).contains(&datagram[1]);
        if !is_rtp {
            return;
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((to, datagram.to_vec()));
    }

    /// Finds a packet by its SSRC and sequence number.
    pub fn find(&self, ssrc: u32, number: u16) -> Option<&(SocketAddr, Vec<u8>)> {
        let (ssrc, number) = (ssrc.to_be_bytes(), number.to_be_bytes());
        self.0.iter().rev().find(|(_, packet)| packet[2..4] == number && packet[8..HEADER] == ssrc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtp_packets_are_found_by_their_number_as_long_as_they_are_kept() {
        let packet = |kind: u8, number: u16| {
            let [high, low] = number.to_be_bytes();
            vec![0x80, kind, high, low, 0, 0, 0, 0, 0, 0, 0, 9, number as u8]
        };
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut sent = SentPackets::default();
        (0..KEPT as u16 + 3).for_each(|number| sent.keep(to, &packet(96, number)));
        sent.keep(to, &packet(200, 60000));
        sent.keep(to, &[0x80]);
        assert_eq!(sent.find(9, 3), Some(&(to, packet(96, 3))));
        for (ssrc, number) in [(9, 2), (8, 3), (9, 60000)] {
            assert_eq!(sent.find(ssrc, number), None);
        }
    }
}
