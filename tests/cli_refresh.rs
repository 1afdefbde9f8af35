//! `epcache refresh`: summary, progress, configuration, and the old index if publishing fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::fs::{self, File};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cli::{Tree, mode, names, root_for, run, set_mode, tool_for};
use nix::fcntl::{Flock, FlockArg};

const REFRESH: [&str; 5] = ["refresh", "--path", "site", "--output", "index"];

fn tree_with_a_site() -> Tree {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:main\nb = a:b\n");
    tree.dist("site", "b", "[g]\nb = b:main\n");
    tree
}

#[test]
fn json_has_the_promised_keys() {
    let tree = tree_with_a_site();
    tree.dist("site", "bad", "[g]\nno equals sign\n");
    tree.dist("more", "c", "");
    let ran = run(tree.epcache(&REFRESH).args(["--path", "more", "--json"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let summary = ran.json();
    assert_eq!(summary["directories"], 2);
    assert_eq!(summary["distributions"], 4);
    assert_eq!(summary["entry_points"], 3);
    assert_eq!(
        summary["reused"].as_u64().unwrap() + summary["scanned"].as_u64().unwrap(),
        4
    );
    assert_eq!(summary["index"], "index");
    assert!(summary["elapsed_ms"].as_f64().unwrap() > 0.0);
    assert!(!summary["sandbox"].is_null());
    let warnings = summary["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1);
    let culprit = tree.text("site/bad-1.dist-info/entry_points.txt");
    assert!(
        warnings[0].as_str().unwrap().starts_with(&culprit),
        "{warnings:?}"
    );
    assert_eq!(ran.warnings().len(), 1, "said for people as well: {ran:?}");
}

#[test]
fn the_last_line_is_a_summary() {
    let tree = tree_with_a_site();
    let ran = run(&mut tree.epcache(&REFRESH));
    assert_eq!(ran.stdout, "");
    let summary = ran.complaint();
    let begin = "epcache: 3 entry points in 2 distributions, 1 search directory: index written in ";
    assert!(
        summary.starts_with(begin) && summary.ends_with(" ms"),
        "{summary}"
    );
    let ran = run(&mut tree.epcache(&REFRESH));
    assert!(ran.complaint().contains(": index unchanged in "), "{ran:?}");
    fs::remove_file(tree.path("index")).unwrap();
    let ran = run(tree.epcache(&REFRESH).arg("--dry-run"));
    assert!(
        ran.complaint()
            .contains(": index not written (dry run) in "),
        "{ran:?}"
    );
    assert!(!tree.path("index").exists());
}

#[test]
fn progress_shows_on_a_terminal_when_it_takes_long() {
    let name = "progress on a terminal";
    if !tool_for(name, "script") || !tool_for(name, "strace") {
        return;
    }
    let tree = Tree::new();
    for number in 0..100 {
        tree.file(&format!("site/d{number}-1.dist-info/METADATA"), "Name: d\n");
    }
    let refresh = "\"$EPCACHE\" refresh --path site --output index --dry-run";
    let slow = "strace -f -o /dev/null -e trace=openat -e inject=openat:delay_enter=5000";
    let ran = run(&mut tree.on_terminal(&format!("{slow} {refresh}")));
    if ran.stdout.contains("strace:") {
        return cli::left_out(name, "strace may not slow programs down here");
    }
    assert!(ran.stdout.contains(" distributions read"), "{ran:?}");
    let last = ran.stdout.trim_end().rsplit(['\n', '\r']).next().unwrap();
    assert!(
        last.contains("0 entry points in 100 distributions"),
        "{ran:?}"
    );

    let shows = |line: &str| {
        run(&mut tree.on_terminal(line))
            .stdout
            .contains("distributions read")
    };
    assert!(!shows(refresh), "what is quick is not worth showing");
    assert!(!shows(&format!("{slow} {refresh} -q")), "quiet");
    assert!(
        !shows(&format!("{slow} {refresh} 2>file")),
        "not a terminal"
    );
    let said = fs::read_to_string(tree.path("file")).unwrap();
    assert_eq!(said.lines().count(), 1, "{said:?}");
    let ran = run(&mut tree.on_terminal(&format!("TERM=dumb {slow} {refresh}")));
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
}

#[test]
fn warnings_reach_a_terminal_without_control_characters() {
    if !tool_for("warnings on a terminal", "script") {
        return;
    }
    let tree = Tree::new();
    tree.file(
        "site/x\x1b]0;owned\x07\u{9b}2J\n-1.dist-info/entry_points.txt",
        "[g]\na = b\n",
    );
    tree.dist("site", "y", "[g]\nbad\x1b[2J\n");
    let ran =
        run(&mut tree.on_terminal("NO_COLOR=1 \"$EPCACHE\" refresh -v --path site --output index"));
    assert!(
        ran.stdout
            .contains("x\\x1b]0;owned\\x07\\x9b2J\\x0a-1.dist-info"),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains(['\x1b', '\x07', '\u{9b}']), "{ran:?}");
}

// ---- configuration

#[test]
fn unknown_settings_are_named_and_ignored() {
    let tree = Tree::new();
    tree.system("root");
    for site in ["one", "two", "three", "masked"] {
        tree.dist(
            &format!("root/opt/{site}"),
            site,
            &format!("[g]\n{site} = x:y\n"),
        );
    }
    tree.file(
        "root/usr/lib/epcache/epcache.conf",
        "# ours\n[epcache]\ndirectories = /opt/one\n",
    );
    tree.file(
        "root/etc/epcache.conf",
        "[epcache]\ncolour = blue\ndirectories = /opt/two\n[odd]\nx=1\n",
    );
    tree.file(
        "root/usr/lib/epcache/conf.d/a.conf",
        "[epcache]\ndirectories = /opt/masked\n",
    );
    tree.file(
        "root/etc/epcache.conf.d/a.conf",
        "[epcache]\ndirectories = /opt/three\ncolour = red\ncolour = blue\n",
    );
    tree.file("root/etc/epcache.conf.d/b.conf", "[epcache\n");
    tree.dir("root/etc/epcache.conf.d/c.conf");
    let ran = run(&mut tree.epcache(&["refresh", "--root", "root", "--json"]));
    assert_eq!(ran.code, 0, "never fatal: {ran:?}");
    assert_eq!(ran.json()["entry_points"], 4, "sys, one, two, three");
    let warnings = ran.warnings();
    for expected in [
        "/etc/epcache.conf:2: unknown key 'colour'",
        "/etc/epcache.conf:4: unknown section [odd]",
        "/etc/epcache.conf.d/a.conf:3: unknown key 'colour'",
        "/etc/epcache.conf.d/a.conf:4: unknown key 'colour'",
        "/etc/epcache.conf.d/b.conf:",
        "/etc/epcache.conf.d/c.conf: ",
    ] {
        assert!(
            warnings.iter().any(|warning| warning.starts_with(expected)),
            "{expected}: {ran:?}"
        );
    }
    assert_eq!(warnings.len(), 6, "{ran:?}");
}

#[test]
fn a_mistake_in_the_configuration_is_reported_once() {
    if !root_for("a_mistake_in_the_configuration_is_reported_once") {
        return;
    }
    let tree = Tree::new();
    tree.file("etc.conf", "auto-update no\ndirectories = /no/such:lib\n");
    let line = "mount -t tmpfs none /var/cache
        cp -a /etc /var/cache/etc; mount --bind /var/cache/etc /etc
        cp etc.conf /etc/epcache.conf; \"$EPCACHE\" refresh --dry-run";
    let ran = run(&mut tree.with_mounts(line));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.warnings(),
        [
            "/etc/epcache.conf:1: 'auto-update no' is neither 'key = value' nor '[section]', \
             line ignored",
            "/etc/epcache.conf:2: directories: 'lib' is not an absolute path, ignored",
            "/etc/epcache.conf:2: directories: /no/such does not exist",
        ]
    );
}

// ---- publishing

#[test]
fn a_published_index_is_readable_by_all_with_any_umask() {
    let tree = tree_with_a_site();
    let mut shell = tree.program("sh".as_ref());
    shell.env("EPCACHE", env!("CARGO_BIN_EXE_epcache"));
    let ran = run(shell.args([
        "-c",
        "umask 077; \"$EPCACHE\" refresh --path site --output new/dir/index",
    ]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(mode(tree.path("new/dir/index")), 0o644);
    assert_eq!(mode(tree.path("new/dir")), 0o755);
    assert_eq!(mode(tree.path("new")), 0o755);
    assert_eq!(mode(tree.path("new/dir/index.lock")), 0o600);
}

#[test]
fn leftovers_of_a_crashed_writer_are_removed() {
    let tree = tree_with_a_site();
    tree.file("out/.index.Ab12Cd34Ef56.tmp", "half an index");
    tree.file("out/.other.Ab12Cd34Ef56.tmp", "somebody else's");
    tree.refresh(&["site"], "out/index");
    assert_eq!(
        names(tree.path("out")),
        [".other.Ab12Cd34Ef56.tmp", "index", "index.lock"]
    );
}

#[test]
fn a_writer_that_is_killed_leaves_the_old_index() {
    if !tool_for("a killed writer", "strace") {
        return;
    }
    let tree = tree_with_a_site();
    tree.refresh(&["site"], "out/index");
    let old = fs::read(tree.path("out/index")).unwrap();
    tree.dist("site", "c", "[g]\nc = c:main\n");
    // Killed at each of the last steps of publishing.
    for step in ["fchmod", "fsync", "rename,renameat,renameat2"] {
        let inject = format!("inject={step}:signal=KILL:error=EIO");
        let mut strace = tree.program("strace".as_ref());
        strace.args([
            "-f",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={step}"),
            "-e",
            &inject,
        ]);
        strace.arg(env!("CARGO_BIN_EXE_epcache"));
        let output = strace
            .args(["refresh", "--path", "site", "--output", "out/index"])
            .output();
        assert!(!output.unwrap().status.success(), "{step}");
        assert_eq!(fs::read(tree.path("out/index")).unwrap(), old, "{step}");
        assert_eq!(names(tree.path("out")).len(), 3, "{step}: a leftover");
    }
    tree.refresh(&["site"], "out/index");
    assert_eq!(names(tree.path("out")), ["index", "index.lock"]);
    assert_ne!(fs::read(tree.path("out/index")).unwrap(), old);
}

#[test]
fn on_a_full_file_system_the_old_index_stays() {
    let name = "a full file system";
    if !root_for(name) || !tool_for(name, "unshare") {
        return;
    }
    let tree = tree_with_a_site();
    let line = "mkdir -m 755 small; mount -t tmpfs -o size=64k,mode=755 none small; \
                \"$EPCACHE\" refresh -q --path site --output small/index; \
                sha256sum small/index; \
                cp -r site/a-1.dist-info site/c-1.dist-info; \
                dd if=/dev/zero of=small/fill bs=4k 2>/dev/null || true; \
                \"$EPCACHE\" refresh --path site --output small/index || echo status $?; \
                sha256sum small/index; ls -A small; \
                \"$EPCACHE\" verify -q small/index && echo sound";
    let ran = run(&mut tree.with_mounts(line));
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 7, "{ran:?}");
    assert_eq!(lines[0], lines[2], "the old index is as it was: {ran:?}");
    assert_eq!(lines[1], "status 2");
    assert_eq!(&lines[3..], ["fill", "index", "index.lock", "sound"]);
    assert!(
        ran.complaint()
            .contains("cannot write small/index: No space left on device"),
        "{ran:?}"
    );
}

#[test]
fn on_a_read_only_file_system_the_old_index_stays() {
    let name = "a read-only file system";
    if !root_for(name) || !tool_for(name, "unshare") {
        return;
    }
    let tree = tree_with_a_site();
    tree.refresh(&["site"], "out/index");
    let old = fs::read(tree.path("out/index")).unwrap();
    tree.dist("site", "c", "[g]\nc = c:main\n");
    let ran = run(&mut tree.with_mounts(
        "mount --bind out out; mount -o remount,ro,bind out; \
         \"$EPCACHE\" refresh --path site --output out/index",
    ));
    assert_eq!(ran.code, 2);
    assert!(ran.complaint().contains("out/index"), "{ran:?}");
    assert!(ran.complaint().contains("Read-only file system"), "{ran:?}");
    assert_eq!(fs::read(tree.path("out/index")).unwrap(), old);
}

#[test]
fn without_write_permission_the_error_names_the_place() {
    let tree = tree_with_a_site();
    tree.dir("out");
    set_mode(tree.path("out"), 0o555);
    let ran = run(&mut tree.as_user(&["refresh", "--path", "site", "--output", "out/index"]));
    assert_eq!(ran.code, 2);
    assert!(ran.complaint().contains("out/index"), "{ran:?}");
    assert!(ran.complaint().contains("Permission denied"), "{ran:?}");
    set_mode(tree.path("out"), 0o755);
    assert!(names(tree.path("out")).is_empty());
}

#[test]
fn a_refresh_waits_for_the_one_before_it_and_says_so() {
    let tree = tree_with_a_site();
    tree.refresh(&["site"], "index");
    let lock = File::options()
        .write(true)
        .open(tree.path("index.lock"))
        .unwrap();
    let held = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    tree.dist("site", "c", "[g]\nc = c:main\n");
    let began = Instant::now();
    let mut command = tree.epcache(&REFRESH);
    let waiting = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sleep(Duration::from_millis(1500));
    drop(held);
    let output = waiting.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(began.elapsed() >= Duration::from_millis(1500));
    assert!(
        said.contains("index: another refresh is at work, waiting for it"),
        "{said}"
    );
    assert!(
        said.contains("4 entry points"),
        "it reads after the wait, not before: {said}"
    );
}
