//! Nothing private becomes public: if other users can read an index, they could read everything in
//! it before. The index of a closed tree is complete, and only its owner may read it. A package
//! that is less open than its search directory is left to readers who may read it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "private_contents/packages.rs"]
mod packages;
#[path = "private_contents/trees.rs"]
mod trees;

use std::fs;
use std::path::Path;
use std::process::Command;

use cli::{Ran, Tree, mode, root_for, run, set_mode};
use rustix::fs::{XattrFlags, setxattr};

const SITE: &str = "home/venv/lib/python3.11/site-packages";
const INDEX: &str = "home/venv/.epcache/index";
const ENTRY: &str = "home/venv/lib/python3.11/site-packages/env-1.dist-info";
const SECRET: &str = "HUSHHUSH";

/// A virtual environment in a home, with a package `env`, another one, and a secret file beside it.
fn home() -> Tree {
    let tree = Tree::new();
    tree.venv("home/venv");
    tree.dist(SITE, "other", "[g]\nother = other:main\n");
    let secret = format!("[g]\nkey = {SECRET}\n");
    tree.file("home/.secret/entry_points.txt", &secret);
    tree.file(
        "home/.secret/METADATA",
        format!("Name: {SECRET}\nVersion: 1\n"),
    );
    tree.file("home/.secret/file", &secret);
    set_mode(tree.path("home/.secret"), 0o700);
    tree
}

/// The same, but the secret is in the package itself.
fn secretive() -> Tree {
    let tree = home();
    tree.file(
        &format!("{ENTRY}/entry_points.txt"),
        format!("[g]\nkey = {SECRET}\n"),
    );
    tree
}

/// Gives the whole home to another user.
fn give(tree: &Tree) {
    let ran = run(Command::new("chown")
        .args(["-hR", "65534:65534"])
        .arg(tree.path("home")));
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// A refresh of the environment, by its owner or by root, with a umask.
fn refresh(tree: &Tree, by_root: bool, umask: &str, options: &[&str]) -> Ran {
    let mut command = tree.program(Path::new("setpriv"));
    if !by_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.args(["sh", "-c", "umask $0; exec \"$@\"", umask]);
    command
        .arg(tree.public_program())
        .args(["refresh", "--json"]);
    let options = if options.is_empty() {
        &["--venv", "home/venv"]
    } else {
        options
    };
    let ran = run(command.args(options).env("HOME", tree.path("home")));
    assert!(ran.code <= 1, "{ran:?}");
    ran
}

fn holds_secret(tree: &Tree, index: &str) -> bool {
    let bytes = fs::read(tree.path(index)).unwrap();
    bytes
        .windows(SECRET.len())
        .any(|it| it == SECRET.as_bytes())
}

/// What the owner finds, who may read everything.
fn found_by_owner(tree: &Tree) -> Vec<String> {
    let arguments = ["query", "g", "--venv", "home/venv", "--json"];
    let ran = run(tree.as_user(&arguments).env("HOME", tree.path("home")));
    let json = ran.json();
    let entries = json.as_array().unwrap().iter();
    let mut names: Vec<_> = entries
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(ran.stderr, "");
    names
}

/// A way to hide the contents of the package `env`: a name, and what is done to the tree.
type Hide = (&'static str, fn(&Tree));

const ACCESS: &str = "system.posix_acl_access";

/// Sets an access control list: the rights of user 23456, and those of all others.
fn set_list(path: &Path, user: u16, others: u16) {
    let entries = [
        (1u16, 7, u32::MAX),
        (2, user, 23456),
        (4, others, u32::MAX),
        (16, 7, u32::MAX),
        (32, others, u32::MAX),
    ];
    let bytes = entries.iter().flat_map(|(tag, rights, id)| {
        [
            &tag.to_le_bytes()[..],
            &rights.to_le_bytes(),
            &id.to_le_bytes(),
        ]
        .concat()
    });
    let list: Vec<u8> = [2, 0, 0, 0].into_iter().chain(bytes).collect();
    setxattr(path, ACCESS, &list, XattrFlags::empty())
        .expect("a file system with access control lists");
}
