//! The source of an index's bytes, and the reasons why they cannot be used.
//!
//! The input is an offset, the output is bytes, or a [`Damage`].

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::format::{MAJOR, SIZE_LIMIT};

/// A source of an index's bytes.
pub trait Source {
    /// The number of bytes.
    ///
    /// # Errors
    /// Those of `fstat(2)`.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Those of `pread(2)`; [`io::ErrorKind::UnexpectedEof`] if there are fewer bytes.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// All bytes, if they are in memory anyway.
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
    /// It could not be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It does not start as an index does.
    #[error("not an epcache index")]
    NotAnIndex,
    /// It was written by a program with another format version.
    #[error("index format {0}, but this program reads format {MAJOR}")]
    OtherVersion(u16),
    /// Its length is not that in its header.
    #[error("{actual} bytes long instead of {expected}: truncated or overwritten")]
    Size {
        /// The length in its header.
        expected: u64,
        /// Its actual length.
        actual: u64,
    },
    /// Beyond [`SIZE_LIMIT`].
    #[error("larger than {} MiB", SIZE_LIMIT >> 20)]
    TooLarge,
    /// A checksum does not match.
    #[error("damaged: checksum mismatch in {0}")]
    Checksum(&'static str),
    /// The checksums match, but the content cannot be right.
    #[error("malformed: {0}")]
    Malformed(&'static str),
}
