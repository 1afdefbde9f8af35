//! Finds the one interpreter that a command line means.
//!
//! The input is what the user wants, and `PATH`. The output is an [`Interpreter`], or an error that
//! says what was looked for. Scripts named `python3` (pyenv's shims) are ignored.

use std::ffi::OsStr;
use std::io::ErrorKind::PermissionDenied;
use std::path::{Path, PathBuf};

use crate::rooted::Root;

use super::interpreter::sorted_newest_first;
use super::pathname::{absolute, joined};
use super::prefix::Abi;
use super::{Interpreter, LayoutError, interpreters};

/// The interpreter that the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// `python3` on PATH, else `/usr/bin/python3`, else the newest one found.
    Default,
    /// A version: `3`, `3.12`, `3.13t`.
    Version(String),
    /// A program at this path.
    Executable(PathBuf),
    /// The interpreter of the virtual environment in this directory.
    Venv(PathBuf),
}

/// Finds an interpreter. `path_env` is the value of `PATH`. It is ignored below a root of its own,
/// where it has no meaning.
///
/// # Errors
/// If there is none, or the named one is not understood.
pub fn find_interpreter(
    root: &Root,
    wanted: &Wanted,
    path_env: Option<&OsStr>,
) -> Result<Interpreter, LayoutError> {
    let path_env = path_env.filter(|_| root.is_system());
    match wanted {
        Wanted::Default => default(root, path_env).ok_or(LayoutError::NoInterpreter),
        Wanted::Version(version) if version == "3" => {
            default(root, path_env).ok_or_else(|| LayoutError::NoSuchVersion(version.clone()))
        }
        Wanted::Version(version) => of_version(root, version, path_env)
            .ok_or_else(|| LayoutError::NoSuchVersion(version.clone())),
        Wanted::Executable(path) => Interpreter::of_executable(root, &absolute(root, path)),
        Wanted::Venv(dir) => in_venv(root, dir),
    }
}

fn default(root: &Root, path_env: Option<&OsStr>) -> Option<Interpreter> {
    on_path(root, "python3", path_env)
        .or_else(|| Interpreter::of_executable(root, Path::new("/usr/bin/python3")).ok())
        .or_else(|| sorted_newest_first(interpreters(root)).into_iter().next())
}

fn of_version(root: &Root, version: &str, path_env: Option<&OsStr>) -> Option<Interpreter> {
    let abi = Abi::of_name(&format!("python{version}"))?;
    // Try the name as given first: `3.14d`, `3.14-dbg`.
    [format!("python{version}"), abi.directory()]
        .iter()
        .filter_map(|name| on_path(root, name, path_env))
        .find(|found| found.abi() == abi)
        .or_else(|| {
            interpreters(root)
                .into_iter()
                .find(|found| found.abi() == abi)
        })
}

fn on_path(root: &Root, name: &str, path_env: Option<&OsStr>) -> Option<Interpreter> {
    std::env::split_paths(path_env?)
        .filter(|directory| directory.is_absolute())
        .find_map(|directory| Interpreter::of_executable(root, &joined(&directory, name)).ok())
}

/// The interpreter of a virtual environment.
pub(super) fn in_venv(root: &Root, dir: &Path) -> Result<Interpreter, LayoutError> {
    let dir = absolute(root, dir);
    if !root.is_file(&joined(&dir, "pyvenv.cfg")) {
        return Err(LayoutError::NotAVenv(dir));
    }
    let bin = joined(&dir, "bin");
    let mut names: Vec<_> = root.list(&bin).unwrap_or_default();
    names.retain(|name| name.to_str().and_then(Abi::of_name).is_some());
    names.sort_unstable();
    let mut result = Interpreter::of_executable(root, &joined(&bin, "python"));
    for name in ["python3".into()].iter().chain(&names) {
        if result.is_ok() {
            break;
        }
        if let Ok(found) = Interpreter::of_executable(root, &joined(&bin, name)) {
            result = Ok(found);
        }
    }
    match result {
        Err(LayoutError::Io { source, .. }) if source.kind() == PermissionDenied => {
            Interpreter::of_venv(root, &dir).ok_or(LayoutError::UnknownVersion(dir))
        }
        result => result,
    }
}
