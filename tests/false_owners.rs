//! To refresh another user's tree, root becomes its owner. The file system says who that is, and a
//! foreign one may name any user of the host. That user's own files stay out of its reach.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/foreign.rs"]
mod foreign;

use std::fs;
use std::os::unix::fs::lchown;
use std::path::Path;

use cli::{Tree, mode, names};
use foreign::{Case, DROP_INS, HOST_FILE, STICK, TEXT, can_mount, link, mounted, tree};

/// A real user of the host who is not root.
const DAEMON: u32 = 1;

fn own(path: &Path) {
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            own(&entry.path());
        }
        lchown(entry.path(), Some(DAEMON), Some(DAEMON)).unwrap();
    }
    lchown(path, Some(DAEMON), Some(DAEMON)).unwrap();
}

/// Root becomes the owner of a tree. The file system may name any user of the host.
#[test]
fn a_tree_with_a_false_owner_does_not_lead_to_that_users_files() {
    let test = "a false owner";
    if !can_mount(test) {
        return;
    }
    fn home(tree: &Tree) {
        tree.dist(&Tree::user_site("fs/home"), "a", "[g]\na = a:main\n");
    }
    const VENV: &str = "\"$EPCACHE\" refresh -q --venv mnt/venv";
    const USER: &str = "export HOME=$PWD/mnt/home; \"$EPCACHE\" refresh -q --user";
    let cases: [Case; 9] = [
        (
            |tree| {
                tree.venv("fs/venv");
                link(tree, DROP_INS, "fs/venv/.epcache");
            },
            VENV,
            2,
            ".epcache is a link, and links are not followed here",
        ),
        (
            |tree| {
                tree.venv("fs/venv");
                link(tree, HOST_FILE, "fs/venv/.epcache/index");
            },
            "\"$EPCACHE\" refresh -q --venv mnt/venv; test ! -L mnt/venv/.epcache/index",
            0,
            "",
        ),
        (
            |tree| {
                tree.venv("fs/venv");
                link(tree, HOST_FILE, "fs/venv/.epcache/index.lock");
            },
            VENV,
            2,
            "index.lock",
        ),
        (
            |tree| {
                tree.venv("fs/venv");
                link(tree, "host/new", "fs/venv/.epcache/index.lock");
            },
            VENV,
            2,
            "index.lock",
        ),
        (
            |tree| {
                home(tree);
                link(tree, DROP_INS, "fs/home/.cache");
            },
            USER,
            2,
            ".cache is a link, and links are not followed here",
        ),
        (
            |tree| {
                home(tree);
                link(tree, DROP_INS, "fs/home/cache");
            },
            "export HOME=$PWD/mnt/home XDG_CACHE_HOME=$PWD/mnt/home/cache; \"$EPCACHE\" refresh -q --user",
            2,
            "cache is a link, and it belongs to user 1",
        ),
        (
            |tree| {
                home(tree);
                link(tree, DROP_INS, "fs/home/.cache/epcache");
            },
            USER,
            2,
            ".cache/epcache is a link, and links are not followed here",
        ),
        // Ordinary use: a user's own files are refreshed as that user.
        (
            |tree| {
                tree.venv("fs/venv");
            },
            "\"$EPCACHE\" refresh -q --venv mnt/venv; stat -c %u mnt/venv/.epcache/index >&2",
            0,
            "1\n",
        ),
        (
            home,
            "export HOME=$PWD/mnt/home; \"$EPCACHE\" refresh -q --user; stat -c %u mnt/home/.cache/epcache/index >&2",
            0,
            "1\n",
        ),
    ];
    for (number, (prepare, line, code, said)) in cases.iter().enumerate() {
        for options in [STICK, "nodev"] {
            let tree = tree();
            prepare(&tree);
            // The interpreter that the environment names still belongs to root.
            own(&tree.path("fs"));
            // Everything really belongs to that user, who may write to it.
            own(&tree.path("host"));
            let ran = mounted(&tree, options, line);
            let what = format!("case {number}: {options}: {line}: {ran:?}");
            assert_eq!(ran.code, *code, "{what}");
            assert!(ran.stderr.contains(said), "{said}: {what}");
            assert_eq!(names(tree.path(DROP_INS)), [""; 0], "{what}");
            assert_eq!(names(tree.path("host")), ["drop.d", "file"], "{what}");
            assert_eq!(
                fs::read_to_string(tree.path(HOST_FILE)).unwrap(),
                TEXT,
                "{what}"
            );
            assert_eq!(mode(tree.path(HOST_FILE)), 0o644, "{what}");
        }
    }
}
