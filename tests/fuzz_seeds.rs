//! Runs each seed of the fuzzers through the checks that the fuzzers make.
//!
//! An input that a fuzzer has found goes to `fuzz/seeds/TARGET/` under a name that says what is
//! wrong with it, and is a regression test from then on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected fails"
)]

use std::fs;
use std::path::Path;

#[path = "../fuzz/checks.rs"]
mod checks;

fn each_seed(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut seeds: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    for path in seeds {
        // The name of the seed at hand is in the output if its check fails.
        println!("{}", path.display());
        let seed = fs::read(&path).unwrap();
        // Each prefix is an input, too, and each suffix.
        let step = seed.len() / 100 + 1;
        for at in (0..=seed.len()).step_by(step) {
            check(&seed[..at]);
            check(&seed[at..]);
        }
        check(&seed);
    }
}

#[test]
fn entry_points_seeds_hold() {
    each_seed("entry_points", checks::entry_points);
}

#[test]
fn requirements_seeds_hold() {
    each_seed("requirements", checks::requirements);
}

#[test]
fn imports_seeds_hold() {
    each_seed("imports", checks::imports);
}

#[test]
fn core_metadata_seeds_hold() {
    each_seed("core_metadata", checks::core_metadata);
}
