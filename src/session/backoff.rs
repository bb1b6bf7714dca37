//! How long to wait before the next attempt to reconnect.

use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;

/// The first delay: often the camera is there again at once. Jitter spreads sessions that lost the same access point.
const FIRST: Duration = Duration::from_millis(100);
/// The second delay, which doubles from then on.
const LEAST: Duration = Duration::from_secs(1);
/// The longest delay, before jitter makes it up to 30 s.
const MOST: Duration = Duration::from_secs(20);

/// Delays that grow from attempt to attempt: 0.1, 1, 2, 4, 8, 16 s, and 20 s from then on, each made longer by up to
/// half, at random.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Returns the next attempt's number, 1 for the first, and how long to wait before it.
    pub fn next(&mut self, rng: &mut StdRng) -> (u32, Duration) {
        self.attempts = self.attempts.saturating_add(1);
        let least = match self.attempts {
            1 => FIRST,
            // Larger powers would overflow, and are cut to the limit anyway.
            later => (LEAST * (1 << (later - 2).min(16))).min(MOST),
        };
        (self.attempts, least.mul_f64(rng.random_range(1.0..1.5)))
    }

    /// The number of attempts since the last [`Backoff::reset`].
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Starts over, as a connection was a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn delays_grow_from_a_quick_look_to_half_a_minute_and_start_over() {
        for seed in 0..100 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            for _ in 0..2 {
                let delays: Vec<_> = (0..40).map(|_| backoff.next(&mut rng)).collect();
                for (i, (attempt, delay)) in delays.iter().enumerate() {
                    assert_eq!(*attempt as usize, i + 1);
                    let least = [0.1, 1.0, 2.0, 4.0, 8.0, 16.0].get(i).copied().unwrap_or(20.0);
                    assert!((least..least * 1.5).contains(&delay.as_secs_f64()), "attempt {attempt} after {delay:?}");
                }
                assert!(delays.iter().all(|(_, delay)| *delay <= Duration::from_secs(30)));
                backoff.reset();
                assert_eq!(backoff.attempts(), 0);
            }
        }
    }

    #[test]
    fn two_sessions_that_lost_their_cameras_at_once_do_not_stay_in_step() {
        let delays = |seed| {
            let (mut rng, mut backoff) = (StdRng::seed_from_u64(seed), Backoff::default());
            (0..10).map(|_| backoff.next(&mut rng).1).collect::<Vec<_>>()
        };
        assert_eq!(delays(1), delays(1), "the same randomness, the same delays");
        assert!(delays(1).iter().zip(delays(2)).all(|(one, other)| *one != other));
    }

    #[test]
    fn no_number_of_attempts_is_too_many() {
        let mut backoff = Backoff { attempts: u32::MAX - 1 };
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..3 {
            let (attempt, delay) = backoff.next(&mut rng);
            assert_eq!(attempt, u32::MAX);
            assert!(delay >= MOST);
        }
    }
}
