//! The full check: every byte, every row, every rule of the format that a writer keeps.

use super::format::{Row, key_hash};
use super::read::{Damage, Index, Source};
use super::record::{Record, Table};

/// Checks all of an index: every block's checksum, every row's references, every order.
///
/// # Errors
/// The first [`Damage`] found.
pub fn verify<S: Source>(index: &Index<S>) -> Result<(), Damage> {
    let mut previous: Option<Vec<u8>> = None;
    for number in 0..index.directory_count() {
        let (path, record, _) = index.directory(number)?;
        if previous.as_ref().is_some_and(|previous| *previous >= path) {
            return Err(Damage::Malformed("directories out of order"));
        }
        if record >= index.record_count() {
            return Err(Damage::Malformed("record number"));
        }
        previous = Some(path);
    }
    for number in 0..index.record_count() {
        let record = index.record(number)?;
        distributions_are_sound(&record)?;
        keys_are_sound(&record)?;
        groups_are_sound(&record)?;
        references_are_sound(&record)?;
        index.forget_blocks();
    }
    every_block_is_whole(index)
}

fn distributions_are_sound<S: Source>(record: &Record<'_, S>) -> Result<(), Damage> {
    let mut next = 0;
    for row in record.rows_of(Table::Distributions, 0..record.row.distributions) {
        let row = row?;
        let distribution = record.decode_distribution(Row(&row))?;
        if Row(&row).u32(80) != next {
            return Err(Damage::Malformed(
                "a distribution's entry points out of order",
            ));
        }
        if Row(&row).u32(88) != key_hash(&distribution.key) {
            return Err(Damage::Malformed("a distribution's key hash"));
        }
        next += distribution.entry_count();
    }
    if next == record.row.entries {
        Ok(())
    } else {
        Err(Damage::Malformed("entry points without a distribution"))
    }
}

fn keys_are_sound<S: Source>(record: &Record<'_, S>) -> Result<(), Damage> {
    let mut previous: Option<(u32, Vec<u8>)> = None;
    for row in record.rows_of(Table::Keys, 0..record.row.keys) {
        let row = row?;
        let distribution = record.distribution(Row(&row).u32(4))?;
        let here = (key_hash(&distribution.key), distribution.key);
        if here.0 != Row(&row).u32(0) || previous.as_ref().is_some_and(|earlier| *earlier >= here) {
            return Err(Damage::Malformed("keys out of order"));
        }
        previous = Some(here);
    }
    Ok(())
}

fn groups_are_sound<S: Source>(record: &Record<'_, S>) -> Result<(), Damage> {
    let mut previous: Option<String> = None;
    let mut next = 0;
    for (number, group) in record.groups().enumerate() {
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
        for entry in record.entries(&group) {
            let entry = entry?;
            if entry.group as usize != number {
                return Err(Damage::Malformed("an entry point in another's group"));
            }
            let distribution = record.distribution(entry.distribution)?;
            if entry.key_hash != key_hash(&distribution.key) {
                return Err(Damage::Malformed("an entry point's key hash"));
            }
        }
        previous = Some(group.name);
    }
    if next == record.row.listed {
        Ok(())
    } else {
        Err(Damage::Malformed("entry points without a group"))
    }
}

fn references_are_sound<S: Source>(record: &Record<'_, S>) -> Result<(), Damage> {
    for (number, distribution) in record.distributions().enumerate() {
        let distribution = distribution?;
        for entry in record.entries_of(&distribution) {
            if entry?.distribution as usize != number {
                return Err(Damage::Malformed("an entry point of another distribution"));
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
