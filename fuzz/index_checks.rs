//! Properties that must hold for every index, also a hostile one. Used like `checks.rs`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]
#![allow(dead_code, unreachable_pub, reason = "each user has a part of it")]

use epcache::index::format::{BLOCK, HEADER, HEADER_CHECKED_FROM, MAGIC, MAJOR, checksum};
use epcache::index::format::{distribution_flag, record_flag};
use epcache::index::{
    Damage, Distribution, Entry, FileFacts, Group, ImportName, Index, Record, Requirements, Source,
    Stamp, verify,
};

/// The bytes of an index: as they are, and again with correct checksums.
pub fn index(input: &[u8]) {
    check(input.to_vec());
    let mut repaired = input.to_vec();
    if repair(&mut repaired) {
        check(repaired);
    }
}

/// The bytes of an index, as they are.
pub fn check(bytes: Vec<u8>) {
    let size = bytes.len() as u64;
    let Ok(index) = Index::open(bytes) else {
        return;
    };
    assert_eq!(index.size(), size);
    let verified = verify(&index);
    let answers = Answers::of(&index);
    ask_for_what_is_not_there(&index);
    if verified.is_ok() {
        answers.expect("verified").check(&index);
    }
}

/// Corrects magic, version, size, number of blocks and every checksum. False if the file is too
/// short for a header.
pub fn repair(bytes: &mut [u8]) -> bool {
    let Some(behind_header) = bytes.len().checked_sub(HEADER) else {
        return false;
    };
    let blocks = behind_header.div_ceil(BLOCK + 4);
    if behind_header < 4 * blocks {
        return false;
    }
    put(bytes, 0, &MAGIC);
    put(bytes, 8, &MAJOR.to_le_bytes());
    put(bytes, 20, &(bytes.len() as u32).to_le_bytes());
    put(bytes, 24, &(blocks as u32).to_le_bytes());
    repair_checksums(bytes);
    true
}

/// Corrects the checksums of the header and of as many blocks as the header names.
pub fn repair_checksums(bytes: &mut [u8]) {
    let count = bytes[24..28].try_into().expect("four bytes");
    let count = u32::from_le_bytes(count) as usize;
    let body = count.saturating_mul(4).saturating_add(HEADER);
    if body <= bytes.len() {
        let (head, body) = bytes.split_at_mut(body);
        for (slot, block) in head[HEADER..].chunks_exact_mut(4).zip(body.chunks(BLOCK)) {
            slot.copy_from_slice(&checksum(block).to_le_bytes());
        }
    }
    let header = checksum(&bytes[HEADER_CHECKED_FROM..HEADER]);
    put(bytes, 16, &header.to_le_bytes());
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

/// The whole content of an index.
#[derive(Debug, PartialEq)]
pub struct Answers {
    pub directories: Vec<(Vec<u8>, u32, bool)>,
    pub records: Vec<RecordAnswers>,
}

/// The parts of a distribution besides its entry points.
#[derive(Debug, PartialEq)]
pub struct Texts {
    pub requirements: Requirements,
    pub imports: Option<Vec<ImportName>>,
}

impl Texts {
    /// In the form of the file.
    pub fn requirements(&self) -> String {
        match &self.requirements {
            Requirements::These(them) => them.join("\n"),
            Requirements::Unknown | Requirements::None => String::new(),
        }
    }

    /// In the form of the file.
    pub fn imports(&self) -> String {
        let line = |name: &ImportName| match name {
            ImportName::Declared(name) => name.clone(),
            ImportName::Inferred {
                part,
                is_lone,
                is_python,
                exists,
            } => {
                let bits = u8::from(*is_lone) + 2 * u8::from(*is_python) + 4 * u8::from(*exists);
                format!("{bits}{part}")
            }
        };
        let lines: Vec<_> = self.imports.iter().flatten().map(line).collect();
        lines.join("\n")
    }
}

type Looks = (Vec<u8>, (Stamp, Stamp), Vec<FileFacts>);

/// The whole content of a record.
#[derive(Debug, PartialEq)]
pub struct RecordAnswers {
    /// Missing, silent, sorted, unread, odd.
    pub flags: [bool; 5],
    pub stamps: (Stamp, Stamp),
    pub entry_count: u32,
    /// With their entry points and the groups of these, in the order of their files.
    pub distributions: Vec<(Distribution, Vec<(u32, Entry)>)>,
    /// File name, times and files of each distribution.
    pub outlines: Vec<Looks>,
    /// Requirements and import names of each distribution.
    pub texts: Vec<Texts>,
    /// With their entry points.
    pub groups: Vec<(Group, Vec<Entry>)>,
}

impl Answers {
    /// Reads all of an index.
    pub fn of<S: Source>(index: &Index<S>) -> Result<Self, Damage> {
        let directories = (0..index.directory_count()).map(|number| index.directory(number));
        let records =
            (0..index.record_count()).map(|number| RecordAnswers::of(&index.record(number)?));
        Ok(Self {
            directories: directories.collect::<Result<_, _>>()?,
            records: records.collect::<Result<_, _>>()?,
        })
    }

    /// Asserts that lookups find the same as reading all of it. Only for a verified index.
    pub fn check<S: Source>(&self, index: &Index<S>) {
        for (path, number, alias) in &self.directories {
            let found = index.find(path).expect("verified").expect("listed");
            let record = &self.records[*number as usize];
            assert_eq!((found.number(), found.is_alias()), (*number, *alias));
            assert_eq!(found.stamps(), record.stamps);
            let mut other = path.clone();
            other.push(0);
            let listed = self.directories.iter().any(|(path, ..)| *path == other);
            assert_eq!(index.find(&other).expect("verified").is_some(), listed);
        }
        let paths = index.paths().expect("verified");
        assert_eq!(paths.len(), self.records.len());
        for (number, path) in (0..).zip(paths) {
            assert!(self.directories.contains(&(path, number, false)));
        }
        for (number, answers) in (0..).zip(&self.records) {
            answers.check(&index.record(number).expect("verified"));
        }
    }
}

impl RecordAnswers {
    fn of<S: Source>(record: &Record<'_, S>) -> Result<Self, Damage> {
        let flags = [
            record_flag::MISSING,
            record_flag::SILENT,
            record_flag::SORTED,
            record_flag::UNREAD,
            record_flag::ODD,
        ];
        let distributions = record.distributions().map(|distribution| {
            let distribution = distribution?;
            let entries = record.entries_of(&distribution).collect::<Result<_, _>>()?;
            Ok((distribution, entries))
        });
        let groups = record.groups().map(|group| {
            let group = group?;
            let entries = record.entries(&group).collect::<Result<_, _>>()?;
            Ok((group, entries))
        });
        let outlines = record.outlines().map(|outline| {
            let outline = outline?;
            let files = record.files_of(&outline).collect::<Result<_, _>>()?;
            Ok((outline.file_name.into_owned(), outline.stamps, files))
        });
        let texts = record.distributions().map(|distribution| {
            let distribution = distribution?;
            Ok(Texts {
                requirements: record.requirements(&distribution)?,
                imports: record.import_names(&distribution)?,
            })
        });
        Ok(Self {
            outlines: outlines.collect::<Result<_, Damage>>()?,
            texts: texts.collect::<Result<_, Damage>>()?,
            flags: flags.map(|flag| record.has(flag)),
            stamps: record.stamps(),
            entry_count: record.entry_count(),
            distributions: distributions.collect::<Result<_, Damage>>()?,
            groups: groups.collect::<Result<_, Damage>>()?,
        })
    }

    fn check<S: Source>(&self, record: &Record<'_, S>) {
        for (number, texts) in (0..).zip(&self.texts) {
            for name in texts.imports.iter().flatten() {
                let part = match name {
                    ImportName::Declared(part) | ImportName::Inferred { part, .. } => part,
                };
                let found = record.importable(part).expect("verified");
                let found: Result<Vec<_>, _> = found.collect();
                assert!(found.expect("verified").contains(&number), "{part}");
            }
        }
        let mut listed = Vec::new();
        for (number, (group, entries)) in (0..).zip(&self.groups) {
            assert_eq!(
                record.group(&group.name).expect("verified").as_ref(),
                Some(group)
            );
            assert_eq!(group.len() as usize, entries.len());
            let has = |entry: &Entry, flag| {
                let distribution = &self.distributions[entry.distribution as usize];
                distribution.0.has(flag)
            };
            let flag = distribution_flag::HAS_METADATA;
            assert!(entries.is_sorted_by_key(|entry| !has(entry, flag)));
            listed.extend(entries.iter().map(|entry| (number, entry.clone())));
        }
        assert_eq!(listed.len(), self.entry_count as usize);
        let mut of_distributions = Vec::new();
        for (number, (distribution, entries)) in (0..).zip(&self.distributions) {
            assert_eq!(distribution.entry_count() as usize, entries.len());
            let chosen = record
                .chosen(&distribution.key)
                .expect("verified")
                .expect("has a key");
            assert_eq!(chosen.key, distribution.key);
            assert!(!chosen.has(distribution_flag::SHADOWED));
            if !distribution.has(distribution_flag::SHADOWED) {
                assert_eq!(chosen, *distribution);
            }
            for (group, entry) in entries {
                assert_eq!(entry.distribution, number);
                of_distributions.push((*group, entry.clone()));
            }
        }
        let sort = |entries: &mut Vec<(u32, Entry)>| {
            entries.sort_by_key(|(group, entry)| {
                let texts = (entry.name.clone(), entry.value.clone());
                (*group, entry.distribution, texts)
            });
        };
        sort(&mut listed);
        sort(&mut of_distributions);
        assert_eq!(listed, of_distributions);
    }
}

/// Lookups of other items: each must return an answer or an error.
fn ask_for_what_is_not_there<S: Source>(index: &Index<S>) {
    for path in [&b""[..], b"/", b"/usr/lib/python3/dist-packages", b"\xff"] {
        let _ = index.find(path);
    }
    for number in [0, index.record_count(), u32::MAX] {
        let _ = index.directory(number);
        let Ok(record) = index.record(number) else {
            continue;
        };
        for text in ["", "a", "console_scripts", "\u{10ffff}"] {
            if let Ok(Some(group)) = record.group(text) {
                assert_eq!(group.name, text);
                let mut entries = 0;
                for entry in record.entries(&group).flatten() {
                    entries += 1;
                    assert!(entry.name.len() + entry.value.len() <= index.size() as usize);
                }
                assert!(entries <= group.len());
            }
            if let Ok(found) = record.importable(text) {
                assert!(found.flatten().count() <= index.size() as usize);
            }
            if let Ok(Some(chosen)) = record.chosen(text.as_bytes()) {
                assert_eq!(chosen.key, text.as_bytes());
            }
        }
        let _ = record.distribution(u32::MAX);
    }
}
