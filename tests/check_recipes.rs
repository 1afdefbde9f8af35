//! The recipes in docs/checking.md, run as they are written there: each finds nothing wrong with a
//! good package, and fails with a bad one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/recipes.rs"]
mod recipes;

use std::fs;
use std::path::Path;

use cli::{Ran, Tree, run, tool_for};
use recipes::{blocks, recipe, shell};

const PAGE: &str = "docs/checking.md";
const GOOD: &str = "[g]\nx = example:main\n";
const BAD: &str = "[g]\nx = example:main\nalone\n";

/// Distribution `example` with its module.
fn example(tree: &Tree, site: &str, entry_points: &str) {
    tree.file(&format!("{site}/example.py"), "");
    tree.dist(site, "example", entry_points);
}

#[test]
fn first_steps() {
    let tree = Tree::new();
    tree.venv(".venv");
    let site = ".venv/lib/python3.11/site-packages";
    tree.file(&format!("{site}/env.py"), "");
    for name in ["requests", "flask"] {
        tree.dist(site, name, "");
    }
    for line in blocks(PAGE, "First steps", "sh").concat().lines() {
        let mut command = shell(line, &tree.path(""));
        let ran = run(command.env("VIRTUAL_ENV", tree.path(".venv")));
        // Nobody knows what is wrong with the machine that this runs on.
        let is_done = ran.code == 0 || (line.contains("--system") && ran.code == 1);
        assert!(is_done, "{line}: {ran:?}");
    }
    tree.file(&format!("{site}/tool/__init__.py"), "");
    tree.file(".venv/bin/run", "");
    let declared = "[console_scripts]\n# a comment\n# and another one\nrun = tool.cli:main\n";
    tree.dist(site, "tool", declared);
    let ran = run(&mut tree.epcache(&["check", "--venv", ".venv"]));
    let site = tree.text(site);
    let shown = ran.stdout.lines().next().unwrap();
    let shown = shown.replace(&site, "/srv/venv/lib/python3.12/site-packages");
    assert_eq!(blocks(PAGE, "First steps", "text"), [format!("{shown}\n")]);
}

#[test]
fn a_wheel_before_it_is_uploaded() {
    if !tool_for("a wheel before it is uploaded", "python3") {
        return;
    }
    for (entry_points, code) in [(GOOD, 0), (BAD, 1)] {
        let tree = Tree::new();
        example(&tree, "wheel", entry_points);
        tree.dir("dist");
        let zip = "cd wheel && python3 -m zipfile -c ../dist/example-1-py3-none-any.whl *";
        assert_eq!(run(&mut shell(zip, &tree.path(""))).code, 0);
        let ran = run(&mut recipe(
            PAGE,
            "A wheel before it is uploaded",
            &tree.path(""),
        ));
        assert_eq!(ran.code, code, "{ran:?}");
    }
}

#[test]
fn debian_rules() {
    if !tool_for("debian/rules", "make") {
        return;
    }
    let rules = blocks(PAGE, "debian/rules", "make").concat();
    let target = rules.split(':').next().unwrap().to_owned();
    for (entry_points, fails) in [(GOOD, false), (BAD, true)] {
        let tree = Tree::new();
        tree.file("debian/rules", &rules);
        let site = "debian/python3-example/usr/lib/python3/dist-packages";
        example(&tree, site, entry_points);
        let ran = run(&mut shell(
            &format!("make -f debian/rules {target}"),
            &tree.path(""),
        ));
        assert_eq!(ran.code != 0, fails, "{ran:?}");
    }
}

#[test]
fn a_spec_file() {
    if !tool_for("a spec file", "rpmbuild") {
        return;
    }
    let check = blocks(PAGE, "A spec file", "spec").concat();
    for (entry_points, fails) in [(GOOD, false), (BAD, true)] {
        let tree = Tree::new();
        example(&tree, "made/usr/lib/python3.13/site-packages", entry_points);
        let spec = format!(
            "Name: example\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
             %description\nx\n%install\ncp -r {}/. %{{buildroot}}\n{check}\n%files\n/usr\n",
            tree.text("made")
        );
        tree.file("example.spec", spec);
        let build = "rpmbuild --define \"_topdir $PWD/top\" --define 'python3_version 3.13' -bi example.spec";
        let ran = run(&mut shell(build, &tree.path("")));
        let said = [&*ran.stdout, &ran.stderr].concat();
        assert_eq!(ran.code != 0, fails, "{said}");
        assert_eq!(said.contains("[line-without-equals]"), fails, "{said}");
    }
}

#[test]
fn the_hook_of_pre_commit_is_such_a_command() {
    let hook = blocks(PAGE, "pre-commit", "yaml").concat();
    let entry = hook
        .lines()
        .find_map(|line| line.trim().strip_prefix("entry: "));
    let ran_in = |entry_points: &str| -> Ran {
        let tree = Tree::new();
        tree.venv(".venv");
        let site = ".venv/lib/python3.11/site-packages";
        tree.file(&format!("{site}/env.py"), "");
        example(&tree, site, entry_points);
        run(&mut shell(entry.unwrap(), &tree.path("")))
    };
    assert_eq!((ran_in(GOOD).code, ran_in(BAD).code), (0, 1));
}

#[test]
fn the_page_names_no_identifier_that_there_is_not() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let list = run(&mut Tree::new().epcache(&["check", "--list"])).stdout;
    let named = page.split(" [").filter_map(|rest| rest.split_once(']'));
    for (id, _) in named.filter(|(id, _)| id.contains('-')) {
        assert!(list.contains(&format!("\n{id} (")), "{id}");
    }
}
