//! What a record says of a distribution, a group or an entry point, in plain values.

use std::borrow::Cow;
use std::ops::Range;

use super::format::{distribution_flag, file_kind};
use super::rows::{FileRow, Span};
use super::stamp::Stamp;

/// A metadata directory, as the index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Its name in the search directory.
    pub file_name: Vec<u8>,
    /// The shadowing key.
    pub key: Vec<u8>,
    /// The distribution's name; bytes, since it may come from a file name.
    pub name: Vec<u8>,
    /// The distribution's version; likewise.
    pub version: Vec<u8>,
    /// Of [`super::format::distribution_flag`].
    pub flags: u32,
    /// The metadata directory's mtime.
    pub mtime: Stamp,
    /// The metadata directory's ctime.
    pub ctime: Stamp,
    pub(super) requirements: Span,
    pub(super) imports: Span,
    pub(super) references: Range<u32>,
    pub(super) files: Range<u32>,
}

impl Distribution {
    /// Whether all these flags of [`super::format::distribution_flag`] are set.
    #[must_use]
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    /// How many entry points it has.
    #[must_use]
    pub fn entry_count(&self) -> u32 {
        self.references.end - self.references.start
    }

    /// The kind of the file that its import names come from, of [`super::format::file_kind`].
    #[must_use]
    pub fn import_source(&self) -> Option<u16> {
        let source = self.flags & distribution_flag::IMPORT_SOURCE;
        match u16::try_from(source >> distribution_flag::IMPORT_SOURCE_SHIFT) {
            Ok(0) | Err(_) => None,
            Ok(source) => Some(source + file_kind::TOP_LEVEL - 1),
        }
    }
}

/// What of a metadata directory can be compared with what is there now, without reading files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline<'i> {
    /// Its name in the search directory.
    pub file_name: Cow<'i, [u8]>,
    /// Of [`super::format::distribution_flag`].
    pub flags: u32,
    /// The metadata directory's mtime and ctime.
    pub stamps: (Stamp, Stamp),
    /// How many entry points it has.
    pub entries: u32,
    pub(super) files: Range<u32>,
}

impl Outline<'_> {
    /// Whether all these flags of [`super::format::distribution_flag`] are set.
    #[must_use]
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }
}

/// A file that a distribution was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// Of [`super::format::file_kind`].
    pub kind: u16,
    /// In bytes.
    pub size: u32,
    /// The file's mtime and ctime.
    pub stamps: (Stamp, Stamp),
}

impl From<FileRow> for FileFacts {
    fn from(row: FileRow) -> Self {
        Self {
            kind: row.kind,
            size: row.size,
            stamps: (row.mtime, row.ctime),
        }
    }
}

impl From<FileFacts> for FileRow {
    fn from(file: FileFacts) -> Self {
        Self {
            kind: file.kind,
            flags: 0,
            size: file.size,
            mtime: file.stamps.0,
            ctime: file.stamps.1,
        }
    }
}

/// A group of entry points in one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    pub(super) rows: Range<u32>,
}

impl Group {
    /// How many entry points it has, those of shadowed distributions among them.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.rows.end - self.rows.start
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// An entry point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its object reference.
    pub value: String,
    /// Which of the record's distributions it belongs to.
    pub distribution: u32,
}
