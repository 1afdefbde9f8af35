//! The full check of an index: every byte, every row, and every rule of the format.
//!
//! The input is an index, the output is the first [`Damage`], if any. Time and memory are
//! proportional to the size of the file for any content: no two rows may refer to the same bytes,
//! so nothing is looked at twice.

use std::borrow::Cow;

use super::format::{directory_flag, distribution_flag, key_hash, record_flag};
use super::read::Index;
use super::record::Record;
use super::rows::ImportRow;
use super::source::{Damage, Source};
use super::view::{ImportName, import_hashes, is_of_later_source};
use crate::metadata::text::has_control;

/// A record in memory.
type Bytes<'i, 'b> = Record<'i, &'b [u8]>;

/// Checks all of an index: every block's checksum, every row's references, every order.
/// `docs/specification/file.md`, section 16, lists the rules.
///
/// # Errors
/// The first [`Damage`] found.
pub fn verify<S: Source>(index: &Index<S>) -> Result<(), Damage> {
    let bytes = match index.source().as_slice() {
        Some(bytes) => Cow::Borrowed(bytes),
        None => {
            let size = usize::try_from(index.size()).map_err(|_| Damage::TooLarge)?;
            let mut bytes = vec![0; size];
            index.source().read_at(&mut bytes, 0)?;
            Cow::Owned(bytes)
        }
    };
    let index = Index::open(&*bytes)?;
    index.body.check_all()?;
    directories_are_sound(&index)?;
    let mut end = index.records.end();
    for number in 0..index.record_count() {
        let record = index.record(number)?;
        if u64::from(record.row.segment.start) < end {
            return Err(Damage::Malformed("records that overlap"));
        }
        end = record.tables.pool.end;
        distributions_are_sound(&record)?;
        names_are_sound(&record)?;
        groups_are_sound(&record)?;
        entries_are_sound(&record)?;
        references_are_sound(&record)?;
        files_are_sound(&record)?;
        imports_are_sound(&record)?;
    }
    Ok(())
}

fn directories_are_sound(index: &Index<&[u8]>) -> Result<(), Damage> {
    let mut previous: Option<Cow<'_, [u8]>> = None;
    let mut strings = Ascending(u32::try_from(index.records.end()).unwrap_or(u32::MAX));
    let mut has_path = vec![false; index.record_count() as usize];
    for row in index.body.all(index.directories) {
        let row = row?;
        strings.next(row.path.start, row.path.length)?;
        let path = index.body.string(0, row.path)?;
        is_plain(&path)?;
        if previous.is_some_and(|previous| previous >= path) {
            return Err(Damage::Malformed("directories out of order"));
        }
        previous = Some(path);
        match has_path.get_mut(row.record as usize) {
            None => return Err(Damage::Malformed("a directory without a record")),
            Some(_) if row.flags & directory_flag::ALIAS != 0 => {}
            Some(slot) if !*slot => *slot = true,
            Some(_) => return Err(Damage::Malformed("a record with two paths")),
        }
    }
    if has_path.contains(&false) {
        return Err(Damage::Malformed("a record without a path"));
    }
    Ok(())
}

/// Strings in the order of the rows of a table, without overlaps.
struct Ascending(u32);

impl Ascending {
    fn next(&mut self, start: u32, length: u32) -> Result<(), Damage> {
        if start < self.0 {
            return Err(Damage::Malformed("strings out of order"));
        }
        let end = start.checked_add(length);
        self.0 = end.ok_or(Damage::Malformed("a string beyond its pool"))?;
        Ok(())
    }
}

fn distributions_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let (mut references, mut files) = (0, 0);
    let (mut strings, mut requirements, mut imports) = (Ascending(0), Ascending(0), Ascending(0));
    let mut unread = false;
    for row in record.body.all(record.tables.distributions) {
        let row = row?;
        strings.next(row.strings, row.lengths.map(u32::from).iter().sum())?;
        for which in 0..row.lengths.len() {
            is_plain(&record.string_of(&row, which)?)?;
        }
        record.file_name(&row)?;
        requirements.next(row.requirements.start, row.requirements.length)?;
        imports.next(row.imports.start, row.imports.length)?;
        let texts = record.texts(&row)?;
        for text in &texts {
            is_utf8(text)?;
            lines_are_plain(text)?;
        }
        details_are_sound(row.flags, &texts)?;
        if (row.references.start, row.files.start) != (references, files) {
            return Err(Damage::Malformed("a distribution's rows out of order"));
        }
        references = record.references(&row)?.end;
        files = record.files_of_row(&row)?.end;
        unread |= row.flags & distribution_flag::UNREAD != 0;
    }
    if (references, files) != (record.row.entries, record.row.files) {
        return Err(Damage::Malformed("rows without a distribution"));
    }
    if unread != record.has(record_flag::UNREAD) {
        return Err(Damage::Malformed("a record's unread flag"));
    }
    if record.is_missing() && record.row.distributions != 0 {
        return Err(Damage::Malformed("distributions in a missing directory"));
    }
    Ok(())
}

/// Requirements and import names agree with the flags.
fn details_are_sound(
    flags: u32,
    [requirements, imports]: &[Cow<'_, [u8]>; 2],
) -> Result<(), Damage> {
    let has = |flag| flags & flag != 0;
    let has_list = has(distribution_flag::HAS_REQUIREMENTS);
    if has(distribution_flag::REQUIREMENTS_UNKNOWN) && has_list
        || !has_list && !requirements.is_empty()
    {
        return Err(Damage::Malformed("requirements that are none"));
    }
    let has_source = has(distribution_flag::IMPORT_SOURCE);
    if has(distribution_flag::IMPORTS_UNKNOWN) && has_source || !has_source && !imports.is_empty() {
        return Err(Damage::Malformed("import names from nowhere"));
    }
    let text = std::str::from_utf8(imports).unwrap_or_default();
    let names = ImportName::all(flags, text)?.unwrap_or_default();
    let mut previous: Option<(&str, bool)> = None;
    for name in &names {
        let here = match name {
            ImportName::Declared(name) if name.is_empty() => {
                return Err(Damage::Malformed("an import name that is none"));
            }
            ImportName::Declared(_) => continue,
            ImportName::Inferred { part, is_lone, .. } => (part.as_str(), *is_lone),
        };
        if previous.is_some_and(|previous| previous >= here) {
            return Err(Damage::Malformed("import names out of order"));
        }
        previous = Some(here);
    }
    Ok(())
}

/// The import table has each import name once for each distribution.
fn imports_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let mut expected = Vec::new();
    for (number, row) in (0..).zip(record.body.all(record.tables.distributions)) {
        let row = row?;
        if is_of_later_source(row.flags) {
            // How its names stand there is not known, so that of this table nothing is.
            return Ok(());
        }
        let [_, imports] = record.texts(&row)?;
        expected.extend(import_hashes(row.flags, &imports).map(|hash| (hash, number)));
    }
    expected.sort_unstable();
    expected.dedup();
    let mut expected = expected.into_iter();
    for row in record.body.all(record.tables.imports) {
        let ImportRow { distribution, hash } = row?;
        if expected.next() != Some((hash, distribution)) {
            return Err(Damage::Malformed(
                "an import table that is not that of the names",
            ));
        }
    }
    match expected.next() {
        None => Ok(()),
        Some(_) => Err(Damage::Malformed("an import name that is not in the table")),
    }
}

/// Each distribution is in the name table once, and for each key a chosen one comes first.
fn names_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let mut previous: Option<(u32, Cow<'_, [u8]>, bool, u32)> = None;
    for row in record.body.all(record.tables.names) {
        let row = row?;
        let distributions = record.tables.distributions;
        let distribution = record.body.row(distributions, row.distribution)?;
        let key = record.key(&distribution)?;
        if row.hash != key_hash(&key) {
            return Err(Damage::Malformed("a name's hash"));
        }
        let shadowed = distribution.flags & distribution_flag::SHADOWED != 0;
        let is_first = previous.as_ref().is_none_or(|earlier| earlier.1 != key);
        if shadowed == is_first {
            return Err(Damage::Malformed("twins of which not one is chosen"));
        }
        let here = (row.hash, key, shadowed, row.distribution);
        // Each is greater than the one before it, so each is another distribution. There are as
        // many as distributions, so they are complete.
        if previous.is_some_and(|earlier| earlier >= here) {
            return Err(Damage::Malformed("names out of order"));
        }
        previous = Some(here);
    }
    Ok(())
}

fn groups_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let mut previous: Option<Cow<'_, [u8]>> = None;
    let mut next = 0u32;
    let mut strings = Ascending(0);
    for group in record.body.all(record.tables.groups) {
        let group = group?;
        strings.next(group.name.start, group.name.length)?;
        let name = record.string(group.name)?;
        is_utf8(&name)?;
        is_plain(&name)?;
        if previous.is_some_and(|previous| previous >= name) {
            return Err(Damage::Malformed("groups out of order"));
        }
        if group.entries.start != next || group.entries.length == 0 {
            return Err(Damage::Malformed("groups that overlap"));
        }
        let end = group.entries.end().filter(|&end| end <= record.row.entries);
        let end = end.ok_or(Damage::Malformed("a group's entry points"))?;
        let mut with_metadata = true;
        for row in record.body.rows(record.tables.entries, next..end) {
            let distribution = record
                .body
                .row(record.tables.distributions, row?.distribution)?;
            let has_metadata = distribution.flags & distribution_flag::HAS_METADATA != 0;
            if has_metadata && !with_metadata {
                return Err(Damage::Malformed("a group's entry points out of order"));
            }
            with_metadata = has_metadata;
        }
        next = end;
        previous = Some(name);
    }
    if next == record.row.entries {
        Ok(())
    } else {
        Err(Damage::Malformed("entry points without a group"))
    }
}

fn entries_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let mut strings = Ascending(0);
    // Every part of ASCII is UTF-8, and other text is rare.
    let pool = record.tables.pool.clone();
    let pool = record.body.part(pool.start, pool.end - pool.start)?;
    let is_ascii = pool.is_ascii();
    for row in record.body.all(record.tables.entries) {
        let row = row?;
        let length = row.name.length.checked_add(row.value_length);
        let length = length.ok_or(Damage::Malformed("a string beyond its pool"))?;
        strings.next(row.name.start, length)?;
        let texts = record.strings_of_entry(&row)?;
        for text in &texts {
            if !is_ascii {
                is_utf8(text)?;
            }
            is_plain(text)?;
        }
    }
    Ok(())
}

/// Each entry point is referred to once, by its own distribution, with its own group.
fn references_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    let mut seen = vec![false; record.row.entries as usize];
    for (number, row) in (0..).zip(record.body.all(record.tables.distributions)) {
        let references = record.references(&row?)?;
        for reference in record.body.rows(record.tables.references, references) {
            let reference = reference?;
            let entry = record.body.row(record.tables.entries, reference.entry)?;
            if entry.distribution != number {
                return Err(Damage::Malformed("an entry point of another distribution"));
            }
            let group = record.body.row(record.tables.groups, reference.group)?;
            let run = group.entries.start..group.entries.end().unwrap_or_default();
            if !run.contains(&reference.entry) {
                return Err(Damage::Malformed("an entry point in another's group"));
            }
            match seen.get_mut(reference.entry as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(Damage::Malformed("an entry point referred to twice")),
            }
        }
    }
    Ok(())
}

/// The files of each distribution are sorted by type.
fn files_are_sound(record: &Bytes<'_, '_>) -> Result<(), Damage> {
    for row in record.body.all(record.tables.distributions) {
        let mut previous = None;
        for file in record
            .body
            .rows(record.tables.files, record.files_of_row(&row?)?)
        {
            let kind = Some(file?.kind);
            if previous >= kind {
                return Err(Damage::Malformed("a distribution's files out of order"));
            }
            previous = kind;
        }
    }
    Ok(())
}

fn is_plain(bytes: &[u8]) -> Result<(), Damage> {
    if has_control(bytes) {
        return Err(Damage::Malformed("a control character"));
    }
    Ok(())
}

/// For a text whose lines are joined by line feeds.
fn lines_are_plain(text: &[u8]) -> Result<(), Damage> {
    text.split(|&byte| byte == b'\n').try_for_each(is_plain)
}

fn is_utf8(bytes: &[u8]) -> Result<(), Damage> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(Damage::Malformed("a string that is not UTF-8")),
    }
}
