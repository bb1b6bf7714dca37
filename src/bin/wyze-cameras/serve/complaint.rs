//! What is wrong with a camera, told once and not at every attempt.

use super::output::tell;
use std::time::{Duration, Instant};

/// After so long, what is still wrong is told again.
const AGAIN: Duration = Duration::from_secs(600);

/// The trouble that was told last, and when.
#[derive(Debug, Default)]
pub struct Complaint(Option<(String, Instant)>);

impl Complaint {
    /// Tells on standard error what is wrong with a camera, unless the same was told in the last ten minutes.
    pub fn make(&mut self, camera: &str, why: &str) {
        if self.is_news(why, Instant::now()) {
            tell(format_args!("wyze-cameras: {camera}: {why}"));
        }
    }

    fn is_news(&mut self, why: &str, now: Instant) -> bool {
        let is_known = self.0.as_ref().is_some_and(|(told, at)| told == why && now.duration_since(*at) < AGAIN);
        if !is_known {
            self.0 = Some((why.to_owned(), now));
        }
        !is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_once_and_again_when_it_changes_or_lasts() {
        let (mut complaint, start) = (Complaint::default(), Instant::now());
        let mut tell = |why, seconds| complaint.is_news(why, start + Duration::from_secs(seconds));
        let told = [("a", 0), ("a", 5), ("b", 10), ("b", 15), ("a", 20), ("a", 619), ("a", 620), ("a", 625)];
        let told = told.map(|(why, seconds)| tell(why, seconds));
        assert_eq!(told, [true, false, true, false, true, false, true, false]);
    }
}
