//! The directories that `.pth` files below one site directory add may cost no more in total than
//! one search directory.

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

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use cli::{Ran, Tree, run};
use epcache::layout::{self, Origin};
use epcache::rooted::Root;
use separation::unread;

const SITE: &str = "venv/lib/python3.11/site-packages";
const INDEX: &str = "index";

fn refresh(tree: &Tree, more: &[&str]) -> Ran {
    // Waits until files are old enough that their times are recorded.
    std::thread::sleep(Duration::from_millis(20));
    let arguments = ["refresh", "--venv", "venv", "--output", INDEX];
    let ran = run(tree.epcache(&arguments).args(more));
    assert_eq!(ran.code, 0, "{ran:.3000?}");
    ran
}

/// A virtual environment whose `evil.pth` adds so many directories, each with so many hard links to
/// one file of a mebibyte.
fn hostile(directories: usize, links: usize) -> Tree {
    let tree = Tree::new();
    tree.venv("venv");
    let content = format!("[g]\nevil = evil:main\n#{}", "x".repeat((1 << 20) - 30));
    let source = tree.file("source", content);
    let mut lines = String::new();
    for directory in 0..directories {
        let name = format!("evil{directory:03}");
        writeln!(lines, "{name}").unwrap();
        // Most are links to one of a few files, because making files takes much longer than reading
        // them.
        if directory % 50 != 0 {
            let target = format!("evil{:03}", directory / 50 * 50);
            symlink(target, tree.path(&format!("{SITE}/{name}"))).unwrap();
            continue;
        }
        for link in 0..links {
            let name = format!("{SITE}/{name}/evil{link:03}-1.dist-info");
            fs::hard_link(&source, tree.dir(&name).join("entry_points.txt")).unwrap();
        }
    }
    tree.file(&format!("{SITE}/evil.pth"), lines);
    tree
}

#[test]
fn directories_of_one_pth_file_share_one_budget() {
    let tree = hostile(200, 400);
    let begun = Instant::now();
    let ran = refresh(&tree, &["--full", "--json"]);
    assert!(begun.elapsed() < Duration::from_secs(40));
    let bytes = fs::read(tree.path(INDEX)).unwrap();
    // Of 20,000 metadata directories, 24 MiB are read, all in the first directory.
    let left = unread(&bytes);
    assert!(left.len() < 20_000 && left.len() > 19_900, "{}", left.len());
    let text = ran.stdout;
    assert!(
        text.contains("the first of 150 that .pth files add"),
        "{text:.3000}"
    );
    let query = ["query", "g", "--path", SITE, "--index", INDEX];
    let found = run(tree.epcache(&query).args(["--json"]));
    assert!(found.stdout.contains("env:main"), "{found:.3000?}");
    refresh(&tree, &[]);
    assert!(fs::read(tree.path(INDEX)).unwrap() == bytes);
    let before = fs::metadata(tree.path(INDEX)).unwrap();
    refresh(&tree, &[]);
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(fs::metadata(tree.path(INDEX)).unwrap().ino(), before.ino());
}

#[test]
fn no_more_than_a_thousand_directories_of_pth_files_get_a_record() {
    let tree = Tree::new();
    tree.venv("venv");
    tree.dist(&format!("{SITE}/real"), "real", "[g]\nreal = real:main\n");
    let mut lines = String::new();
    for number in 0..1100 {
        writeln!(lines, "link{number}").unwrap();
        symlink("real", tree.path(&format!("{SITE}/link{number}"))).unwrap();
    }
    tree.file(&format!("{SITE}/links.pth"), lines);
    let ran = refresh(&tree, &["--json"]);
    assert!(
        ran.stdout.contains("the first of 100 that .pth files add"),
        "{ran:.3000?}"
    );
    assert!(ran.stdout.contains("\"directories\": 1001"), "{ran:.3000?}");
}

#[test]
fn a_few_directories_of_an_honest_pth_file_are_complete() {
    let tree = Tree::new();
    tree.venv("venv");
    let mut lines = String::new();
    for number in 0..5 {
        let egg = format!("tool{number}-1-py3.11.egg");
        tree.file(
            &format!("{SITE}/{egg}/EGG-INFO/PKG-INFO"),
            format!("Name: tool{number}\nVersion: 1\n"),
        );
        tree.file(
            &format!("{SITE}/{egg}/EGG-INFO/entry_points.txt"),
            format!("[g]\ntool{number} = tool:main\n"),
        );
        writeln!(lines, "./{egg}").unwrap();
    }
    tree.file(&format!("{SITE}/easy-install.pth"), lines);
    let ran = refresh(&tree, &["--json"]);
    assert!(ran.stdout.contains("\"entry_points\": 6"), "{ran:.3000?}");
    assert!(unread(&fs::read(tree.path(INDEX)).unwrap()).is_empty());
    assert!(Path::new(&tree.path(INDEX)).exists());
}

#[test]
fn a_configured_directory_does_not_count_towards_a_pth_files_budget() {
    let tree = Tree::new();
    let site = "/usr/lib/python3.11/site-packages";
    let root = tree.system("root");
    for name in ["plugins", "more"] {
        tree.dir(&format!("root{site}/{name}"));
    }
    tree.link("plugins", &format!("root{site}/link"));
    tree.file(&format!("root{site}/a.pth"), "link\nmore\nown\n");
    tree.dir(&format!("root{site}/own"));
    let root = Root::at(&root).unwrap();
    let extra = ["plugins", "more"].map(|name| Path::new(site).join(name));
    let found = layout::system(&root, &extra);
    let origin = |name: &str| {
        let path = Path::new(site).join(name);
        let mut all = found.directories.iter();
        let one = all.find(|it| it.path == path || it.aliases.contains(&path));
        one.unwrap().origin.clone()
    };
    // By its name, and by a link to it.
    assert_eq!(origin("more"), Origin::Config);
    assert_eq!(origin("plugins"), Origin::Config);
    assert!(matches!(origin("own"), Origin::Pth { .. }));
}

#[test]
fn bytes_read_to_count_entry_points_count_towards_the_budget() {
    let tree = Tree::new();
    tree.venv("venv");
    let lines: String = (0..60_000)
        .map(|number| format!("{number:x}yyyy=a\n"))
        .collect();
    let source = tree.file("source", format!("[g]\n{lines}"));
    let mut paths = String::new();
    for directory in ["a", "b"] {
        writeln!(paths, "{directory}").unwrap();
        for link in 0..40 {
            let name = format!("{SITE}/{directory}/evil{link:03}-1.dist-info");
            fs::hard_link(&source, tree.dir(&name).join("entry_points.txt")).unwrap();
        }
    }
    // It fits in the remaining number of entry points, but not in the remaining bytes.
    let filler = format!("[g]\nfiller = a:b\n#{}", "x".repeat(1 << 19));
    tree.dist(&format!("{SITE}/c"), "filler", &filler);
    tree.file(&format!("{SITE}/evil.pth"), format!("{paths}c\n"));
    refresh(&tree, &["--full"]);
    let left = unread(&fs::read(tree.path(INDEX)).unwrap());
    assert!(left.contains(&"filler-1.dist-info".to_owned()), "{left:?}");
}

/// The number of search directories of a refresh, and its notes.
fn found(tree: &Tree) -> (u64, Vec<String>) {
    let ran = refresh(tree, &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let notes = report["notes"].as_array().unwrap().iter();
    let notes = notes.map(|it| it.as_str().unwrap().to_owned()).collect();
    (report["directories"].as_u64().unwrap(), notes)
}

#[test]
fn pth_files_have_a_limit_for_their_sum() {
    let tree = Tree::new();
    tree.venv("venv");
    tree.dir(&format!("{SITE}/own"));
    tree.file(&format!("{SITE}/honest.pth"), "own\n");
    // Each line is looked up, and each file is small.
    let source = tree.file("source", "nowhere\n".repeat(1 << 13));
    for link in 0..700 {
        let link = tree.path(&format!("{SITE}/evil{link:03}.pth"));
        fs::hard_link(&source, link).unwrap();
    }
    let begun = Instant::now();
    let (directories, notes) = found(&tree);
    assert!(begun.elapsed() < Duration::from_secs(20));
    // Seven of 64 KiB fit in 512 KiB, with the overhead that each file counts.
    let expected = "evil000.pth: not read, nor 692 more: the .pth files here are together larger than 524288 bytes";
    let [note] = &notes[..] else {
        panic!("{notes:.3000?}")
    };
    assert!(note.ends_with(expected), "{note}");
    assert_eq!(
        directories, 2,
        "the site directory and what the honest file adds"
    );
}

#[test]
fn at_most_a_thousand_notes_about_pth_files_are_kept() {
    let tree = Tree::new();
    tree.venv("venv");
    tree.file(&format!("{SITE}/evil.pth"), "import x\n".repeat(50_000));
    assert_eq!(found(&tree).1.len(), 1000);
}

#[test]
fn ordinary_pth_files_are_all_read() {
    let tree = Tree::new();
    tree.venv("venv");
    for number in 0..300 {
        let name = format!("{SITE}/name_space{number}-nspkg.pth");
        tree.file(&name, "import sys, types, os;".repeat(25));
    }
    let lines: String = (0..1000)
        .map(|number| format!("./tool_{number}-1.2.3-py3.11-linux-x86_64.egg\n"))
        .collect();
    tree.file(&format!("{SITE}/easy-install.pth"), lines);
    let (_, notes) = found(&tree);
    assert_eq!(notes.len(), 300, "{notes:.3000?}");
    assert!(notes.iter().all(|note| note.contains("not run here")));
}
