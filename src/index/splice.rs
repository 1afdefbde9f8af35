//! A record made of an older one in which few distributions have come, gone or changed.
//!
//! In come the old record, what stands in the new one and in which order, and what was read; out goes what
//! [`EncodedRecord::new`] would make of it, without decoding or sorting what stays as it is: rows of the
//! old tables are taken in their order, and only numbers and offsets in them are told anew. Where the order
//! or the shadowing of what stays may have changed, nothing comes out.

use std::collections::BTreeMap;
use std::path::Path;

use super::encode::{Counts, Draft, EntryRow, RowView, entry_flags};
use super::format::{Row, distribution_flag, entry_flag, key_hash, size};
use super::old::{OldRecord, fingerprint, stamps};
use super::stamp::Stamp;
use super::write::{DistributionDraft, EncodedRecord, EntryArena};

/// What stands in a place of the new record.
#[derive(Debug)]
pub enum Item {
    /// A distribution of the old one, by its number.
    Kept(u32),
    /// One that was read.
    Read(Box<DistributionDraft>),
}

/// In place of a number: there is none any more.
const GONE: u32 = u32::MAX;

/// The record of these items, in the order in which the directory lists them. The lookup key of each is
/// its shadowing key: that is for the caller to make sure of.
///
/// None where twins come, go or change places.
#[must_use]
pub fn splice(
    old: &OldRecord<'_>,
    path: &Path,
    flags: u32,
    stamps: (Stamp, Stamp),
    items: &[Item],
    arena: &EntryArena,
) -> Option<EncodedRecord> {
    let numbers = new_numbers(old, items)?;
    let new_keys = new_keys(old, items, &numbers)?;
    let groups = Groups::of(old, items, &numbers, arena);
    let new_entries = new_entries(items, arena, &groups);
    let kept_entries = old.tables.entries.rows();
    let kept_entries = kept_entries.filter(|entry| at(&numbers, entry.u32(12)) != GONE);
    let entry_count = kept_entries.count() + new_entries.len();

    let kept_keys = old.tables.keys.rows();
    let kept_keys = kept_keys.filter(|key| at(&numbers, key.u32(4)) != GONE);
    let counts = Counts {
        distributions: size(items.len()),
        keys: size(kept_keys.count() + new_keys.len()),
        groups: size(groups.merged.len()),
        entries: size(entry_count),
        listed: groups.merged.iter().map(|(_, count)| count).sum(),
    };
    let mut draft = Draft::new(counts, old.tables.pool.len() + new_strings(items, arena));
    draft.distributions(items.iter().map(|item| view(old, item)));
    merge_keys(old, &numbers, &new_keys, &mut draft);
    let mut start = 0;
    for (name, count) in &groups.merged {
        draft.group(name, start, *count);
        start += count;
    }
    let places = merge_entries(old, &numbers, &groups, &new_entries, &mut draft);
    draft.references(&references(old, items, &places, &new_entries));
    Some(draft.finish(path, flags, stamps))
}

/// How many bytes the strings of what was read take at most.
fn new_strings(items: &[Item], arena: &EntryArena) -> usize {
    let read = items.iter().filter_map(|item| match item {
        Item::Read(draft) => Some(draft),
        Item::Kept(_) => None,
    });
    let of_entries = |draft: &DistributionDraft| -> usize {
        let entries = arena.of(draft.entries);
        entries
            .map(|(group, name, value, _)| group.len() + name.len() + value.len())
            .sum()
    };
    read.map(|draft| RowView::of(draft).strings() + of_entries(draft))
        .sum()
}

fn at(numbers: &[u32], number: u32) -> u32 {
    numbers.get(number as usize).copied().unwrap_or(GONE)
}

/// The new number of each of the old distributions; None where they change places.
fn new_numbers(old: &OldRecord<'_>, items: &[Item]) -> Option<Vec<u32>> {
    let mut numbers = vec![GONE; old.len() as usize];
    let mut next = 0;
    for (position, item) in items.iter().enumerate() {
        if let Item::Kept(number) = *item {
            if number < next {
                return None;
            }
            next = number + 1;
            *numbers.get_mut(number as usize)? = size(position);
        }
    }
    Some(numbers)
}

/// Hash and number of the keys of what was read, sorted; None where twins are concerned: where the key of
/// what was read, or is gone, is that of anything else, or may be, for all that its hash tells; and where
/// something comes to stand between twins.
fn new_keys(old: &OldRecord<'_>, items: &[Item], numbers: &[u32]) -> Option<Vec<(u32, u32)>> {
    let read = (0..).zip(items).filter_map(|(position, item)| match item {
        Item::Read(draft) => Some((key_hash(&draft.key), position)),
        Item::Kept(_) => None,
    });
    let mut read: Vec<(u32, u32)> = read.collect();
    read.sort_unstable();
    if read
        .windows(2)
        .any(|two| matches!(two, [(a, _), (b, _)] if a == b))
    {
        return None;
    }
    let rows = || old.tables.distributions.rows().zip(numbers);
    let gone = rows().filter(|(_, number)| **number == GONE);
    let mut concerned: Vec<u32> = gone.map(|(row, _)| row.u32(88)).collect();
    concerned.extend(read.iter().map(|(hash, _)| hash));
    concerned.sort_unstable();
    let mut kept = rows().filter(|(_, number)| **number != GONE);
    if kept.any(|(row, _)| concerned.binary_search(&row.u32(88)).is_ok()) {
        return None;
    }
    let mut previous = None;
    let mut something_between = false;
    for item in items {
        match item {
            Item::Read(_) => something_between = true,
            Item::Kept(number) => {
                let hash = Some(old.row(*number).u32(88));
                if something_between && hash == previous {
                    return None;
                }
                previous = hash;
                something_between = false;
            }
        }
    }
    Some(read)
}

fn view<'a>(old: &OldRecord<'a>, item: &'a Item) -> RowView<'a> {
    let number = match item {
        Item::Read(draft) => return RowView::of(draft),
        Item::Kept(number) => *number,
    };
    let row = old.row(number);
    let (mtime, ctime) = stamps(row);
    RowView {
        file_name: old.string(row, 0),
        key: old.string(row, 1),
        name: old.string(row, 2),
        version: old.string(row, 3),
        flags: row.u32(32),
        mtime,
        ctime,
        file: fingerprint(row),
        entries: row.u32(84),
        key_hash: row.u32(88),
    }
}

/// Which groups there are now.
struct Groups<'a> {
    /// Names, in order, and how many entry points are listed in each.
    merged: Vec<(&'a [u8], u32)>,
    /// The new rank of each of the old ones.
    rank: Vec<u32>,
}

impl<'a> Groups<'a> {
    fn of(old: &OldRecord<'a>, items: &'a [Item], numbers: &[u32], arena: &'a EntryArena) -> Self {
        let mut used = vec![(false, 0); old.tables.row.groups as usize];
        for (number, entry) in (0..).zip(old.tables.entries.rows()) {
            if at(numbers, entry.u32(12)) != GONE {
                if let Some((used, listed)) = used.get_mut(entry.u32(16) as usize) {
                    *used = true;
                    *listed += u32::from(number < old.tables.row.listed);
                }
            }
        }
        let names = old.tables.groups.rows().map(|row| {
            let name = old.tables.string(row.u32(0), row.u32(4));
            name.unwrap_or_default()
        });
        let names: Vec<&[u8]> = names.collect();
        let still = names.iter().zip(&used).filter(|(_, (used, _))| *used);
        let mut merged: BTreeMap<&[u8], u32> =
            still.map(|(name, (_, listed))| (*name, *listed)).collect();
        for item in items {
            if let Item::Read(draft) = item {
                for (group, ..) in arena.of(draft.entries) {
                    *merged.entry(group).or_default() += 1;
                }
            }
        }
        let merged: Vec<_> = merged.into_iter().collect();
        let rank = names.into_iter().map(|name| rank_in(&merged, name));
        Self {
            rank: rank.collect(),
            merged,
        }
    }
}

fn rank_in(groups: &[(&[u8], u32)], name: &[u8]) -> u32 {
    groups
        .binary_search_by(|(here, _)| here.cmp(&name))
        .map_or(GONE, size)
}

/// An entry point of what was read.
struct NewEntry<'a> {
    /// Group, whether there is no core metadata, number of the distribution: what entry points are sorted
    /// by. Then the number among all that were read, as they come.
    order: (u32, bool, u32, u32),
    row: EntryRow<'a>,
}

/// The entry points of what was read, in the order of the entry table.
fn new_entries<'a>(
    items: &'a [Item],
    arena: &'a EntryArena,
    groups: &Groups<'_>,
) -> Vec<NewEntry<'a>> {
    let mut entries = Vec::new();
    for (position, item) in (0..).zip(items) {
        let Item::Read(draft) = item else { continue };
        let has_metadata = draft.flags & distribution_flag::HAS_METADATA != 0;
        let hash = key_hash(&draft.key);
        for (group, name, value, malformed) in arena.of(draft.entries) {
            let group = rank_in(&groups.merged, group);
            entries.push(NewEntry {
                order: (group, !has_metadata, position, size(entries.len())),
                row: EntryRow {
                    name,
                    value,
                    distribution: position,
                    group,
                    key_hash: hash,
                    flags: entry_flags(malformed, has_metadata),
                },
            });
        }
    }
    entries.sort_unstable_by_key(|entry| entry.order);
    entries
}

/// One row for each chosen distribution, by hash and key.
fn merge_keys(old: &OldRecord<'_>, numbers: &[u32], new_keys: &[(u32, u32)], draft: &mut Draft) {
    let mut new = new_keys.iter().peekable();
    for row in old.tables.keys.rows() {
        let (hash, number) = (row.u32(0), at(numbers, row.u32(4)));
        if number == GONE {
            continue;
        }
        while let Some((hash, number)) = new.next_if(|(before, _)| *before < hash) {
            draft.key(*hash, *number);
        }
        draft.key(hash, number);
    }
    for (hash, number) in new {
        draft.key(*hash, *number);
    }
}

/// Where each of the old entry points went, and each of the new ones.
struct Places {
    old: Vec<u32>,
    new: Vec<u32>,
}

fn merge_entries(
    old: &OldRecord<'_>,
    numbers: &[u32],
    groups: &Groups<'_>,
    new_entries: &[NewEntry<'_>],
    draft: &mut Draft,
) -> Places {
    let mut places = Places {
        old: vec![GONE; old.tables.row.entries as usize],
        new: vec![GONE; new_entries.len()],
    };
    let mut new = new_entries.iter().peekable();
    let mut next = 0;
    let mut add_new = |draft: &mut Draft, entry: &NewEntry<'_>, place: u32| {
        draft.entry(&entry.row);
        if let Some(slot) = places.new.get_mut(entry.order.3 as usize) {
            *slot = place;
        }
    };
    let rows = (0..).zip(old.tables.entries.rows()).zip(&mut places.old);
    for ((number, row), place) in rows {
        // All that were read are listed: behind them come those of shadowed distributions.
        let listed: bool = number < old.tables.row.listed;
        let distribution = at(numbers, row.u32(12));
        if distribution == GONE {
            continue;
        }
        let group = at(&groups.rank, row.u32(16));
        let without = row.u32(24) & entry_flag::HAS_METADATA == 0;
        let here = (group, without, distribution, 0);
        while let Some(entry) = new.next_if(|entry| !listed || entry.order < here) {
            add_new(draft, entry, next);
            next += 1;
        }
        draft.entry(&old_entry(old, row, distribution, group));
        *place = next;
        next += 1;
    }
    for entry in new {
        add_new(draft, entry, next);
        next += 1;
    }
    places
}

fn old_entry<'a>(old: &OldRecord<'a>, row: Row<'a>, distribution: u32, group: u32) -> EntryRow<'a> {
    let string = |offset, length| old.tables.string(offset, length).unwrap_or_default();
    EntryRow {
        name: string(row.u32(0), row.u32(4)),
        value: string(row.u32(0) + row.u32(4), row.u32(8)),
        distribution,
        group,
        key_hash: row.u32(20),
        flags: row.u32(24),
    }
}

/// For each distribution in turn, where its entry points went.
fn references(
    old: &OldRecord<'_>,
    items: &[Item],
    places: &Places,
    new_entries: &[NewEntry<'_>],
) -> Vec<u32> {
    let mut references = Vec::with_capacity(places.old.len() + new_entries.len());
    let mut new = places.new.iter();
    for item in items {
        match item {
            Item::Kept(number) => {
                let entries = old.references(old.row(*number));
                references.extend(entries.map(|entry| at(&places.old, entry)));
            }
            Item::Read(draft) => references.extend(new.by_ref().take(draft.entries.len())),
        }
    }
    references
}
