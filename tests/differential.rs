//! epcache gives CPython's answer, in CPython's order (decision 2): for real installations, and for
//! generated ones that contain every odd case.
//!
//! CPython's answer is that of the newest importlib_metadata. Every other oracle of this machine
//! (the same library under other interpreters, and each interpreter's own) is asked too. If one of
//! them differs from the newest, this is printed and is not a failure: older ones differ from each
//! other. It needs `tests/setup`. Each question is asked twice: with an index, and live.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Uid, chown, geteuid};
use serde::Deserialize;
use support::{
    Answer, EntryPoint, FIELDS, FIELDS_AND_PATH, Interpreter, Library, Twins, difference, epcache,
    from_json, interpreters, newest_oracle, path_arguments, public_directory, query, repository,
    run, say, skip, text, tree, within,
};

/// A user that owns nothing.
const NOBODY: u32 = 65534;

// ---- real trees

#[test]
fn real_trees_give_cpythons_answer() {
    let Some(newest) = newest_oracle() else {
        return;
    };
    let trees = real_trees();
    let names: Vec<_> = trees.iter().map(|tree| tree.0.as_str()).collect();
    let paths: Vec<_> = trees.iter().map(|tree| tree.1.clone()).collect();

    let truth = newest.ask(Library::Backport, Twins::Chosen, &paths);
    show_disagreements(&newest, &names, &paths, &truth);

    let mut failures = vec![];
    for ((name, path), truth) in trees.iter().zip(&truth) {
        let truth = truth
            .as_ref()
            .unwrap_or_else(|error| panic!("CPython raises on the real tree {name}: {error}"));
        say(&format!("{name}: {} entry points", truth.len()));
        for (way, answer, _) in ask_both_ways(path, &Runner::same_user()) {
            if let Some(difference) = difference(&answer, truth, FIELDS_AND_PATH) {
                failures.push(format!("{name}, {way}: {difference}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Name and `sys.path` of every real tree.
fn real_trees() -> Vec<(String, Vec<PathBuf>)> {
    let mut trees = vec![];
    let venv = tree("venv").map(|venv| site_packages(&venv));
    let editable = tree("venv-editable");
    let debian = tree("debian-bookworm").map(|root| dist_packages(&root));
    if let (Some(venv), Some(editable)) = (&venv, &editable) {
        trees.push(("venv".to_owned(), vec![venv.clone(), editable.clone()]));
    }
    if let Some(debian) = &debian {
        trees.push(("debian-bookworm".to_owned(), debian.clone()));
    }
    if let (Some(venv), Some(debian)) = (&venv, &debian) {
        // As with --system-site-packages: each shadows much of the other. The second is the reverse
        // order.
        let stacked: Vec<_> = [std::slice::from_ref(venv), debian].concat();
        trees.push((
            "debian-bookworm before venv".to_owned(),
            stacked.iter().rev().cloned().collect(),
        ));
        trees.push(("venv before debian-bookworm".to_owned(), stacked));
    }
    for interpreter in interpreters() {
        trees.push((own_name(&interpreter), interpreter.sys_path()));
    }
    trees
}

fn own_name(interpreter: &Interpreter) -> String {
    format!(
        "the own sys.path of {} ({})",
        interpreter.executable.display(),
        interpreter.version
    )
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

/// The directories for distributions on the `sys.path` of Debian bookworm's interpreter.
fn dist_packages(root: &Path) -> Vec<PathBuf> {
    [
        "usr/local/lib/python3.11/dist-packages",
        "usr/lib/python3/dist-packages",
    ]
    .map(|path| root.join(path))
    .into()
}

#[test]
fn the_answer_for_an_interpreter_is_for_its_own_sys_path() {
    let Some(newest) = newest_oracle() else {
        return;
    };
    let mut failures = vec![];
    for interpreter in interpreters() {
        let truth = newest
            .ask(Library::Backport, Twins::Chosen, &[interpreter.sys_path()])
            .remove(0)
            .expect("an answer");
        let (answer, _) = query(
            &mut epcache(),
            ["--python".as_ref(), interpreter.executable.as_os_str()],
        );
        if let Some(difference) = difference(&answer, &truth, FIELDS_AND_PATH) {
            failures.push(format!(
                "--python {}: {difference}",
                interpreter.executable.display()
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_answer_for_a_venv_includes_its_path_lines() {
    let (Some(newest), Some(venv)) = (newest_oracle(), tree("venv")) else {
        return;
    };
    let interpreter = Interpreter {
        executable: venv.join("bin/python"),
        ..newest.clone()
    };
    let truth = newest
        .ask(Library::Backport, Twins::Chosen, &[interpreter.sys_path()])
        .remove(0)
        .expect("an answer");
    let (answer, _) = query(&mut epcache(), ["--venv".as_ref(), venv.as_os_str()]);
    if let Some(difference) = difference(&answer, &truth, FIELDS_AND_PATH) {
        panic!("--venv {}: {difference}", venv.display());
    }
}

#[test]
fn the_answer_for_a_system_below_a_root_is_that_of_its_own_interpreter() {
    let (Some(newest), Some(root)) = (newest_oracle(), tree("debian-bookworm")) else {
        return;
    };
    let truth = newest
        .ask(Library::Backport, Twins::Chosen, &[dist_packages(&root)])
        .remove(0)
        .expect("an answer");
    let directory = public_directory();
    let index = directory.path().join("index");
    let common = [
        "--root".as_ref(),
        root.as_os_str(),
        "--python".as_ref(),
        "3.11".as_ref(),
    ];

    let mut refresh = epcache();
    refresh
        .args(["refresh", "--system", "--root"])
        .arg(&root)
        .arg("--output")
        .arg(&index);
    let refreshed = run(&mut refresh);
    assert!(
        refreshed.status.success(),
        "{refresh:?}: {}",
        text(&refreshed.stderr)
    );
    let with_index = [common.as_slice(), &["--index".as_ref(), index.as_os_str()]].concat();
    for (way, arguments) in [("live", common.to_vec()), ("index", with_index)] {
        let (answer, _) = query(&mut epcache(), arguments);
        if let Some(difference) = difference(&answer, &truth, FIELDS_AND_PATH) {
            panic!("{way}: {difference}");
        }
    }

    if !geteuid().is_root() {
        return skip(
            "the interpreter inside debian-bookworm",
            "only root can chroot",
        );
    }
    // Its own sys.path and its own library, as for a program inside.
    let script = fs::read(repository().join("tests/oracle/oracle.py")).expect("the oracle");
    let mut inside = within(60, "chroot");
    inside
        .arg(&root)
        .args(["/usr/bin/python3", "-I", "-X", "utf8", "-"]);
    inside.args([
        "/usr/local/lib/python3.11/dist-packages",
        "/usr/lib/python3/dist-packages",
    ]);
    let output = support::run_with_input(&mut inside, &script);
    let own: Vec<EntryPoint> = from_json(&output.stdout).expect("the oracle's JSON");
    if let Some(difference) = difference(&Ok(own), &truth, FIELDS_AND_PATH) {
        say(&format!(
            "DISAGREES: the interpreter inside debian-bookworm: {difference}"
        ));
    }
}

// ---- generated trees

/// A case of `tests/oracle/generate.py`, which describes the fields.
#[derive(Deserialize)]
struct Case {
    name: String,
    path: Vec<PathBuf>,
    cpython: String,
    expected: Option<Vec<EntryPoint>>,
    fields: Vec<String>,
    warning: bool,
    unprivileged: bool,
}

#[test]
fn odd_cases_give_cpythons_answer_or_the_documented_one() {
    let Some(newest) = newest_oracle() else {
        return;
    };
    let directory = public_directory();
    let cases = generate(&newest, &directory.path().join("generated"));

    // CPython is not asked if it would hang, or if only a user who may not read everything sees a
    // difference.
    let (asked, unasked): (Vec<Case>, Vec<Case>) = cases
        .into_iter()
        .partition(|case| case.cpython != "hangs" && !case.unprivileged);
    let names: Vec<_> = asked.iter().map(|case| case.name.as_str()).collect();
    let paths: Vec<_> = asked.iter().map(|case| case.path.clone()).collect();
    let plain = newest.ask(Library::Backport, Twins::AsListed, &paths);
    let chosen = newest.ask(Library::Backport, Twins::Chosen, &paths);
    show_disagreements(&newest, &names, &paths, &chosen);

    let mut failures = vec![];
    for ((case, plain), chosen) in asked.iter().zip(&plain).zip(&chosen) {
        failures.extend(check_claim(case, plain, chosen));
        let truth = match (&case.expected, chosen) {
            (Some(expected), _) => expected,
            (None, Ok(chosen)) => chosen,
            (None, Err(error)) => panic!(
                "{}: CPython raises, and there is no `expected`: {error}",
                case.name
            ),
        };
        failures.extend(check_case(case, truth, &Runner::same_user()));
    }
    let unprivileged = Runner::unprivileged(directory.path());
    for case in &unasked {
        let runner = if case.unprivileged {
            &unprivileged
        } else {
            &Runner::same_user()
        };
        failures.extend(check_case(
            case,
            case.expected.as_ref().expect("`expected`"),
            runner,
        ));
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn generate(interpreter: &Interpreter, root: &Path) -> Vec<Case> {
    let mut command = within(120, &interpreter.executable);
    command
        .args(["-I", "-X", "utf8"])
        .arg(repository().join("tests/oracle/generate.py"))
        .arg(root);
    let output = run(&mut command);
    assert!(
        output.status.success(),
        "{command:?}: {}",
        text(&output.stderr)
    );
    serde_json::from_slice(&fs::read(root.join("expected.json")).expect("expected.json"))
        .expect("a list of cases")
}

/// Checks that CPython still does what the case says.
fn check_claim(case: &Case, plain: &Answer, chosen: &Answer) -> Option<String> {
    let expected = case.expected.as_deref().unwrap_or_default();
    let wrong = match case.cpython.as_str() {
        "raises" => plain
            .is_ok()
            .then(|| "CPython does not raise any more".to_owned()),
        "differs" => difference(plain, expected, &case.fields)
            .is_none()
            .then(|| "CPython does not differ any more".to_owned()),
        // Compares this reading of decision 2 with the oracle's. The oracle raises for a bad file.
        "listing" if chosen.is_ok() => difference(chosen, expected, &case.fields),
        _ => None,
    };
    wrong.map(|wrong| format!("{}: {wrong}", case.name))
}

fn check_case(case: &Case, truth: &[EntryPoint], runner: &Runner) -> Vec<String> {
    let mut failures = vec![];
    for (way, answer, said) in ask_both_ways(&case.path, runner) {
        if let Some(difference) = difference(&answer, truth, &case.fields) {
            failures.push(format!("{}, {way}: {difference}", case.name));
        }
        if case.warning && !said.contains("epcache: warning: ") {
            failures.push(format!("{}, {way}: no warning on stderr", case.name));
        }
    }
    failures
}

// ---- asking

/// The user who runs epcache, and the place of the index.
struct Runner {
    command: Box<dyn Fn() -> Command>,
    owner: Option<Uid>,
}

impl Runner {
    fn same_user() -> Self {
        Self {
            command: Box::new(epcache),
            owner: None,
        }
    }

    /// A user who may not read everything. Root becomes `nobody`, with a copy of the program that
    /// it can reach.
    fn unprivileged(directory: &Path) -> Self {
        if !geteuid().is_root() {
            return Self::same_user();
        }
        let program = directory.join("epcache");
        fs::copy(env!("CARGO_BIN_EXE_epcache"), &program).expect("a copy of epcache");
        let command = move || {
            let mut command = within(120, "setpriv");
            let id = NOBODY.to_string();
            command
                .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"])
                .arg(&program);
            command
        };
        Self {
            command: Box::new(command),
            owner: Some(Uid::from_raw(NOBODY)),
        }
    }
}

/// Asks epcache for all entry points along `path`: from a new index, and live. Returns the way, the
/// answer, and the stderr of each.
fn ask_both_ways(path: &[PathBuf], runner: &Runner) -> Vec<(&'static str, Answer, String)> {
    let directory = public_directory();
    chown(directory.path(), runner.owner, None).expect("chown");
    let index = directory.path().join("index");
    let mut refresh = (runner.command)();
    refresh
        .arg("refresh")
        .args(path_arguments(path))
        .arg("--output")
        .arg(&index);
    let refreshed = run(&mut refresh);
    let said = text(&refreshed.stderr);
    // Status 1: a search directory could not be read. The others are in the index.
    let indexed = if matches!(refreshed.status.code(), Some(0 | 1)) {
        let from_index = [
            path_arguments(path),
            vec!["--index".as_ref(), index.as_os_str()],
        ]
        .concat();
        query(&mut (runner.command)(), from_index).0
    } else {
        Err(format!("refresh: {}: {said}", refreshed.status))
    };
    let (live, said_live) = query(&mut (runner.command)(), path_arguments(path));
    vec![("index", indexed, said), ("live", live, said_live)]
}

/// Prints where other oracles of this machine differ from the newest, and where decision 2 changes
/// that.
fn show_disagreements(
    newest: &Interpreter,
    names: &[&str],
    paths: &[Vec<PathBuf>],
    truth: &[Answer],
) {
    // An answer of an oracle for a tree, and all oracles with this answer.
    let mut sayings: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    let mut compare = |who: &str, answers: &[Answer]| {
        for ((name, truth), answer) in names.iter().zip(truth).zip(answers) {
            let saying = match (truth, answer) {
                (Err(_), Err(_)) => None,
                (Err(error), Ok(_)) => Some(format!("answers where the newest raises {error}")),
                (Ok(_), Err(error)) => Some(format!("raises {error}")),
                (Ok(truth), Ok(_)) => difference(answer, truth, FIELDS).map(|text| summary(&text)),
            };
            if let Some(saying) = saying {
                sayings
                    .entry((name, saying))
                    .or_default()
                    .push(who.to_owned());
            }
        }
    };
    compare(
        "without decision 2",
        &newest.ask(Library::Backport, Twins::AsListed, paths),
    );
    for interpreter in interpreters() {
        let version = &interpreter.version;
        if interpreter.backport.is_none() {
            skip(
                &format!("the oracle {version}"),
                "tests/setup has no importlib_metadata for it",
            );
            continue;
        }
        let backport: Vec<_> = interpreter
            .backport_version()
            .iter()
            .map(u32::to_string)
            .collect();
        let backport = backport.join(".");
        let answers = interpreter.ask(Library::Backport, Twins::Chosen, paths);
        compare(
            &format!("{version} with importlib_metadata {backport}"),
            &answers,
        );
        compare(
            version,
            &interpreter.ask(Library::Own, Twins::Chosen, paths),
        );
    }
    for ((name, saying), who) in sayings {
        say(&format!(
            "DISAGREES with the newest: {name}: {saying}: {}",
            who.join(", ")
        ));
    }
}

fn summary(difference: &str) -> String {
    difference
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches(':')
        .to_owned()
}
