//! The commands and options in the man page, generated from the definition of the command line. The page is in
//! the repository, so that building a package needs no generator. This test fails if it is out of date. With
//! `EPCACHE_WRITE=1` in the environment it writes it:
//!
//!     EPCACHE_WRITE=1 cargo test --test packaging_generated

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read is a failed one"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};

fn packaging(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("packaging")
        .join(file)
}

/// Compares a generated file with the one in the repository, or writes it.
fn check(file: &str, generated: &str) {
    let path = packaging(file);
    if std::env::var_os("EPCACHE_WRITE").is_some() {
        fs::write(&path, generated).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == generated,
        "{} is not what the command line's definition gives; \
         `EPCACHE_WRITE=1 cargo test --test packaging_generated` writes it",
        path.display()
    );
}

#[test]
fn the_man_page_has_every_command_and_option() {
    let frame = fs::read_to_string(packaging("man/epcache.8.in")).unwrap();
    let mut all = epcache::cli::definition();
    all.build();
    let (mut synopsis, mut commands) = (String::new(), String::new());
    for command in all.get_subcommands().filter(|c| !c.is_hide_set()) {
        synopsis += &usage(command);
        let _ = writeln!(commands, ".SS epcache {}", command.get_name());
        let about = command.get_long_about().or_else(|| command.get_about());
        let _ = writeln!(
            commands,
            "{}.",
            roff(&about.map(ToString::to_string).unwrap_or_default())
        );
        let own = |arg: &&Arg| !arg.is_global_set() && arg.get_id() != "help";
        let shown = command.get_arguments().filter(own);
        commands += &shown.map(argument).collect::<String>();
    }
    let shared = all.get_arguments().map(argument).collect::<String>();
    let page = frame
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@SYNOPSIS@\n", &synopsis)
        .replace("@COMMANDS@\n", &commands)
        .replace("@OPTIONS@\n", &shared);
    check(
        "man/epcache.8",
        &format!(
            ".\\\" Made from epcache.8.in by tests/packaging_generated.rs: change that.\n{page}"
        ),
    );
}

/// A command's usage, with its words in bold and placeholders in italics.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let words: Vec<_> = usage.split_whitespace().map(roff).collect();
    let (name, rest) = words.split_at(2);
    format!(".HP\n.B {}\n{}\n", name.join(" "), rest.join(" "))
}

/// An argument's entry in the list.
fn argument(arg: &Arg) -> String {
    let mut names = Vec::new();
    names.extend(arg.get_short().map(|short| format!("\\fB\\-{short}\\fR")));
    names.extend(
        arg.get_long()
            .map(|long| format!("\\fB{}\\fR", roff(&format!("--{long}")))),
    );
    let mut line = names.join(", ");
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    if takes_value {
        let name = arg.get_value_names().and_then(<[_]>::first);
        let name = name.map_or_else(|| arg.get_id().to_string(), ToString::to_string);
        let many = arg
            .get_num_args()
            .is_some_and(|range| range.max_values() > 1);
        let _ = write!(
            line,
            "{}\\fI{}\\fR{}",
            if line.is_empty() { "" } else { " " },
            roff(&name.to_uppercase()),
            if many { "\\&..." } else { "" }
        );
    }
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<_> = arg
        .get_possible_values()
        .iter()
        .filter(|value| takes_value && !value.is_hide_set())
        .map(|value| {
            let meaning = value.get_help().map(|help| format!(" ({help})"));
            format!("{}{}", value.get_name(), meaning.unwrap_or_default())
        })
        .collect();
    if !values.is_empty() {
        let _ = write!(help, ": {}", values.join("; "));
    }
    let default: Vec<_> = arg
        .get_default_values()
        .iter()
        .filter(|_| takes_value)
        .map(|value| value.to_string_lossy())
        .collect();
    if !default.is_empty() {
        let _ = write!(help, ". Default: {}", default.join(" "));
    }
    format!(".TP\n{line}\n{}.\n", roff(&help))
}

/// Text escaped for roff.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.strip_prefix(['.', '\'']) {
        Some(_) => format!("\\&{text}"),
        None => text,
    }
}
