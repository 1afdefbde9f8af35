//! The pages name files, functions, rooms and decisions that exist.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read is a failed one"
)]

#[path = "support/pages.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use support::{pages, read, repository};

/// Where code lies.
const CODE: [&str; 7] = [
    "src/",
    "tests/",
    "python/",
    "packaging/",
    "debian/",
    "rpm/",
    "fuzz/",
];

/// Files that a text names, each with the functions that follow it: `name()`.
fn named_code(text: &str) -> Vec<(String, Vec<String>)> {
    let mut named: Vec<(String, Vec<String>)> = Vec::new();
    let is_file = |code: &str| {
        CODE.iter().any(|folder| code.starts_with(folder))
            && !code.contains([' ', '*', '…'])
            && !code.contains("TARGET")
    };
    for line in text.lines() {
        let mut is_new = true;
        for code in line.split('`').skip(1).step_by(2) {
            let function = code.strip_suffix("()");
            match (function, named.last_mut()) {
                (Some(function), Some((_, functions))) if !is_new => {
                    functions.push(function.to_owned());
                }
                _ if is_file(code) => {
                    named.push((code.to_owned(), Vec::new()));
                    is_new = false;
                }
                _ => {}
            }
        }
    }
    named
}

/// What a text names of the code that is not there.
fn missing_code(text: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for (file, functions) in named_code(text) {
        let path = repository().join(&file);
        if !path.exists() {
            missing.push(file);
            continue;
        }
        let source = fs::read_to_string(&path).unwrap_or_default();
        let is_missing = |name: &&String| {
            !["(", "<"]
                .iter()
                .any(|next| source.contains(&format!("fn {name}{next}")))
        };
        let functions = functions.iter().filter(is_missing);
        missing.extend(functions.map(|name| format!("{file}: {name}()")));
    }
    missing
}

#[test]
fn the_walks_through_the_code_name_files_and_functions_that_exist() {
    let page = read(Path::new("docs/architecture.md"));
    let named = named_code(&page);
    assert!(named.len() > 50, "{} files", named.len());
    // It names files that a distribution is to add.
    let is_about_here = |page: &PathBuf| page != Path::new("docs/packaging.md");
    for page in pages().into_iter().filter(is_about_here) {
        assert_eq!(missing_code(&read(&page)), [""; 0], "{}", page.display());
    }
    let wrong = "`src/main.rs` `main()`, `no()`, `src/none.rs`";
    assert_eq!(missing_code(wrong), ["src/main.rs: no()", "src/none.rs"]);
}

#[test]
fn the_architecture_page_has_every_room() {
    let library = read(Path::new("src/lib.rs"));
    let page = read(Path::new("docs/architecture.md"));
    let list = library.lines().filter(|line| line.starts_with("//! - "));
    let rooms = list.flat_map(|line| line.split('`').skip(1).step_by(2));
    let table: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    for room in rooms.filter(|name| !name.contains('.')) {
        let cell = format!("`{room}`");
        let is_there = table
            .iter()
            .any(|row| row.split('|').nth(1).unwrap().contains(&cell));
        assert!(is_there, "{room} is missing from the table \"Rooms\"");
    }
}

/// All files below a folder, read as text.
fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(repository().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            texts(&path, found);
        } else if let Ok(text) = fs::read_to_string(repository().join(&path)) {
            found.push((path, text));
        }
    }
}

#[test]
fn every_decision_that_is_referred_to_holds() {
    let page = read(Path::new("docs/decisions.md"));
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let numbers: BTreeSet<&str> = headings
        .filter_map(|heading| Some(heading.split_once('.')?.0))
        .collect();
    assert!(numbers.len() > 30, "{numbers:?}");
    let mut files = Vec::new();
    for folder in ["src", "tests", "python", "docs", "benches"] {
        texts(Path::new(folder), &mut files);
    }
    let mut count = 0;
    for (path, text) in files {
        for after in text.split("ecision ").skip(1) {
            let end = after.find(|c: char| !c.is_ascii_digit());
            let number = &after[..end.unwrap_or(after.len())];
            if !number.is_empty() {
                assert!(numbers.contains(number), "{}: {number}", path.display());
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count}");
}
