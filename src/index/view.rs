//! What a record says of a distribution, a group or an entry point, in plain values.

use std::borrow::Cow;
use std::ops::Range;

use super::format::{distribution_flag, entry_flag};
use super::rows::DistributionRow;
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
    /// What is known of its entry_points.txt, where there is one.
    pub entry_points_file: Option<FileFingerprint>,
    pub(super) references: Range<u32>,
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
    /// What is known of its entry_points.txt, where there is one.
    pub entry_points_file: Option<FileFingerprint>,
    /// How many entry points it has.
    pub entries: u32,
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

impl FileFingerprint {
    /// That of entry_points.txt; None where there was none.
    pub(super) fn of(row: &DistributionRow) -> Option<Self> {
        let has_file = row.flags & distribution_flag::HAS_ENTRY_POINTS != 0;
        has_file.then_some(Self {
            size: row.file_size,
            mtime: row.file_mtime,
            digest: row.file_digest,
        })
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
    /// How many entry points it has, those of distributions shadowed within the record left out.
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
    /// Which of the record's groups, in the order of [`super::Record::groups`].
    pub group: u32,
    /// The hash of its distribution's shadowing key.
    pub key_hash: u32,
    pub(super) flags: u32,
}

impl Entry {
    /// Whether its object reference breaks the grammar.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.flags & entry_flag::MALFORMED != 0
    }

    /// Whether its distribution has core metadata.
    #[must_use]
    pub fn has_metadata(&self) -> bool {
        self.flags & entry_flag::HAS_METADATA != 0
    }
}
