//! Which metadata directories exceed the budget of a search directory.
//!
//! The input is the listing and the budget. The output is which metadata directories lose what. If
//! they have too much content or too many entry points, the largest are left unread, one after the
//! other, until the rest fits. If their lists of files, or their requirements and import names, are
//! too much, the largest lose these two. The choice depends only on the packages: not on threads,
//! on the order of a listing, or on an older index.

use std::collections::HashSet;

use super::budget::{Budget, Cost, Spent};
use super::content::{self, Extent};
use super::details;
use super::distribution::{Reading, Report};
use crate::freshness::Sighting;
use crate::parallel::in_runs;
use crate::rooted::Directory;

/// Some of the metadata directories, by their numbers in the listing.
#[derive(Debug, Default)]
pub(super) struct Set {
    numbers: HashSet<usize>,
    /// The largest of them.
    pub(super) largest: Vec<u8>,
}

impl Set {
    pub(super) fn count(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn has(&self, number: usize) -> bool {
        self.numbers.contains(&number)
    }
}

/// The metadata directories that exceed the budget.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    /// They are left unread.
    pub(super) unread: Set,
    /// They lose their requirements and import names.
    pub(super) bare: Set,
    /// The bytes read for counting, including those of directories that exceed the budget.
    pub(super) counted: Cost,
}

/// A metadata directory that may be dropped.
struct Candidate<'s> {
    number: usize,
    sighting: &'s Sighting,
    /// Known for one that would be reused.
    kept: Option<Cost>,
    cost: u64,
}

/// Which metadata directories exceed the budget: the largest by content (of equal ones the first by
/// name) until all others fit, then of these the ones with the most entry points in the same way,
/// and so on. `kept` returns the cost of those that would be reused.
pub(super) fn dropped(
    directory: &Directory<'_>,
    egg_base: Option<&[u8]>,
    sightings: &[Sighting],
    kept: &[Option<Cost>],
    Budget(limits): Budget,
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
    let unread = &mut dropped.unread;
    let content = |one: &Candidate<'_>, buffer: &mut Vec<u8>| match one.kept {
        Some(cost) => cost.content,
        None => content::content_size(directory, one.sighting, buffer),
    };
    dropped.counted.content = drop_largest(&mut left, unread, content, limits.content);
    let entries = |one: &Candidate<'_>, buffer: &mut Vec<u8>| match one.kept {
        Some(cost) => cost.entries,
        None => content::entry_count(directory, one.sighting, buffer),
    };
    drop_largest(&mut left, unread, entries, limits.entries);
    let listed = |one: &Candidate<'_>, buffer: &mut Vec<u8>| match one.kept {
        Some(cost) => cost.listed,
        None => details::listed_size(directory, one.sighting, buffer),
    };
    dropped.counted.listed = drop_largest(&mut left, &mut dropped.bare, listed, limits.listed);
    let text = |one: &Candidate<'_>, buffer: &mut Vec<u8>| match one.kept {
        Some(cost) => cost.text,
        None => text_size(directory, egg_base, one.sighting, buffer),
    };
    drop_largest(&mut left, &mut dropped.bare, text, limits.text);
    dropped
}

/// How many bytes of requirements and import names a metadata directory has.
fn text_size(
    directory: &Directory<'_>,
    egg_base: Option<&[u8]>,
    sighting: &Sighting,
    buffer: &mut Vec<u8>,
) -> u64 {
    let spent = Spent::on(Budget::UNLIMITED, std::iter::empty());
    let mut reading = Reading {
        directory,
        egg_base,
        spent: &spent,
        buffer,
    };
    reading.read(sighting, Extent::Everything, &mut Report::default());
    spent.total().text
}

/// Drops the largest until the rest fits. Returns the total cost of the rest.
fn drop_largest(
    left: &mut Vec<Candidate<'_>>,
    dropped: &mut Set,
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
