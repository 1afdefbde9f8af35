//! How long something has been waited for: by the clock, or by the rounds of waiting.
//!
//! A clock may stand still: a library that pretends another time, a virtual machine. Then what was slept
//! in each round is what counts, so that no wait goes on for ever.

use std::time::{Duration, Instant};

/// A wait under way.
#[derive(Debug)]
pub(crate) struct Waiting {
    began: Instant,
    counted: Duration,
}

impl Waiting {
    /// Begins now.
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            counted: Duration::ZERO,
        }
    }

    /// A round of so long, or at least so long, has ended.
    pub(crate) fn count(&mut self, round: Duration) {
        self.counted += round;
    }

    /// How long it has been.
    pub(crate) fn passed(&self) -> Duration {
        self.began.elapsed().max(self.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_count_where_the_clock_stands_still() {
        let mut waiting = Waiting::begin();
        waiting.count(Duration::from_secs(3600));
        assert!(waiting.passed() >= Duration::from_secs(3600));
    }

    #[test]
    fn the_clock_counts_where_rounds_are_short() {
        let waiting = Waiting::begin();
        std::thread::sleep(Duration::from_millis(5));
        assert!(waiting.passed() >= Duration::from_millis(5));
    }
}
