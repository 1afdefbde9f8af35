//! Import names: the candidates of `packages_distributions()` in each Python.
//!
//! The input is `top_level.txt`. Without it, the input is the paths of the installed files in
//! RECORD, installed-files.txt or SOURCES.txt. The output is candidates, or `None`. The rules
//! differ between Python versions, so the output has everything that any version needs (rules F35
//! and M20 of `docs/specification`), without a choice. If importlib.metadata would raise, or its
//! answer does not follow from the text alone, the output is `None`.
//!
//! The lists of files may be long. They are read line by line, and only the first parts of paths
//! are kept.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::text::{has_control, is_space};

/// The path has no second part.
const LONE: u8 = 1;
/// One of the paths ends in `.py`.
const PYTHON: u8 = 2;
/// One of the paths exists.
const EXISTS: u8 = 4;
/// Not for the index: no file of the path's first part exists.
const ABSENT: u8 = 8;

/// The longest line of a list that is read. Python's csv module accepts no longer field.
pub const LINE_LIMIT: usize = 131_072;
/// In bytes. A longer text is not kept.
pub const TEXT_LIMIT: usize = 64 << 10;
/// How many missing files are looked for.
const MISSES_LIMIT: u32 = 64;

/// The kinds of lists of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileList {
    /// Rows of CSV.
    Record,
    /// Paths from the metadata directory. Links are followed.
    InstalledFiles,
    /// Paths from the search directory.
    Sources,
}

/// Which files exist. `None` ends the search.
pub trait Files {
    /// Whether a path from the search directory exists.
    fn exists(&mut self, path: &str) -> Option<bool>;
    /// The path from the search directory for a path from the metadata directory, if the file
    /// exists and is below the search directory.
    fn located(&mut self, path: &str) -> Option<Option<String>>;
}

/// The names of a top_level.txt, joined by line feeds. `None` if one of them has a control
/// character.
pub fn declared(text: &str) -> Option<String> {
    let names = text.split(is_space).filter(|name| !name.is_empty());
    let names: Vec<&str> = names.collect();
    (!names.iter().any(|name| has_control(name.as_bytes()))).then(|| names.join("\n"))
}

/// The candidates from the lines of a list of files.
#[derive(Debug)]
pub struct Candidates {
    list: FileList,
    /// For the first part of a path: what is known of paths with more parts, and of those without.
    bits: BTreeMap<String, [Option<u8>; 2]>,
    size: usize,
    misses: u32,
}

impl Candidates {
    /// Without candidates.
    #[must_use]
    pub fn of(list: FileList) -> Self {
        Self {
            list,
            bits: BTreeMap::new(),
            size: 0,
            misses: 0,
        }
    }

    /// Takes one more line, without its end. `None`: this list gives no answer.
    pub fn add(&mut self, line: &str, files: &mut dyn Files) -> Option<()> {
        if line.len() > LINE_LIMIT {
            return None;
        }
        let path = match self.list {
            FileList::Record => path_of_row(line)?,
            // Its target, and whether that exists, are known at once.
            FileList::InstalledFiles => match files.located(line)? {
                Some(path) => Cow::Owned(path),
                None => return Some(()),
            },
            FileList::Sources => Cow::Borrowed(line),
        };
        // Other lists are quoted before they are read as CSV.
        if self.list != FileList::Record && path.contains('"') {
            return None;
        }
        self.add_path(&path, files)
    }

    fn add_path(&mut self, path: &str, files: &mut dyn Files) -> Option<()> {
        // Its target depends on the place of the search directory.
        if path.starts_with('/') {
            return None;
        }
        // `PurePosixPath(path).parts`
        let mut parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
        // Some Pythons raise for a path without parts.
        let first = parts.next()?;
        let (mut last, mut is_lone) = (first, true);
        for part in parts {
            if part == ".." && first != ".." {
                return None;
            }
            (last, is_lone) = (part, false);
        }
        let python = ends_in_py(last);
        if !is_wanted(first, is_lone, python) {
            return Some(());
        }
        if !self.bits.contains_key(first) && has_control(first.as_bytes()) {
            return None;
        }
        let mut bits = self.known(first, is_lone)?;
        if python {
            bits |= PYTHON;
        }
        if self.list == FileList::InstalledFiles {
            bits |= EXISTS;
        }
        // Outside of the search directory it does not matter: such a name is only used if files are
        // not looked for.
        if bits & (EXISTS | ABSENT) == 0 && first != ".." {
            bits |= self.look(path, first, is_lone, files)?;
        }
        let slot = self.bits.get_mut(first)?.get_mut(usize::from(is_lone))?;
        *slot = Some(bits);
        Some(())
    }

    /// What is known of a first part so far. `None` if there are too many.
    fn known(&mut self, first: &str, is_lone: bool) -> Option<u8> {
        if !self.bits.contains_key(first) {
            self.bits.insert(first.to_owned(), [None; 2]);
        }
        let known = *self.bits.get(first)?.get(usize::from(is_lone))?;
        if known.is_none() {
            self.size += first.len() + 2;
        }
        (self.size <= TEXT_LIMIT).then(|| known.unwrap_or(if is_lone { LONE } else { 0 }))
    }

    /// Whether a path exists; if not, whether its first part does.
    fn look(
        &mut self,
        path: &str,
        first: &str,
        is_lone: bool,
        files: &mut dyn Files,
    ) -> Option<u8> {
        if files.exists(path)? {
            return Some(EXISTS);
        }
        self.misses += 1;
        if self.misses > MISSES_LIMIT {
            return None;
        }
        let is_there = is_lone || files.exists(first)?;
        Some(if is_there { 0 } else { ABSENT })
    }

    /// All of them in the form of the index, joined by line feeds.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.size);
        for (name, bits) in &self.bits {
            for bits in bits.iter().flatten() {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push(char::from(b'0' + (bits & !ABSENT)));
                text.push_str(name);
            }
        }
        text
    }
}

/// Whether the rule of any Python accepts it: one without a dot; one of a Python module with any
/// name (3.11); a single file with the suffix of a module.
fn is_wanted(name: &str, is_lone: bool, python: bool) -> bool {
    let module = [".py", ".pyc", ".so"];
    let is_module = is_lone && module.iter().any(|suffix| name.ends_with(suffix));
    !name.contains('.') || python || is_module
}

/// `PurePosixPath(name).suffix == ".py"`
fn ends_in_py(name: &str) -> bool {
    name.strip_suffix(".py")
        .is_some_and(|stem| !stem.is_empty())
}

/// The first field of a row of RECORD. `None` if importlib.metadata does not accept the row.
fn path_of_row(line: &str) -> Option<Cow<'_, str>> {
    if line.is_empty() {
        return None;
    }
    if line.contains('"') {
        let fields = quoted_fields(line)?;
        let is_row = fields.len() <= 3 && fields.get(2).is_none_or(|it| is_size(it));
        return fields.into_iter().next().filter(|_| is_row).map(Cow::Owned);
    }
    let mut fields = line.split(',');
    let path = fields.next()?;
    let size = fields.nth(1).unwrap_or_default();
    (is_size(size) && fields.next().is_none()).then_some(Cow::Borrowed(path))
}

/// Whether `int()` accepts it, in all known cases, or it is missing.
fn is_size(size: &str) -> bool {
    size.len() < 64 && size.bytes().all(|it| it.is_ascii_digit())
}

/// The fields of a line as `csv.reader` reads it. `None` if a quoted field continues in the next
/// line.
fn quoted_fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        let mut field = String::new();
        let mut quoted = rest.next_if_eq(&'"').is_some();
        let more = loop {
            match rest.next() {
                None if quoted => return None,
                None => break false,
                Some('"') if quoted => match rest.next_if_eq(&'"') {
                    Some(quote) => field.push(quote),
                    None => quoted = false,
                },
                Some(',') if !quoted => break true,
                Some(c) => field.push(c),
            }
        };
        fields.push(field);
        if !more || fields.len() > 3 {
            return Some(fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::lines;
    use super::*;

    /// Everything exists except files named gone.
    struct Some_ {
        asked: usize,
    }

    impl Files for Some_ {
        fn exists(&mut self, path: &str) -> Option<bool> {
            self.asked += 1;
            (path != "loop").then(|| !path.contains("gone"))
        }

        fn located(&mut self, path: &str) -> Option<Option<String>> {
            let below = path.strip_prefix("../");
            Some(
                below
                    .filter(|it| !it.contains("gone") && !it.starts_with(".."))
                    .map(str::to_owned),
            )
        }
    }

    fn all(text: &str, list: FileList) -> Option<String> {
        let mut candidates = Candidates::of(list);
        let mut files = Some_ { asked: 0 };
        lines(text).try_for_each(|line| candidates.add(line, &mut files))?;
        Some(candidates.text())
    }

    #[test]
    fn names_are_split_at_spaces() {
        assert_eq!(
            declared("a b\n\tc\u{3000}d\n").as_deref(),
            Some("a\nb\nc\nd")
        );
        assert_eq!(declared(" \n").as_deref(), Some(""));
        assert_eq!(declared("a\u{1b}"), None);
    }

    #[test]
    fn each_first_part_comes_once_with_what_is_known_of_it() {
        let record = "p/__init__.py,sha256=x,10\np/gone.txt,,\nnative/x.so,,\nlone.py,,\n\
                      _y.cpython-312-x86_64-linux-gnu.so,,3\np-1.dist-info/RECORD,,\n../../../bin/p,,\n\
                      ../x.py,,\nLICENSE,,\nREADME.txt,,\ngone/a.py,,\n\"q,r/a.py\",,\n./dot/x,,\np,,";
        let found = "2..\n5LICENSE\n5_y.cpython-312-x86_64-linux-gnu.so\n4dot\n2gone\n7lone.py\n4native\n\
                     6p\n5p\n6q,r";
        assert_eq!(all(record, FileList::Record).as_deref(), Some(found));
    }

    #[test]
    fn rows_that_the_library_refuses_are_not_told_from() {
        for row in [
            "",
            "a,b,c,d",
            "a,,x",
            "\"a",
            "/abs/a.py,,",
            "a\n\nb",
            ",,",
            "./,,",
            "p/../x.py,,",
        ] {
            let text = format!("a.py,,\n{row}\nb.py,,");
            assert_eq!(all(&text, FileList::Record), None, "{row:?}");
        }
        let long = format!("{},,", "a".repeat(LINE_LIMIT));
        assert_eq!(all(&long, FileList::Record), None);
        assert_eq!(all("loop", FileList::Record), None);
        assert_eq!(all("p\u{1b}/a.py", FileList::Record), None);
        assert_eq!(all("a,b", FileList::Record).as_deref(), Some("5a"));
    }

    #[test]
    fn what_can_be_kept_and_what_is_looked_for_is_limited() {
        let many: String = (0..20_000)
            .map(|number| format!("name{number}/a.py\n"))
            .collect();
        assert_eq!(all(&many, FileList::Record), None);
        let gone = |count: usize| -> String {
            let paths = (0..count).map(|number| format!("p/gone{number}.py\n"));
            paths.collect()
        };
        assert_eq!(all(&gone(64), FileList::Record).as_deref(), Some("2p"));
        assert_eq!(all(&gone(65), FileList::Record), None);
        // If not even the first part exists, nothing else is looked for.
        let gone = gone(1000).replace("p/", "gone/");
        assert_eq!(all(&gone, FileList::Record).as_deref(), Some("2gone"));
        let mut candidates = Candidates::of(FileList::Record);
        let mut files = Some_ { asked: 0 };
        for _ in 0..1000 {
            candidates.add("p/a.py,,", &mut files).unwrap();
        }
        assert_eq!(files.asked, 1);
    }

    #[test]
    fn installed_files_are_located_and_sources_start_from_the_search_directory() {
        let text = "../p/__init__.py\n../lone.py\n../gone.py\nPKG-INFO\n../../bin/tool\n";
        assert_eq!(
            all(text, FileList::InstalledFiles).as_deref(),
            Some("7lone.py\n6p")
        );
        assert_eq!(all("a\"b.py", FileList::Sources), None);
        assert_eq!(
            all("p/a.py\nsetup.py", FileList::Sources).as_deref(),
            Some("6p\n7setup.py")
        );
    }
}
