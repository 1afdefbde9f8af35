//! Requirements: the headers `Requires-Dist`, or a converted `requires.txt` of an `.egg-info`.
//!
//! The input is headers or a file, the output is one text with all requirements, joined by line
//! feeds, as in an index. The rules are those of `Distribution.requires` of importlib_metadata:
//! headers are returned unchanged. Without headers, each line of requires.txt becomes a requirement
//! with the marker of its section (`_convert_egg_info_reqs_to_simple_reqs`). Nothing is checked.

use super::text::{has_control, lines, strip};

/// In bytes. A longer text is not kept.
pub const TEXT_LIMIT: usize = 256 << 10;

/// The headers in one text. `None` if that text is too long or ambiguous: one of them has a control
/// character, or the only one is empty.
pub fn joined(headers: &[String]) -> Option<String> {
    let mut text = Joined::default();
    for header in headers {
        text.add(&[header])?;
    }
    (!text.all.is_empty() || headers.is_empty()).then_some(text.all)
}

/// The requirements of a requires.txt, in the same form.
pub fn of_requires_txt(content: &str) -> Option<String> {
    let mut marker = String::new();
    let mut text = Joined::default();
    for line in lines(content).map(strip).filter(|line| !line.is_empty()) {
        if line.starts_with('[') && line.ends_with(']') {
            marker = marker_of(line.trim_matches(['[', ']']));
            continue;
        }
        // A URL must be separated from the text after it.
        let space = if line.contains('@') { " " } else { "" };
        text.add(&[line, space, &marker])?;
    }
    Some(text.all)
}

/// Lines that are joined by line feeds.
#[derive(Default)]
struct Joined {
    all: String,
    is_begun: bool,
}

impl Joined {
    fn add(&mut self, parts: &[&str]) -> Option<()> {
        if self.is_begun {
            self.all.push('\n');
        }
        self.is_begun = true;
        for part in parts {
            if has_control(part.as_bytes()) || self.all.len() + part.len() > TEXT_LIMIT {
                return None;
            }
            self.all.push_str(part);
        }
        Some(())
    }
}

/// The marker of a section: `extra`, `:markers`, or `extra:markers`.
fn marker_of(section: &str) -> String {
    let (extra, markers) = section.split_once(':').unwrap_or((section, ""));
    let extra_is = format!("extra == \"{extra}\"");
    match (extra, markers) {
        ("", "") => String::new(),
        ("", markers) => format!("; {markers}"),
        (_, "") => format!("; {extra_is}"),
        (_, markers) => format!("; ({markers}) and {extra_is}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_become_markers() {
        let content = "plain\n  \n# said to be one\nurl @ file:x\n[extra]\none >= 1\nurl @ https://e.org/x\n\
                       [:python_version < '3']\ntwo\n[extra:os_name == 'nt']\nthree @ file:x\n[]\nlast";
        let text = of_requires_txt(content).unwrap();
        assert_eq!(
            text.split('\n').collect::<Vec<_>>(),
            [
                "plain",
                "# said to be one",
                "url @ file:x ",
                "one >= 1; extra == \"extra\"",
                "url @ https://e.org/x ; extra == \"extra\"",
                "two; python_version < '3'",
                "three @ file:x ; (os_name == 'nt') and extra == \"extra\"",
                "last",
            ]
        );
        assert_eq!(of_requires_txt("\n[only]\n").as_deref(), Some(""));
    }

    #[test]
    fn what_would_be_read_as_something_else_is_not_told() {
        let joined = |headers: &[&str]| {
            let headers: Vec<_> = headers.iter().map(|it| (*it).to_owned()).collect();
            joined(&headers)
        };
        assert_eq!(joined(&["a", "", "b"]).as_deref(), Some("a\n\nb"));
        assert_eq!(joined(&["", ""]).as_deref(), Some("\n"));
        assert_eq!(joined(&[]).as_deref(), Some(""));
        assert_eq!(joined(&[""]), None);
        assert_eq!(joined(&["a\tb"]), None);
        assert_eq!(of_requires_txt("a\tb"), None);
    }

    #[test]
    fn a_long_marker_for_many_lines_takes_no_memory() {
        let content = format!("[{}]\n{}", "x".repeat(100_000), "a\n".repeat(10_000));
        assert_eq!(of_requires_txt(&content), None);
        assert_eq!(of_requires_txt(&"a".repeat(TEXT_LIMIT + 1)), None);
        assert!(of_requires_txt(&"a".repeat(TEXT_LIMIT)).is_some());
    }
}
