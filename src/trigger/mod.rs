//! What a package manager says becomes a request: were search directories touched, and which.
//!
//! In comes rpm's list of files, or what dpkg has told postinst; out goes [`Touched`]. Only text is
//! looked at here, nothing on disk, and in constant memory, however long it is. What cannot be told
//! counts as touched: to refresh for nothing costs little, not to refresh costs the right answer.

mod dpkg;
mod relevance;
mod rpm;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

pub use dpkg::dpkg;
pub use rpm::{rpm, rpm_stdin};

/// More directories than this are not told apart: a release upgrade, or nonsense.
const MOST_DIRECTORIES: usize = 64;

/// More metadata directories than this are not told apart.
const MOST_NAMES: usize = 4096;

/// What a transaction has touched of what the index depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// Nothing.
    Nothing,
    /// Something in or below these directories, and nowhere else.
    Directories(BTreeSet<PathBuf>),
    /// These metadata directories, by the directory that they are in, and no others.
    Named(BTreeMap<PathBuf, BTreeSet<Vec<u8>>>),
    /// Nobody can tell.
    Unknown,
}

impl Touched {
    fn add(&mut self, directory: &[u8]) {
        // A relative path is none that a package manager knows: a name with a newline in it, cut in two.
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
    fn many_directories_are_all_of_them() {
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
