//! Real programs that know nothing of epcache say and make the same with it as without: what people
//! install from PyPI, in an environment, and what Debian has, in a Debian.
//!
//! In: trees from `tests/setup`, which stay as they are. Which programs, and how they are compared:
//! `python_programs.py`. What they save is printed, and not judged.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use support::{repository, run, say, skip, text, tree, within};

/// What there is in the second Debian tree, which is smaller.
const OF_TRIXIE: [&str; 13] = [
    "pytest --trace-config",
    "pytest",
    "flake8 --version",
    "flake8",
    "openstack --help",
    "openstack command list",
    "stevedore",
    "keyring",
    "pygmentize -L",
    "setuptools wheel",
    "pip list",
    "flask",
    "pybabel",
];

#[test]
fn programs_of_an_environment_say_the_same_with_the_index() {
    compare("venv", "venv", &[]);
}

#[test]
fn programs_of_debian_say_the_same_with_the_index() {
    compare("debian", "debian-bookworm", &[]);
}

#[test]
fn programs_of_the_next_debian_say_the_same_with_the_index() {
    compare("debian", "debian-trixie", &OF_TRIXIE);
}

/// Those named; none: all.
fn compare(kind: &str, name: &str, programs: &[&str]) {
    if !nix::unistd::geteuid().is_root() {
        return skip("real programs", "needs root, for a layer over the tree");
    }
    let Some(tree) = tree(name) else {
        return;
    };
    let mut command = within(1200, "unshare");
    command
        .args(["--mount", "--propagation", "private", "--net"])
        .args(["--pid", "--fork", "--kill-child", "python3", "-B"])
        .arg(repository().join("tests/python_programs.py"))
        .args([kind, env!("CARGO_BIN_EXE_epcache")])
        .arg(tree)
        .args(programs);
    let output = run(&mut command);
    say(&format!("{kind}:\n{}", text(&output.stdout).trim_end()));
    assert!(output.status.success(), "{}", text(&output.stderr));
}
