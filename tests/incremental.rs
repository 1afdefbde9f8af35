//! A refresh that starts from the old index returns, byte for byte, the same index as one that
//! reads everything, after any changes. If nothing has changed, nothing is written.
//!
//! The exceptions, which no time and no name shows, are tested here too.
//!
//! The table names what such a refresh must not reuse, and the test that fails without the check
//! (`history` is `any_history_ends_in_the_index_that_reading_everything_gives`):
//!
//! | not reused | test |
//! |---|---|
//! | what was unread, a problem or warned about | `unusable_distributions_are_read…`, `permissions_that_were_granted…`, `history` |
//! | what has other times, or none | `a_distribution_whose_recorded_times_tell_nothing…`, `history` |
//! | what has times that may repeat | `a_distribution_whose_recorded_times_tell_nothing…` |
//! | what rpm's list names, by any name of its directory | `only_the_distributions_named_in_a_list…`, `a_directory_by_another_name…` |
//! | anything unseen, if the list leads to an unknown place | `with_a_list_that_leads_to_an_unknown_place…` |
//! | a link unseen | `the_target_of_a_link_is_looked_at…` |
//! | the order, if the directory lists in another one | `history` |
//! | the order and the choice among twins | `history` |
//! | a record whose times tell nothing, or with other flags | `a_record_whose_times_tell_nothing…` |
//! | a damaged index, of other rules, of an image | `an_index_that_is_damaged_or_foreign…`, `an_index_made_to_mislead…` |
//! | an index that is suspect, or has another mode or owner | `a_suspect_index_is_not_reused`, `an_index_that_others_may_write…` |
//! | any index, for an image | `the_summary_says…` |
//! | names listed before a change, or of another directory | `freshness::names` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "incremental/history.rs"]
mod history;
#[path = "incremental/reuse.rs"]
mod reuse;
#[path = "incremental/writing.rs"]
mod writing;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use cli::{Ran, Tree, run, tool_for};
use epcache::index::format::{
    BLOCK, DIRECTORY_ROW, HEADER, HEADER_CHECKED_FROM, RULES, SUSPECT_AT, checksum, record_flag,
};
use epcache::index::{Index, Stamp, verify};
use epcache::rooted::Root;
use epcache::scan::Purpose;
use epcache::worker::{self, Named, Product, Request, Scope};
use history::{History, Random};

fn full(paths: &[PathBuf]) -> Product {
    let request = Request::full(Scope::Paths(paths.to_vec()), Purpose::Running);
    worker::run(&Root::system(), &request, &mut |_| ()).unwrap()
}

/// The result of starting from these bytes.
fn incremental(paths: &[PathBuf], old: &[u8], named: Option<Named>) -> Product {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(old).unwrap();
    file.rewind().unwrap();
    let mut request = Request::full(Scope::Paths(paths.to_vec()), Purpose::Running);
    request.old = Some(file);
    request.named = named;
    let mut product = worker::run(&Root::system(), &request, &mut |_| ()).unwrap();
    if product.unchanged {
        assert!(product.index.is_empty());
        product.index = old.to_vec();
        product.index[usize::try_from(SUSPECT_AT).unwrap()] = 0;
    }
    product
}

#[track_caller]
fn assert_same(incremental: &Product, full: &Product, what: &str) {
    assert!(
        incremental.index == full.index,
        "{what}: {} reused, {} read: {}",
        incremental.reused,
        incremental.scanned,
        first_difference(&incremental.index, &full.index)
    );
    // A given directory without packages causes a warning only if the old index does not have it.
    let is_doubt = |text: &str| {
        text.starts_with("no such directory")
            || text.starts_with("no distribution has its metadata there")
    };
    let said = |product: &Product| {
        let warnings = product.warnings.iter();
        let kept = warnings.filter(|it| !is_doubt(&it.text));
        kept.cloned().collect::<Vec<_>>()
    };
    assert_eq!(said(incremental), said(full), "{what}");
    assert_eq!(incremental.distributions, full.distributions);
    assert_eq!(incremental.entry_points, full.entry_points);
    assert_eq!(
        incremental.reused + incremental.scanned,
        full.scanned,
        "{what}"
    );
    verify(&Index::open(incremental.index.clone()).unwrap()).unwrap();
}

fn first_difference(a: &[u8], b: &[u8]) -> String {
    let at = a.iter().zip(b).position(|(a, b)| a != b);
    format!("{} and {} bytes, apart from {at:?} on", a.len(), b.len())
}

/// How many histories there are. EPCACHE_TEST_HISTORIES can change it.
fn histories() -> u64 {
    let wanted = std::env::var("EPCACHE_TEST_HISTORIES").ok();
    wanted.and_then(|wanted| wanted.parse().ok()).unwrap_or(40)
}

#[test]
fn any_history_ends_in_the_index_that_reading_everything_gives() {
    let (mut reused, mut read, mut unchanged) = (0, 0, 0);
    for seed in 0..histories() {
        let mut random = Random::new(seed);
        let mut history = History::new(&mut random);
        let mut old = full(&history.paths()).index;
        let mut named = Named::new();
        for step in 0..25 {
            for _ in 0..random.below(4) {
                history.step(&mut random, &mut named);
            }
            if random.below(5) == 0 {
                continue; // a refresh that never came
            }
            let what = format!("seed {seed}, step {step}, {}", history.last());
            let told = (random.below(2) == 0).then(|| named.clone());
            let hinted = told.is_some();
            let now = incremental(&history.paths(), &old, told);
            let wanted = full(&history.paths());
            assert_same(&now, &wanted, &format!("{what}, hinted: {hinted}"));
            (reused, read) = (reused + now.reused, read + now.scanned);
            unchanged += usize::from(now.unchanged);
            old = now.index;
            named.clear();
        }
    }
    println!("{reused} reused, {read} read, {unchanged} unchanged");
    assert!(reused > read, "that is not starting from the old index");
    assert!(unchanged > 0);
}

/// A site of three distributions, and its index.
fn three() -> (Tree, Vec<PathBuf>, Vec<u8>) {
    let tree = Tree::new();
    for name in ["a", "b", "c"] {
        tree.dist("site", name, &format!("[g]\n{name} = {name}:main\n"));
    }
    let paths = vec![tree.path("site")];
    let old = full(&paths).index;
    (tree, paths, old)
}

const REFRESH: [&str; 5] = ["refresh", "--path", "site", "--output", "index"];

fn summary(tree: &Tree, arguments: &[&str]) -> serde_json::Value {
    let ran = run(tree.epcache(&REFRESH).arg("--json").args(arguments));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}
