//! Every Markdown page of the project: its links lead somewhere, and `docs/architecture.md` names
//! code that exists.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read is a failed one"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The pages, relative to the repository.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders: Vec<PathBuf> = ["", ".github", "docs", "benches", "python", "fuzz"]
        .map(PathBuf::from)
        .to_vec();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(repository().join(&folder)) else {
            continue;
        };
        for entry in entries {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let is_folder = entry.file_type().unwrap().is_dir();
            if is_folder && folder != Path::new("") {
                folders.push(path);
            } else if !is_folder && path.extension().is_some_and(|it| it == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(repository().join(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a page outside of its blocks of code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut within = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        within ^= is_fence;
        !within && !is_fence && !line.starts_with("    ")
    })
}

/// The targets of the links in a line: `[text](target)`, code left out.
fn links(line: &str) -> Vec<&str> {
    let code: Vec<&str> = line.split('`').step_by(2).collect();
    let mut found = Vec::new();
    for text in code {
        // `](` may stand behind a piece of code.
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("](") {
            let end = after.find(')').unwrap_or(after.len());
            found.push(&after[..end]);
            rest = &after[end..];
        }
    }
    found
}

/// The anchors of a page, as GitHub makes them from its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| {
        let title = line.trim_start_matches('#').trim();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| heading(line)).collect()
}

/// `..` taken out by arithmetic: None where it leads out of the tree.
fn tidy(path: &Path) -> Option<PathBuf> {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if !tidy.pop() => return None,
            Component::Normal(name) => tidy.push(name),
            _ => {}
        }
    }
    Some(tidy)
}

/// The link's file relative to the repository, and its anchor. None for addresses.
fn target(page: &Path, link: &str) -> Option<(Option<PathBuf>, String)> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = match file {
        "" => Some(page.to_owned()),
        file => tidy(&page.parent().unwrap().join(file)),
    };
    Some((path, anchor.to_owned()))
}

/// What is wrong with a link of a page.
fn wrong(page: &Path, link: &str) -> Option<String> {
    let (path, anchor) = target(page, link)?;
    let Some(path) = path.filter(|path| repository().join(path).exists()) else {
        return Some("no such file".into());
    };
    let is_page = path.extension().is_some_and(|it| it == "md");
    if anchor.is_empty() || !is_page || anchors(&read(&path)).contains(&anchor) {
        return None;
    }
    Some("no such heading".into())
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut bad = Vec::new();
    let mut count = 0;
    for page in pages() {
        for (number, line) in prose(&read(&page)) {
            for link in links(line) {
                count += 1;
                if let Some(why) = wrong(&page, link) {
                    bad.push(format!("{}:{number}: {link}: {why}", page.display()));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(count > 50, "{count} links");
}

#[test]
fn a_link_to_nowhere_is_found() {
    let page = Path::new("docs/architecture.md");
    assert_eq!(
        links("see [`a`](b.md#c), `[x](y)` and [d](e)"),
        ["b.md#c", "e"]
    );
    assert_eq!(wrong(page, "decisions.md"), None);
    assert_eq!(wrong(page, "https://example.org/none"), None);
    assert!(wrong(page, "none.md").is_some());
    assert!(wrong(page, "../../none.md").is_some());
    assert!(wrong(page, "#no-such-heading").is_some());
    assert_eq!(wrong(page, "#glossary"), None);
}

/// What is installed: where each file of the repository goes, from the list that packages use.
fn installed() -> BTreeMap<PathBuf, PathBuf> {
    let list = read(Path::new("packaging/files"));
    let mut installed = BTreeMap::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.as_slice() {
            // In Debian the changelog has another name, so no page may link to it.
            ["link", ..] | [_, "CHANGELOG.md", _] => {}
            [_, source, destination] => {
                installed.insert(PathBuf::from(source), PathBuf::from(destination));
            }
            _ => {}
        }
    }
    installed
}

#[test]
fn links_work_where_packages_install_the_pages() {
    let installed = installed();
    let destinations: BTreeSet<PathBuf> = installed.values().cloned().collect();
    let is_there = |path: &Path| destinations.iter().any(|it| it.starts_with(path));
    let mut bad = Vec::new();
    for (source, destination) in &installed {
        if source.extension().is_none_or(|it| it != "md") {
            continue;
        }
        for (number, line) in prose(&read(source)) {
            for link in links(line) {
                let at = target(destination, link);
                if at.is_some_and(|(path, _)| !path.is_some_and(|path| is_there(&path))) {
                    bad.push(format!("{}:{number}: {link}", source.display()));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    for page in pages().iter().filter(|page| page.starts_with("docs")) {
        assert!(
            installed.contains_key(page),
            "packaging/files: {}",
            page.display()
        );
    }
    // The package of the Python module has this page alone.
    let alone = read(Path::new("debian/python3-epcache.docs"));
    for page in alone.lines().map(Path::new) {
        for (number, line) in prose(&read(page)) {
            let inside = links(line)
                .into_iter()
                .filter_map(|link| target(page, link));
            let elsewhere = inside
                .filter(|(path, _)| path.as_deref() != Some(page))
                .count();
            assert_eq!(elsewhere, 0, "{}:{number}", page.display());
        }
    }
}

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
