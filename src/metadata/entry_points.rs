//! The grammar of `entry_points.txt`.
//!
//! The input is the bytes of one file. The output is its entry points in the order of the file,
//! borrowed from the bytes. Nothing is imported or resolved, duplicates are kept, and any names and
//! groups are accepted: the [specification] restricts them, `importlib.metadata` does not.
//!
//! The rules are those of `Sectioned` and `EntryPoints._from_text` in importlib_metadata 10.2:
//! `str.splitlines()`, `str.strip()`, a comment has its `#` first, a section starts with `[` and
//! ends with `]`, all text before the first section is ignored, name and value are separated by the
//! first `=`. There are no `;` comments, no continuation lines, no `:`, no interpolation, and a
//! byte order mark is text. A NUL is an ordinary character.
//!
//! Differences from CPython:
//! - A line without `=`, or a byte that is not UTF-8, raises there, for every caller of
//!   `entry_points()`. Here it is an error of one file.
//! - A file beyond [`SIZE_LIMIT`] is refused.
//! - A malformed object reference is marked. CPython 3.10 to 3.14 return it silently, and from 3.15
//!   on it raises.
//!
//! [specification]: https://packaging.python.org/en/latest/specifications/entry-points/#file-format

use super::{object_reference, text};

/// In bytes. A larger file is not parsed. Real ones have a few hundred bytes, rarely a few
/// thousand. The limit bounds what a hostile file can make the caller keep.
pub const SIZE_LIMIT: usize = 1 << 20;

/// The most entry points in one file. Real files have a few dozen, rarely a few hundred. The limit
/// keeps one file from filling the index.
pub const COUNT_LIMIT: usize = 1 << 16;

/// One line `name = value` of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryPoint<'a> {
    /// The section's name: the line without the brackets at its ends. Spaces inside are kept.
    pub group: &'a str,
    /// The text before the first `=`, stripped. May be empty.
    pub name: &'a str,
    /// The text after the first `=`, stripped. May be empty.
    pub value: &'a str,
    /// Whether `value` is not an object reference (see [`object_reference::is_well_formed`]).
    pub malformed: bool,
}

/// Why a file has no usable entry points.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryPointsError {
    /// The file is not UTF-8.
    #[error("not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// The offset of the first byte that is not part of a character.
        offset: usize,
    },
    /// A line of a section is neither empty nor a comment nor `name = value`.
    #[error("line {line} has no '=': {text:?}")]
    NoEqualsSign {
        /// The number of the line in `str.splitlines()`, counted from 1.
        line: usize,
        /// The line, stripped, and cut after 80 characters.
        text: String,
    },
    /// The file has more than [`SIZE_LIMIT`] bytes.
    #[error("larger than {SIZE_LIMIT} bytes")]
    TooLarge,
    /// The file declares more than [`COUNT_LIMIT`] entry points.
    #[error("more than {COUNT_LIMIT} entry points")]
    TooMany,
}

/// The entry points in the file `bytes`.
///
/// # Errors
///
/// One bad line or byte loses the whole file: it is not known what the author meant, and
/// `importlib.metadata` returns nothing either.
pub fn parse(bytes: &[u8]) -> Result<Vec<EntryPoint<'_>>, EntryPointsError> {
    if bytes.len() > SIZE_LIMIT {
        return Err(EntryPointsError::TooLarge);
    }
    let content = std::str::from_utf8(bytes).map_err(|error| EntryPointsError::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    let mut entry_points = Vec::new();
    let mut group = None;
    for (line, statement) in statements(content) {
        let (name, value) = match statement {
            Statement::Group(name) => {
                group = Some(name);
                continue;
            }
            Statement::Entry(name, value) => (name, value),
            Statement::BeforeGroup(_) => continue,
            Statement::NoEqualsSign(text) => {
                let text = shorten(text);
                return Err(EntryPointsError::NoEqualsSign { line, text });
            }
        };
        if entry_points.len() == COUNT_LIMIT {
            return Err(EntryPointsError::TooMany);
        }
        let malformed = !object_reference::is_well_formed(value);
        entry_points.push(EntryPoint {
            group: group.unwrap_or_default(),
            name,
            value,
            malformed,
        });
    }
    Ok(entry_points)
}

/// The meaning of one line of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement<'a> {
    /// The start of a group: the line without the brackets at its ends.
    Group(&'a str),
    /// Name and value, stripped.
    Entry(&'a str, &'a str),
    /// A line before the first group, which is ignored.
    BeforeGroup(&'a str),
    /// A line of a group without `=`.
    NoEqualsSign(&'a str),
}

/// The statements in a file, each with the number of its line in `str.splitlines()`, counted from
/// 1. Empty lines and comments are left out.
pub fn statements(content: &str) -> impl Iterator<Item = (usize, Statement<'_>)> {
    let mut has_group = false;
    // Python reads the file with universal newlines, which makes no difference for splitlines.
    let lines = (1..).zip(text::lines(content));
    lines.filter_map(move |(number, line)| {
        let line = text::strip(line);
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let statement = if line.starts_with('[') && line.ends_with(']') {
            has_group = true;
            Statement::Group(line.trim_matches(['[', ']']))
        } else if !has_group {
            Statement::BeforeGroup(line)
        } else if let Some((name, value)) = line.split_once('=') {
            Statement::Entry(text::strip(name), text::strip(value))
        } else {
            Statement::NoEqualsSign(line)
        };
        Some((number, statement))
    })
}

fn shorten(line: &str) -> String {
    const LIMIT: usize = 80;
    match line
        .char_indices()
        .nth(LIMIT)
        .and_then(|(end, _)| line.get(..end))
    {
        Some(start) => format!("{start}…"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triples(text: &str) -> Vec<(&str, &str, &str)> {
        parse(text.as_bytes())
            .unwrap()
            .iter()
            .map(|entry_point| (entry_point.group, entry_point.name, entry_point.value))
            .collect()
    }

    #[test]
    fn entries_come_in_file_order_with_their_group() {
        let text = "[b]\nx = m:f\n\n[a]\ny=n\n[b]\nx = m:f\n";
        assert_eq!(
            triples(text),
            [("b", "x", "m:f"), ("a", "y", "n"), ("b", "x", "m:f")]
        );
    }

    #[test]
    fn lines_before_the_first_section_are_ignored_even_without_equals_sign() {
        assert_eq!(triples("nonsense\nx = y\n[g]\na = b"), [("g", "a", "b")]);
        assert_eq!(triples(""), []);
        assert_eq!(triples("nonsense"), []);
    }

    #[test]
    fn only_a_leading_hash_makes_a_comment() {
        let text = "[g]\n  # a = b\n; c = d\ne = f # g\n";
        assert_eq!(triples(text), [("g", "; c", "d"), ("g", "e", "f # g")]);
    }

    #[test]
    fn a_section_loses_all_brackets_at_its_ends_and_nothing_else() {
        assert_eq!(triples("[[ g ]x]]\na=b"), [(" g ]x", "a", "b")]);
        assert_eq!(triples("[]\na=b"), [("", "a", "b")]);
        assert_eq!(triples("[a]=[b]\nc=d"), [("a]=[b", "c", "d")]);
        assert_eq!(triples("\x1c [g]\u{a0}\n  c=d"), [("g", "c", "d")]);
    }

    #[test]
    fn a_section_that_is_not_closed_is_an_entry() {
        assert_eq!(triples("[g]\n[a = b"), [("g", "[a", "b")]);
        assert_eq!(
            parse(b"[g]\n\n["),
            Err(EntryPointsError::NoEqualsSign {
                line: 3,
                text: "[".to_owned()
            })
        );
        assert_eq!(triples("[g]\n[x] = b"), [("g", "[x]", "b")]);
    }

    #[test]
    fn name_and_value_part_at_the_first_equals_sign() {
        assert_eq!(
            triples("[g]\n a b = c = d \n=\n"),
            [("g", "a b", "c = d"), ("g", "", "")]
        );
    }

    #[test]
    fn a_byte_order_mark_is_text() {
        assert_eq!(triples("\u{feff}[g]\na = b\n"), []);
        assert_eq!(triples("[g]\n\u{feff}a = b\n"), [("g", "\u{feff}a", "b")]);
    }

    #[test]
    fn a_nul_is_a_character() {
        assert_eq!(triples("[g\0]\na\0 = b\0\n"), [("g\0", "a\0", "b\0")]);
    }

    #[test]
    fn a_line_without_equals_sign_costs_the_file() {
        let long = format!("[g]\na = b\r\n\x0c{}", "é".repeat(100));
        let error = parse(long.as_bytes()).unwrap_err();
        let text = format!("{}…", "é".repeat(80));
        assert_eq!(error, EntryPointsError::NoEqualsSign { line: 4, text });
    }

    #[test]
    fn the_error_message_escapes_control_characters() {
        let error = parse(b"[g]\n\x1b[2J").unwrap_err();
        assert_eq!(error.to_string(), "line 2 has no '=': \"\\u{1b}[2J\"");
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_refused_with_the_place() {
        assert_eq!(
            parse(b"[g]\na=\xe2\x80"),
            Err(EntryPointsError::NotUtf8 { offset: 6 })
        );
        assert_eq!(parse(b"\xff"), Err(EntryPointsError::NotUtf8 { offset: 0 }));
        assert_eq!(
            parse(b"\xed\xa0\x80"),
            Err(EntryPointsError::NotUtf8 { offset: 0 })
        );
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused_and_one_at_the_limit_is_not() {
        assert_eq!(parse(&vec![b'\n'; SIZE_LIMIT]), Ok(Vec::new()));
        assert_eq!(
            parse(&vec![b'\n'; SIZE_LIMIT + 1]),
            Err(EntryPointsError::TooLarge)
        );
    }

    #[test]
    fn a_malformed_reference_is_kept_and_marked() {
        let found = parse(b"[g]\na = b-c\nd = e:f [x]\n").unwrap();
        let marks: Vec<_> = found.iter().map(|e| (e.value, e.malformed)).collect();
        assert_eq!(marks, [("b-c", true), ("e:f [x]", false)]);
    }

    #[test]
    fn a_file_with_too_many_entry_points_is_refused_and_one_with_just_so_many_is_not() {
        let file = |count| format!("[g]\n{}", "a=\n".repeat(count));
        assert_eq!(
            parse(file(COUNT_LIMIT).as_bytes()).unwrap().len(),
            COUNT_LIMIT
        );
        let error = parse(file(COUNT_LIMIT + 1).as_bytes()).unwrap_err();
        assert_eq!(error, EntryPointsError::TooMany);
    }
}
