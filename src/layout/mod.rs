//! Which search directories exist: what an interpreter has on `sys.path`, found without running it.
//!
//! The input is a [`Root`] and what to look for: the system, a user, a virtual environment, or
//! given paths. The output is [`SearchDirectory`] values with the exact strings that CPython has on
//! `sys.path`, and [`Note`]s about things that were seen and not followed. The rules are those of
//! CPython's getpath and `site`, and of the distributions' patches to them. docs/layout.md explains
//! them.
//!
//! This room never runs Python code: it only reports the import lines of `.pth` files. It looks for
//! nothing but `.pth` files in search directories. The listing that this needs is part of the
//! output ([`Listed`]), so that other rooms need not list them again.

mod aliases;
mod doubt;
mod find;
mod interpreter;
mod pathname;
mod prefix;
mod pth;
mod pyvenv;
mod rules;
mod site;
mod sys_path;
mod system;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use doubt::doubt;
pub use find::{Wanted, find_interpreter};
pub use interpreter::{Interpreter, Venv, interpreters, interpreters_in};
pub use pathname::absolute;
pub use rules::{Flavour, SiteRules};
pub use sys_path::{Mode, SysPath, sys_path, sys_path_as};
pub use system::{given, system, user, venv};

use crate::freshness::Names;
#[cfg(doc)]
use crate::rooted::Root;

/// A directory that an interpreter has on `sys.path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchDirectory {
    /// The exact string on `sys.path`. It may lead nowhere, or to an archive.
    pub path: PathBuf,
    /// Other strings in use that lead to the same directory: `lib64` for `lib`, `/lib` for
    /// `/usr/lib`, the path without links. Sorted. Empty in a [`SysPath`].
    pub aliases: Vec<PathBuf>,
    /// Why it is on `sys.path`.
    pub origin: Origin,
}

/// Why a directory is on `sys.path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The archive of the standard library, which rarely exists.
    StdlibZip,
    /// The standard library.
    Stdlib,
    /// The standard library's extension modules.
    DynLoad,
    /// A site directory (`site-packages`, `dist-packages`).
    Site,
    /// The user site directory.
    UserSite,
    /// A path line of a `.pth` file.
    Pth {
        /// The file.
        file: PathBuf,
        /// Its line, counted from 1.
        line: usize,
    },
    /// The administrator's configuration names it.
    Config,
    /// The command line names it.
    Given,
}

impl Origin {
    /// The site directory of the `.pth` file that adds this directory, if one does.
    #[must_use]
    pub fn pth_site(&self) -> Option<&Path> {
        match self {
            Self::Pth { file, .. } => file.parent(),
            _ => None,
        }
    }

    /// Adds another reason. It replaces a `.pth` file.
    fn admit(&mut self, other: Self) {
        if self.pth_site().is_some() && other.pth_site().is_none() {
            *self = other;
        }
    }
}

/// Information for the user that stops nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Note {
    /// The file or directory in question.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// The information.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        write!(formatter, ": {}", self.text)
    }
}

/// The names in the search directories that were listed, by the exact string of each.
pub type Listed = BTreeMap<OsString, Names>;

/// The search directories that get a record.
#[derive(Debug, Default)]
pub struct Found {
    /// The directories, each only once.
    pub directories: Vec<SearchDirectory>,
    /// Information about things on the way.
    pub notes: Vec<Note>,
    /// Directories on a `sys.path` that get no record.
    pub left_out: Vec<(PathBuf, Reason)>,
    /// The names in the directories that were listed to look for `.pth` files.
    pub listed: Listed,
}

/// The listings are not part of what was found.
impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.directories == other.directories
            && self.notes == other.notes
            && self.left_out == other.left_out
    }
}

impl Eq for Found {}

/// The maximum number of directories from `.pth` files that get a record.
pub const PTH_DIRECTORIES: usize = 1000;
/// The maximum number of metadata directories that are recorded in the directories that the `.pth`
/// files of one site directory add.
pub const PTH_METADATA: usize = 20_000;

/// Why a directory on `sys.path` gets no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A `.pth` file adds it, and it lies outside of the site directories. Such a source tree
    /// changes without a package manager.
    SourceTree,
    /// A `.pth` file adds it, and it is a file: an egg, a wheel, or a zip archive.
    Archive,
    /// `.pth` files add it and others after it, of which this is the number, beyond one of the
    /// limits.
    TooMuch(usize),
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SourceTree => "added by a .pth file, outside of the site directories",
            Self::Archive => "added by a .pth file, an archive",
            Self::TooMuch(count) => {
                return write!(
                    formatter,
                    "the first of {count} that .pth files add beyond {PTH_DIRECTORIES} \
                     directories, or beyond {PTH_METADATA} metadata directories"
                );
            }
        })
    }
}

/// Why an interpreter or an environment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file or directory could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path to read.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The directory has no `pyvenv.cfg`.
    #[error("{}: not a virtual environment (no pyvenv.cfg)", .0.display())]
    NotAVenv(PathBuf),
    /// The file is not a program. It may be a shell script, as pyenv's shims are.
    #[error("{}: not a Python interpreter (not an ELF executable)", .0.display())]
    NotAnInterpreter(PathBuf),
    /// Nothing tells the version of the executable.
    #[error("{}: cannot tell its Python version", .0.display())]
    UnknownVersion(PathBuf),
    /// The executable has no standard library where CPython would look for it.
    #[error("{}: no standard library of Python {version} found", path.display())]
    NoStandardLibrary {
        /// The executable.
        path: PathBuf,
        /// The version to look for, for example `3.13t`.
        version: String,
    },
    /// No interpreter of the wanted version is installed.
    #[error("no Python {0} found")]
    NoSuchVersion(String),
    /// No interpreter is installed at all.
    #[error("no Python interpreter found")]
    NoInterpreter,
}
