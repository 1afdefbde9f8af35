//! The distributions, groups and entry points of a record as plain values.

use std::borrow::Cow;
use std::ops::Range;

use super::format::{distribution_flag, file_kind, import_stem, key_hash};
use super::rows::{FileRow, Span};
use super::source::Damage;
use super::stamp::Stamp;

/// A metadata directory in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Its name in the search directory.
    pub file_name: Vec<u8>,
    /// The shadowing key.
    pub key: Vec<u8>,
    /// The distribution's name. Bytes, because it may come from a file name.
    pub name: Vec<u8>,
    /// The distribution's version. Bytes, because it may come from a file name.
    pub version: Vec<u8>,
    /// Flags of [`super::format::distribution_flag`].
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

/// The requirements of a distribution: `Distribution.requires` of importlib.metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirements {
    /// The index does not contain them.
    Unknown,
    /// `Distribution.requires` is `None`.
    None,
    /// These. The list may be empty.
    These(Vec<String>),
}

impl Requirements {
    pub(super) fn of(flags: u32, text: &str) -> Self {
        if flags & distribution_flag::REQUIREMENTS_UNKNOWN != 0 {
            Self::Unknown
        } else if flags & distribution_flag::HAS_REQUIREMENTS == 0 {
            Self::None
        } else {
            let lines = text.split('\n').filter(|_| !text.is_empty());
            Self::These(lines.map(str::to_owned).collect())
        }
    }
}

/// A candidate for an import name of a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportName {
    /// A line of `top_level.txt`: all Pythons use it unchanged.
    Declared(String),
    /// The first part of the path of an installed file.
    Inferred {
        /// Unchanged; of a single file, with its suffix.
        part: String,
        /// Whether the path has no second part.
        is_lone: bool,
        /// Whether one of these paths ends in `.py`.
        is_python: bool,
        /// Whether one of these paths exists.
        exists: bool,
    },
}

impl ImportName {
    /// The import name that Python 3.13 and later choose, if any. An extension module counts for
    /// any platform.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Declared(name) => Some(name),
            Self::Inferred { exists: false, .. } => None,
            Self::Inferred { part, is_lone, .. } => {
                let Some((stem, suffix)) = part.split_once('.') else {
                    return Some(part);
                };
                // For an extension module, `cpython-313-x86_64-linux-gnu.so` or the like.
                let extension = suffix.strip_suffix(".so").unwrap_or(".");
                let is_module = matches!(suffix, "py" | "pyc" | "so") || !extension.contains('.');
                (*is_lone && is_module && !stem.is_empty()).then_some(stem)
            }
        }
    }

    /// In the form of the index.
    pub(super) fn all(flags: u32, text: &str) -> Result<Option<Vec<Self>>, Damage> {
        if flags & distribution_flag::IMPORTS_UNKNOWN != 0 {
            return Ok(None);
        }
        if is_of_later_source(flags) {
            return Ok(None);
        }
        let is_declared = flags & distribution_flag::IMPORT_SOURCE == IMPORTS_DECLARED;
        let lines = text.split('\n').filter(|_| !text.is_empty());
        let names = lines.map(|line| {
            if is_declared {
                return Ok(Self::Declared(line.to_owned()));
            }
            let bits = line.bytes().next().filter(|it| (b'0'..=b'7').contains(it));
            let (Some(bits), Some(part)) = (bits, line.get(1..).filter(|it| !it.is_empty())) else {
                return Err(Damage::Malformed("an import name that is none"));
            };
            Ok(Self::Inferred {
                part: part.to_owned(),
                is_lone: bits & 1 != 0,
                is_python: bits & 2 != 0,
                exists: bits & 4 != 0,
            })
        });
        names.collect::<Result<_, _>>().map(Some)
    }
}

/// The hashes of a distribution's import names in the import table, by its flags and names.
pub(super) fn import_hashes(flags: u32, text: &[u8]) -> impl Iterator<Item = u32> {
    // In a list from files, each line has a character before its name.
    let skipped = usize::from(flags & distribution_flag::IMPORT_SOURCE != IMPORTS_DECLARED);
    let lines = text
        .split(|&byte| byte == b'\n')
        .filter(|_| !text.is_empty());
    let names = lines.map(move |line| line.get(skipped..).unwrap_or_default());
    names.map(|name| key_hash(import_stem(name)))
}

/// Whether the source of import names is unknown to this version.
pub(super) fn is_of_later_source(flags: u32) -> bool {
    flags & distribution_flag::IMPORT_SOURCE > IMPORTS_FROM_SOURCES
}

/// The import source for `SOURCES.txt`, the last one.
const IMPORTS_FROM_SOURCES: u32 = 4 << distribution_flag::IMPORT_SOURCE_SHIFT;
/// The import source for `top_level.txt`.
const IMPORTS_DECLARED: u32 = 1 << distribution_flag::IMPORT_SOURCE_SHIFT;

fn import_source(flags: u32) -> Option<u16> {
    let source = flags & distribution_flag::IMPORT_SOURCE;
    match u16::try_from(source >> distribution_flag::IMPORT_SOURCE_SHIFT) {
        Ok(0) | Err(_) => None,
        Ok(source) => Some(source + file_kind::TOP_LEVEL - 1),
    }
}

impl Distribution {
    /// Whether all these flags of [`super::format::distribution_flag`] are set.
    #[must_use]
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    /// The number of its entry points.
    #[must_use]
    pub fn entry_count(&self) -> u32 {
        self.references.end - self.references.start
    }

    /// The type of the file that its import names come from, of [`super::format::file_kind`].
    #[must_use]
    pub fn import_source(&self) -> Option<u16> {
        import_source(self.flags)
    }
}

/// The parts of a metadata directory that a freshness check compares without reading files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline<'i> {
    /// Its name in the search directory.
    pub file_name: Cow<'i, [u8]>,
    /// Flags of [`super::format::distribution_flag`].
    pub flags: u32,
    /// The metadata directory's mtime and ctime.
    pub stamps: (Stamp, Stamp),
    /// The number of its entry points.
    pub entries: u32,
    /// The length of its requirements and import names in bytes.
    pub text: u32,
    pub(super) files: Range<u32>,
}

impl Outline<'_> {
    /// The type of the file that its import names come from, of [`super::format::file_kind`].
    #[must_use]
    pub fn import_source(&self) -> Option<u16> {
        import_source(self.flags)
    }

    /// Whether all these flags of [`super::format::distribution_flag`] are set.
    #[must_use]
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }
}

/// A file that a distribution was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// A type of [`super::format::file_kind`].
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
    /// The number of its entry points, including those of shadowed distributions.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.rows.end - self.rows.start
    }

    /// Whether it has no entry points.
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
    /// The number of its distribution in the record.
    pub distribution: u32,
}
