//! Every reader of this repository but the library itself, on the vectors of the specification, and
//! the examples on real trees: each has to find what the vectors say, and to refuse what is
//! damaged.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "../fuzz/index_checks.rs"]
mod index_checks;
mod index_support;
mod support;
#[path = "vector_support/mod.rs"]
mod vector_support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{
    EntryPoint, epcache, interpreters, path_arguments, public_directory, query, repository, run,
    run_with_input, say, skip, text, tree, within,
};
use vector_support::{Case, Found, cases, expected, lies};

/// A reader that is written from the specification alone, and how to start it.
struct Example {
    program: &'static str,
    file: &'static str,
    /// The word for everything in an index.
    dump: &'static [&'static str],
}

const JAVASCRIPT: Example = Example {
    program: "node",
    file: "examples/javascript/command.mjs",
    dump: &["dump"],
};

const PYTHON: Example = Example {
    program: "python3",
    file: "examples/python/index_reader.py",
    dump: &[],
};

impl Example {
    /// None, with a word about it, where its language is not there.
    fn command(&self) -> Option<Command> {
        if !has(self.program) {
            skip(self.file, &format!("there is no {}", self.program));
            return None;
        }
        let mut command = within(120, self.program);
        command.arg(repository().join(self.file));
        Some(command)
    }

    fn dump(&self, index: &Path) -> Option<Result<Value, String>> {
        let output = run(self.command()?.args(self.dump).arg(index));
        Some(match output.status.code() {
            Some(0) => Ok(serde_json::from_slice(&output.stdout).unwrap()),
            _ => Err(text(&output.stderr)),
        })
    }
}

fn has(program: &str) -> bool {
    run(within(20, "sh").args(["-c", &format!("command -v {program}")]))
        .status
        .success()
}

fn vector(name: &str) -> PathBuf {
    repository().join("tests/vectors").join(name)
}

fn the_example_reads_every_vector(example: &Example) {
    for case in cases() {
        let Some(found) = example.dump(&vector(&format!("{}.index", case.name))) else {
            return;
        };
        let found = found.unwrap_or_else(|said| panic!("{}: {said}", case.name));
        assert_eq!(found, expected(&case)["index"], "{}", case.name);
    }
    for lie in lies() {
        let Some(found) = example.dump(&vector(&format!("bad/{}.index", lie.name))) else {
            return;
        };
        let found = found.is_err();
        assert!(found || lie.found == Found::Verifying, "{}", lie.name);
    }
}

#[test]
fn the_reader_in_javascript_reads_every_vector() {
    the_example_reads_every_vector(&JAVASCRIPT);
}

#[test]
fn the_reader_in_python_reads_every_vector() {
    the_example_reads_every_vector(&PYTHON);
}

/// The search directories of a vector, where these are UTF-8 and so fit into arguments.
fn paths(case: &Case) -> Option<Vec<String>> {
    let paths = case.directories.iter().map(|it| it.path.clone());
    paths.map(String::from_utf8).collect::<Result<_, _>>().ok()
}

#[test]
fn the_examples_answer_as_the_vectors_say() {
    let folder = public_directory();
    for case in cases() {
        let Some(paths) = paths(&case) else { continue };
        // A copy that is trusted with any owner of the repository.
        let index = folder.path().join(case.name);
        fs::write(&index, &case.bytes).unwrap();
        let answers = &expected(&case)["answers"];
        for (group, answer) in answers["groups"].as_object().unwrap().iter().take(4) {
            if group.contains('%') {
                continue;
            }
            let ask = |mut command: Command| -> Value {
                let output = run(command.args(["--group", group]).args(&paths));
                assert!(output.status.success(), "{}", text(&output.stderr));
                serde_json::from_slice(&output.stdout).unwrap()
            };
            let (Some(mut node), Some(mut python)) = (JAVASCRIPT.command(), PYTHON.command())
            else {
                return;
            };
            node.args(["query", "--level", "trust", "--index"]);
            let found = ask_without_group(ask({
                node.arg(&index);
                node
            }));
            assert_eq!(found, *answer, "{}: {group}", case.name);
            python.arg(&index);
            assert_eq!(ask(python), *answer, "{}: {group}", case.name);
        }
        for (name, answer) in answers["names"].as_object().unwrap().iter().take(4) {
            let mut node = JAVASCRIPT.command().unwrap();
            node.args(["names", "--level", "trust", "--index"]);
            let output = run(node.arg(&index).arg(name).args(&paths));
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            let path = found["answer"].get("path").cloned();
            let known = !name.contains('%');
            assert!(
                !known || path.unwrap_or_default() == *answer,
                "{}: {name}",
                case.name
            );
        }
        let mut node = JAVASCRIPT.command().unwrap();
        node.args(["list", "--level", "trust", "--index"]);
        let output = run(node.arg(&index).args(&paths));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = found["answer"].as_array().unwrap().iter();
        let found: Vec<_> = found.map(|it| it["path"].clone()).collect();
        assert_eq!(json!(found), answers["distributions"], "{}", case.name);
    }
}

/// Name, value and path of what the reader in JavaScript says with the group in front.
fn ask_without_group(found: Value) -> Value {
    let rows = found["answer"].as_array().unwrap().iter();
    json!(
        rows.map(|row| &row.as_array().unwrap()[1..])
            .collect::<Vec<_>>()
    )
}

#[test]
fn the_quick_reader_answers_as_the_vectors_say_or_asks_the_library() {
    let pythons = interpreters();
    let folder = public_directory();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut questions = Vec::new();
    for case in cases() {
        fs::write(folder.path().join(case.name), &case.bytes).unwrap();
        let expected = expected(&case);
        let keys = |field: &str| -> Vec<String> {
            expected["answers"][field]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect()
        };
        questions.push(json!({
            "index": case.name,
            "paths": expected["sys.path"],
            "groups": keys("groups"),
            "names": keys("names"),
        }));
    }
    for lie in lies() {
        let name = format!("bad {}", lie.name);
        fs::write(folder.path().join(&name), &lie.bytes).unwrap();
        let paths = ["/vectors/one", "/vectors/two"];
        let groups = ["x", "y"];
        questions.push(json!({
            "index": name, "paths": paths, "groups": groups, "names": ["a", "b"],
        }));
    }
    for python in &pythons {
        let mut command = within(300, &python.executable);
        command
            .args(["-B", "-s"])
            .arg(repository().join("tests/vector_support/quick.py"));
        command
            .arg(repository().join("python/src/epcache/_quick.py"))
            .arg(folder.path());
        let output = run_with_input(&mut command, &serde_json::to_vec(&questions).unwrap());
        assert!(
            output.status.success(),
            "{}: {}",
            python.version,
            text(&output.stderr)
        );
        let told: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told.len(), questions.len());
        let mut answered = 0;
        for (case, told) in cases().iter().zip(&told) {
            let answers = &expected(case)["answers"];
            for field in ["groups", "names"] {
                for (asked, answer) in told[field].as_object().unwrap() {
                    let mut right = answers[field][asked].clone();
                    if field == "names" {
                        right = right.as_str().map_or(json!([]), |path| json!([path]));
                    }
                    let what = format!("{}: {}, {asked}", python.version, case.name);
                    assert!(answer.is_null() || *answer == right, "{what}: {answer}");
                    assert!(!answer.is_null() || !case.quick, "{what}: asks the library");
                    answered += usize::from(!answer.is_null());
                }
            }
            let all = &told["distributions"];
            assert!(
                all.is_null() || *all == answers["distributions"],
                "{}",
                case.name
            );
        }
        for (lie, told) in lies().iter().zip(&told[cases().len()..]) {
            let opened = !told["groups"]["x"].is_null();
            assert!(!opened || lie.found != Found::Opening, "{}", lie.name);
        }
        say(&format!(
            "{}: {answered} answers about vectors",
            python.version
        ));
        assert!(answered > 100, "{answered}");
    }
}

/// `lib/pythonX.Y/site-packages` of a venv.
fn site_packages(venv: &Path) -> PathBuf {
    let mut versions = fs::read_dir(venv.join("lib")).unwrap().flatten();
    versions.next().unwrap().path().join("site-packages")
}

/// Real installations, by their names, alone and one after the other.
fn real_trees() -> Vec<(&'static str, Vec<PathBuf>)> {
    let venv = tree("venv").map(|venv| site_packages(&venv));
    let root = |name| tree(name).map(|root| root.join("usr/lib/python3/dist-packages"));
    let (bookworm, trixie) = (root("debian-bookworm"), root("debian-trixie"));
    let mut trees = Vec::new();
    if let (Some(venv), Some(bookworm), Some(trixie)) = (venv, bookworm, trixie) {
        trees.push(("venv", vec![venv.clone()]));
        trees.push(("trixie, then venv", vec![trixie.clone(), venv]));
        trees.push(("bookworm, then trixie", vec![bookworm, trixie]));
    }
    trees
}

fn rows(entry_points: &[EntryPoint]) -> Value {
    let rows = entry_points.iter().map(|it| {
        [&it.group, &it.name, &it.value, &it.path]
            .map(|field| vector_support::text(field.as_bytes()))
    });
    json!(rows.collect::<Vec<_>>())
}

/// What the reader in JavaScript says, and what this program does, with these indexes.
fn both(index: &Path, paths: &[PathBuf], level: &str) -> Option<(Value, Value)> {
    let mut node = JAVASCRIPT.command()?;
    node.args(["query", "--level", level, "--index"])
        .arg(index)
        .args(paths);
    let output = run(&mut node);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut ours = epcache();
    let arguments = [
        &["--index".as_ref(), index.as_os_str()][..],
        &path_arguments(paths),
    ]
    .concat();
    let (answer, said) = query(&mut ours, arguments);
    Some((theirs["answer"].clone(), rows(&answer.expect(&said))))
}

fn refresh(paths: &[PathBuf], index: &Path) {
    let mut refresh = epcache();
    refresh
        .arg("refresh")
        .args(path_arguments(paths))
        .arg("--output")
        .arg(index);
    let output = run(&mut refresh);
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_reader_in_javascript_answers_as_this_program_does_on_real_trees() {
    for (name, paths) in real_trees() {
        let folder = public_directory();
        let (index, none) = (folder.path().join("index"), folder.path().join("none"));
        refresh(&paths, &index);
        for (index, level) in [(&index, "auto"), (&index, "trust"), (&none, "auto")] {
            let Some((theirs, ours)) = both(index, &paths, level) else {
                return;
            };
            assert!(ours.as_array().unwrap().len() > 100);
            assert!(
                theirs == ours,
                "{name}, {level}: {}",
                first_difference(&theirs, &ours)
            );
        }
    }
}

fn first_difference(one: &Value, other: &Value) -> String {
    let (one, other) = (one.as_array().unwrap(), other.as_array().unwrap());
    let at = one.iter().zip(other).position(|(one, other)| one != other);
    let at = at.unwrap_or_else(|| one.len().min(other.len()));
    format!("at {at}: {:?}, but {:?}", one.get(at), other.get(at))
}

/// What happens to a search directory after its index has been made.
const CHANGES: [(&str, &str); 9] = [
    ("nothing", "true"),
    ("bytecode", "mkdir __pycache__"),
    (
        "a new distribution",
        "cp -r a-1.dist-info z-1.dist-info; sed -i s/a/z/ z-1.dist-info/METADATA",
    ),
    ("a removed one", "rm -r a-1.dist-info"),
    (
        "an upgrade in place",
        "sed -i s/=/=new/ a-1.dist-info/entry_points.txt",
    ),
    (
        "a comment more",
        "sed -i '1i # a comment' a-1.dist-info/entry_points.txt",
    ),
    (
        "all times anew",
        "find . -exec touch -d '2001-01-01 00:00:01.5' {} +",
    ),
    (
        "a mode",
        "chmod 711 b-1.dist-info && chmod 755 b-1.dist-info",
    ),
    ("all gone", "rm -r *"),
];

#[test]
fn the_reader_in_javascript_sees_the_changes_that_this_program_sees() {
    for (name, change) in CHANGES {
        let folder = public_directory();
        let site = folder.path().join("site");
        for dist in ["a", "b", "c"] {
            let dir = site.join(format!("{dist}-1.dist-info"));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("METADATA"), format!("Name: {dist}\nVersion: 1\n")).unwrap();
            let list = format!("[x]\n{dist} = {dist}\n[y]\n{dist}=\n");
            fs::write(dir.join("entry_points.txt"), list).unwrap();
        }
        let index = folder.path().join("index");
        let paths = [site.clone()];
        refresh(&paths, &index);
        run(Command::new("sh").args(["-c", change]).current_dir(&site));
        let Some((theirs, ours)) = both(&index, &paths, "auto") else {
            return;
        };
        assert!(theirs == ours, "{name}: {theirs} but {ours}");
    }
}

#[test]
fn a_parser_that_kaitai_struct_generates_reads_every_vector() {
    let Some(kaitai) = tree("kaitai") else { return };
    if !has("node") {
        return skip("Kaitai Struct's parser", "there is no node");
    }
    let mut command = within(120, "node");
    command.arg(repository().join("tests/vector_support/kaitai.mjs"));
    command.arg(kaitai.join("node_modules"));
    command.arg(repository().join("docs/specification/epcache.ksy"));
    for case in cases() {
        command.arg(vector(&format!("{}.index", case.name)));
    }
    command.arg(vector("bad/magic.index"));
    let output = run(&mut command);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    let mut told = told.lines();
    for case in cases() {
        let found: Value = serde_json::from_str(told.next().unwrap()).unwrap();
        assert_eq!(found, expected(&case)["index"], "{}", case.name);
    }
    assert!(told.next().unwrap().contains("error"));
}
