//! The vectors that must be refused: each an honest index with one lie, under right checksums where
//! the lie is not a checksum itself.

use epcache::index::format::{
    DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, FILE_ROW, GROUP_ROW, NAME_ROW, REFERENCE_ROW,
    distribution_flag, record_flag,
};

use super::cases::honest;
use super::index_checks::{repair, repair_checksums};
use super::index_support::{RecordTables, Tables, get, set, write};

/// A vector that is refused.
pub struct Lie {
    pub name: &'static str,
    /// The rule of the specification that it breaks.
    pub rule: &'static str,
    /// Who finds it at the latest.
    pub found: Found,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Found {
    /// Every reader, before it looks for anything.
    Opening,
    /// A full reader that reads everything that is in it.
    Reading,
    /// A verifier alone.
    Verifying,
}

impl Found {
    pub fn word(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Reading => "reading",
            Self::Verifying => "verifying",
        }
    }
}

/// Makes magic, sizes and checksums right.
pub fn repaired(mut bytes: Vec<u8>) -> Vec<u8> {
    assert!(repair(&mut bytes));
    bytes
}

fn change(bytes: &mut [u8], at: usize, change: impl Fn(u32) -> u32) {
    let was = get(bytes, at);
    set(bytes, at, change(was));
}

type Tell<'t> = &'t dyn Fn(&mut Vec<u8>, &Tables);

pub fn lies() -> Vec<Lie> {
    use Found::{Opening, Reading, Verifying};
    let honest = write(&honest(), false);
    let tables = Tables::of(&honest);
    let mut lies = Vec::new();
    // As it is, with the checksums made right, or with all of the header made right as well.
    let mut raw = |name, rule, found, tell: Tell<'_>| {
        let mut bytes = honest.clone();
        tell(&mut bytes, &tables);
        lies.push(Lie {
            name,
            rule,
            found,
            bytes,
        });
    };
    raw("too_short", "F10", Opening, &|bytes, _| bytes.truncate(63));
    raw("magic", "F10", Opening, &|bytes, _| bytes[0] = b'e');
    raw("major_version", "F11", Opening, &|bytes, _| bytes[8] = 2);
    raw("major_version_0", "F11", Opening, &|bytes, _| bytes[8] = 0);
    raw("header_checksum", "F13", Opening, &|bytes, _| bytes[56] = 1);
    raw("truncated", "F15", Opening, &|bytes, _| {
        bytes.truncate(bytes.len() - 1);
    });
    raw("longer", "F15", Opening, &|bytes, _| bytes.push(0));
    raw("block_checksum", "F20", Reading, &|bytes, tables| {
        bytes[tables.records[1].pool.end - 1] ^= 1;
    });
    let mut summed = |name, rule, found, tell: Tell<'_>| {
        raw(name, rule, found, &|bytes, tables| {
            tell(bytes, tables);
            repair_checksums(bytes);
        });
    };
    summed("blocks", "F16", Opening, &|bytes, _| set(bytes, 24, 2));
    summed("more_blocks_than_fit", "F16", Opening, &|bytes, _| {
        set(bytes, 24, u32::MAX)
    });
    summed("sizes_of_rows", "F17", Opening, &|bytes, _| bytes[44] -= 1);
    summed("more_directories_than_fit", "F18", Opening, &|bytes, _| {
        set(bytes, 28, 1000)
    });
    summed("more_records_than_fit", "F18", Opening, &|bytes, _| {
        set(bytes, 32, u32::MAX)
    });

    summed("paths_out_of_order", "F21", Verifying, &|bytes, tables| {
        let at = tables.body + get(bytes, tables.directories.start) as usize;
        bytes[at + 1] = b'w';
    });
    summed("path_beyond_the_end", "F4", Reading, &|bytes, tables| {
        set(bytes, tables.directories.start, u32::MAX);
    });
    summed(
        "directory_without_a_record",
        "F22",
        Verifying,
        &|bytes, tables| {
            set(bytes, tables.directories.start + 8, 2);
        },
    );
    summed(
        "record_with_two_paths",
        "F23",
        Verifying,
        &|bytes, tables| {
            set(bytes, tables.directories.start + DIRECTORY_ROW + 8, 0);
        },
    );
    summed(
        "record_without_a_path",
        "F23",
        Verifying,
        &|bytes, tables| {
            set(bytes, tables.directories.start + 12, 1);
        },
    );
    summed(
        "path_with_a_control_character",
        "F6",
        Verifying,
        &|bytes, tables| {
            let at = tables.body + get(bytes, tables.directories.start) as usize;
            bytes[at + 3] = b'\n';
        },
    );
    summed("records_overlap", "F25", Verifying, &|bytes, tables| {
        bytes.copy_within(
            tables.records[0].row..tables.records[0].row + 32,
            tables.records[1].row,
        );
    });
    summed("record_beyond_the_end", "F26", Reading, &|bytes, tables| {
        set(bytes, tables.records[1].row + 4, u32::MAX);
    });
    summed("tables_in_the_pool", "F26", Reading, &|bytes, tables| {
        let at = tables.records[1].row + 8;
        change(bytes, at, |was| was - 1);
    });
    summed(
        "missing_with_distributions",
        "F27",
        Verifying,
        &|bytes, tables| {
            set(bytes, tables.records[1].row + 12, record_flag::MISSING);
        },
    );
    summed(
        "unread_without_a_distribution",
        "F28",
        Verifying,
        &|bytes, tables| {
            set(bytes, tables.records[1].row + 12, record_flag::UNREAD);
        },
    );
    summed(
        "distribution_unread_alone",
        "F28",
        Verifying,
        &|bytes, tables| {
            let at = tables.records[1].distributions.start + 12;
            change(bytes, at, |was| was | distribution_flag::UNREAD);
        },
    );
    of_distributions(&mut summed);
    of_entries(&mut summed);
    lies
}

/// Where a number of a distribution's row lies, in the first record.
fn dist(record: &RecordTables, number: usize, at: usize) -> usize {
    record.distributions.start + number * DISTRIBUTION_ROW + at
}

fn of_distributions(summed: &mut dyn FnMut(&'static str, &'static str, Found, Tell<'_>)) {
    use Found::{Reading, Verifying};
    for (name, text) in [
        ("file_name_leads_out", &b"../x"[..]),
        ("file_name_is_a_dot", b"."),
        ("file_name_is_two_dots", b".."),
        ("file_name_is_empty", b""),
        ("file_name_with_a_slash", b"a/b"),
    ] {
        summed(name, "F31", Reading, &|bytes, tables| {
            let record = &tables.records[0];
            let at = record.pool.start;
            bytes[at..at + text.len()].copy_from_slice(text);
            let at = dist(record, 0, 4);
            change(bytes, at, |was| was & 0xffff_0000 | text.len() as u32);
        });
    }
    summed("string_beyond_the_pool", "F4", Reading, &|bytes, tables| {
        let record = &tables.records[0];
        set(bytes, dist(record, 3, 0), record.pool.len() as u32);
    });
    summed(
        "version_longer_than_the_limit",
        "F4",
        Reading,
        &|bytes, tables| {
            let record = &tables.records[0];
            set(bytes, dist(record, 3, 8), 0x1001_0001);
        },
    );
    summed(
        "distributions_share_strings",
        "F49",
        Verifying,
        &|bytes, tables| {
            set(bytes, dist(&tables.records[0], 1, 0), 1);
        },
    );
    summed(
        "distributions_share_the_pool",
        "F49",
        Reading,
        &|bytes, tables| {
            let record = &tables.records[0];
            let half = record.pool.len() as u32 / 2;
            for number in 0..4 {
                set(bytes, dist(record, number, 0), 0);
                set(bytes, dist(record, number, 4), half);
                set(bytes, dist(record, number, 8), half << 16);
            }
        },
    );
    summed(
        "name_with_a_control_character",
        "F6",
        Verifying,
        &|bytes, tables| {
            let record = &tables.records[0];
            let lengths = get(bytes, dist(record, 1, 4));
            let name = get(bytes, dist(record, 1, 0)) + (lengths & 0xffff) + (lengths >> 16);
            bytes[record.pool.start + name as usize] = 0x7f;
        },
    );
    summed("requirements_not_utf8", "F5", Reading, &|bytes, tables| {
        let record = &tables.records[0];
        let at = record.pool.start + get(bytes, dist(record, 0, 32)) as usize;
        bytes[at] = 0xff;
    });
    summed(
        "import_name_with_a_control_character",
        "F6",
        Verifying,
        &|bytes, tables| {
            let record = &tables.records[0];
            let at = record.pool.start + get(bytes, dist(record, 0, 40)) as usize;
            bytes[at] = 0x1b;
        },
    );
    summed(
        "requirements_that_are_none",
        "F34",
        Verifying,
        &|bytes, tables| {
            let at = dist(&tables.records[0], 0, 12);
            change(bytes, at, |was| was & !distribution_flag::HAS_REQUIREMENTS);
        },
    );
    summed(
        "import_names_from_nowhere",
        "F35",
        Reading,
        &|bytes, tables| {
            let at = dist(&tables.records[0], 0, 12);
            change(bytes, at, |was| was & !distribution_flag::IMPORT_SOURCE);
        },
    );
    summed(
        "import_name_of_no_form",
        "F35",
        Reading,
        &|bytes, tables| {
            let at = dist(&tables.records[0], 0, 12);
            change(bytes, at, |was| {
                was + (1 << distribution_flag::IMPORT_SOURCE_SHIFT)
            });
        },
    );
    summed(
        "import_table_of_other_names",
        "F51",
        Verifying,
        &|bytes, tables| {
            change(bytes, tables.records[0].imports.start + 4, |was| was ^ 1);
        },
    );
    summed(
        "import_name_not_in_the_table",
        "F51",
        Verifying,
        &|bytes, tables| {
            set(bytes, tables.records[0].row + 48, 0);
        },
    );
    summed("import_names_not_utf8", "F5", Reading, &|bytes, tables| {
        let record = &tables.records[0];
        let at = record.pool.start + get(bytes, dist(record, 0, 40)) as usize;
        bytes[at] = 0xff;
    });
    summed(
        "references_beyond_the_table",
        "F8",
        Reading,
        &|bytes, tables| {
            set(bytes, dist(&tables.records[0], 3, 52), 100);
        },
    );
    summed("files_beyond_the_table", "F8", Reading, &|bytes, tables| {
        set(bytes, dist(&tables.records[0], 3, 60), 100);
    });
    summed("references_overlap", "F32", Verifying, &|bytes, tables| {
        set(bytes, dist(&tables.records[0], 1, 48), 1);
    });
    summed(
        "references_left_over",
        "F33",
        Verifying,
        &|bytes, tables| {
            set(bytes, dist(&tables.records[0], 3, 52), 0);
        },
    );
    summed("files_left_over", "F33", Verifying, &|bytes, tables| {
        set(bytes, dist(&tables.records[0], 3, 60), 0);
    });
    summed(
        "name_of_no_distribution",
        "F8",
        Verifying,
        &|bytes, tables| {
            set(bytes, tables.records[0].names.start, 4);
        },
    );
    summed("hash", "F37", Verifying, &|bytes, tables| {
        set(bytes, tables.records[0].names.start + 4, 0);
    });
    summed("names_out_of_order", "F38", Verifying, &|bytes, tables| {
        let names = &tables.records[0].names;
        let last = names.end - NAME_ROW;
        let row: [u8; NAME_ROW] = bytes[last..names.end].try_into().expect("a row");
        bytes.copy_within(names.start..last, names.start + NAME_ROW);
        bytes[names.start..names.start + NAME_ROW].copy_from_slice(&row);
    });
    summed(
        "none_of_a_key_is_chosen",
        "F39",
        Verifying,
        &|bytes, tables| {
            let at = dist(&tables.records[0], 1, 12);
            change(bytes, at, |was| was | distribution_flag::SHADOWED);
        },
    );
    summed(
        "two_of_a_key_are_chosen",
        "F39",
        Verifying,
        &|bytes, tables| {
            let at = dist(&tables.records[0], 2, 12);
            change(bytes, at, |was| was & !distribution_flag::SHADOWED);
        },
    );
}

fn of_entries(summed: &mut dyn FnMut(&'static str, &'static str, Found, Tell<'_>)) {
    use Found::{Reading, Verifying};
    let first = |tables: &Tables| tables.records[0].clone();
    summed("groups_out_of_order", "F40", Verifying, &|bytes, tables| {
        let record = first(tables);
        let name = get(bytes, record.groups.start) as usize;
        bytes[record.pool.start + name] = b'z';
    });
    summed("group_not_utf8", "F5", Reading, &|bytes, tables| {
        let record = first(tables);
        let name = get(bytes, record.groups.start) as usize;
        bytes[record.pool.start + name] = 0xff;
    });
    summed("groups_share_strings", "F49", Reading, &|bytes, tables| {
        let record = first(tables);
        for row in record.groups.clone().step_by(GROUP_ROW) {
            set(bytes, row, 0);
            set(bytes, row + 4, record.pool.len() as u32);
        }
    });
    summed("group_beyond_the_table", "F8", Reading, &|bytes, tables| {
        set(bytes, first(tables).groups.end - 4, 100);
    });
    summed(
        "group_without_entry_points",
        "F41",
        Verifying,
        &|bytes, tables| {
            set(bytes, first(tables).groups.end - 4, 0);
        },
    );
    summed("groups_overlap", "F41", Verifying, &|bytes, tables| {
        let at = first(tables).groups.end - 8;
        change(bytes, at, |was| was - 1);
    });
    summed(
        "entry_points_without_a_group",
        "F41",
        Reading,
        &|bytes, tables| {
            let record = first(tables);
            let at = record.row + 20;
            // One group less, and the entry table starts where the group table ends: all stays
            // where it is.
            change(bytes, at, |was| was - 1);
            bytes.copy_within(
                record.entries.start..record.files.end,
                record.groups.end - GROUP_ROW,
            );
        },
    );
    summed(
        "without_metadata_first",
        "F42",
        Verifying,
        &|bytes, tables| {
            let at = dist(&first(tables), 0, 12);
            change(bytes, at, |was| was & !distribution_flag::HAS_METADATA);
        },
    );
    summed(
        "entry_point_of_no_distribution",
        "F8",
        Reading,
        &|bytes, tables| {
            set(bytes, first(tables).entries.start + 12, 4);
        },
    );
    summed(
        "entry_points_share_strings",
        "F49",
        Reading,
        &|bytes, tables| {
            let at = first(tables).entries.start;
            bytes.copy_within(at..at + 12, at + ENTRY_ROW);
        },
    );
    summed("value_not_utf8", "F5", Reading, &|bytes, tables| {
        let at = first(tables).pool.end;
        bytes[at - 1] = 0xff;
    });
    summed(
        "value_with_a_line_separator",
        "F6",
        Verifying,
        &|bytes, tables| {
            let record = first(tables);
            let at = record.entries.start;
            let value = record.pool.start + (get(bytes, at) + get(bytes, at + 4)) as usize;
            bytes[value..value + 3].copy_from_slice("\u{2028}".as_bytes());
        },
    );
    summed(
        "reference_of_no_entry_point",
        "F8",
        Reading,
        &|bytes, tables| {
            set(bytes, first(tables).references.start, 100);
        },
    );
    summed("reference_of_no_group", "F8", Reading, &|bytes, tables| {
        set(bytes, first(tables).references.start + 4, 100);
    });
    summed(
        "reference_of_another_distribution",
        "F44",
        Verifying,
        &|bytes, tables| {
            let references = first(tables).references;
            let last = references.end - REFERENCE_ROW;
            bytes.copy_within(references.start..references.start + REFERENCE_ROW, last);
        },
    );
    summed(
        "reference_of_another_group",
        "F45",
        Verifying,
        &|bytes, tables| {
            let at = first(tables).references.start + 4;
            change(bytes, at, |was| 1 - was);
        },
    );
    summed("referred_to_twice", "F46", Verifying, &|bytes, tables| {
        let at = first(tables).references.start;
        bytes.copy_within(at..at + REFERENCE_ROW, at + REFERENCE_ROW);
    });
    summed("files_out_of_order", "F47", Verifying, &|bytes, tables| {
        let at = first(tables).files.start;
        bytes.copy_within(at..at + FILE_ROW, at + FILE_ROW);
    });
}
