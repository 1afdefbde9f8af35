//! Makes a request of what a package manager reports: which search directories were touched.
//!
//! The input is rpm's list of files, or the arguments that dpkg passes to postinst. The output is
//! [`Touched`]. This room only reads text, in constant memory for input of any length, and no files
//! on disk. If something is not known, it counts as touched: a needless refresh costs little, a
//! missing one makes answers wrong.

mod dpkg;
mod relevance;
mod rpm;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

pub use dpkg::dpkg;
pub use rpm::{rpm, rpm_stdin};

/// More directories than this are not listed: a release upgrade, or invalid input.
const MOST_DIRECTORIES: usize = 64;

/// More metadata directories than this are not listed.
const MOST_NAMES: usize = 4096;

/// What a transaction has touched that the index depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// Nothing.
    Nothing,
    /// Something in or below these directories, and nothing elsewhere.
    Directories(BTreeSet<PathBuf>),
    /// These metadata directories, by their parent directory, and nothing else.
    Named(BTreeMap<PathBuf, BTreeSet<Vec<u8>>>),
    /// It is not known.
    Unknown,
}

impl Touched {
    fn add(&mut self, directory: &[u8]) {
        // No package manager has relative paths: this is a name that contains a newline, cut in
        // two.
        if !directory.starts_with(b"/") {
            *self = Self::Unknown;
        }
        let path = OsStr::from_bytes(directory);
        match self {
            Self::Unknown | Self::Named(_) => {}
            Self::Nothing => *self = Self::Directories(BTreeSet::from([path.into()])),
            Self::Directories(known) if known.contains(path.as_ref() as &std::path::Path) => {}
            Self::Directories(known) if known.len() < MOST_DIRECTORIES => {
                known.insert(path.into());
            }
            Self::Directories(_) => *self = Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_directories_are_not_listed() {
        let mut touched = Touched::Nothing;
        for number in 0..MOST_DIRECTORIES {
            touched.add(format!("/d{number}").as_bytes());
            touched.add(b"/d0");
        }
        assert!(matches!(&touched, Touched::Directories(known) if known.len() == MOST_DIRECTORIES));
        touched.add(b"/one more");
        assert_eq!(touched, Touched::Unknown);
        touched.add(b"/d0");
        assert_eq!(touched, Touched::Unknown);
    }
}
