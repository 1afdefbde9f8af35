//! Files by descriptor: their type, opening them, and reading them up to a limit.
//!
//! The input is a directory, a path and a limit in bytes. The output is an open file and its
//! `stat`, or its content. Each path is looked at before it is opened, and only a regular file is
//! opened.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::sys::statvfs::{FsFlags, fstatvfs};

use super::OPEN_FLAGS;

/// `openat(2)`, repeated if a signal interrupts it, which can happen on a file server.
///
/// # Errors
/// Those of `openat(2)` but EINTR.
pub(crate) fn open_at<P: NixPath + ?Sized>(
    directory: impl AsFd,
    path: &P,
    flags: OFlag,
    mode: Mode,
) -> nix::Result<OwnedFd> {
    loop {
        match openat(&directory, path, flags, mode) {
            Err(Errno::EINTR) => {}
            opened => return opened,
        }
    }
}

/// Whether an error says that the file or a directory on its way does not exist.
#[must_use]
pub fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A directory.
    Directory,
    /// A regular file.
    Regular,
    /// A symbolic link. Only seen if links are not followed.
    Link,
    /// A FIFO, a socket, a device.
    Other,
}

/// The file type in a `stat` result.
#[must_use]
pub fn file_type(stat: &FileStat) -> FileType {
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => FileType::Directory,
        SFlag::S_IFREG => FileType::Regular,
        SFlag::S_IFLNK => FileType::Link,
        _ => FileType::Other,
    }
}

/// Reads a whole file of at most `limit` bytes, with one `read` if its size is what `stat` said.
/// The caller can use the same buffer for the next file.
///
/// # Errors
/// Those of `read(2)`, and [`io::ErrorKind::FileTooLarge`] beyond `limit`.
pub fn read_bounded<'b>(
    file: &File,
    stat: &FileStat,
    limit: usize,
    buffer: &'b mut Vec<u8>,
) -> io::Result<&'b [u8]> {
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, "larger than the limit");
    let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
    if size > limit {
        return Err(too_large());
    }
    let (mut filled, mut wanted) = (0, size + 1);
    loop {
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let rest = buffer.get_mut(filled..wanted).unwrap_or_default();
        filled += read_part(file, rest, filled as u64)?;
        if filled < wanted {
            return Ok(buffer.get(..filled).unwrap_or_default());
        }
        if filled > limit {
            return Err(too_large());
        }
        wanted = (wanted * 2).min(limit + 1);
    }
}

/// Reads from `offset` until the buffer is full or the file ends. Returns the number of bytes.
///
/// # Errors
/// Those of `pread(2)`.
pub fn read_part(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            // A short read of a regular file is its end: no second read is needed.
            Ok(read) => {
                let short = read < rest.len();
                filled += read;
                if short {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The device of an open file, if its file system is mounted read-only.
///
/// # Errors
/// Those of `statvfs(2)` and `stat(2)`.
pub fn read_only_device(fd: impl AsFd) -> io::Result<Option<u64>> {
    let read_only = fstatvfs(&fd)?.flags().contains(FsFlags::ST_RDONLY);
    #[allow(clippy::useless_conversion)] // its type differs between architectures
    Ok(if read_only {
        Some(fstat(&fd)?.st_dev.into())
    } else {
        None
    })
}

/// Opens a regular file for reading. `links` says whether a link at the end of the path is
/// followed.
///
/// The file is looked at before it is opened: opening a device can start it (a tape, a watchdog),
/// and opening a FIFO wakes its writer. The `stat` is from before the open, so the content may be
/// newer than the `stat`, but not older.
///
/// # Errors
/// Those of `stat(2)` and `open(2)`; ELOOP for a link that is not followed;
/// [`io::ErrorKind::IsADirectory`] and [`io::ErrorKind::InvalidInput`] for anything but a regular
/// file.
pub(super) fn open_regular<P: NixPath + ?Sized>(
    directory: impl AsFd,
    path: &P,
    links: AtFlags,
) -> io::Result<(File, FileStat)> {
    let stat = look_at_regular(&directory, path, links)?;
    let flags = if links.contains(AtFlags::AT_SYMLINK_NOFOLLOW) {
        OPEN_FLAGS | OFlag::O_NOFOLLOW
    } else {
        OPEN_FLAGS
    };
    let fd = open_at(&directory, path, flags, Mode::empty())?;
    Ok((fd.into(), stat))
}

/// The `stat` of a regular file that is about to be opened.
///
/// # Errors
/// As [`open_regular`].
pub(crate) fn look_at_regular<P: NixPath + ?Sized>(
    directory: impl AsFd,
    path: &P,
    links: AtFlags,
) -> io::Result<FileStat> {
    regular(fstatat(directory, path, links)?)
}

/// Returns a `stat` if it is that of a regular file.
///
/// # Errors
/// As [`open_regular`].
pub(crate) fn regular(stat: FileStat) -> io::Result<FileStat> {
    match file_type(&stat) {
        FileType::Regular => Ok(stat),
        FileType::Directory => Err(Errno::EISDIR.into()),
        FileType::Link => Err(Errno::ELOOP.into()),
        FileType::Other => {
            let text = "not a regular file";
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
    }
}
