//! With any content of a metadata directory, `epcache refresh` finishes, keeps the entries of all
//! other packages, and names the bad file. So does `epcache query`, which reads live.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/bad_trees.rs"]
mod bad_trees;
#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use bad_trees::{BAD, CASES, ODD, tree_with};
use cli::{Ran, Tree, run, set_mode};

/// As a user who may not read everything, which root may.
fn refresh(tree: &Tree) -> Ran {
    run(&mut tree.as_user(&[
        "refresh",
        "--path",
        "site",
        "--output",
        "out/index",
        "--json",
    ]))
}

fn both_neighbours(ran: &Ran) -> bool {
    ["aaa", "zzz"]
        .iter()
        .all(|name| ran.stdout.contains(&format!("g\t{name}\t{name}:main\n")))
}

/// What is wrong with the result. `None` if nothing is.
fn verdict(tree: &Tree, culprit: Option<(&str, &str)>) -> Option<String> {
    let complains = |ran: &Ran| match culprit {
        None => ran.stderr.is_empty(),
        Some((path, why)) => {
            let path = format!("{path}: ");
            ran.warnings()
                .iter()
                .any(|w| w.contains(&path) && w.contains(why))
        }
    };
    let refreshed = refresh(tree);
    if refreshed.code != 0 || !complains(&refreshed) {
        return Some(format!("refresh: {refreshed:?}"));
    }
    let query = ["query", "g", "--path", "site"];
    let indexed = run(tree.as_user(&query).args(["--index", "out/index"]));
    if indexed.code != 0 || !both_neighbours(&indexed) || indexed.stderr.contains("differ") {
        return Some(format!("from the index: {indexed:?}"));
    }
    let live = run(&mut tree.as_user(&query));
    if live.code != 0 || live.stdout != indexed.stdout {
        return Some(format!("live: {live:?}, but indexed: {indexed:?}"));
    }
    let verified = run(&mut tree.as_user(&["verify", "out/index"]));
    (verified.code != 0).then(|| format!("verify: {verified:?}"))
}

fn shortened(text: String) -> String {
    text.chars().take(1500).collect()
}

#[test]
fn bad_metadata_is_named_and_does_not_affect_other_packages() {
    let mut failures = vec![];
    for &(name, make, path, why) in CASES {
        let tree = tree_with(make);
        failures
            .extend(verdict(&tree, Some((path, why))).map(|v| shortened(format!("{name}: {v}"))));
        let _ = fs::set_permissions(
            tree.path("site").join(BAD),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn odd_metadata_is_accepted_without_complaint() {
    let mut failures = vec![];
    for &(name, make) in ODD {
        let tree = tree_with(make);
        failures.extend(verdict(&tree, None).map(|v| shortened(format!("{name}: {v}"))));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn an_unreadable_search_directory_does_not_affect_others() {
    let tree = Tree::new();
    tree.dist("good", "good", "[g]\ngood = good:main\n");
    tree.dist("closed", "closed", "[g]\nclosed = closed:main\n");
    tree.link("loop", "loop");
    tree.dir("out");
    tree.give("out");
    set_mode(tree.path("closed"), 0);
    let sites = ["closed", "loop", "gone", "good"];
    let mut command = tree.as_user(&["refresh", "--json", "--output", "out/index", "--path"]);
    let ran = run(command.args(sites));
    set_mode(tree.path("closed"), 0o755);
    assert_eq!(ran.code, 1, "incomplete, and published: {ran:?}");
    assert_eq!(ran.json()["entry_points"], 1);
    for site in ["closed", "loop"] {
        assert!(
            ran.stderr
                .contains(&format!("error: {}: cannot be read", tree.text(site))),
            "{ran:?}"
        );
    }
    let query = [
        "query",
        "g",
        "--path",
        "good",
        "--index",
        "out/index",
        "--freshness",
        "trust",
    ];
    assert_eq!(
        run(&mut tree.epcache(&query)).stdout,
        "g\tgood\tgood:main\n"
    );
}

#[test]
fn files_that_change_during_the_scan_do_not_affect_other_packages() {
    let tree = tree_with(|_| ());
    let done = AtomicBool::new(false);
    let site = tree.path("site");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                for number in 0..20 {
                    let name = site.join(format!("come{number}-{round}.dist-info"));
                    let _ = fs::create_dir(&name);
                    let _ = fs::write(name.join("METADATA"), "Name: come\nVersion: 1\n");
                    let _ = fs::write(name.join("entry_points.txt"), "[g]\ncome = come:go\n");
                }
                for number in 0..20 {
                    let name = site.join(format!("come{number}-{round}.dist-info"));
                    let _ = fs::remove_file(name.join("METADATA"));
                    let _ = fs::rename(&name, site.join("gone"));
                    let _ = fs::remove_dir_all(site.join("gone"));
                }
            }
        });
        let mut failure = None;
        for _ in 0..25 {
            let refreshed = refresh(&tree);
            let verified = run(&mut tree.as_user(&["verify", "out/index"]));
            let query = ["query", "g", "--path", "site", "--index", "out/index"];
            let answer = run(&mut tree.as_user(&query));
            if refreshed.code != 0 || verified.code != 0 || !both_neighbours(&answer) {
                failure = Some(format!("{refreshed:?}\n{verified:?}\n{answer:?}"));
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(failure.is_none(), "{}", failure.unwrap_or_default());
    });
}

#[test]
fn entry_points_that_share_a_distribution_share_its_name_in_memory() {
    let tree = Tree::new();
    let long = "n".repeat(4000);
    tree.file(
        "site/bad-1.dist-info/METADATA",
        format!("Name: {long}\nVersion: {long}\n"),
    );
    let many = 5000;
    let entry_points = format!("[g]\n{}", "=\n".repeat(many));
    tree.file("site/bad-1.dist-info/entry_points.txt", entry_points);
    tree.refresh(&["site"], "index");
    // As JSON, 60 MB.
    for (arguments, lines) in [("g", many), ("g --json", 8 * many + 2), ("", 1)] {
        let query = format!("$EPCACHE query {arguments} --path site --index index | wc -l");
        let limited = format!("ulimit -v 50000; {query}");
        let mut command = tree.program("sh".as_ref());
        let ran = run(command
            .args(["-euc", &limited])
            .env("EPCACHE", env!("CARGO_BIN_EXE_epcache")));
        let said = (ran.stdout.trim(), ran.stderr.as_str());
        assert_eq!(said, (&*lines.to_string(), ""), "{arguments}");
    }
}
