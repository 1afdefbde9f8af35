//! The pages of `docs/specification` agree with each other and with the program: the layout on the
//! page, in the Kaitai Struct file and in the code is one, each rule has one number, and what a
//! page names is there.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Offset, size and name of a field.
type Fields = Vec<(usize, usize, String)>;

const PAGES: [&str; 6] = [
    "README.md",
    "file.md",
    "lookup.md",
    "trust.md",
    "metadata.md",
    "example.md",
];

/// The name of a table on the page, in the Kaitai Struct file, and in the code.
const TABLES: [[&str; 3]; 10] = [
    ["Header", "header", "Header"],
    ["Directory table", "directory_row", "DirectoryRow"],
    ["Record table", "record_row", "RecordRow"],
    ["Distribution table", "distribution_row", "DistributionRow"],
    ["Name table", "name_row", "NameRow"],
    ["Group table", "group_row", "GroupRow"],
    ["Entry table", "entry_row", "EntryRow"],
    ["Reference table", "reference_row", "ReferenceRow"],
    ["File table", "file_row", "FileRow"],
    ["Import table", "import_row", "ImportRow"],
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page(name: &str) -> String {
    read(&format!("docs/specification/{name}"))
}

/// The sections of a page by their titles, without their numbers.
fn sections(page: &str) -> BTreeMap<String, String> {
    let parts = page.split("\n## ").skip(1);
    parts
        .map(|part| {
            let (title, text) = part.split_once('\n').unwrap();
            let title = title.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
            (title.to_owned(), text.to_owned())
        })
        .collect()
}

/// The fields of the first table of a section of the page.
fn fields_of_page(section: &str) -> Fields {
    let (_, table) = section
        .split_once("| offset | type | name | |\n|---|---|---|---|\n")
        .unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let field = |row: &str| {
        let cells: Vec<_> = row.split('|').skip(1).map(str::trim).collect();
        let size = |kind: &str| match kind {
            "u8" => 1,
            "u16" => 2,
            "u32" => 4,
            "i64" => 8,
            "u32, u32" => 8,
            kind => {
                let (count, what) = kind.split_once(' ').unwrap();
                let what = what.trim_start_matches("× ");
                count.parse::<usize>().unwrap() * if what == "u16" { 2 } else { 1 }
            }
        };
        (
            cells[0].parse().unwrap(),
            size(cells[1]),
            cells[2].to_owned(),
        )
    };
    rows.map(field).collect()
}

/// The fields of a type of the Kaitai Struct file, and what it adds up to.
fn fields_of_kaitai(ksy: &str, name: &str) -> Fields {
    let (_, rest) = ksy.split_once(&format!("\n  {name}:\n")).unwrap();
    let (_, rest) = rest.split_once("    seq:\n").unwrap();
    let lines = rest.lines().take_while(|line| line.starts_with("      "));
    let mut fields: Fields = Vec::new();
    let mut at = 0;
    for line in lines {
        let (key, value) = line
            .trim_start_matches([' ', '-'])
            .split_once(": ")
            .unwrap();
        if key == "id" {
            fields.push((at, 0, value.to_owned()));
            continue;
        }
        let field = fields.last_mut().unwrap();
        let size = match (key, value) {
            ("contents", _) => 8,
            ("size", size) => size.parse().unwrap(),
            ("type", "u1") => 1,
            ("type", "u2") => 2,
            ("type", "u4") => 4,
            ("type", "s8" | "run") => 8,
            ("type", kind) if kind.starts_with("string(") => 8,
            ("repeat-expr", count) => (count.parse::<usize>().unwrap() - 1) * field.1,
            ("repeat" | "enum", _) => 0,
            other => panic!("{other:?}"),
        };
        field.1 += size;
        at += size;
    }
    fields
}

/// Where fields of a row start in the code, and where the row ends.
fn offsets_of_code(code: &str, name: &str) -> Vec<usize> {
    let (_, rest) = code.split_once(&format!("\n    {name} of ")).unwrap();
    let (_, rest) = rest.split_once("{\n").unwrap();
    let (fields, _) = rest.split_once("\n    }").unwrap();
    let mut offsets = vec![0];
    for line in fields
        .lines()
        .filter(|line| !line.trim_start().starts_with("///"))
    {
        let (_, kind) = line.trim().trim_end_matches(',').split_once(": ").unwrap();
        let size = match kind {
            "u8" => 1,
            "u16" => 2,
            "u32" => 4,
            "Stamp" | "Span" => 8,
            "Sizes" => 18,
            kind => {
                let digits: String = kind.chars().filter(char::is_ascii_digit).collect();
                match kind.split_once('<') {
                    Some(_) => digits.parse().unwrap(),
                    // [u8; 8] or [u16; 4]
                    None if kind.starts_with("[u8") => digits[1..].parse().unwrap(),
                    None => 2 * digits[2..].parse::<usize>().unwrap(),
                }
            }
        };
        offsets.push(offsets.last().unwrap() + size);
    }
    offsets
}

#[test]
fn page_kaitai_and_code_have_one_layout() {
    let sections = sections(&page("file.md"));
    let (ksy, code) = (page("epcache.ksy"), read("src/index/rows.rs"));
    for [title, kaitai, row] in TABLES {
        let on_page = fields_of_page(&sections[title]);
        let in_kaitai = fields_of_kaitai(&ksy, kaitai);
        assert_eq!(on_page.len(), in_kaitai.len(), "{title}");
        let mut end = 0;
        for (page, kaitai) in on_page.iter().zip(&in_kaitai) {
            assert_eq!(
                (page.0, page.1),
                (kaitai.0, kaitai.1),
                "{title}: {} {}",
                page.2,
                kaitai.2
            );
            assert_eq!(page.0, end, "{title}: {}", page.2);
            assert!(
                page.2.is_empty() || page.2 == kaitai.2,
                "{title}: {} {}",
                page.2,
                kaitai.2
            );
            end = page.0 + page.1;
        }
        let in_code = offsets_of_code(&code, row);
        assert_eq!(in_code.last(), Some(&end), "{title}");
        for offset in &in_code[..in_code.len() - 1] {
            assert!(
                on_page.iter().any(|field| field.0 == *offset),
                "{title}: {offset}"
            );
        }
    }
}

#[test]
fn rules_are_numbered_one_after_the_other() {
    for (name, letter) in [
        ("README.md", 'V'),
        ("file.md", 'F'),
        ("lookup.md", 'L'),
        ("trust.md", 'T'),
        ("metadata.md", 'M'),
    ] {
        let page = page(name);
        let starts = page
            .lines()
            .filter_map(|line| line.strip_prefix("**")?.split_once(".**"));
        let mut numbers: Vec<usize> = starts
            .filter_map(|(number, _)| number.strip_prefix(letter)?.parse().ok())
            .collect();
        // That of a table which came later stands with its table.
        numbers.sort_unstable();
        assert!(!numbers.is_empty());
        assert!(
            numbers.iter().copied().eq(1..=numbers.len()),
            "{name}: {numbers:?}"
        );
    }
}

#[test]
fn rules_that_are_named_exist() {
    let all: String = PAGES.map(page).concat();
    let mut named = 0;
    for word in all.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        let Some('F' | 'L' | 'T' | 'M' | 'V') = letters.next() else {
            continue;
        };
        if letters.as_str().is_empty() || !letters.all(|c| c.is_ascii_digit()) {
            continue;
        }
        named += 1;
        assert!(all.contains(&format!("\n**{word}.**")), "{word}");
    }
    assert!(named > 100, "{named}");
}
