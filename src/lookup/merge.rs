//! Records put together along `sys.path`, as `importlib.metadata.entry_points()` does it.
//!
//! CPython's order (importlib_metadata 10): all distributions with core metadata, in `sys.path` order
//! and within a directory in its order; then those without; of those of one name the first counts.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{Answers, AnySource};
use crate::index::format::distribution_flag::{HAS_METADATA, SHADOWED};
use crate::index::{Damage, Distribution, Entry, Record};

/// An entry point of an installed distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Its object reference.
    pub value: String,
    /// Whether the object reference breaks the grammar.
    pub malformed: bool,
    /// The distribution's name; bytes, since it may come from a file name.
    pub distribution: Vec<u8>,
    /// The distribution's version; likewise.
    pub version: Vec<u8>,
    /// The metadata directory.
    pub path: PathBuf,
}

/// The entry points of a group, or of all, that `entry_points()` would return, in its order.
///
/// # Errors
/// [`Damage`], and the number of the search directory whose record has it.
pub fn entry_points(
    answers: &Answers<'_>,
    group: Option<&str>,
    name: Option<&str>,
) -> Result<Vec<EntryPoint>, (usize, Damage)> {
    let mut records = Vec::with_capacity(answers.len());
    for number in 0..answers.len() {
        records.push(answers.record(number).map_err(|damage| (number, damage))?);
    }
    let mut merge = Merge {
        records,
        name,
        found: Vec::new(),
    };
    for with_metadata in [true, false] {
        for number in 0..merge.records.len() {
            match group {
                Some(group) => merge.add_group(number, with_metadata, group)?,
                None => merge.add_all(number, with_metadata)?,
            }
        }
    }
    Ok(merge.found)
}

struct Merge<'a> {
    records: Vec<(&'a std::path::Path, Record<'a, AnySource>)>,
    name: Option<&'a str>,
    found: Vec<EntryPoint>,
}

impl Merge<'_> {
    fn add_group(
        &mut self,
        number: usize,
        with_metadata: bool,
        group: &str,
    ) -> Result<(), (usize, Damage)> {
        let Some((_, record)) = self.records.get(number) else {
            return Ok(());
        };
        let at = |damage| (number, damage);
        let Some(run) = record.group(group).map_err(at)? else {
            return Ok(());
        };
        let mut found = Vec::new();
        for entry in record.entries(&run) {
            let entry = entry.map_err(at)?;
            let wanted = entry.has_metadata() == with_metadata
                && self.name.is_none_or(|name| entry.name == name);
            if wanted {
                let distribution = record.distribution(entry.distribution).map_err(at)?;
                if !self.is_shadowed(number, &distribution)? {
                    found.push(self.entry_point(number, group, entry, &distribution));
                }
            }
        }
        self.found.append(&mut found);
        Ok(())
    }

    fn add_all(&mut self, number: usize, with_metadata: bool) -> Result<(), (usize, Damage)> {
        let Some((_, record)) = self.records.get(number) else {
            return Ok(());
        };
        let at = |damage| (number, damage);
        let groups = record.groups().collect::<Result<Vec<_>, _>>().map_err(at)?;
        let mut done: HashSet<Vec<u8>> = HashSet::new();
        let mut found = Vec::new();
        for distribution in record.distributions() {
            let distribution = distribution.map_err(at)?;
            // The chosen twin stands where the first one like it is listed.
            if distribution.has(HAS_METADATA) != with_metadata || done.contains(&distribution.key) {
                continue;
            }
            let chosen = if distribution.has(SHADOWED) {
                match record.chosen(&distribution.key).map_err(at)? {
                    Some(chosen) if chosen.has(HAS_METADATA) == with_metadata => chosen,
                    _ => continue,
                }
            } else {
                distribution
            };
            if chosen.entry_count() > 0 && !self.is_shadowed(number, &chosen)? {
                for entry in record.entries_of(&chosen) {
                    let entry = entry.map_err(at)?;
                    let group = groups
                        .get(entry.group as usize)
                        .map_or("", |group| &group.name);
                    found.push(self.entry_point(number, group, entry, &chosen));
                }
            }
            done.insert(chosen.key);
        }
        self.found.append(&mut found);
        Ok(())
    }

    /// Whether a distribution of another search directory counts in this one's place: an earlier one,
    /// or, where this one has no core metadata, any one that has.
    fn is_shadowed(
        &self,
        number: usize,
        distribution: &Distribution,
    ) -> Result<bool, (usize, Damage)> {
        let with_metadata = distribution.has(HAS_METADATA);
        for (other, (_, record)) in self.records.iter().enumerate() {
            if other == number || (other > number && with_metadata) {
                continue;
            }
            let twin = record
                .chosen(&distribution.key)
                .map_err(|damage| (other, damage))?;
            let shadows = twin
                .is_some_and(|twin| twin.has(HAS_METADATA) || (other < number && !with_metadata));
            if shadows {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn entry_point(
        &self,
        number: usize,
        group: &str,
        entry: Entry,
        distribution: &Distribution,
    ) -> EntryPoint {
        let directory = self
            .records
            .get(number)
            .map(|(path, _)| *path)
            .unwrap_or(OsStr::new("").as_ref());
        EntryPoint {
            group: group.to_owned(),
            malformed: entry.is_malformed(),
            name: entry.name,
            value: entry.value,
            distribution: distribution.name.clone(),
            version: distribution.version.clone(),
            path: directory.join(OsStr::from_bytes(&distribution.file_name)),
        }
    }
}
