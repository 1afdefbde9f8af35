//! Joins records along `sys.path`, as `importlib.metadata.entry_points()` does.
//!
//! The input is the records in `sys.path` order. The output is entry points in CPython's order
//! (importlib_metadata 10): first all distributions with core metadata, in `sys.path` order and in
//! each directory in its order, then those without. Of those with one name the first counts.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;

use super::{Answers, AnySource};
use crate::index::format::distribution_flag::{HAS_METADATA, SHADOWED};
use crate::index::{Damage, Distribution, Entry, Record};
use crate::metadata::object_reference::is_well_formed;

/// An entry point of an installed distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// Its group.
    pub group: Rc<str>,
    /// Its name.
    pub name: String,
    /// Its object reference.
    pub value: String,
    /// Whether the object reference is malformed.
    pub malformed: bool,
    /// The distribution that declares it. All of its entry points share it: one file may declare
    /// half a million.
    pub distribution: Rc<Provider>,
}

/// A distribution that has entry points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name. Bytes, because it may come from a file name.
    pub name: Vec<u8>,
    /// Its version. Bytes, because it may come from a file name.
    pub version: Vec<u8>,
    /// The metadata directory.
    pub path: PathBuf,
}

/// The entry points of a group, or of all groups, as `entry_points()` would return them, in its
/// order.
///
/// # Errors
/// [`Damage`], and the number of the search directory whose damaged record it is.
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
        let group: Rc<str> = group.into();
        let mut found = Vec::new();
        // Entry points of one distribution follow each other.
        let mut last: Option<(u32, Option<Rc<Provider>>)> = None;
        for entry in record.entries(&run) {
            let entry = entry.map_err(at)?;
            if self.name.is_some_and(|name| entry.name != name) {
                continue;
            }
            let provider = match last.take() {
                Some((number, provider)) if number == entry.distribution => provider,
                _ => {
                    let distribution = record.distribution(entry.distribution).map_err(at)?;
                    let counts = distribution.has(HAS_METADATA) == with_metadata
                        && !distribution.has(SHADOWED)
                        && !self.is_shadowed(number, &distribution)?;
                    counts.then(|| self.provider(number, distribution))
                }
            };
            last = Some((entry.distribution, provider.clone()));
            if let Some(provider) = provider {
                found.push(entry_point(group.clone(), entry, provider));
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
        let groups = record
            .groups()
            .map(|group| Ok(Rc::from(group?.name)))
            .collect::<Result<Vec<Rc<str>>, Damage>>()
            .map_err(at)?;
        let mut done: HashSet<Vec<u8>> = HashSet::new();
        let mut found = Vec::new();
        for distribution in record.distributions() {
            let distribution = distribution.map_err(at)?;
            // The chosen twin has the place of the first one like it.
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
            done.insert(chosen.key.clone());
            if chosen.entry_count() > 0 && !self.is_shadowed(number, &chosen)? {
                let entries = record.entries_of(&chosen);
                let provider = self.provider(number, chosen);
                for entry in entries {
                    let (group, entry) = entry.map_err(at)?;
                    let group = groups.get(group as usize).cloned();
                    found.push(entry_point(
                        group.unwrap_or_default(),
                        entry,
                        provider.clone(),
                    ));
                }
            }
        }
        self.found.append(&mut found);
        Ok(())
    }

    /// Whether a distribution of another search directory counts instead of this one: an earlier
    /// one, or, if this one has no core metadata, any one that has.
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

    fn provider(&self, number: usize, distribution: Distribution) -> Rc<Provider> {
        let directory = self.records.get(number).map(|(path, _)| *path);
        let file_name = OsStr::from_bytes(&distribution.file_name);
        Rc::new(Provider {
            path: directory.unwrap_or("".as_ref()).join(file_name),
            name: distribution.name,
            version: distribution.version,
        })
    }
}

fn entry_point(group: Rc<str>, entry: Entry, distribution: Rc<Provider>) -> EntryPoint {
    EntryPoint {
        group,
        malformed: !is_well_formed(&entry.value),
        name: entry.name,
        value: entry.value,
        distribution,
    }
}
