//! The file tree below a root. Every path that epcache opens goes through this room.
//!
//! The input is a path as the system below the root spells it (`/usr/lib/python3/dist-packages`).
//! The output is an open descriptor, a `stat` result or an [`io::Error`]. With another root than
//! the system's ([`Root::at`], the `--root` option) symbolic links resolve *within* that root,
//! absolute ones too. The walk goes component by component, by descriptor, so that nothing outside
//! is opened, even if another process replaces a directory by a link meanwhile. It works on any
//! kernel: `openat2` is refused by many container filters.
//!
//! This room only opens for reading, and knows nothing of Python. It keeps nothing but descriptors:
//! that of the root, and those of named directories ([`Root::open_named`]).

mod directory;
mod door;
mod file;
mod late;
mod openness;
mod trust;
mod walk;
mod watch;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::geteuid;

pub use directory::{Audience, DanglingLink, Directory};
use door::Door;
use file::open_regular;
pub use file::{FileType, file_type, is_missing, read_bounded, read_only_device, read_part};
pub(crate) use file::{look_at_regular, open_at, regular};
pub use openness::Readers;
pub(crate) use trust::{TrustedLinks, Untrusted, is_root_s};
use walk::WithinRoot;
pub(crate) use walk::{Guide, STEP, Walked, walk};
pub(crate) use watch::asked;
pub use watch::{Watched, watch};

/// Flags of every open in epcache: the descriptor is not inherited, does not become the controlling
/// terminal, and a FIFO does not make the open wait.
const OPEN_FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_CLOEXEC)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_NONBLOCK);

/// The root that paths are resolved against: the system's own, or a directory given by `--root`.
#[derive(Debug)]
pub struct Root {
    /// `None` for the system's own root, where the kernel resolves paths.
    anchor: Option<OwnedFd>,
    path: PathBuf,
    /// Directories that were opened early, because this process may lose the right to reach them by
    /// their path. Only used in the system's own root.
    doors: OnceLock<Vec<Door>>,
}

impl Root {
    /// The running system's own root.
    #[must_use]
    pub fn system() -> Self {
        Self {
            anchor: None,
            path: PathBuf::from("/"),
            doors: OnceLock::new(),
        }
    }

    /// A tree below `dir`: a chroot, or an image that is being built. If this process is root, it
    /// follows no link to `dir` that another user could have made.
    ///
    /// # Errors
    /// Those of opening `dir` as a directory.
    pub fn at(dir: &Path) -> io::Result<Self> {
        let (path, anchor) = if geteuid().is_root() {
            let opened = TrustedLinks { make: None }.open(&std::path::absolute(dir)?)?;
            (opened.real, opened.fd)
        } else {
            let path = std::fs::canonicalize(dir)?;
            let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
            let anchor = open_at(AT_FDCWD, &path, flags, Mode::empty())?;
            (path, anchor)
        };
        if file_type(&fstat(&anchor)?) != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        Ok(Self {
            anchor: Some(anchor).filter(|_| path != Path::new("/")),
            path,
            doors: OnceLock::new(),
        })
    }

    /// Opens directories that the user has named, before this process gives up root's rights. They
    /// may lie below a directory that only root may enter. What lies below them is later reached
    /// from these descriptors.
    ///
    /// If another user owns a directory on the way, or could have made a link on it, the directory
    /// is not opened here. The process then uses the path alone, with the rights of every other
    /// user. Below a root of its own this function does nothing, because the root's descriptor is
    /// used anyway.
    ///
    /// Call this function once.
    pub fn open_named<'p>(&self, paths: impl Iterator<Item = &'p Path>) {
        if !self.is_system() {
            return;
        }
        let trusted = TrustedLinks { make: None };
        let door = |path: &Path| {
            let opened = trusted.open(path)?;
            if file_type(&fstat(&opened.fd)?) != FileType::Directory {
                return Err(io::Error::from(Errno::ENOTDIR));
            }
            Ok(opened.is_root_s.then(|| Door::new(path, opened)))
        };
        let doors = paths
            .filter(|path| path.is_absolute())
            .filter_map(|path| match door(path) {
                // If it is missing, or is an archive, the directory around it will show that.
                Err(error) if is_missing(&error) => door(path.parent()?).ok()?,
                door => door.ok()?,
            });
        let _ = self.doors.set(doors.collect());
    }

    fn doors(&self) -> &[Door] {
        self.doors.get().map_or(&[], Vec::as_slice)
    }

    /// In the system's own root: the directory where a path begins, and the rest of the path.
    fn start<'p>(&self, path: &'p Path) -> (BorrowedFd<'_>, &'p Path) {
        // The nearest one, so that the rest is as short as possible.
        let found = self.doors().iter().filter_map(|door| {
            let rest = door.behind(path)?;
            Some((door.fd(), rest))
        });
        found
            .min_by_key(|(_, rest)| rest.as_os_str().len())
            .unwrap_or((AT_FDCWD, path))
    }

    /// Whether this is the running system's own root.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.anchor.is_none()
    }

    /// Where the root lies, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path outside the root for a path inside it. This only changes the text: follow no link
    /// with it.
    #[must_use]
    pub fn outside(&self, path: &Path) -> PathBuf {
        self.path.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The descriptor of the root, if it has one. A process that closes all others must keep this
    /// one.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.anchor.as_ref().map(AsFd::as_fd)
    }

    /// Whether this path is on a file system that answers slowly, so that it pays to ask several
    /// questions at the same time.
    #[must_use]
    pub fn answers_late(&self, path: &Path) -> bool {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        self.open(path, flags).is_ok_and(late::answers_late)
    }

    /// Opens a directory for listing.
    ///
    /// Those of `open(2)`; `ENOTDIR` for anything but a directory; `ELOOP` after 40 links.
    pub fn open_dir(&self, path: &Path) -> io::Result<Directory<'_>> {
        let fd = self.open(path, OPEN_FLAGS | OFlag::O_DIRECTORY)?;
        Ok(Directory::new(self, path, fd))
    }

    /// Opens a directory to reach what is in it. It need not be readable.
    ///
    /// # Errors
    /// Those of `open(2)`, as [`Root::open_dir`].
    pub fn hold(&self, path: &Path) -> io::Result<Directory<'_>> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Directory::new(self, path, self.open(path, flags)?))
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// Those of `open(2)`; [`io::ErrorKind::IsADirectory`] and [`io::ErrorKind::InvalidInput`] for
    /// anything but a regular file.
    pub fn open_file(&self, path: &Path) -> io::Result<(File, FileStat)> {
        watch::asked(path);
        let Some(anchor) = &self.anchor else {
            let (start, path) = self.start(path);
            return open_regular(start, path, AtFlags::empty());
        };
        let walked = walk(anchor.as_fd(), path, &WithinRoot)?;
        let stat = regular(fstat(walked.fd())?)?;
        Ok((walked.open(OPEN_FLAGS)?.into(), stat))
    }

    /// `stat(2)`, links followed.
    ///
    /// # Errors
    /// Those of `stat(2)`.
    pub fn stat(&self, path: &Path) -> io::Result<FileStat> {
        watch::asked(path);
        match &self.anchor {
            None => {
                let (start, path) = self.start(path);
                Ok(fstatat(start, path, AtFlags::empty())?)
            }
            Some(anchor) => Ok(fstat(walk(anchor.as_fd(), path, &WithinRoot)?.fd())?),
        }
    }

    /// Whether the path leads to a directory (`os.path.isdir`).
    #[must_use]
    pub fn is_dir(&self, path: &Path) -> bool {
        self.stat(path)
            .is_ok_and(|stat| file_type(&stat) == FileType::Directory)
    }

    /// Whether the path leads to a regular file (`os.path.isfile`).
    #[must_use]
    pub fn is_file(&self, path: &Path) -> bool {
        self.stat(path)
            .is_ok_and(|stat| file_type(&stat) == FileType::Regular)
    }

    /// Whether the path leads to anything (`os.path.exists`).
    #[must_use]
    pub fn exists(&self, path: &Path) -> bool {
        self.stat(path).is_ok()
    }

    /// The path with all links resolved, as seen from inside the root (`os.path.realpath` of an
    /// existing path).
    ///
    /// # Errors
    /// Those of `stat(2)`.
    pub fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        watch::asked(path);
        match &self.anchor {
            None => std::fs::canonicalize(path).or_else(|error| {
                let through = |door: &Door| door.real_path(door.behind(path)?).ok();
                self.doors().iter().find_map(through).ok_or(error)
            }),
            Some(anchor) => Ok(walk(anchor.as_fd(), path, &WithinRoot)?.path()),
        }
    }

    /// The target of a symbolic link, as it is written there (`os.readlink`).
    ///
    /// # Errors
    /// Those of `readlink(2)`: `EINVAL` for anything but a link.
    pub fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        watch::asked(path);
        let (Some(anchor), Some(name)) = (&self.anchor, path.file_name()) else {
            let (start, path) = self.start(path);
            return Ok(PathBuf::from(readlinkat(start, path)?));
        };
        let parent = walk(
            anchor.as_fd(),
            path.parent().unwrap_or(Path::new("/")),
            &WithinRoot,
        )?;
        Ok(PathBuf::from(readlinkat(parent.fd(), name)?))
    }

    /// The names in a directory in listing order, without `.` and `..` (`os.listdir`).
    ///
    /// # Errors
    /// Those of opening and reading the directory.
    pub fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        self.open_dir(path)?
            .for_each_name(|name, _| names.push(OsString::from_vec(name.to_vec())))?;
        Ok(names)
    }

    /// The content of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// Those of [`Root::open_file`] and of reading; [`io::ErrorKind::FileTooLarge`] beyond `limit`.
    pub fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let (file, stat) = self.open_file(path)?;
        Ok(read_bounded(&file, &stat, limit, &mut Vec::new())?.to_vec())
    }

    fn open(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        watch::asked(path);
        match &self.anchor {
            None => {
                let (start, path) = self.start(path);
                Ok(open_at(start, path, flags, Mode::empty())?)
            }
            Some(anchor) => walk(anchor.as_fd(), path, &WithinRoot)?.open(flags),
        }
    }
}

#[cfg(test)]
mod tests;
