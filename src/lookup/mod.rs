//! Which record answers for an entry of `sys.path`, and their joint answer.
//!
//! The input is an ordered list of search directories, and the places of indexes. The output is,
//! for each directory, the fresh record of the first trusted index that has one, or else a record
//! made now. Both are read by the same code.

mod merge;
mod place;

use std::path::{Path, PathBuf};

use crate::freshness::{self, Circumstances, FreshnessError, Level, Listing, Verdict, is_missing};
use crate::index::format::record_flag;
use crate::index::{Damage, EncodedRecord, Index, Record, Source, write};
use crate::rooted::Root;
use crate::scan::budget::Budget;
use crate::scan::{self, Difference, Extent, Purpose, Scanned, Warning};

pub use merge::{EntryPoint, Provider, entry_points};
pub use place::{OpenIndex, PlaceKind, SYSTEM_INDEXES, Unusable, places};

/// How closely to look for changes if this index answers.
pub type LevelOf<'l> = &'l dyn Fn(&OpenIndex) -> Level;

/// Any source of bytes.
pub type AnySource = Box<dyn Source>;

/// The source of the answer for a search directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// A record of an index: the numbers of the index and of the record.
    Index(usize, u32),
    /// A record made now.
    Live(usize),
}

/// The answers for a list of search directories.
pub struct Answers<'p> {
    indexes: &'p [OpenIndex],
    /// How much is read of what no index answers for.
    extent: Extent,
    live: Vec<Index<AnySource>>,
    /// Each search directory and the source of its answer, in `sys.path` order.
    entries: Vec<(PathBuf, Holder)>,
    /// The directories for which an index is wrong.
    pub stale: Vec<Stale>,
    /// Unusable parts of directories that were read now.
    pub warnings: Vec<Warning>,
    /// The indexes that turned out to be damaged, by their numbers.
    pub damaged: Vec<(usize, Damage)>,
}

/// A search directory for which an index is wrong.
#[derive(Debug)]
pub struct Stale {
    /// The search directory.
    pub path: PathBuf,
    /// The index.
    pub index: PathBuf,
    /// The differences.
    pub differences: Vec<Difference>,
}

/// The state of an index's record of a directory.
pub enum State {
    /// It is true.
    Fresh,
    /// It is true, except for times and order. This is the record as it would be now.
    Moved(EncodedRecord),
    /// It is wrong. This is the right one.
    Stale(Scanned),
}

impl<'p> Answers<'p> {
    /// Finds an answer for each of these search directories. `level` says how closely to look for
    /// changes if an index answers.
    #[must_use]
    pub fn find(
        root: &Root,
        paths: &[PathBuf],
        indexes: &'p [OpenIndex],
        level: LevelOf<'_>,
    ) -> Self {
        Self::find_with(root, paths, indexes, level, Extent::EntryPoints)
    }

    /// The same; of a directory for which no index answers, so much is read.
    #[must_use]
    pub fn find_with(
        root: &Root,
        paths: &[PathBuf],
        indexes: &'p [OpenIndex],
        level: LevelOf<'_>,
        extent: Extent,
    ) -> Self {
        let mut answers = Self {
            indexes,
            extent,
            live: Vec::new(),
            entries: Vec::with_capacity(paths.len()),
            stale: Vec::new(),
            warnings: Vec::new(),
            damaged: Vec::new(),
        };
        for path in paths {
            let holder = answers.answer(root, path, level);
            answers.entries.push((path.clone(), holder));
        }
        answers
    }

    /// The number of search directories.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no search directories.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The index that answers for the search directory with this number. `None` if it was read now.
    #[must_use]
    pub fn index_of(&self, number: usize) -> Option<&Path> {
        match self.entries.get(number)?.1 {
            Holder::Index(index, _) => self.indexes.get(index).map(OpenIndex::path),
            Holder::Live(_) => None,
        }
    }

    /// The search directory with this number, and the record that answers for it.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn record(&self, number: usize) -> Result<(&Path, Record<'_, AnySource>), Damage> {
        let gone = Damage::Malformed("record number");
        let Some((path, holder)) = self.entries.get(number) else {
            return Err(gone);
        };
        let record = match *holder {
            Holder::Index(index, record) => self
                .indexes
                .get(index)
                .ok_or(gone)?
                .index()
                .record(record)?,
            Holder::Live(index) => self.live.get(index).ok_or(gone)?.record(0)?,
        };
        Ok((path, record))
    }

    /// Reports that an index turned out to be damaged when its answer was read. It is not used
    /// again, and its directories are read now. False if the answer was not from an index.
    pub fn give_up(&mut self, root: &Root, number: usize, damage: Damage) -> bool {
        let Some((_, Holder::Index(bad, _))) = self.entries.get(number).cloned() else {
            return false;
        };
        self.damaged.push((bad, damage));
        for number in 0..self.entries.len() {
            let Some((path, Holder::Index(index, _))) = self.entries.get(number).cloned() else {
                continue;
            };
            if index == bad {
                let holder = self.answer_live(root, &path);
                if let Some(entry) = self.entries.get_mut(number) {
                    entry.1 = holder;
                }
            }
        }
        true
    }

    fn answer(&mut self, root: &Root, path: &Path, level: LevelOf<'_>) -> Holder {
        let mut first_stale = None;
        for (number, index) in self.indexes.iter().enumerate() {
            if self.damaged.iter().any(|(bad, _)| *bad == number) {
                continue;
            }
            match self.ask(index, root, path, level(index)) {
                Ok(Some((record, State::Fresh))) => return Holder::Index(number, record),
                Ok(Some((_, State::Moved(record)))) => return self.hold(record),
                Ok(Some((_, State::Stale(scanned)))) => {
                    first_stale.get_or_insert((number, scanned));
                }
                Ok(None) | Err(FreshnessError::Io(_)) => {}
                Err(FreshnessError::Damage(damage)) => self.damaged.push((number, damage)),
            }
        }
        match first_stale {
            None => self.answer_live(root, path),
            Some((number, scanned)) => {
                let index = self
                    .indexes
                    .get(number)
                    .map(|index| index.path().to_owned());
                self.stale.push(Stale {
                    path: path.to_owned(),
                    index: index.unwrap_or_default(),
                    differences: scanned.differences,
                });
                self.warnings.extend(scanned.warnings);
                self.hold(scanned.record)
            }
        }
    }

    fn ask(
        &self,
        index: &OpenIndex,
        root: &Root,
        path: &Path,
        level: Level,
    ) -> Result<Option<(u32, State)>, FreshnessError> {
        let Some(record) = index.find(root, path)? else {
            return Ok(None);
        };
        let circumstances = index.circumstances();
        let state = match self.extent {
            Extent::EntryPoints => examine(&record, level, circumstances, root, path),
            extent => examine_extent(&record, level, circumstances, root, path, extent),
        }?;
        Ok(Some((record.number(), state)))
    }

    fn answer_live(&mut self, root: &Root, path: &Path) -> Holder {
        match scan_now(root, path, self.extent) {
            Ok(scanned) => {
                self.warnings.extend(scanned.warnings);
                self.hold(scanned.record)
            }
            Err(warning) => {
                self.warnings.extend(warning);
                self.hold(scan::missing(path))
            }
        }
    }

    fn hold(&mut self, record: EncodedRecord) -> Holder {
        let index = open_live(&record).or_else(|error| {
            // Beyond all limits: the only answer is this warning.
            let path = record.path().to_owned();
            let text = format!("cannot be answered for, treated as empty: {error}");
            self.warnings.push(Warning { path, text });
            open_live(&scan::missing(record.path()))
        });
        self.live.extend(index);
        Holder::Live(self.live.len().saturating_sub(1))
    }
}

fn open_live(record: &EncodedRecord) -> Result<Index<AnySource>, Damage> {
    let bytes = write::index(std::slice::from_ref(record), false).map_err(|_| Damage::TooLarge)?;
    Index::open(Box::new(bytes) as AnySource)
}

/// The state of a record of the directory at `path`. Reads everything that seems changed.
///
/// # Errors
/// [`FreshnessError`].
pub fn examine<S: Source>(
    record: &Record<'_, S>,
    level: Level,
    circumstances: Circumstances,
    root: &Root,
    path: &Path,
) -> Result<State, FreshnessError> {
    // Of what is asked less strictly, only entry points are told anew.
    let extent = match level {
        Level::Strict => Extent::Everything,
        Level::Auto | Level::Fast | Level::Trust => Extent::EntryPoints,
    };
    examine_extent(record, level, circumstances, root, path, extent)
}

fn examine_extent<S: Source>(
    record: &Record<'_, S>,
    level: Level,
    circumstances: Circumstances,
    root: &Root,
    path: &Path,
    extent: Extent,
) -> Result<State, FreshnessError> {
    let listing = match freshness::check(record, level, circumstances, root, path)? {
        Verdict::Fresh => return Ok(State::Fresh),
        Verdict::LookCloser(listing) => listing,
    };
    let all_same = listing
        .sightings
        .iter()
        .all(|sighting| sighting.same_as.is_some());
    let as_many = listing.sightings.len() == record.distribution_count() as usize;
    if all_same && as_many && record.has(record_flag::SORTED) {
        return Ok(State::Fresh);
    }
    let directory = match root.open_dir(path) {
        Ok(directory) => directory,
        Err(error) if is_missing(&error) => {
            let differences = record
                .distributions()
                .map(|gone| Ok(Difference::Removed(gone?.file_name)))
                .collect::<Result<Vec<_>, Damage>>()?;
            let record = scan::missing(path);
            if differences.is_empty() {
                return Ok(State::Moved(record)); // it was empty, or missing then as well
            }
            return Ok(State::Stale(Scanned {
                record,
                differences,
                ..Scanned::default()
            }));
        }
        Err(error) => return Err(error.into()),
    };
    let scanned = scan::directory(
        &directory,
        listing,
        Some(record),
        (Purpose::Running, extent),
        &mut Budget::default(),
        &mut |_| (),
    )?;
    let appeared = record.is_missing() && scanned.record.distribution_count() > 0;
    if scanned.differences.is_empty() && !appeared {
        return Ok(State::Moved(scanned.record));
    }
    Ok(State::Stale(scanned))
}

/// Reads a search directory that is in no index. A missing one is neither an error nor a warning.
fn scan_now(root: &Root, path: &Path, extent: Extent) -> Result<Scanned, Option<Warning>> {
    let warning = |text| {
        Some(Warning {
            path: path.to_owned(),
            text,
        })
    };
    let directory = root.open_dir(path).map_err(|error| {
        let archive = root.is_file(path);
        match is_missing(&error) {
            true if archive => warning("an archive, its entry points are not looked up".into()),
            true => None,
            false => warning(format!("cannot be read: {error}")),
        }
    })?;
    let listing =
        Listing::now(&directory).map_err(|error| warning(format!("cannot be read: {error}")))?;
    let no_old: Option<&Record<'_, Vec<u8>>> = None;
    let budget = &mut Budget::default();
    scan::directory(
        &directory,
        listing,
        no_old,
        (Purpose::Running, extent),
        budget,
        &mut |_| (),
    )
    .map_err(|damage| warning(damage.to_string()))
}
