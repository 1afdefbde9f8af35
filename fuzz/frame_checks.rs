//! Properties that must hold for any bytes from the worker's pipe. Used like `checks.rs`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use epcache::privsep::{Frame, Sender, frames, kind};
use epcache::worker::{Product, Reception};

/// Checks the bytes that a worker might send: as they are, and as many small frames of the types
/// that a job sends, which random lengths rarely make. Returns for both whether there was a result.
pub(crate) fn frames(input: &[u8]) -> [bool; 2] {
    [
        receive(&mut read_all(input).into_iter()),
        receive(&mut small_frames(input)),
    ]
}

/// The frames up to the end of the stream, or to invalid bytes.
fn read_all(stream: &[u8]) -> Vec<Frame> {
    let mut rest = stream;
    let mut found = Vec::new();
    loop {
        let before = rest;
        match frames::read(&mut rest) {
            Ok(Some(frame)) => {
                assert!(frame.payload.len() <= frames::MOST);
                let read = &before[..before.len() - rest.len()];
                assert_eq!(read.len(), 5 + frame.payload.len());
                let mut again = Vec::new();
                let sent = Sender::new(&mut again).send(frame.kind, &frame.payload);
                sent.expect("a vector takes everything");
                assert_eq!(again, read, "what was read is what is sent");
                found.push(frame);
            }
            Ok(None) => {
                assert!(before.is_empty(), "the end, and nothing less");
                return found;
            }
            Err(_) => return found,
        }
    }
}

/// A type, a length of one byte, a payload; then the next.
fn small_frames(input: &[u8]) -> impl Iterator<Item = Frame> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let (&[kind, length], behind) = rest.split_first_chunk()?;
        let (payload, behind) = behind.split_at_checked(length.into())?;
        rest = behind;
        Some(Frame {
            kind: kind::FIRST_OF_JOB + kind % 11,
            payload: payload.to_vec(),
        })
    })
}

/// Takes frames as the parent does: up to the last one, or to an invalid one. Returns whether there
/// was a result.
fn receive(frames: &mut dyn Iterator<Item = Frame>) -> bool {
    let mut reception = Reception::default();
    let mut taken = Vec::new();
    for frame in frames {
        taken.push(Frame {
            kind: frame.kind,
            payload: frame.payload.clone(),
        });
        match reception.take(frame, &mut |_| ()) {
            Ok(false) => {}
            Ok(true) => {
                match reception.outcome() {
                    Ok(product) => check(&product, &taken),
                    Err(failure) => check_failure(&failure, &taken),
                }
                return true;
            }
            Err(why) => {
                assert!(why.len() < 100, "a complaint is short: {why}");
                return false;
            }
        }
    }
    false
}

const COUNTS: u8 = kind::FIRST_OF_JOB + 1;
const INDEX: u8 = kind::FIRST_OF_JOB + 2;
const FAILED: u8 = kind::FIRST_OF_JOB + 7;
const DONE: u8 = kind::FIRST_OF_JOB + 8;
const FILE: u8 = kind::FIRST_OF_JOB + 9;

fn payloads(frames: &[Frame], kind: u8) -> Vec<&[u8]> {
    let of_kind = frames.iter().filter(|frame| frame.kind == kind);
    of_kind.map(|frame| frame.payload.as_slice()).collect()
}

/// A result is what was sent, so it needs no more memory than that.
fn check(product: &Product, taken: &[Frame]) {
    assert_eq!(taken.last().map(|frame| frame.kind), Some(DONE));
    assert_eq!(product.index, payloads(taken, INDEX).concat());
    let counts = payloads(taken, COUNTS);
    assert_eq!(counts.len(), 1, "announced once");
    assert_eq!(
        counts[0][40..48],
        (product.index.len() as u64).to_le_bytes()
    );

    let pieces = payloads(taken, FILE);
    let pieces: Vec<_> = pieces.iter().map(|piece| &piece[16..]).collect();
    let files: Vec<_> = product.files.iter().map(|file| file.2.as_slice()).collect();
    assert_eq!(files.concat(), pieces.concat());

    let sent: usize = taken.iter().map(|frame| frame.payload.len()).sum();
    let warnings = product.warnings.iter().chain(&product.failures);
    let mut kept = product.index.len() + files.concat().len();
    for (path, text) in warnings
        .map(|warning| (&warning.path, warning.text.as_str()))
        .chain(
            product
                .notes
                .iter()
                .map(|note| (&note.path, note.text.as_str())),
        )
        .chain(product.left_out.iter().map(|(path, _)| (path, "")))
    {
        kept += path.as_os_str().len() + text.len();
    }
    // A byte that is not UTF-8 becomes a character of three bytes.
    assert!(kept <= 3 * sent);
    assert!(product.notes.iter().all(|note| note.line != Some(0)));
}

fn check_failure(failure: &str, taken: &[Frame]) {
    let last = taken.last().expect("the one that says so");
    assert_eq!(last.kind, FAILED);
    assert!(failure.len() <= 3 * last.payload.len());
}
