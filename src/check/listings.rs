//! Directories, each listed once.
//!
//! Some of them are held open, so that files in them are reached without walking the whole path
//! again.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::rooted::{Directory, FileType, Root, file_type, is_missing};

/// The maximum number of names, of all directories together.
const MOST_NAMES: usize = 2_000_000;
/// So many directories are held open. A process that reads may have 1024 files open.
const MOST_HELD: usize = 256;

/// The directories that were asked for.
pub(super) struct Listings<'r> {
    root: &'r Root,
    by_path: HashMap<PathBuf, HashSet<Vec<u8>>>,
    held: HashMap<PathBuf, Directory<'r>>,
    count: usize,
    nothing: HashSet<Vec<u8>>,
    /// Directories that exist but cannot be listed.
    closed: HashSet<PathBuf>,
}

impl<'r> Listings<'r> {
    pub(super) fn new(root: &'r Root) -> Self {
        Self {
            root,
            by_path: HashMap::new(),
            held: HashMap::new(),
            count: 0,
            nothing: HashSet::new(),
            closed: HashSet::new(),
        }
    }

    pub(super) fn root(&self) -> &'r Root {
        self.root
    }

    /// The names in a directory. Empty if it cannot be listed.
    pub(super) fn names(&mut self, directory: &Path) -> &HashSet<Vec<u8>> {
        if !self.by_path.contains_key(directory) {
            let names = self.list(directory);
            self.count += names.len();
            self.by_path.insert(directory.to_owned(), names);
        }
        self.by_path.get(directory).unwrap_or(&self.nothing)
    }

    fn list(&mut self, path: &Path) -> HashSet<Vec<u8>> {
        let room = MOST_NAMES.saturating_sub(self.count);
        match self.read(path, room) {
            Ok((names, directory)) => {
                if self.held.len() < MOST_HELD {
                    self.held.insert(path.to_owned(), directory);
                }
                names
            }
            Err(error) => {
                if !is_missing(&error) {
                    self.closed.insert(path.to_owned());
                }
                HashSet::new()
            }
        }
    }

    /// The names in a directory that is looked at once.
    pub(super) fn names_once(&self, path: &Path) -> HashSet<Vec<u8>> {
        let names = self.read(path, MOST_NAMES);
        names.map(|(names, _)| names).unwrap_or_default()
    }

    fn read(&self, path: &Path, room: usize) -> io::Result<(HashSet<Vec<u8>>, Directory<'r>)> {
        let mut names = HashSet::new();
        let directory = self.open(path)?;
        directory.for_each_name(|name, _| {
            if names.len() < room {
                names.insert(name.to_vec());
            }
        })?;
        Ok((names, directory))
    }

    fn open(&self, path: &Path) -> io::Result<Directory<'r>> {
        let parent = path.parent().and_then(|parent| self.held.get(parent));
        match parent.zip(path.file_name()) {
            Some((parent, name)) => parent.open_entry(name.as_bytes()),
            None => self.root.open_dir(path),
        }
    }

    /// What a name in a directory is, links followed; None where there is nothing.
    pub(super) fn kind(&mut self, directory: &Path, name: &[u8]) -> Option<FileType> {
        if !self.names(directory).contains(name) {
            return None;
        }
        let stat = match self.held.get(directory) {
            Some(held) => held.stat_entry(name),
            None => self.root.stat(&directory.join(OsStr::from_bytes(name))),
        };
        stat.ok().map(|stat| file_type(&stat))
    }

    /// A directory that is held open.
    pub(super) fn held(&self, directory: &Path) -> Option<&Directory<'r>> {
        self.held.get(directory)
    }

    /// Whether one of the directories could not be listed.
    pub(super) fn is_closed(&self, directory: &Path) -> bool {
        self.closed.contains(directory)
    }

    /// Whether there were too many names.
    pub(super) fn is_full(&self) -> bool {
        self.count >= MOST_NAMES
    }
}
