//! Every Markdown page of the project: links lead somewhere, here and where packages install the
//! page; prose has at most 100 columns and usual words.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read is a failed one"
)]

#[path = "support/pages.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use support::{pages, prose, read, repository};

/// The targets of the links in a line: `[text](target)`, without code.
fn links(line: &str) -> Vec<&str> {
    let code: Vec<&str> = line.split('`').step_by(2).collect();
    let mut found = Vec::new();
    for text in code {
        // `](` may follow a piece of code.
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

/// Resolves `..` in the text. `None` if the path leads out of the tree.
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

/// The link's file relative to the repository, and its anchor. `None` for addresses.
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

/// The page that `benches/run` writes.
const GENERATED: &str = "benches/results.md";

/// Pages whose prose is not in plain words yet.
const UNFINISHED: [&str; 3] = ["docs/packaging.md", "docs/python.md", "python/README.md"];

/// Pages whose prose is written by hand.
fn written() -> impl Iterator<Item = PathBuf> {
    let is_exempt = |page: &PathBuf| {
        let mut exempt = UNFINISHED.iter().chain([&GENERATED]);
        exempt.any(|exempt| page == Path::new(exempt))
    };
    pages().into_iter().filter(move |page| !is_exempt(page))
}

#[test]
fn prose_has_at_most_100_columns() {
    let mut long = Vec::new();
    for page in written() {
        for (number, line) in prose(&read(&page)) {
            // Tables and lines with a single link cannot be broken.
            let is_prose = !line.trim_start().starts_with(['|', '!', '<', '[']);
            if is_prose && line.chars().count() > 100 {
                long.push(format!("{}:{number}", page.display()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Words that make a sentence hard to read, and what to write instead: CONTRIBUTING.md.
const UNUSUAL: [&str; 7] = [
    "whoever",
    "as absent",
    "one's own",
    "nobody else's",
    "for who ",
    "is none of",
    "is no news",
];

#[test]
fn pages_use_usual_words() {
    let mut found = Vec::new();
    for page in written() {
        if page == Path::new("CONTRIBUTING.md") {
            continue; // its list has them
        }
        for (number, line) in prose(&read(&page)) {
            let line = line.to_lowercase();
            let words = UNUSUAL.iter().filter(|word| line.contains(*word));
            found.extend(words.map(|word| format!("{}:{number}: {word}", page.display())));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
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
