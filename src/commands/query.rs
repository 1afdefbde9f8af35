//! `epcache query`: which entry points are there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::Serialize;

use super::{
    CommandError, Done, NONE_FOUND, SUCCESS, configuration, failed, mending, moved_from,
    open_indexes, open_root, plural, say_what_hangs,
};
use crate::cli::QueryArgs;
use crate::environment::Environment;
use crate::freshness::Level;
use crate::json::JsonText;
use crate::layout::{self, LayoutError, Wanted};
use crate::lookup::{Answers, EntryPoint, OpenIndex, PlaceKind, Stale, entry_points};
use crate::rooted::Root;
use crate::scan::Difference;
use crate::terminal::{DIM, HEADING, NAME, Output, escape, escape_bytes};

pub(crate) fn run(arguments: &QueryArgs) -> Done {
    let watched = say_what_hangs();
    let root = open_root(arguments.root.as_deref())?;
    refuse_swallowed_group(arguments, &root)?;
    let environment = Environment::of_process();
    let (paths, venv) = search_path(arguments, &root, &environment)?;
    let config = configuration(&root);
    let venv = venv.as_deref();
    let indexes = open_indexes(&root, &arguments.index, &environment, venv, &config);
    let level_of = |index: &OpenIndex| match (arguments.freshness, index.kind()) {
        (Some(level), _) => level.into(),
        (None, PlaceKind::Configured) => config.freshness,
        (None, _) => Level::Auto,
    };
    let mut answers = Answers::find(&root, &paths, &indexes, &level_of);
    let found = loop {
        match entry_points(
            &answers,
            arguments.group.as_deref(),
            arguments.name.as_deref(),
        ) {
            Ok(found) => break found,
            Err((number, damage)) => {
                let text = damage.to_string();
                if !answers.give_up(&root, number, damage) {
                    return Err(failed(text));
                }
            }
        }
    };
    for (number, damage) in &answers.damaged {
        if let Some(index) = indexes.get(*number) {
            log::warn!("{}: index not used: {damage}", index.path().display());
        }
    }
    for warning in &answers.warnings {
        log::warn!("{warning}");
    }
    for stale in &answers.stale {
        let index = indexes.iter().find(|index| index.path() == stale.index);
        let mending = index.map(|index| mending(index, &root, &environment));
        log::warn!("{}", describe(stale, &mending.unwrap_or_default()));
    }
    for index in &indexes {
        if let Some(old) = moved_from(index, venv) {
            log::warn!(
                "{}: index not used: it is of {}, the environment has moved; `{}` mends it",
                index.path().display(),
                old.display(),
                mending(index, &root, &environment)
            );
        }
    }
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
    for (option, paths) in [("--path", &arguments.path), ("--index", &arguments.index)] {
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

/// The search directories to look in, and the virtual environment that they are of.
fn search_path(
    arguments: &QueryArgs,
    root: &Root,
    environment: &Environment,
) -> Result<(Vec<PathBuf>, Option<PathBuf>), CommandError> {
    if !arguments.path.is_empty() {
        let found = layout::given(root, &arguments.path);
        return Ok((
            found
                .directories
                .into_iter()
                .map(|found| found.path)
                .collect(),
            None,
        ));
    }
    let wanted = match (&arguments.venv, &arguments.python, &environment.venv) {
        (Some(dir), ..) => Wanted::Venv(dir.clone()),
        (_, Some(python), _) if python.as_bytes().contains(&b'/') => {
            Wanted::Executable(PathBuf::from(python))
        }
        (_, Some(python), _) => Wanted::Version(python.to_string_lossy().into_owned()),
        (None, None, Some(venv)) if root.is_system() => Wanted::Venv(venv.clone()),
        _ => Wanted::Default,
    };
    let interpreter = layout::find_interpreter(root, &wanted, environment.path.as_deref())
        .map_err(|error| match &error {
            LayoutError::NoSuchVersion(version) => failed(format!(
                "--python {version}: no such Python found; name a version such as 3.12, or a path"
            )),
            _ if arguments.venv.is_none() && matches!(wanted, Wanted::Venv(_)) => {
                failed(format!("VIRTUAL_ENV: {error}"))
            }
            _ => failed(error),
        })?;
    let sys_path = layout::sys_path(root, &interpreter);
    for note in &sys_path.notes {
        log::info!("{note}");
    }
    let venv = interpreter.venv.map(|venv| venv.prefix);
    Ok((
        sys_path
            .entries
            .into_iter()
            .map(|entry| entry.path)
            .collect(),
        venv,
    ))
}

/// One line about a directory that an index is wrong about.
fn describe(stale: &Stale, mending: &str) -> String {
    const NAMED: usize = 3;
    let mut named = Vec::new();
    for difference in stale.differences.iter().take(NAMED) {
        let (name, what) = match difference {
            Difference::Added(name) => (name, "new"),
            Difference::Removed(name) => (name, "gone"),
            Difference::Changed(name) => (name, "changed"),
        };
        named.push(format!("{} {what}", String::from_utf8_lossy(name)));
    }
    if stale.differences.len() > NAMED {
        named.push("…".into());
    }
    if named.is_empty() {
        named.push("the directory has appeared".into());
    }
    format!(
        "{}: {} differs from the index ({}); answered live, `{mending}` mends it",
        stale.path.display(),
        plural(
            stale.differences.len().max(1),
            "distribution",
            "distributions"
        ),
        named.join(", "),
    )
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
