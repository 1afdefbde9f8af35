//! The Python reader gives CPython's answer, in CPython's order: on real installations, and on generated ones that
//! hold every odd case; indexed and live, on every Python that `tests/setup` finds.
//!
//! What is right is what `tests/differential.rs` holds the program against. The quick reader (`_quick.py`) is held
//! against the library of the same interpreter, to which it leaves what it is not sure of.

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
    Answer, EntryPoint, FIELDS_AND_PATH, Interpreter, Library, Twins, difference, epcache,
    from_json, interpreters, newest_oracle, path_arguments, public_directory, repository, run,
    run_with_input, say, skip, text, tree, within,
};

/// A user that owns nothing.
const NOBODY: u32 = 65534;

/// A `sys.path`, and an index of it that root has made.
#[derive(Serialize)]
struct Question<'p> {
    path: &'p [PathBuf],
    index: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Reply {
    entry_points: Vec<EntryPoint>,
    how: Vec<String>,
}

fn ask(python: &Interpreter, user: Option<u32>, questions: &[Question<'_>]) -> Vec<Reply> {
    let mut command = within(300, &python.executable);
    command
        .args(["-B", "-s"])
        .arg(repository().join("python/tests/answers.py"))
        .env_remove("PYTHONPATH")
        // Archives of names that are not UTF-8, and a locale that would not have them.
        .env("PYTHONUTF8", "1");
    if let Some(user) = user {
        command.args(["--as".to_owned(), user.to_string()]);
    }
    let questions = serde_json::to_vec(questions).expect("paths that are UTF-8");
    let output = run_with_input(&mut command, &questions);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    from_json(&output.stdout).expect("the answers' JSON")
}

/// Each `sys.path` twice: with an index of it in `folder`, and without.
fn both_ways<'p>(
    folder: &Path,
    paths: impl Iterator<Item = &'p Vec<PathBuf>>,
) -> Vec<Question<'p>> {
    let two = paths.enumerate().flat_map(|(number, path)| {
        let index = folder.join(number.to_string());
        let mut refresh = epcache();
        refresh.arg("refresh").args(path_arguments(path));
        // Status 1: a search directory could not be read, and the others are in the index.
        let refreshed = run(refresh.arg("--output").arg(&index));
        let said = text(&refreshed.stderr);
        assert!(matches!(refreshed.status.code(), Some(0 | 1)), "{said}");
        [Some(index), None].map(|index| Question { path, index })
    });
    two.collect()
}

#[test]
fn real_trees_give_cpythons_answer_in_python() {
    let Some(newest) = newest_oracle() else {
        return;
    };
    let trees = real_trees();
    let paths: Vec<_> = trees.iter().map(|tree| tree.1.clone()).collect();
    let truth = newest.ask(Library::Backport, Twins::Chosen, &paths);
    let folder = public_directory();
    let questions = both_ways(folder.path(), paths.iter());
    let mut failures = vec![];
    for python in interpreters() {
        let replies = ask(&python, None, &questions);
        for (number, reply) in replies.into_iter().enumerate() {
            let (name, truth) = (&trees[number / 2].0, &truth[number / 2]);
            let truth = truth.as_ref().expect("CPython answers for a real tree");
            let Reply { entry_points, how } = reply;
            let indexed = number % 2 == 0;
            if indexed && !how.iter().all(|how| how == "fresh" || how == "missing") {
                failures.push(format!("{} on {name}: {how:?}", python.version));
            }
            let answer: Answer = Ok(entry_points);
            if let Some(difference) = difference(&answer, truth, FIELDS_AND_PATH) {
                let version = &python.version;
                failures.push(format!("{version} on {name}, {indexed}: {difference}"));
            }
        }
        say(&format!(
            "{}: {} trees, indexed and live",
            python.version,
            trees.len()
        ));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What `python/tests/quick_answers.py` is asked, and what it tells: answers, questions left to the library, faults.
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

/// What an index does not tell, so that the quick reader answers where the library does otherwise (`_quick.py`).
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
    // Where the library hangs, nothing can be compared.
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
    expected: Option<Vec<EntryPoint>>,
    fields: Vec<String>,
    unprivileged: bool,
}

#[test]
fn odd_cases_give_cpythons_answer_or_the_documented_one_in_python() {
    let Some(newest) = newest_oracle() else {
        return;
    };
    let directory = public_directory();
    let (mut unprivileged, mut plain): (Vec<Case>, Vec<Case>) =
        generate(&newest, &directory.path().join("generated"))
            .into_iter()
            .partition(|case| case.unprivileged);
    if !geteuid().is_root() {
        plain.append(&mut unprivileged);
    }
    for case in &mut plain {
        // The program reads no archives, and says so (decision 2); Python reads them as CPython does.
        if case.name == "zip_archive_may_be_on_the_path" {
            case.expected = None;
        }
    }
    let mut failures = vec![];
    for (cases, user) in [(plain, None), (unprivileged, Some(NOBODY))] {
        let paths: Vec<_> = cases.iter().map(|case| case.path.clone()).collect();
        // Where CPython raises or hangs, `expected` says what is right, and CPython is not asked.
        let unsaid = cases.iter().filter(|case| case.expected.is_none());
        let unsaid: Vec<_> = unsaid.map(|case| case.path.clone()).collect();
        let mut said = newest
            .ask(Library::Backport, Twins::Chosen, &unsaid)
            .into_iter();
        let truths = cases.iter().map(|case| match &case.expected {
            Some(expected) => Ok(expected.clone()),
            None => said.next().expect("an answer for each question"),
        });
        let truths: Vec<Answer> = truths.collect();
        let folder = public_directory();
        let questions = both_ways(folder.path(), paths.iter());
        for python in interpreters() {
            for (number, reply) in ask(&python, user, &questions).into_iter().enumerate() {
                let (case, truth) = (&cases[number / 2], &truths[number / 2]);
                let truth = truth
                    .as_ref()
                    .expect("where CPython raises there is `expected`");
                let way = if number % 2 == 0 { "index" } else { "live" };
                let answer: Answer = Ok(reply.entry_points);
                if let Some(difference) = difference(&answer, truth, &case.fields) {
                    let (name, version) = (&case.name, &python.version);
                    let cpython = &case.cpython;
                    failures.push(format!(
                        "{name} ({cpython}), {version}, {way}: {difference}"
                    ));
                }
            }
        }
        say(&format!(
            "{} odd cases, as user {user:?}, indexed and live, on each Python",
            cases.len()
        ));
    }
    if !geteuid().is_root() {
        skip("odd cases of another user", "only root can be one");
    }
    let many = failures.len();
    assert!(many == 0, "{many} failures:\n{}", failures.join("\n"));
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
