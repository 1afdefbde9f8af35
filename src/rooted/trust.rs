//! Which links count on a way that root goes: those that only root could have made.
//!
//! Root is led by a link wherever the link's maker wants. So a link counts only where it is root's, where
//! only root can change the directories that lead to it, and where the file system says the truth about
//! owners. A stick, an image or a file server may say "root" of everything. Whoever may mount those mounts
//! them `nosuid`. Without that option their maker could become root anyway.
//!
//! Directories on the way may be anybody's: without links, a path leads nowhere else.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FileStat, Mode, fstat, stat};
use nix::sys::statfs::fstatfs;
use nix::sys::statvfs::{FsFlags, fstatvfs};

use super::walk::{Guide, STEP, Walked, walk};
use super::{open_at, watch};
use crate::owner::is_unmapped;
use crate::process::is_proc;

/// Why root does not go a way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untrusted {
    /// A component could not be opened.
    #[error("{}: {error}", path.display())]
    Io {
        /// Its path.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// Somebody else may have made the link.
    #[error("{} is a link, and {why}: name the directory that is meant by its path without links", path.display())]
    Link {
        /// Its path.
        path: PathBuf,
        /// Why others than root could have made it.
        why: String,
    },
    /// The link is root's and leads to nothing.
    #[error("{} is a link that leads nowhere: make what it leads to", path.display())]
    Nowhere {
        /// Its path.
        path: PathBuf,
    },
}

/// Follows the links that only root could have made.
pub(crate) struct TrustedLinks {
    /// Makes what is missing, but not behind a link: that may be meant for somewhere else.
    pub(crate) make: Option<fn(&Walked<'_>, &OsStr) -> io::Result<OwnedFd>>,
}

impl TrustedLinks {
    /// Opens (by O_PATH) what an absolute path of the running system leads to.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub(crate) fn open(&self, path: &Path) -> Result<Opened, Untrusted> {
        watch::asked(path);
        let failed = |error: io::Error| self.failed(path.to_owned(), error);
        let top = open_at(AT_FDCWD, "/", STEP, Mode::empty()).map_err(|it| failed(it.into()))?;
        let walked = walk(top.as_fd(), path, self)?;
        let fd = walked.fd().try_clone_to_owned().map_err(failed)?;
        let mut directories = walked.directories();
        Ok(Opened {
            is_root_s: directories.all(|it| fstat(it).is_ok_and(|stat| !is_changeable(&stat))),
            real: walked.path(),
            fd,
        })
    }
}

/// What was opened on a way that root goes.
pub(crate) struct Opened {
    /// Its path without links.
    pub(crate) real: PathBuf,
    /// Opened by O_PATH.
    pub(crate) fd: OwnedFd,
    /// Whether only root could put something else in its place.
    pub(crate) is_root_s: bool,
}

impl From<Untrusted> for io::Error {
    fn from(untrusted: Untrusted) -> Self {
        match untrusted {
            Untrusted::Io { error, .. } => error,
            untrusted => Self::other(untrusted.to_string()),
        }
    }
}

impl Guide for TrustedLinks {
    type Error = Untrusted;

    fn failed(&self, path: PathBuf, error: io::Error) -> Untrusted {
        Untrusted::Io { path, error }
    }

    fn follow(&self, here: &Walked<'_>, name: &OsStr, link: &FileStat) -> Result<(), Untrusted> {
        let path = here.path_of(name);
        match why_not(here, link) {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(Untrusted::Link { path, why }),
            Err(error) => Err(Untrusted::Io { path, error }),
        }
    }

    fn missing(
        &self,
        here: &Walked<'_>,
        name: &OsStr,
        link: Option<&Path>,
    ) -> Result<OwnedFd, Untrusted> {
        let path = here.path_of(name);
        match (link, self.make) {
            (Some(link), _) => Err(Untrusted::Nowhere { path: link.into() }),
            (None, Some(make)) => make(here, name).map_err(|error| self.failed(path, error)),
            (None, None) => Err(self.failed(path, Errno::ENOENT.into())),
        }
    }
}

/// Why others than root could have made a link in the directory where the walk is.
fn why_not(here: &Walked<'_>, link: &FileStat) -> io::Result<Option<String>> {
    if !is_root_s(link.st_uid) {
        return Ok(Some(format!("it belongs to user {}", link.st_uid)));
    }
    // In a sticky directory others cannot touch what root has there, but they can make a link that is
    // root's: a second name of another one.
    let directory = fstat(here.fd())?;
    if is_changeable(&directory) || directory.st_mode & 0o022 != 0 {
        return Ok(Some("others can change the directory that it is in".into()));
    }
    for above in here.directories() {
        if is_changeable(&fstat(above)?) {
            return Ok(Some("others can change a directory above it".into()));
        }
    }
    // What a link there leads to is not what it says.
    if is_proc(fstatfs(here.fd())?.filesystem_type()) {
        return Ok(Some("it is the kernel's, below /proc".into()));
    }
    let is_nosuid = fstatvfs(here.fd())?.flags().contains(FsFlags::ST_NOSUID);
    // In a container or a service, the root file system itself may be mounted so.
    if is_nosuid && directory.st_dev != stat("/")?.st_dev {
        return Ok(Some("its file system is mounted nosuid".into()));
    }
    Ok(None)
}

/// Whether others than root could put something else in the place of what root has in a directory.
fn is_changeable(directory: &FileStat) -> bool {
    let is_writable = directory.st_mode & 0o022 != 0;
    let is_sticky = directory.st_mode & 0o1000 != 0;
    !is_root_s(directory.st_uid) || (is_writable && !is_sticky)
}

/// Whether an owner is root, as far as one can see from here. A user that has no number in this namespace
/// is out of its power, as root is.
pub(crate) fn is_root_s(owner: u32) -> bool {
    owner == 0 || is_unmapped(owner)
}
