//! The Python reader's own tests (`python/tests`) on every interpreter of this machine: CPython
//! from 3.8 on, and PyPy.
//!
//! The input is the program, with which the tests make their indexes, and the importlib_metadata of
//! the interpreter if `tests/setup` has made one. What is skipped there is skipped here, unless
//! `EPCACHE_TEST_REQUIRE_ALL` is set.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use support::{interpreters, repository, run, say, skip, text, tree, within};

/// Executable and importlib_metadata, if there is one.
fn every_python() -> Vec<(PathBuf, Option<PathBuf>)> {
    let listed = interpreters();
    let mut found: Vec<_> = listed
        .into_iter()
        .map(|interpreter| (interpreter.executable, interpreter.backport))
        .collect();
    found.extend(older().into_iter().map(|python| (python, None)));
    let pypy = Path::new("/usr/bin/pypy3");
    if pypy.exists() {
        found.push((pypy.to_owned(), None));
    }
    found
}

/// CPython 3.8 and 3.9, if pyenv has them. They are too old for the list of `tests/setup`.
fn older() -> Vec<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pyenv")));
    let versions = root.and_then(|root| fs::read_dir(root.join("versions")).ok());
    let python = |version: &str, folder: PathBuf| {
        let minor = version.rsplit_once('.')?.0;
        let wanted = ["3.8", "3.9"].contains(&minor);
        let python = folder.join(format!("bin/python{minor}"));
        (wanted && python.exists()).then_some(python)
    };
    let found: BTreeSet<PathBuf> = versions
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| python(&entry.file_name().to_string_lossy(), entry.path()))
        .collect();
    found.into_iter().collect()
}

#[test]
fn the_reader_passes_its_tests_on_every_python() {
    let pythons = every_python();
    if pythons.is_empty() {
        return skip("the Python reader", "there is no Python");
    }
    let failed: Vec<String> = pythons
        .iter()
        .filter_map(|(python, backport)| failure(python, backport.as_deref()))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn failure(python: &Path, backport: Option<&Path>) -> Option<String> {
    let mut command = within(300, python);
    command
        .args(["-B", "-m", "unittest", "discover", "-s"])
        .arg(repository().join("python/tests"))
        .env("EPCACHE_TEST_PROGRAM", env!("CARGO_BIN_EXE_epcache"))
        .env_remove("PYTHONPATH");
    if let Some(backport) = backport {
        command.env("EPCACHE_TEST_BACKPORT", backport);
    }
    let output = run(&mut command);
    let told = text(&output.stderr);
    let last = told.trim_end().lines().last().unwrap_or_default();
    say(&format!("{}: {last}", python.display()));
    (!output.status.success()).then(|| format!("{}:\n{told}", python.display()))
}

#[test]
fn the_readers_types_are_complete_and_right() {
    let Some(venv) = tree("venv") else {
        return;
    };
    let cache = tempfile::tempdir().expect("a temporary directory");
    let mut command = within(600, venv.join("bin/python"));
    command
        .args(["-B", "-m", "mypy", "--strict", "--cache-dir"])
        .arg(cache.path())
        .current_dir(repository().join("python"));
    let output = run(&mut command);
    say(text(&output.stdout).trim_end());
    assert!(output.status.success(), "{}", text(&output.stderr));
}
