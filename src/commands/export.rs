//! `epcache export`: the whole content of an index, for programs that do not read its format.
//!
//! The input is an index, the output is JSON.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::{CommandError, Done, SUCCESS, configuration, failed, say_what_hangs};
use crate::cli::ExportArgs;
use crate::environment::Environment;
use crate::index::format::distribution_flag;
use crate::index::{Damage, Distribution, Index, Record};
use crate::json::JsonText;
use crate::lookup::{AnySource, OpenIndex, Unusable, places};
use crate::metadata::object_reference::is_well_formed;
use crate::rooted::Root;
use crate::terminal::Output;

pub(crate) fn run(arguments: &ExportArgs) -> Done {
    let root = Root::system();
    let watched = say_what_hangs();
    let path = match &arguments.index {
        Some(path) => path.clone(),
        None => usual_index(&root)?,
    };
    let named = |damage: Damage| failed(format!("{}: {damage}", path.display()));
    let (file, _) = root.open_file(&path).map_err(|error| named(error.into()))?;
    let index = Index::open(Box::new(file) as AnySource).map_err(named)?;
    let paths = index.paths().map_err(named)?;
    let directories = (0..)
        .zip(paths)
        .map(|(number, path)| Directory::of(&index, number, path))
        .collect::<Result<Vec<_>, _>>()
        .map_err(named)?;
    drop(watched);
    let mut output = Output::stdout();
    output.json(&Export {
        format: "epcache-export",
        version: 1,
        directories,
    })?;
    output.flush()?;
    Ok(SUCCESS)
}

/// The first trusted index in the usual places. A named index is used without this check.
fn usual_index(root: &Root) -> Result<PathBuf, CommandError> {
    let environment = Environment::of_process();
    let config = configuration(root);
    for (kind, path) in places(root, &environment, environment.venv.as_deref(), &config) {
        match OpenIndex::open(root, &path, kind) {
            Err(Unusable::Missing) => {}
            Err(error @ Unusable::Untrusted(_)) => {
                log::warn!("{}: index not used: {error}", path.display());
            }
            // Commands that read from the other ones report what is wrong with them.
            _ => return Ok(path),
        }
    }
    Err(failed(
        "there is no index in any of the usual places; use --index FILE",
    ))
}

#[derive(Serialize)]
struct Export {
    format: &'static str,
    version: u32,
    directories: Vec<Directory>,
}

#[derive(Serialize)]
struct Directory {
    path: JsonText,
    aliases: Vec<JsonText>,
    missing: bool,
    distributions: Vec<ExportedDistribution>,
}

#[derive(Serialize)]
struct ExportedDistribution {
    name: JsonText,
    version: JsonText,
    metadata_directory: JsonText,
    shadowed: bool,
    has_metadata: bool,
    unread: bool,
    problem: bool,
    entry_points: Vec<ExportedEntry>,
}

#[derive(Serialize)]
struct ExportedEntry {
    group: String,
    name: String,
    value: String,
    malformed: bool,
}

impl Directory {
    fn of(index: &Index<AnySource>, number: u32, path: Vec<u8>) -> Result<Self, Damage> {
        let record = index.record(number)?;
        let mut aliases = Vec::new();
        for row in 0..index.directory_count() {
            let (alias, of, is_alias) = index.directory(row)?;
            if of == number && is_alias {
                aliases.push(JsonText(alias));
            }
        }
        let groups = record
            .groups()
            .map(|group| Ok(group?.name))
            .collect::<Result<Vec<_>, Damage>>()?;
        let distributions = record
            .distributions()
            .map(|distribution| ExportedDistribution::of(&record, &groups, distribution?))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            path: JsonText(path),
            aliases,
            missing: record.is_missing(),
            distributions,
        })
    }
}

impl ExportedDistribution {
    fn of(
        record: &Record<'_, AnySource>,
        groups: &[String],
        distribution: Distribution,
    ) -> Result<Self, Damage> {
        let entry_points = record
            .entries_of(&distribution)
            .map(|entry| {
                let (group, entry) = entry?;
                Ok(ExportedEntry {
                    group: groups.get(group as usize).cloned().unwrap_or_default(),
                    malformed: !is_well_formed(&entry.value),
                    name: entry.name,
                    value: entry.value,
                })
            })
            .collect::<Result<Vec<_>, Damage>>()?;
        Ok(Self {
            shadowed: distribution.has(distribution_flag::SHADOWED),
            has_metadata: distribution.has(distribution_flag::HAS_METADATA),
            unread: distribution.has(distribution_flag::UNREAD),
            problem: distribution.has(distribution_flag::PROBLEM),
            name: JsonText(distribution.name),
            version: JsonText(distribution.version),
            metadata_directory: JsonText(distribution.file_name),
            entry_points,
        })
    }
}
