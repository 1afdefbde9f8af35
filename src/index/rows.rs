//! The header and the rows of every table: what they hold, and how that lies in bytes.
//!
//! Each row is declared once, field by field in the order of the bytes; reading and writing both
//! come from the declaration. No other module knows an offset. `docs/format.md` explains the fields.

use super::format::{
    DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, GROUP_ROW, HEADER, KEY_ROW, RECORD_ROW,
    REFERENCE_ROW,
};
use super::stamp::Stamp;

/// A row of a table.
pub(super) trait Row: Copy {
    /// In bytes.
    const SIZE: usize;
    /// From its bytes. What is missing at the end reads as zeros; tables are cut into whole rows
    /// before.
    fn read(bytes: &[u8]) -> Self;
    /// Appends its bytes.
    fn write(&self, bytes: &mut Vec<u8>);
}

/// A field of a row.
trait Field: Sized {
    const SIZE: usize;
    /// Takes it off the front.
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
        /// Of what follows.
        checksum: u32,
        flags: u32,
        file_size: u64,
        blocks: u32,
        directories: u32,
        records: u32,
        rules: u32,
        more_reserved: Reserved<16>,
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
        flags: u32,
        distributions: u32,
        keys: u32,
        groups: u32,
        entries: u32,
        listed: u32,
        mtime: Stamp,
        ctime: Stamp,
        path: Span,
        reserved: Reserved<8>,
    }

    /// A metadata directory.
    DistributionRow of DISTRIBUTION_ROW bytes {
        file_name: Span,
        key: Span,
        name: Span,
        version: Span,
        flags: u32,
        file_size: u32,
        mtime: Stamp,
        ctime: Stamp,
        file_mtime: Stamp,
        file_digest: [u8; 16],
        /// Its rows in the reference table.
        references: Span,
        key_hash: u32,
        reserved: Reserved<4>,
    }

    /// A key, and the number of its chosen distribution.
    KeyRow of KEY_ROW bytes {
        hash: u32,
        distribution: u32,
    }

    /// A group, and its rows in the entry table.
    GroupRow of GROUP_ROW bytes {
        name: Span,
        entries: Span,
    }

    /// An entry point. Its value lies behind its name.
    EntryRow of ENTRY_ROW bytes {
        name: Span,
        value_length: u32,
        distribution: u32,
        group: u32,
        key_hash: u32,
        flags: u32,
        reserved: Reserved<4>,
    }

    /// The number of an entry point.
    ReferenceRow of REFERENCE_ROW bytes {
        entry: u32,
    }
}

/// A string by its offset and length, or rows by the first of them and their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) length: u32,
}

impl Span {
    /// One behind the last; None where no 32 bits hold that.
    pub(super) fn end(self) -> Option<u32> {
        self.start.checked_add(self.length)
    }
}

/// Bytes without a meaning, written as zeros.
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
        [0; N].put(bytes);
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

numbers!(u8 u16 u32 u64 i64);

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
