//! Shared by the tests of foreign file systems: a tree on an ext4 image that is mounted, and files
//! of the host that nothing on it may lead to.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::cli::{Ran, Tree, left_out, names, root_for, run, tool_for};

/// Files on the host that nothing may lead to: a folder of drop-ins, and a file, both root's.
pub(crate) const DROP_INS: &str = "host/drop.d";
pub(crate) const HOST_FILE: &str = "host/file";
pub(crate) const TEXT: &str = "the host's\n";

/// Whether a file system can be made and mounted. Prints if not.
pub(crate) fn can_mount(test: &str) -> bool {
    if !root_for(test) || !tool_for(test, "mke2fs") {
        return false;
    }
    let tree = Tree::new();
    tree.dir("fs");
    let ran = mounted(&tree, "nosuid", "true");
    if ran.code != 0 {
        left_out(test, &format!("no loop mount to be had: {}", ran.stderr));
    }
    ran.code == 0
}

/// A tree whose `fs` will be put on its own file system, and the host's files.
pub(crate) fn tree() -> Tree {
    let tree = Tree::new();
    tree.dir("fs");
    tree.dir(DROP_INS);
    tree.file(HOST_FILE, TEXT);
    tree
}

/// A line of shell that sees `fs` at `mnt`, on its own file system.
pub(crate) fn mounted(tree: &Tree, options: &str, line: &str) -> Ran {
    tree.dir("mnt");
    let mount = format!(
        "truncate -s 16M image
         mke2fs -q -F -t ext4 -d fs image
         mount -o loop,{options} image mnt\n"
    );
    run(&mut tree.with_mounts(&format!("{mount}{line}")))
}

/// The mount options of a USB stick.
pub(crate) const STICK: &str = "nosuid,nodev";

/// Checks that no file of the host has changed.
pub(crate) fn untouched(tree: &Tree, what: &str) {
    assert_eq!(names(tree.path(DROP_INS)), [""; 0], "{what}");
    let file = tree.path(HOST_FILE);
    assert_eq!(fs::read_to_string(&file).unwrap(), TEXT, "{what}");
    let metadata = fs::metadata(file).unwrap();
    assert_eq!(
        (metadata.uid(), metadata.mode() & 0o7777),
        (0, 0o644),
        "{what}"
    );
    assert_eq!(names(tree.path("host")), ["drop.d", "file"], "{what}");
}

pub(crate) fn link(tree: &Tree, target: &str, name: &str) {
    tree.link(tree.path(target), name);
}

/// What to make on the file system, what root does, whether that works, and the message.
pub(crate) type Case = (fn(&Tree), &'static str, i32, &'static str);

pub(crate) fn check(cases: &[Case], options: &str) {
    for (number, (prepare, line, code, said)) in cases.iter().enumerate() {
        let tree = tree();
        prepare(&tree);
        let ran = mounted(&tree, options, line);
        let what = format!("case {number}: {line}: {ran:?}");
        assert_eq!(ran.code, *code, "{what}");
        assert!(ran.stderr.contains(said), "{said}: {what}");
        assert!(said.is_empty() == ran.stderr.is_empty(), "{what}");
        untouched(&tree, &what);
    }
}
