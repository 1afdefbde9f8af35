//! Properties that must hold for every input, also a hostile one.
//!
//! One function for each fuzz target, with the same name. The fuzz targets call them with the
//! fuzzer's input. `tests/fuzz_seeds.rs` calls them with each file below `fuzz/seeds/`, so that an
//! ordinary test run has them too. A check panics if a property does not hold.

#![allow(dead_code, reason = "each fuzz target calls one of them")]

use epcache::metadata::core_metadata::{self, Headers, Parsed};
use epcache::metadata::entry_points::{
    self, COUNT_LIMIT, EntryPoint, EntryPointsError, SIZE_LIMIT,
};
use epcache::metadata::imports::{self, Candidates, FileList, Files};
use epcache::metadata::{object_reference, requirements, text};

/// `entry_points.txt`.
pub(crate) fn entry_points(input: &[u8]) {
    let parsed = entry_points::parse(input);
    match &parsed {
        Ok(found) => {
            for entry_point in found {
                check_entry_point(input, entry_point);
            }
            check_rewritten(found);
        }
        Err(EntryPointsError::TooLarge) => assert!(input.len() > SIZE_LIMIT),
        Err(EntryPointsError::TooMany) => assert!(input.len() > 2 * COUNT_LIMIT),
        Err(EntryPointsError::NotUtf8 { offset }) => {
            assert_eq!(
                std::str::from_utf8(input).map_err(|e| e.valid_up_to()),
                Err(*offset)
            );
        }
        Err(EntryPointsError::NoEqualsSign { line, text }) => {
            let content = std::str::from_utf8(input).expect("checked before the lines");
            let line = text::lines(content)
                .nth(line - 1)
                .expect("the line that was complained of");
            let start = text.strip_suffix('…').unwrap_or(text);
            assert!(!line.contains('=') && text::strip(line).starts_with(start));
        }
    }
    check_comment_before(input, parsed);
}

fn check_entry_point(input: &[u8], entry_point: &EntryPoint<'_>) {
    let EntryPoint {
        group,
        name,
        value,
        malformed,
    } = *entry_point;
    let [group_at, name_at, value_at] = [group, name, value].map(|part| offset_in(input, part));
    assert!(
        group_at <= name_at && name_at <= value_at,
        "parts stand in file order"
    );
    for part in [group, name, value] {
        assert!(
            text::lines(part).count() <= 1,
            "a part lies within one line"
        );
    }
    for part in [name, value] {
        assert_eq!(text::strip(part), part);
    }
    assert!(!name.contains('=') && !name.starts_with('#'));
    assert!(!group.starts_with(['[', ']']) && !group.ends_with(['[', ']']));
    assert_eq!(malformed, !object_reference::is_well_formed(value));
    if let Some(reference) = object_reference::parse(value) {
        let [module, attr] = [reference.module, reference.attr.unwrap_or("x")];
        assert!(!module.is_empty() && !attr.is_empty());
        let extras = reference.extras.unwrap_or("[]");
        assert!(extras.starts_with('[') && extras.ends_with(']'));
        // Its plainest spelling means the same.
        let plain = match reference.attr {
            Some(attr) => format!("{module}:{attr}{}", reference.extras.unwrap_or_default()),
            None => format!("{module}{}", reference.extras.unwrap_or_default()),
        };
        assert_eq!(object_reference::parse(&plain), Some(reference));
    }
}

/// The position of the slice `part` in `input`. It must be there, because nothing is copied.
fn offset_in(input: &[u8], part: &str) -> usize {
    let offset = (part.as_ptr() as usize).checked_sub(input.as_ptr() as usize);
    let offset = offset.expect("starts within the input");
    assert!(offset + part.len() <= input.len(), "ends within the input");
    offset
}

/// What was read is the same after it is written plainly and read again.
fn check_rewritten(found: &[EntryPoint<'_>]) {
    let mut plain = String::new();
    for entry_point in found {
        let EntryPoint {
            group, name, value, ..
        } = entry_point;
        plain.push_str(&format!("[{group}]\n{name}={value}\n"));
    }
    if plain.len() <= SIZE_LIMIT {
        assert_eq!(entry_points::parse(plain.as_bytes()).as_deref(), Ok(found));
    }
}

/// A comment before it changes line numbers and nothing else.
fn check_comment_before(input: &[u8], mut parsed: Result<Vec<EntryPoint<'_>>, EntryPointsError>) {
    const COMMENT: &[u8] = b" #[x]=\x0c";
    if input.len() + COMMENT.len() > SIZE_LIMIT {
        return;
    }
    match &mut parsed {
        Err(EntryPointsError::NotUtf8 { offset }) => *offset += COMMENT.len(),
        Err(EntryPointsError::NoEqualsSign { line, .. }) => *line += 1,
        Err(EntryPointsError::TooLarge | EntryPointsError::TooMany) | Ok(_) => {}
    }
    assert_eq!(entry_points::parse(&[COMMENT, input].concat()), parsed);
}

/// `requires.txt`.
pub(crate) fn requirements(input: &[u8]) {
    let Ok(content) = std::str::from_utf8(input) else {
        return;
    };
    let found = requirements::of_requires_txt(content);
    assert!(
        found
            .as_ref()
            .is_none_or(|text| text.len() <= requirements::TEXT_LIMIT)
    );
    let Some(found) = found else { return };
    // There are as many as lines that are not sections.
    let lines = text::lines(content).map(text::strip);
    let is_section = |line: &str| line.starts_with('[') && line.ends_with(']');
    let wanted: Vec<_> = lines
        .filter(|it| !it.is_empty() && !is_section(it))
        .collect();
    let them: Vec<_> = found.split('\n').filter(|_| !found.is_empty()).collect();
    assert_eq!(them.len(), wanted.len());
    for (requirement, line) in them.iter().zip(wanted) {
        assert!(requirement.starts_with(line));
        assert!(!text::has_control(requirement.as_bytes()));
    }
    // As headers they are the same.
    let headers: Vec<_> = them.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(requirements::joined(&headers), Some(found));
}

/// `top_level.txt`, and the three lists of files. The first byte says which files exist.
pub(crate) fn imports(input: &[u8]) {
    let Some((&seed, content)) = input.split_first() else {
        return;
    };
    let Ok(content) = std::str::from_utf8(content) else {
        return;
    };
    if let Some(declared) = imports::declared(content) {
        let names = declared.split('\n').filter(|_| !declared.is_empty());
        assert!(
            names.eq(content
                .split(text::is_space)
                .filter(|name| !name.is_empty()))
        );
    }
    for list in [
        FileList::Record,
        FileList::InstalledFiles,
        FileList::Sources,
    ] {
        let mut candidates = Candidates::of(list);
        let mut files = SomeFiles(seed);
        let told = text::lines(content).try_for_each(|line| candidates.add(line, &mut files));
        let found = candidates.text();
        assert!(found.len() <= imports::TEXT_LIMIT + 2);
        if told.is_none() {
            continue;
        }
        let mut previous = None;
        for line in found.split('\n').filter(|_| !found.is_empty()) {
            let (bits, name) = line.split_at(1);
            assert!(("0"..="7").contains(&bits) && !name.is_empty() && !name.contains('/'));
            assert!(!text::has_control(name.as_bytes()));
            assert!(list != FileList::InstalledFiles || bits >= "4");
            let here = Some((name.to_owned(), bits.as_bytes()[0] & 1));
            assert!(previous < here, "each once, in order");
            previous = here;
        }
        // Repeating each line changes nothing.
        let again = text::lines(content).try_for_each(|line| candidates.add(line, &mut files));
        assert!(again.is_none() || candidates.text() == found);
    }
}

/// The files that exist are those whose length the seed names.
struct SomeFiles(u8);

impl Files for SomeFiles {
    fn exists(&mut self, path: &str) -> Option<bool> {
        assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."));
        Some(self.0 & 1 << (path.len() % 8) != 0)
    }

    fn located(&mut self, path: &str) -> Option<Option<String>> {
        let below = path.strip_prefix("../").map(str::to_owned);
        Some(below.filter(|path| self.0 & 1 << (path.len() % 8) != 0))
    }
}

/// `METADATA`.
pub(crate) fn core_metadata(input: &[u8]) {
    let headers = whole(input);
    for value in [&headers.name, &headers.version].into_iter().flatten() {
        assert!(!value.contains('\r'), "newlines are universal");
    }
    for requirement in headers.requirements.iter().flatten() {
        assert!(!requirement.contains(['\r', '\n']), "one line");
    }
    assert!(!headers.not_utf8 || std::str::from_utf8(input).is_err());
    assert!(!headers.not_utf8 || headers.name.is_none() || headers.version.is_none());

    // The first part either asks for more or gives the same result as the whole.
    let step = input.len() / 64 + 1;
    for length in (0..input.len())
        .step_by(step)
        .chain(input.len().checked_sub(1))
    {
        let head = input.get(..length).expect("below the length");
        match core_metadata::parse(head, false) {
            Parsed::NeedMore => {}
            Parsed::Named(early) => {
                let named = (&early.name, &early.version, early.not_utf8);
                let all = (&headers.name, &headers.version, headers.not_utf8);
                assert_eq!((named, early.requirements), (all, None), "head of {length}");
            }
            Parsed::Complete(early) => assert_eq!(early, headers, "head of {length}"),
        }
        whole(head);
    }

    // Another header before it hides nothing. Text after an empty line adds nothing.
    assert_eq!(
        whole(&[b"Metadata-Version: 2.1\n", input].concat()),
        headers
    );
    assert_eq!(
        whole(&[input, b"\n\nName: other\nVersion: other\n"].concat()),
        headers
    );
    // Universal newlines.
    assert_eq!(whole(&with_line_feeds(input)), headers);
}

fn whole(file: &[u8]) -> Headers {
    match core_metadata::parse(file, true) {
        Parsed::Complete(headers) => headers,
        Parsed::Named(_) | Parsed::NeedMore => panic!("asks for more at the end of the file"),
    }
}

fn with_line_feeds(input: &[u8]) -> Vec<u8> {
    let mut after_return = false;
    let mut output = Vec::with_capacity(input.len());
    for &byte in input {
        match byte {
            b'\n' if after_return => {}
            b'\r' => output.push(b'\n'),
            _ => output.push(byte),
        }
        after_return = byte == b'\r';
    }
    output
}
