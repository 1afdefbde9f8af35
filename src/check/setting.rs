//! Decides for which interpreters packages are checked, and what is on the `sys.path` of each.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::modules::Tag;
use crate::layout::{self, Interpreter, LayoutError, Mode, Origin, SearchDirectory, Wanted};
use crate::rooted::Root;

/// The packages to check.
#[derive(Debug)]
pub enum Scope {
    /// Those of every interpreter of the system.
    System,
    /// Those of one interpreter.
    Interpreter(Wanted),
    /// Those in these directories, in `sys.path` order, for this interpreter.
    Paths(Vec<PathBuf>, Wanted),
}

/// One `sys.path`.
#[derive(Debug)]
pub(super) struct Setting {
    /// The interpreter, as text. `None` if there is none.
    pub(super) label: Option<String>,
    /// `sys.path` without the standard library.
    pub(super) sites: Vec<PathBuf>,
    /// The directories of the standard library, which come before all others. Nothing is installed
    /// there.
    pub(super) library: Vec<PathBuf>,
    /// The version of Python, where it is known.
    pub(super) version: Option<(u8, u8)>,
    pub(super) tag: Tag,
    /// Whether it contains everything that is installed. If not, a missing module may be elsewhere.
    pub(super) is_whole: bool,
}

/// The settings of a scope. `path_env` is the value of `PATH`, `user_base` the user's `~/.local`.
///
/// # Errors
/// [`LayoutError`].
pub(super) fn settings(
    root: &Root,
    scope: &Scope,
    path_env: Option<&OsString>,
    user_base: Option<&Path>,
) -> Result<Vec<Setting>, LayoutError> {
    let find = |wanted| layout::find_interpreter(root, wanted, path_env.map(OsString::as_os_str));
    match scope {
        Scope::System => {
            let interpreters = layout::interpreters(root);
            if interpreters.is_empty() {
                return of_tree(root, None).ok_or(LayoutError::NoInterpreter);
            }
            let mode = Mode::Ordinary(None);
            let settings = interpreters.iter();
            Ok(settings.map(|it| of_interpreter(root, it, mode)).collect())
        }
        Scope::Interpreter(wanted) => match (find(wanted), wanted) {
            (Ok(interpreter), _) => {
                let mode = Mode::Ordinary(user_base);
                Ok(vec![of_interpreter(root, &interpreter, mode)])
            }
            // A package's tree without an interpreter.
            (Err(error @ LayoutError::NoInterpreter), _) => of_tree(root, None).ok_or(error),
            (Err(error @ LayoutError::NoSuchVersion(_)), Wanted::Version(version)) => {
                of_tree(root, Some(version)).ok_or(error)
            }
            (Err(error), _) => Err(error),
        },
        Scope::Paths(paths, wanted) => {
            let found = layout::given(root, paths).directories;
            let mut setting = match find(wanted) {
                Ok(interpreter) => of_interpreter(root, &interpreter, Mode::Isolated),
                Err(_) if *wanted == Wanted::Default => without_interpreter(Vec::new(), None),
                Err(error) => return Err(error),
            };
            setting.sites = found.into_iter().map(|it| it.path).collect();
            setting.is_whole = false;
            Ok(vec![setting])
        }
    }
}

fn is_library(entry: &SearchDirectory) -> bool {
    matches!(
        entry.origin,
        Origin::Stdlib | Origin::StdlibZip | Origin::DynLoad
    )
}

fn of_interpreter(root: &Root, interpreter: &Interpreter, mode: Mode<'_>) -> Setting {
    let entries = layout::sys_path_as(root, interpreter, mode).entries;
    let (major, minor) = interpreter.version;
    let start = format!("cpython-{major}{minor}{}-", interpreter.abi_suffix);
    let mut dynload = entries.iter().filter(|it| it.origin == Origin::DynLoad);
    let tag = dynload.find_map(|it| usual_tag(root, &it.path, &start));
    let (library, sites): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_library);
    let paths = |entries: Vec<SearchDirectory>| entries.into_iter().map(|it| it.path).collect();
    Setting {
        label: Some(interpreter.version_text()),
        sites: paths(sites),
        library: paths(library),
        version: Some(interpreter.version),
        tag: tag.map_or(Tag::Begins(start), Tag::Exactly),
        is_whole: true,
    }
}

/// The tag of most extension modules of the standard library.
fn usual_tag(root: &Root, dynload: &Path, start: &str) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in root.list(dynload).ok()? {
        let tag = name.to_str().and_then(|name| {
            let (_, rest) = name.split_once('.')?;
            rest.strip_suffix(".so")
        });
        if let Some(tag) = tag.filter(|tag| tag.starts_with(start)) {
            *counts.entry(tag.to_owned()).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(tag, _)| tag)
}

/// The settings of a tree without an interpreter: one for each version that has a site directory
/// there.
fn of_tree(root: &Root, wanted: Option<&str>) -> Option<Vec<Setting>> {
    let directories = layout::system(root, &[]).directories;
    let mut by_version: BTreeMap<(u8, u8), Vec<PathBuf>> = BTreeMap::new();
    let mut shared = Vec::new();
    for SearchDirectory { path, .. } in directories {
        match version_in(&path) {
            Some(version) => by_version.entry(version).or_default().push(path),
            None => shared.push(path),
        }
    }
    if let Some(version) = wanted.map(|it| version_of(it.as_bytes())) {
        by_version.retain(|it, _| Some(*it) == version);
        by_version.entry(version?).or_default();
    }
    let mut settings = Vec::new();
    for (version, paths) in by_version {
        let paths: Vec<_> = paths.into_iter().chain(shared.clone()).collect();
        settings.push(without_interpreter(paths, Some(version)));
    }
    if settings.is_empty() && !shared.is_empty() {
        settings.push(without_interpreter(shared, None));
    }
    settings.retain(|it| !it.sites.is_empty());
    (!settings.is_empty()).then_some(settings)
}

fn without_interpreter(sites: Vec<PathBuf>, version: Option<(u8, u8)>) -> Setting {
    let start = version.map_or("cpython-".to_owned(), |(major, minor)| {
        format!("cpython-{major}{minor}")
    });
    Setting {
        label: version.map(|(major, minor)| format!("{major}.{minor}")),
        sites,
        library: Vec::new(),
        version,
        tag: Tag::Begins(start),
        is_whole: false,
    }
}

/// The version in a path such as `/usr/lib/python3.11/site-packages`.
fn version_in(path: &Path) -> Option<(u8, u8)> {
    let mut names = path.components().rev().map(|it| it.as_os_str().as_bytes());
    names.find_map(|name| version_of(name.strip_prefix(b"python")?))
}

fn version_of(text: &[u8]) -> Option<(u8, u8)> {
    let (major, minor) = std::str::from_utf8(text).ok()?.split_once('.')?;
    Some((
        major.parse().ok()?,
        minor.trim_end_matches('t').parse().ok()?,
    ))
}
