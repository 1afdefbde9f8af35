//! What hostile bytes can cost: memory and work stay in proportion to the size of the file.
//!
//! Work is measured by the sum of allocations, because a reader copies what it looks at. In
//! contrast to a time, a count is the same on every machine.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]
#![allow(unsafe_code, reason = "a global allocator is")]

#[path = "../fuzz/index_checks.rs"]
mod index_checks;
mod index_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use epcache::index::format::{
    DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, GROUP_ROW, HEADER, RECORD_ROW, REFERENCE_ROW,
    STRING_LIMIT,
};
use epcache::index::{Index, verify};
use index_checks::{repair, repair_checksums};
use index_support::{
    Dist, Tables, directory, dist, keys_of_one_hash, many, one_of_everything, set, write,
};

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static TOTAL: Cell<usize> = const { Cell::new(0) };
}

/// Counts the allocations of each thread.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn took(size: usize) {
    let _ = NOW.try_with(|now| {
        now.set(now.get().saturating_add(size));
        PEAK.with(|peak| peak.set(peak.get().max(now.get())));
        TOTAL.with(|total| total.set(total.get() + size));
    });
}

fn gave(size: usize) {
    let _ = NOW.try_with(|now| now.set(now.get().saturating_sub(size)));
}

// SAFETY: every call is passed on unchanged to the system's allocator, and the counters neither
// allocate nor unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promises are those that `System` requires.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        gave(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        gave(layout.size());
        took(size);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// The peak of the memory that was allocated while `action` ran, and the sum of all allocations.
fn cost<T>(action: impl FnOnce() -> T) -> (usize, usize) {
    let before = NOW.get();
    PEAK.set(before);
    let total = TOTAL.get();
    black_box(action());
    (PEAK.get().saturating_sub(before), TOTAL.get() - total)
}

/// The largest values seen, in parts of a file's length.
#[derive(Debug, Default)]
struct Worst {
    peak: f64,
    work: f64,
}

impl Worst {
    /// Compares one call with its limits: `work` times the length, and 64 KiB for small things.
    fn hold<T>(&mut self, what: &str, length: usize, work: usize, action: impl FnOnce() -> T) {
        let (peak, total) = cost(action);
        assert!(
            peak <= 8 * length + 65536,
            "{what}: {peak} at a time for {length}"
        );
        assert!(
            total <= work * length + work * 1024,
            "{what}: {total} in all for {length}"
        );
        self.peak = self.peak.max(peak as f64 / length as f64);
        self.work = self.work.max(total as f64 / length as f64);
    }
}

/// Makes all calls, each with its own limit.
fn hold_all(bytes: Vec<u8>, worst: &mut Worst) {
    let length = bytes.len();
    worst.hold("verify", length, 300, || {
        Index::open(bytes.clone()).map(|index| verify(&index))
    });
    let mut opened = None;
    worst.hold("open", length, 4, || opened = Index::open(bytes).ok());
    let Some(index) = opened else { return };
    for path in [&b""[..], b"/a", b"/usr/lib/python3/dist-packages"] {
        worst.hold("find", length, 10, || index.find(path).is_ok());
    }
    for number in 0..index.record_count().min(3) {
        let Ok(record) = index.record(number) else {
            continue;
        };
        worst.hold("group", length, 40, || {
            (
                record.group("console_scripts").is_ok(),
                record.group("zzz").is_ok(),
            )
        });
        worst.hold("chosen", length, 40, || record.chosen(b"alpha").is_ok());
        worst.hold("groups", length, 40, || record.groups().map(drop).count());
        worst.hold("distributions", length, 300, || {
            record.distributions().map(drop).count()
        });
        worst.hold("outlines", length, 40, || {
            record.outlines().map(drop).count()
        });
        let group = record.groups().flatten().max_by_key(|group| group.len());
        if let Some(group) = group {
            worst.hold("entries", length, 40, || {
                record.entries(&group).map(drop).count()
            });
        }
        let distribution = record
            .distributions()
            .flatten()
            .max_by_key(|distribution| distribution.entry_count());
        if let Some(distribution) = distribution {
            worst.hold("entries_of", length, 40, || {
                record.entries_of(&distribution).map(drop).count()
            });
        }
    }
}

#[test]
fn no_number_in_a_small_index_makes_a_reader_allocate_much() {
    let honest = write(&one_of_everything(), false);
    let mut worst = Worst::default();
    hold_all(honest.clone(), &mut worst);
    let end = Tables::of(&honest).records[2].pool.start;
    for at in (20..end).step_by(4) {
        for number in [
            0,
            1,
            0xff,
            0xffff,
            0x00ff_ffff,
            0x7fff_ffff,
            u32::MAX - 1,
            u32::MAX,
        ] {
            let mut bytes = honest.clone();
            set(&mut bytes, at, number);
            repair_checksums(&mut bytes);
            hold_all(bytes, &mut worst);
        }
    }
    println!("{worst:?} of {} bytes", honest.len());
}

#[test]
fn an_honest_large_index_costs_little() {
    let mut worst = Worst::default();
    hold_all(
        write(&[many("/a", 20_000), many("/b", 5_000)], false),
        &mut worst,
    );
    println!("{worst:?}");
}

/// A hostile index of about a mebibyte, and all calls with their limits.
fn hold_hostile(mut bytes: Vec<u8>) {
    assert!(repair(&mut bytes));
    let mut worst = Worst::default();
    hold_all(bytes, &mut worst);
    println!("{worst:?}");
}

#[test]
fn groups_that_are_all_the_whole_pool_cost_no_more() {
    let mut bytes = write(&[many("/a", 4000)], false);
    let record = Tables::of(&bytes).records[0].clone();
    for (number, row) in record.groups.clone().step_by(GROUP_ROW).enumerate() {
        set(&mut bytes, row, 0);
        set(
            &mut bytes,
            row + 4,
            record.pool.len() as u32 - 4000 + number as u32,
        );
    }
    hold_hostile(bytes);
}

#[test]
fn entry_points_that_are_all_the_whole_pool_cost_no_more() {
    let mut bytes = write(&[many("/a", 4000)], false);
    let record = Tables::of(&bytes).records[0].clone();
    for row in record.entries.clone().step_by(ENTRY_ROW) {
        set(&mut bytes, row, 0);
        set(&mut bytes, row + 8, record.pool.len() as u32 - 1000);
    }
    // And one distribution has all of them.
    for row in record.distributions.clone().step_by(DISTRIBUTION_ROW) {
        let first = row == record.distributions.start;
        let count = record.references.len() / REFERENCE_ROW;
        set(&mut bytes, row + 52, if first { count as u32 } else { 0 });
    }
    hold_hostile(bytes);
}

#[test]
fn one_entry_point_that_everything_refers_to_costs_no_more() {
    let mut bytes = write(&[many("/a", 4000)], false);
    let record = Tables::of(&bytes).records[0].clone();
    for row in record.references.clone().step_by(REFERENCE_ROW) {
        set(&mut bytes, row, 0);
    }
    let first = record.entries.start;
    set(&mut bytes, first + 8, record.pool.len() as u32 - 1000);
    set(&mut bytes, first, 0);
    let row = record.distributions.start;
    let count = record.references.len() / REFERENCE_ROW;
    set(&mut bytes, row + 52, count as u32);
    hold_hostile(bytes);
}

#[test]
fn distributions_with_the_longest_of_strings_cost_no_more() {
    let mut bytes = write(&[many("/a", 4000)], false);
    let record = Tables::of(&bytes).records[0].clone();
    for row in record.distributions.clone().step_by(DISTRIBUTION_ROW) {
        for at in [4, 8] {
            set(&mut bytes, row + at, (STRING_LIMIT as u32) << 16 | 100);
        }
    }
    hold_hostile(bytes);
}

#[test]
fn records_of_one_segment_cost_no_more() {
    let directories: Vec<_> = (0..4000)
        .map(|number| directory(&format!("/{number:04}"), Vec::new()))
        .chain([many("/a", 1500)])
        .collect();
    let mut bytes = write(&directories, false);
    let rows = Tables::of(&bytes).record_rows;
    let last = rows.end - RECORD_ROW;
    for row in rows.step_by(RECORD_ROW) {
        bytes.copy_within(last..last + 32, row);
    }
    hold_hostile(bytes);
}

#[test]
fn directories_of_one_long_path_cost_no_more() {
    let directories: Vec<_> = (0..10_000)
        .map(|number| directory(&format!("/{number:04}"), Vec::new()))
        .collect();
    let mut bytes = write(&directories, false);
    let tables = Tables::of(&bytes);
    for (number, row) in tables
        .directories
        .clone()
        .step_by(DIRECTORY_ROW)
        .enumerate()
    {
        set(&mut bytes, row, number as u32);
        set(&mut bytes, row + 4, STRING_LIMIT as u32);
        set(&mut bytes, row + 12, 1);
    }
    hold_hostile(bytes);
}

#[test]
fn keys_of_one_hash_cost_no_more() {
    let mut keys = keys_of_one_hash(4001);
    let absent = keys.pop().unwrap();
    let dists: Vec<_> = keys
        .into_iter()
        .enumerate()
        .map(|(number, key)| Dist {
            key,
            ..dist(&format!("a{number}-1.dist-info"), "", &[])
        })
        .collect();
    let bytes = write(&[directory("/a", dists)], false);
    let mut worst = Worst::default();
    let length = bytes.len();
    let index = Index::open(bytes).unwrap();
    let record = index.record(0).unwrap();
    worst.hold("everything loaded", length, 300, || {
        record.distributions().count()
    });
    let (_, total) = cost(|| record.chosen(&absent).unwrap().is_some());
    assert!(total < 65536, "{total} for one lookup");
}

#[test]
fn a_header_alone_cannot_ask_for_memory() {
    for (directories, records) in [(u32::MAX, 0), (0, u32::MAX), (u32::MAX, u32::MAX), (1, 1)] {
        let mut bytes = write(&[], false);
        set(&mut bytes, 28, directories);
        set(&mut bytes, 32, records);
        repair_checksums(&mut bytes);
        let (peak, _) = cost(|| Index::open(bytes.clone()).is_err());
        assert!(peak < HEADER * 8, "{peak}");
    }
}
