//! One record: the content of the index for one search directory.
//!
//! The input is a record's row and the body of the index. The output is its distributions, groups,
//! entry points and files, as the values of `view`.

use std::borrow::Cow;
use std::ops::Range;

use super::body::{Body, Table};
use super::format::{distribution_flag, import_stem, key_hash, record_flag};
use super::rows::{
    DistributionRow, EntryRow, FileRow, GroupRow, ImportRow, NameRow, RecordRow, ReferenceRow,
    Sizes, Span,
};
use super::source::{Damage, Source};
use super::stamp::Stamp;
use super::view::{Distribution, Entry, FileFacts, Group, ImportName, Outline, Requirements};

const BEYOND_POOL: Damage = Damage::Malformed("a string beyond its pool");

/// The content of the index for one search directory.
pub struct Record<'i, S> {
    pub(super) body: &'i Body<S>,
    pub(super) row: RecordRow,
    pub(super) tables: Tables,
    number: u32,
    is_alias: bool,
}

/// The tables of a record in their order, and its string pool.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) distributions: Table<DistributionRow>,
    pub(super) names: Table<NameRow>,
    pub(super) groups: Table<GroupRow>,
    pub(super) entries: Table<EntryRow>,
    pub(super) references: Table<ReferenceRow>,
    pub(super) files: Table<FileRow>,
    pub(super) imports: Table<ImportRow>,
    pub(super) pool: Range<u64>,
}

impl Tables {
    fn of(row: &RecordRow, sizes: Sizes, body_size: u64) -> Result<Self, Damage> {
        let [
            _,
            _,
            distribution,
            name,
            group,
            entry,
            reference,
            file,
            import,
        ] = sizes.0;
        let start = u64::from(row.segment.start);
        let distributions = Table::at(start, row.distributions, distribution);
        let names = Table::at(distributions.end(), row.distributions, name);
        let groups = Table::at(names.end(), row.groups, group);
        let entries = Table::at(groups.end(), row.entries, entry);
        let references = Table::at(entries.end(), row.entries, reference);
        let files = Table::at(references.end(), row.files, file);
        let imports = Table::at(files.end(), row.imports, import);
        let pool = u64::from(row.pool)..start + u64::from(row.segment.length);
        if pool.start < imports.end() || pool.start > pool.end || pool.end > body_size {
            return Err(Damage::Malformed("a record longer than its place"));
        }
        Ok(Self {
            distributions,
            names,
            groups,
            entries,
            references,
            files,
            imports,
            pool,
        })
    }

    pub(super) fn pool_size(&self) -> u64 {
        self.pool.end - self.pool.start
    }
}

impl<'i, S: Source> Record<'i, S> {
    pub(super) fn new(
        body: &'i Body<S>,
        number: u32,
        is_alias: bool,
        row: RecordRow,
        sizes: Sizes,
    ) -> Result<Self, Damage> {
        Ok(Self {
            body,
            tables: Tables::of(&row, sizes, body.size())?,
            row,
            number,
            is_alias,
        })
    }

    /// Its number in the index.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether it was found by another spelling of the search directory's path.
    #[must_use]
    pub fn is_alias(&self) -> bool {
        self.is_alias
    }

    /// Its flags of [`record_flag`].
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.row.flags
    }

    /// Whether all these flags of [`record_flag`] are set.
    #[must_use]
    pub fn has(&self, flags: u32) -> bool {
        self.row.flags & flags == flags
    }

    /// Whether the directory did not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.has(record_flag::MISSING)
    }

    /// The search directory's mtime and ctime.
    #[must_use]
    pub fn stamps(&self) -> (Stamp, Stamp) {
        (self.row.mtime, self.row.ctime)
    }

    /// The number of metadata directories.
    #[must_use]
    pub fn distribution_count(&self) -> u32 {
        self.row.distributions
    }

    /// The number of entry points, including those of shadowed distributions.
    #[must_use]
    pub fn entry_count(&self) -> u32 {
        self.row.entries
    }

    /// A metadata directory by its number, in CPython's order.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn distribution(&self, number: u32) -> Result<Distribution, Damage> {
        self.decode_distribution(&self.body.row(self.tables.distributions, number)?)
    }

    /// All metadata directories, in CPython's order.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn distributions(
        &self,
    ) -> impl Iterator<Item = Result<Distribution, Damage>> + use<'_, 'i, S> {
        let mut budget = Budget::of(self.tables.pool_size());
        self.body.all(self.tables.distributions).map(move |row| {
            let row = row?;
            budget.spend(row.lengths.map(u32::from))?;
            self.decode_distribution(&row)
        })
    }

    /// All metadata directories in CPython's order, with what a freshness check compares.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn outlines(&self) -> impl Iterator<Item = Result<Outline<'i>, Damage>> + use<'_, 'i, S> {
        let mut budget = Budget::of(self.tables.pool_size());
        self.body.all(self.tables.distributions).map(move |row| {
            let row = row?;
            budget.spend([u32::from(row.lengths[0])])?;
            Ok(Outline {
                file_name: self.file_name(&row)?,
                flags: row.flags,
                stamps: (row.mtime, row.ctime),
                files: self.files_of_row(&row)?,
                entries: row.references.length,
                text: row.requirements.length.saturating_add(row.imports.length),
            })
        })
    }

    /// A group by its name.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn group(&self, name: &str) -> Result<Option<Group>, Damage> {
        let found = self.body.search(self.tables.groups, |row| {
            let group = self.decode_group(row)?;
            Ok((group.name.as_str().cmp(name), group))
        })?;
        Ok(found.map(|(_, group)| group))
    }

    /// All groups, sorted by the bytes of their names.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn groups(&self) -> impl Iterator<Item = Result<Group, Damage>> + use<'_, 'i, S> {
        let mut budget = Budget::of(self.tables.pool_size());
        self.body.all(self.tables.groups).map(move |row| {
            let row = row?;
            budget.spend([row.name.length])?;
            self.decode_group(&row)
        })
    }

    /// The entry points of a group: first those of distributions with core metadata, then the
    /// others, each in CPython's order. Those of shadowed distributions are included.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn entries(
        &self,
        group: &Group,
    ) -> impl Iterator<Item = Result<Entry, Damage>> + use<'_, 'i, S> {
        let mut strings_end = 0;
        let rows = self.body.rows(self.tables.entries, group.rows.clone());
        rows.map(move |row| {
            let row = row?;
            // Strings of entries follow each other in the pool. This check limits what a file can
            // make a reader print by the file's own length.
            if row.name.start < strings_end {
                return Err(Damage::Malformed("strings out of order"));
            }
            let name_end = row.name.start.saturating_add(row.name.length);
            strings_end = name_end.saturating_add(row.value_length);
            self.decode_entry(&row)
        })
    }

    /// The entry points of a distribution in the order of its file, each with the number of its
    /// group.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn entries_of(
        &self,
        distribution: &Distribution,
    ) -> impl Iterator<Item = Result<(u32, Entry), Damage>> + use<'_, 'i, S> {
        let rows = self.entry_rows(distribution.references.clone());
        rows.map(|row| {
            let (group, row) = row?;
            if group >= self.row.groups {
                return Err(Damage::Malformed("an entry point of nothing"));
            }
            Ok((group, self.decode_entry(&row)?))
        })
    }

    /// The rows of a distribution's entry points, each with the number of its group.
    pub(super) fn entry_rows(
        &self,
        references: Range<u32>,
    ) -> impl Iterator<Item = Result<(u32, EntryRow), Damage>> + use<'_, 'i, S> {
        let mut budget = Budget::of(self.tables.pool_size());
        let references = self.body.rows(self.tables.references, references);
        references.map(move |reference| {
            let reference = reference?;
            let row = self.body.row(self.tables.entries, reference.entry)?;
            budget.spend([row.name.length, row.value_length])?;
            Ok((reference.group, row))
        })
    }

    /// The files that a distribution was read from.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn files_of(
        &self,
        outline: &Outline<'_>,
    ) -> impl Iterator<Item = Result<FileFacts, Damage>> + use<'_, 'i, S> {
        let rows = self.body.rows(self.tables.files, outline.files.clone());
        rows.map(|row| row.map(FileFacts::from))
    }

    /// The requirements of a distribution.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn requirements(&self, distribution: &Distribution) -> Result<Requirements, Damage> {
        let text = utf8(self.string(distribution.requirements)?)?;
        Ok(Requirements::of(distribution.flags, &text))
    }

    /// What the import names of a distribution are chosen from; None where the index does not say.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup touched.
    pub fn import_names(
        &self,
        distribution: &Distribution,
    ) -> Result<Option<Vec<ImportName>>, Damage> {
        let text = utf8(self.string(distribution.imports)?)?;
        ImportName::all(distribution.flags, &text)
    }

    /// The numbers of the distributions for which this is a candidate for an import name, or one
    /// with the same part before its first `.`. Some may have another import name.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn importable(
        &self,
        name: &str,
    ) -> Result<impl Iterator<Item = Result<u32, Damage>> + use<'_, 'i, S>, Damage> {
        let hash = key_hash(import_stem(name.as_bytes()));
        let table = self.tables.imports;
        let first = self
            .body
            .first_at_least(table, |row: &ImportRow| Ok(row.hash >= hash))?;
        let rows = self.body.rows(table, first..table.count);
        let rows = rows.take_while(move |row| row.as_ref().map_or(true, |row| row.hash == hash));
        Ok(rows.map(|row| {
            let number = row?.distribution;
            if number >= self.row.distributions {
                return Err(Damage::Malformed("an import name of nothing"));
            }
            Ok(number)
        }))
    }

    /// Requirements and import names, as they lie in the file.
    pub(super) fn texts(&self, row: &DistributionRow) -> Result<[Cow<'i, [u8]>; 2], Damage> {
        Ok([self.string(row.requirements)?, self.string(row.imports)?])
    }

    /// The distribution that is chosen among those with a key.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn chosen(&self, key: &[u8]) -> Result<Option<Distribution>, Damage> {
        let row = self.chosen_row(key)?;
        row.map(|row| self.decode_distribution(&row)).transpose()
    }

    pub(super) fn chosen_row(&self, key: &[u8]) -> Result<Option<DistributionRow>, Damage> {
        let hash = key_hash(key);
        let distribution =
            |row: &NameRow| self.body.row(self.tables.distributions, row.distribution);
        // Keys with one hash are sorted too, because an attacker can make thousands of them.
        let first = self.body.first_at_least(self.tables.names, |row| {
            Ok(row.hash > hash || (row.hash == hash && *self.key(&distribution(row)?)? >= *key))
        })?;
        if first == self.tables.names.count {
            return Ok(None);
        }
        let row = distribution(&self.body.row(self.tables.names, first)?)?;
        let is_chosen = row.flags & distribution_flag::SHADOWED == 0;
        Ok((is_chosen && *self.key(&row)? == *key).then_some(row))
    }

    /// The offset of a string of the pool in the body.
    fn place(&self, string: Span) -> Result<u64, Damage> {
        let start = self.tables.pool.start + u64::from(string.start);
        if start + u64::from(string.length) > self.tables.pool.end {
            return Err(BEYOND_POOL);
        }
        Ok(start)
    }

    /// A string of the pool.
    pub(super) fn string(&self, string: Span) -> Result<Cow<'i, [u8]>, Damage> {
        self.body
            .part(self.place(string)?, u64::from(string.length))
    }

    /// One of the four strings of a distribution.
    pub(super) fn string_of(
        &self,
        row: &DistributionRow,
        which: usize,
    ) -> Result<Cow<'i, [u8]>, Damage> {
        let mut start = row.strings;
        for (number, length) in row.lengths.map(u32::from).into_iter().enumerate() {
            if number == which {
                let place = Span { start, length };
                self.place(place)?;
                return self.body.string(self.tables.pool.start, place);
            }
            start = start.checked_add(length).ok_or(BEYOND_POOL)?;
        }
        Err(BEYOND_POOL)
    }

    /// The name of a metadata directory. It becomes part of paths, so it must not lead out of the
    /// search directory.
    pub(super) fn file_name(&self, row: &DistributionRow) -> Result<Cow<'i, [u8]>, Damage> {
        let name = self.string_of(row, 0)?;
        if matches!(&*name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0))
        {
            return Err(Damage::Malformed("a file name that is none"));
        }
        Ok(name)
    }

    pub(super) fn key(&self, row: &DistributionRow) -> Result<Cow<'i, [u8]>, Damage> {
        self.string_of(row, 1)
    }

    /// The rows of a distribution in the reference table.
    pub(super) fn references(&self, row: &DistributionRow) -> Result<Range<u32>, Damage> {
        let end = row.references.end().filter(|&end| end <= self.row.entries);
        let end = end.ok_or(Damage::Malformed("a distribution's entry points"))?;
        Ok(row.references.start..end)
    }

    /// The rows of a distribution in the file table.
    pub(super) fn files_of_row(&self, row: &DistributionRow) -> Result<Range<u32>, Damage> {
        let end = row.files.end().filter(|&end| end <= self.row.files);
        let end = end.ok_or(Damage::Malformed("a distribution's files"))?;
        Ok(row.files.start..end)
    }

    fn decode_distribution(&self, row: &DistributionRow) -> Result<Distribution, Damage> {
        let string = |which| Ok::<_, Damage>(self.string_of(row, which)?.into_owned());
        Ok(Distribution {
            file_name: self.file_name(row)?.into_owned(),
            key: string(1)?,
            name: string(2)?,
            version: string(3)?,
            flags: row.flags,
            mtime: row.mtime,
            ctime: row.ctime,
            requirements: row.requirements,
            imports: row.imports,
            references: self.references(row)?,
            files: self.files_of_row(row)?,
        })
    }

    fn decode_group(&self, row: &GroupRow) -> Result<Group, Damage> {
        let name = utf8(self.string(row.name)?)?;
        let end = row.entries.end().filter(|&end| end <= self.row.entries);
        let end = end.ok_or(Damage::Malformed("a group's entry points"))?;
        Ok(Group {
            name,
            rows: row.entries.start..end,
        })
    }

    /// Name and value.
    pub(super) fn strings_of_entry(&self, row: &EntryRow) -> Result<[Cow<'i, [u8]>; 2], Damage> {
        let value = row.name.end().map(|start| Span {
            start,
            length: row.value_length,
        });
        let value = value.ok_or(BEYOND_POOL)?;
        Ok([self.string(row.name)?, self.string(value)?])
    }

    fn decode_entry(&self, row: &EntryRow) -> Result<Entry, Damage> {
        let [name, value] = self.strings_of_entry(row)?;
        let (name, value) = (utf8(name)?, utf8(value)?);
        if row.distribution >= self.row.distributions {
            return Err(Damage::Malformed("an entry point of nothing"));
        }
        Ok(Entry {
            name,
            value,
            distribution: row.distribution,
        })
    }
}

/// How many bytes of strings a pass over a table may still return. No two rows of a valid table
/// share a string. This limits what a file can make a reader keep or print by the file's own
/// length.
pub(super) struct Budget(u64);

impl Budget {
    /// For a pass over a table whose rows each have their own strings in the pool.
    pub(super) fn of(pool_size: u64) -> Self {
        Self(pool_size)
    }

    /// Call this before copying the strings.
    pub(super) fn spend<const N: usize>(&mut self, lengths: [u32; N]) -> Result<(), Damage> {
        let left = self.0.checked_sub(lengths.map(u64::from).iter().sum());
        self.0 = left.ok_or(Damage::Malformed("strings that overlap"))?;
        Ok(())
    }
}

fn utf8(bytes: Cow<'_, [u8]>) -> Result<String, Damage> {
    String::from_utf8(bytes.into_owned())
        .map_err(|_| Damage::Malformed("a string that is not UTF-8"))
}
