//! What the metadata directories of one search directory may cost together, so that one package cannot take the
//! memory and the time of all. Search directories that `.pth` files add may cost as much together: a package can
//! add as many as it likes.
//!
//! Two things are counted: bytes of content that are read, and entry points that are kept. Where they are too
//! many, the largest metadata directories are left unread, one after the other, until the rest fits. Which ones
//! depends on what they are, and on nothing else: neither on threads nor on the order of a listing, nor on what was
//! taken over from an older index.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::content;
use crate::freshness::Sighting;
use crate::parallel::in_runs;
use crate::rooted::Directory;

/// The most bytes that are read in one search directory: of each `entry_points.txt` all, and of `METADATA` or
/// `PKG-INFO` what goes beyond the first 4 KiB, and these too where Name and Version are long.
pub const CONTENT_LIMIT: u64 = 24 << 20;
/// The most entry points that are kept of one search directory.
pub const ENTRIES_LIMIT: u64 = 400_000;

/// What a search directory may cost, or what is left of that for the next one.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    pub(super) content: u64,
    pub(super) entries: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            content: CONTENT_LIMIT,
            entries: ENTRIES_LIMIT,
        }
    }
}

impl Budget {
    /// Takes away what one search directory has cost.
    pub(super) fn pay(&mut self, cost: Cost) {
        self.content = self.content.saturating_sub(cost.content);
        self.entries = self.entries.saturating_sub(cost.entries);
    }
}

/// What one metadata directory costs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) content: u64,
    pub(super) entries: u64,
}

/// What has been spent so far.
pub(super) struct Spent {
    limits: Budget,
    content: AtomicU64,
    entries: AtomicU64,
}

impl Spent {
    /// What distributions cost that are taken over.
    pub(super) fn on<'c>(limits: Budget, kept: impl Iterator<Item = &'c Cost>) -> Self {
        let sum = |sum: Cost, cost: &Cost| Cost {
            content: sum.content + cost.content,
            entries: sum.entries + cost.entries,
        };
        let total = kept.fold(Cost::default(), sum);
        Self {
            limits,
            content: total.content.into(),
            entries: total.entries.into(),
        }
    }

    /// Spends on bytes of content that are about to be read; None where it is too much.
    pub(super) fn content(&self, bytes: u64) -> Option<()> {
        spend(&self.content, bytes, self.limits.content)
    }

    /// Spends on entry points; None where it is too much.
    pub(super) fn entries(&self, count: u64) -> Option<()> {
        spend(&self.entries, count, self.limits.entries)
    }

    /// What has been spent in all.
    pub(super) fn total(&self) -> Cost {
        Cost {
            content: self.content.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
        }
    }

    /// Whether too much has been spent.
    pub(super) fn is_over(&self) -> bool {
        let Cost { content, entries } = self.total();
        content > self.limits.content || entries > self.limits.entries
    }
}

fn spend(spent: &AtomicU64, much: u64, limit: u64) -> Option<()> {
    let before = spent.fetch_add(much, Ordering::Relaxed);
    (before.saturating_add(much) <= limit).then_some(())
}

/// The metadata directories that are left unread, by their numbers in the listing.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    numbers: HashSet<usize>,
    /// The largest of them.
    pub(super) largest: Vec<u8>,
    /// The content that was read to count entry points, of those that have too many as well.
    pub(super) counted: u64,
}

impl Dropped {
    pub(super) fn count(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn has(&self, number: usize) -> bool {
        self.numbers.contains(&number)
    }
}

/// A metadata directory under consideration.
struct Candidate<'s> {
    number: usize,
    sighting: &'s Sighting,
    /// Known of what would be taken over.
    kept: Option<Cost>,
    cost: u64,
}

/// Which metadata directories are left unread: the largest by content (then the bytewise first name) until all
/// others fit; then of these the ones with the most entry points, likewise. `kept` says what those that would be
/// taken over cost.
pub(super) fn dropped(
    directory: &Directory<'_>,
    sightings: &[Sighting],
    kept: &[Option<Cost>],
    limits: Budget,
) -> Dropped {
    let pairs = sightings.iter().zip(kept).zip(0..);
    let mut left: Vec<Candidate<'_>> = pairs
        .map(|((sighting, kept), number)| Candidate {
            number,
            sighting,
            kept: *kept,
            cost: 0,
        })
        .collect();
    let mut dropped = Dropped::default();
    let content = |one: &Candidate<'_>, buffer: &mut Vec<u8>| match one.kept {
        Some(cost) => cost.content,
        None => content::content_size(directory, one.sighting, buffer),
    };
    dropped.counted = drop_largest(&mut left, &mut dropped, content, limits.content);
    let entries = |one: &Candidate<'_>, buffer: &mut Vec<u8>| match one.kept {
        Some(cost) => cost.entries,
        None => content::entry_count(directory, one.sighting, buffer),
    };
    drop_largest(&mut left, &mut dropped, entries, limits.entries);
    dropped
}

/// Says what those cost together that stay.
fn drop_largest(
    left: &mut Vec<Candidate<'_>>,
    dropped: &mut Dropped,
    measure: impl Fn(&Candidate<'_>, &mut Vec<u8>) -> u64 + Sync,
    limit: u64,
) -> u64 {
    let work = |buffer: &mut Vec<u8>, run: &mut [Candidate<'_>]| {
        for one in run {
            one.cost = measure(one, buffer);
        }
    };
    in_runs(left, work, &mut || ());
    left.sort_by(|one, other| {
        let names = one.sighting.file_name.cmp(&other.sighting.file_name);
        other.cost.cmp(&one.cost).then(names)
    });
    let mut total: u64 = left.iter().map(|it| it.cost).sum();
    left.retain(|one| {
        if total <= limit {
            return true;
        }
        total -= one.cost;
        if dropped.numbers.is_empty() {
            dropped.largest.clone_from(&one.sighting.file_name);
        }
        dropped.numbers.insert(one.number);
        false
    });
    total
}
