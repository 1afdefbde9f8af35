//! One search directory becomes one record: its tables, and its string pool.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::draft::{DistributionDraft, EntryDraft};
use super::format::{distribution_flag, entry_flag, key_hash, size};
use super::record::Record;
use super::rows::{
    DistributionRow, EntryRow, GroupRow, KeyRow, RecordRow, ReferenceRow, Reserved, Row, Span,
};
use super::source::{Damage, Source};
use super::stamp::Stamp;

/// One search directory, ready to be written.
#[derive(Debug, Clone, Default)]
pub struct EncodedRecord {
    pub(super) path: PathBuf,
    pub(super) aliases: Vec<PathBuf>,
    /// Its row, but for where it will lie.
    pub(super) row: RecordRow,
    /// Its tables, and behind them its string pool.
    pub(super) segment: Vec<u8>,
}

impl EncodedRecord {
    /// Encodes a search directory.
    ///
    /// `distributions` are in CPython's order (`docs/format.md`, "Order"); `flags` are of
    /// [`super::format::record_flag`].
    #[must_use]
    pub fn new(
        path: &Path,
        flags: u32,
        (mtime, ctime): (Stamp, Stamp),
        distributions: &[DistributionDraft],
    ) -> Self {
        let keys = keys(distributions);
        let entries = Entries::of(distributions);
        let mut segment = Segment::default();
        segment.distributions(distributions);
        segment.keys(&keys);
        segment.groups(&entries);
        segment.entries(&entries);
        Self {
            path: path.to_owned(),
            aliases: Vec::new(),
            row: RecordRow {
                flags,
                distributions: size(distributions.len()),
                keys: size(keys.len()),
                groups: size(entries.groups.len()),
                entries: size(entries.sorted.len()),
                listed: size(entries.listed().len()),
                mtime,
                ctime,
                ..RecordRow::default()
            },
            segment: segment.put_together(),
        }
    }

    /// A record of an index as it is there, but for the times of the directory itself.
    ///
    /// # Errors
    /// [`Damage`] in the record.
    pub fn taken_over<S: Source>(
        record: &Record<'_, S>,
        path: &Path,
        (mtime, ctime): (Stamp, Stamp),
    ) -> Result<Self, Damage> {
        let Span { start, length } = record.row.segment;
        let segment = record.body.part(start.into(), length.into())?.into_owned();
        Ok(Self {
            path: path.to_owned(),
            aliases: Vec::new(),
            row: RecordRow {
                mtime,
                ctime,
                ..record.row
            },
            segment,
        })
    }

    /// Makes the record found under other spellings of its path, too.
    #[must_use]
    pub fn with_aliases(mut self, aliases: Vec<PathBuf>) -> Self {
        self.aliases = aliases;
        self
    }

    /// The path that it is the record of.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many metadata directories it holds.
    #[must_use]
    pub fn distribution_count(&self) -> usize {
        self.row.distributions as usize
    }

    /// How many entry points it holds, those of shadowed distributions left out.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.row.listed as usize
    }

    /// How many bytes of an index it takes, without its path and its rows in the index's tables.
    #[must_use]
    pub fn size(&self) -> usize {
        self.segment.len()
    }
}

fn is_shadowed(distribution: &DistributionDraft) -> bool {
    distribution.flags & distribution_flag::SHADOWED != 0
}

fn has_metadata(distribution: &DistributionDraft) -> bool {
    distribution.flags & distribution_flag::HAS_METADATA != 0
}

/// Of each chosen distribution the hash of its key, the key, and its number; in the order of the key
/// table.
fn keys(distributions: &[DistributionDraft]) -> Vec<(u32, &[u8], u32)> {
    let numbered = (0..).zip(distributions);
    let chosen = numbered.filter(|(_, distribution)| !is_shadowed(distribution));
    let mut keys: Vec<_> = chosen
        .map(|(number, it)| (key_hash(&it.key), it.key.as_slice(), number))
        .collect();
    keys.sort_unstable();
    keys
}

/// The entry points of all distributions, in the order of the entry table.
struct Entries<'d> {
    /// The names of their groups, sorted.
    groups: Vec<&'d [u8]>,
    sorted: Vec<Place<'d>>,
}

/// An entry point, and what gives it its place in the entry table.
struct Place<'d> {
    entry: EntryDraft<'d>,
    distribution: u32,
    key_hash: u32,
    shadowed: bool,
    group: u32,
    without_metadata: bool,
    place: u32,
    /// Among all, distribution by distribution.
    serial: u32,
}

impl Place<'_> {
    /// Those of chosen distributions by group, then (core metadata first, as CPython prefers it) by
    /// place, then as in the file; behind them those of shadowed distributions.
    fn order(&self) -> (bool, u32, bool, u32, u32) {
        let listed = |number| if self.shadowed { 0 } else { number };
        let (group, place) = (listed(self.group), listed(self.place));
        let without = self.without_metadata;
        (self.shadowed, group, without, place, self.serial)
    }
}

impl<'d> Entries<'d> {
    fn of(distributions: &'d [DistributionDraft]) -> Self {
        let mut groups: BTreeMap<&[u8], u32> = BTreeMap::new();
        let mut sorted = Vec::with_capacity(distributions.iter().map(|it| it.entries.len()).sum());
        for (number, distribution) in (0..).zip(distributions) {
            let key_hash = key_hash(&distribution.key);
            // Looked up once for those of one group that follow each other: its name may be long.
            let mut last: Option<(&[u8], u32)> = None;
            for entry in distribution.entries.iter() {
                let group = match last {
                    Some((name, group)) if std::ptr::eq(name, entry.group) => group,
                    _ => {
                        let next = size(groups.len());
                        *groups.entry(entry.group).or_insert(next)
                    }
                };
                last = Some((entry.group, group));
                sorted.push(Place {
                    entry,
                    distribution: number,
                    key_hash,
                    shadowed: is_shadowed(distribution),
                    group,
                    without_metadata: !has_metadata(distribution),
                    place: distribution.place,
                    serial: size(sorted.len()),
                });
            }
        }
        let mut rank = vec![0; groups.len()];
        for (place, &number) in (0..).zip(groups.values()) {
            if let Some(slot) = rank.get_mut(number as usize) {
                *slot = place;
            }
        }
        for place in &mut sorted {
            place.group = rank.get(place.group as usize).copied().unwrap_or_default();
        }
        sorted.sort_unstable_by_key(Place::order);
        Self {
            groups: groups.into_keys().collect(),
            sorted,
        }
    }

    /// Those of chosen distributions.
    fn listed(&self) -> &[Place<'d>] {
        let count = self.sorted.partition_point(|place| !place.shadowed);
        self.sorted.get(..count).unwrap_or_default()
    }

    /// For each distribution in turn, the rows of its entry points in the order of its file.
    fn references(&self) -> Vec<u32> {
        let mut references = vec![0; self.sorted.len()];
        for (row, place) in (0..).zip(&self.sorted) {
            if let Some(slot) = references.get_mut(place.serial as usize) {
                *slot = row;
            }
        }
        references
    }
}

/// The tables of one record in the making, and its string pool.
#[derive(Default)]
struct Segment {
    tables: Vec<u8>,
    pool: Vec<u8>,
}

impl Segment {
    /// Strings of distributions come first in the pool, file names foremost, so that a freshness
    /// check reads few blocks.
    fn distributions(&mut self, distributions: &[DistributionDraft]) {
        for distribution in distributions {
            self.string(&distribution.file_name);
        }
        let (mut file_name_at, mut reference) = (0, 0);
        for distribution in distributions {
            let file_name = Span {
                start: file_name_at,
                length: size(distribution.file_name.len()),
            };
            file_name_at += file_name.length;
            let references = Span {
                start: reference,
                length: size(distribution.entries.len()),
            };
            reference += references.length;
            let mut string = |bytes| self.string_in(&distribution.file_name, file_name, bytes);
            let [key, name, version] = [
                string(&distribution.key),
                string(&distribution.name),
                string(&distribution.version),
            ];
            let row = DistributionRow {
                file_name,
                key,
                name,
                version,
                flags: distribution.flags,
                file_size: distribution.entry_points_file.size,
                mtime: distribution.mtime,
                ctime: distribution.ctime,
                file_mtime: distribution.entry_points_file.mtime,
                file_digest: distribution.entry_points_file.digest,
                references,
                key_hash: key_hash(&distribution.key),
                reserved: Reserved,
            };
            row.write(&mut self.tables);
        }
    }

    fn keys(&mut self, keys: &[(u32, &[u8], u32)]) {
        for &(hash, _, distribution) in keys {
            KeyRow { hash, distribution }.write(&mut self.tables);
        }
    }

    fn groups(&mut self, entries: &Entries<'_>) {
        let mut rest = entries.listed();
        let mut start = 0;
        for (number, name) in (0..).zip(&entries.groups) {
            let count = rest.partition_point(|place| place.group <= number);
            rest = rest.get(count..).unwrap_or_default();
            let row = GroupRow {
                name: self.string(name),
                entries: Span {
                    start,
                    length: size(count),
                },
            };
            row.write(&mut self.tables);
            start += row.entries.length;
        }
    }

    fn entries(&mut self, entries: &Entries<'_>) {
        let flag = |set, flag| if set { flag } else { 0 };
        for place in &entries.sorted {
            let row = EntryRow {
                name: self.string(place.entry.name),
                value_length: self.string(place.entry.value).length,
                distribution: place.distribution,
                group: place.group,
                key_hash: place.key_hash,
                flags: flag(place.entry.malformed, entry_flag::MALFORMED)
                    | flag(!place.without_metadata, entry_flag::HAS_METADATA),
                reserved: Reserved,
            };
            row.write(&mut self.tables);
        }
        for entry in entries.references() {
            ReferenceRow { entry }.write(&mut self.tables);
        }
    }

    fn string(&mut self, bytes: &[u8]) -> Span {
        let start = size(self.pool.len());
        self.pool.extend_from_slice(bytes);
        Span {
            start,
            length: size(bytes.len()),
        }
    }

    /// A string that most often is a part of the file name, which is in the pool already: its
    /// beginning (the name) or what follows its first dash (the version).
    fn string_in(&mut self, file_name: &[u8], place: Span, bytes: &[u8]) -> Span {
        let dash = file_name.iter().position(|&byte| byte == b'-');
        for start in [0, dash.map_or(0, |dash| dash + 1)] {
            let rest = file_name.get(start..).unwrap_or_default();
            if rest.starts_with(bytes) {
                return Span {
                    start: place.start + size(start),
                    length: size(bytes.len()),
                };
            }
        }
        self.string(bytes)
    }

    fn put_together(mut self) -> Vec<u8> {
        self.tables.extend_from_slice(&self.pool);
        self.tables
    }
}
