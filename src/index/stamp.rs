//! Times of the file system, as an index stores them.
//!
//! The input is a `stat` result or a number, the output is a [`Stamp`], which can be compared.

use nix::sys::stat::FileStat;

/// A time of the file system in nanoseconds since 1970, only for comparing for equality.
///
/// An unknown time is [`Stamp::UNKNOWN`], which equals no time, not even itself. Compare with
/// [`Stamp::same`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp(i64);

impl Stamp {
    /// Not recorded, or out of range (before 1677 or after 2262).
    pub const UNKNOWN: Self = Self(i64::MIN);

    const SECOND: i64 = 1_000_000_000;

    /// From the two numbers of `struct timespec`.
    #[must_use]
    pub fn new(seconds: i64, nanoseconds: i64) -> Self {
        seconds
            .checked_mul(Self::SECOND)
            .and_then(|whole| whole.checked_add(nanoseconds))
            .map_or(Self::UNKNOWN, Self)
    }

    /// `st_mtim`.
    // The fields' types differ between architectures.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    #[must_use]
    pub fn modified(stat: &FileStat) -> Self {
        Self::new(stat.st_mtime as i64, stat.st_mtime_nsec as i64)
    }

    /// `st_ctim`.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    #[must_use]
    pub fn changed(stat: &FileStat) -> Self {
        Self::new(stat.st_ctime as i64, stat.st_ctime_nsec as i64)
    }

    /// From the index.
    #[must_use]
    pub fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// For the index.
    #[must_use]
    pub fn raw(self) -> i64 {
        self.0
    }

    /// Whether both are known and equal.
    #[must_use]
    pub fn same(self, other: Self) -> bool {
        self != Self::UNKNOWN && self == other
    }

    /// Whether both are known and in the same second, and one of them has no fraction of a second.
    /// An archive that keeps whole seconds does this to a time.
    #[must_use]
    pub fn same_second(self, other: Self) -> bool {
        let whole = |stamp: Self| stamp.0.rem_euclid(Self::SECOND) == 0;
        self.same(other)
            || (self != Self::UNKNOWN
                && other != Self::UNKNOWN
                && self.seconds() == other.seconds()
                && (whole(self) || whole(other)))
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(Self::SECOND)
    }

    /// Whether the time has no fraction of a second, as on file systems that do not store any.
    #[must_use]
    pub fn is_whole_second(self) -> bool {
        self.0.rem_euclid(Self::SECOND) == 0
    }

    /// The start of its second.
    #[must_use]
    pub fn truncated_to_seconds(self) -> Self {
        if self == Self::UNKNOWN {
            self
        } else {
            Self::new(self.seconds(), 0)
        }
    }
}
