//! The header and the rows of every table: their fields, and the positions of the fields.
//!
//! The input is bytes or a row, the output is the other. Each row is declared once, field by field
//! in the order of the bytes. Both reading and writing come from the declaration. No other module
//! knows an offset. `docs/specification/file.md` explains the fields.

use super::format::{
    DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, FILE_ROW, GROUP_ROW, HEADER, IMPORT_ROW, NAME_ROW,
    RECORD_ROW, REFERENCE_ROW, size,
};
use super::stamp::Stamp;

/// A row of a table.
pub(super) trait Row: Copy {
    /// In bytes.
    const SIZE: usize;
    /// Reads it from its bytes. Missing bytes at the end read as zeros. Tables are checked to
    /// consist of whole rows before.
    fn read(bytes: &[u8]) -> Self;
    /// Appends its bytes.
    fn write(&self, bytes: &mut Vec<u8>);
}

/// A field of a row.
trait Field: Sized {
    const SIZE: usize;
    /// Takes it from the front of the bytes.
    fn take(bytes: &mut &[u8]) -> Self;
    fn put(&self, bytes: &mut Vec<u8>);
}

macro_rules! rows {
    ($($(#[$about:meta])* $name:ident of $size:ident bytes { $($(#[$field_about:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, Default)]
        pub(super) struct $name { $($(#[$field_about])* pub(super) $field: $type,)* }

        impl Row for $name {
            const SIZE: usize = 0 $(+ <$type as Field>::SIZE)*;

            fn read(mut bytes: &[u8]) -> Self {
                Self { $($field: Field::take(&mut bytes),)* }
            }

            fn write(&self, bytes: &mut Vec<u8>) {
                $(self.$field.put(bytes);)*
            }
        }

        const _: () = assert!($name::SIZE == $size);
    )*};
}

rows! {
    /// The start of the file.
    Header of HEADER bytes {
        magic: [u8; 8],
        major: u16,
        minor: u16,
        suspect: u8,
        reserved: Reserved<3>,
        /// The checksum of the rest of the header and of the checksums.
        checksum: u32,
        file_size: u32,
        blocks: u32,
        directories: u32,
        records: u32,
        writers_own: u32,
        sizes: Sizes,
        more_reserved: Reserved<6>,
    }

    /// A path, and the number of its record.
    DirectoryRow of DIRECTORY_ROW bytes {
        path: Span,
        record: u32,
        flags: u32,
    }

    /// A search directory.
    RecordRow of RECORD_ROW bytes {
        segment: Span,
        /// The offset of the pool, which reaches to the end of the segment.
        pool: u32,
        flags: u32,
        distributions: u32,
        groups: u32,
        entries: u32,
        files: u32,
        mtime: Stamp,
        ctime: Stamp,
        imports: u32,
        reserved: Reserved<4>,
    }

    /// A metadata directory.
    DistributionRow of DISTRIBUTION_ROW bytes {
        /// File name, key, name and version, each after the other.
        strings: u32,
        lengths: [u16; 4],
        flags: u32,
        mtime: Stamp,
        ctime: Stamp,
        requirements: Span,
        imports: Span,
        /// Its rows in the reference table.
        references: Span,
        /// Its rows in the file table.
        files: Span,
    }

    /// The number of a distribution, and the hash of its key.
    NameRow of NAME_ROW bytes {
        distribution: u32,
        hash: u32,
    }

    /// A group, and its rows in the entry table.
    GroupRow of GROUP_ROW bytes {
        name: Span,
        entries: Span,
    }

    /// An entry point. Its value follows its name.
    EntryRow of ENTRY_ROW bytes {
        name: Span,
        value_length: u32,
        distribution: u32,
    }

    /// The number of an entry point, and of its group.
    ReferenceRow of REFERENCE_ROW bytes {
        entry: u32,
        group: u32,
    }

    /// A file that a distribution was read from.
    FileRow of FILE_ROW bytes {
        kind: u16,
        flags: u16,
        size: u32,
        mtime: Stamp,
        ctime: Stamp,
    }

    /// The number of a distribution, and the hash of the stem of one of its import names.
    ImportRow of IMPORT_ROW bytes {
        distribution: u32,
        hash: u32,
    }
}

/// Sizes of rows in bytes. Those of a later writer may be larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes(pub(super) [u16; 9]);

impl Sizes {
    /// The sizes of the rows above, in the order of the tables.
    const OWN: [usize; 9] = [
        DIRECTORY_ROW,
        RECORD_ROW,
        DISTRIBUTION_ROW,
        NAME_ROW,
        GROUP_ROW,
        ENTRY_ROW,
        REFERENCE_ROW,
        FILE_ROW,
        IMPORT_ROW,
    ];

    /// Whether each row has at least the fields above.
    pub(super) fn suffice(self) -> bool {
        let mut pairs = self.0.iter().zip(Self::OWN);
        pairs.all(|(&size, own)| usize::from(size) >= own)
    }
}

impl Default for Sizes {
    #[allow(clippy::cast_possible_truncation)] // of 64 at most
    fn default() -> Self {
        Self(Self::OWN.map(|size| size as u16))
    }
}

/// A string by its offset and length, or rows by the number of the first one and their count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) length: u32,
}

impl Span {
    /// The end, exclusive. `None` if it does not fit in 32 bits.
    pub(super) fn end(self) -> Option<u32> {
        self.start.checked_add(self.length)
    }

    /// The span of this length after this one.
    pub(super) fn next(self, count: usize) -> Self {
        Self {
            start: self.start.saturating_add(self.length),
            length: size(count),
        }
    }
}

/// Unused bytes, written as zeros.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reserved<const N: usize>;

impl<const N: usize> Field for [u8; N] {
    const SIZE: usize = N;

    fn take(bytes: &mut &[u8]) -> Self {
        let (field, rest) = bytes.split_first_chunk().unwrap_or((&[0; N], &[]));
        *bytes = rest;
        *field
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self);
    }
}

impl<const N: usize> Field for Reserved<N> {
    const SIZE: usize = N;

    fn take(bytes: &mut &[u8]) -> Self {
        <[u8; N]>::take(bytes);
        Self
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        [0_u8; N].put(bytes);
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Field for $number {
            const SIZE: usize = size_of::<Self>();

            fn take(bytes: &mut &[u8]) -> Self {
                Self::from_le_bytes(Field::take(bytes))
            }

            fn put(&self, bytes: &mut Vec<u8>) {
                self.to_le_bytes().put(bytes);
            }
        }
    )*};
}

numbers!(u8 u16 u32 i64);

impl<const N: usize> Field for [u16; N] {
    const SIZE: usize = 2 * N;

    fn take(bytes: &mut &[u8]) -> Self {
        std::array::from_fn(|_| Field::take(bytes))
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        self.iter().for_each(|number| number.put(bytes));
    }
}

impl Field for Sizes {
    const SIZE: usize = <[u16; 9]>::SIZE;

    fn take(bytes: &mut &[u8]) -> Self {
        Self(Field::take(bytes))
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        self.0.put(bytes);
    }
}

impl Field for Stamp {
    const SIZE: usize = 8;

    fn take(bytes: &mut &[u8]) -> Self {
        Self::from_raw(Field::take(bytes))
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        self.raw().put(bytes);
    }
}

impl Field for Span {
    const SIZE: usize = 8;

    fn take(bytes: &mut &[u8]) -> Self {
        let start = Field::take(bytes);
        Self {
            start,
            length: Field::take(bytes),
        }
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        self.start.put(bytes);
        self.length.put(bytes);
    }
}
