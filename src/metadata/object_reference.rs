//! Object references: `package.module:object.attribute [extra]`, the value of an entry point.
//!
//! The input is a value. The output is whether it has the form that `importlib.metadata` accepts
//! (`EntryPoint.pattern`), and its parts. Nothing is imported, and no module is looked for. The
//! pattern accepts more than the [entry points specification]: `..` is a module for it.
//!
//! [entry points specification]: https://packaging.python.org/en/latest/specifications/entry-points/
//!
//! Words are as for `\w` in Python's `re`: letters, numbers (categories L* and N*) and `_`.

use super::alphabetic_marks::is_alphabetic_mark;
use super::text::is_space;

/// The parts of an object reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectReference<'a> {
    /// The module to import, dotted. Never empty.
    pub module: &'a str,
    /// The attribute path in the module, dotted, if there is one. Never empty.
    pub attr: Option<&'a str>,
    /// The extras with their brackets, such as `[a, b]`, if there are any.
    pub extras: Option<&'a str>,
}

/// Whether `EntryPoint.pattern` matches `value`.
///
/// `EntryPoint.load()` raises for any other value. From CPython 3.15 on `entry_points()` raises
/// too.
pub fn is_well_formed(value: &str) -> bool {
    parse(value).is_some()
}

/// The parts of `value` as in `EntryPoint.pattern.match`. [`None`] if that does not match.
///
/// The pattern is `[\w.]+ \s* (: \s* [\w.]+ \s*)? (\[.*\] \s*)? $`. No two successive parts can
/// start with the same character, except inside the brackets, so backtracking is not needed: the
/// extras reach to the last `]`, and only spaces may follow it.
pub fn parse(value: &str) -> Option<ObjectReference<'_>> {
    let (module, rest) = split_word(value)?;
    let mut rest = skip_spaces(rest);
    let mut attr = None;
    if let Some(after_colon) = rest.strip_prefix(':') {
        let (word, after_word) = split_word(skip_spaces(after_colon))?;
        attr = Some(word);
        rest = skip_spaces(after_word);
    }
    let mut extras = None;
    if !rest.is_empty() {
        let bracketed = rest.trim_end_matches(is_space);
        let inner = bracketed.strip_prefix('[')?.strip_suffix(']')?;
        // `.` matches everything but a line feed, including other line ends.
        if inner.contains('\n') {
            return None;
        }
        extras = Some(bracketed);
    }
    Some(ObjectReference {
        module,
        attr,
        extras,
    })
}

/// The longest prefix that matches `[\w.]+`, and the rest. [`None`] if there is none.
fn split_word(s: &str) -> Option<(&str, &str)> {
    let ascii = s
        .bytes()
        .position(|byte| !is_ascii_word(byte))
        .unwrap_or(s.len());
    let end = match s.as_bytes().get(ascii) {
        None | Some(..=0x7f) => ascii,
        Some(_) => s.find(|c| !is_word(c)).unwrap_or(s.len()),
    };
    if end == 0 {
        None
    } else {
        s.split_at_checked(end)
    }
}

fn skip_spaces(s: &str) -> &str {
    s.trim_start_matches(is_space)
}

/// `[\w.]`
fn is_word(c: char) -> bool {
    match u8::try_from(c) {
        Ok(byte @ ..=0x7f) => is_ascii_word(byte),
        _ => c.is_alphanumeric() && !is_alphabetic_mark(c),
    }
}

/// `[\w.]` for ASCII; false for any byte beyond it.
fn is_ascii_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(value: &str) -> Option<(&str, Option<&str>, Option<&str>)> {
        parse(value).map(|reference| (reference.module, reference.attr, reference.extras))
    }

    #[test]
    fn the_forms_that_the_documentation_lists_are_taken_apart() {
        assert_eq!(parts("module"), Some(("module", None, None)));
        assert_eq!(
            parts("package.module"),
            Some(("package.module", None, None))
        );
        assert_eq!(parts("p.m:a.b"), Some(("p.m", Some("a.b"), None)));
        assert_eq!(
            parts("p:a [e1, e2]"),
            Some(("p", Some("a"), Some("[e1, e2]")))
        );
        assert_eq!(parts("p [e]"), Some(("p", None, Some("[e]"))));
    }

    #[test]
    fn spaces_are_allowed_around_the_colon_and_behind_each_part() {
        assert_eq!(parts("p : a\t[e] "), Some(("p", Some("a"), Some("[e]"))));
        assert_eq!(parts("p\n:\na\n[e]\n"), Some(("p", Some("a"), Some("[e]"))));
        assert_eq!(parts("p\x1c"), Some(("p", None, None)));
        assert_eq!(parts(" p"), None);
    }

    #[test]
    fn extras_reach_to_the_last_bracket() {
        assert_eq!(parts("p[a][b]"), Some(("p", None, Some("[a][b]"))));
        assert_eq!(parts("p[a] [] "), Some(("p", None, Some("[a] []"))));
        assert_eq!(parts("p[]"), Some(("p", None, Some("[]"))));
        assert_eq!(parts("p[a] x"), None);
        assert_eq!(parts("p["), None);
        assert_eq!(parts("p]"), None);
        assert_eq!(parts("p[a\nb]"), None);
        assert_eq!(parts("p[a\rb]"), Some(("p", None, Some("[a\rb]"))));
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in [
            "", ":", ":a", "p:", "p:a:b", "p:[e]", "a-b", "a b", "p:a-b", "p()", "p;x",
        ] {
            assert_eq!(parts(value), None, "{value:?}");
        }
    }

    #[test]
    fn a_module_of_dots_is_well_formed_because_python_says_so() {
        assert!(is_well_formed(".."));
        assert!(is_well_formed("1:2"));
        assert!(is_well_formed("módulo.β:γ_²"));
    }

    #[test]
    fn a_mark_is_no_letter_because_python_says_so() {
        assert!(is_well_formed("\u{915}"));
        assert!(!is_well_formed("\u{915}\u{93f}"));
        assert!(!is_well_formed("ⓐ"));
    }
}
