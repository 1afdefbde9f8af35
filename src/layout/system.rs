//! The search directories that get a record: for the system, a user, a virtual environment, or
//! given paths.
//!
//! The input is what to look for. The output is a [`Found`], the union over all interpreters.
//! Directories that `.pth` files add outside of the site directories are left out: they are source
//! trees, which change without a package manager, so readers scan them live.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;
use std::path::{Path, PathBuf};

use crate::freshness::Names;
use crate::rooted::Root;

use super::interpreter::{SYSTEM_PREFIXES, version_directories};
use super::pathname::{absolute, joined};
use super::rules::SiteRules;
use super::sys_path::{Builder, Mode};
use super::{
    Found, LayoutError, Note, Origin, PTH_DIRECTORIES, PTH_METADATA, Reason, SearchDirectory,
    aliases, find, interpreters, site,
};

/// The search directories of all the system's interpreters, the site directories of versions
/// without an interpreter, and `extra` ones from the configuration.
#[must_use]
pub fn system(root: &Root, extra: &[PathBuf]) -> Found {
    let mut gathered = Gathered::default();
    for interpreter in &interpreters(root) {
        gathered.add(
            root,
            Builder::started(root, interpreter, Mode::Ordinary(None)),
        );
    }
    for path in orphans(root) {
        gathered.add_one(path, Origin::Site);
    }
    for path in extra {
        gathered.add_one(absolute(root, path), Origin::Config);
    }
    gathered.finish(root)
}

/// The existing site directories of all versions below the system's prefixes, with or without an
/// interpreter.
fn orphans(root: &Root) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for prefix in SYSTEM_PREFIXES.map(Path::new) {
        for libdir in ["lib64", "lib"] {
            let lib = joined(prefix, libdir);
            paths.push(joined(&lib, "python3/dist-packages"));
            for abi in version_directories(root, prefix) {
                let python = joined(&lib, abi.directory());
                paths.push(joined(&python, "site-packages"));
                paths.push(joined(&python, "dist-packages"));
            }
        }
    }
    paths.retain(|path| root.is_dir(path));
    paths
}

/// The existing user site directories of all versions: `lib/python3.X/site-packages` below
/// `user_base` (`PYTHONUSERBASE`), or below `.local` in `home`.
#[must_use]
pub fn user(root: &Root, home: &Path, user_base: Option<&Path>) -> Found {
    let base = user_base.map_or_else(|| joined(home, ".local"), Path::to_owned);
    let known = interpreters(root);
    let mut gathered = Gathered::default();
    for abi in version_directories(root, &base) {
        let path = site::user_site(&base, &abi.directory());
        if !root.is_dir(&path) {
            continue;
        }
        let rules = known
            .iter()
            .find(|interpreter| interpreter.abi() == abi)
            .map_or_else(|| SiteRules::of_version(abi.version), |found| found.rules);
        let mut builder = Builder::new(root, rules);
        builder.add_site_directory(&path, Origin::UserSite);
        gathered.add(root, builder);
    }
    gathered.finish(root)
}

/// The site directories of a virtual environment itself. Those of its base belong to the system.
///
/// # Errors
/// If the directory is not a virtual environment, or its interpreter is not understood.
pub fn venv(root: &Root, dir: &Path) -> Result<Found, LayoutError> {
    let interpreter = find::in_venv(root, dir)?;
    let mut builder = Builder::new(root, interpreter.rules);
    if let Some(venv) = &interpreter.venv {
        builder.add_site_packages(&interpreter, std::slice::from_ref(&venv.prefix));
    }
    let mut gathered = Gathered::default();
    gathered.add(root, builder);
    Ok(gathered.finish(root))
}

/// The given paths in order. Relative paths become absolute as with `os.path.abspath`. Absolute
/// ones stay as they are written.
#[must_use]
pub fn given(root: &Root, paths: &[PathBuf]) -> Found {
    let directories = paths
        .iter()
        .map(|path| {
            let path = absolute(root, path);
            SearchDirectory {
                aliases: aliases::of(root, &path),
                path,
                origin: Origin::Given,
            }
        })
        .collect();
    Found {
        directories,
        ..Found::default()
    }
}

#[derive(Default)]
struct Gathered {
    found: Found,
    /// Directories beyond a limit.
    too_much: Vec<PathBuf>,
}

impl Gathered {
    fn add(&mut self, root: &Root, Builder { path, listed, .. }: Builder<'_>) {
        let sites: Vec<PathBuf> = path
            .entries
            .iter()
            .filter(|entry| matches!(entry.origin, Origin::Site | Origin::UserSite))
            .map(|entry| entry.path.clone())
            .collect();
        for entry in path.entries {
            let reason = match entry.origin {
                Origin::Pth { .. } if !root.is_dir(&entry.path) => Some(Reason::Archive),
                Origin::Pth { .. } if !is_below(&entry.path, &sites) => Some(Reason::SourceTree),
                _ => None,
            };
            match reason {
                None if self.is_full(&entry) => self.too_much.push(entry.path),
                Some(reason) => self.found.left_out.push((entry.path, reason)),
                None => self.add_one(entry.path, entry.origin),
            }
        }
        self.found.notes.extend(path.notes);
        self.found.listed.extend(listed);
    }

    /// Whether a `.pth` file adds the directory, and the limit of such directories is reached.
    fn is_full(&self, directory: &SearchDirectory) -> bool {
        let by_pth = |it: &&SearchDirectory| it.origin.pth_site().is_some();
        by_pth(&directory)
            && self.found.directories.iter().filter(by_pth).count() >= PTH_DIRECTORIES
    }

    /// Leaves out directories that `.pth` files add: for each site directory, from the first one on
    /// that exceeds the limit of metadata directories.
    fn leave_out_too_much(&mut self, root: &Root) {
        let mut rooms: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for directory in std::mem::take(&mut self.found.directories) {
            if let Some(site) = directory.origin.pth_site() {
                let room = rooms.entry(site.to_owned()).or_insert(PTH_METADATA);
                let opened = root.open_dir(&directory.path).ok().filter(|_| *room > 0);
                let names = opened.and_then(|opened| Names::list(&opened, |_| ()).ok());
                let count = names.as_ref().map_or(0, Names::count);
                if count > *room || *room == 0 {
                    *room = 0;
                    self.too_much.push(directory.path);
                    continue;
                }
                *room -= count;
                let key = directory.path.clone().into_os_string();
                self.found.listed.extend(names.map(|names| (key, names)));
            }
            self.found.directories.push(directory);
        }
        let count = self.too_much.len();
        let first = self.too_much.drain(..).next();
        let left_out = first.map(|path| (path, Reason::TooMuch(count)));
        self.found.left_out.extend(left_out);
    }

    fn add_one(&mut self, path: PathBuf, origin: Origin) {
        let known = |entry: &&mut SearchDirectory| entry.path.as_os_str() == path.as_os_str();
        match self.found.directories.iter_mut().find(known) {
            Some(known) => known.origin.admit(origin),
            None => self.found.directories.push(SearchDirectory {
                path,
                aliases: Vec::new(),
                origin,
            }),
        }
    }

    fn finish(mut self, root: &Root) -> Found {
        let known: HashSet<&Path> = self.found.directories.iter().map(|it| &*it.path).collect();
        self.too_much.retain(|path| !known.contains(&**path));
        dedup_keeping_order(&mut self.too_much);
        self.found.directories = aliases::folded(root, self.found.directories);
        dedup_keeping_order(&mut self.found.left_out);
        self.leave_out_too_much(root);
        dedup_keeping_order::<Note>(&mut self.found.notes);
        self.found
    }
}

fn is_below(path: &Path, sites: &[PathBuf]) -> bool {
    sites.iter().any(|site| path.starts_with(site))
}

fn dedup_keeping_order<T: Hash + Eq + Clone>(items: &mut Vec<T>) {
    let mut kept = HashSet::with_capacity(items.len());
    items.retain(|item| kept.insert(item.clone()));
}
