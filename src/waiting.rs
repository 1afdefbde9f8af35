//! How long a wait has lasted: by the clock, or by the rounds of waiting.
//!
//! The input is the length of each round, the output is the time that has passed. A clock may stand
//! still because of a library that fakes the time, or a virtual machine. Then the rounds count, so
//! that no wait lasts for ever.

use std::time::{Duration, Instant};

/// A wait that goes on.
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

    /// Counts a round that has lasted at least this long.
    pub(crate) fn count(&mut self, round: Duration) {
        self.counted += round;
    }

    /// How long the wait has lasted.
    pub(crate) fn passed(&self) -> Duration {
        self.began.elapsed().max(self.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_count_if_the_clock_stands_still() {
        let mut waiting = Waiting::begin();
        waiting.count(Duration::from_secs(3600));
        assert!(waiting.passed() >= Duration::from_secs(3600));
    }

    #[test]
    fn the_clock_counts_if_rounds_are_short() {
        let waiting = Waiting::begin();
        std::thread::sleep(Duration::from_millis(5));
        assert!(waiting.passed() >= Duration::from_millis(5));
    }
}
