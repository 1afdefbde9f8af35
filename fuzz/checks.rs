//! What must hold for every input, however hostile.
//!
//! One function for each fuzz target, named like it. The fuzz targets call them with what the
//! fuzzer makes up, and `tests/fuzz_seeds.rs` calls them with each file below `fuzz/seeds/`, so that
//! an ordinary test run has them, too. A check panics where something does not hold.

#![allow(dead_code, reason = "each fuzz target calls one of them")]

use epcache::metadata::core_metadata::{self, Headers, Parsed};
use epcache::metadata::entry_points::{
    self, COUNT_LIMIT, EntryPoint, EntryPointsError, SIZE_LIMIT,
};
use epcache::metadata::{object_reference, text};

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
        // In its plainest spelling it means the same.
        let plain = match reference.attr {
            Some(attr) => format!("{module}:{attr}{}", reference.extras.unwrap_or_default()),
            None => format!("{module}{}", reference.extras.unwrap_or_default()),
        };
        assert_eq!(object_reference::parse(&plain), Some(reference));
    }
}

/// Where in `input` the slice `part` lies. It has to: nothing is copied.
fn offset_in(input: &[u8], part: &str) -> usize {
    let offset = (part.as_ptr() as usize).checked_sub(input.as_ptr() as usize);
    let offset = offset.expect("starts within the input");
    assert!(offset + part.len() <= input.len(), "ends within the input");
    offset
}

/// What was read, written out plainly and read again, is the same.
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

/// A comment in front moves line numbers and changes nothing else.
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

/// `METADATA`.
pub(crate) fn core_metadata(input: &[u8]) {
    let headers = whole(input);
    for value in [&headers.name, &headers.version].into_iter().flatten() {
        assert!(!value.contains('\r'), "newlines are universal");
    }
    assert!(!headers.not_utf8 || std::str::from_utf8(input).is_err());
    assert!(!headers.not_utf8 || headers.name.is_none() || headers.version.is_none());

    // A head either asks for more or says what the whole says.
    let step = input.len() / 64 + 1;
    for length in (0..input.len())
        .step_by(step)
        .chain(input.len().checked_sub(1))
    {
        let head = input.get(..length).expect("below the length");
        match core_metadata::parse(head, false) {
            Parsed::NeedMore => {}
            Parsed::Complete(early) => assert_eq!(early, headers, "head of {length}"),
        }
        whole(head);
    }

    // Another header in front hides nothing; what follows an empty line adds nothing.
    assert_eq!(
        whole(&[b"Metadata-Version: 2.1\n", input].concat()),
        headers
    );
    assert_eq!(
        whole(&[input, b"\n\nName: other\nVersion: other\n"].concat()),
        headers
    );
    // Newlines are universal.
    assert_eq!(whole(&with_line_feeds(input)), headers);
}

fn whole(file: &[u8]) -> Headers {
    match core_metadata::parse(file, true) {
        Parsed::Complete(headers) => headers,
        Parsed::NeedMore => panic!("asks for more at the end of the file"),
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
