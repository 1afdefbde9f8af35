//! A directory that was opened while the process still had the right to reach it.
//!
//! A process that gives up root's rights cannot enter `/root/venv` by its path, because `/root` is
//! closed to others. If root asked for that tree, it is opened first. Paths below it then start
//! from this descriptor, with the rights that the process has at that time.
//!
//! The input is a directory that root has opened, and later a path. The output is the rest of the
//! path behind the directory, or its real path.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::trust::Opened;
use super::walk::{WithinRoot, walk};

#[derive(Debug)]
pub(super) struct Door {
    /// The path as the user gave it.
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

    /// The rest of a path behind this door, if the path begins with either of the door's names.
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

    /// The path without links of something behind the door, if no link leads out again.
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
