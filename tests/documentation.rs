//! The pages for administrators: a test runs each block of code in them as it is written, or this
//! file says why not. And the README leads to every page.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/recipes.rs"]
mod recipes;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cli::{Tree, run, tool_for};

/// Page, heading, and language of a block, and the test program that runs it.
const RUN: [[&str; 4]; 29] = [
    ["checking.md", "First steps", "sh", "check_recipes"],
    ["checking.md", "First steps", "text", "check_recipes"],
    [
        "checking.md",
        "A wheel before it is uploaded",
        "sh",
        "check_recipes",
    ],
    ["checking.md", "debian/rules", "make", "check_recipes"],
    ["checking.md", "A spec file", "spec", "check_recipes"],
    ["checking.md", "pre-commit", "yaml", "check_recipes"],
    ["administration.md", "systemd", "sh", "units"],
    ["administration.md", "Without systemd", "crontab", "units"],
    ["administration.md", "Without systemd", "sh", "units"],
    ["administration.md", "Watching it", "sh", "cli_status"],
    [
        "administration.md",
        "umask, SELinux, AppArmor",
        "apparmor",
        "documentation",
    ],
    ["consumers.md", "For packagers", "ini", "consumers_recipes"],
    ["consumers.md", "Views", "sh", "consumers_recipes"],
    ["consumers.md", "Views", "json", "consumers_recipes"],
    ["consumers.md", "Views", "tsv", "consumers_recipes"],
    [
        "consumers.md",
        "For administrators",
        "sh",
        "consumers_recipes",
    ],
    [
        "consumers.md",
        "Running a program on changes",
        "ini",
        "consumers_units",
    ],
    [
        "consumers.md",
        "Running a program on changes",
        "sh",
        "consumers_units",
    ],
    ["consumers.md", "An example", "sh", "consumers_recipes"],
    ["consumers.md", "Without systemd", "sh", "consumers_recipes"],
    ["images.md", "Images", "sh", "images"],
    ["images.md", "Layers and archives", "sh", "images"],
    [
        "images.md",
        "Containerfiles and bootc",
        "Containerfile",
        "hook",
    ],
    ["images.md", "mkosi", "sh", "images"],
    ["images.md", "squashfs and erofs", "sh", "images"],
    ["images.md", "ostree", "sh", "images"],
    [
        "images.md",
        "When somebody changes an image",
        "sh",
        "images",
    ],
    ["scale.md", "By hand", "sh", "shared_tree"],
    ["scale.md", "For every node", "ini", "shared_tree"],
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Heading and language of each block of a page. No test would find indented code.
fn blocks(page: &str) -> BTreeSet<(String, String)> {
    let text = read(&format!("docs/{page}"));
    let (mut heading, mut within, mut blank) = (String::new(), false, false);
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            within = !within;
            if within {
                found.insert((heading.clone(), language.to_owned()));
            }
        } else if !within && line.starts_with('#') {
            heading = line.trim_start_matches('#').trim().to_owned();
        } else if !within && blank {
            assert!(
                !line.starts_with("    "),
                "{page}: a block without a language: {line}"
            );
        }
        blank = line.trim().is_empty();
    }
    found
}

#[test]
fn every_block_for_administrators_is_run_by_a_test() {
    for page in [
        "administration.md",
        "checking.md",
        "consumers.md",
        "images.md",
        "scale.md",
    ] {
        let of_page = RUN.iter().filter(|[of, ..]| *of == page);
        let run = of_page
            .clone()
            .map(|[_, heading, language, _]| ((*heading).to_owned(), (*language).to_owned()));
        assert_eq!(blocks(page), run.collect(), "{page}");
        for [_, heading, language, test] in of_page {
            let text = read(&format!("tests/{test}.rs"));
            // By its heading. The blocks for images are all in `sh`.
            assert!(
                text.contains(page) && text.contains(&format!("\"{heading}\"")),
                "{test}: {page}, {heading}, {language}"
            );
        }
    }
}

#[test]
fn the_lines_for_an_apparmor_profile_are_such_lines() {
    if !tool_for("the lines for AppArmor", "apparmor_parser") {
        return;
    }
    let lines = recipes::blocks(
        "docs/administration.md",
        "umask, SELinux, AppArmor",
        "apparmor",
    );
    let tree = Tree::new();
    let parse = |lines: &str| {
        let profile = format!("profile reader /usr/bin/reader {{\n{lines}}}\n");
        let profile = tree.file("profile", profile);
        let mut parser = tree.program("apparmor_parser".as_ref());
        parser.args(["--skip-kernel-load", "--skip-cache"]);
        run(parser.arg(profile)).code
    };
    assert_eq!(parse(&lines.concat()), 0);
    assert_ne!(parse("/usr/lib/epcache/index is read\n"), 0);
}

#[test]
fn the_readme_leads_to_every_page() {
    let readme = read("README.md");
    for page in cli::names(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")) {
        if page.ends_with(".md") {
            assert!(readme.contains(&format!("](docs/{page}")), "{page}");
        }
    }
}
