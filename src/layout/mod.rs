//! Which search directories exist: what is on `sys.path` of which interpreter, found without
//! running one.
//!
//! In comes a [`Root`] and what to look for (the system, a user, a virtual environment, paths given
//! by hand); out come [`SearchDirectory`] values with the exact strings that CPython has on
//! `sys.path`, and [`Note`]s about what was seen and not followed. The rules are those of CPython's
//! getpath and `site`, and of the distributions' patches to it; docs/layout.md has them in prose.
//!
//! This room never runs Python code (import lines of `.pth` files are reported, no more), and does
//! not look inside search directories beyond their `.pth` files. Since that takes a listing of each, what else
//! was in it goes along, for who is to read it.

mod aliases;
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

pub use find::{Wanted, find_interpreter};
pub use interpreter::{Interpreter, Venv, interpreters, interpreters_in};
pub use pathname::absolute;
pub use rules::{Flavour, SiteRules};
pub use sys_path::{Mode, SysPath, sys_path, sys_path_as};
pub use system::{given, system, user, venv};

use crate::freshness::Names;
#[cfg(doc)]
use crate::rooted::Root;

/// A directory that some interpreter has on `sys.path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchDirectory {
    /// The exact string on `sys.path`. It may lead to nothing, or to an archive.
    pub path: PathBuf,
    /// Other strings that lead to the same directory and occur: `lib64` for `lib`, `/lib` for
    /// `/usr/lib`, the path without links. Sorted. Empty in a [`SysPath`].
    pub aliases: Vec<PathBuf>,
    /// Why it is there.
    pub origin: Origin,
}

/// Why a directory is on `sys.path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The archive of the standard library, which hardly ever exists.
    StdlibZip,
    /// The standard library.
    Stdlib,
    /// The standard library's extension modules.
    DynLoad,
    /// A site directory (`site-packages`, `dist-packages`).
    Site,
    /// The user's own site directory.
    UserSite,
    /// A path line of a `.pth` file.
    Pth {
        /// The file.
        file: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// The administrator's configuration.
    Config,
    /// The command line.
    Given,
}

impl Origin {
    /// The site directory whose `.pth` file adds the directory, if one does.
    #[must_use]
    pub fn pth_site(&self) -> Option<&Path> {
        match self {
            Self::Pth { file, .. } => file.parent(),
            _ => None,
        }
    }

    /// Takes another reason into account: what a `.pth` file adds may be there for a better one.
    fn admit(&mut self, other: Self) {
        if self.pth_site().is_some() && other.pth_site().is_none() {
            *self = other;
        }
    }
}

/// Something that a person may want to know, and that stops nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Note {
    /// The file or directory in question.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What there is to say about it.
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

/// What was listed on the way to the search directories, by the exact string of each.
pub type Listed = BTreeMap<OsString, Names>;

/// The search directories of which records are made.
#[derive(Debug, Default)]
pub struct Found {
    /// The directories, each once.
    pub directories: Vec<SearchDirectory>,
    /// What was seen on the way.
    pub notes: Vec<Note>,
    /// What is on some `sys.path` and gets no record.
    pub left_out: Vec<(PathBuf, Reason)>,
    /// Names in those of the directories that were looked into for `.pth` files.
    pub listed: Listed,
}

/// What was listed on the way is no part of what was found.
impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.directories == other.directories
            && self.notes == other.notes
            && self.left_out == other.left_out
    }
}

impl Eq for Found {}

/// Of so many directories that `.pth` files add records are made, at most.
pub const PTH_DIRECTORIES: usize = 1000;
/// In the directories that the `.pth` files of one site directory add, so many metadata directories are recorded.
pub const PTH_METADATA: usize = 20_000;

/// Why something on `sys.path` gets no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A `.pth` file adds it, and it lies outside of the site directories: a source tree, which
    /// changes without any package manager's doing.
    SourceTree,
    /// A `.pth` file adds it, and it is a file: an egg, a wheel, a zip archive.
    Archive,
    /// `.pth` files add it and others after it, so many in all, and have added too much before.
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
                    "the first of {count} that .pth files add beyond {PTH_DIRECTORIES} directories, or beyond \
                     {PTH_METADATA} metadata directories"
                );
            }
        })
    }
}

/// Why an interpreter or an environment could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file or directory could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
    /// The directory has no `pyvenv.cfg`.
    #[error("{}: not a virtual environment (no pyvenv.cfg)", .0.display())]
    NotAVenv(PathBuf),
    /// The file is not a program, a shell script for instance (pyenv's shims are).
    #[error("{}: not a Python interpreter (not an ELF executable)", .0.display())]
    NotAnInterpreter(PathBuf),
    /// Nothing says which version the executable is.
    #[error("{}: cannot tell its Python version", .0.display())]
    UnknownVersion(PathBuf),
    /// The executable has no standard library where CPython would look for it.
    #[error("{}: no standard library of Python {version} found", path.display())]
    NoStandardLibrary {
        /// The executable.
        path: PathBuf,
        /// The version that was looked for, as in `3.13t`.
        version: String,
    },
    /// No interpreter of the wanted version is installed.
    #[error("no Python {0} found")]
    NoSuchVersion(String),
    /// No interpreter is installed at all.
    #[error("no Python interpreter found")]
    NoInterpreter,
}
