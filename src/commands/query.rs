//! `epcache query`: which entry points are there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use serde::Serialize;

use super::asking::{Asking, search_path};
use super::{
    CommandError, Done, NONE_FOUND, SUCCESS, configuration, failed, open_root, say_what_hangs,
};
use crate::cli::QueryArgs;
use crate::environment::Environment;
use crate::json::JsonText;
use crate::lookup::{EntryPoint, entry_points};
use crate::rooted::Root;
use crate::terminal::{DIM, HEADING, NAME, Output, escape, escape_bytes};

pub(crate) fn run(arguments: &QueryArgs) -> Done {
    let watched = say_what_hangs();
    let root = open_root(arguments.place.root.as_deref())?;
    refuse_swallowed_group(arguments, &root)?;
    let environment = Environment::of_process();
    let (paths, venv) = search_path(&arguments.place, &root, &environment)?;
    let config = configuration(&root);
    let asking = Asking {
        root: &root,
        environment: &environment,
        config: &config,
        place: &arguments.place,
        paths: &paths,
        venv: venv.as_deref(),
    };
    let found = asking.ask(&|answers| {
        entry_points(
            answers,
            arguments.group.as_deref(),
            arguments.name.as_deref(),
        )
    })?;
    drop(watched);
    let mut output = Output::stdout();
    if arguments.json {
        print_json(&mut output, &found)?;
    } else if arguments.group.is_none() {
        print_groups(&mut output, &found)?;
    } else {
        print_entries(&mut output, &found)?;
    }
    output.flush()?;
    Ok(if found.is_empty() {
        NONE_FOUND
    } else {
        SUCCESS
    })
}

/// `--path` and `--index` take every word up to the next option. A GROUP that comes after them would
/// be taken for a path, and all groups be listed.
fn refuse_swallowed_group(arguments: &QueryArgs, root: &Root) -> Result<(), CommandError> {
    if arguments.group.is_some() {
        return Ok(());
    }
    for (option, paths) in [
        ("--path", &arguments.place.path),
        ("--index", &arguments.place.index),
    ] {
        if let [_, .., last] = paths.as_slice() {
            let is_word = !last.as_os_str().as_bytes().contains(&b'/');
            if is_word && !last.exists() && !root.exists(last) {
                return Err(failed(format!(
                    "{option} {}: there is no such path; GROUP and NAME go before {option}",
                    last.display()
                )));
            }
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Row<'a> {
    group: &'a str,
    name: &'a str,
    value: &'a str,
    distribution: JsonText<&'a [u8]>,
    version: JsonText<&'a [u8]>,
    path: JsonText<&'a [u8]>,
}

fn print_json(output: &mut Output, found: &[EntryPoint]) -> std::io::Result<()> {
    let rows: Vec<Row<'_>> = found
        .iter()
        .map(|entry| Row {
            group: &entry.group,
            name: &entry.name,
            value: &entry.value,
            distribution: JsonText(&entry.distribution.name),
            version: JsonText(&entry.distribution.version),
            path: JsonText(entry.distribution.path.as_os_str().as_bytes()),
        })
        .collect();
    output.json(&rows)
}

fn print_groups(output: &mut Output, found: &[EntryPoint]) -> std::io::Result<()> {
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in found {
        *groups.entry(&entry.group).or_default() += 1;
    }
    if output.is_terminal() {
        let rows: Vec<[String; 2]> = groups
            .iter()
            .map(|(group, count)| [count.to_string(), escape(group).into_owned()])
            .collect();
        let width = rows
            .iter()
            .map(|[count, _]| count.len())
            .max()
            .unwrap_or_default();
        let rows: Vec<[String; 2]> = rows
            .into_iter()
            .map(|[count, group]| [format!("{count:>width$}"), group])
            .collect();
        output.table([DIM, HEADING], &rows)?;
    } else {
        for (group, count) in groups {
            writeln!(output, "{}\t{count}", escape(group))?;
        }
    }
    Ok(())
}

fn print_entries(output: &mut Output, found: &[EntryPoint]) -> std::io::Result<()> {
    if output.is_terminal() {
        let rows: Vec<[String; 3]> = found
            .iter()
            .map(|entry| {
                let mut value = escape(&entry.value);
                if entry.malformed {
                    value = Cow::Owned(format!("{value} (malformed)"));
                }
                let (name, version) = (
                    escape_bytes(&entry.distribution.name),
                    escape_bytes(&entry.distribution.version),
                );
                [
                    escape(&entry.name).into_owned(),
                    value.into_owned(),
                    format!("{name} {version}"),
                ]
            })
            .collect();
        output.table([NAME, anstyle::Style::new(), DIM], &rows)?;
    } else {
        for entry in found {
            let [group, name, value] = [&*entry.group, &entry.name, &entry.value];
            writeln!(
                output,
                "{}\t{}\t{}",
                escape(group),
                escape(name),
                escape(value)
            )?;
        }
    }
    Ok(())
}
