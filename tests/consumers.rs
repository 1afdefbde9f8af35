//! Registered consumers, end to end but without a package manager: views and stamps follow the
//! index, and no other files change.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::fs::MetadataExt;

use cli::{Tree, run};
use serde_json::Value;

const SITE: &str = "root/usr/lib/python3/dist-packages";

/// A system with two plugins of a group and one distribution of another, and a consumer of the
/// group.
fn system() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    tree.dist(SITE, "one", "[app.plugins]\na = one:a\n");
    tree.dist(
        SITE,
        "two",
        "[app.plugins]\nb = two:b\n[console_scripts]\ntwo = two:main\n",
    );
    tree.file(
        "root/usr/lib/epcache/consumers.d/app.conf",
        "[consumer]\ngroups = app.*\nview = json tsv\nstamp = yes\n",
    );
    tree
}

fn refresh(tree: &Tree) {
    let root = tree.path("root");
    let ran = run(&mut tree.epcache(&["refresh", "--system", "--root", root.to_str().unwrap()]));
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn read(tree: &Tree, name: &str) -> String {
    fs::read_to_string(tree.path(&beside(name))).unwrap()
}

fn beside(name: &str) -> String {
    format!("root/usr/lib/epcache/{name}")
}

#[test]
fn views_have_exactly_the_wanted_entry_points() {
    let tree = system();
    let mut shell = tree.program("sh".as_ref());
    shell.args([
        "-c",
        "umask 077; exec \"$0\" refresh --system --root \"$PWD/root\"",
    ]);
    assert_eq!(run(shell.arg(env!("CARGO_BIN_EXE_epcache"))).code, 0);
    let rows: Value = serde_json::from_str(&read(&tree, "views/app.json")).unwrap();
    let of = |key| {
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row[key].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    let mut names = of("name");
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);
    assert!(of("group").iter().all(|group| *group == "app.plugins"));
    assert!(
        of("path")
            .iter()
            .all(|path| path.starts_with("/usr/lib/python3/dist-packages/"))
    );
    let tsv = read(&tree, "views/app.tsv");
    assert_eq!(tsv.lines().count(), 2);
    assert!(tsv.contains("app.plugins\ta\tone:a\tone\t1\t"), "{tsv}");
    assert!(!tsv.contains("console_scripts"));
    let stamp = read(&tree, "changed/app");
    assert!(
        stamp.starts_with("sha256:") && stamp.len() == 7 + 64 + 1,
        "{stamp}"
    );
    for name in ["views", "changed", "views/app.json", "changed/app"] {
        let mode = fs::metadata(tree.path(&beside(name))).unwrap().mode() & 0o777;
        assert_eq!(
            mode & 0o055,
            if name.contains("app") { 0o044 } else { 0o055 },
            "{name}"
        );
    }
}

#[test]
fn a_stamp_changes_only_with_the_wanted_entry_points() {
    let tree = system();
    refresh(&tree);
    let stamp = || (read(&tree, "changed/app"), inode(&tree, "changed/app"));
    let first = stamp();
    tree.dist(SITE, "unrelated", "[console_scripts]\nx = unrelated:x\n");
    refresh(&tree);
    assert_eq!(
        stamp(),
        first,
        "replaced, though nothing asked for has changed"
    );
    tree.dist(SITE, "three", "[app.more]\nc = three:c\n");
    refresh(&tree);
    let second = stamp();
    assert_ne!(second.0, first.0);
    fs::remove_dir_all(tree.path(SITE).join("three-1.dist-info")).unwrap();
    refresh(&tree);
    assert_eq!(
        stamp().0,
        first.0,
        "the same entry points have the same stamp"
    );
}

fn inode(tree: &Tree, name: &str) -> u64 {
    fs::metadata(tree.path(&beside(name))).unwrap().ino()
}

#[test]
fn files_are_removed_with_their_registration() {
    let tree = system();
    tree.file(
        "root/etc/epcache/consumers.d/other.conf",
        "groups = *\nstamp = yes\n",
    );
    refresh(&tree);
    assert!(tree.path(&beside("changed/other")).exists());
    // Replaced by the administrator's empty file.
    tree.file("root/etc/epcache/consumers.d/app.conf", "");
    refresh(&tree);
    assert!(!tree.path(&beside("views")).exists());
    assert!(!tree.path(&beside("changed/app")).exists());
    assert!(tree.path(&beside("changed/other")).exists());
    fs::remove_file(tree.path("root/etc/epcache/consumers.d/other.conf")).unwrap();
    refresh(&tree);
    assert!(!tree.path(&beside("changed")).exists());
}

#[test]
fn installing_a_registration_triggers_its_view() {
    let tree = system();
    refresh(&tree);
    let root = tree.path("root");
    tree.file(
        "root/usr/lib/epcache/consumers.d/new.conf",
        "groups = console_scripts\nview = tsv\n",
    );
    let list = tree.file("list", "/usr/lib/epcache/consumers.d/new.conf\n");
    let mut trigger = tree.epcache(&[
        "trigger",
        "rpm",
        "--strict",
        "--root",
        root.to_str().unwrap(),
    ]);
    let ran = run(trigger.stdin(fs::File::open(list).unwrap()));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(read(&tree, "views/new.tsv").contains("two:main"));
}

#[test]
fn status_reports_mistakes_which_do_not_affect_other_consumers() {
    let tree = system();
    tree.file(
        "root/etc/epcache/consumers.d/bad.conf",
        "groups = x\nview = xml\n",
    );
    refresh(&tree);
    assert!(tree.path(&beside("views/app.json")).exists());
    let root = tree.path("root");
    let ran = run(&mut tree.epcache(&["status", "--root", root.to_str().unwrap(), "--json"]));
    let consumers = &ran.json()["consumers"];
    assert_eq!(consumers["registered"], serde_json::json!(["app"]));
    let problem = consumers["problems"][0].as_str().unwrap();
    assert!(
        problem.starts_with("/etc/epcache/consumers.d/bad.conf"),
        "{problem}"
    );
    let ran = run(&mut tree.epcache(&["status", "--root", root.to_str().unwrap()]));
    assert!(
        ran.stdout.contains("bad.conf:2: view: 'xml'"),
        "{}",
        ran.stdout
    );
}

#[test]
fn an_index_for_another_place_does_not_change_views() {
    let tree = system();
    let root = tree.path("root");
    let output = tree.path("out/index");
    let arguments = [
        "refresh",
        "--system",
        "--root",
        root.to_str().unwrap(),
        "--output",
        output.to_str().unwrap(),
    ];
    assert_eq!(run(&mut tree.epcache(&arguments)).code, 0);
    assert!(!tree.path("out/views").exists());
    let dry = [
        "refresh",
        "--system",
        "--root",
        root.to_str().unwrap(),
        "--dry-run",
    ];
    assert_eq!(run(&mut tree.epcache(&dry)).code, 0);
    assert!(!tree.path(&beside("views")).exists());
}

#[test]
fn a_reader_of_a_view_sees_the_old_one_or_the_new_one() {
    let tree = system();
    let metadata = tree.path(SITE).join("three-1.dist-info");
    let change = |there: bool| {
        if there {
            tree.dist(SITE, "three", "[app.more]\nc = three:c\n");
        } else {
            fs::remove_dir_all(&metadata).unwrap();
        }
        refresh(&tree);
        read(&tree, "views/app.json")
    };
    let allowed = [true, false].map(change);
    assert_ne!(allowed[0], allowed[1]);
    std::thread::scope(|scope| {
        let reader = || {
            let mut seen = [false; 2];
            while seen != [true; 2] {
                for _ in 0..1000 {
                    let view = read(&tree, "views/app.json");
                    let which = allowed.iter().position(|allowed| *allowed == view);
                    seen[which.expect("the old view or the new one")] = true;
                }
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        while !readers.iter().all(|reader| reader.is_finished()) {
            assert_eq!([true, false].map(change), allowed);
        }
    });
}
