//! Reading: the header, checked blocks of the body, the directory table.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::format::{
    BLOCK, DIRECTORY_ROW, HEADER, HEADER_CHECKED_FROM, MAGIC, MAJOR, RECORD_ROW, Row, SIZE_LIMIT,
    STRING_LIMIT, SUSPECT_AT, checksum, directory_flag, index_flag,
};
use super::record::{Record, RecordRow};

/// Where an index's bytes come from.
pub trait Source {
    /// How many bytes there are.
    ///
    /// # Errors
    /// Those of `fstat(2)`.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Those of `pread(2)`; [`io::ErrorKind::UnexpectedEof`] where there are not so many.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// All bytes, where they lie in memory anyway.
    fn as_slice(&self) -> Option<&[u8]> {
        None
    }
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        self.as_slice().size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_at(buffer, offset)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(self)
    }
}

impl Source for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let part = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(part);
        Ok(())
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(self)
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_at(buffer, offset)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        (**self).as_slice()
    }
}

/// Why bytes cannot be used as an index.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It could not be read at all.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The first bytes are not an index's.
    #[error("not an epcache index")]
    NotAnIndex,
    /// Written by a program of another time.
    #[error("index format {0}, but this program reads format {MAJOR}")]
    OtherVersion(u16),
    /// Not as long as its header says.
    #[error("{actual} bytes long instead of {expected}: truncated or overwritten")]
    Size {
        /// What the header says.
        expected: u64,
        /// What there is.
        actual: u64,
    },
    /// Beyond [`SIZE_LIMIT`].
    #[error("larger than {} MiB", SIZE_LIMIT >> 20)]
    TooLarge,
    /// A checksum does not fit.
    #[error("damaged: checksum mismatch in {0}")]
    Checksum(&'static str),
    /// The checksums fit, and yet it cannot be true.
    #[error("malformed: {0}")]
    Malformed(&'static str),
}

/// An index, open for lookups. It reads what a lookup needs and checks what it reads.
pub struct Index<S> {
    source: S,
    suspect: bool,
    flags: u32,
    rules: u32,
    directories: u32,
    records: u32,
    body_offset: u64,
    body_size: u64,
    /// The first part of the table of checksums, as far as it came with the header.
    checksums: Vec<u8>,
    blocks: RefCell<BTreeMap<u64, Box<[u8]>>>,
}

/// How much is read at first: header, checksums, and most often the directory table.
const FIRST_READ: usize = 4096;

impl<S: Source> Index<S> {
    /// Reads and checks the header.
    ///
    /// # Errors
    /// [`Damage`], where this is not an index that this program can read.
    pub fn open(source: S) -> Result<Self, Damage> {
        let actual = source.size()?;
        if actual < HEADER as u64 {
            return Err(Damage::NotAnIndex);
        }
        let mut first = vec![0; FIRST_READ.min(usize::try_from(actual).unwrap_or(FIRST_READ))];
        source.read_at(&mut first, 0)?;
        let header = Row(first.get(..HEADER).unwrap_or_default());
        if header.chunk(0) != Some(MAGIC) {
            return Err(Damage::NotAnIndex);
        }
        if header.u16(8) != MAJOR {
            return Err(Damage::OtherVersion(header.u16(8)));
        }
        if header.u32(16) != checksum(header.0.get(HEADER_CHECKED_FROM..).unwrap_or_default()) {
            return Err(Damage::Checksum("the header"));
        }
        let expected = header.u64(24);
        if expected != actual {
            return Err(Damage::Size { expected, actual });
        }
        if actual > SIZE_LIMIT {
            return Err(Damage::TooLarge);
        }
        let blocks = u64::from(header.u32(32));
        let body_offset = HEADER as u64 + 4 * blocks;
        let Some(body_size) = actual.checked_sub(body_offset) else {
            return Err(Damage::Malformed("more checksums than fit"));
        };
        if body_size.div_ceil(BLOCK as u64) != blocks {
            return Err(Damage::Malformed("number of blocks"));
        }
        let (directories, records) = (header.u32(36), header.u32(40));
        let tables =
            u64::from(directories) * DIRECTORY_ROW as u64 + u64::from(records) * RECORD_ROW as u64;
        if tables > body_size {
            return Err(Damage::Malformed("more directories than fit"));
        }
        let index = Self {
            suspect: first
                .get(SUSPECT_AT as usize)
                .is_some_and(|&byte| byte != 0),
            flags: header.u32(20),
            rules: header.u32(44),
            directories,
            records,
            body_offset,
            body_size,
            checksums: checksums_in(&first, body_offset),
            blocks: RefCell::default(),
            source,
        };
        index.keep_whole_blocks(&first)?;
        Ok(index)
    }

    /// Whether a refresh has failed since this index was written (decision 6: readers look closer).
    pub fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// Whether it was written for an image.
    pub fn is_image(&self) -> bool {
        self.flags & index_flag::IMAGE != 0
    }

    /// The number of the rules by which its writer has read packages.
    pub fn rules(&self) -> u32 {
        self.rules
    }

    /// Where the body starts.
    pub(super) fn body_offset(&self) -> usize {
        usize::try_from(self.body_offset).unwrap_or(usize::MAX)
    }

    /// How many records there are.
    pub fn record_count(&self) -> u32 {
        self.records
    }

    /// How many paths there are, aliases included.
    pub fn directory_count(&self) -> u32 {
        self.directories
    }

    /// How many bytes the index is long.
    pub fn size(&self) -> u64 {
        self.body_offset + self.body_size
    }

    /// All of the body, every block of it checked.
    pub(super) fn body(&self) -> Result<Cow<'_, [u8]>, Damage> {
        let start = usize::try_from(self.body_offset).unwrap_or(usize::MAX);
        let mut checksums = vec![0; start.saturating_sub(HEADER)];
        self.source.read_at(&mut checksums, HEADER as u64)?;
        let body = match self.source.as_slice() {
            Some(bytes) => Cow::Borrowed(bytes.get(start..).unwrap_or_default()),
            None => {
                let mut bytes = vec![0; usize::try_from(self.body_size).unwrap_or_default()];
                self.source.read_at(&mut bytes, self.body_offset)?;
                Cow::Owned(bytes)
            }
        };
        let whole = body
            .chunks(BLOCK)
            .zip(checksums.chunks_exact(4))
            .all(|(block, recorded)| checksum(block).to_le_bytes() == *recorded);
        if whole {
            Ok(body)
        } else {
            Err(Damage::Checksum("a block"))
        }
    }

    /// Offset and length of the path, number of the record, flags.
    pub(super) fn directory_row_in(&self, body: &[u8], number: u32) -> Result<[u32; 4], Damage> {
        let row = row_in(body, 0, number, self.directories, DIRECTORY_ROW);
        let row = row.ok_or(Damage::Malformed("directory number"))?;
        Ok([0, 4, 8, 12].map(|at| row.u32(at)))
    }

    pub(super) fn record_row(&self, body: &[u8], number: u32) -> Result<RecordRow, Damage> {
        let table = self.directories as usize * DIRECTORY_ROW;
        let row = row_in(body, table, number, self.records, RECORD_ROW);
        RecordRow::decode(
            row.ok_or(Damage::Malformed("record number"))?,
            self.body_size,
        )
    }

    /// The size of the directory table and the record table, in bytes.
    pub(super) fn tables_size(&self) -> u64 {
        u64::from(self.directories) * DIRECTORY_ROW as u64
            + u64::from(self.records) * RECORD_ROW as u64
    }

    /// The source that it reads from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The record of a search directory, found by its exact path.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn find(&self, path: &[u8]) -> Result<Option<Record<'_, S>>, Damage> {
        let (mut low, mut high) = (0, self.directories);
        while low < high {
            let middle = low + (high - low) / 2;
            let (here, record, _) = self.directory(middle)?;
            match here.as_slice().cmp(path) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return self.record(record).map(Some),
            }
        }
        Ok(None)
    }

    /// A row of the directory table: path, number of its record, whether it is an alias.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn directory(&self, number: u32) -> Result<(Vec<u8>, u32, bool), Damage> {
        let [offset, length, record, flags] = self.directory_row(number)?;
        let path = self.string(0, offset, length)?;
        Ok((path, record, flags & directory_flag::ALIAS != 0))
    }

    /// Offset and length of the path, number of the record, flags.
    pub(super) fn directory_row(&self, number: u32) -> Result<[u32; 4], Damage> {
        if number >= self.directories {
            return Err(Damage::Malformed("directory number"));
        }
        let row = self.bytes(
            u64::from(number) * DIRECTORY_ROW as u64,
            DIRECTORY_ROW as u64,
        )?;
        Ok([0, 4, 8, 12].map(|at| Row(&row).u32(at)))
    }

    /// A record by its number.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn record(&self, number: u32) -> Result<Record<'_, S>, Damage> {
        if number >= self.records {
            return Err(Damage::Malformed("record number"));
        }
        let table = u64::from(self.directories) * DIRECTORY_ROW as u64;
        let row = self.bytes(
            table + u64::from(number) * RECORD_ROW as u64,
            RECORD_ROW as u64,
        )?;
        let row = RecordRow::decode(Row(&row), self.body_size)?;
        let path = self.string(0, row.path.0, row.path.1)?;
        Ok(Record::new(self, number, row, path))
    }

    /// A string of at most [`STRING_LIMIT`] bytes at an offset from `pool`.
    pub(super) fn string(&self, pool: u64, offset: u32, length: u32) -> Result<Vec<u8>, Damage> {
        if length as usize > STRING_LIMIT {
            return Err(Damage::Malformed("a string beyond the limit"));
        }
        self.bytes(pool + u64::from(offset), u64::from(length))
    }

    /// A part of the body, its blocks checked.
    pub(super) fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, Damage> {
        let end = offset
            .checked_add(length)
            .filter(|&end| end <= self.body_size);
        let Some(end) = end else {
            return Err(Damage::Malformed("an offset beyond the end"));
        };
        if length == 0 {
            return Ok(Vec::new());
        }
        let size = BLOCK as u64;
        self.load(offset / size, end.div_ceil(size))?;
        let blocks = self.blocks.borrow();
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        for (&number, block) in blocks.range(offset / size..end.div_ceil(size)) {
            let start = offset.saturating_sub(number * size).min(size);
            let stop = (end - number * size).min(block.len() as u64);
            let part = block.get(start as usize..stop as usize);
            bytes.extend_from_slice(part.ok_or(Damage::Malformed("an offset beyond the end"))?);
        }
        Ok(bytes)
    }

    /// Reads the blocks of this range that are not there yet, neighbours in one go.
    fn load(&self, first: u64, end: u64) -> Result<(), Damage> {
        let mut number = first;
        while number < end {
            if self.blocks.borrow().contains_key(&number) {
                number += 1;
                continue;
            }
            let stop = self
                .blocks
                .borrow()
                .range(number..end)
                .next()
                .map_or(end, |(&at, _)| at);
            let offset = number * BLOCK as u64;
            let length = (stop * BLOCK as u64).min(self.body_size) - offset;
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            self.source.read_at(&mut bytes, self.body_offset + offset)?;
            for (block, at) in bytes.chunks(BLOCK).zip(number..) {
                self.keep(at, block)?;
            }
            number = stop;
        }
        Ok(())
    }

    /// Blocks that came with the header need not be read again.
    fn keep_whole_blocks(&self, first: &[u8]) -> Result<(), Damage> {
        let body = usize::try_from(self.body_offset)
            .ok()
            .and_then(|offset| first.get(offset..));
        for (block, at) in body.unwrap_or_default().chunks(BLOCK).zip(0..) {
            let whole = (self.body_size - at * BLOCK as u64).min(BLOCK as u64);
            if block.len() as u64 == whole {
                self.keep(at, block)?;
            }
        }
        Ok(())
    }

    fn keep(&self, number: u64, block: &[u8]) -> Result<(), Damage> {
        let at = number as usize * 4;
        let recorded = match self
            .checksums
            .get(at..)
            .and_then(|rest| rest.first_chunk::<4>())
        {
            Some(bytes) => u32::from_le_bytes(*bytes),
            None => {
                let mut bytes = [0; 4];
                self.source
                    .read_at(&mut bytes, HEADER as u64 + number * 4)?;
                u32::from_le_bytes(bytes)
            }
        };
        if recorded != checksum(block) {
            return Err(Damage::Checksum("what was read"));
        }
        self.blocks.borrow_mut().insert(number, block.into());
        Ok(())
    }
}

fn row_in(body: &[u8], table: usize, number: u32, count: u32, size: usize) -> Option<Row<'_>> {
    let start = table.checked_add((number as usize).checked_mul(size)?)?;
    body.get(start..start.checked_add(size)?)
        .filter(|_| number < count)
        .map(Row)
}

fn checksums_in(first: &[u8], body_offset: u64) -> Vec<u8> {
    let end = usize::try_from(body_offset)
        .unwrap_or(usize::MAX)
        .min(first.len());
    first.get(HEADER..end).unwrap_or_default().to_vec()
}
