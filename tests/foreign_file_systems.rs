//! The maker of a file system decides who owns its files, and may claim that root does. Root reads
//! and writes there, and nothing on it can lead root to files of the host.
//!
//! Each case makes a tree and an ext4 image of it. It mounts the image as a USB stick would be
//! mounted (`nosuid,nodev`), and root refreshes something on it.

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

use cli::{Tree, set_mode};
use foreign::{Case, DROP_INS, HOST_FILE, STICK, can_mount, check, link, mounted, tree, untouched};

#[test]
fn no_link_in_an_environment_on_it_leads_root_to_the_host() {
    let test = "an environment on a foreign file system";
    if !can_mount(test) {
        return;
    }
    const REFRESH: &str = "\"$EPCACHE\" refresh -q --venv mnt/venv";
    const LINK: &str = "is a link, and links are not followed here";
    let cases: [Case; 7] = [
        (
            |tree| {
                tree.venv("fs/venv");
                link(tree, DROP_INS, "fs/venv/.epcache");
            },
            REFRESH,
            2,
            LINK,
        ),
        // A link in place of the index is replaced, as the index would be.
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
                link(tree, "host/new", "fs/venv/.epcache/index.lock");
            },
            REFRESH,
            2,
            "index.lock",
        ),
        (
            |tree| {
                tree.venv("fs/venv");
                link(tree, HOST_FILE, "fs/venv/.epcache/index.lock");
            },
            REFRESH,
            2,
            "index.lock",
        ),
        // A name that looks like several lines to a program that reads the folder.
        (
            |tree| {
                tree.venv("fs/venv");
                tree.dist(
                    "fs/venv/lib/python3.11/site-packages",
                    "x\nroot ALL = everything\ny",
                    "[g]\na = a:b\n",
                );
                link(tree, DROP_INS, "fs/venv/.epcache");
            },
            REFRESH,
            2,
            LINK,
        ),
        // The environment itself is named through a link on that file system.
        (
            |tree| {
                tree.venv("host-venv");
                link(tree, "host-venv", "fs/venv");
            },
            "\"$EPCACHE\" refresh -q --venv mnt/venv || { test ! -e host-venv/.epcache; exit 2; }",
            2,
            "mnt/venv is a link, and its file system is mounted nosuid",
        ),
        // Ordinary use, without links.
        (
            |tree| {
                tree.venv("fs/venv");
            },
            "\"$EPCACHE\" refresh -q --venv mnt/venv; \"$EPCACHE\" refresh -q --venv mnt/venv; ls mnt/venv/.epcache/index >&2",
            0,
            "mnt/venv/.epcache/index",
        ),
    ];
    check(&cases, STICK);
}

#[test]
fn no_link_in_a_home_on_it_leads_root_to_the_host() {
    let test = "a home on a foreign file system";
    if !can_mount(test) {
        return;
    }
    fn home(tree: &Tree) {
        tree.dist(&Tree::user_site("fs/home"), "a", "[g]\na = a:main\n");
    }
    const REFRESH: &str = "export HOME=$PWD/mnt/home; \"$EPCACHE\" refresh -q --user";
    let cases: [Case; 5] = [
        (
            |tree| {
                home(tree);
                link(tree, DROP_INS, "fs/home/.cache");
            },
            REFRESH,
            2,
            ".cache is a link, and links are not followed here",
        ),
        (
            |tree| {
                home(tree);
                link(tree, DROP_INS, "fs/home/.cache/epcache");
            },
            REFRESH,
            2,
            ".cache/epcache is a link, and links are not followed here",
        ),
        (
            |tree| {
                home(tree);
                link(tree, DROP_INS, "fs/cache");
            },
            "export HOME=$PWD/mnt/home XDG_CACHE_HOME=$PWD/mnt/cache; \"$EPCACHE\" refresh -q --user",
            2,
            "mnt/cache is a link, and its file system is mounted nosuid",
        ),
        (
            |tree| {
                tree.dist(&Tree::user_site("fs/real"), "a", "[g]\na = a:main\n");
                link(tree, "host", "fs/home");
            },
            REFRESH,
            2,
            "mnt/home is a link, and its file system is mounted nosuid",
        ),
        (
            home,
            "export HOME=$PWD/mnt/home; \"$EPCACHE\" refresh -q --user; test -f mnt/home/.cache/epcache/index",
            0,
            "",
        ),
    ];
    check(&cases, STICK);
}

#[test]
fn no_link_below_a_root_on_it_leads_root_to_the_host() {
    let test = "a system on a foreign file system";
    if !can_mount(test) {
        return;
    }
    /// A system with a registered consumer.
    fn system(tree: &Tree) {
        tree.system("fs/root");
        tree.file(
            "fs/root/usr/share/epcache/consumers.d/a.conf",
            "groups = *\nview = json\nstamp = yes\n",
        );
        tree.dir("fs/root/usr/lib/epcache");
    }
    /// Puts a link in place of a file below the root.
    fn with(tree: &Tree, target: &str, name: &str) {
        system(tree);
        let name = format!("fs/root/{name}");
        let path = tree.path(&name);
        if path.exists() {
            let aside = tree.path(&target.replace("host/drop.d", "fs/aside"));
            fs::rename(path, aside).unwrap();
        }
        link(tree, target, &name);
    }
    const BOTH: &str = "status=0
        \"$EPCACHE\" refresh -q --root mnt/root || status=$?
        \"$EPCACHE\" trigger --strict -q dpkg --root mnt/root || test $status = $?
        test $status != 0 || test -f mnt/root/usr/lib/epcache/index
        exit $status";
    const LINK: &str = "is a link, and links are not followed here";
    let cases: [Case; 10] = [
        (
            |tree| with(tree, DROP_INS, "usr/lib/epcache"),
            BOTH,
            2,
            LINK,
        ),
        (
            |tree| {
                system(tree);
                fs::rename(tree.path("fs/root/usr/lib"), tree.path("fs/root/lib")).unwrap();
                link(tree, DROP_INS, "fs/root/usr/lib");
            },
            BOTH,
            2,
            LINK,
        ),
        (
            |tree| {
                system(tree);
                fs::rename(tree.path("fs/root/usr"), tree.path("fs/root/real")).unwrap();
                link(tree, DROP_INS, "fs/root/usr");
            },
            BOTH,
            2,
            LINK,
        ),
        (
            |tree| with(tree, HOST_FILE, "usr/lib/epcache/index"),
            BOTH,
            0,
            "",
        ),
        (
            |tree| with(tree, HOST_FILE, "usr/lib/epcache/state"),
            BOTH,
            0,
            "",
        ),
        (
            |tree| with(tree, "host/new", "usr/lib/epcache/state"),
            BOTH,
            0,
            "",
        ),
        (
            |tree| with(tree, HOST_FILE, "usr/lib/epcache/index.lock"),
            BOTH,
            2,
            "index.lock",
        ),
        // Then the views and the stamps are missing, but the index exists.
        (
            |tree| with(tree, DROP_INS, "usr/lib/epcache/views"),
            BOTH,
            1,
            "views",
        ),
        (
            |tree| with(tree, DROP_INS, "usr/lib/epcache/changed"),
            BOTH,
            1,
            "changed",
        ),
        // Ordinary use.
        (system, BOTH, 0, ""),
    ];
    check(&cases, STICK);
}

#[test]
fn a_link_on_the_way_is_followed_if_its_file_system_may_have_setuid_programs() {
    let test = "a link on a foreign file system";
    if !can_mount(test) {
        return;
    }
    fn linked(tree: &Tree) {
        tree.dist("site", "a", "[g]\na = a:main\n");
        tree.dir("host/out");
        link(tree, "host/out", "fs/out");
        tree.system("host/system");
        link(tree, "host/system", "fs/root");
        tree.venv("host/venv");
        link(tree, "host", "fs/host");
    }
    for (line, written) in [
        (
            "refresh -q --path site --output mnt/out/index",
            "host/out/index",
        ),
        (
            "refresh -q --path site --output mnt/host/out/index",
            "host/out/index",
        ),
        (
            "refresh -q --root mnt/root",
            "host/system/usr/lib/epcache/index",
        ),
        (
            "trigger --strict dpkg --root mnt/root",
            "host/system/usr/lib/epcache/index",
        ),
        (
            "refresh -q --venv mnt/host/venv",
            "host/venv/.epcache/index",
        ),
    ] {
        for (options, code) in [(STICK, 2), ("nodev", 0)] {
            let tree = tree();
            linked(&tree);
            let ran = mounted(&tree, options, &format!("\"$EPCACHE\" {line}"));
            assert_eq!(ran.code, code, "{options}: {line}: {ran:?}");
            assert_eq!(tree.path(written).exists(), code == 0, "{options}: {line}");
            if code != 0 {
                let said = "is a link, and its file system is mounted nosuid";
                assert!(ran.complaint().contains(said), "{line}: {ran:?}");
            }
        }
    }
}

#[test]
fn a_lock_or_state_file_with_a_second_hard_link_is_replaced() {
    let test = "hard links on a foreign file system";
    if !can_mount(test) {
        return;
    }
    let tree = tree();
    tree.system("fs/root");
    tree.file("fs/other", "other\n");
    set_mode(tree.path("fs/other"), 0o644);
    for name in ["index.lock", "state"] {
        let name = format!("fs/root/usr/lib/epcache/{name}");
        fs::create_dir_all(tree.path(&name).parent().unwrap()).unwrap();
        fs::hard_link(tree.path("fs/other"), tree.path(&name)).unwrap();
    }
    let line = "\"$EPCACHE\" refresh -q --root mnt/root
                stat -c '%h %a' mnt/other mnt/root/usr/lib/epcache/index.lock; cat mnt/other";
    let ran = mounted(&tree, STICK, line);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!(ran.stdout, "1 644\n1 600\nother\n");
}

/// Replaces a directory by a link and back, as fast as it can, until it is killed.
const SWAP: &str = r#"
import ctypes, sys
libc = ctypes.CDLL(None)
a, b = (name.encode() for name in sys.argv[1:])
while True:
    libc.renameat2(-100, a, -100, b, 2)
"#;

#[test]
fn a_link_that_replaces_the_folder_meanwhile_does_not_lead_root_elsewhere() {
    let test = "a swapped folder on a foreign file system";
    if !can_mount(test) {
        return;
    }
    for (swapped, refresh) in [
        ("mnt/root/usr/lib/epcache", "refresh -q --root mnt/root"),
        (
            "mnt/root/usr/lib/epcache",
            "trigger --strict -q dpkg --root mnt/root",
        ),
        ("mnt/venv/.epcache", "refresh -q --venv mnt/venv"),
        (
            "mnt/out",
            "refresh -q --path mnt/root/usr/lib/python3.11/site-packages --output mnt/out/index",
        ),
    ] {
        let tree = tree();
        tree.system("fs/root");
        tree.venv("fs/venv");
        for folder in ["fs/root/usr/lib/epcache", "fs/venv/.epcache", "fs/out"] {
            tree.dir(folder);
        }
        link(&tree, DROP_INS, "fs/link");
        tree.file("swap.py", SWAP);
        let line = format!(
            "/usr/bin/python3 swap.py {swapped} mnt/link & swapping=$!
             well=0; badly=0; round=0
             while test $round -lt 400 && {{ test $round -lt 100 || test $well = 0 || test $badly = 0; }}; do
                 if \"$EPCACHE\" {refresh} 2>>said; then well=$((well + 1)); else badly=$((badly + 1)); fi
                 round=$((round + 1))
             done
             kill $swapping; wait $swapping || true
             echo $well $badly"
        );
        let ran = mounted(&tree, STICK, &line);
        let counts: Vec<u32> = ran
            .stdout
            .split_whitespace()
            .map(|it| it.parse().unwrap())
            .collect();
        assert!(counts.iter().all(|count| *count > 0), "{refresh}: {ran:?}");
        untouched(&tree, refresh);
    }
}
