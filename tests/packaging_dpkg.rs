//! The Debian package: built as it stands here, held against Debian's own checks, and installed into a real Debian in
//! which real packages come and go (`tests/dpkg-walk`).
//!
//! In: the trees of `tests/setup`. Needs root, for a chroot and mounts of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cli::{root_for, tool_for};
use support::{repository, say, text, tree};

/// The directory with the package as it was built, once for all tests; None where this machine cannot.
fn packages(test: &str) -> Option<&'static Path> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if !tool_for(test, "dh") || !tool_for(test, "lintian") {
        return None;
    }
    Some(BUILT.get_or_init(|| {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let dist = temporary.join("deb");
        let _ = std::fs::remove_dir_all(&dist);
        let mut command = limited(1500);
        command.arg(repository().join("packaging/deb"));
        command
            .env("DIST", &dist)
            .env("DEB_BUILD_OPTIONS", "nocheck");
        // What is built before stays: under the target directory that this test was built in.
        command.env("CARGO_TARGET_DIR", temporary.with_file_name("packaging"));
        command.env_remove("CARGO");
        succeed(&mut command);
        dist
    }))
}

fn limited(seconds: u32) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", &seconds.to_string()]);
    command
}

fn succeed(command: &mut Command) -> String {
    let output = support::run(command);
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}\n{complained}",
        output.status
    );
    said + &complained
}

fn file(directory: &Path, starts: &str, ends: &str) -> PathBuf {
    let fits = |name: &String| name.starts_with(starts) && name.ends_with(ends);
    let names = cli::names(directory);
    directory.join(names.iter().find(|name| fits(name)).expect("a file"))
}

#[test]
fn lintian_finds_nothing() {
    let Some(packages) = packages("lintian") else {
        return;
    };
    let mut command = limited(300);
    command.args(["lintian", "--pedantic", "--allow-root", "--fail-on"]);
    command
        .arg("error,warning,pedantic")
        .arg(file(packages, "epcache_", ".changes"));
    assert_eq!(succeed(&mut command), "");
}

#[test]
fn after_every_transaction_of_dpkg_the_index_says_what_python_says() {
    let name = "dpkg's transactions";
    if !root_for(name) || !tool_for(name, "unshare") {
        return;
    }
    let (Some(debian), Some(libraries)) = (tree("debian-bookworm"), tree("oracle-3.11")) else {
        return;
    };
    let Some(packages) = packages(name) else {
        return;
    };
    let mut command = limited(900);
    command.arg(repository().join("tests/dpkg-walk"));
    command.arg(file(packages, "epcache_", ".deb"));
    command.args([&debian, &libraries]);
    command.arg(debian.with_file_name("debs").join("apt"));
    let said = succeed(&mut command);
    say(said.trim_end().lines().last().unwrap_or_default());
}
