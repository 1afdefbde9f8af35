//! Which links root follows: only those that no other user could have made.
//!
//! The input is an absolute path. The output is an open descriptor and the path without links, or
//! the reason why root does not go there ([`Untrusted`]).
//!
//! A link leads root to a place that the link's maker has chosen. So root follows a link only if
//! root owns it, only root can change the directories above it, and the file system's owners can be
//! believed. A USB stick, an image or a file server may name root as the owner of everything. They
//! are usually mounted `nosuid`: without that option their maker could become root anyway.
//!
//! Directories on the way may belong to any user: without links, a path leads nowhere else.

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

/// Why root does not follow a path.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untrusted {
    /// A component could not be opened.
    #[error("{}: {error}", path.display())]
    Io {
        /// Its path.
        path: PathBuf,
        /// The error of the kernel.
        error: io::Error,
    },
    /// Another user may have made the link.
    #[error(
        "{} is a link, and {why}: give the path of the directory without links",
        path.display()
    )]
    Link {
        /// Its path.
        path: PathBuf,
        /// Why users other than root could have made it.
        why: String,
    },
    /// The link is root's, but leads nowhere.
    #[error("{} is a link that leads nowhere: create its target", path.display())]
    Nowhere {
        /// Its path.
        path: PathBuf,
    },
}

/// Follows the links that only root could have made.
pub(crate) struct TrustedLinks {
    /// Creates a missing directory. Not used behind a link, because that link may be meant for
    /// somewhere else.
    pub(crate) make: Option<fn(&Walked<'_>, &OsStr) -> io::Result<OwnedFd>>,
}

impl TrustedLinks {
    /// Opens (with O_PATH) the place that an absolute path of the running system leads to.
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

/// What was opened on a path that root may follow.
pub(crate) struct Opened {
    /// The path without links.
    pub(crate) real: PathBuf,
    /// Opened with O_PATH.
    pub(crate) fd: OwnedFd,
    /// Whether only root could replace it by something else.
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

/// Why users other than root could have made a link in the directory that the walk has reached.
fn why_not(here: &Walked<'_>, link: &FileStat) -> io::Result<Option<String>> {
    if !is_root_s(link.st_uid) {
        return Ok(Some(format!("it belongs to user {}", link.st_uid)));
    }
    // In a sticky directory other users cannot touch root's files. But they can make a link there
    // that root owns: a hard link to another link of root's.
    let directory = fstat(here.fd())?;
    if is_changeable(&directory) || directory.st_mode & 0o022 != 0 {
        return Ok(Some("other users can change its directory".into()));
    }
    for above in here.directories() {
        if is_changeable(&fstat(above)?) {
            return Ok(Some("other users can change a directory above it".into()));
        }
    }
    // A link below /proc does not lead to the target that it names.
    if is_proc(fstatfs(here.fd())?.filesystem_type()) {
        return Ok(Some("it is the kernel's, below /proc".into()));
    }
    let is_nosuid = fstatvfs(here.fd())?.flags().contains(FsFlags::ST_NOSUID);
    // In a container or a service, the root file system itself may be mounted nosuid.
    if is_nosuid && directory.st_dev != stat("/")?.st_dev {
        return Ok(Some("its file system is mounted nosuid".into()));
    }
    Ok(None)
}

/// Whether users other than root could replace what root has in a directory.
fn is_changeable(directory: &FileStat) -> bool {
    let is_writable = directory.st_mode & 0o022 != 0;
    let is_sticky = directory.st_mode & 0o1000 != 0;
    !is_root_s(directory.st_uid) || (is_writable && !is_sticky)
}

/// Whether an owner is root, as far as this process can see. A user without a number in this user
/// namespace has no rights in it, so such a user counts as root.
pub(crate) fn is_root_s(owner: u32) -> bool {
    owner == 0 || is_unmapped(owner)
}
