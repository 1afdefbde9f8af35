//! CPython's own tests of `importlib.metadata` with the stand-in in each of its states, without an
//! index, with one, and with one that is stale; and those of the importlib_metadata backport, which
//! is left alone.
//!
//! In: the tests that come with an interpreter, and those that `tests/setup` has put beside the
//! backport's. The states, and what is left out and why: `python_cpython.py`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::path::{Path, PathBuf};

use support::{Interpreter, interpreters, repository, run, say, skip, text, tree, within};

/// Whether the library has run before a case starts.
const STATES: [&str; 3] = ["fresh", "middle", "start"];
/// Whether there is an index.
const INDEXES: [&str; 3] = ["never", "asked", "stale"];

/// The interpreters whose library the stand-in knows.
fn known() -> Vec<Interpreter> {
    let minor = |python: &Interpreter| {
        let mut parts = python.version.split('.');
        parts.nth(1).and_then(|minor| minor.parse::<u32>().ok())
    };
    let mut pythons = interpreters();
    pythons.retain(|python| minor(python).is_some_and(|minor| (11..14).contains(&minor)));
    pythons
}

#[test]
fn cpythons_own_tests_pass_with_the_stand_in() {
    let mut failures = Vec::new();
    for python in known() {
        let probe = "import test.test_importlib";
        let mut command = within(60, &python.executable);
        let ended = run(command.args(["-I", "-B", "-c", probe]));
        if !ended.status.success() {
            let name = format!("{} with its own tests", python.executable.display());
            skip(&name, "it is installed without its package `test`");
            continue;
        }
        for state in STATES {
            for index in INDEXES {
                failures.extend(failure(&python.executable, state, index, &[]));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_backports_own_tests_pass_with_the_stand_in() {
    let mut failures = Vec::new();
    for python in known() {
        let minor = python.version.rsplitn(2, '.').last().unwrap_or_default();
        let tests = tree(&format!("oracle-tests-{minor}"));
        if let (Some(backport), Some(tests)) = (python.backport.clone(), tests) {
            let libraries = [backport, tests];
            failures.extend(failure(&python.executable, "start", "asked", &libraries));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn failure(python: &Path, state: &str, index: &str, libraries: &[PathBuf]) -> Option<String> {
    let mut command = within(300, python);
    command
        .args(["-B", "-S"])
        .arg(repository().join("tests/python_cpython.py"))
        .args([env!("CARGO_BIN_EXE_epcache"), state, index])
        .args(libraries);
    let output = run(&mut command);
    say(&format!(
        "{}: {}",
        python.display(),
        text(&output.stdout).trim_end()
    ));
    (!output.status.success()).then(|| {
        let told = text(&output.stderr);
        format!("{}, {state}, index {index}:\n{told}", python.display())
    })
}
