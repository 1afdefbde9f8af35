//! The seeds of the fuzz target `frames`: runs each through the target's checks, and generates the
//! first ones.
//!
//! `EPCACHE_WRITE_SEEDS=1 cargo test --test frame_fuzz_seeds` writes the generated ones, after a
//! change of the meaning of frames. Inputs that a fuzzer has found are beside them, under a name
//! that says what is wrong with them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "../fuzz/frame_checks.rs"]
mod frame_checks;

use std::fs;
use std::path::Path;

use epcache::privsep::{Sender, kind};

/// The types that a job sends, from [`kind::FIRST_OF_JOB`] on.
const PROGRESS: u8 = 0;
const COUNTS: u8 = 1;
const INDEX: u8 = 2;
const WARNING: u8 = 3;
const FAILURE: u8 = 4;
const NOTE: u8 = 5;
const LEFT_OUT: u8 = 6;
const FAILED: u8 = 7;
const DONE: u8 = 8;
const FILE: u8 = 9;
const MORE: u8 = 10;

type Frames = Vec<(u8, Vec<u8>)>;

fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn remark(path: &str, number: u64, text: &[u8]) -> Vec<u8> {
    let head = numbers(&[path.len() as u64, number]);
    [&head, path.as_bytes(), text].concat()
}

/// An outcome with one of everything, its index in two pieces.
fn one_of_everything() -> Frames {
    vec![
        (PROGRESS, numbers(&[2, 3])),
        (COUNTS, numbers(&[2, 3, 4, 5, 6, 7, 0, 0])),
        (INDEX, b"PYEP".to_vec()),
        (INDEX, b"IDX".to_vec()),
        (FAILURE, remark("/f", 0, b"closed")),
        (WARNING, remark("/w", 0, b"\xff not UTF-8")),
        (LEFT_OUT, remark("/s", 0, b"")),
        (LEFT_OUT, remark("/a.zip", 1, b"")),
        (NOTE, remark("/n.pth", 8, b"import x")),
        (NOTE, remark("", 0, b"")),
        (FILE, [&numbers(&[0, 0]), &b"[{"[..]].concat()),
        (FILE, [&numbers(&[0, 0]), &b"}]"[..]].concat()),
        (FILE, numbers(&[999, 2])),
        (MORE, numbers(&[7])),
        (DONE, vec![]),
    ]
}

fn seeds() -> Vec<(&'static str, Frames)> {
    let whole = one_of_everything();
    let with = |at: usize, frame: (u8, Vec<u8>)| {
        let mut frames = whole.clone();
        frames[at] = frame;
        frames
    };
    vec![
        ("one_of_everything", whole.clone()),
        ("failed", vec![(FAILED, b"no such environment".to_vec())]),
        ("no_last_frame", whole[..whole.len() - 1].to_vec()),
        ("announced_twice", [&whole[..2], &whole[1..]].concat()),
        ("not_announced", whole[2..].to_vec()),
        ("index_too_short", with(3, (INDEX, b"ID".to_vec()))),
        ("index_too_long", with(3, (INDEX, b"IDX!".to_vec()))),
        (
            "index_of_all_memory",
            with(1, (COUNTS, numbers(&[0, 0, 0, 0, 0, u64::MAX, 0, 0]))),
        ),
        (
            "largest_index",
            with(1, (COUNTS, numbers(&[0, 0, 0, 0, 0, 256 << 20, 0, 0]))),
        ),
        ("numbers_cut_short", with(1, (COUNTS, vec![0; 63]))),
        ("remark_cut_short", with(4, (FAILURE, vec![0; 15]))),
        (
            "path_longer_than_remark",
            with(4, (FAILURE, numbers(&[1, 0]))),
        ),
        (
            "path_of_all_memory",
            with(4, (FAILURE, numbers(&[u64::MAX, 0]))),
        ),
        (
            "more_left_out",
            with(6, (LEFT_OUT, remark("/s", u64::MAX, b""))),
        ),
        ("file_cut_short", with(11, (FILE, vec![0; 15]))),
        ("file_of_no_known_form", with(11, (FILE, numbers(&[0, 3])))),
        (
            "unchanged",
            vec![(COUNTS, numbers(&[2, 3, 4, 5, 6, 0, 1, 0])), (DONE, vec![])],
        ),
        ("count_cut_short", with(13, (MORE, vec![0; 7]))),
        ("unknown_kind", with(6, (MORE + 1, vec![]))),
        (
            "done_with_a_payload",
            with(whole.len() - 1, (DONE, b"x".to_vec())),
        ),
    ]
}

/// As the worker sends them, and as the small frames that the checks read in addition.
fn spelled(frames: &Frames) -> [Vec<u8>; 2] {
    let mut sent = Vec::new();
    let mut sender = Sender::new(&mut sent);
    let mut small = Vec::new();
    for (number, payload) in frames {
        sender.send(kind::FIRST_OF_JOB + number, payload).unwrap();
        small.extend([*number, u8::try_from(payload.len()).unwrap()]);
        small.extend(payload);
    }
    [sent, small]
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/frames")
}

#[test]
fn the_frame_seeds_are_up_to_date() {
    let write = std::env::var_os("EPCACHE_WRITE_SEEDS").is_some();
    for (name, frames) in seeds() {
        let names = [name.to_owned(), format!("{name}.small")];
        for (name, bytes) in names.iter().zip(spelled(&frames)) {
            let path = folder().join(name);
            if write {
                fs::create_dir_all(folder()).unwrap();
                fs::write(&path, &bytes).unwrap();
            }
            assert!(fs::read(&path).unwrap() == bytes, "{}", path.display());
        }
    }
}

#[test]
fn only_whole_outcomes_are_taken() {
    for (name, frames) in seeds() {
        let whole = matches!(
            name,
            "one_of_everything" | "more_left_out" | "failed" | "done_with_a_payload" | "unchanged"
        );
        let [sent, small] = spelled(&frames);
        let [as_it_is, _] = frame_checks::frames(&sent);
        let [_, as_small] = frame_checks::frames(&small);
        assert_eq!([as_it_is, as_small], [whole; 2], "{name}");
    }
}

#[test]
fn frames_seeds_hold() {
    for file in folder().read_dir().unwrap() {
        let path = file.unwrap().path();
        // If a check fails, the output contains the name of the seed.
        println!("{}", path.display());
        let seed = fs::read(&path).unwrap();
        for at in 0..=seed.len() {
            frame_checks::frames(&seed[..at]);
            frame_checks::frames(&seed[at..]);
        }
    }
}
