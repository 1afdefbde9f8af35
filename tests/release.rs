//! The version stands in one place, and `packaging/version` sees to the others.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// The places that have the version, the script, and what else it changes.
const FILES: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "CHANGELOG.md",
    "debian/changelog",
    "packaging/man/epcache.8",
    "packaging/version",
    "python/pyproject.toml",
    "python/src/epcache/__init__.py",
    "rpm/epcache.spec",
];

/// Runs `packaging/version` in a tree: whether it succeeded, and what it printed.
fn version(tree: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(tree.join("packaging/version"));
    let output = command.args(arguments).output().expect("bash");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn copy() -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a temporary directory");
    for file in FILES {
        let to = tree.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), to).unwrap();
    }
    tree
}

#[test]
fn every_place_has_the_version_of_the_program() {
    let (done, said) = version(Path::new(env!("CARGO_MANIFEST_DIR")), &[]);
    assert!(done, "{said}");
    assert_eq!(said.trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_place_with_another_version_is_named() {
    for file in FILES
        .iter()
        .filter(|file| !["CHANGELOG.md", "packaging/version"].contains(file))
    {
        let tree = copy();
        let path = tree.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        // In Cargo.lock, other packages may have the same one.
        let (before, after) = match text.split_once("name = \"epcache\"\n") {
            Some((before, after)) if *file == "Cargo.lock" => {
                (format!("{before}name = \"epcache\"\n"), after.to_owned())
            }
            _ => (String::new(), text.clone()),
        };
        let changed = after.replacen(env!("CARGO_PKG_VERSION"), "7.7.7", 1);
        fs::write(&path, before + &changed).unwrap();
        let (done, said) = version(tree.path(), &[]);
        assert!(!done && said.contains(file), "{file}: {said}");
    }
}

#[test]
fn a_new_version_reaches_every_place_and_the_changelogs() {
    let tree = copy();
    assert_eq!(
        version(tree.path(), &["7.8.9"]),
        (true, "7.8.9\n".to_owned())
    );
    let read = |file: &str| fs::read_to_string(tree.path().join(file)).unwrap();
    assert!(read("debian/changelog").starts_with("epcache (7.8.9-1) unstable"));
    assert!(read("CHANGELOG.md").contains("\n## Unreleased\n\n## 7.8.9, 20"));
    assert!(read("rpm/epcache.spec").contains("- 7.8.9-1\n"));
    assert!(!version(tree.path(), &["next"]).0);
}
