//! `epcache status --config`: which settings are in force, and where each comes from.

use std::io::Write;

use serde::Serialize;

use super::super::{Done, SUCCESS};
use crate::config::Config;
use crate::json::JsonText;
use crate::terminal::{DIM, Output, escape};

/// A setting as JSON. Without `file`, `value` is the default.
#[derive(Serialize)]
struct InForce {
    key: &'static str,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<JsonText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

/// Prints the settings as lines of a configuration file, with their origin as comments.
pub(super) fn print(config: &Config, output: &mut Output, as_json: bool) -> Done {
    let mut rows = Vec::new();
    for (key, default, lines) in config.in_force() {
        let of_lines = lines.iter().map(|setting| InForce {
            key,
            value: setting.value.clone(),
            file: Some((&*setting.file).into()),
            line: Some(setting.line),
        });
        rows.extend(of_lines);
        if lines.is_empty() {
            rows.push(InForce {
                key,
                value: default.into(),
                file: None,
                line: None,
            });
        }
    }
    if as_json {
        output.json(&rows)?;
    } else {
        for row in &rows {
            let setting = format!("{} = {}", row.key, escape(&row.value));
            let origin = match (&row.file, row.line) {
                (Some(file), Some(line)) => format!("{}:{line}", file.shown()),
                _ => "default".into(),
            };
            writeln!(output, "{setting:<32} {DIM}# {origin}{DIM:#}")?;
        }
    }
    output.flush()?;
    Ok(SUCCESS)
}
