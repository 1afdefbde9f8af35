//! Python's rules for spaces and lines in a `str`, for Rust's `&str`.
//!
//! The input is text, the output is slices of it. Python and Rust differ in both: for Python the
//! ASCII separators U+001C to U+001F are spaces, and three of them end a line. `str.splitlines`
//! knows eleven line ends, [`str::lines`] knows two. Nothing here allocates.

/// Whether `c` is a space, as `str.isspace()`, `str.strip()` and `\s` of `re` say.
///
/// Python counts the characters of bidirectional type WS, B or S and those of category Zs. That is
/// Unicode's `White_Space` ([`char::is_whitespace`]) and U+001C to U+001F.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Whether `c` is a control character: U+0000 to U+001F, U+007F to U+009F, U+2028 or U+2029. No
/// index contains one: they end lines, or start terminal sequences.
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether there is a control character in `bytes`. Bytes that are not UTF-8 count as none.
pub fn has_control(bytes: &[u8]) -> bool {
    let suspect = |&byte: &u8| byte < 0x20 || matches!(byte, 0x7f | 0xc2 | 0xe2);
    bytes.iter().any(suspect)
        && bytes
            .utf8_chunks()
            .any(|chunk| chunk.valid().chars().any(is_control))
}

/// `s` without leading and trailing spaces, as `str.strip()` returns it.
pub fn strip(s: &str) -> &str {
    // Nearly always that is all, and cheaper than looking at characters.
    let s = s.trim_ascii();
    match s.as_bytes() {
        [] | [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => s,
        _ => s.trim_matches(is_space),
    }
}

/// The lines of `s` without their ends, as `str.splitlines()` returns them.
///
/// A line ends at `\n`, `\r`, `\r\n`, `\v`, `\f`, U+001C, U+001D, U+001E, U+0085, U+2028 or U+2029,
/// and at the end of the text. A line end that closes the text starts no further line.
pub fn lines(s: &str) -> Lines<'_> {
    Lines { rest: s }
}

/// The iterator that [`lines`] returns.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let whole = self.rest;
        if let Some((at, length)) = first_line_end(whole.as_bytes()) {
            if let (Some(line), Some(rest)) = (whole.get(..at), whole.get(at + length..)) {
                self.rest = rest;
                return Some(line);
            }
        }
        self.rest = "";
        Some(whole)
    }
}

impl std::iter::FusedIterator for Lines<'_> {}

/// The offset and length of the first line end in `bytes`, which are UTF-8.
fn first_line_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = plain_prefix(bytes);
    loop {
        let tail = bytes.get(at..)?;
        at += tail.iter().position(|&byte| is_suspect(byte))?;
        match bytes.get(at..)? {
            [b'\r', b'\n', ..] => return Some((at, 2)),
            [b'\n' | b'\r' | 0x0b | 0x0c | 0x1c..=0x1e, ..] => return Some((at, 1)),
            [0xc2, 0x85, ..] => return Some((at, 2)),
            [0xe2, 0x80, 0xa8 | 0xa9, ..] => return Some((at, 3)),
            _ => at += 1,
        }
    }
}

/// Whether a line end may start with `byte`.
fn is_suspect(byte: u8) -> bool {
    byte < 0x20 || byte == 0xc2 || byte == 0xe2
}

/// The length of a prefix of `bytes` without a line end: printable ASCII, eight bytes at a time.
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut length = 0;
    for chunk in bytes.chunks_exact(8) {
        let Ok(eight) = <[u8; 8]>::try_from(chunk) else {
            break;
        };
        let word = u64::from_ne_bytes(eight);
        // The top bit of a byte stays set if a byte is below 0x20 (the subtraction borrows) or
        // above 0x7f. A borrow may also mark its neighbour, which then gets a closer look.
        if (word.wrapping_sub(ONES * 0x20) | word) & (ONES * 0x80) != 0 {
            break;
        }
        length += 8;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_found_in_utf_8_and_beside_other_bytes() {
        for with in [
            &b"a\0"[..],
            b"\x1f",
            b"\t",
            b"a\nb",
            b"\x7f",
            "\u{80}".as_bytes(),
            "a\u{85}".as_bytes(),
            "\u{9f}".as_bytes(),
            "\u{2028}".as_bytes(),
            "\u{2029}".as_bytes(),
            b"\xe9\n",
            b"\xe9\xc2\x85",
            b"\x85\x7f",
        ] {
            assert!(has_control(with), "{with:?}");
        }
        for without in [
            &b""[..],
            b" plain~",
            "\u{a0}\u{e9}\u{2027}\u{202a}\u{1f600}".as_bytes(),
            // Latin-1, where U+0085 would be one byte.
            b"\x85\x80\x9f\xe9",
            b"\xc2",
            b"\xe2\x80",
        ] {
            assert!(!has_control(without), "{without:?}");
        }
    }

    fn split(s: &str) -> Vec<&str> {
        lines(s).collect()
    }

    #[test]
    fn every_line_end_of_python_ends_a_line() {
        for end in [
            "\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\u{85}", "\u{2028}",
            "\u{2029}",
        ] {
            assert_eq!(split(&format!("a{end}b")), ["a", "b"], "{end:?}");
            assert_eq!(
                split(&format!("0123456789{end}")),
                ["0123456789"],
                "{end:?}"
            );
            assert_eq!(split(&format!("{end}{end}")), ["", ""], "{end:?}");
        }
    }

    #[test]
    fn neighbours_of_line_ends_do_not_end_a_line() {
        for near in [
            "\x1f", "\t", "\0", "\u{84}", "\u{a0}", "\u{2027}", "\u{202a}", "\u{c5}",
        ] {
            let text = format!("a{near}b");
            assert_eq!(split(&text), [text.as_str()], "{near:?}");
        }
    }

    #[test]
    fn an_empty_text_has_no_line_and_an_empty_line_is_one() {
        assert_eq!(split(""), [""; 0]);
        assert_eq!(split("\n"), [""]);
        assert_eq!(split("a\n\nb\n"), ["a", "", "b"]);
        assert_eq!(split("a\n\r\nb"), ["a", "", "b"]);
        assert_eq!(split("a\r\r\nb"), ["a", "", "b"]);
    }

    #[test]
    fn lines_are_the_same_at_every_alignment() {
        for before in 0..20 {
            for after in 0..20 {
                let (a, b) = ("x".repeat(before), "é".repeat(after));
                assert_eq!(
                    split(&format!("{a}\u{2028}{b}\n")),
                    [a.as_str(), b.as_str()]
                );
            }
        }
    }

    #[test]
    fn separators_are_spaces_although_unicode_says_no() {
        assert_eq!(
            strip("\x1c\x1d\x1e\x1f \u{a0}a\u{2029}b\u{3000}\u{85}"),
            "a\u{2029}b"
        );
        assert_eq!(strip("\u{200b}a\u{feff}"), "\u{200b}a\u{feff}");
        assert_eq!(strip(" \t\n"), "");
    }
}
