//! One search directory becomes one record.
//!
//! In comes an open directory, what was listed in it, and perhaps an old record of which a part
//! still holds; out go the record, what could not be used and why, and what differs from the old
//! record. Where the directory came from and where the record goes is not known here. Nothing is
//! printed and nothing is written, and nothing that the directory can contain ends the scan.

mod distribution;
mod order;
mod purpose;
mod reading;
mod renewal;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::freshness::{Listing, Sighting, is_silent};
use crate::index::format::{distribution_flag, record_flag};
use crate::index::write::{DistributionDraft, EncodedRecord, EntryArena};
use crate::index::{Damage, Distribution, Record, Source, Stamp};
use crate::metadata::directory_name::{egg_base, recognise};
use crate::rooted::Directory;

use distribution::Report;
pub use purpose::Purpose;
use reading::Batch;
pub use renewal::renew;

/// A metadata directory or file that could not be used as it should be, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The culprit.
    pub path: PathBuf,
    /// What is wrong with it and what follows from that.
    pub text: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.path.display(), self.text)
    }
}

/// How a metadata directory differs from an old record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The record does not have it.
    Added(Vec<u8>),
    /// Only the record has it.
    Removed(Vec<u8>),
    /// Name, version or entry points differ.
    Changed(Vec<u8>),
}

/// What a scan makes of one search directory.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The record.
    pub record: EncodedRecord,
    /// What could not be used.
    pub warnings: Vec<Warning>,
    /// How many metadata directories were read.
    pub read: usize,
    /// How many were taken from the old record.
    pub reused: usize,
    /// What differs from the old record, if there was one.
    pub differences: Vec<Difference>,
}

/// Scans a search directory. `progress` hears now and then how many metadata directories have been
/// read.
///
/// # Errors
/// [`Damage`], where the old record is not usable after all.
pub fn directory<S: Source>(
    directory: &Directory<'_>,
    mut listing: Listing,
    old: Option<&Record<'_, S>>,
    purpose: Purpose,
    progress: &mut dyn FnMut(usize),
) -> Result<Scanned, Damage> {
    purpose.arrange(&mut listing);
    let path = directory.path();
    let base = egg_base(path.as_os_str().as_bytes());
    let to_read = |sighting: &&mut Sighting| sighting.same_as.is_none() || old.is_none();
    let mut unknown: Vec<&mut Sighting> = listing.sightings.iter_mut().filter(to_read).collect();
    let Batch {
        drafts: read,
        arena,
    } = reading::read_all(directory, &mut unknown, base, progress);
    let mut scan = Scan::new(directory, arena, old)?;
    let mut read = read.into_iter();
    let mut drafts = Vec::with_capacity(listing.sightings.len());
    for sighting in &listing.sightings {
        let draft = match (sighting.same_as, old) {
            (Some(number), Some(old)) => Some(scan.reuse(sighting, old, number)?),
            _ => match read.next() {
                Some((draft, report)) => Some(scan.take(draft, report, sighting, old)?),
                None => None,
            },
        };
        if let Some(mut draft) = draft {
            draft.entry_points_file.mtime = purpose.mtime(draft.entry_points_file.mtime);
            drafts.push(draft);
        }
    }
    drop(read);
    scan.note_removed(&listing, old)?;
    let unread = drafts
        .iter()
        .any(|draft| draft.flags & distribution_flag::UNREAD != 0);
    let flags = record_flags(&listing, purpose, unread);
    let stamps = listing.stamps;
    drop(listing);
    let record = encode(path, flags, stamps, drafts, &scan.arena);
    let Scan {
        warnings,
        read,
        reused,
        differences,
        ..
    } = scan;
    Ok(Scanned {
        record,
        warnings,
        read,
        reused,
        differences,
    })
}

/// The record of distributions in the order in which the directory lists them.
fn encode(
    path: &Path,
    flags: u32,
    stamps: (Stamp, Stamp),
    mut drafts: Vec<DistributionDraft>,
    arena: &EntryArena,
) -> EncodedRecord {
    let base = egg_base(path.as_os_str().as_bytes());
    let names: Vec<_> = drafts
        .iter()
        .filter_map(|draft| recognise(&draft.file_name, base))
        .collect();
    let arrangement = order::arrangement(&names, &drafts);
    drop(names);
    order::apply(&arrangement, &mut drafts);
    drop(arrangement);
    EncodedRecord::new(path, flags, stamps, drafts, arena)
}

fn record_flags(listing: &Listing, purpose: Purpose, unread: bool) -> u32 {
    let flag = |set, flag| if set { flag } else { 0 };
    flag(is_silent(listing), record_flag::SILENT)
        | flag(purpose != Purpose::Running, record_flag::SORTED)
        | flag(unread, record_flag::UNREAD)
}

/// The record of a search directory that is not there.
#[must_use]
pub fn missing(path: &Path) -> EncodedRecord {
    let unknown = (Stamp::UNKNOWN, Stamp::UNKNOWN);
    EncodedRecord::new(
        path,
        record_flag::MISSING,
        unknown,
        Vec::new(),
        &EntryArena::default(),
    )
}

fn warnings_of(directory: &Directory<'_>, file_name: &[u8], report: Report) -> Vec<Warning> {
    let warning = |(file, text): (&str, String)| {
        let mut path = directory.path().join(OsStr::from_bytes(file_name));
        if !file.is_empty() {
            path.push(file);
        }
        Warning { path, text }
    };
    report.problems.into_iter().map(warning).collect()
}

/// A scan under way.
struct Scan<'d> {
    directory: &'d Directory<'d>,
    arena: EntryArena,
    /// The old record's groups by number.
    groups: Vec<String>,
    warnings: Vec<Warning>,
    read: usize,
    reused: usize,
    differences: Vec<Difference>,
}

impl<'d> Scan<'d> {
    fn new<S: Source>(
        directory: &'d Directory<'d>,
        arena: EntryArena,
        old: Option<&Record<'_, S>>,
    ) -> Result<Self, Damage> {
        let groups = match old {
            Some(old) => old
                .groups()
                .map(|group| Ok(group?.name))
                .collect::<Result<Vec<_>, Damage>>()?,
            None => Vec::new(),
        };
        Ok(Self {
            directory,
            arena,
            groups,
            warnings: Vec::new(),
            read: 0,
            reused: 0,
            differences: Vec::new(),
        })
    }

    /// Takes a distribution from the old record as it is, but for its times: a copy has others.
    fn reuse<S: Source>(
        &mut self,
        sighting: &Sighting,
        old: &Record<'_, S>,
        number: u32,
    ) -> Result<DistributionDraft, Damage> {
        let distribution = old.distribution(number)?;
        let entries = old
            .entries_of(&distribution)
            .collect::<Result<Vec<_>, _>>()?;
        let groups = &self.groups;
        let entries = self.arena.add(entries.iter().map(|entry| {
            let group = groups.get(entry.group as usize).map_or("", String::as_str);
            (
                group.as_bytes(),
                entry.name.as_bytes(),
                entry.value.as_bytes(),
                entry.is_malformed(),
            )
        }));
        self.reused += 1;
        Ok(DistributionDraft {
            file_name: distribution.file_name,
            key: distribution.key,
            name: distribution.name,
            version: distribution.version,
            flags: distribution.flags & !distribution_flag::SHADOWED,
            mtime: sighting.stamps.0,
            ctime: sighting.stamps.1,
            entry_points_file: distribution.entry_points_file.unwrap_or_default(),
            entries,
            place: 0,
        })
    }

    /// Takes a distribution that was read.
    fn take<S: Source>(
        &mut self,
        draft: DistributionDraft,
        report: Report,
        sighting: &Sighting,
        old: Option<&Record<'_, S>>,
    ) -> Result<DistributionDraft, Damage> {
        self.read += 1;
        let warnings = warnings_of(self.directory, &draft.file_name, report);
        self.warnings.extend(warnings);
        if let Some(old) = old {
            match sighting.recorded_as {
                None => self
                    .differences
                    .push(Difference::Added(draft.file_name.clone())),
                Some(number) => {
                    let then = old.distribution(number)?;
                    // That an unread one is read by those who may is no difference.
                    if !then.has(distribution_flag::UNREAD) && differs(&then, &draft) {
                        self.differences
                            .push(Difference::Changed(draft.file_name.clone()));
                    }
                }
            }
        }
        Ok(draft)
    }

    fn note_removed<S: Source>(
        &mut self,
        listing: &Listing,
        old: Option<&Record<'_, S>>,
    ) -> Result<(), Damage> {
        let Some(old) = old else { return Ok(()) };
        let mut still = vec![false; old.distribution_count() as usize];
        for number in listing
            .sightings
            .iter()
            .filter_map(|sighting| sighting.recorded_as)
        {
            if let Some(slot) = still.get_mut(number as usize) {
                *slot = true;
            }
        }
        for (number, _) in (0..).zip(still).filter(|(_, still)| !still) {
            self.differences
                .push(Difference::Removed(old.distribution(number)?.file_name));
        }
        Ok(())
    }
}

/// Whether what was read now says something else than the record does; times do not count.
fn differs(then: &Distribution, now: &DistributionDraft) -> bool {
    let file = (now.flags & distribution_flag::HAS_ENTRY_POINTS != 0)
        .then_some((now.entry_points_file.size, now.entry_points_file.digest));
    let ignored = distribution_flag::SHADOWED | distribution_flag::WARNED;
    then.key != now.key
        || then.name != now.name
        || then.version != now.version
        || then.flags & !ignored != now.flags & !ignored
        || then.entry_points_file.map(|file| (file.size, file.digest)) != file
}

#[cfg(test)]
mod tests;
