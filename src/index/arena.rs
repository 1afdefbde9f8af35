//! The entry points of a search directory, in the order in which they were read, before they have
//! their place in a record.

use std::collections::HashMap;

use super::format::size;

/// Which entry points of an [`EntryArena`] belong to a distribution.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryRange {
    start: u32,
    end: u32,
}

impl EntryRange {
    /// The same entry points, once their arena has been appended to another one.
    #[must_use]
    pub fn shifted(self, shift: u32) -> Self {
        Self {
            start: self.start.saturating_add(shift),
            end: self.end.saturating_add(shift),
        }
    }

    /// How many entry points.
    #[must_use]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// The entry points of one search directory, in the order in which they were read.
#[derive(Debug, Default)]
pub struct EntryArena {
    strings: Vec<u8>,
    entries: Vec<EntryDraft>,
    groups: HashMap<Box<[u8]>, u32>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct EntryDraft {
    pub(super) group: u32,
    offset: u32,
    name_length: u32,
    value_length: u32,
    pub(super) malformed: bool,
}

impl EntryArena {
    /// Adds the entry points of one distribution: group, name, value, and whether the value is
    /// malformed.
    pub fn add<'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a [u8], &'a [u8], &'a [u8], bool)>,
    ) -> EntryRange {
        let start = size(self.entries.len());
        for (group, name, value, malformed) in entries {
            let group = match self.groups.get(group) {
                Some(&number) => number,
                None => {
                    let number = size(self.groups.len());
                    self.groups.insert(group.into(), number);
                    number
                }
            };
            let offset = size(self.strings.len());
            self.strings.extend_from_slice(name);
            self.strings.extend_from_slice(value);
            self.entries.push(EntryDraft {
                group,
                offset,
                name_length: size(name.len()),
                value_length: size(value.len()),
                malformed,
            });
        }
        EntryRange {
            start,
            end: size(self.entries.len()),
        }
    }

    /// Takes over another arena's entry points. Its ranges count from the returned number on: see
    /// [`EntryRange::shifted`].
    pub fn append(&mut self, other: Self) -> u32 {
        let shift = size(self.entries.len());
        if self.entries.is_empty() {
            *self = other;
            return shift;
        }
        let mut renumbered = vec![0; other.groups.len()];
        for (name, number) in other.groups {
            let next = size(self.groups.len());
            if let Some(slot) = renumbered.get_mut(number as usize) {
                *slot = *self.groups.entry(name).or_insert(next);
            }
        }
        let strings = size(self.strings.len());
        self.strings.extend_from_slice(&other.strings);
        self.entries.extend(other.entries.into_iter().map(|entry| {
            EntryDraft {
                group: renumbered
                    .get(entry.group as usize)
                    .copied()
                    .unwrap_or_default(),
                offset: entry.offset.saturating_add(strings),
                ..entry
            }
        }));
        shift
    }

    /// The entry points of a range: group, name, value, and whether the value is malformed.
    pub(super) fn of(
        &self,
        range: EntryRange,
    ) -> impl Iterator<Item = (&[u8], &[u8], &[u8], bool)> {
        let mut names: Vec<&[u8]> = Vec::new();
        if !range.is_empty() {
            names.resize(self.groups.len(), b"");
            for (name, number) in self.groups() {
                if let Some(slot) = names.get_mut(number as usize) {
                    *slot = name;
                }
            }
        }
        self.entries(range).iter().map(move |entry| {
            let group = names.get(entry.group as usize).copied().unwrap_or_default();
            let (name, value) = self.strings_of(entry);
            (group, name, value, entry.malformed)
        })
    }

    /// The entry points of a range.
    pub(super) fn entries(&self, range: EntryRange) -> &[EntryDraft] {
        self.entries
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    /// The names of the groups, each with the number that entry points have for it.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&[u8], u32)> {
        self.groups.iter().map(|(name, &number)| (&**name, number))
    }

    /// How many bytes names and values take.
    pub(super) fn size(&self) -> usize {
        self.strings.len()
    }

    /// How many entry points there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Name and value.
    pub(super) fn strings_of(&self, entry: &EntryDraft) -> (&[u8], &[u8]) {
        let start = entry.offset as usize;
        let end = start + entry.name_length as usize + entry.value_length as usize;
        let strings = self.strings.get(start..end).unwrap_or_default();
        strings
            .split_at_checked(entry.name_length as usize)
            .unwrap_or_default()
    }
}
