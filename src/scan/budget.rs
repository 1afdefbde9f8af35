//! The budget of a search directory, so that one package cannot use up all memory and time.
//!
//! The input is what is spent, the output is whether it was too much. Search directories that
//! `.pth` files add share one budget, because a package can add any number of them.
//!
//! Four things are counted: bytes of content that are read, entry points that are kept, bytes of
//! file lists that are read, and bytes of requirements and import names that are kept.

use std::sync::atomic::{AtomicU64, Ordering};

/// The most bytes that are read in one search directory: each `entry_points.txt` completely, and
/// `METADATA` or `PKG-INFO` beyond the first 4 KiB. The first 4 KiB count too if Name and Version
/// are long.
pub const CONTENT_LIMIT: u64 = 24 << 20;
/// The most entry points that are kept in one search directory.
pub const ENTRIES_LIMIT: u64 = 400_000;

/// The most bytes of RECORD, installed-files.txt and SOURCES.txt that are read in one search
/// directory.
pub const LISTED_LIMIT: u64 = 128 << 20;
/// The most bytes of requirements and import names that are kept in one search directory.
pub const TEXT_LIMIT: u64 = 32 << 20;

/// What one metadata directory costs, or several together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) content: u64,
    pub(super) entries: u64,
    pub(super) listed: u64,
    pub(super) text: u64,
}

impl Cost {
    fn zip(self, other: Self, each: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            content: each(self.content, other.content),
            entries: each(self.entries, other.entries),
            listed: each(self.listed, other.listed),
            text: each(self.text, other.text),
        }
    }

    /// What costs more of each.
    pub(super) fn max(self, other: Self) -> Self {
        self.zip(other, u64::max)
    }
}

/// What a search directory may cost, or what is left of that for the next one.
#[derive(Debug, Clone, Copy)]
pub struct Budget(pub(super) Cost);

impl Default for Budget {
    fn default() -> Self {
        Self(Cost {
            content: CONTENT_LIMIT,
            entries: ENTRIES_LIMIT,
            listed: LISTED_LIMIT,
            text: TEXT_LIMIT,
        })
    }
}

impl Budget {
    /// Of which nothing is left out.
    pub(super) const UNLIMITED: Self = Self(Cost {
        content: u64::MAX,
        entries: u64::MAX,
        listed: u64::MAX,
        text: u64::MAX,
    });

    /// Subtracts the cost of one search directory.
    pub(super) fn pay(&mut self, cost: Cost) {
        self.0 = self.0.zip(cost, u64::saturating_sub);
    }
}

/// What has been spent so far.
pub(super) struct Spent {
    limits: Cost,
    content: AtomicU64,
    entries: AtomicU64,
    listed: AtomicU64,
    text: AtomicU64,
}

impl Spent {
    /// Starts with the cost of the distributions that are reused.
    pub(super) fn on<'c>(limits: Budget, kept: impl Iterator<Item = &'c Cost>) -> Self {
        let total = kept.fold(Cost::default(), |sum, cost| {
            sum.zip(*cost, u64::saturating_add)
        });
        Self {
            limits: limits.0,
            content: total.content.into(),
            entries: total.entries.into(),
            listed: total.listed.into(),
            text: total.text.into(),
        }
    }

    /// Spends on bytes of content that are about to be read. `None` if that is too much.
    pub(super) fn content(&self, bytes: u64) -> Option<()> {
        spend(&self.content, bytes, self.limits.content)
    }

    /// Spends on entry points. `None` if that is too much.
    pub(super) fn entries(&self, count: u64) -> Option<()> {
        spend(&self.entries, count, self.limits.entries)
    }

    /// Spends on bytes of a list of files that are about to be read; None where it is too much.
    pub(super) fn listed(&self, bytes: u64) -> Option<()> {
        spend(&self.listed, bytes, self.limits.listed)
    }

    /// Spends on bytes of requirements and import names; None where it is too much.
    pub(super) fn text(&self, bytes: u64) -> Option<()> {
        spend(&self.text, bytes, self.limits.text)
    }

    /// What has been spent in total.
    pub(super) fn total(&self) -> Cost {
        Cost {
            content: self.content.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
            listed: self.listed.load(Ordering::Relaxed),
            text: self.text.load(Ordering::Relaxed),
        }
    }

    /// Whether too much has been spent.
    pub(super) fn is_over(&self) -> bool {
        let over = self.total().zip(self.limits, u64::saturating_sub);
        over.content | over.entries | over.listed | over.text > 0
    }
}

fn spend(spent: &AtomicU64, much: u64, limit: u64) -> Option<()> {
    let before = spent.fetch_add(much, Ordering::Relaxed);
    (before.saturating_add(much) <= limit).then_some(())
}
