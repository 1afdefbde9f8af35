//! What an index's records are worth now.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::path_of;
use super::RecordStatus;
use super::words::{FRESH, STALE, UNREADABLE, UNTRUSTED};
use crate::freshness::{FreshnessError, Level};
use crate::index::format::distribution_flag;
use crate::index::{Damage, Record};
use crate::lookup::{AnySource, OpenIndex, State, examine};
use crate::rooted::Root;
use crate::scan::Difference;

/// Of the records that are asked for by one of their spellings.
pub(super) fn record_statuses(
    root: &Root,
    index: &OpenIndex,
    is_asked: &dyn Fn(&[Vec<u8>]) -> bool,
) -> Result<Vec<RecordStatus>, Damage> {
    let mut spellings: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for row in 0..index.index().directory_count() {
        let (path, record, _) = index.index().directory(row)?;
        spellings.entry(record).or_default().push(path);
    }
    let mut statuses = Vec::new();
    for (number, path) in (0..).zip(index.index().paths()?) {
        let spellings = spellings.remove(&number).unwrap_or_default();
        if !is_asked(&spellings) {
            continue;
        }
        let path = path_of(path);
        let record = index.index().record(number)?;
        let mut problems = Vec::new();
        for distribution in record.distributions() {
            let distribution = distribution?;
            let why = if distribution.has(distribution_flag::UNREAD) {
                "unread: the writer of the index may not read it"
            } else if distribution.has(distribution_flag::PROBLEM) {
                "a part of it is not usable (`epcache refresh --dry-run` says which)"
            } else {
                continue;
            };
            let name = String::from_utf8_lossy(&distribution.file_name).into_owned();
            problems.push(format!("{name}: {why}"));
        }
        let (state, why) = worth(root, index, &record, &path)?;
        statuses.push(RecordStatus {
            path: path.as_path().into(),
            state,
            missing: record.is_missing(),
            why,
            distributions: record.distribution_count(),
            entry_points: record.entry_count(),
            problems,
            spellings,
        });
    }
    Ok(statuses)
}

/// What an index's record of a search directory is worth, in a word, and why.
fn worth(
    root: &Root,
    index: &OpenIndex,
    record: &Record<'_, AnySource>,
    path: &Path,
) -> Result<(&'static str, Vec<String>), Damage> {
    if !index.may_speak_of(root, path) {
        let why = "the index belongs neither to root, nor to you, nor to the directory's owner";
        return Ok((UNTRUSTED, vec![why.into()]));
    }
    Ok(
        match examine(record, Level::Strict, index.circumstances(), root, path) {
            Ok(State::Fresh | State::Moved(_)) => (FRESH, Vec::new()),
            Ok(State::Stale(scanned)) => {
                let mut why: Vec<_> = scanned.differences.iter().map(in_words).collect();
                if why.is_empty() {
                    why.push("the directory was missing and is there now".into());
                }
                (STALE, why)
            }
            Err(FreshnessError::Io(error)) => (UNREADABLE, vec![error.to_string()]),
            Err(FreshnessError::Damage(damage)) => return Err(damage),
        },
    )
}

fn in_words(difference: &Difference) -> String {
    let (name, what) = match difference {
        Difference::Added(name) => (name, "not in the index"),
        Difference::Removed(name) => (name, "gone, but in the index"),
        Difference::Changed(name) => (name, "changed since"),
    };
    format!("{}: {what}", String::from_utf8_lossy(name))
}
