//! Trees that an attacker has made, or changes meanwhile, and that root refreshes: nothing outside
//! of them gets into an index, and each refresh ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/bad_trees.rs"]
mod bad_trees;
#[path = "hostile_trees/changing.rs"]
mod changing;
#[path = "support/cli.rs"]
mod cli;
#[path = "hostile_trees/closed.rs"]
mod closed;
#[path = "support/separation.rs"]
mod separation;
#[path = "hostile_trees/servers.rs"]
mod servers;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bad_trees::{CASES, ODD, tree_with};
use cli::{Ran, Tree, root_for, run, set_mode};
use epcache::index::format::SUSPECT_AT;
use epcache::index::{self, Index};
use epcache::privsep::{self, Bounds, Job, Policy, Terms, Trouble};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use separation::{StuckMount, calls, can_trace, contains, traced};

const SITE: &str = "root/usr/lib/python3.11/site-packages";
const THEIRS: &str = "theirs/python3.11/site-packages";
const INDEX: &str = "root/usr/lib/epcache/index";

/// A user who is neither root nor nobody.
const STRANGER: u32 = 1234;

/// Reads an index, which must be valid.
fn sound(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let index = Index::open(bytes.clone()).unwrap();
    index::verify(&index).unwrap();
    bytes
}

#[test]
fn root_treats_bad_metadata_as_other_users_do() {
    if !root_for("bad metadata, by root") {
        return;
    }
    let expected = CASES
        .iter()
        .map(|&(name, make, path, why)| (name, make, Some((path, why))));
    for (name, make, culprit) in expected.chain(ODD.iter().map(|&(name, make)| (name, make, None)))
    {
        let tree = tree_with(make);
        tree.dir("to");
        let ran = run(&mut tree.epcache(&[
            "refresh", "--path", "site", "--output", "to/index", "--json",
        ]));
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        assert_eq!(ran.json()["sandbox"]["privileges"], "dropped");
        match culprit {
            None => assert_eq!(ran.stderr, "", "{name}"),
            Some((path, why)) => {
                let is_it = |line: &&str| line.contains(&format!("{path}: ")) && line.contains(why);
                assert!(
                    ran.warnings().iter().any(is_it),
                    "{name}: {:.2000}",
                    ran.stderr
                );
            }
        }
        let bytes = sound(&tree.path("to/index"));
        assert!(
            contains(&bytes, "aaa:main") && contains(&bytes, "zzz:main"),
            "{name}"
        );
    }
}

// ---- trees that only root may enter
