//! The body of an index: checked bytes, and the rows and strings in them.
//!
//! The input is a [`Source`] and offsets. The output is bytes, rows and strings. No byte is
//! returned before the checksum of its block was checked. Bytes in memory are borrowed. Of a file,
//! this keeps the blocks that it has read.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;

use super::format::{BLOCK, HEADER, STRING_LIMIT, checksum};
use super::rows::{Row, Span};
use super::source::{Damage, Source};

/// How many rows a pass over a table reads at a time.
const ROWS_AT_A_TIME: u32 = 256;

const BEYOND_END: Damage = Damage::Malformed("an offset beyond the end");

/// A body.
pub(super) struct Body<S> {
    source: S,
    /// Where it starts in the file.
    start: u64,
    size: u64,
    /// The first part of the table of checksums, as far as it was read with the header.
    checksums: Vec<u8>,
    /// The blocks of a file that have been read.
    blocks: RefCell<BTreeMap<u64, Box<[u8]>>>,
    /// For bytes in memory: which blocks have been checked.
    checked: Vec<Cell<bool>>,
}

/// The position of a table in the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<R> {
    offset: u64,
    pub(super) count: u32,
    /// The size of a row in bytes.
    size: u16,
    row: PhantomData<R>,
}

impl<R: Row> Table<R> {
    pub(super) fn at(offset: u64, count: u32, size: u16) -> Self {
        Self {
            offset,
            count,
            size,
            row: PhantomData,
        }
    }

    /// The offset of the row with this number.
    fn start(&self, number: u32) -> u64 {
        self.offset + u64::from(number) * u64::from(self.size)
    }

    /// The offset of the next row.
    pub(super) fn end(&self) -> u64 {
        self.start(self.count)
    }
}

impl<S: Source> Body<S> {
    /// `first` is the beginning of the file.
    pub(super) fn new(source: S, start: u64, size: u64, first: &[u8]) -> Result<Self, Damage> {
        let split = first
            .len()
            .min(usize::try_from(start).unwrap_or(usize::MAX));
        let (head, beginning) = first.split_at(split);
        let in_memory = source.as_slice().is_some();
        let blocks = if in_memory {
            size.div_ceil(BLOCK as u64)
        } else {
            0
        };
        let body = Self {
            start,
            size,
            checksums: head.get(HEADER..).unwrap_or_default().to_vec(),
            blocks: RefCell::default(),
            checked: (0..blocks).map(|_| Cell::new(false)).collect(),
            source,
        };
        if !in_memory {
            // Blocks that were read with the header need not be read again.
            for (block, number) in beginning.chunks(BLOCK).zip(0..) {
                let whole = (size - number * BLOCK as u64).min(BLOCK as u64);
                if block.len() as u64 == whole {
                    body.keep(number, block)?;
                }
            }
        }
        Ok(body)
    }

    pub(super) fn source(&self) -> &S {
        &self.source
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// A part of the body.
    pub(super) fn part(&self, offset: u64, length: u64) -> Result<Cow<'_, [u8]>, Damage> {
        let end = offset.checked_add(length).filter(|&end| end <= self.size);
        let end = end.ok_or(BEYOND_END)?;
        if length == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        let size = BLOCK as u64;
        let touched = offset / size..end.div_ceil(size);
        if let Some(all) = self.source.as_slice() {
            self.check(all, touched)?;
            return slice(all, self.start + offset, length).map(Cow::Borrowed);
        }
        self.load(touched.clone())?;
        let blocks = self.blocks.borrow();
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        for (&number, block) in blocks.range(touched) {
            let start = offset.saturating_sub(number * size).min(size);
            let stop = (end - number * size).min(block.len() as u64);
            let part = block.get(start as usize..stop as usize);
            bytes.extend_from_slice(part.ok_or(BEYOND_END)?);
        }
        Ok(Cow::Owned(bytes))
    }

    /// A string of at most [`STRING_LIMIT`] bytes, at an offset from `pool`.
    pub(super) fn string(&self, pool: u64, place: Span) -> Result<Cow<'_, [u8]>, Damage> {
        if place.length as usize > STRING_LIMIT {
            return Err(Damage::Malformed("a string beyond the limit"));
        }
        self.part(pool + u64::from(place.start), u64::from(place.length))
    }

    /// A row of a table.
    pub(super) fn row<R: Row>(&self, table: Table<R>, number: u32) -> Result<R, Damage> {
        if number >= table.count {
            return Err(Damage::Malformed("a row number beyond its table"));
        }
        Ok(R::read(&self.part(table.start(number), R::SIZE as u64)?))
    }

    /// Successive rows.
    pub(super) fn rows<R: Row>(
        &self,
        table: Table<R>,
        numbers: Range<u32>,
    ) -> impl Iterator<Item = Result<R, Damage>> + use<'_, R, S> {
        let mut next = numbers.start;
        let mut chunk = Cow::Borrowed(&[][..]);
        let mut at = 0;
        std::iter::from_fn(move || {
            if at >= chunk.len() {
                if next >= numbers.end {
                    return None;
                }
                let taken = (numbers.end - next).min(ROWS_AT_A_TIME);
                let part = if numbers.end > table.count {
                    Err(Damage::Malformed("a row number beyond its table"))
                } else {
                    self.part(table.start(next), u64::from(taken) * u64::from(table.size))
                };
                match part {
                    Ok(part) => (chunk, at, next) = (part, 0, next + taken),
                    Err(damage) => {
                        next = numbers.end;
                        return Some(Err(damage));
                    }
                }
            }
            let row = R::read(chunk.get(at..).unwrap_or_default());
            at += usize::from(table.size);
            Some(Ok(row))
        })
    }

    /// All rows of a table.
    pub(super) fn all<R: Row>(
        &self,
        table: Table<R>,
    ) -> impl Iterator<Item = Result<R, Damage>> + use<'_, R, S> {
        self.rows(table, 0..table.count)
    }

    /// The number of the first row of a sorted table that is not too small, or the number of rows.
    pub(super) fn first_at_least<R: Row>(
        &self,
        table: Table<R>,
        is_enough: impl Fn(&R) -> Result<bool, Damage>,
    ) -> Result<u32, Damage> {
        let (mut low, mut high) = (0, table.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_enough(&self.row(table, middle)?)? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// The row of a sorted table that compares equal. `compare` returns how a row's key compares to
    /// the wanted one, and another value, which is returned for that row.
    pub(super) fn search<R: Row, T>(
        &self,
        table: Table<R>,
        mut compare: impl FnMut(&R) -> Result<(Ordering, T), Damage>,
    ) -> Result<Option<(R, T)>, Damage> {
        let (mut low, mut high) = (0, table.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.row(table, middle)?;
            match compare(&row)? {
                (Ordering::Less, _) => low = middle + 1,
                (Ordering::Greater, _) => high = middle,
                (Ordering::Equal, found) => return Ok(Some((row, found))),
            }
        }
        Ok(None)
    }

    /// Checks every block.
    pub(super) fn check_all(&self) -> Result<(), Damage> {
        self.part(0, self.size).map(|_| ())
    }

    fn check(&self, all: &[u8], blocks: Range<u64>) -> Result<(), Damage> {
        let numbers = blocks.clone().zip(
            self.checked
                .get(blocks.start as usize..blocks.end as usize)
                .ok_or(BEYOND_END)?,
        );
        for (number, checked) in numbers.filter(|(_, checked)| !checked.get()) {
            let offset = number * BLOCK as u64;
            let length = (self.size - offset).min(BLOCK as u64);
            self.compare(number, slice(all, self.start + offset, length)?)?;
            checked.set(true);
        }
        Ok(())
    }

    /// Reads the missing blocks of this range, successive ones with one read.
    fn load(&self, blocks: Range<u64>) -> Result<(), Damage> {
        let mut number = blocks.start;
        while number < blocks.end {
            let there = self.blocks.borrow();
            let next = there.range(number..blocks.end).next().map(|(&at, _)| at);
            drop(there);
            if next == Some(number) {
                number += 1;
                continue;
            }
            let stop = next.unwrap_or(blocks.end);
            let offset = number * BLOCK as u64;
            let length = (stop * BLOCK as u64).min(self.size) - offset;
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            self.source.read_at(&mut bytes, self.start + offset)?;
            for (block, at) in bytes.chunks(BLOCK).zip(number..) {
                self.keep(at, block)?;
            }
            number = stop;
        }
        Ok(())
    }

    fn keep(&self, number: u64, block: &[u8]) -> Result<(), Damage> {
        self.compare(number, block)?;
        self.blocks.borrow_mut().insert(number, block.into());
        Ok(())
    }

    /// Compares a block with its checksum.
    fn compare(&self, number: u64, block: &[u8]) -> Result<(), Damage> {
        let known = self.checksums.get(number as usize * 4..);
        let recorded = match known.and_then(|rest| rest.first_chunk()) {
            Some(bytes) => *bytes,
            None => {
                let mut bytes = [0; 4];
                let offset = HEADER as u64 + number * 4;
                self.source.read_at(&mut bytes, offset)?;
                bytes
            }
        };
        if u32::from_le_bytes(recorded) != checksum(block) {
            return Err(Damage::Checksum("what was read"));
        }
        Ok(())
    }
}

fn slice(all: &[u8], offset: u64, length: u64) -> Result<&[u8], Damage> {
    let start = usize::try_from(offset).ok();
    let part = start.and_then(|start| all.get(start..start.checked_add(length as usize)?));
    part.ok_or(BEYOND_END)
}
