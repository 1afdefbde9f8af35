//! Damage is found: by a checksum where it is an accident, by [`verify`] where somebody made the
//! checksums right again. It never does more than cost an answer.

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

use std::ops::Range;

use epcache::index::format::{
    BLOCK, DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, GROUP_ROW, HEADER, KEY_ROW, RECORD_ROW,
    REFERENCE_ROW, SIZE_LIMIT, SUSPECT_AT, distribution_flag, record_flag,
};
use epcache::index::{Damage, Index, Source, verify};
use index_checks::{Answers, repair, repair_checksums};
use index_support::{Tables, directory, dist, get, many, one_of_everything, set, with_crc, write};

/// Everything that an index says, verified.
fn answers(bytes: &[u8]) -> Result<Answers, Damage> {
    let index = Index::open(bytes.to_vec())?;
    let answers = Answers::of(&index);
    let verified = verify(&index);
    if verified.is_ok() {
        answers.as_ref().expect("verified").check(&index);
    }
    verified.and(answers)
}

fn malformed(bytes: &[u8]) -> &'static str {
    match answers(bytes) {
        Err(Damage::Malformed(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_truncated_index_is_refused() {
    let bytes = write(&one_of_everything(), false);
    for length in 0..bytes.len() {
        match Index::open(bytes[..length].to_vec()).err() {
            Some(Damage::NotAnIndex) => assert!(length < HEADER),
            Some(Damage::Size { expected, actual }) => {
                assert_eq!((expected, actual), (bytes.len() as u64, length as u64));
            }
            other => panic!("{length}: {other:?}"),
        }
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(answers(&longer), Err(Damage::Size { .. })));
}

#[test]
fn every_flipped_bit_is_found_but_for_those_under_no_checksum() {
    let mut bytes = write(&one_of_everything(), true);
    let honest = answers(&bytes).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let found = answers(&bytes);
            match (at, found) {
                (0..8, Err(Damage::NotAnIndex)) => {}
                (8..10, Err(Damage::OtherVersion(_))) => {}
                // Minor version, suspect byte, three bytes without a use.
                (10..16, Ok(found)) => {
                    assert_eq!(found, honest);
                    let suspect = Index::open(bytes.clone()).unwrap().is_suspect();
                    assert_eq!(suspect, at as u64 == SUSPECT_AT);
                }
                (16.., Err(Damage::Checksum(_))) => {}
                (at, found) => panic!("bit {bit} of byte {at}: {found:?}"),
            }
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn a_lookup_finds_damage_in_what_it_touches_and_verify_all_of_it() {
    let bytes = write(&[many("/a", 2000), many("/b", 2000)], false);
    let tables = Tables::of(&bytes);
    let mut damaged = bytes;
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let index = Index::open(damaged).unwrap();
    let group = index
        .find(b"/a")
        .unwrap()
        .unwrap()
        .group("plugins")
        .unwrap();
    assert_eq!(group.unwrap().len(), 4);
    assert!(matches!(verify(&index), Err(Damage::Checksum(_))));
    let record = index.find(b"/b").unwrap().unwrap();
    let scripts = record.group("console_scripts").unwrap().unwrap();
    assert!(record.entries(&scripts).all(|entry| entry.is_ok()));
    let plugins = record.group("plugins").unwrap().unwrap();
    assert!(tables.records[1].pool.contains(&last));
    assert!(
        record
            .entries(&plugins)
            .any(|entry| matches!(entry, Err(Damage::Checksum(_))))
    );
}

#[test]
fn every_block_is_under_a_checksum() {
    let mut bytes = write(&[many("/a", 500)], false);
    let body = Tables::of(&bytes).body;
    for at in (HEADER..body)
        .step_by(4)
        .chain((body..bytes.len()).step_by(BLOCK / 2 - 1))
    {
        bytes[at] ^= 0x10;
        assert!(matches!(answers(&bytes), Err(Damage::Checksum(_))), "{at}");
        bytes[at] ^= 0x10;
    }
}

/// A source that says to be larger than it is.
struct Claims(u64, Vec<u8>);

impl Source for Claims {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.0)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.1.read_at(buffer, offset)
    }
}

#[test]
fn sizes_that_cannot_be_are_refused_before_anything_is_allocated_for_them() {
    let bytes = write(&one_of_everything(), false);
    for claimed in [
        SIZE_LIMIT + 1,
        1 << 32,
        (1 << 32) + bytes.len() as u64,
        1 << 62,
        u64::MAX,
    ] {
        let mut bytes = bytes.clone();
        bytes.resize(8192, 0);
        bytes[24..32].copy_from_slice(&claimed.to_le_bytes());
        repair_checksums(&mut bytes);
        let opened = Index::open(Claims(claimed, bytes.clone()));
        assert!(matches!(opened, Err(Damage::TooLarge)), "{claimed}");
        assert!(matches!(Index::open(bytes), Err(Damage::Size { .. })));
    }
    // It shrinks after it was opened.
    let mut bytes = write(&[many("/a", 1000)], false);
    let size = bytes.len() as u64;
    bytes.truncate(8192);
    let index = Index::open(Claims(size, bytes)).unwrap();
    assert!(matches!(verify(&index), Err(Damage::Io(_))));
}

#[test]
fn counts_in_the_header_are_held_against_the_size() {
    let bytes = write(&one_of_everything(), false);
    for (at, what) in [
        (32, "number of blocks"),
        (36, "more directories than fit"),
        (40, "more directories than fit"),
    ] {
        let mut bytes = bytes.clone();
        set(&mut bytes, at, 0x0100_0000);
        repair_checksums(&mut bytes);
        let found = malformed(&bytes);
        assert!(
            found == what || found == "more checksums than fit",
            "{at}: {found}"
        );
        set(&mut bytes, at, u32::MAX);
        repair_checksums(&mut bytes);
        malformed(&bytes);
    }
    let mut bytes = bytes;
    set(&mut bytes, 32, 0);
    repair_checksums(&mut bytes);
    assert_eq!(malformed(&bytes), "number of blocks");
}

/// Numbers of one table that `verify` cannot know to be wrong: offsets in a row.
struct Free {
    table: Range<usize>,
    row: usize,
    free: &'static [usize],
}

fn tables_and_their_free_numbers(bytes: &[u8]) -> Vec<Free> {
    let tables = Tables::of(bytes);
    let mut all = vec![
        Free {
            table: 20..HEADER,
            row: HEADER,
            // Flags, and what is kept for later. Size and number of blocks have their own tests.
            free: &[0, 24, 28, 32, 36, 40],
        },
        Free {
            table: tables.directories.clone(),
            row: DIRECTORY_ROW,
            // Aliases may have any name and lead to any record; a flag may be one of a later version.
            free: &[0, 4, 8, 12],
        },
        Free {
            table: tables.record_rows.clone(),
            row: RECORD_ROW,
            // Flags, times, what is kept for later; a record without a directory has any path;
            // and where nothing lies behind a record, its end may be later.
            free: &[4, 8, 32, 36, 40, 44, 56, 60],
        },
    ];
    for record in &tables.records {
        all.push(Free {
            table: record.distributions.clone(),
            row: DISTRIBUTION_ROW,
            // File name, name and version are what they are; flags; size, times and digest.
            free: &[
                0, 4, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 92,
            ],
        });
        all.push(Free {
            table: record.keys.clone(),
            row: KEY_ROW,
            free: &[],
        });
        all.push(Free {
            table: record.groups.clone(),
            row: GROUP_ROW,
            // The name may be another one, as long as it is in order.
            free: &[0, 4],
        });
        all.push(Free {
            table: record.entries.clone(),
            row: ENTRY_ROW,
            // Strings are what they are; the last entry points' group, flags, what is kept for later.
            free: &[0, 4, 8, 16, 24, 28],
        });
        all.push(Free {
            table: record.references.clone(),
            row: REFERENCE_ROW,
            free: &[],
        });
    }
    all
}

#[test]
fn any_number_anywhere_under_right_checksums_does_no_harm_and_verify_finds_every_lie() {
    for directories in [one_of_everything(), vec![many("/a", 5), many("/b", 4)]] {
        let honest = write(&directories, false);
        let mut found = 0;
        let mut tried = 0;
        for Free { table, row, free } in tables_and_their_free_numbers(&honest) {
            for at in table.clone().step_by(4) {
                let was = get(&honest, at);
                let is_free = free.contains(&((at - table.start) % row));
                let wrong = [
                    0,
                    1,
                    was.wrapping_sub(1),
                    was.wrapping_add(1),
                    was ^ 0x8000_0000,
                ];
                let far = [
                    honest.len() as u32,
                    0xffff,
                    0x7fff_ffff,
                    u32::MAX - 1,
                    u32::MAX,
                ];
                for number in wrong.into_iter().chain(far) {
                    let mut bytes = honest.clone();
                    set(&mut bytes, at, number);
                    repair_checksums(&mut bytes);
                    index_checks::check(bytes.clone());
                    let verified = answers(&bytes);
                    tried += 1;
                    found += u32::from(verified.is_err());
                    assert!(
                        is_free || number == was || verified.is_err(),
                        "{number} for {was} at {at}, which is {} of {row}",
                        (at - table.start) % row
                    );
                }
            }
        }
        assert!(found > tried / 4, "{found} of {tried}");
        println!("{tried} indexes with one number wrong, {found} found by verify");
    }
}

#[test]
fn any_byte_under_right_checksums_does_no_harm() {
    let honest = write(&one_of_everything(), false);
    for at in 0..honest.len() {
        for value in [0, 1, honest[at] ^ 1, honest[at] ^ 0x80, 0x7f, 0xff] {
            let mut bytes = honest.clone();
            bytes[at] = value;
            index_checks::index(&bytes);
        }
    }
}

/// An honest index, one lie, and what `verify` calls it.
fn lie(tell: impl FnOnce(&mut Vec<u8>, &Tables)) -> &'static str {
    let mut bytes = write(&one_of_everything(), false);
    let tables = Tables::of(&bytes);
    tell(&mut bytes, &tables);
    assert!(repair(&mut bytes));
    malformed(&bytes)
}

#[test]
fn verify_calls_a_lie_by_its_name() {
    let flags = 32;
    let dist = |tables: &Tables, number: usize| {
        tables.records[0].distributions.start + number * DISTRIBUTION_ROW
    };
    let entry =
        |tables: &Tables, number: usize| tables.records[0].entries.start + number * ENTRY_ROW;
    // A name that would lead out of the search directory.
    for name in [&b"../x"[..], b"/etc", b"..", b".", b"", b"a\0"] {
        let told = lie(|bytes, tables| {
            let at = tables.records[0].pool.start;
            bytes[at..at + name.len()].copy_from_slice(name);
            let row = dist(tables, 0);
            set(bytes, row + 4, name.len() as u32);
        });
        assert_eq!(told, "a file name that is none");
    }
    // Somebody else's record.
    let told = lie(|bytes, tables| {
        // The rows are sorted: an alias, the three paths, an alias.
        let row = tables.directories.start + 2 * DIRECTORY_ROW;
        let other = get(bytes, row - DIRECTORY_ROW + 8);
        set(bytes, row + 8, other);
    });
    assert_eq!(told, "a directory with another's record");
    // Two records of one segment.
    let told = lie(|bytes, tables| {
        let (from, to) = (tables.records[0].row, tables.records[2].row);
        bytes.copy_within(from..from + 32, to);
    });
    assert_eq!(told, "records that overlap");
    // A chosen distribution passed off as shadowed, and the other way round.
    let told = lie(|bytes, tables| {
        let at = dist(tables, 0) + flags;
        let flags = get(bytes, at) | distribution_flag::SHADOWED;
        set(bytes, at, flags);
    });
    assert_eq!(told, "a shadowed distribution's key");
    let told = lie(|bytes, tables| {
        let at = dist(tables, 2) + flags;
        let flags = get(bytes, at) & !distribution_flag::SHADOWED;
        set(bytes, at, flags);
    });
    assert_eq!(told, "a distribution without its key");
    // One with a key of its own that is shadowed by nobody.
    let told = lie(|bytes, tables| {
        let at = dist(tables, 2);
        set(bytes, at + 12, 4);
        let offset = tables.records[0].pool.start + get(bytes, at + 8) as usize;
        let hash = epcache::index::format::key_hash(&bytes[offset..offset + 4]);
        set(bytes, at + 88, hash);
        for number in 0..tables.records[0].entries.len() / ENTRY_ROW {
            if get(bytes, entry(tables, number) + 12) == 2 {
                set(bytes, entry(tables, number) + 20, hash);
            }
        }
    });
    assert_eq!(told, "a distribution shadowed by none");
    // Metadata where there is none: it would come first.
    let told = lie(|bytes, tables| {
        let at = dist(tables, 4) + flags;
        let flags = get(bytes, at) | distribution_flag::HAS_METADATA;
        set(bytes, at, flags);
    });
    assert_eq!(told, "an entry point's flags");
    // A distribution that readers should read themselves, and are not told so.
    let told = lie(|bytes, tables| {
        let at = tables.records[0].row + 8;
        let flags = get(bytes, at) & !record_flag::UNREAD;
        set(bytes, at, flags);
    });
    assert_eq!(told, "a record's unread flag");
    let told = lie(|bytes, tables| set(bytes, tables.records[2].row + 8, record_flag::MISSING));
    assert_eq!(told, "distributions in a missing directory");
    // One entry point twice, and another one never.
    let told = lie(|bytes, tables| {
        let at = tables.records[0].references.start;
        let first = get(bytes, at);
        set(bytes, at + 4, first);
    });
    assert_eq!(told, "an entry point referred to twice");
    // Entry points in the wrong run.
    let told = lie(|bytes, tables| {
        let row = tables.records[0].row;
        let listed = get(bytes, row + 28);
        set(bytes, row + 28, listed + 1);
        let last_group = tables.records[0].groups.end - GROUP_ROW;
        let count = get(bytes, last_group + 12);
        set(bytes, last_group + 12, count + 1);
        let group = (tables.records[0].groups.len() / GROUP_ROW - 1) as u32;
        let at = entry(tables, listed as usize) + 16;
        set(bytes, at, group);
    });
    // It has core metadata, but stands behind one that has none.
    assert_eq!(told, "a group's entry points out of order");
}

#[test]
fn strings_that_many_rows_share_are_refused() {
    let mut bytes = write(&[many("/a", 300)], false);
    let record = Tables::of(&bytes).records[0].clone();
    let pool = record.pool.len() as u32;
    // Every group's name is the whole pool; every entry point's value likewise.
    for row in record.groups.clone().step_by(GROUP_ROW) {
        set(&mut bytes, row, 0);
        set(&mut bytes, row + 4, pool);
    }
    for row in record.entries.clone().step_by(ENTRY_ROW) {
        set(&mut bytes, row, 0);
        set(&mut bytes, row + 4, 0);
        set(&mut bytes, row + 8, pool);
    }
    for row in record.distributions.clone().step_by(DISTRIBUTION_ROW) {
        for at in [4, 12, 20, 28] {
            set(&mut bytes, row + at, 4096.min(pool));
        }
    }
    assert!(repair(&mut bytes));
    let index = Index::open(bytes).unwrap();
    let record = index.record(0).unwrap();
    let overlap = |result: Option<Damage>| {
        assert!(matches!(result, Some(Damage::Malformed(_))), "{result:?}");
    };
    overlap(record.groups().find_map(Result::err));
    overlap(record.distributions().find_map(Result::err));
    assert!(record.groups().flatten().count() <= 1);
    assert!(record.distributions().flatten().count() <= 4 * pool as usize / 4096 / 4 + 1);
    overlap(verify(&index).err());
}

#[test]
fn keys_out_of_order_are_refused_and_looked_up_in_bounded_time() {
    let keys = (0..100).map(|number: u32| with_crc(format!("{number}").as_bytes(), 7));
    let dists = keys.enumerate().map(|(number, key)| index_support::Dist {
        key,
        ..dist(&format!("a{number}-1.dist-info"), "", &[])
    });
    let mut bytes = write(&[directory("/a", dists.collect())], false);
    let keys = Tables::of(&bytes).records[0].keys.clone();
    let (first, second) = (get(&bytes, keys.start + 4), get(&bytes, keys.start + 12));
    set(&mut bytes, keys.start + 4, second);
    set(&mut bytes, keys.start + 12, first);
    assert!(repair(&mut bytes));
    assert_eq!(malformed(&bytes), "keys out of order");
}
