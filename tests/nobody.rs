//! A system without a user `_epcache`: packages are read as nobody, in a sandbox. Others run as nobody, too.

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

/// A system, and an /etc/passwd without the user to be laid over the running system's.
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
fn everything_works_and_status_says_who_it_was() {
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
    // Where was looked, for who knows the user from elsewhere (LDAP, extrausers).
    let ran = run(&mut without_user(
        &tree,
        "\"$EPCACHE\" refresh -v --root root",
    ));
    let said =
        "there is no user _epcache in /etc/passwd or /usr/lib/passwd: packages are read as nobody";
    assert!(ran.stderr.contains(said), "{ran:?}");
    // Nor is it asked anybody else: no library is loaded for it, no socket opened.
    if tool_for("who is asked for users", "strace") {
        let line = "strace -f -qq -o calls \"$EPCACHE\" refresh -q --root root; ! grep -E 'nss|socket\\(' calls";
        assert_eq!(run(&mut without_user(&tree, line)).code, 0);
    }
    // A user of /usr/lib/passwd is one.
    let users = "mkdir layer layer/up layer/work 2>/dev/null || true; mount -t tmpfs none layer; mkdir layer/up layer/work
        mount -t overlay none -o lowerdir=/usr/lib,upperdir=layer/up,workdir=layer/work /usr/lib
        echo '_epcache:x:4321:4321::/:/bin/false' >/usr/lib/passwd; \"$EPCACHE\" refresh --root root --json";
    assert_eq!(
        run(&mut without_user(&tree, users)).json()["sandbox"]["uid"],
        4321
    );
}

/// As nobody, it may read what is nobody's own. That alone makes no file public.
#[test]
fn what_only_nobody_itself_may_read_stays_out() {
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

/// Sends a signal to each process of nobody's that is called epcache, as nobody, until it is ended.
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

/// The worker's end, or its standing still, costs one refresh, and the patience.
#[test]
fn another_process_of_nobody_s_costs_one_refresh_at_most() {
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
        // So many that there is time to find who reads them.
        for number in 0..1000 {
            tree.dist(
                "root/usr/lib/python3.11/site-packages",
                &format!("d{number}"),
                "[g]\nd = d:main\n",
            );
        }
        tree.file("hunter.py", HUNTER);
        // In a PID namespace of its own: nobody else's worker is meant.
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
        // The next one, undisturbed.
        let ran = run(&mut without_user(
            &tree,
            "\"$EPCACHE\" trigger --strict dpkg --root root",
        ));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert!(fs::read(tree.path(INDEX)).unwrap().len() > before.len());
    }
}

/// It cannot look into the worker either, nor write through it.
#[test]
fn another_process_of_nobody_s_cannot_look_into_the_worker() {
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
    // Stopped, it holds still to be looked at; then it goes on.
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
