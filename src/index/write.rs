//! Records become bytes. The same records in the same order give the same bytes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Stamp;
use super::format::{
    BLOCK, DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, GROUP_ROW, HEADER, HEADER_CHECKED_FROM,
    KEY_ROW, MAGIC, MAJOR, MINOR, RECORD_ROW, REFERENCE_ROW, SIZE_LIMIT, STRING_LIMIT, checksum,
    directory_flag, distribution_flag, entry_flag, index_flag, key_hash,
};

/// Why no index could be made of the records.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Beyond [`SIZE_LIMIT`].
    #[error("the index would be larger than {} MiB", SIZE_LIMIT >> 20)]
    TooLarge,
}

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
struct EntryDraft {
    group: u32,
    offset: u32,
    name_length: u32,
    value_length: u32,
    malformed: bool,
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

    fn strings_of(&self, entry: &EntryDraft) -> &[u8] {
        let start = entry.offset as usize;
        let end = start + entry.name_length as usize + entry.value_length as usize;
        self.strings.get(start..end).unwrap_or_default()
    }
}

/// One search directory, ready to be written.
#[derive(Debug, Clone, Default)]
pub struct EncodedRecord {
    path: PathBuf,
    aliases: Vec<PathBuf>,
    flags: u32,
    mtime: Stamp,
    ctime: Stamp,
    counts: Counts,
    segment: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    distributions: u32,
    keys: u32,
    groups: u32,
    entries: u32,
    listed: u32,
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
        arena: &EntryArena,
    ) -> Self {
        let groups = Groups::sorted(arena);
        let rows = entry_rows(distributions, arena, &groups);
        let mut segment = Segment::default();
        let strings = segment.distributions(distributions, &rows);
        let keys = segment.keys(distributions);
        segment.groups(&groups, &rows);
        segment.entries(distributions, arena, &groups, &rows);
        let counts = Counts {
            distributions: size(distributions.len()),
            keys,
            groups: size(groups.names.len()),
            entries: size(rows.order.len()),
            listed: rows.listed,
        };
        let mut segment = segment.finish();
        segment.shrink_to_fit();
        debug_assert!(strings <= segment.len());
        let path = path.to_owned();
        Self {
            path,
            aliases: Vec::new(),
            flags,
            mtime,
            ctime,
            counts,
            segment,
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

    /// Its flags, of [`super::format::record_flag`].
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags
    }
}

/// The bytes of an index of these records. Of several records with one path the first is found.
/// Paths beyond [`STRING_LIMIT`], which no reader accepts and no kernel opens, are left out.
///
/// # Errors
/// [`WriteError::TooLarge`].
pub fn index(records: &[EncodedRecord], image: bool) -> Result<Vec<u8>, WriteError> {
    let fits = |path: &Path| path_bytes(path).len() <= STRING_LIMIT;
    let records: Vec<_> = records.iter().filter(|record| fits(&record.path)).collect();
    let mut directories: Vec<(&[u8], u32, u32)> = Vec::new();
    for (number, record) in records.iter().enumerate() {
        directories.push((path_bytes(&record.path), size(number), 0));
        for alias in record.aliases.iter().filter(|alias| fits(alias)) {
            directories.push((path_bytes(alias), size(number), directory_flag::ALIAS));
        }
    }
    // Paths before aliases, so that no alias hides a record.
    directories.sort_by(|a, b| (a.0, a.2, a.1).cmp(&(b.0, b.2, b.1)));
    directories.dedup_by(|later, earlier| later.0 == earlier.0);

    let tables = directories.len() * DIRECTORY_ROW + records.len() * RECORD_ROW;
    let paths: usize = directories
        .iter()
        .map(|(path, ..)| path.len())
        .sum::<usize>()
        + records
            .iter()
            .map(|record| path_bytes(&record.path).len())
            .sum::<usize>();
    let segments: usize = records.iter().map(|record| record.segment.len()).sum();
    let body_size = tables + paths + segments;
    let blocks = body_size.div_ceil(BLOCK);
    let file_size = (HEADER + 4 * blocks + body_size) as u64;
    if file_size > SIZE_LIMIT {
        return Err(WriteError::TooLarge);
    }

    let mut file = Vec::with_capacity(HEADER + 4 * blocks + body_size);
    file.resize(HEADER + 4 * blocks, 0);
    let mut strings = Vec::with_capacity(paths);
    let mut place = |bytes: &[u8]| {
        let offset = size(tables + strings.len());
        strings.extend_from_slice(bytes);
        (offset, size(bytes.len()))
    };
    for (path, record, flags) in &directories {
        let (offset, length) = place(path);
        put(&mut file, &[offset, length, *record, *flags]);
    }
    let mut segment_offset = size(tables + paths);
    for record in &records {
        let (path_offset, path_length) = place(path_bytes(&record.path));
        let length = size(record.segment.len());
        let Counts {
            distributions,
            keys,
            groups,
            entries,
            listed,
        } = record.counts;
        put(
            &mut file,
            &[segment_offset, length, record.flags, distributions],
        );
        put(&mut file, &[keys, groups, entries, listed]);
        file.extend_from_slice(&record.mtime.raw().to_le_bytes());
        file.extend_from_slice(&record.ctime.raw().to_le_bytes());
        put(&mut file, &[path_offset, path_length, 0, 0]);
        segment_offset += length;
    }
    file.extend_from_slice(&strings);
    for record in &records {
        file.extend_from_slice(&record.segment);
    }

    let (head, body) = file.split_at_mut(HEADER + 4 * blocks);
    let (header, checksums) = head.split_at_mut(HEADER);
    for (slot, block) in checksums.chunks_exact_mut(4).zip(body.chunks(BLOCK)) {
        slot.copy_from_slice(&checksum(block).to_le_bytes());
    }
    header.copy_from_slice(&header_bytes(
        file_size,
        [size(blocks), size(directories.len()), size(records.len())],
        if image { index_flag::IMAGE } else { 0 },
    ));
    Ok(file)
}

fn header_bytes(file_size: u64, counts: [u32; 3], flags: u32) -> Vec<u8> {
    let mut checked = Vec::with_capacity(HEADER);
    put(&mut checked, &[flags]);
    checked.extend_from_slice(&file_size.to_le_bytes());
    put(&mut checked, &counts);
    checked.resize(HEADER - HEADER_CHECKED_FROM, 0);
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&MAJOR.to_le_bytes());
    header.extend_from_slice(&MINOR.to_le_bytes());
    put(&mut header, &[0, checksum(&checked)]);
    header.extend_from_slice(&checked);
    header
}

/// Group names, sorted, and the rank of each of the arena's group numbers among them.
struct Groups<'a> {
    names: Vec<&'a [u8]>,
    rank: Vec<u32>,
}

impl<'a> Groups<'a> {
    fn sorted(arena: &'a EntryArena) -> Self {
        let mut by_name: Vec<(&[u8], u32)> = arena
            .groups
            .iter()
            .map(|(name, &number)| (&**name, number))
            .collect();
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
    let mut rows = Vec::with_capacity(arena.entries.len());
    let mut drafts = Vec::with_capacity(arena.entries.len());
    for (number, distribution) in distributions.iter().enumerate() {
        let range = distribution.entries.start as usize..distribution.entries.end as usize;
        let shadowed = distribution.flags & distribution_flag::SHADOWED != 0;
        let without = distribution.flags & distribution_flag::HAS_METADATA == 0;
        for entry in arena.entries.get(range).unwrap_or_default() {
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

/// The tables of one record, and its string pool.
#[derive(Default)]
struct Segment {
    tables: Vec<u8>,
    pool: Vec<u8>,
}

impl Segment {
    /// Strings of distributions come first in the pool, file names foremost, so that a freshness
    /// check reads few blocks.
    fn distributions(&mut self, distributions: &[DistributionDraft], rows: &EntryRows) -> usize {
        self.tables.reserve(
            distributions.len() * (DISTRIBUTION_ROW + KEY_ROW)
                + rows.order.len() * (ENTRY_ROW + REFERENCE_ROW),
        );
        let mut file_names = Vec::with_capacity(distributions.len());
        for distribution in distributions {
            file_names.push(self.string(&distribution.file_name));
        }
        let mut reference = 0;
        for (distribution, &file_name) in distributions.iter().zip(&file_names) {
            let near = (distribution.file_name.as_slice(), file_name.0);
            let key = self.string_near(near, &distribution.key);
            let name = self.string_near(near, &distribution.name);
            let version = self.string_near(near, &distribution.version);
            let file = &distribution.entry_points_file;
            for (offset, length) in [file_name, key, name, version] {
                put(&mut self.tables, &[offset, length]);
            }
            put(&mut self.tables, &[distribution.flags, file.size]);
            for stamp in [distribution.mtime, distribution.ctime, file.mtime] {
                self.tables.extend_from_slice(&stamp.raw().to_le_bytes());
            }
            self.tables.extend_from_slice(&file.digest);
            let count = size(distribution.entries.len());
            put(
                &mut self.tables,
                &[reference, count, key_hash(&distribution.key), 0],
            );
            reference += count;
        }
        self.pool.len()
    }

    /// One row for each key: the chosen distribution.
    fn keys(&mut self, distributions: &[DistributionDraft]) -> u32 {
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
        for (hash, _, number) in &keys {
            put(&mut self.tables, &[*hash, *number]);
        }
        size(keys.len())
    }

    fn groups(&mut self, groups: &Groups<'_>, rows: &EntryRows) {
        let listed = rows.order.get(..rows.listed as usize).unwrap_or_default();
        let mut start = 0;
        for (rank, name) in groups.names.iter().enumerate() {
            let here = listed.get(start..).unwrap_or_default();
            let count = here.partition_point(|(_, entry)| groups.rank_of(entry) <= size(rank));
            let (offset, length) = self.string(name);
            put(
                &mut self.tables,
                &[offset, length, size(start), size(count)],
            );
            start += count;
        }
    }

    fn entries(
        &mut self,
        distributions: &[DistributionDraft],
        arena: &EntryArena,
        groups: &Groups<'_>,
        rows: &EntryRows,
    ) {
        for (number, entry) in &rows.order {
            let (offset, _) = self.string(arena.strings_of(entry));
            let (hash, has_metadata) =
                distributions
                    .get(*number as usize)
                    .map_or((0, false), |distribution| {
                        let has_metadata =
                            distribution.flags & distribution_flag::HAS_METADATA != 0;
                        (key_hash(&distribution.key), has_metadata)
                    });
            let flags = (if entry.malformed {
                entry_flag::MALFORMED
            } else {
                0
            }) | (if has_metadata {
                entry_flag::HAS_METADATA
            } else {
                0
            });
            put(
                &mut self.tables,
                &[offset, entry.name_length, entry.value_length, *number],
            );
            put(&mut self.tables, &[groups.rank_of(entry), hash, flags, 0]);
        }
        put(&mut self.tables, &rows.references);
    }

    fn string(&mut self, bytes: &[u8]) -> (u32, u32) {
        let offset = size(self.pool.len());
        self.pool.extend_from_slice(bytes);
        (offset, size(bytes.len()))
    }

    /// A string that is mostly a part of another one that is in the pool already, at `near.1`.
    fn string_near(&mut self, near: (&[u8], u32), bytes: &[u8]) -> (u32, u32) {
        let found = if bytes.is_empty() {
            Some(0)
        } else {
            near.0
                .windows(bytes.len())
                .position(|window| window == bytes)
        };
        match found {
            Some(position) => (near.1 + size(position), size(bytes.len())),
            None => self.string(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        let Self { mut tables, pool } = self;
        tables.extend_from_slice(&pool);
        tables
    }
}

fn put(bytes: &mut Vec<u8>, numbers: &[u32]) {
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
}

/// Every size and offset below the limit of the whole file fits; beyond it the index is refused in
/// the end, whatever was written for it.
fn size(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn path_bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}

/// The size of a record's tables in front of its string pool, in bytes.
pub(super) fn tables_size(counts: [u32; 4]) -> u64 {
    let [distributions, keys, groups, entries] = counts.map(u64::from);
    distributions * DISTRIBUTION_ROW as u64
        + keys * KEY_ROW as u64
        + groups * GROUP_ROW as u64
        + entries * (ENTRY_ROW + REFERENCE_ROW) as u64
}
