//! Mutated indexes, read by the Python reader: no exception, no wrong answer, no index that costs
//! much (`python/tests/quick_mutations.py` says what is asked of each).

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::thread;

use support::{interpreters, repository, run, say, skip, text, within};

const MUTATIONS: usize = 100_000;
const SEED: usize = 1;

#[test]
fn mutated_indexes_do_no_harm_in_python() {
    let Some(python) = interpreters().into_iter().next() else {
        return skip("mutated indexes in Python", "there is no Python");
    };
    let shares = thread::available_parallelism().map_or(1, usize::from);
    let shares: Vec<_> = (0..shares)
        .map(|share| {
            let count = (MUTATIONS.div_ceil(shares)).to_string();
            let seed = (SEED + share).to_string();
            let mut command = within(1200, &python.executable);
            command
                .arg("-B")
                .arg(repository().join("python/tests").join("quick_mutations.py"))
                .args([count, seed])
                .env("EPCACHE_TEST_PROGRAM", env!("CARGO_BIN_EXE_epcache"))
                .env_remove("PYTHONPATH");
            thread::spawn(move || run(&mut command))
        })
        .collect();
    for share in shares {
        let output = share.join().expect("a thread ends");
        assert!(output.status.success(), "{}", text(&output.stderr));
        say(text(&output.stdout).trim_end());
    }
}
