//! The Debian package: built from this tree, checked with Debian's own tools, and installed into a
//! real Debian in which real packages come and go (`tests/dpkg-walk`).
//!
//! It uses the trees of `tests/setup`, and needs root, for a chroot and mounts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/container.rs"]
mod container;
#[path = "support/packaging.rs"]
mod packaging;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cli::{root_for, tool_for};
use container::Container;
use support::{repository, say, text, tree};

/// The directory with the built packages, once for all tests. `None` if they cannot be built here.
fn packages(test: &str) -> Option<&'static Path> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if packaging::being_built(test)
        || !tool_for(test, "dh")
        || !tool_for(test, "lintian")
        || !root_for(test)
    {
        return None;
    }
    Some(BUILT.get_or_init(|| {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let dist = temporary.join("deb");
        let _ = std::fs::remove_dir_all(&dist);
        // As distributions build it: with the crates in vendor/, and no network.
        let mut command = limited(1500);
        command.arg(repository().join("tests/offline-deb"));
        // Earlier builds stay: below the target directory of this test.
        command
            .arg(temporary.with_file_name("packaging"))
            .arg(&dist);
        command.env("DEB_BUILD_OPTIONS", "nocheck");
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
fn the_debian_package_has_what_make_installs() {
    let Some(packages) = packages("the Debian package's list") else {
        return;
    };
    let mut made = packaging::installed_by_make([
        "/usr/share/doc/epcache",
        "",
        "/usr/share/zsh/vendor-completions",
    ]);
    // In Debian's own places.
    made.remove("/usr/share/doc/epcache/CHANGELOG.md");
    let debian = ["changelog", "changelog.Debian", "copyright"];
    made.extend(debian.map(|name| format!("/usr/share/doc/epcache/{name}")));
    made.insert("/usr/share/lintian/overrides/epcache".to_owned());
    made.insert("/etc/cron.daily/epcache".to_owned());
    let directory = support::public_directory();
    let mut unpack = limited(60);
    unpack.args(["dpkg-deb", "-x"]);
    unpack
        .arg(file(packages, "epcache_", ".deb"))
        .arg(directory.path());
    succeed(&mut unpack);
    let mut find = limited(60);
    find.arg("find").arg(directory.path());
    find.args(["!", "-type", "d", "-printf", "/%P\n"]);
    assert_eq!(packaging::names(succeed(&mut find).as_bytes()), made);
}

/// Debian enables units by default. The administrator's preset and earlier changes by hand have
/// priority.
#[test]
fn units_are_enabled_as_debian_and_the_administrator_decide() {
    let test = "units_are_enabled_as_debian_and_the_administrator_decide";
    let Some(packages) = packages(test) else {
        return;
    };
    let Some(container) = Container::new(test) else {
        return;
    };
    let copy = container.root().join("epcache.deb");
    std::fs::copy(file(packages, "epcache_", ".deb"), copy).unwrap();
    let install = || container.chroot(&["dpkg", "--force-confold", "-i", "/epcache.deb"]);
    let purge = || container.chroot(&["dpkg", "--purge", "epcache"]);
    install();
    assert_eq!(container.enabled(), [true, true]);
    container.chroot(&["systemctl", "disable", "epcache.timer"]);
    install();
    assert_eq!(container.enabled(), [true, false]);
    purge();
    assert_eq!(container.enabled(), [false, false]);
    let preset = "/etc/systemd/system-preset/10-site.preset";
    container.write(preset, "disable epcache.path\n");
    install();
    assert_eq!(container.enabled(), [false, true]);
}

#[test]
fn after_every_transaction_of_dpkg_in_debian_12_the_index_agrees_with_python() {
    in_tree("dpkg-walk", "debian-bookworm", Some("oracle-3.11"));
}

#[test]
fn after_every_transaction_of_dpkg_in_debian_13_the_index_agrees_with_python() {
    in_tree("dpkg-walk", "debian-trixie", Some("oracle-3.13"));
}

#[test]
fn a_trigger_refreshes_and_ends_in_any_surroundings_of_dpkg() {
    in_tree("dpkg-surroundings", "debian-bookworm", None);
}

/// A script of `tests/` in a tree, with libraries for that tree's Python if given.
fn in_tree(script: &str, debian: &str, libraries: Option<&str>) {
    let name = &format!("{script} in {debian}");
    if !root_for(name) || !tool_for(name, "unshare") || !tool_for(name, "script") {
        return;
    }
    let suite = debian.trim_start_matches("debian-");
    let Some(debian) = tree(debian) else { return };
    let libraries: Vec<_> = libraries.into_iter().map(tree).collect();
    let (false, Some(packages)) = (libraries.contains(&None), packages(name)) else {
        return;
    };
    let mut command = limited(900);
    command.arg(repository().join("tests").join(script));
    command.arg(file(packages, "epcache_", ".deb"));
    command.arg(&debian);
    command.arg(debian.with_file_name("debs").join(suite).join("apt"));
    command.args(libraries.into_iter().flatten());
    let said = succeed(&mut command);
    say(said.trim_end().lines().last().unwrap_or_default());
}
