//! What a lookup reads: counted, not timed. Finding a group must not cost more if more is installed
//! (decision 5): the number of blocks grows at most with the logarithm.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod index_support;

use std::cell::Cell;
use std::io;

use epcache::index::{Index, Source};
use index_support::{directory, many, write};

/// Counts the bytes that are read through it.
struct Counted {
    bytes: Vec<u8>,
    calls: Cell<usize>,
    read: Cell<usize>,
}

impl Counted {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            calls: Cell::new(0),
            read: Cell::new(0),
        }
    }
}

impl Source for Counted {
    fn size(&self) -> io::Result<u64> {
        self.bytes.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.calls.set(self.calls.get() + 1);
        self.read.set(self.read.get() + buffer.len());
        self.bytes.read_at(buffer, offset)
    }
}

/// Calls and bytes of opening an index and finding a group of four entry points in it.
fn find_a_group(bytes: Vec<u8>, path: &[u8]) -> (usize, usize) {
    let index = Index::open(Counted::new(bytes)).unwrap();
    let record = index.find(path).unwrap().unwrap();
    let group = record.group("plugins").unwrap().unwrap();
    let entries: Vec<_> = record.entries(&group).collect::<Result<_, _>>().unwrap();
    assert!(matches!(entries.len(), 3 | 4));
    for entry in &entries {
        let distribution = record.distribution(entry.distribution).unwrap();
        assert_eq!(
            record.chosen(&distribution.key).unwrap(),
            Some(distribution)
        );
    }
    (index.source().calls.get(), index.source().read.get())
}

#[test]
fn finding_a_group_reads_about_as_much_in_a_large_index() {
    let mut counts = Vec::new();
    for installed in [100, 1_000, 10_000, 50_000] {
        let bytes = write(&[many("/a", installed)], false);
        let size = bytes.len();
        let (calls, read) = find_a_group(bytes, b"/a");
        println!("{installed} distributions, {size} bytes: {calls} reads, {read} bytes");
        counts.push((calls, read));
    }
    let (few_calls, few_bytes) = counts[0];
    let (many_calls, many_bytes) = counts[3];
    // 500 times as much is nine more steps in each search: of groups, with a row and a name each,
    // and of keys, four times.
    assert!(many_calls <= few_calls + 2 * 9 * (2 + 4), "{counts:?}");
    assert!(many_bytes <= few_bytes + 4100 * 9 * (2 + 4), "{counts:?}");
}

#[test]
fn another_search_directory_costs_nothing() {
    let alone = write(&[many("/m", 200)], false);
    let (calls, read) = find_a_group(alone, b"/m");
    let others = (0..40).map(|number| many(&format!("/{number}"), 200));
    let together: Vec<_> = others.chain([many("/m", 200)]).collect();
    let (calls_together, read_together) = find_a_group(write(&together, false), b"/m");
    // Its checksums and blocks are no longer read together with the header.
    assert!(calls_together <= 2 * calls + 6, "{calls_together} {calls}");
    assert!(read_together <= read + 8 * 4096, "{read_together} {read}");
}

#[test]
fn a_directory_without_a_record_is_known_after_few_reads() {
    let directories: Vec<_> = (0..2000)
        .map(|number| {
            directory(
                &format!("/venv/{number}/lib/python3.13/site-packages"),
                Vec::new(),
            )
        })
        .collect();
    let index = Index::open(Counted::new(write(&directories, false))).unwrap();
    assert!(index.find(b"/venv/7/lib").unwrap().is_none());
    let reads = index.source().calls.get();
    assert!(reads <= 2 * 2 * 11, "{reads}");
}

#[test]
fn a_small_index_is_read_in_one_go() {
    let index = write(&index_support::one_of_everything(), false);
    assert!(index.len() < 4096);
    let index = Index::open(Counted::new(index)).unwrap();
    let record = index.find(b"/lib/python3/dist-packages").unwrap().unwrap();
    let group = record.group("x").unwrap().unwrap();
    assert_eq!(record.entries(&group).count(), 4);
    assert_eq!(index.source().calls.get(), 1);
}
