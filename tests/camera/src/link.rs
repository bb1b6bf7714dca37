//! A bad network path in memory, without sockets or a clock; its faults follow from a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How much later than its original a duplicate arrives, at most.
const DUPLICATE_LAG: Duration = Duration::from_millis(5);

/// How often a link's faults happen (odds from 0 to 1), and its delays. The default is a perfect link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkConfig {
    pub loss: f64,
    /// Share of datagrams that wait for up to `reorder_delay`, so that later ones overtake them.
    pub reorder: f64,
    pub reorder_delay: Duration,
    pub duplicate: f64,
    /// Share of datagrams that have one bit flipped.
    pub corrupt: f64,
    pub latency: Duration,
}

impl Default for LinkConfig {
    fn default() -> Self {
        LinkConfig {
            loss: 0.0,
            reorder: 0.0,
            reorder_delay: Duration::from_millis(5),
            duplicate: 0.0,
            corrupt: 0.0,
            latency: Duration::ZERO,
        }
    }
}

/// Counters of a link's datagrams and faults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStats {
    pub sent: u64,
    pub lost: u64,
    pub delayed: u64,
    pub duplicated: u64,
    pub corrupted: u64,
}

/// One direction of a path. `D` is a datagram: bytes, or bytes with an address.
#[derive(Debug)]
pub struct Link<D> {
    config: LinkConfig,
    rng: StdRng,
    /// Sorted by arrival, then by order of sending.
    in_flight: BTreeMap<(Instant, u64), D>,
    stats: LinkStats,
    sent: u64,
}

impl<D: AsMut<[u8]> + Clone> Link<D> {
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Link {
            config,
            rng: StdRng::seed_from_u64(seed),
            in_flight: BTreeMap::new(),
            stats: LinkStats::default(),
            sent: 0,
        }
    }

    /// Changes the link for datagrams sent from now on; a loss of 1 cuts it.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }

    pub fn stats(&self) -> LinkStats {
        self.stats
    }

    pub fn send(&mut self, now: Instant, mut datagram: D) {
        let config = self.config;
        self.stats.sent += 1;
        if self.happens(config.loss) {
            self.stats.lost += 1;
            return;
        }
        if self.happens(config.corrupt) && !datagram.as_mut().is_empty() {
            let at = self.rng.random_range(0..datagram.as_mut().len());
            datagram.as_mut()[at] ^= 1 << self.rng.random_range(0..8);
            self.stats.corrupted += 1;
        }
        let mut arrival = now + config.latency;
        if self.happens(config.reorder) {
            arrival += self.up_to(config.reorder_delay);
            self.stats.delayed += 1;
        }
        if self.happens(config.duplicate) {
            let again = arrival + self.up_to(DUPLICATE_LAG);
            self.queue(again, datagram.clone());
            self.stats.duplicated += 1;
        }
        self.queue(arrival, datagram);
    }

    /// Returns the next datagram that has arrived.
    pub fn poll(&mut self, now: Instant) -> Option<D> {
        let first = self.in_flight.first_entry()?;
        if first.key().0 <= now { Some(first.remove()) } else { None }
    }

    /// When the next datagram arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.first_key_value().map(|((arrival, _), _)| *arrival)
    }

    fn queue(&mut self, arrival: Instant, datagram: D) {
        self.in_flight.insert((arrival, self.sent), datagram);
        self.sent += 1;
    }

    fn happens(&mut self, odds: f64) -> bool {
        odds > 0.0 && self.rng.random_bool(odds.min(1.0))
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.rng.random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(config: LinkConfig, seed: u64) -> (Vec<Vec<u8>>, LinkStats) {
        let start = Instant::now();
        let mut link = Link::new(config, seed);
        let mut arrived = Vec::new();
        for i in 0..1000u64 {
            let now = start + Duration::from_millis(i);
            link.send(now, (i as u32).to_le_bytes().to_vec());
            arrived.extend(std::iter::from_fn(|| link.poll(now)));
        }
        arrived.extend(std::iter::from_fn(|| link.poll(start + Duration::from_secs(9))));
        assert_eq!(link.poll_timeout(), None);
        (arrived, link.stats())
    }

    #[test]
    fn a_perfect_link_keeps_order() {
        let (arrived, _) = run(LinkConfig::default(), 1);
        assert_eq!(arrived, (0..1000u32).map(|i| i.to_le_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn the_seed_determines_the_faults() {
        let bad = LinkConfig { loss: 0.1, reorder: 0.1, duplicate: 0.1, corrupt: 0.1, ..LinkConfig::default() };
        assert_eq!(run(bad, 7), run(bad, 7));
        assert_ne!(run(bad, 7).0, run(bad, 8).0);
        let (arrived, stats) = run(bad, 7);
        assert_eq!(arrived.len() as u64, 1000 - stats.lost + stats.duplicated);
        assert!([stats.lost, stats.delayed, stats.duplicated, stats.corrupted].iter().all(|n| (50..200).contains(n)));
    }

    #[test]
    fn a_delayed_datagram_is_overtaken() {
        let bad = LinkConfig { reorder: 0.2, ..LinkConfig::default() };
        let (arrived, _) = run(bad, 3);
        assert!(!arrived.is_sorted_by_key(|d| u32::from_le_bytes([d[0], d[1], d[2], d[3]])));
    }
}
