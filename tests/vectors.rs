//! The vectors of the specification (`tests/vectors`): small indexes, each with what a reader has
//! to find in it, and damaged ones, each with the rule that it breaks. Every reader of this
//! repository is run on them.
//!
//! `EPCACHE_WRITE_VECTORS=1 cargo test --test vectors` writes them anew after a change of the format.

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

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use epcache::index::{Index, verify};
use index_checks::Answers;
use serde_json::{Value, json};
use support::{epcache, repository, run, text};
use vector_support::{Case, Found, Lie, cases, expected, lies, of_rust};

fn folder() -> PathBuf {
    repository().join("tests/vectors")
}

/// The files of a vector, and what is in them.
fn files_of_case(case: &Case) -> [(String, Vec<u8>); 2] {
    let json = pretty(&expected(case));
    [
        (format!("{}.index", case.name), case.bytes.clone()),
        (format!("{}.json", case.name), json),
    ]
}

fn files_of_lie(lie: &Lie) -> [(String, Vec<u8>); 2] {
    let verdict = json!({"rule": lie.rule, "found by": lie.found.word()});
    [
        (format!("bad/{}.index", lie.name), lie.bytes.clone()),
        (format!("bad/{}.json", lie.name), pretty(&verdict)),
    ]
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(value).unwrap();
    json.push(b'\n');
    json
}

#[test]
fn the_vectors_are_what_this_program_makes() {
    let mut files: Vec<(String, Vec<u8>)> = cases().iter().flat_map(files_of_case).collect();
    files.extend(lies().iter().flat_map(files_of_lie));
    let names: BTreeSet<String> = files.iter().map(|file| file.0.clone()).collect();
    assert_eq!(names.len(), files.len(), "two vectors of one name");
    if std::env::var_os("EPCACHE_WRITE_VECTORS").is_some() {
        fs::create_dir_all(folder().join("bad")).unwrap();
        for (name, bytes) in &files {
            fs::write(folder().join(name), bytes).unwrap();
        }
    }
    for (name, bytes) in &files {
        let there = fs::read(folder().join(name)).unwrap_or_default();
        assert!(there == *bytes, "{name} is not as this program makes it");
    }
    let mut there = BTreeSet::new();
    for (prefix, folder) in [("", folder()), ("bad/", folder().join("bad"))] {
        for entry in folder.read_dir().unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".index") || name.ends_with(".json") {
                there.insert(format!("{prefix}{name}"));
            }
        }
    }
    assert_eq!(there, names, "vectors that this program does not make");
}

#[test]
fn the_library_reads_every_vector() {
    for case in cases() {
        let index = Index::open(case.bytes.clone()).unwrap();
        verify(&index).unwrap_or_else(|damage| panic!("{}: {damage}", case.name));
        let found = of_rust(&index).unwrap();
        assert_eq!(found, expected(&case)["index"], "{}", case.name);
    }
}

#[test]
fn the_library_tells_which_rule_a_bad_vector_breaks() {
    let mut wrong = Vec::new();
    for Lie {
        name,
        rule,
        found,
        bytes,
    } in lies()
    {
        let opened = Index::open(bytes);
        assert_eq!(opened.is_err(), found == Found::Opening, "{name}");
        let broken = match opened {
            Err(damage) => damage,
            Ok(index) => {
                let read = Answers::of(&index).is_err();
                if read != (found == Found::Reading) {
                    wrong.push((name, "found by reading", None));
                }
                verify(&index).expect_err(name)
            }
        };
        let broken = broken.rule().map(|rule| rule.number);
        if broken != Some(rule) {
            wrong.push((name, rule, broken));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn verify_names_the_rule_that_a_vector_breaks_where_it_is_asked_to() {
    for lie in lies() {
        let file = folder().join(format!("bad/{}.index", lie.name));
        let run = |arguments: &[&str]| {
            let output = run(epcache().arg("verify").args(arguments).arg(&file));
            (output.status.code(), text(&output.stderr))
        };
        let (status, said) = run(&["--explain"]);
        assert_eq!(status, Some(1), "{}: {said}", lie.name);
        assert!(said.contains(&format!(": rule {}: ", lie.rule)), "{said}");
        assert!(!run(&[]).1.contains("rule"));
    }
    let sound = run(epcache()
        .args(["verify", "--explain"])
        .arg(folder().join("alias.index")));
    assert_eq!(sound.status.code(), Some(0));
    assert!(!text(&sound.stderr).contains("rule"));
}
