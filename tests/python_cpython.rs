//! CPython's own tests of `importlib.metadata`, and those of the importlib_metadata backport, after
//! `epcache.install()`: on every CPython from 3.10 up, without an index and with one.
//!
//! In: the tests that come with an interpreter, and those that `tests/setup` has put beside the backport's. What
//! is run, when the index is made, and what is left out and why: `python_cpython.py`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::path::{Path, PathBuf};

use support::{Interpreter, interpreters, repository, run, say, skip, text, tree, within};

/// When the index is made: never, before a case, or before each search of a case.
const MOMENTS: [&str; 3] = ["never", "before", "asked"];

#[test]
fn cpythons_own_tests_pass_after_install() {
    each_python(|python| {
        let probe = "import test.test_importlib.test_api";
        let mut command = within(60, &python.executable);
        let there = run(command.args(["-I", "-B", "-c", probe]))
            .status
            .success();
        if !there {
            let name = format!("{} with its own tests", python.executable.display());
            skip(&name, "it is installed without its package `test`");
        }
        there.then(Vec::new)
    });
}

#[test]
fn the_backports_own_tests_pass_after_install() {
    each_python(|python| {
        let minor = python.version.rsplitn(2, '.').last().unwrap_or_default();
        let tests = tree(&format!("oracle-tests-{minor}"))?;
        Some(vec![python.backport.clone()?, tests])
    });
}

/// Runs the tests on every Python for which there are any; all of what failed is said at the end.
fn each_python(libraries_and_tests: impl Fn(&Interpreter) -> Option<Vec<PathBuf>>) {
    let mut failures = Vec::new();
    for python in interpreters() {
        let Some(arguments) = libraries_and_tests(&python) else {
            continue;
        };
        for moment in MOMENTS {
            failures.extend(failure(&python.executable, moment, &arguments));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn failure(python: &Path, moment: &str, arguments: &[PathBuf]) -> Option<String> {
    let mut command = within(300, python);
    command
        .arg("-B")
        .arg(repository().join("tests/python_cpython.py"))
        .args([env!("CARGO_BIN_EXE_epcache"), moment])
        .args(arguments);
    let output = run(&mut command);
    say(&format!(
        "{}: {}",
        python.display(),
        text(&output.stdout).trim_end()
    ));
    (!output.status.success()).then(|| {
        let told = text(&output.stderr);
        format!("{}, index {moment}:\n{told}", python.display())
    })
}
