//! `epcache query`: looks up entry points.
//!
//! The input is a group, a name and a scope. The output is a table, or JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;

use serde::Serialize;

use super::asking::{Asking, search_path};
use super::explain;
use super::importing;
use super::wanted::Wanted;
use super::{
    CommandError, Done, NONE_FOUND, SUCCESS, configuration, failed, open_root, say_what_hangs,
};
use crate::cli::QueryArgs;
use crate::environment::Environment;
use crate::json::JsonText;
use crate::lookup::{EntryPoint, entry_points};
use crate::rooted::Root;
use crate::terminal::{DIM, HEADING, NAME, Output, escape, escape_bytes, say};

pub(crate) fn run(arguments: &QueryArgs) -> Done {
    let watched = say_what_hangs();
    let root = open_root(arguments.place.root.as_deref())?;
    refuse_swallowed_group(arguments, &root)?;
    let environment = Environment::of_process();
    let config = configuration(&root);
    let searched = search_path(&arguments.place, &root, &environment, &config)?;
    let asking = Asking {
        root: &root,
        environment: &environment,
        config: &config,
        place: &arguments.place,
        paths: &searched.paths,
        venv: searched.venv(),
    };
    if let Some(name) = &arguments.import {
        return importing::run(&asking, name, arguments.json);
    }
    if arguments.explain {
        return explain::run(&asking, &searched, arguments.json);
    }
    let wanted = Wanted::of(arguments);
    let is_watched = std::io::stderr().is_terminal() && log::log_enabled!(log::Level::Warn);
    let (found, hint) = asking.ask(&|answers| {
        let found = wanted.find(answers)?;
        let hint = match found.is_empty() && is_watched {
            true => Some(wanted.hint(&entry_points(answers, None, None)?)),
            false => None,
        };
        Ok((found, hint))
    })?;
    drop(watched);
    let mut output = Output::stdout();
    match (&arguments.group, arguments.json) {
        (None, true) => output.json(&counted(&found))?,
        (None, false) if arguments.long => print_long(&mut output, &found)?,
        (None, false) => print_groups(&mut output, &counted(&found))?,
        (Some(_), true) => print_json(&mut output, &found)?,
        (Some(_), false) if arguments.long => print_long(&mut output, &found)?,
        (Some(_), false) => print_entries(&mut output, &found, wanted.group.is_pattern())?,
    }
    output.flush()?;
    if let Some(hint) = hint {
        say(&hint);
    }
    Ok(match found.is_empty() {
        true => NONE_FOUND,
        false => SUCCESS,
    })
}

/// `--path` and `--index` take every word up to the next option. A GROUP after them would be
/// treated as a path, and all groups would be listed.
fn refuse_swallowed_group(arguments: &QueryArgs, root: &Root) -> Result<(), CommandError> {
    if arguments.group.is_some() || arguments.import.is_some() {
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

/// A group, and the number of its entry points.
#[derive(Serialize)]
struct Group<'a> {
    group: &'a str,
    count: usize,
}

fn counted(found: &[EntryPoint]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in found {
        *groups.entry(&entry.group).or_default() += 1;
    }
    let groups = groups.into_iter();
    groups
        .map(|(group, count)| Group { group, count })
        .collect()
}

fn print_groups(output: &mut Output, groups: &[Group<'_>]) -> std::io::Result<()> {
    if output.is_terminal() {
        let width = groups.iter().map(|it| it.count.to_string().len()).max();
        let width = width.unwrap_or_default();
        let rows: Vec<_> = groups
            .iter()
            .map(|it| {
                [
                    format!("{:>width$}", it.count),
                    escape(it.group).into_owned(),
                ]
            })
            .collect();
        return output.table([DIM, HEADING], &rows);
    }
    for Group { group, count } in groups {
        writeln!(output, "{}\t{count}", escape(group))?;
    }
    Ok(())
}

/// The columns of a consumer's view: group, name, value, distribution, version, metadata directory.
fn print_long(output: &mut Output, found: &[EntryPoint]) -> std::io::Result<()> {
    let rows = found.iter().map(|entry| {
        let of = &entry.distribution;
        [
            escape(&entry.group).into_owned(),
            escape(&entry.name).into_owned(),
            escape(&entry.value).into_owned(),
            escape_bytes(&of.name),
            escape_bytes(&of.version),
            escape_bytes(of.path.as_os_str().as_bytes()),
        ]
    });
    let plain = anstyle::Style::new();
    if output.is_terminal() {
        let rows: Vec<_> = rows.collect();
        return output.table([HEADING, NAME, plain, plain, plain, DIM], &rows);
    }
    for row in rows {
        writeln!(output, "{}", row.join("\t"))?;
    }
    Ok(())
}

/// `with_group`: also print the group, for entry points of several groups.
fn print_entries(
    output: &mut Output,
    found: &[EntryPoint],
    with_group: bool,
) -> std::io::Result<()> {
    if output.is_terminal() {
        let cells = |entry: &EntryPoint| {
            let mut value = escape(&entry.value);
            if entry.malformed {
                value = Cow::Owned(format!("{value} (malformed)"));
            }
            let name = escape_bytes(&entry.distribution.name);
            let version = escape_bytes(&entry.distribution.version);
            let name_of_entry = escape(&entry.name).into_owned();
            [
                name_of_entry,
                value.into_owned(),
                format!("{name} {version}"),
            ]
        };
        let plain = anstyle::Style::new();
        if with_group {
            let cells = |entry: &EntryPoint| {
                let [name, value, of] = cells(entry);
                [escape(&entry.group).into_owned(), name, value, of]
            };
            let rows: Vec<_> = found.iter().map(cells).collect();
            return output.table([HEADING, NAME, plain, DIM], &rows);
        }
        let rows: Vec<_> = found.iter().map(cells).collect();
        return output.table([NAME, plain, DIM], &rows);
    }
    for entry in found {
        let cells = [&*entry.group, &entry.name, &entry.value].map(escape);
        writeln!(output, "{}", cells.join("\t"))?;
    }
    Ok(())
}
