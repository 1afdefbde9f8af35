//! The tables of one record in memory, and the string pool behind them, sliced and not copied.
//!
//! Whoever reads rows here has checked the blocks that they lie in.

use super::format::{
    DISTRIBUTION_ROW, ENTRY_ROW, GROUP_ROW, KEY_ROW, REFERENCE_ROW, Row, STRING_LIMIT,
};
use super::read::Damage;
use super::record::RecordRow;

/// The tables of a record and its string pool.
pub(super) struct Tables<'a> {
    pub(super) row: RecordRow,
    pub(super) distributions: Table<'a, DISTRIBUTION_ROW>,
    pub(super) keys: Table<'a, KEY_ROW>,
    pub(super) groups: Table<'a, GROUP_ROW>,
    pub(super) entries: Table<'a, ENTRY_ROW>,
    pub(super) references: Table<'a, REFERENCE_ROW>,
    pub(super) pool: &'a [u8],
}

/// Rows of `N` bytes.
#[derive(Clone, Copy)]
pub(super) struct Table<'a, const N: usize>(pub(super) &'a [u8]);

impl<'a, const N: usize> Table<'a, N> {
    pub(super) fn rows(self) -> impl Iterator<Item = Row<'a>> {
        self.0.chunks_exact(N).map(Row)
    }

    pub(super) fn row(self, number: u32) -> Result<Row<'a>, Damage> {
        let start = (number as usize).checked_mul(N);
        let row = start.and_then(|start| self.0.get(start..start.checked_add(N)?));
        row.map(Row)
            .ok_or(Damage::Malformed("a row number beyond its table"))
    }
}

impl<'a> Tables<'a> {
    pub(super) fn of(body: &'a [u8], row: RecordRow) -> Result<Self, Damage> {
        let beyond = Damage::Malformed("a record longer than its place");
        let (Ok(start), Ok(end)) = (usize::try_from(row.tables), usize::try_from(row.end)) else {
            return Err(beyond);
        };
        let Some(mut rest) = body.get(start..end) else {
            return Err(beyond);
        };
        let mut take = |count: u32, size: usize| {
            let length = count as usize * size;
            let (table, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(table)
        };
        let tables = (
            take(row.distributions, DISTRIBUTION_ROW),
            take(row.keys, KEY_ROW),
            take(row.groups, GROUP_ROW),
            take(row.entries, ENTRY_ROW),
            take(row.entries, REFERENCE_ROW),
        );
        let (Some(distributions), Some(keys), Some(groups), Some(entries), Some(references)) =
            tables
        else {
            return Err(beyond);
        };
        Ok(Self {
            row,
            distributions: Table(distributions),
            keys: Table(keys),
            groups: Table(groups),
            entries: Table(entries),
            references: Table(references),
            pool: rest,
        })
    }

    pub(super) fn string(&self, offset: u32, length: u32) -> Result<&'a [u8], Damage> {
        let start = offset as usize;
        let string = start
            .checked_add(length as usize)
            .and_then(|end| self.pool.get(start..end));
        string.ok_or(Damage::Malformed("a string beyond its pool"))
    }

    /// A string of a distribution: the number of one of the four.
    pub(super) fn string_of(&self, row: Row<'_>, number: usize) -> Result<&'a [u8], Damage> {
        let (offset, length) = (row.u32(8 * number), row.u32(8 * number + 4));
        if length as usize > STRING_LIMIT {
            return Err(Damage::Malformed("a string beyond the limit"));
        }
        self.string(offset, length)
    }

    pub(super) fn key(&self, distribution: Row<'_>) -> Result<&'a [u8], Damage> {
        self.string_of(distribution, 1)
    }
}
