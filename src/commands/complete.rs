//! `epcache complete -- WORDS`, for the shells' completions: the possible values of the last word.
//!
//! Each line is a word and, after a tab, what it means; `:dirs` and `:files` stand for the names of
//! directories and files. Groups, names and distributions come out of the index.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;

use clap::{Arg, ArgAction};

use super::asking::{Asking, search_path};
use super::{CommandError, Done, SUCCESS, configuration, open_root};
use crate::cli::{self, Command, CompleteArgs, PlaceArgs};
use crate::environment::Environment;
use crate::layout;
use crate::lookup::{Answers, entry_points};
use crate::rooted::Root;
use crate::terminal::{Output, escape};

/// A word, and what it means.
type Candidate = (String, String);

pub(crate) fn run(arguments: &CompleteArgs) -> Done {
    log::set_max_level(log::LevelFilter::Off);
    let Some((current, before)) = arguments.words.split_last() else {
        return Ok(SUCCESS);
    };
    let current = current.to_string_lossy();
    let mut output = Output::stdout();
    for (word, meaning) in candidates(before, &current) {
        if word.starts_with(&*current) || word.starts_with(':') {
            writeln!(output, "{}\t{}", escape(&word), escape(&meaning))?;
        }
    }
    output.flush()?;
    Ok(SUCCESS)
}

fn candidates(before: &[OsString], current: &str) -> Vec<Candidate> {
    let mut all = cli::definition();
    all.build();
    let mut command = &all;
    let mut option: Option<&Arg> = None;
    let mut positional = 0;
    for word in before.iter().map(|word| word.to_string_lossy()) {
        let takes_many = |arg: &Arg| arg.get_num_args().is_some_and(|it| it.max_values() > 1);
        if let Some(long) = word.strip_prefix("--") {
            let mut known = command.get_arguments();
            let found = known.find(|arg| arg.get_long() == Some(long));
            option = found.filter(|arg| takes_value(arg));
        } else if word.starts_with('-') {
            option = None;
        } else if let Some(arg) = option {
            option = Some(arg).filter(|arg| takes_many(arg));
        } else if let Some(found) = command.find_subcommand(&*word) {
            command = found;
        } else {
            positional += 1;
        }
    }
    if current.starts_with('-') {
        let options = command.get_arguments().filter(|arg| !arg.is_hide_set());
        return options
            .filter_map(|arg| Some((format!("--{}", arg.get_long()?), help(arg))))
            .collect();
    }
    if let Some(arg) = option {
        return values(arg);
    }
    let commands = || {
        let shown = all
            .get_subcommands()
            .filter(|command| !command.is_hide_set());
        let about = |command: &clap::Command| command.get_about().map(ToString::to_string);
        let row = |command: &clap::Command| {
            (
                command.get_name().to_owned(),
                about(command).unwrap_or_default(),
            )
        };
        shown.map(row).collect()
    };
    match (command.get_name(), positional) {
        ("epcache" | "help", _) => commands(),
        ("query", 0 | 1) | ("list" | "check", _) => of_index(before).unwrap_or_default(),
        (_, 0) => command
            .get_positionals()
            .next()
            .map(values)
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn help(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default()
}

fn values(arg: &Arg) -> Vec<Candidate> {
    let name = arg.get_value_names().and_then(<[_]>::first);
    let name = name.map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string);
    let word = |word: &str| vec![(word.to_owned(), String::new())];
    match name.as_str() {
        "DIR" => word(":dirs"),
        "FILE" => word(":files"),
        "VERSION" => {
            let mut versions: Vec<_> = layout::interpreters(&Root::system())
                .iter()
                .map(|it| (it.version_text(), String::new()))
                .collect();
            versions.extend(word(":files"));
            versions
        }
        _ => {
            let values = arg.get_possible_values();
            let meaning =
                |it: &clap::builder::PossibleValue| it.get_help().map(ToString::to_string);
            let row = |it: &clap::builder::PossibleValue| {
                (it.get_name().to_owned(), meaning(it).unwrap_or_default())
            };
            values.iter().map(row).collect()
        }
    }
}

/// The groups, the names in a group, or the distributions, as the words before ask for them.
fn of_index(before: &[OsString]) -> Option<Vec<Candidate>> {
    let program = [OsString::from("epcache")];
    let words: Vec<_> = program.iter().chain(before).cloned().collect();
    match cli::understood(&words).ok()?.command {
        Command::Query(wanted) => {
            let group = wanted.group.as_deref();
            let found = ask(&wanted.place, &|answers| {
                let entries = entry_points(answers, group, None)?;
                let name = |entry: crate::lookup::EntryPoint| match group {
                    Some(_) => (entry.name, entry.value),
                    None => (entry.group.to_string(), String::new()),
                };
                Ok(entries.into_iter().map(name).collect())
            });
            found.ok()
        }
        Command::List(wanted) => ask(&wanted.place, &distributions).ok(),
        Command::Check(_) => ask(&PlaceArgs::default(), &distributions).ok(),
        _ => None,
    }
}

type Found = Result<BTreeSet<Candidate>, (usize, crate::index::Damage)>;

fn distributions(answers: &Answers<'_>) -> Found {
    let mut found = BTreeSet::new();
    for number in 0..answers.len() {
        let at = |damage| (number, damage);
        let (_, record) = answers.record(number).map_err(at)?;
        for distribution in record.distributions() {
            let distribution = distribution.map_err(at)?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.insert((text(&distribution.name), text(&distribution.version)));
        }
    }
    Ok(found)
}

fn ask(
    place: &PlaceArgs,
    find: &dyn Fn(&Answers<'_>) -> Found,
) -> Result<Vec<Candidate>, CommandError> {
    let root = open_root(place.root.as_deref())?;
    let environment = Environment::of_process();
    let config = configuration(&root);
    let searched = search_path(place, &root, &environment, &config)?;
    let asking = Asking {
        root: &root,
        environment: &environment,
        config: &config,
        place,
        paths: &searched.paths,
        venv: searched.venv(),
    };
    Ok(asking.ask(find)?.into_iter().collect())
}
