//! `epcache query`: its output for programs and for users, the indexes that it uses and does not
//! trust, and stale indexes, for which it still gives the right answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "cli_query/output.rs"]
mod output;
#[path = "cli_query/places.rs"]
mod places;
#[path = "cli_query/stale.rs"]
mod stale;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::chown;

use cli::{NOBODY, Ran, Tree, quoted, root_for, run, set_mode, tool_for};

const TRUST: [&str; 6] = ["query", "g", "--path", "site", "--freshness", "trust"];
const INDEXED: &str = "g\told\told:main\n";
const LIVE: &str = "g\tnew\tnew:main\n";

/// A search directory for which `index` says INDEXED, and which contains LIVE.
fn tree_with_a_false_index(index: &str) -> Tree {
    let tree = Tree::new();
    tree.dist("site", "x", "[g]\nold = old:main\n");
    tree.refresh(&["site"], index);
    // As a package manager does it: a file rewritten in place is not visible to readers.
    fs::remove_dir_all(tree.path("site/x-1.dist-info")).unwrap();
    tree.dist("site", "x", "[g]\nnew = new:main\n");
    tree
}

// ---- output
