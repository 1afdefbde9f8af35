//! `make install` gives a working system below its PREFIX and says what is next, `make uninstall` removes it, and
//! `make install-python` leaves what pip recognises and can uninstall.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cli::{Ran, Tree, run, tool_for};

/// make, with the program as built for this test in place of a release.
fn make(tree: &Tree, target: &str, more: &[String]) -> Ran {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let release = tree.path("target/release");
    if !release.exists() {
        tree.dir("target/release");
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_epcache"))
            .arg(&release)
            .status();
        assert!(copied.unwrap().success());
    }
    let mut command = tree.program("make".as_ref());
    command
        .arg("-C")
        .arg(repository)
        .args([target, "CARGO=true"])
        .args(more);
    command.env("CARGO_TARGET_DIR", tree.path("target"));
    let ran = run(&mut command);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() && !path.is_symlink() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn what_is_installed_follows_the_prefix_and_goes_again() {
    if !tool_for("make install", "make") {
        return;
    }
    let tree = Tree::new();
    let prefix = [format!("PREFIX={}", tree.text("prefix"))];
    let ran = make(&tree, "install", &prefix);
    for next in [
        "systemd-sysusers",
        "systemctl enable --now epcache.path",
        "epcache refresh",
    ] {
        assert!(ran.stdout.contains(next), "{next}: {ran:?}");
    }
    let version = run(tree.program(&tree.path("prefix/bin/epcache")).arg("-V"));
    assert_eq!(version.code, 0, "{version:?}");
    let program = tree.text("prefix/bin/epcache");
    for unit in [
        "lib/systemd/system/epcache.service",
        "share/doc/epcache/examples/cron.daily",
    ] {
        let text = fs::read_to_string(tree.path("prefix").join(unit)).unwrap();
        assert!(text.contains(&program), "{unit}: {text}");
        assert!(!text.contains("/usr/bin/epcache"), "{unit}: {text}");
    }
    assert!(tree.path("prefix/share/man/man8/epcache.8").exists());
    tree.file("prefix/lib/other", "");
    make(&tree, "uninstall", &prefix);
    let mut left = Vec::new();
    files(&tree.path("prefix"), &mut left);
    assert_eq!(left, [tree.path("prefix/lib/other")]);
    assert!(!tree.path("prefix/share/doc/epcache").exists());
}

/// In a package, the maintainer scripts say and do what is next.
#[test]
fn below_destdir_nothing_is_said_and_paths_are_those_of_the_prefix() {
    if !tool_for("make install", "make") {
        return;
    }
    let tree = Tree::new();
    let more = [
        format!("DESTDIR={}", tree.text("dest")),
        "PREFIX=/usr".into(),
    ];
    let ran = make(&tree, "install", &more);
    assert!(!ran.stdout.contains("next"), "{ran:?}");
    let unit =
        fs::read_to_string(tree.path("dest/usr/lib/systemd/system/epcache.service")).unwrap();
    assert!(
        unit.contains("ExecStart=/usr/bin/epcache refresh"),
        "{unit}"
    );
}

#[test]
fn pip_recognises_and_uninstalls_the_reader() {
    if !tool_for("make install-python", "make") || !tool_for("pip", "python3") {
        return;
    }
    let tree = Tree::new();
    let line =
        "python3 -m venv --system-site-packages venv && echo venv/lib/python3*/site-packages";
    let made = run(tree.program("sh".as_ref()).args(["-c", line]));
    assert_eq!(made.code, 0, "{made:?}");
    let site = tree.text(made.stdout.trim());
    make(&tree, "install-python", &[format!("PYTHONDIR={site}")]);
    let line = "venv/bin/python -m pip list 2>/dev/null | grep -i '^epcache ' \
                && venv/bin/python -c 'import epcache' && venv/bin/python -m pip uninstall -q -y epcache 2>&1";
    let ran = run(tree.program("sh".as_ref()).args(["-c", line]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!Path::new(&site).join("epcache").exists(), "{ran:?}");
}
