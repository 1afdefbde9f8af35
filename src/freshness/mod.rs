//! Whether a record is still true. A wrong answer is worse than a slow one.
//!
//! The input is a record of an index, and the directory that it describes. The output is "fresh",
//! or what exists now and which of it is as recorded. `query`, `status` and the incremental scan
//! all use this room, and `docs/specification/trust.md` gives other readers the same rules.
//!
//! Times are compared for equality, never for "newer than", because packages contain their files'
//! times. A different time does not mean *stale* but *look closer*. The caller reads and compares
//! everything that seems changed. This room only reads directories and times.

mod files;
mod listing;
mod names;
mod recall;

use std::collections::HashMap;
use std::io;
use std::path::Path;

use crate::index::format::{distribution_flag, record_flag};
use crate::index::{Damage, Outline, Record, Source, Stamp};
use crate::rooted::{Directory, Root};
use files::Care;

pub use listing::{LeftOut, Listing, Sighting};
pub use names::Names;
pub use recall::Recall;

pub use crate::rooted::is_missing;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// At the directory. For records of up to [`AUTO_LIMIT`] metadata directories also at each of
    /// these, because an upgrade in place changes only the inner one.
    #[default]
    Auto,
    /// Only at the directory.
    Fast,
    /// The directory, each of its metadata directories, and each file that these were read from.
    Strict,
    /// At nothing: the caller knows that nothing changes.
    Trust,
}

impl Level {
    /// The level by its word, as on the command line.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "fast" => Some(Self::Fast),
            "strict" => Some(Self::Strict),
            "trust" => Some(Self::Trust),
            _ => None,
        }
    }
}

/// The most metadata directories for which [`Level::Auto`] looks at each.
pub const AUTO_LIMIT: u32 = 1000;

/// What is known of the index of the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances {
    /// A refresh has failed since it was written.
    pub suspect: bool,
    /// The device of its file system, if that is mounted read-only.
    pub read_only_device: Option<u64>,
}

/// The result for a record.
#[derive(Debug)]
pub enum Verdict {
    /// It is still true.
    Fresh,
    /// What exists now. Each sighting says whether it is as recorded. A record with the same names,
    /// all as recorded, is fresh too, in any order.
    LookCloser(Listing),
}

/// Why freshness is not known.
#[derive(Debug, thiserror::Error)]
pub enum FreshnessError {
    /// The index is damaged.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The directory cannot be looked at.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Whether `record`, of an index in these circumstances, is still true of the directory at `path`.
///
/// # Errors
/// [`FreshnessError`].
pub fn check<S: Source>(
    record: &Record<'_, S>,
    level: Level,
    circumstances: Circumstances,
    root: &Root,
    path: &Path,
) -> Result<Verdict, FreshnessError> {
    if level == Level::Trust {
        return Ok(Verdict::Fresh);
    }
    let directory = match root.open_dir(path) {
        Ok(directory) => directory,
        Err(error) if is_missing(&error) => return Ok(missing_now(record)),
        Err(error) => return Err(error.into()),
    };
    let look_at_each = match level {
        Level::Strict => true,
        Level::Auto => record.distribution_count() <= AUTO_LIMIT,
        Level::Fast | Level::Trust => false,
    };
    let strict = level == Level::Strict;
    let times = Times::of(record, circumstances, &directory, strict)?;
    if times.directory_unmoved
        && times.speak
        && !circumstances.suspect
        && !record.has(record_flag::UNREAD)
        && (!look_at_each || each_is_unmoved(record, &times, &directory)?)
    {
        return Ok(Verdict::Fresh);
    }
    let mut listing = Listing::now(&directory)?;
    match_names(record, &times, &directory, &mut listing)?;
    Ok(Verdict::LookCloser(listing))
}

/// What the directory's times are worth.
struct Times {
    directory_unmoved: bool,
    directory_changed: bool,
    /// Whether equal times mean that nothing has changed. On an image they do not, because its
    /// maker sets them, unless the index is part of the same image.
    speak: bool,
    /// Whether times say anything at all. A sorted record has no ctimes, and any user can set
    /// mtimes. So its times count only on the read-only file system that the index itself is on.
    count: bool,
    same_image: bool,
    /// Whether a refresh has failed. Then only times that show changes count.
    suspect: bool,
    /// Whether each file counts as well.
    strict: bool,
}

impl Times {
    fn of<S: Source>(
        record: &Record<'_, S>,
        circumstances: Circumstances,
        directory: &Directory<'_>,
        strict: bool,
    ) -> Result<Self, FreshnessError> {
        let stat = directory.stat()?;
        let now = (Stamp::modified(&stat), Stamp::changed(&stat));
        let silent = record.has(record_flag::SILENT);
        let sorted = record.has(record_flag::SORTED);
        // No kernel with nanoseconds sets times to whole seconds, but an archive does.
        let whole = now.1.is_whole_second();
        // In ostree all files have mtime 0, and the ctimes of their checkout.
        let timeless = is_beginning(now.0);
        let device = if silent || whole || timeless || sorted {
            directory.read_only_device()?
        } else {
            None
        };
        let same_device = device.is_some() && device == circumstances.read_only_device;
        let same_image = same_device && (silent || whole || timeless);
        let count = same_device || !sorted;
        Ok(Self {
            directory_unmoved: same(now, record.stamps()),
            directory_changed: !now.1.same(record.stamps().1),
            speak: count && (same_image || !(silent || whole && device.is_some())),
            count,
            same_image,
            suspect: circumstances.suspect,
            strict,
        })
    }

    /// Whether the files of a metadata directory whose own times are the same are those that were
    /// recorded, where that counts.
    fn files_are_unmoved<S: Source>(
        &self,
        record: &Record<'_, S>,
        then: &Outline<'_>,
        directory: &Directory<'_>,
    ) -> Result<bool, Damage> {
        Ok(!self.strict || files::are_unmoved(record, then, directory, Care::Exact)?)
    }
}

/// Whether each recorded metadata directory has its recorded times, and at level strict its files
/// too.
fn each_is_unmoved<S: Source>(
    record: &Record<'_, S>,
    times: &Times,
    directory: &Directory<'_>,
) -> Result<bool, FreshnessError> {
    for outline in record.outlines() {
        let outline = outline?;
        let Ok(stat) = directory.stat_entry(&outline.file_name) else {
            return Ok(false);
        };
        let now = (Stamp::modified(&stat), Stamp::changed(&stat));
        if !same(now, outline.stamps) || !times.files_are_unmoved(record, &outline, directory)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Marks the sightings of a listing that are as recorded.
fn match_names<S: Source>(
    record: &Record<'_, S>,
    times: &Times,
    directory: &Directory<'_>,
    listing: &mut Listing,
) -> Result<(), FreshnessError> {
    let recorded = record.outlines().collect::<Result<Vec<_>, _>>()?;
    let mut numbers: HashMap<&[u8], u32> = HashMap::with_capacity(recorded.len());
    for (number, distribution) in (0..).zip(&recorded) {
        numbers.insert(&distribution.file_name, number);
    }
    let mut matched = 0;
    for sighting in &mut listing.sightings {
        sighting.recorded_as = numbers.get(sighting.file_name.as_slice()).copied();
        matched += usize::from(sighting.recorded_as.is_some());
    }
    let same_names = matched == recorded.len() && matched == listing.sightings.len();
    let same_image = times.same_image && !times.suspect;
    let copied = same_names
        && times.count
        && times.directory_changed
        && !times.suspect
        && (same_image || !mtimes_are_silent(listing))
        && is_copy(listing, record, &recorded, times, directory)?;
    let of_one_time = is_of_one_time(listing);
    for sighting in &mut listing.sightings {
        let Some(number) = sighting.recorded_as else {
            continue;
        };
        let Some(then) = recorded.get(number as usize) else {
            continue;
        };
        if then.has(distribution_flag::UNREAD) {
            continue; // whoever may read it reads it
        }
        let unmoved = times.speak
            && same(sighting.stamps, then.stamps)
            && times.files_are_unmoved(record, then, directory)?;
        let timeless = of_one_time || is_beginning(sighting.stamps.0);
        if unmoved || copied || (same_image && timeless) {
            sighting.same_as = Some(number);
        }
    }
    Ok(())
}

/// An unpacked archive, a copy, or a relabelled tree: no ctime is the same, and every mtime is, to
/// the second. (An upgrade in place changes some, not all.) To be sure, the files' own sizes and
/// times are looked at too.
fn is_copy<S: Source>(
    listing: &Listing,
    record: &Record<'_, S>,
    recorded: &[Outline<'_>],
    times: &Times,
    directory: &Directory<'_>,
) -> Result<bool, Damage> {
    let care = if times.strict {
        Care::Copy
    } else {
        Care::EntryPointsOfCopy
    };
    for sighting in &listing.sightings {
        let then = sighting
            .recorded_as
            .and_then(|number| recorded.get(number as usize));
        let is_copy = match then {
            Some(then) => {
                !sighting.stamps.1.same(then.stamps.1)
                    && sighting.stamps.0.same_second(then.stamps.0)
                    && files::are_unmoved(record, then, directory, care)?
            }
            None => false,
        };
        if !is_copy {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the metadata directories' mtimes cannot tell a copy from an upgrade: all are equal
/// (which a single one always is), or one of them is near zero.
fn mtimes_are_silent(listing: &Listing) -> bool {
    let mut mtimes = listing.sightings.iter().map(|sighting| sighting.stamps.0);
    let first = mtimes.clone().next();
    mtimes.clone().any(is_beginning) || mtimes.all(|mtime| Some(mtime) == first)
}

/// Whether the directory and its metadata directories have one and the same mtime.
fn is_of_one_time(listing: &Listing) -> bool {
    let inner = listing.sightings.iter().map(|sighting| sighting.stamps.0);
    all_equal(std::iter::once(listing.stamps.0).chain(inner))
}

/// Whether the ctimes of a directory show no changes. No kernel gives all directories the same
/// whole second, or the year 1970, but makers of images do.
#[must_use]
pub fn is_silent(listing: &Listing) -> bool {
    let inner = listing.sightings.iter().map(|sighting| sighting.stamps.1);
    let ctimes = || std::iter::once(listing.stamps.1).chain(inner.clone());
    ctimes().any(is_beginning) || (listing.stamps.1.is_whole_second() && all_equal(ctimes()))
}

fn is_beginning(stamp: Stamp) -> bool {
    stamp != Stamp::UNKNOWN && stamp.seconds() <= 1
}

fn all_equal(mut stamps: impl Iterator<Item = Stamp>) -> bool {
    stamps.next().is_some_and(|first| {
        let mut rest = stamps.peekable();
        rest.peek().is_some() && rest.all(|stamp| stamp == first)
    })
}

fn missing_now<S: Source>(record: &Record<'_, S>) -> Verdict {
    if record.is_missing() {
        Verdict::Fresh
    } else {
        Verdict::LookCloser(Listing::default())
    }
}

fn same(now: (Stamp, Stamp), then: (Stamp, Stamp)) -> bool {
    now.0.same(then.0) && now.1.same(then.1)
}
