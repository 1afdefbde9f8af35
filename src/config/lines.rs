//! The lines of an INI file, each parsed separately.
//!
//! The input is the bytes of a file, the output is the meaning of each line. rust-ini gets one line
//! at a time: with a whole file, one bad line makes it drop everything, or treat a setting as a
//! part of the one before. The Python reader has the same rules (`_settings` in
//! `python/src/epcache/_quick.py`); `python/tests/configuration.json` has the cases for both.

use ini::{Ini, ParseOption};

use crate::metadata::text::strip;

/// In characters. A message shows this much of a line.
const SHOWN: usize = 60;

/// The meaning of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// `[name]`
    Section(String),
    /// `key = value`, or `key: value`.
    Setting(String, String),
    /// It is not understood: the reason, and the line.
    Mistake(String),
}

/// The lines with a meaning, with their numbers, counted from 1.
pub(crate) fn lines(content: &[u8]) -> impl Iterator<Item = (usize, Line)> {
    let mark = "\u{feff}".as_bytes();
    let content = content.strip_prefix(mark).unwrap_or(content);
    let lines = content.split(|&byte| byte == b'\n');
    (1..)
        .zip(lines)
        .filter_map(|(number, line)| Some((number, understood(line)?)))
}

fn understood(line: &[u8]) -> Option<Line> {
    let mistake = |why: &str| {
        let line = shown(&String::from_utf8_lossy(line));
        Some(Line::Mistake(format!("'{line}' {why}, line ignored")))
    };
    let Ok(text) = std::str::from_utf8(line) else {
        return mistake("is not UTF-8");
    };
    let text = without_comment(strip(text));
    if text.is_empty() {
        return None;
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return mistake("has a control character");
    }
    if text.starts_with('[') && text.find(']') != Some(text.len() - 1) {
        return mistake("is no '[section]'");
    }
    let plain = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        ..ParseOption::default()
    };
    let Ok(ini) = Ini::load_from_str_opt(text, plain) else {
        return mistake("is neither 'key = value' nor '[section]'");
    };
    for (section, settings) in &ini {
        if let Some((key, value)) = settings.iter().next().filter(|(key, _)| !key.is_empty()) {
            return Some(Line::Setting(key.to_owned(), value.trim().to_owned()));
        }
        if let Some(name) = section {
            return Some(Line::Section(name.trim().to_owned()));
        }
    }
    mistake("is neither 'key = value' nor '[section]'")
}

/// The line without a comment, which begins with `#` or `;` at its start or after a space.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if matches!(c, '#' | ';') && matches!(before, ' ' | '\t') {
            return line.get(..at).unwrap_or_default().trim_end();
        }
        before = c;
    }
    line
}

/// Text from a file, shortened if it is long.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.trim().chars().take(SHOWN).collect();
    if shown.len() < text.trim().len() {
        shown.push('…');
    }
    shown
}
