//! The full check: every byte, every row, every rule of the format that a writer keeps.
//!
//! It takes time and memory in proportion to the file, whatever the file says: no two rows may name
//! the same bytes, so that nothing is looked at twice.

use std::borrow::Cow;

use super::format::{directory_flag, distribution_flag, entry_flag, key_hash, record_flag};
use super::read::Index;
use super::record::{Budget, Record, strings_of};
use super::rows::DistributionRow;
use super::source::{Damage, Source};
use crate::metadata::text::has_control;

/// A record in memory.
type Bytes<'i, 'b> = Record<'i, &'b [u8]>;

/// Checks all of an index: every block's checksum, every row's references, every order.
/// `docs/format.md`, "Verification", lists the rules.
///
/// # Errors
/// The first [`Damage`] found.
pub fn verify<S: Source>(index: &Index<S>) -> Result<(), Damage> {
    let bytes = match index.source().as_slice() {
        Some(bytes) => Cow::Borrowed(bytes),
        None => {
            let size = usize::try_from(index.size()).map_err(|_| Damage::TooLarge)?;
            let mut bytes = vec![0; size];
            index.source().read_at(&mut bytes, 0)?;
            Cow::Owned(bytes)
        }
    };
    let index = Index::open(&*bytes)?;
    index.body.check_all()?;
    directories_are_sound(&index)?;
    let mut end = index.records.end();
    for number in 0..index.record_count() {
        let record = index.record(number)?;
        if u64::from(record.row.segment.start) < end {
            return Err(Damage::Malformed("records that overlap"));
        }
        end = record.tables.pool.end;
        is_plain(record.path())?;
        distributions_are_sound(&record)?;
        keys_are_sound(&record)?;
        groups_are_sound(&record)?;
        entries_are_sound(&record)?;
        references_are_sound(&record)?;
    }
    Ok(())
}

fn directories_are_sound(index: &Index<&[u8]>) -> Result<(), Damage> {
    let mut previous: Option<Cow<'_, [u8]>> = None;
    let mut strings_end = u32::try_from(index.records.end()).unwrap_or(u32::MAX);
    for row in index.body.all(index.directories) {
        let row = row?;
        if row.path.start < strings_end {
            return Err(Damage::Malformed("strings out of order"));
        }
        strings_end = row.path.end().unwrap_or(u32::MAX);
        let path = index.body.string(0, row.path)?;
        is_plain(&path)?;
        if previous.is_some_and(|previous| previous >= path) {
            return Err(Damage::Malformed("directories out of order"));
        }
        let record = index.record(row.record)?;
        if row.flags & directory_flag::ALIAS == 0 && record.path() != &*path {
            return Err(Damage::Malformed("a directory with another's record"));
        }
        previous = Some(path);
    }
    Ok(())
}

fn distributions_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let mut next = 0u32;
    let mut unread = false;
    let mut budget = Budget::of_distributions(record.tables.pool_size());
    for row in record.body.all(record.tables.distributions) {
        let row = row?;
        budget.spend(strings_of(&row).map(|string| string.length))?;
        for string in strings_of(&row) {
            record.short_string(string)?;
        }
        record.file_name(&row)?;
        for string in strings_of(&row) {
            is_plain(&record.short_string(string)?)?;
        }
        if row.references.start != next {
            return Err(Damage::Malformed(
                "a distribution's entry points out of order",
            ));
        }
        if row.key_hash != key_hash(&record.short_string(row.key)?) {
            return Err(Damage::Malformed("a distribution's key hash"));
        }
        next = record.references(&row)?.end;
        unread |= row.flags & distribution_flag::UNREAD != 0;
    }
    if next != record.row.entries {
        return Err(Damage::Malformed("entry points without a distribution"));
    }
    if unread != record.has(record_flag::UNREAD) {
        return Err(Damage::Malformed("a record's unread flag"));
    }
    if record.is_missing() && record.row.distributions != 0 {
        return Err(Damage::Malformed("distributions in a missing directory"));
    }
    Ok(())
}

/// The key table has exactly the chosen distributions, and each of the others has a chosen twin.
fn keys_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let mut previous: Option<(u32, Cow<'_, [u8]>)> = None;
    for row in record.body.all(record.tables.keys) {
        let row = row?;
        let distributions = record.tables.distributions;
        let distribution = record.body.row(distributions, row.distribution)?;
        if is_shadowed(&distribution) {
            return Err(Damage::Malformed("a shadowed distribution's key"));
        }
        let here = (
            distribution.key_hash,
            record.short_string(distribution.key)?,
        );
        if here.0 != row.hash || previous.is_some_and(|earlier| earlier >= here) {
            return Err(Damage::Malformed("keys out of order"));
        }
        previous = Some(here);
    }
    // The keys differ, so that each row is another distribution: to count them is enough.
    let mut chosen = 0;
    for row in record.body.all(record.tables.distributions) {
        let row = row?;
        if !is_shadowed(&row) {
            chosen += 1;
        } else if record.chosen_row(&record.short_string(row.key)?)?.is_none() {
            return Err(Damage::Malformed("a distribution shadowed by none"));
        }
    }
    if chosen == record.row.keys {
        Ok(())
    } else {
        Err(Damage::Malformed("a distribution without its key"))
    }
}

fn is_shadowed(distribution: &DistributionRow) -> bool {
    distribution.flags & distribution_flag::SHADOWED != 0
}

fn groups_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let mut previous: Option<Cow<'_, [u8]>> = None;
    let mut next = 0u32;
    let mut budget = Budget::of(record.tables.pool_size());
    for (number, group) in (0..).zip(record.body.all(record.tables.groups)) {
        let group = group?;
        budget.spend([group.name.length])?;
        let name = record.string(group.name)?;
        is_utf8(&name)?;
        is_plain(&name)?;
        if previous.is_some_and(|previous| previous >= name) {
            return Err(Damage::Malformed("groups out of order"));
        }
        if group.entries.start != next {
            return Err(Damage::Malformed("groups that overlap"));
        }
        let end = group.entries.end().filter(|&end| end <= record.row.listed);
        let end = end.ok_or(Damage::Malformed("a group's entry points"))?;
        let mut with_metadata = true;
        for row in record.body.rows(record.tables.entries, next..end) {
            let row = row?;
            if row.group != number {
                return Err(Damage::Malformed("an entry point in another's group"));
            }
            let has_metadata = row.flags & entry_flag::HAS_METADATA != 0;
            if has_metadata && !with_metadata {
                return Err(Damage::Malformed("a group's entry points out of order"));
            }
            with_metadata = has_metadata;
        }
        next = end;
        previous = Some(name);
    }
    if next == record.row.listed {
        Ok(())
    } else {
        Err(Damage::Malformed("entry points without a group"))
    }
}

fn entries_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let mut strings_end = 0;
    // Whatever is cut out of ASCII is UTF-8: there is hardly ever anything else.
    let pool = record.tables.pool.clone();
    let pool = record.body.part(pool.start, pool.end - pool.start)?;
    let is_ascii = pool.is_ascii();
    for (number, row) in (0..).zip(record.body.all(record.tables.entries)) {
        let row = row?;
        if row.name.start < strings_end {
            return Err(Damage::Malformed("strings out of order"));
        }
        let strings = record.strings_of_entry(&row)?;
        for string in &strings {
            if !is_ascii {
                is_utf8(string)?;
            }
            is_plain(string)?;
        }
        let name_end = row.name.end().unwrap_or(u32::MAX);
        strings_end = name_end.saturating_add(row.value_length);
        if row.group >= record.row.groups || row.distribution >= record.row.distributions {
            return Err(Damage::Malformed("an entry point of nothing"));
        }
        let distributions = record.tables.distributions;
        let distribution = record.body.row(distributions, row.distribution)?;
        if row.key_hash != distribution.key_hash {
            return Err(Damage::Malformed("an entry point's key hash"));
        }
        let has_metadata = distribution.flags & distribution_flag::HAS_METADATA != 0;
        if (row.flags & entry_flag::HAS_METADATA != 0) != has_metadata {
            return Err(Damage::Malformed("an entry point's flags"));
        }
        if (number < record.row.listed) == is_shadowed(&distribution) {
            return Err(Damage::Malformed(
                "an entry point of a shadowed distribution",
            ));
        }
    }
    Ok(())
}

/// Each entry point is referred to once, by its own distribution.
fn references_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let mut seen = vec![false; record.row.entries as usize];
    for (number, row) in (0..).zip(record.body.all(record.tables.distributions)) {
        let references = record.references(&row?)?;
        for reference in record.body.rows(record.tables.references, references) {
            let entry = reference?.entry;
            if record.body.row(record.tables.entries, entry)?.distribution != number {
                return Err(Damage::Malformed("an entry point of another distribution"));
            }
            match seen.get_mut(entry as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(Damage::Malformed("an entry point referred to twice")),
            }
        }
    }
    Ok(())
}

fn is_plain(bytes: &[u8]) -> Result<(), Damage> {
    if has_control(bytes) {
        return Err(Damage::Malformed("a control character"));
    }
    Ok(())
}

fn is_utf8(bytes: &[u8]) -> Result<(), Damage> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(Damage::Malformed("a string that is not UTF-8")),
    }
}
