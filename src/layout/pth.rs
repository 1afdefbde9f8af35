//! The grammar of `.pth` files.
//!
//! In comes the content of one file and the rules of the `site` module that reads it; out come its
//! path lines in order, and what was not followed. Import lines are code: they are reported and
//! never run.

use super::pathname::{file_lines, right_stripped, split_lines, stripped};
use super::rules::SiteRules;

/// The largest `.pth` file that is read.
pub(super) const LARGEST: usize = 1 << 20;

/// As much of an import line as a report quotes.
const QUOTED: usize = 120;

/// What a `.pth` file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PthFile {
    /// Path lines with their numbers, from 1.
    pub(super) paths: Vec<(usize, String)>,
    /// What to report, by line.
    pub(super) remarks: Vec<(Option<usize>, String)>,
}

impl PthFile {
    /// Reads the content by the given rules. `replaced` says that a `.start` file of the same name
    /// takes the place of its import lines.
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
