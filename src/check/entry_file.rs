//! Mistakes in the lines of one `entry_points.txt`.
//!
//! The input is the bytes of the file. The output is its entry points, each with its line, and
//! remarks. Even from a file that is refused as a whole the good lines are returned, so that one
//! run finds all mistakes.

use std::collections::HashMap;

use super::catalogue::{self, Kind};
use crate::metadata::entry_points::{COUNT_LIMIT, Statement, statements};
use crate::metadata::text::{has_control, strip};

/// An entry point and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// A mistake in the file: its kind, its line, and a text.
pub(super) type Remark = (&'static Kind, Option<usize>, String);

/// Reads the file.
pub(super) fn read(content: &[u8]) -> (Vec<Line>, Vec<Remark>) {
    let mut remarks = Vec::new();
    let text = match std::str::from_utf8(content) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            let before = content.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            let text = format!("byte {} is not UTF-8", error.valid_up_to());
            remarks.push((catalogue::NOT_UTF8, Some(line), text));
            String::from_utf8_lossy(content).into_owned()
        }
    };
    let plain = match text.strip_prefix('\u{feff}') {
        Some(rest) => {
            let text = "the file starts with a byte order mark".to_owned();
            remarks.push((catalogue::BYTE_ORDER_MARK, Some(1), text));
            rest
        }
        None => &text,
    };
    let mut file = File {
        lines: Vec::new(),
        remarks,
        seen: HashMap::new(),
    };
    let mut group = "";
    for (number, statement) in statements(plain) {
        match statement {
            Statement::Group(name) => {
                group = name;
                file.group(number, name);
            }
            Statement::Entry(name, value) => {
                if file.lines.len() == COUNT_LIMIT {
                    let text = format!("more than {COUNT_LIMIT} entry points");
                    file.remarks
                        .push((catalogue::OVER_LIMIT, Some(number), text));
                    break;
                }
                file.entry(number, group, name, value);
            }
            Statement::BeforeGroup(line) => {
                let text = format!("{} stands before the first group", quoted(line));
                file.remarks
                    .push((catalogue::BEFORE_GROUP, Some(number), text));
            }
            Statement::NoEqualsSign(line) => file.no_equals_sign(number, line),
        }
    }
    (file.lines, file.remarks)
}

struct File<'t> {
    lines: Vec<Line>,
    remarks: Vec<Remark>,
    /// The line of each group and name.
    seen: HashMap<(&'t str, &'t str), usize>,
}

impl<'t> File<'t> {
    fn group(&mut self, number: usize, name: &str) {
        let line = Some(number);
        if strip(name).is_empty() {
            let text = "a group without a name".to_owned();
            self.remarks.push((catalogue::EMPTY_NAME, line, text));
        } else if strip(name) != name {
            let text = format!("the group is named {}, with the spaces", quoted(name));
            self.remarks.push((catalogue::BRACKET_SPACES, line, text));
        }
        if has_control(name.as_bytes()) {
            let text = format!("the group {}", quoted(name));
            self.remarks
                .push((catalogue::CONTROL_CHARACTER, line, text));
        }
    }

    fn entry(&mut self, number: usize, group: &'t str, name: &'t str, value: &'t str) {
        let line = Some(number);
        if name.starts_with(';') {
            let text = format!("{} is an entry point's name", quoted(name));
            self.remarks.push((catalogue::SEMICOLON, line, text));
            return;
        }
        if name.is_empty() {
            let text = format!("the value {} has no name", quoted(value));
            self.remarks.push((catalogue::EMPTY_NAME, line, text));
        }
        if [name, value].iter().any(|it| has_control(it.as_bytes())) {
            let text = format!("the entry point {}", quoted(name));
            self.remarks
                .push((catalogue::CONTROL_CHARACTER, line, text));
        }
        match self.seen.get(&(group, name)) {
            Some(first) => {
                let text = format!("{} in [{group}] stands in line {first} too", quoted(name));
                self.remarks.push((catalogue::DUPLICATE_NAME, line, text));
            }
            None => drop(self.seen.insert((group, name), number)),
        }
        self.lines.push(Line {
            group: group.to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
            line: number,
        });
    }

    fn no_equals_sign(&mut self, number: usize, line: &str) {
        if line.starts_with(';') {
            let text = format!("{} is no comment", quoted(line));
            self.remarks
                .push((catalogue::SEMICOLON, Some(number), text));
            return;
        }
        let is_pair = line.split_once(':').is_some_and(|(name, value)| {
            let is_name = !name.is_empty() && !name.contains('.');
            is_name && value.starts_with([' ', '\t'])
        });
        let kind = match is_pair {
            true => catalogue::COLON,
            false => catalogue::NO_EQUALS_SIGN,
        };
        let text = format!("{} has no '='", quoted(line));
        self.remarks.push((kind, Some(number), text));
    }
}

/// A quoted part of the file, shortened.
pub(super) fn quoted(text: &str) -> String {
    const LIMIT: usize = 80;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("'{}…'", text.get(..end).unwrap_or_default()),
        None => format!("'{text}'"),
    }
}
