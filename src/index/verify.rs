//! The full check: every byte, every row, every rule of the format that a writer keeps.
//!
//! It takes time and memory in proportion to the file, whatever the file says: no two rows may name
//! the same bytes, so that nothing is looked at twice.

use super::format::{Row, directory_flag, distribution_flag, entry_flag, key_hash, record_flag};
use super::read::{Damage, Index, Source};
use super::record::{Record, Table};

/// Checks all of an index: every block's checksum, every row's references, every order.
/// `docs/format.md`, "Verification", lists the rules.
///
/// # Errors
/// The first [`Damage`] found.
pub fn verify<S: Source>(index: &Index<S>) -> Result<(), Damage> {
    directories_are_sound(index)?;
    let mut end = index.tables_size();
    for number in 0..index.record_count() {
        let record = index.record(number)?;
        if record.row.tables < end {
            return Err(Damage::Malformed("records that overlap"));
        }
        end = record.row.end;
        distributions_are_sound(&record)?;
        keys_are_sound(&record)?;
        groups_are_sound(&record)?;
        entries_are_sound(&record)?;
        references_are_sound(&record)?;
        index.forget_blocks();
    }
    every_block_is_whole(index)
}

fn directories_are_sound<S: Source>(index: &Index<S>) -> Result<(), Damage> {
    let mut previous: Option<Vec<u8>> = None;
    let mut strings_end = u32::try_from(index.tables_size()).unwrap_or(u32::MAX);
    for number in 0..index.directory_count() {
        let [offset, length, record, flags] = index.directory_row(number)?;
        if offset < strings_end {
            return Err(Damage::Malformed("strings out of order"));
        }
        strings_end = offset.saturating_add(length);
        let path = index.string(0, offset, length)?;
        if previous.as_ref().is_some_and(|previous| *previous >= path) {
            return Err(Damage::Malformed("directories out of order"));
        }
        let record = index.record(record)?;
        if flags & directory_flag::ALIAS == 0 && record.path() != path {
            return Err(Damage::Malformed("a directory with another's record"));
        }
        previous = Some(path);
    }
    index.forget_blocks();
    Ok(())
}

fn distributions_are_sound<S: Source>(record: &Record<'_, S>) -> Result<(), Damage> {
    let mut next = 0;
    let mut unread = false;
    let rows = record.rows_of(Table::Distributions, 0..record.row.distributions);
    for (row, distribution) in rows.zip(record.distributions()) {
        let (row, distribution) = (row?, distribution?);
        if Row(&row).u32(80) != next {
            return Err(Damage::Malformed(
                "a distribution's entry points out of order",
            ));
        }
        if Row(&row).u32(88) != key_hash(&distribution.key) {
            return Err(Damage::Malformed("a distribution's key hash"));
        }
        next += distribution.entry_count();
        unread |= distribution.has(distribution_flag::UNREAD);
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
fn keys_are_sound<S: Source>(record: &Record<'_, S>) -> Result<(), Damage> {
    let mut previous: Option<(u32, Vec<u8>)> = None;
    for row in record.rows_of(Table::Keys, 0..record.row.keys) {
        let row = row?;
        let distribution = record.distribution(Row(&row).u32(4))?;
        if distribution.has(distribution_flag::SHADOWED) {
            return Err(Damage::Malformed("a shadowed distribution's key"));
        }
        let here = (key_hash(&distribution.key), distribution.key);
        if here.0 != Row(&row).u32(0) || previous.as_ref().is_some_and(|earlier| *earlier >= here) {
            return Err(Damage::Malformed("keys out of order"));
        }
        previous = Some(here);
    }
    // The keys differ, so that each row is another distribution: to count them is enough.
    let mut chosen = 0;
    for distribution in record.distributions() {
        let distribution = distribution?;
        if !distribution.has(distribution_flag::SHADOWED) {
            chosen += 1;
        } else if record.chosen(&distribution.key)?.is_none() {
            return Err(Damage::Malformed("a distribution shadowed by none"));
        }
    }
    if chosen == record.row.keys {
        Ok(())
    } else {
        Err(Damage::Malformed("a distribution without its key"))
    }
}

fn groups_are_sound<S: Source>(record: &Record<'_, S>) -> Result<(), Damage> {
    let mut previous: Option<String> = None;
    let mut next = 0;
    for (number, group) in (0..).zip(record.groups()) {
        let group = group?;
        if previous
            .as_ref()
            .is_some_and(|previous| *previous >= group.name)
        {
            return Err(Damage::Malformed("groups out of order"));
        }
        if group.rows.start != next {
            return Err(Damage::Malformed("groups that overlap"));
        }
        next = group.rows.end;
        let mut with_metadata = true;
        for row in record.rows_of(Table::Entries, group.rows.clone()) {
            let row = row?;
            if Row(&row).u32(16) != number {
                return Err(Damage::Malformed("an entry point in another's group"));
            }
            let has_metadata = Row(&row).u32(24) & entry_flag::HAS_METADATA != 0;
            if has_metadata && !with_metadata {
                return Err(Damage::Malformed("a group's entry points out of order"));
            }
            with_metadata = has_metadata;
        }
        previous = Some(group.name);
    }
    if next == record.row.listed {
        Ok(())
    } else {
        Err(Damage::Malformed("entry points without a group"))
    }
}

fn entries_are_sound<S: Source>(record: &Record<'_, S>) -> Result<(), Damage> {
    for (number, entry) in (0..).zip(record.entries_in(0..record.row.entries)) {
        let entry = entry?;
        let row = record.row_of(Table::Distributions, entry.distribution)?;
        let (flags, hash) = (Row(&row).u32(32), Row(&row).u32(88));
        if entry.key_hash != hash {
            return Err(Damage::Malformed("an entry point's key hash"));
        }
        if entry.has_metadata() != (flags & distribution_flag::HAS_METADATA != 0) {
            return Err(Damage::Malformed("an entry point's flags"));
        }
        if (number < record.row.listed) != (flags & distribution_flag::SHADOWED == 0) {
            return Err(Damage::Malformed(
                "an entry point of a shadowed distribution",
            ));
        }
    }
    Ok(())
}

/// Each entry point is referred to once, by its own distribution.
fn references_are_sound<S: Source>(record: &Record<'_, S>) -> Result<(), Damage> {
    let mut seen = vec![false; record.row.entries as usize];
    for (number, distribution) in (0..).zip(record.distributions()) {
        for reference in record.rows_of(Table::References, distribution?.references) {
            let entry = Row(&reference?).u32(0);
            let row = record.row_of(Table::Entries, entry)?;
            if Row(&row).u32(12) != number {
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

fn every_block_is_whole<S: Source>(index: &Index<S>) -> Result<(), Damage> {
    const PIECE: u64 = 1 << 20;
    let body = index.body_size();
    let mut offset = 0;
    while offset < body {
        let length = PIECE.min(body - offset);
        index.bytes(offset, length)?;
        index.forget_blocks();
        offset += length;
    }
    Ok(())
}
