//! Reading an index returns what was written, for any records and any source.

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

use std::collections::BTreeMap;
use std::io::Write;

use epcache::index::format::{self, distribution_flag, record_flag};
use epcache::index::{Damage, FileFacts, Index, Source, Stamp, verify};
use epcache::metadata::text::{has_control, is_control};
use index_checks::Answers;
use index_support::{Directory, Dist, EntryPoint, directory, dist, keys_of_one_hash, many, write};
use proptest::collection::vec;
use proptest::prelude::*;

fn any_stamp() -> impl Strategy<Value = Stamp> {
    prop_oneof![Just(i64::MIN), Just(0), any::<i64>()].prop_map(Stamp::from_raw)
}

fn any_stamps() -> impl Strategy<Value = (Stamp, Stamp)> {
    (any_stamp(), any_stamp())
}

/// Without control characters, which no index contains.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        vec(any::<u8>(), 0..12),
        "[a-z0-9._-]{0,12}".prop_map(String::into_bytes),
    ]
    .prop_map(|mut bytes| {
        while has_control(&bytes) {
            bytes.retain(|byte| !matches!(byte, 0..0x20 | 0x7f | 0xc2 | 0xe2));
        }
        bytes
    })
}

fn any_text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace(is_control, ""))
}

fn any_entry() -> impl Strategy<Value = EntryPoint> {
    let group = prop::sample::select(vec!["", "a", "console_scripts", "aa", "\u{e9}", "a b"]);
    (group, any_text(), any_text()).prop_map(|(group, name, value)| EntryPoint {
        group: group.into(),
        name,
        value,
    })
}

fn any_dist() -> impl Strategy<Value = Dist> {
    let strings = (any_bytes(), 0..6_u8, any_bytes(), any_bytes());
    let texts = (vec(any_text(), 0..3), vec((any_text(), 0..8_u8), 0..4));
    let files = vec((any::<u32>(), any_stamps()), 0..4);
    // Any flags that the writer does not set itself.
    let flags = any::<u32>().prop_map(|flags| flags & !distribution_flag::SHADOWED);
    let entries = vec(any_entry(), 0..5);
    let rest = (files, 0..4_u32, entries);
    (strings, texts, flags, any_stamps(), rest).prop_map(
        |((stem, key, name, version), (requirements, imports), flags, stamps, rest)| {
            let (files, place, entries) = rest;
            let (flags, requirements, imports) = details(flags, requirements, imports);
            let mut file_name = stem;
            file_name.retain(|byte| !matches!(byte, b'/' | 0));
            file_name.extend_from_slice(b"-1.dist-info");
            Dist {
                key: if key == 0 {
                    Vec::new()
                } else {
                    vec![b'a' + key]
                },
                name,
                version,
                flags,
                stamps,
                files: (0..)
                    .zip(files)
                    .map(|(kind, (size, stamps))| FileFacts { kind, size, stamps })
                    .collect(),
                requirements,
                imports,
                place,
                entries,
                file_name,
            }
        },
    )
}

/// Flags, requirements and import names that go together.
fn details(
    mut flags: u32,
    requirements: Vec<String>,
    mut imports: Vec<(String, u8)>,
) -> (u32, Vec<u8>, Vec<u8>) {
    use distribution_flag::{
        HAS_REQUIREMENTS, IMPORT_SOURCE, IMPORT_SOURCE_SHIFT, IMPORTS_UNKNOWN, REQUIREMENTS_UNKNOWN,
    };
    if flags & REQUIREMENTS_UNKNOWN != 0 {
        flags &= !HAS_REQUIREMENTS;
    }
    let source = match (flags & IMPORT_SOURCE) >> IMPORT_SOURCE_SHIFT {
        source @ 0..=4 if flags & IMPORTS_UNKNOWN == 0 => source,
        _ => 0,
    };
    flags = flags & !IMPORT_SOURCE | source << IMPORT_SOURCE_SHIFT;
    imports.retain(|(name, _)| !name.is_empty());
    imports.sort_by(|one, other| (&one.0, one.1 & 1).cmp(&(&other.0, other.1 & 1)));
    imports.dedup_by(|one, other| one.0 == other.0 && one.1 & 1 == other.1 & 1);
    let imports = imports.iter().map(|(name, bits)| match source {
        0 => String::new(),
        1 => name.clone(),
        _ => format!("{bits}{name}"),
    });
    let imports: Vec<_> = imports.filter(|line| !line.is_empty()).collect();
    let requirements = match flags & HAS_REQUIREMENTS {
        0 => String::new(),
        _ => requirements.join("\n"),
    };
    (
        flags,
        requirements.into_bytes(),
        imports.join("\n").into_bytes(),
    )
}

fn any_directory() -> impl Strategy<Value = Directory> {
    let paths = (any_bytes(), vec(any_bytes(), 0..3));
    let all = (vec(any_dist(), 0..8), any::<prop::sample::Selector>());
    (paths, any::<u32>(), any_stamps(), all).prop_map(|((path, aliases), flags, stamps, all)| {
        let (mut distributions, selector) = all;
        choose(&mut distributions, &selector);
        let mut flags = flags & !(record_flag::MISSING | record_flag::UNREAD);
        if distributions
            .iter()
            .any(|dist| dist.flags & distribution_flag::UNREAD != 0)
        {
            flags |= record_flag::UNREAD;
        }
        if distributions.is_empty() {
            flags |= record_flag::MISSING;
        }
        Directory {
            path,
            aliases,
            flags,
            stamps,
            distributions,
        }
    })
}

/// Marks all but one distribution of each key as shadowed.
fn choose(distributions: &mut [Dist], selector: &prop::sample::Selector) {
    let keys: Vec<_> = distributions.iter().map(|dist| dist.key.clone()).collect();
    for key in &keys {
        let twins: Vec<_> = (0..keys.len()).filter(|&at| keys[at] == *key).collect();
        let chosen = *selector.select(&twins);
        for twin in twins {
            let flags = &mut distributions[twin].flags;
            *flags &= !distribution_flag::SHADOWED;
            if twin != chosen {
                *flags |= distribution_flag::SHADOWED;
            }
        }
    }
}

/// What a reader finds according to the documentation, computed from what was written.
fn check(all: &[Directory], index: &Index<impl Source>) {
    // Of several records of one path only the first is kept.
    let mut directories: Vec<&Directory> = Vec::new();
    for directory in all {
        if directories.iter().all(|it| it.path != directory.path) {
            directories.push(directory);
        }
    }

    verify(index).unwrap();
    let answers = Answers::of(index).unwrap();
    answers.check(index);

    let mut found: BTreeMap<&[u8], (bool, u32)> = BTreeMap::new();
    for (number, directory) in (0..).zip(&directories) {
        let aliases = directory.aliases.iter().map(|alias| (true, alias));
        for (alias, path) in aliases.chain([(false, &directory.path)]) {
            let best = found.entry(path).or_insert((alias, number));
            *best = (*best).min((alias, number));
        }
    }
    let found: Vec<_> = found
        .into_iter()
        .map(|(path, (alias, number))| (path.to_vec(), number, alias))
        .collect();
    assert_eq!(answers.directories, found);
    assert_eq!(answers.records.len(), directories.len());

    for (directory, record) in directories.iter().zip(&answers.records) {
        let flags = [1, 2, 4, 8, 16].map(|flag| directory.flags & flag != 0);
        assert_eq!(record.flags, flags);
        assert_eq!(record.stamps, directory.stamps);
        assert_eq!(record.distributions.len(), directory.distributions.len());
        for (dist, (read, entries)) in directory.distributions.iter().zip(&record.distributions) {
            assert_eq!(read.file_name, dist.file_name);
            assert_eq!(read.key, dist.key);
            assert_eq!(read.name, dist.name);
            assert_eq!(read.version, dist.version);
            assert_eq!(read.flags, dist.flags);
            assert_eq!((read.mtime, read.ctime), dist.stamps);
            assert_eq!(entries.len(), dist.entries.len());
            for (entry, (group, read)) in dist.entries.iter().zip(entries) {
                assert_eq!(record.groups[*group as usize].0.name, entry.group);
                assert_eq!((&read.name, &read.value), (&entry.name, &entry.value));
            }
        }
        for (dist, outline) in directory.distributions.iter().zip(&record.outlines) {
            let (file_name, stamps, files) = outline;
            assert_eq!((file_name, stamps), (&dist.file_name, &dist.stamps));
            assert_eq!(*files, dist.files);
        }
        for (dist, texts) in directory.distributions.iter().zip(&record.texts) {
            assert_eq!(texts.requirements().as_bytes(), dist.requirements);
            assert_eq!(texts.imports().as_bytes(), dist.imports);
        }
        check_groups(directory, record);
    }
}

/// Groups in order. In a group those with core metadata come first, by place, in the order of the
/// file.
fn check_groups(directory: &Directory, record: &index_checks::RecordAnswers) {
    let mut groups: BTreeMap<&[u8], Vec<_>> = BTreeMap::new();
    for (number, dist) in (0..).zip(&directory.distributions) {
        for entry in &dist.entries {
            let group = groups.entry(entry.group.as_bytes()).or_default();
            let without = dist.flags & distribution_flag::HAS_METADATA == 0;
            group.push((without, dist.place, number, entry.clone()));
        }
    }
    assert_eq!(record.groups.len(), groups.len());
    for ((name, mut expected), (group, entries)) in groups.into_iter().zip(&record.groups) {
        assert_eq!(group.name.as_bytes(), name);
        expected.sort_by_key(|&(without, place, number, _)| (without, place, number));
        assert_eq!(group.is_empty(), expected.is_empty());
        let expected: Vec<_> = expected
            .iter()
            .map(|(_, _, number, entry)| (*number, &entry.name, &entry.value))
            .collect();
        let read: Vec<_> = entries
            .iter()
            .map(|entry| (entry.distribution, &entry.name, &entry.value))
            .collect();
        assert_eq!(read, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn reading_returns_what_was_written(directories in vec(any_directory(), 0..5), image: bool) {
        let bytes = write(&directories, image);
        prop_assert_eq!(&write(&directories, image), &bytes, "same records, same bytes");
        let index = Index::open(bytes).unwrap();
        prop_assert_eq!(index.is_image(), image);
        prop_assert!(!index.is_suspect());
        check(&directories, &index);
    }
}

#[test]
fn reading_from_a_file_returns_what_was_written() {
    let directories = [many("/a", 700), directory("/b", Vec::new()), many("/c", 3)];
    let bytes = write(&directories, false);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let index = Index::open(file).unwrap();
    assert_eq!(index.size(), bytes.len() as u64);
    check(&directories, &index);
    check(&directories, &Index::open(bytes).unwrap());
}

#[test]
fn no_records_make_an_index() {
    let bytes = write(&[], false);
    assert_eq!(bytes.len(), format::HEADER);
    let index = Index::open(bytes).unwrap();
    verify(&index).unwrap();
    assert!(
        index
            .find(b"/usr/lib/python3/dist-packages")
            .unwrap()
            .is_none()
    );
    assert!(matches!(index.record(0), Err(Damage::Malformed(_))));
    assert!(matches!(index.directory(0), Err(Damage::Malformed(_))));
}

#[test]
fn keys_of_one_hash_are_told_apart() {
    for count in [2, 3, 300] {
        let mut keys = keys_of_one_hash(count + 1);
        let absent = keys.pop().unwrap();
        let dists = keys.iter().enumerate().map(|(number, key)| Dist {
            key: key.clone(),
            ..dist(&format!("a{number}-1.dist-info"), "", &[])
        });
        let directories = [directory("/a", dists.collect())];
        let index = Index::open(write(&directories, false)).unwrap();
        check(&directories, &index);
        let record = index.record(0).unwrap();
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(format::key_hash(key), format::key_hash(&absent));
            let chosen = record.chosen(key).unwrap().unwrap();
            assert_eq!(
                chosen.file_name,
                format!("a{number}-1.dist-info").as_bytes()
            );
        }
        assert_eq!(record.chosen(&absent).unwrap(), None);
        assert_eq!(record.chosen(b"absent").unwrap(), None);
    }
}

#[test]
fn the_checksum_is_that_of_zlib() {
    assert_eq!(format::checksum(b"123456789"), 0xcbf4_3926);
    assert_eq!(format::checksum(b""), 0);
}

#[test]
fn any_value_of_the_suspect_byte_counts() {
    let mut bytes = write(&index_support::one_of_everything(), false);
    for value in [1, 2, 0xff] {
        bytes[format::SUSPECT_AT as usize] = value;
        let index = Index::open(bytes.clone()).unwrap();
        assert!(index.is_suspect());
        verify(&index).unwrap();
    }
}

#[test]
fn a_path_that_no_reader_accepts_is_left_out() {
    let long = "/x".repeat(format::STRING_LIMIT / 2);
    let mut first = many(&long, 2);
    first.aliases = vec![format!("{long}/").into(), b"/short".into()];
    let directories = [many(&format!("{long}y"), 3), first];
    let index = Index::open(write(&directories, false)).unwrap();
    verify(&index).unwrap();
    assert_eq!((index.record_count(), index.directory_count()), (1, 2));
    let record = index.find(long.as_bytes()).unwrap().unwrap();
    assert_eq!(record.distribution_count(), 2);
    assert!(index.find(b"/short").unwrap().unwrap().is_alias());
    assert_eq!(index.paths().unwrap(), [long.as_bytes()]);
}
