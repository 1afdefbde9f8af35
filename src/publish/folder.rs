//! The open folder of a published file. Its entries are reached by name, never by a path.
//!
//! The input is a [`Destination`] below a root, then names and bytes. The output is files in that
//! folder. Every file is looked up, created, renamed and removed in the directory that was opened,
//! even if the folder's path leads elsewhere by now. No link in it is followed.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, renameat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::way::{Destination, FOLDER, Missing};
use super::{FOR_ALL, FOR_OWNER, PublishError};
use crate::rooted::{FileType, Root, file_type, look_at_regular, open_at, read_bounded, regular};

const TEMPORARY_SUFFIX: &str = ".tmp";
/// The number of random letters and digits in the name of a temporary file.
const UNIQUE_LENGTH: usize = 12;

/// Flags of every open: follow no link, get no controlling terminal, do not wait for the other end
/// of a FIFO.
const CAREFUL: OFlag = OFlag::O_NOFOLLOW
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_CLOEXEC);

/// The folder of a published file. It is opened after every step of the way to it was checked.
#[derive(Debug)]
pub struct Folder {
    /// The path of the published file, for messages.
    path: PathBuf,
    /// The name of the published file.
    name: OsString,
    held: File,
}

impl Folder {
    /// The folder of a destination below a root.
    ///
    /// # Errors
    /// [`PublishError`], also if the way to the folder is not safe.
    pub fn of(root: &Root, destination: &Destination) -> Result<Self, PublishError> {
        Self::open(root, destination, Missing::Report)
    }

    pub(super) fn open(
        root: &Root,
        destination: &Destination,
        missing: Missing,
    ) -> Result<Self, PublishError> {
        let shown = destination.shown(root);
        let no_file = || PublishError::at("write", &shown)(Errno::EISDIR.into());
        let name = destination.file_name().ok_or_else(no_file)?;
        let folder = Self {
            held: destination.folder(root, missing)?.into(),
            name: name.to_owned(),
            path: shown.clone(),
        };
        let in_the_way = folder.stat(name);
        if in_the_way.is_ok_and(|stat| file_type(&stat) == FileType::Directory) {
            return Err(no_file());
        }
        Ok(folder)
    }

    /// The folder itself.
    #[must_use]
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.held.as_fd()
    }

    /// The published file's path, for messages: links in it may lead elsewhere by now.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The published file, if only this user could have written it and owns it.
    #[must_use]
    pub fn published(&self) -> Option<File> {
        let file = self.open_file(&self.name, OFlag::O_RDONLY).ok()?;
        let metadata = file.metadata().ok()?;
        let is_ours = metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o022 == 0;
        is_ours.then_some(file)
    }

    /// A file in another folder that was opened beside this one.
    pub(super) fn beside(&self, path: &Path, folder: &OwnedFd) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            name: path.file_name().unwrap_or_default().to_owned(),
            held: folder.try_clone()?.into(),
        })
    }

    /// Whether the published file has these bytes and this mode already.
    pub(super) fn holds(&self, bytes: &[u8], mode: u32) -> bool {
        let Some(file) = self.published() else {
            return false;
        };
        let same_size = file.metadata().is_ok_and(|metadata| {
            metadata.len() == bytes.len() as u64 && metadata.mode() & 0o7777 == mode
        });
        let mut buffer = vec![0; 64 << 10];
        same_size
            && bytes
                .chunks(buffer.len())
                .zip(0u64..)
                .all(|(chunk, number)| {
                    let offset = number * (64 << 10);
                    buffer.get_mut(..chunk.len()).is_some_and(|part| {
                        file.read_exact_at(part, offset).is_ok() && *part == *chunk
                    })
                })
    }

    /// Overwrites one byte of the published file in place. That needs no space and no second file,
    /// so it works on a full disk. A file with a second hard link is left unchanged: it also
    /// belongs to a snapshot or an object store.
    ///
    /// # Errors
    /// [`PublishError`], with [`io::ErrorKind::TooManyLinks`] for a file that has a second hard
    /// link.
    pub fn overwrite_byte(&self, offset: u64, byte: u8) -> Result<(), PublishError> {
        let opened = self.open_file(&self.name, OFlag::O_WRONLY);
        opened
            .and_then(|file| match file.metadata()?.nlink() {
                0 | 1 => file.write_all_at(&[byte], offset),
                _ => Err(io::ErrorKind::TooManyLinks.into()),
            })
            .map_err(PublishError::at("write", &self.path))
    }

    /// Replaces the published file by a copy with one other byte, with the same owner and mode.
    pub(super) fn replace_byte(&self, offset: u64, byte: u8) -> Result<(), PublishError> {
        let replaced = || -> io::Result<()> {
            let mut old = self.open_file(&self.name, OFlag::O_RDONLY)?;
            let metadata = old.metadata()?;
            let mut temporary = self.temporary(&[], FOR_OWNER)?;
            io::copy(&mut old, &mut temporary.file)?;
            temporary.file.write_all_at(&[byte], offset)?;
            let [user, group] = [metadata.uid(), metadata.gid()];
            let made = temporary.file.metadata()?;
            if [user, group] != [made.uid(), made.gid()] {
                fchown(&temporary.file, Some(user), Some(group))?;
            }
            let mode = Permissions::from_mode(metadata.mode() & 0o7777);
            temporary.file.set_permissions(mode)?;
            temporary.file.sync_all()?;
            temporary.rename(&self.name)
        };
        replaced().map_err(PublishError::at("write", &self.path))
    }

    /// The content of a file beside the published one, of at most `limit` bytes.
    ///
    /// # Errors
    /// Those of opening and reading it; [`io::ErrorKind::FileTooLarge`] beyond `limit`.
    pub fn read_beside(&self, name: &str, limit: usize) -> io::Result<Vec<u8>> {
        let file = self.open_file(name.as_ref(), OFlag::O_RDONLY)?;
        let stat = fstat(&file)?;
        Ok(read_bounded(&file, &stat, limit, &mut Vec::new())?.to_vec())
    }

    /// Writes a small file beside the published one, at once or not at all, but without a lock and
    /// without waiting for the disk. For data that may be lost. If a writer crashes, the next one
    /// that locks the place removes its temporary file.
    ///
    /// # Errors
    /// [`PublishError`]: then the old file is still in place.
    pub fn write_beside(&self, name: &str, bytes: &[u8]) -> Result<(), PublishError> {
        self.temporary(bytes, FOR_ALL)
            .and_then(|temporary| temporary.rename(name.as_ref()))
            .map_err(PublishError::at("write", &self.path.with_file_name(name)))
    }

    /// Replaces the published file by `bytes`, and waits until all of it is on the disk.
    pub(super) fn replace(&self, bytes: &[u8], mode: u32) -> Result<(), PublishError> {
        let written = || -> io::Result<()> {
            let temporary = self.temporary(bytes, mode)?;
            temporary.file.sync_all()?;
            temporary.rename(&self.name)?;
            self.held.sync_all()
        };
        written().map_err(PublishError::at("write", &self.path))
    }

    /// `stat(2)` of an entry. A link is not followed.
    pub(super) fn stat(&self, name: &OsStr) -> io::Result<FileStat> {
        Ok(fstatat(&self.held, name, AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    /// Opens an entry that is a regular file. Looks at it first, so that no device or FIFO is
    /// opened.
    pub(super) fn open_file(&self, name: &OsStr, flags: OFlag) -> io::Result<File> {
        look_at_regular(&self.held, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let opened = open_at(&self.held, name, flags | CAREFUL, Mode::empty())?;
        regular(fstat(&opened)?)?;
        Ok(opened.into())
    }

    /// Creates a file that only its owner may read and write. It must not exist yet.
    pub(super) fn make_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | CAREFUL;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        Ok(open_at(&self.held, name, flags, mode)?.into())
    }

    /// Writes `bytes` to a new file of this mode. Its name tells a later writer that it is a
    /// leftover.
    pub(super) fn temporary(&self, bytes: &[u8], mode: u32) -> io::Result<Temporary<'_>> {
        // `tempfile` only makes the name, and another one if that exists; from the third on it uses
        // the kernel's randomness. A name can be taken on purpose only in a directory that others
        // can write to.
        let (file, path) = tempfile::Builder::new()
            .prefix(&self.temporary_prefix())
            .rand_bytes(UNIQUE_LENGTH)
            .suffix(TEMPORARY_SUFFIX)
            .make_in("/", |path| {
                self.make_file(path.file_name().unwrap_or_default())
            })?
            .keep()
            .map_err(|failed| failed.error)?;
        let mut temporary = Temporary {
            folder: self,
            name: path.file_name().unwrap_or_default().to_owned(),
            file,
        };
        temporary.file.write_all(bytes)?;
        let mode = Permissions::from_mode(mode);
        temporary.file.set_permissions(mode)?;
        Ok(temporary)
    }

    fn temporary_prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        prefix.push(&self.name);
        prefix.push(".");
        prefix
    }

    /// Removes leftovers. This writer has the lock, so every temporary file is one. It does no harm
    /// if one cannot be removed.
    pub(super) fn clear_leftovers(&self) {
        let Ok(mut entries) =
            open_at(self.held.as_fd(), ".", FOLDER, Mode::empty()).and_then(Dir::from_fd)
        else {
            return;
        };
        let prefix = self.temporary_prefix();
        for entry in entries.iter().flatten() {
            // The folder may contain other files: only remove names that this room makes.
            let name = entry.file_name().to_bytes();
            let unique = name
                .strip_prefix(prefix.as_bytes())
                .and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX.as_bytes()));
            if unique.is_some_and(|unique| {
                unique.len() == UNIQUE_LENGTH && unique.iter().all(u8::is_ascii_alphanumeric)
            }) {
                self.remove(OsStr::from_bytes(name));
            }
        }
    }

    pub(super) fn remove(&self, name: &OsStr) {
        let _ = unlinkat(&self.held, name, UnlinkatFlags::NoRemoveDir);
    }
}

/// A file that is not published yet. It is removed on drop unless it was renamed.
pub(super) struct Temporary<'f> {
    folder: &'f Folder,
    /// Empty after the rename.
    name: OsString,
    file: File,
}

impl Temporary<'_> {
    fn rename(mut self, name: &OsStr) -> io::Result<()> {
        let held = &self.folder.held;
        renameat(held, self.name.as_os_str(), held, name)?;
        self.name.clear();
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            self.folder.remove(&self.name);
        }
    }
}
