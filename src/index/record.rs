//! One record: what is known of one search directory.

use std::cmp::Ordering;
use std::ops::Range;

use super::encode::FileFingerprint;
use super::format::{
    DISTRIBUTION_ROW, ENTRY_ROW, GROUP_ROW, KEY_ROW, REFERENCE_ROW, Row, distribution_flag,
    key_hash, record_flag, tables_size,
};
use super::read::{Damage, Index, Source};
use super::rows::{Distribution, Entry, Group};
use super::stamp::Stamp;

/// How many rows a bulk pass decodes at a time.
const ROWS_AT_A_TIME: u32 = 256;

/// A row of the record table.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordRow {
    pub(super) path: (u32, u32),
    pub(super) flags: u32,
    pub(super) stamps: (Stamp, Stamp),
    pub(super) distributions: u32,
    pub(super) keys: u32,
    pub(super) groups: u32,
    pub(super) entries: u32,
    pub(super) listed: u32,
    pub(super) tables: u64,
    pool: u64,
    pub(super) end: u64,
}

impl RecordRow {
    pub(super) fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    pub(super) fn decode(row: Row<'_>, body_size: u64) -> Result<Self, Damage> {
        let (tables, length) = (u64::from(row.u32(0)), u64::from(row.u32(4)));
        let [distributions, keys, groups, entries, listed] = [
            row.u32(12),
            row.u32(16),
            row.u32(20),
            row.u32(24),
            row.u32(28),
        ];
        let pool = tables + tables_size([distributions, keys, groups, entries]);
        let end = tables + length;
        if pool > end || end > body_size {
            return Err(Damage::Malformed("a record longer than its place"));
        }
        if listed > entries || keys > distributions {
            return Err(Damage::Malformed("a record's counts"));
        }
        Ok(Self {
            path: (row.u32(48), row.u32(52)),
            flags: row.u32(8),
            stamps: (Stamp::from_raw(row.i64(32)), Stamp::from_raw(row.i64(40))),
            distributions,
            keys,
            groups,
            entries,
            listed,
            tables,
            pool,
            end,
        })
    }
}

/// What the index knows of one search directory.
pub struct Record<'i, S> {
    index: &'i Index<S>,
    number: u32,
    pub(super) row: RecordRow,
    path: Vec<u8>,
}

impl<'i, S: Source> Record<'i, S> {
    pub(super) fn new(index: &'i Index<S>, number: u32, row: RecordRow, path: Vec<u8>) -> Self {
        Self {
            index,
            number,
            row,
            path,
        }
    }

    /// The index that it is in.
    #[must_use]
    pub fn index(&self) -> &'i Index<S> {
        self.index
    }

    /// Its number in the index.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The search directory's path, in its main spelling.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Whether all these flags of [`record_flag`] are set.
    #[must_use]
    pub fn has(&self, flags: u32) -> bool {
        self.row.has(flags)
    }

    /// Whether there was no such directory.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.has(record_flag::MISSING)
    }

    /// The search directory's mtime and ctime.
    #[must_use]
    pub fn stamps(&self) -> (Stamp, Stamp) {
        self.row.stamps
    }

    /// How many metadata directories there are.
    #[must_use]
    pub fn distribution_count(&self) -> u32 {
        self.row.distributions
    }

    /// How many entry points there are, those of distributions shadowed within the record left out.
    #[must_use]
    pub fn entry_count(&self) -> u32 {
        self.row.listed
    }

    /// A metadata directory by its number, in CPython's order.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn distribution(&self, number: u32) -> Result<Distribution, Damage> {
        let row = self.row_of(Table::Distributions, number)?;
        self.decode_distribution(Row(&row))
    }

    /// All metadata directories, in CPython's order.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn distributions(
        &self,
    ) -> impl Iterator<Item = Result<Distribution, Damage>> + use<'_, 'i, S> {
        let mut budget = Budget::of_distributions(self.pool_size());
        self.rows_of(Table::Distributions, 0..self.row.distributions)
            .map(move |row| {
                let row = row?;
                budget.spend([4, 12, 20, 28].map(|at| Row(&row).u32(at)))?;
                self.decode_distribution(Row(&row))
            })
    }

    /// A group by its name.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn group(&self, name: &str) -> Result<Option<Group>, Damage> {
        let (mut low, mut high) = (0, self.row.groups);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.row_of(Table::Groups, middle)?;
            let group = self.decode_group(Row(&row))?;
            match group.name.as_str().cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Some(group)),
            }
        }
        Ok(None)
    }

    /// All groups, sorted by name, bytewise.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn groups(&self) -> impl Iterator<Item = Result<Group, Damage>> + use<'_, 'i, S> {
        let mut budget = Budget::of(self.pool_size());
        self.rows_of(Table::Groups, 0..self.row.groups)
            .map(move |row| {
                let row = row?;
                budget.spend([Row(&row).u32(4)])?;
                self.decode_group(Row(&row))
            })
    }

    /// The entry points of a group: first those of distributions with core metadata, then the
    /// others, each in CPython's order.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn entries(
        &self,
        group: &Group,
    ) -> impl Iterator<Item = Result<Entry, Damage>> + use<'_, 'i, S> {
        self.entries_in(group.rows.clone())
    }

    /// A run of entry points, in the order of the table.
    pub(super) fn entries_in(
        &self,
        rows: Range<u32>,
    ) -> impl Iterator<Item = Result<Entry, Damage>> + use<'_, 'i, S> {
        let mut strings_end = 0;
        self.rows_of(Table::Entries, rows).map(move |row| {
            let row = row?;
            let offset = Row(&row).u32(0);
            // Strings of entries follow each other in the pool. Holding a file to that bounds what
            // it can make a reader print by its own length.
            if offset < strings_end {
                return Err(Damage::Malformed("strings out of order"));
            }
            strings_end = offset
                .saturating_add(Row(&row).u32(4))
                .saturating_add(Row(&row).u32(8));
            self.decode_entry(Row(&row))
        })
    }

    /// The entry points of a distribution, in the order of its file.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn entries_of(
        &self,
        distribution: &Distribution,
    ) -> impl Iterator<Item = Result<Entry, Damage>> + use<'_, 'i, S> {
        let mut budget = Budget::of(self.pool_size());
        self.rows_of(Table::References, distribution.references.clone())
            .map(move |reference| {
                let reference = reference?;
                let row = self.row_of(Table::Entries, Row(&reference).u32(0))?;
                budget.spend([4, 8].map(|at| Row(&row).u32(at)))?;
                self.decode_entry(Row(&row))
            })
    }

    /// The distribution chosen among those of a key.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn chosen(&self, key: &[u8]) -> Result<Option<Distribution>, Damage> {
        let hash = key_hash(key);
        let (mut low, mut high) = (0, self.row.keys);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.row_of(Table::Keys, middle)?;
            let mut here = Row(&row).u32(0).cmp(&hash);
            if here == Ordering::Equal {
                // Keys of one hash are sorted themselves: anybody can make up thousands.
                let distribution = self.distribution(Row(&row).u32(4))?;
                here = distribution.key.as_slice().cmp(key);
                if here == Ordering::Equal {
                    return Ok(Some(distribution));
                }
            }
            if here == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(None)
    }

    fn pool_size(&self) -> u64 {
        self.row.end - self.row.pool
    }

    pub(super) fn row_of(&self, table: Table, number: u32) -> Result<Vec<u8>, Damage> {
        let (offset, count, size) = self.table(table);
        if number >= count {
            return Err(Damage::Malformed("a row number beyond its table"));
        }
        self.index.bytes(offset + u64::from(number) * size, size)
    }

    pub(super) fn rows_of(
        &self,
        table: Table,
        rows: Range<u32>,
    ) -> impl Iterator<Item = Result<Vec<u8>, Damage>> + use<'_, 'i, S> {
        let (offset, count, size) = self.table(table);
        let mut next = rows.start;
        let mut chunk = Vec::new().into_iter();
        std::iter::from_fn(move || {
            if let Some(row) = chunk.next() {
                return Some(Ok(row));
            }
            if next >= rows.end {
                return None;
            }
            if rows.end > count {
                next = rows.end;
                return Some(Err(Damage::Malformed("a row number beyond its table")));
            }
            let taken = (rows.end - next).min(ROWS_AT_A_TIME);
            let bytes = self
                .index
                .bytes(offset + u64::from(next) * size, u64::from(taken) * size);
            next += taken;
            match bytes {
                Err(damage) => {
                    next = rows.end;
                    Some(Err(damage))
                }
                Ok(bytes) => {
                    let rows = bytes.chunks_exact(size as usize).map(<[u8]>::to_vec);
                    chunk = rows.collect::<Vec<_>>().into_iter();
                    chunk.next().map(Ok)
                }
            }
        })
    }

    /// Offset in the body, number of rows, size of a row.
    fn table(&self, table: Table) -> (u64, u32, u64) {
        let row = &self.row;
        let [distributions, keys, groups, entries] =
            [row.distributions, row.keys, row.groups, row.entries];
        let (before, count, size) = match table {
            Table::Distributions => ([0, 0, 0, 0], distributions, DISTRIBUTION_ROW),
            Table::Keys => ([distributions, 0, 0, 0], keys, KEY_ROW),
            Table::Groups => ([distributions, keys, 0, 0], groups, GROUP_ROW),
            Table::Entries => ([distributions, keys, groups, 0], entries, ENTRY_ROW),
            Table::References => {
                let entries_size = u64::from(entries) * ENTRY_ROW as u64;
                let offset = row.tables + tables_size([distributions, keys, groups, 0]);
                return (offset + entries_size, entries, REFERENCE_ROW as u64);
            }
        };
        (row.tables + tables_size(before), count, size as u64)
    }

    /// A string of the pool; `limited` to [`super::format::STRING_LIMIT`].
    fn pooled(&self, offset: u32, length: u32, limited: bool) -> Result<Vec<u8>, Damage> {
        if self.row.pool + u64::from(offset) + u64::from(length) > self.row.end {
            return Err(Damage::Malformed("a string beyond its pool"));
        }
        if limited {
            return self.index.string(self.row.pool, offset, length);
        }
        self.index
            .bytes(self.row.pool + u64::from(offset), u64::from(length))
    }

    pub(super) fn decode_distribution(&self, row: Row<'_>) -> Result<Distribution, Damage> {
        let string = |at| self.pooled(row.u32(at), row.u32(at + 4), true);
        let flags = row.u32(32);
        let start = row.u32(80);
        let end = start
            .checked_add(row.u32(84))
            .filter(|&end| end <= self.row.entries);
        let file_name = string(0)?;
        // It becomes part of paths: nothing may lead out of the search directory.
        if !is_file_name(&file_name) {
            return Err(Damage::Malformed("a file name that is none"));
        }
        Ok(Distribution {
            file_name,
            key: string(8)?,
            name: string(16)?,
            version: string(24)?,
            flags,
            mtime: Stamp::from_raw(row.i64(40)),
            ctime: Stamp::from_raw(row.i64(48)),
            entry_points_file: (flags & distribution_flag::HAS_ENTRY_POINTS != 0).then(|| {
                FileFingerprint {
                    size: row.u32(36),
                    mtime: Stamp::from_raw(row.i64(56)),
                    digest: row.chunk(64).unwrap_or_default(),
                }
            }),
            references: start..end.ok_or(Damage::Malformed("a distribution's entry points"))?,
        })
    }

    pub(super) fn decode_group(&self, row: Row<'_>) -> Result<Group, Damage> {
        let name = utf8(self.pooled(row.u32(0), row.u32(4), false)?)?;
        let start = row.u32(8);
        let end = start
            .checked_add(row.u32(12))
            .filter(|&end| end <= self.row.listed);
        Ok(Group {
            name,
            rows: start..end.ok_or(Damage::Malformed("a group's entry points"))?,
        })
    }

    pub(super) fn decode_entry(&self, row: Row<'_>) -> Result<Entry, Damage> {
        let (offset, name_length, value_length) = (row.u32(0), row.u32(4), row.u32(8));
        let value_offset = offset
            .checked_add(name_length)
            .ok_or(Damage::Malformed("a string beyond its pool"))?;
        let name = utf8(self.pooled(offset, name_length, false)?)?;
        let value = utf8(self.pooled(value_offset, value_length, false)?)?;
        let (distribution, group) = (row.u32(12), row.u32(16));
        if distribution >= self.row.distributions || group >= self.row.groups {
            return Err(Damage::Malformed("an entry point of nothing"));
        }
        let (key_hash, flags) = (row.u32(20), row.u32(24));
        Ok(Entry {
            name,
            value,
            distribution,
            group,
            key_hash,
            flags,
        })
    }
}

/// The tables of a record, in the order in which they lie.
#[derive(Debug, Clone, Copy)]
pub(super) enum Table {
    Distributions,
    Keys,
    Groups,
    Entries,
    References,
}

/// How many bytes of strings a pass over a table may still give out. No two rows of an honest table
/// share a string. Holding a file to that bounds what it can make a reader keep or print by its own
/// length.
pub(super) struct Budget(u64);

impl Budget {
    /// For a pass over a table each of whose rows has strings of its own in the pool.
    pub(super) fn of(pool_size: u64) -> Self {
        Self(pool_size)
    }

    /// For a pass over the distributions: each of the four strings lies once in the pool, and two of
    /// them may share bytes.
    pub(super) fn of_distributions(pool_size: u64) -> Self {
        Self(4 * pool_size)
    }

    /// To be called before the strings are copied.
    pub(super) fn spend<const N: usize>(&mut self, lengths: [u32; N]) -> Result<(), Damage> {
        let left = self.0.checked_sub(lengths.map(u64::from).iter().sum());
        self.0 = left.ok_or(Damage::Malformed("strings that overlap"))?;
        Ok(())
    }
}

pub(super) fn is_file_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

fn utf8(bytes: Vec<u8>) -> Result<String, Damage> {
    String::from_utf8(bytes).map_err(|_| Damage::Malformed("a string that is not UTF-8"))
}
