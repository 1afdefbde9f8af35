//! One file a subcommand: each wires the rooms below, and prints.

pub(crate) mod export;
pub(crate) mod query;
pub(crate) mod refresh;
pub(crate) mod status;
pub(crate) mod verify;

use std::path::{Path, PathBuf};

use crate::cli::CommandError;
use crate::config::{self, Config};
use crate::environment::Environment;
use crate::lookup::{OpenIndex, PlaceKind, Unusable, places};
use crate::rooted::Root;

/// The exit status and nothing else, or an error for the last line.
type Done = Result<u8, CommandError>;

const SUCCESS: u8 = 0;
const NONE_FOUND: u8 = 1;
const DAMAGED: u8 = 1;
const INCOMPLETE: u8 = 1;
const STALE: u8 = 3;

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::Failed(error.to_string())
}

fn open_root(dir: Option<&Path>) -> Result<Root, CommandError> {
    match dir {
        None => Ok(Root::system()),
        Some(dir) => {
            Root::at(dir).map_err(|error| failed(format!("--root {}: {error}", dir.display())))
        }
    }
}

fn configuration(root: &Root) -> Config {
    let (config, remarks) = config::read(root);
    for remark in remarks {
        log::warn!("{remark}");
    }
    config
}

/// The indexes that are there and believed. One that is there and not believed is as absent, but
/// where it was named on the command line, that is worth a warning.
fn open_indexes(
    root: &Root,
    given: &[PathBuf],
    environment: &Environment,
    venv: Option<&Path>,
) -> Vec<OpenIndex> {
    let mut indexes = Vec::new();
    let mut open = |root: &Root, kind, path: &Path| match OpenIndex::open(root, path, kind) {
        Ok(index) => indexes.push(index),
        Err(Unusable::Missing) if kind != PlaceKind::Given => {}
        Err(error) => {
            let level = match (&error, kind) {
                (Unusable::Damage(_), _) | (_, PlaceKind::Given) => log::Level::Warn,
                _ => log::Level::Info,
            };
            log::log!(level, "{}: index not used: {error}", path.display());
        }
    };
    if given.is_empty() {
        for (kind, path) in places(root, environment, venv) {
            open(root, kind, &path);
        }
    } else {
        // A path on the command line is one of the system that the command line is typed on.
        for path in given {
            open(&Root::system(), PlaceKind::Given, path);
        }
    }
    indexes
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
