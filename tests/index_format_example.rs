//! The worked example of the specification is what the writer writes.
//!
//! `EPCACHE_WRITE_EXAMPLE=1 cargo test --test index_format_example` puts the example into the page
//! after a change of the format.

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

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use epcache::index::Index;
use epcache::index::format::{
    DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, FILE_ROW, GROUP_ROW, IMPORT_ROW, NAME_ROW,
    RECORD_ROW, REFERENCE_ROW, distribution_flag, file_kind,
};
use index_checks::{Answers, RecordAnswers};
use index_support::{Directory, Tables, directory, dist, get, write};

const FIRST: &str = "/usr/local/lib/python3.13/dist-packages";
const SECOND: &str = "/usr/lib/python3/dist-packages";

/// Two search directories, three distributions, one of them shadowed, two groups.
fn example() -> Vec<Directory> {
    let mut first = directory(
        FIRST,
        vec![
            dist(
                "tool-2.0.dist-info",
                "tool",
                &[
                    "plugins: fast = tool.fast:Plugin [speed]",
                    "console_scripts: tool = tool.cli:main",
                ],
            ),
            dist(
                "tool-1.9.dist-info",
                "tool",
                &["console_scripts: tool = tool:main"],
            ),
        ],
    );
    first.distributions[1].flags |= distribution_flag::SHADOWED;
    let has = distribution_flag::HAS_REQUIREMENTS;
    first.distributions[0].flags |= has | 2 << distribution_flag::IMPORT_SOURCE_SHIFT;
    first.distributions[0].requirements = b"other\nspeedy>=2; extra == \"speed\"".into();
    first.distributions[0].imports = b"6tool\n7tool_main.py".into();
    let unknown = distribution_flag::REQUIREMENTS_UNKNOWN | distribution_flag::IMPORTS_UNKNOWN;
    first.distributions[1].flags |= unknown;
    let second = directory(
        SECOND,
        vec![dist(
            "other-1.0.dist-info",
            "other",
            &["plugins: other = other.plugin:Plugin"],
        )],
    );
    vec![first, second]
}

/// A hex dump, each part with its meaning.
struct Dump<'a> {
    bytes: &'a [u8],
    at: usize,
    text: String,
}

impl Dump<'_> {
    fn part(&mut self, length: usize, meaning: &str) {
        let part = &self.bytes[self.at..self.at + length];
        let mut meaning = meaning.to_owned();
        if part.is_empty() {
            return;
        }
        for line in part.chunks(16) {
            let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            let line_text = format!("{:04x}  {:<47}  {meaning}", self.at, hex.join(" "));
            self.text.push_str(line_text.trim_end());
            self.text.push('\n');
            self.at += line.len();
            meaning.clear();
        }
    }

    fn title(&mut self, title: &str) {
        let _ = writeln!(self.text, "\n      {title}");
    }

    fn u32(&self) -> u32 {
        get(self.bytes, self.at)
    }

    /// A string that is referred to here, at an offset from `pool`.
    fn string(&mut self, what: &str, pool: usize) {
        let (offset, length) = (self.u32() as usize, get(self.bytes, self.at + 4) as usize);
        let string = text(&self.bytes[pool + offset..pool + offset + length]);
        self.part(
            8,
            &format!("{what}: {length} bytes at {offset:#x}: {string}"),
        );
    }

    fn number(&mut self, what: &str) {
        let number = self.u32();
        self.part(4, &format!("{what}: {number}"));
    }

    fn time(&mut self, what: &str) {
        let bytes = self.bytes[self.at..self.at + 8].try_into().unwrap();
        self.part(8, &format!("{what}: {}", i64::from_le_bytes(bytes)));
    }

    /// The part of a pool until `end`, a line for each string.
    fn pool(&mut self, end: usize, strings: &[String]) {
        for string in strings {
            self.part(string.len(), string.trim_end_matches('\n'));
        }
        assert_eq!(self.at, end);
    }
}

fn dump(bytes: &[u8]) -> String {
    let tables = Tables::of(bytes);
    let mut dump = Dump {
        bytes,
        at: 0,
        text: String::new(),
    };
    dump.text.push_str("      header\n");
    dump.part(8, "magic");
    dump.part(2, "major version: 1");
    dump.part(2, "minor version: 0");
    dump.part(1, "suspect: no");
    dump.part(3, "reserved");
    dump.part(4, "CRC of 0014 to 003f");
    dump.number("size of the file");
    dump.number("B, blocks");
    dump.number("D, rows of the directory table");
    dump.number("R, rows of the record table");
    dump.part(4, "the writer's own");
    dump.part(18, "sizes of rows: 16, 56, 64, 8, 16, 16, 8, 24, 8");
    dump.part(6, "reserved");
    dump.title("block checksums");
    while dump.at < tables.body {
        dump.part(4, "CRC of the body's block 0");
    }
    for row in tables.directories.clone().step_by(DIRECTORY_ROW) {
        dump.title(&format!(
            "directory table, row {}",
            (row - tables.body) / DIRECTORY_ROW
        ));
        dump.string("path", tables.body);
        dump.number("record");
        dump.number("flags");
    }
    for (number, row) in tables.record_rows.clone().step_by(RECORD_ROW).enumerate() {
        dump.title(&format!("record table, row {number}"));
        let (offset, length) = (get(bytes, row), get(bytes, row + 4));
        let at = tables.body + offset as usize;
        dump.part(
            8,
            &format!("segment: {length} bytes at {offset:#x}, in the file {at:04x}"),
        );
        let pool = tables.body + dump.u32() as usize;
        dump.part(4, &format!("pool, in the file {pool:04x}"));
        dump.number("flags");
        dump.number("d, distributions");
        dump.number("g, groups");
        dump.number("e, entry points");
        dump.number("f, files");
        dump.time("mtime");
        dump.time("ctime");
        dump.number("i, rows of the import table");
        dump.part(4, "reserved");
    }
    dump.title("paths");
    let paths = [SECOND, FIRST].map(str::to_owned);
    dump.pool(tables.records[0].distributions.start, &paths);
    let index = Index::open(bytes.to_vec()).unwrap();
    let answers = Answers::of(&index).unwrap();
    for (number, (record, answers)) in tables.records.iter().zip(&answers.records).enumerate() {
        dump_segment(&mut dump, number, record, answers);
    }
    assert_eq!(dump.at, bytes.len());
    dump.text
}

fn dump_segment(
    dump: &mut Dump<'_>,
    number: usize,
    record: &index_support::RecordTables,
    answers: &RecordAnswers,
) {
    let pool = record.pool.start;
    for row in 0..record.distributions.len() / DISTRIBUTION_ROW {
        dump.title(&format!("record {number}, distribution table, row {row}"));
        let (distribution, _) = &answers.distributions[row];
        let strings = [
            &distribution.file_name,
            &distribution.key,
            &distribution.name,
            &distribution.version,
        ];
        let strings = strings.map(|string| text(string));
        let offset = dump.u32();
        let shown = strings.join(", ");
        dump.part(12, &format!("strings at {offset:#x}: {shown}"));
        let words = [
            (8, "has metadata"),
            (16, "shadowed"),
            (512, "has requirements"),
            (1024, "requirements unknown"),
            (2048, "import names unknown"),
        ];
        let flags = dump.u32();
        let words = words.into_iter().filter(|(bit, _)| flags & bit != 0);
        let mut words: Vec<_> = words.map(|(_, word)| word.to_owned()).collect();
        if let Some(source) = distribution.import_source() {
            words.push(format!("import names from {}", file_kind::name(source)));
        }
        dump.part(4, &format!("flags: {}", words.join(", ")));
        dump.time("mtime");
        dump.time("ctime");
        dump.string("requirements", pool);
        dump.string("import names", pool);
        dump.number("first reference");
        dump.number("references");
        dump.number("first file");
        dump.number("files");
    }
    dump.title(&format!("record {number}, name table"));
    for _ in 0..record.names.len() / NAME_ROW {
        let distribution = dump.u32();
        let meaning = format!("distribution {distribution}, hash of its key");
        dump.part(NAME_ROW, &meaning);
    }
    for row in 0..record.groups.len() / GROUP_ROW {
        dump.title(&format!("record {number}, group table, row {row}"));
        dump.string("name", pool);
        dump.number("first entry point");
        dump.number("entry points");
    }
    let mut strings: Vec<String> = Vec::new();
    for (distribution, _) in &answers.distributions {
        let them = [
            &distribution.file_name,
            &distribution.key,
            &distribution.name,
            &distribution.version,
        ];
        strings.extend(them.map(|string| text(string)));
    }
    let texts = answers.texts.iter();
    strings.extend(texts.clone().flat_map(|it| lines_of(&it.requirements())));
    strings.extend(texts.flat_map(|it| lines_of(&it.imports())));
    strings.extend(answers.groups.iter().map(|(group, _)| group.name.clone()));
    for row in 0..record.entries.len() / ENTRY_ROW {
        dump.title(&format!("record {number}, entry table, row {row}"));
        let [offset, name, value] = [0, 4, 8].map(|at| get(dump.bytes, dump.at + at) as usize);
        let at = pool + offset;
        let name = text(&dump.bytes[at..at + name]);
        let value = text(&dump.bytes[at + name.len()..at + name.len() + value]);
        dump.part(12, &format!("strings at {offset:#x}: {name} = {value}"));
        dump.number("distribution");
        strings.extend([name, value]);
    }
    dump.title(&format!("record {number}, reference table"));
    for _ in 0..record.references.len() / REFERENCE_ROW {
        let (entry, group) = (dump.u32(), get(dump.bytes, dump.at + 4));
        dump.part(8, &format!("entry point {entry}, group {group}"));
    }
    for row in 0..record.files.len() / FILE_ROW {
        dump.title(&format!("record {number}, file table, row {row}"));
        let kind = u16::try_from(dump.u32() & 0xffff).unwrap();
        dump.part(
            4,
            &format!("kind {kind}: {}, flags 0", file_kind::name(kind)),
        );
        dump.number("size");
        dump.time("mtime");
        dump.time("ctime");
    }
    dump.title(&format!("record {number}, import table"));
    for _ in 0..record.imports.len() / IMPORT_ROW {
        let distribution = dump.u32();
        let meaning = format!("distribution {distribution}, hash of its import name");
        dump.part(IMPORT_ROW, &meaning);
    }
    dump.title(&format!("record {number}, pool, from {pool:04x}"));
    dump.pool(record.pool.end, &strings);
}

/// The lines of a text, each with its end.
fn lines_of(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn docs(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(file)
}

#[test]
fn the_worked_example_is_what_the_writer_writes() {
    const START: &str = "<!-- example -->\n```\n";
    const END: &str = "```\n<!-- end of example -->";
    let page = fs::read_to_string(docs("specification/example.md")).unwrap();
    let (before, rest) = page.split_once(START).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let written = dump(&write(&example(), false));
    if env::var_os("EPCACHE_WRITE_EXAMPLE").is_some() {
        let page = [before, START, &written, END, after].concat();
        fs::write(docs("specification/example.md"), page).unwrap();
    } else {
        assert!(
            shown == written,
            "docs/specification/example.md should show:\n{written}"
        );
    }
}
