//! Are the files that a distribution was read from still those that were recorded?
//!
//! In come the rows of the file table and the metadata directory as it is now. A file without a row
//! that would have been read has to be absent. Nothing is read but sizes and times.

use nix::sys::stat::FileStat;

use crate::index::format::{distribution_flag, file_kind};
use crate::index::{Damage, FileFacts, Outline, Record, Source, Stamp};
use crate::rooted::{Directory, FileType, file_type};

/// Which files count, and what makes them the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// `entry_points.txt`, in a copy of what was recorded: size and mtime, to the second.
    EntryPointsOfCopy,
    /// Each file, in a copy.
    Copy,
    /// Each file: size, mtime and ctime.
    Exact,
}

/// Whether they are the same, as far as they count. What was not readable is not compared: it is
/// read again anyway.
pub(super) fn are_unmoved<S: Source>(
    record: &Record<'_, S>,
    then: &Outline<'_>,
    directory: &Directory<'_>,
    care: Care,
) -> Result<bool, Damage> {
    if then.has(distribution_flag::UNREAD) {
        return Ok(true);
    }
    let recorded: Vec<FileFacts> = record.files_of(then).collect::<Result<_, _>>()?;
    let entry_points = [file_kind::ENTRY_POINTS];
    let kinds = match care {
        Care::EntryPointsOfCopy => entry_points.to_vec(),
        Care::Copy | Care::Exact => looked_for(then, &recorded),
    };
    let is_unmoved = |kind: u16| {
        let now = match kind {
            file_kind::ITSELF => directory.stat_entry(&then.file_name),
            _ => directory.stat_file(&then.file_name, file_kind::name(kind)),
        };
        match (recorded.iter().find(|file| file.kind == kind), now) {
            (Some(file), Ok(stat)) => is_same(*file, &stat, care),
            (Some(_), Err(_)) => false,
            // A directory is no content.
            (None, Ok(stat)) => file_type(&stat) != FileType::Regular,
            (None, Err(_)) => true,
        }
    };
    Ok(kinds.into_iter().all(is_unmoved))
}

fn is_same(then: FileFacts, now: &FileStat, care: Care) -> bool {
    let (mtime, ctime) = (Stamp::modified(now), Stamp::changed(now));
    u64::try_from(now.st_size).ok() == Some(u64::from(then.size))
        && match care {
            Care::Exact => mtime.same(then.stamps.0) && ctime.same(then.stamps.1),
            Care::Copy | Care::EntryPointsOfCopy => mtime.same_second(then.stamps.0),
        }
}

/// The kinds of all files that were looked for, whether they were there or not.
fn looked_for(then: &Outline<'_>, recorded: &[FileFacts]) -> Vec<u16> {
    // What a later version has added is not for this one to look at.
    let kinds = recorded.iter().map(|file| file.kind);
    let mut kinds: Vec<u16> = kinds.filter(|&kind| kind <= file_kind::SOURCES).collect();
    if kinds.contains(&file_kind::ITSELF) {
        return kinds;
    }
    let has_content = |kind| {
        recorded
            .iter()
            .any(|file| file.kind == kind && file.size > 0)
    };
    let mut add = |kind, is_looked_for| {
        if is_looked_for && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    };
    add(file_kind::ENTRY_POINTS, true);
    add(file_kind::METADATA, true);
    add(file_kind::PKG_INFO, !has_content(file_kind::METADATA));
    let known = !then.has(distribution_flag::REQUIREMENTS_UNKNOWN);
    let without = !then.has(distribution_flag::HAS_REQUIREMENTS);
    add(file_kind::REQUIRES, known && without);
    if !then.has(distribution_flag::IMPORTS_UNKNOWN) {
        // Of the four that stand in for one another, those up to the one that answered.
        let answered = then.import_source().unwrap_or(file_kind::SOURCES);
        for kind in file_kind::TOP_LEVEL..=answered {
            add(kind, true);
        }
    }
    kinds
}
