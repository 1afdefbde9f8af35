//! `sys.path` of one interpreter, in order.
//!
//! The input is an [`Interpreter`]. The output is its `sys.path` after it has started, entry for
//! entry: first the entries of getpath, then those of the `site` module's `main()`. Code that runs
//! at startup (import lines of `.pth` files, `sitecustomize`, `.start` files) may change it
//! further. That is not visible here.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::freshness::Names;
use crate::rooted::Root;

use super::pathname::{joined, made, normalized, sort_key};
use super::pth::{self, PthFile};
use super::rules::SiteRules;
use super::{Interpreter, Listed, Note, Origin, SearchDirectory, prefix, site};

/// `sys.path`, and information about what was seen on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SysPath {
    /// The entries in order, without aliases.
    pub entries: Vec<SearchDirectory>,
    /// Information about things on the way.
    pub notes: Vec<Note>,
}

/// How the interpreter is started, as far as `sys.path` depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode<'a> {
    /// `python3 -I`: no user site directory, and on Fedora no `/usr/local`.
    Isolated,
    /// `python3`, without the entry for the script's or the working directory, without `PYTHON*`
    /// variables, and with a user base (`~/.local`) if there is one.
    Ordinary(Option<&'a Path>),
}

/// `sys.path` as `python3 -I -c 'import sys; print(sys.path)'` prints it.
#[must_use]
pub fn sys_path(root: &Root, interpreter: &Interpreter) -> SysPath {
    sys_path_as(root, interpreter, Mode::Isolated)
}

/// `sys.path` of an interpreter that is started in the given mode.
#[must_use]
pub fn sys_path_as(root: &Root, interpreter: &Interpreter, mode: Mode<'_>) -> SysPath {
    Builder::started(root, interpreter, mode).path
}

/// The maximum number of notes for the `sys.path` of one interpreter.
const MOST_NOTES: usize = 1000;

/// The prefix that Linux distributions add.
const LOCAL: &str = "/usr/local";

/// `site.PREFIXES` after `site.venv()`.
fn prefixes(interpreter: &Interpreter) -> Vec<PathBuf> {
    let base = [&interpreter.prefix, &interpreter.exec_prefix].map(PathBuf::clone);
    let local = interpreter.rules.local_last.then(|| PathBuf::from(LOCAL));
    match &interpreter.venv {
        None => base.into_iter().chain(local).collect(),
        Some(venv) => {
            let own = std::iter::once(venv.prefix.clone());
            let base = base.into_iter().filter(|_| venv.system_site);
            if interpreter.rules.keeps_prefixes {
                own.chain(local).chain(base).collect()
            } else {
                own.chain(base)
                    .chain(local.filter(|_| venv.system_site))
                    .collect()
            }
        }
    }
}

/// The state of `site.main()`: `sys.path` and `known_paths`.
pub(super) struct Builder<'r> {
    root: &'r Root,
    rules: SiteRules,
    /// Strings, because [`Path`] treats `//` and `/` as equal, and `site` does not.
    known: HashSet<OsString>,
    processed: HashSet<OsString>,
    pub(super) path: SysPath,
    /// The names in the site directories, by their paths.
    pub(super) listed: Listed,
}

impl<'r> Builder<'r> {
    pub(super) fn new(root: &'r Root, rules: SiteRules) -> Self {
        Self {
            root,
            rules,
            known: HashSet::new(),
            processed: HashSet::new(),
            path: SysPath::default(),
            listed: Listed::new(),
        }
    }

    /// The state after the interpreter has started.
    pub(super) fn started(root: &'r Root, interpreter: &Interpreter, mode: Mode<'_>) -> Self {
        let mut builder = Self::new(root, interpreter.rules);
        builder.add_library(interpreter);
        builder.add_sites(interpreter, mode);
        builder
    }

    /// The entries of getpath, after `site.removeduppaths()`.
    fn add_library(&mut self, interpreter: &Interpreter) {
        let Interpreter {
            prefix,
            exec_prefix,
            platlibdir,
            ..
        } = interpreter;
        let abi = interpreter.abi();
        let zip = joined(&joined(prefix, platlibdir), abi.zip());
        self.add(&zip, Origin::StdlibZip);
        self.add(&prefix::stdlib(prefix, platlibdir, abi), Origin::Stdlib);
        self.add(
            &prefix::dynload(exec_prefix, platlibdir, abi),
            Origin::DynLoad,
        );
    }

    /// The entries of `site.main()`: those of the environment, of the user, and of the system.
    fn add_sites(&mut self, interpreter: &Interpreter, mode: Mode<'_>) {
        let venv = interpreter.venv.as_ref();
        let mut user_enabled = mode != Mode::Isolated;
        if let Some(venv) = venv {
            self.add_site_packages(interpreter, std::slice::from_ref(&venv.prefix));
            user_enabled &= venv.system_site;
        }
        let mut prefixes = prefixes(interpreter);
        if user_enabled {
            if let Mode::Ordinary(Some(user_base)) = mode {
                let directory = interpreter.abi().directory();
                let user_site = site::user_site(user_base, &directory);
                if self.root.is_dir(&user_site) {
                    self.add_site_directory(&user_site, Origin::UserSite);
                }
            }
            if interpreter.rules.local_first {
                prefixes.insert(0, PathBuf::from(LOCAL));
            }
        }
        self.add_site_packages(interpreter, &prefixes);
    }

    /// `site.addsitepackages(known_paths, prefixes)`.
    pub(super) fn add_site_packages(&mut self, interpreter: &Interpreter, prefixes: &[PathBuf]) {
        let in_venv = interpreter.venv.is_some();
        for path in site::site_packages(interpreter, prefixes, in_venv) {
            if self.root.is_dir(&path) {
                self.add_site_directory(&path, Origin::Site);
            }
        }
    }

    /// `site.addsitedir(path, known_paths)`.
    pub(super) fn add_site_directory(&mut self, path: &Path, origin: Origin) {
        let path = normalized(path);
        self.add(&path, origin);
        if !self.processed.insert(path.clone().into_os_string()) {
            return;
        }
        let names = match self.list(&path) {
            Ok(names) => names,
            Err(error) => return self.note(&path, None, format!("cannot be listed: {error}")),
        };
        let is_pth = |name: &&OsString| name.as_bytes().ends_with(b".pth");
        let (pth, start): (Vec<_>, Vec<_>) = names.iter().partition(is_pth);
        let start: HashSet<&OsString> = start.into_iter().collect();
        let too_much = self.too_much(&path, &pth);
        for name in pth.into_iter().filter(|name| !too_much.contains(name)) {
            let other = Path::new(name).with_extension("start").into_os_string();
            self.add_pth_file(&path, name, start.contains(&other));
        }
        for name in names.iter().filter(|name| start.contains(name)) {
            let text = "code that each interpreter runs when it starts, not run here";
            self.note(&joined(&path, name), None, text.to_owned());
        }
    }

    /// The names of the files that `site` reads in a site directory, in its order.
    fn list(&mut self, path: &Path) -> io::Result<Vec<OsString>> {
        let SiteRules {
            skip_hidden,
            start_files,
            ..
        } = self.rules;
        let mut names = Vec::new();
        let directory = self.root.open_dir(path)?;
        let listed = Names::list(&directory, |name| {
            let is_read = name.ends_with(b".pth") || (start_files && name.ends_with(b".start"));
            if is_read && !(skip_hidden && name.starts_with(b".")) {
                names.push(OsString::from_vec(name.to_vec()));
            }
        })?;
        self.listed.insert(path.into(), listed);
        names.sort_by_cached_key(|name| sort_key(name));
        Ok(names)
    }

    /// The `.pth` files that are not read, so that one package cannot use up time and memory. The
    /// largest files are dropped (of equal ones the first by name) until the rest fits in
    /// [`pth::LIMIT`].
    fn too_much<'n>(&mut self, directory: &Path, names: &[&'n OsString]) -> HashSet<&'n OsString> {
        let cost = |name| {
            let stat = self.root.stat(&joined(directory, name)).ok();
            let size = stat.and_then(|stat| usize::try_from(stat.st_size).ok());
            size.unwrap_or(0).min(pth::LIMIT) + pth::EACH
        };
        let mut costs: Vec<(usize, &OsString)> = names.iter().map(|it| (cost(*it), *it)).collect();
        costs.sort_by_key(|&(cost, name)| (Reverse(cost), name));
        let mut total = costs
            .iter()
            .fold(0, |sum: usize, it| sum.saturating_add(it.0));
        costs.retain(|(cost, _)| {
            let is_dropped = total > pth::LIMIT;
            total -= if is_dropped { *cost } else { 0 };
            is_dropped
        });
        if let Some((_, largest)) = costs.first() {
            let text = match costs.len() - 1 {
                0 => "not read".to_owned(),
                more => format!("not read, nor {more} more"),
            };
            let limit = pth::LIMIT;
            let text =
                format!("{text}: the .pth files here are together larger than {limit} bytes");
            self.note(&joined(directory, largest), None, text);
        }
        costs.into_iter().map(|it| it.1).collect()
    }

    /// `site.addpackage(directory, name, known_paths)`.
    fn add_pth_file(&mut self, directory: &Path, name: &OsString, replaced: bool) {
        let file = joined(directory, name);
        let content = match self.root.read(&file, pth::LIMIT) {
            Ok(content) => content,
            Err(error) => return self.note(&file, None, format!("cannot be read: {error}")),
        };
        let pth = PthFile::parse(&content, self.rules, replaced);
        for (line, text) in pth.remarks {
            self.note(&file, line, text);
        }
        for (line, text) in pth.paths {
            let path = made(directory, &text);
            if !self.known.contains(path.as_os_str()) && self.root.exists(&path) {
                if !self.root.is_dir(&path) {
                    let text = format!("adds {}, a file: archives are not read", path.display());
                    self.note(&file, Some(line), text);
                }
                let file = file.clone();
                self.add(&path, Origin::Pth { file, line });
            }
        }
    }

    fn add(&mut self, path: &Path, origin: Origin) {
        let path = normalized(path);
        if !self.known.insert(path.clone().into_os_string()) {
            let mut entries = self.path.entries.iter_mut();
            let known = entries.find(|entry| entry.path.as_os_str() == path.as_os_str());
            if let Some(known) = known {
                known.origin.admit(origin);
            }
        } else {
            self.path.entries.push(SearchDirectory {
                path,
                aliases: Vec::new(),
                origin,
            });
        }
    }

    /// Only the first [`MOST_NOTES`] are kept.
    fn note(&mut self, path: &Path, line: Option<usize>, text: String) {
        if self.path.notes.len() >= MOST_NOTES {
            return;
        }
        self.path.notes.push(Note {
            path: path.to_owned(),
            line,
            text,
        });
    }
}
