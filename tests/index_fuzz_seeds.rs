//! The seeds of the fuzz target `index`: runs each through the target's checks, and generates the
//! first ones.
//!
//! `EPCACHE_WRITE_SEEDS=1 cargo test --test index_fuzz_seeds` writes the generated ones, after a
//! change of the format. Inputs that a fuzzer has found are beside them, under a name that says
//! what is wrong with them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "../fuzz/index_checks.rs"]
mod index_checks;
mod index_support;

use std::fs;
use std::path::Path;

use epcache::index::format::{
    DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, GROUP_ROW, RECORD_ROW, REFERENCE_ROW, SUSPECT_AT,
};
use index_checks::repair;
use index_support::{Dist, Tables, directory, dist, get, many, one_of_everything, set, write};

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let honest = write(&one_of_everything(), false);
    let tables = Tables::of(&honest);
    let first = &tables.records[0];
    let mut seeds = vec![
        ("no_records", write(&[], false)),
        ("one_of_everything", honest.clone()),
        (
            "image",
            write(&[many("/usr/lib/python3/dist-packages", 3)], true),
        ),
        ("two_blocks", write(&[many("/a", 12), many("/b", 8)], false)),
        ("keys_of_one_hash", keys_of_one_hash()),
        ("truncated", honest[..honest.len() - 1].to_vec()),
        ("header_only", honest[..64].to_vec()),
    ];
    let mut lie = |name, tell: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = honest.clone();
        tell(&mut bytes);
        assert!(repair(&mut bytes));
        seeds.push((name, bytes));
    };
    lie("suspect", &|bytes| bytes[SUSPECT_AT as usize] = 1);
    lie("minor_version", &|bytes| bytes[10] = 9);
    lie("reserved_in_use", &|bytes| bytes[58..64].fill(0xff));
    lie("more_directories_than_fit", &|bytes| {
        set(bytes, 28, u32::MAX)
    });
    lie("unknown_flags", &|bytes| {
        set(bytes, 36, u32::MAX);
        set(bytes, first.row + 12, !1);
    });
    lie("another_directorys_record", &|bytes| {
        set(bytes, tables.directories.start + 2 * DIRECTORY_ROW + 8, 1);
    });
    lie("records_overlap", &|bytes| {
        let row = tables.record_rows.start;
        bytes.copy_within(row..row + 32, row + 2 * RECORD_ROW);
    });
    lie("record_beyond_the_end", &|bytes| {
        set(bytes, first.row + 4, u32::MAX)
    });
    lie("file_name_leads_elsewhere", &|bytes| {
        let at = first.pool.start;
        bytes[at..at + 3].copy_from_slice(b"../");
    });
    lie("distributions_share_strings", &|bytes| {
        for row in first.distributions.clone().step_by(DISTRIBUTION_ROW) {
            set(bytes, row, 0);
        }
    });
    lie("groups_share_strings", &|bytes| {
        for row in first.groups.clone().step_by(GROUP_ROW) {
            set(bytes, row, 0);
        }
    });
    lie("entry_points_share_strings", &|bytes| {
        for row in first.entries.clone().step_by(ENTRY_ROW) {
            set(bytes, row, 0);
            set(bytes, row + 8, 100);
        }
    });
    lie("entry_point_not_utf_8", &|bytes| {
        bytes[first.pool.end - 2] = 0xff
    });
    lie("import_of_nothing", &|bytes| {
        set(bytes, first.imports.start, u32::MAX);
    });
    lie("import_name_of_no_kind", &|bytes| {
        let row = first.distributions.start + DISTRIBUTION_ROW;
        let text = get(bytes, row + 40) as usize;
        bytes[first.pool.start + text] = b'x';
    });
    lie("references_to_one", &|bytes| {
        for row in first.references.clone().step_by(REFERENCE_ROW) {
            set(bytes, row, 0);
        }
    });
    seeds
}

fn keys_of_one_hash() -> Vec<u8> {
    let keys = index_support::keys_of_one_hash(3).into_iter().enumerate();
    let dists = keys.map(|(number, key)| Dist {
        key,
        ..dist(&format!("a{number}-1.dist-info"), "", &["x: y = z"])
    });
    write(&[directory("/a", dists.collect())], false)
}

#[test]
fn the_seeds_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/index");
    for (name, bytes) in seeds() {
        let path = folder.join(name);
        if std::env::var_os("EPCACHE_WRITE_SEEDS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert!(fs::read(&path).unwrap() == bytes, "{}", path.display());
    }
}

#[test]
fn index_seeds_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/index");
    for file in folder.read_dir().unwrap() {
        let path = file.unwrap().path();
        // If a check fails, the output contains the name of the seed.
        println!("{}", path.display());
        let seed = fs::read(&path).unwrap();
        for length in (0..seed.len()).step_by(seed.len() / 100 + 1) {
            index_checks::index(&seed[..length]);
        }
        index_checks::index(&seed);
    }
}
