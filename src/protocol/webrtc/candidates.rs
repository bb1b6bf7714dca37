//! The camera's candidates: which are of use, and how many there may be.

use crate::protocol::error::Candidates;
use str0m::net::Protocol;
use str0m::{Candidate, CandidateKind};

/// How many candidates of the camera are tried. It has some; who names more wants us to send to many addresses.
pub const MAX_CANDIDATES: usize = 32;
/// How many words a candidate has up to its kind.
const WORDS: usize = 8;
/// The longest candidate that is read.
const MAX_LINE: usize = 512;

/// Reads a candidate in the form of SDP, with or without `a=`. `None` for one that is of no use: a name of mDNS, TCP, or
/// an address that is none.
pub fn parse(line: &str) -> Option<Candidate> {
    let line = line.trim();
    let line = line.strip_prefix("a=").unwrap_or(line);
    if line.len() > MAX_LINE {
        return None;
    }
    // What comes after the kind is not needed, and some cameras write there what is no address.
    let line = line.split(' ').filter(|word| !word.is_empty()).take(WORDS).collect::<Vec<_>>().join(" ");
    let candidate = Candidate::from_sdp_string(&line).ok()?;
    let address = candidate.addr();
    let is_address = address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast();
    (candidate.proto() == Protocol::Udp && is_address).then_some(candidate)
}

/// Counts a candidate by its kind.
pub fn count(counts: &mut Candidates, candidate: &Candidate) {
    match candidate.kind() {
        CandidateKind::Host => counts.host += 1,
        CandidateKind::ServerReflexive | CandidateKind::PeerReflexive => counts.reflexive += 1,
        CandidateKind::Relayed => counts.relayed += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_over_udp_are_of_use_and_nothing_else() {
        let line = |transport: &str, address: &str, port: u16| {
            format!("candidate:1 1 {transport} 2130706431 {address} {port} typ host generation 0 network-cost 999")
        };
        for address in ["192.0.2.7", "2001:db8::7", "127.0.0.1"] {
            let candidate = parse(&format!("a={}", line("udp", address, 4000))).unwrap();
            assert_eq!(candidate.addr(), (address.parse::<std::net::IpAddr>().unwrap(), 4000).into());
        }
        let kvs = "candidate:1 1 udp 2130706431 2600:1010::15D4 50839 typ srflx raddr ::/0 rport 0 generation 0";
        assert_eq!(parse(kvs).map(|candidate| candidate.kind()), Some(CandidateKind::ServerReflexive));
        let useless = [
            line("udp", "2b8a1b9e-0000.local", 4000),
            line("tcp", "192.0.2.7", 9),
            line("udp", "0.0.0.0", 4000),
            line("udp", "224.0.0.1", 4000),
            line("udp", "192.0.2.7", 0),
            String::new(),
            "candidate:".into(),
            line("udp", "192.0.2.7", 4000) + &" x".repeat(MAX_LINE),
        ];
        for line in useless {
            assert!(parse(&line).is_none(), "{line:.80}");
        }
    }
}
