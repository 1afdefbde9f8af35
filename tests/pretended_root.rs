//! fakeroot, fakechroot and proot show a process a false system. Nothing is refreshed under them, a
//! message says what works, and a package manager goes on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::process::Command;

use cli::{NOBODY, Ran, Tree, names, root_for, run, tool_for};

const SITE: &str = "root/usr/lib/python3.11/site-packages";
const SAID: &str = "this process is root in appearance only (fakeroot, fakechroot or proot): \
                    packages are not read. When the tree is complete, run `epcache refresh --root DIR` \
                    on it as root; lookups work without it";

/// epcache behind another program, as root or as a user who owns all of its files.
fn behind(tree: &Tree, is_user: bool, program: &str, arguments: &str) -> Ran {
    let epcache = tree.public_program();
    let mut command: Command = tree.program("sh".as_ref());
    let user = format!("setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups");
    let user = if is_user { &user } else { "" };
    let line = format!("{user} {program} '{}' {arguments}", epcache.display());
    run(command.args(["-euc", &line]).env("TMPDIR", tree.dir("tmp")))
}

fn tree() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    tree.file("root/etc/epcache.conf", "");
    for name in ["tmp", "out", "root/usr/lib/epcache"] {
        tree.dir(name);
    }
    for name in [
        "",
        "tmp",
        "out",
        "root",
        "root/usr/lib",
        "root/usr/lib/epcache",
    ] {
        tree.give(name);
    }
    tree
}

const REFRESH: &str = "refresh -q --root root";

/// Checks that nothing was written, and that lookups work.
fn only_lookups_work(tree: &Tree, is_user: bool, program: &str) {
    for folder in ["root/usr/lib/epcache", "out"] {
        assert_eq!(names(tree.path(folder)), [""; 0], "{program}");
    }
    for query in [
        "query g --root root".to_owned(),
        format!("query g --path {SITE}"),
    ] {
        let ran = behind(tree, is_user, program, &query);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (0, "g\tsys\tsys:main\n"),
            "{program}: {ran:?}"
        );
    }
}

#[test]
fn pretended_root_refreshes_nothing_and_says_why() {
    let test = "pretended root";
    if !root_for(test)
        || !["fakeroot", "fakechroot", "proot", "setpriv"]
            .iter()
            .all(|tool| tool_for(test, tool))
    {
        return;
    }
    for (is_user, program) in [
        (true, "fakeroot"),
        (true, "fakechroot fakeroot"),
        (true, "proot -0"),
        (false, "fakeroot"),
        (false, "fakechroot"),
        (false, "fakechroot fakeroot"),
    ] {
        let tree = tree();
        for (arguments, code) in [
            (REFRESH, 2),
            (&format!("refresh -q --path {SITE} --output out/index"), 2),
            ("trigger dpkg --root root triggered /usr/lib/python3", 0),
            ("trigger rpm --root root", 0),
            ("trigger --strict dpkg --root root", 2),
        ] {
            let ran = behind(&tree, is_user, program, arguments);
            assert_eq!(ran.code, code, "{program}: {arguments}: {ran:?}");
            assert!(
                ran.complaint().contains(SAID),
                "{program}: {arguments}: {ran:?}"
            );
        }
        only_lookups_work(&tree, is_user, program);
        // As the message says.
        let ran = behind(&tree, true, "", "refresh -q --root root");
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{program}");
    }
}

#[test]
fn a_tracer_that_changes_system_calls_is_named() {
    let test = "proot as an ordinary user";
    if !root_for(test) || !tool_for(test, "proot") || !tool_for(test, "setpriv") {
        return;
    }
    let tree = tree();
    for (arguments, code) in [(REFRESH, 2), ("trigger dpkg --root root", 0)] {
        let ran = behind(&tree, true, "proot", arguments);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(
            ran.stderr
                .contains("a forbidden system call (perhaps one of proot,"),
            "{ran:?}"
        );
    }
    let query = behind(&tree, true, "proot", "query g --root root");
    assert_eq!(
        (query.code, query.stdout.as_str()),
        (0, "g\tsys\tsys:main\n"),
        "{query:?}"
    );
}

/// Root that really is root.
#[test]
fn real_root_refreshes() {
    let test = "root behind other programs";
    if !root_for(test) || !tool_for(test, "proot") {
        return;
    }
    for program in ["env", "proot -0", "unshare --mount", "unshare --pid --fork"] {
        let tree = tree();
        let own = format!("chown -R 0:0 root; {program}");
        let ran = behind(&tree, false, &own, REFRESH);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{program}");
        assert!(
            tree.path("root/usr/lib/epcache/index").exists(),
            "{program}"
        );
    }
    // An ordinary user who does not pretend to be root.
    let tree = tree();
    let ran = behind(&tree, true, "", REFRESH);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(tree.path("root/usr/lib/epcache/index").exists());
}
