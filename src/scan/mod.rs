//! Makes one record from one search directory.
//!
//! The input is an open directory, its listing, and an old record if there is one. The output is
//! the new record, warnings about unusable parts, and the differences from the old record. Parts of
//! the old record that are still true are reused. This room does not know where the directory comes
//! from and where the record goes. It prints and writes nothing, and no content of the directory
//! can stop the scan.

pub mod budget;
mod content;
mod details;
mod distribution;
mod dropping;
mod order;
mod purpose;
mod reading;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::freshness::{LeftOut, Listing, Sighting, is_silent};
use crate::index::format::{distribution_flag, file_kind, record_flag};
use crate::index::{Damage, DistributionDraft, Drafts, EncodedRecord, Record, Source, Stamp};
use crate::metadata::directory_name::{egg_base, recognise};
use crate::rooted::Directory;

use budget::{Budget, CONTENT_LIMIT, Cost, ENTRIES_LIMIT, LISTED_LIMIT, TEXT_LIMIT};
pub use content::Extent;
use distribution::Report;
use dropping::Dropped;
pub use purpose::Purpose;
use reading::Reader;

/// A metadata directory or file that is not usable, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The metadata directory or file.
    pub path: PathBuf,
    /// What is wrong with it, and the consequence.
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

/// The result of scanning one search directory.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The record.
    pub record: EncodedRecord,
    /// What is not usable.
    pub warnings: Vec<Warning>,
    /// The number of metadata directories that were read.
    pub read: usize,
    /// The number of metadata directories that were taken from the old record.
    pub reused: usize,
    /// What differs from the old record, if there was one.
    pub differences: Vec<Difference>,
}

/// Scans a search directory. If there is an old record, everything that the listing shows to be
/// unchanged is taken from it, and all else is read. The result is the same as if everything had
/// been read. The cost is subtracted from the budget, of which the rest may serve another search
/// directory. `progress` is called from time to time with the number of metadata directories read.
///
/// # Errors
/// [`Damage`], if the old record turns out to be unusable.
pub fn directory<S: Source>(
    directory: &Directory<'_>,
    mut listing: Listing,
    old: Option<&Record<'_, S>>,
    (purpose, extent): (Purpose, Extent),
    budget: &mut Budget,
    progress: &mut dyn FnMut(usize),
) -> Result<Scanned, Damage> {
    purpose.arrange(&mut listing);
    let path = directory.path();
    let reader = Reader {
        directory,
        egg_base: egg_base(path.as_os_str().as_bytes()),
        limits: *budget,
        extent,
    };
    let mut kept = costs_of_kept(old, &listing)?;
    let (read, dropped, cost) = reader.read_all(&mut listing, &mut kept, progress);
    budget.pay(cost);
    let mut scanned = Scanned {
        read: read.len() - dropped.unread.count(),
        reused: listing.sightings.len() - read.len(),
        ..Scanned::default()
    };
    let of_left_out = warning_of_left_out(directory, &listing.left_out);
    scanned.warnings.extend(of_left_out);
    scanned
        .warnings
        .extend(warnings_of_dropped(directory, &dropped));
    let then = old.map(Drafts::of).transpose()?;
    let flags = record_flags(&listing, purpose);
    let whole = match (old, &then) {
        (Some(old), Some(then)) if old.flags() & !OF_DISTRIBUTIONS == flags => {
            is_as_recorded(old, then, &listing, &read)?.then_some(old)
        }
        _ => None,
    };
    let mut read = read.into_iter();
    let mut drafts = Vec::with_capacity(listing.sightings.len());
    for sighting in &listing.sightings {
        let draft = match (sighting.same_as, &then) {
            (Some(_), _) if whole.is_some() => continue,
            (Some(number), Some(then)) => DistributionDraft {
                // The times of a copy differ.
                mtime: sighting.stamps.0,
                ctime: sighting.stamps.1,
                ..then.draft(number)?
            },
            _ => {
                let Some((draft, report)) = read.next() else {
                    continue;
                };
                let warnings = warnings_of(directory, &draft.file_name, report);
                scanned.warnings.extend(warnings);
                if let Some(then) = &then {
                    let difference = difference(then, sighting, &draft)?;
                    scanned.differences.extend(difference);
                }
                draft
            }
        };
        drafts.push(draft);
    }
    for draft in &mut drafts {
        for file in &mut draft.files {
            file.stamps = purpose.stamps(file.stamps);
        }
    }
    if let Some(old) = old {
        scanned.differences.extend(removed(old, &listing)?);
    }
    scanned.record = match whole {
        Some(old) => EncodedRecord::taken_over(old, path, listing.stamps)?,
        None => encode(path, flags, listing.stamps, drafts),
    };
    Ok(scanned)
}

/// The cost of each distribution that is reused from the old record. `None` for all others.
fn costs_of_kept<S: Source>(
    old: Option<&Record<'_, S>>,
    listing: &Listing,
) -> Result<Vec<Option<Cost>>, Damage> {
    let mut costs = Vec::new();
    if let Some(old) = old {
        for outline in old.outlines() {
            let outline = outline?;
            let mut cost = Cost {
                entries: outline.entries.into(),
                text: outline.text.into(),
                ..Cost::default()
            };
            for file in old.files_of(&outline) {
                let file = file?;
                match file.kind {
                    file_kind::ENTRY_POINTS => cost.content += u64::from(file.size),
                    file_kind::RECORD..=file_kind::SOURCES => {
                        cost.listed += details::list_cost(file.size.into())
                    }
                    _ => {}
                }
            }
            costs.push(cost);
        }
    }
    let cost = |sighting: &Sighting| costs.get(sighting.same_as? as usize).copied();
    Ok(listing.sightings.iter().map(cost).collect())
}

/// Whether the listing and what was read are equal to the record, to the last byte.
fn is_as_recorded<S: Source>(
    old: &Record<'_, S>,
    then: &Drafts<'_, '_, S>,
    listing: &Listing,
    read: &[(DistributionDraft, Report)],
) -> Result<bool, Damage> {
    if listing.sightings.len() != old.distribution_count() as usize {
        return Ok(false);
    }
    let mut read = read.iter();
    for ((number, sighting), outline) in (0..).zip(&listing.sightings).zip(old.outlines()) {
        let is_same = match (sighting.same_as, read.as_slice()) {
            (Some(same), _) => same == number && sighting.stamps == outline?.stamps,
            (None, [(draft, _), ..]) => {
                read.next();
                sighting.recorded_as == Some(number) && *draft == then.draft(number)?
            }
            (None, []) => false,
        };
        if !is_same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The record of distributions in the order in which the directory lists them.
fn encode(
    path: &Path,
    mut flags: u32,
    stamps: (Stamp, Stamp),
    mut drafts: Vec<DistributionDraft>,
) -> EncodedRecord {
    if drafts
        .iter()
        .any(|it| it.flags & distribution_flag::UNREAD != 0)
    {
        flags |= record_flag::UNREAD;
    }
    let base = egg_base(path.as_os_str().as_bytes());
    let names: Vec<_> = drafts
        .iter()
        .filter_map(|draft| recognise(&draft.file_name, base))
        .collect();
    let arrangement = order::arrangement(&names, &drafts);
    let mut pairs = names.iter().zip(&drafts);
    if pairs.any(|(name, draft)| name.lookup_key() != draft.key) {
        flags |= record_flag::ODD;
    }
    drop(names);
    order::apply(&arrangement, &mut drafts);
    drop(arrangement);
    EncodedRecord::new(path, flags, stamps, &drafts)
}

/// The flags of a record that depend on its distributions.
const OF_DISTRIBUTIONS: u32 = record_flag::UNREAD | record_flag::ODD;

fn record_flags(listing: &Listing, purpose: Purpose) -> u32 {
    let flag = |set, flag| if set { flag } else { 0 };
    flag(is_silent(listing), record_flag::SILENT)
        | flag(purpose != Purpose::Running, record_flag::SORTED)
}

/// The record of a search directory that does not exist.
#[must_use]
pub fn missing(path: &Path) -> EncodedRecord {
    let unknown = (Stamp::UNKNOWN, Stamp::UNKNOWN);
    EncodedRecord::new(path, record_flag::MISSING, unknown, &[])
}

/// The warning about metadata directories that are not listed.
fn warning_of_left_out(directory: &Directory<'_>, left_out: &LeftOut) -> Option<Warning> {
    let others = match left_out.count {
        0 => return None,
        1 => String::new(),
        count => format!(", as are {} more of such names", count - 1),
    };
    Some(Warning {
        path: directory.path().join(OsStr::from_bytes(&left_out.first)),
        text: format!("a control character in its name, left out{others}"),
    })
}

/// The warning about metadata directories beyond the budget.
fn warnings_of_dropped(
    directory: &Directory<'_>,
    dropped: &Dropped,
) -> impl Iterator<Item = Warning> {
    let path = directory.path();
    let sets = [
        (
            &dropped.unread,
            format!(
                "{} MiB or {ENTRIES_LIMIT} entry points",
                CONTENT_LIMIT >> 20
            ),
            "left unread",
        ),
        (
            &dropped.bare,
            format!(
                "{} MiB of lists of files or {} MiB of requirements and import names",
                LISTED_LIMIT >> 20,
                TEXT_LIMIT >> 20
            ),
            "requirements and import names left out",
        ),
    ];
    let sets = sets.into_iter().filter(|(set, ..)| set.count() > 0);
    sets.map(|(set, limits, what)| Warning {
        path: path.join(OsStr::from_bytes(&set.largest)),
        text: format!(
            "{what}, the largest of {}: together, or with others that .pth files add, they have more than \
             {limits}",
            set.count()
        ),
    })
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

/// How the distribution that was read differs from the old record.
fn difference<S: Source>(
    then: &Drafts<'_, '_, S>,
    sighting: &Sighting,
    now: &DistributionDraft,
) -> Result<Option<Difference>, Damage> {
    let file_name = now.file_name.clone();
    let Some(number) = sighting.recorded_as else {
        return Ok(Some(Difference::Added(file_name)));
    };
    let then = then.draft(number)?;
    // It is not a difference that readers with access read an unread one.
    let differs = then.flags & distribution_flag::UNREAD == 0 && !says_the_same(&then, now);
    Ok(differs.then_some(Difference::Changed(file_name)))
}

/// Distributions that only the old record has.
fn removed<S: Source>(old: &Record<'_, S>, listing: &Listing) -> Result<Vec<Difference>, Damage> {
    let recorded = listing.sightings.iter().filter_map(|it| it.recorded_as);
    let still: HashSet<u32> = recorded.collect();
    let gone = (0..old.distribution_count()).filter(|number| !still.contains(number));
    gone.map(|number| Ok(Difference::Removed(old.distribution(number)?.file_name)))
        .collect()
}

/// Whether what was read now has the same content as the record. Times and sizes do not count, nor
/// what one of them does not know, nor flags that this program does not know.
fn says_the_same(then: &DistributionDraft, now: &DistributionDraft) -> bool {
    use distribution_flag::{
        HAS_REQUIREMENTS, IMPORT_SOURCE, IMPORTS_UNKNOWN, OF_CONTENT, REQUIREMENTS_UNKNOWN,
    };
    let unknown = then.flags | now.flags;
    let mut flags = OF_CONTENT & !(REQUIREMENTS_UNKNOWN | IMPORTS_UNKNOWN);
    let (requirements_count, imports_count) = (
        unknown & REQUIREMENTS_UNKNOWN == 0,
        unknown & IMPORTS_UNKNOWN == 0,
    );
    if !requirements_count {
        flags &= !HAS_REQUIREMENTS;
    }
    if !imports_count {
        flags &= !IMPORT_SOURCE;
    }
    then.flags & flags == now.flags & flags
        && then.key == now.key
        && then.name == now.name
        && then.version == now.version
        && (!requirements_count || then.requirements == now.requirements)
        && (!imports_count || then.imports == now.imports)
        && then.entries == now.entries
}
