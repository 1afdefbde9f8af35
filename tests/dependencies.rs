//! Which crates there are, and under which licences.
//!
//! A crate that gets in is a decision: `tests/pins/crates.txt` lists those that the program runs, those that
//! help to build it and those that only tests use. Which licences are good enough is said in `deny.toml`. cargo-deny
//! would say the same, but is not there everywhere; this needs nothing but cargo.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// What cargo says of all packages, on one platform: so it is the same wherever this runs.
fn metadata() -> Value {
    let ran = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .arg("--filter-platform=x86_64-unknown-linux-gnu")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    serde_json::from_slice(&ran.stdout).unwrap()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// All packages that this one has dependencies of these kinds on, and so on.
fn reached<'m>(metadata: &'m Value, kinds: &[Option<&str>]) -> BTreeSet<&'m str> {
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let nodes: BTreeMap<_, _> = nodes.iter().map(|node| (text(node, "id"), node)).collect();
    let mut found = BTreeSet::new();
    let mut open = vec![text(&metadata["resolve"], "root")];
    while let Some(id) = open.pop() {
        if found.insert(id) {
            for dependency in nodes[id]["deps"].as_array().unwrap() {
                let mut of = dependency["dep_kinds"].as_array().unwrap().iter();
                if of.any(|kind| kinds.contains(&kind["kind"].as_str())) {
                    open.push(text(dependency, "pkg"));
                }
            }
        }
    }
    found
}

/// Lines as in `tests/pins/crates.txt`: what for, the name, the licence.
fn crates(metadata: &Value) -> BTreeSet<String> {
    let run = reached(metadata, &[None]);
    let build = reached(metadata, &[None, Some("build")]);
    let all = reached(metadata, &[None, Some("build"), Some("dev")]);
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .filter(|package| !package["source"].is_null() && all.contains(text(package, "id")))
        .map(|package| {
            let what_for = match text(package, "id") {
                id if run.contains(id) => "run",
                id if build.contains(id) => "build",
                _ => "test",
            };
            format!(
                "{what_for}\t{}\t{}",
                text(package, "name"),
                text(package, "license")
            )
        })
        .collect()
}

#[test]
fn no_crate_gets_in_unnoticed() {
    let expected = file("tests/pins/crates.txt");
    let expected: BTreeSet<_> = expected
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(str::to_owned)
        .collect();
    let found = crates(&metadata());
    let list = |lines: Vec<&String>| lines.iter().map(|l| format!("\n  {l}")).collect::<String>();
    let new = list(found.difference(&expected).collect());
    let gone = list(expected.difference(&found).collect());
    assert!(
        new.is_empty() && gone.is_empty(),
        "tests/pins/crates.txt does not fit.\nNew:{new}\nGone:{gone}"
    );
}

#[test]
fn all_crates_come_from_one_place() {
    for package in metadata()["packages"].as_array().unwrap() {
        let own = text(package, "name") == env!("CARGO_PKG_NAME");
        let source = (!own).then_some(REGISTRY);
        assert_eq!(
            package["source"].as_str(),
            source,
            "{}",
            text(package, "name")
        );
    }
}

/// Whether one may take it under licences that are allowed. (`/` is what `OR` was once.)
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    // `AND` binds closer than `OR`, but not within parentheses: where there are both, all have to hold.
    plain.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|licence| allowed.contains(&licence.trim()))
    })
}

#[test]
fn every_licence_goes_with_ours() {
    let deny = file("deny.toml");
    let list = deny.split("\nallow = [").nth(1).unwrap();
    let list = list.split(']').next().unwrap();
    let allowed: Vec<_> = list.split('"').skip(1).step_by(2).collect();
    assert!(allowed.contains(&"MIT"), "{allowed:?}");
    for line in crates(&metadata()) {
        let licence = line.rsplit('\t').next().unwrap();
        assert!(is_allowed(licence, &allowed), "{line}");
    }
    for wrong in [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "GPL-2.0-only OR MPL-2.0",
    ] {
        assert!(!is_allowed(wrong, &allowed), "{wrong}");
    }
}
