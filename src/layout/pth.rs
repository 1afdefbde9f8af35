//! The grammar of `.pth` files.
//!
//! The input is the content of one file, and the rules of the `site` module that reads it. The
//! output is its path lines in order, and remarks about lines that are not followed. Import lines
//! are code: they are reported and never run.

use super::pathname::{file_lines, right_stripped, split_lines, stripped};
use super::rules::SiteRules;

/// In bytes. The `.pth` files of one site directory are read up to this sum.
pub(super) const LIMIT: usize = 512 << 10;

/// In bytes. Each `.pth` file counts as this much more.
pub(super) const EACH: usize = 128;

/// In characters. A remark quotes this much of an import line.
const QUOTED: usize = 120;

/// The content of a `.pth` file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PthFile {
    /// Path lines with their numbers, counted from 1.
    pub(super) paths: Vec<(usize, String)>,
    /// Remarks, with their line.
    pub(super) remarks: Vec<(Option<usize>, String)>,
}

impl PthFile {
    /// Reads the content by the given rules. `replaced` says that a `.start` file of the same name
    /// replaces its import lines.
    pub(super) fn parse(content: &[u8], rules: SiteRules, replaced: bool) -> Self {
        let mut file = Self::default();
        let Ok(text) = std::str::from_utf8(content) else {
            let remark = "not UTF-8: the interpreter does not start with it, or reads it in the \
                          locale's encoding; ignored";
            file.remarks.push((None, remark.to_owned()));
            return file;
        };
        let lines = if rules.whole_file {
            split_lines(text.strip_prefix('\u{feff}').unwrap_or(text))
        } else {
            file_lines(text)
        };
        for (number, line) in (1..).zip(lines) {
            let line = if rules.start_files {
                stripped(line)
            } else {
                line
            };
            if line.starts_with('#') || stripped(line).is_empty() {
                continue;
            }
            if line.starts_with("import ") || line.starts_with("import\t") {
                if !(rules.start_files && replaced) {
                    file.remarks.push((Some(number), import_remark(line)));
                }
                continue;
            }
            if line.contains('\0') {
                let (scope, ends) = if rules.nul_ends_file {
                    ("the rest of the file is", true)
                } else {
                    ("the line is", false)
                };
                let remark = format!("a path with a NUL byte: {scope} ignored");
                file.remarks.push((Some(number), remark));
                if ends {
                    break;
                }
                continue;
            }
            file.paths.push((number, right_stripped(line).to_owned()));
        }
        file
    }
}

fn import_remark(line: &str) -> String {
    let quoted: String = line.chars().take(QUOTED).collect();
    let more = if quoted.len() < line.len() { "…" } else { "" };
    format!("code that each interpreter runs when it starts, not run here: {quoted:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(content: &str, version: (u8, u8)) -> Vec<(usize, String)> {
        let rules = SiteRules::of_version(version);
        PthFile::parse(content.as_bytes(), rules, false).paths
    }

    fn lines(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
        let own = |&(number, text): &(usize, &str)| (number, text.to_owned());
        expected.iter().map(own).collect()
    }

    #[test]
    fn lines_are_split_as_the_version_splits_them() {
        let content = "\u{feff}a\x0cb \r\n#c\n\n d";
        let old = lines(&[(1, "\u{feff}a\x0cb"), (4, " d")]);
        assert_eq!(paths(content, (3, 11)), old);
        let new = lines(&[(1, "a"), (2, "b"), (5, " d")]);
        assert_eq!(paths(content, (3, 13)), new);
        let newest = lines(&[(1, "a"), (2, "b"), (5, "d")]);
        assert_eq!(paths(content, (3, 15)), newest);
    }

    #[test]
    fn import_lines_are_reported_and_never_paths() {
        let content = b"import a; b()\nimport\tc\nimportant\n import d\n";
        let old = PthFile::parse(content, SiteRules::of_version((3, 14)), false);
        assert_eq!(old.paths, lines(&[(3, "important"), (4, " import d")]));
        let numbers: Vec<_> = old.remarks.iter().map(|(line, _)| *line).collect();
        assert_eq!(numbers, [Some(1), Some(2)]);
        assert!(
            old.remarks
                .iter()
                .all(|(_, text)| text.contains("not run here"))
        );
        let new = PthFile::parse(content, SiteRules::of_version((3, 15)), false);
        assert_eq!(new.paths, lines(&[(3, "important")]));
        assert_eq!(new.remarks.len(), 3);
        let replaced = PthFile::parse(content, SiteRules::of_version((3, 15)), true);
        assert_eq!(replaced.remarks, []);
    }

    #[test]
    fn a_nul_costs_the_line_or_the_rest_of_the_file() {
        assert_eq!(paths("a\nb\0\nc\n", (3, 8)), lines(&[(1, "a"), (3, "c")]));
        assert_eq!(paths("a\nb\0\nc\n", (3, 7)), lines(&[(1, "a")]));
    }

    #[test]
    fn long_import_lines_are_quoted_in_part() {
        let content = format!("import {}", "é".repeat(5000));
        let file = PthFile::parse(content.as_bytes(), SiteRules::of_version((3, 13)), false);
        assert!(file.remarks[0].1.len() < 400, "{:?}", file.remarks);
    }
}
