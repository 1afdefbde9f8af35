//! An index with a second hard link belongs to another tree too: to a snapshot (`cp -al`), or to an
//! object store (`ostree checkout -H`). A trigger marks and replaces only the index of its own
//! tree.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::Command;

use cli::{Ran, Tree, mode, names, root_for, run, set_mode, tool_for};
use epcache::index::format::SUSPECT_AT;
use nix::fcntl::{Flock, FlockArg};

const SITE: &str = "root/usr/lib/python3.11/site-packages";
const FOLDER: &str = "root/usr/lib/epcache";
const INDEX: &str = "root/usr/lib/epcache/index";
const TRIGGER: [&str; 4] = ["trigger", "dpkg", "--root", "root"];

/// A system whose index lacks the last package, and a snapshot of it.
fn with_snapshot() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    tree.dist(SITE, "new", "[g]\nnew = new:main\n");
    snapshot(&tree);
    tree
}

fn snapshot(tree: &Tree) {
    let _ = fs::remove_dir_all(tree.path("snapshot"));
    let ran = run(tree
        .program("cp".as_ref())
        .args(["-al", "root/usr/lib/epcache", "snapshot"]));
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// A trigger that marks the old index and then fails: root's privileges cannot be given up.
fn failing(tree: &Tree, before: &[&str]) -> Command {
    let mut command = tree.program("setpriv".as_ref());
    command.args(["--bounding-set", "-setuid"]).args(before);
    command.arg(env!("CARGO_BIN_EXE_epcache")).args(TRIGGER);
    command
}

/// Whether the index is suspect. Everything else must be unchanged.
fn is_marked(tree: &Tree, before: &[u8]) -> bool {
    let mut now = fs::read(tree.path(INDEX)).unwrap();
    let mark = std::mem::replace(&mut now[SUSPECT_AT as usize], 0);
    assert!(now == before, "the index is another one");
    mark == 1
}

/// A trigger that fails as usual.
fn failed(ran: &Ran) {
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.complaint().contains("privileges cannot be dropped"),
        "{ran:?}"
    );
}

#[test]
fn a_snapshot_keeps_its_index_and_that_of_the_tree_is_marked() {
    let test = "an index with a second name";
    if !root_for(test) || !tool_for(test, "setpriv") {
        return;
    }
    for (owner, group, permissions) in [(0, 0, 0o644), (0, 7, 0o640), (0, 0, 0o600)] {
        let tree = with_snapshot();
        chown(tree.path(INDEX), Some(owner), Some(group)).unwrap();
        set_mode(tree.path(INDEX), permissions);
        let before = fs::read(tree.path(INDEX)).unwrap();
        let old = fs::metadata(tree.path(INDEX)).unwrap();
        failed(&run(&mut failing(&tree, &[])));
        assert!(is_marked(&tree, &before));
        let now = fs::metadata(tree.path(INDEX)).unwrap();
        assert_eq!((now.uid(), now.gid()), (owner, group));
        assert_eq!((mode(tree.path(INDEX)), now.nlink()), (permissions, 1));
        let kept = fs::metadata(tree.path("snapshot/index")).unwrap();
        assert_eq!(
            (kept.ino(), kept.mtime(), kept.mtime_nsec()),
            (old.ino(), old.mtime(), old.mtime_nsec())
        );
        assert!(fs::read(tree.path("snapshot/index")).unwrap() == before);
        assert_eq!(names(tree.path(FOLDER)), ["index", "index.lock", "state"]);
        // It is repaired only in the tree.
        let ran = run(&mut tree.epcache(&TRIGGER));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert!(fs::read(tree.path(INDEX)).unwrap() != before);
        assert!(fs::read(tree.path("snapshot/index")).unwrap() == before);
    }
}

#[test]
fn an_index_with_a_single_hard_link_is_marked_in_place() {
    let test = "an index with one name";
    if !root_for(test) || !tool_for(test, "setpriv") {
        return;
    }
    let tree = with_snapshot();
    fs::remove_dir_all(tree.path("snapshot")).unwrap();
    let before = fs::read(tree.path(INDEX)).unwrap();
    let old = fs::metadata(tree.path(INDEX)).unwrap();
    failed(&run(&mut failing(&tree, &[])));
    assert!(is_marked(&tree, &before));
    assert_eq!(fs::metadata(tree.path(INDEX)).unwrap().ino(), old.ino());
}

#[test]
fn without_the_lock_nothing_is_replaced() {
    let tree = with_snapshot();
    let before = fs::read(tree.path(INDEX)).unwrap();
    let old = fs::metadata(tree.path(INDEX)).unwrap();
    let lock = fs::File::options()
        .write(true)
        .open(tree.path(&format!("{INDEX}.lock")))
        .unwrap();
    let held = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let ran = run(&mut tree.epcache(&TRIGGER));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stderr.contains("another refresh has held it for 5 s"),
        "{ran:?}"
    );
    assert!(!is_marked(&tree, &before));
    assert_eq!(fs::metadata(tree.path(INDEX)).unwrap().ino(), old.ino());
    // With a single hard link it is marked.
    fs::remove_dir_all(tree.path("snapshot")).unwrap();
    let ran = run(&mut tree.epcache(&TRIGGER));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(is_marked(&tree, &before));
    drop(held);
}

#[test]
fn if_no_copy_fits_on_the_disk_the_name_is_removed_and_the_other_stays() {
    let test = "an index with a second name on a full disk";
    if !root_for(test) {
        return;
    }
    let tree = with_snapshot();
    let line = "mkdir -m 755 small; mount -t tmpfs -o size=64k,mode=755 none small
                mkdir -p small/epcache; cp -a root/usr/lib/epcache/. small/epcache/; ln small/epcache/index small/second
                mount --bind small/epcache root/usr/lib/epcache; cp small/second before
                dd if=/dev/zero of=small/fill bs=4k 2>/dev/null || true
                \"$EPCACHE\" trigger dpkg --root root; echo status $?
                cmp before small/second; stat -c %h small/second; ls -A small/epcache";
    let ran = run(&mut tree.with_mounts(line));
    let expected = "status 0\n1\nindex.lock\nstate\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (0, expected), "{ran:?}");
    assert!(ran.stderr.contains("No space left on device"), "{ran:?}");
}

#[test]
fn a_trigger_killed_at_any_call_leaves_a_whole_index() {
    let test = "a trigger that is killed while it copies";
    if !root_for(test) || !tool_for(test, "strace") || !tool_for(test, "setpriv") {
        return;
    }
    let tree = with_snapshot();
    let traced = |tree: &Tree, option: &str| {
        let options = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "calls",
            "-e",
            "signal=none",
            "-e",
            option,
        ];
        failing(tree, &options)
    };
    failed(&run(&mut traced(&tree, "trace=all")));
    let log = fs::read_to_string(tree.path("calls")).unwrap();
    // The process that copies: the first one only waits for it, and the worker comes later.
    let is_copy = |line: &&str| line.contains(".index.") && line.contains("O_EXCL");
    let copies = log.lines().find(is_copy).expect("a copy");
    let (process, _) = copies.split_once(' ').unwrap();
    let lines = log.lines().filter_map(|line| line.strip_prefix(process));
    let lines: Vec<&str> = lines.map(str::trim_start).collect();
    let calls: Vec<&str> = lines
        .iter()
        .filter_map(|line| Some(line.split_once('(')?.0))
        .collect();
    let position = |what: &dyn Fn(&str) -> bool| lines.iter().position(|line| what(line)).unwrap();
    let temporary = position(&|line| line.contains(".index.") && line.contains("O_EXCL"));
    let renamed = position(&|line| line.starts_with("rename") && line.contains("\"index\""));
    assert!(temporary < renamed, "{log}");
    // From before the temporary file exists until it has its final name.
    let mut tried = 0;
    for at in temporary.saturating_sub(4)..=renamed + 2 {
        let tree = with_snapshot();
        let before = fs::read(tree.path(INDEX)).unwrap();
        let number = calls[..=at]
            .iter()
            .filter(|call| *call == &calls[at])
            .count();
        let option = format!("inject={}:signal=KILL:when={number}", calls[at]);
        let output = traced(&tree, &option).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let is_killed = said.contains("killed by SIGKILL") || !output.status.success();
        assert!(is_killed, "{option}: {output:?}");
        is_marked(&tree, &before);
        assert!(
            fs::read(tree.path("snapshot/index")).unwrap() == before,
            "{option}"
        );
        let ran = run(&mut tree.epcache(&TRIGGER));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{option}");
        assert_eq!(
            names(tree.path(FOLDER)),
            ["index", "index.lock", "state"],
            "{option}"
        );
        assert!(
            fs::read(tree.path("snapshot/index")).unwrap() == before,
            "{option}"
        );
        tried += 1;
    }
    assert!(tried > 8, "{log}");
}

#[test]
fn a_lock_with_a_second_hard_link_and_a_wrong_mode_is_replaced() {
    if !root_for("a lock with a second name") {
        return;
    }
    for (permissions, is_shared) in [(0o644, false), (0o600, true)] {
        let tree = with_snapshot();
        let lock = tree.path(&format!("{INDEX}.lock"));
        set_mode(&lock, permissions);
        let old = fs::metadata(&lock).unwrap();
        let ran = run(&mut tree.epcache(&TRIGGER));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert_eq!(mode(&lock), 0o600);
        assert_eq!(fs::metadata(&lock).unwrap().ino() == old.ino(), is_shared);
        let kept = tree.path("snapshot/index.lock");
        assert_eq!(mode(&kept), permissions);
        assert_eq!(fs::metadata(&kept).unwrap().ino(), old.ino());
    }
    // With a single hard link only its mode is corrected.
    let tree = with_snapshot();
    fs::remove_dir_all(tree.path("snapshot")).unwrap();
    let lock = tree.path(&format!("{INDEX}.lock"));
    set_mode(&lock, 0o644);
    let old = fs::metadata(&lock).unwrap();
    assert_eq!(run(&mut tree.epcache(&TRIGGER)).code, 0);
    assert_eq!(
        (mode(&lock), fs::metadata(&lock).unwrap().ino()),
        (0o600, old.ino())
    );
}

#[test]
fn an_object_of_a_real_repository_is_not_changed() {
    let test = "ostree checkout -H";
    if !root_for(test) || !tool_for(test, "ostree") || !tool_for(test, "setpriv") {
        return;
    }
    let tree = Tree::new();
    tree.system("root");
    let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let line = "exec 2>&1
        ostree --repo=repo init --mode=bare
        ostree --repo=repo commit --branch=os --tree=dir=root >/dev/null
        for trigger in \"setpriv --bounding-set -setuid $EPCACHE\" \"$EPCACHE\"; do
            rm -rf checkout; ostree --repo=repo checkout -H os checkout
            stat -c '%h names' checkout/usr/lib/epcache/index
            mkdir checkout/usr/lib/python3.11/site-packages/new-1.dist-info
            $trigger trigger dpkg --root checkout >said; echo status $?
            stat -c '%h name' checkout/usr/lib/epcache/index
            ostree --repo=repo fsck >/dev/null && echo sound
        done";
    let ran = run(&mut tree.with_mounts(line));
    let lines: Vec<_> = ran
        .stdout
        .lines()
        .filter(|line| !line.starts_with("epcache: "))
        .collect();
    let expected = ["2 names", "status 0", "1 name", "sound"];
    assert_eq!(lines[..4], expected, "{ran:?}");
    assert_eq!(lines[4..], expected, "{ran:?}");
}
