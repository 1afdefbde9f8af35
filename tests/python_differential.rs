//! The Python reader gives the same answer as the library of the same interpreter, or leaves the
//! question to it: for real installations and generated ones with every odd case, on every Python
//! that `tests/setup` finds.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use support::{
    Interpreter, epcache, from_json, interpreters, newest_oracle, path_arguments, public_directory,
    repository, run, run_with_input, say, text, tree, within,
};

/// A user that owns nothing.
const NOBODY: u32 = 65534;

/// The questions for `python/tests/quick_answers.py`, and its results: answers, questions left to
/// the library, faults.
#[derive(Serialize)]
struct Quick<'p> {
    path: &'p [PathBuf],
    index: PathBuf,
}

type QuickReply = (usize, usize, Vec<String>);

fn ask_quick(
    python: &Interpreter,
    user: Option<u32>,
    folder: &Path,
    paths: &[&Vec<PathBuf>],
) -> Vec<QuickReply> {
    let questions: Vec<_> = paths
        .iter()
        .enumerate()
        .map(|(number, path)| {
            let index = folder.join(number.to_string());
            if !index.exists() {
                let mut refresh = epcache();
                refresh.arg("refresh").args(path_arguments(path));
                run(refresh.arg("--output").arg(&index));
            }
            Quick { path, index }
        })
        .collect();
    let mut command = within(600, &python.executable);
    command
        .args(["-B", "-s"])
        .arg(repository().join("python/tests/quick_answers.py"))
        .env_remove("PYTHONPATH")
        .env("PYTHONUTF8", "1");
    if let Some(user) = user {
        command.args(["--as".to_owned(), user.to_string()]);
    }
    let questions = serde_json::to_vec(&questions).expect("paths that are UTF-8");
    let output = run_with_input(&mut command, &questions);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    from_json(&output.stdout).expect("the answers' JSON")
}

#[test]
fn the_quick_reader_answers_as_the_library_does_on_real_trees() {
    let trees = real_trees();
    let paths: Vec<_> = trees.iter().map(|tree| &tree.1).collect();
    let folder = public_directory();
    for python in interpreters() {
        let replies = ask_quick(&python, None, folder.path(), &paths);
        for ((name, _), (answers, left, faults)) in trees.iter().zip(replies) {
            let version = &python.version;
            say(&format!(
                "{version} on {name}: {answers} answers, {left} left to the library"
            ));
            assert!(faults.is_empty(), "{version} on {name}: {faults:#?}");
            assert!(answers > 400 && left <= 4, "{version} on {name}");
        }
    }
}

/// Cases that an index does not show, so that the quick reader answers differently from the library
/// (`_quick.py`).
const NOT_TOLD: [&str; 3] = [
    "file_names_with_control_characters_cost_their_own_entries",
    "headers_are_read_as_python_reads_them",
    "metadata_that_is_not_utf8_costs_no_entries",
];

#[test]
fn the_quick_reader_answers_as_the_library_does_on_odd_cases_or_leaves_them_to_it() {
    let Some(newest) = newest_oracle() else {
        return;
    };
    let directory = public_directory();
    let cases = generate(&newest, &directory.path().join("generated"));
    // If the library hangs, nothing can be compared.
    let cases = cases.iter().filter(|case| case.cpython != "hangs");
    let (unprivileged, plain): (Vec<_>, Vec<_>) = cases.partition(|case| case.unprivileged);
    let nobody = geteuid().is_root().then_some(NOBODY);
    for (cases, user) in [(plain, None), (unprivileged, nobody)] {
        let paths: Vec<_> = cases.iter().map(|case| &case.path).collect();
        let folder = public_directory();
        for python in interpreters() {
            let replies = ask_quick(&python, user, folder.path(), &paths);
            let faults: Vec<_> = cases
                .iter()
                .zip(&replies)
                .filter(|(case, reply)| {
                    !reply.2.is_empty() && !NOT_TOLD.contains(&case.name.as_str())
                })
                .map(|(case, reply)| format!("{}: {:#?}", case.name, reply.2))
                .collect();
            let answers: usize = replies.iter().map(|reply| reply.0).sum();
            let left: usize = replies.iter().map(|reply| reply.1).sum();
            let version = &python.version;
            say(&format!(
                "{version}, {} cases: {answers} answers, {left} left",
                cases.len()
            ));
            assert!(faults.is_empty(), "{version}: {}", faults.join("\n"));
            assert!(
                user.is_some() || answers > left,
                "{version}: {answers} answers"
            );
        }
    }
}

/// Name and `sys.path` of every real tree.
fn real_trees() -> Vec<(String, Vec<PathBuf>)> {
    let mut trees = vec![];
    let venv = tree("venv").map(|venv| site_packages(&venv));
    let editable = tree("venv-editable");
    let debian = tree("debian-bookworm").map(|root| {
        [
            "usr/local/lib/python3.11/dist-packages",
            "usr/lib/python3/dist-packages",
        ]
        .map(|path| root.join(path))
        .to_vec()
    });
    let trixie = tree("debian-trixie").map(|root| vec![root.join("usr/lib/python3/dist-packages")]);
    if let (Some(venv), Some(editable)) = (&venv, &editable) {
        trees.push(("venv".to_owned(), vec![venv.clone(), editable.clone()]));
    }
    if let (Some(venv), Some(debian)) = (&venv, &debian) {
        let stacked = [std::slice::from_ref(venv), debian].concat();
        let turned = stacked.iter().rev().cloned().collect();
        trees.push(("debian-bookworm before venv".to_owned(), turned));
        trees.push(("venv before debian-bookworm".to_owned(), stacked));
    }
    trees.extend(debian.map(|path| ("debian-bookworm".to_owned(), path)));
    trees.extend(trixie.map(|path| ("debian-trixie".to_owned(), path)));
    trees
}

/// `lib/pythonX.Y/site-packages` of a venv.
fn site_packages(venv: &Path) -> PathBuf {
    let mut versions = fs::read_dir(venv.join("lib"))
        .expect("a venv has lib")
        .flatten();
    versions
        .next()
        .expect("lib/pythonX.Y")
        .path()
        .join("site-packages")
}

/// A case of `tests/oracle/generate.py`, which describes the fields.
#[derive(Deserialize)]
struct Case {
    name: String,
    path: Vec<PathBuf>,
    cpython: String,
    unprivileged: bool,
}

fn generate(interpreter: &Interpreter, root: &Path) -> Vec<Case> {
    let mut command = within(120, &interpreter.executable);
    command
        .args(["-I", "-X", "utf8"])
        .arg(repository().join("tests/oracle/generate.py"))
        .arg(root);
    let output = run(&mut command);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    serde_json::from_slice(&fs::read(root.join("expected.json")).expect("expected.json"))
        .expect("a list of cases")
}
