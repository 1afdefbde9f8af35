//! Encodes one search directory as a record: its tables and its string pool.
//!
//! The input is the distributions in CPython's order. The output is an [`EncodedRecord`], whose
//! position in the file is not known yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::draft::{DistributionDraft, EntryDraft};
use super::format::{distribution_flag, key_hash, size};
use super::record::Record;
use super::rows::{
    DistributionRow, EntryRow, FileRow, GroupRow, ImportRow, NameRow, RecordRow, ReferenceRow, Row,
    Span,
};
use super::source::{Damage, Source};
use super::stamp::Stamp;
use super::view::import_hashes;

/// One search directory, ready to be written.
#[derive(Debug, Clone, Default)]
pub struct EncodedRecord {
    pub(super) path: PathBuf,
    pub(super) aliases: Vec<PathBuf>,
    /// Its row, except for its position.
    pub(super) row: RecordRow,
    /// Its tables, and after them its string pool.
    pub(super) segment: Vec<u8>,
    /// The offset of the pool in the segment.
    pub(super) pool: usize,
}

impl EncodedRecord {
    /// Encodes a search directory.
    ///
    /// `distributions` are in CPython's order (rule L7 of `docs/specification`); `flags` are of
    /// [`super::format::record_flag`].
    #[must_use]
    pub fn new(
        path: &Path,
        flags: u32,
        (mtime, ctime): (Stamp, Stamp),
        distributions: &[DistributionDraft],
    ) -> Self {
        let entries = Entries::of(distributions);
        let mut segment = Segment::default();
        segment.distributions(distributions);
        segment.names(distributions);
        segment.groups(&entries);
        segment.entries(&entries);
        let mut files = 0;
        for &file in distributions.iter().flat_map(|it| &it.files) {
            FileRow::from(file).write(&mut segment.tables);
            files += 1;
        }
        let imports = segment.imports(distributions);
        let pool = segment.tables.len();
        Self {
            path: path.to_owned(),
            aliases: Vec::new(),
            row: RecordRow {
                flags,
                distributions: size(distributions.len()),
                groups: size(entries.groups.len()),
                entries: size(entries.sorted.len()),
                files,
                mtime,
                ctime,
                imports,
                ..RecordRow::default()
            },
            segment: segment.put_together(),
            pool,
        }
    }

    /// A record of an existing index, except for the times of the directory itself.
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
        let pool = record.tables.pool.start.saturating_sub(start.into());
        Ok(Self {
            path: path.to_owned(),
            aliases: Vec::new(),
            row: RecordRow {
                mtime,
                ctime,
                ..record.row
            },
            segment,
            pool: usize::try_from(pool).unwrap_or(usize::MAX),
        })
    }

    /// Adds other spellings of the path under which the record is found.
    #[must_use]
    pub fn with_aliases(mut self, aliases: Vec<PathBuf>) -> Self {
        self.aliases = aliases;
        self
    }

    /// The path of the search directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of its metadata directories.
    #[must_use]
    pub fn distribution_count(&self) -> usize {
        self.row.distributions as usize
    }

    /// The number of its entry points, including those of shadowed distributions.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.row.entries as usize
    }

    /// The number of bytes that it needs in an index, without its path and its rows in the index's
    /// tables.
    #[must_use]
    pub fn size(&self) -> usize {
        self.segment.len()
    }
}

fn has_metadata(distribution: &DistributionDraft) -> bool {
    distribution.flags & distribution_flag::HAS_METADATA != 0
}

/// The entry points of all distributions, in the order of the entry table.
struct Entries<'d> {
    /// The names of their groups, sorted.
    groups: Vec<&'d [u8]>,
    sorted: Vec<Place<'d>>,
}

/// An entry point, and the fields that determine its place in the entry table: by group, then core
/// metadata first, as CPython prefers it, then by place, then as in the file.
struct Place<'d> {
    entry: EntryDraft<'d>,
    distribution: u32,
    group: u32,
    without_metadata: bool,
    place: u32,
    /// Its number among all, distribution by distribution.
    serial: u32,
}

impl Place<'_> {
    fn order(&self) -> (u32, bool, u32, u32) {
        (self.group, self.without_metadata, self.place, self.serial)
    }
}

impl<'d> Entries<'d> {
    fn of(distributions: &'d [DistributionDraft]) -> Self {
        let mut groups: BTreeMap<&[u8], u32> = BTreeMap::new();
        let mut sorted = Vec::with_capacity(distributions.iter().map(|it| it.entries.len()).sum());
        for (number, distribution) in (0..).zip(distributions) {
            // Looked up once for successive ones of a group, because its name may be long.
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

    /// The entry points of each distribution in turn, in the order of its file.
    fn references(&self) -> Vec<ReferenceRow> {
        let mut references = vec![ReferenceRow::default(); self.sorted.len()];
        for (entry, place) in (0..).zip(&self.sorted) {
            if let Some(slot) = references.get_mut(place.serial as usize) {
                let group = place.group;
                *slot = ReferenceRow { entry, group };
            }
        }
        references
    }
}

/// The tables of one record while they are made, and its string pool.
#[derive(Default)]
struct Segment {
    tables: Vec<u8>,
    pool: Vec<u8>,
}

impl Segment {
    /// Their strings come first in the pool, so that a freshness check reads few blocks.
    fn distributions(&mut self, distributions: &[DistributionDraft]) {
        let strings =
            |it: &DistributionDraft| [&it.file_name, &it.key, &it.name, &it.version].map(Vec::len);
        let mut at = 0;
        for string in distributions
            .iter()
            .flat_map(|it| [&it.file_name, &it.key, &it.name, &it.version])
        {
            self.string(string);
        }
        let requirements: Vec<Span> = distributions
            .iter()
            .map(|it| self.string(&it.requirements))
            .collect();
        let imports: Vec<Span> = distributions
            .iter()
            .map(|it| self.string(&it.imports))
            .collect();
        let (mut references, mut files) = (Span::default(), Span::default());
        for ((distribution, requirements), imports) in
            distributions.iter().zip(requirements).zip(imports)
        {
            references = references.next(distribution.entries.len());
            files = files.next(distribution.files.len());
            let lengths = strings(distribution);
            let row = DistributionRow {
                strings: size(at),
                lengths: lengths.map(|length| u16::try_from(length).unwrap_or(u16::MAX)),
                flags: distribution.flags,
                mtime: distribution.mtime,
                ctime: distribution.ctime,
                requirements,
                imports,
                references,
                files,
            };
            row.write(&mut self.tables);
            at += lengths.iter().sum::<usize>();
        }
    }

    fn names(&mut self, distributions: &[DistributionDraft]) {
        let numbered = (0..).zip(distributions);
        let mut names: Vec<_> = numbered
            .map(|(number, it)| {
                let shadowed = it.flags & distribution_flag::SHADOWED != 0;
                (key_hash(&it.key), &it.key, shadowed, number)
            })
            .collect();
        names.sort_unstable();
        for (hash, _, _, distribution) in names {
            NameRow { distribution, hash }.write(&mut self.tables);
        }
    }

    fn groups(&mut self, entries: &Entries<'_>) {
        let mut rest = entries.sorted.as_slice();
        let mut run = Span::default();
        for (number, name) in (0..).zip(&entries.groups) {
            let count = rest.partition_point(|place| place.group <= number);
            rest = rest.get(count..).unwrap_or_default();
            run = run.next(count);
            let row = GroupRow {
                name: self.string(name),
                entries: run,
            };
            row.write(&mut self.tables);
        }
    }

    fn entries(&mut self, entries: &Entries<'_>) {
        for place in &entries.sorted {
            let row = EntryRow {
                name: self.string(place.entry.name),
                value_length: self.string(place.entry.value).length,
                distribution: place.distribution,
            };
            row.write(&mut self.tables);
        }
        for row in entries.references() {
            row.write(&mut self.tables);
        }
    }

    /// Says how many there are.
    fn imports(&mut self, distributions: &[DistributionDraft]) -> u32 {
        let numbered = (0..).zip(distributions);
        let mut rows: Vec<(u32, u32)> = numbered
            .flat_map(|(number, it)| {
                import_hashes(it.flags, &it.imports).map(move |hash| (hash, number))
            })
            .collect();
        rows.sort_unstable();
        rows.dedup();
        for &(hash, distribution) in &rows {
            ImportRow { distribution, hash }.write(&mut self.tables);
        }
        size(rows.len())
    }

    fn string(&mut self, bytes: &[u8]) -> Span {
        let start = size(self.pool.len());
        self.pool.extend_from_slice(bytes);
        Span {
            start,
            length: size(bytes.len()),
        }
    }

    fn put_together(mut self) -> Vec<u8> {
        self.tables.extend_from_slice(&self.pool);
        self.tables
    }
}
