//! The full check: every byte, every row, every rule of the format that a writer keeps.
//!
//! It works on the bytes in place, and takes time and memory in proportion to the file, whatever the
//! file says: no two rows may name the same bytes, so that nothing is looked at twice.

use super::format::{
    Row, STRING_LIMIT, directory_flag, distribution_flag, entry_flag, key_hash, record_flag,
};
use super::read::{Damage, Index, Source};
use super::record::{Budget, is_file_name};
use super::tables::Tables;

/// Checks all of an index: every block's checksum, every row's references, every order.
/// `docs/format.md`, "Verification", lists the rules.
///
/// # Errors
/// The first [`Damage`] found.
pub fn verify<S: Source>(index: &Index<S>) -> Result<(), Damage> {
    let body = index.body()?;
    directories_are_sound(index, &body)?;
    let mut end = index.tables_size();
    for number in 0..index.record_count() {
        let row = index.record_row(&body, number)?;
        if row.tables < end {
            return Err(Damage::Malformed("records that overlap"));
        }
        end = row.end;
        let record = Tables::of(&body, row)?;
        distributions_are_sound(&record)?;
        keys_are_sound(&record)?;
        groups_are_sound(&record)?;
        entries_are_sound(&record)?;
        references_are_sound(&record)?;
    }
    Ok(())
}

fn directories_are_sound<S: Source>(index: &Index<S>, body: &[u8]) -> Result<(), Damage> {
    let mut previous: Option<&[u8]> = None;
    let mut strings_end = u32::try_from(index.tables_size()).unwrap_or(u32::MAX);
    let path_at = |offset: u32, length: u32| {
        if length as usize > STRING_LIMIT {
            return Err(Damage::Malformed("a string beyond the limit"));
        }
        let start = offset as usize;
        let path = start
            .checked_add(length as usize)
            .and_then(|end| body.get(start..end));
        path.ok_or(Damage::Malformed("an offset beyond the end"))
    };
    for number in 0..index.directory_count() {
        let [offset, length, record, flags] = index.directory_row_in(body, number)?;
        if offset < strings_end {
            return Err(Damage::Malformed("strings out of order"));
        }
        strings_end = offset.saturating_add(length);
        let path = path_at(offset, length)?;
        if previous.is_some_and(|previous| previous >= path) {
            return Err(Damage::Malformed("directories out of order"));
        }
        let row = index.record_row(body, record)?;
        if flags & directory_flag::ALIAS == 0 && path_at(row.path.0, row.path.1)? != path {
            return Err(Damage::Malformed("a directory with another's record"));
        }
        previous = Some(path);
    }
    for number in 0..index.record_count() {
        let row = index.record_row(body, number)?;
        path_at(row.path.0, row.path.1)?;
    }
    Ok(())
}

fn distributions_are_sound(record: &Tables<'_>) -> Result<(), Damage> {
    let mut next = 0u32;
    let mut unread = false;
    let mut budget = Budget::of_distributions(record.pool.len() as u64);
    for row in record.distributions.rows() {
        budget.spend([4, 12, 20, 28].map(|at| row.u32(at)))?;
        for number in 0..4 {
            record.string_of(row, number)?;
        }
        if !is_file_name(record.string_of(row, 0)?) {
            return Err(Damage::Malformed("a file name that is none"));
        }
        if row.u32(80) != next {
            return Err(Damage::Malformed(
                "a distribution's entry points out of order",
            ));
        }
        if row.u32(88) != key_hash(record.key(row)?) {
            return Err(Damage::Malformed("a distribution's key hash"));
        }
        let end = next
            .checked_add(row.u32(84))
            .filter(|&end| end <= record.row.entries);
        next = end.ok_or(Damage::Malformed("a distribution's entry points"))?;
        unread |= row.u32(32) & distribution_flag::UNREAD != 0;
    }
    if next != record.row.entries {
        return Err(Damage::Malformed("entry points without a distribution"));
    }
    if unread != record.row.has(record_flag::UNREAD) {
        return Err(Damage::Malformed("a record's unread flag"));
    }
    if record.row.has(record_flag::MISSING) && record.row.distributions != 0 {
        return Err(Damage::Malformed("distributions in a missing directory"));
    }
    Ok(())
}

/// The key table has exactly the chosen distributions, and each of the others has a chosen twin.
fn keys_are_sound(record: &Tables<'_>) -> Result<(), Damage> {
    let mut previous: Option<(u32, &[u8])> = None;
    for row in record.keys.rows() {
        let distribution = record.distributions.row(row.u32(4))?;
        if is_shadowed(distribution) {
            return Err(Damage::Malformed("a shadowed distribution's key"));
        }
        let here = (distribution.u32(88), record.key(distribution)?);
        if here.0 != row.u32(0) || previous.is_some_and(|earlier| earlier >= here) {
            return Err(Damage::Malformed("keys out of order"));
        }
        previous = Some(here);
    }
    // The keys differ, so that each row is another distribution: to count them is enough.
    let mut chosen = 0;
    for row in record.distributions.rows() {
        if !is_shadowed(row) {
            chosen += 1;
        } else if !has_key(record, row.u32(88), record.key(row)?)? {
            return Err(Damage::Malformed("a distribution shadowed by none"));
        }
    }
    if chosen == record.row.keys {
        Ok(())
    } else {
        Err(Damage::Malformed("a distribution without its key"))
    }
}

fn has_key(record: &Tables<'_>, hash: u32, key: &[u8]) -> Result<bool, Damage> {
    let (mut low, mut high) = (0, record.row.keys);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = record.keys.row(middle)?;
        let here = (
            row.u32(0),
            record.key(record.distributions.row(row.u32(4))?)?,
        );
        match here.cmp(&(hash, key)) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Ok(true),
        }
    }
    Ok(false)
}

fn is_shadowed(distribution: Row<'_>) -> bool {
    distribution.u32(32) & distribution_flag::SHADOWED != 0
}

fn groups_are_sound(record: &Tables<'_>) -> Result<(), Damage> {
    let mut previous: Option<&[u8]> = None;
    let mut next = 0u32;
    let mut budget = Budget::of(record.pool.len() as u64);
    for (number, group) in (0..).zip(record.groups.rows()) {
        budget.spend([group.u32(4)])?;
        let name = record.string(group.u32(0), group.u32(4))?;
        is_utf8(name)?;
        if previous.is_some_and(|previous| previous >= name) {
            return Err(Damage::Malformed("groups out of order"));
        }
        if group.u32(8) != next {
            return Err(Damage::Malformed("groups that overlap"));
        }
        let end = next
            .checked_add(group.u32(12))
            .filter(|&end| end <= record.row.listed);
        let end = end.ok_or(Damage::Malformed("a group's entry points"))?;
        let mut with_metadata = true;
        for entry in next..end {
            let row = record.entries.row(entry)?;
            if row.u32(16) != number {
                return Err(Damage::Malformed("an entry point in another's group"));
            }
            let has_metadata = row.u32(24) & entry_flag::HAS_METADATA != 0;
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

fn entries_are_sound(record: &Tables<'_>) -> Result<(), Damage> {
    let mut strings_end = 0;
    // Whatever is cut out of ASCII is UTF-8: there is hardly ever anything else.
    let is_ascii = record.pool.is_ascii();
    let is_utf8 = |bytes| if is_ascii { Ok(()) } else { is_utf8(bytes) };
    for (number, entry) in (0..).zip(record.entries.rows()) {
        let (offset, name_length, value_length) = (entry.u32(0), entry.u32(4), entry.u32(8));
        if offset < strings_end {
            return Err(Damage::Malformed("strings out of order"));
        }
        is_utf8(record.string(offset, name_length)?)?;
        let value_offset = offset.checked_add(name_length);
        let value_offset = value_offset.ok_or(Damage::Malformed("a string beyond its pool"))?;
        is_utf8(record.string(value_offset, value_length)?)?;
        strings_end = value_offset.saturating_add(value_length);
        if entry.u32(16) >= record.row.groups || entry.u32(12) >= record.row.distributions {
            return Err(Damage::Malformed("an entry point of nothing"));
        }
        let distribution = record.distributions.row(entry.u32(12))?;
        if entry.u32(20) != distribution.u32(88) {
            return Err(Damage::Malformed("an entry point's key hash"));
        }
        let has_metadata = distribution.u32(32) & distribution_flag::HAS_METADATA != 0;
        if (entry.u32(24) & entry_flag::HAS_METADATA != 0) != has_metadata {
            return Err(Damage::Malformed("an entry point's flags"));
        }
        if (number < record.row.listed) == is_shadowed(distribution) {
            return Err(Damage::Malformed(
                "an entry point of a shadowed distribution",
            ));
        }
    }
    Ok(())
}

/// Each entry point is referred to once, by its own distribution.
fn references_are_sound(record: &Tables<'_>) -> Result<(), Damage> {
    let mut seen = vec![false; record.row.entries as usize];
    for (number, distribution) in (0..).zip(record.distributions.rows()) {
        let start = distribution.u32(80);
        for reference in start..start.saturating_add(distribution.u32(84)) {
            let entry = record.references.row(reference)?.u32(0);
            if record.entries.row(entry)?.u32(12) != number {
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

fn is_utf8(bytes: &[u8]) -> Result<(), Damage> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(Damage::Malformed("a string that is not UTF-8")),
    }
}
