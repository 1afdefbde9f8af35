//! The names in directories, each listed once.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::rooted::{Root, is_missing};

/// So many names are kept, of all directories together.
const MOST_NAMES: usize = 2_000_000;

/// The names in the directories that were asked for.
#[derive(Debug, Default)]
pub(super) struct Listings {
    by_path: HashMap<PathBuf, HashSet<Vec<u8>>>,
    count: usize,
    nothing: HashSet<Vec<u8>>,
    /// Those that could not be listed, although they are there.
    closed: HashSet<PathBuf>,
}

impl Listings {
    /// The names in a directory; none where it cannot be listed.
    pub(super) fn names(&mut self, root: &Root, directory: &Path) -> &HashSet<Vec<u8>> {
        if !self.by_path.contains_key(directory) {
            let names = self.list(root, directory);
            self.count += names.len();
            self.by_path.insert(directory.to_owned(), names);
        }
        self.by_path.get(directory).unwrap_or(&self.nothing)
    }

    fn list(&mut self, root: &Root, directory: &Path) -> HashSet<Vec<u8>> {
        let mut names = HashSet::new();
        let room = MOST_NAMES.saturating_sub(self.count);
        let listed = root.open_dir(directory).and_then(|opened| {
            opened.for_each_name(|name, _| {
                if names.len() < room {
                    names.insert(name.to_vec());
                }
            })
        });
        if listed.is_err_and(|error| !is_missing(&error)) {
            self.closed.insert(directory.to_owned());
        }
        names
    }

    /// Whether a directory was asked for that cannot be listed.
    pub(super) fn is_closed(&self, directory: &Path) -> bool {
        self.closed.contains(directory)
    }

    /// Whether there was no room for all names.
    pub(super) fn is_full(&self) -> bool {
        self.count >= MOST_NAMES
    }
}
