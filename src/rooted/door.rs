//! A directory that was opened before, for paths whose beginning cannot be gone any more.
//!
//! A process that gives up root's rights cannot enter `/root/venv` by its path: `/root` is closed to others. Where
//! root asks for that tree, it opens it first, and what lies below is then reached from there, with the rights
//! of whoever reaches.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::trust::Opened;
use super::walk::{WithinRoot, walk};

#[derive(Debug)]
pub(super) struct Door {
    /// The path as it was given.
    path: PathBuf,
    /// The same without links.
    real: PathBuf,
    fd: OwnedFd,
}

impl Door {
    pub(super) fn new(path: &Path, opened: Opened) -> Self {
        let path = path.to_owned();
        let Opened { real, fd, .. } = opened;
        Self { path, real, fd }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What is left of a path behind this door, if it leads through it by either name.
    pub(super) fn behind<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        let rest = path
            .strip_prefix(&self.path)
            .or_else(|_| path.strip_prefix(&self.real))
            .ok()?;
        Some(if rest.as_os_str().is_empty() {
            Path::new(".")
        } else {
            rest
        })
    }

    /// The path without links of what is behind the door, if no link leads out again.
    pub(super) fn real_path(&self, rest: &Path) -> io::Result<PathBuf> {
        let walked = walk(self.fd(), rest, &WithinRoot)?;
        if walked.has_left {
            return Err(Errno::EACCES.into());
        }
        let mut real = self.real.clone();
        real.extend(walked.names());
        Ok(real)
    }
}
