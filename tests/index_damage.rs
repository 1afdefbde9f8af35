//! Damage is found: accidents by a checksum, and changes with correct checksums by [`verify`].
//! Damage never does more than lose an answer.

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
    BLOCK, DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, FILE_ROW, GROUP_ROW, HEADER, IMPORT_ROW,
    NAME_ROW, RECORD_ROW, REFERENCE_ROW, SIZE_LIMIT, SUSPECT_AT, distribution_flag, record_flag,
};
use epcache::index::{Damage, Index, Source, verify};
use index_checks::{Answers, repair, repair_checksums};
use index_support::{
    Tables, directory, dist, get, keys_of_one_hash, later, many, one_of_everything, set, write,
};

/// All content of an index, verified.
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
fn every_flipped_bit_is_found_except_those_without_a_checksum() {
    let mut bytes = write(&one_of_everything(), true);
    let honest = answers(&bytes).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let found = answers(&bytes);
            match (at, found) {
                (0..8, Err(Damage::NotAnIndex)) => {}
                (8..10, Err(Damage::OtherVersion(_))) => {}
                // Minor version, suspect byte, three unused bytes.
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
fn a_lookup_finds_damage_in_blocks_that_it_reads_and_verify_finds_all_damage() {
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

/// A source that claims to be larger than it is.
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
fn impossible_sizes_are_refused_before_memory_is_allocated() {
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
        set(&mut bytes, 20, u32::try_from(claimed).unwrap_or(u32::MAX));
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
fn counts_in_the_header_are_compared_with_the_size() {
    let bytes = write(&one_of_everything(), false);
    for (at, what) in [
        (24, "number of blocks"),
        (28, "more directories than fit"),
        (32, "more directories than fit"),
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
    set(&mut bytes, 24, 0);
    repair_checksums(&mut bytes);
    assert_eq!(malformed(&bytes), "number of blocks");
}

#[test]
fn rows_shorter_than_their_fields_are_refused() {
    let honest = write(&one_of_everything(), false);
    for (number, size) in [16, 56, 64, 8, 16, 16, 8, 24, 8_u16]
        .into_iter()
        .enumerate()
    {
        for shorter in [0, size - 1] {
            let mut bytes = honest.clone();
            let at = 40 + 2 * number;
            assert_eq!(bytes[at..at + 2], size.to_le_bytes());
            bytes[at..at + 2].copy_from_slice(&shorter.to_le_bytes());
            repair_checksums(&mut bytes);
            assert_eq!(malformed(&bytes), "sizes of rows");
        }
    }
}

/// Numbers in one table that `verify` cannot check: offsets in a row.
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
            // The writer's own bytes and reserved ones. Size and number of blocks have their own
            // tests. If there is one row, its size may be larger.
            free: &[0, 4, 16, 20, 24, 28, 32, 36, 40],
        },
        Free {
            table: tables.directories.clone(),
            row: DIRECTORY_ROW,
            // Aliases may have any name and lead to any record. A flag may belong to a later
            // version.
            free: &[0, 4, 8, 12],
        },
        Free {
            table: tables.record_rows.clone(),
            row: RECORD_ROW,
            // Flags and times, and what is kept for later; where nothing lies behind a record, its
            // end may be later.
            free: &[4, 8, 12, 32, 36, 40, 44, 52],
        },
    ];
    for record in &tables.records {
        all.push(Free {
            table: record.distributions.clone(),
            row: DISTRIBUTION_ROW,
            // Strings, requirements and import names may be anything; flags; times.
            free: &[0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44],
        });
        all.push(Free {
            table: record.names.clone(),
            row: NAME_ROW,
            free: &[],
        });
        all.push(Free {
            table: record.groups.clone(),
            row: GROUP_ROW,
            // The name may be another one, as long as the order is correct.
            free: &[0, 4],
        });
        all.push(Free {
            table: record.entries.clone(),
            row: ENTRY_ROW,
            // Strings may be anything.
            free: &[0, 4, 8],
        });
        all.push(Free {
            table: record.references.clone(),
            row: REFERENCE_ROW,
            free: &[],
        });
        all.push(Free {
            table: record.files.clone(),
            row: FILE_ROW,
            // Any type in order, size and times.
            free: &[0, 4, 8, 12, 16, 20],
        });
        all.push(Free {
            table: record.imports.clone(),
            row: IMPORT_ROW,
            free: &[],
        });
    }
    all
}

#[test]
fn any_false_number_with_correct_checksums_does_no_harm_and_verify_finds_it() {
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
fn any_byte_with_correct_checksums_does_no_harm() {
    let honest = write(&one_of_everything(), false);
    for at in 0..honest.len() {
        for value in [0, 1, honest[at] ^ 1, honest[at] ^ 0x80, 0x7f, 0xff] {
            let mut bytes = honest.clone();
            bytes[at] = value;
            index_checks::index(&bytes);
        }
    }
}

/// A valid index with one false number, and how `verify` describes it.
fn lie(tell: impl FnOnce(&mut Vec<u8>, &Tables)) -> &'static str {
    let mut bytes = write(&one_of_everything(), false);
    let tables = Tables::of(&bytes);
    tell(&mut bytes, &tables);
    assert!(repair(&mut bytes));
    malformed(&bytes)
}

#[test]
fn verify_names_each_false_number() {
    let flags = 12;
    let dist = |tables: &Tables, number: usize| {
        tables.records[0].distributions.start + number * DISTRIBUTION_ROW
    };
    // A name that would lead out of the search directory.
    for name in [&b"../x"[..], b"/etc", b"..", b".", b""] {
        let told = lie(|bytes, tables| {
            let at = tables.records[0].pool.start;
            bytes[at..at + name.len()].copy_from_slice(name);
            let row = dist(tables, 0);
            let lengths = get(bytes, row + 4) & 0xffff_0000;
            set(bytes, row + 4, lengths | name.len() as u32);
        });
        assert_eq!(told, "a file name that is none");
    }
    // The record of another directory.
    let told = lie(|bytes, tables| {
        // The rows are sorted: an alias, the three paths, an alias.
        let row = tables.directories.start + 2 * DIRECTORY_ROW;
        let other = get(bytes, row - DIRECTORY_ROW + 8);
        set(bytes, row + 8, other);
    });
    assert_eq!(told, "a record with two paths");
    let told = lie(|bytes, tables| set(bytes, tables.directories.start + DIRECTORY_ROW + 12, 1));
    assert_eq!(told, "a record without a path");
    // Two records that share a segment.
    let told = lie(|bytes, tables| {
        let (from, to) = (tables.records[0].row, tables.records[2].row);
        bytes.copy_within(from..from + 32, to);
    });
    assert_eq!(told, "records that overlap");
    // A chosen distribution marked as shadowed, and the reverse.
    let with_flags = |number, change: &dyn Fn(u32) -> u32| {
        lie(|bytes, tables| {
            let at = dist(tables, number) + flags;
            let flags = change(get(bytes, at));
            set(bytes, at, flags);
        })
    };
    let shadowed = distribution_flag::SHADOWED;
    assert_eq!(
        with_flags(0, &|flags| flags | shadowed),
        "twins of which not one is chosen"
    );
    assert_eq!(
        with_flags(2, &|flags| flags & !shadowed),
        "twins of which not one is chosen"
    );
    // Core metadata for a distribution without any: it would come first.
    let metadata = distribution_flag::HAS_METADATA;
    let told = with_flags(0, &|flags| flags & !metadata);
    assert_eq!(told, "a group's entry points out of order");
    // A distribution that readers should read themselves, but without the flag.
    let told = lie(|bytes, tables| {
        let at = tables.records[0].row + 12;
        let flags = get(bytes, at) & !record_flag::UNREAD;
        set(bytes, at, flags);
    });
    assert_eq!(told, "a record's unread flag");
    let told = lie(|bytes, tables| set(bytes, tables.records[2].row + 12, record_flag::MISSING));
    assert_eq!(told, "distributions in a missing directory");
    // One entry point twice, and another one never.
    let told = lie(|bytes, tables| {
        let at = tables.records[0].references.start;
        let first: [u8; 8] = bytes[at..at + 8].try_into().unwrap();
        bytes[at + 8..at + 16].copy_from_slice(&first);
    });
    assert_eq!(told, "an entry point referred to twice");
    // An entry point with the group of another one.
    let told = lie(|bytes, tables| {
        let at = tables.records[0].references.start + 4;
        let group = get(bytes, at);
        set(bytes, at, 1 - group);
    });
    assert_eq!(told, "an entry point in another's group");
    // An entry point with the strings of the one before it.
    let told = lie(|bytes, tables| {
        let at = tables.records[0].entries.start;
        bytes.copy_within(at..at + 12, at + ENTRY_ROW);
    });
    assert_eq!(told, "strings out of order");
    // Files in another order.
    let told = lie(|bytes, tables| set(bytes, tables.records[0].files.start, 2));
    assert_eq!(told, "a distribution's files out of order");
    // Import names that the table does not have, or that are out of order or none.
    let told = lie(|bytes, tables| {
        let row = tables.records[0].imports.start;
        let hash = get(bytes, row + 4);
        set(bytes, row + 4, hash ^ 1);
    });
    assert_eq!(told, "an import table that is not that of the names");
    let told = lie(|bytes, tables| set(bytes, tables.records[0].row + 48, 0));
    assert_eq!(told, "an import name that is not in the table");
    let name = |bytes: &[u8], tables: &Tables, which| {
        let text = get(bytes, dist(tables, which) + 40) as usize;
        tables.records[0].pool.start + text
    };
    let told = lie(|bytes, tables| {
        let at = name(bytes, tables, 1);
        bytes[at] = b'8';
    });
    assert_eq!(told, "an import name that is none");
    let told = lie(|bytes, tables| {
        let at = name(bytes, tables, 1);
        bytes[at + 1] = b'z';
    });
    assert_eq!(told, "import names out of order");
    // Flags that contradict what is there.
    for (flag, what) in [
        (
            distribution_flag::HAS_REQUIREMENTS,
            "requirements that are none",
        ),
        (
            distribution_flag::REQUIREMENTS_UNKNOWN,
            "requirements that are none",
        ),
        (
            distribution_flag::IMPORTS_UNKNOWN,
            "import names from nowhere",
        ),
        (
            1 << distribution_flag::IMPORT_SOURCE_SHIFT,
            "import names from nowhere",
        ),
    ] {
        let told = lie(|bytes, tables| {
            let at = dist(tables, 0) + 12;
            let flags = get(bytes, at) ^ flag;
            set(bytes, at, flags);
        });
        assert_eq!(told, what);
    }
    // A control character in requirements and in import names, where a line feed is not one.
    for at in [32, 40] {
        let told = lie(|bytes, tables| {
            let text = get(bytes, dist(tables, 0) + at) as usize;
            bytes[tables.records[0].pool.start + text] = 0x1b;
        });
        assert_eq!(told, "a control character");
    }
}

#[test]
fn strings_that_many_rows_share_are_refused() {
    let mut bytes = write(&[many("/a", 300)], false);
    let record = Tables::of(&bytes).records[0].clone();
    let pool = record.pool.len() as u32;
    // The name of every group is the whole pool, and so is the value of every entry point.
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
        let length = 4096.min(pool / 4);
        set(&mut bytes, row, 0);
        set(&mut bytes, row + 4, length << 16 | length);
        set(&mut bytes, row + 8, length << 16 | length);
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
    assert!(record.distributions().flatten().count() <= pool as usize / (4 * 4096) + 1);
    overlap(record.outlines().find_map(Result::err));
    overlap(verify(&index).err());
}

#[test]
fn names_out_of_order_are_refused() {
    let dists = keys_of_one_hash(100).into_iter().enumerate();
    let dists = dists.map(|(number, key)| index_support::Dist {
        key,
        ..dist(&format!("a{number}-1.dist-info"), "", &[])
    });
    let mut bytes = write(&[directory("/a", dists.collect())], false);
    let names = Tables::of(&bytes).records[0].names.clone();
    let (first, second) = (get(&bytes, names.start), get(&bytes, names.start + 8));
    set(&mut bytes, names.start, second);
    set(&mut bytes, names.start + 8, first);
    assert!(repair(&mut bytes));
    assert_eq!(malformed(&bytes), "names out of order");
}

#[test]
fn additions_of_a_later_version_are_ignored() {
    // Longer rows, more flags, bytes between the tables and the pool: a later version may write
    // these.
    let honest = write(&one_of_everything(), false);
    let tables = Tables::of(&honest);
    let mut longer = later(&honest, &tables);
    assert!(repair(&mut longer));
    let index = Index::open(longer).unwrap();
    verify(&index).unwrap();
    assert_eq!(
        Answers::of(&index).unwrap(),
        Answers::of(&Index::open(honest).unwrap()).unwrap()
    );
}
