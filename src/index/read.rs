//! Reads the header and the directory table, and finds records.
//!
//! The input is a [`Source`], and a path or a number. The output is a [`Record`].

use std::collections::BTreeMap;

use super::body::{Body, Table};
use super::format::{
    BLOCK, HEADER, HEADER_CHECKED_FROM, MAGIC, MAJOR, SIZE_LIMIT, checksum, directory_flag,
    writers_own,
};
use super::record::Record;
use super::rows::{DirectoryRow, Header, RecordRow, Row};
use super::source::{Damage, Source};

/// In bytes. The first read: header, checksums, and usually the directory table.
const FIRST_READ: usize = 4096;

/// An index that is open for lookups. It reads what a lookup needs, and checks what it reads.
pub struct Index<S> {
    header: Header,
    pub(super) body: Body<S>,
    pub(super) directories: Table<DirectoryRow>,
    pub(super) records: Table<RecordRow>,
}

impl<S: Source> Index<S> {
    /// Reads and checks the header.
    ///
    /// # Errors
    /// [`Damage`], if this is not an index that this program can read.
    pub fn open(source: S) -> Result<Self, Damage> {
        let actual = source.size()?;
        if actual < HEADER as u64 {
            return Err(Damage::NotAnIndex);
        }
        let mut first = vec![0; FIRST_READ.min(usize::try_from(actual).unwrap_or(FIRST_READ))];
        source.read_at(&mut first, 0)?;
        let header = Header::read(&first);
        if header.magic != MAGIC {
            return Err(Damage::NotAnIndex);
        }
        if header.major != MAJOR {
            return Err(Damage::OtherVersion(header.major));
        }
        let checked = first.get(HEADER_CHECKED_FROM..HEADER).unwrap_or_default();
        if header.checksum != checksum(checked) {
            return Err(Damage::Checksum("the header"));
        }
        let expected = u64::from(header.file_size);
        if actual > SIZE_LIMIT {
            return Err(Damage::TooLarge);
        }
        if expected != actual {
            return Err(Damage::Size { expected, actual });
        }
        let blocks = u64::from(header.blocks);
        let start = HEADER as u64 + 4 * blocks;
        let Some(size) = actual.checked_sub(start) else {
            return Err(Damage::Malformed("more checksums than fit"));
        };
        if size.div_ceil(BLOCK as u64) != blocks {
            return Err(Damage::Malformed("number of blocks"));
        }
        if !header.sizes.suffice() {
            return Err(Damage::Malformed("sizes of rows"));
        }
        let [directory, record, ..] = header.sizes.0;
        let directories = Table::at(0, header.directories, directory);
        let records = Table::at(directories.end(), header.records, record);
        if records.end() > size {
            return Err(Damage::Malformed("more directories than fit"));
        }
        Ok(Self {
            header,
            body: Body::new(source, start, size, &first)?,
            directories,
            records,
        })
    }

    /// Whether a refresh has failed since this index was written (decision 6: then readers look
    /// closer).
    pub fn is_suspect(&self) -> bool {
        self.header.suspect != 0
    }

    /// Whether it was written for an image.
    pub fn is_image(&self) -> bool {
        self.header.writers_own & writers_own::IMAGE != 0
    }

    /// The number of the rules by which its writer read packages.
    pub fn rules(&self) -> u32 {
        self.header.writers_own & !writers_own::IMAGE
    }

    /// The number of records.
    pub fn record_count(&self) -> u32 {
        self.header.records
    }

    /// The number of paths, including aliases.
    pub fn directory_count(&self) -> u32 {
        self.header.directories
    }

    /// The length of the index in bytes.
    pub fn size(&self) -> u64 {
        u64::from(self.header.file_size)
    }

    /// The source that it reads from.
    pub fn source(&self) -> &S {
        self.body.source()
    }

    /// The record of a search directory with exactly this path.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn find(&self, path: &[u8]) -> Result<Option<Record<'_, S>>, Damage> {
        let found = self.body.search(self.directories, |row| {
            let here = self.body.string(0, row.path)?;
            Ok(((*here).cmp(path), ()))
        })?;
        let record = found.map(|(row, ())| {
            let is_alias = row.flags & directory_flag::ALIAS != 0;
            self.open_record(row.record, is_alias)
        });
        record.transpose()
    }

    /// A row of the directory table: path, number of its record, whether it is an alias.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn directory(&self, number: u32) -> Result<(Vec<u8>, u32, bool), Damage> {
        let row = self.body.row(self.directories, number)?;
        let path = self.body.string(0, row.path)?.into_owned();
        Ok((path, row.record, row.flags & directory_flag::ALIAS != 0))
    }

    /// The record with this number.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn record(&self, number: u32) -> Result<Record<'_, S>, Damage> {
        self.open_record(number, false)
    }

    /// The main path of each record, by its number.
    ///
    /// # Errors
    /// [`Damage`] in the directory table.
    pub fn paths(&self) -> Result<Vec<Vec<u8>>, Damage> {
        let mut paths = BTreeMap::new();
        let mut strings_end = 0;
        for row in self.body.all(self.directories) {
            let row = row?;
            // So together they are not longer than the file.
            if row.path.start < strings_end {
                return Err(Damage::Malformed("strings out of order"));
            }
            strings_end = row.path.end().unwrap_or(u32::MAX);
            if row.flags & directory_flag::ALIAS == 0 {
                let path = self.body.string(0, row.path)?;
                paths.insert(row.record, path.into_owned());
            }
        }
        let of_all = paths.keys().copied().eq(0..self.header.records);
        if !of_all {
            return Err(Damage::Malformed("a record without a path"));
        }
        Ok(paths.into_values().collect())
    }

    fn open_record(&self, number: u32, is_alias: bool) -> Result<Record<'_, S>, Damage> {
        let row = self.body.row(self.records, number)?;
        Record::new(&self.body, number, is_alias, row, self.header.sizes)
    }
}
