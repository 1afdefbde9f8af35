//! A system without a user `_epcache`: packages are read as nobody in a sandbox. Others run as
//! nobody too.

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
use std::os::unix::fs::chown;
use std::process::Command;
use std::time::{Duration, Instant};

use cli::{NOBODY, Tree, root_for, run, set_mode, tool_for};
use serde_json::json;

const INDEX: &str = "root/usr/lib/epcache/index";

/// A system, and an /etc/passwd without the user for the running system.
fn tree() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let others: String = users
        .lines()
        .filter(|line| !line.starts_with("_epcache:"))
        .map(|line| format!("{line}\n"))
        .collect();
    tree.file("etc/passwd", others);
    tree
}

/// A line of shell on that system.
fn without_user(tree: &Tree, line: &str) -> Command {
    tree.with_mounts(&format!(
        "mount -t overlay none -o lowerdir=etc:/etc /etc\n{line}"
    ))
}

#[test]
fn without_the_user_refresh_works_and_status_names_nobody() {
    if !root_for("a system without the user") {
        return;
    }
    let tree = tree();
    let ran = run(&mut without_user(
        &tree,
        "\"$EPCACHE\" refresh --root root --json",
    ));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let expected =
        json!({"privileges": "dropped", "uid": NOBODY, "landlock": "full", "seccomp": true});
    assert_eq!(ran.json()["sandbox"], expected);
    assert_eq!(ran.json()["entry_points"], 1);
    let ran = run(&mut without_user(
        &tree,
        "\"$EPCACHE\" trigger --strict dpkg --root root; \"$EPCACHE\" status --root root",
    ));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let said = "packages read as nobody, Landlock, seccomp";
    assert_eq!(ran.stdout.matches(said).count(), 2, "{ran:?}");
    // Names the files, for administrators whose user comes from elsewhere (LDAP, extrausers).
    let ran = run(&mut without_user(
        &tree,
        "\"$EPCACHE\" refresh -v --root root",
    ));
    let said =
        "there is no user _epcache in /etc/passwd or /usr/lib/passwd: packages are read as nobody";
    assert!(ran.stderr.contains(said), "{ran:?}");
    // It does not look elsewhere: no library is loaded and no socket is opened for it.
    if tool_for("who is asked for users", "strace") {
        let line = "strace -f -qq -o calls \"$EPCACHE\" refresh -q --root root; ! grep -E 'nss|socket\\(' calls";
        assert_eq!(run(&mut without_user(&tree, line)).code, 0);
    }
    // A user in /usr/lib/passwd counts.
    let users = "mkdir layer layer/up layer/work 2>/dev/null || true; mount -t tmpfs none layer; mkdir layer/up layer/work
        mount -t overlay none -o lowerdir=/usr/lib,upperdir=layer/up,workdir=layer/work /usr/lib
        echo '_epcache:x:4321:4321::/:/bin/false' >/usr/lib/passwd; \"$EPCACHE\" refresh --root root --json";
    assert_eq!(
        run(&mut without_user(&tree, users)).json()["sandbox"]["uid"],
        4321
    );
}

/// As nobody, the worker may read nobody's own files. That alone does not make a file public.
#[test]
fn files_that_only_nobody_may_read_are_not_indexed() {
    if !root_for("files of nobody's own") {
        return;
    }
    for (mode, is_open) in [(0o600, false), (0o640, false), (0o644, true)] {
        let tree = tree();
        let file = tree
            .dist(
                "root/usr/lib/python3.11/site-packages",
                "its",
                "[g]\nits = its:main\n",
            )
            .join("entry_points.txt");
        chown(&file, Some(NOBODY), Some(NOBODY)).unwrap();
        set_mode(&file, mode);
        let ran = run(&mut without_user(
            &tree,
            "\"$EPCACHE\" refresh -q --root root",
        ));
        assert_eq!(ran.code, 0, "{mode:o}: {ran:?}");
        let index = fs::read(tree.path(INDEX)).unwrap();
        let found = index.windows(8).any(|text| text == b"its:main");
        assert_eq!(found, is_open, "{mode:o}");
    }
}

/// As nobody, sends a signal to each process of nobody named epcache, until it is killed.
const HUNTER: &str = r#"
import os, sys
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
open("hunting", "w").close()
while True:
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            status = open(f"/proc/{process}/status").read()
            if status.startswith("Name:\tepcache\n") and "\nUid:\t65534\t" in status:
                os.kill(int(process), int(sys.argv[1]))
                open("caught", "a").write(process + "\n")
                if len(sys.argv) == 2: sys.exit()
        except OSError:
            pass
"#;

/// If the worker ends or stops, this costs one refresh and the time limit.
#[test]
fn another_process_of_nobody_costs_at_most_one_refresh() {
    if !root_for("another process of nobody's") {
        return;
    }
    for (signal, command, code, said) in [
        (
            9,
            "refresh -q --root root",
            2,
            "the process that does the work ended: killed by SIGKILL",
        ),
        (
            9,
            "trigger dpkg --root root",
            0,
            "the process that does the work ended: killed by SIGKILL",
        ),
        (
            19,
            "trigger dpkg --root root",
            0,
            "the process that reads packages sent nothing for 30 s",
        ),
    ] {
        let tree = tree();
        let ran = run(&mut without_user(
            &tree,
            "\"$EPCACHE\" refresh -q --root root",
        ));
        assert_eq!(ran.code, 0, "{ran:?}");
        let before = fs::read(tree.path(INDEX)).unwrap();
        // So many that there is time to find the reader.
        for number in 0..1000 {
            tree.dist(
                "root/usr/lib/python3.11/site-packages",
                &format!("d{number}"),
                "[g]\nd = d:main\n",
            );
        }
        tree.file("hunter.py", HUNTER);
        // In a new PID namespace, so that no other worker is hit.
        let line = format!(
            "chmod 1777 .; exec unshare --pid --fork --mount-proc sh -euc '
             /usr/bin/python3 hunter.py {signal} & hunter=$!
             until test -e hunting; do sleep 0.02; done
             status=0; \"$EPCACHE\" {command} || status=$?
             wait $hunter || true
             for it in $(cat caught); do test ! -e /proc/$it || grep -q \"^State:.Z\" /proc/$it/status; done
             exit $status'"
        );
        let began = Instant::now();
        let ran = run(&mut without_user(&tree, &line));
        let took = began.elapsed();
        assert_eq!(ran.code, code, "{signal}: {command}: {ran:?}");
        assert!(ran.stderr.contains(said), "{signal}: {command}: {ran:?}");
        assert!(tree.path("caught").exists());
        assert!(took < Duration::from_secs(50), "{took:?}");
        let now = fs::read(tree.path(INDEX)).unwrap();
        assert_eq!(now.len(), before.len(), "the old index is there");
        // The next refresh is undisturbed.
        let ran = run(&mut without_user(
            &tree,
            "\"$EPCACHE\" trigger --strict dpkg --root root",
        ));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert!(fs::read(tree.path(INDEX)).unwrap().len() > before.len());
    }
}

/// It cannot look into the worker or write through it.
#[test]
fn another_process_of_nobody_cannot_look_into_the_worker() {
    if !root_for("looking into a worker of nobody's") {
        return;
    }
    let tree = tree();
    for number in 0..1000 {
        tree.dist(
            "root/usr/lib/python3.11/site-packages",
            &format!("d{number}"),
            "[g]\nd = d:main\n",
        );
    }
    // A stopped worker can be inspected at leisure. Then it goes on.
    let hunter = HUNTER.replace(
        "                if len(sys.argv) == 2: sys.exit()\n",
        r#"
                seen = []
                for what in ["mem", "environ", "fd", "cwd", "root", "maps"]:
                    try:
                        path = f"/proc/{process}/{what}"
                        os.listdir(path) if what == "fd" else os.readlink(path) if what in ("cwd", "root") else open(path, "rb").read(1)
                        seen.append(what)
                    except OSError:
                        pass
                open("seen", "w").write(" ".join(seen))
                os.kill(int(process), 18)
                sys.exit()
"#,
    );
    tree.file("hunter.py", hunter);
    let line = "chmod 1777 .; exec unshare --pid --fork --mount-proc sh -euc '
        /usr/bin/python3 hunter.py 19 & hunter=$!
        until test -e hunting; do sleep 0.02; done
        \"$EPCACHE\" refresh -q --root root; wait $hunter'";
    let ran = run(&mut without_user(&tree, line));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(fs::read_to_string(tree.path("seen")).unwrap(), "");
}
