//! The vectors that a reader has to read: each a few search directories in plain values.

use epcache::index::Stamp;
use epcache::index::format::{distribution_flag, file_kind, key_hash, record_flag};

use super::index_support::{
    Directory, Dist, Tables, directory, dist, later, many, set, stamps, write,
};
use super::lies::repaired;

/// A vector that every reader accepts.
pub struct Case {
    pub name: &'static str,
    /// What it is there for.
    pub about: &'static str,
    pub directories: Vec<Directory>,
    pub bytes: Vec<u8>,
    pub suspect: bool,
    /// Whether a quick reader has to answer, if it is not asked about freshness. It may pass over
    /// an index with longer rows, and asks the library about all that does not settle the library's
    /// answer.
    pub quick: bool,
}

fn case(name: &'static str, about: &'static str, quick: bool, directories: Vec<Directory>) -> Case {
    Case {
        name,
        about,
        bytes: write(&directories, false),
        directories,
        suspect: false,
        quick,
    }
}

fn one(dists: Vec<Dist>) -> Vec<Directory> {
    vec![directory("/vectors/one", dists)]
}

fn flagged(flags: u32) -> Vec<Directory> {
    let mut directories = one(vec![dist("a-1.dist-info", "a", &["x: a = a:a"])]);
    directories[0].flags = flags;
    directories
}

fn source(kind: u16) -> u32 {
    u32::from(kind - file_kind::TOP_LEVEL + 1) << distribution_flag::IMPORT_SOURCE_SHIFT
}

fn with_imports(file_name: &str, key: &str, flags: u32, imports: &[u8]) -> Dist {
    let mut dist = dist(file_name, key, &[]);
    dist.flags |= flags;
    dist.imports = imports.into();
    dist
}

fn with_requirements(file_name: &str, key: &str, flags: u32, requirements: &str) -> Dist {
    let mut dist = dist(file_name, key, &[]);
    dist.flags |= flags;
    dist.requirements = requirements.into();
    dist
}

pub fn cases() -> Vec<Case> {
    let mut cases = files();
    cases.extend(records());
    cases.extend(distributions());
    cases.extend(merging());
    cases.extend(later_versions());
    cases
}

/// Vectors about the file as a whole.
fn files() -> Vec<Case> {
    let mut suspect = case(
        "suspect",
        "the suspect byte is set, to another value than 1",
        true,
        flagged(0),
    );
    suspect.bytes[12] = 0x80;
    suspect.suspect = true;
    vec![
        case("empty", "no directory and no record", true, Vec::new()),
        case(
            "blocks",
            "a body of several blocks, with rows and strings across their borders",
            true,
            vec![many("/vectors/many", 60)],
        ),
        suspect,
    ]
}

/// Vectors about records and the paths that lead to them.
fn records() -> Vec<Case> {
    let mut alias = one(vec![dist("a-1.dist-info", "a", &["x: a = a:a"])]);
    alias[0].aliases = vec![b"/vectors/another".into(), b"/vectors/a/../one/".into()];
    let mut missing = directory("/vectors/missing", Vec::new());
    missing.flags = record_flag::MISSING;
    missing.stamps = (Stamp::UNKNOWN, Stamp::UNKNOWN);
    let mut unknown = one(vec![dist("a-1.dist-info", "a", &["x: a = a:a"])]);
    unknown[0].stamps = (Stamp::UNKNOWN, Stamp::from_raw(0));
    unknown[0].distributions[0].stamps = (Stamp::from_raw(-1), Stamp::UNKNOWN);
    unknown[0].distributions[0].files[1].stamps = (Stamp::UNKNOWN, Stamp::UNKNOWN);
    let mut not_utf8 = one(vec![
        dist("a-1.dist-info", "a", &["x: a = a:a"]),
        dist("b-1.dist-info", "b", &["\u{e9}: \u{4e2d} = \u{1f40d}"]),
    ]);
    not_utf8[0].path = b"/vectors/\xff\xfe%".into();
    not_utf8[0].distributions[0].file_name = b"a\xe9-1\xff.dist-info".into();
    not_utf8[0].distributions[0].key = b"a\xe9".into();
    not_utf8[0].distributions[0].name = b"a\xe9".into();
    vec![
        case(
            "alias",
            "a record with two more spellings of its path",
            true,
            alias,
        ),
        case(
            "missing",
            "a search directory that was not there",
            true,
            vec![missing],
        ),
        case(
            "silent",
            "a record whose times tell of no change",
            true,
            flagged(record_flag::SILENT),
        ),
        case(
            "sorted",
            "a record in the order of file names",
            true,
            flagged(record_flag::SORTED),
        ),
        case(
            "unknown_times",
            "times that are unknown, 0, and before 1970",
            true,
            unknown,
        ),
        case(
            "not_utf8",
            "a path, a file name, a key and a name that are not UTF-8",
            false,
            not_utf8,
        ),
    ]
}

/// Vectors about distributions.
fn distributions() -> Vec<Case> {
    let mut unread = flagged(record_flag::UNREAD);
    unread[0].distributions[0] = dist("a-1.dist-info", "a", &[]);
    unread[0].distributions[0].files.clear();
    unread[0].distributions[0].flags |= distribution_flag::UNREAD
        | distribution_flag::NAME_FROM_FILE
        | distribution_flag::VERSION_FROM_FILE
        | distribution_flag::REQUIREMENTS_UNKNOWN
        | distribution_flag::IMPORTS_UNKNOWN;
    let mut no_metadata = one(vec![
        dist("a-1.dist-info", "a", &["x: late = a"]),
        dist("b-1.dist-info", "b", &["x: early = b"]),
    ]);
    no_metadata[0].distributions[0].flags &= !distribution_flag::HAS_METADATA;
    no_metadata[0].distributions[0].files.truncate(1);
    let mut plain = dist("a-1.egg-info", "a", &[]);
    plain.flags |= distribution_flag::FILE;
    plain.files = vec![plain.files[0]];
    plain.files[0].kind = file_kind::ITSELF;
    let mut egg = vec![directory(
        "/vectors/Some.Thing-1.egg",
        vec![dist("x.egg-info", "some_thing", &["x: a = a"])],
    )];
    egg[0].flags = record_flag::ODD; // it is found by the name some.thing
    egg[0].distributions[0].name = b"Some.Thing".into();
    egg[0].distributions[0].version = b"1".into();
    egg[0].distributions[0].file_name = b"EGG-INFO".into();
    egg[0].distributions[0].flags = distribution_flag::HAS_METADATA | 2;
    let requires = distribution_flag::HAS_REQUIREMENTS;
    let unknown = distribution_flag::IMPORTS_UNKNOWN;
    vec![
        case(
            "unread",
            "a distribution that the writer did not read",
            false,
            unread,
        ),
        case(
            "no_metadata",
            "entry points of a distribution without core metadata come last",
            false,
            no_metadata,
        ),
        case(
            "plain_file",
            "a metadata directory that is a plain file",
            true,
            one(vec![plain]),
        ),
        case(
            "egg",
            "EGG-INFO in a directory *.egg: the lookup name is not the key",
            false,
            egg,
        ),
        case(
            "empty_run",
            "distributions without entry points and without files between others",
            true,
            one(vec![
                dist("a-1.dist-info", "a", &["x: a = a"]),
                Dist {
                    files: Vec::new(),
                    ..dist("b-1.dist-info", "b", &[])
                },
                dist("c-1.dist-info", "c", &[]),
                dist("d-1.dist-info", "d", &["y: d = d", "x: b = ", "x: a = d"]),
            ]),
        ),
        case(
            "requirements",
            "requirements: None, [], four of them, and unknown",
            true,
            one(vec![
                with_requirements("a-1.dist-info", "a", 0, ""),
                with_requirements("b-1.dist-info", "b", requires, ""),
                with_requirements(
                    "c-1.dist-info",
                    "c",
                    requires,
                    "a>=1\n\nb[x]; extra == \"y\"\n\u{e9} (==1)",
                ),
                with_requirements(
                    "d-1.dist-info",
                    "d",
                    distribution_flag::REQUIREMENTS_UNKNOWN,
                    "",
                ),
            ]),
        ),
        case(
            "import_names",
            "import names from each of their sources, none, and unknown",
            true,
            one(vec![
                with_imports(
                    "a-1.dist-info",
                    "a",
                    source(file_kind::TOP_LEVEL),
                    b"b\na\nb",
                ),
                with_imports(
                    "b-1.dist-info",
                    "b",
                    source(file_kind::RECORD),
                    b"6__pycache__\n7a.py\n4b",
                ),
                with_imports(
                    "c-1.egg-info",
                    "c",
                    source(file_kind::INSTALLED_FILES),
                    b"2c",
                ),
                with_imports(
                    "d-1.egg-info",
                    "d",
                    source(file_kind::SOURCES),
                    b"5d.so\n2\xc3\xa9",
                ),
                with_imports("e-1.egg-info", "e", 0, b""),
                with_imports("f-1.egg-info", "f", unknown, b""),
            ]),
        ),
    ]
}

/// Directories that shadow each other in every way: each of three has a key with core metadata, or
/// without, or not at all.
pub fn shadowing() -> Vec<Directory> {
    let with = |key: &str, number: u32, metadata: bool| {
        let entry = format!("x: {key}{number} = {key}");
        let mut dist = dist(&format!("{key}-{number}.dist-info"), key, &[&entry]);
        if !metadata {
            dist.flags &= !distribution_flag::HAS_METADATA;
        }
        dist
    };
    let directories = (0..3).map(|number: u32| {
        let dists = (0..27).filter_map(|at: usize| {
            let key = format!("k{at:02}");
            let digit = at / 3_usize.pow(number) % 3;
            (digit < 2).then(|| with(&key, number, digit == 0))
        });
        directory(&format!("/vectors/{number}"), dists.collect())
    });
    directories.collect()
}

/// Vectors about what several distributions of one name come to.
fn merging() -> Vec<Case> {
    let mut twins = one(vec![
        dist("a-1.dist-info", "a", &["x: old = a"]),
        dist("a-2.dist-info", "a", &["x: new = a"]),
        dist("A-0.egg-info", "a", &["x: none = a"]),
        dist("b-1.dist-info", "b", &["x: b = b"]),
    ]);
    // The chosen one stands in the place of the first that has metadata as it has.
    twins[0].distributions[0].flags |= distribution_flag::SHADOWED;
    twins[0].distributions[1].place = 0;
    twins[0].distributions[2].flags |= distribution_flag::SHADOWED;
    twins[0].distributions[2].flags &= !distribution_flag::HAS_METADATA;
    // Of one hash; `keys_of_one_hash` finds such.
    let keys = [&b"7yzla9tzla"[..], b"7yzlag1cpa", b"e6apa9tzla"];
    assert!(keys.iter().all(|key| key_hash(key) == key_hash(keys[0])));
    let one_hash = keys.iter().map(|key| Dist {
        file_name: [key, &b"-1.dist-info"[..]].concat(),
        name: key.to_vec(),
        key: key.to_vec(),
        ..dist("a-1.dist-info", "", &["x: y = z"])
    });
    let ordered = vec![
        directory(
            "/vectors/z",
            vec![dist("a-1.dist-info", "a", &["x: a = first"])],
        ),
        directory(
            "/vectors/a",
            vec![
                dist("a-2.dist-info", "a", &["x: a = second"]),
                dist("b-1.dist-info", "b", &["x: b = b"]),
            ],
        ),
    ];
    vec![
        case(
            "twins",
            "three metadata directories of one key, of which one is chosen",
            false,
            twins,
        ),
        case(
            "one_hash",
            "three keys of one hash",
            true,
            one(one_hash.collect()),
        ),
        case(
            "earlier_first",
            "the earlier entry of sys.path wins, not the one that sorts first",
            true,
            ordered,
        ),
        case(
            "shadowing",
            "every way in which records can shadow each other",
            false,
            shadowing(),
        ),
    ]
}

/// Vectors with what a later minor version may add.
fn later_versions() -> Vec<Case> {
    let all = || {
        let mut directories = one(vec![
            dist("a-1.dist-info", "a", &["x: a = a:a", "y: a = a:b"]),
            dist("b-1.dist-info", "b", &["x: b = b:b"]),
        ]);
        directories[0].aliases = vec![b"/vectors/alias".into()];
        directories
    };
    let mut flags = case(
        "unknown_flags",
        "minor version 9, reserved bytes in use, and all flags set that have no meaning yet",
        true,
        all(),
    );
    let tables = Tables::of(&flags.bytes);
    let bytes = &mut flags.bytes;
    bytes[10..12].copy_from_slice(&[9, 1]);
    bytes[13..16].fill(0xa5);
    bytes[36..40].fill(0xff);
    bytes[58..64].fill(0xa5);
    let record = &tables.records[0];
    let mut or = |at: usize, unknown: u32| {
        let flags = super::index_support::get(bytes, at) | unknown;
        set(bytes, at, flags);
    };
    for row in tables.directories.clone().step_by(16) {
        or(row + 12, !1);
    }
    or(record.row + 12, !31);
    or(record.row + 52, u32::MAX);
    for row in record.distributions.clone().step_by(64) {
        or(row + 12, !0x7fff);
    }
    for row in record.files.clone().step_by(24) {
        or(row, 0xffff_0000);
    }
    flags.bytes = repaired(flags.bytes);
    let mut longer = case(
        "longer_rows",
        "eight bytes more in each row, and a table more in each record",
        false,
        all(),
    );
    longer.bytes = repaired(later(&longer.bytes, &Tables::of(&longer.bytes)));
    let mut gaps = case(
        "gaps",
        "bytes behind the last segment, and in the pool behind the last string",
        true,
        all(),
    );
    let row = Tables::of(&gaps.bytes).records[0].row;
    let length = super::index_support::get(&gaps.bytes, row + 4);
    set(&mut gaps.bytes, row + 4, length + 7);
    gaps.bytes.extend([0xa5; 12]);
    gaps.bytes = repaired(gaps.bytes);
    vec![flags, longer, gaps]
}

/// What all lies are told about: two records, with one of everything.
pub fn honest() -> Vec<Directory> {
    let mut first = directory(
        "/vectors/one",
        vec![
            dist("a-1.dist-info", "a", &["x: a = a:a", "y: a = a:b"]),
            dist("b-1.dist-info", "b", &["x: b = b:b"]),
            dist("a-0.dist-info", "a", &["x: old = a"]),
            dist("c-1.dist-info", "c", &["x: c = c"]),
        ],
    );
    first.distributions[0].requirements = b"b>1".into();
    first.distributions[0].imports = b"a".into();
    first.distributions[0].flags |=
        distribution_flag::HAS_REQUIREMENTS | source(file_kind::TOP_LEVEL);
    first.distributions[2].flags |= distribution_flag::SHADOWED;
    first.distributions[3].flags &= !distribution_flag::HAS_METADATA;
    first.stamps = stamps(1_760_000_000);
    let second = directory(
        "/vectors/two",
        vec![dist("d-1.dist-info", "d", &["x: d = d"])],
    );
    vec![first, second]
}
