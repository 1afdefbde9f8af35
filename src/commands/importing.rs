//! `epcache query --import`: the distributions that provide an import name.
//!
//! The input is an import name and a scope. The output is a table, or JSON.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::Serialize;

use super::asking::Asking;
use super::{Done, NONE_FOUND, SUCCESS};
use crate::index::Damage;
use crate::index::format::distribution_flag::{HAS_METADATA, SHADOWED};
use crate::json::JsonText;
use crate::lookup::Answers;
use crate::terminal::{DIM, NAME, Output, escape_bytes};

/// A distribution that provides the name.
struct Importable {
    name: Vec<u8>,
    version: Vec<u8>,
    path: PathBuf,
}

/// The result.
#[derive(Default)]
struct Imports {
    providers: Vec<Importable>,
    /// Distributions whose import names are not known.
    unknown: usize,
}

pub(super) fn run(asking: &Asking<'_>, import: &str, as_json: bool) -> Done {
    // For a module in a package, look for the package.
    let name = import.split('.').next().unwrap_or_default();
    let found = asking.ask_everything(&|answers| providers(answers, name))?;
    if found.unknown > 0 {
        log::info!(
            "{} distributions do not say what they provide",
            found.unknown
        );
    }
    let mut output = Output::stdout();
    if as_json {
        let rows = found.providers.iter().map(|it| Row {
            import: name,
            distribution: JsonText(&it.name),
            version: JsonText(&it.version),
            path: it.path.as_path().into(),
        });
        output.json(&rows.collect::<Vec<_>>())?;
    } else {
        let rows = found.providers.iter().map(|it| {
            let path = escape_bytes(it.path.as_os_str().as_bytes());
            [escape_bytes(&it.name), escape_bytes(&it.version), path]
        });
        let rows: Vec<_> = rows.collect();
        if output.is_terminal() {
            output.table([NAME, anstyle::Style::new(), DIM], &rows)?;
        } else {
            for row in &rows {
                writeln!(output, "{}", row.join("\t"))?;
            }
        }
    }
    output.flush()?;
    Ok(match found.providers.is_empty() {
        true => NONE_FOUND,
        false => SUCCESS,
    })
}

fn providers(answers: &Answers<'_>, name: &str) -> Result<Imports, (usize, Damage)> {
    let mut found = Imports::default();
    for number in 0..answers.len() {
        let at = |damage| (number, damage);
        let (path, record) = answers.record(number).map_err(at)?;
        for distribution in record.distributions() {
            let distribution = distribution.map_err(at)?;
            if !distribution.has(HAS_METADATA) || distribution.has(SHADOWED) {
                continue;
            }
            let Some(names) = record.import_names(&distribution).map_err(at)? else {
                found.unknown += 1;
                continue;
            };
            if names.iter().any(|it| it.name() == Some(name)) {
                found.providers.push(Importable {
                    path: path.join(OsStr::from_bytes(&distribution.file_name)),
                    name: distribution.name,
                    version: distribution.version,
                });
            }
        }
    }
    Ok(found)
}

#[derive(Serialize)]
struct Row<'a> {
    import: &'a str,
    distribution: JsonText<&'a [u8]>,
    version: JsonText<&'a [u8]>,
    path: JsonText,
}
