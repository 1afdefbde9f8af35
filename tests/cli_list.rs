//! `epcache list`: every distribution with name, version, place and interpreters.

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
use serde_json::json;

/// A system with two interpreters, a directory that both have, a shadowed distribution and a
/// leftover.
fn system() -> Tree {
    let tree = Tree::new();
    for version in ["3.11", "3.13"] {
        tree.file(&format!("r/usr/bin/python{version}"), "\x7fELF\x02");
        let debian = "[\"python3\",\n\"dist-packages\"))\n";
        tree.file(&format!("r/usr/lib/python{version}/os.py"), "");
        tree.file(&format!("r/usr/lib/python{version}/site.py"), debian);
    }
    let shared = "r/usr/lib/python3/dist-packages";
    tree.dist(shared, "Zeta.Tool", "");
    tree.dist(shared, "alpha", "[g]\na = alpha\n");
    tree.file(
        &format!("{shared}/alpha-0.9.dist-info/METADATA"),
        "Name: alpha\nVersion: 0.9\n",
    );
    tree.dir(&format!("{shared}/gone-1.dist-info"));
    tree.dist("r/usr/local/lib/python3.13/dist-packages", "alpha", "");
    tree
}

#[test]
fn the_whole_system_is_listed_by_name_with_the_interpreters_of_each_directory() {
    let tree = system();
    let shared = "/usr/lib/python3/dist-packages";
    let local = "/usr/local/lib/python3.13/dist-packages";
    let all = format!(
        "alpha\t1\t{shared}\t3.11,3.13\nalpha\t1\t{local}\t3.13\nZeta.Tool\t1\t{shared}\t3.11,3.13\n"
    );
    let zeta = format!("Zeta.Tool\t1\t{shared}\t3.11,3.13\n");
    let only_311 = format!("alpha\t1\t{shared}\t3.11\nZeta.Tool\t1\t{shared}\t3.11\n");
    for (arguments, code, expected) in [
        ("", 0, all.as_str()),
        ("zeta_tool", 0, &zeta),
        ("zeta-tool alpha", 0, &all),
        ("gone", 1, ""),
        ("nothing", 1, ""),
        ("--python 3.11", 0, &only_311),
        ("--python 3.9", 2, ""),
    ] {
        let mut command = tree.epcache(&["list", "--root", "r"]);
        let ran = run(command.args(arguments.split_whitespace()));
        let mut lines: Vec<_> = ran.stdout.lines().collect();
        lines.sort_by_key(|line| line.to_lowercase());
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(
            (ran.code, lines.as_str()),
            (code, expected),
            "{arguments}: {ran:?}"
        );
    }
}

#[test]
fn an_index_answers_and_a_change_since_then_is_seen() {
    let tree = Tree::new();
    tree.dist("site", "x", "");
    tree.refresh(&["site"], "index");
    let list = ["list", "--path", "site", "--index", "index"];
    let path = tree.text("site");
    let ran = run(&mut tree.epcache(&list));
    assert_eq!(
        (ran.code, ran.stdout),
        (0, format!("x\t1\t{path}\t\n")),
        "{}",
        ran.stderr
    );
    tree.dist("site", "y", "");
    let ran = run(&mut tree.epcache(&list));
    let both = format!("x\t1\t{path}\t\ny\t1\t{path}\t\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, both.as_str()));
    assert_eq!(ran.warnings().len(), 1, "{ran:?}");
}

#[test]
fn json_has_leftovers_and_shadowed_ones_too() {
    let tree = system();
    let ran = run(&mut tree.epcache(&["list", "alpha", "gone", "--root", "r", "--json"]));
    let both = json!([
        {"version": "3.11", "executable": "/usr/bin/python3.11"},
        {"version": "3.13", "executable": "/usr/bin/python3.13"},
    ]);
    let row = |name: &str, version: &str, path: &str, interpreters, has_metadata, counts| {
        json!({
            "name": name, "version": version, "path": path, "interpreters": interpreters,
            "has_metadata": has_metadata, "counts": counts,
        })
    };
    let shared = |name| format!("/usr/lib/python3/dist-packages/{name}.dist-info");
    let local = "/usr/local/lib/python3.13/dist-packages/alpha-1.dist-info";
    let mut found = ran.json().as_array().unwrap().clone();
    found.sort_by_key(|it| it["path"].as_str().unwrap().to_owned());
    let expected = [
        row(
            "alpha",
            "0.9",
            &shared("alpha-0.9"),
            both.clone(),
            true,
            false,
        ),
        row("alpha", "1", &shared("alpha-1"), both.clone(), true, true),
        row("gone", "1", &shared("gone-1"), both.clone(), false, false),
        row("alpha", "1", local, json!([both[1]]), true, true),
    ];
    assert_eq!(
        (ran.code, found.as_slice()),
        (0, &expected[..]),
        "{}",
        ran.stderr
    );
}

#[test]
fn without_a_scope_the_active_environment_and_the_users_own_directory_are_listed() {
    let tree = Tree::new();
    let venv = tree.venv("env");
    tree.dist(&Tree::user_site("home"), "own", "");
    let mut list = tree.epcache(&["list", "env", "own"]);
    list.env("VIRTUAL_ENV", &venv)
        .env("HOME", tree.path("home"));
    let ran = run(&mut list);
    let site = venv.join("lib/python3.11/site-packages");
    let line = format!("env\t1\t{}\t3.11\n", site.display());
    assert!(ran.stdout.starts_with(&line), "{ran:?}");
    // It depends on whether a Python 3.11 exists here.
    let has_own = ran.stdout.contains("own\t1\t");
    let has_311 = std::path::Path::new("/usr/bin/python3.11").exists();
    assert_eq!(has_own, has_311, "{ran:?}");
    let ran = run(&mut tree.epcache(&["list", "--venv", "env"]));
    assert_eq!((ran.code, ran.stdout), (0, line));
}

#[test]
fn on_a_terminal_columns_are_aligned_and_control_characters_escaped() {
    if !cli::tool_for("a terminal", "script") {
        return;
    }
    let tree = Tree::new();
    tree.dist("site", "long-name", "");
    tree.file("site/b.dist-info/METADATA", "Name: b\u{202e}\nVersion: 1\n");
    let ran = run(tree
        .on_terminal("$EPCACHE list --path site")
        .env("NO_COLOR", "1"));
    let path = tree.text("site");
    let expected = format!("b\\u202e    1  {path}\nlong-name  1  {path}\n");
    let shown: Vec<_> = ran.stdout.lines().map(str::trim_end).collect();
    assert_eq!(shown, expected.lines().collect::<Vec<_>>(), "{ran:?}");
}
