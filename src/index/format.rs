//! The numbers of the format: offsets, sizes, flags. `docs/specification/file.md` explains them.

/// The first eight bytes.
pub const MAGIC: [u8; 8] = *b"\x89epcache";
/// Readers refuse another major version.
pub const MAJOR: u16 = 1;
/// Readers accept any minor version of their major one.
pub const MINOR: u16 = 0;
/// The number of the rules by which packages are read. An index has it, and a writer takes nothing over
/// from one that has another: to be counted up with every change that makes another record of the same
/// files.
pub const RULES: u32 = 3;

/// Size of the header in bytes; the table of checksums follows it.
pub const HEADER: usize = 64;
/// Where the header's own checksum starts to count.
pub const HEADER_CHECKED_FROM: usize = 20;
/// Where the suspect byte lies: the one byte that is ever changed in place, under no checksum.
pub const SUSPECT_AT: u64 = 12;
/// The body is checked in blocks of this many bytes.
pub const BLOCK: usize = 4096;
/// A longer file is refused, by writers and readers, in bytes.
pub const SIZE_LIMIT: u64 = 256 << 20;
/// A longer file name, name, version or path is refused, in bytes.
pub const STRING_LIMIT: usize = 4096;

/// Size of a row of the directory table, in bytes.
pub const DIRECTORY_ROW: usize = 16;
/// Size of a row of the record table, in bytes.
pub const RECORD_ROW: usize = 56;
/// Size of a row of a record's distribution table, in bytes.
pub const DISTRIBUTION_ROW: usize = 64;
/// Size of a row of a record's name table, in bytes.
pub const NAME_ROW: usize = 8;
/// Size of a row of a record's group table, in bytes.
pub const GROUP_ROW: usize = 16;
/// Size of a row of a record's entry table, in bytes.
pub const ENTRY_ROW: usize = 16;
/// Size of a row of a record's reference table, in bytes.
pub const REFERENCE_ROW: usize = 8;
/// Size of a row of a record's file table, in bytes.
pub const FILE_ROW: usize = 24;
/// Size of a row of a record's import table, in bytes.
pub const IMPORT_ROW: usize = 8;

/// What the header's number of the writer's own says.
pub mod writers_own {
    /// Written by `refresh --image`. The other bits are [`super::RULES`].
    pub const IMAGE: u32 = 1 << 31;
}

/// Flags of a row of the directory table.
pub mod directory_flag {
    /// Another spelling of the record's path.
    pub const ALIAS: u32 = 1;
}

/// Flags of a record.
pub mod record_flag {
    /// There was no such directory.
    pub const MISSING: u32 = 1;
    /// All times in it are those of an image (all equal, or near zero) and tell of no change.
    pub const SILENT: u32 = 1 << 1;
    /// In the order of the names instead of the directory's own.
    pub const SORTED: u32 = 1 << 2;
    /// It has distributions that the writer was not allowed to read.
    pub const UNREAD: u32 = 1 << 3;
    /// It has distributions whose lookup name is not their shadowing key.
    pub const ODD: u32 = 1 << 4;
}

/// Flags of a distribution.
pub mod distribution_flag {
    /// The two lowest bits say the kind of metadata directory: 0 `.dist-info`, 1 `.egg-info`,
    /// 2 `EGG-INFO` in an `.egg`.
    pub const KIND: u32 = 3;
    /// A plain file instead of a directory.
    pub const FILE: u32 = 1 << 2;
    /// Core metadata exists.
    pub const HAS_METADATA: u32 = 1 << 3;
    /// Another metadata directory of the same key in the same record is the one chosen.
    pub const SHADOWED: u32 = 1 << 4;
    /// The writer was not allowed to read it.
    pub const UNREAD: u32 = 1 << 5;
    /// Something in it could not be used; a reader does not look at it again for that.
    pub const PROBLEM: u32 = 1 << 6;
    /// No usable `Name` header: the name comes from the file name.
    pub const NAME_FROM_FILE: u32 = 1 << 7;
    /// No usable `Version` header: the version comes from the file name.
    pub const VERSION_FROM_FILE: u32 = 1 << 8;
    /// `Distribution.requires` is a list.
    pub const HAS_REQUIREMENTS: u32 = 1 << 9;
    /// The requirements could not be told.
    pub const REQUIREMENTS_UNKNOWN: u32 = 1 << 10;
    /// The import names could not be told.
    pub const IMPORTS_UNKNOWN: u32 = 1 << 11;
    /// Where the import names come from: a [`super::file_kind`] less 4; 0 where from nowhere. Shifted by
    /// [`IMPORT_SOURCE_SHIFT`].
    pub const IMPORT_SOURCE: u32 = 7 << IMPORT_SOURCE_SHIFT;
    /// Where [`IMPORT_SOURCE`] starts.
    pub const IMPORT_SOURCE_SHIFT: u32 = 12;
    /// What tells of the content of a distribution, and not of what else is in its record.
    pub const OF_CONTENT: u32 = (1 << 15) - 1 - SHADOWED;
    /// What is the writer's own. Nothing to readers.
    pub const WRITERS_OWN: u32 = 0xff << 24;
    /// The writer has warned of it. It reads it again each time, so that it warns again.
    pub const WARNED: u32 = 1 << 24;
}

/// The files that a distribution is read from.
pub mod file_kind {
    /// The plain file itself.
    pub const ITSELF: u16 = 0;
    /// `entry_points.txt`.
    pub const ENTRY_POINTS: u16 = 1;
    /// `METADATA`.
    pub const METADATA: u16 = 2;
    /// `PKG-INFO`.
    pub const PKG_INFO: u16 = 3;
    /// `requires.txt`.
    pub const REQUIRES: u16 = 4;
    /// `top_level.txt`.
    pub const TOP_LEVEL: u16 = 5;
    /// `RECORD`.
    pub const RECORD: u16 = 6;
    /// `installed-files.txt`.
    pub const INSTALLED_FILES: u16 = 7;
    /// `SOURCES.txt`.
    pub const SOURCES: u16 = 8;

    /// The name in the metadata directory; empty for the plain file itself, and for what is not known.
    #[must_use]
    pub fn name(kind: u16) -> &'static str {
        match kind {
            ENTRY_POINTS => "entry_points.txt",
            METADATA => "METADATA",
            PKG_INFO => "PKG-INFO",
            REQUIRES => "requires.txt",
            TOP_LEVEL => "top_level.txt",
            RECORD => "RECORD",
            INSTALLED_FILES => "installed-files.txt",
            SOURCES => "SOURCES.txt",
            _ => "",
        }
    }
}

/// The checksum of the format: CRC-32 as in zlib, gzip and PNG.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The part of an import name, or of a file name, by whose hash the import table is sorted: what stands before
/// the first `.`.
#[must_use]
pub fn import_stem(name: &[u8]) -> &[u8] {
    name.split(|&byte| byte == b'.').next().unwrap_or_default()
}

/// The hash by which the name table and the import table are sorted: FNV-1a, which Python computes in a line.
#[must_use]
pub fn key_hash(key: &[u8]) -> u32 {
    key.iter().fold(2_166_136_261, |hash: u32, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
    })
}

/// Every size and offset below the limit of the whole file fits; beyond it the index is refused in
/// the end, whatever was written for it.
pub(super) fn size(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
