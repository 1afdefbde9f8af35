//! `epcache query --import`: the distributions that provide an import name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Tree, run};

/// Distributions whose import names come from different files.
fn site() -> Tree {
    let tree = Tree::new();
    tree.dist("site", "declared", "");
    tree.file("site/declared-1.dist-info/top_level.txt", "yaml\n_yaml\n");
    tree.dist("site", "recorded", "");
    let record =
        "package/__init__.py,,\nlone.py,,\nfast.cpython-311-x86_64-linux-gnu.so,,\ngone/x.py,,\n";
    tree.file("site/recorded-1.dist-info/RECORD", record);
    for file in [
        "package/__init__.py",
        "lone.py",
        "fast.cpython-311-x86_64-linux-gnu.so",
    ] {
        tree.file(&format!("site/{file}"), "");
    }
    tree.dist("site", "other", "");
    tree.file("site/other-1.dist-info/top_level.txt", "package\n");
    // Hidden by the one above.
    tree.file(
        "site/other-0.dist-info/METADATA",
        "Name: other\nVersion: 0\n",
    );
    tree.file("site/other-0.dist-info/top_level.txt", "package\nold\n");
    tree
}

#[test]
fn the_distributions_of_an_import_name_are_found_live_and_in_an_index() {
    let tree = site();
    tree.refresh(&["site"], "index");
    for index in [&[][..], &["--index", "index"]] {
        for (name, expected) in [
            ("yaml", &["declared"][..]),
            ("_yaml", &["declared"]),
            ("package", &["other", "recorded"]),
            ("package.module.name", &["other", "recorded"]),
            ("lone", &["recorded"]),
            ("fast", &["recorded"]),
            ("gone", &[]),
            ("old", &[]),
            ("Yaml", &[]),
            ("recorded", &[]),
        ] {
            let mut command = tree.epcache(&["query", "--import", name, "--path", "site"]);
            let ran = run(command.args(index));
            let mut lines: Vec<_> = ran.stdout.lines().collect();
            lines.sort_unstable();
            let line = |name: &&str| format!("{name}\t1\t{}/{name}-1.dist-info", tree.text("site"));
            let expected: Vec<_> = expected.iter().map(line).collect();
            let code = i32::from(expected.is_empty());
            assert_eq!(
                (ran.code, lines),
                (code, expected.iter().map(String::as_str).collect()),
                "{name}"
            );
            assert_eq!(ran.stderr, "", "{name}");
        }
    }
}

#[test]
fn changes_since_the_index_was_written_are_read() {
    let tree = site();
    tree.refresh(&["site"], "index");
    tree.dist("site", "new", "");
    tree.file("site/new-1.dist-info/top_level.txt", "fresh\n");
    let arguments = [
        "query", "--import", "fresh", "--path", "site", "--index", "index",
    ];
    let ran = run(&mut tree.epcache(&arguments));
    assert_eq!(
        (ran.code, ran.stdout.starts_with("new\t1\t")),
        (0, true),
        "{ran:?}"
    );
    assert_eq!(ran.warnings().len(), 1, "{ran:?}");
}

#[test]
fn json_has_these_keys() {
    let tree = site();
    let ran = run(&mut tree.epcache(&["query", "--import", "yaml", "--json", "--path", "site"]));
    let expected = serde_json::json!([{
        "import": "yaml", "distribution": "declared", "version": "1",
        "path": tree.text("site/declared-1.dist-info"),
    }]);
    assert_eq!((ran.code, ran.json()), (0, expected));
}

#[test]
fn a_group_with_it_is_an_error() {
    let ran = run(&mut Tree::new().epcache(&["query", "g", "--import", "yaml"]));
    assert_eq!(ran.code, 2);
}
