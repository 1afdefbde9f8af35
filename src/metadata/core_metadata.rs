//! The headers `Name`, `Version` and `Requires-Dist` of `METADATA` or `PKG-INFO`.
//!
//! The input is the start of such a file, because the description after the headers may be
//! megabytes. The output is the values, or a request for more bytes. No other header is looked at,
//! and the encoding of the rest is not checked. The values are not checked either: [core metadata]
//! says what a name or a version is.
//!
//! The rules are those of the newest release of `importlib.metadata`. `email.feedparser` finds the
//! headers. `email._policybase.Compat32.header_source_parse` (3.14) removes the text around a
//! value. importlib_metadata's `_adapters.Message` removes the indentation of continuation lines
//! (`textwrap.dedent` of 3.14). Of several headers with one name the first counts. The case of
//! field names does not matter, and a value keeps its trailing spaces. `Name:` without a value is
//! the empty string, not a missing header.
//!
//! The caller decides which file is read: an *empty* METADATA counts as missing, and PKG-INFO is
//! read instead.
//!
//! Differences from CPython:
//! - a byte that is not UTF-8 raises there, wherever it stands; here it costs the value that it
//!   stands in ([`Headers::not_utf8`]);
//! - releases differ among themselves, and the newest is followed on all. Up to CPython 3.13.1 a
//!   value that starts on a continuation line keeps the line feed before it; up to 3.13
//!   `textwrap.dedent` knows spaces and tabs only; and its `importlib.metadata` takes out any
//!   indentation, where importlib_metadata now wants to see the eight spaces of a folded value.
//!
//! [core metadata]: https://packaging.python.org/en/latest/specifications/core-metadata/

use super::text;

/// The headers that the index needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// The first `Name`. [`None`] if the header is missing or not UTF-8.
    pub name: Option<String>,
    /// The first `Version`. [`None`] if the header is missing or not UTF-8.
    pub version: Option<String>,
    /// Whether one of the two exists but is not UTF-8.
    pub not_utf8: bool,
    /// All `Requires-Dist` in their order. [`None`] if they are not known: something in the headers
    /// is not UTF-8, the headers end without an empty line, or one of them has several lines, which
    /// Python versions read differently.
    pub requirements: Option<Vec<String>>,
}

/// The result of parsing the start of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// All of them. More bytes would not change the result.
    Complete(Headers),
    /// Name and Version. The bytes end within the headers, so the requirements are not known
    /// ([`None`]).
    Named(Headers),
    /// The bytes end within the headers, and Name or Version is missing or may continue. Call again
    /// with more bytes, or with `end_of_file` to use what there is.
    NeedMore,
}

/// The headers in `head`, the first bytes of a file. `end_of_file` says that these are all of it.
///
/// With `end_of_file` the answer is always [`Parsed::Complete`]. The work is linear in `head`.
pub fn parse(head: &[u8], end_of_file: bool) -> Parsed {
    let mut fields = Fields::default();
    fields.headers.requirements = Some(Vec::new());
    // The header that a continuation line would continue, if it is one of those wanted.
    let mut open: Option<OpenHeader<'_>> = None;
    let mut rest = head;
    while !rest.is_empty() {
        let (line, after, terminated) = split_line(rest);
        let kind = classify(line, terminated || end_of_file);
        if kind == Line::Continuation {
            // Continuation lines directly follow their header, so the value stays one slice.
            if let Some(header) = &mut open {
                header.length += rest.len() - after.len();
            }
            rest = after;
            continue;
        }
        fields.store(open.take());
        match kind {
            Line::Header { colon } => open = OpenHeader::new(&fields, rest, after, colon),
            Line::Envelope | Line::Nameless | Line::Continuation => {}
            Line::Body => return fields.all(head, rest, line),
            Line::Undecided => return fields.so_far(),
        }
        rest = after;
    }
    if !end_of_file {
        return fields.so_far();
    }
    fields.store(open);
    fields.all(head, rest, &[])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Version,
    Requirement,
}

/// The values found so far. A field that exists but is not UTF-8 is marked as seen, without a
/// value.
#[derive(Default)]
struct Fields {
    headers: Headers,
    name_seen: bool,
    version_seen: bool,
}

impl Fields {
    /// All headers of a file. `rest` is the part after them, and `end` is the line that ends them.
    /// The requirements are unknown if something in the headers is not UTF-8, because CPython would
    /// raise. They are also unknown without an empty line at the end: that line may be a header
    /// with a bad byte.
    fn all(mut self, file: &[u8], rest: &[u8], end: &[u8]) -> Parsed {
        let headers = file.get(..file.len() - rest.len());
        if !end.is_empty() || headers.is_none_or(|it| std::str::from_utf8(it).is_err()) {
            self.headers.requirements = None;
        }
        Parsed::Complete(self.headers)
    }

    /// Where the bytes end within the headers.
    fn so_far(mut self) -> Parsed {
        if self.name_seen && self.version_seen {
            self.headers.requirements = None;
            Parsed::Named(self.headers)
        } else {
            Parsed::NeedMore
        }
    }

    fn store(&mut self, header: Option<OpenHeader<'_>>) {
        let Some(header) = header else { return };
        if header.field == Field::Requirement {
            let all = self.headers.requirements.take();
            let pair = all.zip(header.only_line());
            self.headers.requirements = pair.map(|(mut all, value)| {
                all.push(value.to_owned());
                all
            });
            return;
        }
        let value = header.value();
        self.headers.not_utf8 |= value.is_none();
        match header.field {
            Field::Name => (self.headers.name, self.name_seen) = (value, true),
            Field::Version => (self.headers.version, self.version_seen) = (value, true),
            Field::Requirement => {}
        }
    }
}

struct OpenHeader<'a> {
    field: Field,
    /// The file after the colon.
    from_value: &'a [u8],
    /// How many bytes of it belong to the value, including line ends.
    length: usize,
}

impl<'a> OpenHeader<'a> {
    /// The header at the start of `rest`, if it is the first one of a wanted field. `after` is the
    /// text after its line.
    fn new(fields: &Fields, rest: &'a [u8], after: &[u8], colon: usize) -> Option<Self> {
        let name = rest.get(..colon)?;
        let field = if !fields.name_seen && name.eq_ignore_ascii_case(b"name") {
            Field::Name
        } else if !fields.version_seen && name.eq_ignore_ascii_case(b"version") {
            Field::Version
        } else if name.eq_ignore_ascii_case(b"requires-dist") {
            Field::Requirement
        } else {
            return None;
        };
        let from_value = rest.get(colon + 1..)?;
        Some(Self {
            field,
            from_value,
            length: from_value.len() - after.len(),
        })
    }

    /// What stands behind the colon, without the last line's end; [`None`] where it is not UTF-8.
    fn raw(&self) -> Option<&'a str> {
        let raw = std::str::from_utf8(self.from_value.get(..self.length)?).ok()?;
        Some(raw.trim_end_matches(['\r', '\n']))
    }

    /// The value of a header of one line.
    fn only_line(&self) -> Option<&'a str> {
        let raw = self.raw()?.trim_start_matches([' ', '\t']);
        (!raw.contains(['\r', '\n'])).then_some(raw)
    }

    /// The value as `Message.__getitem__` returns it. [`None`] if it is not UTF-8.
    fn value(&self) -> Option<String> {
        let raw = self.raw()?;
        let raw = raw.trim_start_matches([' ', '\t', '\r', '\n']);
        if !raw.contains(['\r', '\n']) {
            return Some(raw.to_owned());
        }
        // Python reads the file with universal newlines.
        let value = raw.replace("\r\n", "\n").replace('\r', "\n");
        Some(if value.contains(CONTINUED) {
            dedent(&format!("{INDENT}{value}"))
        } else {
            value
        })
    }
}

/// The indentation by which `_adapters.Message` recognises a value that was folded when written.
const INDENT: &str = "        ";
/// A line feed and [`INDENT`].
const CONTINUED: &str = "\n        ";

/// `textwrap.dedent` of CPython 3.14: lines of only spaces become empty. All others lose the spaces
/// and tabs that they have in common.
fn dedent(text: &str) -> String {
    let is_blank = |line: &str| line.chars().all(text::is_space);
    let mut margin: Option<&str> = None;
    for line in text.split('\n').filter(|line| !is_blank(line)) {
        let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
        let common = match margin {
            None => indentation,
            Some(margin) => margin
                .bytes()
                .zip(line.bytes())
                .take_while(|(one, other)| one == other)
                .count(),
        };
        margin = line.get(..common);
    }
    let margin = margin.map_or(0, str::len);
    let mut dedented = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            dedented.push('\n');
        }
        if !is_blank(line) {
            dedented.push_str(line.get(margin..).unwrap_or_default());
        }
    }
    dedented
}

/// How `email.feedparser` treats a line while it reads headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Starts with a space or a tab. It belongs to the header before it, if any.
    Continuation,
    /// Starts with `From `: skipped. (As the last header it becomes part of the body, which makes
    /// no difference here.)
    Envelope,
    /// `:value`: skipped.
    Nameless,
    /// `name:value`; the name ends at `colon`.
    Header { colon: usize },
    /// The empty line, or any other line. The headers end here.
    Body,
    /// The end of the line is missing, and it decides.
    Undecided,
}

/// `headerRE.match`, which is `^(From |[\041-\071\073-\176]*:|[\t ])`.
fn classify(line: &[u8], whole: bool) -> Line {
    if let Some(b' ' | b'\t') = line.first() {
        return Line::Continuation;
    }
    if line.starts_with(b"From ") {
        return Line::Envelope;
    }
    let name_ends = line
        .iter()
        .position(|byte| !matches!(byte, 0x21..=0x39 | 0x3b..=0x7e));
    match name_ends.and_then(|at| Some((at, *line.get(at)?))) {
        Some((0, b':')) => Line::Nameless,
        Some((colon, b':')) => Line::Header { colon },
        None if !whole => Line::Undecided,
        _ => Line::Body,
    }
}

/// The first line of `bytes` without its end, what follows that, and whether there was one. A line
/// ends at `\n`, `\r` or `\r\n`.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8], bool) {
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    match end.and_then(|end| bytes.split_at_checked(end)) {
        Some((line, [b'\r', b'\n', after @ ..] | [_, after @ ..])) => (line, after, true),
        _ => (bytes, &[], false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(file: &[u8]) -> (Option<String>, Option<String>) {
        match parse(file, true) {
            Parsed::Complete(headers) => (headers.name, headers.version),
            Parsed::Named(_) | Parsed::NeedMore => panic!("needs more at the end of the file"),
        }
    }

    fn name(file: &str) -> Option<String> {
        both(file.as_bytes()).0
    }

    fn some(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    const USUAL: &[u8] =
        b"Metadata-Version: 2.1\nName: Foo\nVersion: 1.0\nSummary: x\n\nName: Bar\n";

    #[test]
    fn name_and_version_are_found_among_other_headers() {
        assert_eq!(both(USUAL), (some("Foo"), some("1.0")));
        assert_eq!(both(b"VERSION:2\nnAmE:\tx"), (some("x"), some("2")));
    }

    #[test]
    fn the_first_header_of_a_name_counts() {
        assert_eq!(name("Name: a\nname: b\n"), some("a"));
        assert_eq!(name("Name:\nname: b\n"), some(""));
    }

    #[test]
    fn headers_end_at_the_first_line_that_is_not_one() {
        assert_eq!(name("\nName: a\n"), None);
        assert_eq!(name("Summary: x\n\nName: a\n"), None);
        assert_eq!(name("nonsense\nName: a\n"), None);
        assert_eq!(name("Name : a\n"), None);
        assert_eq!(name("N\u{e9}: x\nName: a\n"), None);
        assert_eq!(name("\u{feff}Name: a\n"), None);
        assert_eq!(name("X\x7f: x\nName: a\n"), None);
        assert_eq!(name("X\x1f: x\nName: a\n"), None);
        assert_eq!(name("!9;~: x\nName: a\n"), some("a"));
        assert_eq!(name(""), None);
    }

    #[test]
    fn a_value_loses_the_spaces_before_it_and_keeps_those_behind() {
        assert_eq!(name("Name: \t a b \t\r\n"), some("a b \t"));
        assert_eq!(name("Name: a:b\n"), some("a:b"));
        assert_eq!(name("Name: \x0ca\x1c\n"), some("\x0ca\x1c"));
    }

    #[test]
    fn continuation_lines_belong_to_the_value() {
        assert_eq!(
            name("Name: a\n b\r\n\tc\r  \nVersion: 1\n"),
            some("a\n b\n\tc\n  ")
        );
        assert_eq!(name("Name:\n a\n"), some("a"));
        assert_eq!(name("Name:\n \n\t\n"), some(""));
    }

    #[test]
    fn folded_values_lose_their_indentation() {
        assert_eq!(name("Name: a\n        b\n          c\n"), some("a\nb\n  c"));
        assert_eq!(
            name("Name: a\n        b\n  c\n"),
            some("      a\n      b\nc")
        );
        assert_eq!(name("Name: a\n        \n        b\n"), some("a\n\nb"));
        assert_eq!(name("Name: a\n       b\n"), some("a\n       b"));
        assert_eq!(
            name("Name: a\n        \x1f\n\tb\n"),
            some("        a\n\n\tb")
        );
    }

    #[test]
    fn a_continuation_of_nothing_is_ignored() {
        assert_eq!(name(" x\nName: a\n"), some("a"));
        assert_eq!(name("From x\n y\nName: a\n"), some("a"));
        assert_eq!(name("Name: a\n:x\n y\nVersion: 1\n"), some("a"));
    }

    #[test]
    fn envelope_lines_are_skipped_and_end_a_value() {
        assert_eq!(
            both(b"From me\nName: a\nFrom you\n b\nVersion: 1"),
            (some("a"), some("1"))
        );
        assert_eq!(name("From: x\nName: a\n"), some("a"));
        assert_eq!(name("From\nName: a\n"), None);
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_missing_and_flagged() {
        let parsed = parse(b"Name: \xff\nName: a\nVersion: 1\n", true);
        let headers = Headers {
            name: None,
            version: some("1"),
            not_utf8: true,
            requirements: None,
        };
        assert_eq!(parsed, Parsed::Complete(headers));
        assert_eq!(both(b"Summary: \xff\nName: a\n"), (some("a"), None));
        assert_eq!(requirements(b"Summary: \xff\nName: a\n"), None);
        assert_eq!(requirements(b"Name: a\nVers\xffion: 1\n"), None);
        assert_eq!(requirements(b"Name: a\n\n\xff"), Some(Vec::new()));
    }

    #[test]
    fn a_head_suffices_once_both_values_have_ended() {
        let end = USUAL
            .windows(9)
            .position(|window| window == b"Summary: ")
            .unwrap();
        let body = USUAL.windows(2).position(|window| window == b"\n\n");
        for length in 0..=USUAL.len() {
            let parsed = parse(&USUAL[..length], false);
            if length <= end {
                assert_eq!(parsed, Parsed::NeedMore, "{length}");
            } else if length < body.unwrap() + 2 {
                let Parsed::Named(headers) = parsed else {
                    panic!("{length}: {parsed:?}")
                };
                let named = (headers.name, headers.version);
                assert_eq!(named, both(USUAL), "{length}");
                assert_eq!(headers.requirements, None);
            } else {
                assert_eq!(parsed, parse(USUAL, true), "{length}");
            }
        }
    }

    fn requirements(file: &[u8]) -> Option<Vec<String>> {
        match parse(file, true) {
            Parsed::Complete(headers) => headers.requirements,
            _ => panic!("needs more at the end of the file"),
        }
    }

    #[test]
    fn requirements_are_found_before_and_behind_the_name_in_their_order() {
        let file = b"Requires-Dist: b >1 \nName: a\nrequires-dist:\ta;x\r\nVersion: 1\n\
                     REQUIRES-DIST:c\nRequires-Dist:\n\nRequires-Dist: body\n";
        let found = ["b >1 ", "a;x", "c", ""].map(str::to_owned);
        assert_eq!(requirements(file), Some(found.to_vec()));
        assert_eq!(requirements(USUAL), Some(Vec::new()));
        assert_eq!(requirements(b""), Some(Vec::new()));
    }

    #[test]
    fn requirements_of_several_lines_or_not_utf_8_are_not_told() {
        for bad in [
            &b"Requires-Dist: a\n b\n"[..],
            b"Requires-Dist:\n b\n",
            b"Requires-Dist: \xff\n",
        ] {
            let file = [
                b"Name: a\nVersion: 1\nRequires-Dist: z\n",
                bad,
                b"Requires-Dist: y\n\n",
            ]
            .concat();
            assert_eq!(requirements(&file), None);
            assert_eq!(name("Name: a\n"), some("a"));
        }
    }

    #[test]
    fn a_head_that_ends_in_half_a_line_end_is_not_taken_for_an_empty_line() {
        assert_eq!(parse(b"Summary: x\r", false), Parsed::NeedMore);
        assert_eq!(parse(b"Summary: x\r\nName", false), Parsed::NeedMore);
    }

    #[test]
    fn a_head_that_shows_the_body_is_complete_without_the_values() {
        assert_eq!(parse(b"Summary: x\n\n", false), parse(b"", true));
        let nothing = Headers::default();
        assert_eq!(parse(b"no header", false), Parsed::Complete(nothing));
        assert_eq!(parse(b"From", false), Parsed::NeedMore);
    }
}
