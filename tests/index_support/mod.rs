//! Records for the tests of the index, and the positions of an index's tables.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test uses a part of it"
)]

mod later;

use std::collections::HashMap;
use std::ffi::OsString;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use epcache::index::format::{
    DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, FILE_ROW, GROUP_ROW, HEADER, IMPORT_ROW, NAME_ROW,
    RECORD_ROW, REFERENCE_ROW, distribution_flag, file_kind, key_hash, record_flag,
};
use epcache::index::{DistributionDraft, EncodedRecord, EntryDraft, FileFacts, Stamp, write};

pub use later::later;

/// A search directory in plain values.
#[derive(Debug, Clone)]
pub struct Directory {
    pub path: Vec<u8>,
    pub aliases: Vec<Vec<u8>>,
    pub flags: u32,
    pub stamps: (Stamp, Stamp),
    pub distributions: Vec<Dist>,
}

/// A metadata directory in plain values.
#[derive(Debug, Clone)]
pub struct Dist {
    pub file_name: Vec<u8>,
    pub key: Vec<u8>,
    pub name: Vec<u8>,
    pub version: Vec<u8>,
    pub flags: u32,
    pub stamps: (Stamp, Stamp),
    pub files: Vec<FileFacts>,
    pub requirements: Vec<u8>,
    pub imports: Vec<u8>,
    pub place: u32,
    pub entries: Vec<EntryPoint>,
}

/// An entry point in plain values.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryPoint {
    pub group: String,
    pub name: String,
    pub value: String,
}

pub fn path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

impl Directory {
    pub fn encode(&self) -> EncodedRecord {
        let drafts: Vec<_> = self
            .distributions
            .iter()
            .map(|dist| DistributionDraft {
                file_name: dist.file_name.clone(),
                key: dist.key.clone(),
                name: dist.name.clone(),
                version: dist.version.clone(),
                flags: dist.flags,
                mtime: dist.stamps.0,
                ctime: dist.stamps.1,
                files: dist.files.clone(),
                requirements: dist.requirements.clone(),
                imports: dist.imports.clone(),
                entries: (dist.entries.iter())
                    .map(|entry| EntryDraft {
                        group: entry.group.as_bytes(),
                        name: entry.name.as_bytes(),
                        value: entry.value.as_bytes(),
                    })
                    .collect(),
                place: dist.place,
            })
            .collect();
        EncodedRecord::new(&path(&self.path), self.flags, self.stamps, &drafts)
            .with_aliases(self.aliases.iter().map(|alias| path(alias)).collect())
    }
}

pub fn write(directories: &[Directory], image: bool) -> Vec<u8> {
    let records: Vec<_> = directories.iter().map(Directory::encode).collect();
    write::index(&records, image).expect("within the limit")
}

pub fn stamps(seconds: i64) -> (Stamp, Stamp) {
    (
        Stamp::new(seconds, 123_456_789),
        Stamp::new(seconds + 1, 987_654_321),
    )
}

/// A distribution with core metadata, and an entry point for each `group: name = value`.
pub fn dist(file_name: &str, key: &str, entries: &[&str]) -> Dist {
    let (stem, _) = file_name.rsplit_once('.').expect("an ending");
    let (name, version) = stem.split_once('-').unwrap_or((stem, ""));
    let mut flags = distribution_flag::HAS_METADATA;
    if file_name.ends_with(".egg-info") {
        flags |= 1;
    }
    let file = |kind, size| FileFacts {
        kind,
        size,
        stamps: stamps(1_700_000_000),
    };
    let mut files = vec![file(file_kind::METADATA, 1000)];
    if !entries.is_empty() {
        files.insert(0, file(file_kind::ENTRY_POINTS, 100));
    }
    Dist {
        file_name: file_name.into(),
        key: key.into(),
        name: name.into(),
        version: version.into(),
        flags,
        stamps: stamps(1_750_000_000),
        files,
        requirements: Vec::new(),
        imports: Vec::new(),
        place: 0,
        entries: entries
            .iter()
            .map(|text| {
                let (group, rest) = text.split_once(": ").expect("a group");
                let (name, value) = rest.split_once(" = ").expect("a value");
                EntryPoint {
                    group: group.into(),
                    name: name.into(),
                    value: value.into(),
                }
            })
            .collect(),
    }
}

pub fn directory(path: &str, distributions: Vec<Dist>) -> Directory {
    Directory {
        path: path.into(),
        aliases: Vec::new(),
        flags: 0,
        stamps: stamps(1_760_000_000),
        distributions: (0..)
            .zip(distributions)
            .map(|(place, dist)| Dist { place, ..dist })
            .collect(),
    }
}

/// One of everything, as small as possible.
pub fn one_of_everything() -> Vec<Directory> {
    let mut first = directory(
        "/usr/lib/python3/dist-packages",
        vec![
            dist(
                "Alpha-1.0.dist-info",
                "alpha",
                &["console_scripts: alpha = alpha.cli:main", "x: b = alpha"],
            ),
            dist(
                "beta-2.egg-info",
                "beta",
                &[
                    "x: a = beta:obj [extra]",
                    "console_scripts: beta = beta:main",
                ],
            ),
            dist("alpha-0.9.dist-info", "alpha", &["x: old = alpha.old"]),
            dist("gamma-3.dist-info", "gamma", &[]),
            dist("b\u{e9}ta-1.dist-info", "b\u{e9}ta", &["x: \u{e9} = "]),
        ],
    );
    first.aliases = vec![b"/lib/python3/dist-packages".into(), b"/\xff".into()];
    first.flags = record_flag::UNREAD | record_flag::SORTED;
    let requires = distribution_flag::HAS_REQUIREMENTS;
    first.distributions[0].flags |= requires | 1 << distribution_flag::IMPORT_SOURCE_SHIFT;
    first.distributions[0].requirements = b"beta>=1\ngamma; extra == \"x\"".into();
    first.distributions[0].imports = b"alpha\n_alpha".into();
    first.distributions[1].flags |= requires | 2 << distribution_flag::IMPORT_SOURCE_SHIFT;
    first.distributions[1].imports = b"6beta\n7beta.py\n1x.cpython-313-x86_64-linux-gnu.so".into();
    let unknown = distribution_flag::REQUIREMENTS_UNKNOWN | distribution_flag::IMPORTS_UNKNOWN;
    first.distributions[2].flags |= unknown;
    first.distributions[2].flags |= distribution_flag::SHADOWED;
    first.distributions[3].flags |= distribution_flag::UNREAD;
    first.distributions[3].file_name = b"gamma\xff-3.dist-info".into();
    first.distributions[4].flags &= !distribution_flag::HAS_METADATA;
    first.distributions[4].stamps = (Stamp::UNKNOWN, Stamp::UNKNOWN);
    let mut second = directory("/usr/local/lib/python3.13/dist-packages", Vec::new());
    second.flags = record_flag::MISSING;
    second.stamps = (Stamp::UNKNOWN, Stamp::UNKNOWN);
    let third = directory(
        "/usr/lib/python3.13/site-packages",
        vec![dist("delta-1.dist-info", "delta", &["x: d = delta"])],
    );
    vec![first, second, third]
}

/// A search directory of `count` distributions. Each has a script and its own group, and every one
/// in `count / 3` has an entry point in `plugins`.
pub fn many(path: &str, count: usize) -> Directory {
    let step = (count / 3).max(1);
    let dists = (0..count).map(|number| {
        let name = format!("package{number:06}");
        let mut entries = vec![
            format!("console_scripts: run{number} = {name}.cli:main"),
            format!("{name}.hooks: hook = {name}.hooks:hook"),
        ];
        if number % step == 0 {
            entries.push(format!("plugins: plugin{number} = {name}.plugin:Plugin"));
        }
        let entries: Vec<_> = entries.iter().map(String::as_str).collect();
        dist(&format!("{name}-1.{number}.dist-info"), &name, &entries)
    });
    directory(path, dists.collect())
}

/// The positions of one record's tables in the file.
#[derive(Debug, Clone)]
pub struct RecordTables {
    pub row: usize,
    pub distributions: Range<usize>,
    pub names: Range<usize>,
    pub groups: Range<usize>,
    pub entries: Range<usize>,
    pub references: Range<usize>,
    pub files: Range<usize>,
    pub imports: Range<usize>,
    pub pool: Range<usize>,
}

/// The positions of an index's tables in the file, found without the reader.
#[derive(Debug, Clone)]
pub struct Tables {
    pub body: usize,
    pub directories: Range<usize>,
    pub record_rows: Range<usize>,
    pub records: Vec<RecordTables>,
}

impl Tables {
    pub fn of(bytes: &[u8]) -> Self {
        let number = |at| get(bytes, at) as usize;
        let body = HEADER + 4 * number(24);
        let directories = body..body + number(28) * DIRECTORY_ROW;
        let record_rows = directories.end..directories.end + number(32) * RECORD_ROW;
        let records = record_rows.clone().step_by(RECORD_ROW).map(|row| {
            let mut at = body + number(row);
            let end = at + number(row + 4);
            let mut table = |size| {
                let start = at;
                at += size;
                start..at
            };
            RecordTables {
                row,
                distributions: table(number(row + 16) * DISTRIBUTION_ROW),
                names: table(number(row + 16) * NAME_ROW),
                groups: table(number(row + 20) * GROUP_ROW),
                entries: table(number(row + 24) * ENTRY_ROW),
                references: table(number(row + 24) * REFERENCE_ROW),
                files: table(number(row + 28) * FILE_ROW),
                imports: table(number(row + 48) * IMPORT_ROW),
                pool: body + number(row + 8)..end,
            }
        });
        Self {
            body,
            records: records.collect(),
            directories,
            record_rows,
        }
    }
}

pub fn get(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub fn set(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

/// So many keys with one hash.
pub fn keys_of_one_hash(count: usize) -> Vec<Vec<u8>> {
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
    // Two strings with the same effect on any hash, after keys of one hash: twice as many keys.
    let mut keys = vec![Vec::new()];
    while keys.len() < count {
        let mut seen: HashMap<u32, Vec<u8>> = HashMap::new();
        let mut parts = (0..letters.len().pow(5)).map(|number| {
            let digits = (0..5).map(|digit| number / letters.len().pow(digit) % letters.len());
            digits.map(|digit| letters[digit]).collect::<Vec<u8>>()
        });
        let twins = parts.find_map(|part| {
            let hash = key_hash(&[&keys[0][..], &part].concat());
            let before = seen.insert(hash, part.clone())?;
            Some([before, part])
        });
        let twins = twins.expect("there are nearly as many parts as hashes");
        let longer = |key: &Vec<u8>| twins.clone().map(|part| [&key[..], &part].concat());
        keys = keys.iter().flat_map(longer).collect();
    }
    keys.truncate(count);
    keys
}
