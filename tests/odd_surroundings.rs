//! Root's trigger and refresh in odd surroundings: mounts that do not answer, malicious images, a
//! tree with a false /proc and /dev, and limits and umasks of the caller.
//!
//! Everything happens in mount namespaces, so the running system is not changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/separation.rs"]
mod separation;

use std::fs;
use std::os::unix::fs::{chown, lchown};
use std::process::Command;
use std::thread::scope;
use std::time::{Duration, Instant};

use cli::{Ran, Tree, mode, names, root_for, run, set_mode, tool_for};
use separation::{StuckMount, calls, can_trace, contains, traced};

/// The user who owns what root does not own.
const ALICE: u32 = 1000;
const INDEX: &str = "root/usr/lib/epcache/index";
/// The position of the suspect byte in an index.
const SUSPECT_AT: usize = 12;
/// In KiB: more than an ordinary run needs, and less than an attack would use.
const LITTLE_MEMORY: u64 = 64 << 10;

fn system() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    tree.dir("layer");
    tree.dir("etc");
    tree
}

/// A line of shell that sees the tree's `etc` in /etc, and a writable /usr/lib.
fn configured(tree: &Tree, line: &str) -> Command {
    tree.with_mounts(&format!(
        "mount -t tmpfs none layer; mkdir layer/up layer/work
         mount -t overlay none -o lowerdir=etc:/etc /etc
         mount -t overlay none -o lowerdir=/usr/lib,upperdir=layer/up,workdir=layer/work /usr/lib
         {line}"
    ))
}

/// Runs a line of shell. Returns how many KiB the largest of its processes has needed.
fn memory_of(tree: &Tree, line: &str) -> (Ran, u64) {
    let script = "import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)";
    tree.file("memory.py", script);
    let ran = run(&mut tree.with_mounts(&format!("/usr/bin/python3 memory.py sh -euc '{line}'")));
    let used = ran.stdout.trim().parse().expect("a number");
    (ran, used)
}

#[test]
fn a_trigger_ends_even_if_a_mount_does_not_answer() {
    let test = "mounts that do not answer";
    if !root_for(test) || !tool_for(test, "faketime") {
        return;
    }
    // The clock and all waits are 50 times as fast: 310 seconds take 6.
    let fast = "export FAKETIME='+0 x50' LD_PRELOAD=$(faketime now printenv LD_PRELOAD)";
    let cases = [
        (
            "/var/cache",
            "mount --bind dead /var/cache",
            "\"$EPCACHE\" trigger dpkg",
        ),
        (
            "/etc of an image",
            "mkdir -p root/etc; mount --bind dead root/etc",
            "\"$EPCACHE\" trigger dpkg --root root",
        ),
        (
            "the file that a drop-in links to",
            "ls /etc/epcache.conf.d >/dev/null",
            "\"$EPCACHE\" trigger dpkg",
        ),
    ];
    scope(|threads| {
        for (what, prepare, line) in cases {
            threads.spawn(move || {
                let tree = system();
                if what.contains("drop-in") {
                    tree.link(tree.path("dead/x.conf"), "etc/epcache.conf.d/x.conf");
                }
                let Some(_mount) = StuckMount::dead(test, &tree, "dead", false) else {
                    return;
                };
                let began = Instant::now();
                let line = format!("{prepare}; {fast}; exec {line}");
                let ran = run(&mut configured(&tree, &line));
                assert_eq!(ran.code, 0, "{what}: {ran:?}");
                assert!(
                    ran.stderr.contains("within 310 s: gave up"),
                    "{what}: {ran:?}"
                );
                assert!(began.elapsed() < Duration::from_secs(40), "{what}");
            });
        }
    });
}

#[test]
fn a_trigger_waits_a_few_seconds_for_a_reader_of_its_output() {
    if !root_for("a pipe that nobody reads") {
        return;
    }
    let tree = system();
    tree.file("root/etc/epcache.conf", "unknown = 1\n");
    // Opened for reading too, so that a write waits and does not fail.
    let line = "mkfifo full; exec 4<>full
        dd if=/dev/zero bs=64k count=1 oflag=nonblock 2>/dev/null >&4
        \"$EPCACHE\" trigger --strict dpkg --root root 2>&4";
    let began = Instant::now();
    let ran = run(&mut tree.with_mounts(line));
    assert_eq!(ran.code, 0, "{ran:?}");
    let took = began.elapsed();
    assert!((4..20).contains(&took.as_secs()), "{took:?}");
    assert!(tree.path(INDEX).exists());
}

#[test]
fn many_settings_and_mistakes_of_an_image_cost_little_memory_and_few_lines() {
    if !root_for("an image's configuration") {
        return;
    }
    for folder in ["epcache.conf.d", "epcache/consumers.d"] {
        // All names are hard links to one file, which costs the maker of an image nothing.
        for content in ["'a=\n".repeat(15_000), "directories=/a\n".repeat(4_000)] {
            let tree = system();
            let first = tree.file(&format!("root/etc/{folder}/first.conf"), content);
            for number in 0..1500 {
                let other = first.with_file_name(format!("{number}.conf"));
                fs::hard_link(&first, other).unwrap();
            }
            let (ran, used) = memory_of(&tree, "\"$EPCACHE\" trigger --strict dpkg --root root");
            assert_eq!(ran.code, 0, "{folder}: {ran:?}");
            let lines = ran.stderr.lines().count();
            assert!(lines <= 101, "{folder}: {lines} lines");
            assert!(used < LITTLE_MEMORY, "{folder}: {used} KiB");
        }
    }
}

#[test]
fn a_kernel_file_is_not_read_as_an_images_configuration() {
    if !root_for("an image with /proc") {
        return;
    }
    for (target, said) in [("proc/version", false), ("usr/share/x.conf", true)] {
        let tree = system();
        tree.dir("root/proc");
        tree.file("root/usr/share/x.conf", "no setting\n");
        tree.link(format!("../{target}"), "root/etc/epcache.conf");
        let line =
            "mount --bind /proc root/proc; exec \"$EPCACHE\" trigger --strict dpkg --root root";
        let ran = run(&mut tree.with_mounts(line));
        assert_eq!(ran.code, 0, "{target}: {ran:?}");
        // A file that was read and not understood is named.
        assert_eq!(!ran.stderr.is_empty(), said, "{target}: {ran:?}");
    }
}

#[test]
fn a_false_proc_is_not_waited_for_read_or_believed() {
    if !root_for("a tree without the kernel's /proc") {
        return;
    }
    let makes = [
        "mkfifo /proc/self/$f",
        "truncate -s 3G /proc/self/$f",
        "echo 0 0 1000 >/proc/self/$f",
    ];
    for file in ["auxv", "status", "uid_map"] {
        for make in makes {
            let tree = system();
            let line = format!(
                "mount -t tmpfs none /proc; mkdir /proc/self; f={file}; {make}
                 timeout -s KILL 20 \"$EPCACHE\" trigger --strict dpkg --root root"
            );
            let (ran, used) = memory_of(&tree, &line);
            assert_eq!(
                (ran.code, ran.stderr.as_str()),
                (0, ""),
                "{file}, {make}: {ran:?}"
            );
            assert!(used < LITTLE_MEMORY, "{file}, {make}: {used} KiB");
            assert!(tree.path(INDEX).exists(), "{file}, {make}");
            // Another user's folder stays that user's, even if a user map says otherwise.
            chown(tree.path("root/usr/lib/epcache"), Some(cli::NOBODY), None).unwrap();
            let (ran, _) = memory_of(&tree, &line);
            let said = "belongs to user 65534, not to root";
            assert!(ran.stderr.contains(said), "{file}, {make}: {ran:?}");
        }
    }
}

#[test]
fn root_does_not_enter_the_root_of_another_process() {
    if !root_for("--root /proc/PID/root") {
        return;
    }
    let tree = system();
    let ran = run(&mut tree.with_mounts("\"$EPCACHE\" refresh --system --root /proc/$$/root"));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.complaint().contains("it is the kernel's, below /proc"),
        "{ran:?}"
    );
}

#[test]
fn limits_fail_no_transaction_and_mislead_no_reader() {
    if !root_for("limits") {
        return;
    }
    let site = "root/usr/lib/python3.11/site-packages";
    for (limit, is_failure, is_marked) in [
        ("-f 0", true, true),
        ("-f 1", true, true),
        // Too few descriptors to reach the index.
        ("-n 7", true, false),
        ("-t 60", false, false),
    ] {
        let tree = system();
        let ran = run(&mut tree.epcache(&["trigger", "--strict", "dpkg", "--root", "root"]));
        assert_eq!(ran.code, 0, "{ran:?}");
        let long = "x".repeat(4000);
        tree.dist(site, "other", &format!("[g]\n{long} = other:main\n"));
        let line = format!("ulimit {limit}; exec \"$EPCACHE\" trigger dpkg --root root");
        let ran = run(&mut tree.with_mounts(&line));
        assert_eq!(ran.code, 0, "{limit}: {ran:?}");
        assert_eq!(!ran.stderr.is_empty(), is_failure, "{limit}: {ran:?}");
        // A missing index does not mislead readers either.
        let suspect = fs::read(tree.path(INDEX)).map_or(1, |index| index[SUSPECT_AT]);
        assert_eq!(suspect, u8::from(is_marked), "{limit}: {ran:?}");
        let ran = run(&mut tree.epcache(&["query", "g", "--root", "root"]));
        assert!(ran.stdout.contains("other:main"), "{limit}: {ran:?}");
    }
}

#[test]
fn folders_are_readable_by_all_with_any_umask() {
    if !root_for("umask 0777") {
        return;
    }
    let tree = system();
    let consumer = "[consumer]\ngroups = *\nview = tsv\nstamp = yes\n";
    tree.file("root/etc/epcache/consumers.d/c.conf", consumer);
    let ran =
        run(&mut tree.with_mounts("umask 0777; \"$EPCACHE\" trigger --strict dpkg --root root"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    for folder in ["", "/views", "/changed"] {
        let path = tree.path(&format!("root/usr/lib/epcache{folder}"));
        assert_eq!(mode(path), 0o755, "{folder}");
    }
    for command in [
        &["refresh", "-q", "--full"][..],
        &["trigger", "--strict", "dpkg"],
    ] {
        let ran = run(tree.epcache(command).args(["--root", "root"]));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    }
    assert_eq!(names(tree.path("root/usr/lib/epcache/views")), ["c.tsv"]);
}

#[test]
fn root_follows_no_link_in_the_environment_of_a_user() {
    let test = "a user's environment";
    if !can_trace(test) || !root_for(test) {
        return;
    }
    let tree = Tree::new();
    tree.venv("home/env");
    let marker = tree.path("home/env/pyvenv.cfg");
    fs::rename(&marker, tree.path("closed.cfg")).unwrap();
    tree.link("../../closed.cfg", "home/env/pyvenv.cfg");
    chown(tree.path("home/env"), Some(ALICE), Some(ALICE)).unwrap();
    lchown(&marker, Some(ALICE), Some(ALICE)).unwrap();
    let ran = run(&mut traced(
        &tree,
        &[],
        &["refresh", "-q", "--venv", "home/env"],
    ));
    assert_eq!(ran.code, 0, "{ran:?}");
    let processes = calls(test, &tree, &ran).expect("calls");
    let becomes = |calls: &Vec<_>| {
        calls
            .iter()
            .position(|call: &separation::Call| call.name == "setresuid")
    };
    let (process, end) = processes
        .iter()
        .find_map(|calls| Some((calls, becomes(calls)?)))
        .expect("who becomes the owner");
    let looks = |call: &&separation::Call| call.arguments.contains("pyvenv.cfg");
    let looked: Vec<_> = process[..end].iter().filter(looks).collect();
    assert!(!looked.is_empty(), "nobody has looked");
    for call in looked {
        assert!(call.arguments.contains("AT_SYMLINK_NOFOLLOW"), "{call:?}");
    }
}

#[test]
fn a_directory_of_another_user_does_not_lead_the_worker_to_closed_directories() {
    if !root_for("a directory in a closed one") {
        return;
    }
    for (owner, is_entered) in [(ALICE, false), (0, true)] {
        let tree = system();
        tree.dist("closed/tools/alice", "mine", "[g]\nmine = mine:main\n");
        tree.dist(
            "closed/tools/other",
            "secret",
            "[g]\nsecret = hidden:thing\n",
        );
        tree.link(
            "../other/secret-1.dist-info",
            "closed/tools/alice/secret-1.dist-info",
        );
        for name in ["closed/tools/alice", "closed/tools/alice/mine-1.dist-info"] {
            chown(tree.path(name), Some(owner), Some(owner)).unwrap();
        }
        set_mode(tree.path("closed"), 0o700);
        let directory = tree.text("closed/tools/alice");
        tree.file("etc/epcache.conf", format!("directories = {directory}\n"));
        let line = "\"$EPCACHE\" refresh -q --system || :; cp /usr/lib/epcache/index index";
        let ran = run(&mut configured(&tree, line));
        let index = fs::read(tree.path("index")).expect("an index");
        assert_eq!(contains(&index, "mine"), is_entered, "{owner}: {ran:?}");
        assert!(is_entered || !contains(&index, "hidden"), "{ran:?}");
    }
}

#[test]
fn the_dev_null_of_a_tree_is_not_opened() {
    let test = "/dev/null that is something else";
    if !root_for(test) || !can_trace(test) {
        return;
    }
    for make in [
        "mkfifo /dev/null",
        "mknod /dev/null c 1 9",
        "touch /dev/null",
        ":",
    ] {
        let tree = system();
        let line = format!(
            "mount -t tmpfs -o dev none /dev; {make}
             strace -f -qq -e trace=open,openat -o calls \"$EPCACHE\" trigger --strict dpkg --root root"
        );
        let ran = run(&mut tree.with_mounts(&line));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{make}: {ran:?}");
        let calls = fs::read_to_string(tree.path("calls")).unwrap();
        assert!(calls.contains("entry_points.txt"), "{make}: {calls}");
        assert!(
            !calls.contains("/dev/null") && !calls.contains("\"null\""),
            "{make}"
        );
        assert!(tree.path(INDEX).exists(), "{make}");
    }
}
