//! One search directory becomes one record: its tables, and its string pool.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Stamp;
use super::arena::{EntryArena, EntryDraft, EntryRange};
use super::format::{
    DISTRIBUTION_ROW, ENTRY_ROW, GROUP_ROW, KEY_ROW, REFERENCE_ROW, distribution_flag, entry_flag,
    key_hash, size,
};
use super::record::RecordRow;
use crate::memory;

/// A metadata directory, as the scan found it.
#[derive(Debug, Clone, Default)]
pub struct DistributionDraft {
    /// The name of the metadata directory in the search directory.
    pub file_name: Vec<u8>,
    /// The shadowing key: of several distributions with one key, one is chosen.
    pub key: Vec<u8>,
    /// The distribution's name.
    pub name: Vec<u8>,
    /// The distribution's version.
    pub version: Vec<u8>,
    /// Of [`distribution_flag`].
    pub flags: u32,
    /// The metadata directory's own mtime.
    pub mtime: Stamp,
    /// The metadata directory's own ctime.
    pub ctime: Stamp,
    /// What is known of its entry_points.txt, where [`distribution_flag::HAS_ENTRY_POINTS`] is set.
    pub entry_points_file: FileFingerprint,
    /// Its entry points, in the order of the file.
    pub entries: EntryRange,
    /// Among the chosen distributions, the place of its entry points: that of the first of its twins
    /// in listing order (see `docs/format.md`, "Order").
    pub place: u32,
}

/// What tells one content of a file from another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileFingerprint {
    /// In bytes.
    pub size: u32,
    /// The file's mtime.
    pub mtime: Stamp,
    /// The first 16 bytes of the content's SHA-256.
    pub digest: [u8; 16],
}

/// One search directory, ready to be written.
#[derive(Debug, Clone, Default)]
pub struct EncodedRecord {
    pub(super) path: PathBuf,
    pub(super) aliases: Vec<PathBuf>,
    pub(super) flags: u32,
    pub(super) mtime: Stamp,
    pub(super) ctime: Stamp,
    pub(super) counts: Counts,
    pub(super) segment: Segment,
}

/// The tables of a record, and behind them its string pool.
#[derive(Debug, Clone)]
pub(super) enum Segment {
    Made(Vec<u8>),
    /// Where it lies in the body of an older index.
    Kept(Range<usize>),
}

impl Default for Segment {
    fn default() -> Self {
        Self::Made(Vec::new())
    }
}

impl Segment {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Made(bytes) => bytes.len(),
            Self::Kept(place) => place.len(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) distributions: u32,
    pub(super) keys: u32,
    pub(super) groups: u32,
    pub(super) entries: u32,
    pub(super) listed: u32,
}

impl Counts {
    /// How many bytes all tables take.
    fn tables(&self) -> usize {
        self.distributions as usize * DISTRIBUTION_ROW
            + self.keys as usize * KEY_ROW
            + self.groups as usize * GROUP_ROW
            + self.entries as usize * (ENTRY_ROW + REFERENCE_ROW)
    }
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
        distributions: Vec<DistributionDraft>,
        arena: &EntryArena,
    ) -> Self {
        let groups = Groups::sorted(arena);
        let rows = entry_rows(&distributions, arena, &groups);
        let chosen = distributions
            .iter()
            .filter(|distribution| distribution.flags & distribution_flag::SHADOWED == 0);
        let counts = Counts {
            distributions: size(distributions.len()),
            keys: size(chosen.count()),
            groups: size(groups.names.len()),
            entries: size(rows.order.len()),
            listed: rows.listed,
        };
        let views = distributions.iter().map(RowView::of);
        let strings = views.clone().map(|view| view.strings()).sum::<usize>()
            + groups.names.iter().map(|name| name.len()).sum::<usize>()
            + arena.size();
        let mut draft = Draft::new(counts, strings);
        draft.distributions(views);
        draft.keys(&distributions);
        let marks: Vec<Mark> = distributions.iter().map(Mark::of).collect();
        // All else of them is in the tables by now: of a large directory that is as much as the tables.
        drop(distributions);
        draft.groups(&groups, &rows);
        draft.entries(&marks, arena, &groups, &rows);
        draft.finish(path, flags, (mtime, ctime))
    }

    /// A record of an older index, whose segment lies at `place` in the body there.
    pub(super) fn kept(
        path: &Path,
        row: &RecordRow,
        (mtime, ctime): (Stamp, Stamp),
        place: Range<usize>,
    ) -> Self {
        let counts = Counts {
            distributions: row.distributions,
            keys: row.keys,
            groups: row.groups,
            entries: row.entries,
            listed: row.listed,
        };
        Self {
            path: path.to_owned(),
            aliases: Vec::new(),
            flags: row.flags,
            mtime,
            ctime,
            counts,
            segment: Segment::Kept(place),
        }
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
        self.counts.distributions as usize
    }

    /// How many entry points it holds, those of shadowed distributions left out.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.counts.listed as usize
    }

    /// How many bytes of an index it takes, without its path and its rows in the index's tables.
    #[must_use]
    pub fn size(&self) -> usize {
        self.segment.len()
    }

    /// Its flags, of [`super::format::record_flag`].
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags
    }
}

/// Group names, sorted, and the rank of each of the arena's group numbers among them.
struct Groups<'a> {
    names: Vec<&'a [u8]>,
    rank: Vec<u32>,
}

impl<'a> Groups<'a> {
    fn sorted(arena: &'a EntryArena) -> Self {
        let mut by_name: Vec<(&[u8], u32)> = arena.groups().collect();
        by_name.sort_unstable();
        let mut rank = vec![0; by_name.len()];
        for (position, &(_, number)) in by_name.iter().enumerate() {
            if let Some(slot) = rank.get_mut(number as usize) {
                *slot = size(position);
            }
        }
        Self {
            names: by_name.into_iter().map(|(name, _)| name).collect(),
            rank,
        }
    }

    fn rank_of(&self, entry: &EntryDraft) -> u32 {
        self.rank
            .get(entry.group as usize)
            .copied()
            .unwrap_or_default()
    }
}

/// What the entry table says of a distribution.
struct Mark {
    key_hash: u32,
    has_metadata: bool,
}

impl Mark {
    fn of(distribution: &DistributionDraft) -> Self {
        Self {
            key_hash: key_hash(&distribution.key),
            has_metadata: distribution.flags & distribution_flag::HAS_METADATA != 0,
        }
    }
}

/// In which order the entry table holds the entry points: those of chosen distributions by group,
/// then (core metadata first, as CPython prefers it) by place, then as in the file; behind them those
/// of shadowed distributions, as they come.
struct EntryRows {
    /// (distribution, entry in the arena) of each row.
    order: Vec<(u32, EntryDraft)>,
    /// How many rows belong to groups.
    listed: u32,
    /// For each distribution in turn, the rows of its entry points in the order of its file.
    references: Vec<u32>,
}

fn entry_rows(
    distributions: &[DistributionDraft],
    arena: &EntryArena,
    groups: &Groups<'_>,
) -> EntryRows {
    // One number each: shadowed, group, without metadata, place, and the number among all entries,
    // distribution by distribution.
    let mut rows = Vec::with_capacity(arena.len());
    let mut drafts = Vec::with_capacity(arena.len());
    for (number, distribution) in distributions.iter().enumerate() {
        let shadowed = distribution.flags & distribution_flag::SHADOWED != 0;
        let without = distribution.flags & distribution_flag::HAS_METADATA == 0;
        for entry in arena.entries(distribution.entries) {
            let serial = size(drafts.len());
            let group = if shadowed { 0 } else { groups.rank_of(entry) };
            let place = if shadowed { 0 } else { distribution.place };
            rows.push(
                u128::from(shadowed) << 97
                    | u128::from(group) << 65
                    | u128::from(without) << 64
                    | u128::from(place) << 32
                    | u128::from(serial),
            );
            drafts.push((size(number), *entry));
        }
    }
    rows.sort_unstable();
    let listed = size(rows.partition_point(|row| row >> 97 == 0));
    let mut order = Vec::with_capacity(rows.len());
    let mut references = vec![0; rows.len()];
    for (position, row) in rows.into_iter().enumerate() {
        #[allow(clippy::cast_possible_truncation)] // the lowest 32 bits are meant
        let serial = row as u32;
        if let Some(draft) = drafts.get(serial as usize) {
            order.push(*draft);
        }
        if let Some(slot) = references.get_mut(serial as usize) {
            *slot = size(position);
        }
    }
    EntryRows {
        order,
        listed,
        references,
    }
}

/// What a row of the distribution table says.
#[derive(Clone, Copy)]
pub(super) struct RowView<'a> {
    pub(super) file_name: &'a [u8],
    pub(super) key: &'a [u8],
    pub(super) name: &'a [u8],
    pub(super) version: &'a [u8],
    pub(super) flags: u32,
    pub(super) mtime: Stamp,
    pub(super) ctime: Stamp,
    pub(super) file: FileFingerprint,
    pub(super) entries: u32,
    pub(super) key_hash: u32,
}

impl<'a> RowView<'a> {
    pub(super) fn of(draft: &'a DistributionDraft) -> Self {
        Self {
            file_name: &draft.file_name,
            key: &draft.key,
            name: &draft.name,
            version: &draft.version,
            flags: draft.flags,
            mtime: draft.mtime,
            ctime: draft.ctime,
            file: draft.entry_points_file,
            entries: size(draft.entries.len()),
            key_hash: key_hash(&draft.key),
        }
    }

    /// How many bytes its strings take at most.
    pub(super) fn strings(&self) -> usize {
        self.file_name.len() + self.key.len() + self.name.len() + self.version.len()
    }
}

/// What a row of the entry table says.
pub(super) struct EntryRow<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) distribution: u32,
    pub(super) group: u32,
    pub(super) key_hash: u32,
    pub(super) flags: u32,
}

pub(super) fn entry_flags(malformed: bool, has_metadata: bool) -> u32 {
    let flag = |set, flag| if set { flag } else { 0 };
    flag(malformed, entry_flag::MALFORMED) | flag(has_metadata, entry_flag::HAS_METADATA)
}

/// The tables of one record in the making, and behind them its string pool.
pub(super) struct Draft {
    bytes: Vec<u8>,
    /// Where the next row goes.
    next: usize,
    /// Where the pool starts.
    pool: usize,
    counts: Counts,
}

impl Draft {
    /// Room for so many rows and, if need be for more, for so many bytes of strings.
    pub(super) fn new(counts: Counts, strings: usize) -> Self {
        let pool = counts.tables();
        let mut bytes = memory::zeros(pool + strings);
        bytes.truncate(pool);
        Self {
            bytes,
            next: 0,
            pool,
            counts,
        }
    }

    fn put<const N: usize>(&mut self, numbers: [u32; N]) {
        self.put_bytes(4 * N, |place| {
            for (slot, number) in place.chunks_exact_mut(4).zip(numbers) {
                slot.copy_from_slice(&number.to_le_bytes());
            }
        });
    }

    fn put_all(&mut self, bytes: &[u8]) {
        self.put_bytes(bytes.len(), |place| {
            place.copy_from_slice(bytes.get(..place.len()).unwrap_or_default());
        });
    }

    fn put_bytes(&mut self, length: usize, write: impl FnOnce(&mut [u8])) {
        let end = self.next + length;
        // What is behind the tables is the pool's. The counts are the caller's to get right.
        if let Some(place) = self.bytes.get_mut(self.next..end.min(self.pool)) {
            write(place);
        }
        self.next = end;
    }

    /// Strings of distributions come first in the pool, file names foremost, so that a freshness
    /// check reads few blocks.
    pub(super) fn distributions<'v>(&mut self, rows: impl Iterator<Item = RowView<'v>> + Clone) {
        for row in rows.clone() {
            self.string(row.file_name);
        }
        let (mut file_name_at, mut reference) = (0, 0);
        for row in rows {
            let mut string_in = |bytes| self.string_in(row.file_name, file_name_at, bytes);
            let [key, name, version] = [row.key, row.name, row.version].map(&mut string_in);
            let file_name = (file_name_at, size(row.file_name.len()));
            file_name_at += file_name.1;
            for (offset, length) in [file_name, key, name, version] {
                self.put([offset, length]);
            }
            self.put([row.flags, row.file.size]);
            for stamp in [row.mtime, row.ctime, row.file.mtime] {
                self.put_all(&stamp.raw().to_le_bytes());
            }
            self.put_all(&row.file.digest);
            self.put([reference, row.entries, row.key_hash, 0]);
            reference += row.entries;
        }
    }

    /// One row for each key: the chosen distribution.
    fn keys(&mut self, distributions: &[DistributionDraft]) {
        let mut keys: Vec<(u32, &[u8], u32)> = distributions
            .iter()
            .enumerate()
            .filter(|(_, distribution)| distribution.flags & distribution_flag::SHADOWED == 0)
            .map(|(number, distribution)| {
                (
                    key_hash(&distribution.key),
                    distribution.key.as_slice(),
                    size(number),
                )
            })
            .collect();
        keys.sort_unstable();
        for &(hash, _, number) in &keys {
            self.key(hash, number);
        }
    }

    pub(super) fn key(&mut self, hash: u32, distribution: u32) {
        self.put([hash, distribution]);
    }

    /// A group, and the run of its entry points.
    pub(super) fn group(&mut self, name: &[u8], start: u32, count: u32) {
        let (offset, length) = self.string(name);
        self.put([offset, length, start, count]);
    }

    pub(super) fn entry(&mut self, entry: &EntryRow<'_>) {
        let (offset, name_length) = self.string(entry.name);
        let (_, value_length) = self.string(entry.value);
        self.put([offset, name_length, value_length, entry.distribution]);
        self.put([entry.group, entry.key_hash, entry.flags, 0]);
    }

    pub(super) fn references(&mut self, references: &[u32]) {
        for &reference in references {
            self.put([reference]);
        }
    }

    fn groups(&mut self, groups: &Groups<'_>, rows: &EntryRows) {
        let listed = rows.order.get(..rows.listed as usize).unwrap_or_default();
        let mut start = 0;
        for (rank, name) in groups.names.iter().enumerate() {
            let here = listed.get(start..).unwrap_or_default();
            let count = here.partition_point(|(_, entry)| groups.rank_of(entry) <= size(rank));
            self.group(name, size(start), size(count));
            start += count;
        }
    }

    fn entries(
        &mut self,
        marks: &[Mark],
        arena: &EntryArena,
        groups: &Groups<'_>,
        rows: &EntryRows,
    ) {
        for (number, entry) in &rows.order {
            let Some(mark) = marks.get(*number as usize) else {
                continue;
            };
            let (name, value) = arena.strings_of(entry);
            self.entry(&EntryRow {
                name,
                value,
                distribution: *number,
                group: groups.rank_of(entry),
                key_hash: mark.key_hash,
                flags: entry_flags(entry.malformed, mark.has_metadata),
            });
        }
        self.references(&rows.references);
    }

    fn string(&mut self, bytes: &[u8]) -> (u32, u32) {
        let offset = size(self.bytes.len() - self.pool);
        self.bytes.extend_from_slice(bytes);
        (offset, size(bytes.len()))
    }

    /// A string that most often is a part of the file name, which is in the pool already: its
    /// beginning (the name) or what follows its first dash (the version).
    fn string_in(&mut self, file_name: &[u8], offset: u32, bytes: &[u8]) -> (u32, u32) {
        let dash = file_name
            .iter()
            .position(|&byte| byte == b'-')
            .map_or(0, |dash| dash + 1);
        for start in [0, dash] {
            if file_name
                .get(start..)
                .is_some_and(|rest| rest.starts_with(bytes))
            {
                return (offset + size(start), size(bytes.len()));
            }
        }
        self.string(bytes)
    }

    pub(super) fn finish(
        self,
        path: &Path,
        flags: u32,
        (mtime, ctime): (Stamp, Stamp),
    ) -> EncodedRecord {
        let Self {
            mut bytes, counts, ..
        } = self;
        bytes.shrink_to_fit();
        EncodedRecord {
            path: path.to_owned(),
            aliases: Vec::new(),
            flags,
            mtime,
            ctime,
            counts,
            segment: Segment::Made(bytes),
        }
    }
}
