//! A metadata directory before it has a place in a record.
//!
//! The input is what the scan has read, or a record of an older index. The output is a
//! [`DistributionDraft`], which `encode` writes.

use std::borrow::Cow;

use super::format::{distribution_flag, size};
use super::record::Record;
use super::rows::Span;
use super::source::{Damage, Source};
use super::stamp::Stamp;
use super::view::FileFacts;

/// A metadata directory as the scan found it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DistributionDraft {
    /// The name of the metadata directory in the search directory.
    pub file_name: Vec<u8>,
    /// The shadowing key: of several distributions with the same key, one is chosen.
    pub key: Vec<u8>,
    /// The distribution's name.
    pub name: Vec<u8>,
    /// The distribution's version.
    pub version: Vec<u8>,
    /// Flags of [`distribution_flag`].
    pub flags: u32,
    /// The metadata directory's own mtime.
    pub mtime: Stamp,
    /// The metadata directory's own ctime.
    pub ctime: Stamp,
    /// Its requirements, joined by line feeds (rule F34 of `docs/specification`).
    pub requirements: Vec<u8>,
    /// Its import names, joined by line feeds (rule F35 of `docs/specification`).
    pub imports: Vec<u8>,
    /// The files that it was read from, by type.
    pub files: Vec<FileFacts>,
    /// Its entry points, in the order of the file.
    pub entries: EntryList,
    /// The place of its entry points among the chosen distributions: that of its first twin in
    /// listing order (rule L9 of `docs/specification`).
    pub place: u32,
}

/// An entry point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryDraft<'a> {
    /// Its group.
    pub group: &'a [u8],
    /// Its name.
    pub name: &'a [u8],
    /// Its object reference.
    pub value: &'a [u8],
}

/// The entry points of one distribution, in order.
///
/// A group's name is stored once for successive entry points that have the same slice for it: a
/// file can give one long name to a hundred thousand entry points.
#[derive(Debug, Clone, Default)]
pub struct EntryList {
    strings: Vec<u8>,
    entries: Vec<Listed>,
}

#[derive(Debug, Clone, Copy)]
struct Listed {
    group: Span,
    /// The value follows it.
    name: Span,
    value_length: u32,
}

impl EntryList {
    /// The number of entry points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entry points.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn push(&mut self, group: Span, name: &[u8], value: &[u8]) {
        let name = self.add(name);
        let value_length = self.add(value).length;
        self.entries.push(Listed {
            group,
            name,
            value_length,
        });
    }

    /// The entry points. Those that were added with one slice for their group share one again.
    pub fn iter(&self) -> impl Iterator<Item = EntryDraft<'_>> {
        self.entries.iter().map(|entry| {
            let value = Span {
                start: entry.name.start.saturating_add(entry.name.length),
                length: entry.value_length,
            };
            EntryDraft {
                group: self.string(entry.group),
                name: self.string(entry.name),
                value: self.string(value),
            }
        })
    }

    fn add(&mut self, string: &[u8]) -> Span {
        let start = size(self.strings.len());
        self.strings.extend_from_slice(string);
        Span {
            start,
            length: size(string.len()),
        }
    }

    fn string(&self, place: Span) -> &[u8] {
        let start = place.start as usize;
        let string = self.strings.get(start..start + place.length as usize);
        string.unwrap_or_default()
    }
}

impl PartialEq for EntryList {
    fn eq(&self, other: &Self) -> bool {
        let mut last = None;
        let mut pairs = self.entries.iter().zip(&other.entries);
        let mut is_same_group = |one: Span, two: Span| {
            let known = last.replace((one, two)) == Some((one, two));
            known || self.string(one) == other.string(two)
        };
        self.len() == other.len()
            && self.iter().zip(other.iter()).all(|(one, two)| {
                let groups = pairs.next().map(|(one, two)| (one.group, two.group));
                groups.is_some_and(|(one, two)| is_same_group(one, two))
                    && (one.name, one.value) == (two.name, two.value)
            })
    }
}

impl Eq for EntryList {}

impl<'a> FromIterator<EntryDraft<'a>> for EntryList {
    fn from_iter<I: IntoIterator<Item = EntryDraft<'a>>>(entries: I) -> Self {
        let mut list = Self::default();
        let mut last: Option<(&[u8], Span)> = None;
        for entry in entries {
            let group = match last {
                Some((name, place)) if std::ptr::eq(name, entry.group) => place,
                _ => list.add(entry.group),
            };
            last = Some((entry.group, group));
            list.push(group, entry.name, entry.value);
        }
        // A large directory has many of these lists at the same time.
        list.strings.shrink_to_fit();
        list.entries.shrink_to_fit();
        list
    }
}

/// The distributions of a record of an older index.
pub struct Drafts<'r, 'i, S> {
    record: &'r Record<'i, S>,
    groups: Vec<Cow<'i, [u8]>>,
}

impl<'r, 'i, S: Source> Drafts<'r, 'i, S> {
    /// The distributions of this record.
    ///
    /// # Errors
    /// [`Damage`] in the record.
    pub fn of(record: &'r Record<'i, S>) -> Result<Self, Damage> {
        let groups = record.body.all(record.tables.groups);
        let groups = groups.map(|row| record.string(row?.name));
        Ok(Self {
            record,
            groups: groups.collect::<Result<_, _>>()?,
        })
    }

    /// The distribution with this number. Whether it is shadowed is decided again.
    ///
    /// # Errors
    /// [`Damage`] in what was touched.
    pub fn draft(&self, number: u32) -> Result<DistributionDraft, Damage> {
        let record = self.record;
        let row = record.body.row(record.tables.distributions, number)?;
        let mut entries = EntryList::default();
        let mut last: Option<(u32, Span)> = None;
        for entry in record.entry_rows(record.references(&row)?) {
            let (number, entry) = entry?;
            let group = match last {
                Some((last, place)) if last == number => place,
                _ => {
                    let name = self.groups.get(number as usize);
                    entries.add(name.ok_or(Damage::Malformed("an entry point of nothing"))?)
                }
            };
            last = Some((number, group));
            let [name, value] = record.strings_of_entry(&entry)?;
            entries.push(group, &name, &value);
        }
        let string = |which| Ok::<_, Damage>(record.string_of(&row, which)?.into_owned());
        let files = record
            .body
            .rows(record.tables.files, record.files_of_row(&row)?);
        let [requirements, imports] = record.texts(&row)?;
        Ok(DistributionDraft {
            file_name: record.file_name(&row)?.into_owned(),
            key: string(1)?,
            name: string(2)?,
            version: string(3)?,
            flags: row.flags & !distribution_flag::SHADOWED,
            mtime: row.mtime,
            ctime: row.ctime,
            requirements: requirements.into_owned(),
            imports: imports.into_owned(),
            files: files
                .map(|row| row.map(FileFacts::from))
                .collect::<Result<_, _>>()?,
            entries,
            place: 0,
        })
    }
}
