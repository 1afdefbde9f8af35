//! An open directory: it lists its names, and opens the files in it.
//!
//! The input is a directory that [`Root`] has opened, names in it, and the [`Audience`] of what is
//! read. The output is open files and `stat` results. If the audience may not read a file, the file
//! is refused with "permission denied", although this process could read it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};

use super::openness::{Readers, Want};
use super::{
    FileType, OPEN_FLAGS, Root, file_type, open_at, open_regular, read_only_device, regular, watch,
};

/// An open directory below a [`Root`].
pub struct Directory<'r> {
    root: &'r Root,
    path: PathBuf,
    fd: OwnedFd,
    /// Who must be able to read everything that is opened in this directory.
    audience: Audience,
}

/// Who gets to see what is read.
#[derive(Debug, Clone, Default)]
pub enum Audience {
    /// Only this process's own user.
    #[default]
    Own,
    /// Every user who can reach an index. A file that some of them cannot read is refused.
    All(Readers),
    /// Every user who can reach an index, but some of them cannot reach the directory. Everything
    /// in it is refused.
    Outside,
}

/// A symbolic link that leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("a dangling symbolic link")]
pub struct DanglingLink;

impl<'r> Directory<'r> {
    pub(super) fn new(root: &'r Root, path: &Path, fd: OwnedFd) -> Self {
        Self {
            root,
            path: path.to_owned(),
            fd,
            audience: Audience::Own,
        }
    }

    /// The same directory, read for this audience.
    #[must_use]
    pub fn read_for(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// Whether the audience may read an entry that is a directory.
    #[must_use]
    pub fn may_read_entry(&self, entry: &[u8]) -> bool {
        let readers = match &self.audience {
            Audience::Own => return true,
            Audience::Outside => return false,
            Audience::All(readers) => readers,
        };
        let path = self.path_of(entry);
        let flags = OPEN_FLAGS | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        match open_at(&self.fd, entry, flags, Mode::empty()) {
            Ok(open) => {
                let stat = fstat(&open);
                stat.is_ok_and(|stat| Want::PASS.is_in_mode(&stat)) && Want::PASS.is_in_list(open)
            }
            Err(errno) if leads_elsewhere(&errno.into()) => {
                self.root.real_path(&path).is_ok_and(|real| {
                    // The directory itself is part of the way to its entries.
                    let below = real.join("entry");
                    self.root.way_is_open_to(readers, &below)
                })
            }
            // A directory that can be entered but not listed.
            Err(_) => self.root.directory_is_open(&path, Want::PASS),
        }
    }

    /// Whether the audience may read an open file. `link` is its path, if a link was followed to
    /// it.
    fn may_read(&self, file: &File, stat: &FileStat, link: Option<&Path>) -> bool {
        let readers = match &self.audience {
            Audience::Own => return true,
            Audience::Outside => return false,
            Audience::All(readers) => readers,
        };
        let way = |link| {
            let real = self.root.real_path(link);
            real.is_ok_and(|real| self.root.way_is_open_to(readers, &real))
        };
        Want::READ.is_in_mode(stat) && Want::READ.is_in_list(file) && link.is_none_or(way)
    }

    /// The path under which it was opened, as seen from inside the root.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The root below which it was opened.
    #[must_use]
    pub fn root(&self) -> &'r Root {
        self.root
    }

    /// `fstat(2)` of the directory itself.
    ///
    /// # Errors
    /// Those of `fstat(2)`.
    pub fn stat(&self) -> io::Result<FileStat> {
        Ok(fstat(self.fd.as_fd())?)
    }

    /// Calls `visit` for every name in listing order, without `.` and `..`. The second argument
    /// says whether the name may be a link: some file systems do not tell. Each call starts from
    /// the beginning.
    ///
    /// # Errors
    /// Those of `readdir(3)`.
    pub fn for_each_name(&self, mut visit: impl FnMut(&[u8], bool)) -> io::Result<()> {
        // A new open, because the position in the listing belongs to the open file.
        let flags = OPEN_FLAGS | OFlag::O_DIRECTORY;
        for entry in Dir::from_fd(open_at(&self.fd, ".", flags, Mode::empty())?)?.iter() {
            let entry = entry?;
            watch::asked_inside();
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                visit(
                    name,
                    matches!(entry.file_type(), None | Some(Type::Symlink)),
                );
            }
        }
        Ok(())
    }

    /// Opens an entry that is a directory, for listing; links are followed (within the root).
    ///
    /// # Errors
    /// Those of [`Root::open_dir`].
    pub fn open_entry(&self, name: &[u8]) -> io::Result<Self> {
        watch::asked_inside();
        let path = self.path_of(name);
        let flags = OPEN_FLAGS | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        match open_at(&self.fd, name, flags, Mode::empty()) {
            Err(errno) if leads_elsewhere(&errno.into()) => self.root.open_dir(&path),
            opened => Ok(Directory::new(self.root, &path, opened?)),
        }
    }

    /// `stat(2)` of an entry. Links are followed within the root.
    ///
    /// # Errors
    /// Those of `stat(2)`.
    pub fn stat_entry(&self, name: &[u8]) -> io::Result<FileStat> {
        watch::asked_inside();
        if self.root.is_system() {
            return Ok(fstatat(self.fd.as_fd(), name, AtFlags::empty())?);
        }
        let stat = fstatat(self.fd.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        match file_type(&stat) {
            FileType::Link => self.root.stat(&self.path_of(name)),
            _ => Ok(stat),
        }
    }

    /// `stat(2)` of a file in an entry. Links are followed within the root.
    ///
    /// # Errors
    /// Those of `stat(2)`.
    pub fn stat_file(&self, entry: &[u8], file: &str) -> io::Result<FileStat> {
        watch::asked_inside();
        if self.root.is_system() {
            return Ok(fstatat(
                self.fd.as_fd(),
                joined(entry, file).as_slice(),
                AtFlags::empty(),
            )?);
        }
        self.root.stat(&self.path_of(entry).join(file))
    }

    /// Whether a path below this directory leads to a file or directory that the audience may see.
    /// The path has no `..`.
    ///
    /// # Errors
    /// Those of `stat(2)`, except for a missing file; [`io::ErrorKind::PermissionDenied`] if the
    /// audience may not see it.
    pub fn has(&self, path: &str) -> io::Result<bool> {
        let found = match &self.audience {
            Audience::Outside => Err(io::ErrorKind::PermissionDenied.into()),
            Audience::Own => self.stat_below(path),
            Audience::All(readers) => self.has_for(readers, path),
        };
        match found {
            Ok(()) => Ok(true),
            Err(error) if super::is_missing(&error) => Ok(false),
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn stat_below(&self, path: &str) -> io::Result<()> {
        watch::asked_inside();
        if self.root.is_system() {
            fstatat(self.fd.as_fd(), path, AtFlags::empty())?;
        } else {
            self.root.stat(&self.path.join(path))?;
        }
        Ok(())
    }

    /// Whether all readers may see the target of a path.
    fn may_see(&self, readers: &Readers, path: &str) -> io::Result<()> {
        let real = self.root.real_path(&self.path.join(path))?;
        match self.root.way_is_open_to(readers, &real) {
            true => Ok(()),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    fn has_for(&self, readers: &Readers, path: &str) -> io::Result<()> {
        watch::asked_inside();
        if !self.root.is_system() {
            return self.may_see(readers, path);
        }
        // Without a link, each step is below the one before it.
        let ends = path
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([path.len()]);
        for end in ends {
            let step = path.get(..end).unwrap_or(path);
            let stat = fstatat(self.fd.as_fd(), step, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            let is_open = match file_type(&stat) {
                FileType::Link => return self.may_see(readers, path),
                FileType::Directory => Want::PASS.is_in_mode(&stat),
                FileType::Regular | FileType::Other => true,
            };
            if !is_open {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        Ok(())
    }

    /// The device of the directory, if its file system is mounted read-only.
    ///
    /// # Errors
    /// Those of `statvfs(2)`.
    pub fn read_only_device(&self) -> io::Result<Option<u64>> {
        read_only_device(self.fd.as_fd())
    }

    /// Opens a regular file by the path `entry/file` below this directory. `entry` is one name.
    /// `file` is one name, or empty to open the entry itself. The `stat` is from before the file
    /// was opened.
    ///
    /// # Errors
    /// Those of [`Root::open_file`]; for a dangling link [`DanglingLink`] in an
    /// [`io::ErrorKind::NotFound`].
    pub fn open_file(&self, entry: &[u8], file: &str) -> io::Result<(File, FileStat)> {
        watch::asked_inside();
        // An open that does not follow links can tell a link from a missing file, at no extra cost.
        // Only a link needs a second, more careful call.
        let (opened, link) = match self.open_plain(entry, file) {
            Err(error) if leads_elsewhere(&error) => {
                let opened = self.open_linked(entry, file);
                let opened = opened.map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => {
                        io::Error::new(io::ErrorKind::NotFound, DanglingLink)
                    }
                    _ => error,
                });
                (opened, Some(self.path_of(&joined(entry, file))))
            }
            opened => (opened, None),
        };
        let (file, stat) = opened?;
        match self.may_read(&file, &stat, link.as_deref()) {
            true => Ok((file, stat)),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    /// Opens a regular file that lies in this directory, but no link to one. The `stat` is that of
    /// the open file, so that it can decide about trust.
    ///
    /// # Errors
    /// Those of [`Root::open_file`]; `ELOOP` for a link.
    pub fn open_own_file(&self, name: &OsStr) -> io::Result<(File, FileStat)> {
        let (file, _) = open_regular(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let stat = regular(fstat(file.as_fd())?)?;
        Ok((file, stat))
    }

    fn open_linked(&self, entry: &[u8], file: &str) -> io::Result<(File, FileStat)> {
        let path = joined(entry, file);
        if self.root.is_system() {
            return open_regular(&self.fd, path.as_slice(), AtFlags::empty());
        }
        self.root.open_file(&self.path_of(&path))
    }

    fn open_plain(&self, entry: &[u8], file: &str) -> io::Result<(File, FileStat)> {
        let links = AtFlags::AT_SYMLINK_NOFOLLOW;
        if self.root.is_system() || file.is_empty() {
            // The kernel may follow a link to the entry: only the file's own name must not be a
            // link.
            return open_regular(&self.fd, joined(entry, file).as_slice(), links);
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let inner = open_at(&self.fd, entry, flags, Mode::empty())?;
        open_regular(inner, file, links)
    }

    fn path_of(&self, name: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(name))
    }
}

fn joined(entry: &[u8], file: &str) -> Vec<u8> {
    let mut path = Vec::with_capacity(entry.len() + file.len() + 2);
    path.extend_from_slice(entry);
    if !file.is_empty() {
        path.push(b'/');
        path.extend_from_slice(file.as_bytes());
    }
    path
}

/// ELOOP means a link. For a link, O_NOFOLLOW together with O_DIRECTORY gives ENOTDIR.
fn leads_elsewhere(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let errno = error.raw_os_error();
    errno == Some(Errno::ELOOP as i32) || errno == Some(Errno::ENOTDIR as i32)
}
