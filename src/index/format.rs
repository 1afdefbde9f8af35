//! The numbers of the format: offsets, sizes, flags. `docs/specification/file.md` explains them.

/// The first eight bytes.
pub const MAGIC: [u8; 8] = *b"\x89epcache";
/// Readers refuse another major version.
pub const MAJOR: u16 = 1;
/// Readers accept any minor version of their major one.
pub const MINOR: u16 = 0;
/// The number of the rules for reading packages. It is stored in an index. A writer reuses nothing
/// from an index with another number. Increment it with every change that makes another record from
/// the same files.
pub const RULES: u32 = 3;

/// The size of the header in bytes. The table of checksums follows it.
pub const HEADER: usize = 64;
/// The offset of the first byte that the header's own checksum covers.
pub const HEADER_CHECKED_FROM: usize = 20;
/// The offset of the suspect byte. Only this byte is ever changed in place. No checksum covers it.
pub const SUSPECT_AT: u64 = 12;
/// The size in bytes of the blocks of the body. Each has a checksum.
pub const BLOCK: usize = 4096;
/// In bytes. Writers and readers refuse a longer file.
pub const SIZE_LIMIT: u64 = 256 << 20;
/// In bytes. A longer file name, name, version or path is refused.
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

/// Bits of the header's number that only the writer uses.
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
    /// The directory did not exist.
    pub const MISSING: u32 = 1;
    /// All its times are those of an image (all equal, or near zero) and do not show changes.
    pub const SILENT: u32 = 1 << 1;
    /// In the order of the names instead of the directory's own order.
    pub const SORTED: u32 = 1 << 2;
    /// It has distributions that the writer may not read.
    pub const UNREAD: u32 = 1 << 3;
    /// It has distributions whose lookup key differs from their shadowing key.
    pub const ODD: u32 = 1 << 4;
}

/// Flags of a distribution.
pub mod distribution_flag {
    /// The two lowest bits are the kind of metadata directory: 0 `.dist-info`, 1 `.egg-info`, 2
    /// `EGG-INFO` in an `.egg`.
    pub const KIND: u32 = 3;
    /// A regular file instead of a directory.
    pub const FILE: u32 = 1 << 2;
    /// Core metadata exists.
    pub const HAS_METADATA: u32 = 1 << 3;
    /// Another metadata directory with the same key in the same record is chosen.
    pub const SHADOWED: u32 = 1 << 4;
    /// The writer may not read it.
    pub const UNREAD: u32 = 1 << 5;
    /// Something in it is unusable. A reader need not look at it again because of that.
    pub const PROBLEM: u32 = 1 << 6;
    /// No usable `Name` header: the name comes from the file name.
    pub const NAME_FROM_FILE: u32 = 1 << 7;
    /// No usable `Version` header: the version comes from the file name.
    pub const VERSION_FROM_FILE: u32 = 1 << 8;
    /// `Distribution.requires` is a list.
    pub const HAS_REQUIREMENTS: u32 = 1 << 9;
    /// The requirements are not known.
    pub const REQUIREMENTS_UNKNOWN: u32 = 1 << 10;
    /// The import names are not known.
    pub const IMPORTS_UNKNOWN: u32 = 1 << 11;
    /// The source of the import names: a [`super::file_kind`] minus 4, or 0 for none. Shifted by
    /// [`IMPORT_SOURCE_SHIFT`].
    pub const IMPORT_SOURCE: u32 = 7 << IMPORT_SOURCE_SHIFT;
    /// The lowest bit of [`IMPORT_SOURCE`].
    pub const IMPORT_SOURCE_SHIFT: u32 = 12;
    /// The flags that depend only on a distribution's content, not on the rest of its record.
    pub const OF_CONTENT: u32 = (1 << 15) - 1 - SHADOWED;
    /// The flags that only the writer uses. Readers ignore them.
    pub const WRITERS_OWN: u32 = 0xff << 24;
    /// The writer has warned about it. It is read again each time, so that the warning is repeated.
    pub const WARNED: u32 = 1 << 24;
}

/// The files that a distribution is read from.
pub mod file_kind {
    /// The regular file itself.
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

    /// The name in the metadata directory. Empty for the regular file itself, and for unknown
    /// types.
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

/// The checksum of the format: CRC-32, as in zlib, gzip and PNG.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The part of an import name or file name before the first `.`. The import table is sorted by its
/// hash.
#[must_use]
pub fn import_stem(name: &[u8]) -> &[u8] {
    name.split(|&byte| byte == b'.').next().unwrap_or_default()
}

/// The hash that the name table and the import table are sorted by: FNV-1a, which Python computes
/// in one line.
#[must_use]
pub fn key_hash(key: &[u8]) -> u32 {
    key.iter().fold(2_166_136_261, |hash: u32, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
    })
}

/// Every size and offset below the limit of the whole file fits. Beyond it the index is refused in
/// the end, so the value does not matter.
pub(super) fn size(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
