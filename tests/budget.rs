//! One package loses only itself: the cost of a search directory is bounded. Packages beyond the
//! limit are left unread, and all others are in the index.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/separation.rs"]
mod separation;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use cli::{Ran, Tree, run};
use epcache::scan::budget::{CONTENT_LIMIT, ENTRIES_LIMIT};
use separation::unread;

const MIB: usize = 1 << 20;
const REFRESH: [&str; 5] = ["refresh", "--path", "site", "--output", "index"];
const FULL: [&str; 6] = ["refresh", "--full", "--path", "site", "--output", "index"];

/// Hard links to one file in many metadata directories: a package of a few kilobytes.
fn evil(tree: &Tree, count: usize, file: &str, content: &str) {
    evil_named(tree, "evil", count, file, content);
}

fn evil_named(tree: &Tree, name: &str, count: usize, file: &str, content: &str) {
    let source = tree.file(&format!("source-of-{name}"), content);
    for number in 0..count {
        let metadata = tree.dir(&format!("site/{name}{number:04}-1.dist-info"));
        fs::hard_link(&source, metadata.join(file)).unwrap();
    }
}

fn honest(tree: &Tree, count: usize) {
    for number in 0..count {
        let name = format!("honest{number}");
        tree.dist("site", &name, &format!("[g]\n{name} = honest:main\n"));
    }
}

fn entries(count: usize) -> String {
    let lines: String = (0..count).map(|number| format!("{number:x}=a\n")).collect();
    format!("[g]\n{lines}")
}

fn refresh(tree: &Tree, arguments: &[&str]) -> Ran {
    // Waits until files are old enough that their times are recorded.
    std::thread::sleep(Duration::from_millis(20));
    let ran = run(&mut tree.epcache(arguments));
    assert_eq!(ran.code, 0, "{ran:.3000?}");
    ran
}

/// The warnings about the budget.
fn told(ran: &Ran) -> Vec<&str> {
    let lines = ran.stderr.lines();
    lines
        .filter(|line| line.contains("left unread, the largest of"))
        .collect()
}

fn unread_in(tree: &Tree) -> BTreeSet<String> {
    unread(&fs::read(tree.path("index")).unwrap())
        .into_iter()
        .collect()
}

/// How many of the honest packages are found, in an index or live.
fn found(tree: &Tree, arguments: &[&str]) -> usize {
    let ran = run(tree
        .epcache(&["query", "g", "--path", "site"])
        .args(arguments));
    assert_eq!(ran.code, 0, "{ran:.3000?}");
    ran.stdout.matches("honest:main").count()
}

/// Checks each hostile tree: the honest packages are found, the hostile ones are unread and named
/// once, also after a second refresh.
fn assert_costs_only_itself(tree: &Tree, honest: usize, what: &str) -> BTreeSet<String> {
    let ran = refresh(tree, &FULL);
    assert_eq!(told(&ran).len(), 1, "{what}: {ran:.3000?}");
    let left = unread_in(tree);
    assert!(
        left.iter().all(|name| !name.starts_with("honest")),
        "{what}"
    );
    assert!(
        told(&ran)[0].contains(&format!("the largest of {}:", left.len())),
        "{what}: {ran:.3000?}"
    );
    assert_eq!(found(tree, &["--index", "index"]), honest, "{what}");
    assert_eq!(found(tree, &[]), honest, "{what}, live");
    // From the existing index: the same result, and nothing is written.
    let before = fs::metadata(tree.path("index")).unwrap();
    let bytes = fs::read(tree.path("index")).unwrap();
    let ran = refresh(tree, &REFRESH);
    assert_eq!(told(&ran).len(), 1, "{what}: {ran:.3000?}");
    assert_eq!(fs::read(tree.path("index")).unwrap(), bytes, "{what}");
    use std::os::unix::fs::MetadataExt as _;
    let after = fs::metadata(tree.path("index")).unwrap();
    assert_eq!(after.ino(), before.ino(), "{what}: nothing new to write");
    let status = run(tree.epcache(&["status"]).env("EPCACHE_INDEX", "index"));
    assert!(
        status.stdout.contains("fresh      /"),
        "{what}: {status:.3000?}"
    );
    left
}

#[test]
fn many_links_to_one_large_file_cost_only_themselves() {
    let lines = |line: &str| line.repeat(MIB / line.len());
    for (what, file, content) in [
        ("entries", "entry_points.txt", entries(65_535)),
        (
            "one long value",
            "entry_points.txt",
            format!("[g]\na={}\n", "x".repeat(MIB - 10)),
        ),
        ("headers", "METADATA", lines("A: b\n")),
        ("headers of an old kind", "PKG-INFO", lines("A: b\n")),
    ] {
        let tree = Tree::new();
        honest(&tree, 3);
        evil(&tree, 28, file, &content);
        let left = assert_costs_only_itself(&tree, 3, what);
        // As many are read as fit in the budget. Of equal ones, those with the later names are left
        // out.
        let names = (0..left.len()).map(|number| format!("evil{number:04}-1.dist-info"));
        assert_eq!(left, names.collect(), "{what}");
        assert!(left.len() < 28, "{what}");
    }
}

#[test]
fn twins_that_shadow_each_other_count_as_well() {
    let tree = Tree::new();
    honest(&tree, 3);
    evil_named(&tree, "twin-1.", 8, "entry_points.txt", &entries(65_535));
    assert_costs_only_itself(&tree, 3, "twins");
}

#[test]
fn the_unread_packages_do_not_depend_on_the_old_index() {
    let value = |size: usize| format!("[g]\na={}\n", "x".repeat(size));
    let tree = Tree::new();
    honest(&tree, 3);
    evil_named(&tree, "large", 19, "entry_points.txt", &value(MIB - 100));
    refresh(&tree, &REFRESH);
    assert!(unread_in(&tree).is_empty());
    evil_named(
        &tree,
        "small",
        14,
        "entry_points.txt",
        &value(MIB / 2 - 100),
    );
    refresh(&tree, &REFRESH);
    let left = unread_in(&tree);
    assert_eq!(
        left,
        (0..2)
            .map(|number| format!("large{number:04}-1.dist-info"))
            .collect()
    );
    let bytes = fs::read(tree.path("index")).unwrap();
    refresh(&tree, &FULL);
    assert_eq!(fs::read(tree.path("index")).unwrap(), bytes);
    // They are back when there is room again.
    for number in 0..14 {
        fs::remove_dir_all(tree.path(&format!("site/small{number:04}-1.dist-info"))).unwrap();
    }
    let ran = refresh(&tree, &REFRESH);
    assert!(
        told(&ran).is_empty() && unread_in(&tree).is_empty(),
        "{ran:.3000?}"
    );
}

#[test]
fn an_unread_distribution_is_named_by_its_file_name_and_comes_after_read_ones() {
    let tree = Tree::new();
    tree.dist("site", "tool", "[g]\ntool = honest:main\n");
    evil(
        &tree,
        25,
        "entry_points.txt",
        &format!("[g]\na={}\n", "x".repeat(MIB - 10)),
    );
    // A higher version of the honest package, but without core metadata.
    let source = tree.path("source-of-evil");
    let twin = tree.dir("site/tool-2.dist-info");
    fs::write(twin.join("entry_points.txt"), fs::read(source).unwrap()).unwrap();
    let left = assert_costs_only_itself(&tree, 1, "a twin");
    assert!(left.contains("evil0000-1.dist-info"), "{left:?}");
}

// ---- ordinary use

#[test]
fn one_file_of_the_largest_size_is_read() {
    let tree = Tree::new();
    let text = format!("{}#{}", entries(65_536), "x".repeat(MIB));
    tree.dist("site", "large", &text[..MIB]);
    honest(&tree, 3);
    let ran = refresh(&tree, &FULL);
    assert!(
        told(&ran).is_empty() && unread_in(&tree).is_empty(),
        "{ran:.3000?}"
    );
    assert!(ran.stderr.contains("65539 entry points"), "{ran:.3000?}");
    assert_eq!(found(&tree, &["--index", "index"]), 3);
}

#[test]
fn fifteen_hundred_ordinary_packages_with_long_descriptions_are_read() {
    let tree = Tree::new();
    honest(&tree, 1500);
    let description = format!("\n{}", "All about it.\n".repeat(5000));
    for number in 0..1500 {
        let name = format!("honest{number}");
        let headers = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{description}");
        tree.file(&format!("site/{name}-1.dist-info/METADATA"), headers);
    }
    let ran = refresh(&tree, &FULL);
    assert!(
        told(&ran).is_empty() && unread_in(&tree).is_empty(),
        "{ran:.3000?}"
    );
    assert_eq!(found(&tree, &["--index", "index"]), 1500);
}

#[test]
fn the_limits_are_those_of_the_specification() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/specification/metadata.md");
    let page = fs::read_to_string(page).unwrap();
    for number in [CONTENT_LIMIT, ENTRIES_LIMIT] {
        let digits = number.to_string();
        let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
        let written = String::from_utf8(groups.join(&b','));
        let written = written.unwrap();
        assert!(page.contains(&written), "{written}");
    }
}

#[test]
fn long_names_count_towards_the_budget() {
    let tree = Tree::new();
    honest(&tree, 10);
    let metadata = format!("Name: {}\nVersion: 1\n", "n".repeat(4000));
    evil(&tree, 7000, "METADATA", &metadata);
    let left = assert_costs_only_itself(&tree, 10, "long names");
    // As much stays as fits in 24 MiB.
    assert!(left.len() > 500 && left.len() < 1500, "{}", left.len());
}

#[test]
fn ordinary_names_do_not_count_towards_the_budget() {
    let tree = Tree::new();
    let metadata = format!(
        "Name: {}\nVersion: 1\n{}",
        "n".repeat(500),
        "X: y\n".repeat(800)
    );
    evil(&tree, 7000, "METADATA", &metadata);
    let ran = refresh(&tree, &FULL);
    assert!(!ran.stderr.contains("warning"), "{ran:.3000?}");
    assert!(unread_in(&tree).is_empty());
}
